"""Credentials known by the name they are given to: `password=…`, `"token": "…"`, `--secret …`."""

import re
from collections.abc import Iterator

from .names import holds_secret, is_password
from .spans import IS_MASK, MASK, Span, compiled, is_placeholder

_NAMED = compiled(
    r"(?i)([A-Z0-9_.\-/]*(?:pass|pwd|pw|secret|token|key|cred|dsn|connection_?string"
    r"|access_?signature)[A-Z0-9_\-]*)"
    r"(?:(\\*[\"'])?[ \t]*(:=|=>|==?|:)[ \t]*|[ \t]+)"
)
_QUOTED = re.compile(rb"(\\*)([\"'])")
_BARE = re.compile(f"(?:{IS_MASK.pattern}|[^\\s,;&\"'`\\\\)}}\\]])+".encode())
_TO_SPACE = re.compile(f"(?:{IS_MASK.pattern}|[^\\s\"'`])+".encode())
_BLOCK = re.compile(rb"[|>][0-9+\-]{0,2}[ \t]*\n")
_NAMESPACED = re.compile(
    r"[a-z][a-z\-]*/[a-z][a-z\-.]*"
)  # secret="shop/web-tls" in controllers' logs
_ONE_MORE_WORD = re.compile(rb"(?i)[ \t]+[a-z]")
_SAYS_NO_MORE = frozenset(
    b"must should is was not required cannot invalid incorrect too may has authentication expired "
    b"failed for field missing wrong the a an does can if when error mismatch length".split()
)
_SPEAKS_OF_ONE = re.compile(
    rb"(?i)\b(?:unexpected|invalid|illegal|missing|next|bad|unknown|first|last)[ \t]+\Z"
)


def is_secret_value(value: str, name: str) -> bool:
    """Say whether a value under a secret's name is one: no reference, path or switch."""
    if is_placeholder(value):
        return False
    if value.isdigit():
        return is_password(name) or len(value) > 4
    return name.lower() != "secret" or not _NAMESPACED.fullmatch(value)


def by_name(text: bytes) -> Iterator[Span]:
    """Values given to a name that holds secrets."""
    done = 0
    for match in _NAMED.finditer(text):
        if match.start() < done:
            continue
        name = match[1].decode("latin-1")
        value = _value(text, match, name)
        if value is None:
            continue
        start, end = value
        if is_secret_value(text[start:end].decode("utf-8", "replace"), name):
            done = end
            yield Span(start, end, MASK)


def _value(text: bytes, match: "re.Match[bytes]", name: str) -> tuple[int, int] | None:
    """Where the value is; None if the name holds no secret or this is prose or a structure."""
    separator = match[3]
    if separator is None and not name.startswith("-"):
        return None
    # In upper case it is a variable, where any key counts.
    variable = separator is not None and name.isupper() and "_" in name
    if not holds_secret(name.lstrip("-"), environment=variable):
        return None
    quote = _QUOTED.match(text, match.end())
    return _quoted(text, quote) if quote else _unquoted(text, match, name)


def value_at(text: bytes, at: int) -> tuple[int, int] | None:
    """Where the value is that begins at a place: quoted, or up to what ends a bare one."""
    if quote := _QUOTED.match(text, at):
        return _quoted(text, quote)
    bare = _BARE.match(text, at)
    return bare.span() if bare and not bare[0].startswith((b"{", b"[")) else None


def _unquoted(text: bytes, match: "re.Match[bytes]", name: str) -> tuple[int, int] | None:
    separator, at = match[3], match.end()
    lead = text[_line_start(text, match.start()) : match.start()]
    is_first = match[2] is None and not lead.strip(b" \t+-")
    if is_first and separator == b":" and (block := _BLOCK.match(text, at)):
        return _indented(text, match.start(1), block.end())
    # First on its line it is YAML or an environment file, where only space ends a value.
    bare = (_TO_SPACE if is_first or name.startswith("-") else _BARE).match(text, at)
    if bare is None or bare[0].startswith((b"{", b"[")):
        return None
    if separator is None and bare[0].startswith(b"-"):
        return None
    if separator == b":" and match[2] is None and _is_prose(text, match.start(), bare, name):
        return None
    return bare.span()


def _line_start(text: bytes, at: int) -> int:
    return max(text.rfind(b"\n", max(0, at - 200), at) + 1, at - 200, 0)


def _indented(text: bytes, key: int, at: int) -> tuple[int, int] | None:
    """The lines of a YAML block scalar: those indented deeper than its key."""
    column = key - _line_start(text, key)
    lines = re.compile(rb"(?:[ +\-]?[ \t]*\n|[ +\-] {%d,}[^\n]*(?:\n|\Z))+" % column)
    found = lines.match(text, at)
    if found is None or not found[0].strip():
        return None
    inside = found[0]
    return at + len(inside) - len(inside.lstrip()), at + len(inside.rstrip())


def _quoted(text: bytes, quote: re.Match[bytes]) -> tuple[int, int] | None:
    """From an opening quote, however often escaped, to its like; at most to the end of the line."""
    start = quote.end()
    line_end = text.find(b"\n", start)
    line_end = len(text) if line_end < 0 else line_end
    escapes, mark = len(quote[1]), quote[2]
    at = start
    while (at := text.find(mark, at, line_end)) >= 0:
        before = at
        while before > start and text[before - 1] == 0x5C:
            before -= 1
        if mark == b"'" and text[at + 1 : at + 2] == mark:
            at += 2  # in YAML '' is a quote inside the value
            continue
        # Each level of escaping doubles the backslashes before what is only inside the value.
        slashes = at - before
        if slashes < escapes or slashes % (2 * escapes + 2) == escapes:
            return start, at - min(escapes, slashes)
        at += 1
    bare = _BARE.match(text, start)
    return bare.span() if bare else None


def _is_prose(text: bytes, start: int, value: re.Match[bytes], name: str) -> bool:
    """`token: bucket algorithm`, `password: must not be empty`, `unexpected token: foo`."""
    if _SPEAKS_OF_ONE.search(text, max(0, start - 16), start):
        return True
    word = value[0].rstrip(b".,:!?")
    if word.isdigit() and text.startswith(b" bytes", value.end()):
        return True  # kubectl describe secret
    if not word.isalpha():
        return False
    if is_password(name):
        return word.lower() in _SAYS_NO_MORE
    return _ONE_MORE_WORD.match(text, value.end()) is not None

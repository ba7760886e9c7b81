"""Credentials known by the name they are given to: `password=…`, `"token": "…"`, `--secret …`."""

import re
from collections.abc import Iterator

from .names import holds_secret, is_password, is_short, words_of
from .spans import IS_MASK, MASK, Span, compiled, is_placeholder

NAME = (
    r"[A-Z0-9_.\-/]*(?:pass|pwd|pw|secret|token|key|cred|dsn|cookie|salt|connection_?string"
    r"|access_?signature|rediscli_auth)[A-Z0-9_\-]*"
)
# A name and a sign between it and its value, or a flag and a space.
_NAMED = compiled(rf"(?i)({NAME})(\\*[\"']{{1,2}})?\]?[ \t]*(:=|=>|==?|:)[ \t]*|(-{NAME})[ \t]+")
# b'…' of Python and $'…' of a shell are quotes, too; three, or two as CSV doubles them, are one.
_QUOTED = re.compile(
    rb"(?:\$|[bruBRU]{1,2})?(\\*)(\"\"\"|'''|\"\"(?=[^\"\s,;:)}\]])|[\"']|`(?=[^\s`]+`))"
)
# A quoted value of YAML that ends on a later line.
_OVER_LINES = {
    mark: re.compile(
        rb"[^%c\n]*(?:\n[ +\-]?[ \t]+[^%c\n]*){1,20}?(?=%c[ \t,]*(?:\n|\Z))" % (mark, mark, mark)
    )
    for mark in (b'"', b"'")
}
_TAGGED = re.compile(rb"(?:(?:!!|&)[\w:.\-]+[ \t]+)+(?=[^\s#])")  # YAML: !!str, &anchor
_BARE = re.compile(f"(?:{IS_MASK.pattern}|[^\\s,;&\"'`\\\\)}}\\]])+".encode())
_TO_SPACE = re.compile(f"(?:{IS_MASK.pattern}|[^\\s\"'`])+".encode())
_BLOCK = re.compile(rb"[|>][0-9+\-]{0,2}[ \t]*(?:[ \t]#[^\n]*)?\n")
_NAMESPACED = re.compile(
    r"[a-z][a-z\-]*/[a-z][a-z\-.]*"
)  # secret="shop/web-tls" in controllers' logs
_KEY_IN_SECRET = re.compile(r"[A-Za-z]+(?:[._\-][A-Za-z]+)*")
_LONGEST_NAME = 200
_DECIMAL = re.compile(r"\d*\.\d+(?:e-?\d+)?")  # cost_per_token: 0.00000015
_QUOTED_NEXT = frozenset({b' "', b" '"})
_ONE_MORE_WORD = re.compile(rb"(?i)[ \t]+[a-z]")
_SAYS_NO_MORE = frozenset(
    b"must should is was not required cannot invalid incorrect too may has authentication expired "
    b"failed for field missing wrong the a an does can if when error mismatch length see revoked"
    b" rotated unchanged changed found denied accepted rejected verified malformed set use".split()
)
_INSIDE = re.compile(rb"[A-Za-z0-9_./]")  # secrets/db-password is no flag
_IN_ARN = re.compile(rb"arn:[A-Za-z0-9:_\-]*\Z")  # …:secretsmanager:…:secret:shop/db is a name
_SPEAKS_OF_ONE = re.compile(
    rb"(?i)\b(?:unexpected|invalid|illegal|missing|next|bad|unknown|first|last)[ \t]+\Z"
)


def is_secret_value(value: str, name: str) -> bool:
    """Say whether a value under a secret's name is one: no reference, path or switch."""
    if is_placeholder(value) or is_placeholder(value.rstrip(",;")):
        return False
    if value.isdigit():
        return is_password(name) or len(value) > 4
    if _DECIMAL.fullmatch(value):
        return is_password(name)
    if is_short(name):
        return len(value) >= 6 and not value.isalpha()
    if len(value) == 1:
        return is_password(name)
    return not _is_name_of_one(value, name)


def _is_name_of_one(value: str, name: str) -> bool:
    """Say whether the value says which secret, or which key in it, and is none itself.

    `auth-secret: shop/basic-auth`, `secretKey: api-token`, `inject-ca-from-secret: web/ca`.
    """
    last = words_of(name[-_LONGEST_NAME:])[-1:]
    if last == ("secret",):
        return _NAMESPACED.fullmatch(value) is not None
    return last == ("key",) and _KEY_IN_SECRET.fullmatch(value) is not None and holds_secret(value)


def by_name(text: bytes) -> Iterator[Span]:
    """Values given to a name that holds secrets."""
    done = 0
    for match in _NAMED.finditer(text):
        if match.start() < done or (match[4] and _INSIDE.match(text, max(0, match.start() - 1))):
            continue
        name = _name(text, match)
        value = _value(text, match, name)
        if value is None:
            continue
        start, end = value
        if is_secret_value(text[start:end].decode("utf-8", "replace"), name):
            done = end
            yield Span(start, end, MASK)


def _name(text: bytes, match: "re.Match[bytes]") -> str:
    """The name; the n of a line feed written out before it is no part of it."""
    name: str = (match[1] or match[4]).decode("latin-1")
    escaped = name[:1] in {"n", "r", "t"} and text[match.start() - 1 : match.start()] == b"\\"
    return name[1:] if escaped else name


def _value(text: bytes, match: "re.Match[bytes]", name: str) -> tuple[int, int] | None:
    """Where the value is; None if the name holds no secret or this is prose or a structure."""
    separator = match[3]
    # In upper case it is a variable, where any key counts.
    variable = separator is not None and name.isupper() and "_" in name
    short = match[2] is not None and is_short(name)  # {"pass": "…"}, but not pass: 3
    if not short and not holds_secret(name.lstrip("-"), environment=variable):
        return None
    at = match.start()
    if separator == b":" and match[2] is None and text[match.end(1) : match.end(1) + 1] == b"]":
        return None  # [token]: what is said of it
    if text[max(0, at - 2) : at] == b"${" or _IN_ARN.search(text, max(0, at - 80), at):
        return None  # ${PASSWORD:?must be set}
    tagged = _TAGGED.match(text, match.end()) if separator == b":" else None
    at = tagged.end() if tagged else match.end()
    quote = _QUOTED.match(text, at)
    return _quoted(text, quote) if quote else _unquoted(text, match, at, name)


def value_at(text: bytes, at: int) -> tuple[int, int] | None:
    """Where the value is that begins at a place: quoted, or up to what ends a bare one."""
    if quote := _QUOTED.match(text, at):
        return _quoted(text, quote)
    bare = _BARE.match(text, at)
    return bare.span() if bare and not bare[0].startswith((b"{", b"[")) else None


def _unquoted(text: bytes, match: "re.Match[bytes]", at: int, name: str) -> tuple[int, int] | None:
    separator = match[3]
    key = match.start() - len(match[2] or b"")
    lead = text[_line_start(text, key) : key]
    is_first = not lead.strip(b" \t+-")
    if is_first and separator == b":" and (block := _BLOCK.match(text, at)):
        return _indented(text, key, block.end())
    is_first = is_first and match[2] is None
    # First on its line it is YAML or an environment file, where only space ends a value.
    bare = (_TO_SPACE if is_first or name.startswith("-") else _BARE).match(text, at)
    if bare is None or bare[0].startswith((b"{", b"[")) or bare[0] == b"#":
        return None
    if separator is None and bare[0].startswith(b"-"):
        return None
    if match[2] and bare[0].isalpha() and text[bare.end() : bare.end() + 2] in _QUOTED_NEXT:
        return None  # volume "token" : secret "api-token" not found
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
    if (over := _OVER_LINES.get(mark)) and (found := over.match(text, start)):
        return found.span()
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
    if word.lower() in _SAYS_NO_MORE:
        return True
    return not is_password(name) and _ONE_MORE_WORD.match(text, value.end()) is not None

"""Credentials below their name, or in the column beside it: `password:` or `API_KEY` alone."""

import re
from collections.abc import Iterator

from .assignments import NAME, is_secret_value
from .names import holds_secret
from .spans import MASK, Span, compiled

# A name that ends its line or its column: with a sign, or as a heading. Emphasis and a comment
# count for nothing.
_NAMED = compiled(
    rf"(?i)({NAME})\\*[\"']?[*_`]{{0,3}}"
    r"(?:[ \t]*(:=|=|:)?[*_`]{0,3}[ \t]*(?:\\|#[^\n]*)?\r?\n|[ ]{2,}|[ \t]*[\t|][ \t]*)"
    # Empty lines and a fence may stand between, and what quotes or diffs put before each line.
    r"(?:[ \t>+\-]*(?:```\w*)?\r?\n){0,2}[ \t>+\-]*"
    r"([\"'`*][^\n]+|\S*[^\s:][ \t\r|]*(?:\n|\z))"
)
_VALUE = re.compile(
    rb"(?P<mark>[\"'`*]{1,2})(?P<quoted>[^\n]+?)(?P=mark)[,;]?[ \t\r|]*(?:\n|\Z)"
    rb"|(?P<bare>[^\s\"'`*|]+)[ \t\r|]*(?:\n|\Z)"
)
_BETWEEN = (b"\n", b"  ", b"\t", b"|")
_MARKS = b" \t>|+-*_`\"'"
_PROMPT = re.compile(rb"(?i)(?:[a-z]{2,12}[ \t]+){0,4}")
# The next name, with its own value, rather than a value.
_OTHER = re.compile(r"[A-Za-z_][\w.\-/]*(?:=(?!=*$).*|:)|[#\[{<&].*")
_LOOKS = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[!-~]+")
# Names, dates, versions, addresses and paths have digits and letters, too.
_PLAIN = re.compile(
    r"(?:\d+[a-z]{1,2})+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z0-9]+(?:[.\-/][a-z0-9]+)+|v?\d[\d.:,\-/T]*[A-Za-z%]{0,5}"
    r"|[a-z][a-z0-9+.\-]*://.*|\.{0,2}/.*|[\w.\-]+@[\w.\-]+|.*\(.*"
)
_NUMBERED = re.compile(r"[A-Za-z]+\d{0,3}")  # below a heading: the next of a list of names
_SHORTEST, _SHORTEST_BELOW_HEADING = 6, 8  # characters of what has to look like one


def by_following(text: bytes) -> Iterator[Span]:
    """Values below a name that holds secrets, or in the next column."""
    if not any(sign in text for sign in _BETWEEN):
        return
    for match in _matches(text):
        name = match[1].decode("latin-1")
        if not holds_secret(name.lstrip("-"), environment=name.isupper() and "_" in name):
            continue
        lead = text[text.rfind(b"\n", 0, match.start()) + 1 : match.start()]
        value = _VALUE.match(text, match.start(3))
        if value is None or not _is_heading(lead, match[2], value.start(), text):
            continue
        group = "bare" if value["mark"] is None else "quoted"
        column = value.start() - (text.rfind(b"\n", 0, value.start()) + 1)
        found = value[group].decode("utf-8", "replace")
        if _OTHER.fullmatch(found) or not is_secret_value(found, name):
            continue
        indented = match[2] == b":" and column > len(lead)  # as in YAML, where anything may stand
        if indented or _looks_secret(found, below_heading=match[2] is None):
            yield Span(*value.span(group), MASK)


def _matches(text: bytes) -> Iterator["re.Match[bytes]"]:
    """Each name with the line after it, which may be a name, too."""
    at = 0
    while match := _NAMED.search(text, at):
        yield match
        at = match.end(1)


def _is_heading(lead: bytes, sign: bytes | None, value: int, text: bytes) -> bool:
    """Say whether the name begins its line, or a few words ask for it: `Enter the password:`."""
    said = lead.lstrip(_MARKS)
    if sign:
        return _PROMPT.fullmatch(said) is not None
    listed = text[text.rfind(b"\n", 0, value) + 1 : value].strip() == b"-" == lead.strip()
    return not said and not listed


def _looks_secret(value: str, *, below_heading: bool) -> bool:
    """Say whether letters and digits are mixed as in no name, date, version, address or path."""
    if below_heading and (len(value) < _SHORTEST_BELOW_HEADING or _NUMBERED.fullmatch(value)):
        return False
    return (
        len(value) >= _SHORTEST
        and _LOOKS.fullmatch(value) is not None
        and _PLAIN.fullmatch(value) is None
    )

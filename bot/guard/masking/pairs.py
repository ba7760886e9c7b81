"""Credentials that stand beside their name: `name: X` with `value: …`, `--flag` before its value.

As YAML, plain or in a diff of which one sees only pieces; as JSON, also cut off or escaped; and as
programs print their structures. What hides is the name; `is_secret_value` then spares references.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .assignments import is_secret_value, value_at
from .names import holds_secret
from .spans import IS_MASK, MASK, Span, compiled

_NAME = r"\b(?:name|key)\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?([A-Z0-9_.\-]{1,200})\\*[\"']?"
_VALUE = r"\\*[\"']?\bvalue\\*[\"']?[ \t]*[:=][ \t]*"
_NAME_FIRST = compiled(rf"(?i){_NAME}[ \t]*,?[\s+\-]*{_VALUE}")
_VALUE_FIRST = compiled(
    r"(?i)\bvalue\\*[\"'][ \t]*:[ \t]*\\*[\"']((?:[^\"'\\\n]|\\.)*?)\\*[\"'][ \t]*,[\s+\-]*\\*[\"']"
    + _NAME
)
_FLAG_FIRST = compiled(r"[\"']--?([A-Za-z][A-Za-z0-9_.\-]{0,200})\\*[\"'][ \t]*,[\s+\-]*(\\*[\"'])")
# A header or a variable as a pair: ("x-api-key", "…"), [b'password', b'…'].
_TWO = compiled(
    r"[(\[][ \t]*b?\\*[\"']([A-Za-z][A-Za-z0-9_.\-]{0,200})\\*[\"'][ \t]*,[ \t]*b?\\*[\"']"
    r"((?:[^\"'\\\n]|\\.)*?)\\*[\"'][ \t]*[)\]]"
)

_IN_LINES = compiled(r"(?im)^[+\-]?[ \t]*(?:- +)*(?:[\"']?value[\"']?:|[\"']?--?[a-z])")
_OF_INTEREST = re.compile(rb"(?i) *(?:- +)*(?:[\"']?value[\"']?:|[\"']?--?[a-z])")
_EMPTY = re.compile(rb" *(?:- +)*\s*")
_LINE = re.compile(rb"[^\n]+")
_INDENT = re.compile(rb" *((?:- +)*)")
_KEYED = re.compile(rb"(?i)[\"']?(name|key|value)[\"']?:(?:[ \t]+|\Z)")
_SCALAR = re.compile(rb"[\"']?([A-Za-z0-9_.\-/]{1,200})[\"']?(?:[ \t]+#.*)?\Z")
_FLAG = re.compile(rb"[\"']?(--?[A-Za-z][A-Za-z0-9_.\-]{0,200})[\"']?\Z")
_ANY_FLAG = re.compile(rb"[\"']?--?(?:[A-Za-z][A-Za-z0-9_.\-]*)?(?:=.*|[\"']?)\Z")
_BLOCK = re.compile(rb"(?:[|>][0-9+\-]{0,2})?\Z")
_MASKED = re.compile(IS_MASK.pattern.encode())


def by_pair(text: bytes) -> Iterator[Span]:
    """Values whose name, or whose flag, stands in a field or an item of its own."""
    yield from _inline(text)
    if _IN_LINES.search(text):
        for lines in _readings(text):
            yield from _in_lines(lines)


def _inline(text: bytes) -> Iterator[Span]:
    for match in _NAME_FIRST.finditer(text):
        yield from _hidden(text, value_at(text, match.end()), match[1])
    for match in _VALUE_FIRST.finditer(text):
        yield from _hidden(text, match.span(1), match[2])
    for match in _FLAG_FIRST.finditer(text):
        place = value_at(text, match.start(2))
        if place and not text.startswith(b"-", place[0]):
            yield from _hidden(text, place, match[1], environment=False)
    for match in _TWO.finditer(text) if b"," in text else ():
        if not match[2].isalpha():  # or these are two names
            yield from _hidden(text, match.span(2), match[1])


def _hidden(
    text: bytes, place: tuple[int, int] | None, name: bytes, *, environment: bool = True
) -> Iterator[Span]:
    """The span, if the name is that of a secret and there is one."""
    if place is None or not _names_secret(name, environment=environment):
        return
    value = text[place[0] : place[1]].decode("utf-8", "replace")
    if is_secret_value(value, name.decode("latin-1")):
        yield Span(*place, MASK)


def _names_secret(name: bytes, *, environment: bool) -> bool:
    return holds_secret(name.decode("latin-1").lstrip("-"), environment=environment)


# --- line by line -----------------------------------------------------------------------------


class _Row(NamedTuple):
    """One line of a reading; `text` is what stands behind indentation and dashes."""

    at: int  # of `text`, in the whole
    column: int
    opens: bool  # a dash stands before it: an item begins
    text: bytes
    first: bool  # of a hunk: what it belongs to may be out of sight
    apart: bool = False  # lines were left out before it, which ended what was open


@dataclass
class _Mapping:
    """The fields at one column that belong together, as far as read."""

    column: int
    cut: bool  # its beginning is out of sight
    name: bytes | None = None
    values: list[_Row] = field(default_factory=list)
    inside: bool = False  # the value's further lines may follow


def _readings(text: bytes) -> Iterator[Iterable[_Row]]:
    """The lines as plain text and, as they may be a diff, as they were and as they will be."""
    lines = [
        (match.start(), match[0])
        for match in _LINE.finditer(text)
        if not _EMPTY.fullmatch(match[0])
    ]
    yield _near(lines)
    if any(line.startswith((b"+", b"-  ", b"@@")) for _, line in lines):
        yield _rows(lines, b" -")
        yield _rows(lines, b" +")


def _near(lines: Sequence[tuple[int, bytes]]) -> Iterator[_Row]:
    """The lines of mappings that have a value, and those after a flag; most others are neither.

    A line comes again only for a mapping further out: at most as often as it is indented.
    """
    done = 0  # up to here lines were looked at
    for number, (_, line) in enumerate(lines):
        if number < done or not _OF_INTEREST.match(line):
            continue
        start, end = _around(lines, number)
        cut = start != done
        for row in _rows(lines[start:end], b""):
            yield row._replace(apart=True) if cut else row
            cut = False
        done = end


def _around(lines: Sequence[tuple[int, bytes]], number: int) -> tuple[int, int]:
    """The lines of the mapping, or of the list of flags, that a line is in."""
    column, opens = _column(lines[number][1])
    start, end = number, number + 1
    while start > 0 and not opens:
        above, dashed = _column(lines[start - 1][1])
        if above < column:
            break
        opens = dashed and above == column
        start -= 1
    while end < len(lines):
        below, dashed = _column(lines[end][1])
        ended = dashed and below == column and not _OF_INTEREST.match(lines[end - 1][1])
        if below < column or ended:
            break
        end += 1
    return start, end


def _column(line: bytes) -> tuple[int, bool]:
    """Where the text of a line begins, behind its dash, and whether it has one."""
    found = _INDENT.match(line)
    return (found.end(), bool(found[1])) if found else (0, False)


def _rows(lines: Iterable[tuple[int, bytes]], side: bytes) -> Iterator[_Row]:
    first = False
    for start, line in lines:
        if side and line.startswith(b"@@"):
            first = True
            continue
        if side and line[:1] not in side:
            continue
        content = line[1:] if side else line
        found = _INDENT.match(content)
        text = content[found.end() :].rstrip() if found else b""
        if found and text:
            at = start + len(line) - len(content) + found.end()
            yield _Row(at, found.end(), bool(found[1]), text, first)
            first = False


def _in_lines(rows: Iterable[_Row]) -> Iterator[Span]:
    open_: list[_Mapping] = []
    before: _Row | None = None
    for row in rows:
        if row.first or row.apart:
            yield from _closed(open_, -1)
            before = None if row.apart else before
        yield from _of_flag(before, row)
        before = row
        yield from _closed(open_, row.column if row.opens else row.column + 1)
        if open_ and open_[-1].inside and row.column > open_[-1].column:
            open_[-1].values.append(row)
            continue
        if not open_ or open_[-1].column < row.column:
            open_.append(_Mapping(row.column, cut=row.first and not row.opens))
        yield from _read(open_[-1], row)
    yield from _closed(open_, -1)


def _read(mapping: _Mapping, row: _Row) -> Iterator[Span]:
    keyed = _KEYED.match(row.text)
    mapping.inside = False
    if keyed is None:
        return
    rest = row.text[keyed.end() :]
    if keyed[1].lower() == b"value":
        mapping.inside = True
        mapping.values.append(row._replace(at=row.at + keyed.end(), text=rest))
    elif scalar := _SCALAR.match(rest):
        if mapping.name is not None:  # no mapping has two: the dash was taken for a diff's
            yield from _of_mapping(mapping)
            mapping.values.clear()
        mapping.name = scalar[1]


def _closed(open_: list[_Mapping], column: int) -> Iterator[Span]:
    """Close what stands at this column or further in, and hide what it turned out to be."""
    while open_ and open_[-1].column >= column:
        yield from _of_mapping(open_.pop())


def _of_mapping(mapping: _Mapping) -> Iterator[Span]:
    """Its values, if its name is that of a secret, or is out of sight."""
    if mapping.name is None:
        if mapping.cut:
            yield from _values(mapping.values, b"")
    elif _names_secret(mapping.name, environment=True):
        yield from _values(mapping.values, mapping.name)


def _values(rows: Iterable[_Row], name: bytes) -> Iterator[Span]:
    for row in rows:
        bare = row.text.strip(b"\"'").decode("utf-8", "replace")
        if _BLOCK.fullmatch(row.text) or _MASKED.fullmatch(row.text):
            continue
        if is_secret_value(bare, name.decode("latin-1")):
            yield Span(row.at, row.at + len(row.text), MASK)


def _of_flag(before: _Row | None, row: _Row) -> Iterator[Span]:
    """A command line as a list: the item after `- --token`."""
    if before is None or not (before.opens and row.opens and before.column == row.column):
        return
    flag = _FLAG.match(before.text)
    if flag is None or _ANY_FLAG.match(row.text):
        return
    if _names_secret(flag[1], environment=False):
        yield from _values([row], flag[1])

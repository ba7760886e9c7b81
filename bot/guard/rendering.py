"""What a read found, as the text that the model and people get; the same finding, the same text."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import JsonValue

from tools import Finding, Lines, Manifests, Report, Several, Table

# kubectl's order at the top of an object; whatever is not named here follows by name, status last.
_FIRST = ("apiVersion", "kind", "metadata", "spec", "data", "stringData")
_LAST = ("status",)


class _Dumper(yaml.CSafeDumper):
    """Without anchors, which neither models nor people read well, and with texts as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML calls it so)
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    block = "\n" in text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


_Dumper.add_representer(str, _text)


def render(finding: Finding) -> str:
    """Lines as they are, tables in aligned columns, objects as YAML; the note last, in brackets.

    Of several kinds one after the other, as kubectl does.
    """
    match finding:
        case Several(parts):
            return "\n\n".join(render(part) for part in parts.values())
        case Lines(lines) | Report(lines):
            body = "\n".join(lines)
        case Table(columns, rows):
            body = _table((columns, *rows)) if columns or rows else ""
        case Manifests(objects, written=written) if written is not None:
            body = written(objects).rstrip("\n")
        case Manifests(objects):
            body = "---\n".join(to_yaml(one) for one in objects).rstrip("\n")
    note = f"({finding.note})" if finding.note else ""
    return "\n".join(part for part in (body, note) if part)


def to_yaml(value: Mapping[str, JsonValue]) -> str:
    """One object as YAML, its keys in the order kubectl shows them."""
    return yaml.dump(
        _ordered(value),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10_000,  # a long line is one line: people search and diff by the line
    )


def _ordered(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    def rank(key: str) -> tuple[int, str]:
        if key in _FIRST:
            return _FIRST.index(key), ""
        return len(_FIRST) + (key in _LAST), key

    return {key: _sorted(value[key]) for key in sorted(value, key=rank)}


def _sorted(value: JsonValue) -> JsonValue:
    """Plain dicts and lists, keys sorted: the API promises no order."""
    if isinstance(value, Mapping):
        if "kind" in value and "metadata" in value:
            return _ordered(value)  # an item of a List
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item) for item in value]
    return value


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    """Columns three spaces apart, as kubectl does; a cell's line breaks would break the table."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    count = max(len(row) for row in cells)
    # what ends a row before its time is a sentence about it, and makes no column wider
    whole = [row if len(row) == count else row[:-1] for row in cells]
    widths = [max((len(row[i]) for row in whole if i < len(row)), default=0) for i in range(count)]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in cells
    )
    return "\n".join(lines)

"""Secrets by structure: JSON values as Kubernetes has them, and the same in YAML or JSON text."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from .assignments import is_secret_value
from .credentials import mask_credentials
from .names import holds_secret, is_short
from .spans import IS_MASK, MASK

_SECRET_DATA = frozenset({"data", "stringData"})
_HELM_RELEASE = "sh.helm.release.v1."
_MOST_ROUNDS = 5
_DEEPEST = 100  # levels; json itself stops at about ten times that
_ANY_FLAG = re.compile(r"--?(?:[A-Za-z][A-Za-z0-9_.\-]*(?:=.*)?)?")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})  # members of a JSON web key
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z0-9_.\-]*")


class Masker:
    """One walk over JSON values; `count` is the number of masks it set."""

    def __init__(self) -> None:
        self.count = 0

    def value(self, value: JsonValue, *, kind: str = "", depth: int = 0) -> JsonValue:
        """The value masked; `kind` is what a list around it says that its items are."""
        if depth > _DEEPEST:
            return self._hide(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._object(value, kind, depth)
        if isinstance(value, (list, tuple)):
            return self._items(value, kind, depth)
        return value

    def text(self, text: str) -> str:
        """Free text masked, with the manifests that are in it."""
        # What one masks may lay bare what the other knows; nearly always one round is all.
        embedded = _may_embed(text)
        for number in range(_MOST_ROUNDS):
            before, known = self.count, text
            if embedded:
                text = self._embedded(text)
            if number and text == known:
                break  # with credentials it was done before
            text, count = mask_credentials(text)
            self.count += count
            embedded = _may_embed(text)
            if not embedded or self.count == before:
                break
        return text

    def _object(self, value: Mapping[str, JsonValue], kind: str, depth: int) -> JsonValue:
        own = value.get("kind")
        kind = own if isinstance(own, str) else kind
        if kind == "Secret" or _is_helm_release(value, kind):
            return {
                key: self._hide_all(part)
                if key in _SECRET_DATA
                else self.value(part, depth=depth + 1)
                for key, part in value.items()
            }
        named = value.get("name", value.get("key"))
        variable = isinstance(named, str) and holds_secret(named, environment=True)
        reference = "remoteRef" in value  # an ExternalSecret's `secretKey` is a name
        jwk = "kty" in value
        masked: dict[str, JsonValue] = {}
        for key, part in value.items():
            of_name = key == "value" and variable
            secret = of_name or (_holds(key) and not reference) or (jwk and key in _PRIVATE)
            if secret and _is_secret(part, str(named) if of_name else key):
                masked[key] = self._hide(part)
            else:
                masked[key] = self.value(part, kind=kind.removesuffix("List"), depth=depth + 1)
        return masked

    def _items(self, items: Sequence[JsonValue], kind: str, depth: int) -> JsonValue:
        masked: list[JsonValue] = []
        flag = ""
        for item in items:
            if isinstance(item, str) and flag and not _ANY_FLAG.fullmatch(item):
                # A command line as a list: ["--token", "abc"]
                masked.append(self._hide(item) if is_secret_value(item, flag) else item)
            else:
                masked.append(self.value(item, kind=kind, depth=depth + 1))
            is_flag = isinstance(item, str) and _FLAG.fullmatch(item) and holds_secret(item)
            flag = str(item).lstrip("-") if is_flag else ""
        return masked

    def _hide_all(self, data: JsonValue) -> JsonValue:
        """Every value of a Secret's data; its keys stay."""
        if isinstance(data, Mapping):
            return {key: self._hide(value) for key, value in data.items()}
        return self._hide(data)

    def _hide(self, value: JsonValue) -> JsonValue:
        if value in (None, "") or (isinstance(value, str) and IS_MASK.fullmatch(value)):
            return value
        self.count += 1
        return MASK

    def _embedded(self, text: str) -> str:
        """Manifests of Secrets inside a text: as JSON, whole or by the line, and as YAML."""
        parsed = _parsed(text)
        if parsed is not None:
            before = self.count
            masked = self.value(parsed)
            if self.count == before:
                return text
            # last-applied-configuration is compact; people's JSON is not compared byte by byte
            compact = json.dumps(masked, ensure_ascii=False, separators=(",", ":"))
            return compact + "\n" if text.endswith("\n") else compact
        lines = text.split("\n")
        for number, line in enumerate(lines):
            start = line.find("{")
            if start >= 0 and '"Secret' in line and len(lines) > 1:
                lines[number] = line[:start] + self._embedded(line[start:])
        text = "\n".join(lines)
        return self._json_pieces(self._yaml(text))

    def _json_pieces(self, text: str) -> str:
        """JSON that does not parse alone, being cut off or inside a sentence or another string."""
        if not _JSON_KIND.search(text):
            return text

        def hide(match: re.Match[str]) -> str:
            if IS_MASK.fullmatch(match[2]) or not match[2]:
                return match[0]
            self.count += 1
            return f"{match[1]}{MASK}{match[3]}"

        return _JSON_DATA.sub(lambda block: _JSON_STRING.sub(hide, block[0]), text)

    def _yaml(self, text: str) -> str:
        lines = text.split("\n")
        if not any(_YAML_KIND.match(line) for line in lines):
            return text
        for number in secret_lines(lines):
            key = _YAML_PAIR.match(lines[number])
            if key is None:  # a further line of a block scalar
                lines[number] = ""
            elif key[2] not in {"", '""', "''"} and not IS_MASK.fullmatch(key[2]):
                self.count += 1
                lines[number] = f"{key[1]}{MASK}"
        return "\n".join(lines)


# No run of backslashes at the front: a search would try each of them as a start.
_JSON_KIND = re.compile(r'"kind\\*"\s*:\s*\\*"Secret(?:List)?\\*"')
_JSON_DATA = re.compile(r'"(?:data|stringData)\\*"\s*:\s*\{[^{}]*')
_JSON_STRING = re.compile(r'(:\s*\\*")([^"\\]*)((?:\\*"|\Z|\\))')

# In front of a line: what a unified diff puts there, the indentation, the dash of a list.
_YAML_KIND = re.compile(r"[+\- ]?( *(?:- )?)kind: *[\"']?Secret(?:List)?[\"']? *$")
_YAML_DATA = re.compile(r"[+\- ]?( *(?:- )?)(?:data|stringData):(.*)$")
_YAML_PAIR = re.compile(r"^([+\- ]? *[\w.\-\"'/]+: *)(.*)$")


_END, _BLANK = -1, 1000  # columns of what ends a document, and of an empty line


class _Line(NamedTuple):
    column: int  # where its key begins, behind the dash of a list
    opens: bool  # there is such a dash


def secret_lines(lines: Sequence[str]) -> Iterator[int]:
    """The numbers of lines that hold the data of a Secret in YAML, also inside a list or a diff."""
    is_diff = any(line.startswith("@@ ") for line in lines)
    places = [_place(line[is_diff:]) for line in lines]
    done: dict[int, int] = {}  # by column, up to which line
    for number, line in enumerate(lines):
        column = places[number].column
        if _YAML_KIND.match(line) and done.get(column, 0) <= number:
            first, done[column] = _item(places, number)
            yield from _data_lines(lines, places, range(first, done[column]), column)


def _place(line: str) -> _Line:
    if line.startswith(("---", "@@ ", "++")):
        return _Line(_END, opens=False)
    stripped = line.lstrip(" ")
    opens = stripped.startswith("- ")
    column = len(line) - len(stripped) + 2 * opens
    return _Line(column if stripped.strip() else _BLANK, opens)


def _item(places: Sequence[_Line], kind: int) -> tuple[int, int]:
    """The first line, and the one after the last, of the object whose `kind` stands in a line."""
    column = places[kind].column
    opening = _Line(column, opens=True)
    first = kind
    while first > 0 and places[first] != opening and places[first - 1].column >= column:
        first -= 1
    end = kind + 1
    while end < len(places) and places[end].column >= column and places[end] != opening:
        end += 1
    return first, end


def _data_lines(
    lines: Sequence[str], places: Sequence[_Line], item: range, column: int
) -> Iterator[int]:
    inside = False
    for number in item:
        at = places[number].column
        if at == column:
            inside = _YAML_DATA.match(lines[number]) is not None
            if inside and "{" in lines[number]:
                yield number
        elif inside and at < _BLANK:
            yield number


def _may_embed(text: str) -> bool:
    """Say whether there may be a manifest in a text, or JSON with names beside their values."""
    paired = '"value"' in text or '"-' in text
    return "Secret" in text or (paired and text.lstrip()[:1] in {"{", "["})


def _is_secret(value: JsonValue, name: str) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return isinstance(value, str) and is_secret_value(value, name)


def _holds(key: str) -> bool:
    """As `holds_secret`; a key like STRIPE_KEY names a variable."""
    return is_short(key) or holds_secret(key, environment=key.isupper() and "_" in key)


def _is_helm_release(value: Mapping[str, JsonValue], kind: str) -> bool:
    """Helm keeps a release, values and all, in a Secret or (by choice) a ConfigMap."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return kind == "ConfigMap" and isinstance(name, str) and name.startswith(_HELM_RELEASE)


def _parsed(text: str) -> JsonValue:
    """A JSON object or list, or None; numbers too large and nesting too deep are none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        parsed: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed

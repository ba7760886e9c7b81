"""YAML or JSON as people write manifests and patches: plain data, of a bounded size, or refused."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import JsonValue

from tools.kubernetes.kinds import Object

LONGEST = 60_000  # characters
_DEEPEST = 40

# The one written in C where it was built; both read the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(_Loader):  # type: ignore[misc]
    """Numbers, texts, lists and maps: no time stamps, no key twice, nothing that grows."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":timestamp", ":merge"))]
    for first, found in _Loader.yaml_implicit_resolvers.items()
}


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text")
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"{key} stands there twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Plain.add_constructor("tag:yaml.org,2002:map", _mapping)


def documents(text: str, most: int) -> list[JsonValue]:
    """What a text holds, empty documents left out. Raises `ValueError`: "is neither YAML …"."""
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    try:
        for event in yaml.parse(text, Loader=_Plain):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("must not use anchors and aliases")
        found = [one for one in yaml.load_all(text, Loader=_Plain) if one is not None]
    except yaml.YAMLError as error:
        raise ValueError(f"is neither YAML nor JSON: {_said(error)}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if len(found) > most:
        raise ValueError(f"holds {len(found)} documents; at most {most} are taken")
    if any(_depth(one) > _DEEPEST for one in found):
        raise ValueError("is nested too deeply")
    return found


def as_text(value: JsonValue | Object) -> str:
    """A patch or a manifest as one line of JSON, which is YAML too."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def as_yaml(things: list[Object]) -> str:
    """Manifests as people write them."""
    return yaml.safe_dump_all(things, sort_keys=False, allow_unicode=True, width=10_000)


def _said(error: yaml.YAMLError) -> str:
    """Where and what; none of the text itself, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    if isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError):
        problem = problem.partition(" but ")[0]
    return problem + (f" (line {mark.line + 1})" if mark is not None else "")


def _depth(value: Any) -> int:
    level, here = 0, [value]
    while here and level <= _DEEPEST:
        level, here = level + 1, [inner for one in here for inner in _within(one)]
    return level


def _within(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value

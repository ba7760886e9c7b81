"""What arguments would write into a Secret: told by the documents they are, however spelt."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from pydantic import JsonValue

_DATA = ("data", "stringData")
_LONGEST = 200_000  # characters; no tool takes as much

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def secret_arguments(arguments: Mapping[str, JsonValue]) -> set[str]:
    """The names of those whose text is a Secret with data, or a patch of a Secret's data.

    A text that is neither YAML nor JSON is no document: the tool that takes one refuses it.
    """
    is_about_secret = str(arguments.get("kind") or "").strip().lower().startswith("secret")
    return {
        name
        for name, text in arguments.items()
        if isinstance(text, str)
        and any(_is_secret(one, known=is_about_secret) for one in _documents(text))
    }


def operations(text: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """What the operations of a JSON patch write, by the last name of its path: as in a merge patch
    the name stands beside the value.
    """
    for document in _documents(text) if isinstance(text, str) else ():
        for one in _mappings(document) if isinstance(document, list) else ():
            if "value" in one:
                last = str(one.get("path")).rpartition("/")[2].replace("~1", "/")
                yield {last: json.loads(json.dumps(one["value"], default=str))}


def _documents(text: str) -> list[Any]:
    nests = ":" in text and ("{" in text or "\n" in text)
    if not nests or len(text) > _LONGEST:
        return []
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []


def _is_secret(document: Any, *, known: bool) -> bool:
    if isinstance(document, list):  # operations of a JSON patch, or objects
        return any(
            (known and _writes_data(one)) or _is_secret(one, known=False)
            for one in _mappings(document)
        )
    if not isinstance(document, dict):
        return False
    kind = str(document.get("kind") or "").lower()
    if known or kind == "secret":
        return any(_holds(document.get(key)) for key in _DATA)
    items = document.get("items")
    if isinstance(items, list):
        return any(_is_secret(one, known=kind == "secretlist") for one in _mappings(items))
    return False


def _writes_data(operation: Mapping[str, Any]) -> bool:
    """Whether it writes there, or asks what is there (`test`); what is taken away tells nothing."""
    path = str(operation.get("path") or "").strip("/")
    return "value" in operation and path.partition("/")[0] in ("", *_DATA)


def _holds(data: Any) -> bool:
    """Whether there is any value in it; null takes one away."""
    if isinstance(data, dict):
        return any(value is not None for value in data.values())
    return data is not None


def _mappings(found: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (one for one in found if isinstance(one, dict))

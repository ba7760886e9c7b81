"""Which fields an object may have, read from the official client's generated models.

Those of custom kinds, which the client does not know, are `custom.MODELS`.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bot.sandbox.cluster.custom import MODELS, Model
from bot.sandbox.cluster.kinds import RESOURCES, Resource
from bot.sandbox.cluster.status import ApiError, bad_request

_PACKAGE = "kubernetes.client.models"
_LIST = re.compile(r"List\[(.+)\]", re.IGNORECASE)
_MAP = re.compile(r"Dict[\[(]str, (.+)[\])]", re.IGNORECASE)
_SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "datetime": str,
    "bytes": str,
}


def load() -> None:
    """Read the models once; it takes most of a second, so do it off the event loop."""
    seen: set[str] = set()
    waiting = [model_of(resource) for resource in RESOURCES]
    while waiting:
        model = waiting.pop()
        inner = _LIST.fullmatch(model) or _MAP.fullmatch(model)
        if inner:
            waiting.append(inner[1])
        elif model not in seen and model not in _SCALARS and model != "object":
            seen.add(model)
            waiting += _fields(model).values()


@cache
def _fields(model: str) -> dict[str, str]:
    return {name: kind for name, (kind, _) in _model(model).fields.items()}


@cache
def _model(model: str) -> Model:
    if own := MODELS.get(model):
        return own
    found = getattr(importlib.import_module(_PACKAGE), model)
    inner = found.model_fields
    words = {name: field.description or "" for name, field in inner.items()}
    needed = (f.serialization_alias or name for name, f in inner.items() if f.is_required())
    kinds = found.openapi_types.items()
    return Model(
        (found.__doc__ or "").strip().partition("\n")[0],
        {found.attribute_map[name]: (kind, words.get(name, "")) for name, kind in kinds},
        tuple(needed),
    )


def model_of(resource: Resource) -> str:
    """Return the model's name, such as V1Deployment; core events have one of their own."""
    if resource.kind == "Event":
        return "CoreV1Event"
    return f"V{resource.version[1:]}{resource.kind}"


def description(model: str) -> str:
    """Return what a model is for, in the API's own words."""
    return _model(model).words


def properties(model: str) -> Mapping[str, tuple[str, str]]:
    """Return each field of a model as its type and the API's own words about it."""
    return _model(model).fields


def required(model: str) -> tuple[str, ...]:
    """Return the names of the fields that a model demands."""
    return _model(model).required


def prune(thing: Any, model: str, path: str = "") -> Iterator[str]:
    """Remove what the model lacks and yield its path. Raises ApiError 400 for a wrong type."""
    if listed := _LIST.fullmatch(model):
        if thing is not None and not isinstance(thing, list):
            raise _mistyped(path, "a list")
        for index, member in enumerate(thing or []):
            if member is None:
                raise _mistyped(f"{path}[{index}]", "a list's member")
            yield from prune(member, listed[1], f"{path}[{index}]")
    elif mapped := _MAP.fullmatch(model):
        if thing is not None and not isinstance(thing, dict):
            raise _mistyped(path, "a map")
        for key, value in (thing or {}).items():
            yield from prune(value, mapped[1], f"{path}.{key}")
    elif model in _SCALARS:
        _check_scalar(thing, model, path)
    elif model != "object":
        yield from _unknown_in(thing, model, path)


def missing(thing: Any, model: str, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that the model demands and `thing` lacks."""
    if thing is None or model in _SCALARS or model == "object":
        return
    if listed := _LIST.fullmatch(model):
        for index, member in enumerate(thing):
            yield from missing(member, listed[1], f"{path}[{index}]")
    elif mapped := _MAP.fullmatch(model):
        for key, value in thing.items():
            yield from missing(value, mapped[1], f"{path}.{key}")
    else:
        prefix = f"{path}." if path else ""
        known = _fields(model)
        yield from (prefix + name for name in required(model) if name not in thing)
        for key, value in thing.items():
            if key in known:
                yield from missing(value, known[key], prefix + key)


def _unknown_in(thing: Any, model: str, path: str) -> Iterator[str]:
    if thing is None:
        return
    if not isinstance(thing, dict):
        raise _mistyped(path, "an object")
    known = _fields(model)
    for key, value in list(thing.items()):
        where = f"{path}.{key}" if path else key
        if key not in known:
            del thing[key]
            yield where
        else:
            yield from prune(value, known[key], where)


def _check_scalar(value: Any, kind: str, path: str) -> None:
    wrong_bool = isinstance(value, bool) and kind != "bool"
    if value is not None and (wrong_bool or not isinstance(value, _SCALARS[kind])):
        # Quantities may be numbers in JSON although their schema says string.
        if kind == "str" and re.search(r"\.(requests|limits)\.", path) and not wrong_bool:
            return
        raise _mistyped(path, kind)


def _mistyped(path: str, wanted: str) -> ApiError:
    return bad_request(f"json: cannot unmarshal the value of field {path} into {wanted}")

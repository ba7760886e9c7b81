"""JSON values: how they are copied."""

from typing import Any, TypeVar

T = TypeVar("T")


def clone(thing: T) -> T:
    """Copy a JSON value; several times faster than `copy.deepcopy`, which the cluster lives on."""
    copied: Any = _clone(thing)
    made: T = copied
    return made


def _clone(thing: Any) -> Any:
    kind = type(thing)
    if kind is dict:
        return {key: _clone(value) for key, value in thing.items()}
    if kind is list:
        return [_clone(member) for member in thing]
    return thing

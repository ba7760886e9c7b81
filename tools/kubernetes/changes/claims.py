"""The size of a volume claim: it grows and never shrinks, so that there is no way back from it."""

from typing import Any

from pydantic import JsonValue

from tools._kit import Refused
from tools.kubernetes.drift import value_at
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of, namespace_of
from tools.kubernetes.quantities import amount

CANNOT_SHRINK = "a volume cannot shrink"
_STEPS = ("spec", "resources", "requests", "storage")
_SIZE = ".".join(_STEPS)


def refuse_to_shrink(live: Object, body: JsonValue) -> None:
    """Raises `Refused` for a patch or a manifest that asks for less than the volume has by now."""
    if live.get("kind") != "PersistentVolumeClaim":
        return
    asked, has = _asked(body), value_at(live, "status.capacity.storage") or value_at(live, _SIZE)
    if asked is not None and amount(asked) < amount(has):
        raise Refused(
            f"persistentvolumeclaim/{name_of(live)} in {namespace_of(live)} has {has}, and"
            f" {CANNOT_SHRINK} to {asked}: make a smaller one and copy what it holds."
        )


def grows(live: Object, stored: Object) -> bool:
    """Whether it would be a larger one."""
    if live.get("kind") != "PersistentVolumeClaim":
        return False
    return amount(value_at(stored, _SIZE)) > amount(value_at(live, _SIZE))


def _asked(body: JsonValue) -> Any:
    """The size that is written by an object, or by the last of some operations; None: none."""
    if not isinstance(body, list):
        return _below(body, _STEPS)
    for one in reversed(body):
        operation = one if isinstance(one, dict) else {}
        steps = tuple(str(operation.get("path")).strip("/").split("/"))
        if steps == _STEPS[: len(steps)]:
            return _below(operation.get("value"), _STEPS[len(steps) :])
    return None


def _below(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value

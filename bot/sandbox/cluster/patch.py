"""The patches an API server takes: merge (RFC 7386), JSON (RFC 6902), strategic merge."""

from typing import Any

from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.status import ApiError, bad_request

Json = dict[str, Any]

# The keys by which the server matches the members of a list; every other list is replaced whole.
# `ports` has two: containers have containerPort, services have port.
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "addresses": ("type",),
    "taints": ("key",),
}
MERGED_PRIMITIVES = ("finalizers",)


def merge_key(field: str, members: list[Any]) -> str | None:
    """Return the key that tells the members of a list apart, or None if it is atomic."""
    for key in MERGE_KEYS.get(field, ()):
        if members and all(isinstance(member, dict) and key in member for member in members):
            return key
    return None


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: objects are merged, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    """Apply a strategic merge patch with the directives that clients send."""
    if not isinstance(patch, dict):
        return clone(patch)
    if patch.get("$patch") == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if (kept := patch.get("$retainKeys")) is not None:
        result = {key: value for key, value in result.items() if key in kept}
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(result, key, value)
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _merge_list(key, result.get(key), value)
        else:
            result[key] = strategic(result.get(key), value)
    _reorder(result, patch)
    return result


def _directive(result: Json, key: str, value: Any) -> None:
    name, _, field = key.partition("/")
    if name == "$deleteFromPrimitiveList":
        result[field] = [member for member in result.get(field) or [] if member not in value]
    elif name not in ("$setElementOrder", "$retainKeys", "$patch"):
        raise bad_request(f"unknown directive in strategic merge patch: {key}")


def _merge_list(field: str, current: Any, patch: list[Any]) -> list[Any]:
    current = current or []
    if field in MERGED_PRIMITIVES:
        return [*current, *(member for member in patch if member not in current)]
    if any(isinstance(member, dict) and member.get("$patch") == "replace" for member in patch):
        kept = [m for m in patch if not (isinstance(m, dict) and "$patch" in m)]
        return clone(kept)
    if field not in MERGE_KEYS or not all(isinstance(member, dict) for member in patch):
        return clone(patch)
    key = merge_key(field, patch)
    if key is None:
        if patch:
            wanted = MERGE_KEYS[field][0]
            raise bad_request(f"map: does not contain declared merge key: {wanted} ({field})")
        return list(current)
    result = list(current)
    for member in patch:
        at = next((i for i, old in enumerate(result) if old.get(key) == member[key]), None)
        if member.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic({}, member))
        else:
            result[at] = strategic(result[at], member)
    return result


def _reorder(result: Json, patch: Json) -> None:
    for key, order in patch.items():
        name, _, field = key.partition("/")
        if name != "$setElementOrder" or not isinstance(result.get(field), list):
            continue
        by = merge_key(field, order)

        def place(member: Any, order: list[Any] = order, by: str | None = by) -> int:
            wanted = [m[by] for m in order] if by else order
            value = member.get(by) if by else member
            return wanted.index(value) if value in wanted else len(wanted)

        result[field] = sorted(result[field], key=place)


def json_patch(target: Any, operations: Any) -> Any:
    """Apply a JSON patch. Raises ApiError 400 for what is none and 422 where it cannot apply."""
    if not isinstance(operations, list):
        raise bad_request("a JSON patch must be a list of operations")
    result = clone(target)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("a JSON patch operation needs op and path")
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            why = f"the operation {operation.get('op')} cannot be applied at {operation['path']}"
            raise ApiError(422, "Invalid", f"the server rejected our request: {why}") from error
    return result


def _operate(document: Any, operation: Json) -> Any:
    path = _pointer(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(document, path, clone(operation["value"]))
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            _at(document, path)
            return _add(_remove(document, path)[0], path, clone(operation["value"]))
        case "move":
            document, value = _remove(document, _pointer(operation["from"]))
            return _add(document, path, value)
        case "copy":
            return _add(document, path, clone(_at(document, _pointer(operation["from"]))))
        case "test":
            if _at(document, path) != operation["value"]:
                raise ValueError("the test failed")
            return document
        case other:
            raise bad_request(f"unknown JSON patch operation {other!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer starts with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[_index(step)] if isinstance(document, list) else document[step]
    return document


def _index(step: str) -> int:
    if not step.isdigit():
        raise ValueError("a list is indexed by a number")
    return int(step)


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        at = len(parent) if last == "-" else _index(last)
        if at > len(parent):
            raise IndexError(last)
        parent.insert(at, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    if not path:
        return None, document
    parent, last = _at(document, path[:-1]), path[-1]
    value = parent.pop(_index(last) if isinstance(parent, list) else last)
    return document, value

"""Who set which field: managedFields, and server-side apply, which asks for it."""

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from bot.sandbox.cluster.clock import Clock, stamp
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.patch import merge_key
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.store import Object

Path: TypeAlias = tuple[str, ...]
_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "generateName",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
    ),
}


def values(thing: Object) -> dict[Path, Any]:
    """Return every leaf of an object by its path; members of keyed lists go by their key."""
    found: dict[Path, Any] = {}
    _collect(thing, (), found)
    return {path: value for path, value in found.items() if path[:2] not in _UNOWNED}


def _collect(thing: Any, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(thing, dict) and thing:
        for key, value in thing.items():
            if (*path, f"f:{key}") in _UNOWNED:
                continue
            _collect(value, (*path, f"f:{key}"), found)
    elif (
        isinstance(thing, list) and path and (key := merge_key(path[-1].removeprefix("f:"), thing))
    ):
        for member in thing:
            step = "k:" + json.dumps({key: member[key]}, separators=(",", ":"))
            _collect(member, (*path, step), found)
    else:
        found[path] = thing


def to_tree(paths: Iterable[Path]) -> Object:
    """Write paths in the FieldsV1 form."""
    tree: Object = {}
    for path in sorted(paths):
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {".": {}} if step.startswith("k:") else {})
    return tree


def from_tree(tree: Object, path: Path = ()) -> set[Path]:
    """Read paths from the FieldsV1 form."""
    branches = {key: value for key, value in tree.items() if key != "."}
    if not branches:
        return {path} if path else set()
    return {leaf for key, value in branches.items() for leaf in from_tree(value, (*path, key))}


class Ledger:
    """The managedFields of one object, to be read, changed and written back."""

    def __init__(self, thing: Object) -> None:
        self._entries: list[tuple[Object, set[Path]]] = [
            (entry, from_tree(entry.get("fieldsV1") or {}))
            for entry in thing["metadata"].get("managedFields") or []
        ]

    def owners(self, path: Path) -> list[Object]:
        """Return the entries that own a path."""
        return [entry for entry, paths in self._entries if path in paths]

    def paths(self, manager: str, operation: str) -> set[Path]:
        """Return what a manager owns by an operation."""
        return {
            path
            for entry, paths in self._entries
            if (entry["manager"], entry["operation"]) == (manager, operation)
            for path in paths
        }

    def give(self, identity: Object, paths: set[Path], *, exclusive: bool, whole: bool) -> None:
        """Note that `identity` set `paths`; `whole`: it owns nothing else any more."""
        same = ("manager", "operation", "subresource")
        kept: list[tuple[Object, set[Path]]] = []
        mine: set[Path] = set(paths)
        for entry, owned in self._entries:
            if all(entry.get(key) == identity.get(key) for key in same):
                mine |= set() if whole else owned
            elif left := (owned - paths if exclusive else owned):
                kept.append((entry, left))
        self._entries = [*kept, (identity, mine)] if mine else kept

    def write(self, thing: Object) -> None:
        """Put the entries into an object."""
        present = set(values(thing))
        entries = []
        for entry, paths in self._entries:
            left = paths & present
            if left:
                entries.append({**entry, "fieldsV1": to_tree(left)})
        thing["metadata"]["managedFields"] = entries


def identity(
    manager: str, operation: str, api_version: str, subresource: str, clock: Clock
) -> Object:
    """Describe a writer as managedFields does."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": stamp(clock.now()),
        "fieldsType": "FieldsV1",
        **({"subresource": subresource} if subresource else {}),
    }


def controller(api_version: str, clock: Clock) -> Object:
    """Describe the cluster's own controllers as a writer."""
    return identity("kube-controller-manager", "Update", api_version, "", clock)


def note_update(made: Object, previous: Object | None, who: Object) -> None:
    """Record in `made` what an ordinary write changed."""
    before = values(previous) if previous else {}
    changed = {path for path, value in values(made).items() if before.get(path, ...) != value}
    ledger = Ledger(previous or made)
    if changed:
        ledger.give(who, changed, exclusive=True, whole=False)
    ledger.write(made)


def apply(wanted: Object, current: Object, who: Object, *, force: bool) -> Object:
    """Merge an applied configuration into an object. Raises ApiError 409 on a foreign field."""
    ledger = Ledger(current)
    asked, known = values(wanted), values(current)
    causes = [
        _cause(path, owner)
        for path, value in asked.items()
        if path in known and known[path] != value
        for owner in ledger.owners(path)
        if (owner["manager"], owner["operation"]) != (who["manager"], "Apply")
    ]
    if causes and not force:
        raise _conflicts(causes)
    dropped = {
        path
        for path in ledger.paths(who["manager"], "Apply") - set(asked)
        if len(ledger.owners(path)) == 1
    }
    made: Object = clone(_merge(current, wanted))
    for path in dropped:
        if not _is_key(path):  # it goes with its member
            _drop(made, path)
    # Whoever applies a value that others also want shares it; a forced one is taken from them.
    taken = {path for path in asked if path in known and known[path] != asked[path]}
    ledger.give(who, taken, exclusive=True, whole=True)
    ledger.give(who, set(asked), exclusive=False, whole=True)
    ledger.write(made)
    return made


def _cause(path: Path, owner: Object) -> Object:
    by = f'conflict with "{owner["manager"]}"'
    if owner.get("subresource"):
        by += f' with subresource "{owner["subresource"]}"'
    message = f"{by} using {owner['apiVersion']}"
    return {"reason": "FieldManagerConflict", "message": message, "field": _dotted(path)}


def _conflicts(causes: list[Object]) -> ApiError:
    number = len(causes)
    listed = [f"{cause['message']}: {cause['field']}" for cause in causes]
    what = f"{number} conflict: {listed[0]}" if number == 1 else f"{number} conflicts: "
    what += "" if number == 1 else "; ".join(listed)
    return ApiError(409, "Conflict", f"Apply failed with {what}", {"causes": causes})


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        if step.startswith("k:"):
            ((key, value),) = json.loads(step[2:]).items()
            text += f"[{key}={json.dumps(value)}]"
        else:
            text += "." + step.removeprefix("f:")
    return text


def _merge(current: Any, wanted: Any, field: str = "") -> Any:
    if isinstance(wanted, dict) and isinstance(current, dict):
        merged = dict(current)
        for key, value in wanted.items():
            merged[key] = _merge(current.get(key), value, key)
        return merged
    if isinstance(wanted, list) and isinstance(current, list):
        key = merge_key(field, wanted)
        if key is not None:
            named = {member[key]: member for member in wanted}
            kept = [_merge(m, named.pop(m[key])) if m.get(key) in named else m for m in current]
            return [*kept, *named.values()]
    return wanted


def _is_key(path: Path) -> bool:
    """Say whether a path is of the field by which a list knows its member."""
    if len(path) < 2 or not path[-2].startswith("k:"):
        return False
    return path[-1].removeprefix("f:") in json.loads(path[-2][2:])


def _drop(thing: Any, path: Path) -> None:
    if not path:
        return
    step, rest = path[0], path[1:]
    if step.startswith("f:") and isinstance(thing, dict):
        name = step[2:]
        if rest:
            _drop(thing.get(name), rest)
        if not rest or thing.get(name) in ([], {}):  # nothing is left of it
            thing.pop(name, None)
    elif step.startswith("k:") and isinstance(thing, list):
        ((key, value),) = json.loads(step[2:]).items()
        for member in [m for m in thing if m.get(key) == value]:
            _drop(member, rest)
            if set(member) <= {key}:
                thing.remove(member)

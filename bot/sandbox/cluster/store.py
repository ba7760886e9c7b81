"""Objects with resource versions and the history of their changes; a watch reads from it."""

import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias

from bot.sandbox.cluster import status
from bot.sandbox.cluster.clock import Clock, stamp
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import Resource

# The API's objects are JSON by nature; whoever wants types reads them at its own border.
Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Resource, str, str]
ChangeType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Change:
    """One write: what an object was and what it became, and at which version."""

    type: ChangeType
    resource: Resource
    object: Object
    previous: Object | None
    version: int


class Store:
    """Every object of the cluster. A stored object is never altered in place, only replaced."""

    def __init__(self, clock: Clock, random: Random, history: int = 5000) -> None:
        self.clock = clock
        self.random = random
        self.version = 1
        self.oldest = 1  # versions before this one are no longer known
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {}
        self._changes: deque[Change] = deque()
        self._history = history
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the stored object, which must not be altered, or None."""
        return self._objects.get(resource, {}).get((namespace, name))

    def objects(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """Return the objects of one namespace, or of all, in the order of their names."""
        found = self._objects.get(resource, {})
        return [found[key] for key in sorted(found) if namespace is None or key[0] == namespace]

    def create(self, resource: Resource, wanted: Object) -> Object:
        """Store a new object. Raises ApiError 409 when the name is taken."""
        made = clone(wanted)
        meta = made["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        if self.get(resource, namespace, name) is not None:
            raise status.already_exists(resource, name)
        self.stamp_new(resource, made)
        self._put(resource, "ADDED", made, None)
        return made

    def stamp_new(self, resource: Resource, made: Object) -> None:
        """Give a new object what the server gives it: identity, age, first generation."""
        meta = made["metadata"]
        meta.setdefault("uid", str(uuid.UUID(int=self.random.getrandbits(128), version=4)))
        meta.setdefault("creationTimestamp", stamp(self.clock.now()))
        if resource.generation:
            meta.setdefault("generation", 1)

    def update(self, resource: Resource, wanted: Object) -> Object:
        """Replace an object; writing what is already there changes no version.

        Raises ApiError 404 when it is gone and 409 when `wanted` was made from an older version.
        """
        made, previous = self.prepare(resource, wanted)
        if made == previous:
            return previous
        self._put(resource, "MODIFIED", made, previous)
        return made

    def prepare(self, resource: Resource, wanted: Object) -> tuple[Object, Object]:
        """Return what an update would store, and what is there now; a dry run ends here."""
        meta = wanted["metadata"]
        previous = self.get(resource, meta.get("namespace", ""), meta["name"])
        if previous is None:
            raise status.not_found(resource, meta["name"])
        given = meta.get("resourceVersion")
        if given and given != previous["metadata"]["resourceVersion"]:
            raise status.conflict(resource, meta["name"])
        made = clone(wanted)
        made["metadata"]["resourceVersion"] = previous["metadata"]["resourceVersion"]
        if resource.generation and _content(made) != _content(previous):
            made["metadata"]["generation"] = previous["metadata"].get("generation", 0) + 1
        return made, previous

    def delete(self, resource: Resource, namespace: str, name: str) -> Object:
        """Remove an object for good. Raises ApiError 404 when it is gone."""
        previous = self.get(resource, namespace, name)
        if previous is None:
            raise status.not_found(resource, name)
        del self._objects[resource][namespace, name]
        last = clone(previous)
        self._record(resource, "DELETED", last, previous)
        return last

    def since(self, version: int) -> Iterable[Change]:
        """Return the changes after `version`. Raises ApiError 410 when it is too old."""
        if version < self.oldest:
            raise status.expired(f"too old resource version: {version} ({self.oldest})")
        return [change for change in self._changes if change.version > version]

    def objects_at(self, resource: Resource, namespace: str | None, version: int) -> list[Object]:
        """Return the objects as they were at an older version. Raises ApiError 410."""
        if version < self.oldest:
            raise status.expired("The provided resource version is too old.")
        found = dict(self._objects.get(resource, {}))
        for change in reversed(self._changes):
            if change.version <= version:
                break
            if change.resource is not resource:
                continue
            meta = change.object["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            if change.previous is None:
                found.pop(key, None)
            else:
                found[key] = change.previous
        return [found[key] for key in sorted(found) if namespace is None or key[0] == namespace]

    def resources(self) -> list[Resource]:
        """Return the resources of which there are objects."""
        return [resource for resource, table in self._objects.items() if table]

    def restore(self, tables: Iterable[tuple[Resource, list[Object]]], version: int) -> None:
        """Take up objects of an earlier time, of which no history is known, and tell of each."""
        self.version = self.oldest = version
        self._changes.clear()
        self._objects = {
            resource: {
                (thing["metadata"].get("namespace", ""), thing["metadata"]["name"]): thing
                for thing in objects
            }
            for resource, objects in tables
        }
        for resource in tuple(self._objects):
            for thing in self.objects(resource):
                change = Change("ADDED", resource, thing, None, version)
                for listener in tuple(self._listeners):
                    listener(change)

    def compact(self) -> None:
        """Forget all history, so that older versions are answered with 410."""
        self._changes.clear()
        self.oldest = self.version

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` on every change; the returned function ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _put(
        self, resource: Resource, change: ChangeType, made: Object, previous: Object | None
    ) -> None:
        meta = made["metadata"]
        table = self._objects.setdefault(resource, {})
        table[meta.get("namespace", ""), meta["name"]] = made
        self._record(resource, change, made, previous)

    def _record(
        self, resource: Resource, kind: ChangeType, made: Object, previous: Object | None
    ) -> None:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        change = Change(kind, resource, made, previous, self.version)
        self._changes.append(change)
        while len(self._changes) > self._history:
            self.oldest = self._changes.popleft().version
        for listener in tuple(self._listeners):
            listener(change)


def _content(thing: Object) -> Object:
    """Return the part whose change counts as a new generation; placing a pod does not count."""
    content = {key: value for key, value in thing.items() if key not in ("metadata", "status")}
    if "nodeName" in content.get("spec", {}):
        content["spec"] = {k: v for k, v in content["spec"].items() if k != "nodeName"}
    return content


def owner_of(thing: Object) -> Object | None:
    """Return the controlling owner reference, or None."""
    for reference in thing["metadata"].get("ownerReferences", []):
        if reference.get("controller"):
            found: Object = reference
            return found
    return None


def owner_reference(resource: Resource, owner: Object) -> Object:
    """Return the reference by which a controller marks what it made."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }

"""How objects go: grace for pods, finalizers, dependents and the contents of namespaces."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import NAMESPACES, PODS, RESOURCES, Resource
from bot.sandbox.cluster.replicasets import mark_deleted
from bot.sandbox.cluster.store import Change, Object, Store


@dataclass
class Removal:
    """The server's part of deletion and the garbage collector."""

    store: Store
    clock: Clock

    def begin(
        self, resource: Resource, thing: Object, options: Object, *, dry_run: bool = False
    ) -> Object | None:
        """Delete an object; return what is left of it if it takes time, else None.

        Foreground propagation is carried out as background: the dependents go just after.
        """
        meta = thing["metadata"]
        waits = resource in (PODS, NAMESPACES) or meta.get("finalizers")
        if waits and not (resource is PODS and options.get("gracePeriodSeconds") == 0):
            return self._mark(resource, thing, options, dry_run=dry_run)
        if not dry_run:
            if options.get("propagationPolicy") == "Orphan" or options.get("orphanDependents"):
                self._orphan(thing)
            self.store.delete(resource, meta.get("namespace", ""), meta["name"])
        return thing if resource is PODS else None

    def _mark(self, resource: Resource, thing: Object, options: Object, *, dry_run: bool) -> Object:
        marked = clone(thing)
        if "deletionTimestamp" not in marked["metadata"]:
            default = thing.get("spec", {}).get("terminationGracePeriodSeconds", 30)
            grace = options.get("gracePeriodSeconds", default) if resource is PODS else 0
            mark_deleted(marked, self.clock, int(grace))
        if resource is NAMESPACES:
            marked["metadata"].pop("deletionGracePeriodSeconds", None)
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
        return marked if dry_run else self.store.update(resource, marked)

    def finish(self, resource: Resource, thing: Object) -> None:
        """Remove an object whose last finalizer has just gone."""
        meta = thing["metadata"]
        if resource in (PODS, NAMESPACES) or "deletionTimestamp" not in meta:
            return
        if not meta.get("finalizers"):
            self.store.delete(resource, meta.get("namespace", ""), meta["name"])

    def _dependents(self, uid: str) -> Iterable[tuple[Resource, Object]]:
        for resource in RESOURCES:
            for thing in self.store.objects(resource):
                references = thing["metadata"].get("ownerReferences", [])
                if any(reference["uid"] == uid for reference in references):
                    yield resource, thing

    def _orphan(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for resource, thing in list(self._dependents(uid)):
            freed = clone(thing)
            left = [r for r in freed["metadata"]["ownerReferences"] if r["uid"] != uid]
            freed["metadata"]["ownerReferences"] = left
            self.store.update(resource, freed)

    # The garbage collector and the namespace controller, as the engine calls them.

    def owners(self, change: Change) -> Iterable[Name]:
        """Look for dependents whenever an object that can own others is gone."""
        if change.type == "DELETED":
            yield "", change.object["metadata"]["uid"]

    def collect(self, _namespace: str, uid: str) -> datetime | None:
        """Remove what a vanished owner made."""
        for resource, thing in list(self._dependents(uid)):
            if "deletionTimestamp" not in thing["metadata"]:
                self.begin(resource, thing, {})
        return None

    def namespaces(self, change: Change) -> Iterable[Name]:
        """Look at a namespace when it or anything in it changes while it ends."""
        meta = change.object["metadata"]
        name = meta["name"] if change.resource is NAMESPACES else meta.get("namespace", "")
        space = self.store.get(NAMESPACES, "", name)
        if space is not None and "deletionTimestamp" in space["metadata"]:
            yield "", name

    def empty(self, _namespace: str, name: str) -> datetime | None:
        """Remove what a namespace holds, then the namespace."""
        space = self.store.get(NAMESPACES, "", name)
        if space is None:
            return None
        left = False
        for resource in RESOURCES:
            for thing in self.store.objects(resource, name) if resource.namespaced else []:
                left = left or resource is PODS
                if "deletionTimestamp" not in thing["metadata"]:
                    self.begin(resource, thing, {})
        if not left:
            self.store.delete(NAMESPACES, "", name)
        return None

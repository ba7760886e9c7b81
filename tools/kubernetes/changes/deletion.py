"""Deleting one object: what goes along, what stays behind, and following it until it is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from tools._kit import (
    Access,
    Change,
    ChangedPath,
    Drift,
    Name,
    NotFound,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Unavailable,
    Verdict,
    sha256_of,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.consequences import consequences
from tools.kubernetes.changes.dependents import Owned, owned_by, users_of
from tools.kubernetes.changes.documents import as_yaml
from tools.kubernetes.changes.labels import MaybeNamespace
from tools.kubernetes.changes.owners import with_owners
from tools.kubernetes.changes.single import Place, exact
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import ChangedKind, Object, Resource, access
from tools.kubernetes.objects import (
    cleaned,
    controller,
    difference,
    labels_of,
    meta,
    name_of,
    namespace_of,
    version_of_secret,
)
from tools.kubernetes.verification import until_verdict
from tools.kubernetes.wire import NotServed
from tools.kubernetes.workloads import (
    Facts,
    around,
    autoscalers_of,
    budgets_of,
    fingerprint,
    manager_of,
    previewed,
    reading,
    replicas_of,
    services_of,
    stale,
    write_locked,
)

_TOOL = "k8s_delete"
_LONGEST = 300.0  # seconds until what still is there counts as stuck
_SECOND_LOOK = 1.0
_RUNS_PODS = ("deployment", "statefulset", "daemonset", "replicaset")
_PASSING = ("metadata", "status", "subsets", "endpoints")  # the last are of Services: their pods
WHY_NOT_BACK = {  # of each kind that an apply would not bring back
    "persistentvolumeclaim": "the data of its volume may be gone with it",
    "persistentvolume": "its data may be gone with it",
    "namespace": "all that was in it is gone",
    "pod": "what its containers wrote is gone",
    "job": "a job runs once",
    "node": "the kubelet registers a node",
    "secret": "I keep no secret",
}


@dataclass(frozen=True)
class Doomed:
    """The object as it is, and what hangs on it."""

    resource: Resource
    live: Object
    owned: Owned
    facts: Facts
    warnings: tuple[str, ...]
    now: JustNow

    @property
    def content(self) -> tuple[JsonValue, JsonValue]:
        """Which object it is, and what people would lose."""
        return self.facts["uid"], self.facts["object"]


class Deletion(Change):
    """Delete one object."""

    risk: ClassVar[Risk] = Risk.DANGER
    namespace: MaybeNamespace = ""
    kind: ChangedKind
    name: Name
    cascade: Annotated[
        Literal["background", "foreground", "orphan"],
        Field(description="What it owns: deleted after it, before it, or left without an owner."),
    ] = "background"

    @property
    def place(self) -> Place:
        """The object."""
        return Place(self.kind, self.namespace, self.name)

    def target(self) -> str:
        """The object."""
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))

    def needs(self) -> tuple[Access, ...]:
        """The one deletion."""
        return (access("delete", self.kind, namespace=self.namespace, name=self.name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """What is there, what goes along, and what stays behind."""
        return await previewed(lambda: self._preview(cluster), str(self.place))

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Delete exactly the object that was seen."""
        return await write_locked(lambda: self._write(cluster, seen), str(self.place))

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow it until it is gone."""
        return until_verdict(
            lambda seconds: self._look(cluster, seen, seconds, applied=receipt is not None),
            every=0.3,
        )

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:  # noqa: ARG002
        """Whether nothing is there, as this left it."""
        resource = await exact(cluster, self.kind, self.namespace)
        try:
            live = await cluster.get(resource, self.namespace, self.name)
        except NotFound:
            return Drift("as left")
        if str(meta(live).get("uid")) == seen.before.get("uid"):
            return Drift("cannot tell", f"{self.place} is still being deleted")
        anew = f"{self.place} was made anew"
        return Drift("changed", anew, (anew,))

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self.examine(cluster)
        await self.send(cluster, found, dry_run=True)
        is_owned = self.kind == "pod" and controller(found.live)
        objects = await with_owners(cluster, "pod", found.live) if is_owned else ()
        along = found.owned.said() if self.cascade != "orphan" else ""
        back = self.kind not in WHY_NOT_BACK and not controller(found.live)
        kept = [cleaned(found.live)] if back else []
        what = ChangedPath(path=str(self.place), before="there", after=None)
        orphans = " and leave what it owns" if self.cascade == "orphan" else ""
        return Preview(
            summary=f"Delete {self.place.marked}{orphans}",
            effect=f"with {along}" if along else "nothing goes along",
            changes=(what, *(_gone(path) for path in found.owned.lasting() if along)),
            diff=difference(found.live, {}),
            labels=labels_of(found.live),
            objects=objects,
            warnings=found.warnings,
            cautions=found.now.cautions,
            notes=found.now.notes,
            fingerprint=fingerprint(_TOOL, found.facts),
            before={
                "uid": str(meta(found.live)["uid"]),
                "manifest": as_yaml(kept) if kept else "",
                "facts": found.facts,
            },
            way_back="apply what was there" if back else "",
        )

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        found = await reading(self.examine(cluster))
        if fingerprint(_TOOL, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, str(self.place))
        await self.send(cluster, found, dry_run=False)
        return Receipt(text=f"{self.place.at} was deleted")

    async def send(self, cluster: Cluster, found: Doomed, *, dry_run: bool) -> None:
        """The one deletion, of exactly that version of exactly that object."""
        version = str(meta(found.live)["resourceVersion"])
        await cluster.delete(
            (found.resource, self.namespace, self.name),
            {"uid": str(meta(found.live)["uid"]), "resourceVersion": version},
            propagation=self.cascade.capitalize(),
            dry_run=dry_run,
        )

    async def examine(self, cluster: Cluster) -> Doomed:
        """The object as it is. Raises `ToolError`."""
        resource = await exact(cluster, self.kind, self.namespace)
        live = await missing.found(cluster, resource, self.namespace, self.name)
        if meta(live).get("deletionTimestamp"):
            raise Refused(f"{self.place.at} is being deleted already{_held_by(live)}.")
        owned, users, beside, left = await asyncio.gather(
            owned_by(cluster, live),
            users_of(cluster, resource, live),
            consequences(cluster, (resource, self.namespace), live, {}),
            _left_behind(cluster, resource, live),
        )
        warnings = (
            *(["It cannot be told who uses it."] if users is None else []),
            *([f"{', '.join(users)} must have it: no pod of theirs would start."] if users else []),
            *left,
            *beside.warnings,
            *_made_anew(live),
            *_stuck(live),
        )
        facts: Facts = {
            "uid": str(meta(live)["uid"]),
            "owner": controller(live),
            "manager": manager_of(live),
            "object": _digest(live),
            "owned": list[JsonValue](owned.lasting()),
            "warnings": list[JsonValue](warnings),
        }
        unseen = () if owned.whole else ("Not all that it may own could be looked at",)
        now = beside.now + JustNow(notes=unseen)
        return Doomed(resource, live, owned, facts, warnings, now)

    async def _look(
        self, cluster: Cluster, seen: Preview, since: float, *, applied: bool
    ) -> Progress | Verdict:
        try:
            live = await cluster.get(await cluster.resource(self.kind), self.namespace, self.name)
        except (NotServed, Unavailable) as error:
            if since >= _LONGEST:
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")
        except NotFound:
            return Verdict("holds", f"{self.place} is gone.")
        except Refused as error:
            return Verdict("cannot tell", f"The world could not be read: {error}")
        if str(meta(live).get("uid")) != seen.before.get("uid"):
            return self._another(seen)
        if not meta(live).get("deletionTimestamp"):
            if not applied and since >= _SECOND_LOOK:
                return Verdict("did not happen", f"{self.place} is there as before.")
            if since < _LONGEST:
                return Progress("Looking whether it happened")
        if since >= _LONGEST:
            return Verdict("failed", f"{self.place} is still being deleted{_held_by(live)}.")
        return Progress(f"{self.place} is being deleted{_held_by(live)}")

    def _another(self, seen: Preview) -> Verdict:
        """A pod by the same name is what its owner is there for."""
        facts = seen.before.get("facts")
        owner = facts.get("owner") if isinstance(facts, dict) else None
        if self.kind == "pod" and owner:
            return Verdict("holds", f"{self.place} is gone; {owner} made another by that name.")
        return Verdict("failed", f"{self.place} is gone, and somebody made it anew.")


def _made_anew(live: Object) -> Iterator[str]:
    """Who would make it again; of a pod, its consequences tell."""
    owner = controller(live)
    if owner and live.get("kind") != "Pod":
        yield f"{owner} owns it and may make it anew."
    if manager := manager_of(live):
        yield f"{manager} manages it: its next deployment may make it anew."


def _gone(path: str) -> ChangedPath:
    return ChangedPath(path=path, before="there", after=None)


def _digest(live: Object) -> JsonValue:
    """What identifies the content that people would lose: not what controllers write."""
    if version := version_of_secret(live):
        return sha256_of({"version": version})
    content = {key: value for key, value in live.items() if key not in _PASSING}
    if isinstance(spec := content.get("spec"), dict):
        content["spec"] = {key: value for key, value in spec.items() if key != "replicas"}
    return sha256_of({"content": content, "labels": {**labels_of(live)}})


def _held_by(live: Object) -> str:
    finalizers = meta(live).get("finalizers") or ()
    return f", held by the finalizer {', '.join(finalizers)}" if finalizers else ""


def _stuck(live: Object) -> Iterator[str]:
    for finalizer in meta(live).get("finalizers") or ():
        yield f"Its finalizer {finalizer} holds it until whoever set that has done its work."


async def _left_behind(cluster: Cluster, resource: Resource, live: Object) -> tuple[str, ...]:
    """What stays, or is left without its pods."""
    if resource.kind == "namespace":
        return ("Everything in it goes with it: workloads, configuration, volumes.",)
    if resource.kind not in _RUNS_PODS:
        return ()
    place = namespace_of(live)
    services, autoscalers, budgets = await asyncio.gather(
        around(cluster, "service", place),
        around(cluster, "horizontalpodautoscaler", place),
        around(cluster, "poddisruptionbudget", place),
    )
    named = (
        ("Service", services_of(services, live), "gets no answer from any pod"),
        ("HorizontalPodAutoscaler", autoscalers_of(autoscalers, live), "is left without target"),
        ("PodDisruptionBudget", budgets_of(budgets, live), "is left without pods"),
    )
    found = [f"{kind} {name_of(one)} {then}." for kind, ones, then in named for one in ones or ()]
    if services is None:
        found.append("It cannot be told whether a Service sends it traffic.")
    return (*found, *_claims(live))


def _claims(live: Object) -> Iterator[str]:
    """Volumes that stay with their data."""
    for template in live["spec"].get("volumeClaimTemplates") or ():
        first = f"{name_of(template)}-{name_of(live)}-0"
        count = replicas_of(live)
        more = f" to -{count - 1}" if count > 1 else ""
        yield f"Its volume claims {first}{more} stay, with their data."
    volumes = (live["spec"]["template"].get("spec") or {}).get("volumes") or ()
    for volume in volumes:
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield f"Its volume claim {claim} stays, with its data."

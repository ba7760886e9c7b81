"""What the changes of one object of any kind have in common: read, dry run, compare, write."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple, Self, cast

from pydantic import JsonValue

from tools._kit import (
    Access,
    Change,
    ChangedPath,
    Drift,
    Malformed,
    NotFound,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Verdict,
    sha256_of,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.consequences import Consequences, consequences
from tools.kubernetes.changes.holding import Wanted, hold
from tools.kubernetes.changes.owners import with_owners
from tools.kubernetes.cluster import MERGE_PATCH, Cluster
from tools.kubernetes.drift import drift_of, value_at
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object, Resource, access
from tools.kubernetes.objects import (
    controller,
    difference,
    labels_of,
    meta,
    shaped,
    told,
    version_of_secret,
    written_paths,
)
from tools.kubernetes.workloads import (
    Facts,
    fingerprint,
    manager_of,
    ownership_warnings,
    previewed,
    reading,
    stale,
    still,
    write_locked,
)

REPLICAS = "spec.replicas"


class Place(NamedTuple):
    """Which object."""

    kind: str
    namespace: str  # empty for what is in none
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def at(self) -> str:
        """With its namespace, for sentences."""
        return f"{self} in {self.namespace}" if self.namespace else str(self)

    @property
    def marked(self) -> str:
        """The same as a summary writes it."""
        return f"`{self}` in `{self.namespace}`" if self.namespace else f"`{self}`"


@dataclass(frozen=True)
class Plan:
    """What a change writes to the object that was read, and what else bears on that."""

    body: JsonValue  # a patch; the version of what was read is added to it
    summary: str
    done: str  # once it is written: "deployment/web in shop was labelled"
    effect: str = ""  # by default the first changed paths
    content_type: str = MERGE_PATCH
    facts: Facts = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # of what is fingerprinted, so not of its status
    now: JustNow = field(default_factory=JustNow)
    risk: Risk | None = None
    before: dict[str, JsonValue] = field(default_factory=dict)
    way_back: str = ""


@dataclass(frozen=True)
class Seen:
    """The object as it is, what to write, and what the server would make of it."""

    resource: Resource
    live: Object
    plan: Plan
    stored: Object
    beside: Consequences

    @cached_property
    def after(self) -> Object:
        """What people compare: of a new object only what is given, as it would be stored."""
        return self.stored if self.live else cast("Object", shaped(self.plan.body, self.stored))

    @cached_property
    def changes(self) -> tuple[ChangedPath, ...]:
        """Every path that would change."""
        return written_paths(self.live, self.after)

    @property
    def facts(self) -> Facts:
        """All that the fingerprint is made of."""
        found: Facts = {
            "uid": str(meta(self.live).get("uid", "")),
            "owner": controller(self.live),
            "manager": manager_of(self.live),
            "changes": digest_of(self.live, self.after, self.changes),
            "warnings": [*self.plan.warnings, *self.beside.warnings],
            **self.plan.facts,
            **self.beside.facts,
        }
        return found


class ObjectChange(Change):
    """A change of one object by a patch."""

    risk: ClassVar[Risk] = Risk.WRITE
    tool: ClassVar[str] = ""  # part of the fingerprint
    makes: ClassVar[bool] = False  # whether it makes the object where there is none

    @property
    @abstractmethod
    def place(self) -> Place:
        """The object."""

    @abstractmethod
    async def plan(self, cluster: Cluster, live: Object) -> Plan:
        """What to write, given the object as it is, {} where it is made.

        Raises `Refused` when there is nothing.
        """

    def finished(self, found: "Seen") -> Plan:
        """The plan with what is known only once the server has said what it would store."""
        return found.plan

    def target(self) -> str:
        """The object."""
        return "/".join(filter(None, (self.place.namespace, self.place.kind, self.place.name)))

    def needs(self) -> tuple[Access, ...]:
        """The one write."""
        kind, namespace, name = self.place
        return (access("patch", kind, namespace=namespace, name=name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Ask the server what it would store. Refuses when there is nothing to change."""
        return await previewed(lambda: self._preview(cluster), str(self.place))

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Write with the version of a fresh read, if that would do what was seen."""
        return await write_locked(lambda: self._write_once(cluster, seen), str(self.place))

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the object until it is and stays as asked."""
        return hold(cluster, self.wanted(seen, receipt), applied=receipt is not None)

    async def foresee(self, cluster: Cluster, seen: Preview) -> Preview | NoWayBack:
        """The way back from what the server would store."""
        back = self.undo(seen)
        if not isinstance(back, ObjectChange):
            return back if isinstance(back, NoWayBack) else await super().foresee(cluster, seen)
        found = await self.examine(cluster)
        still(fingerprint(self.tool, found.facts), seen, str(self.place))
        return await back.leading(cluster, found)

    async def leading(self, cluster: Cluster, done: Seen) -> Preview:
        """What it would do from a state that is not there yet to the one that is."""
        plan = await self.plan(cluster, done.stored)
        beside = await consequences(
            cluster, (done.resource, self.place.namespace), done.stored, done.live
        )
        return self._told(Seen(done.resource, done.stored, plan, done.live, beside))

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:
        """Whether it still is as this left it."""
        kind, namespace, name = self.place
        resource = await exact(cluster, kind, namespace)
        return await drift_of(cluster, (resource, namespace, name), seen, receipt)

    def wanted(self, seen: Preview, receipt: Receipt | None) -> Wanted:
        """The world as asked."""
        paths = tuple(str(path) for path in _list(seen.before.get("paths")))
        generation = receipt.facts.get("generation") if receipt is not None else 0
        return Wanted(
            place=(self.place.kind, self.place.namespace, self.place.name),
            uid=str(seen.before.get("uid", "")),
            asked=lambda live: digest_at(live, paths) == seen.before.get("to"),
            before=lambda live: digest_before(live, paths) == seen.before.get("from"),
            rolls_out=seen.before.get("rolls_out") is True,
            rescales=REPLICAS in paths,
            generation=generation if isinstance(generation, int) else 0,
        )

    async def examine(self, cluster: Cluster) -> Seen:
        """The object as it is and as the server would store it. Raises `Conflict`."""
        resource, live = await self._read(cluster)
        plan = await self.plan(cluster, live)
        stored = await self._patch(cluster, resource, live, plan, dry_run=True)
        beside = await consequences(cluster, (resource, self.place.namespace), live, stored)
        return Seen(resource, live, plan, stored, beside)

    async def _read(self, cluster: Cluster) -> tuple[Resource, Object]:
        kind, namespace, name = self.place
        resource = await exact(cluster, kind, namespace)
        if self.makes:
            try:
                return resource, await cluster.get(resource, namespace, name)
            except NotFound:
                return resource, {}
        return resource, await missing.found(cluster, resource, namespace, name)

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self.examine(cluster)
        if not found.changes:
            raise Refused(f"{self.place.at} is so already: nothing would change.")
        told = self._told(found)
        if found.resource.kind != "pod" or not controller(found.live):
            return told
        objects = await with_owners(cluster, "pod", found.live)
        return told.model_copy(update={"objects": objects})

    def _told(self, found: Seen) -> Preview:
        plan, beside, changes = self.finished(found), found.beside, found.changes
        paths, now = [change.path for change in changes], plan.now + beside.now
        return Preview(
            summary=plan.summary,
            effect=plan.effect or first_of(changes),
            changes=changes,
            diff=difference(found.live, found.after),
            labels=labels_of(found.live or found.stored),
            warnings=(*plan.warnings, *ownership_warnings(found.live), *beside.warnings),
            cautions=now.cautions,
            notes=now.notes,
            fingerprint=fingerprint(self.tool, found.facts),
            risk=max(
                (risk for risk in (plan.risk, beside.risk) if risk is not None),
                key=lambda risk: risk.level,
                default=None,
            ),
            before={
                **plan.before,
                **({"uid": str(meta(found.live)["uid"])} if found.live else {}),
                "paths": list[JsonValue](paths),
                "from": digest_before(found.live, paths),
                "to": digest_at(found.after, paths),
                "rolls_out": rolls_out(found.after, paths),
                "facts": found.facts,
            },
            way_back=plan.way_back,
        )

    async def _write_once(self, cluster: Cluster, seen: Preview) -> Receipt:
        resource, live = await reading(self._read(cluster))
        plan = await reading(self.plan(cluster, live))
        stored = await self._patch(cluster, resource, live, plan, dry_run=True)
        beside = await reading(
            consequences(cluster, (resource, self.place.namespace), live, stored)
        )
        found = Seen(resource, live, plan, stored, beside)
        if fingerprint(self.tool, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, str(self.place))
        written = await self._patch(cluster, resource, live, plan, dry_run=False)
        facts = {key: meta(written).get(key) for key in ("uid", "generation")}
        return Receipt(text=plan.done, facts=facts)

    async def _patch(
        self, cluster: Cluster, resource: Resource, live: Object, plan: Plan, *, dry_run: bool
    ) -> Object:
        if not live:
            return await cluster.create(resource, self.place.namespace, plan.body, dry_run=dry_run)
        target = (resource, self.place.namespace, self.place.name)
        body = _locked(plan.body, str(meta(live)["resourceVersion"]))
        return await cluster.patch(target, body, plan.content_type, dry_run=dry_run)

    def with_more(self, **fields: object) -> Self:
        """The same change with other arguments."""
        return self.model_copy(update=fields)


async def exact(cluster: Cluster, kind: str, namespace: str) -> Resource:
    """Where the kind lives that a change names. Raises `Refused` unless it is named in the one way,
    with a namespace where it is in one and without where it is not.
    """
    resource = await cluster.resource(kind)
    if kind != resource.written:
        raise Refused(f"`kind` must be written {resource.written}, not {kind}.")
    if resource.namespaced and not namespace:
        raise Malformed("`namespace` is missing: it must be the namespace of the object.")
    if namespace and not resource.namespaced:
        raise Malformed(f"A {resource.kind} is in no namespace: leave `namespace` out.")
    return resource


def rolls_out(after: Object, paths: Sequence[str]) -> bool:
    """Whether its pods follow: its specification is written, and it is not paused."""
    paused = (after.get("spec") or {}).get("paused")
    return not paused and any(path.startswith("spec") for path in paths)


def digest_at(thing: Object, paths: Sequence[str]) -> str:
    """What stands at these paths, as a hash."""
    return sha256_of({path: value_at(thing, path) for path in paths})


def digest_before(live: Object, paths: Sequence[str]) -> str:
    """What stood at these paths, as a hash that is kept: of a Secret not its values."""
    if not (version := version_of_secret(live)):
        return digest_at(live, paths)
    return sha256_of({path: version if value_at(live, path) else None for path in paths})


def digest_of(live: Object, stored: Object, changes: tuple[ChangedPath, ...]) -> str:
    """What would change, from what to what, as a hash."""
    paths = [change.path for change in changes]
    return sha256_of([digest_before(live, paths), digest_at(stored, paths), *paths])


def _locked(body: JsonValue, version: str) -> JsonValue:
    """The patch with the version of what was read: a conflict if anybody wrote since."""
    if isinstance(body, list):
        return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *body]
    patch = body if isinstance(body, dict) else {}
    metadata = patch.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    return {**patch, "metadata": {**given, "resourceVersion": version}}


def first_of(changes: tuple[ChangedPath, ...]) -> str:
    """The first of them in words, and how many more there are."""
    if not changes:
        return ""
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return told(changes[0]) + more


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []

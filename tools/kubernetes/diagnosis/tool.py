"""The tool that diagnoses."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from tools._kit import (
    EVERYWHERE,
    MAYBE_NAME,
    MAYBE_NAMESPACE,
    Access,
    Change,
    Finding,
    Malformed,
    Refused,
    Toolbox,
    Unavailable,
    hints,
    read,
)
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.diagnosis.analyzers import ANALYZERS
from tools.kubernetes.diagnosis.analyzers.calm import unexplained
from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.clues import Clue, Notice, Proposal, Ref
from tools.kubernetes.diagnosis.needs import left_out
from tools.kubernetes.diagnosis.ranking import Ranked, ranked
from tools.kubernetes.diagnosis.reader import Reader
from tools.kubernetes.diagnosis.report import Diagnosis
from tools.kubernetes.diagnosis.snapshot import Scope, Snapshot
from tools.kubernetes.diagnosis.summary import checked, not_checked
from tools.kubernetes.diagnosis.wording import listed
from tools.kubernetes.kinds import RESOURCES, MaybeKind, canonical_kind

_ASKED = 10  # findings about whose changes the cluster is asked

MaybeNamespace = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAMESPACE, strip_whitespace=True),
    Field(description="Default: the one of the kubeconfig's context."),
]
MaybeName = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAME, strip_whitespace=True),
    Field(description="One object; without it, the whole namespace."),
]


class Diagnosing(Toolbox):
    """What finds causes."""

    def __init__(self, changes: Mapping[str, type[Change]]) -> None:
        """`changes`: the tools that may be proposed, without their prefix."""
        self._changes = changes

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:
        """Any for the whole cluster, and for a node, whose pods are anybody's."""
        kind = canonical_kind(arguments.get("kind"))
        if arguments.get("all_namespaces") or kind == "node":
            return EVERYWHERE
        if kind == "namespace":
            return str(arguments.get("name") or "")
        return super().namespace_of(read, arguments)

    @read
    async def diagnose(
        self,
        cluster: Cluster,
        kind: MaybeKind = "",
        name: MaybeName = "",
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
    ) -> Finding:
        """Find out what is wrong with a workload, a namespace, a node or the cluster, and why.

        Causes first, each with its evidence, how sure it is, and a change where one is right.
        Ask this before you look at single objects.
        """
        if bool(kind) != bool(name):
            raise Malformed("`kind` and `name` go together: name both, or a namespace alone.")
        if name and all_namespaces and kind != "node":
            raise Malformed("`all_namespaces` does not go with `name`: say the namespace.")
        place = "" if all_namespaces else namespace or (await cluster.connected()).namespace
        scope = await _scope(cluster, kind, name, place)
        snapshot = await Reader(cluster, bound=not hints.allowed()).read(scope, datetime.now(UTC))
        if scope.namespace and not snapshot.pods and not scope.name:
            await missing.why_empty(cluster, RESOURCES["pod"], scope.namespace)
        found = await asyncio.to_thread(diagnosis, snapshot, self._changes)
        return replace(found, findings=await self._allowed(cluster, found.findings)).report()

    async def _allowed(self, cluster: Cluster, findings: Sequence[Ranked]) -> list[Ranked]:
        """With what of their changes the cluster does not allow: it is said before it is tried."""
        changes = [one.clue.change for one in findings[:_ASKED] if one.clue.change is not None]
        needs = {need for change in changes for need in self._needs(change)}
        asked = sorted(needs)
        answers = await asyncio.gather(*(_may(cluster, need) for need in asked))
        denied = {need for need, may in zip(asked, answers, strict=True) if may is False}
        return [self._lacking(one, denied) for one in findings]

    def _needs(self, change: Proposal) -> tuple[Access, ...]:
        try:
            return self._changes[change.tool].model_validate(dict(change.arguments)).needs()
        except ValidationError:  # the world's own numbers and names: whoever asks for it is told
            return ()

    def _lacking(self, one: Ranked, denied: Collection[Access]) -> Ranked:
        change = one.clue.change
        lacks = [str(need) for need in self._needs(change) if need in denied] if change else []
        if change is None or not lacks:
            return one
        told = replace(change, lacks=listed(lacks))
        return replace(one, clue=replace(one.clue, change=told))


async def _may(cluster: Cluster, need: Access) -> bool | None:
    """None: the cluster does not say."""
    try:
        return await cluster.may(need)
    except (Refused, Unavailable):
        return None


async def _scope(cluster: Cluster, kind: str, name: str, place: str) -> Scope:
    """What is meant. Raises `NotFound` for an object that does not exist."""
    if not kind:
        return Scope(place)
    if kind == "namespace":
        return Scope(name)
    resource = await cluster.resource(kind)
    await missing.found(cluster, resource, place, name)
    return Scope(place if resource.namespaced else "", resource.kind, name)


def diagnosis(snapshot: Snapshot, changes: Collection[str]) -> Diagnosis:
    """What a snapshot shows. Pure."""
    case = Case(snapshot)
    said = [one for analyzer in ANALYZERS for one in analyzer(case)]
    said += unexplained(case, [one for one in said if isinstance(one, Clue)])
    findings = [_proposing(one, changes) for one in ranked(o for o in said if isinstance(o, Clue))]
    notices = sorted({o for o in said if isinstance(o, Notice)}, key=lambda o: (o.about, o.text))
    asked = _asked(case)
    within = [one for one in findings if _concerns(snapshot.scope, one, asked)]
    others = [one for one in findings if one not in within and asked]
    return Diagnosis(
        about=_about(snapshot.scope),
        findings=within,
        notices=[one for one in notices if _near(snapshot.scope, one, asked)],
        not_checked=[*not_checked(snapshot), *left_out(snapshot)],
        checked=checked(snapshot),
        elsewhere=[
            f"beside what was asked about, {one.clue.about} is not well ({one.clue.cause})"
            for one in others
            if snapshot.scope.namespace in ("", one.clue.about.namespace)
        ],
    )


def _proposing(one: Ranked, changes: Collection[str]) -> Ranked:
    """Without a change that there is no tool for."""
    change = one.clue.change
    if change is None or change.tool in changes:
        return one
    return replace(one, clue=replace(one.clue, change=None))


def _asked(case: Case) -> frozenset[Ref]:
    """The object asked about, and what it is made of; nothing for a namespace or the cluster."""
    about, snapshot = case.snapshot.scope.about, case.snapshot
    if about is None:
        return frozenset()
    found = {about, snapshot.workload_of(about)}
    if about.kind == "service":
        found |= case.behind(about)
    if about.kind == "ingress":
        found |= _services_of(snapshot, about)
        found |= {one for service in list(found) for one in case.behind(service)}
    return frozenset(found)


def _services_of(snapshot: Snapshot, ingress: Ref) -> set[Ref]:
    spec = (snapshot.at(ingress) or {}).get("spec") or {}
    paths = [
        path
        for rule in spec.get("rules") or ()
        for path in (rule.get("http") or {}).get("paths") or ()
    ]
    backends = [spec.get("defaultBackend") or {}, *(path.get("backend") or {} for path in paths)]
    named = [str((one.get("service") or {}).get("name") or "") for one in backends]
    return {Ref("service", ingress.namespace, name) for name in named if name}


def _concerns(scope: Scope, one: Ranked, asked: frozenset[Ref]) -> bool:
    """Whether a cause has to do with what was asked about."""
    if asked:
        return bool(asked & one.covers)
    return not scope.namespace or any(ref.namespace == scope.namespace for ref in one.covers)


def _near(scope: Scope, notice: Notice, asked: frozenset[Ref]) -> bool:
    if asked:
        return notice.about in asked
    here = ("", scope.namespace)  # what lies in no namespace is everybody's
    return not scope.namespace or notice.about.namespace in here


def _about(scope: Scope) -> str:
    if scope.about is not None:
        return str(scope.about) + (f" in {scope.namespace}" if scope.namespace else "")
    return f"namespace {scope.namespace}" if scope.namespace else "the cluster"

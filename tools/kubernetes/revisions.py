"""A workload's history: the replica sets or controller revisions that it keeps."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools._kit import Refused
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import (
    REVISION,
    annotation,
    meta,
    name_of,
    namespace_of,
    selector_text,
    template_of,
)

CAUSE = "kubernetes.io/change-cause"
_EARLIER = "deployment.kubernetes.io/revision-history"
HASHES = {  # the label by which pods say whose template they run
    "Deployment": "pod-template-hash",
    "StatefulSet": "controller-revision-hash",
    "DaemonSet": "controller-revision-hash",
}


@dataclass(frozen=True)
class Revision:
    """One pod template that a workload had, under its newest number."""

    number: int
    template: Object  # without the label of its replica set
    made: str  # when it first ran: a rollback takes the old replica set up again
    current: bool
    pods: int | None  # that still run it; None: only replica sets say
    cause: str = ""  # what its author noted
    hash: str = ""  # the value of its pods' label
    name: str = ""  # of the replica set or controller revision
    earlier: tuple[int, ...] = ()  # its numbers of before, where it was gone back to


async def revisions_of(cluster: Cluster, workload: Object) -> list[Revision]:
    """Those that are kept, newest first; none is current while a new template is taken up.

    Raises `Refused` when they cannot all be seen: half a history would choose wrongly.
    """
    selector = selector_text(workload["spec"].get("selector"))
    deployment = workload["kind"] == "Deployment"
    kind = "replicaset" if deployment else "controllerrevision"
    listing = await cluster.list(kind, namespace_of(workload), labels=selector)
    if listing.cut:
        raise Refused(
            f"The history of {str(workload['kind']).lower()}/{name_of(workload)} is too long to"
            f" be read whole: more than {len(listing.items)} {kind}s have its labels."
        )
    uid, live = meta(workload)["uid"], template_of(workload)
    owned = [
        one
        for one in listing.items
        if any(owner.get("uid") == uid for owner in meta(one).get("ownerReferences") or ())
    ]
    found = _of_sets(owned, live) if deployment else _of_revisions(owned, live)
    return sorted(found, key=lambda one: one.number, reverse=True)


def _of_sets(sets: list[Object], live: Object) -> Iterator[Revision]:
    for one in sets:
        number = annotation(one, REVISION)
        if not number.isdecimal():
            continue
        template = template_of(one)
        yield Revision(
            number=int(number),
            template=template,
            made=str(meta(one).get("creationTimestamp", "")),
            current=template == live,
            pods=int((one.get("status") or {}).get("replicas") or 0),
            cause=annotation(one, CAUSE),
            hash=_label(one, HASHES["Deployment"]),
            name=name_of(one),
            earlier=_numbers(annotation(one, _EARLIER)),
        )


def _of_revisions(revisions: list[Object], live: Object) -> Iterator[Revision]:
    for one in revisions:
        template = template_of(one.get("data") or {})
        template.pop("$patch", None)  # it is stored as a patch that replaces the template
        yield Revision(
            number=int(one.get("revision") or 0),
            template=template,
            made=str(meta(one).get("creationTimestamp", "")),
            current=template == live,
            pods=None,
            cause=annotation(one, CAUSE),
            # The stateful set's pods carry the revision's name, the daemon set's its label.
            hash=_label(one, HASHES["DaemonSet"]) or name_of(one),
            name=name_of(one),
        )


def _numbers(noted: str) -> tuple[int, ...]:
    return tuple(int(one) for one in noted.split(",") if one.isdecimal())


def _label(thing: Object, key: str) -> str:
    return str((meta(thing).get("labels") or {}).get(key, ""))

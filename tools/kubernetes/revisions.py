"""A deployment's history, from the replica sets that it keeps."""

from dataclasses import dataclass

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import (
    REVISION,
    annotation,
    meta,
    namespace_of,
    selector_text,
    template_of,
)


@dataclass(frozen=True)
class Revision:
    """One pod template that a deployment had, under its newest number."""

    number: int
    template: Object  # without the label of its replica set
    made: str  # when it first ran: a rollback takes the old replica set up again
    current: bool
    pods: int  # that still run it


async def revisions_of(cluster: Cluster, deployment: Object) -> list[Revision]:
    """Those that are kept, newest first; none is current while a new template is taken up."""
    selector = selector_text(deployment["spec"].get("selector"))
    listing = await cluster.list("replicaset", namespace_of(deployment), labels=selector)
    uid, live = meta(deployment)["uid"], template_of(deployment)
    found = []
    for one in listing.items:
        owners = meta(one).get("ownerReferences") or ()
        number = annotation(one, REVISION)
        if not number.isdecimal() or all(owner.get("uid") != uid for owner in owners):
            continue
        template = template_of(one)
        found.append(
            Revision(
                number=int(number),
                template=template,
                made=str(meta(one).get("creationTimestamp", "")),
                current=template == live,
                pods=int((one.get("status") or {}).get("replicas") or 0),
            )
        )
    return sorted(found, key=lambda one: one.number, reverse=True)

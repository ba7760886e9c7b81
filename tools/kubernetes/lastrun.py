"""Whether a revision that would run again did not work when it ran last, where that still shows."""

import asyncio
from collections.abc import Iterator, Sequence

from tools._kit import Refused
from tools.kubernetes import events
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import all_images_of, conditions, namespace_of, selector_text
from tools.kubernetes.pods import Trouble, is_ready, trouble_of
from tools.kubernetes.revisions import HASHES, Revision, revisions_of

_CRASHED = "its containers ended again and again (CrashLoopBackOff)"
_NOT_PULLED = "an image could not be pulled"
_NOT_MADE = "its containers could not be started"
_NOT_READY = "its pods were not ready within the deadline (ProgressDeadlineExceeded)"

_LONGEST = 58  # signs that a pod's name takes of its replica set's, with the hyphen


async def failure_of(cluster: Cluster, live: Object, revision: Revision) -> str:
    """The warning, or nothing: then no trouble shows, which does not say that it worked.

    What is approved depends on whether there is one, so each source tells what another does not
    any more: a container that crashes is well for a moment, pods go, and the condition moves on.
    """
    pods, reports = await asyncio.gather(
        _pods(cluster, live, revision), _reports(cluster, live, revision)
    )
    over = any(map(is_ready, pods))  # what was reported
    why = _by_pods(pods) or ("" if over else _by_reports(reports)) or _by_condition(live, revision)
    return f"Revision {revision.number} did not work when it ran last: {why}." if why else ""


async def history_of(cluster: Cluster, live: Object) -> Sequence[Revision] | None:
    """The revisions that are kept; None where they may not be seen."""
    try:
        return await revisions_of(cluster, live)
    except Refused:
        return None


async def failure_under(
    cluster: Cluster,
    live: Object,
    kept: Sequence[Revision] | None,
    template: Object,
    *,
    anew: bool = False,
) -> str:
    """The same of the kept revision that has a template to which something leads; nothing where
    there is none. `anew`: also where that is the one of now.
    """
    for one in kept or ():
        if one.template == template and (anew or not one.current):
            return await failure_of(cluster, live, one)
    return ""


def strange(kept: Sequence[Revision] | None, *images: str) -> Iterator[str]:
    """Of images, those that no revision that is kept ran, as far as there are any."""
    for image in dict.fromkeys(images) if kept else ():
        if not any(image in all_images_of(one.template) for one in kept or ()):
            yield f"{image} never ran here: none of its kept revisions ({len(kept or ())}) has it."


def _by_pods(pods: Sequence[Object]) -> str:
    """Those of its pods that are still there."""
    troubles = [trouble for trouble in map(trouble_of, pods) if trouble and trouble.clear]
    return _words(troubles[0]) if troubles else ""


def _words(trouble: Trouble) -> str:
    if trouble.crashed:
        return _CRASHED
    return _NOT_PULLED if trouble.words.endswith("cannot be pulled") else _NOT_MADE


def _by_reports(reports: Sequence[Report]) -> str:
    """What was reported of its pods outlives them by an hour or so."""
    if any(one.reason == "BackOff" for one in reports):
        return _CRASHED
    failed = [one.message for one in reports if one.reason == "Failed"]
    if any("ImagePullBackOff" in message for message in failed):
        return _NOT_PULLED
    made = [message for message in failed if "pull" not in message.lower()]
    return _NOT_MADE if made else ""


def _by_condition(live: Object, revision: Revision) -> str:
    """The deployment's condition names the replica set that it is about."""
    found = conditions(live).get("Progressing", {})
    timed_out = found.get("reason") == "ProgressDeadlineExceeded"
    return _NOT_READY if timed_out and f'"{revision.name}"' in str(found.get("message")) else ""


async def _pods(cluster: Cluster, live: Object, revision: Revision) -> Sequence[Object]:
    selector = selector_text(live["spec"].get("selector"))
    own = f"{HASHES[str(live['kind'])]}={revision.hash}"
    try:
        return (await cluster.list("pod", namespace_of(live), labels=f"{selector},{own}")).items
    except Refused:
        return ()


async def _reports(cluster: Cluster, live: Object, revision: Revision) -> Sequence[Report]:
    """Only a replica set's pods bear its name: a stateful set's are the same for every one."""
    if live["kind"] != "Deployment":
        return ()
    begin = f"{revision.name}-"[:_LONGEST]
    fields = "involvedObject.kind=Pod,type=Warning"
    try:
        found = await cluster.list("event", namespace_of(live), fields=fields)
    except Refused:
        return ()
    return [one for one in events.reports_of(found.items) if one.name[:-5] == begin]

"""What a change of a workload depends on: the object, its surroundings, and their fingerprint."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from pydantic import JsonValue

from tools._kit import NotFound, Preview, Receipt, Refused, Stale, Unavailable, sha256_of
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster, Listing
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import (
    annotation,
    controller,
    meta,
    name_of,
    selects,
    template_of,
)
from tools.kubernetes.wire import Conflict

Facts = dict[str, JsonValue]  # all that a fingerprint is made of, by name
T = TypeVar("T")

# How each fact is called when it is another than it was.
_NOUNS = {
    "replicas": "replicas are",
    "revision": "the revision is",
    "to_revision": "the revision to go back to is",
    "owner": "its owner is",
    "manager": "its manager is",
}
_CHANGED = {
    "uid": "it was deleted and made anew",
    "template": "its pod template changed",
    "to_template": "the template to go back to changed",
    "autoscalers": "its autoscaler changed",
    "budgets": "its PodDisruptionBudget changed",
    "services": "the Services that send it traffic changed",
    "history_limit": "how many old revisions it keeps changed",
    "changes": "what this would change is something else",
    "warnings": "what is to be known of it before changed",
    "others": "which other nodes take pods changed",
    "strategy": "how it replaces its pods changed",
    "cause": "the noted cause of one of the two revisions changed",
    "failed": "whether what it goes back to worked when it ran last changed",
}


_MAKE_PODS = ("replicaset", "statefulset", "daemonset", "job")

Around = tuple[Object, ...] | None  # all objects of one kind in a namespace; None: not known


async def around(cluster: Cluster, kind: str, namespace: str | None) -> Around:
    """All objects of a kind, of one namespace or of all: None.

    Needs no workload, so that both are read at the same time.
    """
    return await _allowed(cluster.list(kind, namespace))


def autoscalers_of(found: Around, workload: Object) -> Around:
    """The HorizontalPodAutoscalers that set its replicas."""
    target = (str(workload["kind"]), name_of(workload))
    return _only(found, lambda hpa: _scaled_by(hpa) == target)


def budgets_of(found: Around, workload: Object) -> Around:
    """The PodDisruptionBudgets that cover its pods."""
    labels = labels_of(workload)
    return _only(found, lambda pdb: selects(pdb["spec"].get("selector"), labels))


def services_of(found: Around, workload: Object) -> Around:
    """The Services that send its pods traffic."""
    labels = labels_of(workload)
    return _only(found, lambda service: _sends_to(service, labels))


def labels_of(workload: Object) -> dict[str, str]:
    """The labels of its pods."""
    return dict((workload["spec"]["template"].get("metadata") or {}).get("labels") or {})


def base_facts(workload: Object) -> Facts:
    """What every change of a workload depends on."""
    return {
        "uid": str(meta(workload)["uid"]),
        "replicas": replicas_of(workload),
        "template": sha256_of(template_of(workload)),
        "owner": controller(workload),
        "manager": manager_of(workload),
    }


@dataclass(frozen=True)
class Counts:
    """How many pods a workload should have and has, by its own status."""

    wanted: int
    total: int
    updated: int
    ready: int
    available: int


_OF_DAEMONSET = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "updatedNumberScheduled",
    "numberReady",
    "numberAvailable",
)
_OF_OTHERS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def counts_of(workload: Object) -> Counts:
    """Its status in numbers; a replica set has no template of its own to update to."""
    status = workload.get("status") or {}
    if workload.get("kind") == "DaemonSet":
        return Counts(*(int(status.get(key) or 0) for key in _OF_DAEMONSET))
    counts = [int(status.get(key) or 0) for key in _OF_OTHERS]
    if workload.get("kind") == "ReplicaSet":
        counts[1] = counts[0]
    return Counts(replicas_of(workload), *counts)


def strategy_of(workload: Object) -> Object:
    """How it replaces its pods: `type` is there always."""
    spec = workload["spec"]
    found = spec.get("strategy") or spec.get("updateStrategy") or {}
    return {"type": "RollingUpdate", **found}


def partition_of(workload: Object) -> int:
    """The first ordinal of a stateful set that takes a new template up."""
    return int((strategy_of(workload).get("rollingUpdate") or {}).get("partition") or 0)


def replicas_of(workload: Object) -> int:
    """How many it should run; the API's default is one."""
    wanted = workload["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def manager_of(workload: Object) -> str:
    """The deployment tool that will write the object again, as far as it left its mark."""
    if annotation(workload, "argocd.argoproj.io/tracking-id"):
        return "Argo CD"
    labels = meta(workload).get("labels") or {}
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "Flux"
    return str(labels.get("app.kubernetes.io/managed-by", ""))


def ownership_warnings(workload: Object) -> list[str]:
    """Who may write the object again: nobody a pod whose owner only makes others in its place."""
    if workload.get("kind") == "Pod" and controller(workload).partition("/")[0] in _MAKE_PODS:
        return []
    found = []
    if owner := controller(workload):
        found.append(f"{owner} owns it and may set this back.")
    if manager := manager_of(workload):
        found.append(f"{manager} manages it: its next deployment may undo this.")
    return found


def fought(autoscalers: Around, replicas: int) -> Iterator[str]:
    """What its autoscalers make of such a number of replicas."""
    if autoscalers is None:
        yield "It cannot be told whether an autoscaler sets this number."
    for hpa in autoscalers or ():
        low, high = int(hpa["spec"].get("minReplicas") or 1), int(hpa["spec"]["maxReplicas"])
        named = f"HorizontalPodAutoscaler {name_of(hpa)}"
        if replicas == 0:
            yield f"{named} rests while this is 0."
        elif replicas > high:
            yield f"{named} has a maximum of {high}: it will set {replicas} back to {high}."
        elif replicas < low:
            yield f"{named} has a minimum of {low}: it will set {replicas} up to {low}."
        else:
            yield f"{named} keeps it between {low} and {high} replicas and will set it again."


def bounds(autoscaler: Object) -> JsonValue:
    """What is fingerprinted of an autoscaler."""
    spec = autoscaler["spec"]
    return [name_of(autoscaler), spec.get("minReplicas", 1), spec.get("maxReplicas")]


def budget(pdb: Object) -> JsonValue:
    """What is fingerprinted of a disruption budget."""
    spec = pdb["spec"]
    return [name_of(pdb), spec.get("minAvailable"), spec.get("maxUnavailable")]


def blocking(budgets: tuple[Object, ...] | None, replicas: int) -> Iterator[str]:
    """Why, with so many replicas, none of their pods could be evicted."""
    if budgets is None:
        yield "It cannot be told whether a PodDisruptionBudget covers its pods."
        return
    nothing = f"with {counted(replicas, 'pod')} none can be evicted and no node drained."
    for pdb in budgets:
        spec = pdb["spec"]
        if (most := spec.get("maxUnavailable")) is not None:
            left, asked = share_of(most, replicas), f"at most {most} unavailable"
        else:
            least = spec.get("minAvailable", 1)
            left, asked = replicas - share_of(least, replicas), f"{least} available"
        if left <= 0 < replicas:
            yield f"PodDisruptionBudget {name_of(pdb)} asks for {asked}: {nothing}"
    if len(budgets) > 1 and replicas:
        names = " and ".join(name_of(pdb) for pdb in budgets)
        yield f"PodDisruptionBudgets {names} cover the same pods: none can be evicted."


def share_of(amount: object, whole: int) -> int:
    """A number, or a percentage of `whole` rounded up, as disruption budgets count."""
    text = str(amount)
    if text.endswith("%") and text[:-1].isdecimal():
        return ceil(int(text[:-1]) * whole / 100)
    return int(text) if text.isdecimal() else 0


def may_stop(workload: Object) -> int:
    """How many pods a rollout may stop before others are ready: a percentage is rounded down, and
    of nothing above and nothing below, one is.
    """
    count, rolling = replicas_of(workload), strategy_of(workload).get("rollingUpdate") or {}
    most = str(rolling.get("maxUnavailable", "25%"))
    share = int(most[:-1]) * count // 100 if most.endswith("%") else int(most)
    return share or int(not share_of(rolling.get("maxSurge", "25%"), count))


def thinned(now: int, wanted: int) -> Iterator[str]:
    """That of several pods one is left."""
    if wanted == 1 < now:
        yield "One pod is left: nothing answers whenever that is replaced or moved."


async def workload(
    cluster: Cluster, target: tuple[str, str, str], given: Object | None = None
) -> Object:
    """The workload of this kind, namespace and name as it is; or as it is `given`, where that is
    what a change would leave. Raises `NotFound`.
    """
    kind, namespace, name = target
    return given or await missing.found(cluster, RESOURCES[kind], namespace, name)


def still(now: str, seen: Preview, what: str) -> None:
    """What was seen is what is there: on it, more can be foreseen. Raises `Unavailable`."""
    if now != seen.fingerprint:
        raise Unavailable(f"{what} is being changed just now; try again.", nothing_sent=True)


def fingerprint(change: str, facts: Facts) -> str:
    """SHA-256 of what a preview saw."""
    return sha256_of({"change": change, "facts": facts})


def stale(seen: JsonValue, now: Facts, what: str) -> Stale:
    """The error for facts that are not those that were seen, in words."""
    before: Mapping[str, JsonValue] = seen if isinstance(seen, dict) else {}
    words = [
        f"{_NOUNS[key]} {_said(value)}, not {_said(before.get(key))}"
        if key in _NOUNS
        else _CHANGED.get(key, f"{key} changed")
        for key, value in now.items()
        if value != before.get(key)
    ]
    return Stale(f"{what} is not as it was previewed: {'; '.join(words) or 'it changed'}.")


async def reading(look: Awaitable[T]) -> T:
    """A read on the way to a write: whatever goes wrong, nothing was sent."""
    try:
        return await look
    except Unavailable as error:
        raise Unavailable(str(error), nothing_sent=True) from error
    except Refused as error:
        raise Stale(str(error)) from error


async def write_locked(
    attempt: Callable[[], Awaitable[Receipt]], what: str, *, again: int = 3
) -> Receipt:
    """Read, compare and write; once more when somebody wrote in between, at most `again` times."""
    for _ in range(again + 1):
        try:
            return await attempt()
        except Conflict:
            continue
    raise Stale(f"{what} is being changed by somebody else all the time; nothing was sent.")


async def previewed(look: Callable[[], Awaitable[Preview]], what: str) -> Preview:
    """A preview whose dry run met no other write between its read and itself."""
    for _ in range(4):
        try:
            return await look()
        except Conflict:
            continue
    raise Unavailable(f"{what} is being changed all the time; try again.", nothing_sent=True)


def _said(value: JsonValue) -> str:
    return "none" if value is None or value == "" else str(value)


async def _allowed(listing: Awaitable[Listing]) -> tuple[Object, ...] | None:
    """The objects, none where the API does not serve them, None where not all could be seen."""
    try:
        found = await listing
        return None if found.cut else found.items
    except NotFound:
        return ()
    except Refused:
        return None


def _only(found: Around, concerns: Callable[[Object], bool]) -> Around:
    return None if found is None else tuple(thing for thing in found if concerns(thing))


def _scaled_by(autoscaler: Object) -> tuple[str, str]:
    target = autoscaler["spec"].get("scaleTargetRef") or {}
    return str(target.get("kind")), str(target.get("name"))


def _sends_to(service: Object, labels: Mapping[str, str]) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())

"""The scheduler: which node a pod fits on, or why on none, in the words of the real one."""

from collections.abc import Iterable, Iterator
from typing import Final

from bot.sandbox.cluster.kinds import CLAIMS, NODES, PODS, STORAGE_CLASSES
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object, Store

_ENDED: Final = ("Succeeded", "Failed")
_CORDON: Final = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_NO_MATCH: Final = "node(s) didn't match Pod's node affinity/selector"


def place(store: Store, pod: Object) -> tuple[Object | None, str]:
    """Return the node with the fewest pods of those that fit, or None and why none does."""
    nodes = store.objects(NODES)
    unbound = next(_unbound(store, pod), "")
    if unbound:
        return None, f"0/{len(nodes)} nodes are available: {unbound}."
    placed: dict[str, list[Object]] = {}
    for other in store.objects(PODS):
        if "nodeName" in other["spec"] and other["status"].get("phase") not in _ENDED:
            placed.setdefault(other["spec"]["nodeName"], []).append(other)
    short: dict[str, int] = {}
    fitting: list[tuple[int, str, Object]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        here = placed.get(name, [])
        lacking = [why] if (why := unsuited(pod["spec"], node)) else _lacking(pod, node, here)
        if not lacking:
            fitting.append((len(here), name, node))
        for what in lacking:
            short[what] = short.get(what, 0) + 1
    if fitting:
        return min(fitting, key=lambda found: found[:2])[2], ""
    reasons = ", ".join(sorted(f"{count} {what}" for what, count in short.items()))
    return None, f"0/{len(nodes)} nodes are available: {reasons or 'no nodes'}."


def unsuited(spec: Object, node: Object) -> str:
    """Return why a pod of a specification may not run on a node, room aside, or ""."""
    about = node.get("spec", {})
    tolerations = spec.get("tolerations") or []
    if about.get("unschedulable") and not _tolerated(_CORDON, tolerations):
        return "node(s) were unschedulable"
    for taint in about.get("taints") or []:
        repels = taint.get("effect") in ("NoSchedule", "NoExecute")
        if repels and taint["key"] != _CORDON["key"] and not _tolerated(taint, tolerations):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    return "" if _selected(spec, node) else _NO_MATCH


def _tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    return any(
        one.get("effect", taint["effect"]) == taint["effect"]
        and one.get("key", taint["key"]) == taint["key"]
        and (one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""))
        for one in tolerations
    )


def _selected(spec: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(_holds(one, labels) for one in term.get("matchExpressions") or [])
        and all(_holds(one, fields) for one in term.get("matchFields") or [])
        for term in required.get("nodeSelectorTerms") or []
        if term  # an empty term matches nothing
    )


def _holds(wanted: Object, labels: Object) -> bool:
    found, values = labels.get(wanted["key"]), wanted.get("values") or []
    match wanted["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case operator:  # Gt or Lt, of whole numbers
            if found is None or not str(found).isdecimal():
                return False
            more = int(found) - int(values[0])
            return more > 0 if operator == "Gt" else more < 0


def _lacking(pod: Object, node: Object, here: list[Object]) -> list[str]:
    there_is = node["status"]["allocatable"]
    lacking = [
        f"Insufficient {what}"
        for what in ("cpu", "memory")
        if sum(_requests(p, what) for p in (*here, pod)) > quantity(there_is[what])
    ]
    if len(here) >= quantity(there_is.get("pods", "110")):
        lacking.append("Too many pods")
    return lacking


def _requests(pod: Object, what: str) -> float:
    return sum(
        quantity(container.get("resources", {}).get("requests", {}).get(what, 0))
        for container in pod["spec"]["containers"]
    )


def _unbound(store: Store, pod: Object) -> Iterator[str]:
    """Yield what the claims of a pod keep it waiting for."""
    for volume in pod["spec"].get("volumes") or []:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name is None:
            continue
        claim = store.get(CLAIMS, pod["metadata"]["namespace"], name)
        if claim is None:
            yield f'persistentvolumeclaim "{name}" not found'
            continue
        kind = store.get(STORAGE_CLASSES, "", claim["spec"].get("storageClassName", ""))
        waits = kind is not None and kind.get("volumeBindingMode") == "WaitForFirstConsumer"
        if claim.get("status", {}).get("phase") != "Bound" and not waits:
            yield "pod has unbound immediate PersistentVolumeClaims"

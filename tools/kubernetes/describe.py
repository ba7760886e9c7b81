"""One object with all that bears on it, as `kubectl describe` is used for."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from tools._kit import Finding, Lines, Manifests, NotFound, Refused, Unavailable
from tools.kubernetes import events, missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.describe_node import node_lines
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import WORKLOADS, Object, Resource, canonical_kind, is_built_in
from tools.kubernetes.objects import (
    LAST_APPLIED,
    age,
    conditions,
    controller,
    meta,
    name_of,
    namespace_of,
    selector_text,
    template_of,
    without_managed_fields,
)
from tools.kubernetes.pods import is_ready, pod_line, pod_lines
from tools.kubernetes.podspec import spec_lines
from tools.kubernetes.workloads import (
    around,
    autoscalers_of,
    budgets_of,
    counts_of,
    manager_of,
    strategy_of,
)

_MOST_EVENTS = 25
_MOST_PODS = 30


async def describe(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Finding:
    """What is known of one object. Raises `NotFound`."""
    if resource.kind == "secret":
        return await _secret(cluster, resource, namespace, name)
    live = await missing.found(cluster, resource, namespace, name)
    if resource.prefix == "/api/v1" and resource.kind == "pod":
        return await _pod(cluster, resource, live)
    if resource.kind in WORKLOADS and resource.prefix in ("/apis/apps/v1", "/apis/batch/v1"):
        return await _workload(cluster, resource, live)
    if resource.prefix == "/api/v1" and resource.kind == "node":
        node, reports = await asyncio.gather(
            node_lines(cluster, live, datetime.now(UTC)), _about(cluster, resource, live)
        )
        return Lines((*node, *reports), _title("node", live))
    lines = await _about(cluster, resource, live)
    beside: Object = {"events": [*lines]}
    if is_built_in(resource) and resource.kind == "horizontalpodautoscaler":
        beside |= await _target(cluster, live)
    shown: list[Object] = [without_managed_fields(live), beside]
    return Manifests(tuple(shown), _title(resource.kind, live))


async def _target(cluster: Cluster, autoscaler: Object) -> Object:
    """Of what an autoscaler scales, only that it is not there."""
    given = autoscaler["spec"].get("scaleTargetRef") or {}
    kind, name = str(given.get("kind", "")).lower(), str(given.get("name", ""))
    group = str(given.get("apiVersion", "")).rpartition("/")[0]
    try:
        resource = await cluster.resource(str(canonical_kind(f"{kind}.{group}" if group else kind)))
        await cluster.get(resource, namespace_of(autoscaler), name)
    except NotFound:
        return {"target": f"{kind}/{name} does not exist: it scales nothing"}
    except (Refused, Unavailable) as error:
        return {"target": f"{kind}/{name} could not be seen: {error}"}
    return {}


async def _secret(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Finding:
    """The server's own table of it: no value of it is ever sent to us."""
    try:
        cells = await cluster.cells(resource, namespace, name)
    except NotFound as error:
        raise await missing.not_found(cluster, resource, namespace, name, error) from None
    lines = [f"{title.lower()}: {value}" for title, value in cells.items()]
    meta_only: Object = {"metadata": {"name": name, "namespace": namespace}}
    reports = await _about(cluster, resource, meta_only)
    return Lines((*lines, *reports), f"secret/{name} in {namespace}; its content was not read")


async def _pod(cluster: Cluster, resource: Resource, live: Object) -> Finding:
    now = datetime.now(UTC)
    reports = await _about(cluster, resource, live)
    lines = [
        pod_line(live, now),
        *pod_lines(live, now, whole=True),
        *_made(live, now),
        *_labels(live),
        *spec_lines(live.get("spec") or {}),
        *_conditions(live, now),
        *reports,
    ]
    return Lines(tuple(lines), _title("pod", live))


async def _workload(cluster: Cluster, resource: Resource, live: Object) -> Finding:
    now, selector = datetime.now(UTC), selector_text(live["spec"].get("selector"))
    place = namespace_of(live)
    pods, autoscalers, budgets = await asyncio.gather(
        cluster.list("pod", place, labels=selector),
        around(cluster, "horizontalpodautoscaler", place),
        around(cluster, "poddisruptionbudget", place),
    )
    autoscalers, budgets = autoscalers_of(autoscalers, live), budgets_of(budgets, live)
    lines = [
        *_numbers(live),
        *_made(live, now),
        *_labels(live),
        f"selector: {selector}",
        *spec_lines(template_of(live).get("spec") or {}),
        *_conditions(live, now),
        *_autoscalers(autoscalers),
        *_budgets(budgets),
        *_pods(pods.items, now),
    ]
    if pods.cut:
        lines.append(f"only {len(pods.items)} of its pods could be read, there are more")
    try:
        concerned = {
            *await events.involved(cluster, resource, live, pods.items),
            *(("horizontalpodautoscaler", name_of(one)) for one in autoscalers or ()),
            *(("poddisruptionbudget", name_of(one)) for one in budgets or ()),
        }
        found, cut = await events.among(
            cluster, place, lambda one: (one.kind, one.name) in concerned
        )
        lines += _reports(found, now, cut=cut)
    except (Refused, Unavailable) as error:
        lines.append(f"events could not be read: {error}")
    return Lines(tuple(lines), _title(resource.kind, live))


def _numbers(live: Object) -> list[str]:
    """How many of what, and how they are replaced."""
    if live["kind"] == "Job":
        status, spec = live.get("status") or {}, live["spec"]
        counts = {key: int(status.get(key) or 0) for key in ("active", "succeeded", "failed")}
        words = ", ".join(f"{count} {key}" for key, count in counts.items())
        completions, parallel = spec.get("completions", 1), spec.get("parallelism", 1)
        return [f"pods: {words}; {completions} completions wanted, {parallel} at once"]
    counted = counts_of(live)
    line = f"replicas: {counted.wanted} desired, {counted.total} in all, {counted.updated} updated,"
    line += f" {counted.ready} ready, {counted.available} available"
    if live["spec"].get("paused"):
        line += "; its rollout is paused"
    if live["kind"] == "ReplicaSet":
        return [line]
    strategy = strategy_of(live)
    rolling = strategy.get("rollingUpdate") or {}
    words = ", ".join(f"{key} {value}" for key, value in sorted(rolling.items()))
    return [line, f"strategy: {strategy['type']}" + (f" ({words})" if words else "")]


def _made(live: Object, now: datetime) -> list[str]:
    line = f"made {age(meta(live).get('creationTimestamp'), now)} ago"
    if owner := controller(live):
        line += f"; {owner} owns it"
    if manager := manager_of(live):
        line += f"; {manager} manages it"
    if since := meta(live).get("deletionTimestamp"):
        line += f"; being deleted since {since}"
    return [line]


def _labels(live: Object) -> list[str]:
    found = []
    for part in ("labels", "annotations"):
        values = {k: v for k, v in (meta(live).get(part) or {}).items() if k != LAST_APPLIED}
        if values:
            words = (f"{key}={_short(value)}" for key, value in sorted(values.items()))
            found.append(f"{part}: {', '.join(words)}")
    return found


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:199] + "…"


def _conditions(live: Object, now: datetime) -> list[str]:
    lines = []
    for kind, one in conditions(live).items():
        line = f"condition {kind} is {one.get('status')}"
        line += f" since {age(one.get('lastTransitionTime'), now)}"
        said = ", ".join(str(one[key]) for key in ("reason", "message") if one.get(key))
        lines.append(f"{line}: {said}" if said else line)
    return lines


def _autoscalers(found: Sequence[Object] | None) -> list[str]:
    if found is None:
        return ["autoscalers could not be seen"]
    lines = []
    for hpa in found:
        spec, status = hpa["spec"], hpa.get("status") or {}
        line = f"autoscaler {name_of(hpa)}: {spec.get('minReplicas', 1)} to"
        line += f" {spec.get('maxReplicas')} replicas, {status.get('currentReplicas') or 0} now,"
        line += f" {status.get('desiredReplicas') or 0} desired"
        for kind, one in conditions(hpa).items():
            limited = kind == "ScalingLimited"
            if one.get("status") == ("True" if limited else "False"):
                line += f"; {kind} is {one.get('status')}: {one.get('message', '')}"
        lines.append(line)
    return lines


def _budgets(found: Sequence[Object] | None) -> list[str]:
    if found is None:
        return ["disruption budgets could not be seen"]
    lines = []
    for pdb in found:
        spec, status = pdb["spec"], pdb.get("status") or {}
        asked = ", ".join(f"{k} {spec[k]}" for k in ("minAvailable", "maxUnavailable") if k in spec)
        line = f"disruption budget {name_of(pdb)}: {asked}; {status.get('currentHealthy', 0)} of"
        line += f" {status.get('expectedPods', 0)} healthy,"
        lines.append(f"{line} {status.get('disruptionsAllowed', 0)} may be evicted now")
    return lines or ["no disruption budget"]


def _pods(pods: Sequence[Object], now: datetime) -> list[str]:
    """Those that are not well first, each with what is the matter."""
    if not pods:
        return ["no pods"]
    lines = []
    for pod in sorted(pods, key=is_ready)[:_MOST_PODS]:
        lines += [pod_line(pod, now), *pod_lines(pod, now, whole=False)]
    if len(pods) > _MOST_PODS:
        lines.append(f"{counted(len(pods) - _MOST_PODS, 'more pod')}, the ready ones last")
    return lines


async def _about(cluster: Cluster, resource: Resource, live: Object) -> list[str]:
    """The events of this one object as lines; why there are none, where they are kept from us."""
    try:
        found, cut = await events.about(cluster, resource, namespace_of(live), name_of(live))
    except (Refused, Unavailable) as error:
        return [f"events could not be read: {error}"]
    return _reports(found, datetime.now(UTC), cut=cut)


def _reports(found: Sequence[Report], now: datetime, *, cut: bool) -> list[str]:
    lines = [f"event {one.line(now)}" for one in found[-_MOST_EVENTS:]]
    if len(found) > _MOST_EVENTS:
        lines.insert(0, f"{counted(len(found) - _MOST_EVENTS, 'older event')}; `events` shows them")
    if cut:
        lines.append("not all events could be read, newer ones may be missing")
    return lines or ["no events"]


def _title(kind: str, live: Object) -> str:
    place = namespace_of(live)
    return f"{kind}/{name_of(live)}" + (f" in {place}" if place else "")

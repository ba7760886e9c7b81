"""One screen about a namespace: what runs, what is in trouble, and what bounds it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from tools._kit import Lines
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.events import Report, reports_of
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import (
    age,
    conditions,
    controller,
    images_of,
    moment,
    name_of,
    template_of,
)
from tools.kubernetes.pods import is_ready, pod_line, pod_lines
from tools.kubernetes.views.seen import Seen, seen, unread
from tools.kubernetes.workloads import counts_of

_RUN = ("deployment", "statefulset", "daemonset")
_BESIDE = ("job", "cronjob", "horizontalpodautoscaler", "resourcequota", "ingress")
_KINDS = ("pod", *_RUN, *_BESIDE, "persistentvolumeclaim", "event")
_MOST = 12  # lines about any one thing
_RECENT = timedelta(hours=1)


async def overview(cluster: Cluster, namespace: str, now: datetime) -> Lines:
    """What most needs to be known first. Raises `NotFound` when there is no such namespace."""
    wanted = {"event": "type=Warning"}
    lists = await asyncio.gather(
        *(seen(cluster, kind, namespace, fields=wanted.get(kind, "")) for kind in _KINDS)
    )
    found = dict(zip(_KINDS, lists, strict=True))
    note = f"namespace {namespace} on cluster {cluster.name}, warnings of the last hour"
    if not any(one.items for one in lists):
        note += f"; {await missing.why_empty(cluster, RESOURCES['pod'], namespace)}"
    workloads = [one for kind in _RUN for one in found[kind].items]
    pods = found["pod"].items
    lines = [
        *_workloads(workloads),
        *_pods(pods, now),
        *_jobs(found["job"].items, found["cronjob"].items, now),
        *_claims(found["persistentvolumeclaim"].items),
        *_warnings(found["event"], now),
        *_autoscalers(found["horizontalpodautoscaler"].items, _known(found)),
        *_quotas(found["resourcequota"].items),
        *_ingresses(found["ingress"].items),
        *(f"not seen: {line}" for line in unread(*lists)),
    ]
    return Lines(tuple(lines), note)


def _workloads(workloads: Sequence[Object]) -> Iterator[str]:
    ready: list[str] = []
    troubled: list[str] = []
    for one in workloads:
        counts = counts_of(one)
        kind = str(one["kind"]).lower()
        is_there = counts.ready >= counts.wanted and counts.updated >= counts.wanted
        if is_there and counts.total <= counts.wanted:
            ready.append(f"{kind}/{name_of(one)} {counts.ready}/{counts.wanted}")
            continue
        line = f"{kind}/{name_of(one)}: {counts.ready} of {counts.wanted} ready,"
        line += f" {counts.updated} updated, {', '.join(images_of(template_of(one)))}"
        progressing = conditions(one).get("Progressing", {})
        if progressing.get("status") == "False":
            line += f"; {progressing.get('reason')}"
        troubled.append(line + ("; paused" if one["spec"].get("paused") else ""))
    yield f"workloads: {len(workloads)}, {len(ready)} as they should be"
    yield from _some([f"  not ready {line}" for line in troubled], "workloads that are not ready")
    if ready:
        yield f"  ready {', '.join(ready[:40])}" + (" and more" if len(ready) > 40 else "")


def _pods(pods: Sequence[Object], now: datetime) -> Iterator[str]:
    yield pod_counts(pods)
    troubled = [pod for pod in pods if not is_ready(pod) and not _has(pod, "Succeeded")]
    troubled.sort(key=lambda pod: _has(pod, "Failed"))  # what may still become ready is first
    for pod in troubled[:_MOST]:
        yield f"  {pod_line(pod, now)}"
        yield from (f"  {line}" for line in pod_lines(pod, now, whole=False))
    if len(troubled) > _MOST:
        yield f"  {counted(len(troubled) - _MOST, 'more pod')} not ready"


def pod_counts(pods: Sequence[Object]) -> str:
    """How many, and of them how many are ready; those that have ended by themselves."""
    ended = Counter(str((pod.get("status") or {}).get("phase")) for pod in pods)
    line = f"pods: {len(pods)}, {sum(map(is_ready, pods))} ready"
    for phase, word in (("Failed", "failed"), ("Succeeded", "completed")):
        line += f", {ended[phase]} {word}" if ended[phase] else ""
    return line


def _has(pod: Object, phase: str) -> bool:
    return (pod.get("status") or {}).get("phase") == phase


def _jobs(jobs: Sequence[Object], crons: Sequence[Object], now: datetime) -> Iterator[str]:
    failed = [one for one in jobs if conditions(one).get("Failed", {}).get("status") == "True"]
    if jobs:
        active = sum(bool((one.get("status") or {}).get("active")) for one in jobs)
        yield f"jobs: {len(jobs)}, {active} running, {len(failed)} failed"
    yield from _some(
        [
            f"  failed job/{name_of(one)}"
            + (f" of {owner}" if (owner := controller(one)) else "")
            + f": {conditions(one)['Failed'].get('reason', '')}"
            for one in failed
        ],
        "failed jobs",
    )
    for one in crons[:_MOST]:
        spec, status = one["spec"], one.get("status") or {}
        last = status.get("lastScheduleTime")
        line = f"cronjob/{name_of(one)}: {spec.get('schedule')}"
        line += f", last {age(last, now)} ago" if last else ", never ran"
        yield line + (", suspended" if spec.get("suspend") else "")


def _claims(claims: Sequence[Object]) -> Iterator[str]:
    unbound = [one for one in claims if (one.get("status") or {}).get("phase") != "Bound"]
    if claims:
        yield f"volume claims: {len(claims)}, {len(claims) - len(unbound)} bound"
    for one in unbound[:_MOST]:
        yield f"  persistentvolumeclaim/{name_of(one)} is {(one.get('status') or {}).get('phase')}"


def _warnings(events: Seen, now: datetime) -> Iterator[str]:
    """One for each reason and kind of object, the newest first."""
    groups: dict[tuple[str, str], list[Report]] = {}
    for one in reports_of(events.items):
        when = moment(one.last)
        if when is not None and now - when <= _RECENT:
            groups.setdefault((one.kind, one.reason), []).append(one)
    newest = sorted(groups.values(), key=lambda group: group[-1].last, reverse=True)
    yield f"warnings: {sum(one.count for group in groups.values() for one in group)}"
    lines = []
    for group in newest:
        last = group[-1]
        times = sum(one.count for one in group)
        others = f" and {len(group) - 1} alike" if len(group) > 1 else ""
        lines.append(
            f"  ×{times} {last.reason}, {age(last.last, now)} ago,"
            f" {last.kind}/{last.name}{others}: {last.message}"
        )
    yield from _some(lines, "kinds of warnings")


def _known(found: Mapping[str, Seen]) -> Mapping[str, frozenset[str]]:
    """The names of each kind of workload that was read whole."""
    kinds = ("deployment", "statefulset")
    return {
        kind: frozenset(map(name_of, found[kind].items)) for kind in kinds if not found[kind].unread
    }


def _autoscalers(found: Sequence[Object], known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    for one in found[:_MOST]:
        spec, status = one["spec"], one.get("status") or {}
        target = spec.get("scaleTargetRef") or {}
        now, most = status.get("currentReplicas") or 0, spec.get("maxReplicas")
        line = f"autoscaler {name_of(one)}: {str(target.get('kind')).lower()}/{target.get('name')}"
        names = known.get(str(target.get("kind")).lower())
        if names is not None and target.get("name") not in names:
            yield f"{line} does not exist: it scales nothing"
            continue
        line += f" {now} of {spec.get('minReplicas', 1)} to {most}"
        line += ", at its limit" if now == most else ""
        if conditions(one).get("ScalingActive", {}).get("status") == "False":
            line += f", blind: {conditions(one)['ScalingActive'].get('reason')}"
        yield line


def _quotas(found: Sequence[Object]) -> Iterator[str]:
    for one in found:
        status = one.get("status") or {}
        used = status.get("used") or {}
        hard = status.get("hard") or (one.get("spec") or {}).get("hard") or {}
        parts = (f"{key} {used.get(key, '?')} of {limit}" for key, limit in hard.items())
        yield f"quota {name_of(one)}: {', '.join(parts)}"


def _ingresses(found: Sequence[Object]) -> Iterator[str]:
    for one in found[:_MOST]:
        yield f"ingress {name_of(one)}: {'; '.join(routes(one)) or 'no rules'}"


def routes(ingress: Object) -> Iterator[str]:
    """Each rule of an ingress: "shop.example/ → service/web port http"."""
    spec = ingress.get("spec") or {}
    if default := spec.get("defaultBackend"):
        yield f"everything else → {backend(default)}"
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            host, where = rule.get("host") or "*", path.get("path") or "/"
            yield f"{host}{where} → {backend(path.get('backend') or {})}"


def backend(given: Object) -> str:
    """Where a rule of an ingress leads."""
    if service := given.get("service"):
        port = service.get("port") or {}
        return f"service/{service.get('name')} port {port.get('name') or port.get('number')}"
    other = given.get("resource") or {}
    return f"{str(other.get('kind')).lower()}/{other.get('name')}"


def _some(lines: Sequence[str], what: str) -> Iterator[str]:
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"  {len(lines) - _MOST} more {what}"

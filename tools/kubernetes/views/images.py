"""Which images run where, by tag and by digest, since when, and which tags move."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools._kit import Table
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import age, controller, name_of, namespace_of
from tools.kubernetes.views.seen import seen, unread

_MOVING = ("latest", "stable", "main", "master", "dev", "edge", "nightly", "prod", "production")
_COLUMNS = ("WORKLOAD", "CONTAINER", "IMAGE", "DIGEST", "PODS", "SINCE", "PULL", "NOTE")


@dataclass
class _Runs:
    """One image in one container of a workload."""

    pull: str
    pods: int = 0
    since: str = ""
    digests: set[str] = field(default_factory=set)


async def images(
    cluster: Cluster, namespace: str | None, selector: str, now: datetime, limit: int
) -> Table:
    """Each image that pods run; a workload during a rollout has two lines."""
    pods, sets = await asyncio.gather(
        seen(cluster, "pod", namespace, labels=selector), seen(cluster, "replicaset", namespace)
    )
    owners = {(namespace_of(one), name_of(one)): controller(one) for one in sets.items}
    found: dict[tuple[str, str, str, str], _Runs] = {}
    for pod in pods.items:
        for container, image, digest, pull in _containers(pod):
            key = (namespace_of(pod), _workload(pod, owners), container, image)
            runs = found.setdefault(key, _Runs(pull))
            runs.pods += 1
            began = str((pod.get("status") or {}).get("startTime") or "")
            runs.since = min(filter(None, (runs.since, began)), default="")
            if digest:
                runs.digests.add(digest)
    keys = sorted(found)
    spread = namespace is None
    rows = [
        (*((key[0],) if spread else ()), *key[1:], *_cells(key[3], found[key], now))
        for key in keys[:limit]
    ]
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    different = len({key[3] for key in keys})
    note = f"{counted(different, 'image')} {where}, SINCE is of the oldest pod"
    note += f"; cut at limit {limit} of {len(keys)}" if len(keys) > limit else ""
    note += "".join(f"; not seen: {line}" for line in unread(pods, sets))
    if not pods.items and namespace and not pods.unread:
        note += f"; {await missing.why_empty(cluster, RESOURCES['pod'], namespace)}"
    return Table((*(("NAMESPACE",) if spread else ()), *_COLUMNS), tuple(rows), note)


def _containers(pod: Object) -> Iterator[tuple[str, str, str, str]]:
    """Name, image, digest that runs, pull policy."""
    status = pod.get("status") or {}
    ran = {
        str(one.get("name")): str(one.get("imageID") or "")
        for part in ("initContainerStatuses", "containerStatuses")
        for one in status.get(part) or ()
    }
    for part in ("initContainers", "containers"):
        for one in (pod.get("spec") or {}).get(part) or ():
            name, image = str(one.get("name")), str(one.get("image"))
            digest = ran.get(name, "").rpartition("@")[2].removeprefix("sha256:")[:12]
            yield name, image, digest, str(one.get("imagePullPolicy") or "IfNotPresent")


def _workload(pod: Object, owners: Mapping[tuple[str, str], str]) -> str:
    owner = controller(pod)
    kind, _, name = owner.partition("/")
    if kind == "replicaset":
        owner = owners.get((namespace_of(pod), name)) or owner
    return owner or f"pod/{name_of(pod)}"


def _cells(image: str, runs: _Runs, now: datetime) -> Sequence[str]:
    digests = ",".join(sorted(runs.digests)) or "<none>"
    return digests, str(runs.pods), age(runs.since, now), runs.pull, "; ".join(_notes(image, runs))


def _notes(image: str, runs: _Runs) -> Iterator[str]:
    rest, _, pinned = image.partition("@")
    tag = rest.rpartition("/")[2].partition(":")[2]
    if not pinned and not tag:
        yield "no tag: latest"
    elif not pinned and tag in _MOVING:
        yield f"tag {tag} moves"
    if len(runs.digests) > 1:
        yield f"{len(runs.digests)} different builds under one name"
    if not pinned and (not tag or tag in _MOVING) and runs.pull == "IfNotPresent":
        yield "a node keeps the build that it has"

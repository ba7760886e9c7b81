"""Following what was made until it does what it was made for: a job ends, a pod comes up."""

from collections.abc import Awaitable, Callable, Mapping

from tools._kit import NotFound, Progress, Refused, ToolError, Unavailable, Verdict
from tools.kubernetes import events
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import conditions
from tools.kubernetes.pods import Trouble, is_ready, pod_status, restarts, trouble_of
from tools.kubernetes.reasons import reported, telling_line

_LONGEST = 300.0  # seconds that it is followed
_UNBOUND = 60.0  # seconds in which a volume is made, where nothing warns that it is not
_AGAIN = 2  # restarts after which a crash is no accident


async def job_ends(cluster: Cluster, namespace: str, name: str, since: float) -> Progress | Verdict:
    """How far a job is, that many seconds after the first look."""
    what = f"job/{name}"
    try:
        job = await cluster.get("job", namespace, name)
        pods = (await cluster.list("pod", namespace, labels=f"job-name={name}")).items
    except ToolError as error:
        return _unread(error, since)
    ended = conditions(job)
    if ended.get("Complete", {}).get("status") == "True":
        return Verdict("holds", f"{what} has run to its end.")
    troubles = [trouble for pod in pods if (trouble := trouble_of(pod)) is not None]
    if ended.get("Failed", {}).get("status") == "True":
        why = " ".join(str(ended["Failed"].get("message") or "it failed").split())[:200]
        if troubles:
            why += f": {await _told(cluster, namespace, troubles[0])}"
        return Verdict("failed", f"{what}: {why}.")
    if job["spec"].get("suspend"):
        return Verdict("holds", f"{what} is there and suspended: it begins when it is resumed.")
    if troubles and troubles[0].clear:
        return Verdict("failed", f"{troubles[0].pod} {troubles[0].words}.")
    if since >= _LONGEST:
        return Verdict("holds", f"{what} still runs after {since:.0f} s; how it ends is open.")
    return Progress(
        f"{what} runs" + (f"; {troubles[0].pod} {troubles[0].words}" if troubles else "")
    )


async def pod_comes(
    cluster: Cluster, namespace: str, name: str, since: float
) -> Progress | Verdict:
    """Whether a pod is ready, or has ended well."""
    what = f"pod/{name}"
    try:
        pod = await cluster.get("pod", namespace, name)
    except ToolError as error:
        return _unread(error, since)
    phase, trouble = (pod.get("status") or {}).get("phase"), trouble_of(pod)
    if phase == "Succeeded":
        return Verdict("holds", f"{what} has run to its end.")
    if is_ready(pod):
        return Verdict("holds", f"{what} is ready.")
    why = f"{trouble.pod} {trouble.words}" if trouble else ""
    again = trouble is not None and trouble.crashed and restarts(pod) >= _AGAIN
    if trouble and (trouble.clear or again or phase == "Failed"):
        return Verdict("failed", f"{await _told(cluster, namespace, trouble)}.")
    if phase == "Failed":
        return Verdict("failed", f"{what} has failed: {pod_status(pod)}.")
    if since >= _LONGEST:
        why = why or await reported(cluster, namespace, [pod])
        because = f": {why}" if why else ""
        return Verdict("failed", f"{what} is not ready after {since:.0f} s{because}.")
    return Progress(f"{what} is {pod_status(pod)}" + (f"; {why}" if why else ""))


async def claim_binds(
    cluster: Cluster, namespace: str, name: str, since: float
) -> Progress | Verdict:
    """Whether a claim got its volume, or gets it once a pod uses it."""
    what = f"persistentvolumeclaim/{name}"
    try:
        claim = await cluster.get("persistentvolumeclaim", namespace, name)
        if (claim.get("status") or {}).get("phase") == "Bound":
            return Verdict("holds", f"{what} has its volume.")
        if await _waits_for_a_pod(cluster, claim):
            return Verdict("holds", f"{what} is there: it gets its volume once a pod uses it.")
        found, _ = await events.about(cluster, RESOURCES["persistentvolumeclaim"], namespace, name)
    except ToolError as error:
        return _unread(error, since)
    newest = next((one for one in reversed(found) if one.type == "Warning"), None)
    why = f": {newest.reason}, {newest.message[:200]}" if newest else ""
    if since >= (cluster.settle_seconds if newest else _UNBOUND):
        return Verdict("failed", f"{what} has no volume after {since:.0f} s{why}.")
    return Progress(f"{what} waits for its volume{why}")


async def _waits_for_a_pod(cluster: Cluster, claim: Object) -> bool:
    """Whether its storage class makes volumes for pods only; where that may not be read: no."""
    named = claim["spec"].get("storageClassName")
    if not named:
        return False
    try:
        kind = await cluster.get("storageclass", "", str(named))
    except (NotFound, Refused):
        return False
    return kind.get("volumeBindingMode") == "WaitForFirstConsumer"


# Of the kinds that are not done once they are there; what runs pods is followed as a rollout.
COMING: Mapping[str, Callable[[Cluster, str, str, float], Awaitable[Progress | Verdict]]] = {
    "job": job_ends,
    "pod": pod_comes,
    "persistentvolumeclaim": claim_binds,
}


def _unread(error: ToolError, since: float) -> Progress | Verdict:
    if isinstance(error, Unavailable) and since < _LONGEST:
        return Progress(f"Cannot look right now, trying again: {error}")
    return Verdict("cannot tell", f"The world could not be read: {error}")


async def _told(cluster: Cluster, namespace: str, trouble: Trouble) -> str:
    line = await telling_line(cluster, namespace, trouble)
    return f"{trouble.pod} {trouble.words}" + (f": {line}" if line else "")

"""Why pods do not come up, beyond their status: what was reported of them, and what they wrote."""

import re
from collections.abc import Sequence

from tools._kit import Refused, Unavailable
from tools.kubernetes import events
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import meta, moment, name_of
from tools.kubernetes.pods import Trouble, is_ready

_LINES = "40"  # of a log's end, in which the cause is looked for
_LONGEST = 200  # signs of a line that is quoted

# How programs begin the line that says why they end; the stack that follows says where.
_CAUSE = re.compile(
    r"\b(panic|fatal|critical|crit|emerg|error|err|exception|\w+(?:Error|Exception)|failed|failure"
    r"|cannot|could not|unable|refused|denied|missing|invalid|no such|not found)\b",
    re.IGNORECASE,
)


async def reported(cluster: Cluster, namespace: str, pods: Sequence[Object]) -> str:
    """The newest warning about the first pod that is not ready: "web-x: Unhealthy, …".

    Empty when there is none, or when it cannot be read: only the status tells then.
    """
    for pod in pods:
        if is_ready(pod):
            continue
        try:
            found, _ = await events.about(cluster, RESOURCES["pod"], namespace, name_of(pod))
        except (Refused, Unavailable):
            return ""
        begun = moment(meta(pod).get("creationTimestamp"))
        for one in reversed(found):
            last = moment(one.last)
            if one.type == "Warning" and not (begun and last and last < begun):
                return f"{name_of(pod)}: {one.reason}, {_short(one.message)}"
    return ""


async def telling_line(cluster: Cluster, namespace: str, trouble: Trouble) -> str:
    """The line in which a container that crashed says why; empty: none does."""
    for previous in ("true", "false"):
        options = {"container": trouble.container, "tailLines": _LINES, "previous": previous}
        try:
            log = await cluster.log(namespace, trouble.pod, options)
        except (Refused, Unavailable):
            continue
        lines = [line.partition(" ")[2].strip() for line in log.splitlines()]  # without its time
        if cause := cause_in(lines):
            return _short(cause)
    return ""


def cause_in(lines: Sequence[str]) -> str:
    """The newest line that names a cause, behind which a stack may stand; empty: none does."""
    return next(filter(_CAUSE.search, reversed(lines)), "")


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"

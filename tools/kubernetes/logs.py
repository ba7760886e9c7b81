"""What a workload's containers wrote, from several pods, merged by time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import re2

from tools._kit import Lines, NotFound, Refused, Unavailable, seconds
from tools.kubernetes.cluster import Cluster, Unable
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import meta, name_of, selector_text
from tools.kubernetes.pods import is_leaving

_MOST_PODS = 10


@dataclass(frozen=True)
class Window:
    """Which part of each container's log."""

    since: str
    tail: int
    previous: bool
    grep: str

    def options(self, container: str) -> dict[str, str]:
        """As the API takes them; an earlier container's log has no window: it may be older."""
        found = {"container": container, "tailLines": str(self.tail)}
        if self.previous:
            return {**found, "previous": "true"}
        return {**found, "sinceSeconds": str(seconds(self.since))}

    def words(self) -> str:
        """For the note: what was asked of the API."""
        span = "the run before the last restart" if self.previous else f"last {self.since}"
        found = f"{span}, at most {self.tail} lines per container"
        return f'{found}, only lines with "{self.grep}"' if self.grep else found


@dataclass(frozen=True)
class _Line:
    """What a container wrote at once."""

    stamp: str  # to the nanosecond, for merging
    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.stamp[:19]}Z {self.source} | {self.text}"


async def read_logs(
    cluster: Cluster, kind: str, namespace: str, name: str, window: Window
) -> Lines:
    """The lines with their pod in front; what cannot have a log is a line saying so."""
    pods = await _pods(cluster, kind, namespace, name)
    chosen = sorted(pods, key=_made, reverse=True)[:_MOST_PODS]
    sources = [
        (name_of(pod), c, len(_containers(pod)) > 1) for pod in chosen for c in _containers(pod)
    ]
    found = await asyncio.gather(
        *(
            _one(cluster, namespace, (pod, container, several), window)
            for pod, container, several in sources
        )
    )
    wanted = _matcher(window.grep)
    said = sorted((line for log, _ in found for line in log), key=lambda line: line.stamp)
    lines = [str(line) for line in said if wanted(line.text)]
    unable = [why for _, why in found if why]
    note = f"{kind}/{name} in {namespace}: {window.words()}"
    if len(pods) > len(chosen):
        note += f"; the {len(chosen)} newest of {len(pods)} pods"
    elif not pods:
        note += "; it has no pods"
    return Lines((*unable, *lines), f"{note}; {len(lines)} lines")


async def _pods(cluster: Cluster, kind: str, namespace: str, name: str) -> Sequence[Object]:
    found = await cluster.get(kind, namespace, name)
    if kind == "pod":
        return [found]
    selector = selector_text(found["spec"].get("selector"))
    listing = await cluster.list("pod", namespace, labels=selector)
    return [pod for pod in listing.items if not is_leaving(pod)] or list(listing.items)


async def _one(
    cluster: Cluster, namespace: str, source: tuple[str, str, bool], window: Window
) -> tuple[list[_Line], str]:
    """Its lines, and why there are none."""
    pod, container, several = source
    shown = f"{pod}/{container}" if several else pod
    try:
        log = await cluster.log(namespace, pod, window.options(container))
    except NotFound:
        return [], f"{shown} | (it is gone)"
    except Unable as error:
        return [], f"{shown} | (no log: {error.words})"
    except (Refused, Unavailable) as error:
        # one node that is away must not hide what the others wrote
        return [], f"{shown} | (no log: {error})"
    lines, last = [], ""
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if not _is_stamp(stamp):  # a line that the API cut in two
            stamp, text = last, line
        last = stamp
        lines.append(_Line(stamp, shown, text))
    return lines, ""


def _containers(pod: Object) -> list[str]:
    """All its containers, and the init containers that have not ended well."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    unfinished = [
        str(one.get("name"))
        for one in status.get("initContainerStatuses") or ()
        if ((one.get("state") or {}).get("terminated") or {}).get("exitCode") != 0
    ]
    return unfinished + [str(one.get("name")) for one in spec.get("containers") or ()]


def _matcher(grep: str) -> Callable[[str], bool]:
    """Lines that hold the text as it is, or that the pattern matches."""
    if not grep:
        return lambda _line: True
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = True
    try:
        pattern = re2.compile(grep, options)
    except re2.error:
        return lambda line: grep in line
    return lambda line: grep in line or pattern.search(line) is not None


def _made(pod: Object) -> str:
    return str(meta(pod).get("creationTimestamp", ""))


def _is_stamp(text: str) -> bool:
    return len(text) >= 20 and text[4:5] == "-" and text[10:11] == "T"

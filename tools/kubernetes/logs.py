"""What a workload's containers wrote, from several pods, merged by time."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import re2

from tools._kit import Lines, NotFound, Refused, Unavailable, seconds
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster, Listing
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import meta, name_of, selector_text
from tools.kubernetes.pods import is_leaving, troubles_of
from tools.kubernetes.wire import Unable

_WORKLOADS = ("deployment", "statefulset", "daemonset", "job")  # as people most often mean
_MOST_PODS = 10
_FEW_LINES = 120  # that are shown whole whatever is cut: by time alone they tell the story best
_FIRST_LINES = 100  # of crashing containers, before all others
_LAST_WORDS = 30  # lines of a crashing container from before the window, if there are none in it


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
    crashing: bool

    def __str__(self) -> str:
        return f"{self.stamp[:19]}Z {self.source} | {self.text}"


@dataclass(frozen=True)
class _Source:
    """One container whose log is read."""

    pod: str
    container: str
    shown: str  # in front of its lines
    crashing: bool


async def read_logs(
    cluster: Cluster, kind: str, namespace: str, name: str, window: Window
) -> Lines:
    """The lines with their pod in front; what cannot have a log is a line saying so.

    Of many lines those of crashing containers come first: a result that is too long is cut in its
    middle, and healthy pods write more.
    """
    kind, listing = await _pods(cluster, kind, namespace, name)
    pods = listing.items
    # Those that crash are looked at before the newest.
    chosen = sorted(sorted(pods, key=_made, reverse=True), key=lambda pod: not _crashing(pod))
    chosen = chosen[:_MOST_PODS]
    sources = [source for pod in chosen for source in _sources(pod)]
    found = await asyncio.gather(*(_one(cluster, namespace, one, window) for one in sources))
    wanted = _matcher(window.grep)
    said = sorted((line for log, _ in found for line in log), key=lambda line: line.stamp)
    said = [line for line in said if wanted(line.text)]
    unable = [why for _, why in found if why]
    note = f"{kind}/{name} in {namespace}: {window.words()}"
    if len(pods) > len(chosen):
        more = " or more" if listing.cut else ""
        note += f"; {len(chosen)} of {len(pods)}{more} pods, crashing and newest first"
    elif not pods:
        note += "; it has no pods"
    return Lines((*unable, *_ordered(said)), f"{note}; {len(said)} lines")


def _ordered(said: Sequence[_Line]) -> list[str]:
    """By time; of many, what crashing containers wrote last comes before all the rest."""
    first = [line for line in said if line.crashing][-_FIRST_LINES:]
    if len(said) <= _FEW_LINES or not first or len(first) == len(said):
        return [str(line) for line in said]
    taken = set(map(id, first))
    rest = [line for line in said if id(line) not in taken]
    return [
        f"--- crashing containers, their last {len(first)} lines ---",
        *map(str, first),
        f"--- all other lines, {len(rest)} ---",
        *map(str, rest),
    ]


async def _pods(cluster: Cluster, kind: str, namespace: str, name: str) -> tuple[str, Listing]:
    """The pods, and the kind of what was found: people say `logs web` and mean the workload."""
    kind, found = await _named(cluster, kind, namespace, name)
    if kind == "pod":
        return kind, Listing((found,), cut=False)
    selector = selector_text(found["spec"].get("selector"))
    listing = await cluster.list("pod", namespace, labels=selector)
    staying = tuple(pod for pod in listing.items if not is_leaving(pod))
    return kind, Listing(staying or listing.items, listing.cut)


async def _named(cluster: Cluster, kind: str, namespace: str, name: str) -> tuple[str, Object]:
    """What has this name; where no pod has it, the workload that has. Raises `NotFound`."""
    try:
        return kind, await cluster.get(kind, namespace, name)
    except NotFound as error:
        for other in _WORKLOADS if kind == "pod" else ():
            with suppress(NotFound, Refused):
                return other, await cluster.get(other, namespace, name)
        also = [RESOURCES[other] for other in _WORKLOADS[:1]] if kind == "pod" else []
        raise await missing.not_found(
            cluster, RESOURCES[kind], namespace, name, error, also
        ) from None


async def _one(
    cluster: Cluster, namespace: str, source: _Source, window: Window
) -> tuple[list[_Line], str]:
    """Its lines, and why there are none."""
    try:
        log = await cluster.log(namespace, source.pod, window.options(source.container))
        lines = _lines(log, source)
        if not lines and source.crashing and not window.previous:
            lines = await _last_words(cluster, namespace, source)
    except NotFound:
        return [], f"{source.shown} | (it is gone)"
    except Unable as error:
        return [], f"{source.shown} | (no log: {error.words})"
    except (Refused, Unavailable) as error:
        # one node that is away must not hide what the others wrote
        return [], f"{source.shown} | (no log: {error})"
    return lines, ""


async def _last_words(cluster: Cluster, namespace: str, source: _Source) -> list[_Line]:
    """What a crashing container wrote last before the window, or in the run before."""
    for previous, when in (("false", "earlier"), ("true", "previous run")):
        options = {
            "container": source.container,
            "tailLines": str(_LAST_WORDS),
            "previous": previous,
        }
        try:
            log = await cluster.log(namespace, source.pod, options)
        except Unable:  # there was no such run
            continue
        if lines := _lines(log, replace(source, shown=f"{source.shown} ({when})")):
            return lines
    return []


def _lines(log: str, source: _Source) -> list[_Line]:
    lines, last = [], ""
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if not _is_stamp(stamp):  # a line that the API cut in two
            stamp, text = last, line
        last = stamp
        lines.append(_Line(stamp, source.shown, text, source.crashing))
    return lines


def _sources(pod: Object) -> list[_Source]:
    names, crashing = _containers(pod), _crashing(pod)
    return [
        _Source(
            pod=name_of(pod),
            container=container,
            shown=f"{name_of(pod)}/{container}" if len(names) > 1 else name_of(pod),
            crashing=container in crashing,
        )
        for container in names
    ]


def _crashing(pod: Object) -> set[str]:
    """Its containers that ended badly and are not ready again."""
    return {trouble.container for trouble in troubles_of(pod) if trouble.crashed}


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

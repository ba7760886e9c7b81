"""What a workload's containers wrote, from several pods, merged by time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from tools._kit import Lines, Malformed, NotFound, Refused, Unavailable, seconds
from tools.kubernetes import missing
from tools.kubernetes.cluster import LOG_BYTES, Cluster, Listing
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.loglines import Line, folded, matcher, ordered, wanted
from tools.kubernetes.objects import controller, meta, moment, name_of, selector_text
from tools.kubernetes.pods import is_leaving, troubles_of
from tools.kubernetes.wire import Unable

_WORKLOADS = ("deployment", "statefulset", "daemonset", "job")  # as people most often mean
_MOST_PODS = 10
_LAST_WORDS = 30  # lines of a crashing container from before the window, if there are none in it
_LINES = 200  # of each container, where nobody says how many
_SEARCHED = 5000  # where they are searched or counted
_MOST_BYTES = 4_000_000  # of each container: more lines than usual


@dataclass(frozen=True)
class Window:
    """Which part of each container's log, and which of its lines."""

    since: str
    tail: int = 0
    previous: bool = False
    grep: str = ""
    errors: bool = False
    context: int = 0
    container: str = ""
    init: bool = False
    fold: bool = False

    @property
    def lines(self) -> int:
        """How many of each container are read."""
        searched = self.grep or self.errors or self.fold
        return self.tail or (_SEARCHED if searched else _LINES)

    @property
    def most_bytes(self) -> int:
        """How much of each container is read."""
        return _MOST_BYTES if self.lines > _LINES else LOG_BYTES

    def options(self, container: str) -> dict[str, str]:
        """As the API takes them; an earlier container's log has no window: it may be older."""
        found = {
            "container": container,
            "tailLines": str(self.lines),
            "limitBytes": str(self.most_bytes),
        }
        if self.previous:
            return {**found, "previous": "true"}
        return {**found, "sinceSeconds": str(seconds(self.since))}

    def reaching(self, job: Object) -> Self:
        """One that is at least as long as a job has been there: all that it wrote."""
        made = moment(meta(job).get("creationTimestamp"))
        whole = (datetime.now(UTC) - made).total_seconds() if made else 0
        if whole <= seconds(self.since):
            return self
        hours = int(whole) // 3600 + 1
        return replace(self, since=f"{hours}h" if hours <= 48 else f"{hours // 24 + 1}d")

    def words(self) -> str:
        """For the note: what was asked of the API."""
        span = "the run before the last restart" if self.previous else f"last {self.since}"
        words = f"{span}, at most {self.lines} lines per container"
        words += f", only container {self.container}" if self.container else ""
        words += f', only lines with "{self.grep}"' if self.grep else ""
        words += ", only what looks like an error" if self.errors else ""
        return words + (f", {self.context} lines around each" if self.context else "")


@dataclass(frozen=True)
class _Source:
    """One container whose log is read."""

    pod: str
    container: str
    shown: str  # in front of its lines
    crashing: bool


async def read_logs(
    cluster: Cluster, kind: str, namespace: str, name: str, selector: str, window: Window
) -> Lines:
    """The lines with their pod in front; what cannot have a log is a line saying so."""
    if bool(name) == bool(selector):
        raise Malformed("Whose logs? Either `name` or `selector` says it.")
    if selector:
        listing, what = await cluster.list("pod", namespace, labels=selector), f"pods {selector}"
    else:
        of = ""
        if kind == "cronjob":
            kind, of = "job", f" of cronjob/{name}"
            job = await _newest_job(cluster, namespace, name)
            name, window = name_of(job), window.reaching(job)
        kind, listing = await _pods(cluster, kind, namespace, name)
        what = f"{kind}/{name}{of}"
    pods = listing.items
    # Those that crash are looked at before the newest.
    chosen = sorted(sorted(pods, key=_made, reverse=True), key=lambda pod: not _crashing(pod))
    chosen = chosen[:_MOST_PODS]
    sources = [source for pod in chosen for source in _sources(pod, window)]
    if pods and not sources:
        names = dict.fromkeys(one for pod in chosen for one in _every_container(pod))
        raise Refused(f"{what} has no container {window.container}, only {', '.join(names)}.")
    found = await asyncio.gather(*(_one(cluster, namespace, one, window) for one in sources))
    matches = matcher(window.grep, errors=window.errors)
    said = [line for log, _ in found for line in wanted(log, matches, window.context)]
    unable = [why for _, why in found if why]
    note = f"{what} in {namespace}: {window.words()}"
    if len(pods) > len(chosen):
        more = " or more" if listing.cut else ""
        note += f"; {len(chosen)} of {len(pods)}{more} pods, crashing and newest first"
    elif not pods:
        note += "; there are no such pods" if selector else "; it has no pods"
        if selector:
            note += f", {await missing.why_empty(cluster, RESOURCES['pod'], namespace)}"
    shown = folded(said) if window.fold else ordered(said)
    note += f"; {counted(len(said), 'line')}"
    return Lines((*unable, *shown), note + (", alike ones counted" if window.fold else ""))


async def _pods(cluster: Cluster, kind: str, namespace: str, name: str) -> tuple[str, Listing]:
    """The pods, and the kind of what was found: people say `logs web` and mean the workload."""
    kind, found = await _named(cluster, kind, namespace, name)
    if kind == "pod":
        return kind, Listing((found,), cut=False)
    selector = selector_text(found["spec"].get("selector"))
    listing = await cluster.list("pod", namespace, labels=selector)
    staying = tuple(pod for pod in listing.items if not is_leaving(pod))
    return kind, Listing(staying or listing.items, listing.cut)


async def _newest_job(cluster: Cluster, namespace: str, name: str) -> Object:
    """What a cron job ran last. Raises `NotFound`."""
    await missing.found(cluster, RESOURCES["cronjob"], namespace, name)
    listing = await cluster.list("job", namespace)
    made = [job for job in listing.items if controller(job) == f"cronjob/{name}"]
    if not made:
        raise NotFound(f"cronjob/{name} in {namespace} has run no job that is still kept.")
    return max(made, key=lambda job: (_made(job), name_of(job)))


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
) -> tuple[list[Line], str]:
    """Its lines, and why there are none."""
    why = ""
    try:
        log = await cluster.log(namespace, source.pod, window.options(source.container))
        if len(log.encode()) >= window.most_bytes:  # the API reads from the window's beginning
            why = f"{source.shown} | (only the first {window.most_bytes // 1_000_000} MB of that"
            why += " were read: ask for fewer lines or a shorter window for the newest)"
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
    return lines, why


async def _last_words(cluster: Cluster, namespace: str, source: _Source) -> list[Line]:
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


def _lines(log: str, source: _Source) -> list[Line]:
    lines, last = [], ""
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if not _is_stamp(stamp):  # a line that the API cut in two
            stamp, text = last, line
        last = stamp
        lines.append(Line(stamp, source.shown, text, source.crashing))
    return lines


def _sources(pod: Object, window: Window) -> list[_Source]:
    names = _every_container(pod) if window.init or window.container else _containers(pod)
    if window.container:
        names = [name for name in names if name == window.container]
    several, crashing = len(_every_container(pod)) > 1, _crashing(pod)
    return [
        _Source(
            pod=name_of(pod),
            container=container,
            shown=f"{name_of(pod)}/{container}" if several else name_of(pod),
            crashing=container in crashing,
        )
        for container in names
    ]


def _crashing(pod: Object) -> set[str]:
    """Its containers that ended badly and are not ready again."""
    return {trouble.container for trouble in troubles_of(pod) if trouble.crashed}


def _every_container(pod: Object) -> list[str]:
    """In the order in which they start."""
    spec = pod.get("spec") or {}
    parts = ("initContainers", "containers", "ephemeralContainers")
    return [str(one.get("name")) for part in parts for one in spec.get(part) or ()]


def _containers(pod: Object) -> list[str]:
    """All its containers, and the init containers that have not ended well."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    unfinished = [
        str(one.get("name"))
        for one in status.get("initContainerStatuses") or ()
        if ((one.get("state") or {}).get("terminated") or {}).get("exitCode") != 0
    ]
    return unfinished + [str(one.get("name")) for one in spec.get("containers") or ()]


def _made(pod: Object) -> str:
    return str(meta(pod).get("creationTimestamp", ""))


def _is_stamp(text: str) -> bool:
    return len(text) >= 20 and text[4:5] == "-" and text[10:11] == "T"

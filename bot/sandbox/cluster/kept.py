"""The cluster as one document, so that it goes on after a restart where it was."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from random import Random
from threading import Lock

from bot.sandbox import keeping
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.fate import Course
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.kinds import BY_PATH
from bot.sandbox.cluster.kubelet import Kubelet, Memory, Sandbox
from bot.sandbox.cluster.podstatus import Run, Slot
from bot.sandbox.cluster.store import Object, Store

KIND = "cluster"
VERSION = 1  # of the document's shape


class Kept(keeping.Kept):
    """As ever, but a writing that is still on its way at the end cannot undo the last one."""

    def __init__(self, path: Path, kind: str, version: int) -> None:
        super().__init__(path, kind, version)
        self._one = Lock()
        self._closed = False

    def write(self, document: Object) -> None:
        """Replace what is kept, one after the other. Raises OSError."""
        with self._one:
            if not self._closed:
                super().write(document)

    def close(self, document: Object) -> None:
        """Write for the last time."""
        self.write_last(document)
        self._closed = True


class Misshapen(Exception):
    """The document is not what `picture` makes."""


def check(path: Path) -> None:
    """Whether it can be read at all; the shape shows when it is taken up.

    Raises `Unreadable`, OSError.
    """
    keeping.Kept(path, KIND, VERSION).read()


def picture(store: Store, clock: Clock, journal: Journal, kubelet: Kubelet) -> Object:
    """Return all that the cluster knows, as JSON; what is stored is shared, not copied."""
    version, state, gauss = store.random.getstate()
    memory = kubelet.memory()
    return {
        "time": clock.now().isoformat(),
        "version": store.version,
        "random": [version, list(state), gauss],
        "objects": [
            [resource.group, resource.version, resource.plural, store.objects(resource)]
            for resource in store.resources()
        ],
        "events": [[list(key), list(place)] for key, place in journal.known().items()],
        "images": {node: sorted(images) for node, images in memory.images.items()},
        "filled": [[list(claim), size] for claim, size in memory.filled.items()],
        "sandboxes": {uid: _sandbox(found) for uid, found in memory.sandboxes.items()},
    }


def restore(
    document: Object, store: Store, clock: Clock, journal: Journal, kubelet: Kubelet
) -> None:
    """Take up what `picture` returned, into a cluster that is still empty.

    What would have happened while nothing ran happens once, now. Raises Misshapen, with nothing
    taken up.
    """
    try:
        version, state, gauss = document["random"]
        Random().setstate((version, tuple(state), gauss))  # noqa: S311 - only to see that it is one
        tables = [
            (BY_PATH[group, number, plural], list(objects))
            for group, number, plural, objects in document["objects"]
        ]
        seen = datetime.fromisoformat(document["time"])
        known = {_three(key): _two(place) for key, place in document["events"]}
        images = {node: set(names) for node, names in document["images"].items()}
        filled = {_two(claim): float(size) for claim, size in document["filled"]}
        if clock.virtual:
            clock.set(seen)
        now = clock.now()
        sandboxes = {uid: _read_sandbox(one, now) for uid, one in document["sandboxes"].items()}
        newest = int(document["version"])
        for _, objects in tables:
            for thing in objects:
                int(thing["metadata"]["resourceVersion"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misshapen(f"{type(error).__name__}: {error}") from error
    store.random.setstate((version, tuple(state), gauss))
    kubelet.take_up(Memory(sandboxes, images, filled))
    store.restore(tables, newest)
    journal.take_up(known)


def _two(values: Iterable[str]) -> tuple[str, str]:
    first, second = values
    return str(first), str(second)


def _three(values: Iterable[str]) -> tuple[str, str, str]:
    first, second, third = values
    return str(first), str(second), str(third)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _due(text: str | None, now: datetime) -> datetime | None:
    """A thing that was due while nothing ran is due now, so that it happens once only."""
    moment = _moment(text)
    return max(moment, now) if moment else None


def _sandbox(found: Sandbox) -> Object:
    return {
        "slots": [_slot(slot) for slot in found.slots],
        "killing": _text(found.killing),
        "started": _text(found.started),
        "due": _text(found.due),
        "complained": found.complained,
    }


def _read_sandbox(kept: Object, now: datetime) -> Sandbox:
    return Sandbox(
        slots=[_read_slot(slot, now) for slot in kept["slots"]],
        killing=_due(kept["killing"], now),
        started=_moment(kept["started"]),
        due=_due(kept["due"], now),
        complained=kept["complained"],
    )


def _slot(slot: Slot) -> Object:
    return {
        "container": slot.container,
        "step": slot.step,
        "due": _text(slot.due),
        "waiting": slot.waiting,
        "run": _run(slot.run),
        "previous": _run(slot.previous),
        "restarts": slot.restarts,
        "failures": slot.failures,
        "probe_due": _text(slot.probe_due),
        "ready": slot.ready,
        "failing": slot.failing,
    }


def _read_slot(kept: Object, now: datetime) -> Slot:
    return Slot(
        container=kept["container"],
        step=kept["step"],
        due=_due(kept["due"], now),
        waiting=_two(kept["waiting"]) if kept["waiting"] else None,
        run=_read_run(kept["run"]),
        previous=_read_run(kept["previous"]),
        restarts=kept["restarts"],
        failures=kept["failures"],
        probe_due=_due(kept["probe_due"], now),
        ready=kept["ready"],
        failing=kept["failing"],
    )


def _run(run: Run | None) -> Object | None:
    if run is None:
        return None
    return {
        "course": asdict(run.course),
        "started": run.started.isoformat(),
        "identity": run.identity,
        "ended": _text(run.ended),
    }


def _read_run(kept: Object | None) -> Run | None:
    if kept is None:
        return None
    course = dict(kept["course"])
    course["start_lines"] = tuple(
        (float(after), str(line)) for after, line in course["start_lines"]
    )
    course["work_lines"] = tuple(course["work_lines"])
    started = datetime.fromisoformat(kept["started"])
    return Run(Course(**course), started, kept["identity"], _moment(kept["ended"]))

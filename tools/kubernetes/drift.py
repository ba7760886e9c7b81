"""What became of an object since a change of ours: who wrote which of its fields after us."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import JsonValue

from tools._kit import ChangedPath, Drift, NotFound, Preview, Receipt
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import NOT_SHOWN, is_free_text, meta, moment

_STEP = re.compile(r'\[([^\]]*)\]|\.?("(?:[^"\\]|\\.)*"|[^.\["]+)')


async def drift_of(
    cluster: Cluster, target: tuple[str | Resource, str, str], seen: Preview, receipt: Receipt
) -> Drift:
    """How an object (kind, namespace, name) differs from what a change left. Raises `ToolError`.

    Whatever writes its specification counts its generation up; status and annotations do not.
    """
    kind, _, name = target
    kind = kind.kind if isinstance(kind, Resource) else kind
    try:
        live = await cluster.get(*target)
    except NotFound:
        gone = f"{kind}/{name} was deleted"
        return Drift("changed", gone, (gone,))
    if str(meta(live).get("uid")) != seen.before.get("uid", receipt.facts.get("uid")):
        anew = f"{kind}/{name} was deleted and made anew"
        return Drift("changed", anew, (anew,))
    differs = tuple(
        _told(live, change)
        for change in seen.changes
        if _is_other(value_at(live, change.path), change)
    )
    if differs:
        return Drift("changed", "; ".join(differs), differs)
    left, now = receipt.facts.get("generation"), meta(live).get("generation")
    if left is None or now is None:
        return Drift("cannot tell", f"nobody counts what is written to {kind}/{name}")
    if left == now:
        return Drift("as left")
    written = f"{kind}/{name} was written again (generation {now}, ours was {left})"
    return Drift("changed", written)


def drift_of_all(found: Sequence[Drift]) -> Drift:
    """Of several objects that one change wrote: whatever is known to differ, else what is not
    known.
    """
    differs = tuple(one for drift in found for one in drift.differs)
    for outcome in ("changed", "cannot tell"):
        if reasons := [drift.reason for drift in found if drift.outcome == outcome]:
            return Drift(outcome, "; ".join(reasons), differs)
    return Drift("as left")


def _is_other(now: JsonValue, change: ChangedPath) -> bool:
    """A value that may be a secret was masked when it was stored: nothing can be said of it."""
    return change.after not in (now, NOT_SHOWN) and not is_free_text(change)


def _told(live: Object, change: ChangedPath) -> str:
    now, short = value_at(live, change.path), change.path.removeprefix("spec.")
    if now is None:
        said = f"{short} was removed"
    elif isinstance(now, dict | list):
        said = f"{short} was changed"
    else:
        said = f"{short} was changed to {now if isinstance(now, str) else json.dumps(now)}"
    return said + _by(live, change.path)


def value_at(thing: Object, path: str) -> Any:
    """What stands at a path as `changed_paths` writes it; None for nothing."""
    found: Any = thing
    for step in steps_of(path):
        if isinstance(found, list):
            found = next((one for one in found if _is_named(one, step)), None)
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def _is_named(item: object, name: str) -> bool:
    return isinstance(item, dict) and item.get("name") == name


def steps_of(path: str) -> list[str]:
    """As `changed_paths` writes them: "spec.containers[web].image"."""
    return [
        name or (json.loads(key) if key.startswith('"') else key)
        for name, key in _STEP.findall(path)
    ]


def _by(live: Object, path: str) -> str:
    """Who wrote it last and when, as far as the server keeps that."""
    written = [
        (str(entry.get("time", "")), str(entry.get("manager", "")))
        for entry in meta(live).get("managedFields") or ()
        if _owns(entry.get("fieldsV1") or {}, steps_of(path))
    ]
    if not written:
        return ""
    at, manager = max(written)
    when = moment(at)
    return f" by {manager}" + (f" at {when:%H:%M:%S} UTC" if when else "")


def _owns(tree: Object, steps: Sequence[str]) -> bool:
    """Whether a manager's tree of fields reaches all the way to this one, or ends above it."""
    if not steps or not {*tree} - {"."}:
        return True
    return any(_owns(below, steps[1:]) for key, below in tree.items() if steps[0] in _names(key))


def _names(key: str) -> Iterator[str]:
    """What a key of a tree of fields may be called in a path: f:image, k:{"name":"web"}."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        yield rest
    elif kind == "k":
        yield str(json.loads(rest).get("name", ""))

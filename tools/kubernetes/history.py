"""What each revision of a workload was, and what it changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tools._kit import Manifests, Refused, Table
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import age, changed_paths, images_of, name_of, namespace_of, told
from tools.kubernetes.revisions import Revision


def history_lines(revisions: Sequence[Revision], now: datetime, most: int = 5) -> list[str]:
    """Newest first, each with what it changed against the one before."""
    lines = []
    for one, before in _with_before(revisions)[:most]:
        live = " (live)" if one.current else ""
        line = f"revision {one.number}{live}, first made {age(one.made, now)} ago,"
        line += f" {counted(one.pods, 'pod')}:" if one.pods is not None else ""
        line += f" {', '.join(images_of(one.template))}"
        if before is not None:
            line += f"; {before.said(one, 'changed ')}"
        lines.append(line)
    if len(revisions) > most:
        lines.append(f"{len(revisions) - most} older revisions are kept")
    return lines


def history_table(workload: Object, revisions: Sequence[Revision], now: datetime) -> Table:
    """All that are kept, newest last, as kubectl lists them."""
    rows = [
        (
            f"{one.number}{' (live)' if one.current else ''}",
            f"{age(one.made, now)} ago",
            "" if one.pods is None else str(one.pods),
            ",".join(images_of(one.template)),
            before.changed(one) if before is not None else "",
            one.cause or "<none>",
        )
        for one, before in reversed(_with_before(revisions))
    ]
    what = f"{str(workload['kind']).lower()}/{name_of(workload)} in {namespace_of(workload)}"
    columns = ("REVISION", "FIRST MADE", "PODS", "IMAGES", "CHANGED", "CHANGE-CAUSE")
    limit = workload["spec"].get("revisionHistoryLimit", 10)
    note = f"{what}: {len(rows)} revisions are kept, at most {limit} old ones"
    return Table(columns, tuple(rows), note)


def template_of_revision(workload: Object, revisions: Sequence[Revision], number: int) -> Manifests:
    """The pod template of one revision. Raises `Refused`, naming those that are kept."""
    what = f"{str(workload['kind']).lower()}/{name_of(workload)} in {namespace_of(workload)}"
    for one, before in _with_before(revisions):
        if one.number == number:
            thing: Object = {
                "apiVersion": "v1",
                "kind": "PodTemplate",
                "metadata": {"name": name_of(workload), "namespace": namespace_of(workload)},
                "template": one.template,
            }
            live = ", live" if one.current else ""
            note = f"{what}: revision {number}{live}"
            if before is not None:
                against = f"against revision {before.number} it changed "
                note += f"; {before.said(one, against)}"
            return Manifests((thing,), note)
    kept = ", ".join(str(one.number) for one in revisions) or "none"
    raise Refused(f"{what} does not keep revision {number}; kept: {kept}.")


@dataclass(frozen=True)
class _Before:
    """What ran before a revision: under the number of then, which it may have no more."""

    number: int
    revision: Revision | None  # None: it is no longer known which that was

    def changed(self, after: Revision) -> str:
        """What became another by it."""
        if self.revision is None:
            return f"not known: revision {self.number} is no longer kept"
        paths = list(changed_paths(self.revision.template, after.template, "spec.template"))
        words = "; ".join(told(path) for path in paths[:5])
        return f"{words} and {len(paths) - 5} more" if len(paths) > 5 else words or "nothing"

    def said(self, after: Revision, against: str) -> str:
        """The same as a part of a sentence."""
        changed = self.changed(after)
        return f"what it changed is {changed}" if self.revision is None else against + changed


def _with_before(revisions: Sequence[Revision]) -> list[tuple[Revision, _Before | None]]:
    """Each with what ran before it; the oldest with nothing.

    Numbers have no gaps: where one is missing, that revision was gone back to since and is a newer
    one now. Replica sets remember their earlier numbers, controller revisions do not.
    """
    held = {number: one for one in revisions for number in (one.number, *one.earlier)}
    oldest = min(held, default=0)
    return [
        (one, _Before(before, held.get(before)) if (before := one.number - 1) >= oldest else None)
        for one in revisions
    ]

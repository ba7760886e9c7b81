"""Settings that were changed after their readers started: a container reads variables only then."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tools.kubernetes.diagnosis.case import Case, Group, variable_sources
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, Clue, Notice, Proposal, Said
from tools.kubernetes.diagnosis.lastwords import Hint
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.wording import at, living, log_line, share_of
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import meta, moment
from tools.kubernetes.pods import container_statuses

_RESTARTED = ("deployment", "statefulset", "daemonset")


def changed_at(live: Object) -> datetime | None:
    """When the content of a config map was last written after it was made."""
    made = moment(meta(live).get("creationTimestamp"))
    times = [moment(one.get("time")) for one in meta(live).get("managedFields") or ()]
    known = [one for one in times if one is not None]
    if not known or made is None:
        return None
    return max(known) if (max(known) - made).total_seconds() > 5 else None


def outdated(case: Case, group: Group, pool: Hint | None, size: str) -> Iterator[Said]:
    """A config map whose change has not reached the container that is not well.

    `size` of the pool as the log tells it: where the config map says another one, the container
    has not read it. Otherwise that it has not is only worth knowing.
    """
    started = _started(group)
    if started is None:
        return
    for name in sorted(variable_sources(group.first.pod.get("spec") or {}, group.container)):
        live = case.snapshot.get("configmap", group.owner.namespace, name)
        when = changed_at(live) if live is not None else None
        if live is None or when is None or when <= started:
            continue
        other = _other_size(live, size)
        if pool is not None and other:
            yield _clue(case, group, (name, when, started), other, pool)
            return
        said = f"reads configmap/{name} as variables and started at {at(started, case.now)}, before"
        said += f" that was changed at {at(when, case.now)}: it has the values of before until it"
        yield Notice(group.owner, f"{group.owner} {said} is restarted")


def _clue(
    case: Case,
    group: Group,
    changed: tuple[str, datetime, datetime],
    setting: str,
    pool: Hint,
) -> Clue:
    name, when, started = changed
    owner = group.owner
    arguments = {"namespace": owner.namespace, "kind": owner.kind, "name": owner.name}
    return Clue(
        Cause.CONFIG_OUTDATED,
        owner,
        f"Its connection pool is used up, and it has not read its newest settings: configmap/{name}"
        f" says {setting} since {at(when, case.now)}, {_before(case, group, when)} started before"
        " it; variables are read only at a start.",
        (
            f"configmap/{name}: {setting}, changed at {at(when, case.now)}",
            f"pod/{meta(group.first.pod).get('name')}: started at {at(started, case.now)}",
            log_line(group.first.pod, group.container, pool.line, case.now),
        ),
        HIGH,
        since=onset(case, group).since,
        explains=group.refs,
        change=Proposal("rollout_restart", dict(arguments)) if owner.kind in _RESTARTED else None,
    )


def _before(case: Case, group: Group, when: datetime) -> str:
    """The pods that have the values of before: also those of which nothing is seen yet."""
    if group.owner.kind == "pod":
        return "the pod"
    starts = [_starts([pod], group.container) for pod in living(case, group.owner)]
    early = [one for one in starts if any(start is not None and start < when for start in one)]
    return share_of(case, group.owner, len(early))


def _starts(pods: Sequence[Object], container: str) -> list[datetime | None]:
    """When the containers of that name began that run."""
    return [
        moment(((status.get("state") or {}).get("running") or {}).get("startedAt"))
        for pod in pods
        for status in container_statuses(pod)
        if status.get("name") == container
    ]


def _started(group: Group) -> datetime | None:
    """When the newest of its containers began: earlier ones have older values still."""
    times = _starts(group.pods, group.container)
    known = [one for one in times if one is not None]
    return max(known) if known and len(known) == len(times) else None


def _other_size(live: Object, size: str) -> str:
    """The pool's setting where it is another number than the one in use."""
    for key, value in sorted((live.get("data") or {}).items()):
        number = str(value).strip()
        named = "pool" in key.lower() or "max_conn" in key.lower()
        if named and size and number.isdecimal() and number != size:
            return f"{key}={number}"
    return ""

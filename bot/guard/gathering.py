"""What the policy looks at, put together: the same for a call, a case of somebody's and a trial."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pydantic import JsonValue

from bot.core.values import Sharing, Standing
from bot.guard.policy import Approvers, Object, PolicyInput
from tools import Preview

_VOLUMES = "reference"  # the field in which a volume's `image` has its name


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to do, as the policy judges it."""

    tool: str
    kind: Literal["read", "change"]
    risk: str
    target: str
    arguments: dict[str, JsonValue]
    cluster: str = ""  # or another provider's client
    preview: Preview | None = None  # of a change
    provenance: Mapping[str, str] = field(default_factory=dict)
    undoes: bool = False
    namespace: str | None = None  # None: the one that the arguments name


@dataclass(frozen=True)
class Asker:
    """Who asks, who else had a part in it, and where."""

    requester: str
    contributors: tuple[str, ...]
    channel: str
    standing: Standing
    sharing: Sharing
    roles: tuple[str, ...]
    groups: Iterable[str] = ()
    unknown_groups: Iterable[str] = ()


def gathered(
    wanted: Wanted,
    asker: Asker,
    approvers: Approvers,
    *,
    self_approval: bool = False,
    read_only: bool = False,
) -> PolicyInput:
    """All that the policy may look at, as it is stored with a call."""
    preview = wanted.preview
    return PolicyInput(
        tool=wanted.tool,
        kind=wanted.kind,
        risk=wanted.risk,
        target=wanted.target,
        arguments=wanted.arguments,
        requester=asker.requester,
        requester_standing=Standing(asker.standing).value,
        contributors=asker.contributors,
        channel=asker.channel,
        sharing=Sharing(asker.sharing).value,
        warnings=preview.heads_up if preview else (),
        approver_users=approvers.users,
        approver_groups=approvers.groups,
        approver_everybody=approvers.everybody,
        self_approval=self_approval,
        read_only=read_only,
        requester_groups=tuple(sorted(asker.groups)),
        unknown_groups=tuple(sorted(asker.unknown_groups)),
        requester_roles=asker.roles,
        cluster=wanted.cluster,
        namespace=(
            _word(wanted.arguments, "namespace") if wanted.namespace is None else wanted.namespace
        ),
        object_kind=_word(wanted.arguments, "kind"),
        name=_word(wanted.arguments, "name"),
        labels=preview.labels if preview else {},
        objects=tuple(Object(**dict(one)) for one in preview.objects) if preview else (),
        along=tuple(Object(**dict(one)) for one in preview.along) if preview else (),
        changed_paths=tuple(one.path for one in preview.changes) if preview else (),
        reaches=preview.reaches if preview else (),
        images=tuple(str(one) for one in _set(preview, "image")),
        replicas=_most((*_set(preview, "replicas"), *_set(preview, "maxReplicas"))),
        provenance=dict(wanted.provenance),
        undoes=wanted.undoes,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _word(arguments: Mapping[str, JsonValue], name: str) -> str:
    value = arguments.get(name)
    return value if isinstance(value, str) else ""


def _set(preview: Preview | None, name: str) -> Iterator[JsonValue]:
    """Every value that the change writes into a field of this name, however deep it lies."""
    for change in preview.changes if preview else ():
        *_, holder, last = ("", *change.path.split("."))
        field = holder if last == _VOLUMES else last
        yield from _within({field: change.after}, name)


def _most(values: Iterable[JsonValue]) -> int | None:
    return max((one for one in values if isinstance(one, int)), default=None)


def _within(value: JsonValue, name: str) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        for key, inner in value.items():
            value = inner.get(_VOLUMES) if key == name and isinstance(inner, dict) else inner
            if key == name and not isinstance(value, dict | list | None):
                yield value
            else:
                yield from _within(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _within(inner, name)

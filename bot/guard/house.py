"""What the guard's rooms share: the database, the jobs, the tools, the directory, the rules in
force.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from bot.core.bus import Bus
from bot.core.errors import LostClaim
from bot.core.values import Event, Sharing, Standing, Thread
from bot.guard.identities import acting_as
from bot.guard.people import Directory, Roles, why_not_ask
from bot.guard.policy import Approvers, PolicyInput
from bot.guard.records import Call, Run
from bot.guard.rulebook import Rulebook
from bot.identity_file import Identities
from bot.store.database import Database, Transaction
from bot.store.jobs import Jobs
from bot.store.outbox import say
from tools import Catalog, ChangeCall, Identity, JsonObject, Preview, Refused


@dataclass(frozen=True)
class Rules:
    """What the operator set about approvals; times in seconds."""

    approvers: Approvers = field(default_factory=Approvers)
    self_approval: bool = False
    read_only: bool = False  # no change at all, whoever would approve it
    card_seconds: float = 1800
    start_seconds: float = 120
    approvals_channel: str = ""  # where cards of other channels are shown as well
    roles: Roles = field(default_factory=Roles)
    book: Rulebook = field(default_factory=Rulebook)
    identities: Identities | None = None  # None: the bot acts as itself, for everybody
    instructions: tuple[str, ...] = ()  # the operator's, to the model


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
class House:
    """One workspace's guard: everything that calls and decisions need."""

    database: Database
    jobs: Jobs
    catalog: Catalog
    directory: Directory
    bus: Bus
    rules: Rules

    async def acting(self, org: str, person_id: str, *, fresh: bool = False) -> Identity | None:
        """As whom somebody's wishes are done on clusters; None: as the bot itself.

        Raises `ToolError` where people are mapped and he is not.
        """
        if self.rules.identities is None:
            return None
        person = await self.directory.person(org, person_id, fresh=fresh)
        return acting_as(self.rules.identities, person)

    def bound(self, call: Call) -> ChangeCall:
        """A call as its row says, also as whom. Raises `ToolError`."""
        return self.catalog.change(call.tool, call.arguments, acting=call.identity)

    async def bound_anew(self, call: Call) -> ChangeCall:
        """A call as who asked for it is known now: if he is somebody else since, it is not what was
        approved. Raises `ToolError`.
        """
        org, is_danger = call.thread.org, call.risk == "danger"
        acting = await self.acting(org, call.requester, fresh=is_danger)
        return self.catalog.change(call.tool, call.arguments, acting=acting)

    def is_bound(self, channel: str) -> bool:
        """Whether that channel is about some namespaces only."""
        about = self.rules.book.policy.channels.get(channel)
        return about is not None and about.namespaces is not None

    def placed(self, channel: str, tool: str, arguments: JsonObject) -> JsonObject:
        """The arguments with the cluster that is meant in that channel, where none is named."""
        about = self.rules.book.policy.channels.get(channel)
        cluster = about.default_cluster if about else ""
        return self.catalog.placed(tool, arguments, cluster, argument="cluster")

    async def why_not_ask(self, org: str, channel: str, person_id: str) -> str | None:
        """The code of the reason why somebody may not ask there, or None."""
        person = await self.directory.person(org, person_id)
        if code := why_not_ask(person, await self.directory.sharing(org, channel)):
            return code
        try:
            acting_as(self.rules.identities, person)
        except Refused:
            return "not_mapped"
        return None

    async def policy_input(self, run: Run, wanted: Wanted, *, fresh: bool = False) -> PolicyInput:
        """Gather what the policy looks at, now."""
        person = await self.directory.person(run.thread.org, run.requester, fresh=fresh)
        sharing = await self.directory.sharing(run.thread.org, run.thread.channel)
        rules, preview = self.rules, wanted.preview
        return PolicyInput(
            tool=wanted.tool,
            kind=wanted.kind,
            risk=wanted.risk,
            target=wanted.target,
            arguments=wanted.arguments,
            requester=run.requester,
            requester_standing=Standing(person.standing).value,
            contributors=run.contributors,
            channel=run.thread.channel,
            sharing=Sharing(sharing).value,
            warnings=preview.warnings if preview else (),
            approver_users=rules.approvers.users,
            approver_groups=rules.approvers.groups,
            approver_everybody=rules.approvers.everybody,
            self_approval=rules.self_approval,
            read_only=rules.read_only,
            requester_groups=tuple(sorted(person.groups)),
            unknown_groups=tuple(sorted(person.unknown_groups)),
            requester_roles=rules.roles.of(person),
            cluster=wanted.cluster,
            namespace=(
                _word(wanted.arguments, "namespace")
                if wanted.namespace is None
                else wanted.namespace
            ),
            object_kind=_word(wanted.arguments, "kind"),
            name=_word(wanted.arguments, "name"),
            labels=preview.labels if preview else {},
            changed_paths=tuple(one.path for one in preview.changes) if preview else (),
            reaches=preview.reaches if preview else (),
            images=tuple(str(one) for one in _set(preview, "image")),
            replicas=_most((*_set(preview, "replicas"), *_set(preview, "maxReplicas"))),
            provenance=dict(wanted.provenance),
            undoes=wanted.undoes,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def tell(self, call: Call) -> None:
        """Say live that a call's row changed, so that its card is drawn anew."""
        self.bus.publish(Event(call.thread, call.run_id, "call", key=str(call.id), call_id=call.id))


_VOLUMES = "reference"  # the field in which a volume's `image` has its name


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


async def lock_thread(tx: Transaction, thread: Thread) -> None:
    """Lock the thread's row: what is recorded there takes its turn. Before any run's row."""
    await tx.one("lock_thread", org=thread.org, channel=thread.channel, thread_ts=thread.ts)


async def lock_claimed(tx: Transaction, run: Run) -> None:
    """Lock the run's row and make sure that it is still ours. Raises `LostClaim`."""
    row = await tx.one("lock_run", id=run.id)
    if row is None or row["attempt"] != run.attempt or row["ended_at"] is not None:
        raise LostClaim(str(run.id))


async def load_call(database: Database, call_id: UUID) -> Call:
    """A change by its id, as it is now."""
    async with database.statement() as tx:
        row = await tx.one("call", id=call_id)
    if row is None:
        raise LookupError(f"no call {call_id}")
    return Call.of(row)


async def redraw(tx: Transaction, call: Call) -> None:
    """Its card shows what is true now; so does the card of the call that it takes back."""
    for one in (call.id, call.undoes):
        if one is not None:
            await say(
                tx, call.thread, "redraw", {"call": str(one)}, run_id=call.run_id, call_id=one
            )

"""What the guard's rooms share: the database, the jobs, the tools, the directory, the rules in
force.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from bot.core.bus import Bus
from bot.core.errors import LostClaim
from bot.core.values import Event, Person, Thread
from bot.guard.gathering import Asker, Wanted, gathered
from bot.guard.identities import acting_as
from bot.guard.people import Directory, NoMember, Roles, why_no_member, why_not_ask
from bot.guard.policy import Approvers, PolicyInput
from bot.guard.records import Call, Run
from bot.guard.rulebook import Rulebook
from bot.identity_file import Identities
from bot.store.database import Database, Transaction
from bot.store.jobs import Jobs
from bot.store.outbox import say
from tools import Catalog, ChangeCall, Identity, JsonObject, Refused

NotLooking = NoMember | Literal["not_a_viewer"]


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
        if code := self.why_not_look(person):
            return code
        try:
            acting_as(self.rules.identities, person)
        except Refused:
            return "not_mapped"
        return None

    def why_not_look(self, person: Person) -> NotLooking | None:
        """The code of the reason why somebody is shown nothing at all, or None: he is neither a
        viewer nor an approver.
        """
        if "viewer" in self.rules.roles.of(person) or self.rules.approvers.include(person):
            return None
        if code := why_no_member(person):
            return code
        return "unknown_person" if person.unknown_groups else "not_a_viewer"

    async def policy_input(self, run: Run, wanted: Wanted, *, fresh: bool = False) -> PolicyInput:
        """Gather what the policy looks at, now."""
        person = await self.directory.person(run.thread.org, run.requester, fresh=fresh)
        sharing = await self.directory.sharing(run.thread.org, run.thread.channel)
        asker = Asker(
            requester=run.requester,
            contributors=run.contributors,
            channel=run.thread.channel,
            standing=person.standing,
            sharing=sharing,
            groups=person.groups,
            unknown_groups=person.unknown_groups,
            roles=self.rules.roles.of(person),
        )
        return gathered(
            wanted,
            asker,
            self.rules.approvers,
            self_approval=self.rules.self_approval,
            read_only=self.rules.read_only,
        )

    def tell(self, call: Call) -> None:
        """Say live that a call's row changed, so that its card is drawn anew."""
        self.bus.publish(Event(call.thread, call.run_id, "call", key=str(call.id), call_id=call.id))


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
    await _redraw(tx, call, call.id)
    await redraw_undone(tx, call)


async def redraw_undone(tx: Transaction, call: Call) -> None:
    """The card of the call that it takes back shows what is true now, if it takes back one."""
    if call.undoes is not None:
        await _redraw(tx, call, call.undoes)


async def _redraw(tx: Transaction, call: Call, of: UUID) -> None:
    await say(tx, call.thread, "redraw", {"call": str(of)}, run_id=call.run_id, call_id=of)

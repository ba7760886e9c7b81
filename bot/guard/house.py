"""What the guard's rooms share: the database, the jobs, the tools, the directory, the rules in
force.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from bot.core.bus import Bus
from bot.core.errors import LostClaim
from bot.core.values import Event, Sharing, Standing
from bot.guard.people import Directory
from bot.guard.policy import Approvers, PolicyInput
from bot.guard.records import Call, Run
from bot.store.database import Database, Transaction
from bot.store.jobs import Jobs
from bot.store.outbox import say
from tools import Catalog

ACTING = "bot"  # the identity that changes run as, until people are mapped to their own


@dataclass(frozen=True)
class Rules:
    """What the operator set about approvals; times in seconds."""

    approvers: Approvers = field(default_factory=Approvers)
    self_approval: bool = False
    read_only: bool = False  # no change at all, whoever would approve it
    card_seconds: float = 1800
    start_seconds: float = 120
    approvals_channel: str = ""  # where cards of other channels are shown as well


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to do, as the policy judges it."""

    tool: str
    kind: Literal["read", "change"]
    risk: str
    target: str
    arguments: dict[str, JsonValue]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class House:
    """One workspace's guard: everything that calls and decisions need."""

    database: Database
    jobs: Jobs
    catalog: Catalog
    directory: Directory
    bus: Bus
    rules: Rules

    async def policy_input(self, run: Run, wanted: Wanted, *, fresh: bool = False) -> PolicyInput:
        """Gather what the policy looks at, now."""
        person = await self.directory.person(run.thread.org, run.requester, fresh=fresh)
        sharing = await self.directory.sharing(run.thread.org, run.thread.channel)
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
            warnings=wanted.warnings,
            approver_users=self.rules.approvers.users,
            approver_groups=self.rules.approvers.groups,
            approver_everybody=self.rules.approvers.everybody,
            self_approval=self.rules.self_approval,
            read_only=self.rules.read_only,
        )

    def tell(self, call: Call) -> None:
        """Say live that a call's row changed, so that its card is drawn anew."""
        self.bus.publish(Event(call.thread, call.run_id, "call", key=str(call.id), call_id=call.id))


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

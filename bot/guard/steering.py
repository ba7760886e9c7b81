"""What talk may do to open proposals: take one back, or put another in its place.

Approve and these are both conditional on `proposed`: the first commit wins, the other is told.
"""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import JsonValue

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.guard import audit, masking
from bot.guard.house import House, load_call, lock_claimed, redraw
from bot.guard.policy import Effect
from bot.guard.proposals import Judged, Proposals
from bot.guard.records import Call, Run
from bot.guard.refusals import Refusal
from bot.guard.sources import NOT_KNOWN, Overheard
from bot.guard.standby import stand_down
from bot.guard.votes import drop_dependents, wake_if_decided
from bot.store.database import Transaction
from tools import ToolError

_TOO_LATE = (
    "Somebody decided {id} a moment ago: it stands as decided, and nothing was changed by this."
)


class Steering:
    """Withdraws and revises open proposals of a thread, with the rights of the turn's author."""

    def __init__(self, house: House, proposals: Proposals) -> None:
        self._house = house
        self._proposals = proposals

    async def proposals(self, thread: Thread, *, but_of: Run) -> Sequence[Call]:
        """The open proposals of a thread that other runs made, oldest first."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "open_in_thread", org=thread.org, channel=thread.channel, thread_ts=thread.ts
            )
        return [Call.of(row) for row in rows if row["run_id"] != but_of.id]

    async def withdraw(self, run: Run, short_id: str) -> str:
        """Take one back; what the model is told. Raises `LostClaim`."""
        call = await self._find(run, short_id)
        if isinstance(call, str):
            return call
        if not set(run.contributors) <= set(call.contributors):
            # whoever spoke into this turn: nobody's words use another one's rights
            return (
                f"refused: only who asked for {call.short_id}, or had a part in it, may withdraw "
                "it, and somebody who spoke here had none; an approver can deny it."
            )
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run, call)
            by = {"person": run.requester, "by_run": run.id}
            if await tx.one("withdraw_call", id=call.id, error="withdrawn", **by) is None:
                return _TOO_LATE.format(id=call.short_id)
            await drop_dependents(tx, call, "withdrawn")
            await redraw(tx, call)
            await wake_if_decided(tx, self._house, call)
            data: dict[str, JsonValue] = {"by_run": str(run.id)}
            audit.append(
                tx,
                run.thread.org,
                "withdrawn",
                run.requester,
                data,
                run_id=call.run_id,
                call_id=call.id,
            )
        self._house.tell(call)
        return _withdrawn(call)

    async def revise(
        self,
        run: Run,
        short_id: str,
        arguments: dict[str, JsonValue],
        overheard: Overheard = NOT_KNOWN,
    ) -> str:
        """Put another proposal in its place; what the model is told. Raises `LostClaim`."""
        call = await self._find(run, short_id)
        if isinstance(call, str):
            return call
        asking = await self._asking(run, call)
        try:
            judged = await self._judge(asking, run, call, arguments, overheard)
        except ToolError as error:
            return f"refused: {masking.safe(str(error))} {call.short_id} stands as it was."
        if isinstance(judged, str):
            return judged
        reason = "revised"
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run, call)
            if await tx.one("revise_call", id=call.id, error=reason, by_run=run.id) is None:
                return _TOO_LATE.format(id=call.short_id)
            await stand_down(tx, call, "its change was revised")
            await tx.run("vacate_call", id=call.id)
            into = uuid7()
            data: dict[str, JsonValue] = {"by_run": str(run.id), "into": str(into)}
            audit.append(  # before the row of what is proposed instead, as it happened
                tx,
                run.thread.org,
                "revised",
                run.requester,
                data,
                run_id=call.run_id,
                call_id=call.id,
            )
            new = await self._proposals.again(tx, asking, call, judged, reason, call_id=into)
            await tx.run("succeed_call", id=call.id, superseded_by=new.id)
            await tx.run("move_dependents", run_id=call.run_id, old=call.id, new=new.id)
            await tx.run("note_reviser", id=new.id, person=run.requester)
            for person in run.contributors:
                await tx.run("add_contributor", id=call.run_id, person=person)
            await redraw(tx, call)
        self._house.tell(call)
        return _revised(new)

    async def _judge(
        self,
        asking: Run,
        run: Run,
        call: Call,
        arguments: dict[str, JsonValue],
        overheard: Overheard,
    ) -> Judged | str:
        """The revised proposal, or why there is none. Raises `ToolError`."""
        stands = f"{call.short_id} stands as it was."
        if call.undoes is not None:
            return (
                f"refused: a way back is taken as it is or withdrawn; ask for the other. {stands}"
            )
        acting = await self._house.acting(asking.thread.org, asking.requester)
        wanted = {**call.arguments, **arguments}
        change = self._house.catalog.change(call.tool, wanted, acting=acting)
        if hidden := masking.would_alter(dict(change.arguments)):
            return f"refused: {masking.no_credential(hidden)}"
        barred = await self._proposals.barred(asking, change, undoes=False)
        if barred is not None:
            return await self._turned_away(run, call, barred)
        said = {name: change.arguments.get(name) for name in arguments}
        # what was said since it was proposed counts as well; whose words the others are is told by
        # this turn: a command's proposal may be revised by a model, a model's by a form
        said_until = replace(asking, id=run.id, kind=run.kind)
        new = await self._proposals.provenance.of(said_until, said, overheard)
        provenance = {**call.provenance, **new}
        judged = await self._proposals.judge(asking, change, provenance=provenance)
        if judged.ruling.effect is Effect.ALLOW:
            return f"refused: the other needs no approval; withdraw this and propose it. {stands}"
        if judged.ruling.effect is not Effect.ASK:
            return await self._turned_away(run, call, Refusal(judged.asked, judged.ruling))
        if call.thread.channel.startswith("D") and not judged.ruling.contributors_may:
            return f"refused: nobody else could see its card in a direct message. {stands}"
        if judged.digest == call.digest:
            return f"{call.short_id} proposes exactly that already; it stands as it was."
        return await self._proposals.whole(asking, judged)

    async def _turned_away(self, run: Run, call: Call, refusal: Refusal) -> str:
        """The policy allows no such revision: said, with its audit row."""
        why = refusal.ruling.reason or refusal.ruling.rule
        data: dict[str, JsonValue] = {"tool": call.tool, "reason": why, **refusal.stored()}
        async with self._house.database.relaxed() as tx:
            audit.append(tx, run.thread.org, "refused", run.requester, data, run_id=run.id)
        return (
            f"refused: the policy does not allow it here: {why.removesuffix('.')}. "
            f"{call.short_id} stands as it was. {refusal.how}"
        )

    async def _find(self, run: Run, short_id: str) -> Call | str:
        wanted = short_id.strip().upper()
        calls = await self.proposals(run.thread, but_of=run)
        found = next((call for call in calls if call.short_id == wanted), None)
        if found is not None:
            return found
        if done := await self._done(run, wanted):
            return done
        known = ", ".join(f"{call.short_id} ({call.preview.summary})" for call in calls) or "none"
        return (
            f"There is no open proposal {wanted!r} in this thread. Open: {known}. Nothing was done."
        )

    async def _done(self, run: Run, short_id: str) -> str:
        """What this turn did to it already, before a crash made it repeat the step; or empty."""
        async with self._house.database.statement() as tx:
            row = await tx.one("steered_already", by_run=run.id, short_id=short_id)
        if row is None:
            return ""
        if row["new_id"] is None:
            return _withdrawn(Call.of(row))
        return _revised(await load_call(self._house.database, row["new_id"]))

    async def _asking(self, run: Run, call: Call) -> Run:
        """The proposal's run, with the rights of this turn's author and everyone's part in it."""
        async with self._house.database.statement() as tx:
            row = await tx.one("run", id=call.run_id)
        if row is None:
            raise LookupError(f"no run {call.run_id}")
        together = tuple(dict.fromkeys((*call.contributors, *run.contributors)))
        return replace(Run.of(row), requester=run.requester, contributors=together)

    async def _lock(self, tx: Transaction, run: Run, call: Call) -> None:
        """The proposal's run and ours, the older one first, as everywhere. Raises `LostClaim`."""
        for one in sorted((call.run_id, run.id)):
            await tx.one("lock_run", id=one)
        await lock_claimed(tx, run)


def _withdrawn(call: Call) -> str:
    return f"withdrawn: {call.preview.summary}. It will not run; its card says so."


def _revised(new: Call) -> str:
    return (
        f"Proposed instead: {new.preview.summary} (id {new.short_id}). Nothing has run; its card in"
        " the thread says who may approve it."
    )

"""From an approved call to a deed: looked at again, begun once, applied; never repeated."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.core.values import Standing
from bot.guard import audit, masking
from bot.guard.aftermath import Aftermath
from bot.guard.house import House, lock_claimed, redraw
from bot.guard.policy import Effect, why_not_approve
from bot.guard.proposals import Judged, Proposals
from bot.guard.records import Call, Run
from bot.store.database import Transaction
from bot.store.jobs import TryAgain
from tools import ChangeCall, Preview, Refused, Stale, ToolError, Unavailable

_APPLY_SECONDS = 60.0


class Deeds:
    """Executes what was approved. The only code that calls `apply`."""

    def __init__(self, house: House, proposals: Proposals) -> None:
        self._house = house
        self._proposals = proposals
        self._aftermath = Aftermath(house)

    async def act(self, run: Run) -> None:
        """Carry out the run's approved calls in order; after a failure the rest of that reply is
        superseded.

        Raises `LostClaim` when another worker took the run over.
        """
        for call in await self._calls(run):
            if call.state == "executing":
                call = await self._aftermath.doubt(run, call)  # noqa: PLW2901 -- the row as it is now
            if call.state == "unknown" and not call.outcome:
                await self._aftermath.look_after(run, call)
            elif call.state == "done" and not call.outcome:
                await self._aftermath.verify(run, call, call.receipt)
            elif call.state == "approved":
                if trouble := trouble_before(call, await self._calls(run)):
                    await self._supersede(run, call, trouble)
                else:
                    await self._perform(run, call)

    async def _calls(self, run: Run) -> Sequence[Call]:
        async with self._house.database.relaxed() as tx:
            rows = await tx.all("calls_of_run", run_id=run.id)
        return [Call.of(row) for row in rows if row["kind"] == "change"]

    def _bind(self, call: Call) -> ChangeCall:
        return self._house.catalog.change(call.tool, call.arguments)

    async def _perform(self, run: Run, call: Call) -> None:
        try:
            change = self._bind(call)
            judged = await self._proposals.judge(run, change, fresh=call.risk == "danger")
        except ToolError as error:
            await self._supersede(run, call, f"I looked again before starting: {error}")
            return
        if judged.asked.requester_standing == Standing.UNKNOWN and _is_fresh(call):
            # Slack did not say who asked; while the approval is fresh, that may pass
            raise TryAgain
        if reason := await self._why_not_start(call, judged):
            await self._ask_again(run, call, judged, reason)
            return
        if not await self._begin(run, call):
            await self._ask_again(run, call, judged, "the approval was too old to start on")
            return
        await self._apply(run, call, change)

    async def _why_not_start(self, call: Call, judged: Judged) -> str:
        """Why what was approved is not what would run now, in words; empty when all is as it
        was.
        """
        if judged.digest != call.digest:
            return difference(call.preview, judged.preview)
        now = judged.ruling
        if now.effect is not Effect.ASK:
            return f"the policy does not allow it any more: {now.reason or now.rule}"
        if now.quorum > call.quorum or now.contributors_may != call.ruling.contributors_may:
            return "the policy has changed since"
        if now.rule != call.ruling.rule or judged.risk != call.risk:
            return "the policy has changed since"
        async with self._house.database.relaxed() as tx:
            votes = await tx.all("decisions_of_call", call_id=call.id)
        counting = 0
        for vote in votes:
            if vote["vote"] != "approve" or vote["digest"] != call.digest:
                continue
            person = await self._house.directory.person(
                call.thread.org, vote["person"], fresh=call.risk == "danger"
            )
            if person.standing is Standing.UNKNOWN and _is_fresh(call):
                raise TryAgain  # Slack did not say who approved; that may pass
            if why_not_approve(person, self._house.rules.approvers, now, call.contributors) is None:
                counting += 1
        return "" if counting >= call.quorum else "somebody who approved it no longer may"

    async def _begin(self, run: Run, call: Call) -> bool:
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            begun = await tx.one("begin_call", id=call.id, digest=call.digest, attempt=run.attempt)
            if begun is None:
                return False
            await audit.append(
                tx,
                call.thread.org,
                "executing",
                call.acting,
                {
                    "tool": call.tool,
                    "arguments": call.arguments,
                    "target": call.target,
                    "digest": call.digest,
                },
                run_id=run.id,
                call_id=call.id,
            )
        self._house.tell(call)
        return True

    async def _apply(self, run: Run, call: Call, change: ChangeCall) -> None:
        try:
            async with asyncio.timeout(_APPLY_SECONDS):
                receipt = await change.apply(call.preview)
        except Stale as error:
            await self._aftermath.finish(run, call, "failed", error=f"Nothing was sent: {error}")
            await self._propose_anew(run, call, str(error))
        except Refused as error:
            await self._aftermath.finish(run, call, "failed", error=str(error))
        except Unavailable as error:
            if error.nothing_sent:
                await self._aftermath.finish(
                    run, call, "failed", error=f"Nothing was sent: {error}"
                )
            else:
                await self._aftermath.look_after(
                    run, await self._aftermath.doubt(run, call, str(error))
                )
        except TimeoutError:
            await self._aftermath.look_after(
                run, await self._aftermath.doubt(run, call, "no answer in time")
            )
        else:
            await self._aftermath.finish(run, call, "done", receipt=receipt)
            await self._aftermath.verify(run, call, receipt)

    async def _supersede(self, run: Run, call: Call, reason: str) -> None:
        """It will not run, and nothing takes its place: the model or the person hears why."""
        reason = masking.safe(reason)
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            row = await tx.one("supersede_call", id=call.id, superseded_by=None, error=reason)
            if row is not None:
                await self._note_superseded(tx, run, call, reason)
        self._house.tell(call)

    async def _ask_again(self, run: Run, call: Call, judged: Judged, reason: str) -> None:
        """What was approved is not what would happen now: a new card, not an execution."""
        if judged.ruling.effect is not Effect.ASK:
            await self._supersede(run, call, reason)
            return
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            # an approval that was too old has expired; any other is superseded by what is true now
            old = await tx.one("expire_call", id=call.id, now=False, error=reason)
            if old is None:
                old = await tx.one("supersede_call", id=call.id, superseded_by=None, error=reason)
            if old is None:
                return
            await self._replace(tx, run, call, judged, reason)
        self._house.tell(call)

    async def _propose_anew(self, run: Run, call: Call, reason: str) -> None:
        """Found stale inside its apply: nothing was sent, and its new preview is a new call."""
        try:
            judged = await self._proposals.judge(run, self._bind(call))
        except ToolError:
            return  # the failed call says why; there is nothing to propose in its place
        if judged.ruling.effect is not Effect.ASK:
            return
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            await self._replace(tx, run, call, judged, reason)
        self._house.tell(call)

    async def _replace(
        self, tx: Transaction, run: Run, call: Call, judged: Judged, reason: str
    ) -> None:
        # vacate the wish's place first: only one current call may stand there
        await tx.run("vacate_call", id=call.id)
        new = await self._proposals.again(tx, run, call, judged, reason)
        await tx.run("succeed_call", id=call.id, superseded_by=new.id)
        await self._note_superseded(tx, run, call, reason)

    async def _note_superseded(self, tx: Transaction, run: Run, call: Call, reason: str) -> None:
        await redraw(tx, call)
        await audit.append(
            tx,
            call.thread.org,
            "superseded",
            "",
            {"reason": reason},
            run_id=run.id,
            call_id=call.id,
        )


def trouble_before(call: Call, calls: Sequence[Call]) -> str:
    """Why a call must not run because of one before it in the same reply; empty if there is none.

    Read from rows, so that a worker that repeats the step after a crash decides alike.
    """
    for one in calls:
        same_reply = one.place.reply == call.place.reply
        if not same_reply or one.place.ordinal >= call.place.ordinal or one.superseded_by:
            continue  # another turn of the conversation, not before it, or replaced by a newer card
        if one.state in {"failed", "unknown"} or one.outcome in {"failed", "cannot tell"}:
            return f"an earlier change did not end well: {one.preview.summary}"
        withdrawn = one.approved_at is not None and one.state in {"superseded", "expired"}
        if one.state == "proposed" or withdrawn:
            return f"an earlier change did not run as it was approved: {one.preview.summary}"
    return ""


def _is_fresh(call: Call) -> bool:
    return call.start_by is not None and call.start_by > datetime.now(UTC)


def difference(then: Preview, now: Preview) -> str:
    """What is not as it was when people decided, in words."""
    before = {change.path: change.before for change in then.changes}
    for change in now.changes:
        if change.path in before and before[change.path] != change.before:
            return (
                f"`{change.path}` is {change.before} now, not {before[change.path]} as you saw it"
            )
    gone = [warning for warning in now.warnings if warning not in then.warnings]
    if gone:
        return f"there is something new: {gone[0]}"
    return "the object has changed since you saw the card"

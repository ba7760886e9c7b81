"""The rollback that was approved with a change: by itself, where that does not work."""

from datetime import UTC, datetime, timedelta

from bot.core.values import Standing
from bot.guard import audit, masking
from bot.guard.house import House, lock_claimed, lock_thread, redraw
from bot.guard.policy import Effect
from bot.guard.proposals import Proposals, asking_for
from bot.guard.records import Call, Run
from bot.guard.recount import why_fallen
from bot.guard.standby import stand_down
from bot.guard.wayback import WayBack, not_rolled_back
from bot.store.jobs import TryAgain
from bot.store.outbox import say


class Rollback:
    """Decides whether what stands by may run; who executes it is `Deeds`."""

    def __init__(self, house: House, proposals: Proposals) -> None:
        self._house = house
        self._proposals = proposals
        self._way_back = WayBack(house)

    async def of(self, call: Call) -> Call | None:
        """The rollback that was approved with a change, whatever became of it."""
        if not call.ruling.rollback:
            return None
        async with self._house.database.statement() as tx:
            row = await tx.one("rollback_of", id=call.id)
        return Call.of(row) if row else None

    async def why_not(self, run: Run, call: Call, back: Call) -> str:
        """Why it must not run by itself now, in words; empty when all is as it was approved.

        Raises `ToolError` when that cannot be told, and `TryAgain` where who somebody is, or what
        he may, is not known and may be in a moment.
        """
        within = timedelta(seconds=call.ruling.rollback)
        if call.started_at is None or datetime.now(UTC) >= call.started_at + within:
            return f"its {within.total_seconds() / 60:.0f} min were over"
        change = await self._house.bound_anew(back)
        judged = await self._proposals.rule(
            asking_for(run, back),
            change,
            back.preview,
            provenance=back.provenance,
            fresh=back.risk == "danger",
            undoes=True,
        )
        if judged.asked.requester_standing == Standing.UNKNOWN and self.may_wait(call):
            raise TryAgain
        if judged.acting != back.acting:
            return f"it would run as {judged.acting} now, not as {back.acting}"
        if judged.digest != back.digest or judged.risk != back.risk:
            return "the tool is not the one that was approved"
        if frozen := self._house.rules.book.freeze(judged.asked):
            return frozen.reason
        now = judged.ruling
        if now.effect not in {Effect.ASK, Effect.ALLOW}:
            return f"the policy does not allow it any more: {now.reason or now.rule}"
        # where nobody need be asked about it alone, those who approved the change have to stand
        asks = now if now.effect is Effect.ASK else call.ruling
        quorum = max(back.quorum, now.quorum, 0 if now.effect is Effect.ASK else call.quorum)
        fresh = self.may_wait(call)
        if why := await why_fallen(self._house, back, asks, quorum, fresh=fresh):
            return why
        return await self._drift(call)

    def may_wait(self, call: Call) -> bool:
        """Whether what is not known may be asked once more, before people are: as long as what was
        just approved may wait for its start.
        """
        patience = timedelta(seconds=self._house.rules.start_seconds)
        return call.judged_at is not None and datetime.now(UTC) < call.judged_at + patience

    async def _drift(self, call: Call) -> str:
        if call.receipt is None:
            return "I was interrupted, and do not know what exactly I left"
        drift = await self._house.bound(call).drift(call.preview, call.receipt)
        return "" if drift.outcome == "as left" else masking.safe(drift.reason)

    async def begin(self, run: Run, call: Call, back: Call) -> bool:
        """The arrow to `executing`, once; people hear of it before it is sent."""
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            given = {"id": back.id, "digest": back.digest, "attempt": run.attempt}
            if await tx.one("begin_rollback", **given) is None:
                return False
            await redraw(tx, back)
            await say(
                tx,
                call.thread,
                "notice",
                {"code": "rolling_back", "call": str(call.id)},
                key=f"rolling:{back.id}",
                run_id=run.id,
                call_id=call.id,
            )
            audit.append(
                tx,
                call.thread.org,
                "executing",
                back.acting,
                {
                    "tool": back.tool,
                    "arguments": back.arguments,
                    "target": back.target,
                    "digest": back.digest,
                    "rolls_back": str(call.id),
                },
                run_id=run.id,
                call_id=back.id,
            )
        self._house.tell(call)
        return True

    async def ask(self, run: Run, call: Call, reason: str) -> None:
        """It does not run by itself: people decide about the way back, and read why."""
        reason = masking.safe(reason).rstrip(".")
        async with self._house.database.transaction() as tx:
            await lock_thread(tx, call.thread)
            await lock_claimed(tx, run)
            await stand_down(tx, call, reason)
            await redraw(tx, call)
            await self._way_back.propose(tx, call, not_rolled_back(call, reason))
        self._house.tell(call)

"""After a deed: what became of it, in the row, in the world, and to the people who wait."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Literal

from pydantic import JsonValue

from bot.core.errors import LostClaim
from bot.core.text import visible_json
from bot.guard import audit, grants, masking
from bot.guard.house import House, load_call, lock_claimed, lock_thread, redraw
from bot.guard.records import Call, Run
from bot.guard.standby import stand_down, stands_by
from bot.guard.wayback import WayBack, why_broken
from bot.store.database import Transaction
from bot.store.outbox import say
from tools import Progress, Receipt, ToolError, Verdict

# A request whose sender died may still be on its way: until then "it did not happen" is no verdict.
_LATE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 2.0
_VERIFY_SECONDS = 420.0  # above any provider's own limit: a verification that hangs must still end


class Aftermath:
    """Stores how calls ended. A crash before the end is `unknown`: looked at, never repeated."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._way_back = WayBack(house)

    async def finish(
        self,
        run: Run,
        call: Call,
        state: Literal["done", "failed"],
        *,
        receipt: Receipt | None = None,
        error: str = "",
    ) -> None:
        error = masking.safe(error)
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            row = await tx.one(
                "finish_call",
                id=call.id,
                state=state,
                receipt=_kept(receipt) if receipt else None,
                error=error or None,
                attempt=run.attempt,
            )
            if row is None:
                raise LostClaim(str(run.id))
            if state == "failed":
                await stand_down(tx, call, "its change failed, and nothing was changed")
                await grants.void(tx, call, "the last one failed")
                await redraw(tx, call)
            audit.append(
                tx,
                call.thread.org,
                state,
                call.acting,
                {"receipt": masking.safe(receipt.text) if receipt else "", "error": error},
                run_id=run.id,
                call_id=call.id,
            )
        self._house.tell(call)

    async def doubt(self, run: Run, call: Call, why: str = "I was interrupted") -> Call:
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            row = await tx.one("doubt_call", id=call.id, attempt=run.attempt, error=why)
            if row is not None:
                audit.append(
                    tx,
                    call.thread.org,
                    "unknown",
                    call.acting,
                    {"why": why},
                    run_id=run.id,
                    call_id=call.id,
                )
        self._house.tell(call)
        return await load_call(self._house.database, call.id)

    async def look_after(self, run: Run, call: Call) -> None:
        """Nobody knows what came of it: look at the world, say it to people, and never run it
        again.
        """
        await self.verify(run, call, None)

    async def verify(self, run: Run, call: Call, receipt: Receipt | None) -> None:
        """Follow the world until the change holds or it is clear that it does not; store the
        verdict.
        """
        doubted = time.monotonic()
        try:
            async with asyncio.timeout(_VERIFY_SECONDS):
                verdict = await self._follow(run, call, receipt)
                while receipt is None and _may_still_land(verdict, doubted):
                    waits = Progress("nothing of it to see yet; a late request could still land")
                    await self._progress(run, call, waits)
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                    verdict = await self._follow(run, call, receipt)
        except ToolError as error:
            verdict = Verdict("cannot tell", str(error))
        except TimeoutError:
            verdict = Verdict("cannot tell", "the verification took too long")
        await self._judge(run, call, verdict)

    async def _follow(self, run: Run, call: Call, receipt: Receipt | None) -> Verdict:
        change = self._house.bound(call)
        async for item in change.verify(call.preview, receipt):
            if isinstance(item, Verdict):
                return item
            await self._progress(run, call, item)
        return Verdict("cannot tell", "the verification gave no verdict")

    async def _progress(self, run: Run, call: Call, item: Progress) -> None:
        line = masking.safe(item.text)
        async with self._house.database.statement() as tx:
            await tx.run("note_call_progress", id=call.id, line=line, attempt=run.attempt)
        self._house.tell(call)

    async def _judge(self, run: Run, call: Call, verdict: Verdict) -> None:
        reason = masking.safe(verdict.reason)
        because = await self._why_back(call, verdict)
        async with self._house.database.transaction() as tx:
            if because:  # its way back is asked for in this thread
                await lock_thread(tx, call.thread)
            await lock_claimed(tx, run)
            judged = await tx.one(
                "judge_call",
                id=call.id,
                verdict={
                    "outcome": verdict.outcome,
                    "reason": reason,
                    "at": datetime.now(UTC).isoformat(),
                },
                attempt=run.attempt,
            )
            if call.state == "unknown":
                await self._settle(tx, call, verdict, reason)
            if call.attempt in {None, run.attempt}:
                # begun in this claim: what comes after it could start only now; a crash in between
                # makes no old approval fresh again
                await tx.run(
                    "refresh_starts",
                    run_id=run.id,
                    start_within=self._house.rules.start_seconds,
                )
            await redraw(tx, call)
            audit.append(
                tx,
                call.thread.org,
                "verified",
                call.acting,
                {"outcome": verdict.outcome, "reason": reason},
                run_id=run.id,
                call_id=call.id,
            )
            if verdict.outcome != "failed":
                await stand_down(tx, call, f"its change was looked at: {verdict.outcome}")
            if verdict.outcome != "holds":
                await grants.void(tx, call, f"the last one did not hold: {reason}")
            # what stands by for it comes first; where that may not run, it is proposed then
            if because and judged is not None and not await stands_by(tx, call):
                await self._way_back.propose(tx, call, because)
        self._house.tell(call)

    async def _why_back(self, call: Call, verdict: Verdict) -> str:
        """Why the way back is proposed though nobody asked for it; or empty."""
        # what takes a change back is not taken back unasked, or two could go to and fro
        if verdict.outcome == "failed" and not call.takes_back:
            return f"{call.preview.summary} does not work: {verdict.reason}"
        if verdict.outcome == "did not happen" or (
            call.state == "unknown" and verdict.outcome != "holds"
        ):
            return ""
        async with self._house.database.statement() as tx:
            return await why_broken(tx, call)

    async def _settle(self, tx: Transaction, call: Call, verdict: Verdict, reason: str) -> None:
        """From unknown to what the world shows; a person hears it whatever it is."""
        match verdict.outcome:
            case "holds" | "failed":
                await tx.one("settle_call", id=call.id, state="done", error=None)
            case "did not happen":
                await tx.one("settle_call", id=call.id, state="failed", error=reason)
            case "cannot tell":
                pass  # it stays unknown: a named person may settle it
        await say(
            tx,
            call.thread,
            "notice",
            {"code": "unknown_outcome", "call": str(call.id), "reason": reason},
            key=f"unknown:{call.id}",
            run_id=call.run_id,
            call_id=call.id,
        )


def _may_still_land(verdict: Verdict, doubted: float) -> bool:
    """Whether a request of a sender that gave up or died could still be on its way."""
    return verdict.outcome == "did not happen" and time.monotonic() - doubted < _LATE_SECONDS


def _kept(receipt: Receipt) -> JsonValue:
    """A receipt as it is stored: its text may be what a program printed."""
    masked = receipt.model_copy(update={"text": masking.safe(receipt.text)})
    return visible_json(masked.model_dump(mode="json"))

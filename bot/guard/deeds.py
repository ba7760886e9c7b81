"""From an approved call to a deed: looked at again, begun once, applied; never repeated."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.core.errors import LostClaim
from bot.core.lease import awake
from bot.core.values import Standing
from bot.guard import audit, grants, masking
from bot.guard.aftermath import Aftermath
from bot.guard.ahead import Ahead
from bot.guard.house import House, load_call, lock_claimed, redraw
from bot.guard.identities import WhoUnknown
from bot.guard.policy import Effect, Ruling
from bot.guard.proposals import Judged, Proposals, asking_for
from bot.guard.records import Call, Run
from bot.guard.recount import is_fresh, why_fallen
from bot.guard.rollback import Rollback
from bot.guard.standby import stand_down
from bot.store.database import Transaction
from bot.store.jobs import TryAgain
from tools import ChangeCall, Preview, Refused, Stale, ToolError, Unavailable, sha256_of

_APPLY_SECONDS = 60.0


@dataclass(frozen=True)
class _Held:
    """A call that must not run as it was approved; `judged` is what would take its place."""

    call: Call
    judged: Judged | None
    reason: str


class Deeds:
    """Executes what was approved. The only code that calls `apply`."""

    def __init__(self, house: House, proposals: Proposals, ahead: Ahead) -> None:
        self._house = house
        self._proposals = proposals
        self._ahead = ahead
        self._aftermath = Aftermath(house)
        self._rollback = Rollback(house, proposals)

    async def act(self, run: Run) -> bool:
        """Carry out the run's approved calls in order; after a failure the rest of that reply is
        proposed anew. Where people still have to decide, nothing is done: False.

        Raises `LostClaim` when another worker took the run over.
        """
        calls = await self._calls(run)
        if any(one.state == "proposed" for one in calls):
            return False
        for number, one in enumerate(calls):
            if number > 0:  # an earlier one may have changed what becomes of it
                calls = await self._calls(run)
            call = next(now for now in calls if now.id == one.id)
            await self._go_on(run, call)
            if call.state == "approved":
                await self._turn(run, call, calls)
            await self._roll_back(run, call)
        return True

    async def _go_on(self, run: Run, call: Call) -> None:
        """What was begun and not looked at to the end, by us or by a worker before us."""
        if call.state == "executing":
            call = await self._aftermath.doubt(run, call)
        if call.state == "unknown" and not call.outcome:
            await self._aftermath.look_after(run, call)
        elif call.state == "done" and not call.outcome:
            await self._aftermath.verify(run, call, call.receipt)

    async def _roll_back(self, run: Run, call: Call) -> None:
        """What was approved with the call, where that does not work: once, or people decide."""
        back = await self._rollback.of(call)
        if back is None:
            return
        await self._go_on(run, back)
        call = await load_call(self._house.database, call.id)
        if call.state != "done" or call.outcome != "failed":
            return
        if back.state == "standby":
            began = asyncio.get_running_loop().time()
            if reason := await self._why_not_roll_back(run, call, back):
                await self._rollback.ask(run, call, reason)
                return
            await self._apply(run, back, self._house.bound(back), began)
        back = await load_call(self._house.database, back.id)
        if back.state in {"failed", "superseded"}:  # nothing was changed by it
            await self._rollback.ask(run, call, back.error)

    async def _why_not_roll_back(self, run: Run, call: Call, back: Call) -> str:
        """Why it was not begun, in words; empty when it was."""
        try:
            if reason := await self._rollback.why_not(run, call, back):
                return reason
        except ToolError as error:
            if isinstance(error, Unavailable) and self._rollback.may_wait(call):
                raise TryAgain from error
            return str(error)
        if await self._rollback.begin(run, call, back):
            return ""
        return "the turn was stopped, or somebody takes it back already"

    async def _turn(self, run: Run, call: Call, calls: Sequence[Call]) -> None:
        """It is this call's turn: it runs, unless what came before it says otherwise."""
        if missing := missing_before(call, calls):
            await self._replace(run, [_Held(call, None, missing)], "")
        elif trouble := trouble_before(call, calls):
            held = [await self._look_anew(run, one, trouble) for one in [call, *after(call, calls)]]
            await self._replace(run, held, trouble)
        else:
            await self._perform(run, call, calls)

    async def _calls(self, run: Run) -> Sequence[Call]:
        async with self._house.database.statement() as tx:
            rows = await tx.all("calls_to_carry_out", run_id=run.id)
        return [Call.of(row) for row in rows if row["kind"] == "change"]

    async def _perform(self, run: Run, call: Call, calls: Sequence[Call]) -> None:
        try:
            change = await self._house.bound_anew(call)
            judged = await self._proposals.judge(
                asking_for(run, call),
                change,
                provenance=call.provenance,
                fresh=call.risk == "danger",
                undoes=call.takes_back,
                seen=await self._ahead.take(call),
            )
        except ToolError as error:
            if isinstance(error, WhoUnknown) and is_fresh(call):
                raise TryAgain from error
            reason = masking.safe(f"I looked again before starting: {error}")
            await self._replace(run, [_Held(call, None, reason)], "")
            return
        if judged.asked.requester_standing == Standing.UNKNOWN and is_fresh(call):
            # Slack did not say who asked; while the approval is fresh, that may pass
            raise TryAgain
        began = asyncio.get_running_loop().time()
        if reason := await self._why_not_start(call, judged):
            if judged.digest != call.digest and (first := _done_before(call, calls)):
                reason = f"{first.preview.summary} is done, and it looks different since"
            await self._ask_again(run, call, judged, reason)
        elif not await self._begin(run, call):
            over = "what allowed it in advance was taken back, or is over"
            too_old = "the approval was too old to start on"
            await self._ask_again(run, call, judged, over if call.grant else too_old)
        else:
            await self._apply(run, call, change, began)

    async def _why_not_start(self, call: Call, judged: Judged) -> str:
        """Why what was approved is not what would run now, in words; empty when all is as it
        was.
        """
        if judged.digest != call.digest:
            return _otherwise(call, judged)
        now = judged.ruling
        if now.effect not in {Effect.ASK, Effect.ALLOW}:
            return f"the policy does not allow it any more: {now.reason or now.rule}"
        if now.effect is not call.ruling.effect or now.quorum > call.quorum:
            return "the policy has changed since"
        if now.contributors_may != call.ruling.contributors_may:
            return "the policy has changed since"
        if now.rule != call.ruling.rule or judged.risk != call.risk:
            return "the policy has changed since"
        if now.rollback != call.ruling.rollback:
            return "the policy has changed since"
        if call.grant is not None and (why := await self._why_not_granted(call, now)):
            return why
        return await why_fallen(self._house, call, now, call.quorum, fresh=is_fresh(call))

    async def _why_not_granted(self, call: Call, now: Ruling) -> str:
        if sha256_of(now.stored()) != sha256_of(call.ruling.stored()):
            return "the policy has changed since it was allowed in advance"
        async with self._house.database.statement() as tx:
            if call.grant is None or not await grants.stands(tx, call.grant):
                return "what allowed it in advance was taken back, or is over"
        return ""

    async def _begin(self, run: Run, call: Call) -> bool:
        if call.undoes is not None:
            # before it begins: too soon costs somebody a click, too late would cost a change
            async with self._house.database.transaction() as tx:
                await lock_claimed(tx, run)
                await grants.void_here(tx, call, "its way back was approved")
        row = audit.row(
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
        async with self._house.database.durable_statement() as tx:
            found = await tx.one("begin_call", digest=call.digest, attempt=run.attempt, **row)
        if found is None or not found["ours"]:
            raise LostClaim(str(run.id))
        if found["begun"]:
            self._house.tell(call)
        return bool(found["begun"])

    async def _apply(self, run: Run, call: Call, change: ChangeCall, began: float) -> None:
        """Send it, unless we stood still since it `began`: whoever took it over may have said by
        now that it did not happen.
        """
        try:
            async with awake(_APPLY_SECONDS, began):
                receipt = await change.apply(call.preview)
        except Stale as error:
            await self._aftermath.finish(run, call, "failed", error=f"Nothing was sent: {error}")
            if call.rolls_back is not None:
                return
            failed = replace(call, state="failed")  # as its row says now
            held = await self._look_anew(run, failed, str(error))
            if held.judged is not None:  # else the failed call says why, and holds back the rest
                await self._replace(run, [held, *await self._rest(run, call)], held.reason)
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

    async def _ask_again(self, run: Run, call: Call, judged: Judged, reason: str) -> None:
        """What was approved is not what would happen now: a new card, not an execution."""
        if judged.ruling.effect is not Effect.ASK:
            await self._replace(run, [_Held(call, None, reason)], "")
            return
        first = _Held(call, await self._whole(run, call, judged), reason)
        await self._replace(run, [first, *await self._rest(run, call)], reason)

    async def _rest(self, run: Run, call: Call) -> list[_Held]:
        """The approved ones after it: their order was a part of what was approved."""
        why = f"an earlier change did not run as it was approved: {call.preview.summary}"
        rest = after(call, await self._calls(run))
        return [await self._look_anew(run, one, why) for one in rest]

    async def _look_anew(self, run: Run, call: Call, reason: str) -> _Held:
        reason = masking.safe(reason)
        try:
            judged = await self._proposals.judge(
                asking_for(run, call),
                await self._house.bound_anew(call),
                provenance=call.provenance,
                undoes=call.takes_back,
            )
        except ToolError:
            return _Held(call, None, reason)
        if judged.ruling.effect is not Effect.ASK:
            return _Held(call, None, reason)
        return _Held(call, await self._whole(run, call, judged), reason)

    async def _whole(self, run: Run, call: Call, judged: Judged) -> Judged:
        return await self._proposals.whole(asking_for(run, call), judged, call.undoes)

    async def _replace(self, run: Run, held: Sequence[_Held], why: str) -> None:
        """None of these runs; those that can be are proposed anew, together on one card."""
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            ended = [one for one in held if await self._end(tx, one)]
            anew = [(one.call, one.judged) for one in ended if one.judged is not None]
            for old, _ in anew:
                # vacate the wish's place first: only one current call may stand there
                await tx.run("vacate_call", id=old.id)
            new = await self._proposals.again_together(tx, run, anew, why)
            for (old, _), successor in zip(anew, new, strict=True):
                await tx.run("succeed_call", id=old.id, superseded_by=successor.id)
            for one in ended:
                await self._note_superseded(tx, run, one.call, one.reason)
            for one in ended:  # a grant's row is locked after the calls'
                if one.call.grant is not None:
                    await grants.void(tx, one.call, one.reason)
        for one in held:
            self._house.tell(one.call)

    async def _end(self, tx: Transaction, one: _Held) -> bool:
        if one.call.state != "approved":
            return True  # it failed in its own apply, with nothing sent
        # an approval that was too old has expired; any other is superseded by what is true now
        given = {"id": one.call.id, "error": one.reason}
        old = None
        if one.judged is not None:
            old = await tx.one("expire_call", now=False, **given)
        if old is None:
            old = await tx.one("supersede_call", superseded_by=None, **given)
        return old is not None

    async def _note_superseded(self, tx: Transaction, run: Run, call: Call, reason: str) -> None:
        await stand_down(tx, call, "its change did not run as it was approved")
        await redraw(tx, call)
        audit.append(
            tx,
            call.thread.org,
            "superseded",
            "",
            {"reason": reason},
            run_id=run.id,
            call_id=call.id,
        )


def after(call: Call, calls: Sequence[Call]) -> list[Call]:
    """The approved ones of the same reply that come after it."""
    return [one for one in calls if one.state == "approved" and _precedes(call, one)]


def trouble_before(call: Call, calls: Sequence[Call]) -> str:
    """Why a call must not run because of one before it in the same reply; empty if there is none.

    Read from rows, so that a worker that repeats the step after a crash decides alike.
    """
    for one in calls:
        if not _precedes(one, call) or one.superseded_by or missing_before(one, calls):
            continue  # not before it, replaced by a newer card, or gone with what it depended on
        if _was_known(one, call):
            continue
        if one.state in {"failed", "unknown"} or one.outcome in {"failed", "cannot tell"}:
            return f"an earlier change did not end well: {one.preview.summary}"
        withdrawn = one.approved_at is not None and one.state in {"superseded", "expired"}
        if one.state == "proposed" or withdrawn:
            return f"an earlier change did not run as it was approved: {one.preview.summary}"
    return ""


def missing_before(call: Call, calls: Sequence[Call]) -> str:
    """Why a dependent call makes no sense any more: what it comes after will not run. Or empty."""
    first = _depended(call, calls)
    if first is None or first.state not in {"denied", "expired", "superseded"}:
        return ""
    return f"it was to come after “{first.preview.summary}”, which was {_BECAME[first.state]}"


_BECAME = {"denied": "denied", "expired": "not decided in time", "superseded": "withdrawn"}


def _depended(call: Call, calls: Sequence[Call]) -> Call | None:
    """What this one comes after, in its newest form."""
    old = next((one for one in calls if one.id == call.depends_on), None)
    if old is None:
        return None
    current = (one for one in calls if one.place == old.place and not one.superseded_by)
    return next(current, old)


def _done_before(call: Call, calls: Sequence[Call]) -> Call | None:
    first = _depended(call, calls)
    return first if first is not None and first.state == "done" else None


def _precedes(one: Call, call: Call) -> bool:
    return one.place.reply == call.place.reply and one.place.ordinal < call.place.ordinal


def _was_known(one: Call, call: Call) -> bool:
    """Whether people who decided on this call could see already how the earlier one ended."""
    moved = one.started_at or one.ended_at
    return one.state != "proposed" and moved is not None and moved <= call.created_at


def _otherwise(call: Call, judged: Judged) -> str:
    if judged.acting != call.acting:
        return f"it would run as {judged.acting} now, not as {call.acting}"
    if judged.preview.fingerprint == call.preview.fingerprint:
        return "the tool has changed since you saw the card"
    return difference(call.preview, judged.preview)


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

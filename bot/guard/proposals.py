"""From a wish to a call that people can decide: previewed, judged by the policy, stored with
its card.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.ids import public_id, uuid7
from bot.core.text import visible_json
from bot.core.values import Event
from bot.guard import audit, masking
from bot.guard.house import ACTING, House, Wanted, lock_claimed
from bot.guard.policy import Effect, PolicyInput, Ruling, decide
from bot.guard.records import Call, Place, Run, digest
from bot.store.database import Transaction
from bot.store.outbox import say
from tools import ChangeCall, JsonObject, Preview, Risk, ToolError, Unavailable

log = structlog.get_logger()

_PREVIEW_SECONDS = 60.0


@dataclass(frozen=True)
class Turned:
    """A wish that did not become a call, and why: the model or the person hears it."""

    sentence: str


@dataclass(frozen=True)
class Judged:
    """A wish with everything that its row needs."""

    change: ChangeCall
    preview: Preview
    asked: PolicyInput
    ruling: Ruling
    risk: str

    @property
    def digest(self) -> str:
        return digest(
            tool=self.change.tool.name,
            arguments=dict(self.change.arguments),
            target=self.change.target,
            acting=ACTING,
            fingerprint=self.preview.fingerprint,
            schema_hash=self.change.tool.schema_hash,
        )


class Proposals:
    """Makes calls out of wishes. Nothing here changes the world."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def propose(
        self,
        run: Run,
        place: Place,
        tool: str,
        arguments: JsonObject,
        *,
        model_says: str = "",
        undoes: UUID | None = None,
    ) -> Call | Turned:
        """Preview a wish and store it with its card. Repeated after a crash, it finds its row.

        Raises `LostClaim` when the run is no longer ours.
        """
        async with self._house.database.relaxed() as tx:
            row = await tx.one(
                "call_of_wish", run_id=run.id, reply=place.reply, ordinal=place.ordinal
            )
        if row is not None:
            return Call.of(row)
        judged = await self._judge_wish(run, tool, arguments)
        if isinstance(judged, Turned):
            async with self._house.database.relaxed() as tx:
                await audit.append(
                    tx,
                    run.thread.org,
                    "refused",
                    run.requester,
                    {"tool": tool, "reason": judged.sentence},
                    run_id=run.id,
                )
            return judged
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            if undoes is not None and (reason := await self._why_not_undo(tx, undoes)):
                return Turned(reason)
            call = await self._insert(tx, run, place, judged, model_says=model_says, undoes=undoes)
        self._announce(call)
        return call

    async def judge(self, run: Run, change: ChangeCall, *, fresh: bool = False) -> Judged:
        """Preview against the live state and ask the policy of now. Raises `ToolError`."""
        try:
            async with asyncio.timeout(_PREVIEW_SECONDS):
                seen = await change.preview()
        except TimeoutError as error:
            what = f"{change.tool.name} had no preview within {_PREVIEW_SECONDS:.0f} s."
            raise Unavailable(what, nothing_sent=True) from error
        seen = Preview.model_validate(visible_json(seen.model_dump(mode="json")))
        preview, _ = masking.mask_preview(seen)
        risk = max(change.risk, preview.risk or Risk.READ, key=lambda one: one.level)
        wanted = Wanted(
            tool=change.tool.name,
            kind="change",
            risk=risk.value,
            target=change.target,
            arguments=dict(change.arguments),
            warnings=preview.warnings,
        )
        asked = await self._house.policy_input(run, wanted, fresh=fresh)
        return Judged(change, preview, asked, decide(asked), risk.value)

    async def again(
        self, tx: Transaction, run: Run, old: Call, judged: Judged, reason: str
    ) -> Call:
        """In the caller's transaction: a new call in the place of one that must not run.

        This transaction must already have superseded, expired or failed the old one.
        """
        return await self._insert(
            tx,
            run,
            old.place,
            judged,
            model_says=old.model_says,
            undoes=old.undoes,
            reason=reason,
        )

    async def _judge_wish(self, run: Run, tool: str, arguments: JsonObject) -> Judged | Turned:
        try:
            change = self._house.catalog.change(tool, arguments)
            if hidden := masking.would_alter(dict(change.arguments)):
                names = ", ".join(hidden)
                return Turned(f"{names} looks like a credential; none may stand on a card.")
            judged = await self.judge(run, change)
        except ToolError as error:
            return Turned(masking.safe(str(error)))
        if judged.ruling.effect is not Effect.ASK:
            why = judged.ruling.reason or judged.ruling.rule
            return Turned(f"The policy does not allow {tool} here: {why}.")
        if run.thread.channel.startswith("D") and not judged.ruling.contributors_may:
            return Turned(
                "Its card could be seen by nobody else in a direct message, and it needs somebody "
                "else's approval: ask in a channel that an approver reads."
            )
        return judged

    async def _why_not_undo(self, tx: Transaction, undoes: UUID) -> str | None:
        row = await tx.one("undone_by", id=undoes)
        if row is None:
            return None
        return "There is an open or finished undo of this already; its card is in the thread."

    async def _insert(
        self,
        tx: Transaction,
        run: Run,
        place: Place,
        judged: Judged,
        *,
        model_says: str,
        undoes: UUID | None,
        reason: str = "",
    ) -> Call:
        call_id = uuid7()
        arguments: dict[str, JsonValue] = dict(judged.change.arguments)
        await tx.run(
            "insert_change",
            id=call_id,
            org=run.thread.org,
            channel=run.thread.channel,
            thread_ts=run.thread.ts,
            run_id=run.id,
            reply=place.reply,
            ordinal=place.ordinal,
            model_call_id=place.model_call_id,
            tool=judged.change.tool.name,
            arguments=arguments,
            target=judged.change.target,
            risk=judged.risk,
            requester=run.requester,
            contributors=list(run.contributors),
            acting=ACTING,
            state="proposed",
            public_id=public_id(),
            digest=judged.digest,
            schema_hash=judged.change.tool.schema_hash,
            preview=judged.preview.model_dump(mode="json"),
            policy_input=judged.asked.stored(),
            policy=judged.ruling.stored(),
            quorum=judged.ruling.quorum,
            model_says=model_says,
            lifetime=self._house.rules.card_seconds,
            undoes=undoes,
            error=reason or None,
        )
        await say(
            tx,
            run.thread,
            "card",
            {"call": str(call_id), "reason": reason},
            key=f"card:{call_id}",
            run_id=run.id,
            call_id=call_id,
        )
        if undoes is not None:
            data: dict[str, JsonValue] = {"call": str(undoes)}
            await say(tx, run.thread, "redraw", data, run_id=run.id, call_id=undoes)
        row = await tx.one("call", id=call_id)
        if row is None:
            raise LookupError(f"no call {call_id}")
        await audit.append(
            tx,
            run.thread.org,
            "proposed",
            run.requester,
            {
                "tool": judged.change.tool.name,
                "arguments": arguments,
                "target": judged.change.target,
                "risk": judged.risk,
                "digest": judged.digest,
                "rule": judged.ruling.rule,
                "quorum": judged.ruling.quorum,
                "reason": reason,
            },
            run_id=run.id,
            call_id=call_id,
        )
        return Call.of(row)

    def _announce(self, call: Call) -> None:
        self._house.bus.publish(
            Event(
                call.thread,
                call.run_id,
                "proposed",
                key=str(call.id),
                text=call.preview.summary,
                call_id=call.id,
            )
        )

"""From a wish to a call that people can decide: previewed, judged by the policy, stored with
its card.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.ids import public_id, uuid7
from bot.core.text import visible_json
from bot.core.values import Event, Thread
from bot.guard import audit, grants, masking
from bot.guard.decisions import Decision, Voters, approve
from bot.guard.foresight import Foresight
from bot.guard.gathering import Wanted
from bot.guard.house import House, lock_claimed
from bot.guard.policy import READ_ONLY, Effect, PolicyInput, Ruling, decide
from bot.guard.records import Call, Place, Run, digest, stored_identity
from bot.guard.refusals import Refusal
from bot.guard.short_ids import short_id
from bot.guard.sources import NOT_KNOWN, Overheard, Provenance
from bot.guard.standby import vote_along
from bot.store.database import Transaction
from bot.store.outbox import say
from tools import (
    Access,
    ChangeCall,
    JsonObject,
    Preview,
    Refused,
    Risk,
    ToolError,
    Unavailable,
    kept_within,
)

log = structlog.get_logger()

_PREVIEW_SECONDS = 60.0
MOST = 10  # changes of one reply: what one card can show so that people read it


@dataclass(frozen=True)
class Turned:
    """A wish that did not become a call, and why: the model or the person hears it."""

    sentence: str
    refusal: Refusal | None = None  # where it was the policy


@dataclass(frozen=True)
class Wished:
    """One change that a reply asks for, and its place there."""

    place: Place
    tool: str
    arguments: JsonObject


@dataclass(frozen=True)
class Judged:
    """A wish with everything that its row needs."""

    change: ChangeCall
    preview: Preview
    asked: PolicyInput
    ruling: Ruling
    risk: str
    rollback: "Judged | None" = None  # what is approved with it, for the case that it does not work

    @property
    def acting(self) -> str:
        return stored_identity(self.change.acting)

    @property
    def digest(self) -> str:
        return digest(
            tool=self.change.tool.name,
            arguments=dict(self.change.arguments),
            target=self.change.target,
            acting=self.acting,
            fingerprint=self.preview.fingerprint,
            schema_hash=self.change.tool.schema_hash,
        )


@dataclass(frozen=True)
class _Draft:
    """A call before it is a row; `asking` is in whose name and by whose words."""

    id: UUID
    asking: Run
    place: Place
    judged: Judged
    depends_on: UUID | None = None
    model_says: str = ""
    undoes: UUID | None = None
    reason: str = ""
    rolls_back: "_Draft | None" = None  # of a rollback that stands by: what it takes back


class Proposals:
    """Makes calls out of wishes. Nothing here changes the world."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.provenance = Provenance(house)
        self._foresight = Foresight(house)

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
        """Like `propose_all`, for a wish that stands alone."""
        wishes = [Wished(place, tool, arguments)]
        return (await self.propose_all(run, wishes, model_says=model_says, undoes=undoes))[0]

    async def propose_all(
        self,
        run: Run,
        wishes: Sequence[Wished],
        *,
        model_says: str = "",
        undoes: UUID | None = None,
        because: str = "",
        overheard: Overheard = NOT_KNOWN,
    ) -> list[Call | Turned]:
        """Preview the changes of one reply and store them with the card that they share.

        The answers stand in the order of the wishes; `because` is why we propose it ourselves.
        Repeated after a crash, it finds its rows.
        Raises `LostClaim` when the run is no longer ours.
        """
        made: dict[Place, Call | Turned] = await self._stored(run, wishes)
        new = [wish for wish in wishes if wish.place not in made]
        asking = await self._asking(run)
        back = undoes is not None and not await self._is_undo(undoes)
        answers = await asyncio.gather(
            *(self._judge_wish(asking, wish, overheard, undoes=back) for wish in new[:MOST])
        )
        answers = [
            answer if isinstance(answer, Turned) else await self.whole(asking, answer, undoes)
            for answer in answers
        ]
        judged = dict(zip((wish.place for wish in new), answers, strict=False))
        made |= await self._turn_away(run, new, judged)
        drafts = _drafts(
            asking,
            {place: one for place, one in judged.items() if place not in made},
            model_says=model_says,
            undoes=undoes,
            because=because,
        )
        if not drafts:
            return [made[wish.place] for wish in wishes]
        async with self._house.database.transaction() as tx:
            await lock_claimed(tx, run)
            if undoes is not None and (reason := await self._why_not_undo(tx, undoes)):
                return [Turned(reason) for _ in wishes]
            uses = [await self._granted(tx, draft) for draft in drafts]
            calls = [
                await self._allow(tx, await self._insert(tx, draft), use)
                for draft, use in zip(drafts, uses, strict=True)
            ]
            await self._show(tx, run, calls, because=because)
        for call in calls:
            self._announce(call)
        made |= {call.place: call for call in calls}
        return [made[wish.place] for wish in wishes]

    async def judge(
        self,
        run: Run,
        change: ChangeCall,
        *,
        provenance: Mapping[str, str],
        fresh: bool = False,
        undoes: bool = False,
        seen: Preview | None = None,
    ) -> Judged:
        """Preview against the live state, where nobody has just now, and ask the policy of now.

        Raises `ToolError`.
        """
        preview = seen or await self.look(change)
        return await self.rule(
            run, change, preview, provenance=provenance, fresh=fresh, undoes=undoes
        )

    async def look(self, change: ChangeCall) -> Preview:
        """What it would do to the live state, masked. Raises `ToolError`."""
        if self._house.rules.read_only:  # a card of before must not even be tried
            raise Refused(f"{READ_ONLY.reason.capitalize()}.")
        try:
            async with asyncio.timeout(_PREVIEW_SECONDS):
                if lacking := await change.lacking():
                    raise Refused(_not_himself(change, lacking))
                seen = await change.preview()
        except TimeoutError as error:
            what = f"{change.tool.name} had no preview within {_PREVIEW_SECONDS:.0f} s."
            raise Unavailable(what, nothing_sent=True) from error
        seen = Preview.model_validate(visible_json(seen.model_dump(mode="json")))
        preview, _ = masking.mask_preview(seen)
        return preview

    async def rule(
        self,
        run: Run,
        change: ChangeCall,
        preview: Preview,
        *,
        provenance: Mapping[str, str],
        fresh: bool = False,
        undoes: bool = False,
    ) -> Judged:
        """What the policy of now says of that preview."""
        risk = max(change.risk, preview.risk or Risk.READ, key=lambda one: one.level)
        wanted = Wanted(
            tool=change.tool.name,
            kind="change",
            risk=risk.value,
            target=change.target,
            arguments=dict(change.arguments),
            cluster=change.client,
            preview=preview,
            provenance=provenance,
            undoes=undoes,
        )
        asked = await self._house.policy_input(run, wanted, fresh=fresh)
        ruling = self._house.rules.book.decide(asked)
        if ruling.effect is Effect.ALLOW and (run.wish or {}).get("because"):
            ruling = decide(asked)  # what nobody asked for is never done unasked
        return Judged(change, preview, asked, ruling, risk.value)

    async def whole(self, run: Run, judged: Judged, undoes: UUID | None = None) -> Judged:
        """The same with all that its card says and asks for: what a way back no longer restores
        exactly, and the rollback that a rule lets people approve with a change.
        """
        preview = await self._foresight.noted(judged.change, judged.preview, undoes)
        if judged.ruling.rollback:
            foreseen = await self._foresight.rollback(judged.change, preview)
            if not isinstance(foreseen, str):
                change, then = foreseen
                origins = judged.asked.provenance
                back = await self.rule(run, change, then, provenance=origins, undoes=True)
                foreseen = _why_no_rollback(judged.ruling, back.ruling)
                if not foreseen:
                    return replace(judged, preview=preview, rollback=back)
            # where there is no way back at all, the card says why below
            why = f": {foreseen}" if preview.way_back else ""
            note = f"It is not rolled back by itself{why}"
            preview = preview.model_copy(update={"notes": (note, *preview.notes)})
        return replace(judged, preview=preview)

    async def again(
        self,
        tx: Transaction,
        run: Run,
        old: Call,
        judged: Judged,
        reason: str,
        *,
        call_id: UUID,
    ) -> Call:
        """In the caller's transaction: a new call in the place of one that must not run.

        This transaction must already have superseded, expired or failed the old one.
        """
        call = await self._insert(tx, _successor(call_id, run, old, judged, reason))
        await self._show(tx, run, [call], reason)
        return call

    async def again_together(
        self, tx: Transaction, run: Run, ones: Sequence[tuple[Call, Judged]], reason: str
    ) -> list[Call]:
        """Like `again`, for several of one reply: they share a card, and `reason` stands above."""
        drafts: list[_Draft] = []
        for old, judged in ones:
            draft = _successor(uuid7(), asking_for(run, old), old, judged, reason)
            drafts.append(replace(draft, depends_on=_before(drafts, judged)))
        calls = [await self._insert(tx, draft) for draft in drafts]
        if calls:
            await self._show(tx, run, calls, reason)
        return calls

    async def _stored(self, run: Run, wishes: Sequence[Wished]) -> dict[Place, Call | Turned]:
        found: dict[Place, Call | Turned] = {}
        async with self._house.database.relaxed() as tx:
            for wish in wishes:
                row = await tx.one(
                    "call_of_wish",
                    run_id=run.id,
                    reply=wish.place.reply,
                    ordinal=wish.place.ordinal,
                )
                if row is not None:
                    found[wish.place] = Call.of(row)
        return found

    async def _asking(self, run: Run) -> Run:
        """Who chose the arguments of a call that is asked again is still a contributor of it."""
        again_of = (run.wish or {}).get("again_of")
        if again_of is None:
            return run
        async with self._house.database.statement() as tx:
            row = await tx.one("call", id=UUID(str(again_of)))
        earlier = tuple(row["contributors"]) if row else ()
        return replace(run, contributors=tuple(dict.fromkeys((*run.contributors, *earlier))))

    async def _turn_away(
        self, run: Run, new: Sequence[Wished], judged: dict[Place, Judged | Turned]
    ) -> dict[Place, Call | Turned]:
        """What becomes no call, each with its reason and its audit row."""
        away: dict[Place, Turned] = {}
        digests: set[str] = set()
        for wish in new:
            one = judged.get(wish.place)
            if one is None:
                one = Turned(
                    f"One reply may propose {MOST} changes at most. Propose this one again once "
                    "the others have been decided."
                )
            elif isinstance(one, Judged) and one.digest in digests:
                one = Turned("The same reply proposes exactly this already.")
            if isinstance(one, Turned):
                away[wish.place] = one
            else:
                digests.add(one.digest)
        if away:
            tools = {wish.place: wish.tool for wish in new}
            async with self._house.database.relaxed() as tx:
                for place, turned in away.items():
                    data: dict[str, JsonValue] = {"tool": tools[place], "reason": turned.sentence}
                    if turned.refusal is not None:
                        data |= turned.refusal.stored()
                    audit.append(tx, run.thread.org, "refused", run.requester, data, run_id=run.id)
        return dict(away)

    async def _judge_wish(
        self, run: Run, wish: Wished, overheard: Overheard, *, undoes: bool
    ) -> Judged | Turned:
        if self._house.rules.read_only:  # not even a dry run is sent
            return _denied(READ_ONLY)
        try:
            acting = await self._house.acting(run.thread.org, run.requester)
            placed = self._house.placed(run.thread.channel, wish.tool, wish.arguments)
            change = self._house.catalog.change(wish.tool, placed, acting=acting)
            if hidden := masking.would_alter(dict(change.arguments)):
                return Turned(masking.no_credential(hidden))
            if (barred := await self.barred(run, change, undoes=undoes)) is not None:
                return _denied(barred.ruling, barred)
            said = {name: change.arguments.get(name) for name in wish.arguments}
            with kept_within(self._house.is_bound(run.thread.channel)):
                preview = await self.look(change)
            # that it is there is what the cluster itself says
            there = (change.target,) if "uid" in preview.before else ()
            provenance = await self._origins(run, said, overheard, there)
            judged = await self.rule(run, change, preview, provenance=provenance, undoes=undoes)
        except ToolError as error:
            return Turned(masking.safe(str(error)))
        if judged.ruling.effect is Effect.PREVIEW:
            return _previewed(judged)
        if judged.ruling.effect not in {Effect.ASK, Effect.ALLOW}:
            return _denied(judged.ruling, Refusal(judged.asked, judged.ruling))
        in_private = run.thread.channel.startswith("D")
        if in_private and judged.ruling.quorum > 0 and not judged.ruling.contributors_may:
            return Turned(
                "Its card could be seen by nobody else in a direct message, and it needs somebody "
                "else's approval: ask in a channel that an approver reads."
            )
        return judged

    async def barred(self, run: Run, change: ChangeCall, *, undoes: bool) -> Refusal | None:
        """What is denied whatever it would do is not looked at, so that nothing is told of it."""
        wanted = Wanted(
            tool=change.tool.name,
            kind="change",
            risk=change.risk.value,
            target=change.target,
            arguments=dict(change.arguments),
            cluster=change.client,
            undoes=undoes,
        )
        asked = await self._house.policy_input(run, wanted)
        ruling = self._house.rules.book.barred(asked)
        return Refusal(asked, ruling) if ruling is not None else None

    async def _origins(
        self,
        run: Run,
        said: Mapping[str, JsonValue],
        overheard: Overheard,
        there: Sequence[str],
    ) -> Mapping[str, str]:
        """Where they come from. To ask again for what somebody else chose makes it nobody's own."""
        again_of = (run.wish or {}).get("again_of")
        if again_of is None:
            return await self.provenance.of(run, said, overheard, there)
        async with self._house.database.statement() as tx:
            row = await tx.one("call", id=UUID(str(again_of)))
        found = (row["policy_input"] or {}).get("provenance") if row else None
        return dict.fromkeys(said, "untrusted") if found is None else dict(found)

    async def _is_undo(self, call_id: UUID) -> bool:
        """To take back a way back is a change like any other."""
        async with self._house.database.statement() as tx:
            row = await tx.one("call", id=call_id)
        return row is not None and row["undoes"] is not None

    async def _why_not_undo(self, tx: Transaction, undoes: UUID) -> str | None:
        row = await tx.one("undone_by", id=undoes)
        if row is None:
            return None
        return "There is an open or finished undo of this already; its card is in the thread."

    async def _insert(self, tx: Transaction, draft: _Draft) -> Call:
        run, judged, first = draft.asking, draft.judged, draft.rolls_back
        arguments: dict[str, JsonValue] = dict(judged.change.arguments)
        row = None
        while row is None:  # what people type may be taken: then it gets another
            row = await tx.one(
                "insert_change",
                id=draft.id,
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                reply=draft.place.reply,
                ordinal=draft.place.ordinal,
                model_call_id=draft.place.model_call_id,
                tool=judged.change.tool.name,
                arguments=arguments,
                target=judged.change.target,
                risk=judged.risk,
                requester=run.requester,
                contributors=list(run.contributors),
                acting=judged.acting,
                state="standby" if first else "proposed",
                public_id=public_id(),
                digest=judged.digest,
                schema_hash=judged.change.tool.schema_hash,
                preview=judged.preview.model_dump(mode="json"),
                policy_input=judged.asked.stored(),
                policy=judged.ruling.stored(),
                quorum=(first or draft).judged.ruling.quorum,
                model_says=draft.model_says,
                lifetime=judged.ruling.expires or self._house.rules.card_seconds,
                undoes=draft.undoes,
                error=draft.reason or None,
                short_id=short_id(),
                depends_on=draft.depends_on,
                rolls_back=first.id if first else None,
            )
        if draft.undoes is not None and not first:
            data: dict[str, JsonValue] = {"call": str(draft.undoes)}
            await say(tx, run.thread, "redraw", data, run_id=run.id, call_id=draft.undoes)
        audit.append(
            tx,
            run.thread.org,
            "proposed",
            run.requester,
            {
                "tool": judged.change.tool.name,
                "arguments": arguments,
                "target": judged.change.target,
                "risk": judged.risk,
                "acting": judged.acting,
                "digest": judged.digest,
                "rule": judged.ruling.rule,
                "quorum": judged.ruling.quorum,
                "reason": draft.reason,
                **({"rolls_back": str(first.id)} if first else {}),
            },
            run_id=run.id,
            call_id=draft.id,
        )
        if judged.rollback is not None:
            await self._insert(tx, _rollback(draft, judged.rollback))
        return Call.of(row)

    async def _granted(self, tx: Transaction, draft: _Draft) -> grants.Use | None:
        """One use of what somebody allowed in advance, if that covers this."""
        judged = draft.judged
        if draft.undoes is not None:
            return None
        return await grants.use(
            tx,
            draft.asking,
            judged.asked,
            judged.ruling,
            arguments=judged.change.arguments,
            schema_hash=judged.change.tool.schema_hash,
            acting=judged.acting,
        )

    async def _allow(self, tx: Transaction, call: Call, use: grants.Use | None) -> Call:
        """What a rule allows needs nobody: its decision is the rule's, on exactly this digest. What
        a grant covers is its giver's.
        """
        if use is not None:
            return await self._approve_for(tx, call, use)
        if call.ruling.effect is not Effect.ALLOW:
            return call
        within = self._house.rules.start_seconds
        given = {"id": call.id, "digest": call.digest, "start_within": within}
        if await tx.one("allow_call", **given) is None:
            return call
        audit.append(
            tx,
            call.thread.org,
            "allowed",
            "",
            {"digest": call.digest, "rule": call.ruling.rule},
            run_id=call.run_id,
            call_id=call.id,
        )
        return replace(call, state="approved")

    async def _approve_for(self, tx: Transaction, call: Call, use: grants.Use) -> Call:
        """The giver's vote, on exactly this digest; whether he still may is looked at before it
        runs.
        """
        within = self._house.rules.start_seconds
        alone = Voters(frozenset({use.approver}), (use.approver,))
        cast = await approve(tx, call, Decision(use.approver), alone, within)
        if not cast.completes:
            raise LookupError(f"a grant does not approve {call.id}")
        await vote_along(tx, call, use.approver)
        await tx.run("note_grant", id=call.id, grant_id=use.grant, number=use.number)
        await grants.redraw_of(tx, call.thread, use.of_call, call.run_id)
        audit.append(
            tx,
            call.thread.org,
            "approve",
            use.approver,
            {
                "digest": call.digest,
                "completes": True,
                "rule": call.ruling.rule,
                "reason_sha256": "",
                "grant": str(use.grant),
                "use": use.number,
            },
            run_id=call.run_id,
            call_id=call.id,
        )
        return replace(call, state="approved", grant=use.grant, grant_use=use.number)

    async def _show(
        self,
        tx: Transaction,
        run: Run,
        calls: Sequence[Call],
        reason: str = "",
        *,
        because: str = "",
    ) -> None:
        """One card for all of them; where the operator wants it, also in the approvals' channel."""
        first = calls[0].id
        ids: list[JsonValue] = [str(call.id) for call in calls]
        data: dict[str, JsonValue] = {"call": str(first), "calls": ids}
        if reason:  # why another one is asked instead of what was approved
            data["reason"] = reason
        if because:  # why it is proposed though nobody asked for it
            data["because"] = because
        given = {"run_id": run.id, "call_id": first}
        await say(tx, run.thread, "card", data, key=f"card:{first}", **given)
        elsewhere = self._house.rules.approvals_channel
        if elsewhere not in {"", run.thread.channel} and not run.thread.channel.startswith("D"):
            place = Thread(run.thread.org, elsewhere, run.thread.ts)
            await say(tx, place, "announce", data, key=f"announce:{first}", **given)

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


def _not_himself(change: ChangeCall, lacking: Sequence[Access]) -> str:
    """The cluster was asked as him before anybody is shown a card."""
    deeds = ", ".join(str(one) for one in lacking)
    return (
        f"{change.acting} may not {deeds} at {change.target}: the cluster says so. "
        "Nothing was proposed."
    )


def _denied(ruling: Ruling, refusal: Refusal | None = None) -> Turned:
    why = (ruling.reason or ruling.rule).removesuffix(".")
    by = f" (“{ruling.rule}”)" if ruling.reason and ruling.rule else ""
    how = f" {refusal.how}" if refusal else ""
    return Turned(f"The policy does not allow this change here: {why}{by}.{how}", refusal)


def _previewed(judged: Judged) -> Turned:
    """What it would do, of what may only be looked at."""
    preview, ruling = judged.preview, judged.ruling
    paths = "\n".join(f"- {one.path}: {one.before} → {one.after}" for one in preview.changes)
    warnings = "".join(f"\nWarning: {one}" for one in preview.heads_up)
    refusal = Refusal(judged.asked, ruling)
    return Turned(
        f"Only a preview: {ruling.reason} (rule “{ruling.rule}”). It was not proposed. "
        f"{refusal.how}\n{preview.summary}\n{paths}{warnings}\n{preview.diff}",
        refusal,
    )


def asking_for(run: Run, call: Call) -> Run:
    """The run as it was when this call was asked for: a call's row says in whose name it is."""
    return replace(run, requester=call.requester, contributors=call.contributors)


def _drafts(
    run: Run,
    judged: dict[Place, Judged | Turned],
    *,
    model_says: str,
    undoes: UUID | None,
    because: str,
) -> list[_Draft]:
    drafts: list[_Draft] = []
    for place, one in judged.items():
        if isinstance(one, Judged):
            before = _before(drafts, one)
            drafts.append(_Draft(uuid7(), run, place, one, before, model_says, undoes, because))
    return drafts


def _rollback(first: _Draft, judged: Judged) -> _Draft:
    """It stands by in the first one's place, under the same votes."""
    return _Draft(uuid7(), first.asking, first.place, judged, undoes=first.id, rolls_back=first)


def _why_no_rollback(ruling: Ruling, back: Ruling) -> str:
    """Why the votes on a change are none on its rollback, by what the policy says of each."""
    match back.effect:
        case Effect.ALLOW:
            return ""
        case Effect.ASK:
            same = back.groups == ruling.groups
            own = back.contributors_may or not ruling.contributors_may
            if same and own and back.quorum <= ruling.quorum:
                return ""
            return f"the rule “{back.rule}” asks others for that"
        case _:
            return f"the policy does not allow it: {back.reason or back.rule}"


def _successor(call_id: UUID, run: Run, old: Call, judged: Judged, reason: str) -> _Draft:
    return _Draft(
        call_id, run, old.place, judged, old.depends_on, old.model_says, old.undoes, reason
    )


def _before(drafts: Sequence[_Draft], judged: Judged) -> UUID | None:
    """The newest of those before it that changes the same object."""
    target = judged.change.target
    same = (draft.id for draft in reversed(drafts) if draft.judged.change.target == target)
    return next(same, None)

"""Decisions: one row per person and call, bound to what he saw; the vote that completes the
quorum moves the call.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import structlog

from bot.core.errors import DatabaseAway
from bot.core.ids import uuid7
from bot.guard import audit
from bot.guard.house import House, redraw
from bot.guard.policy import why_not_approve, why_not_deny
from bot.guard.records import Call
from bot.store.database import Row, Transaction

log = structlog.get_logger()

Code = Literal[
    "approved",  # this vote completed the quorum
    "counted",  # recorded; more are needed
    "denied",
    "duplicate",  # Slack repeated itself, or he had voted so already
    "unknown_card",  # no such call, or not shown there
    "decided",  # somebody was faster
    "expired",
    "superseded",  # previewed anew: another card is current
    "guest",
    "outsider",
    "unknown_person",
    "nobody_may_approve",
    "not_an_approver",
    "own_request",
]


@dataclass(frozen=True)
class Click:
    """Somebody's press, as Slack said it. `key` makes its repetition find its row."""

    org: str
    key: str
    person: str
    public_id: str
    channel: str = ""
    ts: str = ""
    view_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of a click; `call` as it was before or is after, None where there is none."""

    code: Code
    call: Call | None = None
    needs: int = 0


_STATES: dict[str, Code] = {
    "expired": "expired",
    "superseded": "superseded",
}


_ROUNDS = 5
_REGISTERING = (0.05, 0.15, 0.4, 0.0)  # seconds between looks for a card


class _AnotherVoted(Exception):
    """Somebody voted between our look at the voters and our lock: look again, or both would
    count one.
    """


@dataclass(frozen=True)
class _Voters:
    """Whose earlier votes were looked at, and whose Approve counts now, the newest included."""

    seen: frozenset[str]
    counting: tuple[str, ...]


class Votes:
    """Records decisions. Authority comes from rows and the directory, never from what a click
    carries.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def find(self, click: Click) -> Call | None:
        """The call that this click is about, if it was shown where the click says."""
        for pause in _REGISTERING:
            async with self._house.database.relaxed() as tx:
                call = await self._find(tx, click)
            if call is not None:
                return call
            # the card may just have been posted, and its place not be stored yet
            await asyncio.sleep(pause)
        return None

    async def _find(self, tx: Transaction, click: Click) -> Call | None:
        row = await tx.one("call_by_public_id", public_id=click.public_id)
        if row is None or row["org"] != click.org:
            return None
        shown = await tx.one(
            "card_is_shown",
            call_id=row["id"],
            org=click.org,
            channel=click.channel,
            ts=click.ts,
            view_id=click.view_id,
            person=click.person,
        )
        return Call.of(row) if shown and shown["yes"] else None

    async def why_not(
        self, call: Call, person_id: str, vote: Literal["approve", "deny"]
    ) -> Code | None:
        """The reason why this person's vote would not count now, or None."""
        person = await self._house.directory.person(
            call.thread.org, person_id, fresh=call.risk == "danger"
        )
        if vote == "deny":
            return _code(why_not_deny(person, self._house.rules.approvers, call.contributors))
        return _code(
            why_not_approve(person, self._house.rules.approvers, call.ruling, call.contributors)
        )

    async def vote(self, click: Click, vote: Literal["approve", "deny"]) -> Answer:
        """Record one vote; the last one that is needed makes the arrow and wakes the run.

        Raises `DatabaseAway`: then nothing was recorded.
        """
        call = await self.find(click)
        if call is None:
            return Answer("unknown_card")
        if code := await self.why_not(call, click.person, vote):
            await self._refuse(click, call, vote, code)
            return Answer(code, call)
        for _ in range(_ROUNDS):
            voters = await self._voters(call, click.person)
            try:
                async with self._house.database.transaction() as tx:
                    return await self._record(tx, click, call, vote, voters)
            except _AnotherVoted:
                continue
        raise DatabaseAway("Too many votes at once.")

    async def _voters(self, call: Call, newest: str) -> "_Voters":
        """Those whose Approve counts now: whoever lost the role since he voted does not."""
        async with self._house.database.relaxed() as tx:
            rows = await tx.all("decisions_of_call", call_id=call.id)
        others = {row["person"] for row in rows if row["vote"] == "approve"} - {newest}
        valid = [one for one in sorted(others) if not await self.why_not(call, one, "approve")]
        return _Voters(frozenset({newest, *others}), (newest, *valid))

    async def _record(
        self,
        tx: Transaction,
        click: Click,
        call: Call,
        vote: Literal["approve", "deny"],
        voters: "_Voters",
    ) -> Answer:
        fresh = await tx.one(
            "record_event", org=click.org, key=click.key, kind=f"vote:{vote}", actor=click.person
        )
        if fresh is None:
            return Answer("duplicate", call)
        await tx.one("lock_run", id=call.run_id)
        row = await tx.one("lock_call", id=call.id)
        if row is None or row["state"] != "proposed" or row["digest"] != call.digest:
            return Answer(_STATES.get(row["state"] if row else "", "decided"), call)
        if row["lapsed"]:
            return Answer("expired", call)
        cast_already = await tx.all("decisions_of_call", call_id=call.id)
        if {one["person"] for one in cast_already if one["vote"] == "approve"} - voters.seen:
            raise _AnotherVoted
        cast = await tx.one(
            "insert_decision",
            id=uuid7(),
            org=click.org,
            call_id=call.id,
            digest=call.digest,
            person=click.person,
            vote=vote,
            reason=click.reason,
        )
        moved = await self._move(tx, call, vote, click, voters)
        if cast is None and not moved:
            # he had voted so already; it may still complete a quorum that others' votes left open
            return Answer("duplicate", call)
        await redraw(tx, call)
        if moved:
            await wake_if_decided(tx, self._house, call)
        await audit.append(
            tx,
            click.org,
            vote,
            click.person,
            {
                "digest": call.digest,
                "completes": moved,
                "rule": call.ruling.rule,
                "reason": click.reason,
            },
            run_id=call.run_id,
            call_id=call.id,
        )
        if vote == "deny":
            return Answer("denied", call)
        if moved:
            return Answer("approved", call)
        return Answer("counted", call, needs=call.quorum - len(voters.counting))

    async def _move(
        self, tx: Transaction, call: Call, vote: str, click: Click, voters: "_Voters"
    ) -> bool:
        if vote == "deny":
            row = await tx.one("deny_call", id=call.id, digest=call.digest, error=click.reason)
        else:
            row = await tx.one(
                "approve_call",
                id=call.id,
                digest=call.digest,
                voters=list(voters.counting),
                start_within=self._house.rules.start_seconds,
            )
        return row is not None

    async def _refuse(self, click: Click, call: Call, vote: str, code: Code) -> None:
        async with self._house.database.relaxed() as tx:
            if await tx.one(
                "record_event",
                org=click.org,
                key=click.key,
                kind=f"vote:{vote}",
                actor=click.person,
            ):
                await audit.append(
                    tx,
                    click.org,
                    "vote refused",
                    click.person,
                    {"vote": vote, "why": code},
                    run_id=call.run_id,
                    call_id=call.id,
                )

    async def expire_lapsed(self) -> int:
        """End every card whose time is over; how many. Each in its own transaction."""
        async with self._house.database.relaxed() as tx:
            rows = await tx.all("lapsed_calls")
        for row in rows:
            try:
                await self._end_card(row["id"], "nobody decided in time", at_once=False)
            except (ValueError, KeyError, TypeError):
                # a row that this version cannot read must not keep the others open
                log.exception("card_not_expired", call=str(row["id"]))
        return len(rows)

    async def undeliverable(self, call_id: UUID, why: str) -> None:
        """Its card could not be shown, so nobody can decide it: it ends, and the run goes on."""
        await self._end_card(call_id, why, at_once=True)

    async def _end_card(self, call_id: UUID, why: str, *, at_once: bool) -> None:
        async with self._house.database.transaction() as tx:
            found = await tx.one("call", id=call_id)
            if found is None:
                return
            call = Call.of(found)
            await tx.one("lock_run", id=call.run_id)
            row: Row | None = await tx.one("expire_call", id=call_id, now=at_once, error=why)
            if row is None:
                return
            await redraw(tx, call)
            await wake_if_decided(tx, self._house, call)
            await audit.append(
                tx,
                call.thread.org,
                "expired",
                "",
                {"why": why},
                run_id=call.run_id,
                call_id=call.id,
            )


async def wake_if_decided(tx: Transaction, house: House, call: Call) -> None:
    """Under the run's row lock: when nothing is open any more, the run goes on."""
    row = await tx.one("open_calls", run_id=call.run_id)
    if row is None or row["open"] == 0:
        await tx.run("refresh_starts", run_id=call.run_id, start_within=house.rules.start_seconds)
        await house.jobs.defer(tx, "resume", call.thread, call.run_id)


def _code(reason: str | None) -> Code | None:
    match reason:
        case None:
            return None
        case "guest" | "outsider" | "unknown_person" | "nobody_may_approve" | "own_request":
            return reason
        case _:
            return "not_an_approver"

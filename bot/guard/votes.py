"""Decisions: one row per person and call, bound to what he saw; the vote that completes the
quorum moves the call.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.errors import DatabaseAway
from bot.core.values import Event, Person, Thread
from bot.guard import audit, grants, short_ids
from bot.guard.ahead import Ahead
from bot.guard.clearance import SOON, why_not_himself
from bot.guard.decisions import Audited, Cast, Decision, Voters, approve, decide, take_approval
from bot.guard.house import House, redraw, redraw_undone
from bot.guard.lost import REFUSED
from bot.guard.policy import Effect, why_not_approve, why_not_break_glass, why_not_deny
from bot.guard.records import Call
from bot.guard.standby import stand_down, vote_along
from bot.store.database import Row, Transaction
from bot.store.jobs import job
from bot.store.outbox import say

log = structlog.get_logger()

Code = Literal[
    "approved",  # this vote completed the quorum
    "counted",  # recorded; more are needed
    "denied",
    "duplicate",  # Slack repeated itself
    "voted",  # he had voted so already
    "unknown_card",  # no such call, or not shown there
    "decided",  # somebody was faster
    "expired",
    "superseded",  # previewed anew: another card is current
    "guest",
    "outsider",
    "unknown_person",
    "unknown_groups",  # who is in those that may decide could not be looked up
    "nobody_may_approve",
    "not_an_approver",
    "not_mapped",  # people are mapped to their own identities on clusters, and he is not
    "not_himself",  # the cluster would not let him do it himself
    "rights_unknown",  # it did not say
    "own_request",
    "own_edit",
    "own_words",  # what he said went into it
    "read_only",  # changes were switched off since
    "no_glass",  # the rule has none to break
    "not_a_breaker",
    "not_a_viewer",
    "not_in_channel",
    "revoked",  # what was granted
    "no_grant",  # there is none any more
    "say_why",  # whoever breaks the glass has to say why
    "settled",  # what was unknown is what he says
    "not_unknown",  # there is nothing to settle
    "still_looking",  # nor is there yet
    "open_the_card",  # not all of it was in sight: typing is no approval of that
]
Vote = Literal["approve", "deny", "break glass", "settle done", "settle failed"]
_RUNS_IT: frozenset[Vote] = frozenset({"approve", "break glass"})


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
class Typed:
    """A decision in words, such as "approve K7QF", typed in `channel`."""

    org: str
    key: str
    person: str
    channel: str
    short_id: str
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of a click; `call` as it was before or is after, None where there is none.
    `needs`: how many approvals are missing still.
    """

    code: Code
    call: Call | None = None
    needs: int = 0


@dataclass(frozen=True)
class Together:
    """What came of one click on several calls: an answer for each that was open.

    Without any, `code` says why.
    """

    answers: tuple[Answer, ...] = ()
    code: Code = "decided"

    @property
    def counted(self) -> tuple[Call, ...]:
        """The calls on which it was recorded."""
        return tuple(
            one.call for one in self.answers if one.call and one.code in {"approved", "counted"}
        )


_Known = dict[tuple[str, bool], Person]
_STATES: dict[str, Code] = {
    "expired": "expired",
    "superseded": "superseded",
}


MIN_REASON = 10  # characters that whoever breaks the glass has to say why in
_DIFFERENT = 3  # letters; "aaaaaaaaaa" says nothing
_UNSEEN = re.compile("⟨U\\+[0-9A-F]{4,6}⟩")  # as `visible` shows what nobody typed to be read
_ROUNDS = 5
_REGISTERING = (0.05, 0.15, 0.4, 0.0)  # seconds between looks for a card


class _AnotherVoted(Exception):
    """Somebody voted between our look at the voters and our lock: look again, or both would
    count one.
    """


class Votes:
    """Records decisions. Authority comes from rows and the directory, never from what a click
    carries.
    """

    def __init__(self, house: House, ahead: Ahead) -> None:
        self._house = house
        self._ahead = ahead

    async def find(self, click: Click) -> Call | None:
        """The call that this click is about, if it was shown where the click says."""
        row = await self._find(click)
        return Call.of(row) if row is not None else None

    async def _find(self, click: Click) -> Row | None:
        for pause in _REGISTERING:
            async with self._house.database.statement() as tx:
                row: Row | None = await tx.one(
                    "call_shown_at",
                    public_id=click.public_id,
                    org=click.org,
                    channel=click.channel,
                    ts=click.ts,
                    view_id=click.view_id,
                    person=click.person,
                )
            if row is not None:
                return row
            # the card may just have been posted, and its place not be stored yet
            await asyncio.sleep(pause)
        return None

    async def why_not(
        self, call: Call, person_id: str, vote: Vote, known: _Known | None = None
    ) -> Code | None:
        """The reason why this person's vote would not count now, or None.

        `known` are those who were looked up for the same click already.
        """
        if vote in _RUNS_IT and self._house.rules.read_only:
            return "read_only"
        known = {} if known is None else known
        # what is dangerous, or rests on one person, is worth a fresh look
        key = (person_id, call.risk == "danger" or vote == "break glass")
        if key not in known:
            known[key] = await self._house.directory.person(
                call.thread.org, person_id, fresh=key[1]
            )
        person, approvers = known[key], self._house.rules.approvers
        if vote == "deny":
            return _code(why_not_deny(person, approvers, call.ruling, call.contributors))
        if vote == "break glass":
            code = _code(why_not_break_glass(person, call.ruling))
        else:
            code = _code(why_not_approve(person, approvers, call.ruling, call.contributors))
            code = _own(call, person_id) if code == "own_request" else code
            if vote not in _RUNS_IT:  # what he says of the past, the cluster is not asked about
                return code
        return code or await why_not_himself(self._house, call, person, seconds=SOON)

    async def vote(self, click: Click, vote: Vote, *, grants_more: bool = False) -> Answer:
        """Record one vote; the last one that is needed makes the arrow and wakes the run.

        With `grants_more` it allows the same again as well, where the rule lets one do that.
        Raises `DatabaseAway`: see `lost.py`.
        """
        row = await self._find(click)
        if row is None:
            return Answer("unknown_card")
        call = Call.of(row)
        return await self._decide(click, call, vote, row["approved_by"], grants_more=grants_more)

    async def vote_typed(self, typed: Typed, vote: Vote) -> Answer:
        """Record a vote that somebody typed: counts as a click on the card would.

        Only calls of the channel where it was typed are meant, and only what all of which was in
        sight there can be approved so. Raises `DatabaseAway`: see `lost.py`.
        """
        async with self._house.database.relaxed() as tx:
            row = await tx.one(
                "call_by_short_id",
                org=typed.org,
                channel=typed.channel,
                short_id=short_ids.typed(typed.short_id),
            )
            seen = await tx.one("shown_whole", call_id=row["id"]) if row else None
        if row is None:
            return Answer("unknown_card")
        call = Call.of(row)
        if call.state != "proposed":
            return Answer(_STATES.get(call.state, "decided"), call)
        if vote == "approve" and not (seen and seen["yes"]):
            return Answer("open_the_card", call)
        click = Click(typed.org, typed.key, typed.person, call.public_id, reason=typed.reason)
        return await self._decide(click, call, vote)

    async def vote_all(self, click: Click) -> Together:
        """Approve every open call of the message or modal that was clicked on, a row for each.

        Those that this person may not approve are left alone. Raises `DatabaseAway`: see `lost.py`.
        """
        if await self.find(click) is None:
            return Together(code="unknown_card")
        shown = await self.shown_with(click)
        calls = [call for call in shown if call.state == "proposed"]
        known: _Known = {}
        barred = {
            call.id: await self.why_not(call, click.person, "approve", known) for call in calls
        }
        may = [call for call in calls if barred[call.id] is None]
        refused = {
            call.id: Answer(code, call) for call in calls if (code := barred[call.id]) is not None
        }
        if not may:
            if calls and (code := barred[calls[0].id]):
                await self.refuse(click, calls[0], "approve", code)
            return Together(tuple(refused.values()))
        for _ in range(_ROUNDS):
            voters = {
                call.id: await self._voters(
                    call, click.person, await self._approved_by(call), known
                )
                for call in may
            }
            try:
                async with self._house.database.transaction() as tx:
                    cast = await self._record_all(tx, click, may, voters)
            except _AnotherVoted:
                continue
            answers = refused | cast
            return Together(tuple(answers[call.id] for call in calls))
        raise DatabaseAway("Too many votes at once.", nothing_done=True)

    async def shown_with(self, click: Click) -> Sequence[Call]:
        """All the calls of the message or modal that was clicked on, in their order."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "calls_shown_at",
                org=click.org,
                channel=click.channel,
                ts=click.ts,
                view_id=click.view_id,
                person=click.person,
            )
        return [Call.of(row) for row in rows]

    async def revoke(self, click: Click) -> Answer:
        """Take back what was granted on that card, or what let its call run: the giver, or whoever
        may deny it. Raises `DatabaseAway`: see `lost.py`.
        """
        row = await self._find(click)
        if row is None:
            return Answer("unknown_card")
        call = Call.of(row)
        async with self._house.database.statement() as tx:
            found = await tx.one("grant_of_call", call_id=call.id)
        if found is None or found["revoked_at"] is not None:
            return Answer("no_grant", call)
        if click.person != found["approver"]:
            code = await self.why_not(call, click.person, "deny")
            if code:
                return Answer(code, call)
        async with self._house.database.transaction() as tx:
            if not await is_fresh(tx, click, "click:revoke"):
                return Answer("duplicate", call)
            ended = await grants.revoke(tx, call, click.person)
        return Answer("revoked" if ended else "no_grant", call)

    async def _decide(
        self,
        click: Click,
        call: Call,
        vote: Vote,
        approved_by: Sequence[str] | None = None,
        *,
        grants_more: bool = False,
    ) -> Answer:
        """`approved_by`: who had approved it when it was found, if that was looked up."""
        code = await self.why_not(call, click.person, vote)
        if vote == "break glass" and code is None and not says_why(click.reason):
            code = "say_why"
        if code:
            await self.refuse(click, call, vote, code)
            return Answer(code, call)
        for _ in range(_ROUNDS):
            if approved_by is None:
                approved_by = await self._approved_by(call)
            voters = await self._voters(call, click.person, approved_by)
            alone = vote == "break glass"
            if alone or (vote == "approve" and len(voters.counting) >= call.quorum):
                self._ahead.begin(call)
            approved_by = None  # of another round, as it is then
            try:
                if vote == "approve" and not grants_more and not _goes_along(call):
                    return await self._take_approval(click, call, voters)
                async with self._house.database.transaction() as tx:
                    answer = await self._record(tx, click, call, vote, voters)
                    if grants_more and answer.code == "approved":
                        await grants.give(tx, call, click.person)
                    return answer
            except _AnotherVoted:
                continue
        raise DatabaseAway("Too many votes at once.", nothing_done=True)

    async def _approved_by(self, call: Call) -> Sequence[str]:
        async with self._house.database.statement() as tx:
            rows = await tx.all("decisions_of_call", call_id=call.id)
        return [row["person"] for row in rows if row["vote"] == "approve"]

    async def _voters(
        self, call: Call, newest: str, approved_by: Sequence[str], known: _Known | None = None
    ) -> Voters:
        """Those whose Approve counts now: whoever lost the role since he voted does not."""
        others = {*approved_by} - {newest}
        known = {} if known is None else known
        barred = await asyncio.gather(
            *(self.why_not(call, one, "approve", known) for one in sorted(others))
        )
        valid = [one for one, code in zip(sorted(others), barred, strict=True) if code is None]
        return Voters(frozenset({newest, *others}), (newest, *valid))

    async def _take_approval(self, click: Click, call: Call, voters: Voters) -> Answer:
        """The usual Approve: nothing else is moved by it, so that it is one statement."""
        his = Decision(click.person, click.reason, audit.salt())
        at = datetime.now(UTC)
        counts, completes = (
            _audited(click, call, "approve", his.salt, completes=one, at=at)
            for one in (False, True)
        )
        async with self._house.database.durable_statement() as tx:
            taken = await take_approval(
                tx,
                call,
                his,
                voters,
                self._house.rules.start_seconds,
                event={"key": click.key, "kind": "vote:approve"},
                audited=Audited(counts, completes),
            )
            if taken is None:
                return Answer("duplicate", call)
            row, cast = taken
            if answer := _why_moot(row, call, voters):
                return answer
            if cast.woken:
                _before_talk(tx, self._house, call)
        return _came_of(cast, call, voters)

    async def _record(
        self, tx: Transaction, click: Click, call: Call, vote: Vote, voters: Voters
    ) -> Answer:
        heard = await hear(tx, click, vote, [call])
        if not heard:
            return Answer("duplicate", call)
        answer = await self._cast(tx, click, call, vote, voters, heard)
        if answer.code not in {"approved", "denied", "counted"}:
            return answer
        if vote == "approve":
            await redraw_undone(tx, call)
            return answer
        await wake_if_decided(tx, self._house, call)
        if vote == "deny":
            await grants.void_here(tx, call, "the next one was denied")
        await redraw(tx, call)
        return answer

    async def _record_all(
        self,
        tx: Transaction,
        click: Click,
        calls: Sequence[Call],
        voters: Mapping[UUID, Voters],
    ) -> dict[UUID, Answer]:
        heard = await hear(tx, click, "approve", calls)
        if not heard:
            return {call.id: Answer("duplicate", call) for call in calls}
        answers = {
            call.id: await self._cast(
                tx, click, call, "approve", voters[call.id], heard, goes_on=False
            )
            for call in calls
        }
        if any(answer.code == "approved" for answer in answers.values()):
            await wake_if_decided(tx, self._house, calls[0])
        await redraw(tx, calls[0])  # they have one card
        return answers

    async def _cast(
        self,
        tx: Transaction,
        click: Click,
        call: Call,
        vote: Vote,
        voters: Voters,
        heard: Mapping[UUID, Row],
        *,
        goes_on: bool = True,
    ) -> Answer:
        """One vote on one call, as it was `heard` under its run's row lock. An Approve that
        `goes_on` wakes its run and has its card drawn by itself.
        """
        if answer := _why_moot(heard.get(call.id), call, voters):
            return answer
        salt = audit.salt()
        cast = await self._move(tx, call, vote, click, voters, salt, goes_on=goes_on)
        if not cast.stored and not cast.completes:
            return _came_of(cast, call, voters)
        tx.last("append_audit", **_audited(click, call, vote, salt, completes=cast.completes))
        if vote == "deny":
            await drop_dependents(tx, call, "denied")
            return Answer("denied", call)
        if vote == "break glass":
            await self._sound(tx, call)
            await stand_down(tx, call, "the glass was broken for its change alone")
        else:
            await vote_along(tx, call, click.person)
        return _came_of(cast, call, voters)

    async def _move(
        self,
        tx: Transaction,
        call: Call,
        vote: Vote,
        click: Click,
        voters: Voters,
        salt: str,
        *,
        goes_on: bool,
    ) -> Cast:
        """Whether his vote is a new one, and whether the call has moved by it."""
        his = Decision(click.person, click.reason, salt)
        if vote == "approve":
            within = self._house.rules.start_seconds
            cast = await approve(tx, call, his, voters, within, goes_on=goes_on)
            if cast.woken:
                _before_talk(tx, self._house, call)
            return cast
        stored = await decide(tx, call, vote, his)
        if vote == "deny":
            row = await tx.one("deny_call", id=call.id, digest=call.digest, error=click.reason)
        else:
            row = await tx.one(
                "break_glass",
                id=call.id,
                digest=call.digest,
                person=click.person,
                start_within=self._house.rules.start_seconds,
            )
        return Cast(stored, completes=row is not None, woken=False)

    async def _sound(self, tx: Transaction, call: Call) -> None:
        """Those who would have been asked hear of it, here and where approvals are watched."""
        rows = await tx.all("calls_of_run", run_id=call.run_id)
        waits = any(row["state"] == "proposed" for row in rows)  # nothing starts before the last
        data: dict[str, JsonValue] = {
            "code": "broken_glass",
            "call": str(call.id),
            "waits": waits,
        }
        given = {"run_id": call.run_id, "call_id": call.id}
        await say(tx, call.thread, "notice", data, key=f"glass:{call.id}", **given)
        elsewhere = self._house.rules.approvals_channel
        if elsewhere not in {"", call.thread.channel} and not call.thread.channel.startswith("D"):
            place = Thread(call.thread.org, elsewhere, call.thread.ts)
            await say(tx, place, "announce", data, key=f"glass there:{call.id}", **given)

    async def waits_for_others(self, call: Call) -> bool:
        """Whether it starts only when others of its run are decided too."""
        async with self._house.database.statement() as tx:
            rows = await tx.all("calls_of_run", run_id=call.run_id)
        return any(row["state"] == "proposed" and row["id"] != call.id for row in rows)

    async def refuse(self, click: Click, call: Call, vote: str, code: Code) -> None:
        """Record that somebody's vote did not count, and why."""
        async with self._house.database.relaxed() as tx:
            if await is_fresh(tx, click, f"{REFUSED}:{vote}"):
                audit.append(
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
        async with self._house.database.statement() as tx:
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
        told = f"Slack could not show its card ({why}), so that nobody could decide"
        await self._end_card(call_id, told, at_once=True)

    async def _end_card(self, call_id: UUID, why: str, *, at_once: bool) -> None:
        async with self._house.database.transaction() as tx:
            found = await tx.one("call", id=call_id)
            if found is None:
                return
            call = _as_far_as_readable(found)
            await tx.one("lock_run", id=call.run_id)
            row: Row | None = await tx.one("expire_call", id=call_id, now=at_once, error=why)
            if row is None:
                return
            await drop_dependents(tx, call, "expired")
            await redraw(tx, call)
            await wake_if_decided(tx, self._house, call)
            audit.append(
                tx,
                call.thread.org,
                "expired",
                "",
                {"why": why},
                run_id=call.run_id,
                call_id=call.id,
            )


def _as_far_as_readable(row: Row) -> Call:
    """A call that must end even if this version cannot read what it was about."""
    try:
        return Call.of(row)
    except (ValueError, KeyError, TypeError):
        log.exception("call_unreadable", call=str(row["id"]))
        blank = {"summary": row["tool"], "changes": [], "diff": "", "fingerprint": ""}
        ruling = {"effect": Effect.DENY.value, "rule": "unreadable"}
        unread = {"preview": blank, "policy": ruling, "receipt": None, "verdict": None}
        return Call.of({**row, **unread})


async def is_fresh(tx: Transaction, click: Click, kind: str) -> bool:
    """Note a click as heard; False when Slack says it once more."""
    return await tx.one("record_event", **_event(click, kind)) is not None


async def hear(
    tx: Transaction, click: Click, vote: str, calls: Sequence[Call]
) -> Mapping[UUID, Row]:
    """Note a vote as heard, and lock what it is about, of one run: each call as it is now. Nothing
    when Slack says it once more.
    """
    ids = [call.id for call in calls]
    event = _event(click, f"vote:{vote}")
    rows = await tx.all("hear_vote", **event, run_id=calls[0].run_id, call_ids=ids)
    return {row["id"]: row for row in rows}


def _event(click: Click, kind: str) -> dict[str, str]:
    return {"org": click.org, "key": click.key, "kind": kind, "actor": click.person}


def _goes_along(call: Call) -> bool:
    """Whether a vote on it is one on its rollback too, or shows on the card of what it undoes."""
    return call.ruling.rollback > 0 or call.undoes is not None


def _why_moot(row: Row | None, call: Call, voters: Voters) -> Answer | None:
    """What is answered where nothing is left to vote on, by the call's row under the lock. Raises
    `_AnotherVoted`.
    """
    if row is None or row["state"] != "proposed" or row["digest"] != call.digest:
        return Answer(_STATES.get(row["state"] if row else "", "decided"), call)
    if row["lapsed"]:
        return Answer("expired", call)
    if {*row["approved_by"]} - voters.seen:
        raise _AnotherVoted
    return None


def _came_of(cast: Cast, call: Call, voters: Voters) -> Answer:
    """What whoever voted is answered."""
    if cast.completes:
        return Answer("approved", call)
    # he had voted so already: that may still complete a quorum that others' votes left open
    code: Code = "counted" if cast.stored else "voted"
    return Answer(code, call, needs=call.quorum - len(voters.counting))


def _audited(
    click: Click, call: Call, vote: Vote, salt: str, *, completes: bool, at: datetime | None = None
) -> Mapping[str, object]:
    return audit.row(
        call.thread.org,
        vote,
        click.person,
        {
            "digest": call.digest,
            "completes": completes,
            "rule": call.ruling.rule,
            "reason_sha256": audit.hashed(click.reason, salt),
        },
        run_id=call.run_id,
        call_id=call.id,
        at=at,
    )


async def drop_dependents(tx: Transaction, call: Call, became: str) -> None:
    """Under the run's row lock: what was to come after this call, or stands by for it, makes no
    sense without it.
    """
    await stand_down(tx, call, f"its change was {became}")
    why = f"it was to come after “{call.preview.summary}”, which was {became}"
    rows = await tx.all("supersede_dependents", id=call.id, run_id=call.run_id, error=why)
    for row in rows:
        dropped = Call.of(row)
        await redraw(tx, dropped)
        audit.append(
            tx,
            dropped.thread.org,
            "superseded",
            "",
            {"reason": why},
            run_id=dropped.run_id,
            call_id=dropped.id,
        )
        await drop_dependents(tx, dropped, "not run")


async def wake_if_decided(tx: Transaction, house: House, call: Call) -> None:
    """Under the run's row lock: when nothing is open any more, the run goes on, before any talk."""
    row = await tx.one(
        "wake_if_decided",
        run_id=call.run_id,
        start_within=house.rules.start_seconds,
        **job("resume", call.thread),
    )
    if row and row["yes"]:
        _before_talk(tx, house, call)


def _before_talk(tx: Transaction, house: House, call: Call) -> None:
    first = Event(call.thread, call.run_id, "yield")
    tx.after_commit(partial(house.bus.publish, first))


def says_why(reason: str) -> bool:
    """Whether a reason for breaking the glass says anything."""
    said = _UNSEEN.sub("", reason).strip().casefold()
    letters = {one for one in said if one.isalnum()}
    return len(said) >= MIN_REASON and len(letters) >= _DIFFERENT


def _own(call: Call, person_id: str) -> Code:
    """Which part he had in asking."""
    match person_id:
        case call.asked_by:
            return "own_request"
        case call.edited_by:
            return "own_edit"
        case _:
            return "own_words"


def _code(reason: str | None) -> Code | None:
    match reason:
        case None | "no_glass" | "not_a_breaker":
            return reason
        case "guest" | "outsider" | "unknown_person" | "unknown_groups":
            return reason
        case "nobody_may_approve" | "own_request":
            return reason
        case _:
            return "not_an_approver"

"""What became of each call, told whole: who asked and who approved, under which rule, what exactly
ran and as whom, what came back, and whether it was undone.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

from pydantic import JsonValue

from bot.core.values import Person, Thread
from bot.guard import evidence
from bot.guard.evidence import Head
from bot.guard.people import Roles
from bot.store.database import Database, Row
from bot.store.outbox import say

_PAGE: Final = 500
_LONGEST: Final = timedelta(days=2)  # that a call may be open: a card's most is one day
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_RAN: Final = frozenset({"executing", "done", "failed", "unknown"})
_DEED: Final = ("tool", "arguments", "target", "digest")
_VOTES: Final = frozenset({"approve", "deny", "break glass", "settle done", "settle failed"})


@dataclass(frozen=True)
class Vote:
    """One person's decision. The reason is his own words: forgotten when they are."""

    person: str
    vote: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class NotCounted:
    """A vote that was refused; `why` is the guard's code, as the chain holds it."""

    person: str
    vote: str
    at: datetime
    why: str


@dataclass(frozen=True)
class Given:
    """What somebody allowed in advance when he approved a call: how often, until when, and where
    which argument may lie. `ended_why` is empty while only its number and its time end it.
    """

    approver: str
    at: datetime
    times: int
    used: int
    until: datetime
    vary: Mapping[str, tuple[int, int]]
    ended_at: datetime | None
    ended_by: str  # a person, or empty where it became void by itself
    ended_why: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From its row as JSON."""
        at, until, ended = (row[name] for name in ("at", "until", "ended_at"))
        moments = {
            "at": datetime.fromisoformat(at),
            "until": datetime.fromisoformat(until),
            "ended_at": datetime.fromisoformat(ended) if ended else None,
        }
        vary = {name: (least, most) for name, (least, most) in row["vary"].items()}
        return cls(**{**row, **moments, "vary": vary})


@dataclass(frozen=True)
class Story:
    """One call. What ran is what the audit's chain says of it where it says anything.

    `evidence` are the seqs of its rows in the chain; `differs` names what the tables say otherwise
    than the chain, which never happens unless somebody wrote into the database by hand.
    """

    org: str
    id: UUID
    call: str  # public id, what a card's buttons carry; empty for a read
    short_id: str
    kind: str
    summary: str
    channel: str
    thread_ts: str
    run: UUID
    asked_by: str
    asked_at: datetime  # at first; `proposed_at`: as it stands here
    proposed_at: datetime
    contributors: tuple[str, ...]
    rule: str
    effect: str
    quorum: int
    votes: tuple[Vote, ...]
    not_counted: tuple[NotCounted, ...]
    tool: str
    arguments: Mapping[str, JsonValue]
    target: str
    risk: str
    digest: str
    acting: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    receipt: str
    outcome: str
    verdict: str
    error: str
    edited_by: str
    withdrawn_by: str
    superseded_by: str
    superseded_short: str
    replaced_by: str  # the person whose edit stands in its place
    undoes: str
    unasked: bool  # the bot proposed it, to take back what `asked_by` had asked for
    rolls_back: bool  # by itself, as it was approved with what it undoes
    rollback: str  # what was to roll it back by itself, and did not run
    rollback_state: str
    rollback_why: str  # it did not
    undone_by: str  # as `call` and `short_id` are
    undone_short: str
    undone_by_itself: bool  # by the rollback that was approved with it
    undo_state: str
    undo_outcome: str  # what its verification said
    undone_at: datetime | None
    granted_on: str  # the id of the card where the same again was allowed, if it ran under that
    granted_by: str
    granted_at: datetime | None
    grant_use: int  # the how manieth use of that it was
    granted: Given | None  # what was allowed in advance on its own card
    evidence: tuple[int, ...]
    differs: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON has it: moments in UTC, ids as text."""
        found: dict[str, Any] = _json(asdict(self))
        return found

    def settled(self) -> Vote | None:
        """Who said what came of it, when nobody could find out."""
        return next((one for one in self.votes if one.vote.startswith("settle ")), None)

    def approved_by(self) -> list[Vote]:
        """Whose approvals it has."""
        return [one for one in self.votes if one.vote == "approve"]


@dataclass(frozen=True)
class Question:
    """Which calls; empty means all. `since` is included, `before` is not. `call` is a public id or
    the short one that people type; `person` asked, had a part in it or voted.
    """

    since: datetime | None = None
    before: datetime | None = None
    person: str = ""
    call: str = ""
    channel: str = ""
    reads: bool = False


def may_audit(roles: Roles, person: Person) -> bool:
    """Whether somebody may see the calls of channels that he is not in."""
    return "auditor" in roles.of(person)


async def stories(database: Database, head: Head, question: Question) -> AsyncIterator[Story]:
    """The calls that are asked for, oldest first, as the chain up to `head` and the tables say."""
    async for page in _pages(database, head.org, question):
        for story in await _told(database, head, page):
            yield story


async def newest(
    database: Database, org: str, question: Question, most: int
) -> tuple[list[Story], int]:
    """The last `most` of those calls, newest first, and how many more there are."""
    last: list[Row] = []
    count = 0
    async for page in _pages(database, org, question):
        count += len(page)
        last = [*last, *page][-most:]
    head = next((one for one in await evidence.heads(database) if one.org == org), None)
    told = await _told(database, head or Head(org, 0, ""), last)
    return told[::-1], count - len(told)


async def _pages(database: Database, org: str, question: Question) -> AsyncIterator[Sequence[Row]]:
    after = id_at(question.since - _LONGEST) if question.since else _FIRST
    until = id_at(question.before) if question.before else _LAST
    if question.call:
        async with database.statement() as tx:
            named = await tx.all("calls_named", org=org, call=question.call)
        for one in [row["id"] for row in named if after < row["id"] < until]:
            if page := await _page(database, org, question, *_around(one)):
                yield page
        return
    while True:
        page = await _page(database, org, question, after, until)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1]["id"]


async def _page(
    database: Database, org: str, question: Question, after: UUID, until: UUID
) -> Sequence[Row]:
    async with database.statement() as tx:
        return await tx.all(
            "story_calls", org=org, after=after, until=until, limit=_PAGE, **vars(question)
        )


def _around(one: UUID) -> tuple[UUID, UUID]:
    """Between these there is this id alone."""
    return UUID(int=one.int - 1), UUID(int=one.int + 1)


def id_at(moment: datetime) -> UUID:
    """Below every id that is made from that moment on, above those from before."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


async def _told(database: Database, head: Head, calls: Sequence[Row]) -> list[Story]:
    if not calls:
        return []
    ids = [row["id"] for row in calls]
    async with database.relaxed() as tx:
        rollbacks = await tx.all("story_rollbacks", calls=ids)
        ids += [row["id"] for row in rollbacks]
        votes = await tx.all("story_votes", calls=ids)
        rows = await tx.all("story_evidence", org=head.org, calls=ids, until=head.seq)
    votes_of, rows_of = _by_call(votes), _by_call(rows)
    told = {call["id"]: _story(call, votes_of[call["id"]], rows_of[call["id"]]) for call in calls}
    for back in rollbacks:
        one = told[back["rolls_back"]]
        told[one.id] = _with_rollback(one, back, votes_of[back["id"]], rows_of[back["id"]])
    return list(told.values())


def _with_rollback(one: Story, back: Row, votes: Sequence[Row], rows: Sequence[Row]) -> Story:
    differs = (f"{what} of its rollback" for what in _differing(back, votes, rows))
    return replace(
        one,
        rollback=back["summary"] or back["tool"],
        rollback_state=back["state"],
        rollback_why=back["error"] or "",
        evidence=tuple(sorted({*one.evidence, *(row["seq"] for row in rows)})),
        differs=(*one.differs, *differs),
    )


def _by_call(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["call_id"]].append(row)
    return found


def _story(call: Row, votes: Sequence[Row], rows: Sequence[Row]) -> Story:
    began = next((row for row in rows if row["kind"] == "executing"), None)
    deed: dict[str, Any] = {name: call[name] for name in _DEED} | (began["data"] if began else {})
    policy, verdict = call["policy"] or {}, call["verdict"] or {}
    asked_by = (call["contributors"] or [call["requester"]])[0]
    return Story(
        org=call["org"],
        id=call["id"],
        call=call["public_id"] or "",
        short_id=call["short_id"] or "",
        kind=call["kind"],
        summary=call["summary"] or "",
        channel=call["channel"],
        thread_ts=call["thread_ts"],
        run=call["run_id"],
        asked_by=asked_by,
        asked_at=call["wished_at"],
        proposed_at=call["created_at"],
        contributors=tuple(call["contributors"]),
        rule=policy.get("rule", ""),
        effect=policy.get("effect", ""),
        quorum=call["quorum"] or 0,
        votes=tuple(Vote(v["person"], v["vote"], v["at"], v["reason"]) for v in votes),
        not_counted=tuple(
            NotCounted(row["actor"], row["data"]["vote"], row["at"], row["data"]["why"])
            for row in rows
            if row["kind"] == "vote refused"
        ),
        tool=deed["tool"],
        arguments=deed["arguments"],
        target=deed["target"],
        risk=call["risk"],
        digest=deed["digest"] or "",
        acting=began["actor"] if began else call["acting"],
        state=call["state"],
        started_at=call["started_at"],
        ended_at=call["ended_at"],
        receipt=call["receipt"] or "",
        outcome=verdict.get("outcome", ""),
        verdict=verdict.get("reason", ""),
        error=call["error"] or "",
        edited_by=call["requester"] if call["requester"] != asked_by else "",
        withdrawn_by=call["withdrawn_by"] or "",
        superseded_by=call["superseded_by"] or "",
        superseded_short=call["superseded_short"] or "",
        replaced_by=call["replaced_by"] or "",
        undoes=call["undoes"] or "",
        unasked=call["unasked"],
        rolls_back=call["rolls_back"],
        rollback="",
        rollback_state="",
        rollback_why="",
        undone_by=call["undone_by"] or "",
        undone_short=call["undone_short"] or "",
        undone_by_itself=bool(call["undone_by_itself"]),
        undo_state=call["undo_state"] or "",
        undo_outcome=call["undo_outcome"] or "",
        undone_at=call["undone_at"],
        granted_on=call["granted_on"] or "",
        granted_by=call["granted_by"] or "",
        granted_at=call["granted_at"],
        grant_use=call["grant_use"] or 0,
        granted=Given.of(call["granted"]) if call["granted"] else None,
        evidence=tuple(row["seq"] for row in rows),
        differs=tuple(_differing(call, votes, rows)) if call["kind"] == "change" else (),
    )


def _differing(call: Row, votes: Sequence[Row], rows: Sequence[Row]) -> Iterable[str]:
    """What the tables say of a change otherwise than the chain."""
    proposed = [row for row in rows if row["kind"] == "proposed"]
    if not proposed:
        yield "proposed"
    begun = [row for row in rows if row["kind"] == "executing"]
    if (call["state"] in _RAN and call["started_at"] is not None) != bool(begun):
        yield "executing"
    for name in _DEED:
        if any(row["data"].get(name) != call[name] for row in (*proposed, *begun)):
            yield name
    if any(row["actor"] != call["acting"] for row in begun):
        yield "acting"
    cast = {(vote["person"], vote["vote"]) for vote in votes}
    if cast != {(row["actor"], row["kind"]) for row in rows if row["kind"] in _VOTES}:
        yield "votes"
    if bool(call["granted"]) != any(row["kind"] == "granted" for row in rows):
        yield "grant"
    judged = [row for row in rows if row["kind"] == "verified"]
    if call["verdict"] and [row["data"].get("outcome") for row in judged[-1:]] != [
        call["verdict"]["outcome"]
    ]:
        yield "verdict"


def _json(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case UUID():
            return str(value)
        case dict():
            return {key: _json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case _:
            return value


async def post_head(database: Database, org: str, channel: str, now: datetime) -> None:
    """Say in a channel where the audit ends, once a day (UTC) however often it is asked for:
    people's memories are where nobody can cut a chain.
    """
    head = next((one for one in await evidence.heads(database) if one.org == org), None)
    if head is None:
        return
    day = f"{now.astimezone(UTC):%Y-%m-%d}"
    data: dict[str, JsonValue] = {"code": "audit_head", "seq": head.seq, "hash": head.hash}
    async with database.durable_statement() as tx:
        where = Thread(org, channel, "")
        await say(tx, where, "announce", {**data, "day": day}, key=f"audit_head:{day}")

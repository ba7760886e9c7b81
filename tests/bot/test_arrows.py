"""The arrows of a change, at the rows: who commits while one waits for the run is seen by it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bot.core.ids import uuid7
from bot.guard import audit
from bot.store.database import STATEMENTS, Database, Row

_RUN = (
    "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, state, attempt)"
    " VALUES (%s, 'T', 'C', '1.1', 'turn', 'U1', '{U1}', 'working', 3)"
)
_CALL = (
    "INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id,"
    " kind, tool, arguments, target, risk, requester, contributors, acting, state, public_id,"
    " digest, quorum, preview, policy, policy_input, expires_at, start_by)"
    " VALUES (%s, 'T', 'C', '1.1', %s, 0, %s, 'a', 'change', 'k8s_scale', '{}', 't', 'write', 'U1',"
    " '{U1}', 'bot', %s, %s, 'd', 2, '{}', '{}', '{}', now() + interval '1 hour',"
    " now() + interval '2 min')"
)
_CARD = "INSERT INTO cards (org, call_id, channel, ts) VALUES ('T', %s, 'C', '1.2')"
_GRANT = (
    "INSERT INTO grants (id, org, channel, thread_ts, call_id, tool, target, arguments, vary,"
    " requester, contributors, acting, schema_hash, policy, provenance, warnings, approver, times,"
    " until) VALUES (%s, 'T', 'C', '1.1', %s, 'k8s_scale', 't', '{}', '{}', 'U1', '{U1}', 'bot',"
    " 'h', '{}', '{}', '[]', 'U2', 5, now() + interval '1 hour')"
)
_VOTE = (
    "INSERT INTO decisions (id, org, call_id, digest, person, vote)"
    " VALUES (gen_random_uuid(), 'T', %(call)s, 'd', 'U9', 'approve')"
)


@asynccontextmanager
async def connected(dsn: str, *, auto: bool = True) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=auto, row_factory=dict_row
    ) as connection:
        yield connection


async def waits_for_a_lock(dsn: str) -> None:
    """Wait until somebody waits for a lock of another."""
    async with connected(dsn) as looking:
        for _ in range(1_000):
            found = await looking.execute(
                b"SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                b" AND wait_event_type = 'Lock'"
            )
            if await found.fetchall():
                return
            await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


@dataclass(frozen=True)
class Made:
    """A run that works, its call, and the grant under which that was approved."""

    dsn: str
    run: UUID
    call: UUID
    grant: UUID
    first: UUID  # of the same run, done

    async def begin(self) -> Row | None:
        async with Database(self.dsn).open() as database, database.durable_statement() as tx:
            return await tx.one(
                "begin_call",
                call_id=self.call,
                run_id=self.run,
                digest="d",
                attempt=3,
                org="T",
                at=datetime.now(UTC),
                kind="executing",
                actor="bot",
                data={},
                until_prev="x",
            )

    async def approve(
        self, person: str, *voters: str, key: str = "", seen: tuple[str, ...] = ()
    ) -> Row | None:
        """The usual Approve, by one who has seen the votes of those and counts them with his."""
        row: dict[str, object] = {"id": uuid7(), "org": "T", "call_id": self.call, "digest": "d"}
        row |= {"key": key or f"click of {person}", "kind": "vote:approve", "run_id": self.run}
        row |= {"person": person, "reason": "", "salt": "", "voters": [person, *voters]}
        row |= {"seen": [person, *voters, *seen], "start_within": 60, "task": "resume"}
        row |= {"priority": 10, "lock": "T", "data": {}, "lane": 0, "patience": 1.0}
        row["at"] = at = datetime.now(UTC)
        for name in ("counts", "completes"):
            said = {"completes": name == "completes"}
            audited = audit.row(
                "T", "approve", person, said, run_id=self.run, call_id=self.call, at=at
            )
            row |= {name: audited["data"], f"{name}_until_prev": audited["until_prev"]}
        async with Database(self.dsn).open() as database, database.durable_statement() as tx:
            return await tx.one("take_approval", **row)


async def made(dsn: str, state: str) -> Made:
    first = uuid7()
    found = Made(dsn, uuid7(), uuid7(), uuid7(), first)
    async with connected(dsn) as setting:
        await setting.execute(
            b"INSERT INTO threads (org, channel, thread_ts, ours, next_seq)"
            b" VALUES ('T', 'C', '1.1', true, 1)"
        )
        await setting.execute(_RUN.encode(), (found.run,))
        for one, number, becomes in ((first, 0, "done"), (found.call, 1, state)):
            given = (one, found.run, number, becomes, f"call_{one}")
            await setting.execute(_CALL.encode(), given)
        await setting.execute(_GRANT.encode(), (found.grant, first))
        granted = b"UPDATE tool_calls SET grant_id = %s, grant_use = 1 WHERE id = %s"
        await setting.execute(granted, (found.grant, found.call))
    return found


@pytest.mark.parametrize(
    ("meanwhile", "ours", "begun"),
    [
        ("SELECT 1", True, True),
        ("UPDATE runs SET stopped_by = 'U9' WHERE id = %(run)s", True, False),
        ("UPDATE runs SET attempt = 4 WHERE id = %(run)s", False, False),
        ("UPDATE runs SET ended_at = now() WHERE id = %(run)s", False, False),
        ("UPDATE tool_calls SET state = 'superseded' WHERE id = %(call)s", True, False),
        ("UPDATE tool_calls SET state = 'executing' WHERE id = %(call)s", True, False),
        ("UPDATE tool_calls SET start_by = now() WHERE id = %(call)s", True, False),
        ("UPDATE tool_calls SET digest = 'e' WHERE id = %(call)s", True, False),
        ("UPDATE grants SET revoked_at = now() WHERE id = %(grant)s", True, False),
        ("UPDATE grants SET until = now() WHERE id = %(grant)s", True, False),
    ],
)
async def test_who_commits_while_a_deed_waits_for_its_run_is_seen(
    meanwhile: str, ours: bool, begun: bool, dsn: str
) -> None:
    it = await made(dsn, "approved")
    async with connected(dsn, auto=False) as other:
        await other.execute(b"SELECT FROM runs WHERE id = %s FOR UPDATE", (it.run,))
        beginning = asyncio.create_task(it.begin())
        await waits_for_a_lock(dsn)
        await other.execute(meanwhile.encode(), {"run": it.run, "call": it.call, "grant": it.grant})
        await other.commit()
        assert await beginning == {"ours": ours, "begun": begun}
        (count,) = await (await other.execute(b"SELECT count(*) AS rows FROM audit")).fetchall()
    assert count["rows"] == begun


async def test_of_many_who_begin_at_once_one_does(dsn: str) -> None:
    it = await made(dsn, "approved")
    found = await asyncio.gather(*(it.begin() for _ in range(5)))
    assert sorted(bool(row and row["begun"]) for row in found) == [False] * 4 + [True]


async def test_a_call_is_locked_before_its_grant(dsn: str) -> None:
    it = await made(dsn, "approved")
    async with connected(dsn, auto=False) as other, connected(dsn) as third:
        await other.execute(b"SELECT FROM tool_calls WHERE id = %s FOR UPDATE", (it.call,))
        beginning = asyncio.create_task(it.begin())
        await waits_for_a_lock(dsn)
        await third.execute(b"SELECT FROM grants WHERE id = %s FOR UPDATE NOWAIT", (it.grant,))
        await other.commit()
        assert await beginning == {"ours": True, "begun": True}


@pytest.mark.parametrize("state", ["proposed", "done"])
async def test_a_card_is_noted_and_drawn_anew_while_somebody_votes_on_it(
    dsn: str, state: str
) -> None:
    """Its row refers to the call, then the redraw to the run: neither waits for the vote."""
    it = await made(dsn, state)
    given: dict[str, object] = {"org": "T", "channel": "C", "thread_ts": "1.1", "lane": 0}
    given |= {"data": Jsonb({}), "run_id": it.run, "call_id": it.call, "patience": 1.0}
    vote: dict[str, object] = {"org": "T", "key": "k", "kind": "vote:deny", "actor": "U2"}
    vote |= {"run_id": it.run, "call_ids": [it.call]}
    async with connected(dsn, auto=False) as other, connected(dsn, auto=False) as voter:
        await other.execute(_CARD.encode(), (it.call,))
        async with asyncio.timeout(0.8):  # a deadlock is looked for after a second
            heard = await voter.execute(STATEMENTS["hear_vote"].encode(), vote)
            await other.execute(STATEMENTS["say_redraw"].encode(), given)
        assert [row["id"] for row in await heard.fetchall()] == [it.call]


async def test_of_a_message_whose_drawer_died_nothing_is_believed(dsn: str) -> None:
    """It shows two calls, and its redraw names one."""
    it = await made(dsn, "proposed")
    async with connected(dsn) as other:
        for call in (it.call, it.first):
            await other.execute(_CARD.encode(), (call,))
        await other.execute(b"UPDATE cards SET drawn = 'true'")
        await other.execute(
            b"INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, call_id, state,"
            b" claimed_at, claimed_by) VALUES ('T', 'C', '1.1', 'redraw', '{}', 0, %s, 'sending',"
            b" now() - interval '1 hour', 7)",
            (it.call,),
        )
        given = {"seconds": 60, "orphans": [], "late": 10.0}
        await other.execute(STATEMENTS["abandoned_sayings"].encode(), given)
        found = await other.execute(b"SELECT drawn FROM cards WHERE late_until > now()")
        assert [row["drawn"] for row in await found.fetchall()] == ["", ""]


async def test_a_quorum_is_of_people_who_count_and_of_each_once(dsn: str) -> None:
    it = await made(dsn, "proposed")

    async def vote(key: str, person: str, *voters: str) -> dict[str, Any] | None:
        async with connected(dsn, auto=False) as one:
            event = {"org": "T", "key": key, "kind": "vote:approve", "actor": person}
            given = {**event, "run_id": it.run, "call_ids": [it.call]}
            heard = await one.execute(STATEMENTS["hear_vote"].encode(), given)
            if not await heard.fetchall():
                return None
            row = {"id": uuid7(), "org": "T", "call_id": it.call, "digest": "d", "person": person}
            row |= {"reason": "", "salt": "", "voters": list(voters), "start_within": 60}
            row |= {"task": "resume", "priority": 10, "lock": "T", "data": Jsonb({}), "lane": 0}
            row |= {"patience": 1.0, "goes_on": True}
            cast = await one.execute(STATEMENTS["cast_approval"].encode(), row)
            found = await cast.fetchone()
            await one.commit()
            return found

    again = [vote(f"k{number}", "U2", "U2") for number in range(4)]
    found = [one for one in await asyncio.gather(*again) if one]
    assert sum(one["stored"] for one in found) == 1
    assert not any(one["completes"] for one in found)
    assert await vote("k1", "U2", "U2") is None  # Slack repeats itself
    open_still = {"stored": True, "completes": False, "woken": False}
    assert await vote("k5", "U3", "U2") == open_still  # he does not count
    complete = {"stored": True, "completes": True, "woken": True}
    assert await vote("k6", "U4", "U4", "U2") == complete


async def test_of_many_who_approve_at_once_each_counts_once_and_knows_the_others(dsn: str) -> None:
    it = await made(dsn, "proposed")

    async def until_counted(person: str) -> Row:
        seen: list[str] = []
        for _ in range(20):
            row = await it.approve(person, *seen)
            assert row is not None
            if row["state"] != "proposed" or not {*row["approved_by"]} - {person, *seen}:
                return row
            seen = [one for one in row["approved_by"] if one != person]
        raise AssertionError(f"{person} always finds another who voted")

    found = await asyncio.gather(*(until_counted(f"U{number}") for number in range(2, 8)))
    assert sorted(one["stored"] for one in found) == [False] * 4 + [True] * 2
    assert sorted(one["completes"] for one in found) == [False] * 5 + [True]
    assert sorted(one["state"] for one in found) == ["approved"] * 4 + ["proposed"] * 2
    again = [one for one in found if one["state"] == "proposed"]
    assert sum(one["woken"] for one in again) == 1
    async with connected(dsn) as reading:
        rows = await (await reading.execute(b"SELECT * FROM audit ORDER BY seq")).fetchall()
        count = await (await reading.execute(b"SELECT count(*) AS n FROM events")).fetchone()
    assert audit.broken_at(rows) is None
    assert [row["data"]["completes"] for row in rows] == [False, True]
    assert count == {"n": 6}  # those who were too late were heard, those who looked again once


async def test_an_approve_that_is_repeated_or_of_who_voted_says_nothing_new(dsn: str) -> None:
    it = await made(dsn, "proposed")
    first = await it.approve("U2", key="click")
    assert first is not None
    assert first["stored"]
    assert await it.approve("U2", key="click") is None
    second = await it.approve("U2", key="another click")
    assert second is not None
    assert (second["stored"], second["completes"], second["woken"]) == (False, False, False)
    async with connected(dsn) as reading:
        rows = await (await reading.execute(b"SELECT kind FROM audit")).fetchall()
        drawn = await (await reading.execute(b"SELECT kind FROM outbox")).fetchall()
    assert [row["kind"] for row in rows] == ["approve"]
    assert [row["kind"] for row in drawn] == ["redraw"]


@pytest.mark.parametrize(
    ("meanwhile", "heard"),
    [
        ("UPDATE tool_calls SET state = 'superseded' WHERE id = %(call)s", True),
        ("UPDATE tool_calls SET state = 'denied' WHERE id = %(call)s", True),
        ("UPDATE tool_calls SET digest = 'e' WHERE id = %(call)s", True),
        ("UPDATE tool_calls SET expires_at = now() WHERE id = %(call)s", True),
        # whoever votes looks again, with the same click
        (_VOTE, False),
    ],
)
async def test_what_commits_while_an_approve_waits_is_judged_with_it(
    meanwhile: str, heard: bool, dsn: str
) -> None:
    it = await made(dsn, "proposed")
    async with connected(dsn, auto=False) as other:
        await other.execute(b"SELECT FROM runs WHERE id = %s FOR UPDATE", (it.run,))
        voting = asyncio.create_task(it.approve("U2", key="click"))
        await waits_for_a_lock(dsn)
        await other.execute(meanwhile.encode(), {"call": it.call})
        await other.commit()
        row = await voting
        assert row is not None
        assert (row["stored"], row["completes"], row["woken"]) == (False, False, False)
        mine = await (await other.execute(b"SELECT FROM decisions WHERE person = 'U2'")).fetchall()
        rows = await (await other.execute(b"SELECT key FROM events")).fetchall()
        audited = await (await other.execute(b"SELECT FROM audit")).fetchall()
    assert (mine, audited) == ([], [])
    assert [one["key"] for one in rows] == ["click"] * heard

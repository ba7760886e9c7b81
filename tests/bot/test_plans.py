"""Every named statement on a full database: what it reads does not grow with what there is."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import Diagnostic

from bot.core.ids import uuid7
from bot.store.database import STATEMENTS, _adapt
from tests.bot.full_database import CHANNEL, RUNS, THREAD_TS, fill

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

MOST = 400
"""Pages of 8 kB that one statement may touch: what it writes and its indexes are among them."""

_OFTEN = 7  # a server makes a plan for each of the first five times, and then chooses

# What reads more, and why it may.
LARGE = {
    "audit_chosen": "`countersign audit export` of one kind or person: all of the chain",
    "audit_beyond": "`countersign audit verify`: all of the chain",
    "audit_knows_actor": "`countersign audit export` of a name that nobody may have",
    "audit_rows": "all of the chain, in tests",
    "audit_rows_with_words": "`countersign forget`",
    "drop_artifacts": "the hourly sweep, so many rows at once",
    "redraw_open": "`countersign redraw`: each card that waits, of which there are 2,000",
    "due_reminders": "each card that waits, of which there are 2,000",
    "growth_of_tables": "every table's size, from the catalogue",
    "runs_with_words": "the hourly sweep, 200 runs at once",
    "sayings_waiting_of": "`countersign forget`",
    "stored_inputs": "`countersign policy test --replay`: the newest changes, sorted",
    "story_calls": "a page of what was done: 200 calls, each with its run",
    "threads_listened_to": "once after an outage longer than Slack's retries",
    "used_since": "what models took today, where that is limited: all calls of the day",
}

_MADE = datetime(2026, 1, 1, tzinfo=UTC)


def an_id(number: int, kind: int = 0) -> UUID:
    """As `full_database` makes them: of a run, or with 1 of a call."""
    made = int((_MADE + timedelta(minutes=number)).timestamp() * 1000)
    return UUID(f"{made:012x}7000800{kind}{number:012x}")


RUN, CALL = an_id(7), an_id(7, 1)
PLACE = {"org": "T1", "channel": CHANNEL, "thread_ts": THREAD_TS}
GIVEN: Mapping[str, object] = {
    **PLACE,
    "id": CALL,
    "call_id": CALL,
    "run_id": RUN,
    "by_run": RUN,
    "ids": [CALL],
    "runs": [RUN],
    "calls": [CALL],
    "call_ids": [CALL],
    "threads": [str(RUN)],
    "states": ["proposed"],
    "shown_with": CALL,
    "limit": 200,
    "most": 500,
    "reads": 20,
    "read_at": _MADE,
    "waits": True,
    "late": 10,
    "after": 0,
    "to": 50,
    "heard": 0,
    "heard_seq": 0,
    "first": an_id(RUNS - 500),
    "attempt": 1,
    "reply": 0,
    "ordinal": 0,
    "public_id": "call_8",
    "short_id": "S8",
    "call": "S8",
    "key": "C7:1",
    "ts": "1.1",
    "view_id": "V1",
    "prefix": str(RUN)[:8],
    "person": "U7",
    "author": "U7",
    "actor": "U7",
    "requester": "U7",
    "contributors": ["U7"],
    "began": [""],
    "voters": ["U7"],
    "goes_on": True,
    "not_of": "U7",
    "acting": None,
    "before": _MADE,
    "since": _MADE + timedelta(minutes=RUNS - 500),
    "until": an_id(RUNS),
    "apart": False,
    "arguments": {"name": "web"},
    "varying": ["replicas"],
    "artifact": None,
    "at": _MADE,
    "data": {},
    "fed_data": {},
    "body": {"content": "x"},
    "messages": {"all": [{"role": "tool", "content": "x"}]},
    "removed": {"content": "(removed)"},
    "verdict": {},
    "receipt": {},
    "preview": {},
    "policy": {},
    "policy_input": {},
    "provenance": {},
    "seen": {"warnings": []},
    "vary": {},
    "wish": None,
    "busy": ["C9"],
    "edits": True,
    "cut": [],
    "orphans": [],
    "depends_on": None,
    "rolls_back": None,
    "undoes": None,
    "superseded_by": CALL,
    "old": CALL,
    "new": CALL,
    "next": RUN,
    "grant_id": CALL,
    "number": 1,
    "version": 1,
    "times": 1,
    "quorum": 1,
    "cost": None,
    "instead_of": None,
    "started_at": _MADE,
    "now": False,
    "ours": True,
    "more": True,
    "fold": "",
    "kind": "turn",
    "role": "user",
    "state": "done",
    "vote": "approve",
    "risk": "read",
    "tool": "k8s_get",
    "event": "message",
    **dict.fromkeys(("lane", "fold_lane", "priority", "milliseconds", "sockets", "tries"), 0),
    **dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens"), 0),
    **dict.fromkeys(
        ("seconds", "rest", "patience", "gone", "lifetime", "start_within", "within"), 60.0
    ),
    **dict.fromkeys(("worked",), 0.1),
    **dict.fromkeys(("sender", "process"), 1),
}
"""What statements are asked, by the name of each argument; what is not here is a word."""

OTHERWISE: Mapping[str, Mapping[str, object]] = {
    "append_audit": {"kind": "read"},
    "insert_card": {"ts": "2.2"},
    "insert_artifact": {"id": uuid7()},
    "insert_change": {
        "id": uuid7(),
        "state": "proposed",
        "short_id": "NEW",
        "public_id": "new",
        "acting": "bot",
        "reply": 7,
    },
    "put_checkpoint": {"thread_id": str(RUN), "checkpoint": "{}", "metadata": "{}"},
    "put_write": {"thread_id": str(RUN), "idx": 0, "blob": b"", "again": True},
    "insert_decision": {"id": uuid7()},
    "cast_approval": {"id": uuid7(), "person": "U8"},
    "take_approval": {
        "id": uuid7(),
        "person": "U8",
        "key": "C7:approval",
        "seen": ["U7", "U8"],
        "counts": {},
        "completes": {},
    },
    "begin_call": {"kind": "executing"},
    "hear_vote": {"key": "C7:vote"},
    "doubt_drawn": {"retried": False},
    "rescue_job": {"id": 7, "worker": 1, "died": True, "late": 10.0},
    "insert_grant": {"id": uuid7(), "call_id": uuid7()},  # of no call: none is inserted
    "note_grant": {"id": uuid7()},
    "insert_next_run": {"id": uuid7()},
    "insert_read": {"id": uuid7(), "acting": "bot", "contributors": ["U7"]},
    "note_model_call": {"id": uuid7()},
    "take_request": {"id": uuid7(), "key": "C7:new"},
    **{
        name: {"id": RUN}
        for name in (
            "run",
            "lock_run",
            "claim_run",
            "leave_run",
            "listen",
            "note_heard",
            "stopped_run",
            "add_contributor",
        )
    },
    **{
        name: {"id": RUN}
        for name in ("rest_run", "close_run", "intend_progress", "note_progress", "stop_run")
    },
    **{key: {"id": 7} for key in ("said", "say_later", "unsayable")},
    "mark_swept": {"ids": [RUN]},
    "story_calls": {
        "after": an_id(RUNS - 1000),
        "reads": True,
        "since": None,
        "before": None,
        "person": "",
        "channel": "",
    },
    **{key: {"after": RUN} for key in ("runs_with_words", "forget_reasons_of")},
    "asked_again": {"id": str(CALL)},
    "forget_asking": {"id": str(CALL)},
    "note_call_progress": {"line": "3 of 3"},
    "runs_to_sweep": {"after": 5.0},
    "unsettled_progress": {"since": an_id(RUNS - 500)},
    "settle_progress": {"id": RUN},
    "audit_page": {"until": 10_000},
    "audit_chosen": {"until": 10_000},
    "story_evidence": {"until": RUNS * 2},
    "drop_artifacts": {"until": an_id(50)},
}


def arguments(name: str) -> dict[str, object]:
    """What one statement is asked."""
    wanted = set(re.findall(r"%\((\w+)\)s", STATEMENTS[name]))
    given = {one: GIVEN.get(one, "a word") for one in wanted}
    return {
        one: _adapt(value)
        for one, value in (given | dict(OTHERWISE.get(name, {}))).items()
        if one in wanted
    }


class Watched:
    """A connection whose server says of each statement what it did for it."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._plans: list[dict[str, Any]] = []
        connection.add_notice_handler(self._hear)

    def _hear(self, said: Diagnostic) -> None:
        text = said.message_primary or ""
        if "plan:" in text:
            self._plans.append(json.loads(text[text.index("{") :])["Plan"])

    async def pages(self, name: str) -> tuple[int, str]:
        """How many pages one statement touches, and the plan: that which the server keeps for it
        once it has been asked often enough. Nothing of it stays.
        """
        for _ in range(1 if name in LARGE else _OFTEN):
            async with self._connection.transaction(force_rollback=True):
                self._plans.clear()
                await self._connection.execute(
                    STATEMENTS[name].encode(), arguments(name), prepare=True
                )
        plan = self._plans[-1]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], json.dumps(plan)


@pytest.fixture
async def watched(dsn: str) -> AsyncIterator[Watched]:
    await fill(dsn)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            b"LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;"
            b" SET auto_explain.log_analyze = on; SET auto_explain.log_buffers = on;"
            b" SET auto_explain.log_timing = off; SET auto_explain.log_format = 'json';"
            b" SET auto_explain.log_level = 'notice'",
            prepare=False,
        )
        yield Watched(connection)


async def test_no_statement_reads_more_because_there_is_more(watched: Watched) -> None:
    found: dict[str, tuple[int, str]] = {}
    for name in STATEMENTS:
        try:
            found[name] = await watched.pages(name)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            pytest.fail(f"{name}: say in GIVEN or OTHERWISE what it is asked. {error}")
    large = {name: it for name, it in found.items() if it[0] > MOST and name not in LARGE}
    said = [f"{name}: {pages} pages\n{plan[:2000]}" for name, (pages, plan) in large.items()]
    assert not large, "\n\n".join(said)
    assert {*LARGE} <= {*STATEMENTS}

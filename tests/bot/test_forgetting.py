"""Words that go, with a person's wish or with time; and what stays, on a real database."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import yaml

from bot.commands import forget as command
from bot.commands import parser
from bot.core.errors import BadSettings
from bot.core.ids import uuid7
from bot.guard import audit, evidence, forgetting
from bot.guard.chronicle import id_at, post_head
from bot.guard.forgetting import Bounds, Keeping, Retention, StillOpen, Wanted
from bot.settings import read
from bot.store.database import Database, Row

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = """
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, wish, created_at, ended_at, state)
VALUES ('{id}', 'T1', 'C1', '1.0', 'turn', '{who}', '{{{who}}}', '{{"tool": "k8s_get"}}', '{at}', {ended},
        '{state}');
INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, body) VALUES
  ('T1', 'C1', '1.0', {n} * 10, '{id}', 'user', '{who}', '{{"content": "his words"}}'),
  ('T1', 'C1', '1.0', {n} * 10 + 1, '{id}', 'user', 'U9', '{{"content": "words of another"}}'),
  ('T1', 'C1', '1.0', {n} * 10 + 2, '{id}', 'assistant', '', '{{"content": "an answer"}}');
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool,
                        arguments, target, risk, requester, contributors, acting, state, result, artifact)
VALUES ('{call}', 'T1', 'C1', '1.0', '{id}', 0, 0, 'a', 'read', 'k8s_get', '{{"name": "web"}}', 'demo/web',
        'read', '{who}', '{{{who}}}', 'bot', 'done', 'what was found', '{call}');
INSERT INTO artifacts (id, org, channel, thread_ts, run_id, title, content)
VALUES ('{artifact}', 'T1', 'C1', '1.0', '{id}', 'k8s_get demo/web', 'all that was found');
INSERT INTO decisions (id, org, call_id, digest, person, vote, reason, at)
VALUES ('{call}', 'T1', '{call}', 'd', 'U7', 'deny', 'why not', '{at}');
"""  # noqa: E501 -- as a table
THREAD = """
INSERT INTO threads (org, channel, thread_ts, ours, summary, summarised_to)
VALUES ('T1', 'C1', '1.0', true, 'what was said', 12);
"""


def made_at(moment: datetime) -> UUID:
    """An id as it was made then."""
    return UUID(int=id_at(moment).int | uuid7().int & (1 << 80) - 1)


async def write(database: Database, statements: str) -> None:
    async with database.transaction() as tx:
        for statement in statements.split(";\n"):
            if statement.strip():
                await tx.connection.execute(statement.encode())


async def lived(
    database: Database, number: int, who: str, at: datetime, *, ended: bool = True
) -> UUID:
    """A run of somebody, into which U9 spoke as well."""
    run = made_at(at)
    given: Mapping[str, object] = {
        "id": run,
        "who": who,
        "n": number,
        "at": at.isoformat(),
        "ended": f"'{at.isoformat()}'" if ended else "NULL",
        "state": "done" if ended else "working",
        "call": made_at(at),
        "artifact": made_at(at),
    }
    await write(database, RUN.format(**given))
    async with database.transaction() as tx:
        audit.append(tx, "T1", "request", who, {"kind": "turn"}, run_id=run)
    return run


async def rows(database: Database, query: str) -> list[Row]:
    async with database.transaction() as tx:
        return await (await tx.connection.execute(query.encode())).fetchall()


async def said(database: Database, run: UUID) -> list[str]:
    """What the messages of a run say."""
    query = f"SELECT body->>'content' AS said FROM messages WHERE run_id = '{run}' ORDER BY seq"  # noqa: S608
    return [row["said"] for row in await rows(database, query)]


@pytest.fixture
async def three(database: Database) -> tuple[UUID, UUID, UUID]:
    """Two runs of U1, one long ago, and one of U2."""
    await write(database, THREAD)
    old = await lived(database, 1, "U1", NOW - timedelta(days=40))
    new = await lived(database, 2, "U1", NOW - timedelta(days=1))
    other = await lived(database, 3, "U2", NOW - timedelta(days=1))
    return old, new, other


async def whole(database: Database) -> bool:
    [head] = await evidence.heads(database)
    return (await evidence.check(database, head)).broken_at is None


async def test_what_somebody_said_goes_and_what_others_said_stays(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    old, new, other = three
    removed = await forgetting.forget(database, "T1", Wanted("U1"))
    counts = ("runs", "messages", "answers", "results", "wishes", "artifacts", "summaries")
    assert [removed.counts[name] for name in counts] == [2, 2, 2, 2, 2, 2, 1]
    for run in (old, new):
        assert await said(database, run) == ["(removed)", "words of another"]
    assert await said(database, other) == ["his words", "words of another", "an answer"]
    [thread] = await rows(database, "SELECT summary, summarised_to FROM threads")
    assert (thread["summary"], thread["summarised_to"]) == (None, 0)
    kept = await rows(database, "SELECT arguments, target, result FROM tool_calls ORDER BY id")
    assert all(row["arguments"] == {"name": "web"} for row in kept)
    assert [row["result"] for row in kept].count(None) == 2
    again = await forgetting.forget(database, "T1", Wanted("U1"))
    assert not +again.counts, "nothing is left"
    assert await whole(database)


async def test_words_in_the_runs_of_others_go_and_their_answers_stay(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    removed = await forgetting.forget(database, "T1", Wanted("U9"))
    assert (removed.counts["messages"], removed.counts["answers"]) == (3, 0)
    for run in three:
        assert await said(database, run) == ["his words", "(removed)", "an answer"]
    reasons = await forgetting.forget(database, "T1", Wanted("U7"))
    assert reasons.counts["reasons"] == 3


async def test_only_what_began_before_a_day_goes(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    before = NOW - timedelta(days=10)
    removed = await forgetting.forget(database, "T1", Wanted("U1", before))
    assert removed.counts["messages"] == 1
    assert (await said(database, three[0]))[0] == "(removed)"
    assert (await said(database, three[1]))[0] == "his words"
    [row] = await rows(database, "SELECT data FROM audit WHERE kind = 'forgotten'")
    assert row["data"]["before"] == before.isoformat()
    assert row["data"]["removed"]["messages"] == 1


async def test_a_rehearsal_counts_and_changes_nothing(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    removed = await forgetting.forget(database, "T1", Wanted("U1", rehearse=True))
    assert removed.counts["messages"] == 2
    assert (await said(database, three[0]))[0] == "his words"
    assert await rows(database, "SELECT 1 FROM audit WHERE kind = 'forgotten'") == []


MANY = """
WITH run AS (
    INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, ended_at, state, swept)
    SELECT unnest(%(ids)s::uuid[]), 'T1', 'C1', '1.0', 'turn', 'U1', '{U1}', now(), 'done', true RETURNING id)
INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, body)
SELECT 'T1', 'C1', '1.0', row_number() OVER (), id, 'user', 'U1', '{"content": "his words"}' FROM run
"""  # noqa: E501 -- as a table
BREAKS = """
CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE 'the power fails'; END $$;
CREATE TRIGGER breaks BEFORE UPDATE ON messages FOR EACH ROW
  WHEN (OLD.run_id = '{last}') EXECUTE FUNCTION breaks()
"""


async def test_what_breaks_off_between_batches_goes_on_where_it_was(database: Database) -> None:
    await write(database, THREAD)
    ids = sorted(made_at(NOW - timedelta(days=1)) for _ in range(201))  # one more than a batch
    async with database.transaction() as tx:
        await tx.connection.execute(MANY.encode(), {"ids": ids})
    await write(database, BREAKS.format(last=ids[-1]))
    with pytest.raises(psycopg.errors.RaiseException):
        await forgetting.forget(database, "T1", Wanted("U1"))
    left = "SELECT run_id FROM messages WHERE body->>'content' = 'his words'"
    assert [row["run_id"] for row in await rows(database, left)] == [ids[-1]]
    kinds = "SELECT kind, data->'removed'->'runs' AS runs FROM audit ORDER BY seq"
    assert [row["kind"] for row in await rows(database, kinds)] == ["forgetting"]
    await write(database, "DROP TRIGGER breaks ON messages")
    removed = await forgetting.forget(database, "T1", Wanted("U1"))
    assert removed.counts["runs"] == 1, "only what was left"
    assert await rows(database, left) == []
    told = [tuple(row.values()) for row in await rows(database, kinds)]
    assert told == [("forgetting", None), ("forgetting", None), ("forgotten", 1)]
    assert await whole(database)


async def test_while_a_run_is_open_nothing_goes_unless_it_is_left_out(
    database: Database, three: tuple[UUID, UUID, UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    going = await lived(database, 4, "U1", NOW, ended=False)
    with pytest.raises(StillOpen) as still:
        await forgetting.forget(database, "T1", Wanted("U1"))
    assert [run.id for run in still.value.runs] == [going]
    assert (await said(database, three[0]))[0] == "his words"

    asked = parser(["forget"]).parse_args(["forget", "U99"])
    assert await command.run(asked, database.dsn) == 0, "of somebody else nothing is open"
    assert "nothing, none is left" in capsys.readouterr().out

    removed = await forgetting.forget(database, "T1", Wanted("U1", force=True))
    assert [run.id for run in removed.left] == [going]
    assert (await said(database, three[0]))[0] == "(removed)"
    assert await said(database, going) == ["his words", "words of another", "an answer"]
    [row] = await rows(
        database,
        "SELECT data FROM audit WHERE kind = 'forgotten' AND org = 'T1' ORDER BY seq DESC LIMIT 1",
    )
    assert row["data"]["left_open"] == [str(going)]


async def test_what_an_open_run_is_the_command_line_says(
    database: Database, three: tuple[UUID, UUID, UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    going = await lived(database, 4, "U123", NOW, ended=False)
    asked = parser(["forget"]).parse_args(["forget", "U123"])
    assert await command.run(asked, database.dsn) == 1
    err = capsys.readouterr().err
    assert f"Still open: run {going} (working) since 2026-11-25 12:00:00 UTC" in err
    assert "Nothing was removed" in err
    asked = parser(["forget"]).parse_args(["forget", "U123", "--dry-run"])
    assert await command.run(asked, database.dsn) == 0
    out, err = capsys.readouterr()
    assert "would remove of U123: nothing, none is left" in out
    assert f"Still open: run {going}" in err
    assert "nothing is removed without --force" in err
    with pytest.raises(SystemExit):
        parser(["forget"]).parse_args(["forget", "dave"])
    assert "names are not ids" in capsys.readouterr().err


async def test_what_is_still_to_be_said_is_told(
    database: Database, three: tuple[UUID, UUID, UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    saying = (
        "INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, state)"
        " VALUES ('T1', 'C1', '1.0', 'answer', '{{}}', 1, '{}', '{}')"
    )
    await write(database, saying.format(three[0], "pending"))
    await write(database, saying.format(three[1], "sent"))
    await write(database, saying.format(three[2], "sent"))
    removed = await forgetting.forget(database, "T1", Wanted("U1"))
    assert (removed.waiting, removed.counts["sayings"]) == (1, 1)
    command._tell(removed, Wanted("U1"))
    assert "still to be said to U1: 1 message" in capsys.readouterr().out
    assert len(await rows(database, "SELECT 1 FROM outbox")) == 2


async def test_audit_rows_that_hold_words_from_before_are_told(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    async with database.transaction() as tx:
        audit.append(tx, "T1", "request", "U1", {"text": "his words"})
        audit.append(tx, "T1", "deny", "U1", {"reason": "why not"})
    assert (await forgetting.forget(database, "T1", Wanted("U1"))).audited == 2
    assert await whole(database)


async def test_words_go_when_they_are_old(
    database: Database, three: tuple[UUID, UUID, UUID]
) -> None:
    old, new, other = three
    events = "INSERT INTO events (org, key, kind, received_at) VALUES ('T1', '{}', 'message', '{}')"
    await write(database, events.format("a", NOW - timedelta(days=3)))
    await write(database, events.format("b", NOW - timedelta(days=1)))
    sweeper = Retention(database, "T1", Keeping(messages=39, artifacts=30, events=2))
    gone = await sweeper.sweep(NOW)
    assert (gone["events"], gone["artifacts"]) == (1, 1)
    assert (gone["runs"], gone["messages"], gone["answers"], gone["reasons"]) == (1, 2, 1, 1)
    assert await said(database, old) == ["(removed)", "(removed)"]
    assert (await said(database, new))[0] == "his words"
    assert await sweeper.sweep(NOW) == {}, "nothing is left to do"
    gone = await sweeper.sweep(NOW + timedelta(days=100))
    assert (gone["runs"], gone["artifacts"]) == (2, 2)
    assert await said(database, other) == ["(removed)", "(removed)"]
    assert await whole(database)
    forever = Retention(database, "T1", Keeping(None, None, None))
    await lived(database, 5, "U1", NOW - timedelta(days=4000))
    assert await forever.sweep(NOW) == {}


async def test_a_sweep_goes_on_where_the_last_one_ended(database: Database) -> None:
    await write(database, THREAD)
    for number in range(1, 6):
        await lived(database, number, "U1", NOW - timedelta(days=50 - number))
    bounds = Bounds(runs=2, batches=1)
    sweeper = Retention(database, "T1", Keeping(messages=1, artifacts=None), bounds)
    swept = [(await sweeper.sweep(NOW))["runs"] for _ in range(4)]
    assert swept == [2, 2, 1, 0]


async def test_the_head_is_said_once_a_day(database: Database) -> None:
    await post_head(database, "T1", "C2", NOW)
    assert await rows(database, "SELECT 1 FROM outbox") == [], "there is none yet"
    async with database.transaction() as tx:
        audit.append(tx, "T1", "request", "U1", {})
    for moment in (NOW, NOW + timedelta(hours=11), NOW + timedelta(hours=13)):
        await post_head(database, "T1", "C2", moment)
    found = await rows(database, "SELECT channel, thread_ts, key, data FROM outbox ORDER BY id")
    assert [(row["channel"], row["key"]) for row in found] == [
        ("C2", "audit_head:2026-11-25"),
        ("C2", "audit_head:2026-11-26"),
    ]
    [head] = await evidence.heads(database)
    assert found[0]["data"]["hash"] == head.hash


GIVEN = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "DATABASE_URL": "postgresql://u@h/d",
}


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ({"retention": {"messages_days": "long"}}, "a number of days or `forever` is expected"),
        ({"retention": {"artifacts_days": 0}}, "a number of days or `forever` is expected"),
        ({"retention": {"events_days": 1}}, "at least 2 are expected"),
        ({"retention": {"audit_days": 30}}, "only `forever` is possible"),
        ({"approvals": {"post_audit_head": True}}, "post_audit_head needs a channel"),
    ],
)
def test_settings_of_it_are_refused_in_one_sentence(
    tmp_path: Path, said: dict[str, object], mistake: str
) -> None:
    file = tmp_path / "countersign.yaml"
    file.write_text(yaml.safe_dump(said))
    with pytest.raises(BadSettings) as refused:
        read({**GIVEN, "COUNTERSIGN_CONFIG": str(file)})
    [only] = refused.value.mistakes
    assert mistake in only


def test_words_may_be_kept_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "countersign.yaml"
    file.write_text("retention: {messages_days: forever, audit_days: forever}\n")
    kept = read({**GIVEN, "COUNTERSIGN_CONFIG": str(file)}).file.retention
    assert (kept.messages_days, kept.artifacts_days, kept.events_days) == (None, 30, 2)

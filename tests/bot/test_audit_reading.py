"""`countersign audit`: a whole chain is whole, a broken one is not, and rows are found."""

import argparse
import csv
import json
import re
import stat
from pathlib import Path

import pytest

from bot.commands import audit as auditing
from bot.core.errors import BadSettings
from bot.core.ids import uuid7
from bot.guard import audit
from bot.store.database import Database

CALL = uuid7()


@pytest.fixture
async def written(database: Database) -> Database:
    """Two workspaces: five rows in one, a single one in the other."""
    rows: list[tuple[audit.Kind, str]] = [
        ("request", "U1"),
        ("proposed", "U1"),
        ("approve", "U2"),
        ("executing", "bot"),
        ("done", "bot"),
    ]
    for number, (kind, actor) in enumerate(rows):
        async with database.transaction() as tx:
            audit.append(
                tx,
                "T1",
                kind,
                actor,
                {"n": number, "said": "=1+1"},
                call_id=CALL if number else None,
            )
    async with database.transaction() as tx:
        audit.append(tx, "T2", "request", "U9", {})
    return database


def asked(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    auditing.add(top.add_subparsers(), "")
    return top.parse_args(["audit", *words])


async def tamper(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(statement.encode())


async def test_a_whole_chain_is_said_to_be_whole(
    written: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await auditing.run(asked("verify"), written.dsn) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("T1: whole, 5 rows, head ")
    assert second.startswith("T2: whole, 1 row, head ")
    head = first.rpartition(" ")[2]
    assert await auditing.run(asked("verify", "--head", head), written.dsn) == 0
    assert f"T1: {head} is row 5, of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE audit SET actor = 'U3' WHERE org = 'T1' AND seq = 3", 3),
        ("UPDATE audit SET data = '{}' WHERE org = 'T1' AND seq = 2", 2),
        ("DELETE FROM audit WHERE org = 'T1' AND seq = 4", 5),
        ("DELETE FROM audit WHERE org = 'T1' AND seq = 5", 5),
        ("UPDATE audit_head SET hash = 'f' WHERE org = 'T1'", 6),
    ],
)
async def test_what_was_changed_or_cut_shows(
    written: Database, capsys: pytest.CaptureFixture[str], statement: str, row: int
) -> None:
    await tamper(written, statement)
    assert await auditing.run(asked("verify"), written.dsn) == 1
    said = capsys.readouterr().out
    assert f"T1: broken at row {row} of 5" in said
    assert "T2: whole" in said


BACK_TO_3 = """
UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE org = 'T1' AND seq = 3)
 WHERE org = 'T1'
"""
ONE_MORE = """
INSERT INTO audit SELECT org, 6, at, kind, actor, run_id, call_id, data, hash, 'f'
  FROM audit WHERE org = 'T1' AND seq = 5
"""


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("DELETE FROM audit_head WHERE org = 'T1'", 1),
        (BACK_TO_3, 4),
        (ONE_MORE, 6),
    ],
)
async def test_rows_that_no_head_knows_of_show(
    written: Database, capsys: pytest.CaptureFixture[str], statement: str, row: int
) -> None:
    await tamper(written, statement)
    assert await auditing.run(asked("verify"), written.dsn) == 1
    said = capsys.readouterr().out
    assert f"T1: its head knows nothing of row {row}: " in said
    assert "T2: whole" in said


async def test_a_chain_that_was_cut_with_its_head_lacks_the_head_that_was_logged(
    written: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await auditing.run(asked("verify"), written.dsn)
    head = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]
    await tamper(written, "DELETE FROM audit WHERE org = 'T1' AND seq > 3")
    await tamper(
        written,
        "UPDATE audit_head h SET seq = 3,"
        " hash = (SELECT hash FROM audit WHERE org = 'T1' AND seq = 3)"
        " WHERE h.org = 'T1'",
    )
    assert await auditing.run(asked("verify"), written.dsn) == 0, "by itself it looks whole"
    assert await auditing.run(asked("verify", "--head", head), written.dsn) == 1
    assert f"{head} is in no chain" in capsys.readouterr().out


async def test_rows_are_exported_as_lines_and_as_a_table(
    written: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert await auditing.run(asked("export"), written.dsn) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["org"], row["seq"], row["kind"]) for row in rows[:2]] == [
        ("T1", 1, "request"),
        ("T1", 2, "proposed"),
    ]
    assert rows[1]["call_id"] == str(CALL)
    assert f"T1: 5 rows of 5, read up to head {rows[4]['hash']}" in err
    file = tmp_path / "audit.csv"
    assert (
        await auditing.run(asked("export", "--format", "csv", "--output", str(file)), written.dsn)
        == 0
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as opened:
        table = list(csv.DictReader(opened))
    assert [row["hash"] for row in table] == [row["hash"] for row in rows]
    assert json.loads(table[0]["data"]) == {"n": 0, "said": "=1+1"}


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        (["--kind", "approve"], [3]),
        (["--actor", "bot"], [4, 5]),
        (["--actor", "U0NOBODY"], []),
        (["--kind", "granted"], []),
        (["--since", "2000-01-01", "--until", "2000-12-31"], []),
        (["--since", "2000-01-01"], [1, 2, 3, 4, 5, 1]),
        (["--call", "nosuchcall"], []),
        (["--call", "K7QF"], [6]),
        (["--stories", "--call", "nosuchcall"], []),
    ],
)
async def test_rows_are_chosen(
    written: Database, capsys: pytest.CaptureFixture[str], words: list[str], seqs: list[int]
) -> None:
    if "K7QF" in words:
        async with written.transaction() as tx:
            audit.append(tx, "T1", "refused", "U1", {"short_id": "K7QF"})
    assert await auditing.run(asked("export", *words), written.dsn) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in out.splitlines()] == seqs
    assert bool(re.search("^No (rows|calls) match.$", err, re.MULTILINE)) == (not seqs)


async def test_bad_wishes_get_one_sentence(
    written: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        asked("export", "--since", "yesterday")
    assert "'yesterday' is no day such as 2026-11-25" in capsys.readouterr().err
    file = tmp_path / "rows"
    for words, why in (
        (["--channel", "C1"], "only --stories know the channel"),
        (["--stories", "--kind", "executing"], "read or change is expected"),
        (["--kind", "nonsense"], "there is no 'nonsense'. Known: allowed, approve, break glass,"),
        (["--actor", "bob"], "'bob' is no Slack user id such as U012AB3CD"),
    ):
        wish = asked("export", *words, "--output", str(file))
        assert await auditing.run(wish, written.dsn) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert why in err
        assert not file.exists()
    with pytest.raises(BadSettings, match="cannot be written"):
        await auditing.run(asked("export", "--output", str(tmp_path / "no" / "f")), written.dsn)


FORGED = """
INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true);
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors)
VALUES ('{id}', 'T1', 'C1', '1.0', 'turn', 'U1', '{{U1}}');
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind,
                        tool, arguments, target, risk, requester, contributors, acting, state,
                        public_id, digest, quorum, expires_at, started_at, ended_at)
VALUES ('{id}', 'T1', 'C1', '1.0', '{id}', 0, 0, 'a', 'change', 'k8s_scale', '{{}}', '=1+1',
        'write', 'U1', '{{U1}}', 'bot', 'done', 'p', 'd', 1, now(), now(), now());
"""


async def test_a_call_that_the_chain_does_not_know_differs_from_it(
    written: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await tamper(written, FORGED.format(id=uuid7()))
    file = tmp_path / "stories.csv"
    words = ("--stories", "--format", "csv", "--output", str(file))
    assert await auditing.run(asked("export", *words), written.dsn) == 1
    assert "1 of them differs from the audit's chain" in capsys.readouterr().err
    with file.open(newline="") as opened:
        [row] = csv.DictReader(opened)
    assert json.loads(row["differs"]) == ["proposed", "executing"]
    assert row["target"] == "'=1+1", "no formula for a spreadsheet"
    assert await auditing.run(asked("export", "--stories", "--kind", "read"), written.dsn) == 0

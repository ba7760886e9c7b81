"""The audit answers, in Slack and on the command line; and what somebody said can be forgotten
without a hole in it.
"""

import argparse
import csv
import json
import re
from pathlib import Path

import pytest

from bot.app import _regular
from bot.commands import audit as auditing
from bot.commands import forget as forgetting
from bot.commands import parser
from tests.standins.model import Json, Turn, last_tool_results, says, says_and_calls
from tests.world import World, shown, world

WISH = {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5}
WORDS = "xylophone"  # nothing but people's talk has it


def script(request: Json) -> Turn:
    """Propose it in the asker's words, then say what came of it."""
    results = last_tool_results(request)
    if not results:
        return says_and_calls(f"For the {WORDS} sale.", ("k8s_scale", WISH))
    return says(f"For the {WORDS} sale: {results[-1][:60]}")


def given(*words: str) -> argparse.Namespace:
    return parser(words[:1]).parse_args(words)


async def ask_audit(chat: World, who: str, text: str, pattern: str, where: str = "ops") -> str:
    """What somebody alone is told who asks behind the slash command."""
    await chat.slack.slash(who, where, "/ops", f"audit {text}".strip())
    return shown(await chat.told(who, pattern, where))


async def short_id(chat: World) -> str:
    rows = await chat.rows("SELECT short_id FROM tool_calls ORDER BY id DESC LIMIT 1")
    return str(rows[0]["short_id"])


async def tables_with(chat: World, word: str) -> set[str]:
    """Every table that has it anywhere."""
    names = await chat.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = set()
    for name in (row["tablename"] for row in names):
        look = f"SELECT 1 FROM {name} t WHERE t::text ILIKE %s LIMIT 1"  # noqa: S608 -- our tables
        if await chat.rows(look, f"%{word}%"):
            found.add(name)
    return found


async def exported(chat: World, capsys: pytest.CaptureFixture[str], *words: str) -> list[Json]:
    """The stories, which are what the chain says."""
    capsys.readouterr()
    assert await auditing.run(given("audit", "export", "--stories", *words), chat.dsn) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    return tmp_path / "countersign.yaml"


async def scaled_and_undone(chat: World) -> None:
    """Dave asked, Bob approved; Alice took it back, Bob approved that."""
    thread = await chat.ask(f"scale web, the {WORDS} sale begins", by="dave")
    await chat.press("Approve", await chat.card(thread), by="bob")
    await chat.reads(thread, f"{WORDS} sale: done and verified")
    await chat.quiet(thread)
    await chat.press("Undo", chat.cards(thread)[0], by="dave")
    await chat.press("Approve", await chat.card(thread, 2), by="bob")
    await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)
    await chat.quiet(thread)


async def denied(chat: World) -> None:
    thread = await chat.ask("scale web again", by="dave")
    await chat.card(thread)
    name = await short_id(chat)
    await chat.ask(f"deny {name} the {WORDS} is late", by="bob")
    await chat.reads(thread, f"{WORDS} sale: denied")
    await chat.quiet(thread)


async def test_the_audit_answers_and_outlives_the_words(
    dsn: str, tmp_path: Path, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world(dsn, tmp_path, script, running="not yet") as chat:
        auditor = chat.slack.user_id("ada")
        people = f"people:\n  auditor: [{auditor}]\n"
        configured.write_text(people)
        chat.extra = {"COUNTERSIGN_CONFIG": str(configured)}
        await chat.start()
        await scaled_and_undone(chat)
        await who_may_see_what(chat)
        await denied(chat)
        await the_stories_are_whole(chat, capsys, tmp_path)
        await the_words_go(chat, capsys)
        await chat.stop()
        posted = "approvals: {channel: C0GENERAL, post_audit_head: true}\n"
        configured.write_text(posted + people)
        await chat.start()
        await chat.slack.wait_for(
            lambda: any("audit on" in shown(m) for m in chat.slack.app_messages("general")), 10
        )
        await chat.stop()
        closed = f"  viewer: [{auditor}]\n  operator: [{auditor}]\n"
        configured.write_text(f"{configured.read_text()}{closed}")
        await chat.start()
        await chat.quiet("")
        await ask_audit(chat, "dave", "", "You may not look here")
        [head] = [m for m in chat.slack.app_messages("general") if "audit on" in shown(m)]
        [said] = await chat.rows("SELECT data FROM outbox WHERE key LIKE 'audit_head:%%'")
        assert said["data"]["hash"] in shown(head)
        # and in the log, at the start and every hour
        logged = [one for one in capsys.readouterr().out.splitlines() if "audit_head" in one]
        assert any(said["data"]["hash"] in one for one in logged)
        assert chat.parts is not None
        assert {name: seconds for name, seconds, _ in _regular(chat.parts)}["audit head"] == 3600
        checked = given("audit", "verify", "--head", said["data"]["hash"])
        assert await auditing.run(checked, chat.dsn) == 0


@pytest.mark.parametrize("wrong", ["abc", "g" * 64, "a" * 63, ""])
def test_what_is_no_hash_is_not_looked_for(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Or the chain would seem to have lost it."""
    with pytest.raises(SystemExit) as left:
        given("audit", "verify", "--head", wrong)
    assert left.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(f"{wrong!r} is no head's hash: that has 64 characters, 0 to 9 and a to f")


async def who_may_see_what(chat: World) -> None:
    """Members of the channel its calls, an auditor all, others none."""
    told = await ask_audit(chat, "dave", "", "Two changes on .* in this channel")
    dave, bob = chat.slack.user_id("dave"), chat.slack.user_id("bob")
    for part in (dave, bob, "approved by", "a change needs one", "ran as `bot`", "verified"):
        assert part in told, (part, told)
    assert re.search(rf"undone .* by `{await short_id(chat)}`", told)
    assert "takes an earlier change back" in told
    name = await short_id(chat)
    one = await ask_audit(chat, "dave", name, f"One change with the id `{name}`")
    assert "digest `" in one
    assert '"replicas": 3' in one
    await ask_audit(chat, "dave", f"<@{bob}|bob>", "Two changes with a part of .* in this channel")
    await ask_audit(chat, "dave", "me", "Two changes with a part of")
    await ask_audit(chat, "dave", "2026-02-30", "There is no day `2026-02-30`")
    await ask_audit(chat, "dave", "yesterday", "No change on .* in this channel")
    await ask_audit(chat, "bob", name, "No change .* in this channel", "general")
    await ask_audit(chat, "ada", "", "Two changes on .* in any channel", "general")


async def the_stories_are_whole(
    chat: World, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    done, undo, refused = await exported(chat, capsys)
    dave, bob = chat.slack.user_id("dave"), chat.slack.user_id("bob")
    assert (done["asked_by"], done["acting"], done["rule"]) == (dave, "bot", "a change needs one")
    assert [(v["person"], v["vote"]) for v in done["votes"]] == [(bob, "approve")]
    assert (done["arguments"]["replicas"], done["outcome"]) == (5, "holds")
    assert (done["undone_by"], done["undone_short"]) == (undo["call"], undo["short_id"])
    assert (done["undo_state"], done["undo_outcome"]) == ("done", "holds")
    assert (undo["undoes"], undo["arguments"]["replicas"]) == (done["call"], 3)
    assert (refused["state"], refused["started_at"]) == ("denied", None)
    assert not any(story["differs"] for story in (done, undo, refused))
    assert [s["call"] for s in await exported(chat, capsys, "--call", done["call"])] == [
        done["call"]
    ]
    assert await exported(chat, capsys, "--since", "2000-01-01", "--until", "2000-01-02") == []
    assert len(await exported(chat, capsys, "--actor", bob)) == 3
    await a_story_that_was_changed_shows(chat, capsys, done, folder)


async def a_story_that_was_changed_shows(
    chat: World, capsys: pytest.CaptureFixture[str], done: Json, folder: Path
) -> None:
    """What ran is what the chain says, and that the tables say otherwise is told."""
    forged = {**done["arguments"], "replicas": 50}
    change = "UPDATE tool_calls SET arguments = %s::jsonb WHERE public_id = %s RETURNING id"
    await chat.rows(change, json.dumps(forged), done["call"])
    file = folder / "stories.csv"
    words = ("audit", "export", "--stories", "--format", "csv", "--output", str(file))
    assert await auditing.run(given(*words), chat.dsn) == 1
    assert "1 of them differ" in capsys.readouterr().err
    with file.open(newline="") as opened:
        told = next(row for row in csv.DictReader(opened) if row["call"] == done["call"])
    assert json.loads(told["differs"]) == ["arguments"]
    assert json.loads(told["arguments"])["replicas"] == 5
    await ask_audit(chat, "dave", "today", "database says otherwise .*: arguments")
    await chat.rows(change, json.dumps(done["arguments"]), done["call"])


async def the_words_go(chat: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything but the chain forgets; the chain never knew them."""
    before = await exported(chat, capsys)
    dave, bob = chat.slack.user_id("dave"), chat.slack.user_id("bob")
    had = await tables_with(chat, WORDS)
    assert {"messages", "tool_calls", "decisions", "outbox"} <= had
    assert "audit" not in had
    assert await forgetting.run(given("forget", dave, "--dry-run"), chat.dsn) == 0
    assert "would remove of" in capsys.readouterr().out
    assert await tables_with(chat, WORDS) == had
    assert await forgetting.run(given("forget", dave), chat.dsn) == 0
    assert "3 messages of his" in capsys.readouterr().out
    assert await tables_with(chat, WORDS) == {"decisions", "tool_calls"}, "what Bob said"
    assert await chat.rows("SELECT 1 FROM checkpoints") == []
    assert await forgetting.run(given("forget", bob), chat.dsn) == 0
    assert "1 reason of a vote" in capsys.readouterr().out
    assert await tables_with(chat, WORDS) == set()
    assert await forgetting.run(given("forget", bob, "--dry-run"), chat.dsn) == 0
    assert "nothing, none is left" in capsys.readouterr().out
    await ask_audit(chat, "dave", "today", r"denied by <@\w+> <![^>]+>: \(reason removed\)")
    assert await auditing.run(given("audit", "verify"), chat.dsn) == 0
    after = await exported(chat, capsys)
    assert [(s["call"], s["asked_by"], s["arguments"], s["outcome"]) for s in after] == [
        (s["call"], s["asked_by"], s["arguments"], s["outcome"]) for s in before
    ]
    rows = await chat.rows("SELECT actor, data FROM audit WHERE kind = 'forgotten' ORDER BY seq")
    assert [(row["actor"], row["data"]["person"]) for row in rows] == [
        ("operator", dave),
        ("operator", bob),
    ]
    # the thread goes on
    [first, *_] = await chat.rows("SELECT thread_ts FROM threads ORDER BY created_at")
    thread = first["thread_ts"]
    await chat.slack.mention("dave", "ops", "once more", thread)
    await chat.card(thread, 3)
    await chat.slack.mention("dave", "ops", "stop", thread)
    await chat.quiet(thread)

"""Talk and stop at the moments where something else happens as well."""

import asyncio
import re
from pathlib import Path

import psycopg

from bot.guard.records import Run
from tests.conversations.test_steer import (
    PODS,
    WEB,
    change_rows,
    last_role,
    last_words,
    proposal_in,
    recorded,
    requests,
    said_to,
    say,
)
from tests.standins.model import Json, Turn, calls, hangs, held, says, slowly
from tests.world import World, buttons, world

SCALE = ("k8s_scale", {**WEB, "replicas": 5})


async def until(chat: World, query: str, timeout: float = 10) -> None:
    """Wait until a query finds something."""
    async with asyncio.timeout(timeout):
        while not await chat.rows(query):  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.02)


async def test_words_of_somebody_without_a_part_withdraw_nothing(dsn: str, tmp_path: Path) -> None:
    gate = asyncio.Event()

    def script(request: Json) -> Turn:
        results = [str(m["content"]) for m in request["messages"] if m["role"] == "tool"]
        proposal = proposal_in(request)
        if results and "refused" in results[-1]:
            return says("It stays.")
        if "withdraw it" in said_to(request) and proposal:
            return calls(("withdraw", {"id": proposal}))
        return held(calls(PODS), gate) if proposal else calls(SCALE)

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        await chat.card(thread)
        await say(chat, "dave", thread, "how are the pods?")
        await requests(chat, 2)
        await say(chat, "bob", thread, "withdraw it")
        await recorded(chat, 3)
        gate.set()
        await chat.reads(thread, "It stays")
        assert [row["state"] for row in await change_rows(chat)] == ["proposed"]


async def test_what_depends_on_a_withdrawn_change_ends_with_it(dsn: str, tmp_path: Path) -> None:
    def script(request: Json) -> Turn:
        if last_role(request) == "tool":
            return says("So it is.")
        found = re.findall(r"^- ([A-Z2-9]{4}): ", said_to(request), re.MULTILINE)
        if found:
            return calls(("withdraw", {"id": found[0]}))
        return calls(SCALE, ("k8s_scale", {**WEB, "replicas": 6}))

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5, then to 6")
        await chat.card(thread)
        await say(chat, "dave", thread, "not the first")
        await chat.reads(thread, "So it is")
        await chat.quiet(thread)
        assert [row["state"] for row in await change_rows(chat)] == ["superseded", "superseded"]
        assert not {"Approve 1", "Approve 2"} & set(buttons(chat.cards(thread)[0]))
        assert await chat.rows("SELECT 1 FROM runs WHERE ended_at IS NULL") == []


async def test_a_way_back_is_withdrawn_but_never_revised(dsn: str, tmp_path: Path) -> None:
    def script(request: Json) -> Turn:
        results = [str(m["content"]) for m in request["messages"] if m["role"] == "tool"]
        if last_role(request) == "tool":
            return says(f"So it is: {results[-1]}")
        proposal = proposal_in(request)
        return calls(("revise", {"id": proposal, "arguments": {"name": "cart"}}))

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop")
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        await chat.press("Undo", chat.cards(thread)[0], by="dave")
        await chat.card(thread, 2)
        await say(chat, "dave", thread, "no, cart")
        await chat.reads(thread, "So it is: refused: a way back")
        assert [row["state"] for row in await change_rows(chat)] == ["done", "proposed"]


async def test_a_decision_goes_first_although_its_signal_was_missed(
    dsn: str, tmp_path: Path
) -> None:
    def script(request: Json) -> Turn:
        if last_role(request) == "tool":
            return says("It has 5.")
        if "and what else" in last_words(request):
            waits = bool(proposal_in(request))
            return slowly(says("I still think. " * 90), chunk_delay=0.1) if waits else says("No.")
        return calls(SCALE)

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        await until(chat, "SELECT 1 FROM runs WHERE state = 'waiting'")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
            # the side turn's claim takes a moment, in which nobody would hear the signal
            await database.execute(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM pg_sleep(0.5); RETURN NEW; END $$"
            )
            await database.execute(
                "CREATE TRIGGER slow BEFORE UPDATE OF attempt ON runs FOR EACH ROW"
                " WHEN (NEW.parent_run_id IS NOT NULL AND NEW.attempt = 1)"
                " EXECUTE FUNCTION slow()"
            )
        await say(chat, "dave", thread, "and what else?")
        await until(chat, "SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'")
        await chat.press("Approve", card, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 5)
        await chat.reads(thread, "It has 5")
        await chat.reads(thread, "No")
        await chat.quiet(thread)


async def test_a_step_that_is_repeated_after_a_crash_says_what_it_did(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [calls(SCALE), hangs(after=1)]) as chat:
        thread = await chat.ask("scale web to 5")
        await chat.card(thread)
        await say(chat, "dave", thread, "never mind")
        await requests(chat, 2)
        (side,) = await chat.rows("SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        (call,) = await chat.rows("SELECT short_id FROM tool_calls")
        assert chat.parts is not None
        steering = chat.parts.runs.nodes.steering
        first = await steering.withdraw(Run.of(side), call["short_id"])
        assert first.startswith("withdrawn: ")
        assert await steering.withdraw(Run.of(side), call["short_id"]) == first


async def test_a_command_that_waits_behind_a_stopped_run_is_stopped_too(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [hangs(after=3)]) as chat:
        thread = await chat.ask("tell me a story")
        await requests(chat, 1)
        await say(chat, "dave", thread, "scale deployment/web --replicas 5 -n shop")
        await until(chat, "SELECT 1 FROM runs WHERE kind = 'command'")
        await say(chat, "bob", thread, "stop")
        await chat.reads(thread, "Stopped by")
        await chat.quiet(thread)
        assert chat.cards(thread) == []
        assert await chat.rows("SELECT 1 FROM tool_calls") == []


async def test_somebody_elses_words_outlive_a_stop(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, [hangs(after=3), says("Api is fine.")]) as chat:
        thread = await chat.ask("tell me a story")
        await requests(chat, 1)
        await say(chat, "ada", thread, "and how is api?")
        await recorded(chat, 2)
        await say(chat, "bob", thread, "stop")
        await chat.reads(thread, "Stopped by")
        await chat.reads(thread, "Api is fine")
        await chat.quiet(thread)

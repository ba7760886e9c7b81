"""A real process is killed while people talk to its runs: nothing that was said is lost."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.faults.scene import WEB, Case, Scene, scene, until
from tests.standins.model import Json, Turn, calls, hangs, says
from tests.world import buttons

pytestmark = pytest.mark.timeout(150)
crash = pytest.mark.crash
SCALE = ("k8s_scale", {**WEB, "replicas": 5})


def last_role(request: Json) -> str:
    """Of the newest message, our own notes aside."""
    notes = "(Not from a person"
    messages = [m for m in request["messages"] if not str(m["content"] or "").startswith(notes)]
    return str(messages[-1]["role"])


def people(request: Json) -> str:
    """What people said, as the model reads it."""
    return "\n".join(str(m["content"]) for m in request["messages"] if m["role"] == "user")


async def messages_are(at: Scene, number: int) -> None:
    """Wait until so many messages of people are stored."""
    for _ in range(750):
        if len(await at.rows("SELECT 1 FROM messages WHERE role = 'user'")) == number:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not stored")


@pytest.mark.crash
async def test_after_words_were_fed_to_a_run(dsn: str, tmp_path: Path, case: Case) -> None:
    turns = [hangs(2)]

    def script(request: Json) -> Turn:
        if turns:
            return turns.pop()
        return says("Both are fine." if "and api" in people(request) else "Web is fine.")

    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        await at.chat.slack.mention("dave", "ops", "and api?", thread_ts=thread)
        await messages_are(at, 2)
        await at.kill()
        await at.start()
        await at.ends(thread, "Both are fine", executions=0)
        assert len(await at.rows("SELECT 1 FROM runs")) == 1


@crash
async def test_while_a_side_turn_streams(dsn: str, tmp_path: Path, case: Case) -> None:
    turns = [hangs(2)]

    def script(request: Json) -> Turn:
        if last_role(request) == "tool":
            return says("It has 5.")
        if "how long" in people(request):
            return turns.pop() if turns else says("Not long.")
        return calls(SCALE)

    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread, card = await at.asked()
        await at.chat.slack.mention("dave", "ops", "how long will it take?", thread_ts=thread)
        await until(lambda: len(model.requests) == 2, "the side turn's request")
        await at.kill()
        await at.start()
        await at.chat.reads(thread, "Not long", timeout=30)
        at.goes_on()
        await at.chat.press("Approve", card, by="bob")
        await at.ends(thread, "It has 5", executions=1, card="✅ verified")


@crash
async def test_between_a_stop_and_its_run(dsn: str, tmp_path: Path, case: Case) -> None:
    """The stop is in the row when its process dies: nobody heard the signal."""
    async with scene(dsn, tmp_path, case, lambda _: hangs(2)) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("tell me a story")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        (run,) = await at.rows("SELECT id FROM runs")
        await at.kill()
        await at.rows(
            "UPDATE runs SET stopped_by = 'U0BOB0000' WHERE id = %s RETURNING id", run["id"]
        )
        await at.start()
        await at.ends(thread, "Stopped by", executions=0)
        assert len(model.requests) == 1


@crash
@pytest.mark.parametrize("wish", ["withdraw", "revise"])
async def test_after_a_side_turn_changed_a_proposal(
    dsn: str, tmp_path: Path, case: Case, wish: str
) -> None:
    def script(request: Json) -> Turn:
        results = [str(m["content"]) for m in request["messages"] if m["role"] == "tool"]
        if last_role(request) == "tool":
            return hangs(1) if "instead" in results[-1] + "withdrawn" and not again else says("So.")
        found = re.search(r"^- ([A-Z2-9]{4}): ", people(request), re.MULTILINE)
        if found is None:
            return calls(SCALE)
        arguments = {"arguments": {"replicas": 4}} if wish == "revise" else {}
        return calls((wish, {"id": found[1], **arguments}))

    again: list[bool] = []
    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread, _ = await at.asked()
        await at.chat.slack.mention("dave", "ops", "otherwise, please", thread_ts=thread)
        await until(lambda: len(model.requests) >= 3, "the side turn's second request")
        await at.kill()
        again.append(True)
        await at.start()
        await at.chat.reads(thread, "So", timeout=30)
        at.goes_on()
        changes = await at.rows("SELECT state FROM tool_calls WHERE kind = 'change' ORDER BY id")
        if wish == "withdraw":
            assert [row["state"] for row in changes] == ["superseded"]
        else:
            assert [row["state"] for row in changes] == ["superseded", "proposed"]
            new = at.chat.cards(thread)[-1]
            assert "Approve" in buttons(new)
            await at.chat.press("Approve", new, by="bob")
            await until(lambda: at.chat.replicas() == 4, "the revised change", 15, at.chat.log)
        await at.quiet(thread)
        case.executions = len(at.chat.cluster.mutations)
        assert case.executions == (0 if wish == "withdraw" else 1)
        case.end = f"{wish} held"
        await at.nothing_is_left()

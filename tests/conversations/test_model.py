"""The model is overloaded, cut off, too small, too eager or too expensive: what people see."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.agent.model import Fallback
from bot.agent.streaming_model import StreamingModel
from tests.standins.model import Json, Turn, breaks_after, calls, error, hangs, held, says
from tests.world import World, shown, world

PODS = ("k8s_get", {"kind": "pods", "namespace": "shop"})
WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
TOO_LONG = {"error": {"message": "context_length_exceeded"}}
TWO = {"COUNTERSIGN_MODEL": "openai/first,openai/second"}


def requests(chat: World) -> list[Json]:
    """What the model was asked so far."""
    assert chat.model is not None
    return chat.model.requests


def models(chat: World) -> Sequence[StreamingModel]:
    """The clients, in their order."""
    assert chat.parts is not None
    model = chat.parts.model
    found = model._models if isinstance(model, Fallback) else [model]
    return [one for one in found if isinstance(one, StreamingModel)]


def hurried(chat: World, **limits: float) -> None:
    """Let the clients pause and wait for parts of a second only."""
    for model in models(chat):
        model._settings = replace(model._settings, **({"backoff": 0.01} | limits))  # type: ignore[arg-type]


def progress_said(chat: World) -> list[str]:
    """Everything that the progress message said, in its order."""
    edits = chat.slack.calls_of("chat.update")
    return [shown(call.args) for call in edits if "blocks" in call.args]


def messages_with(chat: World, thread: str, text: str) -> list[Json]:
    """The bot's messages in a thread that hold a text."""
    return [m for m in chat.slack.app_messages("ops", thread) if text in shown(m)]


async def said(chat: World, pattern: str, timeout: float = 8) -> None:
    """Wait until the progress message said something."""
    await chat.slack.wait_for(
        lambda: any(re.search(pattern, text) for text in progress_said(chat)), timeout, pattern
    )


# --- overloaded, refused, away ----------------------------------------------------------------


async def test_an_overload_is_shown_and_waited_out(dsn: str, tmp_path: Path) -> None:
    script = [error(529, retry_after=2), says("web is well.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("how is web?")
        await said(chat, "the model is overloaded; trying again in 2 s")
        await chat.reads(thread, r"web is well\.")
        await chat.quiet(thread)
        assert "overloaded" not in chat.thread(thread)


async def test_a_long_silence_is_said_until_it_ends(dsn: str, tmp_path: Path) -> None:
    gate = asyncio.Event()
    script = [held(calls(PODS), gate), says("web is well.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("how is web?")
        await said(chat, r"the model has not answered for \d+ s", timeout=20)
        gate.set()
        await chat.reads(thread, r"web is well\.")
        await chat.quiet(thread)
        assert "not answered" not in chat.thread(thread)


async def test_the_next_model_answers_and_the_footer_says_which(dsn: str, tmp_path: Path) -> None:
    script = [error(503), error(503), error(503), calls(PODS), says("web is well.")]
    async with world(dsn, tmp_path, script, extra=TWO) as chat:
        hurried(chat)
        thread = await chat.ask("how is web?")
        answer = shown(await chat.reads(thread, r"web is well\."))
        await chat.quiet(thread)
        assert [r["model"] for r in requests(chat)] == ["first"] * 3 + ["second"] * 2
        assert "answered by openai/second" in answer
        rows = await chat.rows("SELECT model, instead_of, error FROM model_calls ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [
            ("openai/second", "openai/first", None)
        ] * 2
        assert chat.parts is not None
        assert chat.parts.thinking.trouble == "openai/first: overloaded"


async def test_the_first_model_is_not_named_below_its_answer(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, [says("web is well.")], extra=TWO) as chat:
        thread = await chat.ask("how is web?")
        answer = shown(await chat.reads(thread, r"web is well\."))
        assert "answered by" not in answer
        assert "tokens" in answer
        assert "$" not in answer  # no price is known of it


async def test_a_refused_key_is_not_tried_again_but_another_model_is(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [error(401), says("Here.")], extra=TWO) as chat:
        thread = await chat.ask("how is web?")
        await chat.reads(thread, r"Here\.")
        assert [r["model"] for r in requests(chat)] == ["first", "second"]


async def test_when_all_are_down_one_sentence_says_so(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, lambda _: error(503), extra=TWO) as chat:
        hurried(chat)
        thread = await chat.ask("how is web?")
        failed = shown(await chat.reads(thread, "⛔ No model answered"))
        await chat.quiet(thread)
        assert re.search(
            r"\(6 tries, \d s; `openai/first`: overloaded; `openai/second`: overloaded\)", failed
        )
        assert "get pods -n shop" in failed
        assert len(messages_with(chat, thread, "No model answered")) == 1
        assert len(requests(chat)) == 6


# --- cut off ----------------------------------------------------------------------------------


async def test_a_cut_answer_is_asked_again_and_stands_there_once(dsn: str, tmp_path: Path) -> None:
    script = [breaks_after(3), hangs(2), says("web is well.")]
    async with world(dsn, tmp_path, script, extra=TWO) as chat:
        hurried(chat, idle_timeout=0.3)
        thread = await chat.ask("how is web?")
        await chat.reads(thread, r"web is well\.")
        await chat.quiet(thread)
        assert [r["model"] for r in requests(chat)] == ["first"] * 2 + ["first"]
        everything = str([call.args for call in chat.slack.calls])
        assert "one two" not in everything
        assert len(messages_with(chat, thread, "web is well.")) == 1
        (row,) = await chat.rows("SELECT input_tokens, output_tokens FROM model_calls")
        whole = len(str(requests(chat)[0]["messages"])) / 4
        assert row["input_tokens"] > 2 * whole  # what was in vain was paid for as well


async def test_an_answer_that_is_always_cut_is_a_failure_and_nobody_continues_it(
    dsn: str, tmp_path: Path
) -> None:
    script = [breaks_after(3)] * 3 + [says("Here I am again.")]
    async with world(dsn, tmp_path, script, extra=TWO) as chat:
        hurried(chat)
        thread = await chat.ask("how is web?")
        failed = shown(await chat.reads(thread, r"stopped in the middle of its answer \(3 tries"))
        await chat.quiet(thread)
        assert [r["model"] for r in requests(chat)] == ["first"] * 3
        assert "one two" not in chat.thread(thread)
        assert re.search(r"[\d,]+ tokens", failed)  # what it took, also of a failure
        await chat.slack.post("dave", "ops", "try again", thread_ts=thread)
        await chat.reads(thread, "Here I am again")


async def test_an_endless_answer_ends(dsn: str, tmp_path: Path) -> None:
    endless = Turn(pieces=tuple(f"{n} " for n in range(5_000)), text="x", chunk_delay=0.01)
    async with world(dsn, tmp_path, [endless]) as chat:
        hurried(chat, whole_timeout=0.5)
        thread = await chat.ask("count")
        await chat.reads(thread, r"took longer than 0\.5 s")


# --- too long ---------------------------------------------------------------------------------


def answered(chat: World, thread: str, times: int) -> bool:
    """Whether the model's long answers stand there, each once."""
    answers = [m for m in chat.slack.app_messages("ops", thread) if "answer " in shown(m)]
    return len(answers) >= times


@pytest.mark.crash
async def test_a_conversation_that_is_too_long_is_made_smaller_unseen(
    dsn: str, tmp_path: Path
) -> None:
    """Turns that fitted 70 % of the assumed window do not fit what the endpoint really reads."""

    def script(request: Json) -> Turn:
        size = (len(str(request["messages"])) + len(str(request["tools"]))) / 4
        if size > 20_000:
            return error(400, body=TOO_LONG)
        return says(" ".join(map(str, range(3_000))) + f" answer {len(request['messages'])}.")

    config = tmp_path / "countersign.yaml"
    config.write_text("model_windows: {openai/test: 40000}\n")
    async with world(dsn, tmp_path, script, extra={"COUNTERSIGN_CONFIG": str(config)}) as chat:
        thread = await chat.ask("tell me about web")
        for number in range(1, 7):
            await chat.slack.wait_for(partial(answered, chat, thread, number), 15)
            await chat.quiet(thread)
            await chat.slack.post("dave", "ops", "and more", thread_ts=thread)
        await chat.quiet(thread)
        assert "too long" not in chat.thread(thread)
        assert models(chat)[0].window in {24_000, 14_400}
        failed = await chat.rows("SELECT 1 FROM runs WHERE state = 'failed'")
        assert failed == []


async def test_what_cannot_be_made_small_enough_is_said(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, lambda _: error(400, body=TOO_LONG)) as chat:
        thread = await chat.ask("how is web?")
        failed = shown(await chat.reads(thread, "too long for it"))
        assert "new thread" in failed
        await chat.quiet(thread)
        assert len(requests(chat)) == 3
        assert chat.parts is not None
        assert chat.parts.thinking.trouble is None


# --- too eager, or out of its mind ------------------------------------------------------------


async def test_a_hundred_calls_at_once_are_forty(dsn: str, tmp_path: Path) -> None:
    wishes = [
        ("k8s_get", {"kind": "pods", "namespace": "shop", "limit": n + 1}) for n in range(100)
    ]
    async with world(dsn, tmp_path, [calls(*wishes), says("Enough.")]) as chat:
        thread = await chat.ask("look at everything")
        await chat.reads(thread, "Enough", timeout=30)
        again = requests(chat)[1]["messages"]
        assert len([m for m in again if m["role"] == "tool"]) == 40
        asked = next(m for m in again if m.get("tool_calls"))
        assert "asked for 100 tools at once: only the first 40" in asked["content"]


@pytest.mark.parametrize(
    ("turn", "says_so"),
    [
        (Turn("x", pieces=("It is web. ", *["again and "] * 3_000)), "began to repeat itself"),
        (says("It is because", finish="length"), "length limit"),
        (says(""), "ended without an answer"),
    ],
)
async def test_an_odd_answer_has_one_clear_end(
    dsn: str, tmp_path: Path, turn: Turn, says_so: str
) -> None:
    async with world(dsn, tmp_path, [turn]) as chat:
        thread = await chat.ask("how is web?")
        answer = shown(await chat.reads(thread, says_so))
        await chat.quiet(thread)
        assert len(answer) < 1_000
        assert len(requests(chat)) == 1


async def test_calls_that_make_no_sense_are_each_answered(dsn: str, tmp_path: Path) -> None:
    endless = ("k8s_get", '{"kind": "' + "pods " * 4_000)
    wishes = calls(("k8s_gte", {}), ("k8s_get", "{broken"), PODS, endless)
    async with world(dsn, tmp_path, [wishes, says("I see.")]) as chat:
        thread = await chat.ask("look")
        await chat.reads(thread, "I see")
        told = [m["content"] for m in requests(chat)[1]["messages"] if m["role"] == "tool"]
        for answer, part in zip(
            told, ("no tool called", "not valid JSON", "web-", "not valid JSON"), strict=True
        ):
            assert part in answer


# --- limits of a day --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "who"),
    [
        ("person_per_day", "You have"),
        ("channel_per_day", "This channel has"),
        ("day", "This workspace has"),
    ],
)
async def test_a_day_that_is_used_up_is_said_kindly_and_commands_go_on(
    dsn: str, tmp_path: Path, limit: str, who: str
) -> None:
    config = tmp_path / "countersign.yaml"
    config.write_text(f"limits: {{{limit}: {{tokens: 1000}}}}\n")
    extra = {"COUNTERSIGN_CONFIG": str(config)}
    async with world(dsn, tmp_path, lambda _: says("Well."), extra=extra) as chat:
        await chat.reads(await chat.ask("how is web?"), "Well")
        thread = await chat.ask("and checkout?")
        told = shown(await chat.reads(thread, f"{who} used today's 1k tokens"))
        assert "at 00:00 UTC" in told
        assert "Commands still work and cost nothing" in told
        await chat.quiet(thread)
        assert len(requests(chat)) == 1
        await chat.reads(await chat.ask("get deployment web -n shop"), "kind: Deployment")
        if limit == "person_per_day":
            await chat.reads(await chat.ask("how is web?", by="alice"), "Well")


# --- stopped ----------------------------------------------------------------------------------


async def test_what_a_stopped_answer_cost_is_noted(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, [hangs(2)]) as chat:
        await chat.ask("how is web?")
        asked: Callable[[], Any] = lambda: len(requests(chat)) == 1  # noqa: E731
        await chat.slack.wait_for(asked, 10)
        await asyncio.sleep(0.3)  # two pieces have come
        assert chat.parts is not None
        (turn,) = chat.parts.runs._turns.values()
        turn.interrupt("stop")
        assert chat.model is not None
        async with asyncio.timeout(5):
            await chat.model.left.wait()
        await asyncio.sleep(0.3)
        (row,) = await chat.rows("SELECT error, input_tokens FROM model_calls")
        assert row["error"] == "stopped"
        assert row["input_tokens"] > 0

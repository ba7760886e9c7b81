"""The same model protocol through LiteLLM, which one process loads once."""

import asyncio
from decimal import Decimal

import pytest

from bot.agent.litellm_model import LiteLLMWire, _cacheable, load
from bot.agent.model import Message, ModelSettings, ToolSpec
from bot.agent.prices import ModelFacts, read_prices
from bot.agent.streaming_model import StreamingModel
from bot.core.model_errors import (
    ContextTooLong,
    ModelBroke,
    ModelError,
    ModelOverloaded,
    ModelRefused,
)
from tests.standins.model import (
    Json,
    ModelServer,
    Step,
    Turn,
    breaks_after,
    error,
    hangs,
    says,
    says_and_calls,
)

pytestmark = pytest.mark.timeout(120)
LOOK = ToolSpec("look", "Look at something.", {"type": "object", "properties": {}})


def unheard(_text: str) -> None:
    """Take no note of the text."""


def through(server: ModelServer) -> StreamingModel:
    settings = ModelSettings(("hosted_vllm/test",), backoff=0.01)

    def loading() -> LiteLLMWire:
        return load("hosted_vllm/test", settings, address=server.url)

    return StreamingModel("hosted_vllm/test", settings, ModelFacts(), loading)


async def test_warm_then_text_calls_and_tokens() -> None:
    turn = says_and_calls("Looking.", ("look", {"a": 1}), ("look", '{"a": '))
    async with ModelServer([error(429, retry_after=0.05), turn]) as server:
        model = through(server)
        await model.warm()
        assert server.requests == []
        heard: list[str] = []
        reply = await model.reply([{"role": "user", "content": "hi"}], [LOOK], heard.append)
        await model.close()
    assert (reply.text, heard) == ("Looking.", ["Looking."])
    assert [c.arguments for c in reply.calls] == ['{"a": 1}', '{"a": ']
    assert (reply.finish, reply.tries, reply.usage.estimated) == ("tool_calls", 2, False)
    assert server.violations == []


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (error(401), ModelRefused),
        (error(404), ModelRefused),
        (error(400, body={"error": {"message": "maximum context length is 5"}}), ContextTooLong),
    ],
)
async def test_its_errors_are_ours(step: Step, kind: type[ModelError]) -> None:
    async with ModelServer([step, says("no")]) as server:
        model = through(server)
        with pytest.raises(kind):
            await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        await model.close()
        assert len(server.requests) == 1


async def test_an_answer_that_breaks_off_is_asked_again_and_is_an_end_at_last() -> None:
    async with ModelServer([breaks_after(2), says("whole"), *[breaks_after(2)] * 3]) as server:
        model = through(server)
        reply = await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        assert (reply.text, reply.tries) == ("whole", 2)
        with pytest.raises(ModelBroke):
            await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        await model.close()
        assert len(server.requests) == 5


async def test_cancelling_closes_the_stream() -> None:
    async with ModelServer([hangs(after=1)]) as server:
        model = through(server)
        begun = asyncio.Event()
        asking = model.reply([{"role": "user", "content": "hi"}], [], lambda _: begun.set())
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(asking)
            await begun.wait()
            task.cancel()
        async with asyncio.timeout(1):
            await server.left.wait()
        await model.close()
    assert server.disconnected == 1


async def test_a_long_rule_of_one_sign_is_no_fault() -> None:
    async with ModelServer([says("", pieces=["===="] * 300)]) as server:
        model = through(server)
        reply = await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        await model.close()
    assert reply.text == "====" * 300


CLAUDE = "anthropic/claude-sonnet-4-5"


def claude(server: ModelServer) -> StreamingModel:
    """Anthropic's own form, from the model as it is configured to the bytes on the wire."""
    settings = ModelSettings((CLAUDE,), backoff=0.01, tries=1)
    address = server.url.removesuffix("/v1")

    def loading() -> LiteLLMWire:
        return LiteLLMWire(CLAUDE, settings, address=address, key="k")

    return StreamingModel(CLAUDE, settings, read_prices().facts(CLAUDE), loading)


def wish(call_id: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}


# A second turn of a thread, which has looked at something.
THREAD: list[Message] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "How is web?"},
    {"role": "assistant", "content": "It is well."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "", "tool_calls": [wish("c1")]},
    {"role": "tool", "tool_call_id": "c1", "content": "3 of 3 ready"},
]


async def test_anthropic_is_told_what_to_keep_and_what_it_kept_is_priced_so() -> None:
    turn = Turn("Looking.", (("look", {"a": 1}),), cached_tokens=700, created_tokens=50)
    async with ModelServer([turn]) as server:
        model = claude(server)
        reply = await model.reply(THREAD, [LOOK], unheard)
        await model.close()
    assert server.violations == []
    assert (reply.text, [c.arguments for c in reply.calls]) == ("Looking.", ['{"a": 1}'])
    request = server.requests[0]
    kept = {"type": "ephemeral"}
    assert request["system"][-1]["cache_control"] == kept
    marked = [
        index
        for index, message in enumerate(request["messages"])
        if any("cache_control" in part for part in message["content"])
    ]
    assert marked == [1, 4]  # the turn before, and all of it
    used = reply.usage
    plain = used.input_tokens - 750
    assert (used.cached_tokens, plain > 0) == (700, True)
    dollars = plain * Decimal(3) + 700 * Decimal("0.3") + 50 * Decimal("3.75")
    assert used.cost == (dollars + used.output_tokens * Decimal(15)) / 1_000_000


@pytest.mark.parametrize(
    ("status", "kind", "message", "ours"),
    [
        (
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8000 maximum",
            ContextTooLong,
        ),
        (529, "overloaded_error", "Overloaded", ModelOverloaded),
        (401, "authentication_error", "invalid x-api-key", ModelRefused),
    ],
)
async def test_anthropics_errors_are_ours(
    status: int, kind: str, message: str, ours: type[ModelError]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    async with ModelServer([error(status, body=body)]) as server:
        model = claude(server)
        with pytest.raises(ours):
            await model.reply(THREAD, [LOOK], unheard)
        await model.close()
    assert model.window == (8_000 if ours is ContextTooLong else 200_000)


def test_the_ends_of_what_repeats_are_marked_for_the_cache() -> None:
    roles = ("system", "user", "assistant", "user", "assistant", "tool")
    history: list[Message] = [{"role": role, "content": "x"} for role in roles]
    marked = ["cache_control" in message for message in _cacheable(history)]
    assert marked == [True, False, True, False, False, True]
    assert "cache_control" not in history[0]
    first: list[Message] = [{"role": role, "content": "x"} for role in ("system", "user")]
    assert ["cache_control" in message for message in _cacheable(first)] == [True, True]
    alone: list[Message] = [{"role": "user", "content": "x"}]
    assert ["cache_control" in message for message in _cacheable(alone)] == [True]

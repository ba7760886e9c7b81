"""The same model protocol through LiteLLM, which one process loads once."""

import pytest

from bot.agent.litellm_model import LiteLLMWire, _cacheable, load
from bot.agent.model import Message, ModelSettings, ToolSpec
from bot.agent.model_warmup import throwaway
from bot.agent.prices import ModelFacts
from bot.agent.streaming_model import StreamingModel
from bot.core.model_errors import ContextTooLong, ModelBroke, ModelError, ModelRefused
from tests.standins.model import ModelServer, Step, breaks_after, error, says, says_and_calls

pytestmark = [pytest.mark.xdist_group("litellm"), pytest.mark.timeout(90)]
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
        (breaks_after(2), ModelBroke),
    ],
)
async def test_its_errors_are_ours(step: Step, kind: type[ModelError]) -> None:
    async with ModelServer([step, says("no")]) as server:
        model = through(server)
        with pytest.raises(kind):
            await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        await model.close()
        assert len(server.requests) == 1


async def test_a_long_rule_of_one_sign_is_no_fault() -> None:
    async with ModelServer([says("", pieces=["===="] * 300)]) as server:
        model = through(server)
        reply = await model.reply([{"role": "user", "content": "hi"}], [], unheard)
        await model.close()
    assert reply.text == "====" * 300


async def test_anthropic_is_asked_with_tools_in_its_own_words() -> None:
    history: list[Message] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
    ]
    async with throwaway() as address:
        name = "anthropic/claude-sonnet-4-5"
        wire = LiteLLMWire(name, ModelSettings((name,)), address=address, key="k")
        said = [d.text async for d in wire.deltas(history, [LOOK])]
        await wire.close()
    assert "".join(said) == "ok"


def test_the_ends_of_what_repeats_are_marked_for_the_cache() -> None:
    history: list[Message] = [{"role": r, "content": "x"} for r in ("system", "user", "user")]
    marked = _cacheable(history)
    assert ["cache_control" in m for m in marked] == [True, False, True]
    assert "cache_control" not in history[0]

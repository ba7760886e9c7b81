"""The model over the wire: streaming, tool calls, retries, limits, and what its errors say."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from bot.agent.model import (
    Fallback,
    Message,
    Model,
    ModelSettings,
    Reply,
    Retry,
    ToolSpec,
    Usage,
    is_openai,
    model_for,
)
from bot.agent.model_reply import Tokens
from bot.agent.openai_model import is_openai_itself
from bot.agent.prices import DEFAULT_WINDOW, read_prices
from bot.core.model_errors import (
    ContextTooLong,
    ModelBroke,
    ModelError,
    ModelOverloaded,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from tests.standins.model import (
    Json,
    ModelServer,
    Step,
    breaks_after,
    calls,
    error,
    hangs,
    last_tool_results,
    raw,
    says,
    says_and_calls,
    slowly,
)

HI: list[Message] = [{"role": "user", "content": "hi"}]
LOOK = ToolSpec("look", "Look at something.", {"type": "object", "properties": {}})
KEY = "sk-very-secret-0123456789"


def unheard(_text: str) -> None:
    """Take no note of the text."""


@asynccontextmanager
async def serving(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """An endpoint of which every answer is this one."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


class Talk:
    """One model and what was heard of it."""

    def __init__(self, url: str, ids: tuple[str, ...] = ("test",), **limits: float) -> None:
        settings = ModelSettings(
            ids,
            openai_api_base=url,
            openai_api_key=KEY,
            backoff=0.01,
            **limits,  # type: ignore[arg-type]
        )
        model = model_for(settings)
        assert model is not None
        self.model: Model = model
        self.heard: list[str] = []
        self.retries: list[Retry] = []
        self.wasted: list[tuple[str, Usage]] = []

    async def ask(self, messages: list[Message] = HI, cache_key: str = "") -> Reply:
        def waste(model: str, usage: Usage) -> None:
            self.wasted.append((model, usage))

        try:
            return await self.model.reply(
                messages, [LOOK], self.heard.append, self.retries.append, waste, cache_key
            )
        finally:
            await self.model.close()


async def failure(step: Step, **limits: float) -> ModelError:
    async with ModelServer([step]) as server:
        with pytest.raises(ModelError) as caught:
            await Talk(server.url, tries=1, **limits).ask()  # type: ignore[arg-type]
    assert KEY not in f"{caught.value} {caught.value.detail}"
    return caught.value


async def test_text_streams_and_is_counted() -> None:
    async with ModelServer([says("All three pods are ready.")]) as server:
        talk = Talk(server.url, ids=("openai/gpt-4o",))
        reply = await talk.ask()
    assert talk.heard == ["All", " three", " pods", " are", " ready."]
    assert reply.text == "".join(talk.heard)
    assert (reply.finish, reply.calls, reply.tries) == ("stop", (), 1)
    assert reply.model == "openai/gpt-4o"
    assert server.requests[0]["model"] == "gpt-4o"
    expected = reply.usage.input_tokens * Decimal("0.0000025")
    assert reply.usage.cost == expected + reply.usage.output_tokens * Decimal("0.00001")
    assert server.violations == []


async def test_parallel_calls_with_broken_arguments_come_through_raw() -> None:
    turn = says_and_calls("Looking.", ("look", {"a": 1}), ("look", '{"a": '), ("look", ""))
    async with ModelServer([turn]) as server:
        reply = await Talk(server.url).ask()
    assert [c.arguments for c in reply.calls] == ['{"a": 1}', '{"a": ', "{}"]
    assert len({c.id for c in reply.calls}) == 3
    assert reply.finish == "tool_calls"


async def test_deltas_without_index_and_with_repeated_ids_are_told_apart() -> None:
    def part(**fields: object) -> Json:
        return {"choices": [{"delta": {"tool_calls": [fields]}}]}

    chunks = [
        part(id="x", function={"name": "look", "arguments": "{}"}),
        part(id="y", index=0, function={"name": "look", "arguments": '{"b"'}),
        part(index=0, function={"arguments": ":2}"}),
        part(index=7, id="x", function={"name": "look", "arguments": {"c": 3}}),
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    async with ModelServer([raw(chunks)]) as server:
        reply = await Talk(server.url).ask()
    assert [c.arguments for c in reply.calls] == ["{}", '{"b":2}', '{"c": 3}']
    assert len({c.id for c in reply.calls}) == 3
    assert reply.finish == "tool_calls"
    assert reply.usage.estimated


ODD: list[object] = [
    {"choices": ["x"]},
    {"choices": {"a": 1}},
    {"choices": [{"delta": [1]}]},
    {"choices": [{"delta": {"content": [{"type": "text"}]}}]},
    {"choices": [{"delta": {"refusal": 7}}]},
    {"choices": [{"delta": {"tool_calls": ["x"]}}]},
    {"choices": [{"delta": {"tool_calls": {"id": "x"}}}]},
    {"choices": [{"delta": {"tool_calls": [{"id": {"a": 1}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": "0"}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"function": [1]}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"function": {"name": [1]}}]}}]},
    {"choices": [{"delta": {}, "finish_reason": {"why": 1}}]},
]


@pytest.mark.parametrize("chunk", ODD)
async def test_an_answer_of_another_shape_is_asked_for_again(chunk: Json) -> None:
    async with ModelServer([raw([chunk]), says("All ready.")]) as server:
        talk = Talk(server.url)
        assert (await talk.ask()).text == "All ready."
    assert [one.why for one in talk.retries] == ["its answer was not readable"]


@asynccontextmanager
async def endpoint(*blocks: bytes) -> AsyncIterator[str]:
    """An endpoint that streams exactly these bytes, as often as it is asked; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        with suppress(ConnectionError):
            for block in blocks:
                writer.write(block)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**20)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


BROKEN = {
    "too deep": [b"data: " + b"[" * 200_000 + b"\n\n"],
    "too large a number": [b'data: {"choices": ' + b"1" * 5_000 + b"}\n\n"],
    "no JSON": [b"data: {'choices'}\n\n"],
    "a line without end": [b"data: ", *[b"x" * 2**20] * 64],
}


@pytest.mark.parametrize("blocks", BROKEN.values(), ids=BROKEN)
async def test_what_no_endpoint_should_send_is_an_error_of_the_model(blocks: list[bytes]) -> None:
    async with endpoint(*blocks) as url:
        with pytest.raises(ModelUnreachable, match="its answer was not readable"):
            await Talk(url, tries=1).ask()


async def test_bytes_that_are_no_text_are_shown_as_such_and_the_rest_is_read() -> None:
    line = b'data: {"choices": [{"delta": {"content": "a\xff\xfeb"}, "finish_reason": "stop"}]}\n\n'
    async with endpoint(line, b"data: [DONE]\n\n") as url:
        assert (await Talk(url, tries=1).ask()).text == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "many"},
        {"prompt_tokens": -3, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {"prompt_tokens": 7, "completion_tokens": 1, "prompt_tokens_details": ["x"]},
        ["x"],
    ],
)
async def test_figures_that_are_none_count_as_not_given(usage: Json) -> None:
    end = {"choices": [{"delta": {"content": "Fine."}, "finish_reason": "stop"}], "usage": usage}
    async with ModelServer([raw([end])]) as server:
        reply = await Talk(server.url).ask()
    assert reply.text == "Fine."
    assert reply.usage.estimated


async def test_a_broken_call_in_the_history_is_sent_as_any_provider_takes_it() -> None:
    def answer(request: Json) -> object:
        return says(f"saw {last_tool_results(request)}")

    wish = {"id": "c1", "type": "function", "function": {"name": "lo ok", "arguments": "{"}}
    history: list[Message] = [
        *HI,
        {"role": "assistant", "content": "", "tool_calls": [wish]},  # type: ignore[list-item]
        {"role": "tool", "tool_call_id": "c1", "content": "not JSON"},
    ]
    async with ModelServer(answer) as server:  # type: ignore[arg-type]
        reply = await Talk(server.url).ask(history)
    assert server.violations == []
    assert reply.text == "saw ['not JSON']"


async def test_overload_is_tried_again_visibly() -> None:
    steps = [error(429, retry_after=0.05), error(529), says("ok")]
    async with ModelServer(steps) as server:
        talk = Talk(server.url)
        reply = await talk.ask()
    assert (reply.text, reply.tries) == ("ok", 3)
    assert [(r.tries, r.why) for r in talk.retries] == [(1, "rate limit"), (2, "overloaded")]
    assert talk.retries[0].wait == 0.05


async def test_overload_has_an_end() -> None:
    async with ModelServer([error(503)] * 5) as server:
        with pytest.raises(ModelOverloaded, match=r"3 tries, \d s: overloaded"):
            await Talk(server.url).ask()
        assert len(server.requests) == 3


async def test_who_asks_for_a_long_pause_is_given_up() -> None:
    async with ModelServer([error(429, retry_after=120)]) as server:
        with pytest.raises(ModelOverloaded):
            await Talk(server.url).ask()
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 307])
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    body = {"error": {"message": f"Incorrect key {KEY}", "code": None}}
    async with ModelServer([error(status, body=body)] * 3) as server:
        with pytest.raises(ModelRefused) as caught:
            await Talk(server.url).ask()
        assert len(server.requests) == 1
    assert KEY not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too big", "code": "context_length_exceeded"}},
        {"error": {"message": "This model's maximum context length is 4096 tokens."}},
        {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}},
        {"error": {"message": "the request exceeds the available context size"}},
        {"error": {"message": "input length and `max_tokens` exceed context limit: 1 + 2 > 3"}},
        {"error": {"message": "prompt (length 5) is longer than the maximum model length of 4"}},
        {"error": {"message": "input length exceeds the context length"}},
        {"error": {"message": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}},
        {"error": "This model's maximum prompt length is 131072 but the request contains 140000"},
    ],
)
async def test_a_long_conversation_is_recognised(body: Json) -> None:
    assert isinstance(await failure(error(400, body=body)), ContextTooLong)


@pytest.mark.parametrize(
    ("message", "window"),
    [
        ("This model's maximum context length is 16,385 tokens. However, you requested", 16_385),
        ("prompt is too long: 210000 tokens > 20000 maximum", 20_000),
        ("request (9000 tokens) exceeds the available context size (8192 tokens)", 8_192),
        ("decoder prompt (length 5000) is longer than the maximum model length of 4096.", 4_096),
        (
            "The input token count (40000) exceeds the maximum number of tokens allowed (30000)",
            30_000,
        ),
        ("context_length_exceeded", 19_200),
        ("maximum context length is 999999 tokens", 19_200),
    ],
)
async def test_a_window_that_was_too_large_is_learned(message: str, window: int) -> None:
    async with ModelServer([error(400, body={"error": {"message": message}})]) as server:
        talk = Talk(server.url)
        assert talk.model.window == DEFAULT_WINDOW
        with pytest.raises(ContextTooLong):
            await talk.ask()
    assert talk.model.window == window


async def test_one_monstrous_message_says_nothing_about_the_window() -> None:
    monster: list[Message] = [{"role": "user", "content": "word " * 50_000}]
    body = {"error": {"message": "context_length_exceeded"}}
    async with ModelServer([error(400, body=body)]) as server:
        talk = Talk(server.url)
        with pytest.raises(ContextTooLong):
            await talk.ask(monster)
    assert talk.model.window == DEFAULT_WINDOW


async def test_a_rate_limit_in_tokens_is_no_long_conversation() -> None:
    body = {"error": {"message": "Too many tokens, please wait before trying again."}}
    assert isinstance(await failure(error(429, body=body)), ModelOverloaded)


async def test_no_credit_is_a_refusal() -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    assert isinstance(await failure(error(429, body=body)), ModelRefused)


async def test_an_html_page_is_one_clear_sentence() -> None:
    found = await failure(error(502, body="<html>Bad gateway</html>"))
    assert isinstance(found, ModelUnreachable)
    assert "<html>" not in str(found)


async def test_nothing_listens_there() -> None:
    async with ModelServer([]) as server:
        url = server.url
    with pytest.raises(ModelUnreachable, match="no connection"):
        await Talk(url).ask()


async def test_an_address_that_is_nobodys_is_one_clear_sentence() -> None:
    with pytest.raises(ModelUnreachable, match="no connection"):
        await Talk("http://model.invalid/v1").ask()


@pytest.mark.parametrize("address", ["http://a..b/v1", f"http://{'a' * 64}.example/v1"])
async def test_an_address_that_cannot_be_one_is_an_error_of_the_model(address: str) -> None:
    with pytest.raises(ModelRefused, match="the request could not be made"):
        await Talk(address).ask()


async def test_nobodys_netrc_signs_in_beside_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with ModelServer([says("ok")]) as server:
        port = server.url.rpartition(":")[2]
        assert (await Talk(f"http://0.0.0.0:{port}").ask()).text == "ok"


async def test_a_refusal_whose_text_breaks_off_is_one() -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse(status=401, headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return answer

    async with serving(cut) as address:
        with pytest.raises(ModelRefused, match="the key was refused"):
            await Talk(f"{address}/v1").ask()


async def test_the_conversation_goes_to_no_address_that_nobody_configured() -> None:
    asked: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with serving(elsewhere) as address:
        with pytest.raises(ModelRefused, match="HTTP 307"):
            await Talk(f"{address}/v1").ask()
    assert asked == ["/v1/chat/completions"]


async def test_what_an_endpoint_says_unasked_is_no_answer_of_the_next_conversation() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r")[0])
                asked = json.loads(await reader.readexactly(length))["messages"][-1]["content"]
                for said in (f"to {asked}", "unasked")[: 1 + first]:
                    choice = {"index": 0, "delta": {"content": said}, "finish_reason": "stop"}
                    chunk = json.dumps({"choices": [choice]})
                    body = f"data: {chunk}\n\ndata: [DONE]\n\n".encode()
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                    writer.write(head.encode() + body)
                    await writer.drain()
                    await asyncio.sleep(0.05)
                first = False
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server:
        model = Talk(f"http://{host}:{port}/v1").model
        texts = []
        for who in ("alice", "bob", "carol"):
            asks: list[Message] = [{"role": "user", "content": who}]
            texts.append((await model.reply(asks, [], unheard)).text)
            await asyncio.sleep(0.15)
        await model.close()
    assert texts == ["to alice", "to bob", "to carol"]


async def test_silence_before_the_first_word() -> None:
    assert isinstance(await failure(hangs(), request_timeout=0.2), ModelTimeout)


async def test_silence_between_two_words_is_asked_again_from_the_start() -> None:
    async with ModelServer([hangs(after=2), says("the whole answer")]) as server:
        talk = Talk(server.url, idle_timeout=0.2)
        reply = await talk.ask()
    assert (reply.text, reply.tries) == ("the whole answer", 2)
    assert talk.heard == ["one", " two", "the", " whole", " answer"]
    assert [retry.why for retry in talk.retries] == ["nothing came for 0.2 s"]
    ((model, cost),) = talk.wasted
    assert (model, cost.estimated) == ("test", True)
    assert cost.input_tokens > 0
    assert cost.output_tokens > 0


async def test_silence_in_every_answer_is_a_broken_one() -> None:
    async with ModelServer([hangs(after=2)] * 3) as server:
        talk = Talk(server.url, idle_timeout=0.1)
        with pytest.raises(ModelBroke, match=r"2 tries, 0 s: nothing came for 0.1 s"):
            await talk.ask()
        assert len(server.requests) == 2


@pytest.mark.parametrize("aborts", [True, False])
async def test_half_an_answer_is_never_continued_by_another_model(aborts: bool) -> None:
    broken = breaks_after(2, aborts=aborts)
    async with ModelServer([broken, error(503), broken, says("no")]) as server:
        talk = Talk(server.url, ids=("one", "two"))
        with pytest.raises(ModelBroke, match="3 tries"):
            await talk.ask()
        assert [r["model"] for r in server.requests] == ["one"] * 3
    assert [model for model, _ in talk.wasted] == ["one", "one"]


async def test_an_answer_without_end_has_one() -> None:
    endless = slowly(says("", pieces=[f"{n} " for n in range(1000)]), chunk_delay=0.01)
    async with ModelServer([endless, says("no")]) as server:
        with pytest.raises(ModelBroke, match=r"1 try, .*took longer than 0.3 s"):
            await Talk(server.url, whole_timeout=0.3).ask()
        assert len(server.requests) == 1


@pytest.mark.parametrize("piece", ["and again, ", "=", "line one\nline two\n" * 10])
async def test_a_model_that_repeats_itself_is_stopped(piece: str) -> None:
    pieces = ["It began well. ", *[piece] * (30_000 // len(piece))]
    async with ModelServer([says("", pieces=pieces)]) as server:
        reply = await Talk(server.url).ask()
    assert reply.finish == "repeating"
    assert reply.text.startswith("It began well. ")
    assert len(reply.text) < 500


async def test_arguments_that_repeat_themselves_are_broken_ones() -> None:
    async with ModelServer([calls(("look", '{"a": "' + "no " * 9_000))]) as server:
        reply = await Talk(server.url).ask()
    assert reply.finish == "repeating"
    assert len(reply.calls) == 1
    assert len(reply.calls[0].arguments) < 20_000


async def test_a_long_answer_with_equal_lines_is_whole() -> None:
    table = "| web-1 | Running | 0 |\n" * 200 + "=" * 4_000
    text = "".join(f"{n}: something else every time\n" for n in range(1_000)) + table + "\nEnd."
    async with ModelServer(
        [says("", pieces=[text[i : i + 50] for i in range(0, len(text), 50)])]
    ) as s:
        reply = await Talk(s.url).ask()
    assert (reply.text, reply.finish) == (text, "stop")


async def test_a_break_before_the_first_word_is_tried_again() -> None:
    async with ModelServer([breaks_after(0), says("ok")]) as server:
        assert (await Talk(server.url).ask()).tries == 2


async def test_the_next_model_answers_when_the_first_has_not_begun() -> None:
    async with ModelServer([error(401), says("ok")]) as server:
        talk = Talk(server.url, ids=("one", "two"))
        reply = await talk.ask()
    assert (reply.model, reply.instead_of) == ("two", "one")
    assert [(r.model, r.next_model) for r in talk.retries] == [("one", "two")]
    assert [r["model"] for r in server.requests] == ["one", "two"]


async def test_a_model_that_was_given_up_is_asked_last_for_a_while() -> None:
    async with ModelServer([error(401), says("b"), says("b"), says("a")]) as server:
        settings = ModelSettings(("one", "two"), openai_api_base=server.url, openai_api_key=KEY)
        now = 100.0
        models = [model_for(replace(settings, ids=(one,))) for one in settings.ids]
        fallback = Fallback([m for m in models if m is not None], clock=lambda: now)
        answered = [(await fallback.reply(HI, [], unheard)).model for _ in range(2)]
        now += 31
        answered.append((await fallback.reply(HI, [], unheard)).model)
        await fallback.close()
    assert answered == ["two", "two", "one"]
    assert [r["model"] for r in server.requests] == ["one", "two", "two", "one"]


async def test_when_no_model_answers_each_is_named() -> None:
    async with ModelServer([error(401), error(404)]) as server:
        with pytest.raises(ModelRefused) as caught:
            await Talk(server.url, ids=("one", "two")).ask()
    assert "`one`: the key was refused; `two`: it does not exist there" in str(caught.value)


async def test_cancelling_closes_the_stream_and_says_what_it_cost() -> None:
    async with ModelServer([hangs(after=1)]) as server:
        talk = Talk(server.url)
        begun = asyncio.Event()
        wasted: list[str] = []
        asking = talk.model.reply(
            HI, [], lambda _: begun.set(), on_waste=lambda model, _: wasted.append(model)
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asking)
            await begun.wait()
            task.cancel()
        async with asyncio.timeout(5):
            await server.left.wait()
        await talk.model.close()
    assert (server.disconnected, wasted) == (1, ["test"])


async def test_only_openai_itself_is_told_the_key_of_the_conversation() -> None:
    async with ModelServer([says("ok")]) as server:
        await Talk(server.url).ask(cache_key="thread")
    assert "prompt_cache_key" not in server.requests[0]
    assert is_openai_itself("https://api.openai.com/v1")
    assert is_openai_itself("https://eu.api.openai.com/v1")
    assert not is_openai_itself("https://api.openai.com.example.org/v1")


async def test_a_finished_answer_keeps_its_connection() -> None:
    async with ModelServer(lambda _: says("ok")) as server:
        model = Talk(server.url).model
        for _ in range(3):
            await model.reply(HI, [], unheard)
        await model.close()
        assert server.connections == 1


async def test_the_stand_in_refuses_what_strict_providers_refuse() -> None:
    unanswered: list[Message] = [{"role": "tool", "tool_call_id": "x", "content": "y"}]
    async with ModelServer([calls(("look", {}))]) as server:
        with pytest.raises(ModelRefused):
            await Talk(server.url).ask([*HI, *unanswered])
        assert "answers no open tool call" in server.violations[0]


def test_no_ids_no_model_and_a_bad_address_is_refused() -> None:
    assert model_for(ModelSettings(())) is None
    with pytest.raises(ValueError, match="OPENAI_API_BASE"):
        model_for(ModelSettings(("x",), openai_api_base="localhost:8000"))
    assert KEY not in repr(ModelSettings(("x",), openai_api_key=KEY))


def test_prices_and_windows() -> None:
    table = read_prices()
    priced = table.facts("anthropic/claude-sonnet-4-5")
    assert (priced.provider, priced.window) == ("anthropic", 200_000)
    assert priced.cost(Tokens(1000, 100, cached=400, created=500)) == Decimal("0.003795")
    long = table.facts("gemini/gemini-2.5-pro")
    assert long.cost(Tokens(300_000, 0)) == 300_000 * Decimal("0.0000025")
    unknown = table.facts("nobody/nothing")
    assert (unknown.window, unknown.cost(Tokens(1, 1))) == (DEFAULT_WINDOW, None)


def test_a_configured_window_wins_and_the_smallest_counts() -> None:
    model = model_for(ModelSettings(("openai/gpt-4o", "openai/x"), windows={"openai/x": 50_000}))
    assert model is not None
    assert model.window == 50_000


@pytest.mark.parametrize(
    ("model_id", "base", "compatible"),
    [
        ("openai/gpt-4o", None, True),
        ("gpt-4o", None, True),
        ("claude-sonnet-4-5", None, False),
        ("anthropic/claude-sonnet-4-5", "http://127.0.0.1:1/v1", False),
        ("hosted_vllm/x", "http://127.0.0.1:1/v1", False),
        ("qwen3:8b", "http://127.0.0.1:1/v1", True),
        ("meta-llama/Llama-3.3-70B", "http://127.0.0.1:1/v1", True),
        ("nobody/nothing", None, False),
    ],
)
def test_which_client_answers_which_id(model_id: str, base: str | None, compatible: bool) -> None:
    table = read_prices()
    settings = ModelSettings((model_id,), openai_api_base=base)
    found = is_openai(model_id, settings, table.facts(model_id), table.providers)
    assert found is compatible


@pytest.mark.long
def test_a_compatible_endpoint_needs_no_providers_library() -> None:
    code = """
import asyncio, sys
from bot.agent.model import ModelSettings, model_for
model = model_for(ModelSettings(("openai/gpt-4o",)))
async def warm():
    await model.warm()
    await model.close()
asyncio.run(warm())
assert not {"openai", "litellm"} & {*sys.modules}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr

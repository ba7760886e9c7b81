"""A scripted language model at the wire: OpenAI's chat API, as strict as a strict provider, and as
much of Anthropic's as a client needs.
"""

import asyncio
import itertools
import json
import math
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Json = dict[str, Any]
Args = dict[str, Any] | str


@dataclass(frozen=True)
class Turn:
    """One answer of the model. `pieces` cuts its text; None is one chunk per word."""

    text: str = ""
    calls: tuple[tuple[str, Args], ...] = ()
    pieces: tuple[str, ...] | None = None
    chunks: tuple[Json, ...] | None = None
    breaks_after: int | None = None
    aborts: bool = True
    hangs_after: int | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Json | str | None = None
    usage: bool = True
    cached_tokens: int = 0
    created_tokens: int = 0
    finish: str | None = None
    latency: float | None = None
    chunk_delay: float | None = None
    gate: asyncio.Event | None = None


Step = Turn | Callable[[Json], Turn]


def says(text: str, *, pieces: Sequence[str] | None = None, finish: str | None = None) -> Turn:
    """Answer with `text`."""
    return Turn(text=text, pieces=tuple(pieces) if pieces else None, finish=finish)


def calls(*wishes: tuple[str, Args]) -> Turn:
    """Ask for tools; arguments given as text are sent as they are, broken or not."""
    return Turn(calls=wishes)


def says_and_calls(text: str, *wishes: tuple[str, Args]) -> Turn:
    """Answer with `text` and ask for tools in the same reply."""
    return Turn(text=text, calls=wishes)


def breaks_after(
    chunks: int, text: str = "one two three four five six", *, aborts: bool = True
) -> Turn:
    """Stop after that many pieces of `text`: the connection dies, or ends without a finish."""
    return Turn(text=text, breaks_after=chunks, aborts=aborts)


def hangs(after: int | None = None, text: str = "one two three four five six") -> Turn:
    """Answer nothing, or only `after` pieces of `text`, and keep the connection open."""
    return Turn(text=text, hangs_after=-1 if after is None else after)


def error(
    status: int, *, retry_after: str | float | None = None, body: Json | str | None = None
) -> Turn:
    """Refuse with an HTTP status."""
    headers = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
    return Turn(status=status, headers=headers, body=body)


def raw(chunks: Iterable[Json]) -> Turn:
    """Send exactly these chunks."""
    return Turn(chunks=tuple(chunks))


def slowly(turn: Turn, *, latency: float | None = None, chunk_delay: float | None = None) -> Turn:
    """Return `turn` with its own seconds before the first chunk and between two."""
    return replace(turn, latency=latency, chunk_delay=chunk_delay)


def held(turn: Turn, gate: asyncio.Event) -> Turn:
    """Return `turn` answered only once `gate` is open."""
    return replace(turn, gate=gate)


def last_tool_results(request: Json) -> list[str]:
    """Return what the tools answered after the model's newest wish, in order."""
    tail = itertools.takewhile(lambda m: m["role"] == "tool", reversed(request["messages"]))
    return [str(message["content"]) for message in tail][::-1]


class ModelServer:
    """Serves `script`, one step a request, on 127.0.0.1; a function is asked every time.

    `requests` and `headers` keep what came, `answering` what is being answered now, `violations`
    what a strict provider would refuse, `disconnected` counts clients that left before the end
    (`left` is set by the first), `connections` sockets used.
    """

    def __init__(
        self,
        script: Iterable[Step] | Callable[[Json], Turn],
        *,
        latency: float = 0.0,
        chunk_delay: float = 0.0,
        port: int = 0,
        models: Sequence[str] = ("test",),
    ) -> None:
        self._script: Iterator[Step] = (
            itertools.repeat(script) if callable(script) else iter(script)
        )
        self.latency = latency
        self.chunk_delay = chunk_delay
        self.models = list(models)
        self.requests: list[Json] = []
        self.answering: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.violations: list[str] = []
        self.disconnected = 0
        self.left = asyncio.Event()
        self._port = port
        self._place: socket.socket | None = None
        self._sockets: set[object] = set()
        self._closing = False
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the base as OPENAI_API_BASE wants it."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def connections(self) -> int:
        """Return how many connections were used."""
        return len(self._sockets)

    async def __aenter__(self) -> Self:
        # bound and never listening: it keeps the port ours while nobody answers there
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind(("127.0.0.1", self._port))
        self._port = self._place.getsockname()[1]
        await self.come_back()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.go_away()
        if self._place is not None:
            self._place.close()

    async def come_back(self) -> None:
        """Answer (again) at its address."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/messages", self._complete)
        app.router.add_get("/v1/models", self._list)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_port=True).start()
        self._closing = False

    async def go_away(self) -> None:
        """Refuse connections from now on, and end those that there are."""
        self._closing = True
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        entries = [{"id": m, "object": "model", "owned_by": "test"} for m in self.models]
        return web.json_response({"object": "list", "data": entries})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self._note_connection(request)
        body: Json = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        anthropic = request.path.endswith("/messages")
        wrong = anthropic_violations_of(body) if anthropic else violations_of(body)
        if wrong:
            self.violations.extend(wrong)
            return _refusal(400, "; ".join(wrong))
        step = next(self._script, None)
        if step is None:
            self.violations.append("The script has no further step.")
            return _refusal(500, "The script has no further step.")
        turn = step(body) if callable(step) else step
        self.answering.append(body)
        try:
            return await self._answer(request, body, turn)
        except (asyncio.CancelledError, ConnectionError):
            if not self._closing:
                self.disconnected += 1
                self.left.set()
            raise
        finally:
            self.answering = [one for one in self.answering if one is not body]

    def _note_connection(self, request: web.Request) -> None:
        self._sockets.add(request.protocol)

    async def _answer(self, request: web.Request, body: Json, turn: Turn) -> web.StreamResponse:
        await asyncio.sleep(self.latency if turn.latency is None else turn.latency)
        if turn.gate is not None:
            await turn.gate.wait()
        if turn.status != 200:
            return _failure(turn)
        if turn.hangs_after == -1:
            await asyncio.Event().wait()
        if not body.get("stream"):
            return web.json_response(_whole(body, turn))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        return await self._stream(request, response, body, turn)

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, body: Json, turn: Turn
    ) -> web.StreamResponse:
        delay = self.chunk_delay if turn.chunk_delay is None else turn.chunk_delay
        # The first chunk only names the role, so `sent` exceeds the pieces sent by one; Anthropic
        # opens a block besides.
        anthropic = request.path.endswith("/messages")
        made = _anthropic(body, turn) if anthropic else _chunks(body, turn)
        for sent, chunk in enumerate(made, start=-1 if anthropic else 0):
            if turn.breaks_after is not None and sent > turn.breaks_after:
                if turn.aborts and request.transport is not None:
                    request.transport.abort()
                return response
            if turn.hangs_after is not None and sent > turn.hangs_after:
                await asyncio.Event().wait()
            name = f"event: {chunk['type']}\n".encode() if anthropic else b""
            await response.write(name + b"data: " + json.dumps(chunk).encode() + b"\n\n")
            if delay:
                await asyncio.sleep(delay)
        if not anthropic:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _refusal(status: int, message: str, code: str | None = None) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return web.json_response(
        {"error": {"message": message, "type": kind, "code": code}}, status=status
    )


def _failure(turn: Turn) -> web.Response:
    if turn.body is None:
        response = _refusal(turn.status, f"Refused with {turn.status}.")
    elif isinstance(turn.body, str):
        response = web.Response(text=turn.body, status=turn.status, content_type="text/html")
    else:
        response = web.json_response(turn.body, status=turn.status)
    response.headers.update(dict(turn.headers))
    return response


def _arguments(given: Args) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _usage(body: Json, turn: Turn) -> Json:
    written = turn.text + "".join(name + _arguments(given) for name, given in turn.calls)
    prompt = math.ceil(len(json.dumps([body["messages"], body.get("tools", [])])) / 4)
    completion = math.ceil(len(written) / 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": turn.cached_tokens},
    }


def _finish(turn: Turn) -> str:
    return turn.finish or ("tool_calls" if turn.calls else "stop")


def _whole(body: Json, turn: Turn) -> Json:
    message: Json = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        message["tool_calls"] = [_call(n, *wish) for n, wish in enumerate(_numbered(body, turn))]
    choice = {"index": 0, "message": message, "finish_reason": _finish(turn)}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(body, turn)}


def _head(body: Json, kind: str) -> Json:
    return {
        "id": "chatcmpl-stand-in",
        "object": kind,
        "created": 1_790_000_000,
        "model": body["model"],
    }


def _numbered(body: Json, turn: Turn) -> list[tuple[str, str, Args]]:
    # Ids differ from turn to turn, as they do at every provider.
    turn_no = len(body["messages"])
    return [(f"call_{turn_no}_{n}", name, given) for n, (name, given) in enumerate(turn.calls)]


def _call(index: int, call_id: str, name: str, given: Args) -> Json:
    function = {"name": name, "arguments": _arguments(given)}
    return {"index": index, "id": call_id, "type": "function", "function": function}


def _chunks(body: Json, turn: Turn) -> Iterator[Json]:
    if turn.chunks is not None:
        yield from turn.chunks
        return
    head = _head(body, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(turn):
        yield chunk({"content": piece})
    for index, (call_id, name, given) in enumerate(_numbered(body, turn)):
        yield chunk({"tool_calls": [_call(index, call_id, name, "")]})
        text = _arguments(given)
        for start in range(0, len(text), 12):
            part = {"index": index, "function": {"arguments": text[start : start + 12]}}
            yield chunk({"tool_calls": [part]})
    yield chunk({}, _finish(turn))
    if turn.usage and (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(body, turn)}


def _pieces(turn: Turn) -> list[str]:
    found = turn.pieces or re.findall(r"\s*\S+\s*$|\s*\S+", turn.text) or [turn.text]
    return [piece for piece in found if piece]


def _anthropic(body: Json, turn: Turn) -> Iterator[Json]:
    """The events of an answer in Anthropic's form."""
    counted = _usage(body, turn)
    usage = {
        "input_tokens": counted["prompt_tokens"],
        "cache_read_input_tokens": turn.cached_tokens,
        "cache_creation_input_tokens": turn.created_tokens,
        "output_tokens": 1,
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    yield {"type": "message_start", "message": {**message, "model": body["model"], "usage": usage}}
    index = 0
    for piece in _pieces(turn):
        if index == 0:
            index = 1
            start = {"type": "text", "text": ""}
            yield {"type": "content_block_start", "index": 0, "content_block": start}
        delta = {"type": "text_delta", "text": piece}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    if index:
        yield {"type": "content_block_stop", "index": 0}
    for at, (call_id, name, given) in enumerate(_numbered(body, turn), start=index):
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        yield {"type": "content_block_start", "index": at, "content_block": block}
        part = {"type": "input_json_delta", "partial_json": _arguments(given)}
        yield {"type": "content_block_delta", "index": at, "delta": part}
        yield {"type": "content_block_stop", "index": at}
    stop = "tool_use" if turn.calls else "end_turn"
    usage = {"output_tokens": counted["completion_tokens"]}
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}
    yield {"type": "message_stop"}


def cache_marks(value: object) -> int:
    """Return how many parts of a request are marked for the provider's cache."""
    match value:
        case dict():
            return ("cache_control" in value) + sum(map(cache_marks, value.values()))
        case list():
            return sum(map(cache_marks, value))
        case _:
            return 0


def anthropic_violations_of(body: Json) -> list[str]:
    """Return what Anthropic would refuse in this request, as far as it is known here."""
    found = []
    if cache_marks(body) > 4:
        found.append("A maximum of 4 blocks with cache_control may be provided.")
    if not body.get("max_tokens"):
        found.append("max_tokens: Field required")
    for number, message in enumerate(body.get("messages") or []):
        if message["role"] not in {"user", "assistant"} or not message["content"]:
            found.append(f"messages.{number}: unknown role or no content")
    return found


def violations_of(body: Json) -> list[str]:
    """Return what a strict provider would refuse in this request; empty: nothing."""
    messages = body.get("messages")
    if not isinstance(body.get("model"), str):
        return ["model: expected a string"]
    if not isinstance(messages, list) or not messages:
        return ["messages: expected a list that is not empty"]
    found = [w for n, m in enumerate(messages) for w in _message_faults(n, m)]
    found.extend(_pairing_faults(messages))
    found.extend(_tool_faults(body.get("tools")))
    return found


def _message_faults(number: int, message: Json) -> Iterator[str]:
    where = f"messages[{number}]"
    role = message.get("role")
    if role not in {"system", "user", "assistant", "tool"}:
        yield f"{where}: unknown role {role!r}"
        return
    content = message.get("content")
    wishes = message.get("tool_calls")
    if not content and not (role == "assistant" and wishes):
        yield f"{where}: content of role {role} is empty"
    if wishes is not None and (role != "assistant" or not wishes):
        yield f"{where}: tool_calls must be a non-empty list of an assistant"
    for wish in wishes or []:
        if not wish.get("id") or wish.get("type") != "function":
            yield f"{where}: a tool call needs an id and type function"
        if not _is_object(wish["function"].get("arguments")):
            yield f"{where}: arguments of {wish['function'].get('name')} are no JSON object"


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _pairing_faults(messages: list[Json]) -> Iterator[str]:
    waiting: Counter[str] = Counter()
    for number, message in enumerate(messages):
        if message.get("role") == "tool":
            answered = message.get("tool_call_id")
            if waiting[str(answered)] <= 0:
                yield f"messages[{number}]: tool_call_id {answered!r} answers no open tool call"
            waiting[str(answered)] -= 1
            continue
        yield from _unanswered(number, waiting)
        waiting = Counter(str(w.get("id")) for w in message.get("tool_calls") or [])
        yield from (f"messages[{number}]: id {i!r} twice" for i, n in waiting.items() if n > 1)
    yield from _unanswered(len(messages), waiting)


def _unanswered(number: int, waiting: Counter[str]) -> Iterator[str]:
    for call_id, left in waiting.items():
        if left > 0:
            yield f"messages[{number}]: tool call {call_id!r} has no tool message right after it"


def _tool_faults(tools: list[Json] | None) -> Iterator[str]:
    if tools is None:
        return
    if not tools:
        yield "tools: expected at least one"
    names = [t.get("function", {}).get("name", "") for t in tools]
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
            yield f"tools: {name!r} is no tool name"
    yield from (f"tools: {name!r} twice" for name, n in Counter(names).items() if n > 1)
    for tool in tools:
        function = tool.get("function", {})
        if tool.get("type") != "function" or not function.get("description"):
            yield f"tools: {function.get('name')!r} needs type function and a description"
        if (function.get("parameters") or {}).get("type") != "object":
            yield f"tools: parameters of {function.get('name')!r} must be of type object"

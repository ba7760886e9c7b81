"""A model on loopback that says one word, so that clients load what they load on first use."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# One of everything that an answer can hold: LiteLLM builds the type of each when it first comes.
_CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": "{}"},
}
_USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 1,
    "total_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_OPENAI: tuple[dict[str, object], ...] = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "ok"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [_CALL]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    {"choices": [], "usage": _USAGE},
)
_ANTHROPIC: tuple[dict[str, object], ...] = (
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "warm",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def throwaway() -> AsyncIterator[str]:
    """Serve one word, in OpenAI's and Anthropic's words; yield the address, without a path."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(5):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            sizes = [h.partition(":")[2] for h in head.splitlines() if h.startswith("content-len")]
            await reader.readexactly(int(sizes[0]) if sizes else 0)
            writer.write(_HEAD)
            for chunk in _ANTHROPIC if "/messages" in head.split(" ")[1] else _OPENAI:
                writer.write(_event(chunk))
            writer.write(b"data: [DONE]\n\n")
            await writer.drain()
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


def _event(chunk: dict[str, object]) -> bytes:
    kind = chunk.get("type")
    name = f"event: {kind}\n" if kind else ""
    if kind is None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "w", **chunk}
    return f"{name}data: {json.dumps(chunk)}\n\n".encode()

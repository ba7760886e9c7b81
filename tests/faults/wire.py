"""A relay between the bot and a stand-in, at which one request, or its answer, can be held."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
Matches = Callable[[str, str], bool]
"""Asked with a request's first line and its body."""


@dataclass
class Held:
    """One request that is stopped on its way; `caught` is set as soon as it is."""

    matches: Matches
    answer: bool
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    taken: bool = False
    dropped: bool = False

    async def wait(self) -> bool:
        """Be held here; whether it goes on afterwards."""
        self.caught.set()
        await self.released.wait()
        return not self.dropped

    async def arrives(self, timeout: float = 15) -> None:
        """Wait until it is held: the request was sent, or for an answer, was worked on."""
        async with asyncio.timeout(timeout):
            await self.caught.wait()

    def release(self) -> None:
        """Let it go on, even if its sender has died: a network delivers late, too."""
        self.released.set()

    def drop(self) -> None:
        """Let it never arrive."""
        self.dropped = self.dropped or not self.released.is_set()
        self.released.set()


class Wire:
    """Relays HTTP/1.1 and web sockets from a port of its own to `target`, a loopback URL."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._held: list[Held] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._open = True

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Nobody answers here any more, until `mend`; what is on its way is lost."""
        self._open = False
        for held in self._held:
            if held.taken:
                held.drop()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def mend(self) -> None:
        """It answers again."""
        self._open = True

    @property
    def url(self) -> str:
        """What the bot is given instead of the target."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._target._replace(netloc=f"127.0.0.1:{port}"))

    def hold_request(self, matches: Matches) -> Held:
        """Keep the next such request from its receiver until it is released."""
        return self._hold(Held(matches, answer=False))

    def hold_answer(self, matches: Matches) -> Held:
        """Let the next such request be worked on, and keep its answer."""
        return self._hold(Held(matches, answer=True))

    def _hold(self, held: Held) -> Held:
        self._held.append(held)
        return held

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two sides is gone
        except asyncio.CancelledError:
            pass  # the wire is taken down; asyncio's server would log it as an error
        finally:
            self._serving.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(self._target.hostname, self._target.port)
        answers: list[Held] = []
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._answers(inner, writer, answers))
                await self._requests(reader, outer, answers)
                back.cancel()
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            outer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter, answers: list[Held]
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            line = head.partition(b"\r\n")[0].decode()
            held = self._take(line, body.decode(errors="replace"))
            if held is not None and held.answer:
                answers.append(held)
            elif held is not None and not await held.wait():
                return
            if b"upgrade: websocket" in head.lower():
                await _pass_on(head, reader, outer)
                return
            outer.write(head + body)
            await outer.drain()

    def _take(self, line: str, body: str) -> Held | None:
        for held in self._held:
            if not held.taken and held.matches(line, body):
                held.taken = True
                return held
        return None

    async def _answers(
        self, inner: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: list[Held]
    ) -> None:
        while chunk := await inner.read(2**16):
            for held in answers:
                if not await held.wait():
                    return
            writer.write(chunk)
            await writer.drain()
        writer.close()


async def _pass_on(head: bytes, reader: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
    """A web socket's frames are nobody's business here."""
    outer.write(head)
    while chunk := await reader.read(2**16):
        outer.write(chunk)
        await outer.drain()

"""A door before the database, at which a statement, its answer or a commit's can be held."""

import asyncio
from collections import Counter
from collections.abc import Iterator

from tests.faults.wire import Held
from tests.standins.statements import BEGIN, COMMIT, ROLLBACK, Talk
from tests.world import Gate


class Door(Gate):
    """Holds what is said by name: a statement's, or `commit of` one for the end of its transaction.

    `heard` counts what has come by. A held one is asked by `matches(name, "")`.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.heard: Counter[str] = Counter()
        self._held: list[Held] = []

    def hold(self, name: str, *, after: str = "", answer: bool = False) -> Held:
        """Keep the next one of this name, once `after` has come by: what is said itself from the
        database, or its answer from who said it.
        """
        held = Held(lambda said, _: said == name and (not after or after in self.heard), answer)
        self._held.append(held)
        return held

    def holds(self, held: Held) -> bool:
        """Whether it is one of ours."""
        return any(held is one for one in self._held)

    def shut(self) -> None:
        """As if the database's machine had gone, with what was on its way."""
        super().shut()
        for held in self._held:
            if held.taken:
                held.drop()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        inner_reader, inner = await self._connect()
        self._connections |= {writer, inner}
        line = _Line(self, self._held)
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(line.answers(inner_reader, writer))
                await line.words(reader, inner)
                back.cancel()
        except* OSError:
            pass
        finally:
            self._connections -= {writer, inner}
            inner.transport.abort()
            writer.transport.abort()


class _Line:
    """One connection."""

    def __init__(self, door: Door, held: list[Held]) -> None:
        self._door = door
        self._all = held
        self._talk = Talk()
        self._did: list[str] | None = None  # what the open transaction did so far
        self._waiting: list[Held] = []  # whose answer comes next

    async def words(self, reader: asyncio.StreamReader, inner: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            for name in [one for said in self._talk.hear(data) for one in self._labels(said)]:
                held = next((h for h in self._all if not h.taken and h.matches(name, "")), None)
                self._door.heard[name] += 1
                if held is None:
                    continue
                held.taken = True
                if held.answer:
                    self._waiting.append(held)
                elif not await held.wait():
                    return
            inner.write(data)
            await inner.drain()

    async def answers(self, inner: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await inner.read(2**16):
            while self._waiting:
                if not await self._waiting.pop().wait():
                    writer.transport.abort()
                    return
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    def _labels(self, said: str) -> Iterator[str]:
        if said == COMMIT:
            yield from (f"commit of {name}" for name in self._did or ())
        if said in {BEGIN, COMMIT, ROLLBACK}:
            self._did = [] if said == BEGIN else None
            return
        yield said
        if self._did is not None:
            self._did.append(said)

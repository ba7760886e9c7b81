"""What may only go on while its process has not stood still."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from bot.core.lease import LEASE, awake


class Clock:
    """The running loop's, which can be moved on as if the process had been frozen."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._real = self._loop.time
        self._ahead = 0.0
        self._loop.time = lambda: self._real() + self._ahead  # type: ignore[method-assign]

    def __call__(self) -> float:
        return self._loop.time()

    def stand_still(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.mark.parametrize(
    ("frozen", "goes_on"), [(0.0, True), (LEASE - 2, True), (LEASE + 1, False)]
)
async def test_who_stood_still_goes_no_further(
    line: tuple[socket.socket, socket.socket], frozen: float, goes_on: bool
) -> None:
    """Also where what it waited for has arrived meanwhile."""
    ours, theirs = line
    clock, reads = Clock(), asyncio.Event()
    sent: list[bytes] = []

    async def deed() -> None:
        async with awake(60, clock()):
            reads.set()
            sent.append(await asyncio.get_running_loop().sock_recv(ours, 9))

    task = asyncio.ensure_future(deed())
    await reads.wait()
    await asyncio.sleep(0)
    theirs.send(b"read")
    clock.stand_still(frozen)
    if goes_on:
        await task
        assert sent == [b"read"]
    else:
        with pytest.raises(TimeoutError):
            await task
        assert sent == []


async def test_what_was_begun_too_long_ago_does_not_begin() -> None:
    clock, sent = Clock(), []

    async def deed() -> None:
        async with awake(60, clock() - LEASE):
            await asyncio.sleep(0)
            sent.append("anything")

    with pytest.raises(TimeoutError):
        await deed()
    assert sent == []

"""What a process does again and again."""

import asyncio

from bot.app import _repeat
from bot.core.errors import DatabaseAway


async def test_what_breaks_is_done_again_and_ends_nothing_else() -> None:
    """The first row that nobody can read would end every process, at each start anew."""
    stop = asyncio.Event()
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        match len(done):
            case 1:
                raise TypeError("a row of another version")
            case 2:
                raise DatabaseAway("away")
            case _:
                stop.set()

    async with asyncio.timeout(5):
        await _repeat(stop, 0.01, work)
    assert done == [0, 1, 2]

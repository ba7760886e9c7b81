"""Several processes on one workspace: with Redis they share what Slack allows; without it, each
goes on by itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bot.slack.api import Limited, Method
from bot.slack.budget import Budget, Lane
from bot.store.redis_buckets import open_buckets
from tests.plugins.redis import RedisServer

BURST = 10  # of chat.update


@pytest.fixture
async def two(redis: RedisServer) -> AsyncIterator[tuple[Budget, Budget]]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(open_buckets(redis.url, "T1")) for _ in range(2)
        ]
        yield Budget(shared=first), Budget(shared=second)


async def taken(*budgets: Budget, seconds: float = 0.3) -> int:
    """How many edits all of them together may make so soon."""
    made = 0

    async def take(budget: Budget) -> None:
        nonlocal made
        while True:
            await budget.take(Method.UPDATE, Lane.REST)
            made += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(take(budget)) for budget in budgets for _ in range(3)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
    return made


async def test_two_processes_together_make_no_more_calls_than_one(
    two: tuple[Budget, Budget],
) -> None:
    first, second = two
    for _ in range(4):
        await first.take(Method.UPDATE, Lane.ANSWER)
    await second.take(Method.UPDATE, Lane.ANSWER)
    assert second.ready(Method.UPDATE)
    # five more, and not yet two that come back; who would edit for progress knows of it at once
    assert 5 <= await taken(first, second) <= 6
    assert not second.spare(Method.UPDATE)
    assert not second.ready(Method.UPDATE)

    first.heed(Limited(30, Method.POST.value))
    await asyncio.sleep(0.1)
    with pytest.raises(Limited):
        await asyncio.wait_for(second.take(Method.POST, Lane.CARD, "C1"), 1)


async def test_without_redis_each_goes_on_by_itself_and_nobody_waits_for_it(
    two: tuple[Budget, Budget], redis: RedisServer
) -> None:
    first, second = two
    await first.take(Method.UPDATE, Lane.REST)
    redis.freeze()
    try:
        began = time.monotonic()
        for _ in range(3):
            await first.take(Method.UPDATE, Lane.REST)
        assert time.monotonic() - began < 2  # of it 0.25 for noticing
        assert BURST - 4 <= await taken(first, seconds=0.1) <= BURST
        assert await taken(second, seconds=0.6) >= BURST
    finally:
        redis.thaw()

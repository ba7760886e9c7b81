"""Acks go before jobs, those of a crowd before all that it wants; nobody waits for ever."""

import asyncio
from contextlib import ExitStack
from time import monotonic

from bot.store.jobs import Jobs

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"  # nothing here asks the database


def goes_at_once(jobs: Jobs) -> bool:
    """Whether a job that begins now does so without a wait."""
    waiting = jobs.nothing_ahead()
    try:
        waiting.send(None)
    except StopIteration:
        return True
    waiting.close()
    return False


async def test_where_nobody_is_ahead_nothing_is_waited_for() -> None:
    jobs = Jobs(NOWHERE, {}, 1)
    assert goes_at_once(jobs)
    with jobs.ahead(), jobs.ahead(), jobs.ahead():
        assert not goes_at_once(jobs)
    assert goes_at_once(jobs)


async def test_an_ack_goes_first_and_not_for_ever() -> None:
    jobs = Jobs(NOWHERE, {}, 1)
    with jobs.ahead():
        waiting = asyncio.create_task(jobs.nothing_ahead())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 30)
    with jobs.ahead():
        began = monotonic()
        await asyncio.wait_for(jobs.nothing_ahead(), 30)
        assert monotonic() - began > 0.9


async def test_more_of_a_crowd_are_expected_for_a_moment() -> None:
    jobs = Jobs(NOWHERE, {}, 1)
    with ExitStack() as crowd:
        for _ in range(4):
            crowd.enter_context(jobs.ahead())
    assert not goes_at_once(jobs)
    with jobs.ahead():  # one that came after the others: the moment begins again
        pass
    assert not goes_at_once(jobs)
    await asyncio.wait_for(jobs.nothing_ahead(), 30)
    assert goes_at_once(jobs)

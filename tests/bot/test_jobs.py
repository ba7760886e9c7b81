"""Acks go before jobs, those of a crowd before all that it wants; nobody waits for ever."""

import asyncio
from contextlib import ExitStack
from time import monotonic

import procrastinate
from procrastinate.testing import InMemoryConnector

from bot.store.jobs import Jobs, Manager

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
    now = 100.0
    jobs = Jobs(NOWHERE, {}, 1, clock=lambda: now)
    with ExitStack() as crowd:
        for _ in range(4):
            crowd.enter_context(jobs.ahead())
    now = 100.029
    assert not goes_at_once(jobs)
    with jobs.ahead():  # one that came after the others: the moment begins again
        pass
    now = 100.058
    assert not goes_at_once(jobs)
    now = 100.060
    assert goes_at_once(jobs)
    with jobs.ahead():  # nobody's crowd
        pass
    assert goes_at_once(jobs)


async def test_a_job_that_came_alone_goes_before_the_look_for_a_second_one() -> None:
    now = 100.0
    connector = InMemoryConnector()
    app = procrastinate.App(connector=connector)
    manager = Manager(connector, clock=lambda: now)
    app.job_manager = manager

    @app.task(name="turn")
    def turn() -> None: ...

    async def found() -> bool | None:
        """Whether a look finds a job; None where it waits first."""
        look = manager.fetch_job(None, worker)
        try:
            look.send(None)
        except StopIteration as ended:
            return ended.value is not None
        look.close()
        return None

    worker = await manager.register_worker()
    for _ in range(4):
        await turn.defer_async()
    assert await found()
    assert await found() is None  # after that moment
    now += 0.1
    assert [await found() for _ in range(4)] == [True, True, True, False]
    now += 0.3
    assert [await found() for _ in range(2)] == [False, False]
    await turn.defer_async()
    assert await found()
    assert await found() is None

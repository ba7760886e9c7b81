"""Durable jobs on the same Postgres: procrastinate, with a lock per thread."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import Any
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate import exceptions
from procrastinate.connector import BaseConnector
from procrastinate.manager import JobManager
from procrastinate.worker import Worker
from psycopg_pool import PoolTimeout

from bot.core.errors import DatabaseAway
from bot.core.values import Thread
from bot.store.connections import NETWORK, bounds
from bot.store.database import STATEMENTS, Transaction
from bot.store.outbox import LATE

log = structlog.get_logger()
Job = Callable[[UUID], Awaitable[None]]


def job(name: str, thread: Thread) -> dict[str, object]:
    """What a statement needs to enqueue a job of a thread, besides the run."""
    return {"task": name, "priority": PRIORITY[name], "lock": str(thread)}


class TryAgain(Exception):
    """Raised by a job that wants to run again soon: by another worker, or when the database is
    back.
    """


# A decision outranks talk.
PRIORITY = {"turn": 0, "resume": 10}
# Not less: a stalled loop would look like death, and the job would start twice.
_HEARTBEAT, _STALLED, _POLL = 1.0, 3.0, 0.25
_FORGOTTEN = 3  # looks, one a second, at which nobody ran a job that is ours to run
_LAST = 3.0  # seconds that a worker without a job has to end
_LONGEST_AHEAD = 1.0  # seconds that a job lets acks go first
# So many acks at once are a crowd's: for so many seconds after each, more are on their way to us.
_CROWD, _CALM = 4, 0.03
_QUIET, _ALONE = 0.2, 0.03  # seconds; see `Manager`
_AWAY = (exceptions.ConnectorException, psycopg.OperationalError, PoolTimeout)


class _Again(procrastinate.BaseRetryStrategy):
    """Whom to run again, and how soon. A job cancelled by a shutdown whose grace was over, too."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: procrastinate.jobs.Job,  # noqa: ARG002 -- its contract
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, TryAgain | DatabaseAway | asyncio.CancelledError):
            return procrastinate.RetryDecision(retry_in={"seconds": 1})
        return None


class Manager(JobManager):
    """Whoever fetched a job looks at once for the next one. A job after a quiet time is most often
    alone, and somebody waits for it: then that look comes a moment later.
    """

    def __init__(self, connector: BaseConnector, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(connector)
        self._clock = clock
        self._last = float("-inf")
        self._waits = False

    async def fetch_job(
        self, queues: Iterable[str] | None, worker_id: int
    ) -> procrastinate.jobs.Job | None:
        """As the library does."""
        if self._waits:
            self._waits = False
            await asyncio.sleep(_ALONE)
        job = await super().fetch_job(queues, worker_id)
        if job is not None:
            now = self._clock()
            self._waits = now - self._last > _QUIET
            self._last = now
        return job


class Jobs:
    """Named jobs, each about one run; at most one of a thread runs at a time."""

    def __init__(
        self,
        dsn: str,
        jobs: Mapping[str, Job],
        slots: int,
        connections: int = 6,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._slots = slots
        self._clock = clock
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=dsn,
                min_size=1,
                max_size=connections,
                kwargs={
                    "application_name": "countersign jobs",
                    # fetch and finish repeat safely behind the attempt
                    "options": bounds(synchronous_commit="off"),
                    **NETWORK,
                },
            )
        )
        self._app.job_manager = Manager(self._app.connector)
        self._running: set[int | None] = set()
        self._workers: set[int | None] = set()
        self._ahead = 0
        self._calm_at = float("-inf")  # when nobody of a crowd is expected any more
        self._nothing_ahead = asyncio.Event()
        self._nothing_ahead.set()
        for name, job in jobs.items():
            self._app.task(name=name, retry=_Again())(self._with_run(name, job))
        # its log lines carry arguments and say little more than ours
        logging.getLogger("procrastinate").setLevel(logging.ERROR)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Jobs"]:
        """Connect; jobs can be deferred and, with `work`, run."""
        async with self._app.open_async():
            yield self

    async def defer(self, tx: Transaction, name: str, thread: Thread, run_id: UUID) -> None:
        """Enqueue in the caller's transaction: it starts when that commits, and never if it
        does not.
        """
        await tx.run("defer_job", run_id=run_id, **job(name, thread))

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """What happens in here goes before turns that have not begun: acks, for many of which Slack
        waits when many people write at once. Those of a crowd come one after the other.
        """
        self._ahead += 1
        self._nothing_ahead.clear()
        now = self._clock()
        if self._ahead >= _CROWD or now < self._calm_at:
            self._calm_at = now + _CALM
        try:
            yield
        finally:
            self._ahead -= 1
            if not self._ahead:
                self._nothing_ahead.set()

    async def nothing_ahead(self) -> None:
        """Wait until nothing goes first any more, but not for long."""
        until = self._clock() + _LONGEST_AHEAD
        while (now := self._clock()) < until:
            if self._ahead:
                with suppress(TimeoutError):
                    async with asyncio.timeout(until - now):
                        await self._nothing_ahead.wait()
            elif now < self._calm_at:
                await asyncio.sleep(min(self._calm_at, until) - now)
            else:
                return

    async def work(self, stop: asyncio.Event, grace: float) -> None:
        """Run jobs until `stop`, then give running ones `grace` seconds. Survives a database
        that goes and comes.
        """
        while not stop.is_set():
            try:
                async with asyncio.TaskGroup() as group:
                    worker = group.create_task(
                        self._app.run_worker_async(
                            concurrency=self._slots,
                            install_signal_handlers=False,
                            shutdown_graceful_timeout=grace,
                            fetch_job_polling_interval=_POLL,
                            update_heartbeat_interval=_HEARTBEAT,
                            stalled_worker_timeout=_STALLED,
                            delete_jobs="successful",
                            worker_middleware=[self._noted],
                        ),
                        name="job worker",
                    )
                    stopper = group.create_task(stop.wait(), name="job worker stop")
                    await asyncio.wait({worker, stopper}, return_when=asyncio.FIRST_COMPLETED)
                    worker.cancel()  # procrastinate's graceful stop
                    stopper.cancel()
                    await self._seen_out(worker, grace)
            except* _AWAY as problem:
                log.warning("jobs_database_away", error=type(problem.exceptions[0]).__name__)
                await _wait(stop, 1.0)

    async def _seen_out(self, worker: asyncio.Task[None], grace: float) -> None:
        """A worker that was stopped in the moment in which it began was once waited for in vain."""
        seconds = (grace if self._running else 0.0) + _LAST
        done, _ = await asyncio.wait({worker}, timeout=seconds)
        if not done:
            log.warning("jobs_not_stopped")
            worker.cancel()

    async def rescue(self, stop: asyncio.Event) -> None:
        """Every second, hand jobs of workers that died to the living, and take up again those of
        our own of which the database never heard how they ended: their thread would wait for ever.
        """
        seen: Counter[int | None] = Counter()
        while not stop.is_set():
            try:
                stalled = await self._app.job_manager.get_stalled_jobs(
                    seconds_since_heartbeat=_STALLED
                )
                for job in stalled:
                    # one of our own that stood still for a while lives
                    await self._rescue(job, died=job.worker_id not in self._workers)
                left = await self._left_behind()
                seen = Counter({job.id: seen[job.id] + 1 for job in left})
                for job in left:
                    if seen[job.id] >= _FORGOTTEN:
                        await self._rescue(job, died=False)
            except _AWAY as problem:
                log.warning("jobs_database_away", error=type(problem).__name__)
            await _wait(stop, 1.0)

    async def _noted(
        self,
        run: Callable[[], Awaitable[Any]],
        context: procrastinate.JobContext,
        worker: Worker,
    ) -> Any:
        self._workers.add(worker.worker_id)
        self._running.add(context.job.id)
        try:
            return await run()
        finally:
            self._running.discard(context.job.id)

    async def _left_behind(self) -> list[procrastinate.jobs.Job]:
        """Jobs that the database takes for running here, and nobody runs."""
        doing = await self._app.job_manager.list_jobs_async(status="doing")
        return [
            job for job in doing if job.worker_id in self._workers and job.id not in self._running
        ]

    def _with_run(self, name: str, job: Job) -> Callable[..., Awaitable[None]]:
        async def run(run_id: str, **_: Any) -> None:
            # a decided change waits for nobody's ack, unless turns that do have every slot
            if name != "resume":
                await self.nothing_ahead()
            await job(UUID(run_id))

        return run

    async def _rescue(self, job: procrastinate.jobs.Job, *, died: bool) -> None:
        """Hand it on and, which the library does not, note on its run that a worker `died`."""
        try:
            found = await self._app.connector.execute_query_all_async(
                query=STATEMENTS["rescue_job"],
                id=job.id,
                worker=job.worker_id,
                died=died,
                late=LATE,
            )
        except exceptions.ConnectorException:
            found = []  # its row is held by somebody: the next look is soon
        if found:
            log.warning("job_rescued", task=job.task_name, run=job.task_kwargs.get("run_id"))
        else:
            # another process was faster, or is; the others still wait for us
            log.info("job_not_rescued", job=job.id)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass

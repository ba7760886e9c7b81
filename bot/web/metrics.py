"""`/metrics` in Prometheus' text format.

What ends is counted from rows once it has ended, at the next scrape: the work itself pays nothing.
"""

import asyncio
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from uuid import UUID

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bot.core.bus import Bus
from bot.core.errors import DatabaseAway
from bot.core.metrics import METRICS, Metric
from bot.core.values import Event
from bot.store import growth
from bot.store.database import Database, Row
from bot.store.figures import Figures, figures

log = structlog.get_logger()

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_FRESH = 5.0  # seconds that a look at the database serves
_SIZES_FRESH = 60.0  # the same, of how large everything is
_RUNS = 5_000  # as many runs are remembered between two scrapes
_LAG_EVERY = 0.5
_NAN = float("nan")


@dataclass(frozen=True)
class Sources:
    """What is asked at each scrape. `pools`: psycopg's statistics by pool; `redis_away` is None
    where there is no Redis.
    """

    database: Database
    sockets: Callable[[], int]
    pools: Callable[[], Mapping[str, Mapping[str, int]]]
    redis_away: Callable[[], str] | None = None


@dataclass
class _Seen:
    """What is known of a run that works here."""

    since: int  # milliseconds: an earlier worker's model calls are not ours
    begun: int = 0  # times it was begun here that are not counted yet
    ended: bool = False
    last: int = 0  # the newest model call that is counted


class Metrics:
    """One process's figures, and their text."""

    def __init__(self, sources: Sources, *, fresh: float = _FRESH) -> None:
        self._sources = sources
        self._fresh = fresh
        self._read_at = self._sized_at = float("-inf")
        self._lock = asyncio.Lock()
        self._runs: OrderedDict[UUID, _Seen] = OrderedDict()
        self._touched: set[UUID] = set()
        # a gauge beside every counter that nobody reads
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        known = [metric for metric in METRICS if metric.name != "countersign_redis_up"]
        if sources.redis_away is not None:
            known = list(METRICS)
        self._counters = {m.name: _counter(m, self.registry) for m in known if m.type == "counter"}
        self._gauges = {m.name: _gauge(m, self.registry) for m in known if m.type == "gauge"}
        self._histograms = {
            m.name: _histogram(m, self.registry) for m in known if m.type == "histogram"
        }
        self._set("countersign_build_info", 1, version=_version(), python=platform.python_version())

    # --- what happens -----------------------------------------------------------------------

    def listen(self, bus: Bus) -> None:
        """Count what this process does."""
        bus.listen(self._hear, own=True)

    def _hear(self, event: Event) -> None:
        if event.kind in {"stop", "yield", "heard"}:
            return  # by whoever says it, not by who works
        seen = self._runs.get(event.run_id)
        if seen is None:
            earlier = datetime.now(UTC) - timedelta(seconds=1)
            seen = self._runs[event.run_id] = _Seen(since=int(earlier.timestamp() * 1000))
            while len(self._runs) > _RUNS:
                self._touched.discard(self._runs.popitem(last=False)[0])
        self._touched.add(event.run_id)
        seen.begun += event.kind == "started"
        seen.ended = seen.ended or event.kind == "ended"
        if event.kind == "thinking" and event.text:
            self._count("countersign_model_retries_total", model=event.detail or "unknown")

    def slack_call(self, method: str, outcome: str) -> None:
        """One call of the Web API is over."""
        self._count("countersign_slack_calls_total", method=method, outcome=outcome)

    def saying(self, kind: str, *, sent: bool) -> None:
        """One row of the outbox was said, or never will be."""
        name = "countersign_outbox_sent_total" if sent else "countersign_outbox_failed_total"
        self._count(name, kind=kind)

    async def measure_lag(self) -> None:
        """Watch how late timers come, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._observe("countersign_event_loop_lag_seconds", max(0.0, loop.time() - due))

    # --- a scrape ---------------------------------------------------------------------------

    async def text(self) -> bytes:
        """All figures now. The database is looked at once in some seconds and may be away."""
        async with self._lock:
            if time.monotonic() - self._read_at >= self._fresh:
                self._read_at = time.monotonic()
                await self._read()
            if time.monotonic() - self._sized_at >= _SIZES_FRESH:
                await self._size()
        self._set("countersign_sockets_connected", self._sources.sockets())
        for pool, stats in self._sources.pools().items():
            for state, key in (
                ("open", "pool_size"),
                ("idle", "pool_available"),
                ("waiting", "requests_waiting"),
            ):
                name = "countersign_database_pool_connections"
                self._set(name, stats.get(key, 0), pool=pool, state=state)
        if self._sources.redis_away is not None:
            self._set("countersign_redis_up", 0 if self._sources.redis_away() else 1)
        return generate_latest(self.registry)

    async def _read(self) -> None:
        touched = {run for run in self._touched if run in self._runs}
        self._touched.clear()
        ended = {run for run in touched if self._runs[run].ended}
        try:
            found = await figures(self._sources.database, touched, ended)
        except DatabaseAway:
            self._touched |= touched
            self._count("countersign_scrape_errors_total", source="database")
            self._set("countersign_database_up", 0)
            self._stand({})
            return
        self._set("countersign_database_up", 1)
        self._stand(found.now)
        self._tally(found, ended)
        for run in ended:
            self._runs.pop(run, None)

    async def _size(self) -> None:
        """How large the database is; while it is away, as it was."""
        try:
            found, room = (
                await growth.look(self._sources.database),
                await self._sources.database.room(),
            )
        except DatabaseAway:
            self._count("countersign_scrape_errors_total", source="database")
            return
        self._sized_at = time.monotonic()
        self._set("countersign_database_bytes", found.bytes)
        self._set("countersign_database_connections", room.allowed, state="allowed")
        self._set("countersign_database_connections", room.others, state="others")
        for table in found.tables:
            self._set("countersign_table_bytes", table.bytes, table=table.name)
            self._set("countersign_table_rows", table.rows, table=table.name, state="live")
            self._set("countersign_table_rows", table.dead, table=table.name, state="dead")

    def _stand(self, now: Row) -> None:
        """How things stand in the database; unknown is NaN, not 0."""
        self._set("countersign_open_calls", now.get("open_calls", _NAN))
        self._set("countersign_outbox_pending", now.get("outbox_pending", _NAN))
        self._set("countersign_outbox_oldest_seconds", now.get("outbox_oldest", _NAN))
        for state in ("waiting", "doing", "stalled"):
            self._set("countersign_jobs", now.get(f"jobs_{state}", _NAN), state=state)

    def _tally(self, found: Figures, ended: Set[UUID]) -> None:
        # `ended` as the database was asked: what is heard since then is counted next time; a run
        # may have been pushed out since then, too
        for run in found.runs:
            if seen := self._runs.get(run["id"]):
                self._tally_run(run, seen, ended=run["id"] in ended)
        for call in found.model_calls:
            if seen := self._runs.get(call["run_id"]):
                self._tally_model_call(call, seen)
        for row in found.calls:
            self._count(
                "countersign_calls_total",
                row["number"],
                tool=row["tool"],
                kind=row["kind"],
                state=row["state"],
            )
        for row in found.decisions:
            self._count("countersign_decisions_total", row["number"], vote=row["vote"])
        for row in found.refused_votes:
            self._count("countersign_votes_refused_total", row["number"], reason=row["why"] or "")
        for row in found.starts:
            self._observe("countersign_decision_to_execution_seconds", row["seconds"])

    def _tally_run(self, row: Row, seen: _Seen, *, ended: bool) -> None:
        kind = row["kind"]
        if seen.begun:
            self._count("countersign_runs_started_total", seen.begun, kind=kind)
            seen.begun = 0
        if not ended or row["seconds"] is None:
            return
        outcome = row["state"]
        if row["refused"] or row["stopped"]:
            outcome = "refused" if row["refused"] else "stopped"
        self._count("countersign_runs_ended_total", kind=kind, outcome=outcome)
        self._observe("countersign_run_duration_seconds", row["seconds"], kind=kind)
        self._observe("countersign_run_work_seconds", row["worked"], kind=kind)
        if row["first_sign"] is not None:
            self._observe("countersign_first_sign_seconds", row["first_sign"])

    def _tally_model_call(self, row: Row, seen: _Seen) -> None:
        # a uuid7 begins with its time
        if row["id"].int <= seen.last or row["id"].int >> 80 < seen.since:
            return
        seen.last = row["id"].int
        model = row["model"]
        self._count("countersign_model_calls_total", model=model)
        self._count("countersign_model_errors_total", int(row["failed"]), model=model)
        self._count("countersign_model_cost_dollars_total", row["cost"] or 0.0, model=model)
        self._observe("countersign_model_call_seconds", row["milliseconds"] / 1000, model=model)
        for direction in ("input", "cached", "output"):
            name = "countersign_model_tokens_total"
            self._count(name, row[f"{direction}_tokens"], model=model, direction=direction)

    # --- one metric -------------------------------------------------------------------------

    def _count(self, name: str, number: float = 1, **labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(number)

    def _set(self, name: str, value: float, **labels: str) -> None:
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def _observe(self, name: str, value: float, **labels: str) -> None:
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets
    )


def _version() -> str:
    try:
        return version("countersign")
    except PackageNotFoundError:
        return "checkout"

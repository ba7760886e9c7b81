"""Words that go: a person's when he wants it, everybody's when they are old. What was done stays:
the audit, and of each call the tool, its arguments and what became of it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue

from bot.core.text import amount
from bot.guard import audit
from bot.guard.chronicle import id_at
from bot.store.database import Database, Row, Transaction

REMOVED: Final = {"content": "(removed)"}
"""What a message says whose words are gone."""

_REASON: Final = "(reason removed)"
"""What stands where somebody said why: that he did."""

_BATCH: Final = 200  # runs looked at in one transaction
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended."""

    id: UUID
    channel: str
    thread_ts: str
    state: str
    since: datetime


class StillOpen(Exception):
    """Runs that have not ended hold the person's words in their checkpoints."""

    def __init__(self, runs: Sequence[OpenRun]) -> None:
        super().__init__(f"open: {amount(len(runs), 'run')}")
        self.runs = tuple(runs)


@dataclass
class Removed:
    """What was removed in one workspace, by kind. Not removed: `left`, runs that are open;
    `waiting` messages that are still to be said; `audited` audit rows of an earlier version that
    hold words, for the chain's sake.
    """

    org: str
    counts: Counter[str] = field(default_factory=Counter)
    left: tuple[OpenRun, ...] = ()
    waiting: int = 0
    audited: int = 0


class _Rehearsed(Exception):
    """Ends a transaction so that nothing of it stays."""


@dataclass(frozen=True)
class Wanted:
    """Whose words, and those from before when. `rehearse`: only count. `force`: although runs of
    his are open; these are left as they are.
    """

    person: str
    before: datetime | None = None
    rehearse: bool = False
    force: bool = False


async def forget(database: Database, org: str, wanted: Wanted) -> Removed:
    """Remove a person's words: what he said, what was answered to him and found for him, and his
    reasons. May be repeated; each batch is a transaction. Raises `StillOpen`.
    """
    before = wanted.before or datetime.now(UTC)
    of_him: dict[str, Any] = {"org": org, "person": wanted.person, "before": before}
    removed = Removed(org)
    async with database.statement() as tx:
        removed.left = tuple(_open(row) for row in await tx.all("open_runs_of", **of_him))
    if removed.left and not (wanted.force or wanted.rehearse):
        raise StillOpen(removed.left)
    if not wanted.rehearse:
        async with database.transaction() as tx:  # said first: what comes may break off
            data: dict[str, JsonValue] = {"person": wanted.person, "before": before.isoformat()}
            audit.append(tx, org, "forgetting", "operator", data)
    after = _FIRST
    while True:
        rows = await _slice(database, org, after, before, wanted.person)
        async with _batch(database, rehearse=wanted.rehearse) as tx:
            removed.counts += await _empty(tx, rows, wanted.person)
        if len(rows) < _BATCH:
            break
        after = rows[-1]["id"]
    await _forget_reasons(database, wanted, of_him, removed.counts)
    async with _batch(database, rehearse=wanted.rehearse) as tx:
        await _end(tx, wanted, of_him, removed)
    return removed


async def _forget_reasons(
    database: Database, wanted: Wanted, of_him: Mapping[str, Any], counts: Counter[str]
) -> None:
    """His votes' reasons, whoever's the run is."""
    after = _FIRST
    while True:
        async with _batch(database, rehearse=wanted.rehearse) as tx:
            given = {**of_him, "after": after, "limit": _BATCH, "instead": _REASON}
            found = await tx.one("forget_reasons_of", **given)
        count = int(found["reasons"]) if found else 0
        counts["reasons"] += count
        if found is None or count < _BATCH:
            return
        after = found["last"]


async def _end(
    tx: Transaction, wanted: Wanted, of_him: Mapping[str, Any], removed: Removed
) -> None:
    """What has to stay, and the audit row, which says it all."""
    counts = removed.counts
    waiting = await tx.one("sayings_waiting_of", **of_him) or {}
    removed.waiting = int(waiting.get("rows", 0))
    names = {"org": removed.org, "person": wanted.person}
    kept = await tx.one("audit_rows_with_words", **names) or {}
    removed.audited = int(kept.get("rows", 0))
    data: dict[str, JsonValue] = {
        "person": wanted.person,
        "before": wanted.before.isoformat() if wanted.before else "",
        "removed": {name: number for name, number in sorted(counts.items()) if number},
        "left_open": [str(run.id) for run in removed.left],
    }
    audit.append(tx, removed.org, "forgotten", "operator", data)


async def _slice(
    database: Database,
    org: str,
    after: UUID,
    before: datetime,
    person: str | None,
    limit: int = _BATCH,
) -> list[Row]:
    async with database.statement() as tx:
        return await tx.all(
            "runs_with_words",
            org=org,
            after=after,
            until=id_at(before),
            person=person,
            removed=REMOVED,
            limit=limit,
        )


async def _empty(tx: Transaction, rows: Sequence[Row], person: str | None) -> Counter[str]:
    """Remove the words of these runs: all of those that are `own`, of the others what he said."""
    own = [row["id"] for row in rows if row["own"]]
    said = [*own, *(row["id"] for row in rows if row["said"])]
    counts: Counter[str] = Counter()
    if his := [row["id"] for row in rows if row["his"]]:
        counts["sayings"] = await tx.run("forget_sayings_in", runs=his)
    if not said:
        return counts
    counts["runs"] = len(own)
    await tx.run("outdate_summaries", runs=said)
    counts["summaries"] = await tx.run("forget_summaries", runs=said)
    of_him = {"runs": said, "person": person, "removed": REMOVED}
    counts["messages"] = await tx.run("forget_messages", **of_him)
    counts["answers"] = await tx.run("forget_answers", runs=own)
    unswept = [row["id"] for row in rows if row["own"] and not row["swept"]]
    # the graph writes its last checkpoint after the run has ended: the sweep comes once more
    settled = [row["id"] for row in rows if row["settled"] and row["id"] in unswept]
    await tx.run("mark_swept", ids=settled)  # runs are locked before their calls
    counts["wishes"] = await tx.run("forget_wishes", runs=own)
    counts["results"] = await tx.run("forget_results", runs=own)
    counts["artifacts"] = await tx.run("forget_artifacts", runs=own)
    if person is None:
        found = await tx.one("forget_reasons_in", runs=own, instead=_REASON) or {}
        counts["reasons"] = int(found.get("reasons", 0))
    if unswept:
        threads = [str(one) for one in unswept]
        counts["checkpoints"] = await tx.run("sweep_checkpoints", threads=threads)
        await tx.run("sweep_checkpoint_blobs", threads=threads)
        await tx.run("sweep_checkpoint_writes", threads=threads)
    return counts


@asynccontextmanager
async def _batch(database: Database, *, rehearse: bool) -> AsyncIterator[Transaction]:
    """A transaction that is taken back at its end where it is only a rehearsal."""
    try:
        async with database.transaction() as tx:
            yield tx
            if rehearse:
                _take_back()
    except _Rehearsed:
        return


def _take_back() -> None:
    raise _Rehearsed


def _open(row: Row) -> OpenRun:
    return OpenRun(row["id"], row["channel"], row["thread_ts"], row["state"], row["created_at"])


# --- what is old --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Keeping:
    """For how many days words are kept; None: for ever. The audit always is. `outbox`: what was
    said, `jobs`: those that failed.
    """

    messages: int | None = 365
    artifacts: int | None = 30
    events: int | None = 2
    outbox: int | None = 7
    jobs: int | None = 7


@dataclass(frozen=True)
class Bounds:
    """How much one sweep does: runs looked at and rows deleted in one transaction, and how many of
    these there are of each kind. The next sweep goes on.
    """

    runs: int = _BATCH
    rows: int = 2000
    batches: int = 50


class Retention:
    """Removes what is older than it is kept, a bounded part in each sweep. Several processes may
    sweep: what one has removed the other finds gone.
    """

    def __init__(
        self, database: Database, org: str, keeping: Keeping, bounds: Bounds | None = None
    ) -> None:
        self._database = database
        self._org = org
        self._keeping = keeping
        self._bounds = bounds or Bounds()
        self._after = _FIRST  # where the last look at old runs ended

    async def sweep(self, now: datetime | None = None) -> Counter[str]:
        """How much went, by kind. Raises `DatabaseAway`."""
        now = now or datetime.now(UTC)
        counts: Counter[str] = Counter()
        keeping, org = self._keeping, self._org
        for kind, statement, days in (
            ("events", "drop_events", keeping.events),
            ("views", "drop_views", keeping.events),
            ("sayings", "drop_sayings", keeping.outbox),
            ("jobs", "drop_jobs", keeping.jobs),
        ):
            if days is not None:
                before = now - timedelta(days=days)
                counts[kind] = await self._drop(statement, org=org, before=before)
        if keeping.artifacts is not None:
            until = id_at(now - timedelta(days=keeping.artifacts))
            counts["artifacts"] = await self._drop("drop_artifacts", org=org, until=until)
        if keeping.messages is not None:
            counts += await self._old_words(now - timedelta(days=keeping.messages))
        return +counts

    async def _drop(self, statement: str, **which: Any) -> int:
        gone = 0
        for _ in range(self._bounds.batches):
            async with self._database.statement() as tx:
                count = await tx.run(statement, limit=self._bounds.rows, **which)
            gone += count
            if count < self._bounds.rows:
                break
        return gone

    async def _old_words(self, before: datetime) -> Counter[str]:
        """From where the last sweep ended; once all were looked at, from the beginning."""
        counts: Counter[str] = Counter()
        limit = self._bounds.runs
        for _ in range(self._bounds.batches):
            rows = await _slice(self._database, self._org, self._after, before, None, limit)
            async with self._database.transaction() as tx:
                counts += await _empty(tx, rows, None)
            if len(rows) < limit:
                self._after = _FIRST
                break
            self._after = rows[-1]["id"]
        return counts

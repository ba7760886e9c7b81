"""Checkpoints that nobody needs any more: those of runs that have ended."""

from collections.abc import Sequence

from bot.store.database import Database, Transaction

_STRAYS = 200  # runs in one sweep


async def sweep(database: Database, after: float) -> int:
    """Delete the checkpoints of runs that ended more than `after` seconds ago; how many runs.

    One transaction: a kill in between leaves either all of a run's rows and its mark, or none.
    """
    async with database.relaxed() as tx:
        ids = [row["id"] for row in await tx.all("runs_to_sweep", after=after)]
        if ids:
            await _drop(tx, [str(one) for one in ids])
            await tx.run("mark_swept", ids=ids)
    return len(ids)


async def sweep_strays(database: Database) -> int:
    """Delete what was written into runs that are swept already; of how many runs."""
    async with database.relaxed() as tx:
        rows = await tx.all("stray_checkpoints", limit=_STRAYS)
        if rows:
            await _drop(tx, [row["thread_id"] for row in rows])
    return len(rows)


async def _drop(tx: Transaction, threads: Sequence[str]) -> None:
    await tx.run("sweep_checkpoints", threads=threads)
    await tx.run("sweep_checkpoint_blobs", threads=threads)
    await tx.run("sweep_checkpoint_writes", threads=threads)

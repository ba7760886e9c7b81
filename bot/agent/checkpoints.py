"""LangGraph's checkpoints: one `thread_id` per run, on a pool of their own that commits
asynchronously.
"""

import contextlib
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from bot.store.database import Database


class Checkpoints(AsyncPostgresSaver):
    """The stock saver without its one lock, which makes a pool of connections useless, and with
    strict msgpack.
    """

    def __init__(self, database: Database) -> None:
        # an empty allow-list: nothing that a blob names is ever imported; our state is plain dicts
        super().__init__(database.checkpoints, serde=JsonPlusSerializer(allowed_msgpack_modules=[]))
        self.lock: Any = contextlib.nullcontext()
        self._database = database

    async def sweep(self, after: float) -> int:
        """Delete the checkpoints of runs that ended more than `after` seconds ago; how many runs.

        One transaction: a kill in between leaves either all of a run's rows and its mark, or none.
        """
        async with self._database.relaxed() as tx:
            rows = await tx.all("runs_to_sweep", after=after)
            if not rows:
                return 0
            ids = [row["id"] for row in rows]
            threads = [str(one) for one in ids]
            await tx.run("sweep_checkpoints", threads=threads)
            await tx.run("sweep_checkpoint_blobs", threads=threads)
            await tx.run("sweep_checkpoint_writes", threads=threads)
            await tx.run("mark_swept", ids=ids)
        return len(ids)

"""LangGraph's checkpoints: one `thread_id` per run, on a pool of their own that commits
asynchronously.
"""

import contextlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from bot.store.database import STATEMENTS, Database

_PUT, _PUT_WRITE = (STATEMENTS[name].encode() for name in ("put_checkpoint", "put_write"))
# Each has an index of one column, with which its primary key begins anyway.
_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
_PLAIN = (str, int, float, bool, type(None))  # what stands in a checkpoint's row itself
# what the stock saver makes of a write, in its order
_WRITE = (
    "thread_id",
    "checkpoint_ns",
    "id",
    "task_id",
    "task_path",
    "idx",
    "channel",
    "type",
    "blob",
)


class Checkpoints(AsyncPostgresSaver):
    """The stock saver without its one lock, which makes a pool of connections useless, with strict
    msgpack, and closed to a worker that lost its claim.
    """

    def __init__(self, database: Database) -> None:
        # an empty allow-list: nothing that a blob names is ever imported; our state is plain dicts
        super().__init__(database.checkpoints, serde=JsonPlusSerializer(allowed_msgpack_modules=[]))
        self.lock: Any = contextlib.nullcontext()
        self._database = database
        self._peeked: dict[str, CheckpointTuple] = {}

    async def make_tables(self) -> bool:
        """Make the tables, without the indexes that only cost; False while one of these stays."""
        await self.setup()
        return await self._database.drop_indexes([f"{table}_thread_id_idx" for table in _TABLES])

    @staticmethod
    def place(run_id: UUID, attempt: int) -> RunnableConfig:
        """Where one claim of a run keeps its steps."""
        return {"configurable": {"thread_id": str(run_id), "attempt": attempt}}

    async def peek(self, run_id: UUID) -> CheckpointTuple | None:
        """A run's newest checkpoint; the graph, which reads it again next, is handed this one."""
        self.forget(run_id)
        found = await super().aget_tuple({"configurable": {"thread_id": str(run_id)}})
        if found is not None:
            self._peeked[str(run_id)] = found
        return found

    def forget(self, run_id: UUID) -> None:
        """The graph does not go on now, so that nothing is handed to it later."""
        self._peeked.pop(str(run_id), None)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As the graph asks; what was peeked at counts once."""
        place = config["configurable"]
        if not place.get("checkpoint_id") and (found := self._peeked.pop(place["thread_id"], None)):
            return found
        return await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As the stock saver, but for a claim that was lost: then there is no checkpoint. Without
        its way through a thread: ours are small, and while the process is busy a thread waits for
        the interpreter longer than it works.
        """
        place = config["configurable"]
        thread_id, namespace = place["thread_id"], place["checkpoint_ns"]
        values = checkpoint["channel_values"]
        plain = {name: one for name, one in values.items() if isinstance(one, _PLAIN)}
        blobs = {name: one for name, one in values.items() if name not in plain}
        versions = {name: one for name, one in new_versions.items() if name in blobs}
        row = {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "id": checkpoint["id"],
            "parent": place.get("checkpoint_id"),
            "checkpoint": json.dumps({**checkpoint, "channel_values": plain}),
            "metadata": json.dumps(get_serializable_checkpoint_metadata(config, metadata)),
            "attempt": place["attempt"],
        }
        async with self._cursor(pipeline=True) as cursor:
            if versions:
                dumped = self._dump_blobs(thread_id, namespace, blobs, versions)
                await cursor.executemany(self.UPSERT_CHECKPOINT_BLOBS_SQL, dumped)
            await cursor.execute(_PUT, row)
        kept = {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint["id"],
        }
        return {"configurable": kept}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """What a task says of itself, such as that it waits, and what it was answered: as the stock
        saver, but for a claim that was lost, and without a thread as well.

        What a node came to is not kept a second time: it stands in the checkpoint that is stored
        right after. A kill in between has the node do it again, as one just before would.
        """
        if not any(channel in WRITES_IDX_MAP for channel, _ in writes):
            return
        place = config["configurable"]
        which = (place["thread_id"], place["checkpoint_ns"], place["checkpoint_id"])
        given = {
            "attempt": place["attempt"],
            "again": all(channel in WRITES_IDX_MAP for channel, _ in writes),
        }
        rows = self._dump_writes(*which, task_id, task_path, writes)
        async with self._cursor() as cursor:
            await cursor.executemany(
                _PUT_WRITE, [dict(zip(_WRITE, row, strict=True)) | given for row in rows]
            )

"""LangGraph's tables, without LangGraph: a start finds in the database that they are there."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version

from bot.store.database import Database
from bot.store.migrate import Step

_SAVER = "langgraph-checkpoint-postgres"
_OURS = 1  # one more as soon as we make something else of its tables


def langgraph(dsn: str) -> Mapping[str, Step]:
    """The step that makes them, by the saver whose tables they are, and what we make of them."""
    return {f"{_SAVER} {version(_SAVER)} {_OURS}": Step(partial(_make, dsn), "checkpoints")}


async def _make(dsn: str) -> bool:
    from bot.agent.checkpoints import Checkpoints  # noqa: PLC0415 - half a second of a start

    async with Database(dsn, patient=True).open() as database:
        return await Checkpoints(database).make_tables()

"""`countersign redraw`: have what is open drawn anew, as after a restore."""

import asyncio
from typing import TYPE_CHECKING

from bot.core.text import amount
from bot.settings import database_url
from bot.store.database import migrated
from bot.store.outbox import redraw_open

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    commands.add_parser(
        "redraw",
        help=summary,
        description=(
            "After a restore, cards in Slack may show what the database knows nothing of. This has "
            "the card of every change that is not over drawn anew, by DATABASE_URL: a running bot "
            "or the next one that starts does it, as fast as Slack takes edits. May be repeated."
        ),
    ).set_defaults(work=lambda _: asyncio.run(run(database_url())))


async def run(dsn: str) -> int:
    """Do it; the exit code. Raises `DatabaseAway` and `NotMigrated`."""
    async with migrated(dsn) as database, database.transaction() as tx:
        print(f"{amount(await redraw_open(tx), 'card')} will be drawn anew.")
    return 0

"""`countersign migrate`."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from bot.app import bring_up_to_date
from bot.core.logs import set_up
from bot.guard.masking import mask_text
from bot.settings import migration_url

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    commands.add_parser(
        "migrate",
        help=summary,
        description="Apply outstanding migrations by DATABASE_MIGRATE_URL or DATABASE_URL.",
    ).set_defaults(work=_work)


def _work(given: argparse.Namespace) -> int:
    del given
    set_up("text", lambda text: mask_text(text).text)
    applied = asyncio.run(bring_up_to_date(migration_url()))
    print("\n".join(applied) if applied else "The database is up to date.")
    return 0

"""`countersign run`."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from bot.app import ROLES, Role, run
from bot.commands import until_signal
from bot.core.logs import set_up
from bot.guard.masking import mask_text
from bot.guard.misspelt import misspelt
from bot.settings import environment, read
from bot.store.embedded import embedded_postgres

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    running = commands.add_parser(
        "run",
        help=summary,
        description="Run the bot until SIGTERM or Ctrl-C. Applies outstanding migrations first.",
    )
    running.add_argument(
        "--no-migrate", action="store_true", help="refuse to start when migrations are outstanding"
    )
    running.add_argument(
        "--dev",
        action="store_true",
        help="without DATABASE_URL: embed a PostgreSQL, for development only",
    )
    running.add_argument(
        "--role",
        action="append",
        choices=sorted(ROLES),
        help="only this role; may be given again (default: all). listener: hears Slack; worker: "
        "carries runs on and says what is to be said; web: only answers HTTP, as all do",
    )
    running.set_defaults(work=_work)


def _work(given: argparse.Namespace) -> int:
    roles = frozenset(given.role or ROLES)
    asyncio.run(_run(roles, no_migrate=given.no_migrate, dev=given.dev))
    return 0


async def _run(roles: frozenset[Role], *, no_migrate: bool, dev: bool) -> None:
    if dev:
        async with embedded_postgres(Path(".dev")) as url:
            settings = read(environment({"DATABASE_URL": url}), misspelt)
            set_up(settings.log, lambda text: mask_text(text).text)
            await until_signal(
                lambda stop: run(settings, stop, migrating=not no_migrate, dev=True, roles=roles)
            )
        return
    settings = read(judge=misspelt)
    set_up(settings.log, lambda text: mask_text(text).text)
    await until_signal(lambda stop: run(settings, stop, migrating=not no_migrate, roles=roles))

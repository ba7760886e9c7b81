"""The `countersign` command line."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot import demo
from bot.app import bring_up_to_date, run
from bot.core.errors import BadSettings, DatabaseAway, SlackAway
from bot.core.logs import set_up
from bot.guard.masking import mask_text
from bot.settings import migration_url, read
from bot.store.embedded import EmbeddedPostgresError, embedded_postgres

_CONFIG, _UNAVAILABLE = 78, 69  # sysexits.h


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="countersign",
        description=(
            "A chat-ops bot for Slack: it looks, proposes, waits for a human's Approve, runs "
            "exactly that, verifies it and offers the way back. "
            "Settings come from the environment; see README."
        ),
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    running = commands.add_parser(
        "run",
        help="run the bot: sockets, workers, health endpoints",
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
    commands.add_parser(
        "migrate",
        help="bring the database up to date",
        description="Apply outstanding migrations by DATABASE_MIGRATE_URL or DATABASE_URL.",
    )
    sandbox = commands.add_parser(
        "sandbox",
        help="a local Slack-like workspace with a demo cluster, in the browser",
        description=(
            "Start a local workspace, a demo cluster, a PostgreSQL and the bot, all on this "
            "machine, and print the page's address. Nothing leaves the machine, except prompts "
            "to the model that COUNTERSIGN_MODEL names, if it is set."
        ),
    )
    sandbox.add_argument(
        "--data", type=Path, default=Path(".demo"), help="where its data lies (default: .demo)"
    )
    sandbox.add_argument(
        "--port", type=int, default=8090, help="the page's port; another is taken when it is in use"
    )
    return top


def main() -> None:
    """Run one command; every failure is one sentence."""
    given = parser().parse_args()
    try:
        match given.command:
            case "run":
                asyncio.run(_run(no_migrate=given.no_migrate, dev=given.dev))
            case "migrate":
                asyncio.run(_migrate())
            case _:
                asyncio.run(_until_signal(lambda stop: demo.sandbox(given.data, given.port, stop)))
    except BadSettings as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        sys.exit(_CONFIG)
    except (DatabaseAway, SlackAway, EmbeddedPostgresError) as error:
        print(f"countersign: {error}", file=sys.stderr)
        sys.exit(_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.exit(130)


async def _run(*, no_migrate: bool, dev: bool) -> None:
    if dev:
        async with embedded_postgres(Path(".dev")) as url:
            settings = read(demo.environment({"DATABASE_URL": url}))
            set_up(settings.log, lambda text: mask_text(text).text)
            await _until_signal(
                lambda stop: run(settings, stop, migrating=not no_migrate, dev=True)
            )
        return
    settings = read()
    set_up(settings.log, lambda text: mask_text(text).text)
    await _until_signal(lambda stop: run(settings, stop, migrating=not no_migrate))


async def _migrate() -> None:
    set_up("text", lambda text: mask_text(text).text)
    applied = await bring_up_to_date(migration_url())
    print("\n".join(applied) if applied else "The database is up to date.")


async def _until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """SIGTERM and Ctrl-C ask it to stop; a second Ctrl-C does not wait."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    await work(stop)


if __name__ == "__main__":
    main()

"""The `countersign` command line."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bot import VERSION, auditing, demo, first_steps
from bot.app import bring_up_to_date, run
from bot.core.errors import BadSettings, DatabaseAway, SlackAway
from bot.core.logs import set_up
from bot.doctor import Finding, Mark, examine
from bot.guard.masking import mask_text
from bot.settings import database_url, migration_url, read, read_what_works
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
    top.add_argument("--version", action="version", version=f"countersign {VERSION}")
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
    _add_init(commands)
    doctor = commands.add_parser(
        "doctor",
        help="look at everything the bot stands on, and say what to mend",
        description=(
            "Check settings, Slack, database, Redis, models, clusters and approvers; one line for "
            "each. Exit code 1 when something failed. It asks each model one word."
        ),
    )
    doctor.add_argument("--json", action="store_true", help="print JSON instead of lines")
    auditing.add_commands(commands)
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


def _add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    first = commands.add_parser(
        "init",
        help="five questions; writes countersign.yaml and .env",
        description=(
            "Ask where the database is, which clusters, which model, who approves and in which "
            "channel; write countersign.yaml and .env, and say what comes next. An option answers "
            "its question."
        ),
    )
    first.add_argument("--database", help="the PostgreSQL's address")
    first.add_argument("--contexts", help="contexts of the kubeconfig, separated by commas")
    first.add_argument("--model", help="model ids in order; empty: commands only")
    first.add_argument("--approvers", help="user or user-group ids, or *")
    first.add_argument("--channel", help="id of the channel where all cards are told; may be empty")
    first.add_argument("--yes", action="store_true", help="ask nothing: take the defaults")
    first.add_argument("--force", action="store_true", help="replace files that are there")
    first.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="where the two files are written (default: here)",
    )


def main() -> None:
    """Run one command; every failure is one sentence."""
    given = parser().parse_args()
    try:
        match given.command:
            case "run":
                asyncio.run(_run(no_migrate=given.no_migrate, dev=given.dev))
            case "migrate":
                asyncio.run(_migrate())
            case "init":
                init(given, demo.environment({}))
            case "doctor":
                sys.exit(asyncio.run(_doctor(as_json=given.json)))
            case "audit":
                sys.exit(asyncio.run(auditing.run(given, database_url())))
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


def init(given: argparse.Namespace, around: Mapping[str, str]) -> None:
    """Ask, write, and say what comes next; `around` is the environment."""
    answers = {name: getattr(given, name) for name in first_steps.QUESTIONS}
    first_steps.take(
        first_steps.Terminal(asking=not given.yes, replacing=given.force),
        {name: text for name, text in answers.items() if text is not None},
        given.folder,
        around,
    )


async def _doctor(*, as_json: bool) -> int:
    """The report; the exit code: 1 when something failed."""
    # what a check meets is in its finding; a log among the lines would only hide it
    logging.disable(logging.CRITICAL)
    set_up("text", lambda text: mask_text(text).text)
    found: list[Finding] = []

    def say(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            print(finding.line(), flush=True)

    is_well = await examine(read_what_works(), say)
    if as_json:
        report = {"ok": is_well, "findings": [one.data() for one in found]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        counts = Counter(one.mark for one in found)
        print(f"{counts[Mark.FAILED]} failed, {counts[Mark.WARNING]} to know")
    return 0 if is_well else 1


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

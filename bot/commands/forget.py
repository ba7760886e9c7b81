"""`countersign forget`: remove what one person said, and keep what was done."""

import argparse
import asyncio
import re
import sys
from datetime import UTC
from typing import TYPE_CHECKING, Final

from bot.commands.audit import moment
from bot.core.text import amount
from bot.guard import evidence, forgetting
from bot.guard.forgetting import OpenRun, Removed, StillOpen, Wanted
from bot.settings import database_url
from bot.store.database import migrated

if TYPE_CHECKING:
    from bot.commands import Commands

_SAID: Final = {  # one, and several
    "runs": ("emptied run", "emptied runs"),
    "messages": ("message of his", "messages of his"),
    "answers": ("answer or result told to the model", "answers and results told to the model"),
    "results": ("result of a call", "results of calls"),
    "wishes": ("wish of a command", "wishes of commands"),
    "reasons": ("reason of a vote", "reasons of votes"),
    "artifacts": ("long result", "long results"),
    "sayings": ("message of mine in the outbox", "messages of mine in the outbox"),
    "summaries": ("summary of a thread", "summaries of threads"),
    "checkpoints": ("checkpoint", "checkpoints"),
}


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    told = commands.add_parser(
        "forget",
        help=summary,
        description=(
            "Remove by DATABASE_URL what one person said to the bot, what it answered him and "
            "found for him, and his reasons. Who asked, who approved and what exactly ran is "
            "kept: the audit stays whole. What stands in Slack stays there. May be repeated."
        ),
    )
    told.add_argument("user", type=_user, metavar="USER", help="a Slack user id, such as U012AB3CD")
    told.add_argument(
        "--before", type=moment, metavar="DAY", help="only runs that began before this day (UTC)"
    )
    told.add_argument(
        "--dry-run", action="store_true", help="only say how much it would be; nothing is removed"
    )
    told.add_argument(
        "--force",
        action="store_true",
        help="although runs of his are open: these are named, and left as they are",
    )
    told.set_defaults(work=lambda given: asyncio.run(run(given, database_url())))


async def run(given: argparse.Namespace, dsn: str) -> int:
    """Do what was asked; the exit code. Raises `DatabaseAway` and `NotMigrated`."""
    wanted = Wanted(given.user, given.before, rehearse=given.dry_run, force=given.force)
    async with migrated(dsn) as database:
        for head in await evidence.heads(database):
            try:
                removed = await forgetting.forget(database, head.org, wanted)
            except StillOpen as still:
                _tell_open(still.runs)
                print(
                    "Nothing was removed. Stop them or wait for their end, or leave them out with "
                    "--force.",
                    file=sys.stderr,
                )
                return 1
            _tell(removed, wanted)
    return 0


def _tell(removed: Removed, wanted: Wanted) -> None:
    counts = [(removed.counts[name], said) for name, said in _SAID.items()]
    found = [
        f"{count:,} {one if count == 1 else several}" for count, (one, several) in counts if count
    ]
    verb = "would remove" if wanted.rehearse else "removed"
    print(
        f"{removed.org}: {verb} of {wanted.person}: {', '.join(found) or 'nothing, none is left'}"
    )
    if removed.waiting:
        waiting = amount(removed.waiting, "message")
        print(
            f"{removed.org}: still to be said to {wanted.person}: {waiting}; repeat this when that "
            "is done."
        )
    if removed.audited:
        rows = amount(removed.audited, "audit row")
        print(
            f"{removed.org}: words of {wanted.person} stay in {rows} of an earlier version, since "
            "the chain covers them."
        )
    _tell_open(removed.left)
    if removed.left and not wanted.force:
        print("While they are open, nothing is removed without --force.", file=sys.stderr)


def _tell_open(runs: tuple[OpenRun, ...]) -> None:
    for one in runs:
        since = f"{one.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        where = f"thread {one.thread_ts} of channel {one.channel}"
        print(f"Still open: run {one.id} ({one.state}) since {since}, {where}.", file=sys.stderr)


def _user(text: str) -> str:
    if not re.fullmatch(r"[UW][A-Z0-9]{2,}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no Slack user id such as U012AB3CD; names are not ids"
        )
    return text

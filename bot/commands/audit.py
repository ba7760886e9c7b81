"""`countersign audit`: verify the chain, and export what it says."""

import argparse
import asyncio
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from bot.core.errors import BadSettings
from bot.core.text import amount
from bot.guard import audit, chronicle, evidence
from bot.guard.chronicle import Question, Story
from bot.guard.evidence import Choice
from bot.settings import database_url
from bot.store.database import Database, Row, migrated

if TYPE_CHECKING:
    from bot.commands import Commands

_COLUMNS: Final = (
    "org",
    "seq",
    "at",
    "kind",
    "actor",
    "run_id",
    "call_id",
    "data",
    "prev",
    "hash",
)
_STORY: Final = tuple(one.name for one in fields(Story))
_USAGE: Final = 2  # as argparse's
_SLACK_ID: Final = re.compile(r"[UW][A-Z0-9]{2,}")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet computes


def add(commands: "Commands", summary: str) -> None:
    """Describe `audit verify` and `audit export`."""
    top = commands.add_parser(
        "audit",
        help=summary,
        description="Read the audit by DATABASE_URL; needs no Slack, cluster or model.",
    )
    top.set_defaults(work=lambda given: asyncio.run(run(given, database_url())))
    doing = top.add_subparsers(dest="doing", required=True, metavar="COMMAND")
    verify = doing.add_parser(
        "verify",
        help="follow the hash chain from its first row to its head",
        description=(
            "Compute every row's hash anew. Exit code 1 when a row was changed, added or removed, "
            "or when the hash asked for is not in the chain."
        ),
    )
    verify.add_argument(
        "--head",
        type=_hash,
        metavar="HASH",
        help="a head's hash from an earlier log line or export: the chain must still hold it",
    )
    export = doing.add_parser(
        "export",
        help="write the audit's rows as JSON lines or CSV",
        description=(
            "Write rows in order, to standard output or a file. Days are UTC. The head up to which "
            "it was read is told on standard error: keep it for `audit verify --head`. With "
            "--stories, one record for each call instead: who asked, who approved and when, under "
            "which rule, what exactly ran, as whom, what came back, whether it was undone."
        ),
    )
    export.add_argument(
        "--stories", action="store_true", help="a joined record for each call instead of the rows"
    )
    export.add_argument(
        "--format", choices=("jsonl", "csv"), default="jsonl", help="jsonl (default) or csv"
    )
    export.add_argument("--since", type=moment, metavar="DAY", help="from this day or moment on")
    export.add_argument("--until", type=_end, metavar="DAY", help="up to the end of this day")
    export.add_argument("--kind", default="", help="only rows of this kind, such as executing")
    export.add_argument("--actor", default="", help="only what this Slack user id did")
    export.add_argument("--call", default="", help="only rows of the call with this id")
    export.add_argument("--channel", default="", help="with --stories: only calls of this channel")
    export.add_argument("--output", type=Path, help="a file to write, readable by you alone")


async def run(given: argparse.Namespace, dsn: str) -> int:
    """Do what was asked; the exit code. Raises `BadSettings`, `DatabaseAway` and `NotMigrated`."""
    async with migrated(dsn) as database:
        if given.doing == "verify":
            return await _verify(database, given.head or "")
        if why := _no_wish(given) or await _nobody(database, given.actor):
            print(f"countersign audit export: {why}", file=sys.stderr)
            return _USAGE
        if given.stories:
            return await _stories(database, given)
        choice = Choice(given.since, given.until, given.kind, given.actor, given.call)
        return await _export(database, choice, given.format, given.output)


def _no_wish(given: argparse.Namespace) -> str:
    """Why nothing at all can be meant by these options, or nothing."""
    if given.stories and given.kind not in {"", "read", "change"}:
        return "--kind: with --stories, read or change is expected."
    if given.channel and not given.stories:
        return "--channel: only --stories know the channel of a call."
    if not given.stories and given.kind not in {"", *audit.KINDS}:
        return f"--kind: there is no {given.kind!r}. Known: {', '.join(audit.KINDS)}."
    return ""


async def _nobody(database: Database, actor: str) -> str:
    """Why nobody can be meant, or nothing: who has no row yet is still somebody."""
    if not actor or _SLACK_ID.fullmatch(actor) or await evidence.knows_actor(database, actor):
        return ""
    return (
        f"--actor: {actor!r} is no Slack user id such as U012AB3CD, and no row of the audit is of "
        "anything called so."
    )


async def _verify(database: Database, sought: str) -> int:
    all_whole, found = True, False
    heads, beyond = await evidence.heads(database), await evidence.beyond(database)
    if not heads and not beyond:
        print("The audit is empty.")
    for head in heads:
        checked = await evidence.check(database, head, sought)
        if checked.sought is not None:
            seq, at = checked.sought
            found = True
            print(f"{head.org}: {sought} is row {seq}, of {at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.")
        if checked.broken_at is None:
            print(f"{head.org}: whole, {amount(head.seq, 'row')}, head {head.hash}")
            continue
        all_whole = False
        broken = f"broken at row {checked.broken_at} of {head.seq}"
        print(f"{head.org}: {broken}: there, a row was changed, added or removed.")
    for org, seq in beyond.items():
        all_whole = False
        print(f"{org}: its head knows nothing of row {seq}: one was added, or the head set back.")
    if sought and not found:
        print(f"{sought} is in no chain: what was written up to it was changed or cut.")
    return 0 if all_whole and (found or not sought) else 1


async def _export(database: Database, choice: Choice, form: str, output: Path | None) -> int:
    found = 0
    with _opened(output) as file:
        write = _csv(file) if form == "csv" else _json_lines(file)
        for head in await evidence.heads(database):
            count = 0
            async for row in evidence.chosen(database, head, choice):
                write(row)
                count += 1
            found += count
            of = f"{amount(count, 'row')} of {head.seq}"
            print(f"{head.org}: {of}, read up to head {head.hash}", file=sys.stderr)
    if not found:
        print("No rows match.", file=sys.stderr)
    return 0


async def _stories(database: Database, given: argparse.Namespace) -> int:
    """Exit code 1 when the tables say of any call otherwise than the chain."""
    question = Question(
        since=given.since,
        before=given.until,
        person=given.actor,
        call=given.call,
        channel=given.channel,
        reads=given.kind != "change",
    )
    found = differing = 0
    with _opened(given.output) as file:
        write = _story_csv(file) if given.format == "csv" else _story_lines(file)
        for head in await evidence.heads(database):
            count = 0
            async for story in chronicle.stories(database, head, question):
                if given.kind in {"", story.kind}:
                    write(story)
                    count += 1
                    differing += bool(story.differs)
            found += count
            told = f"{amount(count, 'call')}, read up to head {head.hash} (row {head.seq})"
            print(f"{head.org}: {told}", file=sys.stderr)
    if not found:
        print("No calls match.", file=sys.stderr)
    if differing:
        verb = "differs" if differing == 1 else "differ"
        told = f"{differing} of them {verb} from the audit's chain: look at `differs`."
        print(told, file=sys.stderr)
    return 1 if differing else 0


def _story_lines(file: TextIO) -> Callable[[Story], None]:
    def write(story: Story) -> None:
        file.write(json.dumps(story.plain(), ensure_ascii=False) + "\n")

    return write


def _story_csv(file: TextIO) -> Callable[[Story], None]:
    writer = csv.DictWriter(file, _STORY, lineterminator="\n")
    writer.writeheader()

    def write(story: Story) -> None:
        writer.writerow({name: _cell(value) for name, value in story.plain().items()})

    return write


def _cell(value: object) -> object:
    """A value for one cell: lists and the like as JSON, and no text that would be a formula."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        output.touch(mode=0o600)
        file = output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise BadSettings([f"--output: {output} cannot be written: {error.strerror}."]) from error
    with file:
        yield file


def _json_lines(file: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        file.write(json.dumps(_plain(row), ensure_ascii=False) + "\n")

    return write


def _csv(file: TextIO) -> Callable[[Row], None]:
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()

    def write(row: Row) -> None:
        plain = _plain(row)
        writer.writerow(plain | {"data": json.dumps(plain["data"], ensure_ascii=False)})

    return write


def _plain(row: Row) -> dict[str, object]:
    """A row as JSON has it: moments in UTC, ids as text."""
    at = row["at"].astimezone(UTC).isoformat()
    ids = {key: str(row[key]) if row[key] else None for key in ("run_id", "call_id")}
    return {key: row[key] for key in _COLUMNS} | {"at": at} | ids


def _hash(text: str) -> str:
    """A head's hash: what is none is not looked for, or the chain would seem to have lost it."""
    said = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no head's hash: that has 64 characters, 0 to 9 and a to f"
        )
    return said


def moment(text: str) -> datetime:
    """A day's beginning or a moment, UTC where nothing else is said."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-25") from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _end(text: str) -> datetime:
    """The moment before which rows count: the day's end, or the moment that was said."""
    said = moment(text)
    try:
        date.fromisoformat(text)
    except ValueError:
        return said
    return said + timedelta(days=1)

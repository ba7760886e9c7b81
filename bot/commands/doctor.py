"""`countersign doctor`."""

import argparse
import asyncio
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING

from bot.core.logs import set_up
from bot.doctor import Finding, Mark, examine
from bot.guard.masking import mask_text
from bot.settings import read_what_works

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    doctor = commands.add_parser(
        "doctor",
        help=summary,
        description=(
            "Check settings, Slack, database, Redis, models, clusters and approvers; one line for "
            "each. Exit code 1 when something failed. It asks each model one word."
        ),
    )
    doctor.add_argument("--json", action="store_true", help="print JSON instead of lines")
    doctor.set_defaults(work=_work)


def _work(given: argparse.Namespace) -> int:
    return asyncio.run(_doctor(as_json=given.json))


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

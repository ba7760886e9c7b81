"""`countersign init`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bot import first_steps
from bot.settings import environment

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    first = commands.add_parser(
        "init",
        help=summary,
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
    first.set_defaults(work=_work)


def _work(given: argparse.Namespace) -> int:
    init(given, environment({}))
    return 0


def init(given: argparse.Namespace, around: Mapping[str, str]) -> None:
    """Ask, write, and say what comes next; `around` is the environment."""
    answers = {name: getattr(given, name) for name in first_steps.QUESTIONS}
    first_steps.take(
        first_steps.Terminal(asking=not given.yes, replacing=given.force),
        {name: text for name, text in answers.items() if text is not None},
        given.folder,
        around,
    )

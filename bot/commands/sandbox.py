"""`countersign sandbox`: what `make demo` starts."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from bot.commands import until_signal
from bot.demo import Wish, choose, sandbox

if TYPE_CHECKING:
    from bot.commands import Commands


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    local = commands.add_parser(
        "sandbox",
        help=summary,
        description=(
            "Start a local workspace, a demo cluster, a PostgreSQL and the bot, all on this "
            "machine, and print the page's address. Nothing leaves the machine, except prompts "
            "to the model that COUNTERSIGN_MODEL names, if it is set. A later start goes on where "
            "this one was left."
        ),
    )
    local.add_argument(
        "--data", type=Path, default=Path(".demo"), help="where its data lies (default: .demo)"
    )
    local.add_argument(
        "--port",
        type=_port,
        default=8090,
        help="the page's port; another is taken when it is in use",
    )
    local.add_argument("--reset", action="store_true", help="forget everything and begin afresh")
    local.add_argument(
        "--kube",
        action="store_true",
        help=(
            "use your kubeconfig's current context instead of the demo cluster: reads only, "
            "unless you type the context's name"
        ),
    )
    local.set_defaults(work=_work)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535 is expected")
    return port


def _work(given: argparse.Namespace) -> int:
    wish = Wish(given.data, given.port, reset=given.reset, kube=given.kube)
    context = choose(wish)
    asyncio.run(until_signal(lambda stop: sandbox(wish, context, stop)))
    return 0

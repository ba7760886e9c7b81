"""What one types behind `countersign`: a module for each command, loaded when it is needed.

Each has `add(commands, summary)`, which describes it and names the function that does it.
"""

import argparse
import asyncio
import importlib
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from bot import VERSION
from bot.core.loading import uncollected

if TYPE_CHECKING:
    # argparse names the type of what `add_subparsers` returns nowhere else
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

# Here, so that the list of all needs none of them.
SUMMARIES: Final[Mapping[str, str]] = {
    "run": "run the bot: sockets, workers, health endpoints",
    "migrate": "bring the database up to date",
    "init": "five questions; writes countersign.yaml and .env",
    "doctor": "look at everything the bot stands on, and say what to mend",
    "audit": "check that the audit is whole, or export it",
    "forget": "remove what one person said, and keep what was done",
    "redraw": "have the cards of what is open drawn anew, as after a restore",
    "rbac": "print the roles that the bot needs on a cluster",
    "policy": "say what the policy allows, and try a changed one",
    "tools": "try the tools on the terminal: reads, and previews of changes",
    "sandbox": "a local Slack-like workspace with a demo cluster, in the browser",
}


def parser(names: Collection[str] = SUMMARIES.keys()) -> argparse.ArgumentParser:
    """All commands; those of `names` are loaded and have their options."""
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
    with uncollected():
        for name, summary in SUMMARIES.items():
            if name in names:
                importlib.import_module(f"bot.commands.{name}").add(commands, summary)
            else:
                commands.add_parser(name, help=summary)
    return top


async def until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
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

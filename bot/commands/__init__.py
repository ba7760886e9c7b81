"""What one types behind `countersign`: a module for each command, loaded when it is needed.

Each has `add(commands)`, which describes it and names the function that does it.
"""

import argparse
import asyncio
import importlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from bot import VERSION

if TYPE_CHECKING:
    # argparse names the type of what `add_subparsers` returns nowhere else
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

NAMES: Final = ("run", "migrate", "init", "doctor", "audit", "sandbox")


def parser(names: Sequence[str] = NAMES) -> argparse.ArgumentParser:
    """The commands and their options; `names` are those that are loaded."""
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
    for name in names:
        importlib.import_module(f"bot.commands.{name}").add(commands)
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

"""`countersign tools`: the tools on the terminal; a change is only previewed."""

import argparse
import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

from bot.core.errors import BadSettings
from bot.guard.terminal import CannotTry, Terminal, Tried, terminal
from bot.settings import providers

if TYPE_CHECKING:
    from bot.commands import Commands

_NONE = "No provider is configured: set KUBECONFIG, or tools: in COUNTERSIGN_CONFIG."
_FAILED, _USAGE = 1, 2


def add(commands: "Commands", summary: str) -> None:
    """Describe `tools list`, `tools describe` and `tools try`."""
    top = commands.add_parser(
        "tools",
        help=summary,
        description=(
            "Look through the bot's own tools, with its masking. It needs no Slack, database or "
            "model, only KUBECONFIG or tools: in COUNTERSIGN_CONFIG, and it never changes anything."
        ),
    )
    doing = top.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = doing.add_parser("list", help="name every tool")
    describing = doing.add_parser("describe", help="show one tool with its arguments")
    trying = doing.add_parser(
        "try",
        help="run a read, or preview a change",
        description=(
            "Run a read, or preview a change: it is never executed. Exit code 1 when it is refused "
            "or not possible there, or the other side is away; 2 when it was called wrongly: no "
            "such tool, or an argument that cannot be right."
        ),
    )
    for one in (describing, trying):
        one.add_argument("tool", metavar="TOOL", help="as `tools list` names it")
    trying.add_argument(
        "arguments",
        metavar="NAME=VALUE",
        nargs=argparse.REMAINDER,
        help="an argument of the tool",
    )
    _options(trying)
    for one in (listing, describing):
        one.add_argument("--json", action="store_true", help="print it as data")
    top.set_defaults(work=_work)


def _options(trying: argparse.ArgumentParser) -> None:
    trying.add_argument("--cluster", metavar="CLUSTER", help="the same as cluster=CLUSTER")
    trying.add_argument("--json", action="store_true", help="print it as data")


def _intermixed(given: argparse.Namespace) -> None:
    """Options among the arguments, in any order: a command below another cannot take them so."""
    rest = argparse.ArgumentParser(prog="countersign tools try TOOL")
    rest.add_argument("arguments", metavar="NAME=VALUE", nargs="*", type=_argument)
    _options(rest)
    rest.set_defaults(json=given.json, cluster=given.cluster)
    found = rest.parse_intermixed_args(given.arguments)
    given.arguments, given.json, given.cluster = found.arguments, found.json, found.cluster


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"NAME=VALUE is expected, not {text[:60]!r}")
    return name, value


def _work(given: argparse.Namespace) -> int:
    if given.what == "try":
        _intermixed(given)
    logging.disable(logging.CRITICAL)  # what a tool meets is in its answer
    configured = providers()
    if not configured:
        raise BadSettings([_NONE])
    try:
        tried = asyncio.run(_tried(configured, given))
    except CannotTry as error:
        print(error, file=sys.stderr)
        return _USAGE if error.is_usage else _FAILED
    if given.json:
        print(_escaped(json.dumps(tried.data, indent=2, ensure_ascii=False)))
        if tried.note:
            print(f"({tried.note})", file=sys.stderr)
    else:
        print(tried.text)
    return 0


def _escaped(text: str) -> str:
    """JSON in which nothing is raw that a terminal obeys, or that hides: the same data."""
    parts = (c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    return "".join(parts)


async def _tried(configured: dict[str, dict[str, Any]], given: argparse.Namespace) -> Tried:
    async with terminal(configured) as tools:
        return await _asked(tools, given)


async def _asked(tools: Terminal, given: argparse.Namespace) -> Tried:
    match given.what:
        case "list":
            return tools.listed()
        case "describe":
            return tools.described(given.tool)
        case _:
            words = list(given.arguments)
            if given.cluster is not None:
                words.append(("cluster", given.cluster))
            return await tools.tried(given.tool, words)

"""Every check, each with its own time limit; what one meets never stops another."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
import structlog
from pydantic import SecretStr

from bot.core.mistakes import in_order
from bot.doctor.clusters import clusters
from bot.doctor.findings import Finding, Mark, failed, ok, warning
from bot.doctor.models import model
from bot.doctor.rules import RuleQuorums
from bot.doctor.slack import SlackSide, strangers
from bot.doctor.storage import Storage
from bot.guard.misspelt import misspelt
from bot.settings import Partly, Settings
from bot.slack.api import SlackApi

log = structlog.get_logger()
Check = Callable[[], Awaitable[list[Finding]]]

_SECONDS = 20.0
_MODEL_SECONDS = 45.0  # the first may load a large library
_HTTP_SECONDS = 3.0


async def examine(given: Partly, say: Callable[[Finding], None]) -> bool:
    """Look at everything; `say` gets each finding in a fixed order. Whether nothing failed."""
    secrets = _secrets(given.settings)
    heard: list[Finding] = []

    def tell(found: list[Finding]) -> None:
        for finding in found:
            clean = finding.without(secrets)
            heard.append(clean)
            say(clean)

    more = await asyncio.to_thread(misspelt, given.settings.file)
    mistakes = in_order([*given.mistakes, *more])
    tell([failed("settings", mistake.rstrip(".")) for mistake in mistakes])
    if not mistakes:
        tell([ok("settings", "all are well-formed")])
    async with AsyncExitStack() as stack:
        settings = given.settings
        token = settings.slack_bot_token.get_secret_value()
        api = await stack.enter_async_context(SlackApi.open(token, settings.slack_api_url))
        slack = SlackSide(settings, api, given.lacking)
        storage = Storage(settings, given.lacking)
        port, sockets, foreign = await _port(settings)
        checks: list[tuple[str, Check]] = [
            ("tokens", slack.tokens),
            ("scopes", slack.scopes_and_clock),
            ("socket", partial(slack.socket, sockets, foreign)),
            ("approvers", slack.approvers),
            ("rules", RuleQuorums(settings, api, given.lacking).check),
            ("approvals.channel", slack.channel),
            ("database", storage.database),
            ("redis", storage.redis),
            ("cluster", partial(clusters, settings)),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_bounded(name, check, _SECONDS), name=f"check {name}")
                for name, check in checks
            ]
            for task in tasks:
                tell(await task)
        tell(_workspace(slack, storage))
        if slack.besides is not None and storage.facts is not None:
            tell(strangers(slack.besides - storage.facts.sockets))
        # one after the other, and alone: loading a model's library stalls everything else
        for model_id in dict.fromkeys(settings.model):
            name = f"model {model_id}"
            tell(await _bounded(name, partial(model, settings, model_id), _MODEL_SECONDS))
        if not settings.model:
            tell([ok("model", "none is set: the bot understands commands only")])
        tell([port])
    return all(finding.mark is not Mark.FAILED for finding in heard)


async def _bounded(name: str, check: Check, seconds: float) -> list[Finding]:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return [failed(name, f"no answer within {seconds:.0f} s")]
    except Exception as error:
        # what one check did not foresee must not end the others, whose findings may explain it
        log.exception("check_broke", check=name)
        return [failed(name, f"could not be looked at ({type(error).__name__})")]


def _workspace(slack: SlackSide, storage: Storage) -> list[Finding]:
    """One workspace, one database: `run` refuses another one's."""
    if slack.identity is None or storage.facts is None:
        return []
    others = [org for org in storage.facts.orgs if org != slack.identity.org]
    if not others:
        return []
    return [
        failed(
            "database",
            f"it belongs to the bot of another workspace ({', '.join(others)})",
            "Give each workspace's bot a database of its own.",
        )
    ]


async def _port(settings: Settings) -> tuple[Finding, int, int]:
    """Whether the port can be had, or a bot of ours serves there; how many sockets that one has,
    and how many on its app are foreign.
    """
    host, port = settings.http_host, settings.http_port
    if port == 0:
        return ok("http", "the system chooses the port"), 0, 0
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if (sockets := await _running_here(host, port)) is not None:
            return ok("http", f"{host}:{port}: a Countersign runs here"), *sockets
        why = error.strerror or type(error).__name__
        mend = "Set COUNTERSIGN_HTTP_PORT to a free one."
        return failed("http", f"{host}:{port} cannot be used: {why}", mend), 0, 0
    if host not in {"127.0.0.1", "localhost", "::1"}:
        said = f"{host}:{port} is free; others can reach it"
        return warning("http", said, "Right in a container; elsewhere set 127.0.0.1."), 0, 0
    return ok("http", f"{host}:{port} is free"), 0, 0


async def _running_here(host: str, port: int) -> tuple[int, int] | None:
    there = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104
    timeout = aiohttp.ClientTimeout(total=_HTTP_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"http://{there}:{port}/readyz") as answer,
        ):
            found = await answer.json()
        if "ready" not in found:
            return None
        return int(found["sockets"]), int(found.get("foreign_sockets", 0))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None


def _secrets(settings: Settings) -> list[str]:
    """Every secret value, and the passwords within addresses: a last look before printing."""
    values = [
        value.get_secret_value()
        for name in Settings.model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]
    passwords = [_password(value) for value in values]
    return [one for one in sorted({*values, *passwords}, key=len, reverse=True) if len(one) > 3]


def _password(address: str) -> str:
    userinfo = address.partition("://")[2].rpartition("@")[0]
    return userinfo.partition(":")[2]

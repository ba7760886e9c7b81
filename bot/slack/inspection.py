"""What Slack says about our tokens besides whether it takes them, as `countersign doctor` asks."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.slack.api import SlackApi, Uncertain

_SECONDS = 10.0
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError)


@dataclass(frozen=True)
class Granted:
    """The bot token's scopes, and by how many seconds our clock is ahead of Slack's."""

    scopes: frozenset[str] | None  # None: Slack did not say
    ahead: float | None


async def look_at_token(api: SlackApi) -> Granted:
    """Raises `Uncertain`; a token that Slack refuses is for `check_tokens` to say."""
    began = time.time()
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await api.client.auth_test()
    except (SlackApiError, *_BROKEN) as error:
        raise Uncertain(f"Slack did not say what the token may ({type(error).__name__})") from None
    headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
    return Granted(_scopes(headers), _ahead(headers, (began + time.time()) / 2))


async def greeted(api: SlackApi, app_token: str) -> int:
    """Open a socket until Slack says hello, close it at once; how many were open then.

    Raises `Uncertain`. What Slack sends within that instant it sends again, clicks excepted: not
    to be called while a bot serves people.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            opened = await api.client.apps_connections_open(app_token=app_token)
            async with (
                aiohttp.ClientSession(trust_env=False) as session,
                session.ws_connect(str(opened.get("url"))) as socket,
            ):
                frame = await socket.receive_json()
    except (SlackApiError, TypeError, *_BROKEN) as error:
        raise Uncertain(f"no hello on the socket ({type(error).__name__})") from None
    if not isinstance(frame, dict) or frame.get("type") != "hello":
        raise Uncertain("the first frame on the socket was no hello")
    return int(frame.get("num_connections") or 1)


def why_no_approver(user: Mapping[str, Any]) -> str:
    """What keeps somebody, as Slack tells of him, from approving; empty when nothing does."""
    if user.get("deleted"):
        return "is deactivated"
    if user.get("is_bot"):
        return "is a bot"
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return "is a guest"
    return "belongs to another organisation" if user.get("is_stranger") else ""


def _scopes(headers: Mapping[str, str]) -> frozenset[str] | None:
    if "x-oauth-scopes" not in headers:
        return None
    return frozenset(one.strip() for one in headers["x-oauth-scopes"].split(",") if one.strip())


def _ahead(headers: Mapping[str, str], now: float) -> float | None:
    try:
        # whole seconds: on average it is half a second more
        return now - parsedate_to_datetime(headers["date"]).timestamp() - 0.5
    except (KeyError, ValueError):
        return None

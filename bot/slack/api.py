"""Slack's Web API as this bot uses it: one method per call, a timeout on each, three ways to fail.

SlackProblem
  Limited      too many calls; it did not happen, and may be tried again after `seconds`
  Refused      it did not happen, and trying again cannot mend it: `code` is Slack's word for why
  Uncertain    whether it happened is not known: look before doing it again
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import structlog
from pydantic import JsonValue
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.http import Silent
from bot.slack.views.data import Message, View

log = structlog.get_logger()

SLACK_URL = "https://slack.com/api/"
_EVENT_TYPE = "countersign"
_SECONDS = 8.0  # of one call
_CLICK_SECONDS = 2.5  # where a trigger id ends after 3
_UPLOAD_SECONDS = 8.0
_READ_SECONDS = 3.0  # of one page of a thread or one file that only help to answer
_MOST_REPLIES = 1000  # Slack's limit of a page; it may give fewer
_PAGES = 10  # of a thread, at most, when looking for our own messages
_RETRY_AFTER = 3.0  # where Slack limits without saying for how long
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Slack's own trouble: "some aspect of the operation may have succeeded".
_UNCERTAIN = frozenset(
    {
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
        "accesslimited",
    }
)
_HOOK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
_FILE_DOMAINS = ("slack.com", "slack-files.com", "slack-gov.com")
_FILE_PIECE = 65_536
# The SDK lets these through where an answer is no JSON, or JSON of another shape.
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError)


class Method(StrEnum):
    """Every Web API method that this bot calls; nothing else names one."""

    POST = "chat.postMessage"
    UPDATE = "chat.update"
    DELETE = "chat.delete"
    EPHEMERAL = "chat.postEphemeral"
    REPLIES = "conversations.replies"
    HISTORY = "conversations.history"
    CHANNEL = "conversations.info"
    PERSON = "users.info"
    MEMBERS = "conversations.members"
    GROUP = "usergroups.users.list"
    OPEN_VIEW = "views.open"
    PUSH_VIEW = "views.push"
    UPDATE_VIEW = "views.update"
    UPLOAD_URL = "files.getUploadURLExternal"
    UPLOAD_DONE = "files.completeUploadExternal"
    IDENTITY = "auth.test"
    SOCKET = "apps.connections.open"


class SlackProblem(Exception):
    """A call that did not come back with what was asked for."""


class Limited(SlackProblem):
    """Slack, or our own budget, takes no more calls of `method` for `seconds`."""

    def __init__(self, seconds: float, method: str = "") -> None:
        super().__init__(f"{method} limited for {seconds:.1f} s")
        self.seconds = seconds
        self.method = method


# Codes of Slack's for a token that is no good, or no longer.
TOKEN_REFUSED = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "invalid_app_id",
    }
)


class Refused(SlackProblem):
    """Slack understood and said no; `code` is its error code, such as `is_archived`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Uncertain(SlackProblem):
    """Time-out, dropped connection, or trouble on Slack's side. `may_come`: no answer came in time,
    so Slack may do it yet.
    """

    def __init__(self, said: str, *, may_come: bool = False) -> None:
        super().__init__(said)
        self.may_come = may_come


@dataclass(frozen=True)
class Identity:
    """Who our bot token is. `org` keys every row: the enterprise if there is one, else the team."""

    team_id: str
    enterprise_id: str
    bot_user_id: str
    bot_id: str
    app_id: str = ""
    url: str = ""

    @property
    def org(self) -> str:
        return self.enterprise_id or self.team_id


@dataclass(frozen=True)
class Posted:
    """One message of ours in a thread: its key, and the files (name, bytes) it carries."""

    ts: str
    key: str
    files: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Page:
    """A part of a thread: message objects as Slack gives them, and where the next part begins."""

    messages: tuple[Mapping[str, Any], ...]
    cursor: str = ""


class SlackApi:
    """Makes calls, each once: nothing is tried again here, and nothing waits for the budget.

    Whoever posts, edits or looks into a thread takes from the budget first. All methods raise
    `Limited`, `Refused` or `Uncertain`.
    """

    def __init__(self, token: str, base_url: str, session: aiohttp.ClientSession) -> None:
        self.client = AsyncWebClient(token, base_url, session=session, retry_handlers=[])
        # the SDK took it from the environment, and ignores NO_PROXY even for loopback
        self.client.proxy = None
        self.identity: Identity | None = None
        self.token_refused = ""  # Slack's word for why it takes our token no more
        self._session = session
        self._base = urlsplit(self.client.base_url)

    @classmethod
    @asynccontextmanager
    async def open(cls, token: str, base_url: str = SLACK_URL) -> AsyncIterator[Self]:
        """A client with a connection pool of its own, closed at the end."""
        timeout = aiohttp.ClientTimeout(total=30, sock_connect=5)
        async with aiohttp.ClientSession(
            connector=Silent(), timeout=timeout, trust_env=False
        ) as session:
            yield cls(token, base_url, session)

    # --- messages ---------------------------------------------------------------------------

    async def post(
        self,
        channel: str,
        message: Message,
        *,
        thread_ts: str = "",
        key: str = "",
        timeout: float = _SECONDS,
    ) -> str:
        """Post a message, in a thread if one is named; its `ts`. `key` finds it again."""
        answer = await self._write(
            Method.POST,
            {
                "channel": channel,
                "thread_ts": thread_ts or None,
                **_content(message, key),
                "unfurl_links": False,
                "unfurl_media": False,
            },
            timeout=timeout,
        )
        return _text(answer, "ts")

    async def update(
        self,
        channel: str,
        ts: str,
        message: Message,
        *,
        key: str = "",
        timeout: float = _SECONDS,
    ) -> None:
        """Replace a message of ours whole."""
        given = {"channel": channel, "ts": ts, **_content(message, key)}
        await self._write(Method.UPDATE, given, timeout=timeout)

    async def delete(self, channel: str, ts: str) -> None:
        """Take a message of ours away."""
        await self._write(Method.DELETE, {"channel": channel, "ts": ts})

    async def ephemeral(
        self, channel: str, user: str, message: Message, *, thread_ts: str = ""
    ) -> None:
        """Show a message to one person only; nobody can change or find it later."""
        await self._write(
            Method.EPHEMERAL,
            {
                "channel": channel,
                "user": user,
                "thread_ts": thread_ts or None,
                **_content(message, ""),
            },
        )

    async def respond(
        self, response_url: str, message: Message, *, replace: bool = True, ephemeral: bool = False
    ) -> None:
        """Answer a click through its own address: 5 times within 30 minutes, without a budget.

        `replace` redraws the message that was clicked on. Raises `Refused("foreign_url")` for an
        address that is neither Slack's nor the configured API's.
        """
        if not self._is_slacks(response_url):
            raise Refused("foreign_url")
        body: dict[str, JsonValue] = {
            "text": message.text,
            "blocks": list[JsonValue](message.blocks),
            "replace_original": replace,
            "response_type": "ephemeral" if ephemeral else "in_channel",
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._session.post(response_url, json=body, allow_redirects=False) as answer,
            ):
                text = (await answer.text(errors="replace"))[:200]
                _judge_hook(answer.status, answer.headers, text)
        except _BROKEN as error:
            raise Uncertain(f"response_url: {type(error).__name__}") from error

    async def posted(self, channel: str, thread_ts: str, *, since: float = 0.0) -> list[Posted]:
        """Our own messages in a thread, or in no thread where `thread_ts` is empty, oldest first,
        from `since` (Unix seconds) on.
        """
        us = self.identity or await self.auth_test()
        method = Method.REPLIES if thread_ts else Method.HISTORY
        found: list[Posted] = []
        cursor = ""
        for _ in range(_PAGES):
            answer = await self._read(
                method,
                {
                    "channel": channel,
                    "ts": thread_ts or None,
                    "oldest": f"{since:.6f}" if since else None,
                    "include_all_metadata": 1,
                    "limit": 200,
                    "cursor": cursor or None,
                },
            )
            found += [
                _posted(message)
                for message in answer.get("messages") or ()
                # metadata is open to every app: only what we wrote counts
                if message.get("user") == us.bot_user_id
                or (us.bot_id and message.get("bot_id") == us.bot_id)
            ]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return sorted(found, key=lambda one: one.ts)  # Slack's history begins with the newest

    async def replies(
        self, channel: str, thread_ts: str, *, cursor: str = "", after: float = 0.0
    ) -> Page:
        """A thread as it is shown now, its root first, in as few pages as Slack allows; of its
        replies those `after` a time (Unix seconds).
        """
        answer = await self._read(
            Method.REPLIES,
            {
                "channel": channel,
                "ts": thread_ts,
                "limit": _MOST_REPLIES,
                "oldest": f"{after:.6f}" if after else None,
                "cursor": cursor or None,
            },
            timeout=_READ_SECONDS,
        )
        following = answer.get("response_metadata")
        return Page(
            messages=tuple(one for one in answer.get("messages") or () if isinstance(one, dict)),
            cursor=str(following.get("next_cursor") or "") if isinstance(following, dict) else "",
        )

    async def download(self, url: str, most: int) -> bytes:
        """A file's first `most` bytes. The token goes to Slack and the configured API only.

        Raises `Refused("foreign_url")` for another address, `Refused("file_not_readable")` where
        Slack shows its log-in page instead: the scope `files:read` lacks, or the file is gone.
        """
        if not self._holds_files(url):
            raise Refused("foreign_url")
        # what is compressed could be a thousand times as large as it says
        headers = {"Authorization": f"Bearer {self.client.token}", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(_READ_SECONDS),
                self._session.get(url, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status == 429:
                    raise Limited(_retry_after(answer.headers), "file")
                if answer.status >= 500:
                    raise Uncertain(f"file: HTTP {answer.status}")
                if answer.status != 200 or answer.content_type == "text/html":
                    raise Refused("file_not_readable")
                content = bytearray()
                while len(content) < most:
                    piece = await answer.content.read(min(_FILE_PIECE, most - len(content)))
                    if not piece:
                        break
                    content += piece
                return bytes(content)
        except _BROKEN as error:
            raise Uncertain(f"file: {type(error).__name__}") from error

    async def upload(
        self,
        channel: str,
        name: str,
        text: str,
        *,
        thread_ts: str = "",
        title: str = "",
    ) -> None:
        """Put a text file into a thread. Only the last of the three calls shows anything."""
        content = text.encode("utf-8", "replace")
        place = await self._read(Method.UPLOAD_URL, {"filename": name, "length": len(content)})
        await self._put(_text(place, "upload_url"), content)
        files = json.dumps([{"id": _text(place, "file_id"), "title": title or name}])
        shared = {"files": files, "channel_id": channel, "thread_ts": thread_ts or None}
        await self._call(Method.UPLOAD_DONE, data=_given(shared))

    # --- people and places ------------------------------------------------------------------

    async def user(self, user: str) -> Mapping[str, Any]:
        """Slack's user object."""
        return _object(await self._read(Method.PERSON, {"user": user}), "user")

    async def channel(self, channel: str) -> Mapping[str, Any]:
        """Slack's channel object."""
        return _object(await self._read(Method.CHANNEL, {"channel": channel}), "channel")

    async def channel_members(self, channel: str) -> frozenset[str]:
        """The user ids of those who are in a channel; of huge ones the first 20,000."""
        found: set[str] = set()
        cursor = ""
        for _ in range(20):
            given = {"channel": channel, "limit": 1000, **({"cursor": cursor} if cursor else {})}
            answer = await self._read(Method.MEMBERS, given)
            found |= {str(user) for user in answer.get("members") or ()}
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return frozenset(found)

    async def group_members(self, group: str) -> list[str]:
        """The user ids of a group's members."""
        answer = await self._read(Method.GROUP, {"usergroup": group})
        return [str(user) for user in answer.get("users") or ()]

    # --- modals -----------------------------------------------------------------------------

    async def views_open(self, trigger_id: str, view: View) -> str:
        """Open a modal within the trigger's 3 seconds; the view's id."""
        given = {"trigger_id": trigger_id, "view": view}
        answer = await self._write(Method.OPEN_VIEW, given, timeout=_CLICK_SECONDS)
        return _text(_object(answer, "view"), "id")

    async def views_push(self, trigger_id: str, view: View) -> str:
        """Open a modal on top of the one that was pressed in; the view's id."""
        given = {"trigger_id": trigger_id, "view": view}
        answer = await self._write(Method.PUSH_VIEW, given, timeout=_CLICK_SECONDS)
        return _text(_object(answer, "view"), "id")

    async def views_update(self, view_id: str, view: View) -> None:
        """Replace an open modal."""
        await self._write(Method.UPDATE_VIEW, {"view_id": view_id, "view": view})

    # --- who we are -------------------------------------------------------------------------

    async def auth_test(self) -> Identity:
        """Who our bot token is; kept as `identity`."""
        answer = await self._call(Method.IDENTITY)
        self.identity = Identity(
            team_id=str(answer.get("team_id") or ""),
            enterprise_id=str(answer.get("enterprise_id") or ""),
            bot_user_id=str(answer.get("user_id") or ""),
            bot_id=str(answer.get("bot_id") or ""),
            app_id=str(answer.get("app_id") or ""),
            url=str(answer.get("url") or ""),
        )
        return self.identity

    async def socket_url(self, app_token: str) -> str:
        """A socket's address, good for one connection; a secret."""
        headers = {"Authorization": f"Bearer {app_token}"}
        return _text(await self._call(Method.SOCKET, headers=headers), "url")

    # --- one call ---------------------------------------------------------------------------

    async def _write(
        self,
        method: Method,
        given: Mapping[str, object],
        *,
        timeout: float = _SECONDS,
    ) -> Mapping[str, Any]:
        return await self._call(method, timeout=timeout, json=_given(given))

    async def _read(
        self, method: Method, given: Mapping[str, object], *, timeout: float = _SECONDS
    ) -> Mapping[str, Any]:
        return await self._call(method, timeout=timeout, http_verb="GET", params=_given(given))

    async def _call(
        self,
        method: Method,
        *,
        timeout: float = _SECONDS,
        **request: Any,
    ) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(timeout):
                answer = await self.client.api_call(method.value, **request)
        except SlackApiError as error:
            problem = _problem(method, error.response)
            if isinstance(problem, Refused) and method is not Method.SOCKET:
                self._note_token(problem.code if problem.code in TOKEN_REFUSED else "")
            # from None: its text holds the whole answer
            raise problem from None
        except _BROKEN as error:
            may_come = isinstance(error, TimeoutError)
            raise Uncertain(f"{method}: {type(error).__name__}", may_come=may_come) from error
        if method is not Method.SOCKET:
            self.token_refused = ""
        return answer.data if isinstance(answer.data, dict) else {}

    def _note_token(self, refused: str) -> None:
        if refused and refused != self.token_refused:
            log.error("bot_token_refused", code=refused, mend="give SLACK_BOT_TOKEN a new token")
        self.token_refused = refused

    async def _put(self, url: str, content: bytes) -> None:
        try:
            async with (
                asyncio.timeout(_UPLOAD_SECONDS),
                self._session.post(
                    url,
                    data=io.BytesIO(content),
                    headers={"Content-Type": "application/octet-stream"},
                    allow_redirects=False,
                ) as answer,
            ):
                if answer.status != 200:
                    raise Uncertain(f"upload: HTTP {answer.status}")
        except _BROKEN as error:
            raise Uncertain(f"upload: {type(error).__name__}") from error

    def _holds_files(self, url: str) -> bool:
        try:
            there = urlsplit(url)
            host = there.hostname or ""
            usual = there.port in {None, 443} and there.username is None
        except ValueError:
            return False
        if (there.scheme, there.netloc) == (self._base.scheme, self._base.netloc):
            return True
        is_slack = any(host == one or host.endswith(f".{one}") for one in _FILE_DOMAINS)
        return there.scheme == "https" and usual and is_slack

    def _is_slacks(self, url: str) -> bool:
        try:
            there = urlsplit(url)
        except ValueError:
            return False
        if (there.scheme, there.netloc) == (self._base.scheme, self._base.netloc):
            return True
        return there.scheme == "https" and there.netloc in _HOOK_HOSTS


def _content(message: Message, key: str) -> dict[str, object]:
    metadata = {"event_type": _EVENT_TYPE, "event_payload": {"key": key}} if key else None
    return {
        "text": message.text,
        "blocks": message.blocks,
        "metadata": metadata,
        "link_names": False,
        "parse": "none",
    }


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value is not None}


def _posted(message: Mapping[str, Any]) -> Posted:
    metadata = message.get("metadata") or {}
    ours = metadata.get("event_type") == _EVENT_TYPE
    key = (metadata.get("event_payload") or {}).get("key") if ours else ""
    files: Sequence[Mapping[str, Any]] = message.get("files") or ()
    return Posted(
        ts=str(message.get("ts") or ""),
        key=str(key or ""),
        files=tuple((str(file.get("name")), int(file.get("size") or 0)) for file in files),
    )


def _problem(method: Method, response: Any) -> SlackProblem:
    """What a failed call means. `response` is the SDK's, or aiohttp's if the body was no JSON."""
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in _LIMITED:
        return Limited(_retry_after(response.headers), method.value)
    if status >= 500 or not code or code in _UNCERTAIN:
        return Uncertain(f"{method}: {code or f'HTTP {status}'}")
    return Refused(code)


def _judge_hook(status: int, headers: Mapping[str, str], text: str) -> None:
    if status == 429:
        raise Limited(_retry_after(headers), "response_url")
    if status >= 500:
        raise Uncertain(f"response_url: HTTP {status}")
    if status != 200:
        raise Refused(text.strip() or f"http_{status}")


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return min(max(float(headers.get("Retry-After") or _RETRY_AFTER), 0.1), 3600.0)
    except ValueError:
        return _RETRY_AFTER


def _object(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = answer.get(name)
    if not isinstance(value, dict):
        raise Uncertain(f"Slack's answer holds no {name}")
    return value


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise Uncertain(f"Slack's answer holds no {name}")
    return value

"""Trigger ids and response URLs: what an interaction lets the app do for a short time."""

from dataclasses import dataclass
from typing import Final, TypeVar

from aiohttp import web

from bot.sandbox.slack.checks import check_payload, content_of, has_content
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.model import Channel, Json, SlackError
from bot.sandbox.slack.state import State

_LATE_SECONDS: Final = 60.0
"""How long a trigger id is remembered past its time: who is a little late is told that."""


@dataclass
class Trigger:
    """The right to open one view before one person."""

    user: str
    issued: float
    from_view: bool
    used: bool = False


class Triggers:
    """Trigger ids live for three seconds and work once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._issued: dict[str, Trigger] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._issued)

    def issue(self, user_id: str, *, from_view: bool = False) -> str:
        """A new trigger id for what this person just did."""
        _forget(self._issued, self._state, self._state.settings.trigger_seconds + _LATE_SECONDS)
        trigger_id = f"{self._state.ids.next('1.')}.{self._state.ids.uuid().replace('-', '')}"
        self._issued[trigger_id] = Trigger(user_id, self._state.clock.now(), from_view)
        return trigger_id

    def redeem(self, trigger_id: str) -> Trigger:
        """Use a trigger id up; raises `SlackError` when it is unknown, late or used."""
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._state.clock.now() - trigger.issued > self._state.settings.trigger_seconds:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger


@dataclass
class ResponseUrl:
    """Where an interaction may be answered, and which message it was about."""

    channel: str
    user: str
    issued: float
    original: Json | None
    uses: int = 0


T = TypeVar("T", Trigger, ResponseUrl)


class ResponseUrls:
    """Response URLs work five times within thirty minutes."""

    def __init__(self, state: State, messages: Messages, faults: Faults) -> None:
        self._state = state
        self._messages = messages
        self._faults = faults
        self._issued: dict[str, ResponseUrl] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._issued)

    def issue(self, channel: Channel, user_id: str, original: Json | None = None) -> str:
        """A new URL for an answer to this person's interaction."""
        _forget(self._issued, self._state, self._state.settings.response_url_seconds)
        key = self._state.ids.uuid().replace("-", "")
        self._issued[key] = ResponseUrl(channel.id, user_id, self._state.clock.now(), original)
        return f"{self._state.base_url}/response/{self._state.team_id}/{key}"

    def picture(self) -> list[Json]:
        """Those that still work, for what is kept."""
        _forget(self._issued, self._state, self._state.settings.response_url_seconds)
        return [
            {
                "key": key,
                "channel": url.channel,
                "user": url.user,
                "issued": url.issued,
                "original": None if url.original is None else str(url.original["ts"]),
                "uses": url.uses,
            }
            for key, url in self._issued.items()
        ]

    def restore(self, kept: list[Json]) -> None:
        """Take up what `picture` told."""
        for one in kept:
            channel = self._state.channels[one["channel"]]
            original = None if one["original"] is None else _message(channel, one["original"])
            self._issued[one["key"]] = ResponseUrl(
                channel.id, one["user"], one["issued"], original, one["uses"]
            )

    async def serve(self, request: web.Request) -> web.Response:
        """Handle `POST /response/<team>/<key>`."""
        url = self._issued.get(request.match_info["key"])
        try:
            if url is None:
                return _refused(404, "expired_url")
            if self._state.clock.now() - url.issued > self._state.settings.response_url_seconds:
                return _refused(404, "expired_url")
            if url.uses >= self._state.settings.response_url_uses:
                return _refused(404, "used_url")
            payload = await request.json()
        except ValueError:
            return _refused(400, "invalid_payload")
        if not isinstance(payload, dict):
            return _refused(400, "invalid_payload")
        fault = self._faults.take("response_url", url.channel, "")
        if fault is not None and fault.kind.startswith("http_"):
            return _refused(int(fault.kind.removeprefix("http_")), "internal_error")
        try:
            self.respond(url, payload)
        except SlackError as refusal:
            return _refused(400, refusal.code)
        url.uses += 1
        self._state.feed.publish("response_url", {"channel": url.channel, "payload": payload})
        return web.Response(text="ok")

    def respond(self, url: ResponseUrl, payload: Json) -> None:
        """Do what an answer asks for; raises `SlackError`."""
        channel = self._state.channel(url.channel)
        if payload.get("delete_original"):
            self._replace(channel, url.original, None)
            return
        if not has_content(payload):
            raise SlackError("no_text")
        check_payload(self._state, "response_url", payload, "response_url")
        content = content_of(payload)
        if payload.get("replace_original"):
            self._replace(channel, url.original, content)
            return
        self.answer(channel, url.user, payload)

    def answer(self, channel: Channel, user_id: str, payload: Json) -> None:
        """Post an answer: to the person alone, or `in_channel`."""
        content = content_of(payload)
        thread_ts = payload.get("thread_ts")
        if payload.get("response_type") == "in_channel":
            self._messages.add(channel, self._messages.app_message(content), thread_ts)
        else:
            self._messages.ephemeral(channel, user_id, content, thread_ts)

    def _replace(self, channel: Channel, original: Json | None, content: Json | None) -> None:
        if original is None:
            raise SlackError("invalid_payload")
        if original.get("is_ephemeral"):
            if original not in channel.ephemerals:
                raise SlackError("message_not_found")
            self._messages.change_ephemeral(channel, original, content)
            return
        message = channel.messages.get(original["ts"])
        if message is None:
            raise SlackError("message_not_found")
        if content is None:
            self._messages.delete(channel, message)
        else:
            # Unlike chat.update, a replacement leaves nothing of the old content.
            gone: Json = {key: [] for key in ("blocks", "attachments") if key in message}
            self._messages.change(channel, message, gone | content, self._state.bot_user_id)


def _forget(issued: dict[str, T], state: State, seconds: float) -> None:
    """Drop what was issued longer ago than this; the oldest stand first."""
    oldest = state.clock.now() - seconds
    while issued and issued[first := next(iter(issued))].issued < oldest:
        del issued[first]


def _message(channel: Channel, ts: str) -> Json:
    """The message with this `ts`; if it is gone, something that nobody finds there."""
    hidden = (message for message in channel.ephemerals if message["ts"] == ts)
    return channel.messages.get(ts) or next(hidden, {"ts": ts})


def _refused(status: int, code: str) -> web.Response:
    return web.json_response({"ok": False, "error": code}, status=status)

"""What the stand-in knows: settings, manifest, people, channels, files, views, and its records."""

import asyncio
import mimetypes
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

# Slack's objects are open JSON: the app under test decides what stands in them.
Json: TypeAlias = dict[str, Any]

Delivery = Literal["random", "round_robin", "sticky"]
ChannelKind = Literal["channel", "group", "im"]
Outcome = Literal["waiting", "acked", "timeout", "no_socket", "closed"]


class SlackError(Exception):
    """A Web API call answered with `ok: false`; `code` is Slack's error string."""

    def __init__(self, code: str, **extra: object) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra


class Impossible(ValueError):
    """A person tried what Slack's client would not let them do; the text says what."""


@dataclass(frozen=True)
class Settings:
    """How the stand-in behaves. Times are in seconds; `time_scale` shortens acks and retries."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    start: float | None = None
    """A fixed start for the clock (Unix time) makes every `ts` repeatable; `None` is real time."""
    ack_seconds: float = 3.0
    retry_delays: tuple[float, ...] = (0.5, 60.0, 300.0)
    time_scale: float = 1.0
    hold_while_disconnected: bool = True
    """Keep an event's next try until a socket opens, instead of using up its tries."""
    ping_seconds: float = 5.0
    max_sockets: int = 10
    delivery: Delivery = "random"
    rate_limits: bool = False
    post_burst: int = 3
    trigger_seconds: float = 3.0
    response_url_seconds: float = 1800.0
    response_url_uses: int = 5
    page_dir: Path | None = None
    control_token: str | None = None
    token_suffix: str = ""
    """What makes the app's tokens unguessable; tests need none."""

    def __post_init__(self) -> None:
        if self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError(f"The stand-in binds loopback only, not {self.host!r}.")


class Clock:
    """The stand-in's time: real, or fixed at a start; either way it can be moved forward."""

    def __init__(self, start: float | None) -> None:
        self._start = start
        self._offset = 0.0

    def now(self) -> float:
        """Unix time in seconds."""
        return (time.time() if self._start is None else self._start) + self._offset

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once: trigger ids, response URLs and rate buckets notice."""
        self._offset += seconds


_EVENT_SCOPES: Mapping[str, str] = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "subteam_updated": "usergroups:read",
    "subteam_members_changed": "usergroups:read",
    "file_shared": "files:read",
    "user_change": "users:read",
}


class Manifest:
    """The parts of an app manifest that decide what the app may call and hear.

    Raises `ValueError`, naming all mistakes, for what Slack would refuse to install.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        features = source.get("features", {})
        configured = source.get("settings", {})
        scopes = source.get("oauth_config", {}).get("scopes", {})
        self.name = str(features.get("bot_user", {}).get("display_name", "app"))
        self.scopes: tuple[str, ...] = (*scopes.get("bot", ()), *scopes.get("bot_optional", ()))
        subscriptions = configured.get("event_subscriptions", {})
        self.events: frozenset[str] = frozenset(subscriptions.get("bot_events", ()))
        self.commands = tuple(str(entry["command"]) for entry in features.get("slash_commands", ()))
        self.shortcuts: Mapping[str, str] = {
            str(entry["callback_id"]): str(entry["type"]) for entry in features.get("shortcuts", ())
        }
        self.interactive = bool(configured.get("interactivity", {}).get("is_enabled", False))
        self.home_enabled = bool(features.get("app_home", {}).get("home_tab_enabled", False))
        mistakes = [
            f"event {event} needs the scope {_EVENT_SCOPES[event]}"
            for event in sorted(self.events)
            if event in _EVENT_SCOPES and _EVENT_SCOPES[event] not in self.scopes
        ]
        if self.commands and "commands" not in self.scopes:
            mistakes.append("slash commands need the scope commands")
        if not configured.get("socket_mode_enabled", False):
            mistakes.append("settings.socket_mode_enabled must be true")
        if mistakes:
            raise ValueError(f"The manifest cannot be installed: {'; '.join(mistakes)}.")


@dataclass
class User:
    """A person or bot, of this workspace or of another organisation."""

    id: str
    name: str
    real_name: str
    team_id: str
    tz: str = "Europe/Berlin"
    is_admin: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    bot_id: str | None = None
    app_id: str | None = None

    def as_json(self) -> Json:
        """The user object as `users.info` gives it."""
        profile: Json = {
            "real_name": self.real_name,
            "display_name": self.name,
            "real_name_normalized": self.real_name,
            "display_name_normalized": self.name,
            "team": self.team_id,
        }
        if self.bot_id:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id or ""}
        shown: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": 3600,
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
        }
        if self.is_stranger:
            shown["is_stranger"] = True
        return shown


@dataclass
class Channel:
    """A conversation: public (`channel`), private (`group`) or direct (`im`)."""

    id: str
    name: str
    kind: ChannelKind = "channel"
    members: list[str] = field(default_factory=list)
    is_ext_shared: bool = False
    is_pending_ext_shared: bool = False
    connected_team_ids: list[str] = field(default_factory=list)
    archived: bool = False
    topic: str = ""
    user: str | None = None
    """The person on the other side of a direct conversation."""
    messages: dict[str, Json] = field(default_factory=dict)
    ephemerals: list[Json] = field(default_factory=list)

    def as_json(self, bot_user: str, team_id: str) -> Json:
        """The conversation object as `conversations.info` gives it to the app."""
        common: Json = {
            "id": self.id,
            "created": 1_700_000_000,
            "is_archived": self.archived,
            "is_im": self.kind == "im",
            "is_mpim": False,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_private": self.kind != "channel",
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_org_shared": False,
            "is_pending_ext_shared": self.is_pending_ext_shared,
            "context_team_id": team_id,
        }
        if self.kind == "im":
            return common | {"user": self.user, "is_open": True}
        return common | {
            "name": self.name,
            "name_normalized": self.name,
            "is_member": bot_user in self.members,
            "is_general": self.name == "general",
            "shared_team_ids": [team_id, *self.connected_team_ids],
            "connected_team_ids": list(self.connected_team_ids),
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


@dataclass
class Group:
    """A user group such as @sre."""

    id: str
    handle: str
    name: str
    users: list[str] = field(default_factory=list)
    disabled: bool = False

    def as_json(self, team_id: str, *, include_users: bool) -> Json:
        """The user group as `usergroups.list` gives it."""
        shown: Json = {
            "id": self.id,
            "team_id": team_id,
            "is_usergroup": True,
            "name": self.name,
            "handle": self.handle,
            "description": "",
            "is_external": False,
            "date_delete": 1 if self.disabled else 0,
            "user_count": len(self.users),
        }
        return shown | {"users": list(self.users)} if include_users else shown


@dataclass
class StoredFile:
    """A file: promised (`content is None`), uploaded, or shared in channels."""

    id: str
    name: str
    length: int
    user: str
    title: str = ""
    content: bytes | None = None
    complete: bool = False
    channels: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def mimetype(self) -> str:
        """What Slack takes it for, from its name."""
        return mimetypes.guess_type(self.name)[0] or "text/plain"

    def as_json(self) -> Json:
        """The file object as messages and `files.info` carry it."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": "text" if self.mimetype == "text/plain" else self.mimetype.split("/")[-1],
            "size": self.length,
            "user": self.user,
            "mode": "hosted",
            "channels": list(self.channels),
            "url_private": self.url,
            "url_private_download": self.url,
            "permalink": self.url,
        }


@dataclass
class View:
    """A modal or a Home tab as one person has it before them."""

    id: str
    user: str
    payload: Json
    hash: str
    root_id: str
    previous_id: str | None = None
    state: Json = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    """What the app answered with `response_action: errors`, by block id."""


@dataclass
class Call:
    """One Web API call as it arrived and as it was answered; `at` is Unix time."""

    method: str
    args: Json
    at: float
    status: int = 0
    response: Json = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether Slack did it."""
        return bool(self.response.get("ok"))

    @property
    def error(self) -> str | None:
        """Slack's error code, if it refused."""
        code = self.response.get("error")
        return None if code is None else str(code)


@dataclass(frozen=True)
class Breach:
    """Something the app did that Slack would not stand for: a test should fail on it."""

    where: str
    code: str
    detail: str


@dataclass
class Envelope:
    """One delivery of a payload: on which socket, and whether it was acknowledged in time."""

    id: str
    type: str
    payload: Json
    accepts_response: bool
    at: float
    attempt: int = 0
    reason: str = ""
    socket: int | None = None
    outcome: Outcome = "waiting"
    ack_seconds: float | None = None
    response: Json | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def acked(self) -> bool:
        """Whether the app acknowledged this delivery in time."""
        return self.outcome == "acked"

    @property
    def event(self) -> Json:
        """The inner event of an `events_api` delivery; empty for the rest."""
        inner: Json = self.payload.get("event", {})
        return inner

    def settle(self, outcome: Outcome) -> None:
        """Say how this delivery ended; the first word counts."""
        if self.outcome == "waiting":
            self.outcome = outcome
            self.done.set()

    def frame(self) -> Json:
        """The text frame that carries it."""
        shown: Json = {
            "envelope_id": self.id,
            "type": self.type,
            "payload": self.payload,
            "accepts_response_payload": self.accepts_response,
        }
        if self.type == "events_api":
            shown |= {"retry_attempt": self.attempt, "retry_reason": self.reason}
        return shown

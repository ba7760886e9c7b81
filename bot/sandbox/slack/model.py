"""What the stand-in knows: settings, manifest, people, channels, files, views, and its records."""

import asyncio
import mimetypes
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
    stream_seconds: float = 300.0
    """How long a streaming message takes appends."""
    records: int = 20_000
    """How many calls, deliveries, violations and notices are remembered, of each the newest."""
    kept: Path | None = None
    """A file from which the workspace takes up what it was, and which follows what it becomes."""

    def __post_init__(self) -> None:
        if self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError(f"The stand-in binds loopback only, not {self.host!r}.")


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
    enterprise_id: str | None = None
    """The Grid organisation of somebody whose account is the organisation's (`W…`)."""
    bot_id: str | None = None
    app_id: str | None = None

    @property
    def email(self) -> str:
        """Where mail would reach them; `.example` is nobody's."""
        return f"{self.name}@{self.team_id.lower()}.example"

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
        if self.enterprise_id:
            shown["enterprise_user"] = {
                "id": self.id,
                "enterprise_id": self.enterprise_id,
                "enterprise_name": "Acme Group",
                "is_admin": self.is_admin,
                "is_owner": False,
                "teams": [self.team_id],
            }
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
class Session:
    """An agent's work in one thread, as the person sees it there."""

    channel: str
    thread_ts: str
    status: str = "active"
    since: float = 0.0
    """When the status was set, in Unix time."""
    title: str = ""
    initiator: str = ""
    loading: str = ""
    """What `assistant.threads.setStatus` shows, for two minutes."""
    loading_since: float = 0.0
    prompts: list[Json] = field(default_factory=list)

    def as_json(self, now: float) -> Json:
        """The session for the page: an old `processing` is `active`, an old loading text gone."""
        return {
            "channel": self.channel,
            "thread_ts": self.thread_ts,
            "status": self.status_at(now),
            "title": self.title,
            "initiator": self.initiator,
            "loading": self.loading if now - self.loading_since < 120 else "",
            "prompts": list(self.prompts),
        }

    def status_at(self, now: float) -> str:
        """The status; `processing` lasts for an hour."""
        old = self.status == "processing" and now - self.since >= 3600
        return "active" if old else self.status


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
    n: int = 0
    """Its number in this workspace, from 1."""
    status: int = 0
    response: Json = field(default_factory=dict)
    seconds: float = 0.0
    breaches: "list[Breach]" = field(default_factory=list)
    """What of it Slack would not stand for."""
    budget: Json | None = None
    """What it left of the method's rate: `left`, `per_minute`, `tier`."""

    @property
    def ok(self) -> bool:
        """Whether Slack did it."""
        return bool(self.response.get("ok"))

    @property
    def error(self) -> str | None:
        """Slack's error code, if it refused."""
        code = self.response.get("error")
        return None if code is None else str(code)

    def as_json(self) -> Json:
        """All that is known of it, for the feed and the page."""
        return {
            "n": self.n,
            "method": self.method,
            "args": self.args,
            "at": self.at,
            "seconds": self.seconds,
            "ok": self.ok,
            "error": self.error,
            "status": self.status,
            "response": self.response,
            "breaches": [
                {"code": breach.code, "detail": breach.detail} for breach in self.breaches
            ],
            "budget": self.budget,
        }


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

    def as_json(self) -> Json:
        """All that is known of it, for the feed and the page."""
        return {
            "id": self.id,
            "type": self.type,
            "event": self.event.get("type") or self.payload.get("type"),
            "attempt": self.attempt,
            "socket": self.socket,
            "outcome": self.outcome,
            "acked": self.acked,
            "ack_seconds": self.ack_seconds,
            "at": self.at,
            "payload": self.payload,
            "response": self.response,
        }

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

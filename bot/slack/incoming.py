"""What Slack sends, as values: which messages are meant for us, and what was pressed."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
# Slack's own ids and times, and ours: whatever else stands there could not be stored
_ID = re.compile(r"[A-Za-z0-9._:-]{0,255}")
_LINK = re.compile(r"<(?:https?|mailto)[^|>]*\|([^>]+)>|<((?:https?|mailto)[^|>]+)>")


class Malformed(Exception):
    """A payload that can never be stored: said in the log, and acked, or Slack repeats it."""


@dataclass(frozen=True)
class Said:
    """A message of a person. `mentions` are those of others, `ours` whether we are named."""

    channel: str
    ts: str
    thread_ts: str  # the root's; the message's own where it is a root
    user: str
    text: str  # without our mention, as people typed it
    direct: bool
    ours: bool
    mentions_others: bool

    @property
    def is_root(self) -> bool:
        return self.ts == self.thread_ts


@dataclass(frozen=True)
class Pressed:
    """A button: which, on what, by whom."""

    action: str
    value: str
    user: str
    channel: str
    ts: str
    thread_ts: str
    view_id: str
    trigger_id: str
    response_url: str


@dataclass(frozen=True)
class Submitted:
    """A modal that was sent off."""

    callback: str
    public_id: str
    view_id: str
    user: str
    reason: str
    key: str
    values: Mapping[str, str | None] = field(default_factory=dict)  # by block; None: left empty


@dataclass(frozen=True)
class Slashed:
    """What somebody typed behind our slash command; `teams` are the organisations it names."""

    text: str
    user: str
    channel: str
    key: str
    response_url: str
    teams: frozenset[str]


@dataclass(frozen=True)
class Changed:
    """Somebody's standing, group or channel changed: what we know of it is void."""

    what: Literal["person", "group", "channel"]
    id: str


@dataclass(frozen=True)
class Deleted:
    """Somebody deleted a message of ours."""

    channel: str
    ts: str


Incoming = Said | Pressed | Submitted | Slashed | Changed | Deleted | None


def understand(body: Mapping[str, Any], bot_user: str) -> Incoming:
    """What a payload is to us; None for what we do not take part in. Raises `Malformed`."""
    try:
        if "command" in body and "type" not in body:
            return _slashed(body, bot_user)
        match body.get("type"):
            case "event_callback":
                return _event(body["event"], bot_user)
            case "block_actions":
                return _pressed(body)
            case "view_submission":
                return _submitted(body)
            case _:
                return None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise Malformed(f"{type(error).__name__} in a {body.get('type')}") from error


def _event(event: Mapping[str, Any], bot_user: str) -> Incoming:
    match event["type"]:
        case "message" if event.get("subtype") == "message_deleted":
            before = event.get("previous_message") or {}
            is_ours = before.get("user") == bot_user
            return Deleted(_id(event["channel"]), _id(event["deleted_ts"])) if is_ours else None
        case "app_mention" | "message":
            return _said(event, bot_user)
        case "user_change":
            return Changed("person", _text(event["user"]["id"]))
        case "subteam_members_changed":
            return Changed("group", _text(event["subteam_id"]))
        case "subteam_updated":
            return Changed("group", _text(event["subteam"]["id"]))
        case "channel_shared" | "channel_unshared" | "member_left_channel":
            return Changed("channel", _text(event["channel"]))
        case _:
            return None


def _said(event: Mapping[str, Any], bot_user: str) -> Said | None:
    # edits, deletions, joins and the like are no words to us; a bot's are never a request
    if event.get("subtype") not in {None, "file_share", "thread_broadcast"}:
        return None
    if event.get("bot_id") or not event.get("user") or event["user"] == bot_user:
        return None
    if event.get("edited"):
        return None  # a mention that was put in later comes without a subtype
    raw = _text(event.get("text") or "")
    mentioned = MENTION.findall(raw)
    ts = _id(event["ts"])
    return Said(
        channel=_id(event["channel"]),
        ts=ts,
        thread_ts=_id(event.get("thread_ts") or ts),
        user=_id(event["user"]),
        text=plain(raw, bot_user),
        direct=event.get("channel_type") == "im" or _text(event["channel"]).startswith("D"),
        ours=bot_user in mentioned,
        mentions_others=any(one != bot_user for one in mentioned) or "<!subteam^" in raw,
    )


def plain(raw: str, bot_user: str) -> str:
    """Slack's text as it was typed: our mention gone, links as their words, entities undone."""
    text = MENTION.sub(lambda match: "" if match[1] == bot_user else match[0], raw)
    text = _LINK.sub(lambda match: match[1] or match[2], text)
    return html.unescape(text).replace("\N{NO-BREAK SPACE}", " ").strip()


def _pressed(body: Mapping[str, Any]) -> Pressed:
    action = body["actions"][0]
    container = body.get("container") or {}
    message = body.get("message") or {}
    channel = body.get("channel") or {}
    ts = container.get("message_ts") or message.get("ts") or ""
    return Pressed(
        action=_text(action["action_id"]),
        value=_id(action.get("value") or ""),
        user=_id(body["user"]["id"]),
        channel=_id(container.get("channel_id") or channel.get("id") or ""),
        ts=_id(ts),
        thread_ts=_id(message.get("thread_ts") or ts),
        view_id=_id((body.get("view") or {}).get("id") or ""),
        trigger_id=_id(body["trigger_id"]),
        response_url=_text(body.get("response_url") or ""),
    )


def _submitted(body: Mapping[str, Any]) -> Submitted:
    view = body["view"]
    values: dict[str, str | None] = {}
    reason = ""
    for block_id, block in view.get("state", {}).get("values", {}).items():
        for name, state in block.items():
            option = state.get("selected_option") or {}
            value = state.get("value") or option.get("value")
            values[_text(block_id)] = None if value is None else _text(value)
            if name == "reason":
                reason = _text(state.get("value") or "")
    return Submitted(
        callback=_text(view.get("callback_id") or ""),
        public_id=_id(view.get("private_metadata") or ""),
        view_id=_id(view["id"]),
        user=_id(body["user"]["id"]),
        reason=reason,
        key=_id(body.get("trigger_id") or f"view:{view['id']}:{view.get('hash', '')}"),
        values=values,
    )


def _slashed(body: Mapping[str, Any], bot_user: str) -> Slashed:
    teams = (_id(body.get(key) or "") for key in ("team_id", "enterprise_id"))
    return Slashed(
        text=plain(_text(body.get("text") or ""), bot_user),
        user=_id(body["user_id"]),
        channel=_id(body["channel_id"]),
        key=_id(body["trigger_id"]),
        response_url=_text(body.get("response_url") or ""),
        teams=frozenset(teams) - {""},
    )


def _id(value: object) -> str:
    text = _text(value)
    if not _ID.fullmatch(text):
        raise ValueError("not an id")
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value

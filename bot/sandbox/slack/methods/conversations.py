"""conversations.*: places and what was said there."""

from collections.abc import Sequence

from bot.sandbox.slack.checks import require_visible
from bot.sandbox.slack.methods.registry import Arguments, Services, method, need_scope
from bot.sandbox.slack.model import Channel, Json, SlackError

_FAMILY = {"channel": "channels", "group": "groups", "im": "im"}


@method("conversations.info", tier=3)
def info(on: Services, args: Arguments) -> Json:
    """Describe a conversation."""
    channel = _readable(on, args, "read")
    shown = channel.as_json(on.state.bot_user_id, on.state.team_id)
    if not args.flag("include_num_members"):
        shown.pop("num_members", None)
    return {"channel": shown}


@method("conversations.list", tier=2)
def list_(on: Services, args: Arguments) -> Json:
    """List conversations of the wanted types."""
    return _page(args, "channels", [_shown_place(on, one) for one in _places(on, args)], 100)


@method("users.conversations", tier=2)
def of_user(on: Services, args: Arguments) -> Json:
    """List the conversations that a person, or the app itself, is in."""
    user = args.text("user", on.state.bot_user_id)
    if user not in on.state.users:
        raise SlackError("user_not_found")
    found = [one for one in _places(on, args) if user in one.members]
    return _page(args, "channels", [_shown_place(on, one) for one in found], 100)


@method("conversations.members", tier=4)
def members(on: Services, args: Arguments) -> Json:
    """List who is in a conversation."""
    channel = _readable(on, args, "read")
    return _page(args, "members", channel.members, 100)


@method("conversations.open", "im:write", tier=3)
def open_(on: Services, args: Arguments) -> Json:
    """Open the direct conversation with one person."""
    users = [user for user in args.text("users").split(",") if user]
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > 1:
        # Group conversations are outside of what this stand-in does.
        raise SlackError("method_not_supported_for_channel_type")
    user = on.state.users.get(users[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.deleted:
        raise SlackError("user_disabled")
    if user.is_bot:
        raise SlackError("cannot_dm_bot")
    return {"channel": {"id": on.state.direct(user.id).id}}


@method("conversations.join", "channels:join", tier=3)
def join(on: Services, args: Arguments) -> Json:
    """Become a member of a public channel."""
    channel = require_visible(on.state, args.required("channel"))
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    shown = channel.as_json(on.state.bot_user_id, on.state.team_id)
    if on.state.is_bot_in(channel):
        return {"channel": shown, "warning": "already_in_channel"}
    channel.members.append(on.state.bot_user_id)
    on.state.publish_channel(channel)
    on.events.joined(channel, on.state.users[on.state.bot_user_id])
    return {"channel": channel.as_json(on.state.bot_user_id, on.state.team_id)}


@method("conversations.history", tier=3)
def history(on: Services, args: Arguments) -> Json:
    """Top-level messages, newest first."""
    channel = _member(on, args)
    found = [
        message
        for message in channel.messages.values()
        if message.get("thread_ts", message["ts"]) == message["ts"] and _within(args, message["ts"])
    ]
    found.reverse()
    return _page(args, "messages", _shown(args, found), 100)


@method("conversations.replies", tier=3)
def replies(on: Services, args: Arguments) -> Json:
    """A thread: its root, then the replies, oldest first."""
    channel = _member(on, args)
    ts = args.required("ts")
    if ts not in channel.messages:
        raise SlackError("thread_not_found")
    root_ts = channel.messages[ts].get("thread_ts", ts)
    found = [
        message
        for message in on.state.thread(channel, root_ts)
        if message["ts"] == root_ts or _within(args, message["ts"])
    ]
    return _page(args, "messages", _shown(args, found), 1000)


def _places(on: Services, args: Arguments) -> list[Channel]:
    """The conversations of the wanted types that the app may know of."""
    names = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    types = [name.strip() for name in args.text("types", "public_channel").split(",")]
    if not set(types) <= set(names):
        raise SlackError("invalid_types")
    kinds = {names[name] for name in types}
    for kind in kinds & set(_FAMILY):
        need_scope(on, f"{_FAMILY[kind]}:read")
    return [
        channel
        for channel in on.state.channels.values()
        if channel.kind in kinds
        and (channel.kind == "channel" or on.state.is_bot_in(channel))
        and not (channel.archived and args.flag("exclude_archived"))
    ]


def _shown_place(on: Services, channel: Channel) -> Json:
    return channel.as_json(on.state.bot_user_id, on.state.team_id)


def _readable(on: Services, args: Arguments, right: str) -> Channel:
    channel = require_visible(on.state, args.required("channel"))
    need_scope(on, f"{_FAMILY[channel.kind]}:{right}")
    return channel


def _member(on: Services, args: Arguments) -> Channel:
    channel = _readable(on, args, "history")
    if not on.state.is_bot_in(channel):
        raise SlackError("not_in_channel")
    return channel


def _within(args: Arguments, ts: str) -> bool:
    oldest, latest = args.text("oldest", "0"), args.text("latest", "99999999999")
    try:
        low, at, high = float(oldest), float(ts), float(latest)
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    if args.flag("inclusive"):
        return low <= at <= high
    return low < at < high


def _shown(args: Arguments, messages: Sequence[Json]) -> list[Json]:
    if args.flag("include_all_metadata"):
        return list(messages)
    return [{k: v for k, v in message.items() if k != "metadata"} for message in messages]


def _page(args: Arguments, name: str, items: Sequence[object], default: int) -> Json:
    """One page of a list; the cursor is the position of the next one."""
    limit = args.number("limit", default)
    if not 1 <= limit <= 1000:
        raise SlackError("invalid_limit")
    cursor = args.text("cursor", "0")
    if not cursor.isdecimal() or int(cursor) > len(items):
        raise SlackError("invalid_cursor")
    start = int(cursor)
    end = start + limit
    more = end < len(items)
    shown: Json = {name: list(items[start:end])}
    if name == "messages":
        shown["has_more"] = more
    return shown | {"response_metadata": {"next_cursor": str(end) if more else ""}}

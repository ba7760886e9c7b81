"""chat.* and reactions.*: what the app writes."""

from bot.sandbox.slack.checks import (
    check_payload,
    content_of,
    has_content,
    require_own,
    require_postable,
    require_visible,
)
from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Channel, Json, SlackError
from bot.sandbox.validate import Surface


@method("chat.postMessage", "chat:write", tier=5)
def post_message(on: Services, args: Arguments) -> Json:
    """Post a message."""
    channel = _target(on, args)
    require_postable(on.state, channel)
    _check(on, "chat.postMessage", args, "message")
    thread_ts = _thread(channel, args)
    if on.state.settings.rate_limits or on.faults.rate_limits:
        wait = on.limits.post(channel.id, on.state.clock.now())
        if wait:
            raise SlackError("ratelimited", retry_after=wait)
    message = on.messages.add(channel, on.messages.app_message(content_of(args)), thread_ts)
    return {"channel": channel.id, "ts": message["ts"], "message": message}


@method("chat.postEphemeral", "chat:write", tier=4)
def post_ephemeral(on: Services, args: Arguments) -> Json:
    """Show a message to one person."""
    channel = require_visible(on.state, args.required("channel"))
    require_postable(on.state, channel)
    user = args.required("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    _check(on, "chat.postEphemeral", args, "ephemeral")
    thread_ts = args.text("thread_ts") or None
    message = on.messages.ephemeral(channel, user, content_of(args), thread_ts)
    return {"message_ts": message["ts"]}


@method("chat.update", "chat:write", tier=3)
def update(on: Services, args: Arguments) -> Json:
    """Edit a message of the app; what is not given of blocks and metadata stays."""
    channel = require_visible(on.state, args.required("channel"))
    message = require_own(on.state, channel, args.required("ts"), "cant_update_message")
    if on.streams.is_live(channel, str(message["ts"])):
        raise SlackError("streaming_state_conflict")
    _check(on, "chat.update", args, "update")
    content = content_of(args)
    on.messages.change(channel, message, content, on.state.bot_user_id)
    return {
        "channel": channel.id,
        "ts": message["ts"],
        "text": message["text"],
        "message": message,
    }


@method("chat.delete", "chat:write", tier=3)
def delete(on: Services, args: Arguments) -> Json:
    """Delete a message of the app."""
    channel = require_visible(on.state, args.required("channel"))
    message = require_own(on.state, channel, args.required("ts"), "cant_delete_message")
    on.messages.delete(channel, message)
    return {"channel": channel.id, "ts": message["ts"]}


@method("chat.getPermalink", tier=5)
def permalink(on: Services, args: Arguments) -> Json:
    """The address of a message in the browser page."""
    channel = require_visible(on.state, args.required("channel"))
    message = channel.messages.get(args.required("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    url = f"{on.state.base_url}/archives/{channel.id}/p{message['ts'].replace('.', '')}"
    if message.get("thread_ts", message["ts"]) != message["ts"]:
        url += f"?thread_ts={message['thread_ts']}&cid={channel.id}"
    return {"channel": channel.id, "permalink": url}


@method("reactions.add", "reactions:write", tier=3)
def add_reaction(on: Services, args: Arguments) -> Json:
    """React to a message."""
    if not _react(on, args, remove=False):
        raise SlackError("already_reacted")
    return {}


@method("reactions.remove", "reactions:write", tier=2)
def remove_reaction(on: Services, args: Arguments) -> Json:
    """Take a reaction back."""
    if not _react(on, args, remove=True):
        raise SlackError("no_reaction")
    return {}


@method("reactions.get", "reactions:read", tier=3)
def get_reactions(on: Services, args: Arguments) -> Json:
    """A message with its reactions."""
    channel = require_visible(on.state, args.required("channel"))
    message = channel.messages.get(args.required("timestamp"))
    if message is None:
        raise SlackError("message_not_found")
    shown = {k: v for k, v in message.items() if k != "metadata"}
    return {"type": "message", "channel": channel.id, "message": shown}


def _react(on: Services, args: Arguments, *, remove: bool) -> bool:
    channel = require_visible(on.state, args.required("channel"))
    require_postable(on.state, channel)
    message = channel.messages.get(args.required("timestamp"))
    if message is None:
        raise SlackError("message_not_found")
    name = args.required("name").strip(":")
    return on.messages.react(channel, message, on.state.bot_user_id, name, remove=remove)


def _target(on: Services, args: Arguments) -> Channel:
    """The channel to post in; a user id stands for the direct conversation with that person."""
    where = args.required("channel")
    if where in on.state.users:
        if on.state.users[where].deleted or on.state.users[where].is_bot:
            raise SlackError("channel_not_found")
        return on.state.direct(where)
    return require_visible(on.state, where)


def _thread(channel: Channel, args: Arguments) -> str | None:
    thread_ts = args.text("thread_ts")
    if not thread_ts:
        return None
    if thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    return thread_ts


def _check(on: Services, where: str, args: Arguments, surface: Surface) -> None:
    if args.get("blocks") == [] and where == "chat.update" and args.get("text"):
        # An empty list is how an update takes the blocks away.
        check_payload(on.state, where, {k: v for k, v in args.items() if k != "blocks"}, surface)
        return
    if not has_content(args):
        raise SlackError("no_text")
    check_payload(on.state, where, dict(args), surface)

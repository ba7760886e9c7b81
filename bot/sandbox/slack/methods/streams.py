"""chat.startStream, chat.appendStream and chat.stopStream."""

from bot.sandbox.slack.checks import check_payload, require_own, require_postable, require_visible
from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Channel, Json, SlackError
from bot.sandbox.slack.streams import Stream

STATUSES = ("active", "processing", "suspended", "closed")


@method("chat.startStream", "chat:write", tier=2)
def start(on: Services, args: Arguments) -> Json:
    """Begin a streaming message, always a reply; in a channel it has one recipient."""
    channel = require_visible(on.state, args.required("channel"))
    require_postable(on.state, channel)
    thread_ts = args.required("thread_ts")
    if thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    _recipient(on, channel, args)
    check_payload(on.state, "chat.startStream", dict(args), "stream")
    author = {key: args[key] for key in ("username", "icon_emoji", "icon_url") if args.get(key)}
    display = args.text("task_display_mode", "timeline")
    stream = on.streams.start(channel, thread_ts, display, author)
    if args.get("markdown_text") or args.get("chunks"):
        on.streams.append(stream, *_content(args))
    if on.state.manifest.is_agent:
        root = str(stream.message["thread_ts"])
        recipient = args.text("recipient_user_id", channel.user or "")
        session = on.sessions.begin(channel.id, root, initiator=recipient)
        on.sessions.set_status(session, "processing")
    return {"channel": channel.id, "ts": stream.message["ts"]}


@method("chat.appendStream", "chat:write", tier=4)
def append(on: Services, args: Arguments) -> Json:
    """Add to a streaming message."""
    channel, stream = _own(on, args)
    if not args.get("markdown_text") and not args.get("chunks"):
        raise SlackError("no_text")
    check_payload(on.state, "chat.appendStream", dict(args), "stream")
    on.streams.append(stream, *_content(args))
    return {"channel": channel.id, "ts": stream.message["ts"]}


@method("chat.stopStream", "chat:write", tier=2)
def stop(on: Services, args: Arguments) -> Json:
    """End a streaming message; its own blocks come last."""
    channel, stream = _own(on, args)
    check_payload(on.state, "chat.stopStream", dict(args), "stream")
    markdown, chunks = _content(args)
    last = args.get("blocks")
    if isinstance(last, list) and last:
        chunks = [*chunks, {"type": "blocks", "blocks": last}]
    stream.take(markdown, chunks)
    metadata = args.get("metadata")
    if isinstance(metadata, dict):
        stream.message["metadata"] = metadata
    on.streams.end(stream, "completed", args.text("session_status", "active"))
    return {"channel": channel.id, "ts": stream.message["ts"], "message": stream.message}


def _own(on: Services, args: Arguments) -> tuple[Channel, Stream]:
    channel = require_visible(on.state, args.required("channel"))
    ts = args.required("ts")
    message = require_own(on.state, channel, ts, "message_not_owned_by_app")
    return channel, on.streams.live(channel, str(message["ts"]))


def _recipient(on: Services, channel: Channel, args: Arguments) -> None:
    """A channel needs both ids; in a direct conversation it is clear who reads."""
    user, team = args.text("recipient_user_id"), args.text("recipient_team_id")
    if channel.kind != "im":
        for name, value in (("user", user), ("team", team)):
            if not value:
                raise SlackError(f"missing_recipient_{name}_id")
    if user and user not in on.state.users:
        raise SlackError("user_not_found")


def _content(args: Arguments) -> tuple[str, list[Json]]:
    chunks = args.get("chunks")
    return args.text("markdown_text"), list(chunks) if isinstance(chunks, list) else []

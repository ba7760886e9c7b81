"""Checks of what the app sends: Slack's limits, refused as Slack refuses them and recorded."""

from collections.abc import Mapping

from bot.sandbox.slack.model import Channel, Json, SlackError
from bot.sandbox.slack.state import State
from bot.sandbox.validate import Surface, validate


def check_payload(
    state: State, where: str, payload: Mapping[str, object], surface: Surface
) -> None:
    """Refuse what breaks a limit; raises `SlackError` with the first violation's code."""
    # Bolt adds the team to every call; on an org-wide installation Slack needs it.
    violations = validate({k: v for k, v in payload.items() if k != "team_id"}, surface)
    if not violations:
        return
    messages = [
        f"[ERROR] {violation.message} [json-pointer:{violation.pointer}]"
        for violation in violations
    ]
    for violation, message in zip(violations, messages, strict=True):
        state.blame(where, violation.code, message)
    raise SlackError(violations[0].code, response_metadata={"messages": messages})


def has_content(payload: Mapping[str, object]) -> bool:
    """Whether a message would show anything."""
    return any(payload.get(key) for key in ("text", "blocks", "attachments", "markdown_text"))


def content_of(payload: Mapping[str, object]) -> Json:
    """The parts of a call's arguments that become the message."""
    kept = ("text", "blocks", "attachments", "metadata")
    content: Json = {key: payload[key] for key in kept if payload.get(key) is not None}
    markdown = payload.get("markdown_text")
    if markdown:
        content |= {"text": markdown, "blocks": [{"type": "markdown", "text": markdown}]}
    if isinstance(content.get("text"), str):
        # Slack cuts a post's text here and says nothing.
        content["text"] = content["text"][:40_000]
    return content


def require_postable(state: State, channel: Channel) -> None:
    """Refuse to write where the app may not; raises `SlackError`."""
    if channel.archived:
        raise SlackError("is_archived")
    if state.is_bot_in(channel):
        return
    public = channel.kind == "channel"
    if public and "chat:write.public" in state.manifest.scopes:
        return
    raise SlackError("not_in_channel" if public else "channel_not_found")


def require_visible(state: State, where: str) -> Channel:
    """The channel by id or name, if the app may know of it; raises `SlackError`."""
    channel = state.find_channel(where)
    if channel is None or (channel.kind != "channel" and not state.is_bot_in(channel)):
        raise SlackError("channel_not_found")
    return channel


def require_own(state: State, channel: Channel, ts: str, refusal: str) -> Json:
    """A message that the app wrote; raises `SlackError`, with `refusal` where another did."""
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != state.bot_id:
        raise SlackError(refusal)
    return message

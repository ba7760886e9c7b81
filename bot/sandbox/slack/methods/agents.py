"""agents.sessions.*, assistant.threads.* and blocks.validate: what an agent shows of itself."""

from collections.abc import Mapping

from bot.sandbox.slack.checks import require_postable, require_visible
from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.methods.streams import STATUSES
from bot.sandbox.slack.model import Channel, Json, Session, SlackError
from bot.sandbox.validate import Surface, validate

_LONGEST_TITLE = 200
_MOST_PROMPTS = 4
_MOST_LOADING = 10


@method("agents.sessions.setStatus", "chat:write", tier=3)
def set_status(on: Services, args: Arguments) -> Json:
    """Say whether the agent works, waits for a person, or is done; begins the session."""
    channel, thread_ts = _thread(on, args)
    status = args.required("status")
    if status not in STATUSES:
        raise SlackError("invalid_arguments")
    title = args.text("title")
    if len(title) > _LONGEST_TITLE:
        raise SlackError("invalid_arguments")
    initiator = args.text("initiator_user_id")
    if initiator and initiator not in on.state.users:
        raise SlackError("user_not_found")
    session = on.sessions.begin(channel.id, thread_ts, title=title, initiator=initiator)
    on.sessions.set_status(session, status)
    answer: Json = {"status": status, "agent_status": status}
    if "agent_session_stopped" not in on.state.manifest.events:
        missing = "missing_agent_session_stopped_event_subscription"
        answer |= {"warning": missing, "response_metadata": {"warnings": [missing]}}
    return answer


@method("agents.sessions.rename", "chat:write", tier=3)
def rename(on: Services, args: Arguments) -> Json:
    """Give the session another title."""
    channel, thread_ts = _thread(on, args)
    title = args.required("title")
    if len(title) > _LONGEST_TITLE:
        raise SlackError("invalid_arguments")
    session = on.sessions.find(channel.id, thread_ts)
    if session is None:
        raise SlackError("session_not_found")
    session.title = title
    on.sessions.publish(session)
    return {"title": title}


@method("assistant.threads.setStatus", "chat:write", tier=5)
def assistant_status(on: Services, args: Arguments) -> Json:
    """Show a loading text for two minutes; an empty status takes it away."""
    loading = args.get("loading_messages")
    if loading is not None:
        texts = isinstance(loading, list) and all(isinstance(text, str) for text in loading)
        if not texts or not isinstance(loading, list) or len(loading) > _MOST_LOADING:
            raise SlackError("invalid_arguments")
    if "status" not in args:
        raise SlackError("invalid_arguments")
    on.sessions.set_loading(_assistant(on, args), args.text("status"))
    return {}


@method("assistant.threads.setTitle", "assistant:write", tier=4)
def assistant_title(on: Services, args: Arguments) -> Json:
    """Give the thread a title."""
    title = args.required("title")
    session = _assistant(on, args)
    session.title = title
    on.sessions.publish(session)
    return {}


@method("assistant.threads.setSuggestedPrompts", "assistant:write", tier=4)
def prompts(on: Services, args: Arguments) -> Json:
    """Offer up to four prompts; without a thread they stand at the top of the Messages tab."""
    offered = args.get("prompts")
    if not isinstance(offered, list) or not 1 <= len(offered) <= _MOST_PROMPTS:
        raise SlackError("invalid_arguments")
    if not all(_is_prompt(prompt) for prompt in offered):
        raise SlackError("invalid_arguments")
    channel = _place(on, args)
    thread_ts = args.text("thread_ts")
    if thread_ts and thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    session = on.sessions.begin(channel.id, thread_ts)
    session.prompts = list(offered)
    on.sessions.publish(session)
    return {}


@method("blocks.validate", tier=5)
def validate_blocks(on: Services, args: Arguments) -> Json:  # noqa: ARG001 - a pure question
    """Say what Slack would refuse in blocks, a message or a view; nothing is blamed for asking."""
    given = [name for name in ("blocks", "message", "view") if args.get(name) is not None]
    if len(given) != 1:
        raise SlackError("invalid_arguments")
    payload, surface = _question(given[0], args[given[0]])
    errors = [
        {"pointer": found.pointer, "code": found.code, "message": found.message}
        for found in validate(payload, surface)
    ]
    return {"errors": errors}


def _question(name: str, value: object) -> tuple[Mapping[str, object], Surface]:
    if name == "blocks":
        return {"blocks": value, "text": "-"}, "message"
    if not isinstance(value, Mapping):
        raise SlackError("invalid_arguments")
    if name == "message":
        return value, "message"
    return value, "home" if value.get("type") == "home" else "modal"


def _is_prompt(prompt: object) -> bool:
    return isinstance(prompt, dict) and all(
        isinstance(prompt.get(key), str) and prompt[key] for key in ("title", "message")
    )


def _place(on: Services, args: Arguments) -> Channel:
    channel = require_visible(on.state, args.required("channel_id"))
    require_postable(on.state, channel)
    return channel


def _thread(on: Services, args: Arguments) -> tuple[Channel, str]:
    """The thread of an agent's session; only an app that the manifest calls an agent has one."""
    if not on.state.manifest.is_agent:
        raise SlackError("not_authorized")
    channel = _place(on, args)
    thread_ts = args.required("thread_ts")
    if thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    return channel, thread_ts


def _assistant(on: Services, args: Arguments) -> Session:
    channel = _place(on, args)
    thread_ts = args.required("thread_ts")
    if thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    return on.sessions.begin(channel.id, thread_ts)

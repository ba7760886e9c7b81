"""Streaming messages: in progress, then complete, stopped by a person, or dead of age."""

from dataclasses import dataclass, field
from typing import Literal

from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.model import Channel, Json, SlackError
from bot.sandbox.slack.sessions import Sessions
from bot.sandbox.slack.state import State
from bot.sandbox.slack.tasks import Tasks

Ending = Literal["completed", "stopped", "errored"]


@dataclass
class Stream:
    """One message that still grows."""

    channel: Channel
    message: Json
    display: str
    began: float
    text: str = ""
    plan: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)
    blocks: list[Json] = field(default_factory=list)

    def take(self, markdown: str, chunks: list[Json]) -> None:
        """Add what one call brings; an update of a task replaces what it names of it."""
        self.text += markdown
        for chunk in chunks:
            match chunk["type"]:
                case "markdown_text":
                    self.text += chunk["text"]
                case "plan_update":
                    self.plan = chunk["title"]
                case "task_update":
                    fresh = {k: v for k, v in chunk.items() if k not in {"type", "id"}}
                    self.tasks.setdefault(chunk["id"], {}).update(fresh)
                case "blocks":
                    self.blocks += chunk["blocks"]

    def shown(self) -> list[Json]:
        """The blocks that the message has now."""
        tasks = [_task_card(key, task) for key, task in self.tasks.items()]
        if tasks and (self.plan or self.display == "plan"):
            tasks = [{"type": "plan", "title": self.plan or "Plan", "tasks": tasks}]
        text = [{"type": "markdown", "text": self.text}] if self.text else []
        return [*tasks, *text, *self.blocks]


class Streams:
    """The state machine of `chat.startStream`, `appendStream` and `stopStream`."""

    def __init__(self, state: State, messages: Messages, sessions: Sessions, tasks: Tasks) -> None:
        self._state = state
        self._messages = messages
        self._sessions = sessions
        self._tasks = tasks
        self._live: dict[tuple[str, str], Stream] = {}
        self._stopped: set[tuple[str, str]] = set()

    def start(self, channel: Channel, thread_ts: str, display: str, author: Json) -> Stream:
        """Begin a message in a thread; it takes appends until it is stopped or too old."""
        empty = self._messages.app_message(author | {"streaming_state": "in_progress"})
        message = self._messages.add(channel, empty, thread_ts)
        stream = Stream(channel, message, display, self._state.clock.now())
        self._live[channel.id, message["ts"]] = stream
        self._tasks.start(self._expire(stream), f"stream-{message['ts']}")
        return stream

    def live(self, channel: Channel, ts: str) -> Stream:
        """The stream that may be appended to; raises `SlackError` with what it has become."""
        stream = self._live.get((channel.id, ts))
        if stream is not None and self._age(stream) < self._state.settings.stream_seconds:
            return stream
        if stream is not None:
            self.end(stream, "errored")
        code = "stopped_by_user" if (channel.id, ts) in self._stopped else None
        raise SlackError(code or "message_not_in_streaming_state")

    def is_live(self, channel: Channel, ts: str) -> bool:
        """Whether this message is still streaming."""
        try:
            self.live(channel, ts)
        except SlackError:
            return False
        return True

    def in_thread(self, channel: Channel, thread_ts: str) -> list[Stream]:
        """The streams that still run in a thread, oldest first."""
        found = [stream for stream in self._live.values() if stream.channel is channel]
        return [stream for stream in found if stream.message.get("thread_ts") == thread_ts]

    def append(self, stream: Stream, markdown: str, chunks: list[Json]) -> None:
        """Show what was added."""
        stream.take(markdown, chunks)
        self._messages.grow(stream.channel, stream.message, self._content(stream))

    def end(self, stream: Stream, ending: Ending, status: str = "active") -> None:
        """Let the message be as it is now; the thread's session takes `status`."""
        key = (stream.channel.id, str(stream.message["ts"]))
        if self._live.pop(key, None) is None:
            return
        if ending == "stopped":
            self._stopped.add(key)
        content = self._content(stream) | {"streaming_state": ending}
        self._messages.finish(stream.channel, stream.message, content)
        # A person's Stop changes no status by itself: the app is told, and says what follows.
        if ending != "stopped":
            thread_ts = str(stream.message.get("thread_ts", key[1]))
            self._sessions.stream_ended(stream.channel.id, thread_ts, status)

    def _content(self, stream: Stream) -> Json:
        return {"text": stream.text, "blocks": stream.shown()}

    def _age(self, stream: Stream) -> float:
        return self._state.clock.now() - stream.began

    async def _expire(self, stream: Stream) -> None:
        await self._state.clock.sleep(self._state.settings.stream_seconds)
        self.end(stream, "errored")


def _task_card(key: str, task: Json) -> Json:
    shown: Json = {"type": "task_card", "task_id": key} | task
    for name in ("details", "output"):
        if isinstance(shown.get(name), str):
            shown[name] = _rich(shown[name])
    return shown


def _rich(text: str) -> Json:
    inline = [{"type": "text", "text": text}] if text else []
    section = {"type": "rich_text_section", "elements": inline}
    return {"type": "rich_text", "elements": [section]}

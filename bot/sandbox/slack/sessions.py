"""Agent sessions: what an app shows of its work in a thread, and that a person can stop it."""

from bot.sandbox.slack.model import Json, Session
from bot.sandbox.slack.state import State


class Sessions:
    """The only writer of sessions."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, channel: str, thread_ts: str) -> Session | None:
        """The session of this thread, if the app has begun one."""
        return self._state.sessions.get((channel, thread_ts))

    def begin(
        self, channel: str, thread_ts: str, *, title: str = "", initiator: str = ""
    ) -> Session:
        """The thread's session, made now if there is none; only then title and initiator count."""
        key = (channel, thread_ts)
        if key not in self._state.sessions:
            self._state.sessions[key] = Session(
                channel, thread_ts, title=title, initiator=initiator
            )
        return self._state.sessions[key]

    def set_status(self, session: Session, status: str) -> None:
        """Show a status; `processing` anew counts from now."""
        session.status, session.since = status, self._state.clock.now()
        self.publish(session)

    def set_loading(self, session: Session, text: str) -> None:
        """Show a loading text for two minutes; an empty one takes it away."""
        session.loading, session.loading_since = text, self._state.clock.now()
        self.publish(session)

    def stream_ended(self, channel: str, thread_ts: str, status: str) -> None:
        """What a stream's end means for the session of its thread, if it has one."""
        session = self.find(channel, thread_ts)
        if session is not None:
            self.set_status(session, status)

    def publish(self, session: Session) -> None:
        """Tell the feed."""
        shown: Json = session.as_json(self._state.clock.now())
        self._state.feed.publish("session", shown)

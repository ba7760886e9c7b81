"""The Events API: which event the app hears of what happens, and in which payload."""

import copy
import re

from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.model import Channel, Group, Json, User
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State

_MESSAGE_EVENT = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class Events:
    """Turns changes into events: only what is subscribed, only where the app is a member."""

    def __init__(self, state: State, hub: Hub, faults: Faults) -> None:
        self._state = state
        self._hub = hub
        self._faults = faults

    def posted(self, channel: Channel, message: Json) -> None:
        """A message appeared."""
        told = _for_events(message) | {
            "channel": channel.id,
            "channel_type": channel.kind,
            "event_ts": message["ts"],
        }
        author = self._state.users.get(message.get("user", ""))
        if author is not None and author.is_stranger:
            told |= {"user_team": author.team_id, "source_team": author.team_id}
        pair = [(_MESSAGE_EVENT[channel.kind], told)]
        own = message.get("bot_id") == self._state.bot_id
        if channel.kind != "im" and not own and self._mentions_app(message):
            mention = {k: v for k, v in told.items() if k not in {"channel_type", "subtype"}}
            pair.insert(0, ("app_mention", mention | {"type": "app_mention"}))
        if self._faults.message_before_mention:
            pair.reverse()
        for subscription, event in pair:
            self._emit(subscription, event, channel)
        for file in message.get("files", ()):
            self.file_shared(channel, message, str(file["id"]))

    def file_shared(self, channel: Channel, message: Json, file_id: str) -> None:
        """A file came into a channel."""
        event: Json = {
            "type": "file_shared",
            "file_id": file_id,
            "file": {"id": file_id},
            "user_id": message.get("user"),
            "channel_id": channel.id,
            "event_ts": self._state.ids.ts(),
        }
        self._emit("file_shared", event, channel)

    def session_stopped(
        self, channel: Channel, user: User, thread_ts: str, streams: list[str]
    ) -> None:
        """A person pressed Stop."""
        event: Json = {
            "type": "agent_session_stopped",
            "channel": channel.id,
            "user": user.id,
            "thread_ts": thread_ts,
            "streaming_message_ts": streams,
            "event_ts": self._state.ids.ts(),
        }
        self._emit("agent_session_stopped", event, channel)

    def session_renamed(
        self, channel: Channel, user: User, thread_ts: str, title: str, before: str
    ) -> None:
        """A person gave an agent's session another title."""
        event: Json = {
            "type": "agent_session_title_changed",
            "channel": channel.id,
            "user": user.id,
            "team_id": self._state.team_id,
            "thread_ts": thread_ts,
            "title": title,
            "previous_title": before,
            "event_ts": self._state.ids.ts(),
        }
        self._emit("agent_session_title_changed", event, channel)

    def changed(self, channel: Channel, message: Json, previous: Json) -> None:
        """A message was edited."""
        self._hidden("message_changed", channel, previous, message=_for_events(message))

    def deleted(self, channel: Channel, previous: Json) -> None:
        """A message was deleted."""
        self._hidden("message_deleted", channel, previous, deleted_ts=previous["ts"])

    def _hidden(self, subtype: str, channel: Channel, previous: Json, **now: object) -> None:
        """What became of a message, which clients show in its place only."""
        event_ts = self._state.ids.ts()
        event: Json = {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": channel.id,
            "channel_type": channel.kind,
            "ts": event_ts,
            "event_ts": event_ts,
            **now,
            "previous_message": _for_events(previous),
        }
        self._emit(_MESSAGE_EVENT[channel.kind], event, channel)

    def reacted(
        self, channel: Channel, message: Json, user: str, name: str, *, added: bool
    ) -> None:
        """A reaction was added or removed."""
        kind = "reaction_added" if added else "reaction_removed"
        event: Json = {
            "type": kind,
            "user": user,
            "reaction": name,
            "item_user": message.get("user"),
            "item": {"type": "message", "channel": channel.id, "ts": message["ts"]},
            "event_ts": self._state.ids.ts(),
        }
        self._emit(kind, event, channel)

    def home_opened(self, user: User, tab: str, view: Json | None) -> None:
        """A person opened the app's Home or Messages tab."""
        direct = self._state.direct(user.id)
        event: Json = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": direct.id,
            "tab": tab,
            "event_ts": self._state.ids.ts(),
        }
        if view is not None and tab == "home":
            event["view"] = view
        self._emit("app_home_opened", event, direct)

    def joined(self, channel: Channel, user: User, *, left: bool = False) -> None:
        """A person (or the app) became or ceased to be a member."""
        kind = "member_left_channel" if left else "member_joined_channel"
        event: Json = {
            "type": kind,
            "user": user.id,
            "channel": channel.id,
            "channel_type": "C" if channel.kind == "channel" else "G",
            "team": user.team_id,
            "event_ts": self._state.ids.ts(),
        }
        self._emit(kind, event, channel)

    def group_changed(self, group: Group, added: list[str], removed: list[str]) -> None:
        """A user group has other members."""
        event: Json = {
            "type": "subteam_members_changed",
            "subteam_id": group.id,
            "team_id": self._state.team_id,
            "added_users": added,
            "added_users_count": len(added),
            "removed_users": removed,
            "removed_users_count": len(removed),
            "event_ts": self._state.ids.ts(),
        }
        self._emit("subteam_members_changed", event, None)
        shown = group.as_json(self._state.team_id, include_users=True)
        updated = {"type": "subteam_updated", "subteam": shown, "event_ts": self._state.ids.ts()}
        self._emit("subteam_updated", updated, None)

    def user_changed(self, user: User) -> None:
        """A person's account changed."""
        event_ts = self._state.ids.ts()
        event: Json = {"type": "user_change", "user": user.as_json(), "event_ts": event_ts}
        self._emit("user_change", event, None)

    def tokens_revoked(self) -> None:
        """The app's bot token was revoked."""
        tokens = {"oauth": [], "bot": [self._state.bot_user_id]}
        event: Json = {"type": "tokens_revoked", "tokens": tokens}
        self._emit("tokens_revoked", event | {"event_ts": self._state.ids.ts()}, None)

    def wrap(self, event: Json, channel: Channel | None) -> Json:
        """The `event_callback` payload around an event, with an event id of its own."""
        state = self._state
        event_id = state.ids.next("Ev")
        return {
            "token": "verification-token",
            "team_id": state.team_id,
            "context_team_id": state.team_id,
            "context_enterprise_id": None,
            "api_app_id": state.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(state.clock.now()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": state.team_id,
                    "user_id": state.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": channel is not None and channel.is_ext_shared,
            "event_context": f"4-{event_id}",
        }

    def _emit(self, subscription: str, event: Json, channel: Channel | None) -> None:
        if subscription not in self._state.manifest.events:
            return
        if channel is not None and not self._state.is_bot_in(channel):
            return
        self._hub.deliver_event(self.wrap(event, channel))

    def _mentions_app(self, message: Json) -> bool:
        pattern = rf"<@{re.escape(self._state.bot_user_id)}(\|[^>]*)?>"
        return re.search(pattern, str(message.get("text", ""))) is not None


def _for_events(message: Json) -> Json:
    """A copy without what Slack keeps out of message events."""
    return copy.deepcopy({k: v for k, v in message.items() if k != "metadata"})

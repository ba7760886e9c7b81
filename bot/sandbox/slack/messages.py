"""Messages: posting, editing, deleting, reacting, and what only one person sees."""

import copy
from collections.abc import Sequence

from bot.sandbox.slack.elements import stamp
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.model import Channel, Json, StoredFile, User
from bot.sandbox.slack.state import State
from bot.sandbox.slack.text import rich_text

_COLOURS = {"good": "2eb886", "warning": "daa038", "danger": "a30200"}


class Messages:
    """The only writer of messages: stores, tells the feed, and causes the events."""

    def __init__(self, state: State, events: Events) -> None:
        self._state = state
        self._events = events

    # --- by people --------------------------------------------------------------------------

    def by_user(
        self,
        user: User,
        channel: Channel,
        text: str,
        thread_ts: str | None = None,
        files: Sequence[StoredFile] = (),
    ) -> Json:
        """A person posts; `text` is in Slack's escaped form."""
        ids = self._state.ids
        message: Json = {
            "type": "message",
            "user": user.id,
            "text": text,
            "ts": ids.ts(),
            "client_msg_id": ids.uuid(),
            "team": user.team_id,
            "blocks": [rich_text(text, ids.short())],
        }
        if user.is_bot:
            del message["client_msg_id"]
            message |= {"bot_id": user.bot_id, "app_id": user.app_id}
        if files:
            message["files"] = [file.as_json() for file in files]
            message |= {"subtype": "file_share", "upload": False}
        return self.add(channel, message, thread_ts)

    def by_bot(
        self, user: User, channel: Channel, content: Json, thread_ts: str | None = None
    ) -> Json:
        """Another app posts; `content` has text, blocks, attachments as its call would."""
        message: Json = {
            "type": "message",
            "subtype": "bot_message",
            "bot_id": user.bot_id,
            "app_id": user.app_id,
            "user": user.id,
            "username": user.real_name,
            "text": "",
            "ts": self._state.ids.ts(),
            "team": user.team_id,
        }
        message |= copy.deepcopy(content)
        stamp(message.get("blocks", ()), self._state.ids.short)
        for number, one in enumerate(message.get("attachments", ()), 1):
            # what Slack adds, and how it gives a colour back
            one |= {"id": number, "mrkdwn_in": ["text"]}
            one.setdefault("fallback", "[no preview available]")
            colour = str(one.get("color", ""))
            one["color"] = _COLOURS.get(colour, colour.removeprefix("#"))
        return self.add(channel, message, thread_ts)

    def edit_by_user(self, channel: Channel, message: Json, text: str) -> None:
        """A person edits a message of theirs."""
        block = rich_text(text, self._state.ids.short())
        self.change(channel, message, {"text": text, "blocks": [block]}, message["user"])

    # --- by the app -------------------------------------------------------------------------

    def app_message(self, content: Json) -> Json:
        """A message of the app, not yet posted; `content` has text, blocks, metadata, files."""
        state = self._state
        message: Json = {
            "type": "message",
            "user": state.bot_user_id,
            "bot_id": state.bot_id,
            "app_id": state.app_id,
            "team": state.team_id,
            "text": "",
            "bot_profile": {
                "id": state.bot_id,
                "app_id": state.app_id,
                "name": state.manifest.name,
                "deleted": False,
                "updated": 1_700_000_000,
                "team_id": state.team_id,
            },
        }
        stamp(content.get("blocks", ()), state.ids.short)
        return message | content

    def ephemeral(
        self, channel: Channel, user: str, content: Json, thread_ts: str | None = None
    ) -> Json:
        """Show a message to one person only."""
        message = self.app_message(content) | {"ts": self._state.ids.ts(), "is_ephemeral": True}
        if thread_ts:
            message["thread_ts"] = thread_ts
        message["shown_to"] = user
        channel.ephemerals.append(message)
        self._state.feed.publish("ephemeral", {"channel": channel.id, "message": message})
        return message

    def change_ephemeral(self, channel: Channel, message: Json, content: Json | None) -> None:
        """Replace an ephemeral message's content, or remove it (`None`)."""
        if content is None:
            channel.ephemerals.remove(message)
        else:
            stamp(content.get("blocks", ()), self._state.ids.short)
            message |= content
        data = {"channel": channel.id, "message": message, "removed": content is None}
        self._state.feed.publish("ephemeral", data)

    # --- by anyone --------------------------------------------------------------------------

    def add(self, channel: Channel, message: Json, thread_ts: str | None = None) -> Json:
        """Store a new message, in a thread if `thread_ts` is given, and tell everyone."""
        message.setdefault("ts", self._state.ids.ts())
        root = channel.messages.get(thread_ts or "")
        if root is not None:
            root_ts = str(root.get("thread_ts", root["ts"]))
            root = channel.messages.get(root_ts, root)
            message["thread_ts"] = root_ts
            message["parent_user_id"] = root.get("user", "")
            repliers = root.setdefault("reply_users", [])
            if message["user"] not in repliers:
                repliers.append(message["user"])
            root |= {
                "thread_ts": root_ts,
                "reply_count": root.get("reply_count", 0) + 1,
                "reply_users_count": len(repliers),
                "latest_reply": message["ts"],
            }
        channel.messages[message["ts"]] = message
        self._publish(channel, message)
        if root is not None:
            self._publish(channel, root)
        self._events.posted(channel, message)
        return message

    def change(self, channel: Channel, message: Json, content: Json, editor: str) -> None:
        """Edit a stored message in place."""
        previous = copy.deepcopy(message)
        stamp(content.get("blocks", ()), self._state.ids.short)
        message |= content
        if message.get("blocks") == []:
            del message["blocks"]
        message["edited"] = {"user": editor, "ts": self._state.ids.ts()}
        self._publish(channel, message)
        self._events.changed(channel, message, previous)

    def grow(self, channel: Channel, message: Json, content: Json) -> None:
        """A streaming message got longer: seen on the page, but no event yet."""
        stamp(content.get("blocks", ()), self._state.ids.short)
        message |= content
        self._publish(channel, message)

    def finish(self, channel: Channel, message: Json, content: Json) -> None:
        """A streaming message is as it stays; that is its one event."""
        previous = copy.deepcopy(message)
        self.grow(channel, message, content)
        self._events.changed(channel, message, previous)

    def delete(self, channel: Channel, message: Json) -> None:
        """Delete a message; a thread's root leaves a tombstone, as in Slack."""
        if message.get("reply_count", 0) > 0:
            kept = ("ts", "thread_ts", "reply_count", "reply_users", "latest_reply")
            channel.messages[message["ts"]] = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                **{key: message[key] for key in kept if key in message},
            }
        else:
            del channel.messages[message["ts"]]
        root = channel.messages.get(str(message.get("thread_ts", "")))
        if root is not None:
            root["reply_count"] = root.get("reply_count", 1) - 1
        self._state.feed.publish("deleted", {"channel": channel.id, "ts": message["ts"]})
        self._events.deleted(channel, message)

    def react(
        self, channel: Channel, message: Json, user: str, name: str, *, remove: bool = False
    ) -> bool:
        """Add or remove a reaction; returns whether that changed anything."""
        reactions: list[Json] = message.setdefault("reactions", [])
        entry = next((r for r in reactions if r["name"] == name), None)
        if entry is None:
            entry = {"name": name, "users": [], "count": 0}
            reactions.append(entry)
        if (user in entry["users"]) != remove:
            return False
        if remove:
            entry["users"].remove(user)
        else:
            entry["users"].append(user)
        entry["count"] = len(entry["users"])
        message["reactions"] = [r for r in reactions if r["count"]]
        if not message["reactions"]:
            del message["reactions"]
        self._publish(channel, message)
        self._events.reacted(channel, message, user, name, added=not remove)
        return True

    def _publish(self, channel: Channel, message: Json) -> None:
        data = {"channel": channel.id, "message": copy.deepcopy(message)}
        self._state.feed.publish("message", data)

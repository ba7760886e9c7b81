"""How tests change a workspace, and what goes wrong in it on purpose."""

from collections.abc import Iterable
from typing import Any

from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.model import Envelope, Group, Impossible, Json, User
from bot.sandbox.slack.sights import Sights
from bot.sandbox.slack.socket import DisconnectReason, EnvelopeType


class Arranging(Sights):
    """The part of the workspace that stands above people: membership, accounts, faults."""

    faults: Faults
    _events: Events

    # --- changing the workspace -------------------------------------------------------------

    def add_user(self, name: str, real_name: str = "", **flags: Any) -> str:
        """Add a person; `flags` are fields of `User` such as `is_restricted=True`."""
        flags.setdefault("team_id", self.team_id)
        user_id = str(flags.pop("id", "") or self.state.ids.next("U"))
        user = User(id=user_id, name=name, real_name=real_name or name.title(), **flags)
        return self.state.add_user(user).id

    def change_user(self, who: str, **flags: object) -> None:
        """Change a person's fields, for example `deleted=True`; a `user_change` follows."""
        self._events.user_changed(self.state.change_user(who, **flags))

    def add_channel(
        self, name: str, members: Iterable[str] = (), *, bot: bool = True, **details: object
    ) -> str:
        """Add a channel; `details` are fields of `Channel` such as `is_ext_shared=True`."""
        everyone = [*members, "app"] if bot else list(members)
        return self.state.add_channel(name, everyone, **details).id

    def change_channel(self, where: str, **details: object) -> None:
        """Change a channel's fields, for example `is_ext_shared=True` or `archived=True`."""
        channel = self._channel(where)
        for name, value in details.items():
            if not hasattr(channel, name):
                raise Impossible(f"A channel has no {name!r}.")
            setattr(channel, name, value)
        self.state.publish_channel(channel)

    def invite(self, who: str, where: str) -> None:
        """Make a person, or the app (`app`), a member."""
        user, channel = self.state.user(who), self._channel(where)
        if user.id not in channel.members:
            channel.members.append(user.id)
            self.state.publish_channel(channel)
            self._events.joined(channel, user)

    def remove(self, who: str, where: str) -> None:
        """End a membership."""
        user, channel = self.state.user(who), self._channel(where)
        if user.id in channel.members:
            self._events.joined(channel, user, left=True)
            channel.members.remove(user.id)
            self.state.publish_channel(channel)

    def set_group(
        self, handle: str, users: Iterable[str], *, name: str = "", disabled: bool = False
    ) -> str:
        """Make or change a user group and return its id."""
        members = [self.user_id(who) for who in users]
        known = [group for group in self.state.groups.values() if group.handle == handle]
        group = known[0] if known else Group(self.state.ids.next("S"), handle, name or handle)
        self.state.groups[group.id] = group
        added = [user for user in members if user not in group.users]
        removed = [user for user in group.users if user not in members]
        group.users, group.disabled = members, disabled
        shown = group.as_json(self.team_id, include_users=True)
        self.state.feed.publish("group", shown)
        self._events.group_changed(group, added, removed)
        return group.id

    # --- faults and forgeries ---------------------------------------------------------------

    async def disconnect(self, reason: DisconnectReason, number: int | None = None) -> None:
        """Send a `disconnect` frame to all sockets, or to one."""
        await self.hub.disconnect(reason, number)

    async def close_sockets(self, number: int | None = None) -> None:
        """Send a close frame."""
        await self.hub.close(number)

    async def abort_sockets(self, number: int | None = None) -> None:
        """Cut the TCP connections."""
        self.hub.abort(number)

    def revoke_tokens(self) -> None:
        """Revoke the bot token; the app hears `tokens_revoked`."""
        self.faults.revoked.add(self.bot_token)
        self._events.tokens_revoked()

    async def inject_envelope(self, kind: EnvelopeType, payload: Json) -> Envelope:
        """Deliver any payload at all; returns when acked or timed out."""
        return await self.hub.deliver(kind, payload)

    async def redeliver(self, envelope: Envelope, *, attempt: int = 1) -> Envelope:
        """Deliver an envelope's payload again, in a new envelope; events as a retry."""
        if envelope.type == "events_api":
            return await self.hub.deliver(
                "events_api", envelope.payload, attempt=attempt, reason="timeout"
            )
        kind: EnvelopeType = (
            "slash_commands" if envelope.type == "slash_commands" else "interactive"
        )
        return await self.hub.deliver(kind, envelope.payload)

    def inject_event(self, event: Json, where: str | None = None) -> None:
        """Send any event, wrapped and retried like Slack's own, whatever is subscribed."""
        channel = None if where is None else self._channel(where)
        self.hub.deliver_event(self._events.wrap(event, channel))

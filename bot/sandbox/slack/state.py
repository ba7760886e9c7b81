"""The workspace's data: who is in it, what was said, and the records of what the app did."""

import random
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from bot.sandbox.slack.clock import Clock
from bot.sandbox.slack.feed import Feed
from bot.sandbox.slack.manifest import Manifest
from bot.sandbox.slack.model import (
    Breach,
    Call,
    Channel,
    ChannelKind,
    Envelope,
    Group,
    Impossible,
    Json,
    Session,
    Settings,
    SlackError,
    StoredFile,
    User,
    View,
)

T = TypeVar("T")

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Ids:
    """Makes ids and timestamps that only grow and are the same for the same seed."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose, nothing is guarded
        self._count = 0
        self._last_ts = 0

    def mark(self) -> tuple[int, int]:
        """How far the ids and timestamps have come, for `go_on`."""
        return self._count, self._last_ts

    def go_on(self, count: int, last_ts: int) -> None:
        """Continue behind a mark; a few that were given after it must not come again."""
        self._count, self._last_ts = count + 1000, last_ts
        again = f"{self._seed} {self._count}"
        self._random = random.Random(again)  # noqa: S311 - as above

    def next(self, prefix: str) -> str:
        """The next id: `prefix` and ten digits."""
        self._count += 1
        left, digits = self._seed * 1_000_000_000 + self._count, ""
        for _ in range(10):
            left, digit = divmod(left, 36)
            digits = _DIGITS[digit] + digits
        return prefix + digits

    def uuid(self) -> str:
        """A version 4 UUID, as envelopes and client messages have."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def short(self) -> str:
        """Five characters, as Slack gives to blocks and elements without an id."""
        return "".join(self._random.choices(_DIGITS, k=5))

    def ts(self) -> str:
        """A message timestamp: later than all before, near the clock."""
        self._last_ts = max(int(self._clock.now() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


class State:
    """Everything that a Slack workspace with one installed app remembers."""

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        self.settings = settings
        self.manifest = manifest
        self.clock = Clock(settings.start)
        self.ids = Ids(settings.seed, self.clock)
        self.feed = Feed()
        self.base_url = ""
        self.team_id, self.team_domain, self.team_name = "T0ACME000", "acme", "Acme"
        self.other_team_id = "T0OTHER00"
        self.app_id, self.bot_id, self.bot_user_id = "A0APP0000", "B0BOT0000", "U0BOT0000"
        self.bot_token = f"xoxb-{self.team_id}-{settings.seed}-bot{settings.token_suffix}"
        self.page_token = settings.control_token or secrets.token_urlsafe(24)
        """What lets a browser in."""
        self.app_token = f"xapp-1-{self.app_id}-{settings.seed}-app{settings.token_suffix}"
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, Group] = {}
        self.files: dict[str, StoredFile] = {}
        self.views: dict[str, View] = {}
        self.modals: dict[str, list[str]] = {}
        self.homes: dict[str, View] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        """Agent sessions by channel and thread."""
        self.calls: list[Call] = []
        self._called = 0
        self.violations: list[Breach] = []
        self.envelopes: list[Envelope] = []
        self.notices: list[Json] = []
        """What Slack itself told people, such as that an app did not answer in time."""

    # --- people -----------------------------------------------------------------------------

    def user(self, who: str) -> User:
        """Find a person by id, name or @name (`app` is the app's own bot user).

        Raises `Impossible` if there is none.
        """
        if who == "app":
            return self.users[self.bot_user_id]
        if who in self.users:
            return self.users[who]
        wanted = who.removeprefix("@")
        for user in self.users.values():
            if user.name == wanted:
                return user
        raise Impossible(f"There is no user {who!r} in this workspace.")

    def add_user(self, user: User) -> User:
        """Put a person into the workspace."""
        if user.id in self.users or any(user.name == other.name for other in self.users.values()):
            raise Impossible(f"There already is a user {user.name!r} or {user.id!r}.")
        self.users[user.id] = user
        self.feed.publish("user", user.as_json())
        return user

    def change_user(self, who: str, **changes: object) -> User:
        """Change a person's flags, for example `deleted=True`."""
        user = replace(self.user(who), **changes)  # type: ignore[arg-type]
        self.users[user.id] = user
        self.feed.publish("user", user.as_json())
        return user

    def is_bot_in(self, channel: Channel) -> bool:
        """Whether the app is a member of the channel."""
        return self.bot_user_id in channel.members

    # --- places -----------------------------------------------------------------------------

    def channel(self, where: str) -> Channel:
        """Find a channel by id, name or #name; raises `Impossible` if there is none."""
        found = self.find_channel(where)
        if found is None:
            raise Impossible(f"There is no channel {where!r} in this workspace.")
        return found

    def find_channel(self, where: str) -> Channel | None:
        """Find a channel by id, name or #name."""
        if where in self.channels:
            return self.channels[where]
        wanted = where.removeprefix("#")
        named = (c for c in self.channels.values() if c.kind != "im" and c.name == wanted)
        return next(named, None)

    def add_channel(self, name: str, members: Iterable[str], **details: object) -> Channel:
        """Make a channel; `details` are fields of `Channel`."""
        if self.find_channel(name) is not None:
            raise Impossible(f"There already is a channel {name!r}.")
        channel_id = str(details.pop("id", "") or self.ids.next("C"))
        channel = Channel(channel_id, name, members=[self.user(who).id for who in members])
        channel = replace(channel, **details)  # type: ignore[arg-type]
        self.channels[channel.id] = channel
        self.publish_channel(channel)
        return channel

    def direct(self, who: str) -> Channel:
        """The direct conversation between a person and the app, made on demand."""
        user = self.user(who)
        for channel in self.channels.values():
            if channel.kind == "im" and channel.user == user.id:
                return channel
        members = [user.id, self.bot_user_id]
        kind: ChannelKind = "im"
        made = Channel(self.ids.next("D"), user.name, kind=kind, members=members, user=user.id)
        self.channels[made.id] = made
        self.publish_channel(made)
        return made

    def publish_channel(self, channel: Channel) -> None:
        """Tell the feed that a channel or its members changed."""
        self.feed.publish("channel", self.show_channel(channel))

    def show_channel(self, channel: Channel) -> Json:
        """A channel with its members, for the page."""
        shown = channel.as_json(self.bot_user_id, self.team_id)
        return shown | {"label": channel.name, "members": list(channel.members)}

    def group(self, which: str) -> Group:
        """Find a user group by id or handle; raises `SlackError("no_such_subteam")`."""
        wanted = which.removeprefix("@")
        for group in self.groups.values():
            if wanted in {group.id, group.handle}:
                return group
        raise SlackError("no_such_subteam")

    # --- what was said ----------------------------------------------------------------------

    def message(self, where: str, ts: str) -> Json:
        """Find a message; raises `Impossible` if there is none."""
        message = self.channel(where).messages.get(ts)
        if message is None:
            raise Impossible(f"There is no message {ts} in {where!r}.")
        return message

    def thread(self, channel: Channel, ts: str) -> list[Json]:
        """A thread's root, if it is still there, and its replies, oldest first."""
        return [m for m in channel.messages.values() if m["ts"] == ts or m.get("thread_ts") == ts]

    def show_view(self, view: View) -> Json:
        """The view object as the app gets it."""
        shown: Json = {
            "id": view.id,
            "team_id": self.team_id,
            "app_id": self.app_id,
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
            "hash": view.hash,
            "root_view_id": view.root_id,
            "previous_view_id": view.previous_id,
            "state": {"values": view.state},
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "title": None,
            "close": None,
            "submit": None,
            "clear_on_close": False,
            "notify_on_close": False,
        }
        return shown | view.payload

    def stack(self, user_id: str) -> list[View]:
        """The modals open before a person, the lowest first."""
        return [self.views[view_id] for view_id in self.modals.get(user_id, [])]

    # --- records ----------------------------------------------------------------------------

    def record_call(self, method: str) -> Call:
        """Record a call that begins now; its number counts those that are forgotten, too."""
        self._called += 1
        call = Call(method, {}, self.clock.now(), self._called)
        self._record(self.calls, call)
        return call

    def record_envelope(self, envelope: Envelope) -> None:
        """Record a delivery."""
        self._record(self.envelopes, envelope)

    def _record(self, records: list[T], one: T) -> None:
        records.append(one)
        del records[: -self.settings.records]

    def blame(self, where: str, code: str, detail: str) -> None:
        """Record that the app did what Slack would not stand for."""
        breach = Breach(where, code, detail)
        self._record(self.violations, breach)
        self.feed.publish("violation", {"where": where, "code": code, "detail": detail})

    def notice(self, user_id: str, text: str) -> None:
        """Show a person what Slack's client says by itself."""
        notice = {"user": user_id, "text": text, "at": self.clock.now()}
        self._record(self.notices, notice)
        self.feed.publish("notice", notice)


def populate(state: State) -> None:
    """Put the personas, groups and channels into an empty workspace."""
    team, other = state.team_id, state.other_team_id
    for user in (
        User(
            state.bot_user_id,
            state.manifest.name,
            state.manifest.name,
            team,
            is_bot=True,
            bot_id=state.bot_id,
            app_id=state.app_id,
        ),
        User("U0ALICE00", "alice", "Alice Adler", team),
        User("U0BOB0000", "bob", "Bob Berg", team, tz="Europe/London"),
        User("U0CAROL00", "carol", "Carol Cruz", team, tz="Europe/Madrid"),
        User("U0DAVE000", "dave", "Dave Doyle", team, tz="America/New_York"),
        User("U0ADA0000", "ada", "Ada Okafor", team, is_admin=True),
        User("U0GINA000", "gina", "Gina Guest", team, is_restricted=True),
        User("U0SID0000", "sid", "Sid Single", team, is_restricted=True, is_ultra_restricted=True),
        User("U0OLGA000", "olga", "Olga Outside", other, is_stranger=True),
        User(
            "U0BUILD00",
            "buildbot",
            "Build Bot",
            team,
            is_bot=True,
            bot_id="B0BUILD00",
            app_id="A0BUILD00",
        ),
        User("W0WANDA00", "wanda", "Wanda Wide", team, enterprise_id="E0ACME000"),
        User("U0EVE0000", "eve", "Eve Exit", team, deleted=True),
    ):
        state.add_user(user)
    state.groups["S0SRE0000"] = Group(
        "S0SRE0000", "sre", "Site reliability", ["U0ALICE00", "U0BOB0000", "U0CAROL00"]
    )
    staff = ["alice", "bob", "carol", "dave", "ada"]
    bot = state.bot_user_id
    state.add_channel("general", [*staff, "gina", "wanda", bot], id="C0GENERAL")
    state.add_channel("ops", [*staff, "gina", "buildbot", bot], id="C0OPS0000")
    state.add_channel("shop-prod", [*staff, "gina", "sid", bot], id="C0SHOP000")
    state.add_channel(
        "partners",
        [*staff, "olga", bot],
        id="C0PARTNER",
        is_ext_shared=True,
        connected_team_ids=[other],
    )
    state.add_channel("random", staff, id="C0RANDOM0")
    state.add_channel("board", ["ada", bot], id="G0BOARD00", kind="group")
    state.add_channel("secrets", ["ada"], id="G0SECRET0", kind="group")

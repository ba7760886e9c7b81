"""Each of the page's faults, as somebody switches it on there, with a bot behind it that does a
whole change meanwhile: the fault is met, the change runs once, and the thread ends in a true
statement.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.sandbox.slack import Call, Envelope
from bot.sandbox.slack import Settings as SlackSettings
from bot.sandbox.slack.feed import Entry
from bot.sandbox.slack.switches import _OFFERS, _Offer
from tests.conversations.test_commands import SCALE
from tests.world import World, buttons, shown, world

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

# as in the demo, but that Slack repeats sooner what was not acknowledged
SLACK = SlackSettings(delivery="round_robin", retry_delays=(2.0, 10.0, 30.0))
ON = 6.0  # seconds for which a switch stays on at least
PATIENCE = 60.0  # seconds until a fault is missed: that sockets are silent is noticed after 15
LATE = 1.9  # seconds: the switch's own two, and clocks differ
AFTER_THE_CARD = {"delete", "revoked"}  # with no card, or nobody who may ask, nothing is to be seen


class Wire:
    """What went over the wire: whether a fault was met."""

    def __init__(self, chat: World) -> None:
        self.slack = chat.slack
        self._first = {socket.number for socket in chat.slack.hub.sockets}
        self._sent: dict[str, None] = {}  # envelopes, in the order in which they were written
        chat.slack.state.feed.listeners.append(self._note)

    def _note(self, entry: Entry) -> None:
        if entry.kind == "envelope" and entry.data["socket"] is not None:
            self._sent[entry.data["id"]] = None

    def _messages(self) -> list[Envelope]:
        """What people wrote or took away, as the app was told, retries included."""
        return [one for one in self.slack.envelopes if one.event.get("channel")]

    def _mention(self) -> list[Envelope]:
        """The two events of the first mention, in the order in which they were written."""
        known = {one.id: one for one in self._messages() if not one.attempt}
        sent = [known[name] for name in self._sent if name in known]
        first = [one.event["ts"] for one in sent if one.event["type"] == "app_mention"][:1]
        return [one for one in sent if one.event["ts"] in first]

    def answered(self, method: str, error: str | None = None, status: int = 200) -> list[Call]:
        """The calls of a method that were answered so."""
        called = self.slack.calls_of(method)
        return [one for one in called if (one.error, one.status) == (error, status)]

    def took(self, seconds: float) -> bool:
        """Whether a post took so long."""
        return any(call.seconds >= seconds for call in self.answered("chat.postMessage"))

    def in_doubt(self) -> bool:
        """Whether the app looked for a message of its own."""
        looked = self.slack.calls_of("conversations.replies")
        return any(call.args.get("include_all_metadata") for call in looked)

    def refused_token(self) -> bool:
        """Whether a call was made with a token that is good no more."""
        return any(call.error == "token_revoked" for call in self.slack.calls)

    def renewed(self) -> bool:
        """Whether all sockets are other ones than at first."""
        now = {socket.number for socket in self.slack.hub.sockets}
        return bool(now) and not now & self._first

    def missed(self) -> bool:
        """Whether an event was written to a socket and never acknowledged."""
        return any(one.outcome == "timeout" for one in self._messages())

    def repeated(self) -> bool:
        """Whether such a one came again."""
        again = {one.payload["event_id"] for one in self._messages() if one.attempt and one.acked}
        missed = {one.payload["event_id"] for one in self._messages() if one.outcome == "timeout"}
        return bool(again & missed)

    def doubled(self) -> bool:
        """Whether an event was heard, and acknowledged, twice."""
        heard = [one.payload["event_id"] for one in self._messages() if one.acked]
        return len(heard) > len(set(heard))

    def clicked_twice(self) -> bool:
        """Whether one click came in two envelopes."""
        clicks = [one for one in self.slack.envelopes if one.type == "interactive"]
        return len(clicks) > len({one.payload["trigger_id"] for one in clicks})

    def turned(self) -> bool:
        """Whether of the mention's two events the other one came first."""
        return [one.event["type"] for one in self._mention()] == ["message", "app_mention"]

    def late(self) -> bool:
        """Whether it took the mention long to arrive: nothing was said before."""
        said = [call.at for call in self.answered("chat.postMessage")]
        return bool(said) and said[0] - self._mention()[0].at >= LATE

    def deleted(self) -> bool:
        """Whether somebody else than the app took a message of it away."""
        own = {call.args.get("ts") for call in self.slack.calls_of("chat.delete")}
        return bool({one.event.get("deleted_ts") for one in self._messages()} - {None} - own)


MET: dict[str, Callable[[Wire], object]] = {
    "ratelimited": lambda wire: wire.answered("chat.update", "ratelimited", 429),
    "drop_after": Wire.in_doubt,
    "drop_before": lambda wire: wire.answered("chat.postMessage", "dropped"),
    "slow": lambda wire: wire.took(10),
    "html": lambda wire: wire.answered("chat.postMessage", status=502),
    "http_503": lambda wire: len(wire.answered("chat.update", "internal_error", 503)) == 3,
    "duplicate_interactions": Wire.clicked_twice,
    "duplicate_events": Wire.doubled,
    "lose_acks": Wire.repeated,
    "too_long": lambda wire: wire.answered("chat.postMessage", "msg_too_long"),
    "delete": Wire.deleted,
    "disconnect": Wire.renewed,
    "abort": Wire.renewed,
    "mute": Wire.missed,
    "delay_frames": Wire.late,
    "ponging": Wire.renewed,
    "message_before_mention": Wire.turned,
    "swap_frames": Wire.turned,
    "rate_limits": lambda wire: wire.answered("chat.postMessage", "ratelimited", 429),
    "link_disabled": lambda wire: wire.answered("apps.connections.open", "link_disabled"),
    "revoked": Wire.refused_token,
}


@pytest.mark.parametrize("offer", _OFFERS, ids=lambda offer: offer.name)
async def test_a_change_comes_to_its_end_through_it(
    dsn: str, tmp_path: Path, offer: _Offer
) -> None:
    async with world(dsn, tmp_path, slack=SLACK) as chat, asyncio.TaskGroup() as group:
        await chat.slack.wait_for_sockets(2, 20)
        act, wire = chat.slack.control._switches.act, Wire(chat)

        async def met() -> None:
            await chat.slack.wait_for(lambda: MET[offer.name](wire), PATIENCE, offer.label)

        async def befalls() -> None:
            await act(offer.wish)
            if offer.name == "link_disabled":
                await act({"kind": "abort"})
            if offer.off:
                await asyncio.sleep(ON)
                await met()
                await act(offer.off)

        async def asks() -> str:
            thread = await chat.ask(SCALE)
            if offer.name == "rate_limits":
                for who in ("alice", "bob", "carol", "ada") * 2:
                    await chat.ask("get pods -n shop", by=who)
            await chat.card(thread, timeout=60)
            return thread

        if offer.name in AFTER_THE_CARD:
            thread = await asks()
            befallen = group.create_task(befalls())
        else:
            befallen = group.create_task(befalls())
            await asyncio.sleep(0.1)
            thread = await asks()
        await _approved(chat, thread)
        await befallen
        await met()
        await chat.reads(thread, "done and verified", timeout=60)
        await chat.quiet(thread, timeout=60)
        # a post that Slack did too late is found, and folded, some seconds after
        await chat.slack.wait_for(lambda: "⏳" not in chat.thread(thread), 60, "the end of ⏳")
        texts = [shown(one) for one in chat.slack.app_messages("ops", thread)]
        assert sum("done and verified" in text for text in texts) == 1, texts
        assert len(chat.cluster.mutations) == 1
        assert not any("Approve" in buttons(one) for one in chat.cards(thread))


async def _approved(chat: World, thread: str) -> None:
    """Somebody presses, and again while nothing comes of it."""
    async with asyncio.timeout(60):
        while not chat.cluster.mutations:
            waiting = [one for one in chat.cards(thread) if "Approve" in buttons(one)]
            if waiting and chat.slack.hub.sockets:
                await chat.slack.click("bob", "ops", waiting[-1]["ts"], text="Approve")
            await asyncio.sleep(2)

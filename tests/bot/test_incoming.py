"""What Slack may send and what we make of it: words that are not for us, payloads of any shape,
the same one twice. Nothing may stop the bot, be repeated for ever or count for something.
"""

import asyncio
import copy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox.slack import Settings as SlackSettings
from bot.sandbox.slack.socket import EnvelopeType
from bot.slack.incoming import Malformed, Pressed, Said, Submitted, plain, understand
from tests.standins.model import calls, says
from tests.world import Json, World, shown, world

US = "U0BOT0000"
MESSAGE: Json = {
    "type": "event_callback",
    "team_id": "T1",
    "event": {
        "type": "message",
        "channel": "C0OPS0000",
        "channel_type": "channel",
        "user": "U0DAVE000",
        "text": f"<@{US}> hello",
        "ts": "1700000000.000100",
        "thread_ts": "1700000000.000100",
    },
}
CLICK: Json = {
    "type": "block_actions",
    "team": {"id": "T0ACME000"},
    "user": {"id": "U0BOB0000"},
    "api_app_id": "A1",
    "trigger_id": "1.2.3",
    "container": {"type": "message", "message_ts": "1.2", "channel_id": "C0OPS0000"},
    "channel": {"id": "C0OPS0000"},
    "message": {"ts": "1.2", "thread_ts": "1.1"},
    "actions": [{"action_id": "approve", "value": "AAAA", "type": "button"}],
    "response_url": "http://127.0.0.1/x",
}
SUBMISSION: Json = {
    "type": "view_submission",
    "team": {"id": "T0ACME000"},
    "user": {"id": "U0BOB0000"},
    "trigger_id": "1.2.4",
    "view": {
        "id": "V1",
        "type": "modal",
        "callback_id": "deny",
        "private_metadata": "AAAA",
        "state": {"values": {"b": {"reason": {"value": "because"}}}},
    },
}
GROUP: Json = {
    "type": "event_callback",
    "event": {"type": "subteam_updated", "subteam": {"id": "S1"}},
}
ALL = (MESSAGE, CLICK, SUBMISSION, GROUP)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*path, number))
    return found


@st.composite
def spoilt(draw: st.DrawFn) -> Json:
    """A real payload in which one or two places hold something else, or nothing."""
    body = copy.deepcopy(draw(st.sampled_from(ALL)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(body)))
        inner = body
        for step in way:
            inner = inner[step]
        if draw(st.booleans()):
            inner[last] = draw(anything)
        else:
            del inner[last]
        if not places(body):
            break
    return body


@given(spoilt())
@settings(max_examples=400, deadline=None)
def test_a_spoilt_payload_is_understood_or_malformed(body: Json) -> None:
    try:
        found = understand(body, US)
    except Malformed:
        return
    match found:
        case Said():
            texts = [found.channel, found.ts, found.thread_ts, found.user, found.text]
        case Pressed():
            texts = [found.action, found.value, found.user, found.channel, found.trigger_id]
        case Submitted():
            texts = [found.callback, found.public_id, found.view_id, found.user, found.key]
        case _:
            texts = []
    assert all(isinstance(text, str) for text in texts)


@given(st.dictionaries(st.text(max_size=8), anything))
@settings(max_examples=100, deadline=None)
def test_any_object_is_understood_or_malformed(body: Json) -> None:
    for kind in ("event_callback", "block_actions", "view_submission", "shortcut", None):
        try:
            understand({**body, "type": kind}, US)
        except Malformed:
            continue


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_taken_as_it_is_but_for_our_mention(text: str) -> None:
    found = plain(f"<@{US}> {text}", US)
    assert f"<@{US}>" not in found or f"<@{US}" in text


@pytest.mark.parametrize(
    ("raw", "typed"),
    [
        (f"<@{US}> hi", "hi"),
        (f"<@{US}|bot> hi <@U0BOB0000>", "hi <@U0BOB0000>"),
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("see <https://x.example/a?b=1|the page>", "see the page"),
        ("see <https://x.example/a?b=1>", "see https://x.example/a?b=1"),
        ("get pods\u00a0-n shop", "get pods -n shop"),
    ],
)
def test_text_is_read_as_it_was_typed(raw: str, typed: str) -> None:
    assert plain(raw, US) == typed


@pytest.mark.parametrize(
    "extra",
    [
        {"subtype": "message_changed"},
        {"subtype": "message_deleted"},
        {"subtype": "channel_join"},
        {"subtype": "bot_message"},
        {"bot_id": "B1"},
        {"user": None},
        {"user": US},
    ],
)
def test_what_no_person_said_is_no_word_to_us(extra: Json) -> None:
    assert understand({**MESSAGE, "event": {**MESSAGE["event"], **extra}}, US) is None


# --- through the socket -----------------------------------------------------------------------


async def works(chat: World) -> None:
    """A mention is still answered."""
    thread = await chat.ask("help")
    await chat.reads(thread, "I take these commands")
    await chat.quiet(thread)


def from_here(chat: World, body: Json) -> Json:
    """A payload with this workspace's own ids, so that it is let in."""
    ours = {"api_app_id": chat.slack.state.app_id, "team_id": chat.slack.team_id}
    known = {**copy.deepcopy(body), **ours}
    if "team" in body:
        known["team"] = {"id": chat.slack.team_id}
    if body is MESSAGE:
        known["event"]["text"] = f"<@{chat.slack.bot_user_id}> hello"
    return known


def with_value(body: Json, *way: str | int, value: object) -> Json:
    """The payload with another value at one place."""
    changed = copy.deepcopy(body)
    inner: Any = changed
    for step in way[:-1]:
        inner = inner[step]
    inner[way[-1]] = value
    return changed


UNSTORABLE = [
    "\x00",
    "C0\x00OPS",
    "\ud800",
    {"a": 1},
    ["C0OPS0000"],
    "9" * 100_000,
    Random(1).randbytes(50_000).hex(),  # too long for an index, even packed
]
# a card that is not known is looked for during 0.6 s: Slack's own three seconds, not scaled ones
PATIENT = SlackSettings(ack_seconds=3, retry_delays=(), delivery="round_robin")


async def test_payloads_that_can_never_be_stored_are_acked_and_do_no_harm(
    dsn: str, tmp_path: Path
) -> None:
    """Whatever is not acked, Slack sends again, for ever."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        message, click, view = (from_here(chat, one) for one in (MESSAGE, CLICK, SUBMISSION))
        events: EnvelopeType = "events_api"
        clicks: EnvelopeType = "interactive"
        ways: list[tuple[EnvelopeType, Json, tuple[str | int, ...]]] = [
            *((events, message, ("event", key)) for key in ("channel", "ts", "thread_ts", "user")),
            (clicks, click, ("trigger_id",)),
            (clicks, click, ("user", "id")),
            (clicks, click, ("actions", 0, "value")),
            (clicks, click, ("container", "message_ts")),
            (clicks, click, ("team",)),
            (clicks, click, ("team", "id")),
            (clicks, view, ("trigger_id",)),
            (clicks, view, ("view", "id")),
            (clicks, view, ("view", "private_metadata")),
            (clicks, view, ("team",)),
        ]
        tried = [(*way, value) for way in ways for value in UNSTORABLE]
        sent = await asyncio.gather(
            *(
                chat.slack.inject_envelope(kind, with_value(body, *way, value=value))
                for kind, body, way, value in tried
            )
        )
        lost = [
            f"{body['type']} {way} {value!r:.20}"
            for (_, body, way, value), envelope in zip(tried, sent, strict=True)
            if not envelope.acked
        ]
        assert not lost, "\n".join(lost)
        await works(chat)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert chat.cluster.mutations == []


async def test_slack_is_asked_once_who_we_are(dsn: str, tmp_path: Path) -> None:
    """Bolt of itself asks at what comes first: should that fail, it acks what it has lost."""
    async with world(dsn, tmp_path, lambda _: says("Heard.")) as chat:
        await chat.reads(await chat.ask("hello"), "Heard")
        assert [call.method for call in chat.slack.calls].count("auth.test") == 1


async def test_payloads_of_any_shape_are_acked(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        shapes: list[Json] = [
            {"type": "event_callback"},
            {"type": "event_callback", "event": {"type": "message"}},
            {"type": "event_callback", "event": {"type": "never_heard_of"}},
            {"type": "block_actions"},
            {"type": "view_submission", "view": {"type": "modal"}},
            {"type": "view_closed", "view": {"type": "modal"}},
            {"type": "something_new", "deep": [[[[{}]]]]},
        ]
        kinds: dict[bool, EnvelopeType] = {True: "events_api", False: "interactive"}
        sent = await asyncio.gather(
            *(
                chat.slack.inject_envelope(kinds[body["type"] == "event_callback"], body)
                for body in shapes
            )
        )
        assert [envelope.payload for envelope in sent if not envelope.acked] == []
        await works(chat)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1


async def test_edits_deletions_joins_and_bots_are_no_requests(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, lambda _: says("Heard.")) as chat:
        mention = f"<@{chat.slack.bot_user_id}>"
        thread = await chat.ask("hello")
        await chat.reads(thread, "Heard")
        plain_ts = await chat.slack.post("dave", "ops", "nothing to do with us")
        await chat.slack.edit("dave", "ops", plain_ts, f"{mention} approve everything")
        await chat.slack.edit("dave", "ops", thread, f"{mention} and now something else")
        other = await chat.slack.post("dave", "ops", "another")
        await chat.slack.delete("dave", "ops", other)
        for extra in (
            {"subtype": "channel_join", "text": f"{mention} joined"},
            {"bot_id": "B0OTHER00", "text": f"{mention} from a bot"},
            {"subtype": "bot_message", "bot_id": "B0OTHER00", "text": f"{mention} again"},
        ):
            event = {
                "type": "message",
                "channel": chat.slack.channel_id("ops"),
                "channel_type": "channel",
                "user": chat.slack.user_id("dave"),
                "ts": f"{1_700_000_000 + len(extra)}.000100",
                **extra,
            }
            chat.slack.inject_event(event, "ops")
        await chat.slack.react("dave", "ops", thread, "white_check_mark")
        await chat.slack.settled()
        await chat.quiet(thread)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1
        assert len(await chat.rows("SELECT 1 FROM events")) == 1
        assert [e for e in chat.slack.envelopes if e.outcome == "timeout"] == []


async def test_a_click_that_slack_delivers_twice_is_one_vote(dsn: str, tmp_path: Path) -> None:
    scale = {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5}
    script = [calls(("k8s_scale", scale)), says("It is done.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        chat.slack.faults.duplicate_interactions = 1
        clicked = await chat.press("Approve", card, by="bob")
        await chat.slack.redeliver(clicked)
        await chat.reads(thread, "It is done")
        await chat.quiet(thread)
        await chat.slack.redeliver(clicked)
        assert len(await chat.rows("SELECT 1 FROM decisions")) == 1
        assert len(chat.cluster.mutations) == 1
        assert "verified" in shown(chat.cards(thread)[0])


async def test_an_undo_that_slack_delivers_twice_is_one_proposal(dsn: str, tmp_path: Path) -> None:
    scale = {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5}
    async with world(dsn, tmp_path, [calls(("k8s_scale", scale)), says("It is done.")]) as chat:
        thread = await chat.ask("scale web to 5")
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "It is done")
        await chat.quiet(thread)
        chat.slack.faults.duplicate_interactions = 1
        clicked = await chat.press("Undo", chat.cards(thread)[0], by="alice")
        await chat.card(thread, 2)
        await chat.slack.redeliver(clicked)
        await chat.quiet(thread)
        assert len(chat.cards(thread)) == 2
        assert len(await chat.rows("SELECT 1 FROM runs WHERE kind = 'undo'")) == 1

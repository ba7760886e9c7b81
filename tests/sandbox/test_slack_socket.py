"""Socket Mode of the stand-in: tickets, hello, acks, retries, duplicates, reconnections."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace

FAST = Settings(ack_seconds=0.1, retry_delays=(0.02, 0.05, 0.1))
PATIENT = Settings(ack_seconds=10)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    async with Workspace(EXAMPLE_MANIFEST, FAST) as workspace:
        yield workspace


class Raw:
    """A client that acknowledges only what it is told to."""

    def __init__(self, slack: Workspace, session: aiohttp.ClientSession) -> None:
        self._slack = slack
        self._session = session

    async def url(self) -> str:
        headers = {"Authorization": f"Bearer {self._slack.app_token}"}
        where = self._slack.api_url + "apps.connections.open"
        async with self._session.post(where, headers=headers) as response:
            answer = await response.json()
        return str(answer["url"])

    async def connect(self) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]]:
        ws = await self._session.ws_connect(await self.url())
        hello = await ws.receive_json(timeout=2)
        return ws, hello


@asynccontextmanager
async def ear(
    slack: Workspace, session: aiohttp.ClientSession
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A socket that acknowledges only what it is told to, closed at the end."""
    ws, _ = await Raw(slack, session).connect()
    try:
        yield ws
    finally:
        await ws.close()


async def envelope(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):  # not the client's own, which each ping begins anew
        frame: dict[str, Any] = await ws.receive_json()
    return frame


async def ack(ws: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]) -> None:
    await ws.send_json({"envelope_id": frame["envelope_id"]})


# --- connections ----------------------------------------------------------------------------


async def test_a_ticket_works_once(slack: Workspace, session: aiohttp.ClientSession) -> None:
    url = await Raw(slack, session).url()
    async with session.ws_connect(url) as ws:
        assert (await ws.receive_json(timeout=2))["type"] == "hello"
    for bad in (url, url.replace("ticket=", "ticket=x")):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(bad)


async def test_ten_sockets_and_no_more(slack: Workspace, session: aiohttp.ClientSession) -> None:
    raw = Raw(slack, session)
    opened = [await raw.connect() for _ in range(10)]
    assert [hello["num_connections"] for _, hello in opened] == list(range(1, 11))
    assert opened[0][1]["connection_info"] == {"app_id": slack.state.app_id}
    eleventh, frame = await raw.connect()
    assert (frame["type"], frame["reason"]) == ("disconnect", "too_many_websockets")
    await eleventh.close()
    for ws, _ in opened:
        await ws.close()
    await slack.wait_for_sockets(0)


async def test_pings_are_echoed_and_sent(session: aiohttp.ClientSession) -> None:
    settings = Settings(ping_seconds=0.05)
    async with Workspace(EXAMPLE_MANIFEST, settings) as slack:
        url = await Raw(slack, session).url()
        async with session.ws_connect(url, autoping=False) as ws:
            await ws.receive_json(timeout=2)
            await ws.ping(b"sdk-ping-pong:1")
            messages = [await ws.receive(timeout=2) for _ in range(3)]
            seen = {(message.type, message.data) for message in messages}
            assert (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1") in seen
            assert aiohttp.WSMsgType.PING in {kind for kind, _ in seen}
            slack.faults.ponging = False
            await everything(ws)  # also what was under way
            await ws.ping(b"sdk-ping-pong:2")
            assert await everything(ws) == []
            slack.faults.ponging = True
            assert (await ws.receive(timeout=5)).data == b"slack-ping"


async def everything(ws: aiohttp.ClientWebSocketResponse) -> list[object]:
    """The data of every frame until there is silence, or for two seconds."""
    seen: list[object] = []
    try:
        async with asyncio.timeout(2):
            while True:
                seen.append((await ws.receive(timeout=0.3)).data)
    except TimeoutError:
        return seen


# --- deliveries -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["random", "round_robin", "sticky"])
async def test_each_envelope_goes_to_exactly_one_socket(
    session: aiohttp.ClientSession, mode: Any
) -> None:
    async with Workspace(EXAMPLE_MANIFEST, Settings(delivery=mode)) as slack:
        raw = Raw(slack, session)
        sockets = [(await raw.connect())[0] for _ in range(2)]
        received: Counter[str] = Counter()

        async def read(ws: aiohttp.ClientWebSocketResponse) -> None:
            async for message in ws:
                frame = json.loads(message.data)
                received[frame["payload"]["event_id"]] += 1
                await ack(ws, frame)

        readers = [asyncio.create_task(read(ws)) for ws in sockets]
        for n in range(20):
            await slack.post("alice", "ops", str(n))
        await slack.settled()
        for ws in sockets:
            await ws.close()
        await asyncio.gather(*readers)
        assert len(received) == 20
        assert set(received.values()) == {1}
        used = Counter(envelope.socket for envelope in slack.envelopes)
        assert len(used) == (1 if mode == "sticky" else 2)
        if mode == "round_robin":
            assert set(used.values()) == {10}


async def test_an_event_not_acked_is_sent_again_three_times(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    ws, _ = await Raw(slack, session).connect()
    await slack.post("alice", "ops", "hello")
    frames = [await envelope(ws) for _ in range(4)]
    assert [frame["retry_attempt"] for frame in frames] == [0, 1, 2, 3]
    assert [frame["retry_reason"] for frame in frames] == ["", "timeout", "timeout", "timeout"]
    assert len({frame["envelope_id"] for frame in frames}) == 4
    assert len({frame["payload"]["event_id"] for frame in frames}) == 1
    await slack.wait_for(lambda: slack.envelopes[-1].outcome == "timeout")
    with pytest.raises(TimeoutError):
        await ws.receive(timeout=0.3)
    await ws.close()


async def test_a_late_ack_does_not_count_and_an_ack_ends_the_retries(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    ws, _ = await Raw(slack, session).connect()
    await slack.post("alice", "ops", "hello")
    first = await envelope(ws)
    second = await envelope(ws)
    await ack(ws, first)
    await ack(ws, second)
    await slack.wait_for(lambda: slack.envelopes[-1].acked)
    assert [entry.outcome for entry in slack.envelopes] == ["timeout", "acked"]
    with pytest.raises(TimeoutError):
        await ws.receive(timeout=0.2)
    await ws.close()


async def test_the_fault_of_the_same_envelope_again(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    slack.faults.same_envelope_retries = True
    ws, _ = await Raw(slack, session).connect()
    await slack.post("alice", "ops", "hello")
    first, second = await envelope(ws), await envelope(ws)
    assert first == second
    assert second["retry_attempt"] == 0
    await ack(ws, second)
    await ws.close()


async def test_events_wait_for_a_socket(slack: Workspace, session: aiohttp.ClientSession) -> None:
    await slack.post("alice", "ops", "hello")
    await asyncio.sleep(0.3)
    assert [entry.outcome for entry in slack.envelopes] == ["no_socket"]
    ws, _ = await Raw(slack, session).connect()
    frame = await envelope(ws)
    assert (frame["retry_attempt"], frame["retry_reason"]) == (1, "timeout")
    await ack(ws, frame)
    await slack.settled()
    await ws.close()


async def test_events_use_up_their_tries_when_told_to() -> None:
    settings = Settings(retry_delays=(0.01, 0.01, 0.01), hold_while_disconnected=False)
    async with Workspace(EXAMPLE_MANIFEST, settings) as slack:
        await slack.post("alice", "ops", "hello")
        await slack.wait_for(lambda: len(slack.envelopes) == 4)
        await slack.settled()
        assert {entry.outcome for entry in slack.envelopes} == {"no_socket"}


async def test_an_interaction_not_acked_is_told_to_the_person_and_not_repeated(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    ws, _ = await Raw(slack, session).connect()
    sent = await slack.slash("alice", "ops", "/ops", "status")
    assert sent.outcome == "timeout"
    assert slack.notices[0]["text"] == "operation_timeout"
    assert len(slack.envelopes) == 1
    await ws.close()
    await slack.wait_for_sockets(0)
    assert (await slack.slash("alice", "ops", "/ops", "status")).outcome == "no_socket"


async def test_duplicates_and_the_order_of_a_mention(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    slack.faults.duplicate_events = 1
    slack.faults.message_before_mention = True
    ws, _ = await Raw(slack, session).connect()
    await slack.mention("alice", "ops", "hello")
    frames = [await envelope(ws) for _ in range(3)]
    for frame in frames:
        await ack(ws, frame)
    kinds = [(frame["payload"]["event"]["type"], frame["retry_attempt"]) for frame in frames]
    assert kinds == [("message", 0), ("message", 1), ("app_mention", 0)]
    assert frames[0]["payload"] == frames[1]["payload"]
    slack.faults.duplicate_interactions = 1
    task = asyncio.create_task(slack.slash("alice", "ops", "/ops", "x"))
    twice = [await envelope(ws) for _ in range(2)]
    for frame in twice:
        await ack(ws, frame)
    await task
    assert twice[0]["payload"] == twice[1]["payload"]
    again = asyncio.create_task(slack.redeliver(slack.envelopes[0]))
    frame = await envelope(ws)
    await ack(ws, frame)
    assert (await again).acked
    assert frame["payload"]["event_id"] == frames[0]["payload"]["event_id"]
    await ws.close()


async def test_two_envelopes_change_places_and_a_lonely_one_goes_out_after_a_second(
    session: aiohttp.ClientSession,
) -> None:
    async with Workspace(EXAMPLE_MANIFEST, PATIENT) as slack, ear(slack, session) as ws:
        slack.faults.swap_frames = True
        for _ in range(2):
            await slack.post("alice", "ops", "first")
            await slack.post("alice", "ops", "second")
            frames = [await envelope(ws) for _ in range(2)]
            for frame in frames:
                await ack(ws, frame)
            assert [frame["payload"]["event"]["text"] for frame in frames] == ["second", "first"]
        loop = asyncio.get_running_loop()
        began = loop.time()
        await slack.post("alice", "ops", "alone")
        frame = await envelope(ws)
        assert loop.time() - began >= 0.95
        assert frame["payload"]["event"]["text"] == "alone"
        await ack(ws, frame)
        await slack.settled()
        assert {(one.outcome, one.attempt) for one in slack.envelopes} == {("acked", 0)}


async def test_a_lost_ack_counts_as_none(session: aiohttp.ClientSession) -> None:
    settings = Settings(ack_seconds=1, retry_delays=(0.02,))
    async with Workspace(EXAMPLE_MANIFEST, settings) as slack, ear(slack, session) as ws:
        slack.faults.lose_acks = 1
        await slack.post("alice", "ops", "hello")
        for attempt in range(2):
            frame = await envelope(ws)
            assert frame["retry_attempt"] == attempt
            await ack(ws, frame)
        await slack.settled()
        assert [one.outcome for one in slack.envelopes] == ["timeout", "acked"]
        slack.faults.lose_acks = 1
        sent = asyncio.create_task(slack.slash("alice", "ops", "/ops", "status"))
        await ack(ws, await envelope(ws))
        assert (await sent).outcome == "timeout"
        assert slack.notices[0]["text"] == "operation_timeout"


@pytest.mark.breaches
async def test_frames_can_be_slow_lost_forged_and_acks_nonsense(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    ws, _ = await Raw(slack, session).connect()
    slack.faults.delay_frames = 0.1
    loop = asyncio.get_running_loop()
    began = loop.time()
    await slack.post("alice", "ops", "slow")
    await ack(ws, await envelope(ws))
    assert loop.time() - began >= 0.1
    slack.faults.delay_frames = 0
    slack.faults.mute = True
    assert (await slack.inject_envelope("interactive", {"type": "block_actions"})).outcome == (
        "timeout"
    )
    slack.faults.mute = False
    slack.inject_event({"type": "message", "text": "forged"}, "ops")
    frame = await envelope(ws)
    assert frame["payload"]["event"]["text"] == "forged"
    await ack(ws, frame)
    await ws.send_str("nonsense")
    await slack.wait_for(lambda: slack.violations)
    assert slack.violations[0].code == "invalid_ack"
    await ws.close()


@pytest.mark.breaches
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"response_action": "errors", "errors": {"nowhere": "x"}}, "response_action_errors"),
        ({"response_action": "dance"}, "invalid_response_action"),
        ({"response_action": "update", "view": {"type": "modal"}}, "invalid_arguments"),
    ],
)
async def test_an_unfit_answer_to_a_submission_is_a_violation(
    slack: Workspace, session: aiohttp.ClientSession, answer: dict[str, Any], code: str
) -> None:
    ws, _ = await Raw(slack, session).connect()
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    sent = asyncio.create_task(slack.slash("bob", "ops", "/ops", "x"))
    frame = await envelope(ws)
    await ack(ws, frame)
    await sent
    title = {"type": "plain_text", "text": "Title"}
    view = {"type": "modal", "title": title, "submit": title, "blocks": [{"type": "divider"}]}
    await client.views_open(trigger_id=frame["payload"]["trigger_id"], view=view)
    submitted = asyncio.create_task(slack.submit("bob"))
    frame = await envelope(ws)
    await ws.send_json({"envelope_id": frame["envelope_id"], "payload": answer})
    await submitted
    assert any(code in violation.code for violation in slack.violations)
    assert len(slack.views("bob")) == 1, "the person still has the modal"
    await ws.close()


# --- the SDK on bad days (facts, table 2.2) --------------------------------------------------


@pytest.fixture
async def connected(
    slack: Workspace, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[AsyncSocketModeHandler, list[str]]]:
    """A Bolt app that notes every message, on one socket."""
    caplog.set_level(logging.CRITICAL)
    heard: list[str] = []
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    app = AsyncApp(client=client)

    @app.event("message")
    async def message(event: dict[str, Any]) -> None:
        heard.append(event["text"])

    await client.auth_test()
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.wait_for_sockets(1)
    yield handler, heard
    await asyncio.wait_for(handler.close_async(), 3)  # type: ignore[no-untyped-call]


def opens(slack: Workspace) -> int:
    return len(slack.calls_of("apps.connections.open"))


async def hear(slack: Workspace, heard: list[str], text: str) -> None:
    await slack.post("alice", "ops", text)
    await slack.settled()
    await slack.wait_for(lambda: slack.envelopes[-1].acked)
    await asyncio.sleep(0)
    assert text in heard


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_sdk_reconnects_when_asked(
    slack: Workspace, connected: tuple[AsyncSocketModeHandler, list[str]], reason: Any
) -> None:
    _, heard = connected
    before = slack.hub.sockets[0].number
    await slack.disconnect(reason)
    await slack.wait_for(lambda: [s.number for s in slack.hub.sockets] == [before + 1])
    assert opens(slack) == 2
    await hear(slack, heard, "still there")


@pytest.mark.parametrize("cut", [Workspace.close_sockets, Workspace.abort_sockets])
async def test_the_sdk_comes_back_after_a_cut(
    slack: Workspace,
    connected: tuple[AsyncSocketModeHandler, list[str]],
    cut: Callable[[Workspace], Any],
) -> None:
    _, heard = connected
    await cut(slack)
    await slack.wait_for(lambda: opens(slack) == 2 and len(slack.hub.sockets) == 1, timeout=8)
    await hear(slack, heard, "back again")


async def test_envelopes_right_behind_a_disconnect_reach_the_app(
    slack: Workspace, connected: tuple[AsyncSocketModeHandler, list[str]]
) -> None:
    _, heard = connected
    await slack.disconnect("warning")
    for n in range(20):
        await slack.post("alice", "ops", str(n))
    await slack.wait_for(lambda: {str(n) for n in range(20)} <= set(heard))


async def test_a_disabled_link_is_tried_again(
    slack: Workspace, connected: tuple[AsyncSocketModeHandler, list[str]]
) -> None:
    _, heard = connected
    slack.faults.link_disabled = True
    await slack.disconnect("link_disabled")
    await slack.wait_for(lambda: opens(slack) >= 2)
    assert slack.calls_of("apps.connections.open")[-1].error == "link_disabled"
    assert len(slack.hub.sockets) == 1, "the old socket is kept"
    await slack.close_sockets()
    await slack.wait_for(lambda: opens(slack) >= 3)
    slack.faults.link_disabled = False
    await slack.wait_for(lambda: slack.calls_of("apps.connections.open")[-1].ok, timeout=8)
    await slack.wait_for_sockets(1)
    await hear(slack, heard, "enabled")


async def test_opening_waits_as_long_as_told(
    slack: Workspace, connected: tuple[AsyncSocketModeHandler, list[str]]
) -> None:
    slack.faults.fail("apps.connections.open", "ratelimited", seconds=1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await slack.disconnect("warning")
    await slack.wait_for(lambda: opens(slack) == 3, timeout=8)
    assert loop.time() - began >= 1


async def test_an_ack_on_another_socket_does_not_count(session: aiohttp.ClientSession) -> None:
    settings = Settings(delivery="sticky", ack_seconds=0.1, retry_delays=())
    async with Workspace(EXAMPLE_MANIFEST, settings) as slack:
        raw = Raw(slack, session)
        (first, _), (second, _) = await raw.connect(), await raw.connect()
        await slack.post("alice", "ops", "hello")
        await ack(second, await envelope(first))
        await slack.wait_for(lambda: slack.envelopes[0].outcome == "timeout")
        await first.close()
        await second.close()


async def test_what_the_manifest_does_not_subscribe_is_not_sent() -> None:
    manifest = json.loads(json.dumps(EXAMPLE_MANIFEST))
    manifest["settings"]["event_subscriptions"]["bot_events"] = ["app_mention"]
    async with Workspace(manifest, FAST) as slack:
        ts = await slack.mention("alice", "ops", "hello")
        await slack.post("alice", "ops", "no mention")
        await slack.react("bob", "ops", ts, "eyes")
        assert [entry.event["type"] for entry in slack.envelopes] == ["app_mention"]

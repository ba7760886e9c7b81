"""Socket Mode: tickets, sockets, and the delivery of each envelope to exactly one of them."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import WSMsgType, web

from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.model import Envelope, Json
from bot.sandbox.slack.state import State
from bot.sandbox.slack.tasks import Tasks

DisconnectReason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]
EnvelopeType = Literal["events_api", "interactive", "slash_commands"]


_REFRESH_SECONDS = 10.0  # between the word that a socket will be closed and its end
_SWAP_SECONDS = 1.0  # for which an envelope waits for another one to go first


@dataclass
class Socket:
    """One open connection of the app and the envelopes it has yet to acknowledge."""

    number: int
    ws: web.WebSocketResponse
    request: web.Request
    waiting: dict[str, Envelope] = field(default_factory=dict)


class Hub:
    """All sockets of the app."""

    def __init__(self, state: State, faults: Faults, tasks: Tasks) -> None:
        self.sockets: list[Socket] = []
        self._state = state
        self._faults = faults
        self._tasks = tasks
        self._tickets: set[str] = set()
        self._opened = 0
        self._turn = 0
        self._random = random.Random(state.settings.seed)  # noqa: S311 - repeatable on purpose
        self._any_open = asyncio.Event()
        self._overtaken = asyncio.Event()  # whoever waits to be has been
        self._lets_go_first = False

    # --- connections ------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to ping."""
        self._tasks.start(self._ping(), "slack-ping")

    def ticket(self) -> str:
        """A new single-use ticket."""
        ticket = self._state.ids.uuid()
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle `GET /link/?ticket=…`: one socket from hello to its end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="ticket unknown or used")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(autoping=False, timeout=1.0)
        await ws.prepare(request)
        if len(self.sockets) >= self._state.settings.max_sockets:
            await ws.send_json(self._disconnect_frame("too_many_websockets"))
            await ws.close()
            return ws
        self._opened += 1
        socket = Socket(self._opened, ws, request)
        await ws.send_json(self._hello(len(self.sockets) + 1))
        self.sockets.append(socket)
        self._tell_sockets()
        try:
            await self._receive(socket)
        finally:
            self.sockets.remove(socket)
            self._tell_sockets()
        return ws

    async def disconnect(self, reason: DisconnectReason, number: int | None = None) -> None:
        """Send a `disconnect` frame to every socket, or to the one with this number; one that is
        only asked to refresh is closed some seconds later.
        """
        for socket in self._chosen(number):
            await self._write(socket, json.dumps(self._disconnect_frame(reason)))
            if reason in {"warning", "refresh_requested"}:
                self._tasks.start(self._close_later(socket), "slack-refresh")

    async def _close_later(self, socket: Socket) -> None:
        await asyncio.sleep(_REFRESH_SECONDS * self._state.settings.time_scale)
        await socket.ws.close()

    async def close(self, number: int | None = None) -> None:
        """Send a close frame to every socket, or to one."""
        await asyncio.gather(*(socket.ws.close() for socket in self._chosen(number)))

    def abort(self, number: int | None = None) -> None:
        """Cut the TCP connection of every socket, or of one, without a close frame."""
        for socket in self._chosen(number):
            if socket.request.transport is not None:
                socket.request.transport.abort()

    async def send_text(self, text: str) -> None:
        """Write a raw text frame to every socket, whatever it says."""
        for socket in list(self.sockets):
            await self._write(socket, text)

    # --- deliveries -------------------------------------------------------------------------

    def deliver_event(self, payload: Json) -> None:
        """Deliver an event, and again by the retry schedule until it is acknowledged."""
        first = self._envelope("events_api", payload)
        self._tasks.start(self._deliver_event(first), f"event-{payload.get('event_id')}")
        if self._faults.duplicate_events > 0:
            self._faults.duplicate_events -= 1
            again = self._envelope("events_api", payload, 1, "timeout")
            self._tasks.start(self._run(again), "duplicate-event")

    async def deliver_interaction(self, kind: EnvelopeType, payload: Json) -> Envelope:
        """Deliver a click, view or command once and wait for its end: acked or timed out."""
        if self._faults.duplicate_interactions > 0:
            self._faults.duplicate_interactions -= 1
            again = self._envelope(kind, payload)
            self._tasks.start(self._run(again), "duplicate-interaction")
        return await self.deliver(kind, payload)

    async def deliver(
        self,
        kind: EnvelopeType,
        payload: Json,
        *,
        attempt: int = 0,
        reason: str = "",
        envelope_id: str | None = None,
    ) -> Envelope:
        """Send one envelope to one socket and wait until it is acked or the ack time is over."""
        envelope = self._envelope(kind, payload, attempt, reason, envelope_id)
        await self._run(envelope)
        return envelope

    def _envelope(
        self,
        kind: EnvelopeType,
        payload: Json,
        attempt: int = 0,
        reason: str = "",
        envelope_id: str | None = None,
    ) -> Envelope:
        envelope = Envelope(
            id=envelope_id or self._state.ids.uuid(),
            type=kind,
            payload=payload,
            accepts_response=kind != "events_api",
            at=self._state.clock.now(),
            attempt=attempt,
            reason=reason,
        )
        self._state.record_envelope(envelope)
        return envelope

    async def _run(self, envelope: Envelope) -> None:
        if self._faults.delay_frames:
            await asyncio.sleep(self._faults.delay_frames)
        if self._faults.swap_frames and not self._lets_go_first:
            await self._let_another_go_first()
        socket = self._pick()
        if socket is None:
            envelope.settle("no_socket")
        else:
            await self._send(socket, envelope)
        self._tell_envelope(envelope)

    async def _let_another_go_first(self) -> None:
        self._lets_go_first = True
        self._overtaken.clear()
        try:
            async with asyncio.timeout(_SWAP_SECONDS):
                await self._overtaken.wait()
        except TimeoutError:
            return
        finally:
            self._lets_go_first = False

    async def _deliver_event(self, first: Envelope) -> None:
        settings, payload = self._state.settings, first.payload
        await self._run(first)
        if first.acked:
            return
        for attempt, delay in enumerate(settings.retry_delays, start=1):
            await self._state.clock.sleep(delay, settings.time_scale)
            if settings.hold_while_disconnected:
                await self._any_open.wait()
            if self._faults.same_envelope_retries:
                again = await self.deliver("events_api", payload, envelope_id=first.id)
            else:
                again = await self.deliver("events_api", payload, attempt=attempt, reason="timeout")
            if again.acked:
                return

    async def _send(self, socket: Socket, envelope: Envelope) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        envelope.socket = socket.number
        socket.waiting[envelope.id] = envelope
        self._tell_envelope(envelope)
        if not self._faults.mute:
            await self._write(socket, json.dumps(envelope.frame()))
        self._overtaken.set()
        try:
            if await self._acked_in_time(envelope):
                envelope.ack_seconds = loop.time() - began
            else:
                envelope.settle("timeout")
        finally:
            if socket.waiting.get(envelope.id) is envelope:
                del socket.waiting[envelope.id]

    async def _acked_in_time(self, envelope: Envelope) -> bool:
        """Wait for the acknowledgement; a fixed clock that is moved past the limit ends it too."""
        settings, clock = self._state.settings, self._state.clock
        if not clock.is_fixed:
            try:
                async with asyncio.timeout(settings.ack_seconds * settings.time_scale):
                    await envelope.done.wait()
            except TimeoutError:
                return False
            return True
        late = asyncio.ensure_future(clock.sleep(settings.ack_seconds, settings.time_scale))
        acked = asyncio.ensure_future(envelope.done.wait())
        try:
            await asyncio.wait({late, acked}, return_when=asyncio.FIRST_COMPLETED)
            return envelope.done.is_set()
        finally:
            late.cancel()
            acked.cancel()

    def _pick(self) -> Socket | None:
        usable = [socket for socket in self.sockets if not socket.ws.closed]
        if not usable:
            return None
        match self._state.settings.delivery:
            case "random":
                return self._random.choice(usable)
            case "round_robin":
                self._turn += 1
                return usable[self._turn % len(usable)]
            case "sticky":
                return usable[0]

    # --- frames -----------------------------------------------------------------------------

    async def _receive(self, socket: Socket) -> None:
        async for message in socket.ws:
            if message.type is WSMsgType.PING and self._faults.ponging:
                await socket.ws.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._acknowledge(socket, message.data)

    def _acknowledge(self, socket: Socket, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("envelope_id"), str):
            self._state.blame("socket", "invalid_ack", f"not an acknowledgement: {text[:200]}")
            return
        envelope = socket.waiting.get(frame["envelope_id"])
        if envelope is None:
            # Late, or on another socket than it came on: whether Slack counts that is unknown.
            self._state.feed.publish("stray_ack", {"envelope_id": frame["envelope_id"]})
            return
        if self._faults.lose_acks > 0:
            self._faults.lose_acks -= 1
            self._state.feed.publish("lost_ack", {"envelope_id": frame["envelope_id"]})
            return
        if "payload" in frame:
            envelope.response = frame["payload"]
        envelope.settle("acked")

    async def _write(self, socket: Socket, text: str) -> None:
        try:
            await socket.ws.send_str(text)
        except ConnectionError:
            # The frame is lost with the connection; the ack timer says so.
            self._state.feed.publish("lost_frame", {"socket": socket.number})

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._state.settings.ping_seconds)
            if self._faults.ponging:
                for socket in list(self.sockets):
                    await self._ping_one(socket)

    async def _ping_one(self, socket: Socket) -> None:
        try:
            await socket.ws.ping(b"slack-ping")
        except ConnectionError:
            self._state.feed.publish("lost_frame", {"socket": socket.number})

    def _hello(self, count: int) -> Json:
        return {
            "type": "hello",
            "num_connections": count,
            "connection_info": {"app_id": self._state.app_id},
            "debug_info": {
                "host": "applink-1",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
        }

    def _disconnect_frame(self, reason: DisconnectReason) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}

    def _chosen(self, number: int | None) -> list[Socket]:
        return [socket for socket in self.sockets if number in {None, socket.number}]

    def _tell_sockets(self) -> None:
        if self.sockets:
            self._any_open.set()
        else:
            self._any_open.clear()
        self._state.feed.publish("sockets", {"open": [socket.number for socket in self.sockets]})

    def _tell_envelope(self, envelope: Envelope) -> None:
        self._state.feed.publish("envelope", envelope.as_json())

"""Faults that a test or the page switches on: what Slack does on a bad day."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal[
    "ratelimited", "error", "http_500", "http_503", "html", "drop_before", "drop_after", "slow"
]


@dataclass(frozen=True)
class Hold:
    """One call that waits until somebody lets it go, and tells when it has begun to."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def met(self, seconds: float = 10) -> None:
        """Return once the call is there. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            await self.begun.wait()

    def let_go(self) -> None:
        """Let it do its work."""
        self.over.set()


@dataclass
class MethodFault:
    """What the next `times` calls of a method meet.

    `drop_after` does the work and then cuts the connection: the caller cannot know.
    `slow` waits `seconds` before it does the work; `error` answers `code`.
    """

    kind: FaultKind
    times: int = 1
    seconds: float = 1.0
    code: str = "fatal_error"
    channel: str = ""  # by its id: only calls about it
    ts: str = ""  # only calls about this message
    hold: Hold | None = None  # `slow` waits for it instead

    def meets(self, channel: str, ts: str) -> bool:
        """Whether a call about this channel and message meets it."""
        return self.channel in {"", channel} and self.ts in {"", ts}

    async def wait(self) -> None:
        """As long as a slow one takes."""
        if self.hold is None:
            await asyncio.sleep(self.seconds)
        else:
            self.hold.begun.set()
            await self.hold.over.wait()


@dataclass
class Faults:
    """The switches; all off at first."""

    methods: dict[str, list[MethodFault]] = field(default_factory=dict)
    ponging: bool = True
    """Off: sockets stay open and silent, neither PING nor PONG is sent."""
    link_disabled: bool = False
    """On: `apps.connections.open` is refused."""
    delay_frames: float = 0.0
    """Seconds that each envelope waits before it is written."""
    mute: bool = False
    """On: envelopes count as sent, but no frame is written (lost on the way)."""
    duplicate_events: int = 0
    """How many of the next events are delivered a second time, as a retry."""
    duplicate_interactions: int = 0
    """How many of the next clicks, commands and views are delivered a second time."""
    lose_acks: int = 0
    """How many of the next acknowledgements are lost on their way to Slack."""
    swap_frames: bool = False
    """On: an envelope lets the next one go first, unless none comes within a second."""
    rate_limits: bool = False
    """On: calls above their method's tier are refused, and posts above one a second and channel."""
    same_envelope_retries: bool = False
    """On: a retry is a fresh copy with the same envelope id and attempt 0."""
    message_before_mention: bool = False
    """On: of a mention's two events, `message` is sent first."""
    revoked: set[str] = field(default_factory=set)
    """Tokens that are answered `token_revoked`."""

    def fail(
        self,
        method: str,
        kind: FaultKind,
        *,
        times: int = 1,
        seconds: float = 1.0,
        code: str = "fatal_error",
        channel: str = "",
    ) -> None:
        """Let the next `times` calls of `method` meet a fault; several are met in order."""
        fault = MethodFault(kind, times, seconds, code, channel)
        self.methods.setdefault(method, []).append(fault)

    def hold(self, method: str, *, ts: str = "") -> Hold:
        """Let the next call of `method` wait until it is let go, then do its work."""
        hold = Hold()
        self.methods.setdefault(method, []).append(MethodFault("slow", ts=ts, hold=hold))
        return hold

    def take(self, method: str, channel: str, ts: str) -> MethodFault | None:
        """The fault that this call meets, used up by one."""
        waiting = self.methods.get(method, [])
        fault = next((one for one in waiting if one.meets(channel, ts)), None)
        if fault is None:
            return None
        fault.times -= 1
        if fault.times <= 0:
            waiting.remove(fault)
        return fault

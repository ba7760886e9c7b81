"""Make Slack misbehave: each fault that the page offers, in words, and the wish that sets it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, get_args

from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import FaultKind, Faults
from bot.sandbox.slack.model import Impossible, Json
from bot.sandbox.slack.socket import DisconnectReason, Hub
from bot.sandbox.slack.state import State

_MOST_TIMES = 1000
_LONGEST = 600.0  # seconds that a fault may make somebody wait
_FARTHEST = 366 * 86400.0  # seconds that the clock may be moved on

Kind: TypeAlias = Literal["switch", "once", "act"]


@dataclasses.dataclass(frozen=True)
class _Offer:
    """One fault for the page: what Slack does, and what the app is expected to do about it.

    A `switch` stays on until it is turned off, `once` is used up, an `act` happens at once.
    """

    name: str
    kind: Kind
    label: str
    sentence: str
    expected: str
    wish: Json
    off: Json | None = None


def _once(name: str, label: str, sentence: str, expected: str, **fault: object) -> _Offer:
    return _Offer(name, "once", label, sentence, expected, {"kind": "method"} | fault)


def _counted(name: str, label: str, sentence: str, expected: str) -> _Offer:
    wish = {"kind": "set", "name": name, "value": 1}
    return _Offer(name, "once", label, sentence, expected, wish)


def _switch(name: str, label: str, sentence: str, expected: str, on: object, off: object) -> _Offer:
    on_wish, off_wish = ({"kind": "set", "name": name, "value": value} for value in (on, off))
    return _Offer(name, "switch", label, sentence, expected, on_wish, off_wish)


def _act(name: str, label: str, sentence: str, expected: str, **wish: object) -> _Offer:
    return _Offer(name, "act", label, sentence, expected, dict(wish))


_OFFERS: Final = (
    _once(
        "ratelimited",
        "Rate-limit the next update",
        "The next chat.update is answered 429 with Retry-After: 5.",
        "The app waits that long and then sends the newest state, once.",
        method="chat.update",
        fault="ratelimited",
        seconds=5,
    ),
    _once(
        "drop_after",
        "Post, then drop the connection",
        "The next chat.postMessage is done, but its answer never arrives.",
        "The app finds out whether it was posted instead of posting twice.",
        method="chat.postMessage",
        fault="drop_after",
    ),
    _once(
        "drop_before",
        "Drop the connection before the work",
        "The next chat.postMessage is cut off and not done.",
        "A card or an answer is tried again and posted once; a progress message may be left out.",
        method="chat.postMessage",
        fault="drop_before",
    ),
    _once(
        "slow",
        "A slow answer",
        "The next chat.postMessage takes ten seconds.",
        "Clicks and commands are still acknowledged at once.",
        method="chat.postMessage",
        fault="slow",
        seconds=10,
    ),
    _once(
        "html",
        "An HTML page with 502",
        "The next chat.postMessage is answered by a gateway, not by Slack.",
        "The app does not trip over the HTML: to it, the connection was dropped before the work.",
        method="chat.postMessage",
        fault="html",
    ),
    _once(
        "http_503",
        "Three updates fail with 503",
        "The next three calls of chat.update are answered 503.",
        "The app waits longer each time, and the message is right in the end.",
        method="chat.update",
        fault="http_503",
        times=3,
    ),
    _counted(
        "duplicate_interactions",
        "A click delivered twice",
        "The next click, command or dialog arrives a second time.",
        "The app does it once.",
    ),
    _counted(
        "duplicate_events",
        "A message delivered twice",
        "The next event arrives again, marked as a retry.",
        "The app answers once.",
    ),
    _counted(
        "lose_acks",
        "An acknowledgement lost",
        "The app acknowledges the next thing it hears, but Slack never learns of it.",
        "A message comes again and is answered once; a click that seems lost has counted.",
    ),
    _once(
        "too_long",
        "Refuse the next message",
        "The next chat.postMessage is answered msg_too_long.",
        "An answer comes in another form; whose card cannot be shown is told that it ended.",
        method="chat.postMessage",
        fault="error",
        code="msg_too_long",
    ),
    _act(
        "delete",
        "Delete the app's newest message",
        "An admin deletes what the app wrote last.",
        "A card that somebody has yet to decide comes again at once, one that runs with its end; "
        "nothing is posted twice otherwise.",
        kind="delete",
    ),
    _act(
        "disconnect",
        "Announce a disconnect",
        "Slack says that it will close the socket soon, as it does every few hours.",
        "The app opens a new socket first and loses nothing.",
        kind="disconnect",
        reason="warning",
    ),
    _act(
        "abort",
        "Cut the socket",
        "The connection breaks without a word.",
        "The app connects again; what was sent meanwhile comes as a retry.",
        kind="abort",
    ),
    _switch(
        "mute",
        "Lose every event",
        "Events count as sent but never arrive.",
        "Who clicks is told that the app did not answer in time. What was written, Slack repeats "
        "once this is off: after about a minute, then after five.",
        on=True,
        off=False,
    ),
    _switch(
        "delay_frames",
        "Late events",
        "Every event arrives two seconds late.",
        "The app acknowledges as soon as it hears; clicks still count.",
        on=2.0,
        off=0.0,
    ),
    _switch(
        "ponging",
        "No pings, no pongs",
        "The sockets stay open but silent.",
        "The app notices that nobody is there and connects again.",
        on=False,
        off=True,
    ),
    _switch(
        "message_before_mention",
        "The message before the mention",
        "Of the two events of a mention, the other one comes first.",
        "The app answers once, whichever comes first.",
        on=True,
        off=False,
    ),
    _switch(
        "swap_frames",
        "Events out of order",
        "Of two events that come close to each other, the later one arrives first.",
        "Whatever comes first, each is done once.",
        on=True,
        off=False,
    ),
    _switch(
        "rate_limits",
        "Keep Slack's limits",
        "Calls above their method's tier, and posts above one a second, are refused with 429.",
        "Progress gives way; cards and answers come all the same, a little later.",
        on=True,
        off=False,
    ),
    _switch(
        "link_disabled",
        "Refuse new sockets",
        "apps.connections.open is refused: cut the socket to see it.",
        "The app says in its log that Socket Mode is off, and keeps trying.",
        on=True,
        off=False,
    ),
    _Offer(
        "revoked",
        "switch",
        "Revoke the bot's token",
        "Every call is answered token_revoked.",
        "Who asks is told that it could not be found out who reads the channel, or nothing can be "
        "said at all; what was begun is finished and said once the token is restored. The app "
        "does not hammer Slack; its log and its /readyz say that it needs a new token.",
        {"kind": "revoke"},
        {"kind": "restore"},
    ),
)

# Only where whoever runs the workspace can kill the app, and starts it again.
_KILL: Final = _act(
    "kill",
    "Kill the bot",
    "Its process ends at once, as by kill -9.",
    "It is started again at once; a change under way goes on or is said to be unknown; nothing "
    "runs twice.",
    kind="kill",
)


class Switches:
    """Sets the workspace's faults by wishes, and says what is switched on."""

    def __init__(
        self,
        state: State,
        hub: Hub,
        faults: Faults,
        events: Events,
        delete_of_app: Callable[[], None],
    ) -> None:
        self._state = state
        self._delete_of_app = delete_of_app
        self._hub = hub
        self._faults = faults
        self._events = events
        self._kill: Callable[[], None] | None = None

    def offer_kill(self, kill: Callable[[], None]) -> None:
        """Offer to kill the app's process, by this."""
        self._kill = kill

    def shown(self) -> list[Json]:
        """Every fault on offer with its words, its wishes, and whether it is on."""
        return [self._shown(offer) for offer in self._offers()]

    def on(self) -> tuple[object, ...]:
        """Something that differs whenever `shown` does."""
        return tuple(self._left(offer) for offer in self._offers())

    def _offers(self) -> tuple[_Offer, ...]:
        return _OFFERS if self._kill is None else (*_OFFERS, _KILL)

    async def act(self, wish: Json) -> Json:
        """Do what a wish of the kinds below says. Raises `Impossible` for one that makes no sense.

        `method` (the next calls of a method fail), `disconnect`, `close`, `abort` (the sockets),
        `revoke` and `restore` (the token), `delete` (the app's newest message), `kill` (its
        process), `advance` (the clock), `set` (a switch), `normal`.
        """
        match wish["kind"]:
            case "method":
                self._fail_method(wish)
            case "disconnect" | "close" | "abort":
                await self._end_socket(wish)
            case "revoke":
                self._faults.revoked.add(self._state.bot_token)
                self._events.tokens_revoked()
            case "restore":
                self._faults.revoked.discard(self._state.bot_token)
            case "delete":
                self._delete_of_app()
            case "kill":
                self._end_app()
            case "advance":
                self._state.clock.advance(_number("seconds", wish["seconds"], _FARTHEST))
            case "set":
                self._set(str(wish["name"]), wish["value"])
            case "normal":
                self._reset()
            case other:
                raise Impossible(f"There is no fault {other!r}.")
        return {}

    def _fail_method(self, wish: Json) -> None:
        fault, method = wish["fault"], wish["method"]
        if fault not in get_args(FaultKind):
            raise Impossible(f"A method's fault is one of {get_args(FaultKind)}.")
        if not isinstance(method, str) or not method:
            raise Impossible("method must be a method's name.")
        times = _number("times", wish.get("times", 1), _MOST_TIMES)
        if times < 1 or times != int(times):
            raise Impossible("times must be a whole number from 1 on.")
        seconds = _number("seconds", wish.get("seconds", 1.0), _LONGEST)
        code = str(wish.get("code", "fatal_error"))
        self._faults.fail(method, fault, times=int(times), seconds=seconds, code=code)

    async def _end_socket(self, wish: Json) -> None:
        number = wish.get("socket")
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise Impossible("socket must be a socket's number.")
        if wish["kind"] == "close":
            await self._hub.close(number)
        elif wish["kind"] == "abort":
            self._hub.abort(number)
        else:
            reason = wish.get("reason", "warning")
            if reason not in get_args(DisconnectReason):
                raise Impossible(f"A reason is one of {get_args(DisconnectReason)}.")
            await self._hub.disconnect(reason, number)

    def _end_app(self) -> None:
        if self._kill is None:
            raise Impossible("Nobody here can kill the app.")
        self._kill()

    def _set(self, name: str, value: object) -> None:
        current = getattr(self._faults, name, None)
        if isinstance(current, bool):
            if not isinstance(value, bool):
                raise Impossible(f"{name!r} takes true or false.")
            setattr(self._faults, name, value)
        elif isinstance(current, int | float):
            most = _LONGEST if isinstance(current, float) else _MOST_TIMES
            setattr(self._faults, name, type(current)(_number(name, value, most)))
        else:
            raise Impossible(f"There is no switch {name!r}.")

    def _reset(self) -> None:
        fresh = Faults()
        for field in dataclasses.fields(Faults):
            setattr(self._faults, field.name, getattr(fresh, field.name))

    def _shown(self, offer: _Offer) -> Json:
        left = self._left(offer)
        return {
            "name": offer.name,
            "kind": offer.kind,
            "label": offer.label,
            "sentence": offer.sentence,
            "expected": offer.expected,
            "wish": offer.wish,
            "off": offer.off,
            "on": bool(left),
            "left": left if offer.kind == "once" else 0,
        }

    def _left(self, offer: _Offer) -> int:
        """How often it will still happen; 1 for a switch that is on."""
        if offer.kind == "act":
            return 0
        if offer.wish["kind"] == "method":
            waiting = self._faults.methods.get(offer.wish["method"], [])
            return sum(fault.times for fault in waiting if fault.kind == offer.wish["fault"])
        if offer.name == "revoked":
            return int(self._state.bot_token in self._faults.revoked)
        value = getattr(self._faults, offer.name)
        return int(value) if offer.kind == "once" else int(value == offer.wish["value"])


def _number(name: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Impossible(f"{name} must be a number.")
    if not 0 <= value <= most:
        raise Impossible(f"{name} must be from 0 to {most:g}.")
    return float(value)

"""The table of methods and what each is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.limits import Limits
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.model import Json, SlackError
from bot.sandbox.slack.sessions import Sessions
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State
from bot.sandbox.slack.streams import Streams
from bot.sandbox.slack.tickets import Triggers
from bot.sandbox.slack.views import Views

Token = Literal["bot", "app"]


@dataclass(frozen=True)
class Services:
    """What methods work with."""

    state: State
    hub: Hub
    faults: Faults
    limits: Limits
    events: Events
    messages: Messages
    views: Views
    triggers: Triggers
    sessions: Sessions
    streams: Streams


class Arguments(Mapping[str, object]):
    """The arguments of one call, read by name; a missing or unfit one is Slack's error."""

    def __init__(self, given: Json) -> None:
        self._given = given

    def __getitem__(self, key: str) -> object:
        return self._given[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def text(self, name: str, default: str = "") -> str:
        """A string argument."""
        value = self._given.get(name)
        if value is None:
            return default
        if isinstance(value, bool | dict | list):
            raise _invalid(name)
        return str(value)

    def required(self, name: str) -> str:
        """A string argument that must be there."""
        value = self.text(name)
        if not value:
            raise SlackError(
                "invalid_arguments",
                response_metadata={"messages": [f"[ERROR] missing required field: {name}"]},
            )
        return value

    def flag(self, name: str) -> bool:
        """A boolean argument in any of the forms that clients send."""
        return self._given.get(name) in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        text = self.text(name)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise _invalid(name) from None

    def object(self, name: str) -> Json:
        """An object that must be there."""
        value = self._given.get(name)
        if not isinstance(value, dict):
            raise _invalid(name)
        return value


Work: TypeAlias = Callable[[Services, Arguments], Json]


@dataclass(frozen=True)
class Method:
    """One method: who may call it, how often, and what it does.

    A scope that depends on the kind of channel is checked by the work itself.
    """

    name: str
    work: Work
    scopes: tuple[str, ...]
    tier: int
    kind: Token = "bot"


_TABLE: dict[str, Method] = {}


def method(name: str, *scopes: str, tier: int, kind: Token = "bot") -> Callable[[Work], Work]:
    """Register the decorated function as the work of a method."""

    def register(work: Work) -> Work:
        _TABLE[name] = Method(name, work, scopes, tier, kind)
        return work

    return register


def find(name: str) -> Method | None:
    """The method of this name, if the stand-in has it."""
    return _TABLE.get(name)


def need_scope(services: Services, *scopes: str) -> None:
    """Refuse the call if the app lacks one of these scopes."""
    provided = services.state.manifest.scopes
    missing = [scope for scope in scopes if scope not in provided]
    if missing:
        raise SlackError("missing_scope", needed=missing[0], provided=",".join(provided))


def _invalid(name: str) -> SlackError:
    return SlackError(
        "invalid_arguments",
        response_metadata={"messages": [f"[ERROR] invalid value for field: {name}"]},
    )

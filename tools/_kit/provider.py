"""A provider's parts: settings, reads, changes, and what it offers."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, JsonValue

from tools._kit.values import (
    Access,
    Drift,
    Identity,
    JsonObject,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Risk,
    Verdict,
)

EVERYWHERE: Final = "*"  # in the place of a namespace: of what may look into any
MIXED: Final = "mixed"  # in the place of a kind: of what changes objects of several


class Config(BaseModel):
    """Base of every provider's settings: no typos, no changes, no secrets in error text."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Client(Protocol):
    """A connection to one cluster or server."""

    async def check(self) -> None:
        """Ask the other side for a sign of life.

        Raises `Unavailable` with one sentence when there is none.
        """


@runtime_checkable
class Impersonating(Client, Protocol):
    """A connection that can act as somebody else than the bot, with his rights and no others."""

    def acting_as(self, identity: Identity) -> Self:
        """The same connection, as `identity`. Nothing it remembers is shared with others'."""

    async def may(self, access: Access) -> bool:
        """Whether whom this connection acts as may do that. Raises `ToolError`."""


_READ = "_countersign_read"
F = TypeVar("F", bound=Callable[..., Any])


def read(function: F) -> F:
    """Mark a coroutine method of a `Toolbox` as a tool that only looks.

    Its docstring is what the model reads.
    """
    if not function.__doc__:
        raise TypeError(
            f"{function.__qualname__} needs a docstring: the model would have nothing to read"
        )
    setattr(function, _READ, True)
    return function


class Toolbox:
    """A group of reads: coroutine methods marked `@read`.

    The first argument after self is the client (named `cluster` or `server`); the others are typed
    arguments, from which schema and validation are made. Returns a `Finding`.
    """

    @classmethod
    def is_inventory(cls, read: str, arguments: Mapping[str, JsonValue]) -> bool:  # noqa: ARG003
        """Whether a read with these arguments gives only what the other side itself calls things:
        names, images, numbers, and no text that somebody may have written into it.
        """
        return False

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:  # noqa: ARG003
        """The only namespace, or whatever the other side has in its place, that a read with these
        arguments looks into; empty for what lies in none, `EVERYWHERE` when it may look into any.
        """
        named = arguments.get("namespace")
        return (named or EVERYWHERE) if isinstance(named, str) else ""

    @classmethod
    def parts(cls, read: str, arguments: Mapping[str, JsonValue]) -> Mapping[str, JsonObject]:  # noqa: ARG003
        """The reads that these arguments ask for in one, by what each is about; one has no name.

        Each is permitted, made and answered by itself.
        """
        return {"": arguments}

    @classmethod
    def reads(cls) -> dict[str, Callable[..., Any]]:
        """The marked methods by name; an unmarked one is not a tool."""
        return {name: member for name, member in vars(cls).items() if getattr(member, _READ, False)}


class Change(BaseModel, ABC):
    """A change to the world: its fields are its arguments, and nothing mutates in any other way."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    risk: ClassVar[Risk]
    has_way_back: ClassVar[bool] = True  # False: whatever it was done on, `undo` has none

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.__doc__ or cls.__doc__ == Change.__doc__:
            raise TypeError(
                f"{cls.__qualname__} needs a docstring: the model would have nothing to read"
            )
        if getattr(cls, "risk", None) not in {Risk.WRITE, Risk.DANGER}:
            raise TypeError(f"{cls.__qualname__} must say its risk: Risk.WRITE or Risk.DANGER")

    @abstractmethod
    def target(self) -> str:
        """The object it works on: "shop/deployment/web"; the kit puts the client before it."""

    def needs(self) -> tuple[Access, ...]:
        """What `apply` will do there: who must not may neither ask for it nor approve it."""
        return ()

    @abstractmethod
    async def preview(self, cluster: Any) -> Preview:
        """Compute what it would do, deterministically, without doing it. Raises `ToolError`."""

    @abstractmethod
    async def apply(self, cluster: Any, seen: Preview) -> Receipt:
        """Do it, once, only if the live state still has `seen.fingerprint`.

        Raises `Stale` (nothing was sent), `Refused` (the other side said no; nothing happened),
        `Unavailable` (the outcome is not known unless `nothing_sent`).
        """

    @abstractmethod
    def verify(
        self, cluster: Any, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the world until the change holds or clearly does not; a Verdict comes last.

        `receipt` None: nobody knows whether it was applied; find out from the world.
        """

    @abstractmethod
    def undo(self, seen: Preview) -> "Change | NoWayBack":
        """The change that leads back to what `seen` saw."""

    async def foresee(self, cluster: Any, seen: Preview) -> Preview | NoWayBack:  # noqa: ARG002
        """What `undo` would do from exactly the state that this change would leave now.

        Its fingerprint is of that state, so that it can be approved before this one is applied.
        Raises `ToolError`.
        """
        return NoWayBack("What its way back would do is not known before it has run.")

    async def drift(self, cluster: Any, seen: Preview, receipt: Receipt) -> Drift:  # noqa: ARG002
        """How the world differs from what this change left in it. Raises `ToolError`."""
        return Drift("cannot tell", "nothing tells whether it is as I left it")


@dataclass(frozen=True)
class Offer:
    """What an opened provider gives: reads, changes, and its clients by name."""

    clients: Mapping[str, Client]
    reads: Sequence[Toolbox] = ()
    changes: Sequence[type[Change]] = ()
    client_argument: str = "cluster"  # how people and the model say which client: or "server"
    default_client: str | None = None  # with several: the one meant when none is named


class Provider(Protocol):
    """A module or package under `tools`: its settings, its prefix, how it opens, and what is known
    of it before: rules are checked by that, also where it is not configured.
    """

    PREFIX: str
    Config: type[Config]
    READS: Sequence[Toolbox]
    CHANGES: Sequence[type[Change]]
    OBJECTS: Sequence[str]  # what its kinds of objects are called

    def open(self, config: Any) -> AsyncIterator[Offer]:
        """Open the clients, yield one Offer, close them."""

"""Every tool of the opened providers: what the model sees, and calls bound to a client."""

import asyncio
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from pydantic import BaseModel, ValidationError

from tools._kit.arguments import (
    ClientChoice,
    model_of_method,
    parse,
    schema_of,
    shown,
    snake_case,
)
from tools._kit.canonical import sha256_of
from tools._kit.errors import NotFound, Refused
from tools._kit.provider import Change, Client, Impersonating, Offer, Provider
from tools._kit.values import (
    Access,
    Drift,
    Finding,
    Identity,
    JsonObject,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Risk,
    Verdict,
)

_BEYOND = "beyond"  # in `Preview.before`: the way back is more than a change takes
_TOO_LONG = "what is there now is longer than one change may write"


@dataclass(frozen=True)
class Tool:
    """A tool as the model sees it."""

    name: str
    kind: Literal["read", "change"]
    summary: str
    schema: JsonObject  # closed, with the client's argument
    schema_hash: str  # SHA-256 of all that the model sees: part of what an approval is bound to
    risk: Risk  # the floor; a preview may raise it
    provider: str


class Wish(NamedTuple):
    """A change that somebody could ask for: a tool's name and its arguments, the client named."""

    tool: str
    arguments: JsonObject


@dataclass(frozen=True)
class ReadCall:
    """A read with valid arguments, bound to its client."""

    tool: Tool
    arguments: JsonObject  # canonical: defaults filled, the client named
    target: str
    client: str
    acting: Identity | None  # None: the bot itself
    client_argument: str  # that names the client: "cluster"
    namespace: str  # the only one that it looks into; empty for none, `EVERYWHERE` for any
    _run: Callable[[], Awaitable[Finding]] = field(repr=False, compare=False)
    part: str = ""  # what it is about, where it is one of several in one

    async def run(self) -> Finding:
        """Look. Raises `ToolError`."""
        return await self._run()


@dataclass(frozen=True)
class ChangeCall:
    """A change with valid arguments, bound to its client."""

    tool: Tool
    arguments: JsonObject  # canonical: defaults filled, the client named
    target: str  # "demo/shop/deployment/web"
    client: str
    acting: Identity | None  # None: the bot itself
    _change: Change = field(repr=False, compare=False)
    _bound: "_Bound" = field(repr=False, compare=False)

    @property
    def risk(self) -> Risk:
        """The floor; `Preview.risk` may raise it."""
        return self.tool.risk

    @property
    def client_argument(self) -> str:
        """The argument that names the client: "cluster"."""
        return self._bound.choice.argument

    async def preview(self) -> Preview:
        """What it would do; a way back that no change could take is none. Raises `ToolError`."""
        seen = await self._change.preview(self._connection)
        if not seen.way_back or not self._is_beyond(seen):
            return seen
        return seen.model_copy(
            update={
                "way_back": "",
                "notes": (*seen.notes, f"There is no way back: {_TOO_LONG}"),
                "before": {**seen.before, _BEYOND: True},
            }
        )

    async def apply(self, seen: Preview) -> Receipt:
        """Do it if the world still is as `seen`; see `Change.apply` for what each error means."""
        return await self._change.apply(self._connection, seen)

    def verify(self, seen: Preview, receipt: Receipt | None) -> AsyncIterator[Progress | Verdict]:
        """Follow the world; a Verdict comes last. `receipt` None: find out whether it happened."""
        return self._change.verify(self._connection, seen, receipt)

    async def lacking(self) -> tuple[Access, ...]:
        """What of that which `apply` will do whom it acts as may not. Raises `ToolError`.

        Nothing where the bot itself acts: its preview meets the same refusals.
        """
        connection = self._connection
        if self.acting is None or not isinstance(connection, Impersonating):
            return ()
        needs = self._change.needs()
        allowed = await asyncio.gather(*(connection.may(need) for need in needs))
        return tuple(need for need, may in zip(needs, allowed, strict=True) if not may)

    def undo(self, seen: Preview) -> Wish | NoWayBack:
        """The wish that leads back to what `seen` saw."""
        if seen.before.get(_BEYOND):
            return NoWayBack(f"{_TOO_LONG[0].upper()}{_TOO_LONG[1:]}.")
        back = self._change.undo(seen)
        if isinstance(back, NoWayBack):
            return back
        return Wish(self._bound.names[type(back)], self._bound.canonical(back, self.client))

    def _is_beyond(self, seen: Preview) -> bool:
        """Whether the arguments of the way back are none that its change takes."""
        try:
            back = self._change.undo(seen)
            if not isinstance(back, NoWayBack):  # one that was copied was never looked at
                type(back).model_validate(back.model_dump(mode="json"))
        except ValidationError:
            return True
        return False

    async def foresee(self, seen: Preview) -> Preview | NoWayBack:
        """What that wish would do from exactly the state that this leaves; see `Change.foresee`."""
        return await self._change.foresee(self._connection, seen)

    async def drift(self, seen: Preview, receipt: Receipt) -> Drift:
        """How the world differs from what this left in it. Raises `ToolError`."""
        return await self._change.drift(self._connection, seen, receipt)

    @property
    def _connection(self) -> Client:
        return self._bound.connection(self.client, self.acting)


@dataclass(frozen=True)
class _Bound:
    """A tool with what runs it."""

    tool: Tool
    model: type[BaseModel]
    choice: ClientChoice
    clients: Mapping[str, Client]
    method: Callable[..., Awaitable[Finding]] | None = None  # of a read
    is_inventory: Callable[[JsonObject], bool] = lambda _: False  # what that gives
    namespace_of: Callable[[JsonObject], str] = lambda _: ""  # where that looks
    parts: Callable[[JsonObject], Mapping[str, JsonObject]] = lambda given: {"": given}
    names: Mapping[type[Change], str] = field(default_factory=dict)  # of its provider's changes

    def actor(self, client: str, acting: Identity | None) -> Identity | None:
        """Who really acts: a client that can only be the bot is the bot's."""
        return acting if isinstance(self.clients[client], Impersonating) else None

    def connection(self, client: str, acting: Identity | None) -> Client:
        """The client as that identity; None: as the bot itself."""
        connection = self.clients[client]
        if acting is None or not isinstance(connection, Impersonating):
            return connection
        return connection.acting_as(acting)

    def parse(self, arguments: JsonObject) -> tuple[str, BaseModel]:
        """The client's name and the typed arguments. Raises `Refused`."""
        rest = {name: value for name, value in arguments.items() if name != self.choice.argument}
        parsed = parse(self.tool.name, self.model, self.tool.schema, rest)
        return self.choice.resolve(arguments.get(self.choice.argument)), parsed

    def canonical(self, parsed: BaseModel, client: str) -> JsonObject:
        """The arguments whole, as they are stored and hashed."""
        return {**parsed.model_dump(mode="json"), self.choice.argument: client}


class Catalog:
    """The tools and clients of every opened provider."""

    def __init__(self) -> None:
        self._bound: dict[str, _Bound] = {}
        self._clients: dict[str, Client] = {}

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by the name the model uses."""
        return {name: bound.tool for name, bound in self._bound.items()}

    @property
    def clients(self) -> Mapping[str, Client]:
        """Every client by provider and name: "kubernetes/demo"."""
        return dict(self._clients)

    def read(self, name: str, arguments: JsonObject, *, acting: Identity | None = None) -> ReadCall:
        """A read ready to run, as `acting`; None: as the bot itself.

        Raises `NotFound` for no such tool, `Refused` for its arguments.
        """
        bound = self._find(name, "read")
        client, parsed = bound.parse(arguments)
        canonical = bound.canonical(parsed, client)
        method = cast("Callable[..., Awaitable[Finding]]", bound.method)
        values = {field: getattr(parsed, field) for field in type(parsed).model_fields}
        connection, actor = bound.connection(client, acting), bound.actor(client, acting)
        places = (canonical.get(part) for part in ("namespace", "kind", "name"))
        target = "/".join([client, *(str(place) for place in places if place)])
        return ReadCall(
            bound.tool,
            canonical,
            target,
            client,
            actor,
            bound.choice.argument,
            bound.namespace_of(canonical),
            lambda: method(connection, **values),
        )

    def reads(
        self, name: str, arguments: JsonObject, *, acting: Identity | None = None
    ) -> tuple[ReadCall, ...]:
        """The same, one for each client and kind where the arguments mean several: "*",
        "demo,prod"; "pods,services".
        """
        bound = self._find(name, "read")
        argument = bound.choice.argument
        several = bound.choice.several(arguments.get(argument)) or (arguments.get(argument),)
        return tuple(
            replace(self.read(name, {**given, argument: client}, acting=acting), part=part)
            for part, given in bound.parts(arguments).items()
            for client in several
        )

    def is_inventory(self, name: str, arguments: JsonObject) -> bool:
        """Whether such a read gives only what the other side itself calls things."""
        bound = self._bound.get(name)
        return bound is not None and bound.is_inventory(arguments)

    def placed(self, name: str, arguments: JsonObject, client: str, *, argument: str) -> JsonObject:
        """The arguments with `client`, where such a tool takes one by that name and has none."""
        bound = self._bound.get(name)
        if not client or bound is None or bound.choice.argument != argument:
            return arguments
        given = arguments.get(argument)
        return {**arguments, argument: client} if given is None else arguments

    def change(
        self, name: str, arguments: JsonObject, *, acting: Identity | None = None
    ) -> ChangeCall:
        """A change ready to preview, as `acting`. Raises like `read`."""
        bound = self._find(name, "change")
        client, parsed = bound.parse(arguments)
        change = cast("Change", parsed)
        target = f"{client}/{change.target()}"
        canonical = bound.canonical(change, client)
        actor = bound.actor(client, acting)
        return ChangeCall(bound.tool, canonical, target, client, actor, change, bound)

    def add(self, provider: str, prefix: str, offer: Offer) -> None:
        """Take in what a provider offers. Raises `TypeError` for a name that is taken."""
        choice = ClientChoice(offer.client_argument, tuple(offer.clients), offer.default_client)
        if not offer.clients or (choice.default and choice.default not in choice.names):
            raise TypeError(f"tools.{provider} offers no client, or a default that is none of them")
        self._clients.update({f"{provider}/{name}": c for name, c in offer.clients.items()})
        for box in offer.reads:
            for name, function in type(box).reads().items():
                method = getattr(box, name)
                model = model_of_method(f"{prefix}_{name}", function)
                tool = _tool(f"{prefix}_{name}", function, model, choice, provider)
                made = _Bound(
                    tool,
                    model,
                    choice,
                    offer.clients,
                    method=method,
                    is_inventory=partial(type(box).is_inventory, name),
                    namespace_of=partial(type(box).namespace_of, name),
                    parts=partial(type(box).parts, name),
                )
                self._add(made)
        names = {change: f"{prefix}_{snake_case(change.__name__)}" for change in offer.changes}
        for change, name in names.items():
            tool = _tool(name, change, change, choice, provider)
            self._add(_Bound(tool, change, choice, offer.clients, names=names))

    def _add(self, bound: _Bound) -> None:
        if bound.tool.name in self._bound:
            raise TypeError(f"two tools are named {bound.tool.name}")
        self._bound[bound.tool.name] = bound

    def find(self, name: str) -> Tool:
        """A tool by its name. Raises `NotFound`, naming near ones."""
        if name in self._bound:
            return self._bound[name].tool
        near = difflib.get_close_matches(name, self._bound, n=3, cutoff=0.4)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise NotFound(f"There is no tool {shown(name)}.{hint}")

    def _find(self, name: str, kind: str) -> _Bound:
        self.find(name)
        bound = self._bound[name]
        if bound.tool.kind != kind:
            raise Refused(f"{name} is a {bound.tool.kind}, not a {kind}.")
        return bound


@asynccontextmanager
async def open_providers(configs: Mapping[str, JsonObject]) -> AsyncIterator[Catalog]:
    """Open the named providers, and only those; closes them last-in, first-out.

    Raises `ValueError` that lists every mistake in the configuration, without any value.
    """
    loaded, mistakes = [], []
    for name, raw in configs.items():
        try:
            module = await asyncio.to_thread(load, name)  # a client library takes its time
            loaded.append((name, module, module.Config.model_validate(dict(raw))))
        except ValidationError as error:
            mistakes += [
                f"{'.'.join([name, *map(str, detail['loc'])])}: {detail['msg']}"
                for detail in error.errors(include_url=False, include_input=False)
            ]
        except LookupError as error:
            mistakes.append(str(error.args[0]))
    if mistakes:
        raise ValueError("\n".join(mistakes))
    catalog = Catalog()
    async with AsyncExitStack() as stack:
        for name, module, config in loaded:
            offer = await stack.enter_async_context(asynccontextmanager(module.open)(config))
            catalog.add(name, module.PREFIX, offer)
        yield catalog


def provider_names() -> tuple[str, ...]:
    """Every provider there is, by file name; nothing is imported."""
    folder = str(Path(__file__).parent.parent)
    found = (module.name for module in pkgutil.iter_modules([folder]))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(name: str) -> Provider:
    """Import a provider. Raises `LookupError` for none of that name, or one not installed."""
    known = provider_names()
    if name not in known:
        raise LookupError(f"{shown(name)}: unknown provider; known: {', '.join(known)}")
    try:
        return cast("Provider", importlib.import_module(f"tools.{name}"))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "tools":
            raise  # a mistake in our own code
        raise LookupError(f"{name}: needs the package {error.name}, not installed") from error


def _tool(
    name: str,
    documented: Callable[..., Any],  # whose docstring is the prompt
    model: type[BaseModel],
    choice: ClientChoice,
    provider: str,
) -> Tool:
    kind: Literal["read", "change"] = "change" if issubclass(model, Change) else "read"
    risk = model.risk if issubclass(model, Change) else Risk.READ
    summary = inspect.cleandoc(documented.__doc__ or "")
    schema = schema_of(model, choice, spreads=kind == "read")
    seen: JsonObject = {
        "name": name,
        "kind": kind,
        "summary": summary,
        "schema": dict(schema),
        "risk": risk.value,
    }
    return Tool(name, kind, summary, schema, sha256_of(seen), risk, provider)

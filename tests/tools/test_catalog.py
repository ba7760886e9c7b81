"""The kit: schemas from types, arguments to typed values, calls bound to clients, opening."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, JsonValue, SecretStr

from tools import (
    Catalog,
    Change,
    Duration,
    Finding,
    JsonObject,
    Lines,
    Name,
    NotFound,
    NoWayBack,
    Offer,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Toolbox,
    Unavailable,
    Verdict,
    Wish,
    canonical_json,
    open_providers,
    provider_names,
    read,
    seconds,
    sha256_of,
)
from tools._kit.threads import Threads

A_NAME = "a name (lower-case letters, digits, - and ., at most 253)"


class Server:
    """A client that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def check(self) -> None:
        """Always there."""


class Boxes(Toolbox):
    """Reads of the pretend provider."""

    @read
    async def look(
        self,
        server: Server,
        name: Name,
        since: Duration = "15m",
        count: Annotated[int, Field(ge=1, le=9)] = 3,
        deep: bool = False,
    ) -> Finding:
        """Look at a box."""
        server.asked.append(name)
        return Lines((name, since, str(count), str(deep)))

    async def not_a_tool(self, server: Server) -> None:
        """Unmarked."""


class PaintBox(Change):
    """Give a box another colour."""

    risk: ClassVar[Risk] = Risk.WRITE
    name: Name
    colour: Literal["red", "blue"]
    key: SecretStr = SecretStr("")

    def target(self) -> str:
        return f"box/{self.name}"

    async def preview(self, cluster: Server) -> Preview:
        cluster.asked.append("preview")
        return Preview(
            summary=f"Paint {self.name}",
            changes=(),
            diff="",
            fingerprint="f",
            before={"colour": "red" if self.colour == "blue" else ""},
        )

    async def apply(self, cluster: Server, seen: Preview) -> Receipt:
        cluster.asked.append(f"apply {seen.fingerprint}")
        return Receipt(text="painted")

    async def verify(
        self,
        cluster: Server,  # noqa: ARG002 - the contract's names
        seen: Preview,  # noqa: ARG002
        receipt: Receipt | None,  # noqa: ARG002
    ) -> AsyncIterator[Progress | Verdict]:
        yield Progress("drying")
        yield Verdict("holds", "dry")

    def undo(self, seen: Preview) -> "Change | NoWayBack":
        if not seen.before["colour"]:
            return NoWayBack("nobody knows the colour of before")
        return self.model_copy(update={"colour": seen.before["colour"]})


def catalog_of(*names: str, default: str | None = None) -> tuple[Catalog, dict[str, Server]]:
    servers = {name: Server() for name in names}
    catalog = Catalog()
    offer = Offer(servers, [Boxes()], [PaintBox], client_argument="server", default_client=default)
    catalog.add("boxes", "box", offer)
    return catalog, servers


def test_tools_are_named_and_described() -> None:
    catalog, servers = catalog_of("a")
    assert list(catalog.tools) == ["box_look", "box_paint_box"]
    look, paint = catalog.tools.values()
    assert (look.kind, look.risk, look.summary) == ("read", Risk.READ, "Look at a box.")
    assert (paint.kind, paint.risk, paint.provider) == ("change", Risk.WRITE, "boxes")
    assert catalog.clients == {"boxes/a": servers["a"]}
    for tool in catalog.tools.values():
        assert tool.schema["additionalProperties"] is False
        assert "title" not in str(tool.schema)


def test_the_client_is_optional_with_one_or_a_default_else_required() -> None:
    for names, default, needed in (
        (("a",), None, False),
        (("a", "b"), None, True),
        (("a", "b"), "b", False),
    ):
        schema = catalog_of(*names, default=default)[0].tools["box_look"].schema
        required, properties = schema["required"], schema["properties"]
        assert isinstance(required, list)
        assert isinstance(properties, dict)
        assert ("server" in required) is needed
        server = properties["server"]
        assert isinstance(server, dict)
        several = ["*"] if len(names) > 1 else []  # a read may look at all of them
        assert server["enum"] == [*names, *several]


async def test_a_read_runs_on_its_client_with_canonical_arguments() -> None:
    catalog, servers = catalog_of("a", "b", default="b")
    call = catalog.read("box_look", {"name": " one ", "since": None})
    want: dict[str, JsonValue] = {"name": "one", "since": "15m", "count": 3, "deep": False}
    assert call.arguments == {**want, "server": "b"}
    assert (call.target, call.client) == ("b/one", "b")
    assert await call.run() == Lines(("one", "15m", "3", "False"))
    assert (servers["a"].asked, servers["b"].asked) == ([], ["one"])


async def test_a_change_goes_its_whole_way() -> None:
    catalog, servers = catalog_of("a", "b")
    arguments: JsonObject = {"name": "one", "colour": "blue", "server": "a"}
    call = catalog.change("box_paint_box", arguments)
    assert (call.target, call.client, call.risk) == ("a/box/one", "a", Risk.WRITE)
    seen = await call.preview()
    receipt = await call.apply(seen)
    steps = [step async for step in call.verify(seen, receipt)]
    assert steps == [Progress("drying"), Verdict("holds", "dry")]
    assert servers["a"].asked == ["preview", "apply f"]
    wish = call.undo(seen)
    assert isinstance(wish, Wish)
    assert wish.tool == "box_paint_box"
    assert {k: wish.arguments[k] for k in ("name", "colour", "server")} == {
        "name": "one",
        "colour": "red",
        "server": "a",
    }
    red = catalog.change("box_paint_box", {**arguments, "colour": "red"})
    assert red.undo(await red.preview()) == NoWayBack("nobody knows the colour of before")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {},
            f"`name` is missing: it must be {A_NAME}.",
        ),
        (
            {"name": "--all"},
            f'`name` must be {A_NAME}, not "--all".',
        ),
        ({"name": "a", "count": 12}, "`count` must be a whole number from 1 to 9, not 12."),
        ({"name": "a", "count": True}, "`count` must be a whole number from 1 to 9, not true."),
        ({"name": "a", "count": "x"}, '`count` must be a whole number from 1 to 9, not "x".'),
        ({"name": "a", "deep": "perhaps"}, '`deep` must be true or false, not "perhaps".'),
        (
            {"name": "a", "since": "soon"},
            '`since` must be a duration such as "90s", "15m", "6h" or "7d", not "soon".',
        ),
        (
            {"name": "a", "nam": "b"},
            (
                '"nam" is not an argument of box_look, which takes name, since, count, deep,'
                " server (did you mean `name`?)."
            ),
        ),
        ({"name": "a", "server": "c"}, '`server` must be one of aa, bb, not "c".'),
        (
            {"name": "a", "server": "bbb"},
            '`server` must be one of aa, bb, not "bbb". Did you mean bb?',
        ),
        ({"name": "a", "server": ["aa"]}, '`server` must be one of aa, bb, not ["aa"].'),
        ({"name": "a", "server": None}, "`server` is missing: it must be one of aa, bb."),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: JsonObject, sentence: str) -> None:
    catalog, _ = catalog_of("aa", "bb")
    with pytest.raises(Refused) as refused:
        catalog.read("box_look", {"server": "aa", **arguments})
    assert str(refused.value) == sentence


def test_a_secret_is_not_repeated() -> None:
    catalog, _ = catalog_of("a")
    wrong: JsonObject = {"name": "one", "colour": "red", "key": ["hunter2"]}
    with pytest.raises(Refused, match="`key` must be text") as refused:
        catalog.change("box_paint_box", wrong)
    assert "hunter2" not in str(refused.value)


def test_an_unknown_tool_and_the_wrong_kind() -> None:
    catalog, _ = catalog_of("a")
    with pytest.raises(NotFound, match=r'no tool "box_lok"\. Nearest: box_look'):
        catalog.read("box_lok", {})
    with pytest.raises(Refused, match="box_look is a read, not a change"):
        catalog.change("box_look", {})


def test_names_are_taken_once() -> None:
    catalog, _ = catalog_of("a")
    with pytest.raises(TypeError, match="two tools are named box_look"):
        catalog.add("boxes", "box", Offer({"a": Server()}, [Boxes()]))


def test_a_tool_without_words_or_risk_is_no_tool() -> None:
    with pytest.raises(TypeError, match="needs a docstring"):

        @read
        async def silent(self: object, server: Server) -> None: ...

    with pytest.raises(TypeError, match="must say its risk"):

        class Careless(PaintBox):
            """Paint without care."""

            risk = Risk.READ

    catalog = Catalog()

    class Clash(Toolbox):
        """Takes the kit's argument."""

        @read
        async def clash(self, client: Server, server: str) -> Finding:  # noqa: ARG002 - the client
            """Clash."""
            return Lines((server,))

    with pytest.raises(TypeError, match="`server` is the kit's argument"):
        catalog.add("x", "x", Offer({"a": Server()}, [Clash()], client_argument="server"))


def test_the_schema_hash_covers_all_that_the_model_sees() -> None:
    one, two = catalog_of("a")[0].tools, catalog_of("a", "b")[0].tools
    assert one["box_look"].schema_hash == catalog_of("a")[0].tools["box_look"].schema_hash
    assert one["box_look"].schema_hash != two["box_look"].schema_hash


def test_canonical_json_and_durations() -> None:
    assert canonical_json({"b": 1, "a": ["\ud800", "é"]}) == b'{"a":["\\ud800","\\u00e9"],"b":1}'
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})
    assert [seconds(text) for text in ("90s", "15m", "6h", "7d")] == [90, 900, 21600, 604800]


async def test_mistakes_in_the_configuration_are_listed_together() -> None:
    configs: dict[str, JsonObject] = {
        "kubernets": {},
        "kubernetes": {"tokn": "hunter2", "timeout_seconds": "hunter3"},
    }
    with pytest.raises(ValueError, match="unknown provider") as wrong:
        async with open_providers(configs):
            pass
    lines = str(wrong.value).splitlines()
    assert lines[0] == f'"kubernets": unknown provider; known: {", ".join(provider_names())}'
    assert {line.partition(":")[0] for line in lines[1:]} == {
        "kubernetes.tokn",
        "kubernetes.timeout_seconds",
    }
    assert "hunter" not in str(wrong.value)


async def test_nothing_configured_opens_nothing() -> None:
    async with open_providers({}) as catalog:
        assert not catalog.tools


async def test_a_thread_that_takes_too_long_is_given_up_on() -> None:
    threads, release = Threads("The box"), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    with pytest.raises(Unavailable, match="The box did not answer"):
        await threads.run(0.05, slow)
    release.set()
    await asyncio.sleep(0)
    threads.close()

"""What an approval is bound to: the digest is another one when anything of it is."""

from typing import Any

from bot.guard.policy import decide
from bot.guard.proposals import Judged
from bot.guard.records import digest
from tests.bot.test_policy import wish
from tests.tools.test_catalog import catalog_of
from tools import JsonObject, Preview


def test_an_approval_is_bound_to_all_that_it_is_about() -> None:
    approved: dict[str, Any] = {
        "tool": "k8s_scale",
        "arguments": {"replicas": 5},
        "target": "demo/shop/deployment/web",
        "acting": "dave@corp",
        "fingerprint": "f",
        "schema_hash": "s",
    }
    others = {"arguments": {"replicas": 6}}
    bound = [
        name
        for name in approved
        if digest(**{**approved, name: others.get(name, "other")}) != digest(**approved)
    ]
    assert bound == list(approved)
    assert digest(**approved) == digest(**approved)


def test_an_approval_is_bound_to_what_its_tool_was() -> None:
    """A bot that knows one server more would paint the same box the same way, by another tool."""

    def painted(*servers: str) -> str:
        arguments: JsonObject = {"name": "one", "colour": "blue", "server": "a"}
        change = catalog_of(*servers)[0].change("box_paint_box", arguments)
        preview = Preview(summary="Paint one", changes=(), diff="", fingerprint="f")
        asked = wish()
        return Judged(change, preview, asked, decide(asked), "write").digest

    approved = painted("a")
    assert painted("a") == approved
    assert painted("a", "b") != approved

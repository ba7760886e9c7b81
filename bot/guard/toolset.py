"""The tools as the model may see them: those of the providers, and the search in long results."""

from dataclasses import dataclass
from typing import Literal

from bot.guard.reads import SEARCH, SEARCH_SCHEMA, SEARCH_SUMMARY
from tools import Catalog, JsonObject


@dataclass(frozen=True)
class Offered:
    """One tool: its name, what it is for, the closed JSON schema of its arguments."""

    name: str
    summary: str
    schema: JsonObject
    kind: Literal["read", "change", "steer"]


def offered(catalog: Catalog) -> dict[str, Offered]:
    """Every tool by name."""
    tools = {
        name: Offered(name, tool.summary, tool.schema, tool.kind)
        for name, tool in catalog.tools.items()
    }
    tools[SEARCH] = Offered(SEARCH, SEARCH_SUMMARY, SEARCH_SCHEMA, "read")
    return tools


def clients(catalog: Catalog) -> tuple[str, ...]:
    """The clusters and servers by name."""
    return tuple(name.partition("/")[2] for name in catalog.clients)

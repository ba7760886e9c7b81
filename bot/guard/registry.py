"""The tools that rules can be about, by what their code says: configured here or not."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from bot.policy_file import Match, Rule
from tools import KnownTool, Risk, known_tools


@dataclass(frozen=True)
class Registry:
    """What names can mean here: the tools there are, and the clusters; None: they are not known."""

    tools: Mapping[str, KnownTool]
    clusters: Collection[str] | None = None

    @classmethod
    def of(cls, clusters: Collection[str] | None = None) -> Self:
        """With every tool of the providers that are installed."""
        return cls(known_tools(), clusters)

    def about(self, match: Match, *, changes: bool = False) -> list[KnownTool]:
        """The tools that it can be about; `changes`: of those that change something."""
        kinds = {"change"} if changes else {"read", "change"}
        return [
            tool
            for name, tool in self.tools.items()
            if tool.kind in kinds
            and (match.tool is None or any_like(match.tool, name))
            and (match.risk is None or not risks(tool).isdisjoint(match.risk))
        ]

    def rolled_back(self, rule: Rule) -> tuple[str, ...]:
        """The changes it is about that can be rolled back by themselves."""
        found = self.about(rule.match, changes=True)
        return tuple(tool.name for tool in found if tool.has_rollback)


def any_like(globs: Iterable[str], *names: str) -> bool:
    """Whether one of the names is like one of the globs."""
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


def risks(tool: KnownTool) -> frozenset[str]:
    """Those that a call of it may have: a preview raises it, and never lowers it."""
    match tool.risk:
        case Risk.READ:
            return frozenset({"read"})
        case Risk.WRITE:
            return frozenset({"write", "danger"})
        case Risk.DANGER:
            return frozenset({"danger"})

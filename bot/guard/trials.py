"""A condition tried before it is in force, on what calls are like: types that cannot be right.

The library checks no types before it computes, and what cannot be computed denies: then people
would meet the mistake. Each value that it is tried on has the type that it has wherever it is.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from bot.core.text import one_line
from bot.core.values import Sharing, Standing
from bot.guard.gathering import Asker, Wanted, gathered
from bot.guard.policy import Approvers
from bot.guard.rulebook import variables
from tools import ChangedPath, KnownTool, Preview

_LABELS: Final = {"app": "web", "app.kubernetes.io/name": "web", "tier": "gold", "team": "web"}
_WORD: Final = re.compile(
    r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|&&|\|\||[()\[\]{}]|.""", re.DOTALL
)
_NO_SUCH: Final = "Undefined variable or function: "
_SHOWN: Final = 60


class Trials:
    """Conditions on typical calls of tools: made once for all conditions about a tool."""

    def __init__(self) -> None:
        self._of: dict[str, _Calls] = {}

    def wrong(self, source: str, about: Collection[KnownTool]) -> Iterator[str]:
        """What no call of these tools can be compared or computed so.

        Its parts are tried one by one as well, since one that is false hides the others. A part
        that can be computed for one of the tools is right: which tool it is may be asked beside it.
        """
        calls = [self._calls(tool) for tool in about]
        for part in dict.fromkeys([*_parts(source), source]):
            if why := _by_all(_tried, part, calls):
                yield f"{one_line(part.strip(), _SHOWN)}: {why}"
                return
        if why := _by_all(_answer, source, calls):
            yield why

    def _calls(self, tool: KnownTool) -> "_Calls":
        if tool.name not in self._of:
            import cel  # noqa: PLC0415 - only a policy that has conditions needs it

            small, large = _seen(tool, replicas=3), _seen(tool, replicas=900, undoes=True)
            self._of[tool.name] = (cel.Context(variables=small), cel.Context(variables=large))
        return self._of[tool.name]


_Calls = tuple[Any, Any]
_Try = Callable[[str, Any], str | None]


def _by_all(tried: _Try, source: str, calls: Iterable[_Calls]) -> str:
    """Why it is wrong, where it is for some tools and right for none."""
    said = [_of_one(tried, source, two) for two in calls]
    return "" if None in said else next(filter(None, said), "")


def _of_one(tried: _Try, source: str, calls: _Calls) -> str | None:
    said = [tried(source, call) for call in calls]
    wrong = next(filter(None, said), "")
    return None if None in said and not wrong else wrong


def _seen(tool: KnownTool, *, replicas: int, undoes: bool = False) -> dict[str, Any]:
    found = {name: tool.example(name) for name in tool.arguments}
    arguments: dict[str, JsonValue] = {
        name: value for name, value in found.items() if value is not None
    }
    preview = Preview(
        summary="",
        changes=(
            ChangedPath(path="spec.replicas", before=1, after=replicas),
            ChangedPath(path="spec.image", before="", after="shop/web:1.0"),
        ),
        diff="",
        fingerprint="",
        labels=_LABELS,
        reaches=("shop",),
        warnings=("no PodDisruptionBudget",),
    )
    wanted = Wanted(
        tool=tool.name,
        kind=tool.kind,
        risk=tool.risk.value,
        target="demo/shop/deployment/web",
        arguments=arguments,
        cluster="demo",
        preview=preview,
        provenance=dict.fromkeys(arguments, "person"),
        undoes=undoes,
    )
    asker = Asker(
        requester="U0REQUEST",
        contributors=("U0REQUEST",),
        channel="C0CHANNEL",
        standing=Standing.MEMBER,
        sharing=Sharing.OURS,
        roles=("operator", "viewer"),
        groups=("S0GROUP",),
    )
    return variables(gathered(wanted, asker, Approvers()))


def _tried(source: str, context: Any) -> str | None:
    """Why its types are never right; empty where that is not told, None where they are."""
    try:
        _computed(source, context)
    except TypeError:
        return "it compares or computes what has different types"
    except RuntimeError as error:
        said = str(error)
        if said.startswith(_NO_SUCH):
            name = said.removeprefix(_NO_SUCH).split("'")[1]
            return f"there is no {name}(…), or it takes nothing of this type"
        return "its pattern is none" if "not a valid regex" in said else ""
    except (ValueError, KeyError, ArithmeticError, IndexError):
        return ""  # as where a label is not there
    return None


def _answer(source: str, context: Any) -> str | None:
    """Why it is no condition, like `_tried`."""
    try:
        holds = _computed(source, context)
    except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, IndexError):
        return ""
    if isinstance(holds, bool):
        return None
    return "true or false is expected, and it gives neither"


def _computed(source: str, context: Any) -> object:
    import cel  # noqa: PLC0415 - only a policy that has conditions needs it

    result: object = cel.compile(source).execute(context)
    return result


def _parts(source: str) -> Iterator[str]:
    """What && and || join, also within parentheses around several."""
    parts, depth = [""], 0
    for word in _WORD.findall(source):
        depth += (word in "([{") - (word in ")]}")
        if depth == 0 and word in {"&&", "||"}:
            parts.append("")
        else:
            parts[-1] += word
    if len(parts) > 1:
        for part in parts:
            yield from _parts(part)
        return
    inner = source.strip().removeprefix("!").strip()
    if inner.startswith("(") and _closes(inner) == len(inner) - 1:
        yield from _parts(inner[1:-1])
    elif "?" not in source:  # which of the two is computed may hang on the type
        yield source


def _closes(text: str) -> int:
    """Where the parenthesis that it begins with is closed."""
    depth = at = 0
    for word in _WORD.findall(text):
        depth += (word in "([{") - (word in ")]}")
        if depth == 0:
            return at
        at += len(word)
    return -1

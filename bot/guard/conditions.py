"""What a rule's condition compares with that can never be: found in its text, without an input."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from bot.core.mistakes import either, meant
from bot.guard.provenance import Origin
from bot.policy_file import DAYS, OBJECT
from tools import KnownTool

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign>==|!=|\S)"
)
_IDS: Mapping[str, tuple[str, str]] = {
    "channel": (r"[CDG][A-Z0-9]{2,}", "a Slack channel id (C…)"),
    "requester": (r"[UW][A-Z0-9]{2,}", "a Slack user id (U…)"),
    "contributors": (r"[UW][A-Z0-9]{2,}", "a Slack user id (U…)"),
    "requester_groups": (r"S[A-Z0-9]{2,}", "a Slack user-group id (S…)"),
}

_NUMBERS = frozenset({"replicas", "hour"})


@dataclass(frozen=True)
class _Token:
    kind: str | None
    text: str

    @property
    def value(self) -> str:
        """Of a string, what stands in the quotes."""
        return self.text[1:-1]


def wrong_in_condition(
    source: str,
    about: Collection[KnownTool],
    tools: Collection[str],
    clusters: Collection[str] | None,
) -> Iterator[str]:
    """Each name in `source` that nothing has, of a rule that is about those tools."""
    tokens = [_Token(found.lastgroup, found[0]) for found in _TOKEN.finditer(source)]
    arguments = {name for tool in about for name in tool.arguments}
    said = [
        *_fields(tokens, arguments),
        *_compared(tokens, about, tools, clusters),
        *_unseen_groups(tokens),
    ]
    yield from dict.fromkeys(said)


def _fields(tokens: list[_Token], arguments: Collection[str]) -> Iterator[str]:
    """Names behind a dot or in brackets."""
    for root, name in _parts(tokens):
        if root in {"arguments", "provenance"} and name not in arguments:
            yield f"nothing it is about has an argument {name}{meant(name, arguments)}"
        if root == "object" and name not in OBJECT:
            yield f"object has no {name}; known: {', '.join(sorted(OBJECT))}{meant(name, OBJECT)}"


def _unseen_groups(tokens: list[_Token]) -> Iterator[str]:
    """Groups that are put together: of those whose ids stand whole is known who is in them."""
    if not any(token.text == "requester_groups" for token in tokens):
        return
    named = any(token.kind == "string" for token in tokens)
    pairs = [
        {one.text, other.text}
        for one, other in pairwise(tokens)
        if "string" in (one.kind, other.kind)
    ]
    if not named or any("+" in pair for pair in pairs):
        yield (
            "requester_groups is compared with ids that stand whole, as in "
            '"S0LEADS" in requester_groups'
        )


def _parts(tokens: list[_Token]) -> Iterator[tuple[str, str]]:
    for here, *after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if here.kind == "path" and after[0].text == "[" and after[1].kind == "string":
            yield here.text, after[1].value
        if here.kind == "string" and after[0].text == "in":
            yield after[1].text, here.value
    for token, behind in zip(tokens, [*tokens[1:], None], strict=True):
        root, *names = token.text.split(".")
        if behind is not None and behind.text == "(":
            names = names[:-1]  # the last one is what is called
        if token.kind == "path" and names:
            yield root, names[0]


def _compared(
    tokens: list[_Token],
    about: Collection[KnownTool],
    tools: Collection[str],
    clusters: Collection[str] | None,
) -> Iterator[str]:
    """Texts that a name is compared with."""
    kinds = {one for tool in about for one in tool.objects}
    known: dict[str, tuple[str, Collection[str]]] = {
        "tool": ("tool", tools),
        "risk": ("risk", {"read", "write", "danger"}),
        "kind": ("kind of call", {"read", "change"}),
        "weekday": ("weekday", DAYS),
        "provenance": ("origin", {one.value for one in Origin}),
        "object.cluster": ("cluster", clusters or ()),
    }
    for name, value in _pairs(tokens):
        what, choices = known.get(name, ("", ()))
        if choices and value not in choices:
            listed = either(sorted(choices)) if len(choices) < 8 else ""
            expected = f"; {listed} is expected" if listed else ""
            yield f"there is no {what} {value}{expected}{meant(value, choices)}"
        if name == "object.kind" and value not in kinds and (near := meant(value, kinds)):
            yield f"there is no kind {value}{near}"
        if name in _NUMBERS or _is_number(name, about):
            yield f"{name} is a number, and compared with the text {value}"
        if name in _IDS and not re.fullmatch(_IDS[name][0], value):
            yield f"{name} is compared with {value}: {_IDS[name][1]} is expected"


def _is_number(name: str, about: Collection[KnownTool]) -> bool:
    """Whether it is an argument, and a number wherever it is one."""
    root, _, argument = name.partition(".")
    takers = [tool for tool in about if root == "arguments" and argument in tool.arguments]
    return bool(takers) and all(tool.is_number(argument) for tool in takers)


def _pairs(tokens: list[_Token]) -> Iterator[tuple[str, str]]:
    """A name, and a text that it is compared with or looked for in."""
    for at, token in enumerate(tokens):
        if token.kind != "path" or token.text == "in":
            continue
        before, (end, name) = tokens[max(0, at - 2) : at], _whole(tokens, at)
        after = tokens[end:]
        if len(before) == 2 and before[0].kind == "string" and _is_compared(before[1], name):
            yield name, before[0].value
        if len(after) > 1 and _is_compared(after[0]) and after[1].kind == "string":
            yield name, after[1].value
        if len(after) > 1 and after[0].text == "in" and after[1].text == "[":
            yield from ((name, one.value) for one in _until(after[2:], "]") if one.kind == "string")


def _whole(tokens: list[_Token], at: int) -> tuple[int, str]:
    """Where a name ends, and the name: what `provenance` is about does not matter."""
    root = tokens[at].text.partition(".")[0]
    if root != "provenance":
        return at + 1, tokens[at].text
    return (at + 4 if tokens[at + 1 : at + 2] == [_Token("sign", "[")] else at + 1), root


def _is_compared(sign: _Token, name: str = "") -> bool:
    """Whether a text beside the sign is a value of that name, and no name within it."""
    return sign.text in {"==", "!="} or (sign.text == "in" and name in _IDS)


def _until(tokens: Iterable[_Token], end: str) -> Iterator[_Token]:
    for token in tokens:
        if token.text == end:
            return
        yield token

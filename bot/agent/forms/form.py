"""What a form of a direct command is made of, and the readers of its operands and flags. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from bot.agent.vocabulary import KINDS, TALK

Arguments = dict[str, JsonValue]


class Wrong(ValueError):
    """The message is no command; the text says why."""


@dataclass(frozen=True, slots=True)
class Option:
    """A flag. `read` makes its value from the text after it; None: it takes none, and means
    `value`.

    Without an `argument` its value stands for an operand.
    """

    argument: str
    read: Callable[[str], JsonValue] | None
    value: JsonValue = True


def _kind_and_name(left: Arguments) -> list[str]:
    kind, name = left.pop("kind", None), left.pop("name", None)
    return ["/".join(str(w) for w in (kind, name) if w is not None)] if kind or name else []


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of command. `operands` turns what is no flag into arguments.

    `written` is the way back: it takes the arguments that are operands out and gives their words.
    """

    words: tuple[str, ...]
    tool: str
    usage: str
    explanation: str
    operands: Callable[[list[str]], Arguments]
    options: dict[str, Option]
    required: tuple[str, ...] = ()
    written: Callable[[Arguments], list[str]] = _kind_and_name
    block: str = ""  # the argument that may stand below the line, in a code block
    tail: str = ""  # the argument that is all words behind --
    either: tuple[str, ...] = ()  # one of these arguments at least
    also: tuple[tuple[str, ...], ...] = ()  # its words as some write them: as many

    def begins(self, lowered: list[str]) -> bool:
        """Whether a message begins with its words."""
        return any(list(words) == lowered[: len(words)] for words in (self.words, *self.also))


NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
DURATION = re.compile(r"(?:\d{1,6}[smhd]){1,4}")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9_.:@/,-]{0,252}")  # "*", "a,b": several
_KIND = re.compile(r"[a-z][a-z0-9]{0,62}(\.[a-z0-9.-]{0,189}[a-z0-9])?")
_VALUES = r" +(?:in|notin) *\( *[A-Za-z0-9_.-]*(?: *, *[A-Za-z0-9_.-]+)* *\)"
_TERM = rf"!?[A-Za-z0-9][A-Za-z0-9_./-]*(?:(?:==|!=|=)[A-Za-z0-9_.-]*|{_VALUES})?"
_SELECTOR = re.compile(rf"{_TERM}(?: *, *{_TERM})*")


def matching(pattern: re.Pattern[str], what: str) -> Callable[[str], JsonValue]:
    """A reader of values that the whole pattern matches."""

    def read(value: str) -> JsonValue:
        if not pattern.fullmatch(value):
            raise Wrong(f"{quoted(value)} is no {what}")
        return value

    return read


def number(low: int, high: int, what: str) -> Callable[[str], JsonValue]:
    """A reader of whole numbers."""

    def read(value: str) -> JsonValue:
        if not re.fullmatch(r"[0-9]{1,6}", value) or not low <= int(value) <= high:
            raise Wrong(f"{what} must be a number from {low} to {high}, not {quoted(value)}")
        return int(value)

    return read


def quoted(value: str) -> str:
    """A piece of the message as a sentence quotes it."""
    shown = value if len(value) <= 60 else value[:59] + "…"
    return f'"{shown}"'


def as_word(value: str) -> str:
    """A value as it is written in a command: in quotes where it must be."""
    if re.fullmatch(r"[\w./:=,!@-]+", value, re.ASCII) and not value.startswith("-"):
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


_namespace = Option("namespace", matching(_NAMESPACE, "namespace"))
_cluster = Option("cluster", matching(_CLUSTER, "cluster"))
_selector = Option("selector", matching(_SELECTOR, "label selector"))
CLUSTER = {"--cluster": _cluster, "--context": _cluster}
EVERYWHERE = {"-n": _namespace, "--namespace": _namespace, **CLUSTER}
ALL_NAMESPACES = {
    "-A": Option("all_namespaces", None),
    "--all-namespaces": Option("all_namespaces", None),
}
SELECTOR = {"-l": _selector, "--selector": _selector}

read_name = matching(NAME, "name")


def read_kind(word: str) -> JsonValue:
    """A kind as people write it."""
    kind = any_kind(word)
    if is_strange(kind):
        raise Wrong(unknown_kind(word))
    return kind


def any_kind(word: str) -> str:
    """The same, or a word that may be a kind of the cluster's own, which only that knows."""
    kind = word.lower()
    if kind == "all":
        raise Wrong("`all` is many kinds; `overview` shows a namespace on one screen")
    if "," in kind:
        raise Wrong("it takes one kind at a time; only `get` takes several")
    if kind in TALK or not (kind in KINDS or _KIND.fullmatch(kind)):
        raise Wrong(unknown_kind(word))
    return kind


def is_strange(kind: str) -> bool:
    """Whether a kind is none that every cluster has, nor one with its group behind a dot."""
    return kind.lower() not in KINDS and "." not in kind


def unknown_kind(word: str) -> str:
    """Why a word is not taken for a kind."""
    return f"{quoted(word)} is no kind I know"


def bare_name(word: str) -> JsonValue:
    """A name that stands alone: no word of a sentence."""
    if word in TALK:
        raise Wrong(f"{quoted(word)} reads like a word of a sentence; write <kind>/<name>")
    return read_name(word)


def workload(operands: list[str]) -> Arguments:
    """Exactly one <kind>/<name>."""
    if len(operands) == 1:
        kind, slash, name = operands[0].partition("/")
        if slash:
            return {"kind": read_kind(kind), "name": read_name(name)}
    raise Wrong("it needs exactly one <kind>/<name>")


def nothing(operands: list[str]) -> Arguments:
    """No operand at all."""
    if operands:
        raise Wrong("it takes nothing after it")
    return {}

"""The small interpreter: kinds of values, each able to check one value and say what is wrong."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bot.sandbox.validate.limits import EVERYWHERE, LIMITS, VIEWS, Surface

MOST_REPORTED = 100  # a megabyte of rubbish gets an answer that can be read
MOST_QUOTED = 40


@dataclass(frozen=True)
class Violation:
    """One thing that Slack would refuse.

    `pointer` is a JSON pointer into the payload, `code` the error that the API would answer,
    `message` one sentence that names the limit or rule and the value.
    """

    pointer: str
    code: str
    message: str


@dataclass
class Walk:
    """What is known while one payload is checked: where we are, what was seen, what was found."""

    surface: Surface
    code: str = ""
    found: list[Violation] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)
    action_ids: set[str] = field(default_factory=set)
    text: int = 0  # characters that count towards the total of a message
    markdown: int = 0
    charts: int = 0

    def __post_init__(self) -> None:
        self.code = self.code or (
            "invalid_arguments" if self.surface in VIEWS else "invalid_blocks"
        )

    def add(self, at: str, message: str, code: str | None = None) -> None:
        """Report `message` about the value at pointer `at`."""
        if len(self.found) < MOST_REPORTED:
            self.found.append(Violation(at, code or self.code, message))

    def measure(self, limit: str, size: float, at: str) -> None:
        """Hold `size` against the limit of that name."""
        bound = LIMITS[limit]
        if bound.most is not None and size > bound.most:
            said = f"at most {bound.most}"
        elif size < bound.least:
            said = f"at least {bound.least}"
        else:
            return
        unit = f" {bound.unit}" if bound.unit else ""
        self.add(at, f"{limit}: {quote(size)}{unit}, {said}.", bound.code)

    @contextmanager
    def answering(self, code: str) -> Iterator[None]:
        """Within this, faults are answered with `code`."""
        before, self.code = self.code, code
        try:
            yield
        finally:
            self.code = before

    @contextmanager
    def inside_block(self) -> Iterator[None]:
        """Within this, an action_id needs to differ from the others of the same block only."""
        before, self.action_ids = self.action_ids, set()
        try:
            yield
        finally:
            self.action_ids = before


class Kind(Protocol):
    """What a value may be."""

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report to `walk` what is wrong with `value` at pointer `at`."""


Rule = Callable[[Mapping[str, object], str, Walk], None]


def quote(value: object) -> str:
    """Show a value in a sentence: short, and never failing, whatever it is."""
    match value:
        case str():
            return f'"{value[:MOST_QUOTED]}…"' if len(value) > MOST_QUOTED else f'"{value}"'
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int() if abs(value) > 10**15:
            return "a number of more than 15 digits"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "an array"
        case Mapping():
            return "an object"
    return "something that is not JSON"


def key_pointer(at: str, key: str) -> str:
    """The pointer of `key` inside `at`, escaped as RFC 6901 says."""
    return f"{at}/{key.replace('~', '~0').replace('/', '~1')}"


@dataclass(frozen=True)
class String:
    """A string, within a limit and of a pattern if they are given."""

    limit: str | None = None
    pattern: re.Pattern[str] | None = None
    like: str = ""
    counts: bool = False  # its characters are text that the reader of a message sees

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report a wrong type, length or form."""
        if not isinstance(value, str):
            return walk.add(at, f"{self.limit or 'value'}: {quote(value)} is not a string.")
        if self.counts:
            walk.text += len(value)
        if self.limit is not None:
            walk.measure(self.limit, len(value), at)
        if self.pattern is not None and not self.pattern.fullmatch(value):
            walk.add(at, f"{self.limit or 'value'}: {quote(value)} is not {self.like}.")
        return None


def url(limit: str | None, *schemes: str) -> String:
    """An absolute URL with one of `schemes`; those of the web need a host."""
    web = "|".join(scheme for scheme in schemes if scheme.startswith("http"))
    forms = [rf"(?:{web})://[^\s/?#]\S*"]
    forms += [rf"{scheme}:\S+" for scheme in schemes if not scheme.startswith("http")]
    pattern = re.compile("|".join(forms), re.IGNORECASE)
    return String(limit, pattern, f"a URL with the scheme {' or '.join(schemes)}")


@dataclass(frozen=True)
class Choice:
    """One of a few strings."""

    among: tuple[str, ...]

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report anything else."""
        if not isinstance(value, str) or value not in self.among:
            walk.add(at, f"value: {quote(value)} is not one of {', '.join(self.among)}.")


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report anything else."""
        if not isinstance(value, bool):
            walk.add(at, f"value: {quote(value)} is not true or false.")


@dataclass(frozen=True)
class Whole:
    """A whole number, within a limit if it is given."""

    limit: str | None = None

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report a wrong type or size."""
        if isinstance(value, bool) or not isinstance(value, int):
            walk.add(at, f"{self.limit or 'value'}: {quote(value)} is not a whole number.")
        elif self.limit is not None:
            walk.measure(self.limit, value, at)


@dataclass(frozen=True)
class Number:
    """A finite number, above zero where `positive`."""

    positive: bool = False

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report a wrong type, NaN, an infinity, or a number that must be above zero."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (isinstance(value, float) and not math.isfinite(value)):
            walk.add(at, f"value: {quote(value)} is not a number.")
        elif self.positive and isinstance(value, int | float) and value <= 0:
            walk.add(at, f"value: {quote(value)} is not above 0.")


@dataclass(frozen=True)
class Free:
    """An object whose content Slack does not look at."""

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report what is not an object."""
        if not isinstance(value, Mapping):
            walk.add(at, f"value: {quote(value)} is not an object.")


@dataclass(frozen=True)
class Array:
    """A list of one kind of item, within a limit if it is given."""

    of: Kind
    limit: str | None = None

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report a wrong type, a wrong count, and every wrong item."""
        if not isinstance(value, list | tuple):
            return walk.add(at, f"{self.limit or 'value'}: {quote(value)} is not an array.")
        if self.limit is not None:
            walk.measure(self.limit, len(value), at)
        for index, item in enumerate(value):
            self.of.check(item, f"{at}/{index}", walk)
        return None


@dataclass(frozen=True)
class Nullable:
    """null, or the kind."""

    of: Kind

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Check what is not null."""
        if value is not None:
            self.of.check(value, at, walk)


@dataclass(frozen=True)
class Coded:
    """The kind, whose faults Slack answers with an error of their own."""

    code: str
    of: Kind

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Check under that code."""
        with walk.answering(self.code):
            self.of.check(value, at, walk)


@dataclass(frozen=True)
class OwnTotal:
    """The kind, whose text is summed against its own limit and not towards the message's."""

    of: Kind
    limit: str

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Check, and measure the text that was met."""
        before, walk.text = walk.text, 0
        self.of.check(value, at, walk)
        walk.measure(self.limit, walk.text, at)
        walk.text = before


@dataclass(frozen=True)
class Shape:
    """An object: the keys it needs, the keys it may have, and no others; then its rules."""

    name: str
    needs: Mapping[str, Kind]
    may: Mapping[str, Kind] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    surfaces: frozenset[Surface] = EVERYWHERE

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report wrong, missing and unknown keys, then what the rules say."""
        if not isinstance(value, Mapping):
            return walk.add(at, f"{self.name}: {quote(value)} is not an object.")
        if walk.surface not in self.surfaces:
            walk.add(at, f"{self.name}: not allowed in a {walk.surface}.")
        for key in self.needs:
            if key not in value:
                walk.add(at, f'{self.name}: the key "{key}" is missing.')
        for key, item in value.items():
            kind = self.needs.get(key) or self.may.get(key)
            if kind is None:
                walk.add(key_pointer(at, str(key)), f"{self.name}: unknown key {quote(key)}.")
            else:
                kind.check(item, f"{at}/{key}", walk)
        for rule in self.rules:
            rule(value, at, walk)
        return None


@dataclass(frozen=True)
class OneOf:
    """An object whose `type` says which of several shapes it has."""

    what: str
    shapes: Mapping[str, Shape]

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Report an unknown or misplaced type, or check the shape it names."""
        if not isinstance(value, Mapping):
            return walk.add(at, f"{self.what}: {quote(value)} is not an object.")
        named = value.get("type")
        shape = self.shapes.get(named) if isinstance(named, str) else None
        if shape is None:
            return walk.add(
                f"{at}/type", f"{self.what}: the type {quote(named)} is not allowed here."
            )
        return shape.check(value, at, walk)

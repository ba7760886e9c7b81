"""kubectl's JSONPath: templates such as `{range .items[*]}{.metadata.name}{"\\n"}{end}`.

Text outside of braces is written as it is; without any brace the whole is one path. Of paths it
knows fields (`.a`, `['a']`, `.a\\.b`), wildcards, indices, slices, unions, `..` and filters that
compare (`[?(@.status.phase=="Running")]`). What a path does not find is nothing, not an error.
"""

import json
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 500  # characters of a template
_MOST: Final = 200_000  # values looked at
_FEW: Final = 1000  # of those for each condition
_DEEPEST: Final = 8  # ranges in ranges
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}

Plain = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True)
class _Union:
    """Several at once: all that the first finds, then all that the next does."""

    steps: tuple[Plain, ...]


Step = Plain | _Union


class _Budget:
    """How many values may still be looked at: what is too much ends, and does not hang."""

    def __init__(self, left: int = _MOST) -> None:
        self._left = left

    def spent(self) -> bool:
        self._left -= 1
        return self._left < 0


class BadPath(ValueError):
    """The template cannot be read; the text says where."""


@dataclass(frozen=True)
class Path:
    """Steps from a value to others."""

    steps: tuple[Step, ...]
    absolute: bool  # begins at the root, also inside of a range

    def values(self, value: Any, budget: _Budget | None = None) -> Iterator[Any]:
        """All that it leads to, in order."""
        found: Iterator[Any] = iter((value,))
        budget = budget or _Budget()
        for step in self.steps:
            found = _each(step, found, budget)
        yield from found


@dataclass(frozen=True)
class _Range:
    path: Path
    parts: "tuple[_Part, ...]"


_Part = str | Path | _Range


@dataclass(frozen=True)
class Template:
    """What is written for one value."""

    parts: tuple[_Part, ...]

    def written(self, root: Any) -> str:
        """The text."""
        return "".join(_written(self.parts, root, root, _Budget()))


def template(text: str) -> Template:
    """Read a template. Raises `BadPath`."""
    if len(text) > _LONGEST:
        raise BadPath(f"it is longer than {_LONGEST} characters")
    return Template(tuple(_Reader(text if "{" in text else f"{{{text}}}").parts()))


def path(text: str) -> Path:
    """Read one path, in braces or without. Raises `BadPath`."""
    found = template(text).parts
    if len(found) != 1 or not isinstance(found[0], Path):
        raise BadPath("one path is expected, such as .metadata.creationTimestamp")
    return found[0]


def _written(parts: Sequence[_Part], here: Any, root: Any, budget: _Budget) -> Iterator[str]:
    for part in parts:
        match part:
            case str():
                yield part
            case Path():
                values = part.values(root if part.absolute else here, budget)
                yield " ".join(_shown(one) for one in values)
            case _Range(over, inner):
                for one in over.values(root if over.absolute else here, budget):
                    yield from _written(inner, one, root, budget)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _each(step: Step, values: Iterator[Any], budget: _Budget) -> Iterator[Any]:
    if isinstance(step, _Union):
        every = list(values)
        for part in step.steps:
            yield from _each(part, iter(every), budget)
        return
    for value in values:
        for one in step(value):
            if budget.spent():
                return
            yield one


# --- steps --------------------------------------------------------------------------------------


def _field(name: str) -> Plain:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _named(name: str) -> Plain:
    """A quoted name: that field, or as kubectl takes it the fields that its dots lead through."""

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]
            return
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return
            value = value[part]
        yield value

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _below(value: Any) -> Iterator[Any]:
    """The value and all inside of it, without recursion: what a server sends can be deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed([*_every(one)])


def _index(number: int) -> Plain:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _slice(cut: slice) -> Plain:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[cut]

    return step


def _filter(holds: Callable[[Any], bool]) -> Plain:
    def step(value: Any) -> Iterator[Any]:
        yield from (one for one in _every(value) if holds(one))

    return step


def _comparing(left: Path, sign: str, right: Any) -> Callable[[Any], bool]:
    compare = _COMPARE[sign]

    def holds(value: Any) -> bool:
        for one in left.values(value, _Budget(_FEW)):
            try:
                if compare(one, right):
                    return True
            except TypeError:  # a text and a number
                continue
        return False

    return holds


# --- reading ------------------------------------------------------------------------------------


class _Reader:
    """Goes through a template once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parts(self, depth: int = 0) -> Iterator[_Part]:
        """Up to the end of the text, or of the range that this is inside of."""
        while self._at < len(self._text):
            if not self._took("{"):
                end = self._text.find("{", self._at)
                end = len(self._text) if end < 0 else end
                yield self._text[self._at : end]
                self._at = end
                continue
            self._blanks()
            if self._took("end"):
                self._expect("}")
                if not depth:
                    raise BadPath("an {end} has no {range}")
                return
            if self._took("range "):
                if depth >= _DEEPEST:
                    raise BadPath("too many ranges are inside each other")
                self._blanks()
                over = self._path()
                self._expect("}")
                yield _Range(over, tuple(self.parts(depth + 1)))
                continue
            yield from self._written()
        if depth:
            raise BadPath("a {range} has no {end}")

    def _written(self) -> Iterator[_Part]:
        """What stands in one pair of braces: texts and paths."""
        self._blanks()
        while not self._took("}"):
            yield self._quoted() if self._peek() in ("'", '"') else self._path()
            self._blanks()

    def _path(self) -> Path:
        begun, absolute = self._at, self._took("$")
        if not absolute:
            self._took("@")
        steps: list[Step] = []
        if self._at == begun and self._peek() not in (".", "["):
            steps.append(self._member())
        while (found := self._step()) is not None:
            steps += found
        return Path(tuple(steps), absolute)

    def _step(self) -> list[Step] | None:
        """The next piece of a path; None: it is over."""
        if self._took(".."):
            return [_below] if self._peek() == "[" else [_below, self._member()]
        if self._took("[?("):
            return [self._condition()]
        if self._took("["):
            return [self._choice()]
        if self._took("."):
            # a dot alone is the value itself
            return [] if self._peek() in ("[", "}", ")", " ", "") else [self._member()]
        return None

    def _member(self) -> Step:
        return _every if self._took("*") else _field(self._name())

    def _name(self) -> str:
        """A field's name; a backslash keeps a dot in it."""
        found = ""
        while (letter := self._peek()) and letter not in ".[]{}()<>=! \t\"'*,":
            self._at += 1
            if letter == "\\":
                letter = self._peek()
                self._at += 1
            found += letter
        if not found:
            raise self._wrong("a field's name is expected")
        return found

    def _choice(self) -> Step:
        """Behind a bracket: fields, indices, slices, several of them."""
        steps: list[Plain] = []
        while True:
            self._blanks()
            if self._peek() in ("'", '"'):
                steps.append(_named(self._quoted()))
            elif self._took("*"):
                steps.append(_every)
            else:
                steps.append(self._numbers())
            self._blanks()
            if not self._took(","):
                break
        self._expect("]")
        return steps[0] if len(steps) == 1 else _Union(tuple(steps))

    def _numbers(self) -> Plain:
        numbers = [self._number()]
        while self._took(":"):
            numbers.append(self._number())
        first = numbers[0]
        if len(numbers) == 1 and first is not None:
            return _index(first)
        if not 2 <= len(numbers) <= 3 or (len(numbers) == 3 and not numbers[2]):
            raise self._wrong("an index, a slice or a quoted name is expected")
        return _slice(slice(*numbers))

    def _number(self) -> int | None:
        start = self._at
        self._took("-")
        while self._peek().isdecimal():
            self._at += 1
        written = self._text[start : self._at]
        if not written:
            return None
        if written == "-" or len(written) > 9:
            raise self._wrong("a number is expected")
        return int(written)

    def _condition(self) -> Step:
        """Behind `[?(`: a path that must lead somewhere, or a comparison."""
        self._blanks()
        left = self._path()
        self._blanks()
        sign = next((sign for sign in _COMPARE if self._took(sign)), "")
        if not sign:
            self._expect(")]")
            return _filter(lambda value: any(True for _ in left.values(value, _Budget(_FEW))))
        self._blanks()
        right = self._literal()
        self._blanks()
        self._expect(")]")
        return _filter(_comparing(left, sign, right))

    def _literal(self) -> Any:
        if self._peek() in ("'", '"'):
            return self._quoted()
        end = self._text.find(")", self._at)
        written = self._text[self._at : end].strip() if end >= 0 else ""
        try:
            found = json.loads(written)
        except ValueError:
            raise self._wrong("a number, true, false or a quoted text is expected") from None
        self._at = end
        return found

    def _quoted(self) -> str:
        quote, found = self._peek(), ""
        self._at += 1
        while (letter := self._peek()) != quote:
            self._at += 1
            if letter == "\\":
                letter = _ESCAPED.get(self._peek(), self._peek())
                self._at += 1
            elif not letter:
                raise self._wrong("a quote is not closed")
            found += letter
        self._at += 1
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _took(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if found else 0
        return found

    def _expect(self, wanted: str) -> None:
        self._blanks()
        if not self._took(wanted):
            raise self._wrong(f"{wanted} is expected")

    def _blanks(self) -> None:
        while self._peek() in (" ", "\t"):
            self._at += 1

    def _wrong(self, why: str) -> BadPath:
        return BadPath(f"{why} at character {self._at + 1} of {self._text}")

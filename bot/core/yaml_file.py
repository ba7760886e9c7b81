"""A YAML file that people write: its values checked, and every mistake with the line it is on."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bot.core.mistakes import Place, details, dotted, ended

M = TypeVar("M", bound=BaseModel)

# YAML's own words, and ours: never what stands in the file, which may be a secret.
_BROKEN: Final[tuple[tuple[str, str], ...]] = (
    (r"\\t.*cannot start any token", "a tab stands there: indent with spaces only"),
    (r"cannot start any token", "a text that begins with @, % or ` stands in quotes"),
    (
        r"mapping values are not allowed",
        "no name fits here: indent it like its neighbours, or quote a text with a colon in it",
    ),
    (r"expected <block end>", "it is not indented like what it belongs to"),
    (r"expected ',' or '\]'", "a list that begins with [ has a comma or ] missing here"),
    (r"expected ',' or '\}'", "what begins with { has a comma or } missing here"),
    (r"expected the node content", "something is missing here, or a bracket is left open"),
    (r"could not find expected ':'", "a name has no colon with a space behind it"),
    (r"alphabetic or numeric|undefined alias", "a text that begins with * or & stands in quotes"),
    (r"unexpected end of stream", "a quote that begins here is not closed"),
    (r"unknown escape", "a backslash in double quotes means something else: use single quotes"),
    (r"expected a single document", "only one document is expected, without --- in between"),
    (r"unhashable", "a text that begins with { or [ stands in quotes"),
    (r"could not determine a constructor", "a text that begins with ! or = stands in quotes"),
    (r"sequence entries are not allowed", "a list begins on a line of its own"),
)


@dataclass(frozen=True)
class Reading(Generic[M]):
    """What a file says, or every mistake in it; and how places of it are named in sentences.

    `rest` is only to be looked at for more mistakes, never to be used: what is left of a file
    without the parts that do not fit. Its places are named by `rest_at`.
    """

    value: M | None
    mistakes: tuple[str, ...]
    at: Callable[[Place], str]
    rest: M | None = None
    rest_at: Callable[[Place], str] = dotted


def read_yaml(name: str, text: str, model: type[M], apart: Collection[Place] = ()) -> Reading[M]:
    """`text` of the file called `name`, as `model`. What stands in a place that is `apart`, as each
    rule in a list of rules, can be judged without its neighbours.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError) as error:
        return Reading(None, (f"{name}:{_broken(text, error)}.",), dotted)

    def at(place: Place) -> str:
        return f"{name}:{_line(node, place)}: {dotted(place)}"

    mistakes = [f"{name}:{line}: {key} stands here twice." for key, line in _twice(node)]
    if not isinstance(raw, dict):
        return Reading(None, (*mistakes, f"{name}:1: settings by name are expected."), at)
    try:
        return Reading(model.model_validate(raw), tuple(mistakes), at)
    except ValidationError as error:
        wrong = details(error, model)
        mistakes += [f"{at(place)}: {ended(said)}" for place, said in wrong]
        gone = {_part(place, apart) for place, _ in wrong}
        rest, places = _without(gone, raw, model)
        return Reading(None, tuple(mistakes), at, rest, lambda place: at(places(place)))


def _part(place: Place, apart: Collection[Place]) -> Place:
    """The smallest part that can be left out for what is wrong at a place."""
    lengths = [len(one) for one in apart if place[: len(one)] == one]
    return place[: max(lengths, default=0) + 1]


def _without(
    gone: Collection[Place], raw: dict[str, Any], model: type[M]
) -> tuple[M | None, Callable[[Place], Place]]:
    """What is left without these parts, None where that does not fit either; and where something of
    it stands in the whole.
    """
    kept: dict[Place, list[int]] = {}

    def left(value: Any, here: Place) -> Any:
        if isinstance(value, dict):
            return {
                key: left(inner, place)
                for key, inner in value.items()
                if (place := (*here, str(key))) not in gone
            }
        if isinstance(value, list):
            kept[here] = [n for n in range(len(value)) if (*here, n) not in gone]
            return [left(value[n], (*here, n)) for n in kept[here]]
        return value

    def whole(place: Place) -> Place:
        found: Place = ()
        for part in place:
            is_item = isinstance(part, int) and found in kept
            found = (*found, kept[found][int(part)] if is_item else part)
        return found

    try:
        return model.model_validate(left(raw, ())), whole
    except ValidationError:
        return None, whole


def _broken(text: str, error: yaml.YAMLError | ValueError) -> str:
    """The line, and what is wrong there."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = str(error.problem)
        words = (said for pattern, said in _BROKEN if re.search(pattern, problem))
        mark = error.problem_mark
        if "end of stream" in problem and error.context_mark is not None:
            mark = error.context_mark  # where the quote began
        return f"{mark.line + 1}: not valid YAML: {next(words, 'it cannot be read')}"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, int(error.position)) + 1
        return f"{line}: not valid YAML: a character that is not allowed"
    if isinstance(error, ValueError):
        return f"{_bad_moment(text)}: not valid YAML: there is no such date or number"
    return "1: not valid YAML"


def _bad_moment(text: str) -> int:
    """The first line with a value that looks like a date or a number, and is none."""
    for node in _scalars(yaml.compose(text, Loader=yaml.SafeLoader)):
        loader = yaml.SafeLoader("")
        try:
            loader.construct_object(node)
        except ValueError:
            return int(node.start_mark.line) + 1
    return 1


def _scalars(node: Any) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for item in pair:
                yield from _scalars(item)


def _twice(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Keys that stand twice in one place: the second would silently win."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            yield str(key.value), key.start_mark.line + 1
        if isinstance(key.value, str):
            seen.add(key.value)
        yield from _twice(value)


def _line(node: yaml.Node | None, place: Place) -> int:
    """The line on which a value stands, or the nearest one above it."""
    line = node.start_mark.line + 1 if node else 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line

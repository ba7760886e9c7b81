"""What a value that does not fit is told as: in a person's words, and never with the value."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]  # where in a file something stands

# By pydantic's names of what is wrong, or the beginning of them.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such setting",
    "int_": "a whole number is expected",
    "float_": "a number is expected",
    "decimal_": "a number is expected",
    "is_instance_of": "a number is expected",
    "finite_number": "a number is expected",
    "bool_": "true or false is expected",
    "string_type": "text is expected",
    "string_pattern_mismatch": "it has another form than is expected",
    "string_too_short": "it must not be empty",
    "too_short": "it must not be empty",
    "string_too_long": "at most {max_length} characters are expected",
    "too_long": "at most {max_length} are expected",
    "greater_than_equal": "at least {ge} is expected",
    "less_than_equal": "at most {le} is expected",
    "greater_than": "more than {gt} is expected",
    "less_than": "less than {lt} is expected",
    "tuple_type": "a list is expected",
    "list_type": "a list is expected",
    "iterable_type": "a list is expected",
    "dict_type": "settings by name are expected",
    "timezone_aware": "its time zone is missing: 2026-12-20T08:00:00Z, or +01:00 in place of Z",
    "datetime_": "a moment such as 2026-12-20T08:00:00Z is expected",
    "date_": "a moment such as 2026-12-20T08:00:00Z is expected",
}


def details(error: ValidationError, model: type[BaseModel]) -> list[tuple[Place, str]]:
    """Each mistake, where it stands and what is expected there, once."""
    found = [(one["loc"], sentence(one, model)) for one in error.errors(include_url=False)]
    return list(dict.fromkeys(found))


def sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is expected, in a sentence without its end; after an unknown name, with those known."""
    kind, given, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ").rstrip(".")
    if kind == "literal_error":
        return _choice(context, given)
    if kind in {"model_type", "model_attributes_type"}:
        return _parts(_model_at(model, detail["loc"]), given)
    words = _WORDS.get(kind) or next(
        (words for start, words in _WORDS.items() if start[-1] == "_" and kind.startswith(start)),
        detail["msg"].rstrip("."),
    )
    words = words.format(**{name: _plain(value) for name, value in context.items()})
    if kind == "extra_forbidden":
        known = tuple(_names(_model_at(model, detail["loc"][:-1])))
        hint = meant(str(detail["loc"][-1]), known)
        return f"{words}. Known: {', '.join(known)}{hint}" if known else words
    if given is None and kind != "missing":
        return f"{words}; nothing stands there"
    if kind == "string_type" and isinstance(given, int | float):
        return f"{words}: put it into quotes"
    return words


def meant(given: str, known: Iterable[str]) -> str:
    """ ". Did you mean …?" without the mark's end; empty where nothing is near."""
    near = nearest(given, known)
    return f". Did you mean {near}?" if near else ""


def nearest(given: str, known: Iterable[str]) -> str:
    """What was probably meant; empty where nothing is near."""
    by_small = {one.lower(): one for one in sorted(known)}
    near = difflib.get_close_matches(given.lower(), list(by_small), n=1)
    return by_small[near[0]] if near else ""


def in_order(said: Iterable[str]) -> list[str]:
    """Mistakes by the lines that they begin with; what is of no file stands last."""

    def line(one: str) -> float:
        found = re.match(r"\S+?:(\d+):", one)
        return int(found[1]) if found else math.inf

    return sorted(said, key=line)


def either(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def ended(text: str) -> str:
    """With the mark that ends it."""
    return text if text.endswith(("?", ".")) else f"{text}."


def dotted(place: Place) -> str:
    """ "policy.rules.1.match"."""
    return ".".join(str(part) for part in place if part != "[key]")


def _plain(value: Any) -> Any:
    """120.0 → 120."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _choice(context: Mapping[str, Any], given: object) -> str:
    """pydantic says them as "'read', 'write' or 'danger'"."""
    choices = [one.strip("'") for one in context["expected"].replace(" or ", ", ").split(", ")]
    hint = meant(given, choices) if isinstance(given, str) else ""
    if choices == ["True"]:
        return "only true is possible here"
    return f"{either(choices)} is expected{hint}"


def _parts(model: type[BaseModel] | None, given: object) -> str:
    known = tuple(_names(model))
    nothing = "; nothing stands there" if given is None else ""
    if len(known) == 1:
        return f"{{{known[0]}: …}} is expected{nothing}"
    listed = f": {', '.join(known)}" if known else ""
    return f"settings by name are expected{listed}{nothing}"


def _names(model: type[BaseModel] | None) -> Iterator[str]:
    fields = model.model_fields if model else {}
    yield from sorted(field.alias or name for name, field in fields.items())


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """Whose fields stand there."""
    here: Any = model
    for part in place:
        here = next(_inside(here, part), None)
    return next((one for one in _options(here) if _is_model(one)), None)


def _inside(annotation: Any, part: int | str) -> Iterator[Any]:
    for option in _options(annotation):
        if _is_model(option):
            fields = option.model_fields
            yield from (f.annotation for name, f in fields.items() if part in {name, f.alias})
        elif get_origin(option) in {tuple, list}:
            yield get_args(option)[0]
        elif get_origin(option) is dict:
            yield get_args(option)[1]


def _options(annotation: Any) -> Iterator[Any]:
    """Of a union, each; without what is annotated."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for one in get_args(annotation):
            yield from _options(one)
    else:
        yield annotation


def _is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)

"""What a table of keys cannot say: keys that need, exclude or must agree with each other."""

from collections.abc import Iterable, Mapping
from itertools import chain

from bot.sandbox.validate.kinds import Rule, Walk, quote

Object = Mapping[str, object]


def items(value: object) -> Iterable[object]:
    """The items of an array; nothing, if it is none (its kind has reported that)."""
    return value if isinstance(value, list | tuple) else ()


def mapping(value: object) -> Object:
    """The object; an empty one, if it is none."""
    return value if isinstance(value, Mapping) else {}


def any_of(name: str, *keys: str) -> Rule:
    """At least one of `keys`."""

    def rule(value: Object, at: str, walk: Walk) -> None:
        if not any(key in value for key in keys):
            walk.add(at, f"{name}: needs one of {', '.join(keys)}.")

    return rule


def exactly_one(name: str, *keys: str) -> Rule:
    """One of `keys`, and not two."""

    def rule(value: Object, at: str, walk: Walk) -> None:
        if sum(key in value for key in keys) != 1:
            walk.add(at, f"{name}: needs exactly one of {', '.join(keys)}.")

    return rule


def ordered(name: str, low: str, high: str) -> Rule:
    """The number at `low` is not above the one at `high`; both may be written as strings."""

    def rule(value: Object, at: str, walk: Walk) -> None:
        bounds = [_number(value.get(key)) for key in (low, high)]
        if bounds[0] is not None and bounds[1] is not None and bounds[0] > bounds[1]:
            walk.add(f"{at}/{low}", f"{name}: {low} is above {high}.")

    return rule


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def unique_block_id(value: Object, at: str, walk: Walk) -> None:
    """A block_id names one block of the payload."""
    _unique(value, "block_id", walk.block_ids, at, walk)


def unique_action_id(value: Object, at: str, walk: Walk) -> None:
    """An action_id names one element of its block."""
    _unique(value, "action_id", walk.action_ids, at, walk)


def _unique(value: Object, key: str, seen: set[str], at: str, walk: Walk) -> None:
    named = value.get(key)
    if not isinstance(named, str):
        return
    if named in seen:
        walk.add(f"{at}/{key}", f"{key}: {quote(named)} is used twice.")
    seen.add(named)


def offered(value: Object, at: str, walk: Walk) -> None:
    """What is chosen at first is one of the options."""
    groups = (mapping(group).get("options") for group in items(value.get("option_groups")))
    options = chain(items(value.get("options")), *(items(group) for group in groups))
    known = {named for option in options if isinstance(named := mapping(option).get("value"), str)}
    chosen = [("initial_option", value["initial_option"])] if "initial_option" in value else []
    chosen += [
        (f"initial_options/{index}", option)
        for index, option in enumerate(items(value.get("initial_options")))
    ]
    for key, option in chosen:
        named = mapping(option).get("value")
        if isinstance(named, str) and named not in known:
            walk.add(f"{at}/{key}", f"initial_option: {quote(named)} is not one of the options.")


def container(value: Object, at: str, walk: Walk) -> None:
    """Collapsing and the divider of the header agree."""
    collapsible = value.get("is_collapsible") is True
    if collapsible and value.get("has_header_divider") is True:
        walk.add(at, "container: has_header_divider cannot be set when is_collapsible is true.")
    if not collapsible and value.get("default_collapsed") is True:
        walk.add(at, "container: default_collapsed needs is_collapsible.")


def data_table(value: Object, at: str, walk: Walk) -> None:
    """Every row has the columns of the header; the row header is one of them."""
    rows = [row for row in items(value.get("rows")) if isinstance(row, list | tuple)]
    columns = len(rows[0]) if rows else 0
    for index, row in enumerate(rows):
        if len(row) != columns:
            walk.add(f"{at}/rows/{index}", f"data_table: {len(row)} cells under {columns} headers.")
    header = value.get("row_header_column_index")
    if rows and isinstance(header, int) and header >= columns:
        walk.add(
            f"{at}/row_header_column_index",
            f"data_table: there is no column {quote(header)} among {columns}.",
        )


def categories(value: Object, at: str, walk: Walk) -> None:
    """Every series of a chart has exactly one point for each category."""
    names = _strings(mapping(value.get("axis_config")).get("categories"))
    for index, series in enumerate(items(value.get("series"))):
        points = items(mapping(series).get("data"))
        if _strings([mapping(point).get("label") for point in points]) != names:
            walk.add(
                f"{at}/series/{index}/data", "chart: a series needs one point for each category."
            )


def _strings(value: object) -> list[str]:
    return sorted(item for item in items(value) if isinstance(item, str))

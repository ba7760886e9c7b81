"""Quantities such as `250m` and `64Mi`, and counts given as a number or a percentage."""

import math
import re

_SUFFIX = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([numkMGT]|[KMGT]i)?")


def quantity(text: str | float) -> float:
    """Read a quantity. Raises ValueError for what is none."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is not a quantity.")
    return float(found[1]) * _SUFFIX[found[2] or ""]


def share(value: int | str, whole: int, *, up: bool) -> int:
    """Resolve `2` or `"25%"` of `whole`, rounded up or down. Raises ValueError for neither."""
    if isinstance(value, int):
        return value
    if not re.fullmatch(r"[0-9]+%", value):
        raise ValueError(f"{value!r} is neither a number nor a percentage.")
    part = int(value[:-1]) * whole / 100
    return math.ceil(part) if up else math.floor(part)

"""Amounts of CPU, memory and the like as the API writes them: "250m", "1.5", "512Mi"."""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_DECIMAL = {"m": Decimal("0.001"), "": Decimal(1)} | {
    unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)
}
_BINARY = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_UNITS = _DECIMAL | _BINARY


def is_quantity(text: str) -> bool:
    """Whether it is an amount that people write."""
    return _QUANTITY.fullmatch(text) is not None


def amount(text: object) -> Decimal:
    """An amount as a number; the API's own also with an exponent or in n and u. 0 for no amount."""
    written = str(text)
    if match := _QUANTITY.fullmatch(written):
        return Decimal(match[1]) * _UNITS[match[2] or ""]
    for unit, factor in (("n", Decimal("1e-9")), ("u", Decimal("1e-6"))):
        if written.endswith(unit) and written[:-1].isdecimal():
            return Decimal(written[:-1]) * factor
    return (
        Decimal(written) if re.fullmatch(r"[0-9.]{1,20}[eE]-?[0-9]{1,2}", written) else Decimal(0)
    )


def told(number: Decimal, resource: str) -> str:
    """A number as people write it of this resource: "250m" CPU, "512Mi" memory."""
    if "memory" in resource or "storage" in resource:
        for unit in ("Gi", "Mi", "Ki"):
            if number >= _BINARY[unit]:
                return f"{_plain(number / _BINARY[unit])}{unit}"
        return _plain(number)
    return f"{_plain(number * 1000)}m" if number % 1 else _plain(number)


def _plain(number: Decimal) -> str:
    rounded = number.quantize(Decimal("0.1"))
    return f"{rounded.normalize():f}"

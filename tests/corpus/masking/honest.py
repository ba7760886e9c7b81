"""Text without a single secret: manifests, logs, and what people write. A mask in it is false."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import yaml
from pydantic import JsonValue

from . import values as v

_MANIFESTS = Path(__file__).parent / "manifests"
# A line a case; `§hex:40§` and its like are drawn anew each time, ⏎ is a line break.
_LINES = Path(__file__).parent / "honest_lines.txt"


class Honest(NamedTuple):
    """A text in which nothing may be masked."""

    kind: str
    name: str
    text: str
    held_out: bool


def _held_out(name: str) -> bool:
    return zlib.crc32(name.encode()) % 100 < 40


def objects() -> list[dict[str, JsonValue]]:
    """The manifests in the style of well-known charts."""
    found: list[dict[str, JsonValue]] = []
    for path in sorted(_MANIFESTS.glob("*.yaml")):
        found += yaml.safe_load_all(path.read_text())
    return found


def _manifests() -> Iterator[Honest]:
    for value in objects():
        meta = value["metadata"]
        name = f"{value['kind']}/{meta['name'] if isinstance(meta, dict) else ''}"
        out = _held_out(name)
        yield Honest("manifests, YAML", name, yaml.safe_dump(value, sort_keys=False), out)
        yield Honest("manifests, JSON", name, json.dumps(value, indent=2), out)
        yield Honest("manifests, compact JSON", name, json.dumps(value), out)
        lines = yaml.safe_dump(value, sort_keys=False).splitlines()
        diff = "@@ -1,99 +1,99 @@\n" + "\n".join(f" {line}" for line in lines) + "\n-x: 1\n+x: 2\n"
        yield Honest("manifests, diffs", name, diff, out)


_ALPHABETS = {"hex": v.HEX, "digits": v.DIGITS, "upper": v.UPALNUM, "base64": ""}


def _drawn(rng: Random, line: str) -> str:
    pieces = line.split("§")
    for number in range(1, len(pieces), 2):
        kind, _, size = pieces[number].partition(":")
        if kind == "uuid":
            pieces[number] = v.uuid(rng)
        elif kind == "base64":
            pieces[number] = v.random_base64(rng, int(size))
        else:
            pieces[number] = v.text(rng, _ALPHABETS[kind], int(size))
    return "".join(pieces)


def _logs() -> Iterator[Honest]:
    for number, line in enumerate(_LINES.read_text().splitlines()):
        template = line.replace("⏎", "\n")
        drawn = "\n".join(_drawn(Random(f"{number}/{n}"), template) for n in range(6))
        yield Honest("logs and talk", f"line {number}", drawn, _held_out(f"line {number}"))


def texts() -> list[Honest]:
    """Every honest text; the same in each process."""
    return [*_manifests(), *_logs()]

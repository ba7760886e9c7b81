"""What a call would write: its paths, values and diff, each as far as there is room."""

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from bot.core.text import amount, visible
from bot.slack import limits
from bot.slack.views import words
from bot.slack.views.data import CardData

WHOLE = 1_000_000_000
"""Room for whatever there is."""

_WIDTHS = (160, 60, 20, 0)  # of a value; the widest with which every path has room is taken
_MISSING = 40  # units kept for "… 1,204 more paths"


def rows(call: CardData, width: int) -> Iterator[tuple[str, bool]]:
    """A line for each changed path, the path whole, and whether its values are cut to `width`.

    A call without changed paths (a build, a foreign tool) shows its arguments instead.
    """
    for path, before, after in call.changes:
        old, old_cut = _value(before, width)
        new, new_cut = _value(after, width)
        yield _row(path, f"{old} → {new}" if width else ""), old_cut or new_cut
    if call.changes:
        return
    for name, value in call.arguments.items():
        shown, cut = _value(as_text(value), width)
        yield _row(name, shown), cut


def fitted(call: CardData, room: int) -> tuple[list[str], bool]:
    """The rows in texts of together at most `room` units, and whether anything is cut.

    Values give way first; only then do rows at the end, and the last line counts them.
    """
    lines: list[str] = []
    for width in _WIDTHS:
        lines, any_cut, used = [], False, _MISSING
        for line, cut in rows(call, width):
            used += words.size(line) + 1
            if used > room:
                break
            lines.append(line)
            any_cut = any_cut or cut
        else:
            return words.packed(lines, limits.SECTION), any_cut
    missing = (len(call.changes) or len(call.arguments)) - len(lines)
    lines.append(f"… {amount(missing, 'more path')}")
    return words.packed(lines, limits.SECTION), True


def diff(call: CardData, room: int) -> tuple[str, bool]:
    """The beginning of the diff in a fence of at most `room` units, and whether any is cut."""
    if not call.diff.strip():
        return "", False
    room = min(room, limits.SECTION) - 40
    if room < 1:
        return "", True
    given = call.diff.rstrip("\n")
    inside = words.fenced(given[: room + 1])
    if len(given) <= room and words.size(inside) <= room:
        return words.fence(inside), False
    kept = words.fit(inside, room)[0].rpartition("\n")[0]
    if not kept:
        return "", True
    missing = given.count("\n") - kept.count("\n")
    return words.fence(f"{kept}\n… ({amount(missing, 'more line')})"), True


def everything(call: CardData) -> list[str]:
    """Rows and diff with nothing cut, in texts of a section each."""
    inside = words.fenced(call.diff.rstrip("\n")).split("\n") if call.diff.strip() else []
    return [
        *words.packed((line for line, _ in rows(call, WHOLE)), limits.SECTION),
        *map(words.fence, words.packed(inside, limits.SECTION - 10)),
    ]


def length(call: CardData) -> int:
    """How much `everything` would show at least."""
    changed = sum(20 + sum(map(len, change)) for change in call.changes)
    given = sum(20 + len(name) + len(as_text(value)) for name, value in call.arguments.items())
    return len(call.diff) + (changed or given)


def as_file(call: CardData) -> tuple[str, str]:
    """All of it as a plain text file: (name, text)."""
    lines = [call.summary, call.effect, f"{call.tool} on {call.target}", "", "Arguments"]
    lines += [f"  {name}: {as_text(value)}" for name, value in call.arguments.items()]
    lines += ["", f"Runs as {call.acting}"] if call.acting else []
    lines += ["", *[f"Heads-up: {warning}" for warning in call.warnings], *call.notes]
    way = call.way_back or call.no_way_back
    lines += [f"{'Way back' if call.way_back else 'No way back'}: {way}"] if way else []
    lines += ["", f"Changed paths ({len(call.changes)})"]
    lines += [f"  {path}\n    - {before}\n    + {after}" for path, before, after in call.changes]
    lines += ["", "Diff", call.diff]
    if call.rollback is not None:
        within = f"within {call.rollback_minutes} min"
        lines += ["", f"If it does not work {within}, it is rolled back by itself:"]
        lines.append(as_file(call.rollback)[1])
    return file_name(call), visible("\n".join(lines))


def file_name(call: CardData) -> str:
    """What the file of a call is called."""
    return f"change-{re.sub(r'[^A-Za-z0-9_-]', '', call.public_id)[:12] or 'call'}.txt"


def as_text(value: JsonValue) -> str:
    """A value as a person would type it; nothing for one that does not exist."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(name: str, value: str) -> str:
    shown, _ = words.code(name, WHOLE)
    return f"• {shown}: {value}" if value else f"• {shown}"


def _value(value: str, width: int) -> tuple[str, bool]:
    if not width:
        return "", True
    return words.code(value, width) if value else ("_none_", False)

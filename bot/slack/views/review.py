"""What somebody reads before he decides: heading, facts, warnings, and the whole where it fits."""

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from bot.core.text import amount
from bot.slack import limits
from bot.slack.views import changes, rollback, who, words
from bot.slack.views.data import CardData

_ORIGINS = {
    "person": "said by people who may propose changes",
    "configuration": "the settings of whoever runs me",
    "inventory": "names that the cluster itself gave",
    "unknown": "in nothing that I know, or too short to tell",
    "untrusted": "only in text that anybody can write",
}
_PHONE_WIDTH, _PHONE_LINES = 45, 24  # what one screen of a phone shows of a card


def heading(call: CardData, limit: int = 400) -> tuple[str, bool]:
    """The first line, in bold and without a mark, and whether it had to be cut."""
    summary, cut = words.sentence(call.summary, limit)
    title = summary or words.line(call.tool, 100) or "change"
    return f"*{'Undo: ' if call.undoes else ''}{title}*", cut


def facts(call: CardData, limit: int = 400) -> tuple[str, bool]:
    """The line below: effect, target, who asked, who may decide, until when."""
    effect, effect_cut = words.sentence(call.effect, limit)
    target, target_cut = words.code(call.target, limit)
    as_whom, some_left_out = who.runs_as(call.acting, limit)
    parts = [
        effect,
        target,
        "danger" if call.risk == "danger" else "",
        who.asked_by(call),
        as_whom,
        who.needed(call),
        f"expires {words.clock(call.expires_at)}",
    ]
    return " · ".join(part for part in parts if part), effect_cut or target_cut or some_left_out


def heads_up(call: CardData, *, most: int, width: int) -> tuple[list[str], bool]:
    """What a careful colleague would say first, a line each, and whether anything is cut."""
    warnings, some_cut = _lines("Heads-up: ", call.warnings, "warning", most, width)
    notes, others_cut = _lines("", call.notes, "note", most, width)
    lines = [*_from_untrusted(call), *warnings, *notes]
    if not call.locked:
        lines.append(
            "Heads-up: nothing holds the target still; somebody may change it between this card "
            "and the run."
        )
    way, way_cut = words.sentence(call.way_back or call.no_way_back, width)
    if way:
        lines.append(f"{'Way back' if call.way_back else 'No way back'}: {_ended(way)}")
    return lines, some_cut or others_cut or way_cut


def _lines(
    mark: str, texts: Sequence[str], noun: str, most: int, width: int
) -> tuple[list[str], bool]:
    """At most so many of them, how many more there are, and whether anything is cut."""
    lines, cut = [], len(texts) > most
    for one in texts[:most]:
        text, missing = words.sentence(one, width)
        cut = cut or missing
        lines.append(f"{mark}{_ended(text)}")
    if len(texts) > most:
        lines.append(f"… {amount(len(texts) - most, f'more {noun}')}.")
    return lines, cut


def _from_untrusted(call: CardData) -> list[str]:
    """What nobody of ours said: a log, an annotation or somebody else's message did."""
    untrusted = sorted(name for name, origin in call.origins.items() if origin == "untrusted")
    if not untrusted:
        return []
    shown = []
    for name in untrusted:
        value = _value({**call.arguments}, name)
        shown.append(words.code(name, 60)[0] + (f" {words.code(value, 80)[0]}" if value else ""))
    what = words.either(shown, last="and", most=5)
    return [
        f"Heads-up: nobody who asked said {what}; it may come from text that anybody can write."
    ]


def _value(arguments: JsonValue, name: str) -> str:
    """The one that a dotted name leads to; empty where a part of that has dots of its own."""
    found = arguments
    for part in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return ""
    return "" if found is None else str(found)


def origins(call: CardData) -> list[str]:
    """Where the values of its arguments come from."""
    said = []
    for origin, what in _ORIGINS.items():
        names = sorted(name for name, one in call.origins.items() if one == origin)
        if names:
            listed = words.either([words.code(one, 60)[0] for one in names], last="and", most=8)
            said.append(f"{listed}: {what}")
    return [f"Where its values are from. {'; '.join(said)}."] if said else []


def again(title: str, texts: Sequence[str]) -> list[str]:
    """The heading once more, for just above the buttons, where what stands between it and them is
    more than a phone shows at once.
    """
    lines = (line for text in texts for line in text.split("\n"))
    shown = sum(1 + words.size(line) // _PHONE_WIDTH for line in lines)
    return [title] if shown > _PHONE_LINES else []


def whole(call: CardData) -> list[str] | None:
    """All that an approval would run, nothing cut, in texts of a section each.

    None if a modal cannot hold it: then a file has to.
    """
    if changes.length(call) + rollback.length(call) > limits.VIEW_BYTES:
        return None
    title, title_cut = heading(call, 2_400)
    line, line_cut = facts(call, 1_200)
    warnings, warnings_cut = heads_up(call, most=40, width=2_000)
    if title_cut or line_cut or warnings_cut:
        return None
    texts = [
        *words.packed([title, line, *warnings, *origins(call)], limits.SECTION),
        *changes.everything(call),
        *rollback.everything(call),
    ]
    return texts if _fits(texts) else None


def shortened(call: CardData) -> list[str]:
    """As much of it as a modal holds, every path if it can, and where the rest is."""
    warnings, _ = heads_up(call, most=8, width=400)
    first = [heading(call)[0], facts(call)[0], *warnings, *origins(call)]
    above = words.packed(first, limits.SECTION)
    above.append(
        f"{words.NEEDS_YOU} needs you to read the file: not all of this fits here. "
        f"`{changes.file_name(call)}` in the thread holds every path, value and line."
    )
    shown, _ = changes.diff(call, limits.SECTION)
    below = [*([shown] if shown else []), *rollback.promise(call, limits.SECTION)[0]]
    many = [*above, *changes.fitted(call, 150_000)[0], *below]
    # A unit takes at most six bytes: this always fits.
    return many if _fits(many) else [*above, *changes.fitted(call, 20_000)[0], *below]


def _fits(texts: Sequence[str]) -> bool:
    size = sum(len(json.dumps(text)) + 100 for text in texts)
    return len(texts) <= limits.VIEW_BLOCKS and size <= limits.VIEW_BYTES


def _ended(text: str) -> str:
    return text if text.endswith((".", "…", "?")) else f"{text}."

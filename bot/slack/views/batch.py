"""The card that the changes of one reply share: each with its own buttons, and all at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.slack import limits
from bot.slack.views import changes, review, rollback, who, words
from bot.slack.views.blocks import actions, button, context, section
from bot.slack.views.card import decide, elsewhere, later
from bot.slack.views.data import Block, CardData, Message
from bot.slack.views.outcome import followed, is_over, outcome

_TITLE, _FACT = 200, 150  # units of a heading, of an effect or a target
_SHOWN_LINES = 3  # of a verification, the newest
_MODEL_SAYS = 600
_RESERVE = 700  # units for the first line, the notes and what only the redraw shows
_SCALES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the room that is given out, until it all fits
_DEPENDS = (
    "What comes after another one is looked at again once that is done; where it would do "
    "something else then, you are asked again."
)


@dataclass(frozen=True)
class _Item:
    """One change as it is drawn, and whether anything of it is cut."""

    blocks: list[Block]
    size: int
    cut: bool


def batch(calls: Sequence[CardData]) -> Message:
    """The calls as they stand now, in the order in which they run."""
    is_open = [call for call in calls if call.state == "proposed"]
    needs = [_length(call) for call in calls]
    room = limits.MESSAGE - _RESERVE - words.size(_model_says(calls))
    for scale in _SCALES:
        rooms = shares(needs, int(room * scale))
        items = [
            _open_item(number, call, share)
            if call.state == "proposed"
            else _item(number, call, share, wait=_wait(calls, number))
            for number, (call, share) in enumerate(zip(calls, rooms, strict=True), 1)
        ]
        blocks = [section(_head(calls, len(is_open)))]
        blocks += [block for item in items for block in item.blocks]
        used = sum(item.size for item in items)
        if used <= room and len(blocks) <= limits.MESSAGE_BLOCKS - 4:
            break
    cut = frozenset(call.public_id for call, item in zip(calls, items, strict=True) if item.cut)
    file = _file([call for call in is_open if call.public_id in cut])
    if said := _model_says(calls):
        blocks.append(section(said))
    if notes := _notes(calls, cut, file):
        blocks.append(context(notes))
    if len(is_open) > 1:
        blocks.append(_approve_all(is_open, opens_modal=bool(cut)))
    return Message(_fallback(calls, is_open), blocks, file, opens_modal=bool(cut), cut=cut)


def shares(needs: Sequence[int], room: int) -> list[int]:
    """Room for each: what it needs, or an equal part of what those that need less leave over."""
    given = [0] * len(needs)
    left = room
    for count, index in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        given[index] = min(needs[index], left // (len(needs) - count))
        left -= given[index]
    return given


def _open_item(number: int, call: CardData, room: int) -> _Item:
    title, title_cut = review.heading(call, _TITLE)
    line, facts_cut = _facts(call)
    warnings, warnings_cut = review.heads_up(call, most=3, width=250)
    votes = [said] if (said := who.so_far(call)) else []
    above = f"{number}. {title}\n{line}"
    below = [*warnings, *votes]
    room -= words.size(title) + words.size(above) + sum(words.size(text) + 1 for text in below)
    rows, rows_cut = changes.fitted(call, max(room, 0))
    diff, diff_cut = changes.diff(call, room - sum(map(words.size, rows)))
    room -= sum(map(words.size, rows)) + words.size(diff)
    promised, promise_cut = rollback.promise(call, room)
    cut = title_cut or facts_cut or warnings_cut or rows_cut or diff_cut or promise_cut
    texts = words.packed([above, *rows, *below], limits.SECTION)
    texts += [text for text in (diff, *promised) if text]
    texts += review.again(f"{number}. {title}", texts)
    blocks = [section(text) for text in texts if text]
    blocks.append(decide(call, opens_modal=cut, number=str(number)))
    return _Item(blocks, sum(map(words.size, texts)), cut)


def _wait(calls: Sequence[CardData], number: int) -> str:
    """What an approved one waits for; empty where it starts by itself."""
    if any(call.state == "proposed" for call in calls):
        return f"{words.WORKING} approved; runs in its place once all of them are decided"
    if not all(is_over(call) for call in calls[: number - 1]):
        return f"{words.WORKING} approved; runs after those before it"
    return ""


def _item(number: int, call: CardData, room: int, *, wait: str) -> _Item:
    title, _ = review.heading(call, _TITLE)
    history = who.history(call)
    became = wait if wait and call.state == "approved" else outcome(call)
    lines = [f"{number}. {title}{f': {history}' if history else ''}", became]
    lines += [line for line in [rollback.became(call)] if line]
    if not is_over(call) or call.verdict in {"failed", "cannot tell"}:
        lines += followed(call, _SHOWN_LINES)
    if allowed := who.granted(call):
        lines.append(allowed)
    room -= sum(words.size(text) + 1 for text in lines)
    rows, _ = changes.fitted(call, max(room, 0))
    texts = words.packed([*lines, *rows], limits.SECTION)
    blocks = [section(text) for text in texts if text]
    if row := later(call, str(number)):
        blocks.append(row)
    return _Item(blocks, sum(map(words.size, texts)), cut=False)


def _facts(call: CardData) -> tuple[str, bool]:
    effect, effect_cut = words.sentence(call.effect, _FACT)
    target, target_cut = words.code(call.target, _FACT)
    as_whom, some_left_out = who.runs_as(call.acting, _FACT)
    parts = [
        effect,
        target,
        "danger" if call.risk == "danger" else "",
        as_whom,
        who.needed(call),
        f"edited by {words.mention(call.edited_by)}" if call.edited_by else "",
        f"after {call.after}" if call.after else "",
        f"`{call.short_id}`" if call.short_id and not call.thread_link else "",
    ]
    return " · ".join(part for part in parts if part), effect_cut or target_cut or some_left_out


def _length(call: CardData) -> int:
    """About how much room all of it takes."""
    head = 900 + sum(map(len, call.warnings[:3]))
    length = changes.length(call) + rollback.length(call)
    return min(head + length + length // 4, limits.MESSAGE)


def _head(calls: Sequence[CardData], is_open: int) -> str:
    asked = " · ".join(dict.fromkeys(f"asked by {who.asker(call)}" for call in calls))
    many = words.count(len(calls), "change").capitalize()
    if not is_open:
        return f"*{many}* · {asked}"
    until = words.clock(min(call.expires_at for call in calls if call.state == "proposed"))
    left = "" if is_open == len(calls) else f" · {is_open} to decide"
    return f"{words.NEEDS_YOU} *{many}, in this order*{left} · {asked} · expires {until}"


def _notes(calls: Sequence[CardData], cut: frozenset[str], file: tuple[str, str] | None) -> str:
    is_open = [call for call in calls if call.state == "proposed"]
    notes = []
    if cut:
        opens = "Approve opens all of it, with the button inside."
        if file:
            opens = f"`{file[0]}` in the thread holds all of it; Approve opens what fits."
        notes.append(f"Shortened here. {opens}")
    if any(call.after for call in is_open):
        notes.append(_DEPENDS)
    typed = [call for call in is_open if call.short_id and call.public_id not in cut]
    if typed and not typed[0].thread_link:
        named = ", ".join(f"`approve {call.short_id}`" for call in typed[:3])
        more = " and the like" if len(typed) > 3 else ""
        notes.append(f"Or type {named}{more} with a mention of me in this channel.")
    if where := elsewhere(calls[0]):
        notes.append(where)
    return "\n".join(notes)


def _approve_all(is_open: Sequence[CardData], *, opens_modal: bool) -> Block:
    action = "approve_all_open" if opens_modal else "approve_all"
    text = f"Approve all ({len(is_open)})"
    return actions(button(text, action, is_open[0].public_id, "primary"))


def _model_says(calls: Sequence[CardData]) -> str:
    """The model's own words in a block of their own, where nobody can take them for ours."""
    said = words.line(calls[0].model_says, _MODEL_SAYS)
    return f"_The model says:_ {said}" if said else ""


def _file(calls: Sequence[CardData]) -> tuple[str, str] | None:
    """The whole of those that no modal holds."""
    files = [changes.as_file(call) for call in calls if review.whole(call) is None]
    if not files:
        return None
    return files[0][0], "\n\n".join(text for _, text in files)


def _fallback(calls: Sequence[CardData], is_open: Sequence[CardData]) -> str:
    """What a notification shows."""
    if not is_open:
        lines = [f"{outcome(call)} {words.line(call.summary, 80)}" for call in calls]
        # whole lines only: a mention or a time is never cut
        return words.packed(lines, limits.FALLBACK)[0]
    named = "; ".join(words.line(call.summary, 120) or "change" for call in is_open)
    many = words.count(len(is_open), "change")
    text = words.fit(f"{words.NEEDS_YOU} {many} to decide: {named}", 400)[0]
    until = words.clock(min(call.expires_at for call in is_open))
    facts = f"asked by {who.asker(calls[0])} · expires {until}"
    each = [
        f"{calls.index(call) + 1}. {words.code(call.target, 100)[0]} needs "
        f"{words.count(call.needs, 'approval')}"
        for call in is_open
    ]
    heads = [one for call in is_open for one in review.heads_up(call, most=2, width=100)[0]]
    room = limits.FALLBACK - limits.CALLED
    return words.packed([text, facts, *each, *heads], room)[0]

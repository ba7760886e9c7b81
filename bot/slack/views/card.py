"""The card of one call: what it would do, who may decide, and what became of it."""

from bot.slack import limits
from bot.slack.views import changes, review, rollback, who, words
from bot.slack.views.blocks import actions, button, context, section
from bot.slack.views.data import Block, CardData, Message
from bot.slack.views.outcome import followed, is_over, outcome

_SHOWN_LINES = 6  # of a verification, the newest
_MODEL_SAYS = 900
_ROWS = 100  # units for changed paths in a notification, or there are none


def card(call: CardData) -> Message:
    """The call as it stands now, for a new message as for the redraw of an old one."""
    return _proposed(call) if call.state == "proposed" else _decided(call)


def _proposed(call: CardData) -> Message:
    title, title_cut = review.heading(call)
    line, facts_cut = review.facts(call)
    warnings, warnings_cut = review.heads_up(call, most=6, width=400)
    mark = words.UNDONE if call.undoes else words.NEEDS_YOU
    typed = _typed(call)
    above = [f"{mark} {title}\n{line}"]
    below = words.packed(warnings, limits.SECTION) + _model_says(call)
    below += filter(None, [who.so_far(call)])
    room = limits.MESSAGE - sum(map(words.size, [title, *above, *below, typed])) - 400
    rows, rows_cut = changes.fitted(call, room)
    diff, diff_cut = changes.diff(call, room - sum(map(words.size, rows)))
    room -= sum(map(words.size, rows)) + words.size(diff)
    promised, promise_cut = rollback.promise(call, room)
    cut = title_cut or facts_cut or warnings_cut or rows_cut or diff_cut or promise_cut
    file = changes.as_file(call) if cut and review.whole(call) is None else None
    texts = [*above, *rows, diff, *promised, *below]
    texts += review.again(title, texts)
    blocks = [section(text) for text in texts if text]
    if cut:
        blocks.append(context(_where_all_is(file)))
    blocks.append(decide(call, opens_modal=cut))
    if small := elsewhere(call) or ("" if cut else typed):
        blocks.append(context(small))
    short = frozenset({call.public_id} if cut else ())
    return Message(_fallback(call), blocks, file, opens_modal=cut, cut=short)


def _decided(call: CardData) -> Message:
    title, _ = review.heading(call)
    history = who.history(call)
    lines = [
        f"{f'{words.UNDONE} ' if call.undoes else ''}{title}{f': {history}' if history else ''}",
        outcome(call),
    ]
    if became := rollback.became(call):
        lines.append(became)
    if not is_over(call) or call.verdict in {"failed", "cannot tell"}:
        lines += followed(call, _SHOWN_LINES)
    lines += [line for line in (_no_undo(call), who.granted(call)) if line]
    target, _ = words.code(call.target, 300)
    parts = (target, who.asked_by(call), who.runs_as(call.acting)[0], elsewhere(call))
    small = " · ".join(part for part in parts if part)
    head = words.packed(lines, limits.SECTION)
    room = limits.MESSAGE - sum(map(words.size, head)) - words.size(small) - 100
    rows, _ = changes.fitted(call, room)
    blocks = [section(text) for text in [*head, *rows]]
    blocks.append(context(small))
    if row := later(call):
        blocks.append(row)
    return Message(_fallback(call), blocks)


def _model_says(call: CardData) -> list[str]:
    """The model's own words in a block of their own, where nobody can take them for ours."""
    said = words.line(call.model_says, _MODEL_SAYS)
    return [f"_The model says:_ {said}"] if said else []


def _where_all_is(file: tuple[str, str] | None) -> str:
    if file is None:
        return "Shortened here. Approve opens all of it, with the button inside."
    return f"Shortened here. `{file[0]}` in this thread holds all of it; Approve opens what fits."


def decide(call: CardData, *, opens_modal: bool, number: str = "") -> Block:
    """The buttons of an open call; on a shared card they name its `number`."""
    of = f" {number}" if number else ""
    row = [
        button(
            f"Approve{of}",
            "approve_open" if opens_modal else "approve",
            call.public_id,
            "primary" if not number else "",
        ),
        button(f"Deny{of}", "deny", call.public_id),
        button(f"More{of}…", "more", call.public_id),
    ]
    return actions(*row)


def later(call: CardData, number: str = "") -> Block | None:
    """The button of a call that is over, where there is something left to do."""
    of = f" {number}" if number else ""
    rolls = call.rollback is not None and call.rollback.state == "standby"
    row: list[Block] = []
    if call.state == "unknown" and call.verdict == "cannot tell":
        row.append(button(f"It happened{of}", "settle_done", call.public_id))
        row.append(button(f"It did not{of}", "settle_failed", call.public_id))
    known = call.verdict in {"holds", "failed"} or call.settled_by
    if call.can_undo and not rolls and call.state == "done" and known:
        row.append(button(f"Undo{of}", "undo", call.public_id))
    waits = call.grant_use and call.state == "approved"
    if call.grant and not call.grant.ended and (call.grant.is_open or waits):
        row.append(button(f"Revoke{of}", "revoke", call.public_id))
    if row:
        return actions(*row)
    if call.can_ask_again and call.state in {"expired", "superseded"}:
        return actions(button(f"Ask again{of}", "ask_again", call.public_id))
    return None


def _no_undo(call: CardData) -> str:
    """Why there is nothing to press, where one would look for it: it ran, and is not as it was
    to be.
    """
    if call.state != "done" or call.broken_by:
        return ""
    if call.settled_by and call.no_way_back:
        return f"No Undo: {words.line(call.no_way_back).removesuffix('.')}."
    if call.verdict == "cannot tell" and not call.settled_by:
        return "No Undo: what is there now may not be what this left."
    if call.verdict == "failed" and call.no_way_back:
        return f"No Undo: {words.line(call.no_way_back).removesuffix('.')}."
    return ""


def elsewhere(call: CardData) -> str:
    """Where the conversation is, on a card that stands in another channel."""
    return words.link(call.thread_link, "The conversation") if call.thread_link else ""


def _typed(call: CardData) -> str:
    if not call.short_id:
        return ""
    typed = f"`approve {call.short_id}` or `deny {call.short_id}`"
    return f"Or type {typed} with a mention of me in this channel."


def _fallback(call: CardData) -> str:
    """What a notification shows, and all that a screen reader may say: what matters first."""
    named = words.line(call.summary, 300) or words.line(call.tool, 100) or "change"
    summary = f"{'Undo: ' if call.undoes else ''}{named}"
    if call.state == "proposed":
        return _open_fallback(call, summary)
    text = f"{outcome(call)}\n{summary}"
    # Mentions and times stand at the beginning: a cut never meets one.
    return words.fit(text, limits.FALLBACK)[0]


def _open_fallback(call: CardData, summary: str) -> str:
    """As much of what its card says as there is room for, in whole lines; who may give it is
    mentioned behind it.
    """
    room = limits.FALLBACK - limits.CALLED
    effect = words.line(call.effect, 150)
    many = words.count(call.needs, "approval")
    facts = (
        "danger" if call.risk == "danger" else "",
        who.asked_by(call),
        words.code(call.target, 200)[0],
        f"expires {words.clock(call.expires_at)}",
        who.runs_as(call.acting, 120)[0],
        f"rule “{words.line(call.rule, 80)}”" if call.rule else "",
        "rolled back by itself if it does not work" if call.rollback else "",
    )
    lines = [
        f"{words.NEEDS_YOU} needs {many}: {summary}{f' ({effect})' if effect else ''}",
        " · ".join(fact for fact in facts if fact),
        *filter(None, [who.so_far(call)]),
        *review.heads_up(call, most=6, width=200)[0],
    ]
    text = words.packed(lines, room)[0]
    left = room - words.size(text) - 1
    rows = changes.fitted(call, left)[0] if left > _ROWS else []
    return "\n".join([text, *rows])

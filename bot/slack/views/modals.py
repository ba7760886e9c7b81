"""The modals: the whole of a change before its approval, the reason for a denial, Undo."""

import json
from collections.abc import Sequence

from pydantic import JsonValue

from bot.slack import limits
from bot.slack.views import review, who, words
from bot.slack.views.blocks import actions, button, plain, reason_input, section
from bot.slack.views.data import Block, CardData, Message, View

APPROVE, APPROVE_ALL, DENY = "approve", "approve_all", "deny"
GLASS, GRANT = "break_glass", "grant"
"""The callback ids of the modals that decide; `private_metadata` is the call's public id."""


def approve_full(call: CardData) -> View:
    """All that an approval would run, with the button inside."""
    return _view("Approve this change?", _review(call), call.public_id, APPROVE, "Approve")


def more(call: CardData, *, may_break_glass: bool = False, may_grant: bool = False) -> View:
    """All that an approval would run, and what else can be done with an open call."""
    blocks = _review(call)
    if call.state == "proposed":
        row = _choices(call, may_break_glass=may_break_glass, may_grant=may_grant)
        blocks.insert(0, actions(*row))
    return _view("The whole change", blocks, call.public_id)


def _choices(call: CardData, *, may_break_glass: bool, may_grant: bool) -> list[Block]:
    row = [button("Why…", "why", call.public_id)]
    if not call.undoes:
        row.insert(0, button("Edit…", "edit", call.public_id))
    if may_grant:
        row.append(button("The same again…", "grant", call.public_id))
    if may_break_glass:
        row.append(button("Break the glass…", "glass", call.public_id, "danger"))
    return row


def reason(message: Message, public_id: str) -> View:
    """Why the policy asks for it, rule by rule."""
    return _view("Why it is asked", message.blocks, public_id)


def approve_all(calls: Sequence[CardData]) -> View:
    """All that an approval of several changes would run, with the button inside."""
    texts = [review.whole(call) for call in calls]
    whole = [text for of_one in texts for text in of_one or []]
    size = sum(len(json.dumps(text)) + 100 for text in whole)
    if not all(texts) or len(whole) > limits.VIEW_BLOCKS or size > limits.VIEW_BYTES:
        return told(
            "Approve all?", "Together they are too long to be read here. Approve them one by one"
        )
    blocks = [section(text) for text in whole]
    title = f"Approve {len(calls)} changes?"
    return _view(title, blocks, calls[0].public_id, APPROVE_ALL, "Approve all")


def undo(call: CardData, *, may_approve: bool, why_not: str = "") -> View:
    """What taking a change back would do now; its button is the vote, where one vote suffices."""
    title = "Undo this change?"
    if may_approve:
        return _view(title, _review(call), call.public_id, APPROVE, "Approve")
    why = words.line(why_not, 400).removesuffix(".") or "This one needs somebody else's approval"
    opening = section(f"{words.NEEDS_YOU} {why}. A card in the thread asks for it.")
    return _view(title, [opening, *_review(call)], call.public_id)


def deny_reason(public_id: str, summary: str = "", *, model: bool = False) -> View:
    """Asks why, and takes no answer for an answer; says who hears it, a `model` too if there is
    one.
    """
    named = words.line(summary, 400)
    blocks = [section(f"*{named}*")] if named else []
    hears = "Why? It is shown in the thread and the audit"
    label = f"{hears}, and the model hears it" if model else hears
    blocks.append(reason_input(label, limits.REASON))
    return _view("Deny this change?", blocks, public_id, DENY, "Deny")


def grant(call: CardData) -> View:
    """Approves it, and what equals it: says exactly what that will be."""
    text = (
        f"This runs now. And in this thread the same may run again without asking you, "
        f"{who.terms(call)}: the same tool on the same object, every other argument as it is "
        "here. Each is previewed, shown and verified. It ends when one does not hold, when "
        "something is denied, or when you revoke it on this card."
    )
    blocks = [section(f"{words.NEEDS_YOU} {text}"), *_review(call)]
    return _view("Approve, and again?", blocks, call.public_id, GRANT, "Approve")


def break_glass(call: CardData, least: int, *, waits: bool) -> View:
    """Asks why somebody runs it alone, and says who will be told; `waits`: for what else stands on
    its card.
    """
    whom = who.mentions([call]) or "everybody here"
    when = "as soon as the others on its card are decided" if waits else "at once"
    text = (
        f"It runs on your word alone, {when}: "
        f"{words.count(call.needs, 'approval')} would be needed. {whom} will be told now, with "
        "your reason. Everything else holds: what is denied, frozen or changed since does not run."
    )
    blocks = [
        section(f"*{words.line(call.summary, 400)}*"),
        section(f"{words.NEEDS_YOU} {text}"),
        reason_input("Why can nobody else be asked?", limits.REASON, least=least),
    ]
    return _view("Break the glass?", blocks, call.public_id, GLASS, "Run it")


def working(title: str, public_id: str = "") -> View:
    """Opens at once, while what it will show is still being worked out."""
    text = f"{words.WORKING} working out what this would do now"
    return _view(title, [section(text)], public_id)


def told(title: str, sentence: str, whom: str = "") -> View:
    """Only says something: why it cannot show what was asked for; `whom` has mentions of ours."""
    said = words.line(sentence, 2_400) or "There is nothing to show"
    return _view(title, [section(f"{words.REFUSED} {said} {whom}".rstrip())], "")


def _review(call: CardData) -> list[Block]:
    return [section(text) for text in review.whole(call) or review.shortened(call)]


def _view(
    title: str, blocks: list[Block], public_id: str, callback_id: str = "", submit: str = ""
) -> View:
    view: View = {
        "type": "modal",
        "title": plain(title[: limits.MOST["view.title"]] or "Countersign"),
        "close": plain("Cancel" if submit else "Close"),
        "blocks": list[JsonValue](blocks),
        "private_metadata": public_id,
    }
    if submit:
        view |= {"submit": plain(submit), "callback_id": callback_id}
    return view

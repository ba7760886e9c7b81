"""Codes of the guard, in words."""

import difflib
from collections.abc import Sequence

from bot.agent.control import Name, usage_of
from bot.core.text import be, one_line
from bot.guard.policy import Approvers
from bot.guard.records import Call
from bot.guard.votes import MIN_REASON, Answer, Code, Together
from bot.slack.views import notices, words
from bot.slack.views.data import Message
from bot.slack.views.status import CardLine


def not_counted(answer: Answer) -> str:
    """What somebody is told whose vote did not move anything; empty when it counted."""
    if answer.code in {"approved", "counted", "denied", "duplicate"}:
        return ""
    if answer.code == "voted":
        return f"You have approved already; {_more(answer)}."
    return sentence(answer.code, answer.call)


def not_all(done: Together, *, later: bool = False) -> str:
    """What somebody is told of those changes that his Approve all did not move; or empty.

    `later`: the others are still before him.
    """
    if not done.answers:
        return sentence(done.code, None)
    left = [(one, not_counted(one)) for one in done.answers]
    named = [(one, why) for one, why in left if why]
    if not named:
        return ""
    total = len(done.answers)
    first = f"Recorded for {total - len(named)} of {total}." if len(named) < total else ""
    if later:
        first = f"You may approve {total - len(named)} of {total}."
    lines = [f"“{one.call.preview.summary}”: {why}" if one.call else why for one, why in named]
    return " ".join([first, *lines]).strip()


def not_open(call: Call) -> Code | None:
    """Why a card cannot be decided any more, or None."""
    match call.state:
        case "proposed":
            return None
        case "expired" | "superseded":
            return call.state
        case _:
            return "decided"


_WHY: dict[Code, str] = {
    "unknown_card": "I do not know this card here; it may be old. Your click changed nothing.",
    "expired": "This card expired; nothing was run. Ask again if you still want it.",
    "superseded": "This card was replaced by a newer one below it. Your click changed nothing.",
    "guest": "Guests can neither ask nor approve here.",
    "outsider": "Only full members of this workspace can decide here.",
    "unknown_person": (
        "I could not find out from Slack who you are, so I did not count it. Try again."
    ),
    "unknown_groups": (
        "I could not find out from Slack who is in the group that may decide this, so I did not "
        "count it. Try again."
    ),
    "nobody_may_approve": (
        "Nobody may approve yet: whoever runs me has to name approvers in `COUNTERSIGN_APPROVERS`."
    ),
    "read_only": "Changes are switched off here since this card was shown; nothing is approved.",
    "open_the_card": (
        "Not all of this change was in sight, so it cannot be approved by typing: press Approve on "
        "its card, which opens all of it."
    ),
    "still_looking": "I am still looking at what came of it; wait for what I find.",
    "not_a_viewer": "You may not look here: the settings name who may (`viewer`).",
    "not_in_channel": "This belongs to a channel that you are not in.",
    "no_grant": "It is over already: nothing runs without being asked.",
    "no_glass": "Its rule lets nobody run it alone.",
    "not_a_breaker": "You are not in a group that may break the glass here.",
    "say_why": (
        f"Say why, in at least {MIN_REASON} characters that mean something: it is told to those "
        "who would have been asked."
    ),
    "not_mapped": (
        "You are nobody on the clusters, so your approval does not count: whoever runs me has to "
        "add you to `identities.users` of my settings."
    ),
    "not_himself": (
        "The cluster would not let you do this yourself, so you cannot approve that somebody else "
        "does it."
    ),
    "rights_unknown": (
        "The cluster did not say whether you may do this yourself, so I did not count it. Try "
        "again."
    ),
    "not_an_approver": "You are not among those who may decide this. They were asked on the card.",
}


_OWN: dict[Code, str] = {
    "own_edit": "you edited it",
    "own_request": "you asked for it",
    "own_words": "you took part in asking for it",
}


def sentence(code: Code, call: Call | None) -> str:
    """Why a click did not count, and whose turn it is."""
    if code == "decided":
        return f"This was decided already: it is {_state(call)}. Your click changed nothing."
    if code == "not_unknown":
        if call is not None and call.state == "proposed":
            return "There is nothing to settle: it waits for a decision."
        return f"There is nothing to settle: it is {_state(call)}."
    if code in _OWN:
        rule = f" (rule “{call.ruling.rule}”)" if call else ""
        return f"This one needs somebody other than you: {_OWN[code]}{rule}."
    return _WHY.get(code, "Recorded.")


def whom(answer: Answer, approvers: Approvers) -> str:
    """With mentions, who may instead of somebody who may not; or empty."""
    if answer.call is None:
        return ""
    ruling, named = answer.call.ruling, list[str]()
    if answer.code == "not_an_approver":
        they = approvers.of(ruling)
        named = [*map(words.group, they.groups), *map(words.mention, they.users)]
    elif answer.code == "not_a_breaker":
        named = [*map(words.group, ruling.break_glass)]
    return f"Who may: anyone of {words.either(named, most=6)}." if named else ""


def _state(call: Call | None) -> str:
    return "no longer open" if call is None or call.state == "proposed" else call.state


def may_not_ask(code: str) -> Message:
    """Why somebody may not ask here. Raises `ValueError` for a code of another version: any words
    for it could be wrong.
    """
    match code:
        case "shared_channel":
            return notices.shared_channel()
        case "unknown_channel":
            return notices.may_not_ask(
                "I could not find out from Slack who reads this channel; try again"
            )
        case "guest":
            return notices.may_not_ask("guests can neither ask nor approve")
        case "not_mapped":
            return notices.may_not_ask(
                "you are nobody on the clusters: whoever runs me has to add you to "
                "`identities.users` of my settings, and until then I do nothing for you"
            )
        case "not_a_viewer":
            return notices.may_not_ask("the settings name who may look and ask (`viewer`)")
        case "own_turn":
            return notices.may_not_ask(
                "I was working for somebody else, with his rights; say it again for a turn of yours"
            )
        case "unknown_person":
            return notices.may_not_ask("I could not find out from Slack who you are; try again")
        case "outsider":
            return notices.may_not_ask("only full members of this workspace can")
    raise ValueError(f"nothing to say about {code}")


# --- control words ------------------------------------------------------------------------------

NOT_IN_CHANNEL = (
    "I can't work here: either I am not in this channel, then invite me, or another organisation "
    "reads it too"
)


def counted(answer: Answer, call: Call) -> str:
    """What came of a typed decision that counted."""
    summary = call.preview.summary
    match answer.code:
        case "denied":
            return f"Denied: {summary}"
        case "counted":
            return f"Your approval counts; {_more(answer)}: {summary}"
        case "voted":
            return f"You have approved already; {_more(answer)}: {summary}"
        case _:
            return f"Approved: {summary}"


def _more(answer: Answer) -> str:
    return f"{words.count(answer.needs, 'more approval')} {be(answer.needs)} needed"


def to_settle(short_id: str) -> str:
    """Somebody did not say of what, or how."""
    if not short_id:
        return f"Say which one: `{usage_of('settle')}`"
    return f"Say how: `settle {short_id} done` or `settle {short_id} failed`, and why"


def nothing_to_settle(short_id: str) -> str:
    """There is no such change here."""
    return f"There is no change `{short_id}` in this channel."


def typed(code: Code, call: Call) -> str:
    """Why a typed decision did not count: as for a click, in the words of who typed."""
    return sentence(code, call).replace("Your click changed nothing", "This changed nothing")


def stopping(asked: str) -> str:
    """A request of another thread is stopped; its thread says how it ended."""
    named = f" “{one_line(asked, 120)}”" if asked else " it"
    return f"I stop{named}. What the cluster has begun already is verified first"


def no_such_proposal(word: Name, short_id: str, open_cards: Sequence[CardLine]) -> str:
    """Somebody typed an id that is no proposal of this channel, or none; how that is said, and
    those that are open, near ones first.
    """
    first = f"Say which one: `{usage_of(word)}`."
    if short_id and word == "why":
        first = f"There is no proposal `{short_id}` in this channel, and no refusal. {first}"
    elif short_id:
        first = f"There is no proposal `{short_id}` in this channel. Nothing was decided. {first}"
    named = [card for card in open_cards if card.short_id]
    if not named:
        return f"{first} Nothing waits for a decision here."
    near = sorted(named, key=lambda card: -_alike(card.short_id, short_id))
    shown = [f"`{card.short_id}` ({card.summary[:120]})" for card in near[:5]]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"{first} Open here: {', '.join(shown)}{more}."


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


def nothing_to_stop(*, in_thread: bool, grants_ended: bool = False) -> str:
    """Nothing runs there; what was allowed in advance may have ended by it."""
    over = " What was allowed in advance here is over." if grants_ended else ""
    return f"Nothing is running in this {'thread' if in_thread else 'channel'}.{over}"


def proposing_back(call: Call) -> str:
    """Undo was taken from elsewhere than the change's thread."""
    return f"I propose the way back from “{call.preview.summary}”"


def no_way_back(call: Call, why: str) -> str:
    """A change that cannot be taken back, and the reason."""
    return f"There is no way back from “{call.preview.summary}”: {why}"


def which_to_undo(short_id: str, calls: Sequence[Call], *, in_thread: bool) -> str:
    """Somebody said undo, and it is not clear of what."""
    where = "thread" if in_thread else "channel"
    first = f"There is no change `{short_id}` in this channel." if short_id else ""
    named = [call for call in calls if call.short_id]
    if not named:
        return f"{first} There is nothing to undo in this {where}.".strip()
    shown = [f"`undo {call.short_id}` ({call.preview.summary[:120]})" for call in named]
    return f"{first} Say which: {'; '.join(shown)}.".strip()


def meant(line: str) -> str:
    """A line that is no command, with its words corrected."""
    return f"I did nothing. Did you mean `{line}`?"

"""Codes of the guard, in words."""

from bot.guard.records import Call
from bot.guard.votes import Answer, Code
from bot.slack.views import notices
from bot.slack.views.data import Message


def not_counted(answer: Answer) -> str:
    """What somebody is told whose vote did not move anything; empty when it counted."""
    if answer.code in {"approved", "counted", "denied", "duplicate"}:
        return ""
    return sentence(answer.code, answer.call)


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
    "nobody_may_approve": (
        "Nobody may approve yet: whoever runs me has to name approvers in `COUNTERSIGN_APPROVERS`."
    ),
    "not_an_approver": "You are not among those who may decide this. They were asked on the card.",
}


def sentence(code: Code, call: Call | None) -> str:
    """Why a click did not count, and whose turn it is."""
    if code == "decided":
        return f"This was decided already: it is {_state(call)}. Your click changed nothing."
    if code == "own_request":
        rule = f" (rule “{call.ruling.rule}”)" if call else ""
        return f"This one needs somebody other than you: you asked for it{rule}."
    return _WHY.get(code, "Recorded.")


def _state(call: Call | None) -> str:
    return "no longer open" if call is None or call.state == "proposed" else call.state


def may_not_ask(code: str) -> Message:
    """Why somebody may not ask here."""
    match code:
        case "shared_channel":
            return notices.shared_channel()
        case "guest":
            return notices.may_not_ask("guests can neither ask nor approve")
        case "unknown_person":
            return notices.may_not_ask("I could not find out from Slack who you are; try again")
        case _:
            return notices.may_not_ask("only full members of this workspace can")

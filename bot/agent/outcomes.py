"""How a change ended, in the words that the model and the person read: its state comes first."""

import re
from dataclasses import dataclass

from bot.guard.records import Call


@dataclass(frozen=True)
class Denial:
    """Who denied, and why if he said so."""

    person: str
    reason: str


def outcome(call: Call, denial: Denial | None = None, rollback: Call | None = None) -> str:
    """One call's outcome, as that call's tool result."""
    reason = call.verdict["reason"] if call.verdict else ""
    match call.state, call.outcome:
        case "done", "holds":
            return f"done and verified: {reason}"
        case "done", "failed":
            return _does_not_work(call, reason.rstrip("."), rollback)
        case "done", _:
            return f"done, but I cannot say that it holds: {reason or 'no verdict yet'}"
        case "failed", _:
            return f"failed: {call.error or reason}"
        case "denied", _:
            who = f"denied by {denial.person}" if denial else "denied"
            why = denial.reason.strip().rstrip(".") if denial else ""
            return f"{who}: {why or 'no reason given'}. Nothing was done."
        case "expired", _:
            return f"expired: {_why(call, 'nobody decided in time')}. Nothing was done."
        case "superseded", _:
            return f"superseded: {_why(call, 'it no longer applies')}. Nothing was done."
        case "unknown", _:
            return (
                f"unknown: it may or may not have happened. {reason} "
                "It was not run again; look before anybody asks for it again."
            )
        case state, _:
            return f"{state}: not decided yet"


def _why(call: Call, otherwise: str) -> str:
    return call.error.rstrip(".") or otherwise


def _does_not_work(call: Call, reason: str, rollback: Call | None) -> str:
    said = f"done, but it does not work: {reason}"
    if rollback is not None and rollback.started_at is not None and rollback.state != "failed":
        was = "It was rolled back" if rollback.state == "done" else "I was to roll it back"
        return f"{said}. {was}, as was approved with it: {outcome(rollback)}"
    if call.takes_back or not call.preview.way_back:
        return said
    return f"{said}. Its way back is asked for on a card of its own; no other is needed"


def literal(text: str) -> str:
    """Text as it is where Markdown is read: a person's reason or a log line formats nothing."""
    return re.sub(r"([\\`*_~\[\]()<>#|!])", r"\\\1", text)

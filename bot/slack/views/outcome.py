"""What became of a call, as one sentence with its mark."""

import re
from datetime import datetime

from bot.slack.views import words
from bot.slack.views.data import CardData

_REASON = 700
_EDITED = re.compile(r"edited by <@([UW][A-Z0-9]+)>")


def outcome(call: CardData) -> str:
    """The sentence under a card's heading; empty while the call only waits for a decision."""
    match call.state:
        case "proposed" | "standby":
            return ""
        case "approved":
            return f"{words.WORKING} approved, starting"
        case "executing":
            return f"{words.WORKING} running"
        case "done":
            return _done(call)
        case "failed":
            return _failed(call)
        case "unknown":
            return _unknown(call)
        case "denied":
            return _denied(call)
        case "expired":
            return _expired(call)
        case "superseded":
            return _superseded(call)


def settled(call: CardData) -> str:
    """What somebody said came of it, when nobody could find out; empty where nobody did."""
    if not call.settled_by:
        return ""
    by = f"settled by {words.mention(call.settled_by)}{_at(call.settled_at)}"
    reason = words.line(call.settled_because, _REASON)
    said = f" (“{reason}”)" if reason else ""
    if call.state == "done":
        return f"{words.VERIFIED} {by}: it happened{said}."
    return f"{words.REFUSED} {by}: it did not happen{said}. I did not run it again."


def to_settle(call: CardData, *, here: str = "") -> str:
    """How a person says what came of it, where I cannot tell; `here`: besides by typing."""
    if call.state != "unknown" or call.verdict != "cannot tell" or not call.short_id:
        return ""
    typed = f"`/ops settle {call.short_id} done` or `failed`"
    return f"Whoever may approve it says what happened: {here}{typed}."


def edited(reason: str) -> str:
    """Who edited a call, where that is the reason of its end; empty otherwise."""
    found = _EDITED.fullmatch(reason)
    return found[1] if found else ""


def followed(call: CardData, most: int) -> list[str]:
    """The newest lines of its verification, without those that a later one says or says more of."""
    kept: list[str] = []
    for step in reversed(call.progress):
        if not any(later == step or later.startswith(f"{step}; ") for later in kept):
            kept.append(step)
    return [f"• {words.line(step, 200)}" for step in reversed(kept[:most])]


def is_over(call: CardData) -> bool:
    """Whether nothing more will happen to it by itself."""
    if call.state in {"done", "unknown"}:
        return call.verdict != ""
    return call.state not in {"proposed", "approved", "executing"}


def _done(call: CardData) -> str:
    if said := settled(call):
        return said
    reason = _because(call.verdict_reason)
    match call.verdict:
        case "":
            return f"{words.WORKING} sent, verifying"
        case "holds" if call.undoes:
            return f"{words.UNDONE} undone, verified{_at(call.finished_at)}{reason}"
        case "holds":
            return f"{words.VERIFIED} verified{_at(call.finished_at)}{reason}"
        case "cannot tell":
            return f"{words.NEEDS_YOU} it ran, but I cannot say that it holds{reason}"
        case "did not happen":
            return f"{words.REFUSED} failed, it did not happen{reason}"
        case "failed":
            return f"{words.REFUSED} failed, it ran and does not work{reason}"


def _failed(call: CardData) -> str:
    if said := settled(call):
        return said
    reason = _because(call.error or call.verdict_reason)
    newer = f".{_newer(call)}" if call.superseded_by else ""
    return f"{words.REFUSED} failed{_at(call.finished_at)}{reason}{newer}"


def _unknown(call: CardData) -> str:
    reason = _because(call.verdict_reason)
    looked = {
        "": "I am looking at what is there.",
        "holds": f"I looked{reason or ': it is as asked'}.",
        "did not happen": f"I looked, and it did not happen{reason}.",
        "cannot tell": f"I looked and cannot tell{reason}.",
        "failed": f"I looked: it happened and does not work{reason}.",
    }[call.verdict]
    return (
        f"{words.NEEDS_YOU} unknown: I was interrupted during this; it may or may not have "
        f"happened. {looked} I did not run it again. {to_settle(call, here='below, or ')}"
    ).rstrip()


def _denied(call: CardData) -> str:
    by = f" by {words.mention(call.denied_by)}" if call.denied_by else ""
    reason = _because(call.deny_reason)
    return f"{words.REFUSED} denied{by}{_at(call.decided_at)}{reason}. Nothing was changed."


def _expired(call: CardData) -> str:
    if call.decided_at:  # by a quorum or one alone; votes that do not count decide nothing
        at = words.clock(call.finished_at or call.expires_at)
        after = "the glass was broken" if call.broken_by else "its approval"
        return f"Expired {at}: it could not start in time after {after}. Nothing was changed."
    why = "nobody decided in time" if not call.approvals else "not enough approvals in time"
    return f"Expired {words.clock(call.expires_at)}: {why}. Nothing was changed."


def _superseded(call: CardData) -> str:
    if call.withdrawn_by:
        return f"Withdrawn by {words.mention(call.withdrawn_by)}. Nothing was changed."
    if editor := edited(call.superseded_reason):
        by = f"{words.NEEDS_YOU} superseded: edited by {words.mention(editor)}"
        return f"{by}. Nothing was changed.{_newer(call)}"
    reason = _because(call.superseded_reason)
    if call.superseded_by:
        return f"{words.NEEDS_YOU} superseded{reason}. Nothing was changed.{_newer(call)}"
    return f"Withdrawn{reason}. Nothing was changed."


def _newer(call: CardData) -> str:
    return " A newer card shows what approving would do now." if call.superseded_by else ""


def _because(reason: str) -> str:
    text = words.line(reason, _REASON).removesuffix(".")
    return f": {text}" if text else ""


def _at(when: datetime | None) -> str:
    return f" {words.clock(when, exact=True)}" if when else ""

"""The rollback that is approved with a change: what it would do, and what became of it."""

from bot.slack import limits
from bot.slack.views import changes, words
from bot.slack.views.data import CardData
from bot.slack.views.outcome import settled, to_settle

_REASON = 500
_WIDTH = 300  # of its summary on the card


def promise(call: CardData, room: int) -> tuple[list[str], bool]:
    """For an open card, what an approval allows besides, in at most `room` units; and whether any
    of it is cut.
    """
    back = call.rollback
    if back is None:
        return [], False
    said, cut = _promised(call, back, _WIDTH)
    room -= words.size(said)
    rows, rows_cut = changes.fitted(back, max(room, 0))
    diff, diff_cut = changes.diff(back, room - sum(map(words.size, rows)))
    return [said, *rows, *([diff] if diff else [])], cut or rows_cut or diff_cut


def everything(call: CardData) -> list[str]:
    """The same with nothing cut, in texts of a section each."""
    if call.rollback is None:
        return []
    said, _ = _promised(call, call.rollback, 2_400)
    return [*words.packed([said], limits.SECTION), *changes.everything(call.rollback)]


def length(call: CardData) -> int:
    """How much `everything` would show at least."""
    return 0 if call.rollback is None else 300 + changes.length(call.rollback)


def became(call: CardData) -> str:
    """For a card that was decided, a line on what became of it; empty where nothing did."""
    back = call.rollback
    if back is None:
        return ""
    if said := settled(back):
        return f"Its rollback: {said}"
    reason = _because(back.verdict_reason or back.error or back.superseded_reason)
    match back.state:
        case "standby" if call.verdict == "failed":
            return f"{words.WORKING} it does not work: rolling back, as was approved with it"
        case "standby":
            return (
                "Rolled back by itself if its verification says within "
                f"{call.rollback_minutes} min that it does not work."
            )
        case "superseded" if call.verdict == "cannot tell":
            return "Not rolled back by itself: it is not known whether it works."
        case "superseded" | "failed" if call.verdict == "failed":
            return f"{words.NEEDS_YOU} not rolled back by itself{reason}"
        case "executing":
            return f"{words.WORKING} rolling back, as was approved with it"
        case "unknown":
            said = f"{words.NEEDS_YOU} I was interrupted while rolling it back{reason}"
            return f"{said}. {to_settle(back)}" if to_settle(back) else said
        case "done":
            return _done(back, reason)
        case _:
            return ""


def _done(back: CardData, reason: str) -> str:
    at = f" {words.clock(back.finished_at, exact=True)}" if back.finished_at else ""
    match back.verdict:
        case "":
            return f"{words.WORKING} rolled back, verifying"
        case "holds":
            return f"{words.UNDONE} rolled back by itself, verified{at}{reason}"
        case "failed":
            return f"{words.REFUSED} rolled back by itself, and that does not work{reason}"
        case _:
            return f"{words.NEEDS_YOU} rolled back by itself, and I cannot tell whether that holds"


def _promised(call: CardData, back: CardData, width: int) -> tuple[str, bool]:
    summary, cut = words.sentence(back.summary, width)
    said = (
        f"{words.UNDONE} If its verification says within {call.rollback_minutes} min that it does "
        f"not work, I roll it back by myself, once and only from exactly what it left: "
        f"*{summary}*. An approval is for both."
    )
    return said, cut


def _because(reason: str) -> str:
    text = words.line(reason, _REASON).removesuffix(".")
    return f": {text}" if text else ""

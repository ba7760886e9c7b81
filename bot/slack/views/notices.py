"""Short sentences: why not, what went wrong, what to do now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from bot.core.text import amount
from bot.guard.lost import Became
from bot.slack.views import outcome, who, words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import CardData, Message

_SENTENCE = 2_400  # longer ones are nobody's sentences


def failure(sentence: str, footer: str = "") -> Message:
    """Something went wrong; the sentence says what and what to do now, the footer what it took."""
    said = _said(f"{words.REFUSED} {_ours(sentence)}")
    return replace(said, blocks=[*said.blocks, context(footer)]) if footer else said


def refused(sentence: str, whom: str = "") -> Message:
    """Somebody may not do what he tried; only he sees it. `whom` has mentions of ours."""
    return _said(f"{words.REFUSED} {_ours(sentence)}{f'. {whom}' if whom else ''}")


def notice(sentence: str) -> Message:
    """A plain fact, without a mark."""
    return _said(_ours(sentence))


def instead(reason: str, *, rest: bool = False) -> Message:
    """Above a new card: why what was approved, or the rest of it, was not run."""
    what = "The rest was not run" if rest else "Nothing was run"
    why = f"{what}: {words.line(reason, 700).removesuffix('.')}"
    return _said(f"{why}. The new card shows what approving would do now")


def way_back(because: str, needs: int) -> Message:
    """Above the card of a way back that nobody asked for: why it is proposed."""
    why = words.line(because, 700).removesuffix(".")
    many = words.count(needs, "approval")
    return _said(f"{why[:1].upper()}{why[1:]}. This is the way back; it waits for {many}")


def reminder(
    summaries: Sequence[str], until: datetime, whom: str, short_ids: Sequence[str] = ()
) -> Message:
    """Half of a card's time is over: `whom` are the mentions of those who may decide."""
    named = "; ".join(words.line(summary, 150) for summary in summaries[:4])
    if len(summaries) > 4:
        named += f"; {amount(len(summaries) - 4, 'more change')}"
    above = f"{whom}: the card is above." if whom else "The card is above."
    typed = f" Or type `approve {short_ids[0]}` to me." if len(short_ids) == 1 else ""
    return _said(
        f"{words.NEEDS_YOU} still to decide until {words.clock(until)}: {named}. {above}{typed}"
    )


def may_not_ask(why: str = "") -> Message:
    """To somebody who may not ask here: guests, other organisations, bots, or by policy."""
    reason = f": {words.line(why, 300)}" if why else ""
    return _said(f"{words.REFUSED} I can't take requests from you here{reason}.")


def shared_channel() -> Message:
    """In a channel that another organisation reads too."""
    return _said(
        f"{words.REFUSED} I don't work in channels shared with another organisation. "
        "Ask me in one that only yours can read."
    )


def lost(became: Became, what: Literal["click", "command"] = "click") -> Message:
    """Something went wrong while a click or command was being recorded; Slack will not send it
    again.
    """
    where = "Its card shows" if what == "click" else "Its card or thread shows"
    match became:
        case Became.SHUT_OUT:
            said = f"I could not record this {what}; nothing was approved. Try again"
            return _said(f"{words.REFUSED} {said}")
        case Became.REFUSED:
            said = f"This {what} does not count, and I lost the answer that says why. Try again"
            return _said(f"{words.REFUSED} {said}")
        case Became.RECORDED:
            said = f"This {what} was heard, but I lost its answer. {where} what came of it"
            return _said(f"{words.NEEDS_YOU} {said}")
        case Became.UNKNOWN:
            said = f"I could not find out in time whether this {what} was recorded"
            look = "what counted: look there before you try again"
            return _said(f"{words.NEEDS_YOU} {said}. {where} {look}")


def unknown_outcome(summary: str, looked: str = "", settle: str = "") -> Message:
    """A crash left it open whether a change happened; `looked` is what the world shows now, and
    `settle` how a person says it where that does not.
    """
    found = f"I looked: {_ours(looked)}." if looked else "I could not find out."
    return _said(
        f"{words.NEEDS_YOU} I was interrupted during “{words.line(summary)}”; it may or may not "
        f"have happened. {found} I did not run it again. {settle}".rstrip()
    )


def settled(call: CardData) -> Message:
    """Somebody said what came of a change of which nobody could find out."""
    back = " Its card has the Undo." if call.can_undo and call.state == "done" else ""
    return _said(f"{outcome.settled(call)} It was “{words.line(call.summary)}”.{back}")


def broken_glass(call: CardData, *, waits: bool = False) -> Message:
    """To those who would have been asked: somebody ran it without them, and why. `waits`: for what
    else is open on its card.
    """
    whom = who.mentions([call])
    named = f"“{words.line(call.summary, 300)}”"
    back = (
        "Once it is done, its way back is proposed to you."
        if call.way_back
        else f"There is no way back: {_ours(call.no_way_back) or 'it has none'}."
    )
    where = f" {words.link(call.thread_link, 'The conversation')}." if call.thread_link else ""
    when = ", as soon as the others on its card are decided" if waits else ""
    runs = f"{named} runs without your approval{when}"
    text = f"{words.NEEDS_YOU} {who.broke_glass(call)}. {runs}. {back}"
    return _said(f"{f'{whom}: ' if whom else ''}{text}{where}")


def rolling_back(summary: str, why: str) -> Message:
    """A change does not work: what was approved with it is about to be done."""
    because = f": {_ours(words.line(why, 700))}" if why else ""
    return _said(
        f"{words.UNDONE} “{words.line(summary)}” does not work{because}. I am rolling it back, as "
        "was approved with it."
    )


def stopped(person: str, seconds: int, reads: int, changes: int) -> Message:
    """A person ended a run: who, after how long, and what had been done until then."""
    looked = amount(reads, "read")
    did = f"{amount(changes, 'change')} made" if changes else "nothing was changed"
    who = f" by {words.mention(person)}" if person else ""
    return _said(f"Stopped{who} after {max(seconds, 0):,} s. {looked}, {did}.")


def as_file(code: str) -> Message:
    """Slack did not take an answer as a message: it is in the file below."""
    return _said(f"Slack did not take my answer as a message (`{code}`): it is in this file.")


def not_redrawn(call: CardData, code: str) -> Message:
    """Slack does not take a card as it would look now: what became of its call, in words."""
    return _said(
        f"{words.NEEDS_YOU} The card of “{words.line(call.summary, 300)}” shows an older state: "
        f"Slack did not take it as it is now (`{words.line(code, 60)}`). What became of it: "
        f"{outcome.outcome(call)}"
    )


def unreachable(channel: str, code: str) -> Message:
    """To somebody in private, where his answer could not be given any more: that, and no more."""
    why = {
        "is_archived": "it is archived",
        "not_in_channel": "I am not in it any more",
        "channel_not_found": "I am not in it any more, or it is gone",
        "thread_not_found": "its thread is gone",
    }.get(code, "I may not write there")
    return _said(
        f"{words.REFUSED} I could not answer you in <#{channel}>: {why} (`{code}`). Your request "
        "has ended; whether it changed anything, `/ops audit` says."
    )


def declined(sentence: str) -> Message:
    """A limit is used up: no failure, and nothing was begun."""
    return _said(f"{words.NEEDS_YOU} {_ours(sentence)}")


def _ours(sentence: str) -> str:
    return words.line(sentence, _SENTENCE).removesuffix(".") or "I have no more to say about this"


def _said(text: str) -> Message:
    """A message of one paragraph; the notification says the same."""
    text = text if text.endswith((".", "?", "…")) else f"{text}."
    fallback, cut = words.fit(text, 800)
    return Message(fallback + ("…" if cut else ""), [section(text)])

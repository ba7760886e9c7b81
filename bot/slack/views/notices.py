"""Short sentences: why not, what went wrong, what to do now."""

from collections.abc import Sequence

from bot.slack.views import words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import Message

_SENTENCE = 2_400  # longer ones are nobody's sentences


def failure(sentence: str) -> Message:
    """Something went wrong; the sentence says what and what to do now."""
    return _said(f"{words.REFUSED} {_ours(sentence)}")


def refused(sentence: str) -> Message:
    """Somebody may not do what he tried; only he sees it."""
    return _said(f"{words.REFUSED} {_ours(sentence)}")


def notice(sentence: str) -> Message:
    """A plain fact, without a mark."""
    return _said(_ours(sentence))


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


def not_recorded(what: str = "click") -> Message:
    """The database was away when somebody clicked; Slack will not send the click again."""
    return _said(
        f"{words.REFUSED} I could not record this {words.line(what, 40)}; nothing was approved. "
        "Try again."
    )


def previewed_anew(why: str) -> Message:
    """What was approved no longer is what would happen; a new card stands below."""
    return _said(
        f"{words.NEEDS_YOU} {_ours(why)} since you saw this card, so nothing was run. "
        "The new card shows what approving would do now."
    )


def unknown_outcome(summary: str, looked: str = "") -> Message:
    """A crash left it open whether a change happened; `looked` is what the world shows now."""
    found = f"I looked: {_ours(looked)}." if looked else "I could not find out."
    return _said(
        f"{words.NEEDS_YOU} I was interrupted during “{words.line(summary)}”; it may or may not "
        f"have happened. {found} I did not run it again."
    )


def expired(summary: str) -> Message:
    """Nobody decided in time, or it could not start in time."""
    return _said(
        f"“{words.line(summary)}” expired; nothing was run. Ask again if you still want it."
    )


def card_too_old(now: str = "") -> Message:
    """A click on a card that was decided or replaced; `now` says what became of it."""
    reason = f": {words.line(now)}" if now else ""
    return _said(
        f"{words.REFUSED} This card is no longer open{reason}. Your click changed nothing."
    )


def not_understood(text: str, usage: str = "", *, model: bool = False) -> Message:
    """A message that is no command, and the nearest one; `model`: there is one, but it is away."""
    said, _ = words.code(text, 200)
    nearest = f" Nearest: {words.code(usage, 300)[0]}." if usage else ""
    why = "The model is away" if model else "No model is configured"
    return _said(
        f"{words.REFUSED} {said} is not a command I know.{nearest} {why}, so I take commands only; "
        "`help` lists them."
    )


def help_text(usages: Sequence[tuple[str, str]], *, model: bool) -> Message:
    """The commands as (usage, what for), and whether free words are understood as well."""
    opening = "Ask me in your own words, or use commands:" if model else "I take these commands:"
    lines = [f"• {words.code(usage, 200)[0]}  {words.line(what, 200)}" for usage, what in usages]
    texts = words.packed([opening, *lines], 2_800)[:4]
    closing = (
        "Reads run at once. A change is shown as a card first, and runs when somebody who may "
        "approves it."
    )
    return Message(opening.removesuffix(":"), [*map(section, texts), context(closing)])


def _ours(sentence: str) -> str:
    return words.line(sentence, _SENTENCE).removesuffix(".") or "I have no more to say about this"


def _said(text: str) -> Message:
    """A message of one paragraph; the notification says the same."""
    text = text if text.endswith((".", "?", "…")) else f"{text}."
    fallback, cut = words.fit(text, 800)
    return Message(fallback + ("…" if cut else ""), [section(text)])

"""Short sentences: why not, what went wrong, what to do now."""

from bot.slack.views import words
from bot.slack.views.blocks import section
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


def unknown_outcome(summary: str, looked: str = "") -> Message:
    """A crash left it open whether a change happened; `looked` is what the world shows now."""
    found = f"I looked: {_ours(looked)}." if looked else "I could not find out."
    return _said(
        f"{words.NEEDS_YOU} I was interrupted during “{words.line(summary)}”; it may or may not "
        f"have happened. {found} I did not run it again."
    )


def _ours(sentence: str) -> str:
    return words.line(sentence, _SENTENCE).removesuffix(".") or "I have no more to say about this"


def _said(text: str) -> Message:
    """A message of one paragraph; the notification says the same."""
    text = text if text.endswith((".", "?", "…")) else f"{text}."
    fallback, cut = words.fit(text, 800)
    return Message(fallback + ("…" if cut else ""), [section(text)])

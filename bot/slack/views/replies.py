"""Short answers to control words, with the way to what they are about."""

from bot.slack.views import words
from bot.slack.views.blocks import section
from bot.slack.views.data import Message

_SENTENCE = 2_000


def linked(sentence: str, where: str, *, refused: bool = False, whom: str = "") -> Message:
    """A sentence and, behind it, a link that `links.link` made; `whom` has mentions of ours."""
    said = words.line(sentence, _SENTENCE)
    said = said if said.endswith((".", "?", "…")) else f"{said}."
    said = f"{said} {whom}".rstrip()
    if refused:
        said = f"{words.REFUSED} {said}"
    shown = f"{said} · {where}" if where.startswith("<") else said
    return Message(words.fit(said, 800)[0], [section(shown)])

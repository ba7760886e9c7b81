"""What somebody is told who asks how to talk to the bot, and the root of what `/ops` asks."""

from collections.abc import Sequence

from bot.slack.views import words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import Message

_SECTION = 2_900
_ROOT = 2_400


def help_text(forms: Sequence[tuple[str, str]], *, model: bool) -> Message:
    """Every command and word; only who asked sees it."""
    first = "Say what you want to know or to change" if model else "No model is set: commands only"
    lines = [
        f"{first}. `/ops` takes the same words as a mention, in any channel that I am in.",
        *(f"• `{words.escape(form)}` {words.escape(what)}" for form, what in forms),
    ]
    blocks = [section(text) for text in words.packed(lines, _SECTION)]
    last = "Reads run at once. A change is shown as a card first and runs when it is approved."
    return Message(f"{first}.", [*blocks, context(last)])


def asked_by(person: str, text: str) -> Message:
    """The first message of a thread that a slash command began: nobody else saw what was typed."""
    said = f"Asked by {words.mention(person)}: {words.line(text, _ROOT)}"
    return Message(words.fit(said, 800)[0], [section(said)])

"""The forms of direct commands: a file for what looks, and one for what proposes."""

from bot.agent.forms import changes, reads
from bot.agent.forms.form import Arguments, Form, Option, Wrong, as_word, nothing, quoted

__all__ = ["FORMS", "Arguments", "Form", "Option", "Wrong", "as_word", "quoted"]

FORMS = (
    *reads.FORMS,
    *changes.FORMS,
    Form(("help",), "help", "help", "Show these commands.", nothing, {}),
)

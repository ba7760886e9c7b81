"""A run's final answer: the model's Markdown in as many messages as it needs, else in a file."""

from collections.abc import Sequence
from decimal import Decimal

from bot.core.text import amount, visible
from bot.slack import limits, markdown
from bot.slack.views import words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import AnswerData, Message, Plan
from bot.slack.views.progress import duration

_FILE = "answer.md"
_FOOTER = 300  # units kept free in every message for what stands below the last
# What one answer can show at most; Markdown is never shorter than its text, so no more is read.
_READ = limits.MESSAGES * limits.MESSAGE


def answer(given: AnswerData) -> Plan:
    """The messages of an answer in order, and all of it as a file when they do not hold it."""
    source = given.markdown
    texts = markdown.sections(source[:_READ])
    if not texts:
        texts = ["The model ended without an answer."]
    filled = _messages(texts)
    too_long = len(source) > _READ or len(filled) > limits.MESSAGES
    file = (_FILE, visible(given.whole or source)) if too_long or given.whole else None
    return Plan(tuple(_finished(filled[: limits.MESSAGES], given, file)), file)


def _messages(texts: Sequence[str]) -> list[list[str]]:
    """Texts shared out among messages."""
    messages: list[list[str]] = []
    used = limits.MESSAGE
    for text in texts:
        needed = words.size(text)
        full = used + needed > limits.MESSAGE - _FOOTER
        if full or len(messages[-1]) >= limits.MESSAGE_BLOCKS - 2:
            messages.append([])
            used = 0
        messages[-1].append(text)
        used += needed
    return messages


def _finished(
    filled: Sequence[Sequence[str]], given: AnswerData, file: tuple[str, str] | None
) -> list[Message]:
    messages = []
    for number, texts in enumerate(filled, start=1):
        blocks = [section(text) for text in texts]
        if number == len(filled):
            blocks += [context(line) for line in _below(given, file)]
        opening, cut = words.fit(_opening(texts[0]), 300)
        messages.append(Message(opening + ("…" if cut else ""), blocks))
    return messages


def _opening(text: str) -> str:
    """The first line with words in it: what a phone shows."""
    lines = (line.strip() for line in text.split("\n"))
    return next((line for line in lines if line and line != "```"), "Answer")


def _below(given: AnswerData, file: tuple[str, str] | None) -> list[str]:
    """The small lines under an answer: what is missing from it, and what it took."""
    lines = []
    if file is not None:
        lines.append(f"Not all of it stands here; `{file[0]}` in this thread does hold all.")
    if given.truncated:
        lines.append("The model stopped at its length limit: the end is missing.")
    lines.append(footer(given))
    return lines


def footer(given: AnswerData) -> str:
    """What a run took, on one line."""
    took = duration(given.seconds) if given.seconds >= 1 else "under 1 s"
    parts = [", ".join(_work(given)), took]
    if given.tokens:
        parts.append(amount(given.tokens, "token"))
    if given.cost is not None:
        parts.append("under $0.01" if 0 < given.cost < Decimal("0.01") else f"${given.cost:,.2f}")
    if given.model:
        parts.append(f"answered by {words.line(given.model, 80)}")
    return " · ".join(part for part in parts if part)


def _work(given: AnswerData) -> list[str]:
    counted = ((given.reads, "read"), (given.changes, "change"))
    return [amount(number, noun) for number, noun in counted if number]

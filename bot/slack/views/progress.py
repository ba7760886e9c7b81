"""How a run goes on: one message, edited while it works, one line when it is over."""

from bot.core.text import amount
from bot.slack.views import words
from bot.slack.views.blocks import actions, button, section
from bot.slack.views.data import Message, ProgressData, Step

_SHOWN = 12  # the newest steps; with all of them the message would outgrow a screen
_MARKS = {"working": words.WORKING, "done": words.VERIFIED, "failed": words.REFUSED}


def progress(run: ProgressData) -> Message:
    """A run while it works or waits: what it is about, and its steps, newest last."""
    earlier = len(run.steps) - _SHOWN
    lines = [_head(run)]
    if earlier > 0:
        lines.append(f"{amount(earlier, 'earlier step')}")
    over = run.state in {"done", "failed"}
    lines += [_line(step, over=over) for step in run.steps[-_SHOWN:]]
    blocks = [section("\n".join(lines))]
    if run.run_id and not over:
        blocks.append(actions(button("Stop", "stop", run.run_id)))
    return Message(_head(run), blocks)


def folded(run: ProgressData) -> Message:
    """The one line that is left once the answer stands below."""
    failed = sum(step.state == "failed" for step in run.steps)
    parts = [words.line(run.headline, 200) or "Worked on this"]
    if run.steps:
        parts.append(amount(len(run.steps), "step"))
    if failed:
        parts.append(f"{failed} failed")
    parts.append(duration(run.seconds))
    line = " · ".join(parts)
    if run.state == "failed":
        line = f"{words.REFUSED} failed: {line}"
    return Message(line, [section(f"_{line}_" if "_" not in line else line)])


def duration(seconds: int) -> str:
    """`28 s`, `2 min 5 s`, `1 h 3 min`."""
    seconds = max(seconds, 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60} min"


def _head(run: ProgressData) -> str:
    headline = words.line(run.headline, 300) or "Working"
    match run.state:
        case "working":
            return f"{words.WORKING} {headline} · {duration(run.seconds)}"
        case "waiting":
            return f"{words.NEEDS_YOU} waiting for a decision: {headline}"
        case "done":
            return f"{headline} · finished in {duration(run.seconds)}"
        case "failed":
            return f"{words.REFUSED} failed: {headline} · {duration(run.seconds)}"


def _line(step: Step, *, over: bool) -> str:
    text = words.line(step.text, 80) or "step"
    detail = words.line(step.detail, 110)
    mark = "not finished:" if over and step.state == "working" else _MARKS[step.state]
    return f"{mark} {text}: {detail}" if detail else f"{mark} {text}"

"""Why a proposal is asked of whom, or was refused: the policy's rules in their order."""

from collections.abc import Sequence

from bot.core.text import amount
from bot.guard.policy import Effect, PolicyInput, Ruling
from bot.guard.records import Call
from bot.guard.refusals import Refusal
from bot.guard.rulebook import Rulebook, Step
from bot.slack import limits
from bot.slack.views import who, words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import Message

_SHOWN = 30  # rules; the last is the one that decides


def why_of(call: Call, book: Rulebook, since: str = "") -> Message:
    """By the input that was stored with the call, so that nothing is looked up anew. `since` is
    what became of it.
    """
    asked = PolicyInput.of(call.policy_input)
    return why(
        call.short_id,
        call.preview.summary,
        call.ruling,
        book.explain(asked),
        book.decide(asked),
        "" if call.identity is None else who.runs_as(call.acting)[0],
        since,
    )


def why_refused(refusal: Refusal, book: Rulebook) -> Message:
    """The same of a wish that became no proposal, by the input that its audit row holds."""
    asked = refusal.asked
    return why(
        refusal.short_id,
        f"{asked.tool} {asked.target}",
        refusal.ruling,
        book.explain(asked),
        book.decide(asked),
    )


def why(
    short_id: str,
    summary: str,
    then: Ruling,
    steps: Sequence[Step],
    now: Ruling,
    as_whom: str = "",
    since: str = "",
) -> Message:
    """`then` is what was ruled when it was asked; `steps` and `now` are by the policy of now."""
    title = f"`{short_id}` {words.line(summary, 200)}: {_told(then)}, by the rule “{_rule(then)}”."
    lines = [title]
    left_out = max(0, len(steps) - _SHOWN)
    if left_out:
        lines.append(f"• {amount(left_out, 'rule')} before these did not match")
    lines += [_line(step) for step in steps[left_out:]]
    if since:
        told = " ".join(words.without_marks(since).split())
        lines.append(f"Since: {told.removesuffix('.')}.")
    blocks = [section(text) for text in words.packed(lines, limits.SECTION)]
    if _told(now) != _told(then):
        blocks.append(context(f"The policy of now says otherwise: {_told(now)}."))
    if as_whom:
        blocks.append(context(f"On the cluster it {as_whom}."))
    blocks.append(context("Limits, freezes and who may ask at all come before every rule."))
    return Message(words.fit(title, 800)[0], blocks)


def _line(step: Step) -> str:
    mark = "→" if step.decides else "•"
    because = f": {words.line(step.why, 300)}" if step.why else ""
    return f"{mark} {words.line(step.rule, 80)}{because}"


def _rule(ruling: Ruling) -> str:
    return words.line(ruling.rule, 80)


def _told(ruling: Ruling) -> str:
    match ruling.effect:
        case Effect.ASK:
            groups = words.either([words.group(one) for one in ruling.groups])
            of = f" of {groups}" if groups else ""
            back = ""
            if ruling.rollback:
                back = f", rolled back by itself within {ruling.rollback / 60:.0f} min"
            alone = words.either([words.group(one) for one in ruling.break_glass])
            glass = f", or one of {alone} who breaks the glass" if alone else ""
            times = words.count(ruling.grant_times, "time")
            again = f"; the same again may be allowed {times}" if ruling.grant_times else ""
            return f"needs {words.count(ruling.quorum, 'approval')}{of}{glass}{back}{again}"
        case Effect.ALLOW:
            return "runs without a click"
        case Effect.PREVIEW:
            return "is only previewed"
        case Effect.DENY:
            return f"is denied ({words.line(ruling.reason or ruling.rule, 200)})"

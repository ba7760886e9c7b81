"""What the audit says of calls, to one person; and where its chain ends, to a channel."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.guard.chronicle import Story
from bot.guard.refusals import Refused
from bot.slack.links import link
from bot.slack.views import who, words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import Message

_SECTION = 2_900
_ROOM = 10_000  # for all of them: a message has little more
_ENDS = {
    "approved": f"{words.WORKING} approved, not begun yet",
    "executing": f"{words.WORKING} running",
    "expired": "expired, nothing was changed",
    "failed": f"{words.REFUSED} failed",
    "proposed": f"{words.NEEDS_YOU} waits for a decision",
    "superseded": "replaced by a newer card, nothing was changed",
    "unknown": f"{words.NEEDS_YOU} interrupted, it may or may not have happened",
}
_STANDBY = {
    "standby": "stands by, should that not work",
    "superseded": "did not run by itself, nothing was changed by it",
}
_VERDICTS = {
    "": f"{words.WORKING} sent, verifying",
    "cannot tell": f"{words.NEEDS_YOU} it ran, and I cannot say that it holds",
    "did not happen": f"{words.REFUSED} it did not happen",
    "failed": f"{words.REFUSED} it ran and does not work",
    "holds": f"{words.VERIFIED} verified",
}
_MOST_TOLD = 10  # votes that were not counted
_NOT_COUNTED = {
    "guest": "a guest",
    "no_glass": "the rule has no glass to break",
    "nobody_may_approve": "nobody may approve",
    "not_a_breaker": "not in a group that may break the glass",
    "not_an_approver": "not among those who may decide",
    "not_himself": "the cluster would not let him do it himself",
    "not_mapped": "nobody on the clusters",
    "not_unknown": "there was nothing to settle",
    "outsider": "no full member of this workspace",
    "own_request": "took part in asking",
    "read_only": "changes were switched off",
    "rights_unknown": "the cluster did not say what he may",
    "say_why": "without a reason that says anything",
    "still_looking": "the bot was still looking",
    "unknown_groups": "Slack did not say who may decide",
    "unknown_person": "Slack did not say who that is",
}


@dataclass(frozen=True)
class AuditData:
    """What was found. `about` says of what, in our words: "on 2026-11-25 (UTC)". `export` is the
    command that writes all of it; `everywhere`: of every channel, not of this one only; `whole`:
    all of each call, not a line or two.
    """

    stories: Sequence[Story]
    more: int
    about: str
    export: str
    workspace: str
    refused: Sequence[Refused] = ()
    more_refused: int = 0
    everywhere: bool = False
    whole: bool = False


def audit(data: AuditData) -> Message:
    """The whole message, newest first."""
    number = len(data.stories) + data.more
    what = words.count(number, "change") if number else "no change"
    where = "in any channel" if data.everywhere else "in this channel"
    newest = ", newest first" if number > 1 else ""
    first = f"{what[0].upper()}{what[1:]} {data.about} {where}{newest}"
    lines, left = [f"*{first}*"], number
    for story in data.stories:
        told = ["", *_story(data, story)]
        if sum(words.size(line) + 1 for line in (*lines, *told)) > _ROOM:
            break
        lines, left = [*lines, *told], left - 1
    if data.refused:
        lines += ["", *_refused(data)]
    blocks = [section(text) for text in words.packed(lines, _SECTION)]
    more = f"{left:,} more. " if left else ""
    how = f"{more}All of it, with reads: {words.code(data.export, 300)[0]}"
    return Message(words.fit(f"{first}.", 800)[0], [*blocks, context(how)])


def _refused(data: AuditData) -> Iterator[str]:
    """What the policy refused: by whom, what, when, and the rule that did."""
    number = len(data.refused) + data.more_refused
    yield f"*The policy refused {words.count(number, 'request')}*"
    for one in data.refused:
        asked, ruling = one.refusal.asked, one.refusal.ruling
        what = words.code(f"{asked.tool} {asked.target}", 160)[0]
        why = f" (`why {one.refusal.short_id}`)" if one.refusal.short_id else ""
        yield (
            f"{words.mention(asked.requester)} {words.clock(one.at, exact=True)}: {what}, by the "
            f"rule “{words.line(ruling.rule, 80)}”{why}"
        )
    if data.more_refused:
        yield f"{data.more_refused:,} more: `countersign audit export --kind refused`"


def head(day: str, seq: int, of: str) -> Message:
    """Where the chain ends, for people to remember."""
    rows = f"{seq:,} row{'s' * (seq != 1)}"
    first = f"The audit on {words.line(day, 20)} (UTC): {rows}, head {words.code(of, 80)[0]}"
    how = (
        "Kept here, where nobody can cut it: "
        f"{words.code(f'countersign audit verify --head {of}', 200)[0]} says whether the chain "
        "still holds it."
    )
    return Message(f"{first}.", [section(f"{first}."), context(how)])


def _story(data: AuditData, story: Story) -> Iterator[str]:
    name = words.line(story.summary or story.tool, 200)
    short = f" {words.code(story.short_id, 8)[0]}" if story.short_id else ""
    there = link(data.workspace, story.channel, story.thread_ts, "thread")
    where = f" in <#{story.channel}>" if data.everywhere and story.channel.isalnum() else ""
    yield f"*{name}*{short} · {there}{where}"
    yield " · ".join([_asked(story), *_decided(story), *_ran(story)])
    if told := " · ".join(_granted(story)):
        yield told
    yield " · ".join([_became(story), *_newer(story), *_rollback(story), *_back(story)])
    yield from _not_counted(story, _MOST_TOLD if data.whole else 1)
    if data.whole:
        arguments = json.dumps(story.arguments, ensure_ascii=False, sort_keys=True)
        yield f"{words.code(story.tool, 80)[0]} {words.code(arguments, 1_000)[0]}"
        yield f"on {words.code(story.target, 300)[0]} · digest {words.code(story.digest, 80)[0]}"
        rows = ", ".join(str(seq) for seq in story.evidence[:40])
        yield f"rows of the audit: {rows or 'none'}"
    if story.differs:
        named = words.either(story.differs, last="and")
        yield f"{words.REFUSED} the database says otherwise than the audit's chain: {named}"


def _asked(story: Story) -> str:
    others = [one for one in story.contributors if one not in {story.asked_by, story.edited_by}]
    of = f" with {words.either([words.mention(one) for one in others], last='and')}"
    whose = words.mention(story.asked_by)
    by = f"asked by {whose}{of if others else ''}"
    if story.unasked:
        by = f"proposed by the bot, to take back what {whose} asked for,"
    if not story.edited_by:
        return f"{by} {_moment(story.proposed_at)}"
    edited = f"edited by {words.mention(story.edited_by)} {_moment(story.proposed_at)}"
    return f"{by} {_moment(story.asked_at)}, {edited}"


def what_became(story: Story) -> str:
    """Who decided on it, whether it ran, what came of it, and whether it was taken back."""
    parts = [
        *_votes(story),
        *_ran(story),
        _became(story),
        *_newer(story),
        *_rollback(story),
        *_back(story),
    ]
    return " · ".join(parts)


def _decided(story: Story) -> Iterator[str]:
    yield from _votes(story)
    if story.rule:
        needs = f", {words.count(story.quorum, 'approval')}" if story.quorum else ""
        yield f"rule “{words.line(story.rule, 100)}”{needs}"


def _votes(story: Story) -> Iterator[str]:
    approved = [f"{words.mention(v.person)} {_moment(v.at)}" for v in story.approved_by()]
    if story.grant_use and story.granted_at:  # not by a click on this one
        by = f"{words.mention(story.granted_by)} allowed {_moment(story.granted_at)}"
        on = words.code(story.granted_on, 20)[0]
        yield f"under what {by} on {on}, use {story.grant_use}"
    elif approved:
        yield f"approved by {words.either(approved, last='and')}"
    for one in story.votes:
        if one.vote == "break glass":
            by = f"{words.mention(one.person)} {_moment(one.at)}"
            yield f"glass broken by {by}{_because(one.reason)}"


def _granted(story: Story) -> Iterator[str]:
    """What was allowed in advance on its card: to whom, how often, until when, and what of it was
    used.
    """
    given = story.granted
    if given is None:
        return
    ranges = [f"{words.code(name, 60)[0]} {a} to {b}" for name, (a, b) in given.vary.items()]
    differs = f", with {words.either(ranges, last='and')}" if ranges else ""
    yield (
        f"{words.mention(given.approver)} allowed {words.mention(story.asked_by)} the same again "
        f"here {_moment(given.at)}: {words.count(given.times, 'time')} until "
        f"{_moment(given.until)}{differs}; {given.used or 'none'} used"
    )
    if given.ended_at is not None:
        by = f"was revoked by {words.mention(given.ended_by)}" if given.ended_by else "ended"
        why = "" if given.ended_by else _because(given.ended_why)
        yield f"that {by} {_moment(given.ended_at)}{why}"


def _not_counted(story: Story, most: int) -> Iterator[str]:
    """Votes that were refused, the newest of them, and why."""
    if not story.not_counted:
        return
    told = [
        f"{words.mention(one.person)} {_moment(one.at)} ({words.line(one.vote, 20)}: "
        f"{_NOT_COUNTED.get(one.why, words.line(one.why.replace('_', ' '), 60))})"
        for one in story.not_counted[-most:]
    ]
    before = len(story.not_counted) - len(told)
    more = f", and {before:,} before" if before else ""
    yield f"not counted: {', '.join(told)}{more}"


def _ran(story: Story) -> Iterator[str]:
    if story.started_at is not None:
        yield f"ran as {who.identity(story.acting, 160)[0]} {_moment(story.started_at)}"


def _became(story: Story) -> str:
    if story.state == "denied":
        denied = next((one for one in story.votes if one.vote == "deny"), None)
        by = f" by {words.mention(denied.person)} {_moment(denied.at)}" if denied else ""
        return f"{words.REFUSED} denied{by}{_because(denied.reason if denied else '')}"
    if story.withdrawn_by:
        return f"withdrawn by {words.mention(story.withdrawn_by)}, nothing was changed"
    if story.replaced_by and story.ended_at:
        by = f"edited by {words.mention(story.replaced_by)} {_moment(story.ended_at)}"
        return f"{by}, nothing was changed"
    if story.state == "superseded" and not story.superseded_by and not story.rolls_back:
        return f"withdrawn, nothing was changed{_because(story.error)}"
    if settled := story.settled():
        by = f"{words.mention(settled.person)} {_moment(settled.at)}"
        happened = "it happened" if story.state == "done" else "it did not happen"
        mark = words.VERIFIED if story.state == "done" else words.REFUSED
        return f"{mark} unknown, settled by {by}: {happened}{_because(settled.reason)}"
    if story.state == "done":
        return f"{_VERDICTS.get(story.outcome, story.outcome)}{_because(story.verdict)}"
    if story.rolls_back and not story.started_at:
        return f"{_STANDBY.get(story.state, story.state)}{_because(story.error)}"
    reason = story.verdict or story.error if story.started_at else ""
    return f"{_ENDS.get(story.state, story.state)}{_because(reason)}"


def _newer(story: Story) -> Iterator[str]:
    """By which one it was replaced."""
    if story.superseded_short:
        yield f"the newer one is {words.code(story.superseded_short, 20)[0]}"


def _rollback(story: Story) -> Iterator[str]:
    """What was approved with it, should it not work, and did not run."""
    if story.rollback_state == "standby":
        yield "a rollback stands by, should it not work"
    elif story.rollback and story.outcome == "holds":
        yield "the rollback that was decided with it was not needed"
    elif story.rollback and story.started_at:
        yield f"the rollback that was decided with it did not run{_because(story.rollback_why)}"


def _back(story: Story) -> Iterator[str]:
    if story.rolls_back:
        yield "it rolls an earlier change back by itself, as was approved with that"
    elif story.undoes:
        yield "it takes an earlier change back"
    name = f" {words.code(story.undone_short, 20)[0]}" if story.undone_short else ""
    by = f" by{name}" if name else ""
    match story.undo_state, story.undo_outcome:
        case "", _:
            return
        case "done", "holds":
            at = f" {_moment(story.undone_at)}" if story.undone_at else ""
            itself = ", by itself, as was approved with it" if story.undone_by_itself else ""
            yield f"{words.UNDONE} undone{at}{by}{itself}"
        case ("executing", _) | ("done", ""):
            yield f"{words.WORKING} being undone{by}"
        case (("done" | "unknown"), _):
            yield f"{words.NEEDS_YOU} its way back{name} ran, but it is not verified as undone"
        case _:
            yield f"its way back{name} is proposed"


def _because(reason: str) -> str:
    return f": {words.line(reason, 300).removesuffix('.')}" if reason else ""


def _moment(at: datetime) -> str:
    """A day and a time that Slack shows in each reader's own zone."""
    shown = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short}} {{time_secs}}|{shown}>"

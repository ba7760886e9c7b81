"""Who asked, who may decide and who did, in words with mentions and times."""

from collections.abc import Sequence

from bot.core.text import amount
from bot.slack.views import words
from bot.slack.views.data import CardData

_NAME = 260  # of a user or group, longer than one can be
_CALLED = 5  # named in the notification; more would only be noise


def needed(call: CardData) -> str:
    """How many approvals it needs, and whose."""
    many = words.count(call.needs, "approval")
    if call.rule:
        many += f" ({'default ' if call.is_default else ''}rule “{words.line(call.rule, 80)}”)"
    if call.nobody_may_approve:
        return f"needs {many}, but nobody may approve yet: `COUNTERSIGN_APPROVERS` names no one"
    return f"needs {many}: {_approvers(call)}{_too_few(call)}"


def _too_few(call: CardData) -> str:
    """That nobody can complete it, and what would help."""
    if call.too_few is None or call.state != "proposed":
        return ""
    could = words.either([*map(words.mention, call.too_few)], last="and", most=5)
    who = f"only {could} could" if could else "nobody is left who could"
    mends = ["add approvers"]
    if call.another_may_ask:
        mends.append("let somebody else ask")
    if call.glass_groups:
        mends.append("break the glass")
    return f" ({who}, so it cannot be completed: {words.either(mends)})"


def _approvers(call: CardData) -> str:
    barred = call.contributors if call.not_contributors else ()
    if call.anyone or call.approver_groups or not call.approver_users:
        named = [*map(words.group, call.approver_groups), *map(words.mention, call.approver_users)]
        whom = f"anyone of {words.either(named)}" if named and not call.anyone else "anyone here"
        but = words.either([*map(words.mention, barred)], last="and")
        return f"{whom} but {but}" if but else whom
    left = [words.mention(user) for user in call.approver_users if user not in barred]
    return words.either(left) or "all who may approve took part in asking"


def called(calls: Sequence[CardData]) -> str:
    """Mentions of those who may decide, so that a new card is noticed; empty if nobody is named.

    Whoever took part in asking is left out where his approval would not count.
    """
    return mentions([call for call in calls if call.state == "proposed"])


def mentions(calls: Sequence[CardData]) -> str:
    """The same whatever became of them."""
    named: dict[str, None] = {}
    for call in calls:
        if call.anyone:
            continue
        barred = call.contributors if call.not_contributors else ()
        named |= dict.fromkeys(map(words.group, call.approver_groups))
        named |= dict.fromkeys(
            words.mention(user) for user in call.approver_users if user not in barred
        )
    shown = list(named)[:_CALLED]
    if len(named) > _CALLED:
        shown.append(f"and {len(named) - _CALLED} more")
    return " ".join(shown)


def asked_by(call: CardData) -> str:
    """Who asked, and who changed what was asked for; of what we propose, whose change it undoes."""
    whose = asker(call)
    asked = f"asked by {whose}"
    if call.unasked:
        asked = f"proposed by me, to take back what {whose} asked for"
    return f"{asked}, edited by {words.mention(call.edited_by)}" if call.edited_by else asked


def asker(call: CardData) -> str:
    """Whose wish it was at first, whoever edited it since."""
    return words.mention(call.asked_by or call.requester)


def runs_as(acting: str, room: int = 400) -> tuple[str, bool]:
    """As whom it runs on the cluster, and whether groups are left out; empty where that is the bot
    itself.
    """
    named, cut = identity(acting, room)
    return (f"runs as {named}", cut) if acting else ("", False)


def identity(acting: str, room: int) -> tuple[str, bool]:
    """A user and his groups in whole names, so many as `room` units hold; whether any is left
    out.
    """
    name, *groups = acting.split(" ")
    shown: list[str] = []
    for group in groups:
        text = words.code(group, _NAME)[0]
        room -= words.size(text) + 2
        if room < 0:
            break
        shown.append(text)
    left = len(groups) - len(shown)
    shown += [amount(left, "other group")] if left else []
    of = f" with {words.either(shown, last='and', most=len(shown))}" if shown else ""
    return f"{words.code(name, _NAME)[0]}{of}", left > 0


def approved(call: CardData) -> str:
    """Who approved and when; empty if nobody did."""
    if not call.approvals:
        return f"allowed by the rule “{words.line(call.rule, 80)}”" if call.is_allowed else ""
    if call.grant_use and call.grant and call.grant.at:  # nobody looked at this one
        given = f"{words.mention(call.grant.approver)} {words.clock(call.grant.at, exact=True)}"
        use = f"{call.grant_use} of {call.grant.times} of the same again"
        return f"allowed in advance by {given}, {use}"
    votes = [f"{words.mention(user)} {words.clock(at, exact=True)}" for user, at in call.approvals]
    return f"approved by {words.either(votes, last='and', most=5)}"


def so_far(call: CardData) -> str:
    """Of an open call: whose approvals count now, whose do no more, and how many are missing."""
    said: list[str] = []
    if call.approvals:
        left = call.needs - len(call.approvals)
        more = f"; {words.count(left, 'more approval')} needed" if left > 0 else ""
        said.append(f"So far {approved(call)}{more}.")
    if call.fallen:
        named = words.either([*map(words.mention, call.fallen)], last="and", most=5)
        said.append(f"The approval of {named}, who may give none any more, does not count.")
    return " ".join(said)


def granted(call: CardData) -> str:
    """On the card where it was given: what is allowed in advance, or why nothing is any more."""
    grant = call.grant
    if grant is None or call.grant_use or call.state == "proposed":
        return ""
    said = f"{words.mention(grant.approver)} allowed the same again here: {terms(call)}"
    used = f"{grant.used} used" if grant.used else "none used yet"
    why = f": {words.line(grant.ended, 200)}" if grant.ended else ""
    by = f" by {words.mention(grant.ended_by)}" if grant.ended_by else ""
    over = "" if grant.is_open else f"; over{why}{by}"
    return f"{said}; {used}{over}."


def terms(call: CardData) -> str:
    """What the same again is: how often, until when, and what may differ."""
    if call.grant is None:
        return ""
    ranges = [
        f"{words.code(name, 60)[0]} {least} to {most}"
        for name, (least, most) in call.grant.vary.items()
    ]
    differs = f", with {words.either(ranges, last='and')}" if ranges else ""
    many = words.count(call.grant.times, "time")
    until, whom = words.clock(call.grant.until), words.mention(call.requester)
    return f"{many} until {until}, for {whom}{differs}"


def broke_glass(call: CardData) -> str:
    """Who ran it alone, when and why; empty if nobody did."""
    if not call.broken_by:
        return ""
    at = f" {words.clock(call.broken_at, exact=True)}" if call.broken_at else ""
    because = words.line(call.broken_because, 500)
    return (
        f"{words.mention(call.broken_by)} broke the glass{at}{f' (“{because}”)' if because else ''}"
    )


def history(call: CardData) -> str:
    """Who approved, and when it ran."""
    started = f"ran {words.clock(call.started_at, exact=True)}" if call.started_at else ""
    return ", ".join(part for part in (approved(call), broke_glass(call), started) if part)

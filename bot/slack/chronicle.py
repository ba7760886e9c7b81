"""What the audit answers in Slack: to members of a channel of that channel's calls, to auditors of
all.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from bot.agent.control import Word
from bot.guard import chronicle, refusals, short_ids
from bot.guard.chronicle import Question
from bot.guard.house import House
from bot.slack.api import Identity
from bot.slack.views import notices
from bot.slack.views.chronicle import AuditData, audit
from bot.slack.views.data import Message
from bot.slack.views.why import why_refused

_MOST: Final = 10  # calls in one message
_MOST_REFUSED: Final = 5
_BACK: Final = timedelta(days=30)  # how far a question about a person looks
_DAY: Final = timedelta(days=1)
_PERSON: Final = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>", re.IGNORECASE)


class Chronicle:
    """Answers `audit`."""

    def __init__(self, house: House, identity: Identity) -> None:
        self._house = house
        self._identity = identity

    async def about(self, word: Word, person: str, channel: str, now: datetime) -> Message:
        """What somebody is told who asks in a channel, and may see. Raises `DatabaseAway`."""
        org = self._identity.org
        asking, roles = await self._house.directory.person(org, person), self._house.rules.roles
        everywhere = chronicle.may_audit(roles, asking)
        of = "" if everywhere else channel
        try:
            question, about, flags = _question(word, person, of, now)
        except ValueError:
            return notices.refused(f"There is no day `{word.about}`; write it as {now:%Y-%m-%d}")
        told, more = await chronicle.newest(self._house.database, org, question, _MOST)
        if word.short_id and not told:
            named = short_ids.typed(word.short_id)
            found = await refusals.newest(self._house.database, org, channel, named)
            if found is not None:
                return why_refused(found[1], self._house.rules.book)
        refused, number = await self._refused(question, now)
        return audit(
            AuditData(
                stories=told,
                more=more,
                refused=refused,
                more_refused=number - len(refused),
                about=about,
                export=" ".join(["countersign audit export --stories", *flags]),
                workspace=self._identity.url,
                everywhere=everywhere,
                whole=bool(word.short_id),
            )
        )

    async def _refused(
        self, question: Question, now: datetime
    ) -> tuple[list[refusals.Refused], int]:
        if question.call or question.since is None:
            return [], 0
        return await refusals.within(
            self._house.database,
            self._identity.org,
            question.since,
            question.before or now,
            channel=question.channel,
            person=question.person,
            most=_MOST_REFUSED,
        )


def _question(
    word: Word, person: str, channel: str, now: datetime
) -> tuple[Question, str, list[str]]:
    """Which calls are meant, in words, and as options of the command line. Raises `ValueError`."""
    there = [f"--channel {channel}"] if channel else []
    if word.short_id:
        question = Question(call=word.short_id, channel=channel)
        return question, f"with the id `{word.short_id}`", [f"--call {word.short_id}", *there]
    whom = person if word.about.lower() == "me" else ""
    if found := _PERSON.fullmatch(word.about):
        whom = found[1].upper()
    if whom:
        since = now - _BACK
        question = Question(since=since, person=whom, channel=channel)
        flags = [f"--since {since:%Y-%m-%d}", f"--actor {whom}", *there]
        return question, f"with a part of <@{whom}> in the last {_BACK.days} days", flags
    day = _day(word.about, now)
    start = datetime.combine(day, time(), UTC)
    question = Question(since=start, before=start + _DAY, channel=channel)
    return question, f"on {day} (UTC)", [f"--since {day}", f"--until {day}", *there]


def _day(text: str, now: datetime) -> date:
    today = now.astimezone(UTC).date()
    match text.lower():
        case "" | "today":
            return today
        case "yesterday":
            return today - _DAY
        case _:
            return date.fromisoformat(text)

"""Whether what each rule asks for can be given: as many people as it wants, and one more."""

from collections.abc import AsyncIterator

from bot.core.mistakes import Place
from bot.doctor.findings import Finding, failed, ok, warning
from bot.guard.policy import Approvers
from bot.policy_file import Ask, Rule
from bot.settings import Settings
from bot.slack.api import Refused, SlackApi, SlackProblem
from bot.slack.inspection import why_no_approver


class RuleQuorums:
    """Counts the people of each rule that asks."""

    def __init__(self, settings: Settings, api: SlackApi, lacking: frozenset[str]) -> None:
        self._settings = settings
        self._api = api
        self._lacking = lacking
        self._members: dict[str, list[str]] = {}
        self._bars: dict[str, str] = {}  # person → why he may not approve; empty: he may

    async def check(self) -> list[Finding]:
        """A finding for each rule whose card could not be completed."""
        asking = [(n, rule) for n, rule in enumerate(self._settings.file.policy.rules) if rule.ask]
        if not asking or self._settings.read_only:
            return []
        if "SLACK_BOT_TOKEN" in self._lacking:
            return [failed("rules", "not looked at: SLACK_BOT_TOKEN is not usable, see above")]
        found: list[Finding] = []
        try:
            for number, rule in asking:
                place: Place = ("policy", "rules", number)
                found += [one async for one in self._rule(rule, rule.ask or Ask(), place)]
        except SlackProblem as problem:
            return [*found, failed("rules", f"not looked at: {problem}")]
        return found or [ok("rules", f"all {len(asking)} that ask can be given what they ask for")]

    async def _rule(self, rule: Rule, ask: Ask, place: Place) -> AsyncIterator[Finding]:
        general = Approvers.parse(self._settings.named_approvers())
        named = Approvers(groups=ask.groups) if ask.groups else general
        later = ask.escalate.to if ask.escalate else ()
        if named.everybody or named.nobody:
            return  # enough, or said elsewhere
        many = await self._how_many(named.users, (*named.groups, *later), ask.approvers + 1)
        if many is None or many > ask.approvers:
            return
        whom = " and ".join((*named.groups, *later, *named.users))
        where = f"{self._settings.file.at(place)}: “{rule.name}”"
        can = f"asks for {ask.approvers} of {whom}, where {many} can approve"
        mend = "Put more people there, name another group, or ask for fewer."
        if many < ask.approvers:
            yield failed("rules", f"{where} {can}: nobody can complete its cards", mend)
        elif not ask.requester_may:
            said = f"{where} {can}: what one of them asks for, nobody can complete"
            yield warning("rules", said, mend)

    async def _how_many(
        self, users: tuple[str, ...], groups: tuple[str, ...], enough: int
    ) -> int | None:
        """How many of them can approve, counted up to `enough`; None where a group is unknown."""
        whom = set(users)
        for group in groups:
            if group not in self._members:
                try:
                    self._members[group] = await self._api.group_members(group)
                except Refused:
                    return None  # said where groups are looked up
            whom.update(self._members[group])
        many = 0
        for one in sorted(whom):
            many += not await self._bar(one)
            if many == enough:
                break
        return many

    async def _bar(self, user: str) -> str:
        if user not in self._bars:
            try:
                self._bars[user] = why_no_approver(await self._api.user(user))
            except Refused as refused:
                self._bars[user] = f"cannot be found ({refused.code})"
        return self._bars[user]

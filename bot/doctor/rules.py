"""Whether what each rule asks for can be given: as many people as it wants, and one more; and
whether the groups that rules and roles name are there.
"""

from collections.abc import AsyncIterator

from bot.core.mistakes import Place
from bot.doctor.findings import Finding, failed, ok, warning
from bot.guard.policy import DANGER, Approvers
from bot.policy_file import Ask, Rule
from bot.settings import Settings
from bot.slack.api import Refused, SlackApi, SlackProblem
from bot.slack.inspection import why_no_approver


class RuleQuorums:
    """Counts the people of each rule that asks, the built-in one for dangers too."""

    def __init__(self, settings: Settings, api: SlackApi, lacking: frozenset[str]) -> None:
        self._settings = settings
        self._api = api
        self._lacking = lacking
        self._members: dict[str, list[str]] = {}
        self._bars: dict[str, str] = {}  # person → why he may not approve; empty: he may

    async def check(self) -> list[Finding]:
        """A finding for each rule whose card could not be completed, and each group amiss."""
        file = self._settings.file
        if self._settings.read_only:
            return []
        if "SLACK_BOT_TOKEN" in self._lacking:
            asks = any(rule.ask for rule in file.policy.rules) or file.named_groups()
            said = "not looked at: SLACK_BOT_TOKEN is not usable, see above"
            return [failed("rules", said)] if asks else []
        found: list[Finding] = []
        asking = 0
        try:
            found += [one async for one in self._groups()]
            for number, rule in enumerate(file.policy.rules):
                place: Place = ("policy", "rules", number)
                asking += rule.ask is not None
                found += [one async for one in self._rule(rule, rule.ask, place)]
            found += [one async for one in self._danger()]
        except SlackProblem as problem:
            return [*found, failed("rules", f"not looked at: {problem}")]
        if found or not asking:
            return found
        return [ok("rules", f"all {asking} that ask can be given what they ask for")]

    async def _groups(self) -> AsyncIterator[Finding]:
        for group, where in self._settings.file.named_groups():
            try:
                self._members[group] = await self._api.group_members(group)
            except Refused as refused:
                yield failed(
                    "rules", f"{where}: Slack knows no user group {group} ({refused.code})"
                )

    async def _danger(self) -> AsyncIterator[Finding]:
        """The default rule for what is dangerous."""
        named = Approvers.parse(self._settings.named_approvers())
        if not self._settings.file.policy.defaults or named.everybody or named.nobody:
            return
        many = await self._how_many(named.users, named.groups, 3)
        if many is None or many > 2:
            return
        whose = "what one of them asks for" if many == 2 else "any of it"
        said = f"“{DANGER}” (built in), and {many} can approve: {whose}, nobody can complete"
        yield warning("rules", said, "Name more people in COUNTERSIGN_APPROVERS, or write a rule.")

    async def _rule(self, rule: Rule, ask: Ask | None, place: Place) -> AsyncIterator[Finding]:
        if ask is None:
            return
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

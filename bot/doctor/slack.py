"""Slack's side: tokens, scopes, clock, socket, approvers, and the channel for approvals."""

import yaml

from bot.core.errors import BadSettings
from bot.core.text import be
from bot.doctor.findings import Finding, failed, ok, warning
from bot.guard.policy import Approvers
from bot.settings import Settings
from bot.slack.api import Identity, Refused, SlackApi, SlackProblem
from bot.slack.directory import shared_outside
from bot.slack.inspection import greeted, look_at_token, why_no_approver
from bot.slack.manifest import manifest_text
from bot.slack.sockets import check_tokens

_SKEW = 30.0  # seconds after which times on cards mislead
_APPS = "https://api.slack.com/apps"
_AWAY = "Check the network and SLACK_API_URL; Slack's own state is at https://slack-status.com."
_EVERYBODY = warning(
    "approvers",
    "COUNTERSIGN_APPROVERS is `*`: every full member may approve",
    "Name a user group (S…) instead, unless that is what you want.",
)


def _scopes_of(manifest: str) -> frozenset[str]:
    try:
        return frozenset(yaml.safe_load(manifest)["oauth_config"]["scopes"]["bot"])
    except (yaml.YAMLError, TypeError, KeyError):
        return frozenset()


class SlackSide:
    """The checks, on one client. Each is independent of whether another failed."""

    def __init__(self, settings: Settings, api: SlackApi, lacking: frozenset[str]) -> None:
        self._settings = settings
        self._api = api
        self._lacking = lacking
        self.identity: Identity | None = None
        self.besides: int | None = None  # sockets of the app, whoever's, besides the one tried

    async def tokens(self) -> list[Finding]:
        """Whether Slack takes both, and whose they are."""
        if self._lacking & {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}:
            named = " and ".join(sorted(self._lacking & {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}))
            return [failed("tokens", f"not tried: {named} not usable, see above")]
        try:
            found = await check_tokens(self._api, self._settings.slack_app_token.get_secret_value())
        except BadSettings as error:
            return [failed("tokens", mistake, _mend_of(mistake)) for mistake in error.mistakes]
        except SlackProblem as problem:
            return [failed("tokens", f"Slack did not answer ({problem})", _AWAY)]
        self.identity = found
        return [ok("tokens", f"both are taken; workspace {found.team_id}, {found.url or 'no url'}")]

    async def scopes_and_clock(self) -> list[Finding]:
        """What the token may, and whether our clock is Slack's: both are told in one answer."""
        if "SLACK_BOT_TOKEN" in self._lacking:
            return [failed("scopes", "not looked at: SLACK_BOT_TOKEN is not usable, see above")]
        try:
            found = await look_at_token(self._api)
        except SlackProblem as problem:
            return [failed("scopes", f"not looked at: {problem}")]
        return [_compared(_scopes_of(manifest_text()), found.scopes), _clock(found.ahead)]

    async def socket(self, held: int, foreign: int) -> list[Finding]:
        """Open one until Slack says hello; a bot that runs here holds `held`: then leave it be, and
        believe what it says of `foreign` ones.
        """
        if held:
            found = [ok("socket", f"the bot that runs here holds {held}")]
            return [*found, *strangers(foreign)]
        if "SLACK_APP_TOKEN" in self._lacking:
            return [failed("socket", "not opened: SLACK_APP_TOKEN is not usable, see above")]
        try:
            count = await greeted(self._api, self._settings.slack_app_token.get_secret_value())
        except SlackProblem as problem:
            return [
                failed(
                    "socket",
                    str(problem),
                    "Turn Socket Mode on; a proxy must let WebSockets to *.slack.com through.",
                )
            ]
        self.besides = count - 1
        others = f"; {count - 1} more {be(count - 1)} open" if count > 1 else ""
        return [ok("socket", f"Slack said hello{others}")]

    # --- people -----------------------------------------------------------------------------

    async def approvers(self) -> list[Finding]:
        """Whether those who are named exist, and are enough."""
        if self._settings.read_only:
            return [ok("approvers", "none is needed: COUNTERSIGN_READ_ONLY switches changes off")]
        named = Approvers.parse(self._settings.named_approvers())
        if named.nobody and "COUNTERSIGN_APPROVERS" in self._lacking:
            return [failed("approvers", "not counted: COUNTERSIGN_APPROVERS is wrong, see above")]
        if named.nobody:
            return [
                failed(
                    "approvers",
                    "nobody may approve: COUNTERSIGN_APPROVERS is not set",
                    "Set it to user ids (U…) or user-group ids (S…).",
                )
            ]
        if "SLACK_BOT_TOKEN" in self._lacking:
            return [failed("approvers", "not looked up: SLACK_BOT_TOKEN is not usable, see above")]
        found: list[Finding] = [_EVERYBODY] if named.everybody else []
        people: set[str] = set()
        try:
            for group in named.groups:
                found += await self._group(group, people)
            for user in named.users:
                found += await self._person(user, people)
        except SlackProblem as problem:
            return [*found, failed("approvers", f"not looked up: {problem}")]
        if not named.everybody and len(people) == 1:
            found.append(
                warning(
                    "approvers",
                    "only one person may approve: what needs two approvals, and what that person "
                    "asks for, nobody can approve",
                    "Name more people in COUNTERSIGN_APPROVERS.",
                )
            )
        return found or [ok("approvers", f"{len(people)} people may approve")]

    async def _group(self, group: str, people: set[str]) -> list[Finding]:
        try:
            members = await self._api.group_members(group)
        except Refused as refused:
            said = f"the group {group} cannot be read ({refused.code})"
            return [failed("approvers", said, "Correct COUNTERSIGN_APPROVERS.")]
        people.update(members)
        if not members:
            said = f"nobody is in the group {group}"
            return [failed("approvers", said, "Put people into it in Slack.")]
        return []

    async def _person(self, user: str, people: set[str]) -> list[Finding]:
        try:
            found = await self._api.user(user)
        except Refused as refused:
            said = f"{user} cannot be found ({refused.code})"
            return [failed("approvers", said, "Correct COUNTERSIGN_APPROVERS.")]
        if why := why_no_approver(found):
            said = f"{user} {why} and may not approve"
            return [failed("approvers", said, "Take it out of COUNTERSIGN_APPROVERS.")]
        people.add(user)
        return []

    async def channel(self) -> list[Finding]:
        """Whether cards can be told in `approvals.channel`."""
        channel = self._settings.file.approvals.channel
        if channel is None:
            return [ok("approvals.channel", "not set: cards are told in their own thread only")]
        if "SLACK_BOT_TOKEN" in self._lacking:
            return [failed("approvals.channel", "not looked up: SLACK_BOT_TOKEN is not usable")]
        try:
            found = await self._api.channel(channel)
        except Refused as refused:
            return [
                failed(
                    "approvals.channel",
                    f"{channel} cannot be read ({refused.code})",
                    "Correct the id, and invite the bot: /invite @countersign.",
                )
            ]
        except SlackProblem as problem:
            return [failed("approvals.channel", f"not looked up: {problem}")]
        if found.get("is_archived"):
            return [failed("approvals.channel", f"{channel} is archived", "Name another one.")]
        if not found.get("is_member"):
            said = f"the bot is not in {channel}"
            return [failed("approvals.channel", said, "Invite it there: /invite @countersign.")]
        if shared_outside(found):
            return [
                failed(
                    "approvals.channel",
                    f"{channel} is shared with another organisation: nothing is told there",
                    "Name a channel that only your organisation reads.",
                )
            ]
        return [ok("approvals.channel", f"the bot is in {channel}")]


def _mend_of(mistake: str) -> str:
    """What to do about a token that Slack refuses."""
    if "link_disabled" in mistake:  # the token is good
        return f"Turn on Socket Mode on the app's page: {_APPS}."
    return f"Copy it again from the app's page: {_APPS}."


def strangers(sockets: int) -> list[Finding]:
    """What it means that Slack counts so many of the app's sockets as none of ours holds."""
    if sockets <= 0:
        return []
    return [
        warning(
            "socket",
            f"another program holds {sockets} of this app's sockets and gets a part of what people "
            "say",
            "Stop it, or give it an app of its own with its own SLACK_APP_TOKEN.",
        )
    ]


def _compared(wanted: frozenset[str], granted: frozenset[str] | None) -> Finding:
    """What the manifest asks for and the token does not have."""
    if not wanted:
        return warning("scopes", "not compared: there is no manifest.yml beside the program")
    if granted is None:
        return warning("scopes", "not compared: Slack's answer names none")
    if missing := sorted(wanted - granted):
        return failed(
            "scopes",
            f"the bot token lacks {', '.join(missing)}",
            f"Paste manifest.yml anew at {_APPS} (App Manifest), then reinstall the app.",
        )
    if more := sorted(granted - wanted):
        return warning(
            "scopes",
            f"all {len(wanted)} of manifest.yml; not needed: {', '.join(more)}",
            "Take them away if no other program uses this token.",
        )
    return ok("scopes", f"all {len(wanted)} of manifest.yml")


def _clock(ahead: float | None) -> Finding:
    """Times on cards are made by our clock."""
    if ahead is None:
        return warning("clock", "not compared: Slack's answer has no date")
    if abs(ahead) > _SKEW:
        way = "ahead of" if ahead > 0 else "behind"
        said = f"{abs(ahead):.0f} s {way} Slack's"
        return warning("clock", said, "Let this machine follow NTP; cards expire by its clock.")
    return ok("clock", f"within {max(abs(ahead), 1):.0f} s of Slack's")

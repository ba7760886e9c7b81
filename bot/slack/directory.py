"""Who people are and who reads a channel, as Slack says: a copy of at most a minute. Failures
fail closed.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

import structlog

from bot.core.values import Person, Sharing, Standing
from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem
from bot.slack.budget import Budget

log = structlog.get_logger()
T = TypeVar("T")

_KEEP = 60.0  # seconds
_OUTSIDE = (
    "is_ext_shared",
    "is_pending_ext_shared",
    "pending_shared",
    "pending_connected_team_ids",
)
_MOST = 10_000  # entries of a copy before the oldest half is forgotten


class SlackDirectory:
    """The guard's directory, from Slack's Web API."""

    def __init__(
        self,
        api: SlackApi,
        team: str,
        groups: tuple[str, ...],
        listed: frozenset[str] = frozenset(),
        *,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._budget = budget
        self._team = team
        self._groups = groups
        self._listed = listed  # channels where the operator lets us work whoever reads them
        self._people = _Copy(clock)
        self._channels = _Copy(clock)
        self._members = _Copy(clock)
        self._readers = _Copy(clock)

    async def person(self, org: str, user: str, *, fresh: bool = False) -> Person:  # noqa: ARG002 -- one workspace
        """Somebody, with those of the named groups he is in."""
        try:
            found = await self._people.get(user, partial(self._user, user), fresh=fresh)
        except SlackProblem as problem:
            log.warning("person_not_found", user=user, error=str(problem))
            return Person(user, Standing.UNKNOWN)
        standing = _standing(found, self._team)
        name = str(found.get("real_name") or "")
        if standing is not Standing.MEMBER:
            return Person(user, standing, name, mail=_mail(found))
        groups, unknown = await self._groups_of(user, fresh=fresh)
        return Person(user, standing, name, groups, unknown, _mail(found))

    async def members(self, org: str, group: str) -> frozenset[str] | None:  # noqa: ARG002 -- one workspace
        """Who is in a group."""
        try:
            found = await self._members.get(group, partial(self._group, group))
        except SlackProblem as problem:
            log.warning("group_not_found", group=group, error=str(problem))
            return None
        return frozenset(found)

    async def sharing(self, org: str, channel: str) -> Sharing:  # noqa: ARG002 -- one workspace
        """Whether only our organisation reads a channel, or the operator listed it."""
        if channel in self._listed:
            return Sharing.OURS
        try:
            found = await self._channels.get(channel, partial(self._channel, channel))
        except SlackProblem as problem:
            log.warning("channel_not_found", channel=channel, error=str(problem))
            # Slack knows no private channel that we are not in
            is_away = not (isinstance(problem, Refused) and problem.code == "channel_not_found")
            return Sharing.UNKNOWN if is_away else Sharing.SHARED
        return Sharing.SHARED if shared_outside(found) else Sharing.OURS

    async def reads(self, org: str, channel: str, user: str) -> bool:  # noqa: ARG002 -- one workspace
        """Whether somebody is in a channel."""
        try:
            found = await self._readers.get(channel, partial(self._in_channel, channel))
        except SlackProblem as problem:
            log.warning("members_not_found", channel=channel, error=str(problem))
            return False
        return user in found

    def known_name(self, user: str) -> str:
        """The name of somebody who was looked up lately; nothing is asked."""
        found = self._people.kept(user)
        return str(found.get("real_name") or found.get("name") or "") if found else ""

    def forget(self, what: Literal["person", "group", "channel"], one: str) -> None:
        """An event said that it changed."""
        copies = {"person": self._people, "group": self._members, "channel": self._channels}
        copies[what].forget(one)
        if what == "channel":
            self._readers.forget(one)

    async def _groups_of(self, user: str, *, fresh: bool) -> tuple[frozenset[str], frozenset[str]]:
        """Those that he is in, and those of which Slack did not say who is in."""
        found, unknown = set(), set()
        for group in self._groups:
            try:
                members = await self._members.get(group, partial(self._group, group), fresh=fresh)
            except SlackProblem as problem:
                log.warning("group_not_found", group=group, error=str(problem))
                unknown.add(group)
                continue
            if user in members:
                found.add(group)
        return frozenset(found), frozenset(unknown)

    # --- Slack is asked ------------------------------------------------------------------------

    async def _user(self, user: str) -> Mapping[str, Any]:
        with self._counted(Method.PERSON):
            return await self._api.user(user)

    async def _group(self, group: str) -> Iterable[str]:
        with self._counted(Method.GROUP):
            return await self._api.group_members(group)

    async def _channel(self, channel: str) -> Mapping[str, Any]:
        with self._counted(Method.CHANNEL):
            return await self._api.channel(channel)

    async def _in_channel(self, channel: str) -> Collection[str]:
        with self._counted(Method.MEMBERS):
            return await self._api.channel_members(channel)

    @contextmanager
    def _counted(self, method: Method) -> Iterator[None]:
        """Raises `Limited` while Slack asks for a pause, and remembers one that it asks for."""
        self._budget.spend(method)
        try:
            yield
        except Limited as limited:
            self._budget.heed(limited)
            raise


def _standing(user: Mapping[str, Any], team: str) -> Standing:
    if user.get("deleted"):
        return Standing.GONE
    if user.get("is_bot") or user.get("is_workflow_bot") or user.get("id") == "USLACKBOT":
        return Standing.BOT
    teams = {user.get("team_id"), *(user.get("enterprise_user") or {}).get("teams", ())}
    if user.get("is_stranger") or team not in teams:
        return Standing.OUTSIDER
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return Standing.GUEST
    return Standing.MEMBER


def _mail(user: Mapping[str, Any]) -> str:
    """An address that is surely his; Slack tells it to apps that may read it."""
    if user.get("is_email_confirmed") is not True:
        return ""
    return str((user.get("profile") or {}).get("email") or "")


class _Copy:
    """What was asked lately, by id; as old as when it was asked for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Any]] = {}
        self._asking: dict[str, object] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        """The kept answer if it is young enough; otherwise ask now."""
        if not fresh and (kept := self.kept(key)) is not None:
            return kept  # type: ignore[no-any-return]
        at, mine = self._clock(), object()
        self._asking[key] = mine
        try:
            answer = await ask()
            if self._asking.get(key) is mine:  # nothing said meanwhile that it changed
                self._keep(key, at, answer)
        finally:
            if self._asking.get(key) is mine:
                del self._asking[key]
        return answer

    def kept(self, key: str) -> Any:
        """The kept answer, if it is young enough."""
        at, kept = self._kept.get(key, (0.0, None))
        return kept if self._clock() - at < _KEEP else None

    def forget(self, key: str) -> None:
        """Also what is being asked for at this moment."""
        self._kept.pop(key, None)
        self._asking.pop(key, None)

    def _keep(self, key: str, at: float, answer: object) -> None:
        if len(self._kept) >= _MOST:
            for old in list(self._kept)[: _MOST // 2]:
                del self._kept[old]
        self._kept[key] = (at, answer)


def shared_outside(channel: Mapping[str, object]) -> bool:
    """Whether another organisation reads a channel or is about to, by what Slack says of it."""
    if any(channel.get(mark) for mark in _OUTSIDE):
        return True
    # shared, and not only among the workspaces of our own organisation
    return bool(channel.get("is_shared") and not channel.get("is_org_shared"))

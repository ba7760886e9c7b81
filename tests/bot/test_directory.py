"""The copy of who people are: never older than a minute, and gone at once when Slack says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.core.values import Sharing, Standing
from bot.sandbox.slack import Workspace
from bot.sandbox.slack.faults import FaultKind
from bot.sandbox.slack.model import Channel
from bot.slack.api import SlackApi
from bot.slack.budget import Budget
from bot.slack.directory import SlackDirectory
from tests.world import MANIFEST

ORG, OPS, BOB = "T0ACME000", "C0OPS0000", "U0BOB0000"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def asked() -> AsyncIterator[tuple[Workspace, SlackDirectory, Clock, str]]:
    clock = Clock()
    async with (
        Workspace(MANIFEST) as slack,
        SlackApi.open(slack.bot_token, slack.api_url) as api,
    ):
        group = slack.set_group("sre", ["alice", "bob"])
        budget = Budget(clock=clock)
        directory = SlackDirectory(api, ORG, (group,), budget=budget, clock=clock)
        yield slack, directory, clock, group


async def seen(directory: SlackDirectory, group: str) -> tuple[object, ...]:
    """All that is known of Bob and his channel, in one look each."""
    bob = await directory.person(ORG, BOB)
    members = await directory.members(ORG, group) or frozenset()
    return (
        bob.standing,
        bob.groups,
        BOB in members,
        await directory.reads(ORG, OPS, BOB),
        await directory.sharing(ORG, OPS),
    )


async def test_a_copy_of_roles_is_at_most_a_minute_old(
    asked: tuple[Workspace, SlackDirectory, Clock, str],
) -> None:
    slack, directory, clock, group = asked
    before = (Standing.MEMBER, frozenset({group}), True, True, Sharing.OURS)
    assert await seen(directory, group) == before
    # no event reaches this bot
    slack.set_group("sre", ["alice"])
    slack.remove("bob", "ops")
    slack.change_channel("ops", is_ext_shared=True)
    clock.now += 59.9
    assert await seen(directory, group) == before
    clock.now += 0.1
    now: tuple[object, ...] = (Standing.MEMBER, frozenset(), False, False, Sharing.SHARED)
    assert await seen(directory, group) == now
    slack.change_user("bob", is_restricted=True)
    clock.now += 59.9
    assert await seen(directory, group) == now
    assert (await directory.person(ORG, BOB, fresh=True)).standing is Standing.GUEST


async def test_what_changes_while_it_is_asked_for_is_not_kept(
    asked: tuple[Workspace, SlackDirectory, Clock, str],
) -> None:
    """The answer may be of before the change that the event told of."""
    slack, directory, _, group = asked
    looking = asyncio.ensure_future(directory.person(ORG, BOB))
    await asyncio.sleep(0)
    directory.forget("person", BOB)
    await looking
    slack.change_user("bob", deleted=True)
    assert (await directory.person(ORG, BOB)).standing is Standing.GONE
    counting = asyncio.ensure_future(directory.members(ORG, group))
    await asyncio.sleep(0)
    directory.forget("group", group)
    await counting
    number = len(slack.calls_of("usergroups.users.list"))
    await directory.members(ORG, group)
    await directory.members(ORG, group)
    assert len(slack.calls_of("usergroups.users.list")) == number + 1


@dataclass
class Marked(Channel):
    """A channel of which Slack tells more than the stand-in knows."""

    marks: dict[str, Any] = field(default_factory=dict)

    def as_json(self, bot_user: str, team_id: str) -> dict[str, Any]:
        """With these marks."""
        return super().as_json(bot_user, team_id) | self.marks


@pytest.mark.parametrize(
    ("marks", "sharing"),
    [
        ({}, Sharing.OURS),
        ({"is_ext_shared": True}, Sharing.SHARED),
        # somebody was invited, and may read along at any moment
        ({"is_pending_ext_shared": True}, Sharing.SHARED),
        ({"pending_shared": ["T0OTHER00"]}, Sharing.SHARED),
        ({"pending_connected_team_ids": ["T0OTHER00"]}, Sharing.SHARED),
        ({"pending_shared": [], "pending_connected_team_ids": []}, Sharing.OURS),
        # among workspaces, of our own organisation or not
        ({"is_shared": True, "is_org_shared": True}, Sharing.OURS),
        ({"is_shared": True, "is_org_shared": False}, Sharing.SHARED),
        ({"is_shared": True, "is_org_shared": True, "is_ext_shared": True}, Sharing.SHARED),
    ],
)
async def test_a_channel_that_others_read_or_are_about_to_is_shared(
    asked: tuple[Workspace, SlackDirectory, Clock, str], marks: dict[str, Any], sharing: Sharing
) -> None:
    slack, directory, _, _ = asked
    slack.state.channels[OPS] = Marked(OPS, "ops", marks=marks)
    assert await directory.sharing(ORG, OPS) is sharing


@pytest.mark.parametrize("fault", ["error", "http_503", "html", "drop_after"])
async def test_who_cannot_be_looked_up_is_nobody_and_nowhere(
    asked: tuple[Workspace, SlackDirectory, Clock, str], fault: FaultKind
) -> None:
    slack, directory, _, group = asked
    for method in ("users.info", "usergroups.users.list", "conversations.members"):
        slack.faults.fail(method, fault, times=9)
    slack.faults.fail("conversations.info", fault, times=9)
    bob = await directory.person(ORG, BOB)
    assert (bob.standing, bob.groups) == (Standing.UNKNOWN, frozenset())
    assert await directory.members(ORG, group) is None
    assert await directory.reads(ORG, OPS, BOB) is False
    assert await directory.sharing(ORG, OPS) is Sharing.UNKNOWN
    # nothing of that is kept
    slack.faults.methods.clear()
    assert await seen(directory, group) == (
        Standing.MEMBER,
        frozenset({group}),
        True,
        True,
        Sharing.OURS,
    )


async def test_while_slack_asks_for_a_pause_it_is_not_asked(
    asked: tuple[Workspace, SlackDirectory, Clock, str],
) -> None:
    slack, directory, clock, _ = asked
    slack.faults.fail("users.info", "ratelimited", seconds=30)
    assert (await directory.person(ORG, BOB)).standing == Standing.UNKNOWN
    assert (await directory.person(ORG, BOB)).standing == Standing.UNKNOWN
    assert len(slack.calls_of("users.info")) == 1
    assert await directory.sharing(ORG, OPS) == Sharing.OURS, "only that method"
    clock.now += 31
    assert (await directory.person(ORG, BOB)).standing == Standing.MEMBER

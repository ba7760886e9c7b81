"""The copy of who people are: never older than a minute, and gone at once when Slack says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.core.values import Sharing, Standing
from bot.sandbox.slack import Workspace
from bot.slack.api import SlackApi
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
        yield slack, SlackDirectory(api, ORG, (group,), clock=clock), clock, group


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

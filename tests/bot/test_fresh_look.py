"""What is dangerous, or rests on one person, rests on what Slack says now, not on a copy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.core.bus import Bus
from bot.core.tasks import Tasks
from bot.core.values import Thread
from bot.guard.ahead import Ahead
from bot.guard.house import House, Rules
from bot.guard.people import Directory
from bot.guard.policy import Approvers, Effect, Ruling
from bot.guard.records import Call
from bot.guard.recount import why_fallen
from bot.guard.votes import Vote, Votes
from bot.sandbox.slack import Workspace
from bot.slack.api import SlackApi
from bot.slack.budget import Budget
from bot.slack.directory import SlackDirectory
from bot.store.database import Database
from bot.store.jobs import Jobs
from tests.bot.proposed import proposed
from tests.bot.test_directory import BOB, OPS, ORG
from tests.bot.test_policy import wish
from tests.world import MANIFEST
from tools import Catalog

CASES = pytest.mark.parametrize(
    ("risk", "vote", "bar"),
    [
        ("danger", "approve", "not_an_approver"),
        ("write", "break glass", "not_a_breaker"),
        ("write", "approve", None),  # here a copy of less than a minute will do
    ],
)


@asynccontextmanager
async def bob_may(database: Database, risk: str) -> AsyncIterator[tuple[Workspace, House, Call]]:
    """A change that Bob may approve, or run alone, as a member of a group; nobody tells the bot
    when he leaves it.
    """
    async with (
        Workspace(MANIFEST) as slack,
        SlackApi.open(slack.bot_token, slack.api_url) as api,
        database.transaction() as tx,
    ):
        group = slack.set_group("sre", ["alice", "bob"])
        directory: Directory = SlackDirectory(api, ORG, (group,), budget=Budget())
        ruling = Ruling(Effect.ASK, "with care", quorum=1, break_glass=(group,))
        _, call = await proposed(tx, Thread(ORG, OPS, "1.0"), wish(risk=risk), ruling)
        jobs, rules = Jobs(database.dsn, {}, slots=1), Rules(Approvers(groups=(group,)))
        yield slack, House(database, jobs, Catalog(), directory, Bus(), rules), call


@CASES
async def test_a_vote_on_what_is_dangerous_is_its_voters_of_now(
    database: Database, risk: str, vote: Vote, bar: str | None
) -> None:
    async with bob_may(database, risk) as (slack, house, call):
        votes = Votes(house, Ahead(house, Tasks()))
        assert await votes.why_not(call, BOB, vote) is None
        slack.set_group("sre", ["alice"])
        assert await votes.why_not(call, BOB, vote) == bar


@CASES
async def test_before_a_dangerous_deed_those_who_voted_are_looked_up_anew(
    database: Database, risk: str, vote: Vote, bar: str | None
) -> None:
    async with bob_may(database, risk) as (slack, house, call):
        votes = [{"person": BOB, "vote": vote, "digest": call.digest}]
        decided = replace(call, decisions=votes)
        assert await why_fallen(house, decided, call.ruling, 1, fresh=True) == ""
        slack.set_group("sre", ["alice"])
        fallen = "somebody who approved it no longer may" if bar else ""
        assert await why_fallen(house, decided, call.ruling, 1, fresh=True) == fallen

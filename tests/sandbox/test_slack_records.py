"""What the workspace records stays of one size, however long it runs."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.manifest import Manifest
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.model import SlackError
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State, populate
from bot.sandbox.slack.tasks import Tasks
from bot.sandbox.slack.tickets import ResponseUrls, Triggers

START = 1_700_000_000.0


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    settings = Settings(records=3, retry_delays=(), hold_while_disconnected=False)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        yield workspace


async def test_the_newest_calls_and_deliveries_are_remembered(slack: Workspace) -> None:
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    for number in range(5):
        await client.chat_postMessage(channel="C0OPS0000", text=f"answer {number}")
        await slack.dm("alice", f"question {number}")
    assert [call.n for call in slack.calls] == [3, 4, 5], "a number stays what it was"
    assert [call.args["text"] for call in slack.calls] == ["answer 2", "answer 3", "answer 4"]
    await slack.settled()
    said = [one.event["text"] for one in slack.envelopes]
    assert said == ["question 3", "answer 4", "question 4"], "the app hears its own posts"


async def test_so_are_notices(slack: Workspace) -> None:
    for number in range(5):
        slack.state.notice(slack.user_id("alice"), f"notice {number}")
    assert [notice["text"] for notice in slack.notices] == ["notice 2", "notice 3", "notice 4"]


@pytest.fixture
def state() -> State:
    found = State(Manifest(EXAMPLE_MANIFEST), Settings(start=START))
    populate(found)
    return found


def test_trigger_ids_are_forgotten_a_while_after_their_time(state: State) -> None:
    triggers = Triggers(state)
    first = triggers.issue("U0BOB0000")
    state.clock.advance(10)
    late = triggers.issue("U0BOB0000")
    state.clock.advance(55)
    triggers.issue("U0BOB0000")
    assert len(triggers) == 2
    with pytest.raises(SlackError, match="invalid_trigger_id"):
        triggers.redeem(first)
    with pytest.raises(SlackError, match="expired_trigger_id"):
        triggers.redeem(late)


def test_response_urls_are_forgotten_with_their_time(state: State) -> None:
    faults = Faults()
    events = Events(state, Hub(state, faults, Tasks()), faults)
    urls = ResponseUrls(state, Messages(state, events), faults)
    channel = state.channel("ops")
    for _ in range(5):
        urls.issue(channel, "U0BOB0000")
        state.clock.advance(600)
    assert len(urls) == 4, "one of exactly thirty minutes still works"
    state.clock.advance(1801)
    assert urls.picture() == []
    assert len(urls) == 0

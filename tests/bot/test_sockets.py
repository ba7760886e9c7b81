"""Two sockets that keep hearing, whatever happens to one of them; and tokens that cannot work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from structlog.testing import capture_logs

from bot.core.errors import BadSettings
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.slack.api import Refused, SlackApi, Uncertain
from bot.slack.sockets import Pauses, Sockets, check_tokens


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until something is so; `TimeoutError` if it does not come."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


class Ears:
    """An app that notes what it hears, and its sockets."""

    def __init__(self, slack: Workspace, api: SlackApi, count: int) -> None:
        self.heard: list[str] = []
        self.seconds = 0.0  # until it acks
        self.slack = slack
        app = AsyncApp(client=api.client, request_verification_enabled=False)

        @app.use
        async def hear(body: dict[str, dict[str, str]]) -> BoltResponse:
            await asyncio.sleep(self.seconds)
            self.heard.append(body["event"]["text"])
            return BoltResponse(status=200)

        pauses = Pauses(ping=0.2, check=0.05, linger=0.3, doubt=0.3)
        self.sockets = Sockets(app, api, slack.app_token, count=count, pauses=pauses)

    async def until(self, connected: int, seconds: float = 5.0) -> None:
        """Wait until exactly so many sockets are connected, on both sides."""

        def counted() -> bool:
            return self.sockets.connected == len(self.slack.hub.sockets) == connected

        await until(counted, seconds)

    async def hears(self, text: str) -> None:
        """Whether an event comes through, within Slack's patience."""
        await self.slack.post("alice", "ops", text)
        await until(lambda: text in self.heard)


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    async with Workspace(EXAMPLE_MANIFEST, Settings(ping_seconds=0.2)) as workspace:
        yield workspace


@asynccontextmanager
async def listening(slack: Workspace, count: int = 2) -> AsyncIterator[Ears]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(SlackApi.open(slack.bot_token, slack.api_url))
        await check_tokens(api, slack.app_token)
        ears, stop = Ears(slack, api, count), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(ears.sockets.run(stop))
            try:
                await ears.until(count)
                yield ears
            finally:
                stop.set()
                async with asyncio.timeout(5):
                    await asyncio.wait({running})
        assert ears.sockets.connected == 0
        assert not slack.hub.sockets


async def test_it_listens_on_two_and_closes_both(slack: Workspace) -> None:
    async with listening(slack) as ears:
        for number in range(6):
            await ears.hears(f"event {number}")
    assert all(envelope.outcome == "acked" for envelope in slack.envelopes)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_refresh_leaves_no_gap(slack: Workspace, reason: str) -> None:
    async with listening(slack, count=1) as ears:
        first = slack.hub.sockets[0].number
        open_ones: list[int] = []
        ears.seconds = 0.1
        hearing = asyncio.create_task(ears.hears("under way"))
        await until(lambda: bool(slack.envelopes))
        await slack.disconnect(reason)  # type: ignore[arg-type]
        for number in range(10):
            open_ones.append(len(slack.hub.sockets))
            await ears.hears(f"event {number}")
        await hearing
        await ears.until(1)
        assert min(open_ones) == 1
        assert slack.hub.sockets[0].number != first
    # none had to be sent again, as no click would be
    assert {(one.outcome, one.attempt) for one in slack.envelopes} == {("acked", 0)}


async def test_too_many_sockets_are_not_hammered_for(slack: Workspace) -> None:
    async with listening(slack) as ears:
        await slack.disconnect("too_many_websockets")
        await ears.hears("an event")
        await ears.until(2)
        assert len(slack.calls_of("apps.connections.open")) == 5  # two more, and that of the check


async def test_sockets_that_end_at_once_are_not_hammered_for() -> None:
    async with (
        Workspace(EXAMPLE_MANIFEST, Settings(max_sockets=0)) as slack,
        SlackApi.open(slack.bot_token, slack.api_url) as api,
    ):
        ears, stop = Ears(slack, api, 1), asyncio.Event()
        asyncio.get_running_loop().call_later(1.5, stop.set)
        await ears.sockets.run(stop)
        assert 2 <= len(slack.calls_of("apps.connections.open")) <= 3


async def test_a_foreign_connection_is_told_once_it_is_believed_in(slack: Workspace) -> None:
    async with SlackApi.open(slack.bot_token, slack.api_url) as api, ClientSession() as session:
        url = await api.socket_url(slack.app_token)
        async with listening(slack) as ears, session.ws_connect(url):
            await until(lambda: len(slack.hub.sockets) == 3)
            await slack.close_sockets(slack.hub.sockets[0].number)  # the next one is told of three
            await until(lambda: ears.sockets.connected == 2)
            assert ears.sockets.foreign == 0  # not yet: it may be one of ours that broke
            with capture_logs() as log:
                await until(lambda: ears.sockets.foreign == 1)
            [said] = [line for line in log if line["event"] == "foreign_connection"]
            assert "another program uses SLACK_APP_TOKEN" in said["mend"]
            ears.sockets.elsewhere = 1  # another replica's, as it turns out
            await until(lambda: ears.sockets.foreign == 0)
            ears.sockets.elsewhere = 0


async def test_the_other_one_hears_while_one_is_gone(slack: Workspace) -> None:
    async with listening(slack) as ears:
        await slack.abort_sockets(slack.hub.sockets[0].number)
        await ears.hears("still there")
        await ears.until(2)


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_it_comes_back_when_all_are_gone(slack: Workspace, how: str) -> None:
    async with listening(slack) as ears:
        await (slack.abort_sockets() if how == "abort" else slack.close_sockets())
        await ears.hears("while away")
        await ears.until(2)


async def test_a_socket_that_only_seems_open_is_built_anew(slack: Workspace) -> None:
    async with listening(slack, count=1) as ears:
        first = slack.hub.sockets[0].number
        slack.faults.ponging = False
        await until(lambda: all(socket.number != first for socket in slack.hub.sockets), 10)
        slack.faults.ponging = True
        await ears.until(1)
        await ears.hears("again")


async def test_it_goes_on_trying_while_slack_refuses(slack: Workspace) -> None:
    async with listening(slack) as ears:
        slack.faults.link_disabled = True
        await slack.disconnect("link_disabled")
        await slack.abort_sockets()
        await ears.until(0)
        await asyncio.sleep(0.5)
        assert ears.sockets.connected == 0
        assert "Socket Mode is off (link_disabled)" in ears.sockets.trouble
        refused = len(slack.calls_of("apps.connections.open"))
        assert refused < 30  # it backs off
        slack.faults.link_disabled = False
        await ears.until(2, 10)
        await ears.hears("back")
        assert not ears.sockets.trouble


async def test_a_stop_while_slack_refuses_ends_at_once(slack: Workspace) -> None:
    async with SlackApi.open(slack.bot_token, slack.api_url) as api:
        slack.faults.link_disabled = True
        ears, stop = Ears(slack, api, 2), asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        async with asyncio.timeout(2):
            await ears.sockets.run(stop)


async def test_a_proxy_in_the_environment_is_not_used(
    slack: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with SlackApi.open(slack.bot_token, slack.api_url) as api:
        await check_tokens(api, slack.app_token)
        ears, stop = Ears(slack, api, 1), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(ears.sockets.run(stop))
            await ears.until(1)
            stop.set()


# --- tokens ---------------------------------------------------------------------------------


async def refusal(slack: Workspace, bot: str, app: str) -> list[str]:
    async with SlackApi.open(bot, slack.api_url) as api:
        with pytest.raises(BadSettings) as refused:
            await check_tokens(api, app)
    return refused.value.mistakes


async def test_good_tokens_say_who_we_are(slack: Workspace) -> None:
    async with SlackApi.open(slack.bot_token, slack.api_url) as api:
        identity = await check_tokens(api, slack.app_token)
    assert identity.team_id == slack.team_id
    assert identity.bot_user_id == slack.bot_user_id
    assert identity.bot_id
    assert identity.org == slack.team_id


async def test_every_wrong_token_is_named_without_being_shown(slack: Workspace) -> None:
    bot, app = "xoxb-wrong-one", "xapp-wrong-one"
    assert await refusal(slack, bot, app) == [
        "SLACK_BOT_TOKEN: Slack does not accept this token (invalid_auth).",
        "SLACK_APP_TOKEN: Slack does not accept this token (invalid_auth).",
    ]


async def test_tokens_in_each_others_place_are_told_apart(slack: Workspace) -> None:
    bot, app = await refusal(slack, slack.app_token, slack.bot_token)
    assert bot == (
        "SLACK_BOT_TOKEN: this is no bot token (not_allowed_token_type); one begins with xoxb-."
    )
    assert app.startswith("SLACK_APP_TOKEN: this is no app-level token (not_allowed_token_type)")


async def test_a_bot_token_that_is_refused_is_told_once_until_it_is_good_again(
    slack: Workspace,
) -> None:
    async with SlackApi.open(slack.bot_token, slack.api_url) as api:
        with capture_logs() as log:
            for _ in range(2):
                slack.faults.revoked.add(slack.bot_token)
                for _ in range(3):
                    with pytest.raises(Refused):
                        await api.auth_test()
                slack.faults.revoked.clear()
                await api.auth_test()
    said = {"code": "token_revoked", "mend": "give SLACK_BOT_TOKEN a new token"}
    assert log == [{"event": "bot_token_refused", "log_level": "error", **said}] * 2


async def test_an_app_token_without_its_scope_is_said(slack: Workspace) -> None:
    slack.faults.fail("apps.connections.open", "error", code="missing_scope")
    assert await refusal(slack, slack.bot_token, slack.app_token) == [
        "SLACK_APP_TOKEN: the token lacks a scope (missing_scope): connections:write."
    ]


async def test_a_slack_that_is_away_is_no_wrong_token(slack: Workspace) -> None:
    slack.faults.fail("apps.connections.open", "ratelimited")
    async with SlackApi.open(slack.bot_token, slack.api_url) as api:
        assert (await check_tokens(api, slack.app_token)).bot_id
        slack.faults.fail("auth.test", "http_503")
        with pytest.raises(Uncertain):
            await check_tokens(api, slack.app_token)

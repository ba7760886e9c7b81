"""The stand-in's Web API: decoding, tokens, scopes, errors, limits and short-lived rights."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Envelope, Settings, Workspace

START = 1_700_000_000.0
BUTTON = {
    "type": "actions",
    "elements": [
        {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    ],
}
MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Title"},
    "blocks": [BUTTON],
}
OPS, SHOP, RANDOM, SECRETS = "C0OPS0000", "C0SHOP000", "C0RANDOM0", "G0SECRET0"


class Client:
    """Calls methods as plain HTTP and tells the whole answer."""

    def __init__(self, slack: Workspace, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self.session = session
        self.status = 0
        self.headers: Any = {}

    async def __call__(self, method: str, token: str | None = None, **arguments: object) -> Any:
        chosen = self.slack.bot_token if token is None else token
        headers = {"Authorization": f"Bearer {chosen}"} if chosen else {}
        url = self.slack.api_url + method
        async with self.session.post(url, json=arguments, headers=headers) as response:
            self.status, self.headers = response.status, response.headers
            return await response.json()

    async def error(self, method: str, **arguments: Any) -> Any:
        return (await self(method, **arguments)).get("error")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    settings = Settings(start=START, ack_seconds=0.05)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        yield workspace


@pytest.fixture
async def call(slack: Workspace, session: aiohttp.ClientSession) -> Client:
    return Client(slack, session)


async def click(slack: Workspace, call: Client, text: str = "Go?") -> Envelope:
    """Post a card as the app, click it as bob; nobody acknowledges, the payload is enough."""
    posted = await call("chat.postMessage", channel=OPS, text=text, blocks=[copy.deepcopy(BUTTON)])
    return await slack.click("bob", "ops", posted["ts"], text="Go")


# --- decoding -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["query", "form", "json", "get"])
async def test_arguments_arrive_in_every_form(
    slack: Workspace, session: aiohttp.ClientSession, way: str
) -> None:
    arguments = {"channel": OPS, "text": "hello", "blocks": json.dumps([BUTTON])}
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    url = slack.api_url + "chat.postMessage"
    ways: dict[str, Any] = {
        "query": session.post(url, params=arguments, headers=headers),
        "form": session.post(url, data=arguments, headers=headers),
        "json": session.post(url, json=arguments | {"blocks": [BUTTON]}, headers=headers),
        "get": session.get(url, params=arguments, headers=headers),
    }
    chosen = ways.pop(way)
    for other in ways.values():
        other.close()
    async with chosen as response:
        assert (await response.json())["ok"]
    message = slack.messages("ops")[0]
    assert message["blocks"][0]["elements"][0]["action_id"] == "go"
    assert message["blocks"][0]["block_id"], "Slack gives every block an id"
    assert slack.calls[0].args["blocks"] == [BUTTON], "recorded as it was sent"


async def test_broken_json_is_named(slack: Workspace, session: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {slack.bot_token}", "Content-Type": "application/json"}
    url = slack.api_url + "chat.postMessage"
    for body, code in (("{", "invalid_json"), ("[]", "json_not_object")):
        async with session.post(url, data=body, headers=headers) as response:
            assert (await response.json())["error"] == code
    form = {"channel": OPS, "blocks": "{", "token": slack.bot_token}
    async with session.post(url, data=form) as response:
        assert (await response.json())["error"] == "invalid_blocks_format"


@pytest.mark.breaches
async def test_an_unknown_method_is_a_violation(slack: Workspace, call: Client) -> None:
    assert await call.error("chat.shout", text="x") == "unknown_method"
    assert [(v.where, v.code) for v in slack.violations] == [("chat.shout", "unknown_method")]


# --- tokens and scopes ----------------------------------------------------------------------


async def test_tokens(slack: Workspace, call: Client) -> None:
    assert (await call("auth.test", token=""))["error"] == "not_authed"
    assert (await call("auth.test", token="xoxb-other"))["error"] == "invalid_auth"
    refused = await call("chat.postMessage", token=slack.app_token, channel=OPS, text="x")
    assert refused["error"] == "not_allowed_token_type"
    assert await call.error("apps.connections.open") == "not_allowed_token_type"
    slack.revoke_tokens()
    assert await call.error("auth.test") == "token_revoked"
    opened = await call("apps.connections.open", token=slack.app_token)
    assert opened["ok"], "each token is revoked for itself"
    slack.faults.revoked.add(slack.app_token)
    refused = await call("apps.connections.open", token=slack.app_token)
    assert refused["error"] == "token_revoked"


@pytest.mark.breaches
async def test_a_scope_the_manifest_lacks(session: aiohttp.ClientSession) -> None:
    manifest = json.loads(json.dumps(EXAMPLE_MANIFEST))
    manifest["oauth_config"]["scopes"]["bot"].remove("usergroups:read")
    manifest["oauth_config"]["scopes"]["bot"].remove("groups:history")
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    with pytest.raises(ValueError, match=r"message\.groups needs the scope groups:history"):
        Workspace(manifest)
    for event in ("message.groups", "subteam_updated", "subteam_members_changed"):
        events.remove(event)
    async with Workspace(manifest) as slack:
        call = Client(slack, session)
        refused = await call("usergroups.list")
        assert (refused["error"], refused["needed"]) == ("missing_scope", "usergroups:read")
        assert "chat:write" in refused["provided"]
        assert await call.error("conversations.history", channel="G0BOARD00") == "missing_scope"
        assert [v.code for v in slack.violations] == ["missing_scope", "missing_scope"]


# --- messages -------------------------------------------------------------------------------


@pytest.mark.breaches
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": SECRETS, "text": "x"}, "channel_not_found"),
        ({"channel": RANDOM, "text": "x"}, "not_in_channel"),
        ({"channel": OPS}, "no_text"),
        ({"channel": OPS, "text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
        ({"channel": OPS, "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ({"text": "x"}, "invalid_arguments"),
    ],
)
async def test_posts_refused(
    slack: Workspace, call: Client, arguments: dict[str, object], code: str
) -> None:
    assert await call.error("chat.postMessage", **arguments) == code
    assert slack.messages("ops") == []


async def test_an_archived_channel_takes_no_posts(slack: Workspace, call: Client) -> None:
    slack.change_channel("ops", archived=True)
    assert await call.error("chat.postMessage", channel=OPS, text="x") == "is_archived"


@pytest.mark.breaches
async def test_broken_limits_are_violations(slack: Workspace, call: Client) -> None:
    posted = await call("chat.postMessage", channel=OPS, text="x")
    long = await call("chat.update", channel=OPS, ts=posted["ts"], text="x" * 4001)
    assert long["error"] == "msg_too_long"
    assert await call.error("chat.postMessage", channel=OPS, text="x", blocks=[BUTTON] * 51)
    assert {violation.where for violation in slack.violations} == {
        "chat.update",
        "chat.postMessage",
    }


async def test_updates_and_deletions(slack: Workspace, call: Client) -> None:
    posted = await call("chat.postMessage", channel=OPS, text="one", blocks=[BUTTON])
    ts = posted["ts"]
    assert (await call("chat.update", channel=OPS, ts=ts, text="two"))["ok"]
    assert slack.messages("ops")[0]["blocks"], "blocks not given stay"
    assert (await call("chat.update", channel=OPS, ts=ts, text="two", blocks=[]))["ok"]
    assert "blocks" not in slack.messages("ops")[0]
    theirs = await slack.post("alice", "ops", "mine")
    where = {"channel": OPS, "ts": theirs}
    assert await call.error("chat.update", **where, text="x") == "cant_update_message"
    assert await call.error("chat.delete", **where) == "cant_delete_message"
    assert await call.error("chat.update", channel=OPS, ts="1.0", text="x") == "message_not_found"
    assert (await call("chat.delete", channel=OPS, ts=ts))["ok"]
    assert [message["text"] for message in slack.messages("ops")] == ["mine"]


async def test_metadata_is_for_who_asks(slack: Workspace, call: Client) -> None:
    metadata = {"event_type": "card", "event_payload": {"id": "1"}}
    root = await slack.post("alice", "ops", "root")
    await call("chat.postMessage", channel=OPS, text="x", thread_ts=root, metadata=metadata)
    asked = {"channel": OPS, "ts": root}
    plain = await call("conversations.replies", **asked)
    assert all("metadata" not in message for message in plain["messages"])
    full = await call("conversations.replies", **asked, include_all_metadata=True)
    assert full["messages"][1]["metadata"] == metadata


async def test_ephemerals_go_to_members_only(slack: Workspace, call: Client) -> None:
    olga = slack.user_id("olga")
    refused = await call.error("chat.postEphemeral", channel=OPS, user=olga, text="x")
    assert refused == "user_not_in_channel"
    bob = slack.user_id("bob")
    assert (await call("chat.postEphemeral", channel=OPS, user=bob, text="psst"))["message_ts"]
    assert [m["text"] for m in slack.ephemerals("bob", "ops")] == ["psst"]
    assert slack.messages("ops") == []


async def test_reactions_and_permalinks(slack: Workspace, call: Client) -> None:
    ts = await slack.post("alice", "ops", "root")
    reaction = {"channel": OPS, "timestamp": ts, "name": "eyes"}
    assert (await call("reactions.add", **reaction))["ok"]
    assert await call.error("reactions.add", **reaction) == "already_reacted"
    assert (await call("reactions.remove", **reaction))["ok"]
    assert await call.error("reactions.remove", **reaction) == "no_reaction"
    link = await call("chat.getPermalink", channel=OPS, message_ts=ts)
    assert link["permalink"].endswith(f"/archives/{OPS}/p{ts.replace('.', '')}")
    gone = await call.error("chat.getPermalink", channel=OPS, message_ts="1.0")
    assert gone == "message_not_found"


# --- places and people ----------------------------------------------------------------------


async def test_history_pages_from_the_newest(slack: Workspace, call: Client) -> None:
    stamps = [await slack.post("alice", "ops", str(n)) for n in range(5)]
    await slack.post("bob", "ops", "reply", thread_ts=stamps[0])
    first = await call("conversations.history", channel=OPS, limit=3)
    assert [message["text"] for message in first["messages"]] == ["4", "3", "2"]
    cursor = first["response_metadata"]["next_cursor"]
    rest = await call("conversations.history", channel=OPS, limit=3, cursor=cursor)
    assert [message["text"] for message in rest["messages"]] == ["1", "0"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    later = await call("conversations.history", channel=OPS, oldest=stamps[3])
    assert [message["text"] for message in later["messages"]] == ["4"]
    assert await call.error("conversations.history", channel=OPS, limit=0) == "invalid_limit"
    assert await call.error("conversations.history", channel=OPS, cursor="x") == "invalid_cursor"
    assert await call.error("conversations.history", channel=RANDOM) == "not_in_channel"
    assert await call.error("conversations.replies", channel=OPS, ts="1.0") == "thread_not_found"


async def test_conversations(slack: Workspace, call: Client) -> None:
    shared = (await call("conversations.info", channel="C0PARTNER"))["channel"]
    assert shared["is_ext_shared"] is True
    assert shared["connected_team_ids"] == ["T0OTHER00"]
    listed = await call("conversations.list", types="public_channel,private_channel")
    names = {channel["name"] for channel in listed["channels"]}
    assert "random" in names
    assert "board" in names
    assert "secrets" not in names, "a private channel the app is not in does not exist for it"
    assert await call.error("conversations.list", types="nonsense") == "invalid_types"
    members = await call("conversations.members", channel=OPS)
    assert slack.user_id("gina") in members["members"]
    opened = await call("conversations.open", users=slack.user_id("bob"))
    assert opened["channel"]["id"] == slack.channel_id("@bob")
    assert await call.error("conversations.open") == "users_list_not_supplied"
    eve, bot = slack.user_id("eve"), slack.user_id("buildbot")
    assert await call.error("conversations.open", users=eve) == "user_disabled"
    assert await call.error("conversations.open", users=bot) == "cannot_dm_bot"
    assert await call.error("conversations.open", users="U0NOBODY0") == "user_not_found"
    assert (await call("conversations.join", channel=RANDOM))["channel"]["is_member"]
    assert (await call("chat.postMessage", channel=RANDOM, text="hello"))["ok"]
    assert (await call("chat.postMessage", channel=slack.user_id("dave"), text="hello"))["ok"]
    assert slack.messages("@dave")[0]["text"] == "hello"


async def test_people(slack: Workspace, call: Client) -> None:
    async def user(name: str) -> Any:
        return (await call("users.info", user=slack.user_id(name)))["user"]

    assert (await user("gina"))["is_restricted"]
    assert (await user("sid"))["is_ultra_restricted"]
    assert (await user("eve"))["deleted"]
    assert (await user("ada"))["is_admin"]
    assert (await user("buildbot"))["is_bot"]
    wanda = await user("wanda")
    assert (wanda["id"][0], wanda["enterprise_user"]["teams"]) == ("W", [slack.team_id])
    olga = await user("olga")
    assert (olga["is_stranger"], olga["team_id"]) == (True, "T0OTHER00")
    assert await call.error("users.info", user="U0NOBODY0") == "user_not_found"
    assert len((await call("users.list"))["members"]) == 11
    groups = (await call("usergroups.list", include_users=True))["usergroups"]
    assert groups[0]["users"] == [slack.user_id(name) for name in ("alice", "bob", "carol")]
    slack.set_group("sre", ["bob", "dave"])
    found = await call("usergroups.users.list", usergroup="S0SRE0000")
    assert found["users"] == [slack.user_id("bob"), slack.user_id("dave")]
    assert await call.error("usergroups.users.list", usergroup="S0NONE000") == "no_such_subteam"
    assert (await call("team.info"))["team"]["id"] == slack.team_id
    assert await call.error("team.info", team="T0NONE000") == "team_not_found"
    assert (await call("bots.info", bot="B0BUILD00"))["bot"]["user_id"] == "U0BUILD00"
    assert await call.error("bots.info", bot="B0NONE000") == "bot_not_found"


# --- views, triggers, response URLs ---------------------------------------------------------


async def test_a_trigger_lives_three_seconds_and_works_once(slack: Workspace, call: Client) -> None:
    trigger = (await click(slack, call)).payload["trigger_id"]
    assert await call.error("views.open", trigger_id="1.2.3", view=MODAL) == "invalid_trigger_id"
    assert (await call("views.open", trigger_id=trigger, view=MODAL))["ok"]
    again = await call.error("views.open", trigger_id=trigger, view=MODAL)
    assert again == "exchanged_trigger_id"
    late = (await click(slack, call)).payload["trigger_id"]
    slack.clock.advance(3.1)
    assert await call.error("views.open", trigger_id=late, view=MODAL) == "expired_trigger_id"


@pytest.mark.breaches
async def test_views(slack: Workspace, call: Client) -> None:
    trigger = (await click(slack, call)).payload["trigger_id"]
    broken = await call.error("views.open", trigger_id=trigger, view=MODAL | {"title": "x"})
    assert broken is not None, "and the trigger is not used up by it"
    opened = (await call("views.open", trigger_id=trigger, view=MODAL))["view"]
    change = {"view_id": opened["id"], "view": MODAL}
    assert await call.error("views.update", **change, hash="stale") == "hash_conflict"
    updated = (await call("views.update", **change, hash=opened["hash"]))["view"]
    assert updated["hash"] != opened["hash"]
    assert await call.error("views.update", view_id="V0", view=MODAL) == "not_found"
    for depth in (2, 3):
        pushed = (await slack.click_view("bob", text="Go")).payload["trigger_id"]
        assert (await call("views.push", trigger_id=pushed, view=MODAL))["ok"]
        assert len(slack.views("bob")) == depth
    fourth = (await slack.click_view("bob", text="Go")).payload["trigger_id"]
    assert await call.error("views.push", trigger_id=fourth, view=MODAL) == "push_limit_reached"


async def test_an_external_id_is_used_once(slack: Workspace, call: Client) -> None:
    view = MODAL | {"external_id": "mine"}
    first = (await click(slack, call)).payload["trigger_id"]
    assert (await call("views.open", trigger_id=first, view=view))["ok"]
    second = (await click(slack, call)).payload["trigger_id"]
    refused = await call.error("views.open", trigger_id=second, view=view)
    assert refused == "duplicate_external_id"
    assert (await call("views.update", external_id="mine", view=view))["ok"]


async def test_the_home_tab(slack: Workspace, call: Client) -> None:
    home = {"type": "home", "blocks": [BUTTON]}
    alice = slack.user_id("alice")
    published = (await call("views.publish", user_id=alice, view=home))["view"]
    stale = await call.error("views.publish", user_id=alice, view=home, hash="stale")
    assert stale == "hash_conflict"
    fresh = await call("views.publish", user_id=alice, view=home, hash=published["hash"])
    assert fresh["view"]["id"] == published["id"]
    assert await call.error("views.publish", user_id="U0", view=home) == "user_not_found"
    assert await call.error("views.publish", user_id=alice, view=MODAL) == "invalid_arguments"


@pytest.mark.breaches
async def test_a_response_url_works_five_times_in_half_an_hour(
    slack: Workspace, call: Client
) -> None:
    async def respond(url: str, **payload: object) -> tuple[int, str]:
        async with call.session.post(url, json=payload) as response:
            return response.status, await response.text()

    url = (await click(slack, call)).payload["response_url"]
    assert await respond(url) == (400, '{"ok": false, "error": "no_text"}')
    assert (await respond(url, text="x", blocks=[{"type": "nonsense"}]))[0] == 400
    assert await respond(url, text="only you") == (200, "ok")
    assert slack.ephemerals("bob", "ops")[0]["text"] == "only you"
    assert (await respond(url, text="all", response_type="in_channel"))[0] == 200
    assert slack.messages("ops")[-1]["text"] == "all"
    assert (await respond(url, text="done", replace_original=True))[0] == 200
    assert slack.messages("ops")[0]["text"] == "done"
    assert "blocks" not in slack.messages("ops")[0]
    assert (await respond(url, delete_original=True))[0] == 200
    assert [message["text"] for message in slack.messages("ops")] == ["all"]
    assert (await respond(url, text="fifth"))[0] == 200
    assert await respond(url, text="sixth") == (404, '{"ok": false, "error": "used_url"}')
    late = (await click(slack, call)).payload["response_url"]
    slack.clock.advance(1801)
    assert await respond(late, text="late") == (404, '{"ok": false, "error": "expired_url"}')
    slack.faults.fail("response_url", "http_500")
    broken = (await click(slack, call)).payload["response_url"]
    assert await respond(broken, text="?") == (500, '{"ok": false, "error": "internal_error"}')
    assert (await respond(broken, text="again"))[0] == 200


async def test_an_ephemeral_card_is_replaced_through_its_response_url(
    slack: Workspace, call: Client
) -> None:
    bob = slack.user_id("bob")
    shown = await call("chat.postEphemeral", channel=OPS, user=bob, text="Go?", blocks=[BUTTON])
    clicked = await slack.click("bob", "ops", shown["message_ts"], text="Go")
    assert clicked.payload["container"]["is_ephemeral"] is True
    url = clicked.payload["response_url"]
    async with call.session.post(url, json={"text": "Gone", "replace_original": True}) as answer:
        assert answer.status == 200
    assert slack.ephemerals("bob", "ops")[0]["text"] == "Gone"


# --- files, faults, rates -------------------------------------------------------------------


@pytest.mark.breaches
async def test_an_upload_must_have_the_promised_length(slack: Workspace, call: Client) -> None:
    promised = await call("files.getUploadURLExternal", filename="a b?.log", length=3)
    early = [{"id": promised["file_id"]}]
    assert await call.error("files.completeUploadExternal", files=early) == "file_not_found"
    async with call.session.post(promised["upload_url"], data=b"abcd") as response:
        assert response.status == 400
    async with call.session.post(promised["upload_url"], data=b"abc") as response:
        assert await response.text() == "OK - 3"
    refused = await call.error("files.completeUploadExternal", files=early, channel_id=RANDOM)
    assert refused == "not_in_channel"
    done = await call("files.completeUploadExternal", files=early, channel_id=OPS)
    url = done["files"][0]["url_private"]
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with call.session.get(url, headers=headers) as response:
        assert await response.read() == b"abc"
    async with call.session.get(url) as response:
        assert response.status == 404
    assert await call.error("files.info", file="F0") == "file_not_found"
    assert await call.error("files.getUploadURLExternal", filename="a", length=0)


async def test_faults_of_methods(slack: Workspace, call: Client) -> None:
    post = {"channel": OPS, "text": "x"}
    slack.faults.fail("chat.postMessage", "ratelimited", seconds=7)
    assert await call.error("chat.postMessage", **post) == "ratelimited"
    assert (call.status, call.headers["Retry-After"]) == (429, "7")
    slack.faults.fail("chat.postMessage", "http_503")
    await call("chat.postMessage", **post)
    assert call.status == 503
    slack.faults.fail("chat.postMessage", "error", code="fatal_error")
    assert await call.error("chat.postMessage", **post) == "fatal_error"
    slack.faults.fail("chat.postMessage", "html")
    with pytest.raises(aiohttp.ContentTypeError):
        await call("chat.postMessage", **post)
    slack.faults.fail("chat.postMessage", "drop_before")
    with pytest.raises(aiohttp.ClientConnectionError):
        await call("chat.postMessage", **post)
    assert slack.messages("ops") == []
    slack.faults.fail("chat.postMessage", "slow", seconds=0.05)
    assert (await call("chat.postMessage", **post))["ok"]
    assert slack.calls[-1].seconds >= 0.05
    assert len(slack.messages("ops")) == 1


async def test_faults_are_met_in_order_as_often_and_where_they_are_meant(
    slack: Workspace, call: Client
) -> None:
    slack.faults.fail("chat.postMessage", "http_500", times=2)
    slack.faults.fail("chat.postMessage", "http_503")
    statuses = []
    for _ in range(4):
        await call("chat.postMessage", channel=OPS, text="x")
        statuses.append(call.status)
    assert statuses == [500, 500, 503, 200]
    slack.faults.fail("chat.postMessage", "error", code="fatal_error", channel=SHOP)
    answers = [
        await call.error("chat.postMessage", channel=channel, text="x")
        for channel in (OPS, SHOP, SHOP)
    ]
    assert answers == [None, "fatal_error", None]


async def test_a_held_call_does_its_work_once_it_is_let_go(slack: Workspace, call: Client) -> None:
    post = {"channel": OPS, "text": "as posted"}
    first, second = [(await call("chat.postMessage", **post))["ts"] for _ in range(2)]

    def texts() -> list[str]:
        return [message["text"] for message in slack.messages("ops")]

    held = slack.faults.hold("chat.update", ts=first)
    async with asyncio.timeout(10):
        assert (await call("chat.update", channel=OPS, ts=second, text="edited"))["ok"]
        assert not held.begun.is_set(), "it is about the other message"
        edit = {"channel": OPS, "ts": first, "text": "edited"}
        editing = asyncio.create_task(call("chat.update", **edit))
        await held.met()
        assert (await call("chat.update", **edit | {"text": "meanwhile"}))["ok"]
        assert texts() == ["meanwhile", "edited"]
        held.let_go()
        assert (await editing)["ok"]
    assert texts() == ["edited", "edited"]


async def test_the_sdk_repeats_a_post_whose_answer_was_lost(slack: Workspace) -> None:
    slack.faults.fail("chat.postMessage", "drop_after")
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    await client.chat_postMessage(channel=OPS, text="once?")
    assert len(slack.messages("ops")) == 2, "facts, decision 7: the default retry repeats writes"
    slack.faults.fail("chat.postMessage", "drop_after")
    careful = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    with pytest.raises(aiohttp.ClientConnectionError):
        await careful.chat_postMessage(channel=OPS, text="once")
    assert len(slack.messages("ops")) == 3


async def test_rates_by_tier_and_by_channel(session: aiohttp.ClientSession) -> None:
    settings = Settings(rate_limits=True, start=START)
    async with Workspace(EXAMPLE_MANIFEST, settings) as slack:
        call = Client(slack, session)
        posted = await call("chat.postMessage", channel=OPS, text="0")
        edit = {"channel": OPS, "ts": posted["ts"], "text": "x"}
        answers = [await call.error("chat.update", **edit) for _ in range(51)]
        assert answers == [None] * 50 + ["ratelimited"]
        assert (call.status, call.headers["Retry-After"]) == (429, "2")
        slack.clock.advance(2)
        assert (await call("chat.update", **edit))["ok"]
        codes = [await call.error("chat.postMessage", channel=OPS, text="x") for _ in range(4)]
        assert codes == [None, None, None, "ratelimited"]
        other = await call("chat.postMessage", channel=SHOP, text="x")
        assert other["ok"], "each channel has its own"


async def test_limits_are_kept_while_they_are_switched_on(slack: Workspace, call: Client) -> None:
    async def posts() -> list[str | None]:
        return [await call.error("chat.postMessage", channel=OPS, text="x") for _ in range(4)]

    async def lists() -> list[str | None]:
        return [await call.error("users.list") for _ in range(21)]

    assert {*await posts(), *await lists()} == {None}
    slack.faults.rate_limits = True
    assert await posts() == [None, None, None, "ratelimited"]
    assert (call.status, call.headers["Retry-After"]) == (429, "1")
    slack.clock.advance(60)
    assert await lists() == [None] * 20 + ["ratelimited"]
    assert (call.status, call.headers["Retry-After"]) == (429, "3")
    slack.faults.rate_limits = False
    assert {*await posts(), *await lists()} == {None}


async def test_the_sdk_sees_errors_as_it_does_on_slack(slack: Workspace) -> None:
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=RANDOM, text="x")
    assert caught.value.response["error"] == "not_in_channel"
    assert slack.violations == [], "a runtime refusal is not the app's fault"

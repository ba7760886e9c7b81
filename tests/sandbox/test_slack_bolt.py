"""An unmodified Bolt app on the stand-in: mentions, messages, clicks, modals, commands, files."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Impossible, Settings, Workspace

MODAL = {
    "type": "modal",
    "callback_id": "reason",
    "title": {"type": "plain_text", "text": "Why"},
    "submit": {"type": "plain_text", "text": "Send"},
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}
CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Restart *web*?"}},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": "opaque",
                "text": {"type": "plain_text", "text": "Approve"},
            },
            {
                "type": "button",
                "action_id": "why",
                "value": "opaque",
                "text": {"type": "plain_text", "text": "Deny"},
            },
            {
                "type": "static_select",
                "action_id": "pick",
                "options": [
                    {"text": {"type": "plain_text", "text": "One"}, "value": "1"},
                    {"text": {"type": "plain_text", "text": "Two"}, "value": "2"},
                ],
            },
        ],
    },
]


def build(slack: Workspace, heard: list[tuple[str, Any]]) -> AsyncApp:
    app = AsyncApp(client=AsyncWebClient(slack.bot_token, base_url=slack.api_url))
    listen(app, heard)
    act(app, heard)
    view(app, heard)
    return app


def listen(app: AsyncApp, heard: list[tuple[str, Any]]) -> None:
    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], body: dict[str, Any], client: Any) -> None:
        heard.append(("app_mention", body))
        await client.chat_postMessage(
            channel=event["channel"], thread_ts=event["ts"], text="Restart?", blocks=CARD
        )

    @app.event("message")
    async def messaged(body: dict[str, Any]) -> None:
        heard.append(("message", body))

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: Any) -> None:
        heard.append(("home", event))
        await client.views_publish(
            user_id=event["user"],
            view={"type": "home", "blocks": CARD},
        )


def act(app: AsyncApp, heard: list[tuple[str, Any]]) -> None:
    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        heard.append(("approve", body))
        if "response_url" in body:
            await respond(text="Approved.", replace_original=True)

    @app.action("pick")
    async def pick(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        heard.append(("pick", body))

    @app.action("why")
    async def why(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)


def view(app: AsyncApp, heard: list[tuple[str, Any]]) -> None:
    @app.view("reason")
    async def reason(ack: Any, body: dict[str, Any], view: dict[str, Any]) -> None:
        text = view["state"]["values"]["why"]["text"]["value"]
        heard.append(("reason", text))
        match text:
            case "short":
                await ack(response_action="errors", errors={"why": "Say more."})
            case "again":
                await ack(response_action="push", view=MODAL)
            case "other":
                title = {"type": "plain_text", "text": "Changed"}
                await ack(response_action="update", view=MODAL | {"title": title})
            case "all":
                await ack(response_action="clear")
            case _:
                await ack()

    @app.view_closed("reason")
    async def closed(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        heard.append(("closed", body))

    @app.command("/ops")
    async def command(ack: Any, body: dict[str, Any]) -> None:
        heard.append(("command", body))
        await ack(f"You said {body['text']}")

    @app.shortcut("look_at_message")
    async def look(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        heard.append(("shortcut", body))


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    async with Workspace(EXAMPLE_MANIFEST, Settings(time_scale=0.1)) as workspace:
        yield workspace


@pytest.fixture
async def heard(slack: Workspace) -> AsyncIterator[list[tuple[str, Any]]]:
    """What the app heard; the app is connected."""
    entries: list[tuple[str, Any]] = []
    app = build(slack, entries)
    handler = AsyncSocketModeHandler(app, slack.app_token)
    await app.client.auth_test()
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.wait_for_sockets(1)
    yield entries
    await handler.close_async()  # type: ignore[no-untyped-call]


def named(heard: list[tuple[str, Any]], name: str) -> list[Any]:
    return [data for kind, data in heard if kind == name]


async def test_a_mention_arrives_as_two_events_and_is_answered(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    await slack.settled()
    mention, message = named(heard, "app_mention")[0], named(heard, "message")[0]
    assert mention["event"]["ts"] == message["event"]["ts"] == ts
    assert mention["event"]["client_msg_id"] == message["event"]["client_msg_id"]
    assert mention["event_id"] != message["event_id"]
    assert message["event"]["channel_type"] == "channel"
    assert message["event"]["blocks"][0]["elements"][0]["elements"][0] == {
        "type": "user",
        "user_id": slack.bot_user_id,
    }
    assert mention["authorizations"][0]["user_id"] == slack.bot_user_id
    assert mention["is_ext_shared_channel"] is False
    assert card["parent_user_id"] == slack.user_id("alice")
    assert slack.messages("ops")[0]["reply_count"] == 1
    echoes = [e.event for e in slack.envelopes if e.event.get("bot_id")]
    assert [echo["ts"] for echo in echoes] == [card["ts"]], "the app's own post comes back"
    assert all(envelope.acked for envelope in slack.envelopes)
    assert slack.violations == []


async def test_a_click_reaches_the_app_and_its_response_url_replaces_the_card(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    clicked = await slack.click("bob", "ops", card["ts"], text="Approve")
    assert clicked.acked
    assert clicked.ack_seconds is not None
    assert clicked.ack_seconds < 1
    await slack.wait_for_message("ops", "Approved.", thread_ts=ts)
    body = named(heard, "approve")[0]
    assert body["user"]["id"] == slack.user_id("bob")
    assert body["actions"][0]["value"] == "opaque"
    assert body["container"] == {
        "type": "message",
        "message_ts": card["ts"],
        "channel_id": slack.channel_id("ops"),
        "is_ephemeral": False,
        "thread_ts": ts,
    }
    replaced = slack.messages("ops", thread_ts=ts)[-1]
    assert "blocks" not in replaced
    with pytest.raises(Impossible, match="nothing called 'Approve'"):
        await slack.click("bob", "ops", card["ts"], text="Approve")


async def test_clicks_can_be_forged(slack: Workspace, heard: list[tuple[str, Any]]) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    await slack.click(
        "bob",
        "ops",
        card["ts"],
        action_id="approve",
        value="forged",
        overrides={"team": {"id": "T0EVIL"}, "api_app_id": "A0EVIL"},
    )
    body = named(heard, "approve")[0]
    assert body["actions"][0]["value"] == "forged"
    assert (body["team"]["id"], body["api_app_id"]) == ("T0EVIL", "A0EVIL")


async def test_a_select_carries_the_option_and_the_state(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    await slack.click("bob", "ops", card["ts"], action_id="pick", value="2")
    body = named(heard, "pick")[0]
    assert body["actions"][0]["selected_option"]["value"] == "2"
    block_id = card["blocks"][1]["block_id"]
    assert body["state"]["values"][block_id]["pick"]["selected_option"]["value"] == "2"
    with pytest.raises(Impossible, match="no option '3'"):
        await slack.click("bob", "ops", card["ts"], action_id="pick", value="3")


async def test_a_modal_opens_complains_stacks_changes_and_closes(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    await slack.click("bob", "ops", card["ts"], text="Deny")
    view = await slack.wait_for_view("bob")
    with pytest.raises(Impossible, match="must be filled in"):
        await slack.submit("bob", view.id, {})
    await slack.submit("bob", view.id, {"text": "short"})
    assert slack.views("bob")[0].errors == {"why": "Say more."}
    await slack.submit("bob", view.id, {"text": "other"})
    assert slack.views("bob")[0].payload["title"]["text"] == "Changed"
    await slack.submit("bob", view.id, {"text": "again"})
    assert len(slack.views("bob")) == 2
    await slack.submit("bob", values={"text": "fine"})
    assert len(slack.views("bob")) == 1
    await slack.submit("bob", values={"text": "all"})
    assert slack.views("bob") == []
    await slack.click("bob", "ops", card["ts"], text="Deny")
    view = await slack.wait_for_view("bob")
    await slack.close_view("bob")
    assert named(heard, "closed")[0]["view"]["id"] == view.id
    assert slack.violations == []


async def test_a_command_is_answered_by_its_acknowledgement(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    envelope = await slack.slash("dave", "ops", "/ops", "status web")
    assert envelope.response == {"text": "You said status web"}
    assert slack.ephemerals("dave", "ops")[0]["text"] == "You said status web"
    assert slack.ephemerals("alice", "ops") == []
    assert named(heard, "command")[0]["is_enterprise_install"] == "false"
    with pytest.raises(Impossible, match="not a command"):
        await slack.slash("dave", "ops", "/other", "")


async def test_a_shortcut_carries_its_message(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.post("dave", "ops", "it broke")
    await slack.shortcut("bob", "look_at_message", "ops", ts)
    assert named(heard, "shortcut")[0]["message"]["text"] == "it broke"


async def test_the_home_tab_is_published_when_opened(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    await slack.open_home("alice")
    await slack.wait_for(lambda: slack.home("alice"))
    clicked = await slack.click_view("alice", "home", text="Approve")
    assert clicked.acked
    body = named(heard, "approve")[0]
    assert body["container"]["type"] == "view"
    assert "response_url" not in body


async def test_direct_messages_edits_deletions_and_reactions_are_events(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.dm("alice", f"hello <@{slack.bot_user_id}>")
    other = await slack.post("alice", "ops", "first")
    await slack.edit("alice", "ops", other, "second")
    await slack.react("bob", "ops", other, "eyes")
    await slack.delete("alice", "ops", other)
    await slack.settled()
    events = [envelope.event for envelope in slack.envelopes]
    assert events[0]["ts"] == ts
    assert events[0]["channel_type"] == "im"
    assert [e["type"] for e in events].count("app_mention") == 0, "never in direct messages"
    assert [e.get("subtype") for e in events if e["type"] == "message"] == [
        None,
        None,
        "message_changed",
        "message_deleted",
    ]
    changed = events[2]
    assert changed["message"]["text"] == "second"
    assert changed["previous_message"]["text"] == "first"
    assert any(e["type"] == "reaction_added" and e["reaction"] == "eyes" for e in events)


async def test_files_go_up_in_three_steps_and_appear_in_the_thread(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    ts = await slack.post("alice", "ops", "logs please")
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    await client.files_upload_v2(
        channel=slack.channel_id("ops"),
        thread_ts=ts,
        content="one\ntwo\n",
        filename="web.log",
        title="Logs of web",
        initial_comment="Here:",
    )
    assert slack.files[0].content == b"one\ntwo\n"
    shared = slack.messages("ops", thread_ts=ts)[1]
    assert (shared["text"], shared["subtype"]) == ("Here:", "file_share")
    assert shared["files"][0]["title"] == "Logs of web"
    info = await client.files_info(file=shared["files"][0]["id"])
    assert info["file"]["size"] == 8
    by_user = await slack.post("alice", "ops", "mine", files=[("a.txt", b"abc")])
    assert slack.messages("ops", thread_ts=by_user)[0]["files"][0]["name"] == "a.txt"


async def test_only_places_of_the_app_and_subscribed_events_are_heard(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    await slack.mention("alice", "random", "psst")
    await slack.post("ada", "secrets", "psst")
    ts = await slack.post("olga", "partners", "hello from outside")
    await slack.wait_for(lambda: named(heard, "message"))
    assert len(slack.envelopes) == 1
    body = named(heard, "message")[0]
    assert body["event"]["ts"] == ts
    assert body["is_ext_shared_channel"] is True
    assert body["event"]["user_team"] == body["event"]["source_team"] == "T0OTHER00"
    with pytest.raises(Impossible, match="deactivated"):
        await slack.post("eve", "ops", "boo")
    with pytest.raises(Impossible, match="not in ops"):
        await slack.post("olga", "ops", "boo")


async def test_hundreds_of_posts_a_second(slack: Workspace) -> None:
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(
        *(client.chat_postMessage(channel=slack.channel_id("ops"), text=f"{n}") for n in range(200))
    )
    assert len(slack.messages("ops")) == 200
    assert loop.time() - began < 4
    stamps = [message["ts"] for message in slack.messages("ops")]
    assert stamps == sorted(set(stamps))


async def test_the_same_seed_and_start_give_the_same_workspace() -> None:
    async def history() -> str:
        settings = Settings(seed=7, start=1_700_000_000.0)
        async with Workspace(EXAMPLE_MANIFEST, settings) as slack:
            await slack.mention("alice", "ops", "hello")
            await slack.dm("bob", "hi")
            return json.dumps([slack.messages("ops"), slack.messages("@bob")])

    assert await history() == await history()


async def test_three_people_click_at_once(slack: Workspace, heard: list[tuple[str, Any]]) -> None:
    ts = await slack.mention("alice", "ops", "restart web")
    card = await slack.wait_for_message("ops", "Restart *web*?", thread_ts=ts)
    clicks = await asyncio.gather(
        *(slack.click(who, "ops", card["ts"], text="Approve") for who in ("alice", "bob", "ada"))
    )
    assert all(envelope.acked for envelope in clicks)
    assert len({envelope.payload["trigger_id"] for envelope in clicks}) == 3
    assert len(named(heard, "approve")) == 3


async def test_the_workspace_changes_and_the_app_hears_of_it(
    slack: Workspace, heard: list[tuple[str, Any]]
) -> None:
    zoe = slack.add_user("zoe", is_restricted=True)
    slack.add_channel("lab", ["zoe"])
    slack.invite("alice", "lab")
    slack.invite("app", "random")
    slack.remove("app", "random")
    slack.set_group("sre", ["bob", "carol"])
    slack.change_user("zoe", deleted=True)
    await slack.settled()
    events = [envelope.event for envelope in slack.envelopes]
    assert [event["type"] for event in events] == [
        "member_joined_channel",
        "member_joined_channel",
        "member_left_channel",
        "subteam_members_changed",
        "subteam_updated",
        "user_change",
    ]
    assert events[1]["user"] == slack.bot_user_id
    assert events[3]["removed_users"] == [slack.user_id("alice")]
    assert events[5]["user"]["id"] == zoe
    with pytest.raises(Impossible, match="already is a channel"):
        slack.add_channel("lab")
    with pytest.raises(Impossible, match="no user 'nobody'"):
        slack.user_id("nobody")


async def test_a_wait_that_fails_says_what_happened_lately(slack: Workspace) -> None:
    await slack.post("alice", "ops", "the last words")
    with pytest.raises(TimeoutError, match=r"a message with 'never'.*the last words"):
        await slack.wait_for_message("ops", "never", timeout=0.05)


async def test_a_deleted_root_leaves_a_tombstone(slack: Workspace) -> None:
    root = await slack.post("alice", "ops", "root")
    reply = await slack.post("bob", "ops", "reply", thread_ts=root)
    await slack.delete("alice", "ops", root)
    thread = slack.messages("ops", thread_ts=root)
    assert [message.get("subtype") for message in thread] == ["tombstone", None]
    assert thread[1]["ts"] == reply

"""Streams, agent sessions and what else the SDK's agent methods meet on the stand-in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Impossible, Settings, Workspace

START = 1_700_000_000.0


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    settings = Settings(start=START, retry_delays=())
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        yield workspace


@pytest.fixture
def client(slack: Workspace) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url)


async def refused(call: Any) -> str:
    """The error code of a call that Slack refuses."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


class Thread:
    """A thread in #ops in which the app may stream to alice."""

    def __init__(self, slack: Workspace, client: AsyncWebClient, root: str) -> None:
        self.slack = slack
        self.client = client
        self.channel = slack.channel_id("ops")
        self.root = root
        self.reader = {
            "recipient_user_id": slack.user_id("alice"),
            "recipient_team_id": slack.team_id,
        }

    async def start(self, **more: Any) -> str:
        answer = await self.client.chat_startStream(
            **{"channel": self.channel, "thread_ts": self.root} | self.reader | more
        )
        return str(answer["ts"])

    def message(self, ts: str) -> Any:
        return next(m for m in self.slack.messages("ops") if m["ts"] == ts)

    def events(self, kind: str) -> list[Any]:
        return [e.event for e in self.slack.envelopes if e.event.get("type") == kind]

    @property
    def status(self) -> str:
        session = self.slack.state.sessions[self.channel, self.root]
        return session.status_at(self.slack.clock.now())


@pytest.fixture
async def thread(slack: Workspace, client: AsyncWebClient) -> Thread:
    return Thread(slack, client, await slack.mention("alice", "ops", "why?"))


async def test_a_stream_grows_and_is_whole_when_stopped(thread: Thread) -> None:
    ts = await thread.start(markdown_text="Looking")
    assert thread.message(ts)["streaming_state"] == "in_progress"
    assert thread.status == "processing"
    task = {"type": "task_update", "id": "1", "title": "Pods", "status": "in_progress"}
    chunks = [{"type": "markdown_text", "text": " at it."}, task]
    where: dict[str, Any] = {"channel": thread.channel, "ts": ts}
    await thread.client.chat_appendStream(**where, chunks=chunks)
    done = [task | {"status": "complete", "output": "3 ready"}]
    await thread.client.chat_appendStream(**where, chunks=done)
    last = [{"type": "divider"}]
    await thread.client.chat_stopStream(**where, chunks=[], blocks=last)
    message = thread.message(ts)
    assert (message["streaming_state"], message["text"]) == ("completed", "Looking at it.")
    assert [block["type"] for block in message["blocks"]] == ["task_card", "markdown", "divider"]
    assert message["blocks"][0]["status"] == "complete"
    assert message["blocks"][0]["output"]["type"] == "rich_text"
    assert message["thread_ts"] == thread.root
    assert thread.status == "active"
    changed = [e for e in thread.events("message") if e.get("subtype") == "message_changed"]
    assert len(changed) == 1, "no event for each append"


async def test_the_sdk_helper_streams(thread: Thread) -> None:
    stream = await thread.client.chat_stream(
        channel=thread.channel, thread_ts=thread.root, buffer_size=4, **thread.reader
    )
    await stream.append(markdown_text="**bold** ")
    await stream.append(markdown_text="words")
    answer = await stream.stop(session_status="suspended")
    assert answer is not None
    assert thread.message(answer["ts"])["text"] == "**bold** words"
    assert thread.status == "suspended"


async def test_a_plan_holds_its_tasks(thread: Thread) -> None:
    tasks = [
        {"type": "task_update", "id": str(n), "title": "Look", "status": "pending"}
        for n in range(2)
    ]
    ts = await thread.start(
        task_display_mode="plan", chunks=[{"type": "plan_update", "title": "How"}, *tasks]
    )
    plan = thread.message(ts)["blocks"][0]
    assert (plan["type"], plan["title"], len(plan["tasks"])) == ("plan", "How", 2)


async def test_what_a_stream_must_be_told(thread: Thread, slack: Workspace) -> None:
    client = thread.client
    where: dict[str, Any] = {"channel": thread.channel, "thread_ts": thread.root}
    user, _ = thread.reader.items()
    assert await refused(client.chat_startStream(**where)) == "missing_recipient_user_id"
    assert (
        await refused(client.chat_startStream(**where, **dict[str, Any]([user])))
        == "missing_recipient_team_id"
    )
    assert await refused(thread.start(thread_ts="1.1")) == "thread_not_found"
    assert await refused(thread.start(recipient_user_id="U0NONE")) == "user_not_found"
    ts = await thread.start()
    append = client.chat_appendStream
    assert await refused(append(channel=thread.channel, ts=ts, markdown_text="")) == "no_text"
    theirs: dict[str, Any] = {"channel": thread.channel, "ts": thread.root, "markdown_text": "x"}
    assert await refused(append(**theirs)) == "message_not_owned_by_app"
    direct = await slack.dm("alice", "hello")
    im = slack.state.direct("alice").id
    assert (await client.chat_startStream(channel=im, thread_ts=direct))["ok"], "who reads is clear"


@pytest.mark.breaches
async def test_limits_of_a_stream(thread: Thread) -> None:
    ts = await thread.start()
    where: dict[str, Any] = {"channel": thread.channel, "ts": ts}
    long = thread.client.chat_appendStream(**where, markdown_text="x" * 12_001)
    assert await refused(long) == "msg_too_long"
    odd = thread.client.chat_appendStream(**where, chunks=[{"type": "song"}])
    assert await refused(odd) == "invalid_chunks"
    blocks = [{"type": "blocks", "blocks": [{"type": "divider"}] * 51}]
    many = thread.client.chat_appendStream(**where, chunks=blocks)
    assert await refused(many) == "msg_blocks_too_many"


async def test_a_live_stream_is_not_edited_and_a_finished_one_not_appended_to(
    thread: Thread,
) -> None:
    ts = await thread.start(markdown_text="x")
    where: dict[str, Any] = {"channel": thread.channel, "ts": ts}
    edit = thread.client.chat_update
    assert await refused(edit(**where, text="y")) == "streaming_state_conflict"
    await thread.client.chat_stopStream(**where)
    append = thread.client.chat_appendStream(**where, markdown_text="z")
    assert await refused(append) == "message_not_in_streaming_state"
    assert (await edit(**where, text="y"))["ok"]


async def test_a_stream_dies_of_age_under_traffic(thread: Thread, slack: Workspace) -> None:
    ts = await thread.start(markdown_text="x")
    where: dict[str, Any] = {"channel": thread.channel, "ts": ts}
    slack.clock.advance(299)
    await thread.client.chat_appendStream(**where, markdown_text="y")
    slack.clock.advance(1)
    await slack.wait_for(lambda: thread.message(ts)["streaming_state"] == "errored")
    append = thread.client.chat_appendStream(**where, markdown_text="z")
    assert await refused(append) == "message_not_in_streaming_state"
    assert thread.status == "active"


async def test_a_person_stops_it(thread: Thread, slack: Workspace) -> None:
    ts = await thread.start(markdown_text="x")
    await slack.stop_session("alice", "ops", thread.root)
    append = thread.client.chat_appendStream(channel=thread.channel, ts=ts, markdown_text="y")
    assert await refused(append) == "stopped_by_user"
    [event] = thread.events("agent_session_stopped")
    assert (event["user"], event["thread_ts"]) == (slack.user_id("alice"), thread.root)
    assert event["streaming_message_ts"] == [ts]
    assert thread.status == "processing", "the app says what follows"


async def test_the_status_of_a_session(thread: Thread, slack: Workspace) -> None:
    where: dict[str, Any] = {"channel_id": thread.channel, "thread_ts": thread.root}
    status = thread.client.agents_sessions_setStatus
    answer = await status(**where, status="processing", title="Why?")
    assert (answer["status"], answer["agent_status"]) == ("processing", "processing")
    assert "warning" not in answer
    assert await refused(status(**where, status="dancing")) == "invalid_arguments"
    slack.clock.advance(3600)
    assert thread.status == "active", "it lasts for an hour"
    with pytest.raises(Impossible):
        await slack.stop_session("alice", "ops", thread.root)
    rename = thread.client.agents_sessions_rename
    assert (await rename(**where, title="Because"))["ok"]
    assert await refused(rename(**where, title="x" * 201)) == "invalid_arguments"
    await slack.rename_session("alice", "ops", thread.root, "Therefore")
    [event] = thread.events("agent_session_title_changed")
    assert (event["title"], event["previous_title"]) == ("Therefore", "Because")


async def test_only_an_agent_has_sessions() -> None:
    features = {k: v for k, v in EXAMPLE_MANIFEST["features"].items() if k != "agent_view"}
    async with Workspace(dict(EXAMPLE_MANIFEST) | {"features": features}) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        root = await slack.post("alice", "ops", "x")
        thread = Thread(slack, client, root)
        where: dict[str, Any] = {"channel_id": thread.channel, "thread_ts": root}
        status = client.agents_sessions_setStatus(**where, status="active")
        assert await refused(status) == "not_authorized"
        assert await thread.start(), "but it may stream"
        assert slack.state.sessions == {}


async def test_the_threads_of_an_assistant(thread: Thread, slack: Workspace) -> None:
    where: dict[str, Any] = {"channel_id": thread.channel, "thread_ts": thread.root}
    client = thread.client
    await client.assistant_threads_setStatus(
        **where, status="is thinking", loading_messages=["One", "Two"]
    )
    session = slack.state.sessions[thread.channel, thread.root]
    assert session.as_json(slack.clock.now())["loading"] == "is thinking"
    slack.clock.advance(120)
    assert session.as_json(slack.clock.now())["loading"] == ""
    many = client.assistant_threads_setStatus(**where, status="x", loading_messages=["x"] * 11)
    assert await refused(many) == "invalid_arguments"
    await client.assistant_threads_setTitle(**where, title="Why")
    await client.assistant_threads_setSuggestedPrompts(
        **where, prompts=[{"title": "Pods", "message": "get pods"}]
    )
    assert (session.title, session.prompts[0]["message"]) == ("Why", "get pods")
    few = client.assistant_threads_setSuggestedPrompts(**where, prompts=[])
    assert await refused(few) == "invalid_arguments"


async def test_blocks_are_validated_on_request(client: AsyncWebClient, slack: Workspace) -> None:
    bad = [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]
    answer = await client.blocks_validate(blocks=bad)
    errors: Any = answer["errors"]
    assert errors[0]["pointer"] == "/blocks/0/text/text"
    good = await client.blocks_validate(blocks=[{"type": "divider"}])
    assert good["errors"] == []
    assert slack.violations == [], "asking breaks nothing"


async def test_people_and_places_are_found(client: AsyncWebClient, slack: Workspace) -> None:
    found = await client.users_info(user=slack.user_id("alice"))
    email = found["user"]["profile"]["email"]
    by_email: Any = await client.users_lookupByEmail(email=email)
    assert by_email["user"]["id"] == slack.user_id("alice")
    unknown = client.users_lookupByEmail(email="nobody@acme.example")
    assert await refused(unknown) == "users_not_found"
    mine: Any = await client.users_conversations(types="public_channel,private_channel")
    assert {one["name"] for one in mine["channels"]} >= {"ops", "board"}
    hers: Any = await client.users_conversations(user=slack.user_id("sid"))
    assert [one["name"] for one in hers["channels"]] == ["shop-prod"]
    ts = await slack.post("alice", "ops", "x")
    await client.reactions_add(channel="C0OPS0000", timestamp=ts, name="eyes")
    got: Any = await client.reactions_get(channel="C0OPS0000", timestamp=ts)
    assert got["message"]["reactions"][0]["name"] == "eyes"


async def test_a_file_is_heard_where_the_app_is(slack: Workspace) -> None:
    await slack.post("alice", "ops", "the log", files=[("a.log", b"x")])
    await slack.post("alice", "random", "the log", files=[("b.log", b"x")])
    heard = [e.event for e in slack.envelopes if e.event.get("type") == "file_shared"]
    assert [(e["channel_id"], e["file_id"]) for e in heard] == [
        (slack.channel_id("ops"), slack.files[0].id)
    ]

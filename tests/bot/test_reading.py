"""Threads as text: what other apps send, in whatever shape; pages, names and files at the wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agent.surroundings import Reading
from bot.core.values import Thread
from bot.sandbox.slack import Settings, Workspace
from bot.sandbox.slack.model import User
from bot.slack.api import Refused, SlackApi
from bot.slack.budget import Budget
from bot.slack.reading import SlackThreads
from bot.slack.transcript import text_of
from tests.world import MANIFEST

Json = dict[str, Any]


@asynccontextmanager
async def slack() -> AsyncIterator[tuple[Workspace, SlackApi, SlackThreads]]:
    """A workspace and a reader of its threads."""
    async with (
        Workspace(MANIFEST, Settings()) as workspace,
        SlackApi.open(workspace.bot_token, workspace.api_url) as api,
    ):
        await api.auth_test()
        yield workspace, api, SlackThreads(api, Budget())


def place(workspace: Workspace, ts: str, where: str = "ops") -> Thread:
    """A thread of it."""
    return Thread(workspace.team_id, workspace.channel_id(where), ts)


# --- text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (
            "see <https://a.example/x?y=1&amp;z=2|the graph>",
            "see the graph (https://a.example/x?y=1&z=2)",
        ),
        ("<https://a.example>", "https://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<@U1> in <#C1|ops> <!here> <!subteam^S1|@sre>", "<@U1> in #ops @here @sre"),
        ("<!date^1700000000^{date}|14 Nov 2023>", "14 Nov 2023"),
        ("1 &lt; 2", "1 < 2"),
    ],
)
def test_links_keep_their_words_and_addresses(raw: str, shown: str) -> None:
    assert text_of({"text": raw}) == shown


def test_a_text_that_its_blocks_repeat_is_shown_once_and_another_twice() -> None:
    block: Json = {"type": "section", "text": {"type": "mrkdwn", "text": "*Disk* is full"}}
    assert text_of({"text": "Disk is full", "blocks": [block]}) == "*Disk* is full"
    assert text_of({"text": "On db-0", "blocks": [block]}) == "On db-0\n*Disk* is full"
    assert text_of({"text": "🔥", "blocks": [block]}) == "🔥\n*Disk* is full"


def test_rich_text_tables_and_contexts_are_read() -> None:
    def run(*pieces: Json) -> Json:
        return {"type": "rich_text_section", "elements": list(pieces)}

    words: Json = {"type": "text", "text": "see "}
    link: Json = {"type": "link", "url": "https://a.example", "text": "this"}
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": "Disk"}},
        {
            "type": "rich_text",
            "elements": [
                run(words, link),
                {
                    "type": "rich_text_list",
                    "style": "ordered",
                    "elements": [run(words), run(words)],
                },
                {"type": "rich_text_preformatted", "elements": [words]},
                {"type": "rich_text_quote", "elements": [words]},
            ],
        },
        {
            "type": "table",
            "rows": [
                [{"type": "raw_text", "text": "pod"}, {"type": "raw_text", "text": "state"}],
                [
                    {"type": "raw_text", "text": "db-0"},
                    {"type": "rich_text", "elements": [run(words)]},
                ],
            ],
        },
        {
            "type": "context",
            "elements": [
                {"type": "image", "image_url": "https://a.example/i", "alt_text": "a chart"},
                {"type": "mrkdwn", "text": "since *14:00*"},
            ],
        },
        {"type": "novel", "body": {"text": {"type": "mrkdwn", "text": "unheard of"}}},
    ]
    shown = text_of({"blocks": blocks}).split("\n")
    assert shown[:4] == ["Disk", "see this (https://a.example)", "1. see ", "2. see "]
    for line in ("> see ", "pod | state", "db-0 | see ", "[image: a chart] · since *14:00*"):
        assert line in shown
    assert "unheard of" in shown


def test_of_an_attachment_the_fallback_is_shown_only_where_nothing_else_is() -> None:
    whole: Json = {"title": "Disk full", "fallback": "in short", "color": "a30200"}
    assert text_of({"attachments": [whole]}) == "Disk full\nmarked as danger"
    assert text_of({"attachments": [{"fallback": "in short"}]}) == "in short"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "elements",
                    "fields",
                    "blocks",
                    "title",
                    "actions",
                    "rows",
                    "value",
                    "ts",
                    "color",
                    "accessory",
                    "url",
                    "message_blocks",
                    "message",
                    "indent",
                    "style",
                ]
            )
            | st.text(max_size=4),
            inner
            | st.sampled_from(
                ["section", "rich_text", "table", "context", "actions", "rich_text_list", "image"]
            ),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON, JSON, JSON)
def test_any_message_becomes_a_text(text: object, blocks: object, attachments: object) -> None:
    assert isinstance(text_of({"text": text, "blocks": blocks, "attachments": attachments}), str)


def test_blocks_nested_without_end_end() -> None:
    node: Json = {"type": "rich_text", "elements": []}
    for _ in range(300):
        node = {"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [node]}]}
    assert isinstance(text_of({"blocks": [node]}), str)


# --- at the wire -------------------------------------------------------------------------------


async def test_names_come_from_slack_once_and_joins_say_nothing() -> None:
    async with slack() as (workspace, _, threads):
        root = await workspace.post("alice", "ops", "web is down")
        await workspace.post("bob", "ops", "looking", thread_ts=root)
        await workspace.post("alice", "ops", "thanks", thread_ts=root)
        reading = await threads.read(place(workspace, root))
        assert reading.root is not None
        assert (reading.root.name, reading.root.text) == ("Alice Adler", "web is down")
        assert [(one.name, one.kind) for one in reading.newest] == [
            ("Bob Berg", "person"),
            ("Alice Adler", "person"),
        ]
        await threads.read(place(workspace, root))
        assert len(workspace.calls_of("users.info")) == 2


async def crowd(workspace: Workspace, number: int) -> Thread:
    """A thread in which each of so many people wrote once."""
    root = await workspace.post("alice", "ops", "root")
    channel = workspace.state.channels[workspace.channel_id("ops")]
    for n in range(number):
        user = User(f"U0N{n:06}", f"n{n}", f"Number {n}", workspace.team_id)
        channel.members.append(workspace.state.add_user(user).id)
        await workspace.post(user.id, "ops", "hm", thread_ts=root)
    return place(workspace, root)


async def test_of_a_crowd_the_newest_are_named_and_the_guard_can_still_look_up() -> None:
    async with slack() as (workspace, api, _):
        thread = await crowd(workspace, 60)
        budget = Budget()
        reading = await SlackThreads(api, budget).read(thread)
        named = [one.name for one in reading.newest if one.name]
        calls = len(workspace.calls_of("users.info"))
        assert calls <= 20
        assert named == [f"Number {n}" for n in range(60 - len(named), 60)]
        assert len(named) >= 5
        assert budget.ready("users.info")


async def test_names_that_the_directory_knows_are_not_asked_of_slack() -> None:
    async with slack() as (workspace, api, _):
        thread = await crowd(workspace, 3)
        threads = SlackThreads(api, Budget(), known=lambda user: f"known {user}")
        reading = await threads.read(thread)
        assert [one.name for one in reading.newest] == [f"known U0N{n:06}" for n in range(3)]
        assert workspace.calls_of("users.info") == []


async def test_names_are_no_longer_asked_once_slack_says_it_is_too_much() -> None:
    async with slack() as (workspace, api, _):
        thread = await crowd(workspace, 20)
        workspace.faults.fail("users.info", "ratelimited", times=99, seconds=30)
        budget = Budget()
        reading = await SlackThreads(api, budget).read(thread)
        assert len(reading.newest) == 20
        asked = len(workspace.calls_of("users.info"))
        assert 1 <= asked <= 4  # at once
        assert budget.pause("users.info") > 20
        await SlackThreads(api, budget).read(thread)
        assert len(workspace.calls_of("users.info")) == asked


async def test_the_newest_hundred_of_a_thread_of_two_pages_are_read() -> None:
    async with slack() as (workspace, _, threads):
        root = await workspace.post("alice", "ops", "root")
        for number in range(1_100):
            await workspace.post("alice", "ops", f"n{number}", thread_ts=root)
        reading = await threads.read(place(workspace, root))
        assert reading.trouble == ""
        assert reading.root is not None
        assert [reading.newest[0].text, reading.newest[-1].text] == ["n1001", "n1099"]
        assert reading.left_out == 1_001
        assert len(workspace.calls_of("conversations.replies")) == 2


async def test_a_thread_that_was_read_is_read_from_its_newest_on_and_shows_the_same() -> None:
    async with slack() as (workspace, api, threads):
        root = await workspace.post("alice", "ops", "root")
        said = [await workspace.post("alice", "ops", f"n{n}", thread_ts=root) for n in range(250)]
        thread = place(workspace, root)

        async def read(*, messages: int) -> Reading:
            """What this reader sees is what one sees who never read it; so much Slack gave it."""
            found = await threads.read(thread)
            given = workspace.calls_of("conversations.replies")[-1].response["messages"]
            assert len(given) == messages
            assert found == await SlackThreads(api, Budget()).read(thread)
            return found

        assert (await read(messages=251)).left_out == 151
        assert (await read(messages=100)).left_out == 151
        for n in range(250, 260):
            await workspace.post("bob", "ops", f"n{n}", thread_ts=root)
        await workspace.edit("alice", "ops", said[200], "changed")
        await workspace.edit("alice", "ops", root, "another root")
        found = await read(messages=110)
        assert found.root is not None
        assert found.root.text == "another root (edited)"
        assert "changed (edited)" in [one.text for one in found.newest]
        assert found.left_out == 161
        await read(messages=100)

        # one that was deleted is missed; after many, older ones are the newest again
        await workspace.delete("alice", "ops", said[249])
        assert "n249" not in [one.text for one in (await threads.read(thread)).newest]
        for ts in said[161:249]:
            await workspace.delete("alice", "ops", ts)
        again = await read(messages=172)
        assert (again.newest[0].text, again.left_out) == ("n72", 72)
        await read(messages=100)


async def test_a_second_page_that_slack_refuses_leaves_the_first() -> None:
    async with slack() as (workspace, _, threads):
        root = await workspace.post("alice", "ops", "root")
        for number in range(1_100):
            await workspace.post("alice", "ops", f"n{number}", thread_ts=root)
        workspace.faults.fail("conversations.replies", "slow", times=1, seconds=0)
        workspace.faults.fail("conversations.replies", "ratelimited", times=1, seconds=30)
        reading = await threads.read(place(workspace, root))
        assert reading.root is not None
        assert "only so often" in reading.trouble
        # the pause that Slack asked for is kept: nothing is asked meanwhile
        calls = len(workspace.calls_of("conversations.replies"))
        again = await threads.read(place(workspace, root))
        assert again.root is None
        assert len(workspace.calls_of("conversations.replies")) == calls


async def test_where_the_app_is_no_member_the_reading_says_so() -> None:
    async with slack() as (workspace, _, threads):
        root = await workspace.post("alice", "random", "secret talk")
        reading = await threads.read(place(workspace, root, "random"))
        assert reading.root is None
        assert reading.trouble == "I am not a member of this channel"


async def test_a_deleted_root_is_not_read() -> None:
    async with slack() as (workspace, _, threads):
        root = await workspace.post("alice", "ops", "regretted")
        await workspace.post("bob", "ops", "too late", thread_ts=root)
        await workspace.delete("alice", "ops", root)
        reading = await threads.read(place(workspace, root))
        assert reading.root is None
        assert [one.text for one in reading.newest] == ["too late"]


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com.evil.example/x",
        "https://evil.example/files.slack.com",
        "https://evil-slack.com/x",
        "http://files.slack.com/x",
        "https://user@files.slack.com/x",
        "https://files.slack.com:8443/x",
        "file:///etc/passwd",
        "https://[::1",
        "",
    ],
)
async def test_the_token_goes_to_slack_only(url: str) -> None:
    async with slack() as (_, api, _threads):
        with pytest.raises(Refused, match="foreign_url"):
            await api.download(url, 10)


async def test_a_download_ends_where_it_should() -> None:
    async with slack() as (workspace, api, _):
        await workspace.post("alice", "ops", "log", files=[("a.log", b"x" * 200_000)])
        (file,) = workspace.files
        assert len(await api.download(file.url, 100_000)) == 100_000
        assert len(await api.download(file.url, 300_000)) == 200_000

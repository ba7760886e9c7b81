"""A workspace that is kept on disk, and one that goes on from there."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.keeping import Unreadable
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace

CARD: list[dict[str, Any]] = [
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
        ],
    }
]


def workspace(folder: Path, suffix: str = "") -> Workspace:
    kept = Settings(
        kept=folder / "workspace.json", ack_seconds=0.02, retry_delays=(), token_suffix=suffix
    )
    return Workspace(EXAMPLE_MANIFEST, kept)


async def test_everything_said_is_there_again(tmp_path: Path) -> None:
    async with workspace(tmp_path, "-first") as first:
        assert not first.restored
        client = AsyncWebClient(first.bot_token, base_url=first.api_url)
        root = await first.post("alice", "ops", "look", files=[("a.log", b"\x00\xff")])
        await client.chat_postMessage(channel="C0OPS0000", text="card", blocks=CARD, thread_ts=root)
        await client.chat_postEphemeral(channel="C0OPS0000", user=first.user_id("bob"), text="psst")
        await client.views_publish(
            user_id=first.user_id("alice"), view={"type": "home", "blocks": CARD}
        )
        first.add_user("zoe")
        first.set_group("sre", ["bob"])
        first.add_channel("new", ["zoe"])
        await first.dm("alice", "hello")
        said = first.messages("ops")
        envelope = await first.click("bob", "ops", said[1]["ts"], text="Go")
        answer = envelope.payload["response_url"].rpartition("/")[2]
        ids = {e.id for e in first.envelopes}
        tokens = first.bot_token, first.app_token, first.page_url.rpartition("=")[2]
        seq, port = first.state.feed.seq, first.state.base_url
    async with workspace(tmp_path, "-second") as second:
        assert second.restored
        moved = json.loads(json.dumps(said).replace(port, second.state.base_url))
        assert second.messages("ops") == moved
        assert [m["text"] for m in second.ephemerals("bob", "ops")] == ["psst"]
        assert [m["text"] for m in second.messages("@alice")] == ["hello"]
        assert second.home("alice") is not None
        assert second.files[0].content == b"\x00\xff"
        assert second.channel_id("new")
        assert second.user_id("zoe")
        assert second.state.groups["S0SRE0000"].users == [second.user_id("bob")]
        kept = second.bot_token, second.app_token, second.page_url.rpartition("=")[2]
        assert kept == tokens
        assert not second.state.feed.covers(seq), "an open page reads everything again"
        later = await second.post("alice", "ops", "and now", thread_ts=root)
        assert later > said[-1]["ts"]
        assert not ids & {e.id for e in second.envelopes}
        url = f"{second.state.base_url}/response/{second.team_id}/{answer}"
        async with aiohttp.ClientSession() as session:
            body = {"text": "done", "replace_original": True}
            async with session.post(url, json=body) as response:
                assert response.status == 200
        assert second.messages("ops")[1]["text"] == "done"


async def test_it_is_written_as_it_changes(tmp_path: Path) -> None:
    async with workspace(tmp_path) as slack:
        await slack.post("alice", "ops", "before the plug is pulled")

        def written() -> bool:
            file = tmp_path / "workspace.json"
            return file.exists() and "the plug" in file.read_text()

        for _ in range(50):
            if written():
                break
            await slack.clock.sleep(0.02)
        assert written()


@pytest.mark.parametrize("text", ["{", '{"_": {"kind": "workspace", "version": 1}}', "[]"])
async def test_what_cannot_be_taken_up_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "workspace.json").write_text(text)
    with pytest.raises(Unreadable, match=r"workspace\.json"):
        async with workspace(tmp_path):
            pass

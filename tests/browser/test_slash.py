"""The slash command typed in the page, with the real bot behind it."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bot.sandbox import serving
from bot.sandbox.slack import Settings
from tests.browser.conftest import DRIVES, Watched
from tests.world import world

pytestmark = DRIVES


@pytest.mark.long
async def test_what_is_typed_behind_the_slash_reaches_the_bot_over_its_socket(
    dsn: str, tmp_path: Path, chromium: Browser
) -> None:
    settings = Settings(page_dir=serving.PAGE_DIR)
    async with world(dsn, tmp_path, slack=settings) as chat:
        page = await chromium.new_page()
        watched = Watched(page)
        serving.introduce(
            chat.slack, serving.Introduction("Title", "About", {"alice": "operator"}, ())
        )
        await page.goto(chat.slack.page_url)
        field = page.get_by_label("Message #ops")
        await field.fill("/ops help")
        await field.press("Enter")
        log = page.get_by_role("log").first
        await expect(log).to_contain_text("rollout restart <kind>/<name>")
        assert [m["shown_to"] for m in chat.slack.ephemerals("alice", "ops")] == [
            chat.slack.user_id("alice")
        ]
        await field.fill("/ops get deployments -n shop")
        await field.press("Enter")
        await expect(log).to_contain_text("get deployments -n shop")
        await chat.slack.settled()
        sent = [one for one in chat.slack.envelopes if one.type == "slash_commands"]
        assert [one.payload["text"] for one in sent] == ["help", "get deployments -n shop"]
        assert all(one.acked for one in sent)
        await page.get_by_role("button", name="1 reply").click()
        thread = page.get_by_role("region", name="Thread")
        await expect(thread).to_contain_text("checkout")
        reply = page.get_by_label("Reply in the thread")
        await reply.fill("/ops status")
        await reply.press("Enter")
        await expect(page.get_by_text("/ops is not supported in threads")).to_be_visible()
        assert len([one for one in chat.slack.envelopes if one.type == "slash_commands"]) == 2
        assert watched.complaints == []

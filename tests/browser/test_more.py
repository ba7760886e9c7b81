"""More on a card in the page: what else can be done with a proposal, on a phone too."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bot.sandbox import serving
from bot.sandbox.slack import Settings
from tests.browser.conftest import DRIVES, Watched
from tests.world import world

pytestmark = [*DRIVES, pytest.mark.timeout(150)]
_ANSWERS = 15_000
POLICY = """
policy:
  rules:
    - name: web may step
      match: {namespace: shop}
      ask:
        grant: {times: 2, vary: {replicas: {min: 1, max: 6}}}
        break_glass: {groups: S0000000001}
"""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def become(page: Page, user_id: str) -> None:
    await page.get_by_label("You are").select_option(user_id)


@pytest.mark.long
async def test_a_proposal_is_edited_approved_with_more_and_run_alone(
    dsn: str, tmp_path: Path, chromium: Browser, shots: Path
) -> None:
    (tmp_path / "c.yaml").write_text(POLICY)
    settings = Settings(page_dir=serving.PAGE_DIR)
    extra = {"COUNTERSIGN_CONFIG": str(tmp_path / "c.yaml")}
    async with world(dsn, tmp_path, slack=settings, extra=extra, running="not yet") as chat:
        assert chat.slack.set_group("oncall", ["bob"]) == "S0000000001"
        await chat.start()
        bob, alice = chat.slack.user_id("bob"), chat.slack.user_id("alice")
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop")
        card = await chat.card(thread)
        assert "Approve" in str(card)
        page = await (await chromium.new_context(**PHONE)).new_page()  # type: ignore[arg-type]
        watched = Watched(page)
        serving.introduce(
            chat.slack,
            serving.Introduction("Title", "About", {"alice": "lead", "bob": "on call"}, ()),
        )
        await page.goto(chat.slack.page_url)
        await become(page, bob)
        await (
            page.get_by_role("button", name="reply")
            .or_(page.get_by_role("button", name="replies"))
            .first.tap(timeout=_ANSWERS)
        )
        region = page.get_by_role("region", name="Thread")
        await page.screenshot(path=shots / "more-1-card.png")
        await region.get_by_role("button", name="More…").tap()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("button", name="Edit…")).to_be_visible(timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-2-more.png")
        await dialog.get_by_role("button", name="Why…").tap()
        await expect(dialog.last).to_contain_text("web may step", timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-3-why.png")
        await page.keyboard.press("Escape")

        # what no tool takes is said at the field; what it takes is a new card
        await dialog.last.get_by_role("button", name="Edit…").tap()
        field = dialog.last.get_by_label("Replicas")
        await expect(field).to_have_value("5", timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-4-edit.png")
        await dialog.last.get_by_role("button", name="Propose").tap()
        await expect(dialog.last).to_contain_text("Nothing differs", timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-5-same.png")
        await field.fill("4")
        await dialog.last.get_by_role("button", name="Propose").tap()
        await expect(dialog).to_have_count(0, timeout=_ANSWERS)
        await expect(region).to_contain_text("edited by @bob", timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-6-new.png")

        # bob edited it and is on call: alone, with a reason
        await region.get_by_role("button", name="More…").last.tap()
        await dialog.last.get_by_role("button", name="Break the glass…").tap(timeout=_ANSWERS)
        reason = dialog.last.get_by_role("textbox")
        await expect(reason).to_be_visible(timeout=_ANSWERS)
        await reason.fill("nobody answers, and it is down")
        await page.screenshot(path=shots / "more-7-glass.png")
        await dialog.last.get_by_role("button", name="Run it").tap()
        await expect(region).to_contain_text("runs without your approval", timeout=_ANSWERS)
        await chat.slack.wait_for(lambda: chat.replicas() == 4, 20)
        await expect(region.get_by_role("button", name="Approve")).to_be_visible(timeout=_ANSWERS)
        await page.screenshot(path=shots / "more-8-told.png", full_page=True)

        # alice approves the way back of it, in a wide window, and the same again
        wide = await (
            await chromium.new_context(viewport={"width": 1360, "height": 850})
        ).new_page()
        await wide.goto(chat.slack.page_url)
        await become(wide, alice)
        await chat.slack.post("dave", "ops", "stop", thread_ts=thread)
        other = await chat.ask("scale deployment/web --replicas 6 -n shop")
        await chat.card(other)
        await (
            wide.get_by_role("button", name="reply")
            .or_(wide.get_by_role("button", name="replies"))
            .last.click(timeout=_ANSWERS)
        )
        region = wide.get_by_role("region", name="Thread")
        await region.get_by_role("button", name="More…").click(timeout=_ANSWERS)
        dialog = wide.get_by_role("dialog")
        await dialog.get_by_role("button", name="The same again…").click(timeout=_ANSWERS)
        await expect(dialog.last).to_contain_text("two times until", timeout=_ANSWERS)
        await wide.screenshot(path=shots / "more-9-again.png")
        await dialog.last.get_by_role("button", name="Approve").click()
        await expect(region).to_contain_text("allowed the same again here", timeout=_ANSWERS)
        await expect(region.get_by_role("button", name="Revoke")).to_be_visible(timeout=_ANSWERS)
        await wide.screenshot(path=shots / "more-10-granted.png")
        assert watched.complaints == []

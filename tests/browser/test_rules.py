"""What a policy asks for, in the page: two people, a denial with its reason, what is forbidden or
frozen, and a change that is rolled back by itself.
"""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from bot.sandbox import serving
from bot.sandbox.slack import Settings
from tests.browser.conftest import DRIVES, Watched
from tests.browser.test_more import become
from tests.conversations.players import MISSING
from tests.world import world

pytestmark = [*DRIVES, pytest.mark.timeout(150)]
_ANSWERS = 20_000
POLICY = """
policy:
  windows:
    - name: the move
      kind: freeze
      match: {tool: k8s_rollout_restart, namespace: shop}
      from: 2026-01-01T00:00:00Z
      until: 2100-01-01T00:00:00Z
  rules:
    - name: shop never sleeps
      match: {tool: k8s_scale, namespace: shop}
      when: replicas == 0
      deny: The shop is never scaled to nothing.
    - name: a bad image goes back
      match: {tool: k8s_set_image, namespace: shop}
      ask: {rollback: {within: 10m}}
    - name: shop needs two
      match: {namespace: shop}
      ask: {approvers: 2}
"""


@pytest.mark.long
async def test_two_people_a_denial_what_is_forbidden_and_what_goes_back(
    dsn: str, tmp_path: Path, chromium: Browser, shots: Path
) -> None:
    (tmp_path / "c.yaml").write_text(POLICY)
    settings = Settings(page_dir=serving.PAGE_DIR)
    given = {
        "extra": {"COUNTERSIGN_CONFIG": str(tmp_path / "c.yaml")},
        "from_now_on": (MISSING,),
    }
    async with world(dsn, tmp_path, slack=settings, **given) as chat:  # type: ignore[arg-type]
        people = {"alice": "lead", "bob": "on call", "dave": "asks"}
        serving.introduce(chat.slack, serving.Introduction("Title", "About", people, ()))
        page = await (
            await chromium.new_context(viewport={"width": 1360, "height": 850})
        ).new_page()
        watched = Watched(page)
        await page.goto(chat.slack.page_url)
        region = page.get_by_role("region", name="Thread")

        async def is_asked(text: str) -> str:
            """In a thread of its own, which is opened."""
            thread = await chat.ask(text)
            opens = page.get_by_role("button", name="reply").or_(
                page.get_by_role("button", name="replies")
            )
            await chat.slack.wait_for(lambda: bool(chat.slack.app_messages("ops", thread)), 20)
            await opens.last.click(timeout=_ANSWERS)
            await expect(region).to_contain_text(text.split(" ", 1)[1], timeout=_ANSWERS)
            return thread

        async def presses(name: str, who: str, within: Locator = region) -> None:
            await become(page, chat.slack.user_id(who))
            await within.get_by_role("button", name=name).last.click(timeout=_ANSWERS)

        # two people, one after the other
        await is_asked("scale deployment/web --replicas 5 -n shop")
        await presses("Approve", "alice")
        await expect(region).to_contain_text("So far approved by @alice", timeout=_ANSWERS)
        await expect(region).to_contain_text("one more approval needed")
        assert chat.cluster.mutations == []
        await page.screenshot(path=shots / "rules-1-one-of-two.png")
        await presses("Approve", "bob")
        await expect(region).to_contain_text("verified", timeout=_ANSWERS)
        await expect(region).to_contain_text("approved by @alice")
        await page.screenshot(path=shots / "rules-2-both.png")

        # a denial with its reason
        await is_asked("scale deployment/web --replicas 6 -n shop")
        await presses("Deny", "bob")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("textbox").fill("not before the sale ends", timeout=_ANSWERS)
        await dialog.get_by_role("button", name="Deny").click()
        await expect(region).to_contain_text("not before the sale ends", timeout=_ANSWERS)
        await page.screenshot(path=shots / "rules-3-denied.png")

        # what nobody can approve has no card
        for text, why in (
            ("scale deployment/web --replicas 0 -n shop", "never scaled to nothing"),
            ("rollout restart deployment/web -n shop", "the move"),
        ):
            thread = await is_asked(text)
            await expect(region).to_contain_text(why, timeout=_ANSWERS)
            assert chat.cards(thread) == []
            await page.screenshot(path=shots / f"rules-4-{why.split()[0]}.png")

        # what does not work goes back by itself, as was approved with it
        await is_asked("set image deployment/cart shop/cart:9.1.0 -n shop")
        await expect(region).to_contain_text("I roll it back by myself", timeout=_ANSWERS)
        await page.screenshot(path=shots / "rules-5-promise.png")
        await presses("Approve", "alice")
        await expect(region).to_contain_text("I am rolling it back", timeout=60_000)
        await chat.slack.wait_for(lambda: chat.image("cart").endswith("1.4.2"), 20)
        await expect(region).to_contain_text("rolled back by itself, verified", timeout=_ANSWERS)
        await page.screenshot(path=shots / "rules-6-rolled-back.png")
        assert watched.complaints == []

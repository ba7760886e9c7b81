"""The demo in a real Chromium, from the first screen to Undo."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.conftest import DRIVES, Demo, Watched

pytestmark = [*DRIVES, pytest.mark.timeout(150)]
_SETTLES = 45_000  # a rollout and its verification, on a busy machine
_ANSWERS = 15_000


async def opened(chromium: Browser, demo: Demo, **context: object) -> tuple[Page, Watched]:
    options = {"viewport": {"width": 1360, "height": 850}} | context
    page = await (await chromium.new_context(**options)).new_page()  # type: ignore[arg-type]
    watched = Watched(page)
    response = await page.goto(demo.address())
    assert response is not None
    assert response.status == 200
    assert response.request.redirected_from is None
    await expect(page.get_by_text("countersign is connected")).to_be_attached(timeout=60_000)
    return page, watched


async def become(page: Page, name: str) -> None:
    select = page.get_by_label("You are")
    value = await select.locator("option", has_text=re.compile(rf"^{name}\b")).get_attribute(
        "value"
    )
    await select.select_option(value)


def workload(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"deployment {name}")


async def test_the_story_from_the_first_screen_to_undo(
    demo: Demo, chromium: Browser, shots: Path
) -> None:
    page, watched = await opened(chromium, demo)
    thread = page.get_by_role("region", name="Thread")
    approve = thread.get_by_role("button", name="Approve")

    # The first screen says what this is, what leaves the machine, and what is broken.
    await expect(page.get_by_text("Nothing leaves this machine")).to_be_visible()
    await expect(page.get_by_role("log", name="Messages")).to_contain_text("crash-looping")
    checkout = workload(page, "checkout")
    await expect(checkout).to_contain_text("shop/checkout:1.9.0")
    await expect(checkout).to_contain_text("CrashLoopBackOff")
    await page.screenshot(path=shots / "1-first-screen.png")

    # A read is answered in its thread, which opens by itself.
    await page.get_by_role("button", name="diagnose -n shop").click()
    await page.keyboard.press("Enter")
    await expect(thread.get_by_text("missing PAYMENTS_URL").first).to_be_visible(timeout=_ANSWERS)
    await page.screenshot(path=shots / "2-read.png")
    await page.get_by_role("button", name="Close the thread").click()

    # A change is a card with its diff; who asked may not approve, and a guest may not either.
    await become(page, "alice")
    await page.get_by_role("button", name="rollout undo deployment/checkout").click()
    await page.keyboard.press("Enter")
    await expect(approve).to_be_visible(timeout=_ANSWERS)
    diff = thread.locator("pre", has_text="image:")
    await expect(diff).to_contain_text("shop/checkout:1.9.0")
    await expect(diff).to_contain_text("shop/checkout:1.8.0")
    await page.screenshot(path=shots / "3-card.png")
    for name in ("alice", "gina"):
        await become(page, name)
        await approve.click()
        refusal = thread.locator("article", has_text="Only visible to you")
        await expect(refusal).to_have_count(1, timeout=_ANSWERS)
        await page.screenshot(path=shots / f"4-refused-{name}.png")
    await expect(checkout).to_contain_text("shop/checkout:1.9.0")

    # Bob thinks about denying it, then approves; it runs, is verified, and can be undone.
    await become(page, "bob")
    await expect(thread.get_by_text("Only visible to you")).to_have_count(0)
    await thread.get_by_role("button", name="Deny").click()
    modal = page.get_by_role("dialog")
    await expect(modal.get_by_role("textbox")).to_be_focused(timeout=_ANSWERS)
    for _ in range(8):
        await page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
        assert await page.evaluate(inside), "the focus left the modal"
    await page.screenshot(path=shots / "5-deny.png")
    await page.keyboard.press("Escape")
    await expect(modal).to_have_count(0)
    await approve.click()
    await expect(thread).to_contain_text("approved by @bob", timeout=_ANSWERS)
    await expect(approve).to_have_count(0)
    await page.screenshot(path=shots / "6-verifying.png")
    undo = thread.get_by_role("button", name="Undo")
    await expect(undo).to_be_visible(timeout=_SETTLES)
    await expect(thread).to_contain_text("verified")
    await expect(checkout).to_contain_text("4/4 ready")
    await expect(checkout).to_contain_text("shop/checkout:1.8.0")
    await page.screenshot(path=shots / "7-verified.png")

    # A reload shows the same, as the same person.
    await page.reload()
    await expect(undo).to_be_visible()
    await expect(page.get_by_label("You are")).to_have_value("U0BOB0000")

    # Undo is a proposal: a card of its own, for somebody else.
    await undo.click()
    await expect(approve).to_be_visible(timeout=_ANSWERS)
    await expect(
        thread.locator("article", has=page.get_by_role("button", name="Approve"))
    ).to_contain_text("Undo: Roll back")
    await page.screenshot(path=shots / "8-undo.png")
    await become(page, "alice")
    await approve.click()
    await expect(thread).to_contain_text("approved by @alice", timeout=_ANSWERS)
    await expect(checkout).to_contain_text("shop/checkout:1.9.0", timeout=_ANSWERS)
    await expect(checkout).to_contain_text("CrashLoopBackOff", timeout=_SETTLES)
    await page.screenshot(path=shots / "9-restored.png")
    assert watched.complaints == []


@pytest.mark.long
async def test_a_phone_in_the_dark(demo: Demo, chromium: Browser, shots: Path) -> None:
    page, watched = await opened(
        chromium,
        demo,
        viewport={"width": 390, "height": 844},
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
    )
    await become(page, "dave")
    await page.get_by_role("button", name="Show channels").tap()
    await page.get_by_role("button", name="shop-prod").tap()
    field = page.get_by_label("Message #shop-prod")
    await field.fill("@countersign get pods -n payments")
    await page.get_by_role("button", name="Send").tap()
    await (
        page.get_by_role("button", name="reply")
        .or_(page.get_by_role("button", name="replies"))
        .tap(timeout=_ANSWERS)
    )
    thread = page.get_by_role("region", name="Thread")
    await expect(thread).to_contain_text("worker", timeout=_ANSWERS)
    await page.screenshot(path=shots / "phone-thread.png")
    about = page.get_by_text("Nothing leaves this machine")
    await expect(about).to_be_hidden()
    await page.get_by_role("button", name="About").tap()
    await expect(about).to_be_visible()
    await page.get_by_role("button", name="About").tap()
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(wide), "the page scrolls sideways"
    shade = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", shade)[:3])) < 200, "it is not dark"
    await page.get_by_role("button", name="Close the thread").tap()
    await expect(field).to_be_visible()
    await page.get_by_role("button", name="Cluster & inspector").tap()
    await expect(workload(page, "worker")).to_be_visible()
    await page.screenshot(path=shots / "phone-cluster.png")
    assert watched.complaints == []


async def tab_to(page: Page, name: str, most: int = 80) -> None:
    """Press Tab until what has the focus is called `name`."""
    called = """() => {
        const at = document.activeElement;
        const words = at.tagName === 'SELECT' ? '' : at.innerText;
        return at.getAttribute('aria-label') || words || at.id;
    }"""
    for _ in range(most):
        if (await page.evaluate(called)).strip() == name:
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {name!r}")


async def type_as(page: Page, name: str) -> None:
    """Become somebody by the keyboard alone: a select takes the first letter."""
    await tab_to(page, "persona")
    await page.keyboard.type(name)
    await expect(page.locator("#persona option:checked")).to_contain_text(name)


async def open_newest_thread(page: Page) -> None:
    log = page.get_by_role("log", name="Messages")
    for _ in range(8):
        if await log.evaluate("log => log.contains(document.activeElement)"):
            break
        await page.keyboard.press("F6")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")


@pytest.mark.long
@pytest.mark.long
async def test_the_whole_story_on_a_phone_without_mouse_or_touch(
    demo: Demo, chromium: Browser, shots: Path
) -> None:
    page, watched = await opened(chromium, demo, viewport={"width": 390, "height": 844})
    await become(page, "alice")
    thread = page.get_by_role("region", name="Thread")
    field = page.get_by_label("Message #ops")
    replies = page.get_by_role("log", name="Messages").get_by_text("repl", exact=False).last

    await field.focus()
    await page.keyboard.press("End")
    await page.keyboard.type("get pods -n shop")
    await page.keyboard.press("Enter")
    await expect(replies).to_be_visible(timeout=_ANSWERS)
    await open_newest_thread(page)
    # its pods crash again since the story before; whichever word stands there just now
    await expect(thread).to_contain_text(re.compile("CrashLoopBackOff|Error"), timeout=_ANSWERS)
    await page.keyboard.press("Escape")
    await expect(field).to_be_focused()
    await page.keyboard.type("rollout undo deployment/checkout -n shop")
    await page.keyboard.press("Enter")
    await open_newest_thread(page)
    approve = thread.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible(timeout=_ANSWERS)
    await page.screenshot(path=shots / "phone-card.png")
    # what it does is in view where Approve is
    await expect(approve).to_be_in_viewport(ratio=1)
    summary = thread.locator("strong", has_text="Roll back")
    await expect(summary.last).to_be_in_viewport(ratio=1)

    await type_as(page, "bob")
    await tab_to(page, "Approve")
    await page.keyboard.press("Enter")
    undo = thread.get_by_role("button", name="Undo")
    await expect(undo).to_be_visible(timeout=_SETTLES)
    await expect(thread).to_contain_text("verified")
    await tab_to(page, "Undo")
    await page.keyboard.press("Enter")
    await expect(approve).to_be_visible(timeout=_ANSWERS)
    await type_as(page, "alice")
    await tab_to(page, "Approve")
    await page.keyboard.press("Enter")
    await expect(thread).to_contain_text("approved by @alice", timeout=_ANSWERS)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(wide), "the page scrolls sideways"
    assert watched.complaints == []


async def test_a_guest_and_a_stranger_see_what_is_theirs(demo: Demo, chromium: Browser) -> None:
    page, watched = await opened(chromium, demo)
    channels = page.get_by_role("navigation", name="Channels and direct messages")
    await become(page, "olga")
    await expect(channels.get_by_role("button", name="partners")).to_be_visible()
    await expect(channels.get_by_role("button", name="ops", exact=True)).to_have_count(0)
    await become(page, "gina")
    await channels.get_by_role("button", name="general").click()
    await page.get_by_label("Message #general").fill("@countersign get pods -n shop")
    await page.keyboard.press("Enter")
    thread = page.get_by_role("region", name="Thread")
    log = page.get_by_role("log", name="Messages").or_(thread)
    await expect(log.get_by_text("can't take requests from you").first).to_be_visible(
        timeout=_ANSWERS
    )
    assert watched.complaints == []

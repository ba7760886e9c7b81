"""Every block and element as the page draws it, and what one does with each."""

import pytest
from playwright.async_api import FilePayload, Page, expect

from bot.sandbox.slack import Workspace
from tests.browser.conftest import CHROMIUM
from tests.browser.test_page import api, page, plain, section, slack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed here"),
]
__all__ = ["page", "slack"]  # the fixtures
OPS = "C0OPS0000"


def option(text: str) -> dict[str, object]:
    return {"text": plain(text), "value": text.lower()}


def cell(text: str) -> dict[str, object]:
    return {"type": "raw_text", "text": text}


SHOWN = [
    {"type": "header", "text": plain("A header")},
    {"type": "divider"},
    section("*bold* words") | {"fields": [plain("a field"), plain("another")]},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "small words"}]},
    {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "a graph"},
    {"type": "markdown", "text": "# Title\n- point\n**strong** [a link](https://example.com)"},
    {"type": "table", "rows": [[cell("pod"), cell("state")], [cell("web-1"), cell("Running")]]},
]
ELEMENTS = [
    {"type": "button", "action_id": "press", "text": plain("Press")},
    {
        "type": "overflow",
        "action_id": "over",
        "options": [option("First"), option("Second")],
    },
    {"type": "static_select", "action_id": "one", "options": [option("Red"), option("Blue")]},
    {"type": "users_select", "action_id": "who", "placeholder": plain("Who?")},
    {"type": "datepicker", "action_id": "day"},
    {"type": "timepicker", "action_id": "hour"},
    {"type": "checkboxes", "action_id": "several", "options": [option("Tick"), option("Tock")]},
    {"type": "radio_buttons", "action_id": "either", "options": [option("Yes"), option("No")]},
    {
        "type": "multi_static_select",
        "action_id": "many",
        "options": [option("Up"), option("Down")],
    },
]


def last_action(slack: Workspace) -> dict[str, object]:
    payload = [one for one in slack.envelopes if one.type == "interactive"][-1].payload
    (action,) = payload["actions"]
    return dict(action)


async def test_every_block_is_drawn_and_every_element_says_what_was_chosen(
    slack: Workspace, page: Page
) -> None:
    accessories = [section("and more") | {"accessory": ELEMENTS[-1]}]
    actions = [{"type": "actions", "elements": ELEMENTS[:-1]}]
    blocks = [*SHOWN, *actions, *accessories]
    await api(slack, "chat.postMessage", channel=OPS, text="x", blocks=blocks)
    message = page.locator("article").last
    await expect(message.get_by_role("heading", name="A header")).to_be_visible()
    await expect(message.get_by_role("columnheader", name="state")).to_be_visible()
    await expect(message.get_by_role("cell", name="Running")).to_be_visible()
    await expect(message.get_by_role("link", name="a link")).to_be_visible()
    for said in ("bold", "another", "small words", "[image: a graph]", "Title", "• point"):
        await expect(message).to_contain_text(said)
    await expect(message.get_by_role("alert")).to_have_count(0)

    async def chose(action_id: str, field: str, value: object) -> None:
        await slack.wait_for(
            lambda: (
                any(one.type == "interactive" for one in slack.envelopes)
                and last_action(slack)["action_id"] == action_id
            )
        )
        found = last_action(slack)[field]
        if isinstance(found, dict):
            found = found["value"]
        elif isinstance(found, list):
            found = [one["value"] for one in found]
        assert found == value

    await message.get_by_role("button", name="Press").click()
    await chose("press", "type", "button")
    opener = message.get_by_role("button", name="More actions")
    await opener.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="First")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await chose("over", "selected_option", "second")
    await message.locator("[data-action=one]").select_option("blue")
    await chose("one", "selected_option", "blue")
    await message.get_by_label("Who?").select_option(label="@bob")
    await chose("who", "selected_user", "U0BOB0000")
    await message.locator("[data-action=day]").fill("2026-11-25")
    await chose("day", "selected_date", "2026-11-25")
    await message.locator("[data-action=hour]").fill("03:00")
    await chose("hour", "selected_time", "03:00")
    await message.get_by_label("Tock").check()
    await chose("several", "selected_options", ["tock"])
    await message.get_by_label("Yes").check()
    await chose("either", "selected_option", "yes")
    await message.locator("[data-action=many]").select_option(["up", "down"])
    await chose("many", "selected_options", ["up", "down"])


async def test_messages_have_a_menu_and_words_are_completed(slack: Workspace, page: Page) -> None:
    field = page.get_by_label("Message #ops")
    await field.fill("")
    await field.press_sequentially("hello @bo")
    offered = page.locator("#channel-composer").get_by_role("option", name="bob")
    await expect(offered).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(field).to_have_value("hello @bob ")
    await page.keyboard.press("Enter")
    message = page.locator("article").last
    await expect(message).to_contain_text("hello @bob")
    await field.fill("/")
    await page.keyboard.press("Escape")
    await field.fill("")
    await field.press("ArrowUp")  # edits one's last message
    await page.get_by_role("dialog").get_by_label("Message").fill("hello all")
    await page.get_by_role("button", name="Save").click()
    await expect(message).to_contain_text("hello all")
    await expect(message).to_contain_text("(edited)")
    await page.get_by_role("log", name="Messages").focus()
    await page.keyboard.press("k")
    await expect(message).to_be_focused()
    await page.keyboard.press("m")
    await page.get_by_role("menuitemcheckbox", name="eyes").click()
    await expect(message.get_by_role("button", name="eyes, 1")).to_be_visible()
    await message.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Thread")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Jump to").fill("shop")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="# shop-prod")).to_be_visible()

    # what was said meanwhile is unread, counted where it calls her, and begins below a line
    await slack.post("bob", "ops", "by the way")
    ops = page.get_by_role("navigation").get_by_role("button", name="ops", exact=False).first
    await expect(ops).to_contain_text("unread")
    await slack.post("bob", "ops", f"<@{slack.user_id('alice')}> have a look")
    await expect(ops).to_contain_text("1")
    await ops.click()
    log = page.get_by_role("log", name="Messages")
    await expect(log.get_by_role("separator")).to_have_text("New")
    await expect(log.locator("article").last).to_contain_text("have a look")


async def test_files_home_and_other_apps_attachments(slack: Workspace, page: Page) -> None:
    await page.locator("#channel-composer input[type=file]").set_input_files(
        FilePayload(name="trace.log", mimeType="text/plain", buffer=b"line one\n")
    )
    await expect(page.get_by_text("trace.log")).to_be_visible()
    await page.get_by_label("Message #ops").fill("see this")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Open the file trace.log").click()
    await expect(page.get_by_role("dialog")).to_contain_text("line one")
    await page.keyboard.press("Escape")
    alert: dict[str, object] = {
        "color": "danger",
        "title": "HighErrorRate",
        "text": "5 % of requests",
        "fallback": "x",
    }
    alert |= {"fields": [{"title": "service", "value": "checkout"}]}
    await slack.post_as_bot("buildbot", "ops", {"text": "", "attachments": [alert]})
    last = page.locator("article").last
    for said in ("HighErrorRate", "5 % of requests", "service", "checkout"):
        await expect(last).to_contain_text(said)
    await api(
        slack,
        "views.publish",
        user_id=slack.user_id("alice"),
        view={"type": "home", "blocks": [section("Welcome home"), {"type": "divider"}]},
    )
    await page.get_by_role("button", name="examplebot").click()
    await page.get_by_role("tab", name="Home").click()
    await expect(page.get_by_text("Welcome home")).to_be_visible()
    await page.get_by_role("tab", name="Messages").click()
    await expect(page.get_by_text("Welcome home")).to_be_hidden()

"""Every block and element as the page draws it, and what one does with each."""

from collections.abc import Mapping

import pytest
from playwright.async_api import FilePayload, Locator, Page, expect

from bot.sandbox.slack import Workspace
from tests.browser.conftest import DRIVES
from tests.browser.test_page import api, clicks, page, plain, section, slack

pytestmark = DRIVES
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


def rich(*elements: dict[str, object]) -> dict[str, object]:
    return {"type": "rich_text", "elements": list(elements)}


def line(*elements: dict[str, object]) -> dict[str, object]:
    return {"type": "rich_text_section", "elements": list(elements)}


def said(text: str, **style: bool) -> dict[str, object]:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


RICH = [
    rich(
        line(
            said("heavy", bold=True),
            said("struck", strike=True),
            {"type": "user", "user_id": "U0BOB0000"},
            {"type": "channel", "channel_id": OPS},
            {"type": "usergroup", "usergroup_id": "S0SRE0000"},
            {"type": "broadcast", "range": "here"},
            {"type": "emoji", "name": "tada"},
            {"type": "link", "url": "https://example.com/", "text": "out"},
        ),
        {"type": "rich_text_list", "style": "ordered", "elements": [line(said("item one"))]},
        {
            "type": "rich_text_list",
            "style": "ordered",
            "indent": 1,
            "offset": 4,
            "elements": [line(said("item below"))],
        },
        {"type": "rich_text_quote", "elements": [said("quoted words")]},
        {"type": "rich_text_preformatted", "elements": [said("NAME   READY\nweb-1  1/1")]},
    ),
    {
        "type": "plan",
        "title": "The plan",
        "tasks": [
            {
                "type": "task_card",
                "task_id": "t1",
                "title": "Look at logs",
                "status": "complete",
                "output": rich(line(said("found it"))),
            }
        ],
    },
    {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "rate",
                "positive_button": {"text": plain("Good"), "value": "good"},
                "negative_button": {"text": plain("Bad"), "value": "bad"},
            }
        ],
    },
]
INPUTS: list[dict[str, object]] = [
    {"type": "static_select", "action_id": "a", "options": [option("Red"), option("Blue")]},
    {"type": "radio_buttons", "action_id": "a", "options": [option("Slow"), option("Fast")]},
    {"type": "checkboxes", "action_id": "a", "options": [option("Tick"), option("Tock")]},
    {"type": "multi_static_select", "action_id": "a", "options": [option("Up"), option("Down")]},
    {"type": "number_input", "action_id": "a", "is_decimal_allowed": False},
    {"type": "email_text_input", "action_id": "a"},
    {"type": "url_text_input", "action_id": "a"},
    {"type": "channels_select", "action_id": "a"},
    {"type": "datetimepicker", "action_id": "a"},
    {"type": "external_select", "action_id": "pods", "min_query_length": 1},
    {"type": "multi_external_select", "action_id": "many-pods", "min_query_length": 1},
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


@pytest.mark.long
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


@pytest.mark.long
async def test_rich_text_plans_and_feedback(slack: Workspace, page: Page) -> None:
    table = section("```\nNAME      READY   STATUS\nweb-1     1/1     Running\n```")
    log = section("```\none long line of a log\nand another\n```")
    await api(slack, "chat.postMessage", channel=OPS, text="x", blocks=[*RICH, table, log])
    message = page.locator("article").last
    await expect(message.locator("strong", has_text="heavy")).to_be_visible()
    await expect(message.locator("s")).to_have_text("struck")
    await expect(message.get_by_role("link", name="out")).to_be_visible()
    await expect(message.get_by_role("listitem")).to_have_text(["item one", "item below"])
    lists = message.locator("ol")
    await expect(lists.last).to_have_attribute("start", "5")
    places = await lists.evaluate_all("found => found.map(one => one.getBoundingClientRect().x)")
    assert places[0] < places[1]
    await expect(message.locator("blockquote")).to_have_text("quoted words")
    for words in ("@bob", "#ops", "@sre", "@here", "🎉", "The plan", "Look at logs", "found it"):
        await expect(message).to_contain_text(words)
    await expect(message.get_by_role("alert")).to_have_count(0)
    # what stands in columns keeps them and scrolls; other lines wrap
    wraps = await message.locator("pre").evaluate_all(
        "found => found.map(one => getComputedStyle(one).whiteSpace)"
    )
    assert wraps == ["pre", "pre", "pre-wrap"]
    await message.get_by_role("button", name="Bad").click()
    await slack.wait_for(lambda: clicks(slack), 5)
    assert last_action(slack)["value"] == "bad"


async def opened(slack: Workspace, page: Page, view: Mapping[str, object]) -> Locator:
    """A modal before Alice, as the answer to a click."""
    button = {"type": "button", "action_id": "open", "text": plain("Open")}
    blocks = [{"type": "actions", "elements": [button]}]
    await api(slack, "chat.postMessage", channel=OPS, text="x", blocks=blocks)
    await page.get_by_role("button", name="Open", exact=True).click()
    await slack.wait_for(lambda: clicks(slack), 5)
    trigger = clicks(slack)[-1].payload["trigger_id"]
    await api(slack, "views.open", trigger_id=trigger, view=view)
    dialog = page.locator("#modal")
    await expect(dialog).to_be_visible()
    return dialog


@pytest.mark.long
async def test_a_modals_inputs_are_named_kept_over_updates_and_another_is_pushed_above(
    slack: Workspace, page: Page
) -> None:
    more = {"type": "button", "action_id": "more", "text": plain("More")}
    inputs: list[dict[str, object]] = [
        {
            "type": "input",
            "block_id": f"b{number}",
            "label": plain(f"Field {number}"),
            "optional": True,
            "element": element,
        }
        for number, element in enumerate(INPUTS)
    ]
    blocks = [{"type": "actions", "block_id": "top", "elements": [more]}, *inputs]
    view = {"type": "modal", "title": plain("First"), "submit": plain("Send"), "blocks": blocks}
    dialog = await opened(slack, page, view)

    def named(number: int) -> Locator:
        return dialog.get_by_label(f"Field {number}", exact=False).first

    await named(0).select_option("blue")
    await named(1).get_by_label("Fast").check()
    await named(2).get_by_label("Tock").check()
    await named(3).select_option(["up", "down"])
    typed = {4: "7", 5: "a@example.com", 6: "https://example.com/", 8: "2026-11-25T03:00"}
    for number, words in typed.items():
        await named(number).fill(words)
    await named(7).select_option(label="#ops")
    await expect(dialog.get_by_role("combobox", name="Field 9")).to_be_visible()
    await expect(dialog.get_by_role("combobox", name="Field 10")).to_be_visible()

    view_id = slack.views("alice")[-1].id
    changed = view | {"title": plain("Changed")}
    await api(slack, "views.update", view_id=view_id, view=changed)
    await expect(page.get_by_role("heading", name="Changed")).to_be_visible()
    await expect(named(0)).to_have_value("blue")
    await expect(named(1).get_by_label("Fast")).to_be_checked()
    await expect(named(2).get_by_label("Tock")).to_be_checked()
    await expect(named(3)).to_have_values(["up", "down"])
    for number, words in typed.items():
        await expect(named(number)).to_have_value(words)

    before = len(clicks(slack))
    await dialog.get_by_role("button", name="More", exact=True).click()
    await slack.wait_for(lambda: len(clicks(slack)) > before, 5)
    trigger = clicks(slack)[-1].payload["trigger_id"]
    second = {"type": "modal", "title": plain("Second"), "blocks": [section("above")]}
    await api(slack, "views.push", trigger_id=trigger, view=second)
    await expect(page.get_by_role("heading", name="Second")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Changed")).to_be_visible()


@pytest.mark.long
async def test_the_thread_of_what_one_asked_last_opens(slack: Workspace, page: Page) -> None:
    thread = page.get_by_role("region", name="Thread")
    field = page.get_by_label("Message #ops")
    for number, question in enumerate(("first question", "second question"), 1):
        await field.fill(question)
        await field.press("Enter")
        await slack.wait_for(lambda many=number: len(asked(slack)) == many, 5)  # type: ignore[misc]
        root = asked(slack)[-1]
        await api(
            slack, "chat.postMessage", channel=OPS, thread_ts=root, text=f"answer to the {question}"
        )
        await expect(thread).to_contain_text(f"answer to the {question}")
    # but not while one writes in the panel
    await field.fill("third question")
    await field.press("Enter")
    await slack.wait_for(lambda: len(asked(slack)) == 3, 5)
    await thread.get_by_label("Reply in the thread").fill("wait, about the second")
    await api(
        slack, "chat.postMessage", channel=OPS, thread_ts=asked(slack)[-1], text="third answer"
    )
    await expect(page.get_by_role("button", name="1 reply")).to_have_count(3)
    await expect(thread).to_contain_text("answer to the second question")


def asked(slack: Workspace) -> list[str]:
    alice = slack.user_id("alice")
    return [str(one["ts"]) for one in slack.messages("ops") if one.get("user") == alice]


@pytest.mark.long
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


@pytest.mark.long
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
        view={
            "type": "home",
            "blocks": [
                section("Welcome home"),
                {
                    "type": "actions",
                    "elements": [{"type": "external_select", "action_id": "pods"}],
                },
            ],
        },
    )
    await page.get_by_role("button", name="examplebot").click()
    await page.get_by_role("tab", name="Home").click()
    await expect(page.get_by_text("Welcome home")).to_be_visible()
    # nobody can ask the app there: said, rather than a field that offers nothing
    await expect(page.locator("#home [role=alert]")).to_contain_text("cannot draw this")
    for _ in range(4):
        await page.keyboard.press("F6")
        if await page.locator("#home:focus").count():
            break
    await expect(page.locator("#home")).to_be_focused()
    await page.get_by_role("tab", name="Messages").click()
    await expect(page.get_by_text("Welcome home")).to_be_hidden()

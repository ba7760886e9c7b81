"""The page alone, on a workspace whose app is this test: what it draws, and what it never runs."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from bot.sandbox import serving
from bot.sandbox.slack import EXAMPLE_MANIFEST, Envelope, Settings, Workspace
from tests.browser.conftest import DRIVES, Watched, in_session

pytestmark = DRIVES
HOSTILE = "<img src=x onerror=document.title='owned'>"


def plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


REASON = {
    "type": "input",
    "block_id": "reason",
    "label": plain("Why?"),
    "optional": True,
    "element": {"type": "plain_text_input", "action_id": "reason", "multiline": True},
}


@in_session
async def slack() -> AsyncIterator[Workspace]:
    settings = Settings(page_dir=serving.PAGE_DIR, ack_seconds=0.2)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        serving.introduce(
            workspace,
            serving.Introduction(
                "Title", "About", {"alice": "operator", "bob": ""}, ("@examplebot look",)
            ),
        )
        yield workspace


@in_session
async def page(slack: Workspace, chromium: Browser) -> AsyncIterator[Page]:
    """Alice in #ops; the page may not complain."""
    page = await chromium.new_page()
    # what is beside the conversation has tests of its own, and repeats what was said
    await page.add_init_script("localStorage.setItem('beside', 'hidden')")
    watched = Watched(page)
    await page.goto(slack.page_url)
    await expect(page.get_by_role("heading", name="# ops")).to_be_visible()
    yield page
    assert [said for said in watched.complaints if "INTERNET_DISCONNECTED" not in said] == []


def clicks(slack: Workspace) -> list[Envelope]:
    return [envelope for envelope in slack.envelopes if envelope.type == "interactive"]


async def api(slack: Workspace, method: str, **arguments: object) -> Any:
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.api_url + method, json=arguments, headers=headers) as response,
    ):
        answer = await response.json()
        assert answer["ok"], answer
        return answer


async def test_text_is_formatted_as_slack_does_and_never_becomes_markup(
    slack: Workspace, page: Page
) -> None:
    text = (
        "*bold* _it_ ~gone~ `code *no*` snake_case_name <https://example.com/|site> "
        "<javascript:alert(1)|bad> <@U0ALICE00> <!subteam^S0SRE0000> <#C0OPS0000> "
        "<!date^0^{date_num}|then> :white_check_mark: &lt;b&gt; &amp;amp; " + HOSTILE + "\n"
        "> quoted\nafter\n```\n*literal* <b>\n```"
    )
    await api(slack, "chat.postMessage", channel="C0OPS0000", text="x", blocks=[section(text)])
    shown = page.locator("article .text").first
    await expect(shown.locator("strong")).to_have_text("bold")
    await expect(shown.locator("em")).to_have_text("it")
    await expect(shown.locator("s")).to_have_text("gone")
    await expect(shown.locator("code").first).to_have_text("code *no*")
    await expect(shown.locator("pre")).to_have_text("*literal* <b>")
    await expect(shown.locator("blockquote")).to_have_text("quoted")
    await expect(shown.locator("a")).to_have_count(1)
    await expect(shown.locator("a")).to_have_attribute("rel", "noopener noreferrer")
    await expect(shown.get_by_alt_text("✅")).to_be_visible()
    for said in ("snake_case_name", "@alice", "@sre", "#ops", "1970-01-01", "<b> &amp;", HOSTILE):
        await expect(shown).to_contain_text(said)
    assert await page.title() == "Title"


@pytest.mark.long
async def test_no_message_keeps_the_next_ones_from_being_drawn(
    slack: Workspace, page: Page
) -> None:
    for text in ("<https://a:99999/|bad>", "<https://|none>", ":constructor: :toString:"):
        blocks = [section(text), {"type": "header", "text": plain(":valueOf:")}]
        await api(slack, "chat.postMessage", channel="C0OPS0000", text=text, blocks=blocks)
    await slack.react("bob", "ops", slack.messages("ops")[-1]["ts"], "constructor")
    await slack.post("bob", "ops", "still here")
    await expect(page.get_by_text("still here")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(4)
    await expect(page.get_by_text(":constructor: :toString:")).to_be_visible()


async def test_what_it_cannot_draw_is_an_error_and_the_rest_is_there(
    slack: Workspace, page: Page
) -> None:
    pie = {"type": "pie", "segments": [{"label": "a", "value": 1}]}
    chart = {"type": "data_visualization", "title": "shares", "chart": pie}
    blocks = [section("before"), chart, section("behind")]
    await api(slack, "chat.postMessage", channel="C0OPS0000", text="x", blocks=blocks)
    message = page.locator("article")
    await expect(message.get_by_role("alert")).to_have_text(
        "This page cannot draw this: a block of type “data_visualization”."
    )
    await expect(message).to_contain_text("before")
    await expect(message).to_contain_text("behind")


@pytest.mark.long
async def test_a_button_asks_first_where_the_app_wants_it(slack: Workspace, page: Page) -> None:
    confirm = {
        "title": plain("Really?"),
        "text": plain("It cannot be taken back."),
        "confirm": plain("Do it"),
        "deny": plain("Keep it"),
    }
    button = {"type": "button", "action_id": "go", "text": plain("Go"), "confirm": confirm}
    blocks = [{"type": "actions", "elements": [button]}]
    card = await api(slack, "chat.postMessage", channel="C0OPS0000", text="x", blocks=blocks)
    for answer, many in (("Keep it", 0), ("Do it", 1)):
        await page.get_by_role("button", name="Go", exact=True).click()
        await page.get_by_role("button", name=answer).click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        if many:
            await expect(page.locator("#toasts")).to_contain_text("did not answer in time")
        assert len(clicks(slack)) == many
    assert clicks(slack)[0].payload["message"]["ts"] == card["ts"]
    # a key of the page's own must not put another question in its place, whose Enter means yes
    await page.get_by_role("button", name="Go", exact=True).click()
    for key in ("Control+k", "?", "F6"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("dialog")).to_contain_text("It cannot be taken back.")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog")).to_contain_text("Jump to")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(clicks(slack)) == 1


async def test_a_modal_keeps_what_was_typed_shows_errors_and_closes_on_escape(
    slack: Workspace, page: Page
) -> None:
    button = {"type": "button", "action_id": "open", "text": plain("Open")}
    blocks = [{"type": "actions", "elements": [button]}]
    await api(slack, "chat.postMessage", channel="C0OPS0000", text="x", blocks=blocks)
    await page.get_by_role("button", name="Open").click()
    await slack.wait_for(lambda: clicks(slack), 5)
    view = {"type": "modal", "title": plain("First"), "submit": plain("Send"), "blocks": [REASON]}
    trigger = clicks(slack)[0].payload["trigger_id"]
    opened = await api(slack, "views.open", trigger_id=trigger, view=view)
    field = page.get_by_role("textbox", name="Why?")
    await expect(field).to_be_focused()
    await field.fill("because")
    view = view | {"title": plain("Second"), "blocks": [section("more"), REASON]}
    await api(slack, "views.update", view_id=opened["view"]["id"], view=view)
    await expect(page.get_by_role("heading", name="Second")).to_be_visible()
    await expect(field).to_have_value("because")
    await page.get_by_role("button", name="Send").last.click()
    await expect(page.get_by_role("alert").last).to_contain_text("trouble connecting")
    assert slack.envelopes[-1].payload["view"]["state"]["values"]["reason"]["reason"]["value"] == (
        "because"
    )
    slack._views.show_errors(slack.views("alice")[-1], {"reason": "Too short."})
    await expect(page.get_by_text("Too short.")).to_be_visible()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert slack.views("alice") == []


@pytest.mark.long
async def test_messages_change_in_place_and_only_the_reader_sees_what_is_for_her(
    slack: Workspace, page: Page
) -> None:
    posted = await api(slack, "chat.postMessage", channel="C0OPS0000", text="first")
    await expect(page.get_by_text("first")).to_be_visible()
    await api(slack, "chat.update", channel="C0OPS0000", ts=posted["ts"], text="second")
    await expect(page.get_by_text("second")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(1)
    for who in ("U0ALICE00", "U0BOB0000"):
        await api(slack, "chat.postEphemeral", channel="C0OPS0000", user=who, text=f"for {who}")
    await expect(page.get_by_text("Only visible to you")).to_have_count(1)
    await expect(page.get_by_text("for U0ALICE00")).to_be_visible()
    await slack.post("bob", "general", "elsewhere")
    unread = page.get_by_role("button", name="general unread")
    await expect(unread).to_be_visible()
    await unread.click()
    await expect(page.get_by_text("elsewhere")).to_be_visible()
    await expect(page.get_by_role("button", name="general unread")).to_have_count(0)


@pytest.mark.long
async def test_what_is_typed_is_sent_as_slack_would_and_a_file_opens(
    slack: Workspace, page: Page
) -> None:
    field = page.get_by_label("Message #ops")
    await expect(field).to_have_value("@examplebot ")
    await page.get_by_role("button", name="look").click()
    await page.keyboard.type(" < here")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article")).to_contain_text("look < here")
    await expect(field).to_have_value("@examplebot ")
    message = slack.messages("ops")[0]
    assert message["text"] == f"<@{slack.bot_user_id}> look &lt; here"
    await slack.post("bob", "ops", "see", message["ts"], [("notes.txt", HOSTILE.encode())])
    await page.get_by_role("button", name="1 reply").click()
    await page.get_by_role("button", name="Open the file notes.txt").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator("pre")).to_have_text(HOSTILE)
    await dialog.get_by_role("button", name="Close").click()
    reply = page.get_by_label("Reply in the thread")
    await reply.fill("thanks")
    await reply.press("Enter")
    await expect(page.get_by_role("region", name="Thread")).to_contain_text("thanks")
    assert slack.messages("ops")[-1]["thread_ts"] == message["ts"]
    await reply.press("Escape")
    await expect(page.get_by_role("region", name="Thread")).to_have_count(0)


@pytest.mark.long
async def test_a_lost_stream_is_made_good_with_a_thousand_messages(
    slack: Workspace, page: Page
) -> None:
    await page.context.set_offline(True)
    for number in range(1_000):
        await slack.post("bob", "ops", f"message {number}")
    for number in range(2_100):
        slack.state.feed.publish("noise", {"number": number})
    said = page.get_by_text("; if you stopped it, run make demo again.")
    await expect(said).to_be_visible(timeout=20_000)
    await page.context.set_offline(False)
    await expect(page.get_by_text("message 999", exact=True)).to_be_visible(timeout=60_000)
    await expect(page.get_by_role("article")).to_have_count(1_000)


@pytest.mark.long
async def test_what_stands_in_a_corner_covers_nothing_and_ones_own_cluster_is_red(
    slack: Workspace, page: Page
) -> None:
    await slack.post("bob", "ops", "hello")
    message = page.locator("article").last
    await message.hover()
    reply, menu = message.locator("button.reply"), message.locator(".message-menu")
    left, right = await reply.bounding_box(), await menu.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    await expect(page.locator("#context")).to_be_hidden()
    own = serving.Introduction("Title", "About", {"alice": ""}, context="prod", writable=True)
    serving.introduce(slack, own)
    await page.reload()
    context = page.locator("#context")
    await expect(context).to_have_text("prod: changes allowed")
    await expect(context).to_have_css("color", "rgb(179, 38, 30)")


@pytest.mark.long
async def test_f6_goes_to_where_one_chooses_who_one_is_and_to_where_one_writes(
    slack: Workspace, page: Page
) -> None:
    seen = set()
    for _ in range(6):
        await page.keyboard.press("F6")
        seen.add(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert "persona" in seen
    assert "TEXTAREA" in seen

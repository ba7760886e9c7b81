"""Beside the conversation: the cluster, the inspector, a Slack that misbehaves, and the tour."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bot.sandbox import serving
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from tests.browser.conftest import DRIVES, Watched, in_session

pytestmark = DRIVES
OPS = "C0OPS0000"
HOSTILE = "<img src=x onerror=document.title='owned'>"
_PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def pod(name: str, status: str, ready: str = "1/1", restarts: int = 0) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": name,
        "image": "shop/checkout:1.9.0",
        "ready": ready,
        "status": status,
    }
    return shown | {"restarts": restarts, "age": "3m", "node": "node-1", "cpu": 12, "memory": 2**26}


def workload(name: str, **change: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "namespace": "shop",
        "kind": "deployment",
        "name": name,
        "images": ["shop/checkout:1.9.0"],
        "revision": "8",
        "desired": 2,
        "ready": 1,
        "updated": 1,
        "available": 1,
        "settled": False,
        "paused": False,
        "word": "",
        "traffic": {"rps": 12.4, "error_rate": 0.25, "p95_ms": 812.0},
        "pods": [pod(f"{name}-a-1", "CrashLoopBackOff", "0/1", 7), pod(f"{name}-b-2", "Running")],
    }
    return whole | change


def picture(*workloads: dict[str, object]) -> dict[str, object]:
    node = {"name": "node-1", "ready": True, "unschedulable": True, "conditions": [], "pods": 2}
    node |= {"cpu": {"used": 500, "of": 4000}, "memory": {"used": 2**30, "of": 2**33}}
    claim = {"namespace": "shop", "name": "data-0", "used": 9 * 2**30, "capacity": 10 * 2**30}
    event = {
        "namespace": "shop",
        "object": "pod/checkout-a-1",
        "type": "Warning",
        "reason": "BackOff",
        "message": HOSTILE,
        "count": 4,
        "time": "2026-01-01T10:00:00Z",
    }
    return {
        "version": 1,
        "time": "2026-01-01T10:00:00Z",
        "nodes": [node],
        "workloads": list(workloads),
        "claims": [claim | {"phase": "Bound"}],
        "events": [event],
    }


@in_session
async def slack() -> AsyncIterator[Workspace]:
    settings = Settings(page_dir=serving.PAGE_DIR, ack_seconds=0.05)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        people = {"alice": "operator", "bob": "operator"}
        serving.introduce(workspace, serving.Introduction("Title", "About", people))
        workspace.control.show("cluster", picture(workload("checkout")))
        yield workspace


@in_session
async def page(slack: Workspace, chromium: Browser) -> AsyncIterator[Page]:
    """Alice in #ops; the page may not complain."""
    page = await chromium.new_page(viewport={"width": 1360, "height": 850})
    watched = Watched(page)
    await page.goto(slack.page_url)
    await expect(page.get_by_role("heading", name="# ops")).to_be_visible()
    yield page
    assert watched.complaints == []


async def api(slack: Workspace, method: str, **arguments: object) -> Any:
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.api_url + method, json=arguments, headers=headers) as response,
    ):
        return await response.json()


def button(label: str) -> dict[str, object]:
    text = {"type": "plain_text", "text": label}
    return {"type": "button", "action_id": label.lower(), "text": text}


def card(text: str, *labels: str) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    ]
    if labels:
        blocks.append({"type": "actions", "elements": [button(one) for one in labels]})
    return blocks


@pytest.mark.long
async def test_the_cluster_as_it_changes_and_an_incident_begun_and_put_back(
    slack: Workspace, page: Page, shots: Path
) -> None:
    wishes: list[Any] = []
    story = {"key": "oom", "title": "Out of memory", "symptom": "It dies.", "commands": []}

    async def tell(wish: dict[str, Any]) -> dict[str, Any]:
        wishes.append(wish)
        state = "going on" if wish["do"] == "begin" else "mended"
        slack.control.show("stories", [story | {"state": state}])
        return {}

    slack.control.add_deed("story", tell)
    slack.control.show("stories", [story | {"state": "quiet"}])
    beside = page.get_by_role("complementary", name="Beside the workspace")
    checkout = beside.get_by_role("region", name="deployment checkout")
    for said in (
        "1/2 ready",
        "revision 8",
        "1 of 2 updated, 1 available",
        "25 % errors",
        "p95 812",
    ):
        await expect(checkout).to_contain_text(said)
    await expect(checkout.get_by_role("progressbar", name="Rollout of checkout")).to_be_visible()
    await expect(checkout.locator("li.bad")).to_contain_text("CrashLoopBackOff")
    await expect(checkout.locator("li.bad")).to_contain_text("7 restarts")
    for said in ("cordoned", "500 of 4000 m CPU", "9.0 Gi of 10 Gi, 90 %", HOSTILE):
        await expect(beside).to_contain_text(said)
    await page.screenshot(path=shots / "beside-cluster.png")

    well = [pod("checkout-b-2", "Running"), pod("checkout-b-3", "Running")]
    settled = workload("checkout", ready=2, settled=True, pods=well, traffic=None)
    slack.control.show("cluster", picture(settled))
    await expect(checkout).to_contain_text("2/2 ready")
    await expect(checkout.locator("li.bad")).to_have_count(0)

    await beside.get_by_role("button", name="Break it: Out of memory").click()
    await expect(beside.get_by_text("going on")).to_be_visible()
    await beside.get_by_role("button", name="Put it back: Out of memory").click()
    await expect(beside.get_by_role("button", name="Break it: Out of memory")).to_be_visible()
    assert wishes == [{"key": "oom", "do": "begin"}, {"key": "oom", "do": "mend"}]
    assert "token" not in page.url, "the token stays neither in the address nor in the history"
    assert await page.title() == "Title"


@pytest.mark.long
async def test_the_inspector_shows_calls_whole_with_what_was_wrong_and_what_was_used(
    slack: Workspace, page: Page, shots: Path
) -> None:
    await page.get_by_role("tab", name="Inspector").click()
    inspector = page.get_by_role("tabpanel", name="Inspector")
    calls = inspector.get_by_role("list", name="Calls and events, newest first")
    await api(slack, "chat.postMessage", channel=OPS, text=HOSTILE + "x" * 3000)
    await api(slack, "chat.postMessage", channel="C0NOWHERE", text="x")
    await slack.post("alice", "ops", "hello")
    long = calls.locator("details", has_text="chat.postMessage").last
    await long.locator("summary").click()
    await expect(long).to_contain_text(HOSTILE)
    await expect(long).to_contain_text("What Slack answered")
    await expect(calls.locator("details.bad", has_text="channel_not_found")).to_be_visible()
    await expect(calls).to_contain_text("nobody connected")

    # A breach, and a budget that is nearly used.
    breach = {"code": "too_long", "detail": "/blocks/0/text/text: 3001 characters, at most 3000"}
    budget = {"left": 3.0, "per_minute": 50, "tier": 3}
    call = {"n": 999, "method": "chat.update", "args": {}, "at": slack.clock.now(), "ok": False}
    call |= {"seconds": 0.004, "error": "invalid_blocks", "status": 200, "response": {}}
    slack.state.feed.publish("call", call | {"breaches": [breach], "budget": budget})
    wrong = calls.locator("details", has_text="chat.update")
    await expect(wrong).to_contain_text("1 breach · invalid_blocks")
    await wrong.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(wrong).to_contain_text("/blocks/0/text/text")
    await inspector.get_by_text("Rate budgets used").click()
    await expect(
        inspector.get_by_role("listitem").filter(has_text="of 50 a minute")
    ).to_contain_text("chat.update")
    await page.screenshot(path=shots / "beside-inspector.png")

    await inspector.get_by_label("Filter by text").fill("at most 3000")
    await expect(calls.locator("details")).to_have_count(1)
    await inspector.get_by_label("Filter by text").fill("")
    await inspector.get_by_label("Which kind").select_option("Events to the app")
    await expect(calls.locator("details", has_text="chat.")).to_have_count(0)
    await inspector.get_by_label("Which kind").select_option("Everything")
    await inspector.get_by_role("button", name="Pause").click()
    for n in range(700):
        slack.state.feed.publish("call", call | {"n": 1000 + n, "method": "chat.appendStream"})
    await expect(inspector).to_contain_text("Paused; 700 since.")
    await expect(calls.locator("details", has_text="appendStream")).to_have_count(0)
    await inspector.get_by_role("button", name="Go on").click()
    await expect(calls.locator("details")).to_have_count(500)
    await inspector.get_by_role("button", name="Clear").click()
    await expect(calls.locator("details")).to_have_count(0)
    assert await page.title() == "Title"


@pytest.mark.long
async def test_slack_misbehaves_as_told_until_it_is_put_back(slack: Workspace, page: Page) -> None:
    posted = await api(slack, "chat.postMessage", channel=OPS, text="x")
    await page.get_by_role("tab", name="Cluster").focus()
    await page.keyboard.press("ArrowRight")
    part = page.get_by_role("region", name="Make Slack misbehave")
    await part.locator("summary").focus()
    await page.keyboard.press("Enter")
    await part.get_by_role("button", name="Do it: Rate-limit the next update").click()
    await expect(part).to_contain_text("Switched on: Rate-limit the next update (1 to come).")
    change = {"channel": OPS, "ts": posted["ts"], "text": "y"}
    assert (await api(slack, "chat.update", **change))["error"] == "ratelimited"
    await expect(part.get_by_role("status")).to_be_empty()
    assert (await api(slack, "chat.update", **change))["ok"]

    await part.get_by_role("button", name="On: Lose every event").click()
    await expect(part.get_by_role("button", name="Off: Lose every event")).to_be_focused()
    await part.get_by_role("button", name="On: Revoke the bot's token").click()
    await expect(part).to_contain_text("Switched on: Lose every event, Revoke the bot's token.")
    assert (await api(slack, "auth.test"))["error"] == "token_revoked"
    await part.get_by_role("button", name="Back to normal").click()
    await expect(part.get_by_role("status")).to_be_empty()
    assert not slack.faults.mute
    assert (await api(slack, "auth.test"))["ok"]


async def test_a_refused_token_is_said_and_the_bot_can_be_killed_where_that_is_offered(
    slack: Workspace, page: Page
) -> None:
    kills: list[str] = []
    await page.get_by_role("tab", name="Inspector").click()
    part = page.get_by_role("region", name="Make Slack misbehave")
    await part.locator("summary").click()
    kill = part.get_by_role("button", name="Do it: Kill the bot")
    await expect(part.get_by_role("button", name="Do it: Cut the socket")).to_be_visible()
    await expect(kill).to_have_count(0)
    slack.control.offer_kill(lambda: kills.append("killed"))
    await expect(part).to_contain_text("It is started again at once")
    async with page.expect_response("**/control/fault"):
        await kill.click()
    assert kills == ["killed"]

    link = page.locator("#list .link")
    await expect(link).to_have_text("examplebot is starting …")
    headers = {"Authorization": f"Bearer {slack.app_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(slack.api_url + "apps.connections.open") as response:
            url = (await response.json())["url"]
        async with session.ws_connect(url):
            await expect(link).to_have_text("examplebot is connected")
            await expect(link).to_have_class("link up")
            await part.get_by_role("button", name="On: Revoke the bot's token").click()
            await expect(link).to_have_text("examplebot is connected, but its token is refused")
            await expect(link).to_have_class("link down")
            await page.reload()
            await expect(link).to_have_text("examplebot is connected, but its token is refused")
            await part.get_by_role("button", name="Back to normal").click()
            await expect(link).to_have_text("examplebot is connected")
            await expect(link).to_have_class("link up")
    await expect(link).to_have_text("examplebot is not connected")


async def answer(slack: Workspace, **content: object) -> str:
    """The app answers the newest question in its thread."""
    asked = [m for m in slack.messages("ops") if m.get("thread_ts", m["ts"]) == m["ts"]][-1]
    said = await api(slack, "chat.postMessage", channel=OPS, thread_ts=asked["ts"], **content)
    return str(said["ts"])


async def step(page: Page, shown: Locator, label: str) -> None:
    await shown.get_by_role("button", name=label).click()
    if label == "Fill in":
        await page.get_by_role("button", name="Send").first.click()


@pytest.mark.parametrize("kind", [pytest.param("wide", marks=pytest.mark.long), "phone"])
async def test_the_tour_from_start_to_end(
    slack: Workspace, chromium: Browser, shots: Path, kind: str
) -> None:
    context = await chromium.new_context(**(_PHONE if kind == "phone" else {}))  # type: ignore[arg-type]
    page = await context.new_page()
    watched = Watched(page)
    await page.goto(slack.page_url)
    strip = page.get_by_role("region", name="Guided tour")
    panel = page.get_by_role("tabpanel", name="Tour")
    await expect(strip).to_contain_text("New here?")
    await page.screenshot(path=shots / f"tour-{kind}-offer.png")
    await strip.get_by_role("button", name="Start the tour").click()
    await expect(panel).to_contain_text("Step 1 of 7")
    await page.screenshot(path=shots / f"tour-{kind}-begun.png")
    shown = panel
    await step(page, shown, "Fill in")
    shown = strip if kind == "phone" else panel
    await expect(page.get_by_role("log", name="Messages")).to_contain_text("diagnose -n shop")
    await answer(slack, text="CrashLoopBackOff")
    await expect(shown).to_contain_text("Read the log")
    await step(page, shown, "Fill in")
    await expect(page.get_by_role("log", name="Messages")).to_contain_text("--grep FATAL")
    await answer(slack, text="FATAL")
    await expect(shown.get_by_text("A change is only proposed")).to_be_visible()
    await step(page, shown, "Fill in")
    await expect(page.get_by_role("log", name="Messages")).to_contain_text("rollout undo")
    ts = await answer(slack, text="card", blocks=card("Roll back", "Approve", "Deny"))
    await expect(shown.get_by_text("Who asked may not approve")).to_be_visible()
    await step(page, shown, "Do it for me")
    alice, bob = slack.user_id("alice"), slack.user_id("bob")
    await expect(page.get_by_label("You are")).to_have_value(alice)
    await api(slack, "chat.postEphemeral", channel=OPS, user=alice, thread_ts=ts, text="Not you.")
    await expect(shown.get_by_text("he may.")).to_be_visible()
    await page.reload()  # progress is kept
    await page.screenshot(path=shots / f"tour-{kind}-approve.png")
    await step(page, shown, "Do it for me")
    await expect(page.get_by_label("You are")).to_have_value(bob)
    await slack.wait_for(lambda: slack.envelopes[-1].payload.get("user", {}).get("id") == bob)
    change = {"channel": OPS, "ts": ts, "text": "card"}
    await api(slack, "chat.update", **change, blocks=card(f"approved by <@{bob}>"))
    await expect(shown.get_by_text("Show the cluster")).to_be_visible()
    await api(slack, "chat.update", **change, blocks=card("approved by bob, verified", "Undo"))
    await expect(shown.get_by_text("Undo proposes the way back")).to_be_visible()
    await step(page, shown, "Do it for me")
    await answer(slack, text="card", blocks=card("Undo: Roll back", "Approve"))
    if kind == "wide":
        await expect(panel).to_contain_text("That was the tour")
        await page.screenshot(path=shots / "tour-wide-done.png")
    await expect(strip).to_be_hidden()
    await page.reload()
    await expect(page.get_by_role("heading", name="Thread")).to_be_visible()
    await expect(strip).to_be_hidden()
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(wide), "the page scrolls sideways"
    assert watched.complaints == []

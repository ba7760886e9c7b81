"""The control API: who may use it, what it does, and the live feed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace

CARD = [
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
        ],
    }
]
OPS = "C0OPS0000"


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Workspace]:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<h1>The page</h1>")
    (tmp_path / "page" / "app.js").write_text("go()")
    (tmp_path / "secret.txt").write_text("no")
    settings = Settings(page_dir=tmp_path / "page", ack_seconds=0.05)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        yield workspace


@pytest.fixture
async def page(slack: Workspace) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser: it keeps the cookie that the first page load sets."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(slack.state.base_url, cookie_jar=jar) as session:
        yield session


async def do(page: aiohttp.ClientSession, deed: str, **wish: object) -> tuple[int, Any]:
    async with page.post(f"/control/{deed}", json=wish) as response:
        return response.status, await response.json()


async def api(slack: Workspace, method: str, **arguments: object) -> Any:
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.api_url + method, json=arguments, headers=headers) as response,
    ):
        return await response.json()


async def test_the_page_opens_with_its_token_and_then_by_cookie(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    for path in ("/", "/?token=wrong", "/app.js", "/control/state", "/control/events"):
        async with page.get(path) as response:
            assert response.status == 403, path
    async with page.get(slack.page_url, allow_redirects=False) as response:
        assert response.status == 200
        assert "The page" in await response.text()
        assert "SameSite=Strict" in response.headers["Set-Cookie"]
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    async with page.get("/app.js") as response:
        assert await response.text() == "go()"
    async with page.get("/control/state") as response:
        assert (await response.json())["app"]["name"] == "examplebot"
    for path in ("/..%2fsecret.txt", "/%2e%2e/secret.txt", "/none.js"):
        async with page.get(path) as response:
            assert response.status == 404, path


async def test_other_names_and_origins_are_refused(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    token = {"X-Workspace-Token": slack.control.token}
    for bad in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        async with page.get("/control/state", headers=token | bad) as response:
            assert response.status == 403, bad
    async with page.get("/control/state", headers=token | {"Origin": slack.state.base_url}) as good:
        assert good.status == 200
    async with page.post("/control/post", data="{}", headers=token) as response:
        assert response.status == 415, "a form of another site cannot send JSON"


async def test_binding_is_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Settings(host="0.0.0.0")  # noqa: S104 - refused


async def test_people_act_through_it(slack: Workspace, page: aiohttp.ClientSession) -> None:
    await (await page.get(slack.page_url)).read()
    typed = "@examplebot tell @alice a < b in #ops"
    status, posted = await do(page, "post", user="bob", channel="ops", text=typed)
    assert status == 200
    text = slack.messages("ops")[0]["text"]
    assert text == (
        f"<@{slack.bot_user_id}> tell <@{slack.user_id('alice')}> a &lt; b in <#{OPS}|ops>"
    )
    place = {"user": "bob", "channel": "ops", "ts": posted["ts"]}
    assert (await do(page, "edit", **place, text="better"))[0] == 200
    assert slack.messages("ops")[0]["text"] == "better"
    assert (await do(page, "react", **place, name="eyes"))[0] == 200
    assert slack.messages("ops")[0]["reactions"][0]["count"] == 1
    attached = [{"name": "a.txt", "text": "abc"}]
    await do(page, "post", user="bob", channel="app", text="hi", files=attached)
    assert slack.messages("@bob")[0]["files"][0]["size"] == 3
    assert (await do(page, "delete", **place))[0] == 200
    assert slack.messages("ops") == []
    card = await api(slack, "chat.postMessage", channel=OPS, text="Go?", blocks=CARD)
    status, clicked = await do(
        page, "click", user="bob", channel="ops", ts=card["ts"], action_id="go"
    )
    assert (status, clicked["outcome"]) == (200, "no_socket")
    trigger = slack.envelopes[-1].payload["trigger_id"]
    title = {"type": "plain_text", "text": "Title"}
    view = {"type": "modal", "title": title, "submit": title, "blocks": CARD}
    opened = await api(slack, "views.open", trigger_id=trigger, view=view)
    view_id = opened["view"]["id"]
    status, _ = await do(page, "click", user="bob", view_id=view_id, action_id="go")
    assert status == 200
    assert (await do(page, "submit", user="bob", view_id=view_id, values={}))[0] == 200
    assert (await do(page, "close", user="bob", view_id=view_id))[0] == 200
    assert slack.views("bob") == []
    assert (await do(page, "slash", user="bob", channel="ops", command="/ops", text="x"))[0] == 200
    status, _ = await do(
        page, "shortcut", user="bob", callback_id="look_at_message", channel="ops", ts=card["ts"]
    )
    assert status == 200
    assert (await do(page, "open-home", user="bob"))[0] == 200
    async with page.get("/control/state") as response:
        state = await response.json()
    shown = {channel["label"]: channel for channel in state["channels"]}
    assert shown["ops"]["messages"][0]["ts"] == card["ts"]
    assert state["seq"] == slack.state.feed.seq


@pytest.mark.parametrize(
    ("deed", "wish", "status"),
    [
        ("dance", {}, 404),
        ("post", {"user": "bob", "channel": "ops"}, 400),
        ("post", {"user": "nobody", "channel": "ops", "text": "x"}, 400),
        ("post", {"user": ["bob"], "channel": "ops", "text": "x"}, 400),
        ("post", {"user": "olga", "channel": "ops", "text": "x"}, 400),
        ("click", {"user": "bob", "channel": "ops", "ts": "1.0"}, 400),
        ("submit", {"user": "bob"}, 400),
        ("fault", {"kind": "earthquake"}, 400),
        ("fault", {"kind": "method", "method": "auth.test", "fault": "nonsense"}, 400),
        ("fault", {"kind": "set", "name": "revoked", "value": 1}, 400),
        ("fault", {"kind": "advance", "seconds": "soon"}, 400),
    ],
)
async def test_wrong_wishes_get_a_reason(
    slack: Workspace,
    page: aiohttp.ClientSession,
    deed: str,
    wish: dict[str, Any],
    status: int,
) -> None:
    await (await page.get(slack.page_url)).read()
    got, answer = await do(page, deed, **wish)
    assert got == status
    assert answer["error"]


async def test_faults_are_switched_through_it(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    await do(page, "fault", kind="method", method="auth.test", fault="ratelimited", seconds=3)
    assert (await api(slack, "auth.test"))["error"] == "ratelimited"
    await do(page, "fault", kind="set", name="duplicate_events", value=2)
    assert slack.faults.duplicate_events == 2
    before = slack.clock.now()
    await do(page, "fault", kind="advance", seconds=60)
    assert slack.clock.now() - before >= 60
    for kind in ("disconnect", "close", "abort"):
        assert (await do(page, "fault", kind=kind))[0] == 200
    await do(page, "fault", kind="revoke")
    assert (await api(slack, "auth.test"))["error"] == "token_revoked"


async def test_the_feed_goes_on_from_where_the_state_was(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    async with page.get("/control/state") as response:
        seq = (await response.json())["seq"]
    ts = await slack.post("alice", "ops", "hello")
    async with page.get(f"/control/events?since={seq}") as feed:
        assert feed.content_type == "text/event-stream"
        kinds: list[str] = []
        async with asyncio.timeout(5):
            while "ephemeral" not in kinds:
                line = (await feed.content.readline()).decode().strip()
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                if line.startswith("data: ") and kinds == ["message"]:
                    shown = json.loads(line.removeprefix("data: "))
                    assert shown["message"]["ts"] == ts
                    bob = slack.user_id("bob")
                    await api(slack, "chat.postEphemeral", channel=OPS, user=bob, text="x")
    assert kinds[0] == "message"
    assert {"message", "envelope", "ephemeral"} <= set(kinds)


async def test_a_follower_left_behind_is_told_to_read_again(slack: Workspace) -> None:
    for n in range(2100):
        slack.state.feed.publish("noise", {"n": n})
    async for entry in slack.state.feed.follow(1):
        assert entry.kind == "reset"
        assert entry.seq == slack.state.feed.seq
        break


async def test_a_port_in_use_is_said_at_once(slack: Workspace) -> None:
    port = int(slack.state.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        async with Workspace(EXAMPLE_MANIFEST, Settings(port=port)):
            pass

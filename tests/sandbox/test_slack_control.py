"""The control API: who may use it, what it does, and the live feed."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox import serving
from bot.sandbox.cluster import Cluster
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.sandbox.slack.feed import Feed

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
    guarded = ("state", "events", "call/1", "envelope/x")
    for path in ("/", "/?token=wrong", "/app.js", *(f"/control/{one}" for one in guarded)):
        async with page.get(path) as response:
            assert response.status == 403, path
    for deed in ("post", "fault", "story"):
        async with page.post(f"/control/{deed}", json={"kind": "revoke"}) as response:
            assert response.status == 403, deed
    assert not slack.faults.revoked
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
        ("fault", {"kind": "advance", "seconds": -1}, 400),
        ("fault", {"kind": "set", "name": "_events", "value": 1}, 400),
        ("fault", {"kind": "set", "name": "fail", "value": 1}, 400),
        ("fault", {"kind": "set", "name": "mute", "value": 1}, 400),
        ("fault", {"kind": "set", "name": "delay_frames", "value": 1e9}, 400),
        ("fault", {"kind": "set", "name": "delay_frames", "value": float("nan")}, 400),
        ("fault", {"kind": "set", "name": "duplicate_events", "value": True}, 400),
        ("fault", {"kind": "method", "method": [], "fault": "html"}, 400),
        ("fault", {"kind": "method", "method": "auth.test", "fault": "html", "times": 0}, 400),
        ("fault", {"kind": "method", "method": "x", "fault": "slow", "seconds": "9"}, 400),
        ("fault", {"kind": "method", "method": "x", "fault": ["slow"]}, 400),
        ("fault", {"kind": ["set"]}, 400),
        ("fault", {"kind": "disconnect", "reason": "spite"}, 400),
        ("fault", {"kind": "abort", "socket": "all"}, 400),
        ("fault", {}, 400),
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


async def state_of(page: aiohttp.ClientSession) -> Any:
    async with page.get("/control/state") as response:
        return await response.json()


async def test_the_inspector_lists_in_short_and_gives_the_whole(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    long = "x" * 3000
    await api(slack, "chat.postMessage", channel=OPS, text=long)
    await api(slack, "chat.postMessage", channel=OPS, text="short")
    await slack.post("alice", "ops", long)
    state = await state_of(page)
    first, second = state["calls"]
    assert first["args"] == {"…": True}
    assert second["args"] == {"channel": OPS, "text": "short"}
    budget = state["budgets"]["chat.postMessage"]
    assert budget["left"] < budget["per_minute"]
    async with page.get(f"/control/call/{first['n']}") as response:
        whole = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
    assert whole["args"]["text"] == long
    assert whole["response"]["message"]["text"] == long
    envelope = state["envelopes"][-1]
    assert envelope["payload"] == {"…": True}
    async with page.get(f"/control/envelope/{envelope['id']}") as response:
        assert (await response.json())["payload"]["event"]["text"] == long
    for path in ("call/0", "call/x", "call/99999", "envelope/none"):
        async with page.get(f"/control/{path}") as response:
            assert response.status == 404, path


async def test_switches_say_what_is_on_until_it_is_used_up(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    offered = {one["name"]: one for one in (await state_of(page))["switches"]}
    assert not any(one["on"] for one in offered.values())
    for one in offered.values():
        assert one["label"], one
        assert one["sentence"].endswith("."), one
        assert one["expected"].endswith("."), one
        assert (await do(page, "fault", **one["wish"]))[0] == 200, one
    on = {one["name"] for one in (await state_of(page))["switches"] if one["on"]}
    lasting = {name for name, one in offered.items() if one["kind"] != "act"}
    assert on == lasting - {"duplicate_events"}, "the word that the token is revoked was doubled"
    for one in offered.values():
        if one["off"]:
            assert (await do(page, "fault", **one["off"]))[0] == 200, one
    on = {one["name"] for one in (await state_of(page))["switches"] if one["on"]}
    assert on == {name for name in lasting if offered[name]["kind"] == "once"} - {
        "duplicate_events"
    }
    assert (await do(page, "fault", kind="normal"))[0] == 200
    assert not any(one["on"] for one in (await state_of(page))["switches"])

    await do(page, "fault", **offered["html"]["wish"])
    seq = slack.state.feed.seq
    async with aiohttp.ClientSession(slack.api_url) as session:
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        async with session.post("chat.postMessage", headers=headers) as response:
            assert response.status == 502
    async for entry in slack.state.feed.follow(seq):
        if entry.kind == "switches":
            assert not any(one["on"] for one in entry.data["switches"])
            break


async def test_the_app_can_be_killed_only_where_somebody_offers_it(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()

    async def offered() -> Any:
        switches = (await state_of(page))["switches"]
        return next((one for one in switches if one["name"] == "kill"), None)

    assert await offered() is None
    assert await do(page, "fault", kind="kill") == (
        400,
        {"ok": False, "error": "Nobody here can kill the app."},
    )
    kills: list[int] = []

    def kill() -> None:
        if kills:
            raise ValueError("It is dead already.")
        kills.append(1)

    seq = slack.state.feed.seq
    slack.control.offer_kill(kill)
    async for entry in slack.state.feed.follow(seq):
        assert entry.kind == "switches", "an open page hears of it"
        assert entry.data["switches"][-1]["name"] == "kill"
        break
    one = await offered()
    assert (one["kind"], one["label"]) == ("act", "Kill the bot")
    assert (await do(page, "fault", **one["wish"]))[0] == 200
    assert kills == [1]
    assert await do(page, "fault", **one["wish"]) == (
        400,
        {"ok": False, "error": "It is dead already."},
    )
    assert (await do(page, "fault", kind="normal"))[0] == 200
    assert await offered(), "it is no fault to put back"


async def test_others_add_deeds_and_what_is_shown(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()

    async def count(wish: dict[str, Any]) -> dict[str, Any]:
        return {"sum": wish["a"] + wish["b"]}

    slack.control.add_deed("sum", count)
    assert await do(page, "sum", a=1, b=2) == (200, {"ok": True, "sum": 3})
    assert (await do(page, "sum", a=1))[0] == 400
    with pytest.raises(ValueError, match="already"):
        slack.control.add_deed("post", count)
    made: list[int] = []

    def picture() -> dict[str, object]:
        made.append(1)
        return {"time": len(made), "word": "same"}

    slack.control.show_live("cluster", picture)
    assert (await state_of(page))["beside"]["cluster"]["word"] == "same"
    seq = slack.state.feed.seq
    slack.control.refresh()
    assert slack.state.feed.seq == seq, "the time alone is no news"
    slack.control.show("word", "new")
    async for entry in slack.state.feed.follow(seq):
        assert (entry.kind, entry.data) == ("beside", {"key": "word", "value": "new"})
        break


async def test_the_cluster_is_drawn_only_while_a_page_follows(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    async with Cluster(virtual=True) as cluster, asyncio.TaskGroup() as group:
        mirror = group.create_task(serving.mirror(cluster, slack))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
        cluster.apply(namespace)
        await asyncio.sleep(0.05)
        assert "cluster" not in slack.control.beside
        seq = slack.state.feed.seq
        async with page.get(f"/control/events?since={seq}") as feed, asyncio.timeout(5):
            async for line in feed.content:
                if line.startswith(b"event: beside"):
                    break
        assert slack.control.beside["cluster"]["version"] == cluster.store.version
        mirror.cancel()


async def test_followers_end_with_the_feed() -> None:
    feed = Feed()

    async def follow() -> list[str]:
        return [entry.kind async for entry in feed.follow(0)]

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        kinds = group.create_task(follow())
        await feed.followed()
        feed.publish("one", {})
        await asyncio.sleep(0)
        feed.close()
    assert kinds.result() == ["one"]


@dataclass(frozen=True)
class Incident:
    """A story of one namespace: there while it goes on."""

    key: str = "extra"
    title: str = "One too many"
    symptom: str = "It is there."
    reporter: str = "dave"
    report: str = "What is that?"
    commands: tuple[str, ...] = ("get pods -n extra",)

    def begin(self, cluster: Cluster) -> None:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}})

    def mend(self, cluster: Cluster) -> None:
        cluster.delete("Namespace", "", "none")  # is refused: there is none

    def state(self, cluster: Cluster) -> str:
        return "going on" if cluster.get("Namespace", "", "extra") else "quiet"


async def test_a_story_is_begun_once_and_reported_by_a_person(
    slack: Workspace, page: aiohttp.ClientSession
) -> None:
    await (await page.get(slack.page_url)).read()
    async with Cluster(virtual=True) as cluster:
        serving.offer_stories(cluster, slack, (Incident(),), Incident.state)
        (shown,) = (await state_of(page))["beside"]["stories"]
        assert (shown["state"], shown["commands"]) == ("quiet", ["get pods -n extra"])
        for key, do_what in (("extra", "mend"), ("extra", "dance"), ("none", "begin"), ([], "x")):
            assert (await do(page, "story", key=key, do=do_what))[0] == 400
        assert (await do(page, "story", key="extra"))[0] == 400
        assert slack.messages("ops") == []
        assert (await do(page, "story", key="extra", do="begin"))[0] == 200
        (said,) = slack.messages("ops")
        assert (said["user"], said["text"]) == (slack.user_id("dave"), "What is that?")
        assert (await state_of(page))["beside"]["stories"][0]["state"] == "going on"
        status, answer = await do(page, "story", key="extra", do="begin")
        assert (status, answer["error"]) == (400, "“One too many” is going on already.")
        status, answer = await do(page, "story", key="extra", do="mend")
        assert status == 400
        assert answer["error"].startswith("The demo cluster refuses:")

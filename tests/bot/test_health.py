"""`/healthz` and `/readyz`: what they say when all is well, and what they name when it is not."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.sandbox.slack import Call, Workspace
from tests.plugins.ports import free_port
from tests.plugins.redis import RedisServer
from tests.standins.model import error, says
from tests.world import Gate, Json, Script, get_json, world


async def until(port: int, holds: Callable[[int, Json], bool]) -> tuple[int, Json]:
    """Ask `/readyz` until it says what is awaited, at most for 8 s."""
    status = 0
    said: Json = {}
    for _ in range(80):
        status, said = await get_json(f"http://127.0.0.1:{port}/readyz")
        if holds(status, said):
            return status, said
        await asyncio.sleep(0.1)
    raise AssertionError(f"{status} {said}")


async def test_a_bot_that_can_work_says_so(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port)}
    async with world(dsn, tmp_path, [says("hi")], extra=extra) as chat:
        await chat.slack.wait_for_sockets(2)
        assert chat.parts is not None
        assert await get_json(f"http://127.0.0.1:{port}/healthz") == (200, {"alive": True})
        _, said = await until(port, lambda _, found: bool(found["sockets"] == 2))
        assert said == {
            "ready": True,
            "problems": [],
            "away": [],
            "notes": [],
            "sockets": 2,
            "foreign_sockets": 0,
            "tools": len(chat.parts.catalog.tools),
            "roles": ["listener", "web", "worker"],
        }


async def test_there_is_nothing_else_on_that_port(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    async with (
        world(dsn, tmp_path, extra={"COUNTERSIGN_HTTP_PORT": str(port)}),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/../etc/passwd", 404),
            ("POST", "/healthz", 405),
            ("GET", "/readyz/" + "x" * 4000, 404),
        ):
            async with session.request(method, path) as answer:
                assert answer.status == status
                assert "Traceback" not in await answer.text()


@pytest.mark.parametrize(
    ("extra", "script", "note"),
    [
        ({"COUNTERSIGN_APPROVERS": ""}, [], "nobody may approve: COUNTERSIGN_APPROVERS is not set"),
        (
            {"COUNTERSIGN_APPROVERS": "*"},
            [],
            "every full member may approve: COUNTERSIGN_APPROVERS is *",
        ),
        ({}, None, "no model: commands only"),
    ],
)
async def test_what_an_operator_should_know_is_a_note(
    dsn: str, tmp_path: Path, extra: Mapping[str, str], script: Script, note: str
) -> None:
    port = free_port()
    given = {"COUNTERSIGN_HTTP_PORT": str(port), **extra}
    async with world(dsn, tmp_path, script, extra=given):
        status, said = await get_json(f"http://127.0.0.1:{port}/readyz")
        assert (status, said["notes"]) == (200, [note])


async def test_a_cluster_that_is_away_is_named_and_changes_nothing(
    dsn: str, tmp_path: Path
) -> None:
    port = free_port()
    async with world(dsn, tmp_path, extra={"COUNTERSIGN_HTTP_PORT": str(port)}) as chat:
        await chat.cluster.down()
        status, said = await get_json(f"http://127.0.0.1:{port}/readyz")
        assert (status, said["problems"]) == (200, [])
        (away,) = said["away"]
        assert away == "kubernetes/demo: Cluster demo is away: it refuses connections."
        thread = await chat.ask("get pods -n shop")
        await chat.reads(thread, "Cluster demo is away: it refuses connections")
        await chat.cluster.up()
        _, said = await get_json(f"http://127.0.0.1:{port}/readyz")
        assert said["away"] == []


async def test_a_redis_that_is_away_is_named_and_changes_nothing(
    dsn: str, tmp_path: Path, redis: RedisServer
) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port), "REDIS_URL": redis.url}
    async with world(dsn, tmp_path, [says("still here")], extra=extra) as chat:
        await until(port, lambda status, found: status == 200 and found["away"] == [])
        redis.kill()
        status, said = await until(port, lambda _, found: found["away"] != [])
        assert (status, said["problems"]) == (200, [])
        assert said["away"] == ["redis: no answer (ConnectionError)"]
        thread = await chat.ask("how is web?")
        await chat.reads(thread, "still here")
        redis.start()
        await until(port, lambda _, found: found["away"] == [])


async def test_a_model_that_is_away_is_named_and_changes_nothing(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port)}
    async with world(dsn, tmp_path, [error(401), says("back")], extra=extra) as chat:
        thread = await chat.ask("how is web?")
        await chat.reads(thread, "the key was refused")
        status, said = await get_json(f"http://127.0.0.1:{port}/readyz")
        assert (status, said["ready"], said["problems"]) == (200, True, [])
        assert [one for one in said["away"] if "openai/test" in one and "key was refused" in one]
        await chat.ask("and now?")
        await until(port, lambda _, found: found["away"] == [])


async def test_a_database_or_a_slack_that_goes_makes_it_not_ready_until_it_is_back(
    dsn: str, tmp_path: Path
) -> None:
    port, gate = free_port(), Gate(dsn)
    extra = {"COUNTERSIGN_HTTP_PORT": str(port)}
    async with (
        gate.serve(),
        world(dsn, tmp_path, extra={**extra, "DATABASE_URL": gate.dsn}) as chat,
    ):
        gate.shut()
        _, said = await until(port, lambda status, _: status == 503)
        assert said["problems"] == ["the database does not answer"]
        assert said["ready"] is False
        assert await get_json(f"http://127.0.0.1:{port}/healthz") == (200, {"alive": True})
        gate.reopen()
        await until(port, lambda status, _: status == 200)

        chat.slack.faults.link_disabled = True
        await chat.slack.abort_sockets()
        _, said = await until(port, lambda status, _: status == 503)
        assert said["problems"][0].startswith("no socket to Slack is connected")
        await until(port, lambda _, found: "Socket Mode is off" in str(found["problems"]))
        chat.slack.faults.link_disabled = False
        await until(port, lambda status, _: status == 200)

        with capture_logs() as log:
            chat.slack.revoke_tokens()
            thread = await chat.ask("get pods -n shop")
            _, said = await until(port, lambda status, _: status == 503)
        assert said["problems"] == ["Slack does not accept SLACK_BOT_TOKEN (token_revoked)"]
        refused = {line["code"] for line in log if line["event"] == "bot_token_refused"}
        assert refused == {"token_revoked"}
        chat.slack.faults.revoked.clear()
        await chat.reads(thread, "checkout-|⛔")  # by what was asked meanwhile
        await until(port, lambda status, _: status == 200)


def _no_socket_mode(slack: Workspace) -> None:
    slack.faults.link_disabled = True


def _no_app_token(slack: Workspace) -> None:
    slack.faults.revoked.add(slack.app_token)


OFF = "Socket Mode is off (link_disabled): turn it on, at https://api.slack.com/apps"


@pytest.mark.parametrize(
    ("refuse", "why"),
    [
        (_no_socket_mode, f"SLACK_APP_TOKEN: {OFF}"),
        (_no_app_token, "SLACK_APP_TOKEN: Slack does not accept this token (token_revoked)"),
    ],
)
async def test_why_slack_gives_no_socket_is_said_and_slack_is_not_hammered(
    dsn: str, tmp_path: Path, refuse: Callable[[Workspace], None], why: str
) -> None:
    port = free_port()
    async with world(dsn, tmp_path, extra={"COUNTERSIGN_HTTP_PORT": str(port)}) as chat:
        await chat.slack.wait_for_sockets(2, 20)
        opened = chat.slack.calls_of("apps.connections.open")
        refuse(chat.slack)
        with capture_logs() as log:
            await chat.slack.abort_sockets()
            tried = await chat.slack.wait_for(lambda: _since(chat.slack, opened, 4), 20)
            _, said = await until(port, lambda _, found: why in str(found["problems"]))
        assert said["ready"] is False
        assert said["problems"][0] == f"no socket to Slack is connected: {why}"
        # each of the two at once, and again only after a pause
        assert tried[2].at - tried[0].at >= 0.75
        refused = [line for line in log if line["event"] == "socket_refused"]
        assert {line["why"] for line in refused} == {f"{why}."}
        assert {line["number"] for line in refused} == {0, 1}


def _since(slack: Workspace, before: list[Call], count: int) -> list[Call]:
    """What asked for a socket since then, once it is so many."""
    since = slack.calls_of("apps.connections.open")[len(before) :]
    return since if len(since) >= count else []


async def test_one_socket_of_two_is_named_and_changes_nothing(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    async with world(dsn, tmp_path, extra={"COUNTERSIGN_HTTP_PORT": str(port)}) as chat:
        await chat.slack.wait_for_sockets(2, 20)
        chat.slack.faults.link_disabled = True
        await chat.slack.abort_sockets(chat.slack.hub.sockets[0].number)
        status, said = await until(port, lambda _, found: found["away"] != [])
        assert (status, said["ready"], said["problems"], said["sockets"]) == (200, True, [], 1)
        assert said["away"] == [f"slack: not every socket is connected: SLACK_APP_TOKEN: {OFF}"]
        thread = await chat.ask("get pods -n shop")
        await chat.reads(thread, "checkout-")
        chat.slack.faults.link_disabled = False
        await chat.slack.wait_for_sockets(2, 30)
        await until(port, lambda _, found: (found["sockets"], found["away"]) == (2, []))

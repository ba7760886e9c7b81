"""`countersign doctor` against a world in which one thing at a time is broken."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path

import yaml
from aiohttp import ClientSession, web
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from redis.asyncio import Redis

from bot.doctor import Finding, Mark, examine
from bot.sandbox.cluster.rights import Rule
from bot.sandbox.slack import Workspace
from bot.settings import read_what_works
from bot.store.embedded import fresh_database
from tests.bot.test_cli import command
from tests.plugins.ports import free_port
from tests.plugins.processes import launch
from tests.plugins.redis import RedisServer
from tests.standins.model import error, says
from tests.world import MANIFEST, World, world

SECRET = "hunter2-Zq81xLw0"
_PLUGIN = "client.authentication.k8s.io/v1"


async def report(chat: World, **extra: str) -> list[Finding]:
    """What the doctor finds in this world, with some of it otherwise; `""` unsets a setting."""
    found: list[Finding] = []
    is_well = await examine(read_what_works(chat.environment() | extra), found.append)
    assert is_well == all(one.mark is not Mark.FAILED for one in found)
    assert SECRET not in str([one.line() for one in found])
    assert not any("could not be looked at" in one.said for one in found), found
    return found


def of(found: list[Finding], check: str) -> list[tuple[str, str]]:
    """What was found in one check."""
    return [(one.mark.value, one.said) for one in found if one.check == check]


def only(found: list[Finding], check: str) -> tuple[str, str]:
    """What was found in a check with one line."""
    (one,) = of(found, check)
    return one


@asynccontextmanager
async def ill(dsn: str, folder: Path) -> AsyncIterator[World]:
    """A world without a bot."""
    async with world(dsn, folder, running="not yet") as chat:
        yield chat


async def test_a_healthy_world_has_one_thing_to_know(dsn: str, tmp_path: Path) -> None:
    script = [says("ok")]
    async with world(dsn, tmp_path, script, running="not yet") as chat:
        three = chat.slack.set_group("three", ["alice", "bob", "ada"])  # two besides who asks
        found = await report(chat, COUNTERSIGN_APPROVERS=three)
    not_ok = [one for one in found if one.mark is not Mark.OK]
    assert {one.check for one in not_ok} <= {"audit", "model openai/test", "cluster demo"}, not_ok
    assert not any(one.mark is Mark.FAILED for one in found)
    assert only(found, "tokens")[1].startswith("both are taken; workspace T")
    scopes = len(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert only(found, "scopes") == ("ok", f"all {scopes} of manifest.yml")
    assert only(found, "socket") == ("ok", "Slack said hello")
    assert only(found, "migrations") == ("ok", "none is outstanding")
    assert "its price is not known" in only(found, "model openai/test")[1]
    mend = next(one.mend for one in found if one.check == "audit")
    assert "GRANT SELECT, INSERT ON audit TO" in mend


async def test_with_nothing_set_it_says_so_line_by_line() -> None:
    ended = await command("doctor", environment={"COUNTERSIGN_HTTP_PORT": str(free_port())})
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith("⛔ failed   settings: SLACK_BOT_TOKEN is not set")
    assert any("database: not looked at" in line for line in lines)
    assert any("cluster: none is configured" in line for line in lines)
    assert "Traceback" not in ended.out + ended.err


async def test_it_is_a_command_with_json_and_an_exit_code(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        ended = await command("doctor", "--json", environment=chat.environment())
        plain = await command(
            "doctor", environment=chat.environment() | {"SLACK_APP_TOKEN": f"xoxb-{SECRET}"}
        )
    said = json.loads(ended.out)
    assert (ended.code, said["ok"]) == (0, True), ended.out
    assert {"check", "state", "said", "mend"} == set(said["findings"][0])
    assert plain.code == 1
    assert (
        "⛔ failed   settings: SLACK_APP_TOKEN: an app-level token begins with xapp-" in plain.out
    )
    assert "✅ ok       database: PostgreSQL" in plain.out, "the rest is looked at all the same"
    assert SECRET not in plain.out + plain.err


# --- Slack ------------------------------------------------------------------------------------


async def test_tokens_that_slack_refuses(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, SLACK_BOT_TOKEN=f"xoxb-{SECRET}")
        assert only(found, "tokens") == (
            "failed",
            "SLACK_BOT_TOKEN: Slack does not accept this token (invalid_auth).",
        )
        found = await report(chat, SLACK_APP_TOKEN=f"xapp-{SECRET}")
        assert only(found, "tokens")[1].startswith("SLACK_APP_TOKEN: Slack does not accept")
        assert only(found, "socket")[0] == "failed"
        assert only(found, "scopes")[0] == "ok"


async def test_socket_mode_that_is_off(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        chat.slack.faults.link_disabled = True
        found = await report(chat)
    mark, said = only(found, "tokens")
    assert mark == "failed"
    assert "Socket Mode is off (link_disabled): turn it on, at https://api.slack.com/apps" in said
    assert not any("Copy it again" in one.line() for one in found), "the token is good"
    assert only(found, "socket")[0] == "failed"
    assert only(found, "scopes")[0] == "ok", "the rest is looked at all the same"


async def test_slack_that_is_away_stops_nothing_else(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, SLACK_API_URL=f"http://127.0.0.1:{free_port()}/api/")
    for check in ("tokens", "scopes", "socket", "approvers"):
        assert only(found, check)[0] == "failed", check
    assert of(found, "database")[0][0] == "ok"


async def test_scopes_that_were_not_granted_are_listed(dsn: str, tmp_path: Path) -> None:
    less = deepcopy(MANIFEST)
    for scope in ("im:read", "files:write"):
        less["oauth_config"]["scopes"]["bot"].remove(scope)
    async with ill(dsn, tmp_path) as chat, Workspace(less) as other:
        found = await report(
            chat,
            SLACK_API_URL=other.api_url,
            SLACK_BOT_TOKEN=other.bot_token,
            SLACK_APP_TOKEN=other.app_token,
            COUNTERSIGN_APPROVERS="*",
        )
    assert only(found, "scopes") == ("failed", "the bot token lacks files:write, im:read")
    assert only(found, "approvers")[0] == "warning"


@asynccontextmanager
async def through(target: str, headers: Mapping[str, str]) -> AsyncIterator[str]:
    """A proxy before Slack's Web API that answers with other headers."""

    async def forward(request: web.Request) -> web.Response:
        async with ClientSession() as session:
            answer = await session.request(
                request.method,
                target + request.match_info["method"],
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name in {"Authorization", "Content-Type"}
                },
                params=request.query,
                data=await request.read(),
            )
            return web.Response(
                body=await answer.read(), headers={**dict(answer.headers), **headers}
            )

    app = web.Application()
    app.router.add_route("*", "/api/{method}", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    await runner.cleanup()


async def test_a_clock_that_goes_wrong(dsn: str, tmp_path: Path) -> None:
    date = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT"}
    async with ill(dsn, tmp_path) as chat, through(chat.slack.api_url, date) as url:
        found = await report(chat, SLACK_API_URL=url)
    mark, said = only(found, "clock")
    assert mark == "warning"
    assert said.endswith("s ahead of Slack's")


async def test_a_bot_that_runs_is_left_its_sockets(dsn: str, tmp_path: Path) -> None:
    port = str(free_port())
    async with world(dsn, tmp_path, extra={"COUNTERSIGN_HTTP_PORT": port}) as chat:
        await chat.slack.wait_for(lambda: len(chat.slack.hub.sockets) == 2)
        found = await report(chat)
        opened = len(chat.slack.hub.sockets)
        assert chat.parts is not None
        # as the bot believes after a minute, it and the doctor beside it say
        chat.parts.sockets.foreign = 1
        believed = await report(chat)
        notes = (await chat.parts.readiness()).notes
        # from another machine, where none runs; the last one of three is nobody's
        async with ClientSession() as session:
            url = await chat.parts.api.socket_url(chat.slack.app_token)
            async with session.ws_connect(url):
                await chat.slack.wait_for(lambda: len(chat.slack.hub.sockets) == 3)
                async with asyncio.timeout(15):
                    while not await chat.rows("SELECT 1 FROM listeners WHERE sockets = 2"):  # noqa: ASYNC110 -- rows
                        await asyncio.sleep(0.05)
                elsewhere = await report(chat, COUNTERSIGN_HTTP_PORT="0")
    stranger = (
        "warning",
        "another program holds 1 of this app's sockets and gets a part of what people say",
    )
    assert of(elsewhere, "socket") == [("ok", "Slack said hello; 3 more are open"), stranger]
    assert of(believed, "socket") == [("ok", "the bot that runs here holds 2"), stranger]
    assert any("another program holds 1 more of this app's sockets" in note for note in notes)
    assert only(found, "http") == ("ok", f"127.0.0.1:{port}: a Countersign runs here")
    assert only(found, "socket") == ("ok", "the bot that runs here holds 2")
    assert opened == 2


async def test_a_port_that_somebody_else_has(dsn: str, tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, COUNTERSIGN_HTTP_PORT=str(port))
    server.close()
    mark, said = only(found, "http")
    assert mark == "failed"
    assert f"127.0.0.1:{port} cannot be used" in said


async def test_approvers_who_cannot_approve_are_each_named(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        alice, bob, gina = (chat.slack.state.user(name).id for name in ("alice", "bob", "gina"))
        chat.slack.state.user("bob").deleted = True
        empty = chat.slack.set_group("nobody", [])
        named = [alice, bob, gina, empty, "U0NOBODY", "S0NOGROUP"]
        found = await report(chat, COUNTERSIGN_APPROVERS=",".join(named))
        marks = [mark for mark, _ in of(found, "approvers")]
        text = "\n".join(said for _, said in of(found, "approvers"))
        assert marks == ["failed"] * 5 + ["warning"], text
        assert f"{bob} is deactivated" in text
        assert f"{gina} is a guest" in text
        assert f"nobody is in the group {empty}" in text
        assert "U0NOBODY cannot be found (user_not_found)" in text
        assert "the group S0NOGROUP cannot be read" in text
        assert "only one person may approve" in text
        found = await report(chat, COUNTERSIGN_APPROVERS="")
        assert only(found, "approvers")[1].startswith("nobody may approve")
        file = tmp_path / "countersign.yaml"
        file.write_text("people: {approver: [U0ALICE00, U0DAVE000]}\n")
        found = await report(chat, COUNTERSIGN_APPROVERS="", COUNTERSIGN_CONFIG=str(file))
        assert only(found, "approvers") == ("ok", "2 people may approve")
        three = chat.slack.set_group("three", ["alice", "bob", "gina", "dave"])  # bob is gone
        file.write_text(
            "policy:\n  rules:\n"
            f"    - {{name: a, match: {{namespace: a}}, ask: {{approvers: 3, groups: {three}}}}}\n"
            f"    - {{name: b, match: {{namespace: b}}, ask: {{approvers: 2, groups: {three}}}}}\n"
            f"    - {{name: c, match: {{namespace: c}}, ask: {{groups: {three}}}}}\n"
            "    - {name: d, match: {namespace: d}, ask: {approvers: 2, requester_may: true}}\n"
            "    - {name: e, match: {namespace: e, groups: S0NOGROUP}, deny: Closed}\n"
        )
        found = await report(chat, COUNTERSIGN_CONFIG=str(file), COUNTERSIGN_APPROVERS=three)
        assert of(found, "rules") == [
            (
                "failed",
                (
                    "countersign.yaml:7: policy.rules.4.match.groups: Slack knows no user group "
                    "S0NOGROUP (no_such_subteam)"
                ),
            ),
            (
                "failed",
                (
                    f"countersign.yaml:3: policy.rules.0: “a” asks for 3 of {three}, where 2 can "
                    "approve: nobody can complete its cards"
                ),
            ),
            (
                "warning",
                (
                    f"countersign.yaml:4: policy.rules.1: “b” asks for 2 of {three}, where 2 can "
                    "approve: what one of them asks for, nobody can complete"
                ),
            ),
            (
                "warning",
                (
                    "“danger needs two” (built in), and 2 can approve: what one of them asks for, "
                    "nobody can complete"
                ),
            ),
        ]


async def test_the_channel_for_approvals(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:

        async def said(channel: str) -> tuple[str, str]:
            path = tmp_path / "countersign.yaml"
            path.write_text(yaml.safe_dump({"approvals": {"channel": channel}}))
            return only(await report(chat, COUNTERSIGN_CONFIG=str(path)), "approvals.channel")

        ops = chat.slack.state.channel("ops")
        assert await said(ops.id) == ("ok", f"the bot is in {ops.id}")
        assert await said("C0NOWHERE") == ("failed", "C0NOWHERE cannot be read (channel_not_found)")
        ops.members.remove(chat.slack.state.bot_user_id)
        assert await said(ops.id) == ("failed", f"the bot is not in {ops.id}")


# --- storage ----------------------------------------------------------------------------------


async def test_a_database_that_is_away_names_its_host(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    away = f"postgresql://me:{SECRET}@127.0.0.1:{port}/countersign"
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, DATABASE_URL=away)
    assert only(found, "database") == (
        "failed",
        f"The database at 127.0.0.1:{port} did not answer within 5 s",
    )


async def test_an_empty_database_is_told_what_comes(server: str, dsn: str, tmp_path: Path) -> None:
    empty = await fresh_database(server)
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, DATABASE_URL=empty)
    mark, said = only(found, "migrations")
    assert mark == "warning"
    assert said.startswith("outstanding: 0001_first_walk.sql")


async def test_another_workspaces_database_is_noticed(dsn: str, tmp_path: Path) -> None:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO audit_head (org, seq, hash) VALUES ('T0OTHER', 0, '')"
        )
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat)
    assert ("failed", "it belongs to the bot of another workspace (T0OTHER)") in of(
        found, "database"
    )


async def test_a_role_that_cannot_rewrite_the_audit_is_praised(dsn: str, tmp_path: Path) -> None:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "DO $$ BEGIN CREATE ROLE countersign_reader LOGIN; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        await connection.execute(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO countersign_reader"
        )
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, DATABASE_URL=make_conninfo(dsn, user="countersign_reader"))
    assert only(found, "audit")[0] == "ok"


async def test_a_redis_that_answers_and_one_that_wants_a_password(
    dsn: str, tmp_path: Path, redis: RedisServer
) -> None:
    async with ill(dsn, tmp_path) as chat:
        mark, said = only(await report(chat, REDIS_URL=redis.url), "redis")
        assert mark == "ok"
        assert said.endswith("answers and lets us publish")
        client = Redis.from_url(redis.url)
        await client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "default", f">{SECRET}1", "resetchannels"
        )
        await client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "default", "resetpass", f">{SECRET}2"
        )
        await client.aclose()
        wrong = redis.url.replace("//", f"//default:{SECRET}@")
        assert only(await report(chat, REDIS_URL=wrong), "redis") == (
            "failed",
            "it refuses our user or password",
        )


async def test_several_processes_without_a_redis(dsn: str, tmp_path: Path) -> None:
    """Whatever their roles: who only hears has to hand a stop on, too."""
    async with ill(dsn, tmp_path) as chat:
        assert only(await report(chat), "redis") == ("ok", "not set: one process needs none")
        async with running(chat, "listener"):
            assert only(await report(chat), "redis")[0] == "ok"
            async with running(chat, "worker"):
                mark, said = only(await report(chat), "redis")
        assert only(await report(chat), "redis")[0] == "ok"
    assert mark == "warning"
    assert said.startswith("not set, and 2 processes run: a stop reaches a run")


@asynccontextmanager
async def running(chat: World, role: str) -> AsyncIterator[None]:
    """A process of this role, from when it serves until it has ended."""
    log = chat.folder / f"{role}.log"
    environment = {"PATH": os.environ["PATH"], **chat.environment()}
    with log.open("wb") as file:
        process = await launch("run", "--role", role, environment=environment, out=file, err=file)
    try:
        async with asyncio.timeout(40):
            while "ready_to_serve" not in log.read_text():  # noqa: ASYNC110 -- in a file
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_a_redis_that_is_away(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, REDIS_URL=f"redis://me:{SECRET}@127.0.0.1:{free_port()}/0")
    mark, said = only(found, "redis")
    assert mark == "failed"
    assert said.startswith("it cannot be reached")


# --- models and clusters ------------------------------------------------------------------------


async def test_a_model_that_refuses_the_key(dsn: str, tmp_path: Path) -> None:
    refused = error(401, body={"error": {"message": f"bad key {SECRET}", "code": "invalid"}})
    async with world(dsn, tmp_path, [refused], running="not yet") as chat:
        found = await report(chat, COUNTERSIGN_MODEL="openai/test")
    assert only(found, "model openai/test")[0] == "failed"


async def test_a_cluster_that_is_away(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        found = await report(chat, KUBECONFIG=str(tmp_path / "gone"))
        (mark, said), *_ = [
            (one.mark.value, one.said) for one in found if one.check.startswith("cluster")
        ]
    assert mark == "failed"
    assert "There is no kubeconfig at" in said


async def test_one_of_two_clusters_that_is_away_hides_nothing_of_the_other(
    dsn: str, tmp_path: Path
) -> None:
    async with ill(dsn, tmp_path) as chat:
        kubeconfig = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        here = kubeconfig["contexts"][0]
        gone = {"name": "gone", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}
        kubeconfig["clusters"].append(gone)
        context = {**here["context"], "cluster": "gone"}
        kubeconfig["contexts"].append({"name": "gone", "context": context})
        (tmp_path / "two").write_text(yaml.safe_dump(kubeconfig))
        contexts = {"prod": here["name"], "stage": "gone"}
        config = tmp_path / "countersign.yaml"
        config.write_text(yaml.safe_dump({"tools": {"kubernetes": {"contexts": contexts}}}))
        found = await report(chat, KUBECONFIG=str(tmp_path / "two"), COUNTERSIGN_CONFIG=str(config))
        assert only(found, "cluster prod")[0] == "ok"
        assert only(found, "cluster stage") == (
            "failed",
            "Cluster stage is away: it refuses connections",
        )
        contexts["stage"] = "nowhere"
        config.write_text(yaml.safe_dump({"tools": {"kubernetes": {"contexts": contexts}}}))
        found = await report(chat, KUBECONFIG=str(tmp_path / "two"), COUNTERSIGN_CONFIG=str(config))
        assert "has no context nowhere; known: " in only(found, "cluster")[1]


async def test_rights_that_are_lacking_are_told_by_tool(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        chat.cluster.rights.allow("lean", [Rule(("get", "list"), ("pods", "services"))])
        path = chat.cluster.write_kubeconfig(tmp_path / "lean", "lean")
        found = await report(chat, KUBECONFIG=str(path))
        lean = [one for one in found if one.check.startswith("cluster")]
    assert [one.mark for one in lean] == [Mark.WARNING]
    assert "k8s_logs: get pods/log" in lean[0].said
    assert "patch deployments/scale" in lean[0].said
    assert "get pods," not in lean[0].said


async def test_as_whom_the_bot_may_not_act_is_told(dsn: str, tmp_path: Path) -> None:
    async with ill(dsn, tmp_path) as chat:
        config = tmp_path / "countersign.yaml"
        config.write_text("identities: {users: {U0A: a@corp, U0B: b@corp}, groups: {U0B: [sre]}}")
        extra = {"COUNTERSIGN_CONFIG": str(config)}
        assert "may act as anybody" in only(await report(chat, **extra), "cluster demo")[1]
        chat.cluster.allow("lean", Rule(("impersonate",), ("users",)))
        lean = chat.cluster.write_kubeconfig(tmp_path / "lean", "lean")
        extra["KUBECONFIG"] = str(lean)
        mark, said = only(await report(chat, **extra), "cluster demo")
        assert mark == "failed"
        assert said.endswith(" answers; the bot may not act as sre")
        # and a program that signs in to it is named, with a map and without
        given = yaml.safe_load(lean.read_text())
        plugin = tmp_path / "sign-in"
        status = {"token": given["users"][0]["user"]["token"]}
        credential = {"apiVersion": _PLUGIN, "kind": "ExecCredential", "status": status}
        plugin.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
        plugin.chmod(0o700)
        signs_in = {"apiVersion": _PLUGIN, "command": str(plugin), "interactiveMode": "Never"}
        given["users"][0]["user"] = {"exec": signs_in}
        lean.write_text(yaml.safe_dump(given))
        for settings in (extra, {"KUBECONFIG": str(lean)}):
            _, said = only(await report(chat, **settings), "cluster demo")
            assert f" (signed in to with the program `{plugin}`) answers" in said


def test_what_the_doctor_cannot_print() -> None:
    found = Finding("x", Mark.FAILED, f"it said {SECRET}", f"not {SECRET}").without([SECRET])
    assert SECRET not in json.dumps(found.data()) + found.line()

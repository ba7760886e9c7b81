"""Servers that behave badly on the wire: they redirect, drip, break off, or do not say all."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tools import (
    Identity,
    NotFound,
    Preview,
    Progress,
    Receipt,
    Refused,
    ToolError,
    Unavailable,
    Verdict,
)
from tools.kubernetes.changes.cleanup import CleanUp
from tools.kubernetes.changes.whole import Delete
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.settings import Settings

_Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_DATE = ("shop", "web-1", "app", ("date",))


@asynccontextmanager
async def serving(answer: _Answer) -> AsyncIterator[str]:
    """A server of which every answer is this one."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@asynccontextmanager
async def client(
    address: str, folder: Path, timeout_seconds: float = 2, **settings: Any
) -> AsyncIterator[Cluster]:
    """As a kubeconfig with a token says."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "of-the-bot"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    cluster = Cluster(Settings(kubeconfig=path, timeout_seconds=timeout_seconds, **settings))
    yield cluster
    await cluster.close()


async def test_no_credential_follows_a_redirect(tmp_path: Path) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response(status=404)

    async with serving(elsewhere) as other:

        async def redirect(_: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": other})

        async with serving(redirect) as address, client(address, tmp_path) as cluster:
            with pytest.raises(Refused, match="302"):
                await cluster.execute(*_DATE)
            with pytest.raises(Refused, match="302"):
                await cluster.get("pod", "shop", "web-1")
    assert asked == []


async def test_a_change_whose_connection_broke_is_not_sent_again(tmp_path: Path) -> None:
    """HTTP clients repeat a DELETE by themselves, as it is idempotent: the first may have been
    done. A look is repeated once.
    """
    asked: list[str] = []

    async def breaks(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({})
        asked.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(breaks) as address, client(address, tmp_path) as cluster:
        await cluster.check()  # so that there is a connection which may have been idle for long
        with pytest.raises(Unavailable, match="the connection broke") as gone:
            await cluster.delete(("pod", "shop", "web-1"), {})
        assert not gone.value.nothing_sent
        assert asked == ["DELETE"]
        with pytest.raises(Unavailable, match="the connection broke"):
            await cluster.get("pod", "shop", "web-1")
    assert asked[1:3] == ["GET", "GET"]


async def test_what_a_server_says_unasked_is_no_answer_to_whoever_asks_next(tmp_path: Path) -> None:
    """It would be the next one's, and each later answer the one before: also other people's."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if length := re.search(r"content-length: (\d+)", head, re.IGNORECASE):
                    await reader.readexactly(int(length[1]))
                who = re.search(r"impersonate-user: (\S+)", head, re.IGNORECASE)
                for said in ("for " + (who[1] if who else "the bot"), "unasked")[: 1 + first]:
                    body = json.dumps({"text": said}).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                    writer.write(body)
                    await writer.drain()
                    await asyncio.sleep(0.05)
                first = False
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server, client(f"http://{host}:{port}", tmp_path) as cluster:
        found = []
        for name in ("", "alice", "bob", ""):
            one = cluster.acting_as(Identity(name)) if name else cluster
            found.append((await one.document("/version"))["text"])
            await asyncio.sleep(0.15)
    assert found == ["for the bot", "for alice", "for bob", "for the bot"]


async def test_a_change_waits_for_a_socket_only_as_long_as_for_an_answer(tmp_path: Path) -> None:
    """One that left at the last moment would be one of which nobody knows what became of it."""
    asked: list[str] = []

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.method)
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.1)

    async with serving(slow) as address, client(address, tmp_path, 0.5) as cluster:
        looks = [cluster.get("pod", "shop", "web-1") for _ in range(16)]
        busy = asyncio.gather(*looks, return_exceptions=True)
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="cannot be connected to in time") as late:
            await cluster.delete(("pod", "shop", "web-1"), {})
        assert late.value.nothing_sent
        assert "DELETE" not in asked
        await busy


async def test_a_change_whose_answer_is_too_large_may_have_been_done(tmp_path: Path) -> None:
    async def large(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * 1_100_000)

    async with serving(large) as address, client(address, tmp_path, most_bytes=1_000_000) as one:
        with pytest.raises(Refused, match="ask for less"):
            await one.get("pod", "shop", "web-1")
        with pytest.raises(Unavailable) as done:
            await one.delete(("pod", "shop", "web-1"), {})
    assert not done.value.nothing_sent


async def test_answers_in_drops_keep_no_threads(tmp_path: Path) -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({})
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.1)

    async with serving(drip) as address, client(address, tmp_path, 0.3) as cluster:
        looks = [cluster.get("pod", "shop", "web-1") for _ in range(12)]  # more than threads
        for one in await asyncio.gather(*looks, return_exceptions=True):
            assert isinstance(one, Unavailable)
        await cluster.check()


async def test_a_command_that_is_cut_off_midway_tells_what_it_wrote(tmp_path: Path) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io"])
        await socket.prepare(request)
        await socket.send_bytes(b"\x01half of ")
        assert request.transport is not None
        request.transport.abort()
        return socket

    async with serving(cut) as address, client(address, tmp_path) as cluster:
        found = await cluster.execute(*_DATE)
    assert (found.text, found.code) == ("half of ", None)


async def test_a_group_that_does_not_say_what_it_serves_is_no_proof_of_absence(
    tmp_path: Path,
) -> None:
    group = {"name": "x.io", "preferredVersion": {"groupVersion": "x.io/v1"}}

    async def api(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/apis":
            return web.json_response({"groups": [group]})
        if request.path == "/api/v1":
            return web.json_response({"resources": []})
        return web.Response(status=410 if "pods" in request.path else 403)

    async with serving(api) as address, client(address, tmp_path) as cluster:
        with pytest.raises(Unavailable, match=r"does not say just now what x\.io serves"):
            await cluster.resource("things.x.io")
        with pytest.raises(NotFound, match=r"serves no kind things\.y\.io"):
            await cluster.resource("things.y.io")
        with pytest.raises(ToolError, match="gave the list up"):
            await cluster.list("pod", "shop")  # nothing was read: that is no empty list


async def test_what_was_cleaned_up_is_not_said_to_be_gone_of_a_list_that_is_cut(
    tmp_path: Path,
) -> None:
    async def endless(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"items": [], "metadata": {"continue": "more"}})

    seen = Preview(summary="", changes=(), diff="", fingerprint="", before={"uids": [["a", "1"]]})
    async with serving(endless) as address, client(address, tmp_path) as cluster:
        with pytest.raises(Refused, match="1h ago; only 0 of all pods could be looked at"):
            await CleanUp(namespace="shop").preview(cluster)
        steps = CleanUp(namespace="shop").verify(cluster, seen, Receipt(text=""))
        assert [step async for step in steps] == [
            Verdict("cannot tell", "shop has more pods than are read.")
        ]


async def test_what_is_no_api_is_no_proof_that_something_is_gone(tmp_path: Path) -> None:
    async def proxy(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404, text="<html>no such page</html>")

    seen = Preview(summary="", changes=(), diff="", fingerprint="", before={"uid": "1"})
    async with serving(proxy) as address, client(address, tmp_path) as cluster:
        change = Delete(namespace="shop", kind="pod", name="a")
        first = await anext(change.verify(cluster, seen, Receipt(text="")))
    assert first == Progress(
        "Cannot look right now, trying again: There is no pod/a in shop on cluster kubeconfig."
    )

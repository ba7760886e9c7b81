"""Running an allowed command in a container: what may run, what comes of it, and what it cannot."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.rights import READ
from tests.contracts.stage import made, verdict
from tools import (
    Catalog,
    Identity,
    JsonObject,
    NoWayBack,
    Refused,
    Risk,
    Stale,
    Unavailable,
    Verdict,
    open_providers,
)
from tools.kubernetes.diagnostics import DEFAULT, is_allowed, without_values

DB = {"namespace": "shop", "name": "db-0"}
TOOL = "k8s_exec"  # has no walk: nothing in the cluster shows what became of it


def test_only_what_is_listed_may_run_word_for_word() -> None:
    for words in (
        ["df", "-h"],
        ["env"],
        ["nslookup", "db.shop.svc.cluster.local"],
        ["wget", "-qO-", "-T", "5", "http://localhost:8080/healthz"],
        ["curl", "-sS", "-m", "5", "http://localhost:80/"],
    ):
        assert is_allowed(words, DEFAULT), words
    for words in (
        ["df", "-h", "/"],
        ["sh", "-c", "df -h"],
        ["nslookup", "-type=any"],
        ["nslookup", "a..b"],
        ["cat", "/etc/passwd"],
        ["cat", "/etc/resolv.conf/../shadow"],
        ["wget", "-qO-", "-T", "5", "http://localhost:80@evil.example/x"],
        ["wget", "-qO-", "-T", "5", "http://evil.example:80/x"],
        ["wget", "-qO-", "-T", "5", "http://localhost:80/../x"],
        ["wget", "-qO-", "-T", "5", "http://localhost:80/x?y=$(id)"],
    ):
        assert not is_allowed(words, DEFAULT), words


def test_no_line_of_a_value_is_taken_for_a_name() -> None:
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAx7\nZ3VhcmRpYW4tMTIzNDU2Nzg5MA==\nc2Vj0A=\n"
    text = f"KEY={key}-----END KEY-----\nEMPTY=\nhttp_proxy=\nMixedCase=a\nHOME=/\n"
    names = ["EMPTY", "HOME", "KEY", "MixedCase", "http_proxy"]
    assert without_values(("env",), text).split("\n") == names


async def test_an_allowed_command_runs_once_and_tells_what_it_printed(
    catalog: Catalog, cluster: Cluster
) -> None:
    cluster.allow("eve@corp", Rule(READ))
    call = catalog.change(TOOL, {**DB, "command": ["df", "-h"]}, acting=Identity("eve@corp"))
    assert [(one.verb, one.sub) for one in await call.lacking()] == [("create", "exec")]
    with pytest.raises(Refused, match="does not allow this: create pods/exec in shop"):
        await call.preview()  # before anybody is asked to approve it
    rules = [Rule((verb,), ("pods/exec",)) for verb in ("create", "get")]
    cluster.allow("eve@corp", Rule(READ), *rules)
    seen = await call.preview()
    assert call.risk is Risk.DANGER
    assert cluster.mutations == []
    cluster.allow("eve@corp", Rule(READ))
    with pytest.raises(Refused, match="does not allow this"):
        await call.apply(seen)
    cluster.allow("eve@corp", Rule(READ), *rules)
    receipt = await call.apply(seen)
    assert receipt.text.startswith("It ended with exit code 0 and printed:\nFilesystem")
    assert [one.user for one in cluster.mutations] == ["eve@corp"]
    assert await verdict(cluster, call, seen, receipt) == Verdict("holds", receipt.text)
    assert (await verdict(cluster, call, seen, None)).outcome == "cannot tell"
    assert isinstance(call.undo(seen), NoWayBack)
    cluster.fail("get", "/exec$", 500)
    with pytest.raises(Unavailable) as lost:
        await call.apply(seen)
    assert not lost.value.nothing_sent
    cluster.delete("Pod", "shop", "db-0")
    await cluster.advance(30)
    with pytest.raises(Stale):
        await call.apply(seen)
    assert len(cluster.mutations) == 1


async def test_what_is_printed_and_what_cannot_run(catalog: Catalog, cluster: Cluster) -> None:
    container: dict[str, JsonValue] = {
        "name": "a",
        "image": "shop/a:1",
        "env": [{"name": "TOKEN", "value": "s3cr3t"}],
    }
    made("Pod", "v1", "lone", {"containers": [container]})(cluster)
    await cluster.advance(30)

    async def run(*command: str, name: str = "lone") -> str:
        call = catalog.change(TOOL, {**DB, "name": name, "command": [*command]})
        return (await call.apply(await call.preview())).text

    assert await run("env") == "It ended with exit code 0 and printed:\nPATH\nTOKEN"
    assert "exit code 1 and printed:\nServer" in await run("nslookup", "nowhere")
    with pytest.raises(Refused, match="could not be run there: exec: "):
        await run("free", "-m")
    with pytest.raises(Refused, match=r"not allowed. Allowed are: `cat /etc/resolv.conf`; "):
        await run("ls")
    with pytest.raises(Refused, match="There is no pod/gone"):
        await run("env", name="gone")


async def test_the_settings_say_what_may_run(cluster: Cluster, tmp_path: Path) -> None:
    path = str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))
    settings: JsonObject = {"kubeconfig": path, "exec_commands": []}
    async with open_providers({"kubernetes": settings}) as catalog:
        with pytest.raises(Refused, match="Allowed are: none"):
            await catalog.change(TOOL, {**DB, "command": ["env"]}).preview()
    with pytest.raises(ValueError, match=r"\{file\} is unknown; known: \{host\}, \{port\}"):
        async with open_providers({"kubernetes": {**settings, "exec_commands": ["cat {file}"]}}):
            pass

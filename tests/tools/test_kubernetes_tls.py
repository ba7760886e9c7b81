"""How the Kubernetes client lives with certificates: whom it trusts, and as whom it comes."""

import base64
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.plugins.ports import free_port
from tools import Unavailable
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.settings import Settings

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@dataclass(frozen=True)
class Authority:
    """One that signs, for as long as a test runs."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Authority":
        folder.mkdir()
        _openssl(
            folder,
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=authority"),
            *("-keyout", "ca.key", "-out", "ca.pem"),
        )
        return cls(folder)

    def signed(self, name: str, names: str = "") -> tuple[Path, Path]:
        """A certificate and its key."""
        _openssl(
            self.folder,
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        (self.folder / "names").write_text(f"subjectAltName={names}\n" if names else "")
        _openssl(
            self.folder,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}.pem"),
        )
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True)


@asynccontextmanager
async def api(authority: Authority, names: str) -> AsyncIterator[tuple[str, list[str]]]:
    """An API server that wants certificates of its authority; its address, and who came."""
    came: list[str] = []

    async def version(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        came.append(dict(part[0] for part in subject)["commonName"])
        return web.json_response({"gitVersion": "v1.37.0"})

    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(authority.folder / "ca.pem")
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.signed("server", names))
    runner, port = web.ServerRunner(web.Server(version)), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{port}", came
    finally:
        await runner.cleanup()


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@asynccontextmanager
async def client(
    folder: Path, server: Mapping[str, str], user: tuple[Path, Path]
) -> AsyncIterator[Cluster]:
    certificate, key = user
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": dict(server)}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [
            {
                "name": "u",
                "user": {
                    "client-certificate-data": data(certificate),
                    "client-key-data": data(key),
                },
            }
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    cluster = Cluster(Settings(kubeconfig=path, timeout_seconds=3))
    yield cluster
    await cluster.close()


async def test_both_sides_show_their_certificates(tmp_path: Path) -> None:
    ours = Authority.made(tmp_path / "ours")
    trusted = {"certificate-authority-data": data(ours.folder / "ca.pem")}
    async with api(ours, "IP:127.0.0.1") as (address, came):
        server = {"server": address, **trusted}
        async with client(tmp_path, server, ours.signed("alice")) as cluster:
            await cluster.check()
    assert came == ["alice"]


async def test_a_server_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = (Authority.made(tmp_path / name) for name in ("ours", "theirs"))
    async with api(theirs, "IP:127.0.0.1") as (address, came):
        server = {"server": address, "certificate-authority-data": data(ours.folder / "ca.pem")}
        async with client(tmp_path, server, ours.signed("alice")) as cluster:
            with pytest.raises(Unavailable, match="its certificate is not trusted") as away:
                await cluster.check()
    assert away.value.nothing_sent
    assert came == []


async def test_the_name_on_the_certificate_is_the_one_that_is_expected(tmp_path: Path) -> None:
    ours = Authority.made(tmp_path / "ours")
    trusted = {"certificate-authority-data": data(ours.folder / "ca.pem")}
    async with api(ours, "DNS:kube.internal") as (address, came):
        server = {"server": address, **trusted}
        async with client(tmp_path, server, ours.signed("alice")) as cluster:
            with pytest.raises(Unavailable, match="its certificate is not trusted"):
                await cluster.check()
        server["tls-server-name"] = "kube.internal"
        async with client(tmp_path, server, ours.signed("alice")) as cluster:
            await cluster.check()
    assert came == ["alice"]


async def test_an_authority_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    """As a kubelet does it, and who renews certificates: in place."""
    ours, theirs = (Authority.made(tmp_path / name) for name in ("ours", "theirs"))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((ours.folder / "ca.pem").read_bytes())
    user = theirs.signed("alice")
    async with api(theirs, "IP:127.0.0.1") as (address, came):
        server = {"server": address, "certificate-authority": str(trusted)}
        async with client(tmp_path, server, user) as cluster:
            with pytest.raises(Unavailable, match="its certificate is not trusted"):
                await cluster.check()
            trusted.write_bytes((theirs.folder / "ca.pem").read_bytes())
            os.utime(trusted, (0, 0))
            await cluster.check()
    assert came == ["alice"]

"""Diagnosis: what is read of a cluster, and no more; and the small parts that reading needs."""

import base64
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue

from bot.agent.grammar import Command, parse
from bot.sandbox.cluster import Cluster
from tests.standins.cluster import SeededCluster
from tools import Catalog, NotFound, Refused, Report, open_providers
from tools.kubernetes.diagnosis.certificates import end_of_certificate
from tools.kubernetes.diagnosis.lastwords import Points, hints_of
from tools.kubernetes.diagnosis.schedules import due_before
from tools.kubernetes.diagnosis.snapshot import Line

CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBhDCCASmgAwIBAgIUaL3f15qPJVc+FmKUX70pR5NuMWAwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMB4XDTI2MTEyNjE1NDc1NFoXDTI3MDMw
NjE1NDc1NFowFzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAETi9LiwkN9Bphx4kw2rVGDx54/6AlN/xzpC4ESQHxyvmC2VFN
9H83Sx6yNDK/XHoM5U4uLMDqWpTIFM1bD9iUDqNTMFEwHQYDVR0OBBYEFBVIcd/0
OngcaeUgaEeXe9IWJJRKMB8GA1UdIwQYMBaAFBVIcd/0OngcaeUgaEeXe9IWJJRK
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAKSfW09cscFaA57u
DOX21u0et2dapwDrAT2RdW4QHGwEAiEAj/BL4bs+6nsvtsm6Ww2be3p+JFcA/whe
PJbTJAwipHg=
-----END CERTIFICATE-----
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(virtual=True) as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalog(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Catalog]:
    path: Path = cluster.write_kubeconfig(tmp_path_factory.mktemp("demo") / "kubeconfig")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        yield catalog


async def test_a_broken_rollout_through_the_api(cluster: Cluster, catalog: Catalog) -> None:
    cluster.requests.clear()
    found = await catalog.read("k8s_diagnose", {"namespace": "shop"}).run()
    assert isinstance(found, Report)
    data: Any = found.data
    first = data["findings"][0]
    assert (first["object"], first["cause"]) == ("deployment/checkout", "crash")
    assert first["change"]["tool"] == "k8s_rollout_undo"
    # for people, as it can be typed
    (typed,) = (line.split("change: ")[1] for line in found.lines if "change: " in line)
    assert typed == "rollout undo deployment/checkout --to-revision 6 -n shop"
    assert parse(typed) == Command("k8s_rollout_undo", first["change"]["arguments"])
    catalog.change(first["change"]["tool"], first["change"]["arguments"])  # it can be asked for
    paths = [request.path for request in cluster.requests]
    assert len(paths) <= 20
    kinds = {path.rpartition("/")[2] for path in paths}
    assert "configmaps" in kinds, "what crashes may lack a setting"
    assert not kinds & {"secrets", "nodes", "persistentvolumeclaims", "networkpolicies"}
    again = await catalog.read("k8s_diagnose", {"namespace": "shop"}).run()
    assert again == found


async def test_a_change_that_the_cluster_does_not_allow_is_said_with_it(
    cluster: Cluster, catalog: Catalog, tmp_path: Path
) -> None:
    """To whom the account may only look: the cause is the same, and who has to do something."""
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "viewer")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as looking:
        found = await looking.read("k8s_diagnose", {"namespace": "shop"}).run()
    allowed = await catalog.read("k8s_diagnose", {"namespace": "shop"}).run()
    assert isinstance(found, Report)
    assert isinstance(allowed, Report)
    data: tuple[Any, Any] = (found.data, allowed.data)
    seen, usual = (dict(one["findings"][0]) for one in data)
    assert "not allowed to me: patch deployments;" in "\n".join(found.lines)
    assert "not allowed" not in "\n".join(allowed.lines)
    assert seen.pop("change") == {**usual.pop("change"), "not_allowed": "patch deployments"}
    assert seen == usual


async def test_what_it_may_not_be_asked(catalog: Catalog) -> None:
    cases: list[tuple[dict[str, JsonValue], type[Refused], str]] = [
        ({"kind": "deployment"}, Refused, "go together"),
        (
            {"kind": "deployment", "name": "web", "all_namespaces": True},
            Refused,
            "does not go with",
        ),
        (
            {"kind": "deploy", "name": "chekout", "namespace": "shop"},
            NotFound,
            "Nearest: checkout",
        ),
        ({"namespace": "shp"}, NotFound, "no namespace shp"),
    ]
    for arguments, kind, words in cases:
        call = catalog.read("k8s_diagnose", arguments)
        with pytest.raises(kind, match=words):
            await call.run()


async def test_the_end_of_a_certificate() -> None:
    der = ssl.PEM_cert_to_DER_cert(CERTIFICATE)
    assert end_of_certificate(der) == datetime(2027, 3, 6, 15, 47, 54, tzinfo=UTC)
    for broken in (der[:40], b"\x30\x03abc", base64.b64decode("MAA=")):
        with pytest.raises((ValueError, IndexError)):
            end_of_certificate(broken)


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("*/10 * * * *", datetime(2026, 5, 4, 14, 30, tzinfo=UTC)),
        ("0 2 * * *", datetime(2026, 5, 4, 2, 0, tzinfo=UTC)),
        ("15 9 * * sun", datetime(2026, 5, 3, 9, 15, tzinfo=UTC)),
        ("0 0 1 * 1", datetime(2026, 5, 4, 0, 0, tzinfo=UTC)),  # the first, or a Monday
        ("@monthly", datetime(2026, 5, 1, 0, 0, tzinfo=UTC)),
        ("61 * * * *", None),
        ("every day", None),
    ],
)
async def test_when_a_schedule_was_due(schedule: str, due: datetime | None) -> None:
    assert due_before(schedule, datetime(2026, 5, 4, 14, 34, tzinfo=UTC)) == due


async def test_when_a_schedule_was_due_elsewhere() -> None:
    found = due_before("0 2 * * *", datetime(2026, 5, 4, 14, 34, tzinfo=UTC), "Asia/Tokyo")
    assert found == datetime(2026, 5, 3, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "points", "detail"),
    [
        ("dial tcp 10.0.0.7:5432: connect: connection refused", Points.REFUSED, "10.0.0.7"),
        ("Error: getaddrinfo ENOTFOUND cache", Points.NO_HOST, "cache"),
        ("ModuleNotFoundError: No module named 'yaml'", None, ""),
        ("lookup db on 10.96.0.10:53: read udp: i/o timeout", Points.NO_HOST, "db"),
        ('could not translate host name "db" to address', Points.NO_HOST, "db"),
        (
            "GET http://u:p@orders.shop:80/x: context deadline exceeded",
            Points.TIMEOUT,
            "orders.shop",
        ),
        ("KeyError: 'PAYMENTS_URL'", Points.SETTING, "PAYMENTS_URL"),
        ("write /data/x: no space left on device", Points.DISK_FULL, "/data/x"),
        ("Connection to db:5432 refused. Check the hostname", Points.REFUSED, "db"),
        ("Can't connect to MySQL server on 'db' (111)", Points.UNREACHED, "db"),
        (
            'connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused',
            Points.REFUSED,
            "db",
        ),
        (
            "HTTPConnectionPool(host='api', port=80): Read timed out.",
            Points.TIMEOUT,
            "api",
        ),
        ("kafka: client has run out of available brokers", Points.UNREACHED, ""),
        ("Listening on port 3000", Points.LISTENING, "3000"),
        ("INFO order 4711 paid", None, ""),
    ],
)
async def test_what_a_line_points_to(line: str, points: Points | None, detail: str) -> None:
    found = hints_of([Line(None, line)])
    assert [(one.points, one.detail) for one in found] == ([(points, detail)] if points else [])

"""The Kubernetes provider's reads against the stand-in cluster, and what the model sees of it."""

import base64
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue

from bot.agent.vocabulary import KINDS
from bot.guard.masking import mask_finding
from bot.guard.rendering import render
from bot.sandbox.cluster import Cluster
from tools import (
    Catalog,
    Finding,
    JsonObject,
    Lines,
    Manifests,
    NotFound,
    Refused,
    Table,
    open_providers,
)
from tools.kubernetes.kinds import Resource
from tools.kubernetes.loglines import Line, folded
from tools.kubernetes.tables import table

SNAPSHOTS = Path(__file__).parent / "snapshots"
Ask = Callable[..., Awaitable[Any]]


# One cluster for all: the tests here only look.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalog(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Catalog]:
    async with Cluster(seed="few", virtual=True) as cluster:
        path = cluster.write_kubeconfig(tmp_path_factory.mktemp("demo") / "kubeconfig")
        async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
            yield catalog


@pytest.fixture
def ask(catalog: Catalog) -> Ask:
    async def ask(tool: str, **arguments: JsonValue) -> Finding:
        return await catalog.read(f"k8s_{tool}", arguments).run()

    return ask


def column(table: Table, title: str) -> list[str]:
    """One column of a table."""
    index = table.columns.index(title)
    return [row[index] for row in table.rows]


async def test_what_the_model_sees(catalog: Catalog) -> None:
    """A difference is a change of the prompt: look at it, then write it with UPDATE_SNAPSHOTS=1."""
    seen = {
        tool.name: {
            "kind": tool.kind,
            "risk": tool.risk,
            "summary": tool.summary,
            "schema": tool.schema,
        }
        for tool in catalog.tools.values()
    }
    path = SNAPSHOTS / "kubernetes.json"
    text = json.dumps(seen, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "the prompt changed: UPDATE_SNAPSHOTS=1 writes it"


async def test_pods_as_kubectl_lists_them(ask: Ask) -> None:
    pods = await ask("get", kind="po", namespace="shop", selector="app=checkout")
    assert pods.columns == ("NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE")
    assert sorted(column(pods, "READY")) == ["0/1", "0/1", "1/1", "1/1", "1/1"]
    assert set(column(pods, "STATUS")) == {"Running", "CrashLoopBackOff"}
    assert pods.note == "5 pods in namespace shop with app=checkout"


async def test_deployments_have_images_and_all_namespaces_a_column(ask: Ask) -> None:
    found = await ask("get", kind="Deployments.apps", all_namespaces=True)
    assert found.columns[0] == "NAMESPACE"
    assert dict(zip(column(found, "NAME"), column(found, "IMAGES"), strict=True))["checkout"] == (
        "shop/checkout:1.9.0"
    )
    assert (
        dict(zip(column(found, "NAME"), column(found, "READY"), strict=True))["checkout"] == "3/4"
    )
    assert found.note.endswith("in all namespaces")


async def test_events_of_what_lies_in_no_namespace_are_looked_for_where_they_are(ask: Ask) -> None:
    found = await ask("events", kind="node", name="node-1", namespace="shop")
    assert "in namespace default about node/node-1" in found.note
    assert "there are some in namespace" not in found.note


async def test_what_does_not_fit_is_said_in_words_and_never_as_a_pattern(ask: Ask) -> None:
    for argument, value, words in (
        ("name", "Web_1", "One, or several with commas"),
        ("selector", "app=$(x)", "Labels as in kubectl"),
        ("output", "ymal", "table, wide, yaml"),
    ):
        with pytest.raises(Refused, match=words) as refused:
            await ask("get", kind="pod", namespace="shop", **{argument: value})
        assert "^" not in str(refused.value)


async def test_every_kind_can_be_listed(ask: Ask) -> None:
    kinds = (
        "rs sts ds controllerrevisions svc ep ev no cm secret job cj hpa pdb pvc ns quota netpol"
    )
    kinds += " netpol endpointslices limits sa sc"
    for kind in kinds.split():
        found = await ask("get", kind=kind, namespace="shop")
        assert isinstance(found, Table)
        assert all(len(row) == len(found.columns) for row in found.rows), kind


async def test_every_kind_that_commands_know_is_a_kind_of_get(catalog: Catalog, ask: Ask) -> None:
    for kind in KINDS:
        catalog.read("k8s_get", {"kind": kind})  # raises Refused for one that it does not take
    accounts = await ask("get", kind="sa", namespace="shop")
    assert accounts.columns == ("NAME", "SECRETS", "AGE")
    assert accounts.note.startswith("0 serviceaccounts in namespace shop")
    with pytest.raises(NotFound, match="serves no kind rollouts"):
        await ask("get", kind="rollouts", namespace="shop")


async def test_kinds_of_others_are_told_by_what_they_say_of_themselves() -> None:
    certificate = Resource("certificate", "/apis/cert-manager.io/v1", "certificates")
    ready = {"type": "Ready", "status": "False"}
    for status, told in (
        ({"conditions": [ready]}, "not Ready"),
        ({"conditions": [{"type": "Synced", "status": "True"}]}, "Synced"),
        ({"phase": "Bound", "conditions": [ready]}, "Bound"),
        ({"conditions": ["odd", {}]}, "<none>"),
        ({"conditions": "odd"}, "<none>"),
        ("odd", "<none>"),
        (None, "<none>"),
    ):
        one = {"metadata": {"name": "a"}, "status": status}
        found = table(certificate, [one], datetime.now(UTC), namespaces=False, note="")
        assert found.rows[0][:2] == ("a", told)
    # another group's kind of the same name has none of the columns of the one that is built in
    knative = Resource("service", "/apis/serving.knative.dev/v1", "services")
    assert (
        "CLUSTER-IP" not in table(knative, [], datetime.now(UTC), namespaces=False, note="").columns
    )


async def test_a_list_says_that_it_was_cut(ask: Ask) -> None:
    found = await ask("get", kind="pods", namespace="shop", limit=2)
    assert len(found.rows) == 2
    assert found.note == "2 pods in namespace shop; cut at limit 2, there are more"


async def test_a_list_of_secrets_has_no_values(ask: Ask) -> None:
    found = await ask("get", kind="secrets", namespace="shop")
    assert found.columns == ("NAME", "TYPE", "DATA", "AGE")
    assert found.rows[0][:3] == ("checkout-credentials", "Opaque", "1")


async def test_one_object_is_shown_whole(ask: Ask) -> None:
    found = await ask("get", kind="deploy", name="web", namespace="shop")
    assert isinstance(found, Manifests)
    (web,) = found.objects
    assert web["kind"] == "Deployment"
    metadata = web["metadata"]
    assert isinstance(metadata, dict)
    assert "managedFields" not in metadata
    assert "uid" in metadata


async def test_what_is_not_there(ask: Ask) -> None:
    for name, hint in (("nope", ""), ("checkot", " Nearest: checkout.")):
        with pytest.raises(NotFound) as absent:
            await ask("get", kind="deploy", name=name, namespace="shop")
        assert str(absent.value) == f"There is no deployment/{name} in shop on cluster demo.{hint}"
    empty = await ask("get", kind="jobs", namespace="shop")
    assert (empty.rows, empty.note) == ((), "0 jobs in namespace shop; the namespace exists")


async def test_a_namespace_that_was_forgotten_is_named(ask: Ask) -> None:
    with pytest.raises(NotFound) as absent:
        await ask("get", kind="deploy", name="checkout", namespace="default")
    assert str(absent.value) == (
        "There is no deployment/checkout in default on cluster demo. "
        "There is a deployment checkout elsewhere: `-n shop`."
    )
    with pytest.raises(
        NotFound, match=r"no pod/api in default .* a deployment api .*`-n payments`"
    ):
        await ask("logs", name="api", namespace="default")
    empty = await ask("get", kind="hpa", namespace="default")
    assert empty.note.endswith("the namespace exists, there are some in namespace shop (`-n shop`)")
    empty = await ask("get", kind="pods", namespace="default")
    assert empty.note.endswith("the namespace exists, there are some in namespaces payments, shop")


async def test_logs_of_a_bare_name_are_those_of_its_workload(ask: Ask) -> None:
    found = await ask("logs", name="checkout", namespace="shop", grep="FATAL")
    assert isinstance(found, Lines)
    assert found.note.startswith("deployment/checkout in shop: ")
    assert "missing PAYMENTS_URL" in found.lines[-1]


@pytest.mark.parametrize(
    ("namespace", "hint"),
    [
        ("shpo", "Nearest: shop."),
        ("paymnts", "Nearest: payments."),
        ("zzz", "There are default, kube-system, payments, shop."),
    ],
)
async def test_a_namespace_that_is_not_there(namespace: str, hint: str, ask: Ask) -> None:
    for tool, arguments in (
        ("get", {"kind": "pods"}),
        ("get", {"kind": "pods", "name": "web"}),
        ("events", {}),
        ("describe", {"kind": "deploy", "name": "web"}),
        ("logs", {"kind": "deploy", "name": "web"}),
        ("rollout_history", {"name": "web"}),
        ("rollout_status", {"name": "web"}),
    ):
        with pytest.raises(NotFound) as absent:
            await ask(tool, namespace=namespace, **arguments)
        said = str(absent.value)
        assert said == f"There is no namespace {namespace} on cluster demo. {hint}", tool


async def test_logs_of_a_workload_are_merged(ask: Ask) -> None:
    logs = await ask("logs", kind="deploy", namespace="shop", name="checkout", tail=5, since="1d")
    stamps = [line.partition(" ")[0] for line in logs.lines]
    assert stamps == sorted(stamps)
    pods = {line.split(" ")[1] for line in logs.lines}
    assert len(pods) == 5
    assert any("FATAL missing PAYMENTS_URL" in line for line in logs.lines)
    assert "last 1d, at most 5 lines per container" in logs.note


async def test_of_many_lines_those_of_crashing_containers_come_first(ask: Ask) -> None:
    where: dict[str, JsonValue] = {"kind": "deploy", "namespace": "shop", "name": "checkout"}
    logs = await ask("logs", **where, tail=100, since="1d")
    assert logs.lines[0] == "--- crashing containers, their last 6 lines ---"
    assert [line.partition(" | ")[2][:5] for line in logs.lines[5:7]] == ["FATAL", "FATAL"]
    assert logs.lines[7] == "--- all other lines, 300 ---"
    assert len(logs.lines) == 308
    for part in (logs.lines[1:7], logs.lines[8:]):
        stamps = [line.partition(" ")[0] for line in part]
        assert stamps == sorted(stamps)
    assert not any("FATAL" in line for line in logs.lines[8:])
    assert logs.note.endswith("; 306 lines")
    healthy = await ask("logs", kind="deploy", namespace="shop", name="web", since="1d")
    assert not any(line.startswith("---") for line in healthy.lines)


async def test_a_crash_before_the_window_is_told_all_the_same(ask: Ask) -> None:
    where: dict[str, JsonValue] = {"kind": "deploy", "namespace": "shop", "name": "checkout"}
    logs = await ask("logs", **where, since="1m")
    earlier = [line for line in logs.lines if " (earlier) | " in line]
    assert len(earlier) == 6
    assert any("FATAL missing PAYMENTS_URL" in line for line in earlier)


async def test_of_many_pods_the_crashing_ones_are_read(tmp_path: Path) -> None:
    async with Cluster(seed="few", virtual=True) as cluster:
        checkout = cluster.get("Deployment", "shop", "checkout")
        assert checkout is not None
        checkout["spec"]["replicas"] = 16
        cluster.apply(checkout)
        await cluster.advance(20)
        path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
        async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
            where: JsonObject = {"kind": "deploy", "namespace": "shop", "name": "checkout"}
            logs = await catalog.read("k8s_logs", {**where, "since": "5000d"}).run()
        pods = cluster.pods("shop", "checkout")
        crashing = {
            pod["metadata"]["name"]
            for pod in pods
            if pod["spec"]["containers"][0]["image"].endswith("1.9.0")
        }
    assert isinstance(logs, Lines)
    text = "\n".join(logs.lines)
    assert len(crashing) < 10
    assert all(name in text for name in crashing)
    assert f"; 10 of {len(pods)} pods, crashing and newest first" in logs.note


async def test_logs_by_text_and_by_pattern(ask: Ask) -> None:
    where: dict[str, JsonValue] = {"kind": "deploy", "namespace": "shop", "name": "checkout"}
    for grep in ("missing PAYMENTS_URL", "^FATAL .*_URL", "FATAL missing PAYMENTS_URL: no"):
        logs = await ask("logs", **where, grep=grep, since="1d")
        assert logs.lines
        assert all("FATAL missing" in line for line in logs.lines)
        assert grep in logs.note
    assert (await ask("logs", **where, grep="[unclosed")).lines == ()


async def test_a_pod_without_a_log_is_a_line(ask: Ask) -> None:
    logs = await ask("logs", kind="deploy", namespace="shop", name="web", previous=True)
    assert len(logs.lines) == 3
    assert all("previous terminated container" in line for line in logs.lines)


async def test_a_pod_that_waits_for_its_image_is_a_line(tmp_path: Path) -> None:
    async with Cluster(seed="few", virtual=True) as cluster:
        web = cluster.get("Deployment", "shop", "web")
        assert web is not None
        web["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:9.9.9"
        cluster.apply(web)
        await cluster.advance(5)
        path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
        async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
            where: JsonObject = {"kind": "deploy", "namespace": "shop", "name": "web"}
            logs = await catalog.read("k8s_logs", where).run()
    assert isinstance(logs, Lines)
    unable = [line for line in logs.lines if "(no log: " in line]
    assert "waiting to start" in unable[0]


async def test_logs_of_a_pod_that_is_not_there(ask: Ask) -> None:
    with pytest.raises(NotFound, match="There is no pod/nope in shop"):
        await ask("logs", namespace="shop", name="nope")


async def test_the_rollout_and_its_history(ask: Ask) -> None:
    found = await ask("rollout_status", namespace="shop", name="checkout")
    assert isinstance(found, Lines)
    text = "\n".join(found.lines)
    assert text.startswith("rollout not finished: 4 desired, 2 updated, 3 ready, 3 available")
    assert "ProgressDeadlineExceeded" in text
    assert "CrashLoopBackOff, 7 restarts: exits with code 1" in text
    assert re.search(
        r"revision 7 \(live\), .*; changed containers\[checkout\]\.image"
        r" shop/checkout:1\.8\.0 → shop/checkout:1\.9\.0",
        text,
    )
    healthy = await ask("rollout_status", namespace="shop", name="web")
    assert healthy.lines[0].startswith("rollout finished: 3 desired")


HOSTILE = ("--raw=/api", "-o", "../x", "/etc/passwd", "http://x/", "a b", "x\n", "A\u202e")


@pytest.mark.parametrize("argument", ["name", "namespace", "selector", "kind"])
async def test_flags_paths_and_urls_are_no_arguments(argument: str, catalog: Catalog) -> None:
    for value in HOSTILE:
        if argument == "selector" and value == "a b":
            continue  # "env in (a,b)" has blanks too
        if value == "x\n":
            continue  # the blanks around a value are dropped
        with pytest.raises(Refused, match=f"`{argument}`"):
            catalog.read("k8s_get", {"kind": "pods", argument: value})


async def test_get_in_every_form(ask: Ask) -> None:
    shop: dict[str, JsonValue] = {"kind": "deploy", "namespace": "shop"}
    several = await ask("get", **shop, name="web,cart,nope")
    assert column(several, "NAME") == ["web", "cart"]
    assert several.note.startswith("deployment/web,cart; There is no deployment/nope in shop")
    wide = await ask("get", **shop, output="wide", sort=".spec.replicas")
    assert wide.columns[-2:] == ("IMAGES", "SELECTOR")
    assert column(wide, "NAME") == ["cart", "web", "checkout"]
    assert wide.note == "3 deployments in namespace shop, by .spec.replicas"
    everywhere = await ask("get", kind="pods", all_namespaces=True, output="wide")
    assert everywhere.columns[:2] == ("NAMESPACE", "NAME")
    assert set(column(everywhere, "NAMESPACE")) >= {"shop", "payments"}
    names = await ask("get", **shop, output="name")
    assert names.lines == ("deployment/cart", "deployment/checkout", "deployment/web")
    running = await ask("get", kind="pods", namespace="shop", fields="status.phase!=Running")
    assert running.rows == ()
    listed = await ask("get", **shop, output="yaml", selector="app=web")
    assert [one["metadata"]["name"] for one in listed.objects] == ["web"]
    found = await ask(
        "get", **shop, output='jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'
    )
    assert render(found).splitlines()[:3] == ["cart", "checkout", "web"]
    image = ".spec.template.spec.containers[0].image"
    assert render(await ask("get", **shop, name="cart", output=f"jsonpath={image}")).startswith(
        "shop/cart:1"
    )
    data = render(await ask("get", **shop, name="cart", output="json")).rpartition("\n(")[0]
    assert json.loads(data)["metadata"]["name"] == "cart"
    for argument, value in (("output", "jsonpath={.a[}"), ("sort", "{.a[}")):
        with pytest.raises(Refused, match=f"`{argument}` .* cannot be read"):
            await ask("get", **shop, **{argument: value})
    # a kind that is not built in has the server's columns
    roles = await ask("get", kind="priorityclasses")
    assert roles.columns == ("NAME", "AGE")


async def test_no_form_of_get_shows_what_a_secret_holds(tmp_path: Path) -> None:
    """Also where its keys and values look like nothing: in a list, too, its kind tells."""
    held = base64.b64encode(b"plainword").decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"note": held}}
    async with Cluster(virtual=True) as cluster:
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        cluster.apply(place)
        cluster.apply({**secret, "metadata": {"name": "harmless", "namespace": "shop"}})
        path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
        async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
            for name in ("", "harmless", "harmless,harmless"):
                for output in ("auto", "wide", "yaml", "json", *PATHS):
                    wanted: JsonObject = {"kind": "secret", "namespace": "shop", "name": name}
                    call = catalog.read("k8s_get", {**wanted, "output": output})
                    masked, _ = mask_finding(await call.run())
                    text = render(masked)
                    assert held not in text, (name, output)
                    assert "plainword" not in text, (name, output)
                    if output not in ("auto", "wide"):
                        assert "‹masked" in text, (name, output)
            for sort in (".data.note", "{..note}", ".metadata.annotations", ".data['note']"):
                wanted = {"kind": "secret", "namespace": "shop", "sort": sort}
                with pytest.raises(Refused, match="Secrets are put in order by"):
                    await catalog.read("k8s_get", wanted).run()
            by_name = {"kind": "secret", "namespace": "shop", "sort": ".metadata.name"}
            assert await catalog.read("k8s_get", by_name).run()


PATHS = [
    f"jsonpath={path}"
    for path in ("{..note}", "{..data}", "{range ..data}{.note}{end}", "{..[?(@.note)]}")
]


async def test_only_what_the_cluster_itself_names_is_inventory(catalog: Catalog) -> None:
    for arguments, is_one in (
        ({"kind": "pods"}, True),
        ({"kind": "pods", "output": "wide"}, True),
        ({"kind": "pods", "name": "a,b"}, True),
        ({"kind": "pods", "name": "a"}, False),
        ({"kind": "pods", "name": "a", "output": "name"}, True),
        ({"kind": "pods", "output": "yaml"}, False),
        ({"kind": "pods", "output": "jsonpath=.items"}, False),
        ({"kind": "ev"}, False),
        ({"kind": "certificates.cert-manager.io"}, False),
    ):
        assert catalog.is_inventory("k8s_get", arguments) is is_one, arguments


async def test_what_pods_and_nodes_use_against_what_they_asked_for(ask: Ask) -> None:
    pods = await ask("top_pods", namespace="shop", selector="app=checkout", sort="memory")
    assert pods.columns[:4] == ("POD", "CPU", "CPU REQUEST", "CPU LIMIT")
    assert len(pods.rows) == 3  # two crash and use nothing
    assert re.fullmatch(r"\d+m", column(pods, "CPU")[0])
    assert re.fullmatch(r"\d+m \(\d+%\)", column(pods, "CPU REQUEST")[0])
    assert "3 pods in namespace shop use" in pods.note
    assert "not measured yet: 2 running pods" in pods.note
    each = await ask("top_pods", all_namespaces=True, containers=True, limit=2)
    assert each.columns[:3] == ("NAMESPACE", "POD", "CONTAINER")
    assert len(each.rows) == 2
    assert "the first 2 by cpu are shown" in each.note
    nodes = await ask("top_nodes", sort="name")
    assert [row[:2] for row in nodes.rows] == [(f"node-{n}", "Ready") for n in (1, 2, 3)]
    assert re.fullmatch(r"\S+ \(\d+%\)", column(nodes, "MEMORY REQUESTED")[0])
    assert re.fullmatch(r"\d+/110", column(nodes, "PODS")[0])
    for tool, absent in (("top_pods", "pod/nope"), ("top_nodes", "node/nope")):
        with pytest.raises(NotFound, match=f"There is no {absent}"):
            await ask(tool, name="nope", **({"namespace": "shop"} if tool == "top_pods" else {}))


async def test_errors_with_what_stands_around_them_and_patterns_counted(ask: Ask) -> None:
    where: dict[str, JsonValue] = {"kind": "deploy", "namespace": "shop", "name": "checkout"}
    around = await ask("logs", **where, since="1d", errors=True, context=1)
    text = "\n".join(around.lines)
    assert " | FATAL missing PAYMENTS_URL" in text
    assert re.search(r" checkout-\S+ - \S", text)
    assert "at most 5000 lines per container, only what looks like an error, 1 line" in around.note
    counted = await ask("logs", **where, since="1d", fold=True)
    assert len(counted.lines) < 30
    numbers = [int(line[1:].split(" ")[0]) for line in counted.lines]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 100
    assert sum(numbers) == int(counted.note.split("; ")[-1].split(" ")[0])
    several = await ask("logs", namespace="shop", selector="app in (web,cart)", fold=True)
    assert "web-" in "".join(several.lines)
    assert several.note.startswith("pods app in (web,cart) in shop: last 15m")
    for whose in ({}, {"name": "web", "selector": "app=web"}):
        with pytest.raises(Refused, match="Either `name` or `selector`"):
            await ask("logs", namespace="shop", **whose)
    with pytest.raises(Refused, match="checkout has no container nginx, only checkout"):
        await ask("logs", **where, container="nginx")


async def test_alike_lines_differ_in_numbers_and_ids_only() -> None:
    said = [
        Line(f"2026-11-26T14:00:{second:02}.0Z", f"web-{second % 5}", text, crashing=False)
        for second, text in enumerate(
            [
                "took 12.5 ms from 10.0.0.7:443 at 2026-11-26T14:00:01Z",
                "took 9 ms from 10.0.3.1:443 at 2026-11-26T14:07:59.123+02:00",
                "order 3f2a9c1e77b0 done",
                "order 11c0ffee99aa done",
                "order none done",
            ]
        )
    ]
    assert folded(said) == [
        "×2 2026-11-26T14:00:00Z to 14:00:01Z web-0, web-1 | " + said[1].text,
        "×2 2026-11-26T14:00:02Z to 14:00:03Z web-2, web-3 | " + said[3].text,
        "×1 2026-11-26T14:00:04Z web-4 | order none done",
    ]


async def test_events_of_a_workload_are_those_of_its_pods_too(ask: Ask) -> None:
    about = await ask("events", kind="deploy", name="checkout", namespace="shop")
    objects = column(about, "OBJECT")
    assert objects[0].startswith("pod/checkout-")
    assert "deployment/checkout" in objects
    assert not any(one.startswith("pod/web") for one in objects)
    assert "about deployment/checkout and its pods" in about.note
    types = column(about, "TYPE")
    firsts = [types[objects.index(one)] for one in dict.fromkeys(objects)]
    warned = [
        ("Warning" in [t for o, t in zip(objects, types, strict=True) if o == one])
        for one in dict.fromkeys(objects)
    ]
    assert firsts
    assert warned == sorted(warned, reverse=True)
    newest = await ask("events", namespace="shop", order="time", limit=3)
    assert len(newest.rows) == 3
    assert "newest last" in newest.note

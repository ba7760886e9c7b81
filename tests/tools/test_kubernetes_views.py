"""What several kinds say together, and the cluster about itself, against the stand-in cluster."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue

from bot.guard.rendering import render
from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.manifests import autoscaler, certificate, namespace
from bot.sandbox.cluster.rights import READ
from tools import Catalog, NotFound, Refused, open_providers
from tools.kubernetes.views.ownership import deployers

Ask = Callable[..., Awaitable[str]]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(seed=True, virtual=True) as cluster:
        for manifest in PECULIAR:
            cluster.apply(manifest)
        await cluster.advance(5)
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalog(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path_factory.mktemp("demo") / "kubeconfig")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        yield catalog


@pytest.fixture
def ask(catalog: Catalog) -> Ask:
    async def ask(tool: str, **arguments: JsonValue) -> str:
        return render(await catalog.read(f"k8s_{tool}", arguments).run())

    return ask


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": "payments"}


# In `payments`: an autoscaler of nothing, a service that leads nowhere, one by a wrong port name,
# a policy, and a workload that wants more than there is.
PECULIAR: list[dict[str, Any]] = [
    autoscaler("payments", "gone", 1, 3),
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _named("lost"),
        "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 80, "targetPort": 8080}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _named("misnamed"),
        "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": "web"}]},
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _named("wrong-port"),
        "spec": {
            "rules": [
                {
                    "host": "pay.example",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "lost", "port": {"number": 81}}},
                            },
                            {
                                "path": "/old",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "nowhere", "port": {"number": 1}}},
                            },
                        ]
                    },
                }
            ]
        },
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _named("api-only"),
        "spec": {
            "podSelector": {"matchLabels": {"app": "api"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {"app": "worker"}}}],
                    "ports": [{"port": 8080, "protocol": "TCP"}],
                }
            ],
        },
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_named("wanting"), "annotations": {"meta.helm.sh/release-name": "w"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "wanting"}},
            "template": {
                "metadata": {"labels": {"app": "wanting"}},
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "payments/api",
                            "env": [
                                {"name": "MODE", "value": "plain-value"},
                                {
                                    "name": "TOKEN",
                                    "valueFrom": {"secretKeyRef": {"name": "gone", "key": "t"}},
                                },
                            ],
                            "envFrom": [{"configMapRef": {"name": "maybe", "optional": True}}],
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        }
                    ],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "absent"}}],
                },
            },
        },
    },
]


async def test_a_custom_kind_is_asked_for_like_any_other(ask: Ask) -> None:
    for kind in ("certificates.cert-manager.io", "cert", "certificate"):
        rows = (await ask("get", kind=kind, namespace="shop")).splitlines()
        assert rows[0].split() == ["NAME", "READY", "SECRET", "AGE"], "as its author chose"
        assert rows[2].split()[:3] == ["shop-example", "True", "shop-example-tls"]
        assert rows[-1] == "(2 certificates in namespace shop)"
    assert "ISSUER" in await ask("get", kind="cert", namespace="shop", output="wide")
    hosts = "jsonpath={.items[*].spec.dnsNames[0]}"
    found = await ask("get", kind="cert", namespace="shop", output=hosts)
    assert found.startswith("cart.shop.svc shop.example\n")
    columns = 'jsonpath={.items[0].spec.versions[?(@.name=="v1")].additionalPrinterColumns[*].name}'
    assert (await ask("get", kind="crd", output=columns)).startswith("Ready Secret Issuer Status")
    told = await ask("describe", kind="cert", name="shop-example", namespace="shop")
    assert "message: Certificate is up to date and has not expired" in told
    explained = await ask("explain", kind="certificate", field="spec.issuerRef")
    assert "name <string>, required: Name of the issuer." in explained
    served = await ask("api_resources", group="cert-manager.io")
    assert "certificates   cert,certs   cert-manager.io/v1" in served
    assert "kubernetes.io/tls" in await ask("get", kind="secret", namespace="shop")


async def test_a_certificate_is_renewed_before_it_ends() -> None:
    async with Cluster(virtual=True) as cluster:
        cluster.apply(namespace("shop"))
        cluster.apply(certificate("shop", "web", "shop.example"))
        seen = []
        for _ in range(3):
            await cluster.advance(59 * 86400)
            made = cluster.get("Certificate", "shop", "web")
            assert made is not None
            seen.append(made["status"]["revision"])
        assert seen == [1, 2, 3]


async def test_a_namespace_on_one_screen(ask: Ask) -> None:
    text = await ask("overview", namespace="shop")
    assert "workloads: 9, 8 as they should be" in text
    assert "not ready deployment/checkout: 3 of 4 ready, 2 updated, shop/checkout:1.9.0;" in text
    assert "pods: 25, 20 ready, 3 completed" in text
    assert "CrashLoopBackOff, 0/1 ready, 7 restarts" in text
    assert "autoscaler web: deployment/web 3 of 2 to 6" in text
    assert "quota team: pods" in text
    assert "ingress web: shop.example/ → service/web port http" in text
    payments = await ask("overview", namespace="payments")
    assert "volume claims: 1, 1 bound" in payments
    assert "autoscaler gone: deployment/gone does not exist: it scales nothing" in payments
    told = await ask("describe", kind="hpa", name="gone", namespace="payments")
    assert "target: 'deployment/gone does not exist: it scales nothing'" in told
    assert "does not exist" not in await ask("describe", kind="hpa", name="web", namespace="shop")
    with pytest.raises(NotFound, match=r"Nearest: shop\."):
        await ask("overview", namespace="shpo")


async def test_the_way_of_a_request(ask: Ask) -> None:
    web = await ask("network", name="web", namespace="shop")
    assert "port http 80/TCP → 8080: declared by its 3 pods" in web
    assert "endpoints: 3 ready, 0 not" in web
    assert "ingress/web: shop.example/ → service/web port http\n" in web
    assert "no network policy selects these pods" in web
    checkout = await ask("network", name="checkout", kind="deploy", namespace="shop")
    assert "endpoints: 3 ready, 2 not" in checkout
    lost = await ask("network", name="lost", namespace="payments")
    assert "no pod has app=nobody: nobody answers" in lost
    assert "the service has no port 81" in lost
    # from an ingress on, also where what it names is not there
    front = await ask("network", name="web", kind="ing", namespace="shop")
    assert "ingress/web: without an address" in front
    assert ", leads to web\nservice/web: ClusterIP" in front
    assert "endpoints: 3 ready" in front
    wrong = await ask("network", name="wrong-port", kind="ingress", namespace="payments")
    assert "leads to lost, nowhere\nservice/nowhere does not exist" in wrong
    assert "the service has no port 81" in wrong
    api = await ask("network", name="api", kind="deploy", namespace="payments")
    assert "→ web: 2 of 2 pods have no port of that name, but 8080" in api
    assert "networkpolicy/api-only lets in: from pods with app=worker on 8080/TCP" in api
    assert "networkpolicy/api-only lets out: nothing" in api


async def test_what_a_workload_is_configured_with(ask: Ask) -> None:
    text = await ask("configuration", name="wanting", namespace="payments")
    assert "secret/gone: missing\n  key t as variable TOKEN of main" in text
    assert "configmap/maybe: missing, which is allowed (optional)" in text
    assert "persistentvolumeclaim/absent: missing\n  mounted at /data of main" in text
    assert "set in its template for main: MODE" in text
    assert "plain-value" not in text
    text = await ask("configuration", name="checkout", namespace="shop")
    assert "configmap/checkout-config: 2 keys: CART_URL, LOG_LEVEL; written" in text
    assert "secret/checkout-credentials: 1 key: API_KEY" in text
    assert "http://cart" not in text


async def test_what_was_written_since_the_pods_started_is_said(cluster: Cluster, ask: Ask) -> None:
    settings = cluster.get("ConfigMap", "shop", "orders-config")
    assert settings is not None
    settings["data"]["DB_POOL_SIZE"] = "21"
    cluster.apply(settings)
    text = await ask("configuration", name="orders", namespace="shop")
    assert "  written after 2 of 2 pods started: they have what was before" in text


async def test_images_with_their_digests_and_what_moves(ask: Ask) -> None:
    text = await ask("images", namespace="shop")
    assert text.count("deployment/checkout ") == 2, "two revisions run"
    assert text.splitlines()[-1].startswith("(11 images in namespace shop")
    assert "NAMESPACE" in (await ask("images", all_namespaces=True, limit=1)).splitlines()[0]
    assert "cut at limit 1 of" in await ask("images", namespace="shop", limit=1)


async def test_who_stands_behind_an_object(cluster: Cluster, ask: Ask) -> None:
    pod = cluster.pods("shop", "web")[0]["metadata"]["name"]
    text = await ask("ownership", kind="pod", name=pod, namespace="shop")
    owners = [line.partition(",")[0] for line in text.splitlines() if line.startswith("owned")]
    assert [one.partition("/")[0] for one in owners] == [
        "owned by replicaset",
        "owned by deployment",
    ]
    text = await ask("ownership", kind="deploy", name="wanting", namespace="payments")
    assert text.startswith("nothing in the cluster owns it\nHelm release w in payments\n")
    assert "spec.template.spec.containers[main].image" in text
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux",
        "app.kubernetes.io/managed-by": "someone",
    }
    tracking = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
    assert list(deployers({"metadata": {"labels": labels, "annotations": tracking}})) == [
        "Argo CD application shop",
        "Flux Kustomization apps in flux",
        "it says that someone manages it",
    ]


async def test_the_cluster_about_itself(cluster: Cluster, ask: Ask) -> None:
    assert (await ask("cluster_info")).splitlines()[:4] == [
        "Kubernetes v1.36.2, its API is ready",
        "nodes: 3, 3 ready; v1.36.2 ×3; for pods 12 cpu and 24Gi memory",
        "namespaces: 4",
        "use of pods and nodes: measured",
    ]
    kinds = await ask("api_resources", group="apps", scope="namespaced")
    assert "deployments           deploy   apps/v1      true         Deployment " in kinds
    assert kinds.endswith("(5 kinds of cluster demo)")
    field = await ask("explain", kind="deploy", field="spec.template.spec.containers.ports")
    assert field.startswith("deployment.spec.template.spec.containers.ports <[]object>\n")
    assert "containerPort <integer>, required: Number of port" in field
    with pytest.raises(NotFound, match=r"deployment\.spec has no field replica; it has .*replicas"):
        await ask("explain", kind="deploy", field="spec.replica")


async def test_only_the_cluster_knows_where_a_kind_ends_and_its_field_begins(ask: Ask) -> None:
    for kind in ("certificates.cert-manager.io.spec", "cert.spec"):
        assert (await ask("explain", kind=kind, field="")).startswith("certificate.spec <"), kind
    said = await ask("explain", kind="certs.spec", field="dnsNames")
    assert said.startswith("certificate.spec.dnsNames <")
    with pytest.raises(NotFound, match=r"serves no kind cart\. Nearest: cert"):
        await ask("explain", kind="cart.spec")


async def test_logs_of_a_cron_job_are_all_that_its_newest_job_wrote(
    cluster: Cluster, ask: Ask
) -> None:
    """However long ago: a job of the night wrote nothing in the last quarter of an hour."""
    jobs = [job["metadata"]["name"] for job in cluster.objects("Job", "shop")]
    newest = max(name for name in jobs if name.startswith("stock-report"))
    said = await ask("logs", kind="cj", name="stock-report", namespace="shop")
    assert f" {newest}-" in said.splitlines()[0]
    assert f"(job/{newest} of cronjob/stock-report in shop: last " in said
    with pytest.raises(NotFound, match="no cronjob/stock in shop"):
        await ask("logs", kind="cronjob", name="stock", namespace="shop")


async def test_what_may_be_done_is_asked_for_whom_it_would_be_done(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster.allow("looker", Rule(READ, ("pods", "pods/log"), ("shop",)))
    path = cluster.write_kubeconfig(tmp_path_factory.mktemp("looker") / "kubeconfig", "looker")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:

        async def ask(tool: str, **arguments: JsonValue) -> str:
            return render(await catalog.read(f"k8s_{tool}", arguments).run())

        shop: dict[str, JsonValue] = {"kind": "pods", "namespace": "shop"}
        assert (await ask("can_i", verb="get", **shop)).startswith(
            "yes, get pods in namespace shop"
        )
        assert (await ask("can_i", verb="get", sub="log", **shop)).startswith("yes, get pods/log")
        said = await ask("can_i", verb="delete", **shop)
        assert said.startswith("no, delete pods")
        assert said.endswith("(cluster demo, as looker)")
        # a row for each resource, as narrow as can be
        table = await ask("can_i", namespace="shop")
        assert "pods        all     get,list,watch" in table
        assert "pods/log    all     get,list,watch" in table
        with pytest.raises(Refused, match="`verb` and `kind` go together"):
            await ask("can_i", verb="get")
        # what he may not look at hides nothing else, and is said with the right that is missing
        text = await ask("overview", namespace="shop")
        assert "pods: 25, 20 ready, 3 completed" in text
        assert "not seen: deployments: Cluster demo does not allow this: deployments.apps" in text
        assert 'cannot list resource "deployments"' in text

"""The demo's content: a shop whose newest checkout release does not start.

Namespace `shop`: `web` (3 replicas), `cart` (2), and `checkout` (4), where revision 6
(`shop/checkout:1.8.0`) ran for nine days and revision 7 (`1.9.0`, 14 minutes old) crashes because
nothing sets PAYMENTS_URL; the rolling update is stuck with three old and two new pods.
`rollout undo deployment/checkout` mends it, and so does PAYMENTS_URL in the config map
`checkout-config`. Namespace `payments`: `api` (2) and `worker` (1). The history is not painted: the
cluster's own controllers live through it in virtual time.
"""

import base64
from collections.abc import Callable

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.engine import Engine
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.store import Object

_DAY = 86400.0
_SHOP, _PAYMENTS = "shop", "payments"

IMAGES = (
    Behaviour(
        "shop/web:2.*",
        work_lines=(
            "INFO GET / 200 {ms}ms",
            "INFO GET /products/{n} 200 {ms}ms",
            "INFO GET /search 200 {ms}ms",
        ),
    ),
    Behaviour(
        "shop/cart:1.*",
        work_lines=("INFO cart={n} item added in {ms}ms", "INFO cart={n} read in {ms}ms"),
    ),
    Behaviour(
        "shop/checkout:1.9.*",
        ready_seconds=2.0,
        needs={"PAYMENTS_URL": "FATAL missing PAYMENTS_URL: no payment provider is configured"},
        work_lines=("INFO order={n} paid in {ms}ms",),
    ),
    Behaviour(
        "shop/checkout:1.[0-8].*",
        ready_seconds=2.0,
        work_lines=("INFO order={n} paid in {ms}ms", "INFO order={n} confirmed"),
    ),
    Behaviour(
        "payments/api:3.*",
        memory="96Mi",
        work_lines=("INFO POST /charge 201 {ms}ms", "INFO POST /refund 201 {ms}ms"),
    ),
    Behaviour(
        "payments/worker:3.*",
        memory="160Mi",
        work_lines=("INFO settled batch={n} in {ms}ms",),
        work_every=30.0,
    ),
)


def base() -> list[Object]:
    """Return what every cluster has: nodes and the usual namespaces."""
    return [
        *(_namespace(name) for name in ("default", "kube-system")),
        *(_node(number) for number in (1, 2, 3)),
    ]


def live_through(
    apply: Callable[[Object], Object], engine: Engine, journal: Journal, clock: Clock
) -> None:
    """Let the demo's history happen, up to this moment."""
    with clock.past(41 * _DAY) as now:

        def until(ago: float) -> None:
            engine.advance((now - clock.now()).total_seconds() - ago)
            journal.sweep()

        for manifest in _foundation():
            apply(manifest)
        for days, version in ((39, 3), (33, 4), (27, 5), (20, 6), (14, 7), (9, 8)):
            until(days * _DAY + 120)
            apply(_checkout(f"1.{version}.0"))
            if days == 27:
                apply(_deployment(_SHOP, "web", "shop/web:2.4.0", 3))
                apply(_deployment(_PAYMENTS, "api", "payments/api:3.2.1", 2, memory="256Mi"))
        until(14 * 60)
        apply(_checkout("1.9.0"))
        until(0)


def _foundation() -> list[Object]:
    return [
        _namespace(_SHOP),
        _namespace(_PAYMENTS),
        _config_map("checkout-config", {"CART_URL": "http://cart.shop:8080", "LOG_LEVEL": "info"}),
        _secret("checkout-credentials", {"API_KEY": "demo-key-not-a-real-one"}),
        _deployment(_SHOP, "web", "shop/web:2.3.0", 3),
        _deployment(_SHOP, "cart", "shop/cart:1.4.2", 2),
        _deployment(_PAYMENTS, "api", "payments/api:3.2.0", 2, memory="256Mi"),
        _deployment(_PAYMENTS, "worker", "payments/worker:3.2.0", 1, memory="256Mi"),
        *(_service(_SHOP, name) for name in ("web", "cart", "checkout")),
        _service(_PAYMENTS, "api"),
        _autoscaler("web", 2, 6),
        _budget("checkout", 2),
    ]


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _node(number: int) -> Object:
    name = f"node-{number}"
    size = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{'abc'[number - 1]}",
    }
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
        "status": {
            "capacity": size,
            "allocatable": dict(size),
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.0.{number}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": _node_info(name),
        },
    }


def _node_info(name: str) -> Object:
    return {
        "architecture": "amd64",
        "bootID": f"boot-{name}",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": "6.1.0",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.36.2",
        "machineID": f"machine-{name}",
        "operatingSystem": "linux",
        "osImage": "Demo Linux",
        "systemUUID": f"system-{name}",
    }


def _meta(namespace: str, name: str) -> Object:
    return {"name": name, "namespace": namespace, "labels": {"app": name}}


def _deployment(
    namespace: str, name: str, image: str, replicas: int, memory: str = "128Mi"
) -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}
    container = {
        "name": name,
        "image": image,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": probe,
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": memory},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(namespace, name),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
        },
    }


def _checkout(version: str) -> Object:
    manifest = _deployment(_SHOP, "checkout", f"shop/checkout:{version}", 4)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    key = {"name": "checkout-credentials", "key": "API_KEY"}
    container["envFrom"] = [{"configMapRef": {"name": "checkout-config"}}]
    container["env"] = [{"name": "API_KEY", "valueFrom": {"secretKeyRef": key}}]
    return manifest


def _config_map(name: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(_SHOP, name), "data": data}


def _secret(name: str, data: dict[str, str]) -> Object:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = _meta(_SHOP, name)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": coded}


def _service(namespace: str, name: str) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(namespace, name), "spec": spec}


def _autoscaler(name: str, low: int, high: int) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    usage = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(_SHOP, name),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
        },
    }


def _budget(name: str, available: int) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(_SHOP, name),
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": name}}},
    }

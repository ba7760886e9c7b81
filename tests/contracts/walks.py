"""The table of `test_walks.py`: each change with what it depends on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import (
    HPA,
    IMAGE,
    PDB,
    SERVICE,
    Edit,
    made,
    owned,
    recreated,
    rolled,
    void,
    writes,
)
from tools import JsonObject

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  labels: {team: payments}
spec:
  minReadySeconds: 2
  template:
    spec:
      containers:
        - name: cart
          env:
            - {name: LEVEL, value: debug}
"""
CONFIG = """{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rates"},
"data": {"eur": "1.08"}}"""
CART = {"namespace": "shop", "name": "cart"}
NIGHTLY = {"namespace": "shop", "name": "nightly"}
NODE = "node-1"


def by_cpu(name: str) -> Edit:
    """An autoscaler's metrics as people write them today."""
    target: JsonObject = {"type": "Utilization", "averageUtilization": 50}
    cpu: JsonObject = {"name": "cpu", "target": dict(target)}
    metrics = [{"type": "Resource", "resource": cpu}]
    return writes("HorizontalPodAutoscaler", name, "spec.metrics", metrics)


def applied(manifest: str) -> Edit:
    """What a manifest makes."""
    body = json.loads(manifest)
    meta = {"namespace": "shop", **body["metadata"]}
    return lambda cluster: void(cluster.apply({**body, "metadata": meta}))


def cron_job(*, image: str = "shop/batch:1", **more: JsonValue) -> Edit:
    """A cron job that runs at night."""
    pod: JsonObject = {
        "restartPolicy": "Never",
        "containers": [{"name": "nightly", "image": image}],
    }
    spec: JsonObject = {
        "schedule": "0 3 * * *",
        "jobTemplate": {"spec": {"template": {"spec": dict(pod)}}},
        **more,
    }
    return made("CronJob", "batch/v1", "nightly", spec)


def cordoned(cluster: Cluster) -> dict[str, Any]:
    """The node as it is, cordoned."""
    node = cluster.get("Node", "", NODE)
    assert node is not None
    node["spec"]["unschedulable"] = True
    return node


@dataclass(frozen=True)
class Walk:
    """A change, what must make its preview stale, and how it can be taken back."""

    tool: str
    arguments: JsonObject
    kind: str = "Deployment"
    name: str = "cart"
    namespace: str = "shop"
    verb: str = "patch"  # of the one write
    setup: tuple[Edit, ...] = ()
    materials: Mapping[str, Edit] = field(default_factory=dict)
    way_back: bool = True
    path: str = ""  # of the write; by default the object's
    conflicts: int = 4  # until it gives up
    foreseen: bool = True  # its way back is known before it runs

    @property
    def place(self) -> str:
        """Where its one write goes."""
        return self.path or f"/{self.kind.lower()}s/{self.name}"


NOT_WALKED = {"k8s_exec"}  # nothing in the cluster shows what became of it: test_kubernetes_exec.py
WALKS = {
    "scale to 0": Walk(
        "k8s_scale",
        {**CART, "replicas": 0},
        materials={"another service": made("Service", "v1", "cart-2", SERVICE)},
    ),
    "scale what an autoscaler owns": Walk(
        "k8s_scale",
        {"namespace": "shop", "name": "web", "replicas": 5},
        name="web",
        materials={"its bounds": writes("HorizontalPodAutoscaler", "web", "spec.maxReplicas", 8)},
    ),
    "restart of a statefulset": Walk(
        "k8s_rollout_restart",
        {"namespace": "shop", "kind": "sts", "name": "db"},
        "StatefulSet",
        "db",
        materials={
            **{key: edit for key, edit in rolled("db", "StatefulSet").items() if key != "strategy"},
            "partition": writes(
                "StatefulSet", "db", "spec.updateStrategy.rollingUpdate.partition", 1
            ),
        },
        way_back=False,
    ),
    "set the image of a statefulset": Walk(
        "k8s_set_image",
        {"namespace": "shop", "kind": "statefulset", "name": "db", "image": "shop/db:2"},
        "StatefulSet",
        "db",
        materials=rolled("db", "StatefulSet"),
    ),
    "set the image of a daemonset": Walk(
        "k8s_set_image",
        {"namespace": "shop", "kind": "ds", "name": "agent", "image": "shop/agent:2"},
        "DaemonSet",
        "agent",
        materials=rolled("agent", "DaemonSet"),
    ),
    "set env": Walk(
        "k8s_set_env",
        {**CART, "env": ["MODE=fast", "LEVEL=debug"]},
        setup=(
            writes(
                "Deployment",
                "cart",
                "spec.template.spec.containers.0.env",
                [{"name": "LEVEL", "value": "info"}],
            ),
        ),
        materials=rolled("cart"),
    ),
    "unset env": Walk(
        "k8s_set_env",
        {**CART, "unset": ["LEVEL"]},
        setup=(
            writes(
                "Deployment",
                "cart",
                "spec.template.spec.containers.0.env",
                [{"name": "LEVEL", "value": "info"}],
            ),
        ),
        foreseen=False,
    ),
    "set resources": Walk(
        "k8s_set_resources",
        {**CART, "requests": "cpu=250m", "limits": "cpu=1,memory=512Mi"},
        materials={
            "a limit range": made(
                "LimitRange",
                "v1",
                "small",
                {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
            )
        },
    ),
    "rollout pause": Walk(
        "k8s_rollout_pause",
        CART,
        materials={
            "owner": owned("cart"),
            "manager": writes(
                "Deployment", "cart", "metadata.labels", {"app.kubernetes.io/managed-by": "Helm"}
            ),
            "uid": recreated("cart"),
            "template": writes("Deployment", "cart", IMAGE, "shop/cart:1.4.3"),
        },
    ),
    "rollout resume": Walk(
        "k8s_rollout_resume",
        CART,
        setup=(writes("Deployment", "cart", "spec.paused", True),),
        materials={
            "template": writes("Deployment", "cart", IMAGE, "shop/cart:1.4.3"),
            "a new budget": made("PodDisruptionBudget", "policy/v1", "cart-2", PDB),
        },
    ),
    "label a deployment": Walk(
        "k8s_label",
        {**CART, "kind": "deploy", "labels": ["team=payments", "tier=web"], "remove": ["old"]},
        setup=(writes("Deployment", "cart", "metadata.labels", {"tier": "x", "old": "y"}),),
        materials={
            "what it writes": writes("Deployment", "cart", "metadata.labels.tier", "z"),
            "owner": owned("cart"),
        },
    ),
    "annotate a service": Walk(
        "k8s_annotate",
        {**CART, "kind": "svc", "annotations": ["note=all is well", "example.com/at=9"]},
        kind="Service",
        materials={
            "what it writes": writes("Service", "cart", "metadata.annotations", {"note": "no"})
        },
    ),
    "cordon": Walk("k8s_cordon", {"name": NODE}, kind="Node", name=NODE, namespace=""),
    "uncordon": Walk(
        "k8s_uncordon",
        {"name": NODE},
        kind="Node",
        name=NODE,
        namespace="",
        setup=(lambda cluster: void(cluster.apply(cordoned(cluster))),),
    ),
    "drain": Walk(
        "k8s_drain", {"name": NODE}, kind="Node", name=NODE, namespace="", foreseen=False
    ),
    "suspend a cron job": Walk(
        "k8s_suspend_cronjob", NIGHTLY, kind="CronJob", name="nightly", setup=(cron_job(),)
    ),
    "resume a cron job": Walk(
        "k8s_resume_cronjob",
        NIGHTLY,
        kind="CronJob",
        name="nightly",
        setup=(cron_job(suspend=True),),
        materials={
            "its deadline": writes("CronJob", "nightly", "spec.startingDeadlineSeconds", 60),
        },
    ),
    "patch a deployment": Walk(
        "k8s_patch",
        {**CART, "kind": "deployment", "patch": "spec:\n  replicas: 3\n  minReadySeconds: 1\n"},
        materials={
            "what it writes": writes("Deployment", "cart", "spec.replicas", 4),
            "an autoscaler": made("HorizontalPodAutoscaler", "autoscaling/v2", "cart", HPA),
        },
    ),
    "patch a service by operations": Walk(
        "k8s_patch",
        {
            **CART,
            "kind": "service",
            "type": "json",
            "patch": '[{"op": "add", "path": "/spec/selector/tier", "value": "web"}]',
        },
        kind="Service",
    ),
    "apply to a deployment": Walk(
        "k8s_apply",
        {"namespace": "shop", "manifest": MANIFEST, "force": True},
        foreseen=False,
        materials={
            "what it writes": writes("Deployment", "cart", "spec.minReadySeconds", 7),
            "owner": owned("cart"),
        },
    ),
    "apply a new object": Walk(
        "k8s_apply",
        {"namespace": "shop", "manifest": CONFIG},
        kind="ConfigMap",
        name="rates",
        foreseen=False,
    ),
    "delete a deployment": Walk(
        "k8s_delete",
        {**CART, "kind": "deployment"},
        verb="delete",
        foreseen=False,
        materials={
            "its template": writes("Deployment", "cart", IMAGE, "shop/cart:1.4.9"),
            "any field": writes("Deployment", "cart", "spec.minReadySeconds", 7),
            "a new budget": made("PodDisruptionBudget", "policy/v1", "cart-2", PDB),
            "another service": made("Service", "v1", "cart-2", SERVICE),
        },
    ),
    "delete a pod": Walk(
        "k8s_delete",
        {"namespace": "shop", "kind": "pod", "name": "lone"},
        kind="Pod",
        name="lone",
        verb="delete",
        setup=(made("Pod", "v1", "lone", {"containers": [{"name": "a", "image": "shop/a:1"}]}),),
        way_back=False,
    ),
    "delete what was applied": Walk(
        "k8s_delete_applied",
        {"namespace": "shop", "manifest": CONFIG},
        kind="ConfigMap",
        name="rates",
        verb="delete",
        setup=(applied(CONFIG),),
        foreseen=False,
    ),
    "autoscale what has none": Walk(
        "k8s_autoscale",
        {**CART, "min": 2, "max": 5},
        kind="HorizontalPodAutoscaler",
        verb="create",
        path="/horizontalpodautoscalers$",
        foreseen=False,
        materials={
            "a budget": made("PodDisruptionBudget", "policy/v1", "cart-2", PDB),
            "replicas": writes("Deployment", "cart", "spec.replicas", 4),
        },
    ),
    "autoscale within other bounds": Walk(
        "k8s_autoscale",
        {"namespace": "shop", "name": "web", "min": 2, "max": 5, "cpu_percent": 70},
        kind="HorizontalPodAutoscaler",
        name="web",
        setup=(by_cpu("web"),),
    ),
    "run a cron job now": Walk(
        "k8s_create_job",
        {**NIGHTLY, "job": "nightly-manual-1"},
        kind="Job",
        name="nightly-manual-1",
        verb="create",
        path="/jobs$",
        setup=(cron_job(),),
        foreseen=False,
        materials={"its template": cron_job(image="shop/batch:2")},
    ),
    "restart a pod": Walk(
        "k8s_restart_pod",
        {"namespace": "shop", "name": "db-0"},
        kind="Pod",
        name="db-0",
        verb="delete",
        way_back=False,
        materials={"replicas": writes("StatefulSet", "db", "spec.replicas", 1)},
    ),
    "clean up": Walk(
        "k8s_clean_up",
        {"namespace": "shop", "older_than": "1m", "at": "2099-01-01T00:00:00Z"},
        kind="Pod",
        name="once",
        verb="delete",
        conflicts=1,
        setup=(
            made(
                "Pod",
                "v1",
                "once",
                {"containers": [{"name": "a", "image": "shop/batch:1"}], "restartPolicy": "Never"},
            ),
        ),
        way_back=False,
    ),
    "clean up jobs": Walk(
        "k8s_clean_up",
        {"namespace": "shop", "kind": "job", "older_than": "1m", "at": "2099-01-01T00:00:00Z"},
        kind="Job",
        name="once",
        verb="delete",
        conflicts=1,
        setup=(
            made(
                "Job",
                "batch/v1",
                "once",
                {
                    "template": {
                        "spec": {
                            "containers": [{"name": "a", "image": "shop/batch:1"}],
                            "restartPolicy": "Never",
                        }
                    }
                },
            ),
        ),
        way_back=False,
    ),
}

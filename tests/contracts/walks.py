"""The table of `test_walks.py`: each change with what it depends on."""

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


def cron_job(**more: JsonValue) -> Edit:
    """A cron job that runs at night."""
    pod: JsonObject = {
        "restartPolicy": "Never",
        "containers": [{"name": "nightly", "image": "shop/batch:1"}],
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
    foreseen: bool = True  # its way back is known before it runs

    @property
    def path(self) -> str:
        """The end of the object's path."""
        plural = {"NetworkPolicy": "networkpolicies"}.get(self.kind, f"{self.kind.lower()}s")
        return f"/{plural}/{self.name}"


WALKS = {
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
        },
    ),
    "rollout resume": Walk(
        "k8s_rollout_resume", CART, setup=(writes("Deployment", "cart", "spec.paused", True),)
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
}

"""Each tool with arguments that fit the namespace of the trial, in an order that makes sense."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.place import OTHER, Place
from tools import JsonObject

_APPLIED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {a: b}
"""


@dataclass(frozen=True)
class Step:
    """One call of a tool."""

    tool: str
    arguments: Callable[[Place], JsonObject]
    says: str = ""  # what must be in a read's answer, or a preview's summary
    back: bool = True  # it is taken back where there is a way
    previewed: bool = False  # only that: it would be felt beyond the namespace
    may_lack: bool = False  # a cluster need not have what it reads


def _in(**more: object) -> Callable[[Place], JsonObject]:
    return lambda place: {"namespace": place.namespace, **more}  # type: ignore[dict-item]


def _web(**more: object) -> Callable[[Place], JsonObject]:
    return _in(kind="deployment", name="web", **more)


def _one(**more: object) -> Callable[[Place], JsonObject]:
    """About what is known by its namespace and name alone."""
    return _in(name="web", **more)


STEPS = (
    Step("k8s_get", _in(kind="pods"), "web-"),
    Step("k8s_get", _in(kind="pods", output="wide"), "web-"),
    Step("k8s_get", _web(output="yaml"), "kind: Deployment"),
    Step("k8s_describe", _web(), "2 desired"),
    Step("k8s_events", _in(), "broken"),
    Step("k8s_logs", _web(), "web-"),
    Step("k8s_top_pods", _in(), may_lack=True),
    Step("k8s_top_nodes", lambda _: {}, may_lack=True),
    Step("k8s_rollout_status", _web(), "finished"),
    Step("k8s_rollout_history", _web(), "1"),
    Step("k8s_overview", _in(), "broken"),
    Step("k8s_network", _one(), "8080"),
    Step("k8s_configuration", _web(), "settings"),
    Step("k8s_images", _in(), "busybox"),
    Step("k8s_ownership", _web()),
    Step("k8s_cluster_info", lambda _: {}, "v1."),
    Step("k8s_api_resources", lambda _: {}, "deployments"),
    Step("k8s_explain", lambda _: {"kind": "deployment", "field": "spec.replicas"}, "replicas"),
    Step("k8s_can_i", _in(verb="delete", kind="pods"), ""),
    Step("k8s_diagnose", _in(), "nope-countersign"),
    Step("k8s_scale", _web(replicas=3), "from 2 to 3"),
    Step("k8s_set_image", _web(image=OTHER), "busybox:1.37.0", back=False),
    Step("k8s_rollout_undo", _web(), "busybox:1.36.1", back=False),
    Step("k8s_rollout_restart", _web()),
    Step("k8s_set_env", _web(env=["MODE=fast"])),
    Step("k8s_set_resources", _web(requests="cpu=12m", limits="memory=64Mi")),
    Step("k8s_rollout_pause", _web(), back=False),
    Step("k8s_rollout_resume", _web(), back=False),
    Step("k8s_autoscale", _web(min=2, max=3)),
    Step("k8s_label", _web(labels=["tier=front"])),
    Step("k8s_annotate", _web(annotations=["example.com/note=tried"])),
    Step("k8s_patch", _web(type="merge", patch='{"spec":{"revisionHistoryLimit":4}}')),
    Step("k8s_apply", _in(manifest=_APPLIED), back=False),
    Step("k8s_delete", _in(kind="configmap", name="applied")),
    Step("k8s_delete_applied", _in(manifest=_APPLIED)),
    Step("k8s_suspend_cronjob", _in(name="nightly"), back=False),
    Step("k8s_resume_cronjob", _in(name="nightly"), back=False),
    Step("k8s_create_job", _in(name="nightly"), back=False),
    Step("k8s_clean_up", _in(kind="job", older_than="1s")),
    Step(
        "k8s_exec", lambda place: {**_in()(place), "name": place.pods[0], "command": ["df", "-h"]}
    ),
    Step("k8s_restart_pod", lambda place: {**_in()(place), "name": place.pods[0]}),
    Step("k8s_cordon", lambda place: {"name": place.node}, previewed=True),
    Step("k8s_uncordon", lambda place: {"name": place.node}, previewed=True, may_lack=True),
    Step("k8s_drain", lambda place: {"name": place.node}, previewed=True, may_lack=True),
)

"""Which rights each tool needs, and which of them a cluster does not give us."""

import asyncio
from collections.abc import Iterable, Mapping

from tools._kit import Access
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.diagnosis.reader import ONLY_HERE
from tools.kubernetes.kinds import RESOURCES, access
from tools.kubernetes.wire import Request

_RUN_BY_CONTROLLERS = ("deployment", "statefulset", "daemonset", "replicaset")
_SURROUNDINGS = ("horizontalpodautoscaler", "poddisruptionbudget", "service")


def _looks(*kinds: str) -> frozenset[Access]:
    return frozenset(access(verb, kind) for kind in kinds for verb in ("get", "list"))


def _writes(*kinds: str, sub: str = "", verb: str = "patch") -> frozenset[Access]:
    return frozenset(access(verb, kind, sub) for kind in kinds)


_LOGS = frozenset({access("get", "pod", "log")})
_WATCHES_IT_SETTLE = _looks(*_RUN_BY_CONTROLLERS, *_SURROUNDINGS, "pod", "event") | _LOGS
_ROOM = frozenset({access("list", "node")})  # whether one is large enough
_USED = Access("list", "metrics.k8s.io", "pods")
_TEMPLATED = ("deployment", "statefulset", "daemonset")
_OF_TEMPLATES = (
    _WATCHES_IT_SETTLE | _looks("resourcequota", "controllerrevision") | _writes(*_TEMPLATED)
)  # every change of a pod template

# Looked at for the history of a rollout only; and who may read Secrets may read their values.
_NOT_NEEDED = ("controllerrevision", "secret")

# What the change role lets be written of any kind: neither who may do what, nor credentials,
# nodes, volumes and namespaces, nor what only controllers write. A claim may grow: all else of its
# specification is fixed once it is made.
_ORDINARY = tuple(
    kind
    for kind, resource in RESOURCES.items()
    if resource.namespaced
    and kind not in _NOT_NEEDED
    and kind not in ("endpoints", "endpointslice", "event", "serviceaccount")
    and kind != "persistentvolumeclaim"
)
_OF_ANY = (
    _WATCHES_IT_SETTLE
    | _looks(*_ORDINARY, "resourcequota", "namespace")
    | _ROOM
    | _writes(*_ORDINARY)
)  # every change of an object of any kind
_OF_ANY_GONE = _looks("namespace", *_ORDINARY, "persistentvolumeclaim") | _writes(
    *_ORDINARY, verb="delete"
)
_OF_NODES = _looks("node") | _writes("node")
_OF_CRONJOBS = _looks("cronjob") | _writes("cronjob")

_OVERVIEW = (
    *("pod", "deployment", "statefulset", "daemonset", "job", "cronjob", "event", "namespace"),
    *("horizontalpodautoscaler", "resourcequota", "ingress", "persistentvolumeclaim"),
)
_OF_NETWORK = ("service", "endpointslice", "pod", "ingress", "networkpolicy", "namespace")
_CONFIGURED = ("job", "cronjob", "pod", "configmap", "persistentvolumeclaim", "namespace")
# A diagnosis does without any of these but pods, and says what it could not look at.
_DIAGNOSED = (
    *("pod", "job", "cronjob", "service", "ingress", "horizontalpodautoscaler", "event", "node"),
    *("controllerrevision", "configmap", "persistentvolumeclaim", "storageclass"),
    *("networkpolicy", "resourcequota", "limitrange", "serviceaccount", "namespace"),
)
_ONLY_DIAGNOSED = frozenset(Access("list", one.group, one.plural) for one in ONLY_HERE)

# What every tool cannot do without. Secrets can be looked at as well, where a role allows it.
NEEDS: Mapping[str, frozenset[Access]] = {
    "k8s_get": _looks(*(kind for kind in RESOURCES if kind not in _NOT_NEEDED)),
    "k8s_describe": _looks(
        *_RUN_BY_CONTROLLERS, *_SURROUNDINGS, "pod", "event", "namespace", "node"
    ),
    "k8s_events": _looks("event", "namespace", *_RUN_BY_CONTROLLERS, "job", "pod"),
    "k8s_logs": _looks(*_RUN_BY_CONTROLLERS, "job", "cronjob", "pod") | _LOGS,
    "k8s_top_pods": _looks("pod", "namespace") | {_USED},
    "k8s_top_nodes": _looks("node", "pod") | {Access("list", "metrics.k8s.io", "nodes")},
    "k8s_overview": _looks(*_OVERVIEW),
    "k8s_network": _looks(*_RUN_BY_CONTROLLERS, *_OF_NETWORK),
    "k8s_configuration": _looks(*_RUN_BY_CONTROLLERS, *_CONFIGURED),
    "k8s_images": _looks("pod", "replicaset", "namespace"),
    "k8s_ownership": _looks(*_RUN_BY_CONTROLLERS, "namespace"),
    "k8s_cluster_info": _looks("node", "namespace"),
    "k8s_diagnose": _looks(*_RUN_BY_CONTROLLERS, *_DIAGNOSED) | _ONLY_DIAGNOSED | _LOGS | {_USED},
    "k8s_api_resources": frozenset(),
    "k8s_explain": frozenset(),
    "k8s_can_i": frozenset(),
    "k8s_rollout_status": _looks(*_TEMPLATED, "replicaset", "controllerrevision", "pod"),
    "k8s_rollout_history": _looks(*_TEMPLATED, "replicaset", "controllerrevision"),
    "k8s_scale": _WATCHES_IT_SETTLE
    | _looks("resourcequota")
    | _writes("deployment", "statefulset", "replicaset", sub="scale"),
    "k8s_rollout_undo": _WATCHES_IT_SETTLE
    | _looks("resourcequota")
    | _ROOM
    | _writes("deployment"),
    "k8s_rollout_restart": _OF_TEMPLATES,
    "k8s_set_image": _OF_TEMPLATES,
    "k8s_set_env": _OF_TEMPLATES,
    "k8s_rollout_pause": _WATCHES_IT_SETTLE | _looks("resourcequota") | _writes("deployment"),
    "k8s_rollout_resume": _WATCHES_IT_SETTLE
    | _looks("resourcequota")
    | _ROOM
    | _writes("deployment"),
    "k8s_label": _OF_ANY,
    "k8s_annotate": _OF_ANY,
    "k8s_patch": _OF_ANY | _looks("persistentvolumeclaim") | _writes("persistentvolumeclaim"),
    "k8s_apply": _OF_ANY | _writes(*_ORDINARY, verb="create"),
    "k8s_autoscale": _WATCHES_IT_SETTLE
    | _writes("horizontalpodautoscaler")
    | _writes("horizontalpodautoscaler", verb="create"),
    "k8s_restart_pod": _WATCHES_IT_SETTLE | _writes("pod", verb="delete"),
    "k8s_create_job": _looks("cronjob", "job", "pod", "event")
    | _LOGS
    | _writes("job", verb="create"),
    "k8s_clean_up": _looks("pod", "job") | _writes("pod", "job", verb="delete"),
    "k8s_delete": _OF_ANY_GONE,
    "k8s_delete_applied": _OF_ANY_GONE,
    "k8s_cordon": _OF_NODES,
    "k8s_uncordon": _OF_NODES,
    "k8s_exec": _looks("pod")
    | _writes("pod", sub="exec", verb="create")
    | _writes("pod", sub="exec", verb="get"),
    "k8s_drain": _OF_NODES
    | _looks("pod", "poddisruptionbudget", "replicaset", "statefulset", "deployment")
    | _writes("pod", sub="eviction", verb="create"),
    "k8s_suspend_cronjob": _OF_CRONJOBS,
    "k8s_resume_cronjob": _OF_CRONJOBS,
    "k8s_set_resources": _OF_TEMPLATES | _looks("limitrange") | _ROOM | {_USED},
}


async def lacking(cluster: Cluster) -> dict[str, list[str]]:
    """What each tool may not do in every namespace, by tool. Raises `ToolError`."""
    wanted = sorted(frozenset().union(*NEEDS.values()))
    allowed = await asyncio.gather(*(cluster.may(right) for right in wanted))
    denied = [right for right, may in zip(wanted, allowed, strict=True) if not may]
    return {tool: found for tool, needs in NEEDS.items() if (found := _named(denied, needs))}


def _named(denied: Iterable[Access], needs: frozenset[Access]) -> list[str]:
    return [str(right) for right in denied if right in needs]


async def may_impersonate(cluster: Cluster, resource: str, name: str) -> bool:
    """Whether this may act as one of the users or groups. Raises `ToolError`."""
    return await cluster.may(Access("impersonate", "", resource, name=name))


async def version(cluster: Cluster) -> str:
    """What the server calls itself, such as `v1.34.2`. Raises `ToolError`."""
    answer = await cluster.send(Request("its version", "GET", "/version"))
    return str(answer.get("gitVersion") or "a Kubernetes API")

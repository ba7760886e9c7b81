"""Which rights each tool needs, and which of them a cluster does not give us."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.kubernetes.cluster import Cluster, Request
from tools.kubernetes.kinds import RESOURCES

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RUN_BY_CONTROLLERS = ("deployment", "statefulset", "daemonset", "replicaset")
_SURROUNDINGS = ("horizontalpodautoscaler", "poddisruptionbudget", "service")


@dataclass(frozen=True, order=True)
class Right:
    """Permission for one verb on one resource; `sub` is its sub-resource."""

    verb: str
    group: str  # empty: the core group
    resource: str  # plural
    sub: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f"/{self.sub}" if self.sub else "")


def _right(verb: str, kind: str, sub: str = "") -> Right:
    resource = RESOURCES[kind]
    parts = resource.prefix.split("/")
    return Right(verb, parts[2] if parts[1] == "apis" else "", resource.plural, sub)


def _looks(*kinds: str) -> frozenset[Right]:
    return frozenset(_right(verb, kind) for kind in kinds for verb in ("get", "list"))


def _writes(*kinds: str, sub: str = "") -> frozenset[Right]:
    return frozenset(_right("patch", kind, sub) for kind in kinds)


_LOGS = frozenset({_right("get", "pod", "log")})
_WATCHES_IT_SETTLE = _looks(*_RUN_BY_CONTROLLERS, *_SURROUNDINGS, "pod") | _LOGS
_TEMPLATED = ("deployment", "statefulset", "daemonset")

# Looked at for the history of a rollout only; and who may read Secrets may read their values.
_NOT_NEEDED = ("controllerrevision", "secret")

# What every tool cannot do without. Secrets can be looked at as well, where a role allows it.
NEEDS: Mapping[str, frozenset[Right]] = {
    "k8s_get": _looks(*(kind for kind in RESOURCES if kind not in _NOT_NEEDED)),
    "k8s_describe": _looks(*_RUN_BY_CONTROLLERS, *_SURROUNDINGS, "pod", "event", "namespace"),
    "k8s_events": _looks("event", "namespace"),
    "k8s_logs": _looks(*_RUN_BY_CONTROLLERS, "job", "pod") | _LOGS,
    "k8s_rollout_status": _looks(*_TEMPLATED, "replicaset", "controllerrevision", "pod"),
    "k8s_rollout_history": _looks(*_TEMPLATED, "replicaset", "controllerrevision"),
    "k8s_scale": _WATCHES_IT_SETTLE
    | _writes("deployment", "statefulset", "replicaset", sub="scale"),
    "k8s_rollout_undo": _WATCHES_IT_SETTLE | _writes("deployment"),
    "k8s_rollout_restart": _WATCHES_IT_SETTLE | _writes(*_TEMPLATED),
    "k8s_set_image": _WATCHES_IT_SETTLE | _writes(*_TEMPLATED),
}


async def lacking(cluster: Cluster) -> dict[str, list[str]]:
    """What each tool may not do in every namespace, by tool. Raises `ToolError`."""
    wanted = sorted(frozenset().union(*NEEDS.values()))
    allowed = await asyncio.gather(*(_is_allowed(cluster, right) for right in wanted))
    denied = [right for right, may in zip(wanted, allowed, strict=True) if not may]
    return {tool: found for tool, needs in NEEDS.items() if (found := _named(denied, needs))}


def _named(denied: Iterable[Right], needs: frozenset[Right]) -> list[str]:
    return [str(right) for right in denied if right in needs]


async def _is_allowed(cluster: Cluster, right: Right) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.sub,
    }
    answer = await cluster.send(
        Request(
            "what we may do",
            "POST",
            _REVIEW,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {**attributes}},
            },
        )
    )
    return bool((answer.get("status") or {}).get("allowed"))


async def version(cluster: Cluster) -> str:
    """What the server calls itself, such as `v1.34.2`. Raises `ToolError`."""
    answer = await cluster.send(Request("its version", "GET", "/version"))
    return str(answer.get("gitVersion") or "a Kubernetes API")

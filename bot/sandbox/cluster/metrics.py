"""metrics.k8s.io: what pods and nodes use, read from the model that decides their fate."""

from datetime import datetime

from bot.sandbox.cluster import selectors, status
from bot.sandbox.cluster.clock import stamp
from bot.sandbox.cluster.kinds import NODES, PODS
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.store import Object, Store

GROUP = ("metrics.k8s.io", "v1beta1")
_API = "/".join(GROUP)
_NODE_CPU, _NODE_MEMORY = 90, 600 * 2**20  # what the system itself takes


class Metrics:
    """The metrics server."""

    def __init__(self, store: Store, kubelet: Kubelet) -> None:
        self._store = store
        self._kubelet = kubelet

    def answer(self, path: str, labels: str, now: datetime) -> Object | None:
        """Return what is at a path, or None. Raises ApiError 404 for what has no metrics."""
        parts = path.strip("/").split("/")
        if parts[:3] != ["apis", *GROUP]:
            return None
        match parts[3:]:
            case ["nodes"]:
                nodes = [self._node(node, now) for node in self._store.objects(NODES)]
                return _list("NodeMetricsList", nodes)
            case ["nodes", name]:
                node = self._store.get(NODES, "", name)
                return self._node(node, now) if node else _missing("nodes", name)
            case ["pods"]:
                return self._pods(None, labels, now)
            case ["namespaces", namespace, "pods"]:
                return self._pods(namespace, labels, now)
            case ["namespaces", namespace, "pods", name]:
                pod = self._store.get(PODS, namespace, name)
                found = self._pod(pod, now) if pod else None
                return found or _missing("pods", f"{namespace}/{name}")
            case _:
                return None

    def node_use(self, name: str) -> tuple[int, int]:
        """Return the millicores and bytes in use on a node."""
        cpu, memory = _NODE_CPU, _NODE_MEMORY
        for pod in self._store.objects(PODS):
            if pod["spec"].get("nodeName") == name:
                used = self._kubelet.usage(pod["metadata"]["namespace"], pod["metadata"]["name"])
                cpu, memory = cpu + (used or (0, 0))[0], memory + (used or (0, 0))[1]
        return cpu, memory

    def _pods(self, namespace: str | None, labels: str, now: datetime) -> Object:
        wanted = selectors.parse_labels(labels)
        found = [
            shown
            for pod in self._store.objects(PODS, namespace)
            if selectors.matches(wanted, pod["metadata"].get("labels"))
            and (shown := self._pod(pod, now))
        ]
        return _list("PodMetricsList", found)

    def _pod(self, pod: Object, now: datetime) -> Object | None:
        meta = pod["metadata"]
        used = self._kubelet.usage(meta["namespace"], meta["name"])
        if used is None:
            return None
        containers = [container["name"] for container in pod["spec"]["containers"]]
        cpu, memory = used[0] // len(containers), used[1] // len(containers)
        kept = {key: meta[key] for key in ("name", "namespace", "labels") if key in meta}
        return {
            "kind": "PodMetrics",
            "apiVersion": _API,
            "metadata": kept | {"creationTimestamp": stamp(now)},
            "timestamp": stamp(now),
            "window": "15s",
            "containers": [{"name": name, "usage": _usage(cpu, memory)} for name in containers],
        }

    def _node(self, node: Object, now: datetime) -> Object:
        meta = node["metadata"]
        return {
            "kind": "NodeMetrics",
            "apiVersion": _API,
            "metadata": {
                "name": meta["name"],
                "labels": meta.get("labels", {}),
                "creationTimestamp": stamp(now),
            },
            "timestamp": stamp(now),
            "window": "15s",
            "usage": _usage(*self.node_use(meta["name"])),
        }


def _usage(cpu: int, memory: int) -> Object:
    return {"cpu": f"{cpu * 1_000_000}n", "memory": f"{memory // 1024}Ki"}


def _list(kind: str, items: list[Object]) -> Object:
    return {"kind": kind, "apiVersion": _API, "metadata": {}, "items": items}


def _missing(plural: str, name: str) -> Object:
    message = f'{plural}.metrics.k8s.io "{name}" not found'
    raise status.ApiError(404, "NotFound", message, {"name": name, "kind": plural})

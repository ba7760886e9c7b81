"""What the Kubernetes tools ask of a cluster, what the model is given of it, and how long it takes
to diagnose namespaces of several sizes."""

import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.guard.rendering import render, to_yaml
from bot.sandbox.cluster import Cluster
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench
from tests.diagnosis.api import Answers, Server, serve
from tests.diagnosis.judge import opened
from tests.diagnosis.states import State, make, recipes
from tests.standins.cluster import SeededCluster
from tools import JsonObject, open_providers

SHOP: JsonObject = {"namespace": "shop"}
WEB: JsonObject = {**SHOP, "kind": "deployment", "name": "web"}
# A read, and what `kubectl get KIND [-l app=web] -o yaml` would print for as much to be known.
READS: Mapping[str, tuple[JsonObject, tuple[str, ...]]] = {
    "k8s_get": ({**SHOP, "kind": "pods"}, ("Pod",)),
    "k8s_describe": (WEB, ("Deployment/web", "ReplicaSet/web", "Pod/web", "Event")),
    "k8s_events": (SHOP, ("Event",)),
    "k8s_rollout_status": (WEB, ("Deployment/web", "ReplicaSet/web", "Pod/web")),
    "k8s_rollout_history": (WEB, ("ReplicaSet/web",)),
    "k8s_images": (SHOP, ("Deployment", "StatefulSet", "DaemonSet", "Pod")),
    "k8s_network": ({**SHOP, "name": "web"}, ("Service/web", "Pod/web")),
    "k8s_overview": (SHOP, ("Deployment", "StatefulSet", "DaemonSet", "Pod", "Event")),
    "k8s_configuration": (WEB, ("Deployment/web", "ConfigMap", "Pod/web")),
    "k8s_diagnose": (SHOP, ("Deployment", "ReplicaSet", "Pod", "Event", "Service")),
}
CHANGES: Mapping[str, JsonObject] = {
    "k8s_scale": {**WEB, "replicas": 4},
    "k8s_set_image": {**WEB, "image": "shop/web:2.3.9"},
    "k8s_rollout_restart": WEB,
    "k8s_drain": {"name": "node-1"},
}
SIZES = ("small", "medium", "large", "huge")
ROUNDS = 5


async def tools(place: Bench) -> list[Figure]:
    """Calls and bytes of each tool; of the reads, what the model is given of it."""
    figures = []
    async with SeededCluster(speed=20) as cluster:
        path = cluster.write_kubeconfig(place.folder / "kubernetes-kubeconfig")
        async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
            for tool, (arguments, kinds) in READS.items():
                began = len(cluster.requests)
                finding = await catalog.read(tool, arguments).run()
                given, plain = len(render(finding).encode()), _printed(cluster, kinds)
                how = f"{_asked(cluster, began)}; {given:,} bytes to the model, kubectl -o yaml of"
                how += f" {', '.join(kinds)}: {plain:,}"
                figures.append(Figure(f"{tool} / kubectl's YAML", given / plain, "×", how))
            for tool, arguments in CHANGES.items():
                began = len(cluster.requests)
                await catalog.change(tool, arguments).preview()
                calls = len(cluster.requests) - began
                how = f"a preview: {_asked(cluster, began)}"
                figures.append(Figure(f"{tool}, calls of a preview", calls, "calls", how))
    return figures


def _asked(cluster: Cluster, began: int) -> str:
    sent = cluster.requests[began:]
    return f"{len(sent)} calls, {sum(one.size for one in sent):,} bytes of answers"


def _printed(cluster: Cluster, kinds: tuple[str, ...]) -> int:
    """How much kubectl would print of these, without managed fields, as it leaves them out."""
    return sum(len(to_yaml(one).encode()) for kind in kinds for one in _those(cluster, kind))


def _those(cluster: Cluster, kind: str) -> Iterator[dict[str, Any]]:
    name, _, app = kind.partition("/")
    for one in cluster.objects(name, "shop"):
        if not app or app in (one["metadata"].get("labels") or {}).get("app", app):
            one["metadata"].pop("managedFields", None)
            yield one


async def diagnose(_: Bench) -> list[Figure]:
    """The time of a diagnosis by the size of the namespace, with 5 ms for each call."""
    with serve() as server:
        return [await _diagnosed(server, size) for size in SIZES]


async def _diagnosed(server: Server, size: str) -> Figure:
    recipe = next(one for one in recipes(held=False) if one.size == size and one.faults)
    state = make(recipe, datetime.now(UTC))
    server.answers = answers = Answers(state.world, latency=0.005)
    seconds = []
    async with opened(server) as catalog:
        call = catalog.read("k8s_diagnose", {"namespace": state.world.namespace})
        for _round in range(ROUNDS):
            answers.calls.clear()
            answers.bytes = 0
            began = time.perf_counter()
            await call.run()
            seconds.append(time.perf_counter() - began)
    how = (
        f"{len(answers.calls)} calls of 5 ms, {answers.bytes:,} bytes; a generated state with"
        f" {recipe.faults[0]!r}, the middle one of {ROUNDS}"
    )
    name = f"diagnose, {_pods(state)} pods in the namespace"
    return Figure(name, statistics.median(seconds), "s", how, 2.0)


def _pods(state: State) -> int:
    pods = state.world.objects["Pod"].values()
    return sum(one["metadata"]["namespace"] == state.world.namespace for one in pods)

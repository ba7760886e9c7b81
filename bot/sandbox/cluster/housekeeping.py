"""The small controllers: endpoints of services, disruption budgets, quotas, autoscalers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bot.sandbox.cluster import quotas, selectors
from bot.sandbox.cluster.clock import Clock, stamp
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import (
    AUTOSCALERS,
    BUDGETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    PODS,
    QUOTAS,
    SERVICES,
    Resource,
)
from bot.sandbox.cluster.quantities import share
from bot.sandbox.cluster.replicasets import is_active, is_ready
from bot.sandbox.cluster.store import Change, Object, Store

_SLICE = "x7k2p"  # how the slice of a service ends; the real controller draws it


def _beside(change: Change, store: Store, resource: Resource, cause: Resource) -> Iterable[Name]:
    """Name the objects of `resource` in the namespace where something of `cause` changed."""
    meta = change.object["metadata"]
    if change.resource is resource and change.type != "DELETED":
        yield meta["namespace"], meta["name"]
    elif change.resource is cause:
        for thing in store.objects(resource, meta["namespace"]):
            yield meta["namespace"], thing["metadata"]["name"]


@dataclass
class Endpoints:
    """Keeps the addresses behind each service."""

    store: Store

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at services when they or pods beside them change."""
        return _beside(change, self.store, SERVICES, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Write the addresses of the pods that a service selects."""
        service = self.store.get(SERVICES, namespace, name)
        selector = service and service["spec"].get("selector")
        if service is None or not selector:
            return None
        wanted = selectors.of_object({"matchLabels": selector})
        pods = [
            pod
            for pod in self.store.objects(PODS, namespace)
            if is_active(pod) and selectors.matches(wanted, pod["metadata"].get("labels"))
        ]
        ready = [_address(pod) for pod in pods if is_ready(pod)]
        waiting = [
            _address(pod) for pod in pods if not is_ready(pod) and pod["status"].get("podIP")
        ]
        ports = _ports(service, pods)
        subset = {"addresses": ready, "notReadyAddresses": waiting, "ports": ports}
        filled = {key: value for key, value in subset.items() if value}
        subsets = [filled] if ready or waiting else []
        current = self.store.get(ENDPOINTS, namespace, name)
        if current is None:
            meta = {"name": name, "namespace": namespace}
            self.store.create(ENDPOINTS, {"metadata": meta, "subsets": subsets})
        else:
            self.store.update(ENDPOINTS, {**current, "subsets": subsets})
        self._slice(service, pods, ports)
        return None

    def _slice(self, service: Object, pods: list[Object], ports: list[Object]) -> None:
        """The same in the newer form; the one slice is enough for the demo's few pods."""
        meta = service["metadata"]
        namespace, name = meta["namespace"], f"{meta['name']}-{_SLICE}"
        content: Object = {
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for pod in pods if pod["status"].get("podIP")],
            "ports": ports,
        }
        current = self.store.get(ENDPOINT_SLICES, namespace, name)
        if current is not None:
            self.store.update(ENDPOINT_SLICES, {**current, **content})
            return
        owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}
        about = {
            "name": name,
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": meta["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        }
        self.store.create(ENDPOINT_SLICES, {"metadata": about, **content})


def _ports(service: Object, pods: list[Object]) -> list[Object]:
    """The service's ports as its pods have them; one by a name that no pod has leads nowhere."""
    found = []
    for port in service["spec"].get("ports", []):
        target = port.get("targetPort", port["port"])
        if isinstance(target, str):
            target = next((number for pod in pods if (number := _named(pod, target))), None)
        if target is not None:
            named = {"name": port["name"]} if "name" in port else {}
            found.append({**named, "port": target, "protocol": port["protocol"]})
    return found


def _named(pod: Object, name: str) -> int | None:
    every = (port for one in pod["spec"]["containers"] for port in one.get("ports", []))
    return next((port["containerPort"] for port in every if port.get("name") == name), None)


def _endpoint(pod: Object) -> Object:
    ready = is_ready(pod) is not None
    address = _address(pod)
    return {
        "addresses": [address["ip"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": address["nodeName"],
        "targetRef": address["targetRef"],
    }


def _address(pod: Object) -> Object:
    meta = pod["metadata"]
    about = {key: meta[key] for key in ("name", "namespace", "uid")}
    return {
        "ip": pod["status"].get("podIP", ""),
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", **about},
    }


@dataclass
class Budgets:
    """Counts how many pods each disruption budget lets go."""

    store: Store

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at budgets when they or pods beside them change."""
        return _beside(change, self.store, BUDGETS, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Write a budget's counters."""
        budget = self.store.get(BUDGETS, namespace, name)
        if budget is None:
            return None
        wanted = selectors.of_object(budget["spec"].get("selector"))
        pods = [
            pod
            for pod in self.store.objects(PODS, namespace)
            if is_active(pod) and selectors.matches(wanted, pod["metadata"].get("labels"))
        ]
        expected = len(pods)
        healthy = sum(is_ready(pod) is not None for pod in pods)
        spec = budget["spec"]
        if "maxUnavailable" in spec:
            desired = max(0, expected - share(spec["maxUnavailable"], expected, up=True))
        else:
            desired = share(spec.get("minAvailable", 1), expected, up=True)
        counted = clone(budget)
        counted["status"] = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": max(0, healthy - desired),
        }
        self.store.update(BUDGETS, counted)
        return None


@dataclass
class Quotas:
    """Counts what is used of each quota."""

    store: Store

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at quotas when they or pods beside them change."""
        return _beside(change, self.store, QUOTAS, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Write a quota's status."""
        quota = self.store.get(QUOTAS, namespace, name)
        if quota is not None:
            self.store.update(QUOTAS, {**quota, "status": quotas.counted(self.store, quota)})
        return None


@dataclass
class Autoscalers:
    """Holds deployments within their autoscalers' bounds; nothing here measures load."""

    store: Store
    clock: Clock
    journal: Journal
    delay: float = 15.0  # the real controller looks every 15 s
    _outside: dict[Name, datetime] = field(default_factory=dict)

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at autoscalers when they or deployments beside them change."""
        return _beside(change, self.store, AUTOSCALERS, DEPLOYMENTS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring the target within bounds when it has been outside for a while."""
        scaler = self.store.get(AUTOSCALERS, namespace, name)
        if scaler is None:
            return None
        target = scaler["spec"]["scaleTargetRef"]
        found = self.store.get(DEPLOYMENTS, namespace, target.get("name", ""))
        if found is None or target.get("kind") != "Deployment":
            return None
        replicas = found["spec"]["replicas"]
        low, high = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
        wanted = replicas if replicas == 0 else min(max(replicas, low), high)
        before = scaler.get("status", {})
        status = {
            "observedGeneration": 1,
            "currentReplicas": found["status"].get("replicas", 0),
            "desiredReplicas": wanted,
            "lastScaleTime": before.get("lastScaleTime", stamp(self.clock.now())),
            "conditions": before.get("conditions", []),
        }
        changed = {**clone(scaler), "status": status}
        if wanted == replicas:
            self._outside.pop((namespace, name), None)
            self.store.update(AUTOSCALERS, changed)
            return None
        since = self._outside.setdefault((namespace, name), self.clock.now())
        due = self.clock.due(since, self.delay)
        if due > self.clock.now():
            return due
        del self._outside[namespace, name]
        status["lastScaleTime"] = stamp(self.clock.now())
        stored = self.store.update(AUTOSCALERS, changed)
        scaled = clone(found)
        scaled["spec"]["replicas"] = wanted
        self.store.update(DEPLOYMENTS, scaled)
        bound = "below" if replicas < low else "above"
        limit = "minReplicas" if replicas < low else "maxReplicas"
        message = f"New size: {wanted}; reason: Current number of replicas {bound} Spec.{limit}"
        by = "horizontal-pod-autoscaler"
        self.journal.write(AUTOSCALERS, stored, "SuccessfulRescale", message, component=by)
        return None

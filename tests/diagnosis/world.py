"""A cluster as plain objects, as its API server would store them; the same from the same seed."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from tests.diagnosis.kinds import BY_KIND

Object: TypeAlias = dict[str, Any]
T = TypeVar("T")
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what generated names are made of
_NAMES = (
    (
        "checkout catalog cart payments search reviews basket stock pricing shipping accounts media"
        " notifier recommender returns loyalty vouchers sessions geo audit export import billing"
        " feed images emails banners taxes wallet fraud"
    ),
    (
        "ledger booking tariff mailer roster dispatch fleet tracker quotes claims policies invoices"
        " webhooks renderer scheduler profile consent matcher router timeline uploads gallery polls"
        " badges surveys events seats menus drivers coupons"
    ),
)
_OTHER_NAMES = (
    "a-api gw user-service bff-mobile svc2 order-processor core-banking-adapter kyc"
    " ocr-worker2 pdf etl"
    " chat-backend frontend2 tenant-manager iot-ingest mqtt-bridge rules-engine license"
    " acl geoip2 cdn"
    " backoffice crm-sync e2e-runner thumbnailer legacy-soap-proxy ad-server leaderboard mms voip"
)
_PLACES = (("shop", "store-prod", "retail"), ("travel", "insure-live", "logistics"))
_REGISTRIES = (
    ("registry.example.com/shop", "ghcr.io/acme"),
    ("harbor.corp.example/team", "quay.io/contoso", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
)
DAY = 86400.0


class World:
    """All objects of one cluster, its logs, and who can read what is decided by the server."""

    def __init__(self, seed: int, now: datetime, *, held: bool = False, place: str = "") -> None:
        self.random = random.Random(f"{'held' if held else 'open'}-{seed}")
        self.held = held
        self.now = now.astimezone(UTC).replace(microsecond=0)
        self.namespace = self.random.choice(_PLACES[held])
        self.registry = self.random.choice(_REGISTRIES[held])
        self.objects: dict[str, dict[tuple[str, str], Object]] = {kind: {} for kind in BY_KIND}
        self.logs: dict[tuple[str, str, str, bool], str] = {}
        self.silent_kubelets: set[str] = set()  # nodes whose logs cannot be read
        self.without_metrics = False  # nobody serves metrics.k8s.io
        self.namespace = place or self.namespace
        self._names = (_OTHER_NAMES if place else _NAMES[held]).split()
        self.random.shuffle(self._names)
        self._version = self.random.randrange(40_000_000, 90_000_000)
        self._addresses = 0

    # -- chance ----------------------------------------------------------------------------------

    def pick(self, *variants: T) -> T:
        """One of them; of several each set has its own half."""
        mine = variants[self.held :: 2] if len(variants) > 1 else variants
        return self.random.choice(mine)

    def name(self) -> str:
        """The next name for an application."""
        return self._names.pop()

    def letters(self, count: int) -> str:
        """What the API server puts behind a generated name."""
        return "".join(self.random.choices(_SAFE, k=count))

    def uid(self) -> str:
        """A version 4 UUID."""
        digits = f"{self.random.getrandbits(128):032x}"
        middle = f"{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}"
        return f"{digits[:8]}-{middle}-{digits[20:]}"

    def digest(self) -> str:
        """A sha256 as images and containers have them."""
        return f"{self.random.getrandbits(256):064x}"

    def address(self, net: str = "10.42") -> str:
        """An address that nobody else has."""
        self._addresses += 1
        return f"{net}.{self._addresses // 250}.{self._addresses % 250 + 2}"

    # -- time ------------------------------------------------------------------------------------

    def ago(self, seconds: float) -> str:
        """A moment before now, as `metav1.Time` is written; negative: still to come."""
        return (self.now - timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def micro(self, seconds: float) -> str:
        """The same as `metav1.MicroTime`."""
        moment = self.now - timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.random.randrange(10**6):06d}Z"

    def since(self, stamp: str) -> float:
        """Seconds from a stamp of `ago` to now."""
        return (self.now - datetime.fromisoformat(stamp)).total_seconds()

    # -- objects ---------------------------------------------------------------------------------

    def add(self, found: Object, *, age: float = 30 * DAY) -> Object:
        """Store an object; what the API server would add is added."""
        resource = BY_KIND[found["kind"]]
        meta: Object = found["metadata"]
        if resource.namespaced:
            meta.setdefault("namespace", self.namespace)
        self._version += self.random.randrange(1, 400)
        meta.setdefault("uid", self.uid())
        meta.setdefault("resourceVersion", str(self._version))
        meta.setdefault("creationTimestamp", self.ago(age))
        if resource.generation:
            meta.setdefault("generation", 1)
        self.objects[resource.kind][meta.get("namespace", ""), meta["name"]] = found
        return found

    def make(
        self, kind: str, name: str, *, age: float = 30 * DAY, namespace: str = "", **parts: Any
    ) -> Object:
        """Store an object made of its `spec`, `status`, `data` …"""
        resource = BY_KIND[kind]
        meta: Object = {"name": name, **parts.pop("metadata", {})}
        if resource.namespaced:
            meta["namespace"] = namespace or self.namespace
        whole = {"apiVersion": resource.api_version, "kind": kind, "metadata": meta, **parts}
        return self.add(whole, age=age)

    def remove(self, found: Object) -> None:
        """Take an object away."""
        meta = found["metadata"]
        del self.objects[found["kind"]][meta.get("namespace", ""), meta["name"]]

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The object of that name."""
        place = self.namespace if namespace is None else namespace
        return self.objects[kind][place if BY_KIND[kind].namespaced else "", name]

    def all(self, kind: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, of one namespace or of all."""
        found = self.objects[kind].items()
        return [one for (place, _), one in found if namespace is None or place == namespace]

    def event(
        self,
        about: Object,
        reason: str,
        message: str,
        *,
        type: str = "Warning",  # noqa: A002 - the API's word
        first: float = 0,
        last: float = 30,
        count: int = 1,
        container: str = "",
        component: str = "",
    ) -> Object:
        """Something that a component reported about an object, as often as it came."""
        meta = about["metadata"]
        place = meta.get("namespace", "default")
        involved: Object = {
            "kind": about["kind"],
            "namespace": meta.get("namespace"),
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": meta["resourceVersion"],
        }
        if about["kind"] == "Node":
            involved = {"kind": "Node", "name": meta["name"], "uid": meta["name"]}
        if container:
            first_ones = (about.get("spec") or {}).get("initContainers") or ()
            early = any(one["name"] == container for one in first_ones)
            part = "initContainers" if early else "containers"
            involved["fieldPath"] = f"spec.{part}{{{container}}}"
        component = component or _COMPONENTS.get(about["kind"], "kubelet")
        first = max(first, last)
        body: Object = {
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "type": type,
            "reportingComponent": component,
            "reportingInstance": "",
        }
        if component == "default-scheduler":
            body |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None}
            body |= {"eventTime": self.micro(first), "action": "Scheduling"}
            body["reportingInstance"] = f"{component}-{self._control_plane()}"
            if count > 1:
                body["series"] = {"count": count, "lastObservedTime": self.micro(last)}
        else:
            host = (about.get("spec") or {}).get("nodeName", "") if component == "kubelet" else ""
            body["source"] = {"component": component} | ({"host": host} if host else {})
            body |= {"firstTimestamp": self.ago(first), "lastTimestamp": self.ago(last)}
            body |= {"count": count, "eventTime": None}
            body["reportingInstance"] = host
        name = f"{meta['name']}.{self.random.getrandbits(60) | 1 << 60:016x}"
        return self.make("Event", name, age=first, namespace=place, **body)

    def forget_events(self, about: Iterable[Object]) -> None:
        """Take away what was reported about objects that are no more as they were."""
        gone = {one["metadata"]["uid"] for one in about}
        for event in self.all("Event"):
            if event["involvedObject"].get("uid") in gone:
                self.remove(event)

    def _control_plane(self) -> str:
        return next((n["metadata"]["name"] for n in self.nodes(workers=False)), "cp-1")

    def log(self, pod: Object, lines: Sequence[str], *, previous: bool = False, container: str = "",
            until: float = 15) -> None:  # fmt: skip
        """What a container wrote, its last line that long ago."""
        meta = pod["metadata"]
        container = container or pod["spec"]["containers"][0]["name"]
        step = 0.4
        last = self.now - timedelta(seconds=until, microseconds=self.random.randrange(10**6))
        stamps = [last - timedelta(seconds=step * left) for left in range(len(lines) - 1, -1, -1)]
        whole = "".join(
            f"{stamp:%Y-%m-%dT%H:%M:%S.%f}Z {line}\n"
            for stamp, line in zip(stamps, lines, strict=True)
        )
        self.logs[meta["namespace"], meta["name"], container, previous] = whole

    # -- nodes -----------------------------------------------------------------------------------

    def nodes(self, *, workers: bool = True) -> list[Object]:
        """The nodes that carry workloads, or those of the control plane."""
        role = "node-role.kubernetes.io/control-plane"
        return [
            one for one in self.all("Node") if (role not in one["metadata"]["labels"]) is workers
        ]

    def node(self, name: str, zone: str, *, control_plane: bool = False, cores: int = 8) -> Object:
        """A node that is well."""
        labels = {
            "beta.kubernetes.io/arch": "amd64",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": name,
            "node.kubernetes.io/instance-type": "m6i.2xlarge",
            "topology.kubernetes.io/region": zone[:-1],
            "topology.kubernetes.io/zone": zone,
        }
        spec: Object = {"podCIDR": self.address("10.42"), "providerID": f"aws:///{zone}/i-{name}"}
        if control_plane:
            labels["node-role.kubernetes.io/control-plane"] = ""
            key = "node-role.kubernetes.io/control-plane"
            spec["taints"] = [{"key": key, "effect": "NoSchedule"}]
        return self.make(
            "Node",
            name,
            age=60 * DAY,
            metadata={"labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
            spec=spec,
            status={
                "capacity": _capacity(cores, cores * 4 * 1024 * 1024),
                "allocatable": _capacity(f"{cores * 1000 - 80}m", cores * 4 * 1024 * 1024 - 900000),
                "conditions": [
                    self.condition(*_WELL[kind], type=kind, at=50 * DAY, beat=40) for kind in _WELL
                ],
                "addresses": [
                    {"type": "InternalIP", "address": self.address("10.0")},
                    {"type": "Hostname", "address": name},
                ],
                "nodeInfo": {
                    "architecture": "amd64",
                    "containerRuntimeVersion": "containerd://1.7.27",
                    "kernelVersion": "6.8.0-1024-aws",
                    "kubeletVersion": "v1.32.5",
                    "operatingSystem": "linux",
                    "osImage": "Ubuntu 24.04.2 LTS",
                },
            },
        )

    def condition(
        self, status: str, reason: str, message: str, *, type: str, at: float, beat: float = 0  # noqa: A002
    ) -> Object:  # fmt: skip
        """A condition of a node; `beat` says when it was last confirmed."""
        return {
            "type": type,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": self.ago(beat or at),
            "lastTransitionTime": self.ago(at),
        }


def set_condition(found: Object, condition: Object) -> None:
    """Put a condition in the place of the one of its type."""
    conditions = found.setdefault("status", {}).setdefault("conditions", [])
    others = [one for one in conditions if one["type"] != condition["type"]]
    found["status"]["conditions"] = [*others, condition]


def _capacity(cores: int | str, memory: int) -> Object:
    return {
        "cpu": str(cores),
        "memory": f"{memory}Ki",
        "pods": "110",
        "ephemeral-storage": "101430960Ki",
        "hugepages-2Mi": "0",
    }


_WELL = {
    "MemoryPressure": (
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": (
        "False",
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
    ),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
_COMPONENTS = {
    "ReplicaSet": "replicaset-controller",
    "Deployment": "deployment-controller",
    "StatefulSet": "statefulset-controller",
    "DaemonSet": "daemonset-controller",
    "Job": "job-controller",
    "CronJob": "cronjob-controller",
    "HorizontalPodAutoscaler": "horizontal-pod-autoscaler",
    "PersistentVolumeClaim": "persistentvolume-controller",
    "Node": "node-controller",
    "Certificate": "cert-manager-certificates-issuing",
    "Ingress": "nginx-ingress-controller",
    "Service": "service-controller",
}

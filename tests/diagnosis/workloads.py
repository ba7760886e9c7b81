"""Controllers with their pods, and what controllers derive from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.cluster.selectors import matches, of_object
from tests.diagnosis.pods import owned_by, pod
from tests.diagnosis.world import DAY, Object, World, set_condition


@dataclass(eq=False)
class App:
    """A workload with its pods, and what a person would call it."""

    world: World
    workload: Object
    pods: list[Object] = field(default_factory=list)
    sets: list[Object] = field(default_factory=list)  # of a deployment, the oldest first
    service: Object | None = None
    stuck_for: float = 0  # seconds since its rollout last got further; 0: it is through
    refused: str = ""  # why its controller may not create pods
    started: float = 30 * DAY

    @property
    def name(self) -> str:
        return str(self.workload["metadata"]["name"])

    @property
    def object(self) -> str:
        """As findings name it."""
        return f"{self.workload['kind'].lower()}/{self.name}"

    @property
    def template(self) -> Object:
        found: Object = self.workload["spec"]["template"]
        return found

    @property
    def container(self) -> Object:
        found: Object = self.template["spec"]["containers"][0]
        return found

    @property
    def image(self) -> str:
        return str(self.container["image"])

    @property
    def port(self) -> int:
        return int(self.container["ports"][0]["containerPort"])

    @property
    def owner(self) -> Object:
        """What owns its newest pods."""
        return self.sets[-1] if self.sets else self.workload

    def add_pod(self, *, age: float, node: Object | None, number: int = 0) -> Object:
        """One more pod of the newest template."""
        owner = self.owner
        plain = self.workload["kind"] == "StatefulSet"
        suffix = str(number) if plain else self.world.letters(5)
        name = f"{owner['metadata']['name']}-{suffix}"
        made = pod(self.world, owner, name, self.template, age=age, node=node)
        if plain:
            made["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = name
            made["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = suffix
        self.pods.append(made)
        return made

    def drop(self, made: Object) -> None:
        """A pod that is gone."""
        self.world.remove(made)
        self.pods.remove(made)

    def template_with(self, **parts: Any) -> Object:
        """Its template, the first container with other parts."""
        spec = self.template["spec"]
        containers = [{**spec["containers"][0], **parts}, *spec["containers"][1:]]
        return {**self.template, "spec": {**spec, "containers": containers}}

    def change(self, template: Object, *, ago: float) -> list[Object]:
        """A new revision, as far as a rolling update gets when its pods do not become ready.

        Gives the new pods: of a deployment one beside the old ones, of a set the last one.
        """
        world, meta = self.world, self.workload["metadata"]
        self.workload["spec"]["template"] = template
        meta["generation"] = meta.get("generation", 1) + 1
        self.stuck_for = ago
        if self.workload["kind"] != "Deployment":
            last = self.pods[-1]
            node = world.find("Node", last["spec"]["nodeName"])
            self.drop(last)
            number = len(self.pods)
            return [self.add_pod(age=ago, node=node, number=number)]
        new = _replica_set(world, self, age=ago)
        world.event(
            self.workload,
            "ScalingReplicaSet",
            f"Scaled up replica set {new['metadata']['name']} from 0 to 1",
            type="Normal",
            first=ago,
            last=ago,
        )
        return [self.add_pod(age=ago, node=world.random.choice(world.nodes()))]

    def begin_anew(self, template: Object, *, ago: float) -> list[Object]:
        """All pods are of a new revision: it was well at first, or the old ones had to go."""
        world, count = self.world, len(self.pods)
        nodes = [world.find("Node", one["spec"]["nodeName"]) for one in self.pods]
        for one in list(self.pods):
            self.drop(one)
        self.workload["spec"]["template"] = template
        if self.workload["kind"] == "Deployment":
            _replica_set(world, self, age=ago)
        if world.random.random() < 0.5:
            self.stuck_for = ago
            if self.workload["kind"] == "Deployment":
                self.workload["spec"]["strategy"] = {"type": "Recreate"}
        else:
            self.started = ago - 30
        return [self.add_pod(age=ago, node=nodes[number], number=number) for number in range(count)]


def _replica_set(world: World, app: App, *, age: float) -> Object:
    meta = app.workload["metadata"]
    hashed = world.letters(world.random.choice((9, 10)))
    number = len(app.sets) + app.world.random.randrange(1, 4) if not app.sets else 0
    revision = int(app.sets[-1]["metadata"]["annotations"][_REVISION]) + 1 if app.sets else number
    labels = {**app.template["metadata"]["labels"], "pod-template-hash": hashed}
    annotations = {_REVISION: str(revision), "deployment.kubernetes.io/desired-replicas": "1"}
    made = world.make(
        "ReplicaSet",
        f"{app.name}-{hashed}",
        age=age,
        namespace=meta["namespace"],
        metadata={
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owned_by(app.workload)],
        },
        spec={
            "replicas": 0,
            "selector": {"matchLabels": {"app": app.name, "pod-template-hash": hashed}},
            "template": {**app.template, "metadata": {"labels": labels}},
        },
        status={},
    )
    app.workload["metadata"].setdefault("annotations", {})[_REVISION] = str(revision)
    app.sets.append(made)
    return made


_REVISION = "deployment.kubernetes.io/revision"


def deployment(
    world: World,
    of: Object,
    *,
    replicas: int = 3,
    age: float = 40 * DAY,
    revisions: int = 2,
    namespace: str = "",
    name: str = "",
) -> App:
    """A deployment that is through with its last rollout."""
    labels = of["metadata"]["labels"]
    name = name or labels["app"]
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    workload = world.make(
        "Deployment",
        name,
        age=age,
        namespace=namespace,
        metadata={"labels": dict(labels), "annotations": {}},
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": of,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        status={},
    )
    app = App(world, workload)
    latest = of["spec"]["containers"][0]["image"]
    for number in range(revisions):
        last = number == revisions - 1
        tag = latest if last else f"{latest.rpartition(':')[0]}:{number + 1}.0.{number + 3}"
        workload["spec"]["template"] = app.template_with(image=tag)
        _replica_set(world, app, age=age - number * age / (revisions + 1))
    app.started = age / (revisions + 1) + age / (revisions + 1) * 0.2
    started = world.since(app.sets[-1]["metadata"]["creationTimestamp"])
    _populate(app, replicas, started)
    return app


def stateful_set(
    world: World, of: Object, *, replicas: int = 1, age: float = 60 * DAY, claim: str = ""
) -> App:
    """A stateful set, with a claim for each pod if `claim` names one."""
    name = of["metadata"]["labels"]["app"]
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": of,
        "serviceName": name,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
    }
    if claim:
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
        spec["volumeClaimTemplates"] = [{"metadata": {"name": claim}, "spec": wanted}]
    workload = world.make(
        "StatefulSet", name, age=age, metadata={"labels": {"app": name}}, spec=spec, status={}
    )
    app = App(world, workload)
    _populate(app, replicas, age - DAY)
    for number, one in enumerate(app.pods):
        if claim:
            bound(world, f"{claim}-{name}-{number}", node=one["spec"]["nodeName"])
            source = {"persistentVolumeClaim": {"claimName": f"{claim}-{name}-{number}"}}
            one["spec"]["volumes"].insert(0, {"name": claim, **source})
    return app


def daemon_set(world: World, of: Object, *, namespace: str = "", age: float = 60 * DAY) -> App:
    """A daemon set with a pod on each worker."""
    name = of["metadata"]["labels"]["app"]
    workload = world.make(
        "DaemonSet",
        name,
        age=age,
        namespace=namespace,
        metadata={"labels": {"app": name}},
        spec={
            "selector": {"matchLabels": {"app": name}},
            "template": of,
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "revisionHistoryLimit": 10,
        },
        status={},
    )
    app = App(world, workload)
    for node in world.nodes():
        app.add_pod(age=age - DAY, node=node)
    return app


def _populate(app: App, replicas: int, age: float) -> None:
    nodes = app.world.nodes()
    first = app.world.random.randrange(len(nodes))
    for number in range(replicas):
        app.add_pod(age=age, node=nodes[(first + number) % len(nodes)], number=number)


def bound(world: World, name: str, *, node: str = "", size: str = "20Gi") -> Object:
    """A claim with its volume."""
    volume = f"pvc-{world.uid()}"
    zone = "eu-west-1a"
    if node:
        zone = world.find("Node", node)["metadata"]["labels"]["topology.kubernetes.io/zone"]
    claim = world.make(
        "PersistentVolumeClaim",
        name,
        age=60 * DAY,
        metadata={"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        spec={
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": "gp3",
            "volumeMode": "Filesystem",
            "volumeName": volume,
        },
        status={"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}},
    )
    where = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}
    reference = {"kind": "PersistentVolumeClaim", "namespace": world.namespace, "name": name}
    world.make(
        "PersistentVolume",
        volume,
        age=60 * DAY,
        spec={
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {**reference, "uid": claim["metadata"]["uid"]},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": f"vol-{world.letters(17)}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "gp3",
        },
        status={"phase": "Bound"},
    )
    return claim


def service(
    world: World, app: App, *, port: int = 80, target: int | str = "http", name: str = ""
) -> Object:
    """A service in front of an app."""
    found = world.make(
        "Service",
        name or app.name,
        age=40 * DAY,
        namespace=app.workload["metadata"]["namespace"],
        spec={
            "type": "ClusterIP",
            "clusterIP": world.address("10.96"),
            "selector": {"app": app.name},
            "ports": [{"name": "http", "port": port, "protocol": "TCP", "targetPort": target}],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
        status={"loadBalancer": {}},
    )
    app.service = found
    return found


def ready(made: Object) -> bool:
    """Whether a pod's Ready condition is true and it is not leaving."""
    conditions = made["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _live(pods: Sequence[Object]) -> list[Object]:
    return [
        one
        for one in pods
        if one["status"]["phase"] not in ("Failed", "Succeeded")
        and "deletionTimestamp" not in one["metadata"]
    ]


def settle(world: World, apps: Sequence[App]) -> None:
    """What controllers write when they saw all of this."""
    for app in apps:
        match app.workload["kind"]:
            case "Deployment":
                _settle_deployment(world, app)
            case "StatefulSet":
                _settle_stateful_set(app)
            case _:
                _settle_daemon_set(app)
    for one in world.all("Service"):
        _settle_service(world, one)


def _settle_deployment(world: World, app: App) -> None:
    workload, spec = app.workload, app.workload["spec"]
    live = _live(app.pods)
    for one in app.sets:
        _settle_set(world, app, one, live)
    new = app.sets[-1]["metadata"]["name"]
    updated = [p for p in live if p["metadata"]["ownerReferences"][0]["name"] == new]
    if app.sets[-1]["spec"]["template"]["spec"] != app.template["spec"]:
        updated = []  # it has no set yet
    up, wanted = sum(map(ready, live)), spec["replicas"]
    if not app.stuck_for and not app.refused:
        app.sets[-1]["spec"]["replicas"] = wanted
    counts = {
        "observedGeneration": workload["metadata"].get("generation", 1),
        "replicas": len(live),
        "updatedReplicas": len(updated),
        "readyReplicas": up,
        "availableReplicas": up,
        "unavailableReplicas": max(0, max(len(live), wanted) - up),
    }
    workload["status"] = {key: value for key, value in counts.items() if value}
    fallen = [
        world.since(one["lastTransitionTime"])
        for made in live
        for one in made["status"].get("conditions", ())[-1:]
        if not ready(made)
    ]
    since = min(fallen, default=app.started)
    enough = up >= wanted - wanted // 4
    message = (
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    )
    at = app.started if enough else since
    _condition(world, workload, "Available", enough, message, at)
    _progress(world, app, new)
    if app.refused:
        _condition(
            world, workload, "ReplicaFailure", True, ("FailedCreate", app.refused), app.stuck_for
        )


def _progress(world: World, app: App, new: str) -> None:
    workload = app.workload
    deadline = workload["spec"]["progressDeadlineSeconds"]
    if workload["spec"].get("paused"):
        said: tuple[bool | None, str, str] = (None, "DeploymentPaused", "Deployment is paused")
    elif not app.stuck_for:
        text = f'ReplicaSet "{new}" has successfully progressed.'
        said = (True, "NewReplicaSetAvailable", text)
    elif app.stuck_for > deadline:
        text = f'ReplicaSet "{new}" has timed out progressing.'
        said = (False, "ProgressDeadlineExceeded", text)
    else:
        said = (True, "ReplicaSetUpdated", f'ReplicaSet "{new}" is progressing.')
    at = max(1, app.stuck_for - deadline) if said[0] is False else app.stuck_for or app.started
    _condition(world, workload, "Progressing", said[0], said[1:], at)


def _settle_set(world: World, app: App, one: Object, live: Sequence[Object]) -> None:
    mine = [p for p in live if p["metadata"]["ownerReferences"][0]["uid"] == one["metadata"]["uid"]]
    up = sum(map(ready, mine))
    one["spec"]["replicas"] = len(mine)
    one["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = str(
        app.workload["spec"]["replicas"]
    )
    counts = {"replicas": len(mine), "fullyLabeledReplicas": len(mine)}
    counts |= {"readyReplicas": up, "availableReplicas": up}
    one["status"] = {key: value for key, value in counts.items() if value}
    one["status"] |= {"replicas": len(mine), "observedGeneration": 1}
    if app.refused and one is app.sets[-1]:
        one["spec"]["replicas"] = app.workload["spec"]["replicas"] if len(app.sets) < 2 else 1
        one["spec"]["replicas"] = max(one["spec"]["replicas"], len(mine) + 1)
        _condition(world, one, "ReplicaFailure", True, ("FailedCreate", app.refused), app.stuck_for)


def _condition(
    world: World,
    found: Object,
    kind: str,
    holds: bool | None,
    said: tuple[str, str],
    at: float,
) -> None:
    body = {
        "type": kind,
        "status": "Unknown" if holds is None else str(holds),
        "reason": said[0],
        "message": said[1],
        "lastTransitionTime": world.ago(at),
    }
    if found["kind"] == "Deployment":
        body["lastUpdateTime"] = world.ago(at)
    set_condition(found, body)


def _settle_stateful_set(app: App) -> None:
    live, name = _live(app.pods), app.name
    up = sum(map(ready, live))
    current, new = f"{name}-6bd5f7c9d8", f"{name}-7f8c5d6b94" if app.stuck_for else ""
    status = {
        "observedGeneration": app.workload["metadata"].get("generation", 1),
        "replicas": len(live),
        "readyReplicas": up,
        "availableReplicas": up,
        "currentReplicas": len(live) - bool(new),
        "updatedReplicas": 1 if new else len(live),
        "currentRevision": current,
        "updateRevision": new or current,
        "collisionCount": 0,
    }
    app.workload["status"] = status
    for one in app.pods:
        last = new and one is app.pods[-1]
        one["metadata"]["labels"]["controller-revision-hash"] = new if last else current


def _settle_daemon_set(app: App) -> None:
    live = _live(app.pods)
    up = sum(map(ready, live))
    app.workload["status"] = {
        "observedGeneration": app.workload["metadata"].get("generation", 1),
        "desiredNumberScheduled": len(live),
        "currentNumberScheduled": len(live),
        "updatedNumberScheduled": len(live),
        "numberReady": up,
        "numberAvailable": up,
        "numberMisscheduled": 0,
    }
    if up < len(live):
        app.workload["status"]["numberUnavailable"] = len(live) - up


def _settle_service(world: World, found: Object) -> None:
    """Endpoints and a slice of them, as their controllers would find them."""
    meta, spec = found["metadata"], found["spec"]
    if not spec.get("selector") or spec.get("type") == "ExternalName":
        return
    wanted = of_object({"matchLabels": spec["selector"]})
    chosen = [
        one
        for one in _live(world.all("Pod", meta["namespace"]))
        if matches(wanted, one["metadata"]["labels"]) and one["status"].get("podIP")
    ]
    up: list[Object] = []
    down: list[Object] = []
    slices: list[Object] = []
    ports: list[Object] = []
    for one in chosen:
        ports = ports or _ports(spec, one)
        if spec.get("ports") and not _ports(spec, one):
            continue
        reference = {"kind": "Pod", "namespace": meta["namespace"]}
        reference |= {"name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}
        address = {"ip": one["status"]["podIP"], "nodeName": one["spec"]["nodeName"]}
        good = ready(one)
        (up if good else down).append({**address, "targetRef": reference})
        conditions = {"ready": good, "serving": good, "terminating": False}
        slices.append(
            {
                "addresses": [address["ip"]],
                "conditions": conditions,
                "nodeName": address["nodeName"],
                "targetRef": reference,
            }
        )
    subset: Object = {"ports": ports}
    subset |= {"addresses": up} if up else {}
    subset |= {"notReadyAddresses": down} if down else {}
    subsets: Object = {"subsets": [subset]} if up or down else {}
    label = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    world.make(
        "Endpoints",
        meta["name"],
        namespace=meta["namespace"],
        metadata={"labels": label},
        **subsets,
    )
    world.make(
        "EndpointSlice",
        f"{meta['name']}-{world.letters(5)}",
        namespace=meta["namespace"],
        metadata={
            "labels": {
                "kubernetes.io/service-name": meta["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "generateName": f"{meta['name']}-",
            "ownerReferences": [owned_by(found)],
        },
        addressType="IPv4",
        endpoints=slices or None,
        ports=ports or None,
    )


def _ports(spec: Object, made: Object) -> list[Object]:
    """The ports of a service that a pod really has; one by a name that nobody has is left out."""
    named = {
        port.get("name"): port["containerPort"]
        for container in made["spec"]["containers"]
        for port in container.get("ports") or ()
    }
    found = []
    for port in spec.get("ports") or ():
        target = port["targetPort"]
        number = named.get(target) if isinstance(target, str) else target
        if number:
            found.append({"name": port["name"], "port": number, "protocol": "TCP"})
    return found

"""Pods that find no place, or are turned away at it."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.scheduling import message
from tests.diagnosis.pods import evicted, template, wait_for_node
from tests.diagnosis.shop import Shop, autoscaler, scaling
from tests.diagnosis.workloads import App, stateful_set
from tests.diagnosis.world import DAY, Object, set_condition


def _pends(shop: Shop, said: str, *, says: str = "", cause: str, **resources: str) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with(resources={"requests": resources, "limits": resources})
    since = world.random.randrange(300, 9000)
    for made in app.change(of, ago=since):
        wait_for_node(world, made, said, since=since)
    return Blame(cause, (app.object,), says=says)


@fault("more of a node's disk is asked for than there is", among=UNSEEN)
def scratch(shop: Shop) -> Blame:
    said = message(shop, "Insufficient ephemeral-storage")
    resources = {"ephemeral-storage": "400Gi"}
    return _pends(
        shop, said, cause="unschedulable-resources", says="ephemeral-storage", **resources
    )


@fault("huge pages that no node has set aside", among=UNSEEN)
def pages(shop: Shop) -> Blame:
    said = message(shop, "Insufficient hugepages-2Mi")
    resources = {"hugepages-2Mi": "1Gi", "memory": "1Gi", "cpu": "1"}
    return _pends(shop, said, cause="unschedulable-resources", says="hugepages", **resources)


@fault("every other node is tainted for somebody else, the rest is full", among=UNSEEN)
def mixture(shop: Shop) -> Blame:
    world = shop.world
    for node in world.nodes()[: len(world.nodes()) // 2]:
        taint = {"key": "dedicated", "value": "ingest", "effect": "NoSchedule"}
        node["spec"]["taints"] = [taint]
    taint_said = "node(s) had untolerated taint {dedicated: ingest}"
    said = message(shop, "Insufficient cpu", taint_said)
    causes = "unschedulable-resources unschedulable-taint"
    return _pends(shop, said, cause=causes, says="cpu", cpu="6", memory="1Gi")


@fault("pods of a lower priority are driven out again and again", among=UNSEEN)
def driven_out(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    since = world.random.randrange(500, 2500)
    gone = app.pods[0]
    app.drop(gone)
    said = f"Preempted by pod {world.uid()} on node {gone['spec']['nodeName']}"
    world.event(gone, "Preempted", said, first=since, last=since, component="default-scheduler")
    made = app.add_pod(age=since - 1, node=None)
    text = message(shop, "Insufficient memory")
    wait_for_node(world, made, text, since=since - 1)
    return Blame("unschedulable-resources", (app.object,), says="memory")


@fault("the node of a local volume was taken away", among=UNSEEN, beyond_view=True)
def local_volume(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("prometheus", "clickhouse", "victoria"))
    of = template(name, f"{world.registry}/{name}:2.53.1", port=9090, probe="", memory="1Gi")
    app = stateful_set(world, of, claim="tsdb")
    shop.apps[name] = app
    claim = world.find("PersistentVolumeClaim", f"tsdb-{name}-0")
    claim["spec"]["storageClassName"] = "local-path"
    volume = world.find("PersistentVolume", claim["spec"]["volumeName"], "")
    volume["spec"].pop("csi")
    gone = "node-gone-7"
    volume["spec"] |= {"storageClassName": "local-path", "local": {"path": "/data/tsdb"}}
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [gone]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [term]}]}
    volume["spec"]["nodeAffinity"] = {"required": required}
    since = world.random.randrange(900, 9000)
    said = message(shop, "node(s) had volume node affinity conflict")
    wait_for_node(world, app.pods[0], said, since=since)
    claimed = f"persistentvolumeclaim/tsdb-{name}-0"
    volume_name = f"persistentvolume/{volume['metadata']['name']}"
    objects = (app.object, claimed, f"node/{gone}", volume_name)
    return Blame("volume-zone pvc-lost node-not-ready", objects)


@fault("a volume's only zone has one node, and that is cordoned", among=UNSEEN)
def cordoned_zone(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("solr", "influx", "vault"))
    of = template(name, f"{world.registry}/{name}:9.7.0", port=8983, probe="", memory="1Gi")
    app = stateful_set(world, of, claim="home")
    shop.apps[name] = app
    claim = world.find("PersistentVolumeClaim", f"home-{name}-0")
    volume = world.find("PersistentVolume", claim["spec"]["volumeName"], "")
    term = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    key = "topology.kubernetes.io/zone"
    inside = [n for n in world.nodes() if n["metadata"]["labels"][key] in term["values"]]
    for node in inside:
        node["spec"]["unschedulable"] = True
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        node["spec"]["taints"] = [taint]
    conflict = "node(s) had volume node affinity conflict"
    said = message(shop, conflict, cordoned=len(inside))
    wait_for_node(world, app.pods[0], said, since=world.random.randrange(600, 4000))
    nodes = tuple(f"node/{one['metadata']['name']}" for one in inside)
    return Blame("unschedulable-cordon", (app.object, *nodes))


@fault("a device of the node is broken, and the kubelet turns pods away", among=UNSEEN)
def turned_away(shop: Shop) -> Blame:
    """The scheduler counts the device; the kubelet knows better. A new pod every minute."""
    world, app = shop.world, shop.victim()
    node = world.nodes()[0]
    resources = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
    new = app.change(app.template_with(resources=resources), ago=900)
    said = "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate"
    said += " unhealthy devices nvidia.com/gpu, which is unexpected"
    for number in range(6):
        made = new[0] if not number else app.add_pod(age=900 - 120 * number, node=node)
        made["status"] = {
            "phase": "Failed",
            "reason": "UnexpectedAdmissionError",
            "message": said,
            "startTime": made["metadata"]["creationTimestamp"],
        }
        at = world.since(made["metadata"]["creationTimestamp"])
        world.event(made, "UnexpectedAdmissionError", said.removeprefix("Pod was rejected: "),
                    first=at, last=at)  # fmt: skip
    causes = "unschedulable unschedulable-resources rollout-stuck node-pressure unknown"
    objects = (app.object, f"node/{node['metadata']['name']}")
    return Blame(causes, objects, says="unhealthy devices|UnexpectedAdmissionError")


@fault("an autoscaler wants more pods than the nodes take", among=UNSEEN)
def no_room_to_grow(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    world.objects["HorizontalPodAutoscaler"].pop((world.namespace, app.name), None)
    since = world.random.randrange(500, 2500)
    count = app.workload["spec"]["replicas"]
    app.workload["spec"]["replicas"] = count + 4
    for _ in range(4):
        made = app.add_pod(age=since, node=None)
        wait_for_node(world, made, message(shop, "Insufficient cpu"), since=since)
    found = autoscaler(world, app, low=2, high=count + 4, now_at=93)
    said = "the desired replica count is more than the maximum replica count"
    set_condition(found, scaling(world, "ScalingLimited", True, "TooManyReplicas", said, at=since))
    also = Blame("hpa-limit", (f"horizontalpodautoscaler/{app.name}", app.object))
    return Blame("unschedulable-resources", (app.object,), (also,))


@fault("a claim of one pod only is wanted by the next pod already", among=UNSEEN)
def one_pod_only(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-data"
    mode = ["ReadWriteOncePod"]
    world.make(
        "PersistentVolumeClaim",
        name,
        age=20 * DAY,
        spec={
            "accessModes": mode,
            "resources": {"requests": {"storage": "10Gi"}},
            "storageClassName": "gp3",
            "volumeName": "pvc-rwop",
        },
        status={"phase": "Bound", "accessModes": mode, "capacity": {"storage": "10Gi"}},
    )
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    where = {"kind": "PersistentVolumeClaim", "namespace": world.namespace, "name": name}
    world.make(
        "PersistentVolume",
        "pvc-rwop",
        age=20 * DAY,
        spec={"accessModes": mode, "claimRef": where, "capacity": {"storage": "10Gi"}},
        status={"phase": "Bound"},
    )
    for made in app.pods[1:]:
        app.drop(made)
    app.workload["spec"]["replicas"] = 1
    app.pods[0]["spec"]["volumes"].insert(0, claim)
    of = app.template_with()
    of["spec"]["volumes"] = [claim]
    since = world.random.randrange(400, 3000)
    for made in app.change(of, ago=since):
        text = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod"
        wait_for_node(world, made, message(shop, f"{text} access mode"), since=since)
    objects = (app.object, f"persistentvolumeclaim/{name}")
    causes = "unschedulable volume-attach pvc-pending"
    return Blame(causes, objects, says="ReadWriteOncePod")


@fault(
    "the network of the only free nodes has no route", among=UNSEEN, alone=True, beyond_view=True
)
def no_route(shop: Shop) -> Blame:
    world = shop.world
    since = world.random.randrange(600, 3000)
    names = []
    for node in world.nodes():
        said = ("True", "NoRouteCreated", "RouteController failed to create a route")
        set_condition(node, world.condition(*said, type="NetworkUnavailable", at=since))
        key = "node.kubernetes.io/network-unavailable"
        node["spec"]["taints"] = [{"key": key, "effect": "NoSchedule"}]
        names.append(f"node/{node['metadata']['name']}")
    app: App = shop.victim()
    for made in app.change(app.template_with(), ago=since - 60):
        taint = "node(s) had untolerated taint {node.kubernetes.io/network-unavailable: }"
        wait_for_node(world, made, message(shop, taint), since=since - 60)
    also = Blame("unschedulable-taint", (app.object,))
    objects: tuple[str, ...] = (*names, app.object)
    return Blame("node-not-ready pod-network node-pressure", objects, (also,))


@fault("too many processes on a node", among=UNSEEN, alone=True)
def processes(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    node: Object = world.find("Node", app.pods[0]["spec"]["nodeName"])
    since = world.random.randrange(300, 1500)
    said = ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available")
    set_condition(node, world.condition(*said, type="PIDPressure", at=since, beat=7))
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/pid-pressure", "effect": "NoSchedule"}]
    low = "The node was low on resource: pids. Threshold quantity: 10%, available: 4%. "
    for number in range(2):
        made = app.add_pod(age=since + 900, node=node)
        evicted(world, made, low, ago=since - 40 * number)
        world.event(made, "Evicted", low, first=since - 40 * number, last=since - 40 * number)
    return Blame("node-pressure", (f"node/{node['metadata']['name']}", app.object))

"""Pods that no node takes."""

from collections.abc import Callable

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App, bound
from tests.diagnosis.world import Object


def message(shop: Shop, *reasons: str, cordoned: int = 0) -> str:
    """The scheduler's sentence; what is not told apart concerns all workers."""
    world = shop.world
    chiefs, workers = len(world.nodes(workers=False)), len(world.nodes())
    count = chiefs + workers
    taint = "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"
    parts = [f"{chiefs} {taint}"]
    left = workers - cordoned
    if cordoned:
        parts.append(f"{cordoned} node(s) were unschedulable")
    share = [left] if len(reasons) == 1 else [left - left // 2, left // 2]
    parts += [
        f"{number} {reason}" for number, reason in zip(share, reasons, strict=False) if number
    ]
    resources = all(reason.startswith(("Insufficient", "Too many")) for reason in reasons)
    none = f"{left} No preemption victims found for incoming pod"
    preempt = (
        f"{count - left} Preemption is not helpful for scheduling, {none}"
        if resources and left
        else f"{count} Preemption is not helpful for scheduling"
    )
    # The scheduler sorts what it says.
    told = ", ".join(sorted(parts))
    return f"0/{count} nodes are available: {told}. preemption: 0/{count} nodes are available: {preempt}."


def _pend(
    shop: Shop, cause: str, said: str, template: Callable[[App], Object], *more: str
) -> Blame:
    """A new revision whose pods find no place."""
    app, world = shop.victim(), shop.world
    since = world.random.randrange(200, 3300)
    for made in app.change(template(app), ago=since):
        wait_for_node(world, made, said, since=since)
    return Blame(cause, (app.object, *more))


def _sized(**requests: str) -> Callable[[App], Object]:
    return lambda app: app.template_with(
        resources={"requests": requests, "limits": {"memory": requests["memory"]}}
    )


def _with(**spec: object) -> Callable[[App], Object]:
    def made(app: App) -> Object:
        template = app.template_with()
        template["spec"] |= spec
        return template

    return made


@fault("requests more cpu than any node has")
def cpu(shop: Shop) -> Blame:
    said = message(shop, "Insufficient cpu")
    wanted = shop.world.pick("16", "24", "12500m")
    return _pend(shop, "unschedulable-resources", said, _sized(cpu=wanted, memory="512Mi"))


@fault("requests more memory than is free")
def memory(shop: Shop) -> Blame:
    said = message(shop, *shop.world.pick(("Insufficient memory",), ("Insufficient memory", "Insufficient cpu")))  # fmt: skip
    wanted = shop.world.pick("64Gi", "48Gi")
    return _pend(shop, "unschedulable-resources", said, _sized(cpu="500m", memory=wanted))


@fault("scaled beyond what the nodes hold")
def scaled(shop: Shop) -> Blame:
    """No new revision: more replicas, some of which find no place."""
    app, world = shop.victim(), shop.world
    since = world.random.randrange(300, 3000)
    app.workload["spec"]["replicas"] += 3
    for _ in range(3):
        made = app.add_pod(age=since, node=None)
        wait_for_node(world, made, message(shop, "Insufficient cpu"), since=since)
    size = {"requests": {"cpu": "3", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    app.workload["spec"]["template"] = app.template_with(resources=size)
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        made["spec"]["containers"][0]["resources"] = size
    world.event(
        app.workload,
        "ScalingReplicaSet",
        f"Scaled up replica set {app.sets[-1]['metadata']['name']} from {len(app.pods) - 3} to"
        f" {len(app.pods)}",
        type="Normal",
        first=since,
        last=since,
    )
    return Blame("unschedulable-resources", (app.object,))


@fault("no toleration for a node's taint")
def taint(shop: Shop) -> Blame:
    world = shop.world
    key = world.pick("dedicated: gpu", "workload: batch", "team: data")
    name, _, value = key.partition(": ")
    for node in world.nodes():
        node["spec"]["taints"] = [{"key": name, "value": value, "effect": "NoSchedule"}]
    for app in shop.apps.values():
        for made in app.pods:  # they were there before, or tolerate it
            made["spec"]["tolerations"].append({"key": name, "operator": "Exists"})
        app.template["spec"]["tolerations"] = [{"key": name, "operator": "Exists"}]
    said = message(shop, f"node(s) had untolerated taint {{{key}}}")
    return _pend(shop, "unschedulable-taint", said, _with(tolerations=[]))


@fault("node selector that no node has")
def selector(shop: Shop) -> Blame:
    wanted = shop.world.pick({"disktype": "nvme"}, {"node-pool": "highmem"}, {"gpu": "true"})
    said = message(shop, "node(s) didn't match Pod's node affinity/selector")
    return _pend(shop, "unschedulable-selector", said, _with(nodeSelector=wanted))


@fault("node affinity that no node has")
def affinity(shop: Shop) -> Blame:
    key = shop.world.pick("topology.kubernetes.io/zone", "node.kubernetes.io/instance-type")
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": ["eu-west-1d"]}]}
    required = {"nodeSelectorTerms": [term]}
    wanted = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    said = message(shop, "node(s) didn't match Pod's node affinity/selector")
    return _pend(shop, "unschedulable-selector", said, _with(affinity=wanted))


@fault("more replicas than nodes, which may not share one")
def anti_affinity(shop: Shop) -> Blame:
    rule = {"topologyKey": "kubernetes.io/hostname"}
    text = shop.world.pick(
        "node(s) didn't match pod anti-affinity rules",
        "node(s) didn't satisfy existing pods anti-affinity rules",
    )

    def spread(app: App) -> Object:
        terms = [{**rule, "labelSelector": {"matchLabels": {"app": app.name}}}]
        wanted = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        return _with(affinity=wanted)(app)

    return _pend(shop, "unschedulable-anti-affinity", message(shop, text), spread)


@fault("topology spread that cannot be met")
def topology(shop: Shop) -> Blame:
    key = shop.world.pick("topology.kubernetes.io/rack", "example.com/row")
    text = "node(s) didn't match pod topology spread constraints (missing required label)"

    def spread(app: App) -> Object:
        constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
        chosen = {"labelSelector": {"matchLabels": {"app": app.name}}}
        return _with(topologySpreadConstraints=[{**constraint, **chosen}])(app)

    return _pend(shop, "unschedulable-spread", message(shop, text), spread)


@fault("host port is taken on every node")
def host_port(shop: Shop) -> Blame:
    said = message(shop, "node(s) didn't have free ports for the requested pod ports")
    ports = [{"name": "http", "containerPort": 8080, "hostPort": 8080, "protocol": "TCP"}]
    return _pend(shop, "unschedulable-host-port", said, lambda app: app.template_with(ports=ports))


@fault("nodes hold no more pods")
def full(shop: Shop) -> Blame:
    for node in shop.world.nodes():
        node["status"]["allocatable"]["pods"] = node["status"]["capacity"]["pods"] = "17"
    said = message(shop, "Too many pods")
    return _pend(
        shop,
        "unschedulable-too-many-pods",
        said,
        lambda app: app.template_with(image=f"{app.image}-1"),
    )


@fault("volume is in another zone")
def zone(shop: Shop) -> Blame:
    world = shop.world
    name = world.pick("uploads", "models")
    claim = bound(world, name)
    volume = world.find("PersistentVolume", claim["spec"]["volumeName"], "")
    term = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]
    term["matchExpressions"][0]["values"] = [world.pick("eu-west-1d", "eu-west-1f")]
    said = message(shop, "node(s) had volume node affinity conflict")
    mounts = [{"name": name, "persistentVolumeClaim": {"claimName": name}}]
    blame = _pend(shop, "volume-zone", said, _with(volumes=mounts))
    more = (f"persistentvolumeclaim/{name}", f"persistentvolume/{volume['metadata']['name']}")
    return Blame(blame.cause, (*blame.objects, *more))


@fault("every worker is cordoned", beyond_view=True, alone=True)
def cordoned(shop: Shop) -> Blame:
    world = shop.world
    names = []
    for node in world.nodes():
        node["spec"]["unschedulable"] = True
        key = "node.kubernetes.io/unschedulable"
        node["spec"]["taints"] = [
            {"key": key, "effect": "NoSchedule", "timeAdded": world.ago(5000)}
        ]
        names.append(f"node/{node['metadata']['name']}")
    said = message(shop, cordoned=len(names))
    blame = _pend(shop, "cordoned", said, lambda app: app.template_with(image=f"{app.image}-1"))
    return Blame("cordoned", (*names, *blame.objects))


@fault("a scheduler that nobody runs")
def scheduler(shop: Shop) -> Blame:
    app, world = shop.victim(), shop.world
    since = world.random.randrange(700, 3300)
    wanted = world.pick("volcano", "my-scheduler", "gpu-scheduler")
    template = _with(schedulerName=wanted)(app)
    for made in app.change(template, ago=since):
        wait_for_node(world, made, "", since=since)
        made["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    return Blame("scheduler-missing", (app.object,))

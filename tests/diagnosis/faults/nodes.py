"""Nodes that are away or short of something."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import ended, evicted, leaving, not_mounted, spell
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object, set_condition


def _busiest(shop: Shop) -> Object:
    """The worker with most pods of the namespace."""
    world = shop.world

    def count(node: Object) -> int:
        name = node["metadata"]["name"]
        return sum(one["spec"].get("nodeName") == name for one in world.all("Pod", world.namespace))

    return max(world.nodes(), key=count)


def _on(shop: Shop, node: Object) -> list[tuple[object, Object]]:
    name = node["metadata"]["name"]
    return [
        (app, made)
        for app in shop.apps.values()
        for made in list(app.pods)
        if made["spec"].get("nodeName") == name
    ]


def _stranded(shop: Shop, node: str, since: float) -> list[tuple[App, Object]]:
    """The pods of a node that is not ready any more, marked as its controller marks them."""
    found = [
        (app, made)
        for app in shop.apps.values()
        for made in app.pods
        if made["spec"].get("nodeName") == node
    ]
    for _, made in found:
        at = shop.world.ago(since)
        spell(shop.world, made, "Ready", status="False", lastTransitionTime=at)
        shop.world.event(
            made, "NodeNotReady", "Node is not ready", first=since, last=since,
            component="node-controller",
        )  # fmt: skip
    return found


@fault("node's kubelet is silent", beyond_view=True, alone=True)
def silent(shop: Shop) -> Blame:
    world = shop.world
    node = _busiest(shop)
    name = node["metadata"]["name"]
    since = world.random.randrange(90, 1500)
    said = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"):
        set_condition(node, world.condition(*said, type=kind, at=since, beat=since + 45))
    key = "node.kubernetes.io/unreachable"
    node["spec"]["taints"] = [
        {"key": key, "effect": effect, "timeAdded": world.ago(since - 2)}
        for effect in ("NoSchedule", "NoExecute")
    ]
    world.silent_kubelets.add(name)
    text = f"Node {name} status is now: NodeNotReady"
    world.event(node, "NodeNotReady", text, type="Normal", first=since, last=since)
    affected = set()
    for app, made in _stranded(shop, name, since):
        affected.add(app.object)
        if since > 300:  # the time that every pod tolerates it
            leaving(world, made, asked=since - 300)
            disruption = {"reason": "DeletionByTaintManager", "status": "True"}
            disruption["message"] = "Taint manager: deleting due to NoExecute taint"
            at = world.ago(since - 300)
            spell(world, made, "DisruptionTarget", lastTransitionTime=at, **disruption)
            if app.workload["kind"] == "Deployment":
                others = [one for one in world.nodes() if one is not node]
                app.add_pod(age=since - 299, node=world.random.choice(others))
    also = (Blame("dependency", tuple(affected)), Blame("terminating", tuple(affected)))
    return Blame("node-not-ready", (f"node/{name}",), also)


@fault("node's network plugin is not ready", beyond_view=True, alone=True)
def plugin(shop: Shop) -> Blame:
    world = shop.world
    node = _busiest(shop)
    name, since = node["metadata"]["name"], world.random.randrange(200, 1500)
    said = world.pick(
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
        " message:Network plugin returns error: cni plugin not initialized",
        "[container runtime is down, PLEG is not healthy: pleg was last seen active 7m13s ago;"
        " threshold is 3m0s]",
    )
    broken = world.condition("False", "KubeletNotReady", said, type="Ready", at=since, beat=20)
    set_condition(node, broken)
    node["spec"]["taints"] = [
        {
            "key": "node.kubernetes.io/not-ready",
            "effect": "NoSchedule",
            "timeAdded": world.ago(since),
        }
    ]
    text = f"Node {name} status is now: NodeNotReady"
    world.event(node, "NodeNotReady", text, type="Normal", first=since, last=since)
    affected = {app.object for app, _ in _stranded(shop, name, since)}
    also = (Blame("dependency", tuple(affected)), Blame("not-ready", tuple(affected)))
    return Blame("node-not-ready", (f"node/{name}",), also)


@fault("node evicts pods for want of disk", beyond_view=False, alone=True)
def pressure(shop: Shop) -> Blame:
    world = shop.world
    node = _busiest(shop)
    name, since = node["metadata"]["name"], world.random.randrange(300, 1500)
    kind, resource, key = world.pick(
        ("DiskPressure", "ephemeral-storage", "disk-pressure"),
        ("MemoryPressure", "memory", "memory-pressure"),
    )
    reason = {"DiskPressure": "KubeletHasDiskPressure"}.get(kind, "KubeletHasInsufficientMemory")
    text = {"DiskPressure": "kubelet has disk pressure"}.get(
        kind, "kubelet has insufficient memory available"
    )
    set_condition(node, world.condition("True", reason, text, type=kind, at=since, beat=20))
    full = f"node.kubernetes.io/{key}"
    node["spec"]["taints"] = [{"key": full, "effect": "NoSchedule", "timeAdded": world.ago(since)}]
    world.event(
        node, "EvictionThresholdMet", f"Attempting to reclaim {resource}", first=since, last=15,
        count=int(since // 10), component="kubelet",
    )  # fmt: skip
    app = shop.victim()
    others = [one for one in world.nodes() if one is not node]
    for number in range(world.random.randrange(3, 6)):
        ago = since - 30 - number * 50
        made = app.add_pod(age=since + 5000 - number, node=node)
        said = (
            f"The node was low on resource: {resource}. Threshold quantity: 10143096000, available:"
            f" {9000 + number}Ki. Container {app.name} was using {700 + number}Mi, request is 0, has"
            f" larger consumption of {resource}. "
        )
        evicted(world, made, said, ago=ago)
        world.event(made, "Evicted", said, first=ago, last=ago)
    assert others
    return Blame("node-pressure", (f"node/{name}", app.object))


@fault("pod cannot leave", alone=True)
def stuck(shop: Shop) -> Blame:
    """Its finalizer's owner is gone: deleted long ago and still there."""
    world, app = shop.world, shop.victim()
    made = app.add_pod(age=90_000, node=world.nodes()[0])
    made["metadata"]["finalizers"] = [world.pick("example.com/drain", "batch.corp.io/cleanup")]
    asked = world.random.randrange(5000, 20_000)
    ended(world, made, code=0, ago=asked - 2)
    leaving(world, made, asked=asked)
    return Blame("terminating", (app.object, f"pod/{made['metadata']['name']}"))


@fault("pods of one node cannot mount anything", alone=True)
def mounts(shop: Shop) -> Blame:
    """The storage driver's pod is missing on a node: only there."""
    world = shop.world
    node = _busiest(shop)
    hit = [one for one in shop.apps.values() if one.sets][:3]
    for app in hit:
        made = app.add_pod(age=1500, node=node)
        app.drop(app.pods[0])
        not_mounted(world, made, 1500)
        world.event(
            made,
            "FailedMount",
            'MountVolume.MountDevice failed for volume "pvc-7f" : kubernetes.io/csi: attacher.'
            "MountDevice failed to create newCsiDriverClient: driver name ebs.csi.aws.com not found in"
            " the list of registered CSI drivers",
            first=1490,
            last=33,
            count=12,
        )
    objects = (f"node/{node['metadata']['name']}", *(app.object for app in hit))
    return Blame("mount", objects, (Blame("mount", objects),))

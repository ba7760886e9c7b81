"""Disks, nodes and namespaces."""

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.pods import evicted, template, wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import stateful_set
from tests.diagnosis.world import Object, set_condition


def _evicted_again(shop: Shop, said: str) -> Blame:
    """Five times in an hour, and the one that runs now fills up as well."""
    world, app = shop.world, shop.victim()
    for number in range(5):
        made = app.add_pod(age=3000 - 550 * number, node=world.nodes()[0])
        evicted(world, made, said, ago=2600 - 550 * number)
        about: Object = {"first": 2600 - 550 * number, "last": 2600 - 550 * number}
        world.event(made, "Evicted", said, **about)
    return Blame("ephemeral-storage", (app.object,))


@fault("a pod writes more to its node than it may", among=FRESH)
def writes(shop: Shop) -> Blame:
    said = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "
    return _evicted_again(shop, said)


@fault("an empty directory is filled beyond its limit", among=FRESH)
def empty_dir(shop: Shop) -> Blame:
    return _evicted_again(shop, 'Usage of EmptyDir volume "cache" exceeds the limit "500Mi". ')


@fault("a node is short of memory and evicts", among=FRESH, alone=True)
def memory(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    node = world.find("Node", app.pods[0]["spec"]["nodeName"])
    name = node["metadata"]["name"]
    said = ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
    set_condition(node, world.condition(*said, type="MemoryPressure", at=900, beat=8))
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]
    low = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi."
    for number in range(3):
        made = app.add_pod(age=2000, node=node)
        evicted(
            world,
            made,
            f"{low} Container {app.name} was using 900Mi, request is 256Mi. ",
            ago=850 - 200 * number,
        )
        world.event(made, "Evicted", low, first=850 - 200 * number, last=850 - 200 * number)
    world.event(
        node,
        "EvictionThresholdMet",
        "Attempting to reclaim memory",
        first=900,
        last=30,
        count=12,
        component="kubelet",
    )
    return Blame("node-pressure", (f"node/{name}", app.object))


@fault("a quota of storage lets no claim be made", among=FRESH)
def storage_quota(shop: Shop) -> Blame:
    world = shop.world
    of = template("opensearch", "opensearchproject/opensearch:2.19", port=9200, memory="2Gi")
    app = stateful_set(world, of, replicas=1, claim="data", age=3000)
    app.workload["spec"]["replicas"] = 2
    shop.apps["opensearch"] = app
    hard, used = {"requests.storage": "50Gi"}, {"requests.storage": "40Gi"}
    world.make("ResourceQuota", "storage", spec={"hard": hard}, status={"hard": hard, "used": used})
    said = "create Claim data-opensearch-1 for Pod opensearch-1 in StatefulSet opensearch failed"
    said += ' error: persistentvolumeclaims "data-opensearch-1" is forbidden: exceeded quota:'
    said += " storage, requested: requests.storage=20Gi, used: requests.storage=40Gi, limited:"
    said += " requests.storage=50Gi"
    world.event(app.workload, "FailedCreate", said, first=2900, last=60, count=17)
    return Blame("quota", (app.object, "resourcequota/storage"))


@fault("a volume was deleted under its claim", among=FRESH)
def lost(shop: Shop) -> Blame:
    world = shop.world
    of = template("minio", "minio/minio:2025", port=9000, memory="1Gi")
    app = stateful_set(world, of, claim="export")
    shop.apps["minio"] = app
    claim = world.find("PersistentVolumeClaim", "export-minio-0")
    world.remove(world.find("PersistentVolume", claim["spec"]["volumeName"], ""))
    claim["status"] = {"phase": "Lost"}
    said = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    world.event(claim, "ClaimLost", said, first=2500, last=2500)
    count = len(world.all("Node"))
    text = f'0/{count} nodes are available: persistentvolumeclaim "export-minio-0" bound to'
    wait_for_node(world, app.pods[0], f"{text} non-existent persistentvolume.", since=2400)
    return Blame("pvc-lost", (app.object, "persistentvolumeclaim/export-minio-0"))


@fault("the namespace is being deleted and something holds it", among=FRESH, alone=True)
def ending(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    place = world.find("Namespace", world.namespace, "")
    place["metadata"]["deletionTimestamp"] = world.ago(2400)
    place["status"] = {"phase": "Terminating"}
    for kind, reason, text in (
        (
            "NamespaceContentRemaining",
            "SomeResourcesRemain",
            "Some resources are remaining: certificates.cert-manager.io has 1 resource instances",
        ),
        (
            "NamespaceFinalizersRemaining",
            "SomeFinalizersRemain",
            (
                "Some content in the namespace has"
                " finalizers remaining: example.com/hold in 1 resource instances"
            ),
        ),
    ):
        body = {"type": kind, "status": "True", "reason": reason, "message": text}
        set_condition(place, {**body, "lastTransitionTime": world.ago(2390)})
    made = app.pods[-1]
    app.drop(made)
    why = f'pods "{app.name}-x" is forbidden: unable to create new content in namespace'
    app.refused = f"{why} {world.namespace} because it is being terminated"
    app.stuck_for = 2300
    said = f"Error creating: {app.refused}"
    world.event(app.owner, "FailedCreate", said, first=2300, last=40, count=16)
    objects = (app.object, f"namespace/{world.namespace}")
    return Blame("terminating-stuck", objects, says="finalizer|terminat|delet")


@fault("a node lost its place in the cluster's network", among=FRESH, alone=True, beyond_view=True)
def unreachable(shop: Shop) -> Blame:
    """The node is away, with a taint of its own cloud; its pods are not evicted yet."""
    world = shop.world
    counted: dict[str, int] = {}
    for made in world.all("Pod", world.namespace):
        counted[made["spec"]["nodeName"]] = counted.get(made["spec"]["nodeName"], 0) + 1
    name = max(sorted(counted), key=lambda one: counted[one])
    node, since = world.find("Node", name), 200
    said = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"):
        set_condition(node, world.condition(*said, type=kind, at=since, beat=since + 45))
    node["spec"]["taints"] = [
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
        {"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"},
    ]
    world.silent_kubelets.add(name)
    affected = set()
    for app in shop.apps.values():
        for made in app.pods:
            if made["spec"].get("nodeName") == name:
                affected.add(app.object)
                for one in made["status"]["conditions"]:
                    if one["type"] == "Ready":
                        one |= {"status": "False", "lastTransitionTime": world.ago(since)}
    also = (Blame("dependency", ("*",)),)
    return Blame("node-not-ready", (f"node/{name}",), also)

"""Nodes in trouble, and what falls with a node, a database, an api."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import broken, extra, fallen, some_time, stateful, unwell
from tests.diagnosis.fifth.images import not_pulled
from tests.diagnosis.fifth.settings import refused_config
from tests.diagnosis.pods import crashing, evicted, leaving, spell, unready
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object, set_condition


def _on(shop: Shop, node: Object) -> list[tuple[App, Object]]:
    name = node["metadata"]["name"]
    every = [*shop.apps.values(), *shop.system.values()]
    return [(app, one) for app in every for one in app.pods if one["spec"].get("nodeName") == name]


def _busiest(shop: Shop) -> Object:
    mine = shop.world.namespace
    found: Object = max(
        shop.world.nodes(),
        key=lambda one: sum(p["metadata"]["namespace"] == mine for _, p in _on(shop, one)),
    )
    return found


def _unready_node(shop: Shop, node: Object, since: float) -> None:
    """Its pods are not counted as ready any more."""
    for _, made in _on(shop, node):
        at = shop.world.ago(since)
        spell(shop.world, made, "Ready", status="False", lastTransitionTime=at)
        text = "Node is not ready"
        shop.world.event(
            made, "NodeNotReady", text, first=since, last=since, component="node-controller"
        )
        shop.taken |= {made["metadata"]["labels"].get("app", "")}


@broken("a node's runtime hangs", beyond_view=True, alone=True)
def runtime(shop: Shop) -> Blame:
    world, since, node = shop.world, 240, _busiest(shop)
    said = (
        "[container runtime is down, PLEG is not healthy: pleg was last seen active"
        " 6m11.3s ago; threshold"
        " is 3m0s]"
    )
    set_condition(
        node, world.condition("False", "KubeletNotReady", said, type="Ready", at=since, beat=5)
    )
    node["spec"]["taints"] = [
        {"key": "node.kubernetes.io/not-ready", "effect": effect, "timeAdded": world.ago(since)}
        for effect in ("NoSchedule", "NoExecute")
    ]
    name = node["metadata"]["name"]
    world.event(
        node,
        "NodeNotReady",
        f"Node {name} status is now: NodeNotReady",
        first=since,
        last=since,
        type="Normal",
    )
    _unready_node(shop, node, since)
    also = Blame("node-not-ready dependency", ("*",))
    return Blame("node-not-ready", (f"node/{name}",), (also,))


@broken("a node runs out of memory and throws out what weighs most", beyond_view=False, alone=True)
def memory(shop: Shop) -> Blame:
    world, since, node = shop.world, some_time(shop, 500, 1500), _busiest(shop)
    name = node["metadata"]["name"]
    said = "kubelet has insufficient memory available"
    set_condition(
        node,
        world.condition(
            "True", "KubeletHasInsufficientMemory", said, type="MemoryPressure", at=since, beat=20
        ),
    )
    node["spec"]["taints"] = [
        {
            "key": "node.kubernetes.io/memory-pressure",
            "effect": "NoSchedule",
            "timeAdded": world.ago(since),
        }
    ]
    world.event(
        node,
        "NodeHasInsufficientMemory",
        f"Node {name} status is now: NodeHasInsufficientMemory",
        type="Normal",
        first=since,
        last=since,
        component="kubelet",
    )
    text = "Attempting to reclaim memory"
    world.event(
        node, "EvictionThresholdMet", text, first=since, last=40, count=30, component="kubelet"
    )
    names = []
    mine = [
        (app, made)
        for app, made in _on(shop, node)
        if app.workload["kind"] == "Deployment" and made["metadata"]["namespace"] == world.namespace
    ]
    for app, made in mine[:2]:
        why = (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available:"
            " 71044Ki. Container"
            f" {app.container['name']} was using 1903516Ki, request is 256Mi, has larger"
            " consumption of"
            " memory. "
        )
        evicted(world, made, why, ago=since - 40)
        world.event(made, "Evicted", why, first=since - 40, last=since - 40)
        names.append(app.object)
        other = next(one for one in world.nodes() if one is not node)
        app.add_pod(age=since - 39, node=other)
    return Blame("node-pressure", (f"node/{name}", *names))


@broken("a node's disk is full of images that are all in use", beyond_view=True, alone=True)
def images(shop: Shop) -> Blame:
    world, since, node = shop.world, some_time(shop, 500, 1500), _busiest(shop)
    name = node["metadata"]["name"]
    said = "kubelet has disk pressure"
    set_condition(
        node,
        world.condition(
            "True", "KubeletHasDiskPressure", said, type="DiskPressure", at=since, beat=20
        ),
    )
    node["spec"]["taints"] = [
        {
            "key": "node.kubernetes.io/disk-pressure",
            "effect": "NoSchedule",
            "timeAdded": world.ago(since),
        }
    ]
    text = (
        "Failed to garbage collect required amount of images. Attempted to free"
        " 13370212352 bytes, but only"
        " found 0 bytes eligible to free."
    )
    world.event(
        node, "FreeDiskSpaceFailed", text, first=since, last=100, count=5, component="kubelet"
    )
    app = shop.victim()
    made = app.pods[0]
    why = (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi,"
        " available: 9106Mi. "
    )
    evicted(world, made, why, ago=since - 60)
    world.event(made, "Evicted", why, first=since - 60, last=since - 60)
    other = next(one for one in world.nodes() if one is not node)
    app.add_pod(age=since - 59, node=other)
    return Blame("node-pressure", (f"node/{name}", app.object))


@broken("a node vanishes and with it the database of all", beyond_view=True, alone=True)
def database_node(shop: Shop) -> Blame:
    world, since = shop.world, 1200
    base = shop.take(shop.database)
    node = world.find("Node", base.pods[0]["spec"]["nodeName"])
    name = node["metadata"]["name"]
    for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        said = "Kubelet stopped posting node status."
        set_condition(
            node,
            world.condition(
                "Unknown", "NodeStatusUnknown", said, type=kind, at=since, beat=since + 45
            ),
        )
    node["spec"]["taints"] = [
        {"key": "node.kubernetes.io/unreachable", "effect": effect, "timeAdded": world.ago(since)}
        for effect in ("NoSchedule", "NoExecute")
    ]
    world.event(
        node,
        "NodeNotReady",
        f"Node {name} status is now: NodeNotReady",
        first=since,
        last=since,
        type="Normal",
    )
    other = next(one for one in world.nodes() if one is not node)
    for app, made in _on(shop, node):
        if app.workload["kind"] == "DaemonSet":
            spell(world, made, "Ready", status="False", lastTransitionTime=world.ago(since))
            continue
        spell(world, made, "Ready", status="False", lastTransitionTime=world.ago(since))
        leaving(world, made, asked=since - 300)
        if app.workload["kind"] == "Deployment":
            app.add_pod(age=since - 300, node=other)
    world.silent_kubelets.add(name)
    also = fallen(shop, since - 30)
    wide = Blame("node-not-ready dependency terminating-stuck", ("*",))
    return Blame("node-not-ready", (f"node/{name}",), (also, wide))


@broken("a finalizer that nobody serves any more holds a pod")
def finalizer(shop: Shop) -> Blame:
    app = shop.victim()
    made = app.pods[0]
    leaving(shop.world, made, asked=3 * 3600)
    made["metadata"]["finalizers"] = ["storage.acme.io/flush-cache"]
    node = shop.world.find("Node", made["spec"]["nodeName"])
    for one in made["status"]["containerStatuses"]:
        code = {"exitCode": 0, "reason": "Completed", "startedAt": shop.world.ago(90000)}
        one |= {"state": {"terminated": {**code, "finishedAt": shop.world.ago(3 * 3600 - 5)}}}
        one |= {"ready": False, "started": False}
    unready(shop.world, made, 3 * 3600 - 5)
    made["status"]["phase"] = "Succeeded"
    app.add_pod(age=3 * 3600, node=node)
    return Blame("terminating", (app.object, f"pod/{made['metadata']['name']}"))


@broken("the database lets in no more connections", alone=True)
def connections(shop: Shop) -> Blame:
    """It is well by itself; its own log and that of the api say what is short."""
    world, since = shop.world, some_time(shop, 600)
    api, base = shop.take(shop.api), shop.take(shop.database)
    said = "FATAL:  sorry, too many clients already"
    world.log(base.pods[0], [f"2026-03-04 15:00:00 UTC [77] {said}"] * 5, until=1)
    for made in api.pods:
        log = ["opening pool of 50 connections", f"connection to {shop.database} failed: {said}"]
        crashing(world, made, log=log, since=since, lived=3)
    web = shop.take(shop.web)
    unwell(shop, web, since - 30)
    also = Blame(
        "dependency", (web.object, f"service/{api.name}", f"ingress/{web.name}", api.object)
    )
    objects = (api.object, base.object, f"service/{shop.database}")
    return Blame("dependency crash", objects, (also,), says="(?i)too many clients")


@broken(
    "the front waits for an api whose new image does not exist, and has no old pods left",
    alone=True,
)
def recreated(shop: Shop) -> Blame:
    since, api = some_time(shop), shop.take(shop.api)
    image = f"{api.image.rpartition(':')[0]}:77.0.0"
    for made in api.begin_anew(api.template_with(image=image), ago=since):
        said = f'failed to resolve reference "{image}": {image}: not found'
        not_pulled(shop, made, said, since)
    also = fallen(shop, since, api=False)
    return Blame("image-not-found", (api.object,), (also,))


@broken("two things at once: a secret is missing here, a disk is full there")
def both(shop: Shop) -> Blame:
    """The full disk is what is asked for; the other one is true as well."""
    world, since = shop.world, some_time(shop)
    app = stateful(
        shop, "victoria", "victoriametrics/victoria-metrics:v1.101.0", replicas=1, port=8428
    )
    log = [
        "panic: FATAL: cannot write 65536 bytes to /data/parts.json: write: no space left on device"
    ]
    crashing(world, app.pods[0], code=2, since=since, lived=2, log=log)
    other = extra(shop, "quote-mailer")
    source = [{"secretRef": {"name": "mail-relay"}}]
    for made in other.change(other.template_with(envFrom=source), ago=since):
        refused_config(shop, made, 'secret "mail-relay" not found', since)
    also = Blame("secret-missing", (other.object, "secret/mail-relay"))
    return Blame(
        "volume-full secret-missing",
        (app.object, "persistentvolumeclaim/data-victoria-0", other.object, "secret/mail-relay"),
        (also,),
    )


@broken("three apps ask one that crashes since its setting was edited", alone=True)
def identity(shop: Shop) -> Blame:
    """Three apps answer 503 because one, which all ask, crashes since its configuration changed."""
    world, since = shop.world, some_time(shop, 700)
    auth = extra(shop, "identity", replicas=2)
    edited: Object = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1"}
    edited |= {"time": world.ago(since + 45), "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}
    config = world.make(
        "ConfigMap",
        "identity-realm",
        metadata={"managedFields": [edited]},
        data={"realm.json": '{"issuer": "https//id.acme.io"}'},
    )
    source = [{"configMapRef": {"name": config["metadata"]["name"]}}]
    auth.workload["spec"]["template"] = auth.template_with(envFrom=source)
    auth.sets[-1]["spec"]["template"]["spec"] = auth.template["spec"]
    for made in auth.pods:
        made["spec"]["containers"][0]["envFrom"] = source
        log = ["loading realm.json", 'fatal: issuer "https//id.acme.io": not an absolute URL']
        crashing(world, made, log=log, since=since, lived=1)
    names = []
    for name in ("carrier-api", "partner-portal", "refund-desk"):
        one = extra(shop, name, env=[{"name": "OIDC_URL", "value": "http://identity/realms/main"}])
        line = 'level=error msg="GET http://identity/realms/main: connect: connection refused"'
        unwell(shop, one, since - 20, log=[line])
        names += [one.object, f"service/{name}"]
    also = Blame("dependency", (*names, "service/identity"))
    objects = (auth.object, "configmap/identity-realm")
    return Blame("crash config-value config-changed", objects, (also,))

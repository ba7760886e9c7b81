"""Nothing is wrong: what nodes, kubelets and controllers do all day."""

from tests.diagnosis.decoys import UNSEEN_DECOYS, _app, decoy
from tests.diagnosis.pods import not_mounted, status_of, template, unready, waiting
from tests.diagnosis.shop import Shop, autoscaler
from tests.diagnosis.workloads import App, daemon_set
from tests.diagnosis.world import DAY, Object


def _moved(app: App, ago: float) -> Object:
    """A pod of it in place of another."""
    world = app.world
    app.drop(app.pods[-1])
    return app.add_pod(age=ago, node=world.random.choice(world.nodes()))


@decoy("a probe that is redirected, and taken for well", among=UNSEEN_DECOYS)
def redirected(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    for made in app.pods:
        said = "Readiness probe warning: Probe terminated redirects, Response body: <a href=/login>"
        world.event(made, "ProbeWarning", said, first=9000, last=8, count=900, container=app.name)


@decoy("pods of nodes that were shut down in order", among=UNSEEN_DECOYS)
def shut_down(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    for number in range(2):
        made = app.add_pod(age=3 * DAY, node=world.nodes()[number])
        said = "Pod was terminated in response to imminent node shutdown."
        made["status"] = {
            "phase": "Failed",
            "reason": "Terminated",
            "message": said,
            "startTime": world.ago(3 * DAY),
        }
        _moved(app, 3 * 3600)


@decoy(
    "a pod was driven out by one of a higher priority, and found another place", among=UNSEEN_DECOYS
)
def preempted(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    gone = app.pods[-1]
    said = f"Preempted by pod {world.uid()} on node {gone['spec']['nodeName']}"
    world.event(gone, "Preempted", said, first=2400, last=2400, component="default-scheduler")
    _moved(app, 2390)


@decoy("an init container that needed four attempts half an hour ago", among=UNSEEN_DECOYS)
def patient(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    init = {"name": "wait-db", "image": "busybox:1.37", "resources": {}}
    app.template["spec"]["initContainers"] = [init]
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for _ in range(len(app.pods)):
        made = app.pods[0]
        app.drop(made)
        made = app.add_pod(age=1900, node=world.random.choice(world.nodes()))
        status = made["status"]["initContainerStatuses"][0]
        failed = {"exitCode": 1, "reason": "Error", "startedAt": world.ago(1840)}
        failed |= {"finishedAt": world.ago(1838), "containerID": "containerd://9"}
        status |= {"restartCount": 4, "lastState": {"terminated": failed}}
        said = "Back-off restarting failed container wait-db in pod"
        world.event(made, "BackOff", said, first=1880, last=1840, count=4, container="wait-db")


@decoy("a node is drained just now, and its pods start elsewhere", among=UNSEEN_DECOYS)
def drained(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    node = world.nodes()[0]
    node["spec"]["unschedulable"] = True
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    node["spec"]["taints"] = [{**taint, "timeAdded": world.ago(40)}]
    said = f"Node {node['metadata']['name']} status is now: NodeNotSchedulable"
    world.event(node, "NodeNotSchedulable", said, type="Normal", first=40, last=40)
    made = _moved(app, 9)
    while made["spec"]["nodeName"] == node["metadata"]["name"]:
        made = _moved(app, 9)
    not_mounted(world, made, 9)


@decoy("a node joins, and its network is not up yet", among=UNSEEN_DECOYS)
def joins(shop: Shop) -> None:
    world = shop.world
    node = world.node(f"new-{world.letters(4)}", "eu-west-1b")
    node["metadata"]["creationTimestamp"] = world.ago(25)
    said = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    said += " message:Network plugin returns error: cni plugin not initialized"
    for one in node["status"]["conditions"]:
        one["lastTransitionTime"] = world.ago(25)
        if one["type"] == "Ready":
            one |= {"status": "False", "reason": "KubeletNotReady", "message": said}
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    world.event(node, "Starting", "Starting kubelet.", type="Normal", first=26, last=26)


@decoy("a large image is being pulled for the third minute", among=UNSEEN_DECOYS)
def large_image(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    image = f"{app.image.rpartition(':')[0]}:15.0.0-cuda"
    for made in app.change(app.template_with(image=image), ago=160):
        not_mounted(world, made, 158)
        said = f'Pulling image "{image}"'
        about: Object = {"type": "Normal", "first": 156, "last": 156, "container": app.name}
        world.event(made, "Pulling", said, **about)


@decoy("a program has ten minutes for its start, and is at the second", among=UNSEEN_DECOYS)
def slow_start(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    probe: Object = {"httpGet": {"path": "/started", "port": "http", "scheme": "HTTP"}}
    probe |= {"periodSeconds": 10, "failureThreshold": 60, "timeoutSeconds": 1}
    image = f"{app.image.rpartition(':')[0]}:15.0.1"
    for made in app.change(app.template_with(image=image, startupProbe=probe), ago=110):
        status_of(made).update({"ready": False, "started": False})
        unready(world, made, 105)
        said = "Startup probe failed: HTTP probe failed with statuscode: 503"
        world.event(made, "Unhealthy", said, first=95, last=5, count=10, container=app.name)


@decoy("warnings about pods that are gone after a restart of all", among=UNSEEN_DECOYS)
def of_the_gone(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    for old in list(app.pods):
        said = 'Readiness probe failed: Get "http://10.42.0.4:8080/ready": dial tcp 10.42.0.4:8080:'
        said += " connect: connection refused"
        world.event(old, "Unhealthy", said, first=240, last=150, count=9, container=app.name)
        app.drop(old)
        app.add_pod(age=260, node=world.random.choice(world.nodes()))


@decoy("other conditions of a node, all as they should be", among=UNSEEN_DECOYS)
def detector(shop: Shop) -> None:
    world = shop.world
    for node in world.nodes():
        for kind, reason in (
            ("KernelDeadlock", "KernelHasNoDeadlock"),
            ("ReadonlyFilesystem", "FilesystemIsNotReadOnly"),
            ("FrequentKubeletRestart", "NoFrequentKubeletRestart"),
            ("VMEventScheduled", "NoVMEventScheduled"),
        ):
            said = world.condition("False", reason, "all is well", type=kind, at=9 * DAY, beat=50)
            node["status"]["conditions"].append(said)
        said = world.condition("True", "Synced", "in sync", type="TimeSynchronized", at=9 * DAY)
        node["status"]["conditions"].append(said)
        node["status"]["conditions"].append(
            world.condition(
                "False", "RouteCreated", "made a route", type="NetworkUnavailable", at=9 * DAY
            )
        )


@decoy("sizes are mended by moving pods, and nodes made fewer", among=UNSEEN_DECOYS)
def consolidated(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    gone = app.pods[-1]
    said = "Pod was evicted by VPA Updater to apply resource recommendation."
    about: Object = {"type": "Normal", "first": 1500, "last": 1500, "component": "vpa-updater"}
    world.event(gone, "EvictedByVPA", said, **about)
    _moved(app, 1495)
    node = world.nodes()[-1]
    said = "Failed to drain node, 3 pods are waiting to be evicted"
    about = {"first": 3000, "last": 2900, "count": 4, "component": "karpenter"}
    world.event(node, "FailedDraining", said, **about)


@decoy("a daemon set for nodes that this cluster has none of", among=UNSEEN_DECOYS)
def no_such_nodes(shop: Shop) -> None:
    world = shop.world
    app = daemon_set(world, template("gpu-agent", "nvidia/dcgm-exporter:4.1", port=0))
    shop.apps["gpu-agent"] = app
    app.template["spec"]["nodeSelector"] = {"nvidia.com/gpu.present": "true"}
    for made in list(app.pods):
        app.drop(made)


@decoy("an autoscaler missed one look at its metrics", among=UNSEEN_DECOYS)
def one_miss(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    world.objects["HorizontalPodAutoscaler"].pop((world.namespace, app.name), None)
    found = autoscaler(world, app)
    said = "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch"
    said += (
        " metrics from resource metrics API: the server is currently unable to handle the request"
    )
    world.event(found, "FailedGetResourceMetric", said, first=1900, last=1870, count=3)
    said = f"failed to compute desired number of replicas based on listed metrics: {said}"
    world.event(found, "FailedComputeMetricsReplicas", said, first=1900, last=1870, count=3)


@decoy("a small cluster's first pod of a scale-up pulls its image", among=UNSEEN_DECOYS)
def one_more(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    app.workload["spec"]["replicas"] += 1
    made = app.add_pod(age=12, node=world.random.choice(world.nodes()))
    waiting(world, made, "ContainerCreating", since=12)
    app.stuck_for = 12

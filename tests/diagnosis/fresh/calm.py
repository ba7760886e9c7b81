"""Nothing is wrong: what happens in the life of pods and workloads."""

from tests.diagnosis.decoys import FRESH_DECOYS, _app, decoy
from tests.diagnosis.pods import (
    evicted,
    leaving,
    not_mounted,
    restarted,
    status_of,
    template,
    unready,
    waiting,
)
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import daemon_set, stateful_set
from tests.diagnosis.world import DAY, Object


@decoy("out of memory once, five hours ago", among=FRESH_DECOYS)
def once(shop: Shop) -> None:
    restarted(shop.world, _app(shop).pods[0], ago=5 * 3600, code=137)


@decoy("a stateful set is being rolled", among=FRESH_DECOYS)
def set_rolls(shop: Shop) -> None:
    world = shop.world
    of = template("nats", "nats:2.11", port=4222, probe="/healthz")
    app = stateful_set(world, of, replicas=3, claim="js")
    shop.apps["nats"] = app
    last = app.change(app.template_with(image="nats:2.11.1"), ago=14)[0]
    waiting(world, last, "ContainerCreating", since=14)
    last["status"].pop("podIP", None)


@decoy("a daemon set is being rolled", among=FRESH_DECOYS)
def daemons_roll(shop: Shop) -> None:
    world = shop.world
    app = daemon_set(world, template("otel", "otel/collector:0.121", port=0))
    shop.apps["otel"] = app
    node = world.find("Node", app.pods[0]["spec"]["nodeName"])
    app.drop(app.pods[0])
    made = app.add_pod(age=11, node=node)
    waiting(world, made, "ContainerCreating", since=11)

    def told() -> None:
        app.workload["status"] |= {"updatedNumberScheduled": 1, "observedGeneration": 2}
        app.workload["metadata"]["generation"] = 2

    shop.after.append(told)


@decoy("a workload that is stopped before it is started anew", among=FRESH_DECOYS)
def recreated(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    app.workload["spec"]["strategy"] = {"type": "Recreate"}
    old = list(app.pods)
    image = f"{app.image.rpartition(':')[0]}:14.0.0"
    app.change(app.template_with(image=image), ago=18)
    for made in old:
        app.drop(made)
        app.add_pod(age=18, node=world.nodes()[0])
    app.drop(app.pods[-1])
    app.stuck_for = 18
    for made in app.pods:
        status_of(made).update({"ready": False, "started": False})
        unready(world, made, 17)


@decoy("everything was made just now", among=FRESH_DECOYS)
def brand_new(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    for made in list(app.pods):
        app.drop(made)
    app.workload["metadata"]["creationTimestamp"] = world.ago(9)
    app.sets[-1]["metadata"]["creationTimestamp"] = world.ago(9)
    app.stuck_for = 8
    for _ in range(app.workload["spec"]["replicas"]):
        made = app.add_pod(age=9, node=world.nodes()[0])
        not_mounted(world, made, 9)


@decoy("three pods were evicted two hours ago, others took their place", among=FRESH_DECOYS)
def husks(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    for number in range(3):
        made = app.add_pod(age=2 * DAY, node=world.nodes()[0])
        said = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, "
        evicted(world, made, f"{said}available: 800Mi. ", ago=7200 + 60 * number)


@decoy("a pod takes the ten minutes that it has for leaving", among=FRESH_DECOYS)
def long_grace(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    made = app.add_pod(age=9000, node=world.nodes()[0])
    made["spec"]["terminationGracePeriodSeconds"] = 600
    leaving(world, made, asked=300, grace=600)
    world.event(
        made, "Killing", f"Stopping container {app.name}", type="Normal", first=300, last=300
    )


@decoy("a node was rebooted three hours ago", among=FRESH_DECOYS)
def reboot(shop: Shop) -> None:
    world = shop.world
    node = world.nodes()[0]["metadata"]["name"]
    for made in world.all("Pod", world.namespace):
        if made["spec"].get("nodeName") == node and made["status"]["phase"] == "Running":
            restarted(world, made, ago=3 * 3600, code=255)
            status_of(made)["lastState"]["terminated"]["reason"] = "Unknown"


@decoy("somebody debugged a pod with a container of his own", among=FRESH_DECOYS)
def debugged(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    made = app.pods[0]
    debugger: Object = {"name": "debugger-x7k2p", "image": "busybox:1.37", "resources": {}}
    made["spec"]["ephemeralContainers"] = [debugger]
    done = {
        "exitCode": 130,
        "reason": "Error",
        "startedAt": world.ago(900),
        "finishedAt": world.ago(600),
    }
    made["status"]["ephemeralContainerStatuses"] = [
        {
            "name": "debugger-x7k2p",
            "state": {"terminated": done},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": "busybox:1.37",
            "imageID": "",
            "containerID": "containerd://1",
        }
    ]


@decoy("a sidecar of the native kind runs beside its pod", among=FRESH_DECOYS)
def native(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    init = {"name": "proxy", "image": "envoy:1.33", "restartPolicy": "Always", "resources": {}}
    app.template["spec"]["initContainers"] = [init]
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        made["spec"]["initContainers"] = [init]
        running = {"running": {"startedAt": made["status"]["startTime"]}}
        made["status"]["initContainerStatuses"] = [
            {
                "name": "proxy",
                "state": running,
                "lastState": {},
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": "envoy:1.33",
                "imageID": "",
                "containerID": "containerd://2",
            }
        ]
    assert world


@decoy("warnings that every cluster has", among=FRESH_DECOYS)
def chatter(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    for made in app.pods:
        said = "Nameserver limits were exceeded, some nameservers have been omitted, the applied"
        said += " nameserver line is: 10.0.0.2 10.0.0.3 1.1.1.1"
        world.event(made, "DNSConfigForming", said, first=3500, last=20, count=600)
        said = "policy require-labels/autogen fail: validation error: label team is required"
        world.event(
            made, "PolicyViolation", said, first=3000, last=300, count=6, component="kyverno-scan"
        )
    assert app.service is not None
    said = f"Failed to update endpoint {world.namespace}/{app.name}: Operation cannot be fulfilled"
    said += f' on endpoints "{app.name}": the object has been modified; please apply your changes'
    world.event(app.service, "FailedToUpdateEndpoint", said, first=900, last=900)


@decoy("a pod of nobody that ended with an error last week", among=FRESH_DECOYS)
def leftover(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    made = app.add_pod(age=7 * DAY, node=world.nodes()[0])
    app.pods.remove(made)
    world.remove(made)
    del made["metadata"]["ownerReferences"], made["metadata"]["generateName"]
    made["metadata"] |= {"name": "psql-debug", "labels": {"run": "psql-debug"}}
    made["spec"]["restartPolicy"] = "Never"
    world.add(made)
    done = {
        "exitCode": 130,
        "reason": "Error",
        "startedAt": world.ago(7 * DAY),
        "finishedAt": world.ago(6.9 * DAY),
    }
    status_of(made).update({"state": {"terminated": done}, "ready": False, "started": False})
    made["status"]["phase"] = "Failed"
    unready(world, made, 6.9 * DAY)


@decoy("one tag has another digest on each kind of node", among=FRESH_DECOYS)
def platforms(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    first, second = world.digest(), world.digest()
    bare = app.image.rpartition(":")[0]
    for number, made in enumerate(app.pods):
        status_of(made)["imageID"] = f"{bare}@sha256:{second if number % 2 else first}"


@decoy("the pods of a scale-up wait for a node that is being made", among=FRESH_DECOYS)
def coming(shop: Shop) -> None:
    """Seconds ago, and the cluster's autoscaler said that it makes one."""
    world, app = shop.world, _app(shop)
    app.workload["spec"]["replicas"] += 1
    made = app.add_pod(age=20, node=None)
    count = len(world.all("Node"))
    said = f"0/{count} nodes are available: {count} Insufficient cpu. preemption: 0/{count} nodes"
    text = f"{said} are available: {count} No preemption victims found for incoming pod."
    made["status"]["conditions"][0]["message"] = text
    world.event(made, "FailedScheduling", text, first=20, last=20, component="default-scheduler")
    about: Object = {"type": "Normal", "first": 15, "last": 15, "component": "cluster-autoscaler"}
    said = "pod triggered scale-up: [{pool-a 3->4 (max: 10)}]"
    world.event(made, "TriggeredScaleUp", said, **about)
    app.stuck_for = 20

"""Pods and workloads that look ill and are not: what they went through is over, or is meant."""

from tests.diagnosis.decoys import NoRoom
from tests.diagnosis.fifth.common import (
    DAY,
    beside,
    calm,
    daemon,
    ended,
    extra,
    init_status,
    stateful,
    with_init,
)
from tests.diagnosis.pods import (
    ended as pod_ended,
)
from tests.diagnosis.pods import (
    evicted,
    http_probe,
    leaving,
    pod,
    restarted,
    status_of,
    template,
    unready,
    waiting,
)
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def _app(shop: Shop, *, serves: bool = False) -> App:
    try:
        return shop.victim(serves=serves)
    except IndexError as error:
        raise NoRoom from error


@calm("it ran out of memory three days ago, once")
def memory(shop: Shop) -> None:
    restarted(shop.world, _app(shop).pods[0], ago=3 * DAY, code=137)


@calm("two hundred restarts, the last of them five days ago")
def many(shop: Shop) -> None:
    for made in _app(shop).pods:
        restarted(shop.world, made, ago=5 * DAY, times=214)


@calm("one restart by a liveness probe two hours ago")
def liveness(shop: Shop) -> None:
    made = _app(shop).pods[-1]
    restarted(shop.world, made, ago=2 * 3600, code=137)
    status_of(made)["lastState"]["terminated"]["reason"] = "Error"


@calm("a rollout that began twenty seconds ago")
def begun(shop: Shop) -> None:
    app = _app(shop)
    for made in app.change(app.template_with(image=f"{app.image}-n"), ago=20):
        made["status"].pop("podIP")
        made["status"].pop("podIPs")
        waiting(shop.world, made, "ContainerCreating", since=19)
        where = {"first": 15, "last": 15, "type": "Normal", "container": app.container["name"]}
        shop.world.event(made, "Pulling", f'Pulling image "{app.image}-n"', **where)


@calm("a slow start that its start-up probe still grants")
def starting(shop: Shop) -> None:
    app = _app(shop, serves=True)
    probe = http_probe("/ready", "http") | {"failureThreshold": 60, "periodSeconds": 5}
    for made in app.change(app.template_with(startupProbe=probe, image=f"{app.image}-s"), ago=75):
        status = status_of(made)
        status |= {"ready": False, "started": False}
        unready(shop.world, made, 72)
        address = made["status"]["podIP"]
        said = f'Get "http://{address}:{app.port}/ready": dial tcp {address}:{app.port}: connect:'
        shop.world.event(
            made,
            "Unhealthy",
            f"Startup probe failed: {said} connection refused",
            first=66,
            last=2,
            count=13,
            container=app.container["name"],
        )


@calm("a pod that leaves and has a minute to do so")
def going(shop: Shop) -> None:
    app = _app(shop)
    made = app.pods[-1]
    made["spec"]["terminationGracePeriodSeconds"] = 120
    leaving(shop.world, made, asked=12, grace=120)
    app.add_pod(age=300, node=shop.world.nodes()[0])


@calm("evicted pods of last week, replaced at once")
def old_evictions(shop: Shop) -> None:
    app = _app(shop)
    for number in (0, 1, 2):
        made = app.add_pod(age=8 * DAY, node=shop.world.nodes()[number % 2])
        said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
        evicted(shop.world, made, said, ago=7 * DAY)


@calm("a pull that failed twice and then went through")
def pulled(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    app.drop(app.pods[-1])
    made = app.add_pod(age=1500, node=world.nodes()[0])
    image, where = app.image, {"container": app.container["name"]}
    said = f'Failed to pull image "{image}": failed to copy: read tcp: connection reset by peer'
    world.event(made, "Failed", said, first=1480, last=1450, count=2, **where)
    world.event(made, "Failed", "Error: ErrImagePull", first=1480, last=1450, count=2, **where)
    world.event(
        made,
        "Pulled",
        f'Successfully pulled image "{image}" in 4.1s',
        type="Normal",
        first=1420,
        last=1420,
        **where,
    )


@calm("mounts that were late at the start")
def late_mounts(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    app.drop(app.pods[-1])
    made = app.add_pod(age=1100, node=world.nodes()[1])
    for said in (
        (
            'MountVolume.SetUp failed for volume "kube-api-access-8xk2p" : failed to sync'
            " configmap cache:"
            " timed out waiting for the condition"
        ),
        (
            'MountVolume.SetUp failed for volume "config" : object'
            f' "{world.namespace}"/"{app.name}-config"'
            " not registered"
        ),
    ):
        world.event(made, "FailedMount", said, first=1099, last=1097, count=2)


@calm("readiness that blinked a quarter of an hour ago")
def blinked(shop: Shop) -> None:
    made = _app(shop, serves=True).pods[0]
    said = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    shop.world.event(
        made,
        "Unhealthy",
        said,
        first=1000,
        last=920,
        count=4,
        container=made["spec"]["containers"][0]["name"],
    )


@calm("a pod that waited for a new node and got it")
def grown(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    app.drop(app.pods[-1])
    made = app.add_pod(age=900, node=world.nodes()[2])
    said = f"0/{len(world.all('Node'))} nodes are available: 3 Insufficient cpu."
    world.event(
        made, "FailedScheduling", said, first=900, last=800, count=3, component="default-scheduler"
    )
    text = "pod triggered scale-up: [{eks-workers 3->4 (max: 10)}]"
    world.event(
        made,
        "TriggeredScaleUp",
        text,
        type="Normal",
        first=890,
        last=890,
        component="cluster-autoscaler",
    )


@calm("a settings map that may be missing, and is")
def optional(shop: Shop) -> None:
    app = _app(shop)
    sources: list[Object] = [{"configMapRef": {"name": "feature-overrides", "optional": True}}]
    sources.append({"secretRef": {"name": "extra-tokens", "optional": True}})
    volume = {
        "name": "more",
        "configMap": {"name": "more-settings", "optional": True, "defaultMode": 420},
    }
    app.workload["spec"]["template"] = app.template_with(envFrom=sources)
    app.template["spec"]["volumes"] = [*app.template["spec"].get("volumes", ()), volume]
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        made["spec"]["containers"][0]["envFrom"] = sources
        made["spec"]["volumes"].append(volume)


@calm("logs full of the word error, and pods that are well")
def wordy(shop: Shop) -> None:
    for made in _app(shop, serves=True).pods:
        lines = [
            "INFO errors=0 failed=0 panics=0 path=/metrics",
            "WARN retrying upstream after connection refused (1/5)",
            "INFO upstream recovered",
            "ERROR validation failed for order 118: postcode missing (client error, 400)",
        ]
        shop.world.log(made, lines * 3, until=4)


@calm("an init container that was tried four times, until its database was up")
def init_tried(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    of = with_init(app, {"name": "schema", "image": app.image})
    app.workload["spec"]["template"] = of
    app.sets[-1]["spec"]["template"]["spec"] = of["spec"]
    for made in list(app.pods):
        app.drop(made)
        fresh = app.add_pod(age=2 * DAY, node=world.nodes()[0])
        init_status(fresh, "schema")["restartCount"] = 4


@calm("a native sidecar at work")
def native(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    proxy = {"name": "proxy", "image": "envoyproxy/envoy:v1.30.2", "restartPolicy": "Always"}
    of = with_init(app, proxy)
    app.workload["spec"]["template"] = of
    app.sets[-1]["spec"]["template"]["spec"] = of["spec"]
    for made in list(app.pods):
        app.drop(made)
        fresh = app.add_pod(age=4 * DAY, node=world.nodes()[1])
        mine = init_status(fresh, "proxy")
        mine |= {"state": {"running": {"startedAt": world.ago(4 * DAY - 3)}}, "ready": True}
        mine |= {"started": True}


@calm("a canary of a set, held at one pod on purpose")
def canary(shop: Shop) -> None:
    app = stateful(shop, "scylla", "scylladb/scylla:6.0.1", port=9042)
    app.workload["spec"]["updateStrategy"]["rollingUpdate"] = {"partition": 2}
    app.workload["spec"]["template"] = app.template_with(image="scylladb/scylla:6.0.2")
    old, new = "scylla-6bd5f7c9d8", "scylla-84c9d7f6b5"

    def seen() -> None:
        counts = {"currentReplicas": 2, "updatedReplicas": 1}
        app.workload["status"] |= {"currentRevision": old, "updateRevision": new, **counts}
        last = app.pods[-1]
        last["metadata"]["labels"]["controller-revision-hash"] = new
        last["spec"]["containers"][0]["image"] = "scylladb/scylla:6.0.2"
        status_of(last)["image"] = "scylladb/scylla:6.0.2"

    shop.after.append(seen)


@calm("an agent for nodes of a kind that there is none of")
def nowhere(shop: Shop) -> None:
    app = daemon(shop, "gpu-exporter", "nvcr.io/nvidia/k8s/dcgm-exporter:3.3.6")
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["template"]["spec"]["nodeSelector"] = {"nvidia.com/gpu.present": "true"}


@calm("a rollout that was paused before anything changed")
def paused(shop: Shop) -> None:
    _app(shop).workload["spec"]["paused"] = True


@calm("an app that was put to sleep last month")
def asleep(shop: Shop) -> None:
    app = extra(shop, "black-friday-queue", serves=False)
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["replicas"] = 0
    app.workload["metadata"]["annotations"]["acme.io/asleep-until"] = "November"


@calm("somebody's shell of yesterday, ended with an error")
def shell(shop: Shop) -> None:
    world = shop.world
    owner = shop.apps[shop.web].owner
    of = template("debug-anna", "nicolaka/netshoot:v0.13", port=0)
    of["spec"]["restartPolicy"] = "Never"
    made = pod(world, owner, "debug-anna", of, age=26 * 3600, node=world.nodes()[0])
    for key in ("ownerReferences", "generateName"):
        made["metadata"].pop(key)
    made["metadata"]["labels"] = {"run": "debug-anna"}
    pod_ended(world, made, code=130, ago=25 * 3600)


@calm("events of pods that are gone")
def gone(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    made = app.add_pod(age=1700, node=world.nodes()[0])
    name = made["metadata"]["name"]
    said = (
        f"Back-off restarting failed container {app.container['name']} in pod"
        f" {name}_{world.namespace}(1)"
    )
    world.event(made, "BackOff", said, first=1600, last=700, count=40)
    said = "Readiness probe failed: HTTP probe failed with statuscode: 500"
    world.event(made, "Unhealthy", said, first=1600, last=710, count=60)
    app.drop(made)


@calm("a second container that was restarted last night")
def sidecar(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    of = beside(app, {"name": "config-reloader", "image": "ghcr.io/acme/reloader:1"})
    app.workload["spec"]["template"] = of
    app.sets[-1]["spec"]["template"]["spec"] = of["spec"]
    for made in list(app.pods):
        app.drop(made)
        fresh = app.add_pod(age=9 * DAY, node=world.nodes()[0])
        mine = status_of(fresh, "config-reloader")
        end = ended(world, 2, "Error", 10 * 3600, 5 * DAY)
        mine |= {"restartCount": 1, "lastState": {"terminated": end}}
        mine["state"] = {"running": {"startedAt": world.ago(10 * 3600 - 1)}}

"""Harmless things that look alarming: each may be a notice and must never be a finding."""

from collections.abc import Callable

from tests.diagnosis.pods import (
    ended,
    evicted,
    failing_probe,
    leaving,
    restarted,
    spell,
    status_of,
    template,
    unready,
    waiting,
)
from tests.diagnosis.shop import Shop, autoscaler, budget, cron_job, job, scaling
from tests.diagnosis.workloads import App, deployment, ready
from tests.diagnosis.world import DAY, Object, set_condition


class NoRoom(LookupError):
    """Something happened to every application already."""


DECOYS: dict[str, Callable[[Shop], None]] = {}
FRESH_DECOYS: dict[str, Callable[[Shop], None]] = {}  # of the third set
UNSEEN_DECOYS: dict[str, Callable[[Shop], None]] = {}  # of the fourth
FIFTH_DECOYS: dict[str, Callable[[Shop], None]] = {}


def decoy(
    name: str, among: dict[str, Callable[[Shop], None]] = DECOYS
) -> Callable[[Callable[[Shop], None]], Callable[[Shop], None]]:
    """Enter a function among the decoys."""

    def enter(make: Callable[[Shop], None]) -> Callable[[Shop], None]:
        among[name] = make
        return make

    return enter


def _app(shop: Shop, *, serves: bool = False) -> App:
    """Some deployment that nothing else happened to."""
    free = [
        app
        for name, app in sorted(shop.apps.items())
        if app.sets
        and name not in shop.taken
        and (app.service or not serves)
        and all(map(ready, app.pods))
        and app.workload["spec"]["replicas"]
    ]
    if not free:
        raise NoRoom
    app = shop.world.random.choice(free)
    shop.taken.add(app.name)
    return app


def _young(app: App, ago: float) -> Object:
    """A pod of it that was replaced that long ago and is well."""
    world = app.world
    app.drop(app.pods[-1])
    return app.add_pod(age=ago, node=world.random.choice(world.nodes()))


@decoy("start-up probes that failed until it was up")
def recovered(shop: Shop) -> None:
    app = _app(shop, serves=True)
    made = _young(app, shop.world.random.randrange(700, 3000))
    age = shop.world.since(made["metadata"]["creationTimestamp"])
    address = made["status"]["podIP"]
    for kind in ("Startup", "Readiness"):
        said = f'{kind} probe failed: Get "http://{address}:{app.port}/healthz": dial tcp'
        shop.world.event(
            made,
            "Unhealthy",
            f"{said} {address}:{app.port}: connect: connection refused",
            first=age - 5,
            last=age - 40,
            count=4,
            container=app.name,
        )


@decoy("an old restart")
def old_restart(shop: Shop) -> None:
    for made in _app(shop).pods[:2]:
        restarted(
            shop.world,
            made,
            ago=shop.world.random.randrange(2, 9) * DAY,
            code=shop.world.random.choice((1, 137, 143)),
            times=shop.world.random.randrange(1, 15),
        )


@decoy("one restart an hour ago, well since")
def one_restart(shop: Shop) -> None:
    made = _app(shop).pods[0]
    restarted(shop.world, made, ago=shop.world.random.randrange(3700, 9000), code=1)


@decoy("a crash while a dependency came up, over")
def early_crash(shop: Shop) -> None:
    app = _app(shop)
    made = _young(app, 3300)
    restarted(shop.world, made, ago=3100, code=1, times=2)
    status_of(made)["lastState"]["terminated"]["startedAt"] = shop.world.ago(3120)
    meta = made["metadata"]
    shop.world.event(
        made,
        "BackOff",
        f"Back-off restarting failed container {app.name} in pod {meta['name']}"
        f"_{meta['namespace']}({meta['uid']})",
        first=3200,
        last=3110,
        count=3,
        container=app.name,
    )


@decoy("a cordoned node of the control plane")
def control_plane(shop: Shop) -> None:
    for node in shop.world.nodes(workers=False):
        node["spec"]["unschedulable"] = True
        key = "node.kubernetes.io/unschedulable"
        node["spec"]["taints"].append({"key": key, "effect": "NoSchedule"})


@decoy("a cordoned worker with room elsewhere")
def cordoned(shop: Shop) -> None:
    node = shop.world.nodes()[-1]
    node["spec"]["unschedulable"] = True
    key = "node.kubernetes.io/unschedulable"
    added = {"key": key, "effect": "NoSchedule", "timeAdded": shop.world.ago(4000)}
    node["spec"].setdefault("taints", []).append(added)


@decoy("a completed job")
def completed(shop: Shop) -> None:
    name = shop.world.pick("seed-data", "migrate-2024", "warm-up", "import-once")
    job(
        shop.world,
        name,
        template(name, "busybox:1.37", port=0),
        ago=shop.world.random.randrange(600, 9000),
    )


@decoy("a job that succeeded at the second attempt")
def second(shop: Shop) -> None:
    world = shop.world
    name = world.pick("reindex-2", "settle-day", "compact", "load-rates")
    of = template(name, "busybox:1.37", port=0)
    found, pods = job(world, name, of, ago=4000, attempts=2)
    found["status"]["failed"] = 1
    ended(world, pods[0], code=1, ago=3900)
    world.log(pods[0], ["timeout, giving up"], until=3900)


@decoy("a cron job suspended on purpose")
def suspended(shop: Shop) -> None:
    found = cron_job(shop.world, shop.world.pick("promo-mails", "legacy-sync"), last=40 * DAY)
    found["spec"]["suspend"] = True


@decoy("a cron job that failed once, days ago")
def failed_once(shop: Shop) -> None:
    world = shop.world
    name = world.pick("daily-digest", "prune-carts")
    found = cron_job(world, name, last=8 * 3600)
    of = template(name, "busybox:1.37", port=0)
    job(world, f"{name}-29300000", of, owner=found, ago=4 * DAY, code=1, attempts=3)


@decoy("a workload scaled to nothing on purpose")
def zero(shop: Shop) -> None:
    app = _app(shop)
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["replicas"] = 0


@decoy("an autoscaler at its minimum")
def minimum(shop: Shop) -> None:
    app = _app(shop)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    found = autoscaler(shop.world, app, now_at=3)
    found["spec"]["minReplicas"] = found["status"]["currentReplicas"]
    said = "the desired replica count is less than the minimum replica count"
    condition = scaling(shop.world, "ScalingLimited", True, "TooFewReplicas", said)
    set_condition(found, condition)


@decoy("an autoscaler that was blind while pods started")
def was_blind(shop: Shop) -> None:
    app = _app(shop)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    found = autoscaler(shop.world, app)
    said = "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be"
    shop.world.event(
        found, "FailedGetResourceMetric", f"{said} unready)", first=3400, last=3300, count=7
    )


@decoy("warnings that ended")
def ended_warnings(shop: Shop) -> None:
    app = _app(shop)
    for made in app.pods:
        said = 'Liveness probe failed: Get "http://10.42.0.1:8080/": context deadline exceeded'
        last = shop.world.random.randrange(1500, 3300)
        shop.world.event(
            made, "Unhealthy", said, first=last + 60, last=last, count=2, container=app.name
        )


@decoy("scheduling that failed first and then went")
def scheduled_late(shop: Shop) -> None:
    app = _app(shop)
    made = _young(app, 2500)
    shop.world.event(
        made,
        "FailedScheduling",
        "0/4 nodes are available: 1 node(s) had untolerated taint"
        " {node-role.kubernetes.io/control-plane: }, 3 Insufficient cpu. preemption: 0/4 nodes are"
        " available: 1 Preemption is not helpful for scheduling, 3 No preemption victims found for"
        " incoming pod.",
        first=2500,
        last=2400,
        count=2,
        component="default-scheduler",
    )


@decoy("a pull that failed once and then succeeded")
def pulled_late(shop: Shop) -> None:
    app = _app(shop)
    made = _young(app, 2000)
    image = app.image
    said = f'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to do request:'
    said += " net/http: TLS handshake timeout"
    about: Object = {"first": 1990, "last": 1990, "container": app.name}
    shop.world.event(made, "Failed", said, **about)
    shop.world.event(made, "Failed", "Error: ErrImagePull", **about)


@decoy("the old replica set of a version that failed")
def old_set(shop: Shop) -> None:
    """It was rolled back days ago; the set is kept at zero."""
    app = _app(shop)
    meta = {
        "name": f"{app.name}-{shop.world.letters(9)}",
        "labels": {"app": app.name, "pod-template-hash": "x"},
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "ownerReferences": app.sets[-1]["metadata"]["ownerReferences"],
    }
    found = shop.world.make(
        "ReplicaSet",
        meta["name"],
        age=5 * DAY,
        metadata=meta,
        spec={**app.sets[-1]["spec"], "replicas": 0},
        status={"replicas": 0, "observedGeneration": 2},
    )
    said = {"reason": "FailedCreate", "message": 'pods "x" is forbidden: exceeded quota: old'}
    body = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": shop.world.ago(5 * DAY),
    }
    set_condition(found, {**body, **said})


@decoy("many events about another namespace")
def elsewhere(shop: Shop) -> None:
    world = shop.world
    place = "sandbox-dev"
    world.make("Namespace", place, status={"phase": "Active"})
    world.make("ServiceAccount", "default", namespace=place)
    broken = template("experiment", "busybox:1.37", port=0)
    app = deployment(world, broken, replicas=2, namespace=place, revisions=1)
    for made in app.pods:
        unready(world, made, 3000)
        for number in range(12):
            said = f"Readiness probe failed: attempt {number}"
            world.event(made, "Unhealthy", said, first=3000, last=number, count=200)
    shop.system["experiment"] = app


@decoy("a pod that is leaving as it should")
def terminating(shop: Shop) -> None:
    app = _app(shop)
    world = shop.world
    made = app.add_pod(age=9000, node=world.random.choice(world.nodes()))
    leaving(world, made, asked=world.random.randrange(2, 20))
    said = f"Stopping container {app.name}"
    about: Object = {"type": "Normal", "first": 10, "last": 10, "container": app.name}
    world.event(made, "Killing", said, **about)


@decoy("pressure on a node that ended")
def pressure_ended(shop: Shop) -> None:
    world = shop.world
    node = world.nodes()[0]
    name = node["metadata"]["name"]
    at = world.ago(3000)
    for one in node["status"]["conditions"]:
        if one["type"] == "DiskPressure":
            one["lastTransitionTime"] = at
    for reason, ago in (("NodeHasDiskPressure", 3400), ("NodeHasNoDiskPressure", 3000)):
        said = f"Node {name} status is now: {reason}"
        world.event(node, reason, said, type="Normal", first=ago, last=ago, component="kubelet")


@decoy("what is left of a pod evicted last week")
def husk(shop: Shop) -> None:
    app = _app(shop)
    world = shop.world
    made = app.add_pod(age=11 * DAY, node=world.nodes()[0])
    said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. "
    evicted(world, made, said, ago=7 * DAY)


@decoy("a rollout that gets on well")
def rollout(shop: Shop) -> None:
    app = _app(shop, serves=True)
    world = shop.world
    image = f"{app.image.rpartition(':')[0]}:12.0.0"
    made = app.change(app.template_with(image=image), ago=25)[0]
    app.stuck_for = 8
    name = app.name
    if world.random.random() < 0.5:
        waiting(world, made, "ContainerCreating", since=25)
        made["status"].pop("podIP", None)
    else:
        status_of(made).update({"ready": False})
        unready(world, made, 20)
        said = f'Readiness probe failed: Get "http://{made["status"]["podIP"]}:{app.port}/healthz":'
        said += " dial tcp: connect: connection refused"
        world.event(made, "Unhealthy", said, first=9, last=4, count=1, container=name)
    said = f'Pulling image "{image}"'
    world.event(made, "Pulling", said, type="Normal", first=24, last=24, container=name)


@decoy("a scale-up whose pods just start")
def scaling_up(shop: Shop) -> None:
    app = _app(shop)
    world = shop.world
    app.workload["spec"]["replicas"] += 1
    made = app.add_pod(age=12, node=world.random.choice(world.nodes()))
    waiting(world, made, "ContainerCreating", since=12)
    made["status"].pop("podIP", None)
    spell(world, made, "Initialized", status="True", lastTransitionTime=world.ago(12))


@decoy("a claim that waits for its first consumer")
def first_consumer(shop: Shop) -> None:
    world = shop.world
    claim = world.make(
        "PersistentVolumeClaim",
        world.pick("spare", "next-index"),
        age=3000,
        spec={
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Gi"}},
            "storageClassName": "gp3",
            "volumeMode": "Filesystem",
        },
        status={"phase": "Pending"},
    )
    said = "waiting for first consumer to be created before binding"
    world.event(claim, "WaitForFirstConsumer", said, type="Normal", first=2990, last=10, count=190)


@decoy("a quota that is nearly used")
def nearly(shop: Shop) -> None:
    hard, used = {"requests.cpu": "20"}, {"requests.cpu": "18500m"}
    shop.world.make(
        "ResourceQuota", "cpu", spec={"hard": hard}, status={"hard": hard, "used": used}
    )


@decoy("a disruption budget that allows none just now")
def tight(shop: Shop) -> None:
    app = _app(shop)
    shop.world.objects["PodDisruptionBudget"].pop((shop.world.namespace, app.name), None)
    budget(shop.world, app, at_least=len(app.pods))


@decoy("a headless service and one without a selector")
def services(shop: Shop) -> None:
    world = shop.world
    external = {"type": "ExternalName", "externalName": "db.partner.example.com"}
    world.make("Service", "partner-db", spec=external, status={"loadBalancer": {}})
    app = _app(shop, serves=True)
    ports = [{"name": "http", "port": app.port, "protocol": "TCP", "targetPort": app.port}]
    spec = {"type": "ClusterIP", "clusterIP": "None", "selector": {"app": app.name}, "ports": ports}
    world.make("Service", f"{app.name}-headless", spec=spec, status={"loadBalancer": {}})


@decoy("errors in the log of an app that is well")
def noisy(shop: Shop) -> None:
    for made in _app(shop).pods:
        lines = [
            'level=error msg="client went away" err="write: broken pipe"',
            'level=error msg="retrying" err="dial tcp: i/o timeout" attempt=1',
            'level=info msg="request" path=/ status=200 ms=3',
        ]
        shop.world.log(made, lines * 5, until=3)


@decoy("a config map and a secret that may be missing")
def optional(shop: Shop) -> None:
    app = _app(shop)
    source = [
        {"configMapRef": {"name": f"{app.name}-overrides", "optional": True}},
        {"secretRef": {"name": f"{app.name}-extra", "optional": True}},
    ]
    app.workload["spec"]["template"] = app.template_with(envFrom=source)
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        made["spec"]["containers"][0]["envFrom"] = source


@decoy("a readiness probe that failed once just now")
def blip(shop: Shop) -> None:
    """One miss: the pod stayed ready, as three are needed."""
    app = _app(shop, serves=True)
    made = app.pods[0]
    address = made["status"]["podIP"]
    failing = f'Get "http://{address}:{app.port}/healthz": context deadline exceeded'
    failing += " (Client.Timeout exceeded while awaiting headers)"
    kept = {
        key: list(value) if isinstance(value, list) else value
        for key, value in made["status"].items()
    }
    status = dict(status_of(made))
    failing_probe(shop.world, made, "Readiness", failing, since=500, count=1)
    made["status"] = kept
    status_of(made).update(status)

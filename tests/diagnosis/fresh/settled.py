"""Nothing is wrong: how people set things up, and meant it."""

from tests.diagnosis.decoys import FRESH_DECOYS, _app, decoy
from tests.diagnosis.pods import ended, status_of, template
from tests.diagnosis.shop import Shop, autoscaler, cron_job, job, scaling
from tests.diagnosis.workloads import daemon_set, service, stateful_set
from tests.diagnosis.world import DAY, Object, set_condition


def _of(shop: Shop, name: str) -> Object:
    return template(name, f"{shop.world.registry}/{name}:6.0.0", port=0)


def _runs(shop: Shop, name: str, since: float) -> Object:
    """A job that is at work."""
    world = shop.world
    found, pods = job(world, name, _of(shop, name), ago=since)
    found["status"] = {"active": 1, "ready": 1, "startTime": world.ago(since), "terminating": 0}
    for one in pods:
        one["status"]["phase"] = "Running"
        running = {"running": {"startedAt": world.ago(since)}}
        status_of(one).update({"state": running, "ready": True, "started": True})
        for condition in one["status"]["conditions"]:
            condition |= {"status": "True"}
            condition.pop("reason", None)
    return found


@decoy("a job works for three days already", among=FRESH_DECOYS)
def long_job(shop: Shop) -> None:
    _runs(shop, "train-ranking", 3 * DAY)


@decoy("a job was suspended on purpose", among=FRESH_DECOYS)
def suspended_job(shop: Shop) -> None:
    world = shop.world
    found, pods = job(world, "backfill", _of(shop, "backfill"), ago=2 * DAY)
    for one in pods:
        world.remove(one)
    found["spec"]["suspend"] = True
    body = {
        "type": "Suspended",
        "status": "True",
        "reason": "JobSuspended",
        "message": "Job suspended",
    }
    found["status"] = {"conditions": [{**body, "lastTransitionTime": world.ago(2 * DAY)}]}


@decoy("a job ran out of memory first and then passed", among=FRESH_DECOYS)
def second_time(shop: Shop) -> None:
    world = shop.world
    found, pods = job(world, "compact-day", _of(shop, "compact-day"), ago=2400, attempts=2)
    found["status"]["failed"] = 1
    ended(world, pods[0], code=137, ago=2300)


@decoy("a cron job that did not have its first day yet", among=FRESH_DECOYS)
def never_ran(shop: Shop) -> None:
    world = shop.world
    found = cron_job(world, "monthly-bill", schedule="0 3 1 1 *", last=DAY)
    for kind in ("Job", "Pod"):
        for one in world.all(kind, world.namespace):
            if one["metadata"]["name"].startswith("monthly-bill"):
                world.remove(one)
    found["metadata"]["creationTimestamp"] = world.ago(3600)
    found["status"] = {}


@decoy("a cron job was suspended after it had failed", among=FRESH_DECOYS)
def given_up(shop: Shop) -> None:
    world = shop.world
    found = cron_job(world, "old-feed", last=30 * DAY)
    job(
        world,
        "old-feed-29100000",
        _of(shop, "old-feed"),
        owner=found,
        ago=20 * DAY,
        code=1,
        attempts=3,
    )
    found["spec"]["suspend"] = True


@decoy("an autoscaler of a fixed number", among=FRESH_DECOYS)
def fixed(shop: Shop) -> None:
    app = _app(shop)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    count = app.workload["spec"]["replicas"]
    found = autoscaler(shop.world, app, low=count, high=count, now_at=20)
    said = "the desired replica count is less than the minimum replica count"
    set_condition(found, scaling(shop.world, "ScalingLimited", True, "TooFewReplicas", said))


@decoy("an autoscaler at its most, which is enough", among=FRESH_DECOYS)
def enough(shop: Shop) -> None:
    app = _app(shop)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    autoscaler(shop.world, app, high=app.workload["spec"]["replicas"], now_at=71)


@decoy("policies that let through what is needed", among=FRESH_DECOYS)
def policies(shop: Shop) -> None:
    world = shop.world
    inside: Object = {"podSelector": {}}
    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    world.make(
        "NetworkPolicy",
        "default-deny",
        spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    )
    world.make(
        "NetworkPolicy",
        "inside",
        spec={
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [inside, {"namespaceSelector": {}}]}],
            "egress": [{"to": [inside]}, dns],
        },
    )


@decoy("an ingress of the old spelling, and one to a name elsewhere", among=FRESH_DECOYS)
def ingresses(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    for name, target in (("legacy", app.name), ("partner", "partner-api")):
        backend = {"service": {"name": target, "port": {"number": 80}}}
        paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
        world.make(
            "Ingress",
            name,
            metadata={"annotations": {"kubernetes.io/ingress.class": "nginx"}},
            spec={"rules": [{"host": f"{name}.example.com", "http": {"paths": paths}}]},
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
        )
    external = {
        "type": "ExternalName",
        "externalName": "api.partner.example.com",
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
    }
    world.make("Service", "partner-api", spec=external, status={"loadBalancer": {}})


@decoy("a canary by partition", among=FRESH_DECOYS)
def partition(shop: Shop) -> None:
    world = shop.world
    app = stateful_set(
        world, template("cassandra", "cassandra:5.0", port=9042, probe=""), replicas=3
    )
    shop.apps["cassandra"] = app
    service(world, app, port=9042)
    app.change(app.template_with(image="cassandra:5.0.1"), ago=2 * DAY)
    app.workload["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 2


@decoy("a daemon set whose pods are replaced by hand", among=FRESH_DECOYS)
def on_delete(shop: Shop) -> None:
    app = daemon_set(shop.world, template("driver", "csi/driver:1.2", port=0))
    shop.apps["driver"] = app
    app.workload["spec"]["updateStrategy"] = {"type": "OnDelete"}
    app.workload["metadata"]["generation"] = 3
    shop.after.append(lambda: app.workload["status"].update({"updatedNumberScheduled": 0}))


@decoy("a workload is paused, and nothing waits for it", among=FRESH_DECOYS)
def paused(shop: Shop) -> None:
    _app(shop).workload["spec"]["paused"] = True


@decoy("pods count a minute after they are ready", among=FRESH_DECOYS)
def careful(shop: Shop) -> None:
    world, app = shop.world, _app(shop)
    app.workload["spec"]["minReadySeconds"] = 60
    image = f"{app.image.rpartition(':')[0]}:14.0.0"
    app.change(app.template_with(image=image), ago=40)
    app.stuck_for = 35
    assert world

    def told() -> None:
        status = app.workload["status"]
        status["availableReplicas"] = status["readyReplicas"] - 1
        status["unavailableReplicas"] = 1

    shop.after.append(told)


@decoy("volumes that nobody claims any more", among=FRESH_DECOYS)
def released(shop: Shop) -> None:
    world = shop.world
    for name, phase in (("pvc-old-1", "Released"), ("nfs-2", "Available")):
        world.make(
            "PersistentVolume",
            name,
            age=90 * DAY,
            spec={
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "gp3",
                "persistentVolumeReclaimPolicy": "Retain",
            },
            status={"phase": phase},
        )


@decoy("a cron job's run is four minutes old, and the next one waits", among=FRESH_DECOYS)
def at_work(shop: Shop) -> None:
    world = shop.world
    found = cron_job(world, "sync-crm", schedule="*/5 * * * *", last=600)
    made = _runs(shop, "sync-crm-29400001", 240)
    meta = found["metadata"]
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
    ]
    active = {"kind": "Job", "name": "sync-crm-29400001", "uid": made["metadata"]["uid"]}
    found["status"] |= {"active": [active], "lastScheduleTime": world.ago(240)}

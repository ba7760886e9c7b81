"""Jobs, cron jobs and autoscalers."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.pods import status_of, template, unready, waiting
from tests.diagnosis.shop import Shop, autoscaler, cron_job, job, on_the_minute, scaling
from tests.diagnosis.world import Object, set_condition


def _of(shop: Shop, name: str) -> Object:
    return template(name, f"{shop.world.registry}/{name}:2.3.4", port=0)


@fault("a cron job's pod lacks a secret, and waits", among=UNSEEN)
def cron_secret(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("send-invoices", "export-ledger"))
    found = cron_job(world, name, schedule="0 * * * *", last=1800)
    made, pods = job(world, f"{name}-29412340", _of(shop, name), owner=found, ago=1750)
    made["status"] = {"active": 1, "ready": 0, "startTime": world.ago(1750), "terminating": 0}
    meta = made["metadata"]
    found["status"]["active"] = [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}]
    secret = f"{name}-smtp"
    for one in pods:
        source = [{"secretRef": {"name": secret}}]
        one["spec"]["containers"][0]["envFrom"] = source
        said = f'secret "{secret}" not found'
        waiting(world, one, "CreateContainerConfigError", said, since=1745)
        about: Object = {"first": 1745, "last": 5, "count": 140, "container": name}
        world.event(one, "Failed", f"Error: {said}", **about)
    objects = (f"cronjob/{name}", f"job/{meta['name']}", f"secret/{secret}")
    return Blame("secret-missing", objects)


@fault("a sidecar keeps the job of a cron job alive, and the next may not start", among=UNSEEN)
def sidecar_stays(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("rotate-keys", "settle-day"))
    last = on_the_minute(world, 5 * 3600)
    found = cron_job(world, name, schedule="*/30 * * * *", last=last)
    of = _of(shop, name)
    proxy = {"name": "istio-proxy", "image": "istio/proxyv2:1.24.2", "resources": {}}
    of["spec"]["containers"].append(proxy)
    made, pods = job(world, f"{name}-29412010", of, owner=found, ago=last)
    made["status"] = {"active": 1, "ready": 0, "startTime": world.ago(last), "terminating": 0}
    meta = made["metadata"]
    found["status"]["active"] = [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}]
    for one in pods:
        one["status"]["phase"] = "Running"
        running = {"running": {"startedAt": world.ago(last - 5)}}
        status_of(one, "istio-proxy").update({"state": running, "ready": True})
        unready(world, one, last - 40)
    said = "Not starting job because prior execution is running and concurrency policy is Forbid"
    world.event(found, "JobAlreadyActive", said, type="Normal", first=last - 1800, last=60, count=9)
    return Blame("cronjob-blocked", (f"cronjob/{name}", f"job/{meta['name']}"))


@fault("a job's parallel pods lose against its time", among=UNSEEN)
def out_of_time(shop: Shop) -> Blame:
    """The deadline of a cron job's run, met by waiting for a node."""
    world = shop.world
    name = world.random.choice(("reindex", "score-leads"))
    found, pods = job(world, name, _of(shop, name), ago=4000, code=1)
    for one in pods:
        world.remove(one)
    found["spec"]["activeDeadlineSeconds"] = 1800
    ends = found["status"]["conditions"]
    for one in ends:
        one |= {"reason": "DeadlineExceeded", "lastTransitionTime": world.ago(2200)}
        one["message"] = "Job was active longer than specified deadline"
    said = "Job was active longer than specified deadline"
    world.event(found, "DeadlineExceeded", said, first=2200, last=2200)
    found["status"]["failed"] = 1
    return Blame("job-deadline", (f"job/{name}",))


@fault("a sidecar without a request blinds an autoscaler", among=UNSEEN)
def blind(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    world.objects["HorizontalPodAutoscaler"].pop((world.namespace, app.name), None)
    found = autoscaler(world, app, now_at=None)
    found["status"]["currentMetrics"] = None
    since = world.random.randrange(600, 90_000)
    said = (
        "failed to get cpu utilization: missing request for cpu in container linkerd-proxy of Pod"
    )
    said += f" {app.pods[0]['metadata']['name']}"
    for one in (app.template, app.sets[-1]["spec"]["template"], *app.pods):
        proxy = {"name": "linkerd-proxy", "image": "cr.l5d.io/linkerd/proxy:edge", "resources": {}}
        one["spec"]["containers"] = [*one["spec"]["containers"], proxy]
    for made in app.pods:
        mine = {**status_of(made), "name": "linkerd-proxy", "image": "cr.l5d.io/linkerd/proxy:edge"}
        made["status"]["containerStatuses"].append(mine)
    text = f"the HPA was unable to compute the replica count: {said}"
    reason = "FailedGetResourceMetric"
    set_condition(found, scaling(world, "ScalingActive", False, reason, text, at=since))
    world.event(found, reason, said, first=since, last=12, count=int(since // 15))
    objects = (f"horizontalpodautoscaler/{app.name}", app.object)
    return Blame("hpa-blind", objects, says="linkerd-proxy")


@fault("a pod does not end, as its container cannot be killed", among=UNSEEN, alone=True)
def unkillable(shop: Shop) -> Blame:
    """The disk below it hangs: no finalizer, and the kubelet says that it cannot."""
    world, app = shop.world, shop.victim()
    made = app.add_pod(age=80_000, node=world.nodes()[0])
    asked = world.random.randrange(2500, 9000)
    made["metadata"]["deletionTimestamp"] = world.ago(asked - 30)
    made["metadata"]["deletionGracePeriodSeconds"] = 30
    said = f'error killing pod: failed to "KillContainer" for "{app.name}" with KillContainerError:'
    said += (
        ' "rpc error: code = DeadlineExceeded desc = an error occurs during waiting for container'
    )
    said += ' to be killed: wait container: context deadline exceeded"'
    world.event(made, "FailedKillPod", said, first=asked - 100, last=50, count=int(asked // 120))
    return Blame("terminating-stuck", (app.object, f"pod/{made['metadata']['name']}"))

"""Jobs and cron jobs that do not do their work; certificates that run out."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import template
from tests.diagnosis.shop import Shop, certificate, cron_job, daily, job, on_the_minute
from tests.diagnosis.world import DAY, Object, World, set_condition

_LOG = ["connecting", 'psycopg2.errors.UndefinedTable: relation "invoices" does not exist']


def _of(world: World, name: str) -> Object:
    return template(name, f"{world.registry}/{name}:1.4.0", port=0)


@fault("job fails until it gives up")
def backoff(shop: Shop) -> Blame:
    world = shop.world
    name = world.pick("migrate-2025-11", "import-prices", "reindex", "backfill-eu")
    code = world.pick(1, 1, 2, 137)
    ago = world.random.randrange(600, 3000)
    found, _ = job(world, name, _of(world, name), ago=ago, code=code, attempts=3, limit=2, log=_LOG)
    about: Object = {"first": ago - 130, "last": ago - 130}
    said = "Job has reached the specified backoff limit"
    world.event(found, "BackoffLimitExceeded", said, **about)
    return Blame("oom-of-job" if code == 137 else "job-failed", (f"job/{name}",))


@fault("job runs longer than it may")
def deadline(shop: Shop) -> Blame:
    world = shop.world
    name = world.pick("export-all", "train-model", "vacuum", "sync-crm")
    found, pods = job(world, name, _of(world, name), ago=3400, code=143)
    for made in pods:
        world.remove(made)
    found["spec"]["activeDeadlineSeconds"] = 600
    said = "Job was active longer than specified deadline"
    for one in found["status"]["conditions"]:
        one |= {"reason": "DeadlineExceeded", "message": said}
        one["lastTransitionTime"] = one["lastProbeTime"] = world.ago(2790)
    found["status"] = {**found["status"], "failed": 1}
    world.event(found, "DeadlineExceeded", said, first=2790, last=2790)
    return Blame("job-deadline", (f"job/{name}",))


def _cron(shop: Shop, *, last: float, schedule: str = "*/15 * * * *") -> Object:
    world = shop.world
    name = world.pick("sync-orders", "reminders", "settle", "rotate")
    return cron_job(world, name, schedule=schedule, last=last)


@fault("cron job fails every time")
def cron_fails(shop: Shop) -> Blame:
    world = shop.world
    found = _cron(shop, last=3 * DAY)
    name = found["metadata"]["name"]
    ago = on_the_minute(world, 500)
    found["spec"]["schedule"] = daily(world, ago)
    found["status"] = {"lastScheduleTime": world.ago(ago), "lastSuccessfulTime": world.ago(3 * DAY)}
    made, _ = job(
        world,
        f"{name}-29399500",
        _of(world, name),
        owner=found,
        ago=ago,
        code=1,
        attempts=3,
        log=_LOG,
    )
    said = "Job has reached the specified backoff limit"
    world.event(made, "BackoffLimitExceeded", said, first=ago - 130, last=ago - 130)
    return Blame("job-failed", (f"cronjob/{name}", f"job/{name}-29399500"))


@fault("cron job missed too many starts")
def missed(shop: Shop) -> Blame:
    world = shop.world
    found = _cron(shop, last=4 * DAY, schedule="*/5 * * * *")
    world.event(
        found,
        "TooManyMissedTimes",
        "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock"
        " skew",
        first=3500,
        last=20,
        count=200,
    )
    return Blame("cron-missed", (f"cronjob/{found['metadata']['name']}",))


@fault("cron job waits for a run that hangs")
def blocked(shop: Shop) -> Blame:
    world = shop.world
    found = _cron(shop, last=3 * DAY)
    name = found["metadata"]["name"]
    since = 30 * 3600
    made, pods = job(world, f"{name}-29390000", _of(world, name), owner=found, ago=since)
    made["status"] = {"active": 1, "ready": 1, "startTime": world.ago(since), "terminating": 0}
    for one in pods:
        one["status"]["phase"] = "Running"
        running = {"running": {"startedAt": world.ago(since)}}
        one["status"]["containerStatuses"][0] |= {"state": running, "ready": True, "started": True}
        for condition in one["status"]["conditions"]:
            condition |= {"status": "True"}
            condition.pop("reason", None)
    reference = {"kind": "Job", "name": made["metadata"]["name"], "apiVersion": "batch/v1"}
    found["status"] = {
        "active": [{**reference, "namespace": world.namespace, "uid": made["metadata"]["uid"]}],
        "lastScheduleTime": world.ago(since),
        "lastSuccessfulTime": world.ago(3 * DAY),
    }
    world.event(
        found,
        "JobAlreadyActive",
        "Not starting job because prior execution is running and concurrency policy is Forbid",
        type="Normal",
        first=3500,
        last=300,
        count=4,
    )
    return Blame("cron-blocked", (f"cronjob/{name}", f"job/{made['metadata']['name']}"))


@fault("certificate has run out")
def expired(shop: Shop) -> Blame:
    world = shop.world
    name = f"{shop.web}-tls"
    found = certificate(world, name, host="shop.example.com", left=-2 * 3600)
    at = world.now.strftime("%a, %d %b %Y 09:00:00 UTC")
    said = {"reason": "Expired", "message": f"Certificate expired on {at}"}
    body = {"type": "Ready", "status": "False", "lastTransitionTime": world.ago(7200), **said}
    set_condition(found, body)
    issuing = {
        "type": "Issuing",
        "status": "False",
        "reason": "Failed",
        "message": "The certificate request has failed to complete and will be retried: Failed to"
        ' wait for order resource "x-1" to become ready: order is in "invalid" state: ',
        "lastTransitionTime": world.ago(5000),
    }
    set_condition(found, issuing)
    return Blame("certificate", (f"certificate/{name}", f"ingress/{shop.web}"))


@fault("certificate was never issued")
def never_issued(shop: Shop) -> Blame:
    world = shop.world
    name = world.pick("api-tls", "admin-tls")
    found = certificate(world, name, host="api.example.com")
    found["metadata"]["creationTimestamp"] = world.ago(7000)
    said = world.pick(
        'Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "letsencrypt-prod"'
        " not found",
        "Issuing certificate as Secret does not exist",
    )
    ready = {"type": "Ready", "status": "False", "reason": "DoesNotExist"}
    ready |= {"message": said, "lastTransitionTime": world.ago(6990)}
    issuing = {"type": "Issuing", "status": "True", "reason": "DoesNotExist", "message": said}
    issuing["lastTransitionTime"] = world.ago(6990)
    found["status"] = {"conditions": [issuing, ready]}
    return Blame("certificate", (f"certificate/{name}",))

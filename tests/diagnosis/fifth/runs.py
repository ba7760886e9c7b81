"""Jobs and cron jobs that do not do their work, and autoscalers that cannot do theirs."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import DAY, broken, ended, fallen, running_job, some_time
from tests.diagnosis.pods import template, waiting
from tests.diagnosis.shop import Shop, autoscaler, cron_job, job, on_the_minute, scaling
from tests.diagnosis.world import Object, set_condition


@broken("a migration fails and the api says that it waits for it", alone=True)
def migration(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop, 900)
    name = f"{shop.api}-db-migrate"
    of = template(name, shop.apps[shop.api].image, port=0)
    log = [
        "INFO  [alembic.runtime.migration] Running upgrade 8d1 -> 9aa, add currency to orders",
        'sqlalchemy.exc.ProgrammingError: column "currency" of relation "orders" already exists',
    ]
    found, _ = job(world, name, of, ago=since, code=1, attempts=3, log=log)
    said = "Job has reached the specified backoff limit"
    world.event(found, "BackoffLimitExceeded", said, first=since - 130, last=since - 130)
    also = fallen(shop, since)
    more = Blame("probe-failing", (f"deployment/{shop.api}", f"deployment/{shop.web}"))
    return Blame("job-failed", (f"job/{name}",), (also, more))


@broken("a job gives up at once for an exit that its policy names")
def at_once(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    of = template("close-books", "ghcr.io/acme/books:3.2", port=0)
    log = ["period 2026-02 has unbalanced entries: 14", "exit 42: do not retry"]
    found, pods = job(world, "close-books", of, ago=since, code=42, attempts=1, limit=6, log=log)
    on = {"containerName": "close-books", "operator": "In", "values": [42]}
    found["spec"]["podFailurePolicy"] = {"rules": [{"action": "FailJob", "onExitCodes": on}]}
    where = f"{world.namespace}/{pods[0]['metadata']['name']}"
    said = (
        f"Container close-books for pod {where} failed with exit code 42 matching"
        " FailJob rule at index 0"
    )
    for one in found["status"]["conditions"]:
        one |= {"reason": "PodFailurePolicy", "message": said}
    world.event(found, "PodFailurePolicy", said, first=since - 40, last=since - 40)
    return Blame("job-failed", ("job/close-books",))


@broken("one index of a job fails")
def index(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    of = template("render-tiles", "ghcr.io/acme/tiles:1.9", port=0)
    log = ["tile 7/88/41: KeyError: 'elevation'"]
    found, _ = job(world, "render-tiles", of, ago=since, code=1, attempts=2, limit=1, log=log)
    found["spec"] |= {"completionMode": "Indexed", "completions": 8, "backoffLimitPerIndex": 1}
    found["status"] |= {"failedIndexes": "3", "completedIndexes": "0-2,4-7", "succeeded": 7}
    for one in found["status"]["conditions"]:
        one |= {"reason": "FailedIndexes", "message": "Job has failed indexes"}
    world.event(found, "FailedIndexes", "Job has failed indexes", first=since - 90, last=since - 90)
    return Blame("job-failed", ("job/render-tiles",))


@broken("a cron job whose last run hangs, and no other may start beside it")
def hangs(shop: Shop) -> Blame:
    world = shop.world
    found = cron_job(world, "hourly-settlement", schedule="7 * * * *", last=2 * DAY)
    name = found["metadata"]["name"]
    made = next(one for one in world.all("Job") if one["metadata"]["name"].startswith(name))
    for one in world.all("Pod", world.namespace):
        if one["metadata"]["labels"].get("job-name") == made["metadata"]["name"]:
            world.remove(one)
    world.remove(made)
    ago = on_the_minute(world, 2 * DAY)
    of = template(name, "ghcr.io/acme/settlement:4", port=0)
    now, pod = running_job(world, f"{name}-29401007", of, ago=ago, owner=found)
    world.log(pod, ["waiting for advisory lock 7731"], until=2 * DAY - 30)
    reference = {"kind": "Job", "name": now["metadata"]["name"], "apiVersion": "batch/v1"}
    reference |= {"namespace": world.namespace, "uid": now["metadata"]["uid"]}
    found["status"] = {"active": [reference], "lastScheduleTime": world.ago(ago)}
    found["status"]["lastSuccessfulTime"] = world.ago(ago + 3500)
    said = "Not starting job because prior execution is running and concurrency policy is Forbid"
    world.event(
        found, "JobAlreadyActive", said, type="Normal", first=ago - 3600, last=900, count=47
    )
    return Blame("cron-blocked", (f"cronjob/{name}", f"job/{now['metadata']['name']}"))


@broken("a proxy beside a job's work never ends, and so the job does not")
def never_ends(shop: Shop) -> Blame:
    world = shop.world
    found = cron_job(world, "sync-catalogue", schedule="*/30 * * * *", last=9 * 3600)
    for one in world.all("Job"):
        if one["metadata"]["name"].startswith("sync-catalogue"):
            world.remove(one)
    for one in world.all("Pod", world.namespace):
        if one["metadata"]["labels"]["app"] == "sync-catalogue":
            world.remove(one)
    ago = on_the_minute(world, 9 * 3600)
    of = template("sync-catalogue", "ghcr.io/acme/sync:2", port=0)
    proxy = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.19.0", "resources": {}}
    of["spec"]["containers"].append(proxy)
    now, pod = running_job(world, "sync-catalogue-29401522", of, ago=ago, owner=found)
    end = ended(world, 0, "Completed", ago - 95, 90)
    status = next(
        one for one in pod["status"]["containerStatuses"] if one["name"] == "sync-catalogue"
    )
    status |= {"state": {"terminated": end}, "ready": False, "started": False}
    for kind in ("Ready", "ContainersReady"):
        for one in pod["status"]["conditions"]:
            if one["type"] == kind:
                one |= {
                    "status": "False",
                    "reason": "ContainersNotReady",
                    "message": "containers with unready status: [sync-catalogue]",
                    "lastTransitionTime": world.ago(ago - 95),
                }
    now["status"]["ready"] = 0
    reference = {"kind": "Job", "name": now["metadata"]["name"], "apiVersion": "batch/v1"}
    reference |= {"namespace": world.namespace, "uid": now["metadata"]["uid"]}
    found["status"] = {"active": [reference], "lastScheduleTime": world.ago(ago)}
    found["status"]["lastSuccessfulTime"] = world.ago(ago + 1700)
    said = "Not starting job because prior execution is running and concurrency policy is Forbid"
    world.event(
        found, "JobAlreadyActive", said, type="Normal", first=ago - 1800, last=1500, count=17
    )
    return Blame("cron-blocked", ("cronjob/sync-catalogue", f"job/{now['metadata']['name']}"))


@broken("a cron job's pod lacks a secret and waits for ever")
def cron_secret(shop: Shop) -> Blame:
    world = shop.world
    ago = on_the_minute(world, 2000)
    found = cron_job(world, "push-invoices", last=DAY + ago)
    of = template("push-invoices", "ghcr.io/acme/invoices:12", port=0)
    source = {"secretRef": {"name": "sftp-partner"}}
    of["spec"]["containers"][0]["envFrom"] = [source]
    now, pod = running_job(world, "push-invoices-29402000", of, ago=ago, owner=found)
    now["status"]["ready"] = 0
    reference = {"kind": "Job", "name": now["metadata"]["name"], "apiVersion": "batch/v1"}
    reference |= {"namespace": world.namespace, "uid": now["metadata"]["uid"]}
    found["status"] |= {"active": [reference], "lastScheduleTime": world.ago(ago)}
    found["spec"]["jobTemplate"]["spec"]["template"] = of
    said = 'secret "sftp-partner" not found'
    waiting(world, pod, "CreateContainerConfigError", said, since=ago)
    world.event(
        pod, "Failed", f"Error: {said}", first=ago - 2, last=8, count=150, container="push-invoices"
    )
    objects = ("cronjob/push-invoices", "job/push-invoices-29402000", "secret/sftp-partner")
    return Blame("secret-missing", objects)


@broken("a schedule in a time zone that nobody knows")
def time_zone(shop: Shop) -> Blame:
    world = shop.world
    found = cron_job(world, "morning-mail", schedule="30 6 * * *", last=6 * DAY)
    found["spec"]["timeZone"] = "Europe/Brussel"
    said = 'invalid timeZone: "Europe/Brussel": unknown time zone Europe/Brussel'
    world.event(found, "UnknownTimeZone", said, first=5 * DAY, last=200, count=700)
    return Blame("cron-missed", ("cronjob/morning-mail",))


def _blind(
    shop: Shop, reason: str, said: str, event: str, *, able: bool = True
) -> tuple[Object, str]:
    """An autoscaler that found nothing to count by, since long."""
    world, app, since = shop.world, shop.victim(), some_time(shop)
    for one in world.all("HorizontalPodAutoscaler", world.namespace):
        if one["metadata"]["name"] == app.name:
            world.remove(one)
    found = autoscaler(world, app, now_at=None)
    kind = "ScalingActive" if able else "AbleToScale"
    set_condition(found, scaling(world, kind, False, reason, said, at=since))
    world.event(found, event, said, first=since, last=10, count=int(since // 15))
    return found, app.object


@broken("a container without a request has no share of it that could be counted")
def no_request(shop: Shop) -> Blame:
    said = (
        "the HPA was unable to compute the replica count: failed to get cpu utilization:"
        " missing request"
        " for cpu in container envoy of Pod web-5d8-x2x9k"
    )
    found, app = _blind(shop, "FailedGetResourceMetric", said, "FailedGetResourceMetric")
    return Blame("hpa-blind", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))


@broken("a queue's length that nobody tells")
def external(shop: Shop) -> Blame:
    said = (
        "the HPA was unable to compute the replica count: unable to get external metric"
        " ns/s1-rabbitmq-jobs:"
        " unable to fetch metrics from external metrics API: the server is currently"
        " unable to handle the"
        " request (get s1-rabbitmq-jobs.external.metrics.k8s.io)"
    )
    found, app = _blind(shop, "FailedGetExternalMetric", said, "FailedGetExternalMetric")
    metric = {
        "metric": {"name": "s1-rabbitmq-jobs"},
        "target": {"type": "AverageValue", "averageValue": "5"},
    }
    found["spec"]["metrics"] = [{"type": "External", "external": metric}]
    return Blame("hpa-blind", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))


@broken("two autoscalers pull at the same pods")
def two(shop: Shop) -> Blame:
    said = "pods by selector app=web are controlled by multiple HPAs: [ns/web ns/web-old]"
    found, app = _blind(shop, "AmbiguousSelector", said, "AmbiguousSelector")
    return Blame(
        "hpa-blind",
        (f"horizontalpodautoscaler/{found['metadata']['name']}", app),
        says="multiple|several|two",
    )


@broken("an autoscaler for what was renamed")
def renamed(shop: Shop) -> Blame:
    said = (
        "the HPA controller was unable to get the target's current scale: deployments.apps"
        ' "storefront-v1" not found'
    )
    found, _ = _blind(shop, "FailedGetScale", said, "FailedGetScale", able=False)
    found["spec"]["scaleTargetRef"]["name"] = "storefront-v1"
    found["status"] = {"conditions": found["status"]["conditions"][-1:], "desiredReplicas": 0}
    names = (f"horizontalpodautoscaler/{found['metadata']['name']}", "deployment/storefront-v1")
    return Blame("hpa-target", names, says="storefront-v1")


@broken("all that may be had is not enough")
def at_limit(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(serves=True), some_time(shop)
    for one in world.all("HorizontalPodAutoscaler", world.namespace):
        if one["metadata"]["name"] == app.name:
            world.remove(one)
    count = len(app.pods)
    found = autoscaler(world, app, low=1, high=count, now_at=187)
    said = "the desired replica count is more than the maximum replica count"
    set_condition(found, scaling(world, "ScalingLimited", True, "TooManyReplicas", said, at=since))
    return Blame("hpa-limit", (f"horizontalpodautoscaler/{app.name}", app.object))

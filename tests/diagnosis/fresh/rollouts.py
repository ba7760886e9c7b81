"""Jobs, cron jobs and autoscalers."""

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.pods import template, waiting
from tests.diagnosis.shop import Shop, autoscaler, cron_job, job, scaling
from tests.diagnosis.world import DAY, Object, set_condition


def _of(shop: Shop, name: str) -> Object:
    return template(name, f"{shop.world.registry}/{name}:6.0.0", port=0)


@fault("a job cannot pull its image", among=FRESH)
def job_image(shop: Shop) -> Blame:
    world, name = shop.world, "rebuild-index"
    found, pods = job(world, name, _of(shop, name), ago=2200)
    found["status"] = {"active": 1, "ready": 0, "startTime": world.ago(2200), "terminating": 0}
    image = pods[0]["spec"]["containers"][0]["image"]
    waiting(world, pods[0], "ImagePullBackOff", f'Back-off pulling image "{image}"', since=2190)
    said = f'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull and'
    said += f' unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    about: Object = {"first": 2190, "last": 100, "count": 10, "container": name}
    world.event(pods[0], "Failed", said, **about)
    return Blame("image-not-found", (f"job/{name}",))


@fault("one index of an indexed job fails", among=FRESH)
def indexed(shop: Shop) -> Blame:
    world, name = shop.world, "render-frames"
    log = ["frame 7: cannot read scene-7.usd: unexpected end of file"]
    found, _ = job(world, name, _of(shop, name), ago=1500, code=1, attempts=2, log=log)
    found["spec"] |= {"completionMode": "Indexed", "completions": 8, "backoffLimitPerIndex": 1}
    found["status"] |= {
        "succeeded": 7,
        "failed": 2,
        "failedIndexes": "7",
        "completedIndexes": "0-6",
    }
    for one in found["status"]["conditions"]:
        one |= {"reason": "FailedIndexes", "message": "Job has failed indexes"}
    return Blame("job-failed", (f"job/{name}",))


@fault("a rule about failures ends a job at once", among=FRESH)
def failure_policy(shop: Shop) -> Blame:
    world, name = shop.world, "charge-cards"
    log = ["refusing to run twice: lock held by charge-cards-0"]
    found, _ = job(world, name, _of(shop, name), ago=900, code=42, attempts=1, log=log)
    said = f"Container {name} for pod x failed with exit code 42 matching FailJob rule at index 0"
    for one in found["status"]["conditions"]:
        one |= {"reason": "PodFailurePolicy", "message": said}
    world.event(found, "PodFailurePolicy", said, first=850, last=850)
    return Blame("job-failed", (f"job/{name}",))


@fault("the time zone of a cron job is misspelt", among=FRESH)
def zone(shop: Shop) -> Blame:
    world = shop.world
    found = cron_job(world, "close-of-day", last=3 * DAY)
    found["spec"]["timeZone"] = "Europe/Berln"
    said = 'invalid timeZone: "Europe/Berln": unknown time zone Europe/Berln'
    world.event(found, "UnknownTimeZone", said, first=3400, last=30, count=60)
    return Blame("cronjob-missed", ("cronjob/close-of-day",), says="Berln")


@fault("jobs of a cron job wait for their image, one after another", among=FRESH)
def piles_up(shop: Shop) -> Blame:
    world, name = shop.world, "poll-partner"
    found = cron_job(world, name, schedule="*/10 * * * *", last=2 * DAY)
    found["spec"]["concurrencyPolicy"] = "Allow"
    active = []
    for number in range(3):
        ago = 600 * number + 300
        made, pods = job(world, f"{name}-2940000{number}", _of(shop, name), owner=found, ago=ago)
        made["status"] = {"active": 1, "ready": 0, "startTime": world.ago(ago), "terminating": 0}
        image = pods[0]["spec"]["containers"][0]["image"]
        waiting(world, pods[0], "ImagePullBackOff", f'Back-off pulling image "{image}"', since=ago)
        said = f'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to pull'
        said += " and unpack image: failed to resolve reference: unexpected status from HEAD"
        said += " request to https://registry/v2/manifests/6.0.0: 401 Unauthorized"
        about: Object = {"first": ago, "last": 20, "count": 5, "container": name}
        world.event(pods[0], "Failed", said, **about)
        meta = made["metadata"]
        active.append({"kind": "Job", "name": meta["name"], "uid": meta["uid"]})
    found["status"] |= {"active": active, "lastScheduleTime": world.ago(300)}
    also = (Blame("image-unauthorized", ("*",)),)
    return Blame(
        "image-unauthorized",
        (f"cronjob/{name}", *(f"job/{name}-2940000{n}" for n in range(3))),
        also,
    )


def _scaler(shop: Shop, **how: int | None) -> tuple[Object, str]:
    app = shop.victim(serves=True)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    return autoscaler(shop.world, app, **how), app.object  # type: ignore[arg-type]


@fault("an autoscaler asks for a metric that nobody serves", among=FRESH)
def external(shop: Shop) -> Blame:
    world = shop.world
    found, app = _scaler(shop, now_at=None)
    metric = {
        "metric": {"name": "queue_depth"},
        "target": {"type": "AverageValue", "averageValue": "30"},
    }
    found["spec"]["metrics"] = [{"type": "External", "external": metric}]
    found["status"]["currentMetrics"] = None
    said = "unable to get external metric shop/queue_depth/nil: unable to fetch metrics from"
    said += " external metrics API: the server could not find the requested resource (get"
    said += " queue_depth.external.metrics.k8s.io)"
    text = f"the HPA was unable to compute the replica count: {said}"
    reason = "FailedGetExternalMetric"
    set_condition(found, scaling(world, "ScalingActive", False, reason, text, at=2600))
    world.event(found, reason, said, first=2600, last=9, count=170)
    name = f"horizontalpodautoscaler/{found['metadata']['name']}"
    return Blame("hpa-blind", (name, app), says="queue_depth")


@fault("two autoscalers pull at one workload", among=FRESH)
def ambiguous(shop: Shop) -> Blame:
    world = shop.world
    found, app = _scaler(shop)
    plain = found["metadata"]["name"]
    twin = world.make(
        "HorizontalPodAutoscaler",
        f"{plain}-v2",
        spec=dict(found["spec"]),
        status=dict(found["status"]),
    )
    names = f"[{world.namespace}/{plain} {world.namespace}/{plain}-v2]"
    said = f"pods by selector app={plain} are controlled by multiple HPAs: {names}"
    for one in (found, twin):
        set_condition(
            one, scaling(world, "ScalingActive", False, "AmbiguousSelector", said, at=900)
        )
        world.event(one, "AmbiguousSelector", said, first=900, last=11, count=58)
    objects = (f"horizontalpodautoscaler/{plain}", f"horizontalpodautoscaler/{plain}-v2", app)
    also = (Blame("hpa-blind", objects),)
    return Blame("hpa-blind", objects, also, says="multiple HPAs|two autoscalers|both")


@fault("an autoscaler of a queue's length is at its limit", among=FRESH)
def queue(shop: Shop) -> Blame:
    world = shop.world
    found, app = _scaler(shop)
    target = {"type": "AverageValue", "averageValue": "30"}
    found["spec"]["metrics"] = [
        {"type": "External", "external": {"metric": {"name": "jobs_waiting"}, "target": target}}
    ]
    current = {"metric": {"name": "jobs_waiting"}, "current": {"averageValue": "412"}}
    found["status"]["currentMetrics"] = [{"type": "External", "external": current}]
    found["spec"]["maxReplicas"] = found["status"]["currentReplicas"]
    found["spec"]["minReplicas"] = 1
    said = "the desired replica count is more than the maximum replica count"
    set_condition(found, scaling(world, "ScalingLimited", True, "TooManyReplicas", said, at=5400))
    return Blame("hpa-limit", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))

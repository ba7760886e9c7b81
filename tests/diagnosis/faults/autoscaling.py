"""Autoscalers that are at their end, or blind; rollouts that were stopped."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.shop import Shop, autoscaler, scaling
from tests.diagnosis.world import Object, set_condition


def _scaler(shop: Shop, **how: int | None) -> tuple[Object, str]:
    app = shop.victim(serves=True)
    shop.world.objects["HorizontalPodAutoscaler"].pop((shop.world.namespace, app.name), None)
    return autoscaler(shop.world, app, **how), app.object  # type: ignore[arg-type]


@fault("autoscaler is at its limit")
def limit(shop: Shop) -> Blame:
    world = shop.world
    found, app = _scaler(shop, now_at=world.pick(172, 240, 131, 190))
    found["spec"]["maxReplicas"] = found["status"]["currentReplicas"]
    found["spec"]["minReplicas"] = 1
    found["status"]["lastScaleTime"] = world.ago(2500)
    said = "the desired replica count is more than the maximum replica count"
    set_condition(found, scaling(world, "ScalingLimited", True, "TooManyReplicas", said, at=2400))
    return Blame("hpa-limit", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))


def _blind(shop: Shop, reason: str, said: str) -> Blame:
    world = shop.world
    found, app = _scaler(shop, now_at=None)
    since = world.random.randrange(900, 3300)
    found["status"]["currentMetrics"] = None
    text = f"the HPA was unable to compute the replica count: {said}"
    set_condition(found, scaling(world, "ScalingActive", False, reason, text, at=since))
    count = int(since // 15)
    world.event(found, reason, said, first=since, last=8, count=count)
    whole = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {said}"
    about: Object = {"first": since, "last": 8, "count": count}
    world.event(found, "FailedComputeMetricsReplicas", whole, **about)
    return Blame("hpa-blind", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))


@fault("autoscaler gets no metrics", alone=True)
def metrics(shop: Shop) -> Blame:
    world = shop.world
    world.without_metrics = True
    world.remove(world.find("APIService", "v1beta1.metrics.k8s.io", ""))
    gone = shop.system.pop("metrics-server")
    assert gone.service is not None
    for made in [*gone.pods, *gone.sets, gone.workload, gone.service]:
        world.remove(made)
    for found in world.all("HorizontalPodAutoscaler"):
        world.remove(found)
    return _blind(
        shop,
        "FailedGetResourceMetric",
        world.pick(
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch"
            " metrics from resource metrics API: the server could not find the requested resource"
            " (get pods.metrics.k8s.io)",
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch"
            " metrics from resource metrics API: the server is currently unable to handle the request"
            " (get pods.metrics.k8s.io)",
        ),
    )


@fault("autoscaler's pods request no cpu")
def requests(shop: Shop) -> Blame:
    world = shop.world
    blame = _blind(shop, "FailedGetResourceMetric", "")
    app = shop.apps[blame.objects[1].partition("/")[2]]
    said = f"failed to get cpu utilization: missing request for cpu in container {app.name} of Pod"
    said += f" {app.pods[0]['metadata']['name']}"
    found = world.find("HorizontalPodAutoscaler", app.name)
    for one in found["status"]["conditions"]:
        if one["type"] == "ScalingActive":
            one["message"] += said
    for event in world.all("Event"):
        if event["involvedObject"]["name"] == app.name:
            event["message"] += said
    for made in [app.workload["spec"]["template"], *app.pods]:
        container = made["spec"]["containers"][0]
        container["resources"] = {"limits": {"memory": "256Mi"}, "requests": {"memory": "256Mi"}}
    return blame


@fault("autoscaler's target does not exist")
def target(shop: Shop) -> Blame:
    world = shop.world
    found, app = _scaler(shop, now_at=None)
    name = f"{found['metadata']['name']}-{world.pick('app', 'main')}"
    found["spec"]["scaleTargetRef"]["name"] = name
    since = world.random.randrange(600, 3000)
    text = "the HPA controller was unable to get the target's current scale:"
    said = f'{text} deployments.apps "{name}" not found'
    found["status"] = {"currentReplicas": 0, "desiredReplicas": 0, "conditions": []}
    set_condition(found, scaling(world, "AbleToScale", False, "FailedGetScale", said, at=since))
    short = f'deployments.apps "{name}" not found'
    world.event(found, "FailedGetScale", short, first=since, last=8, count=int(since // 15))
    return Blame("hpa-target", (f"horizontalpodautoscaler/{found['metadata']['name']}", app))


@fault("rollout was paused half-way")
def paused(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    since = world.random.randrange(3600, 40_000)
    image = f"{app.image.rpartition(':')[0]}:10.0.0"
    new = app.change(app.template_with(image=image), ago=since)
    app.workload["spec"]["paused"] = True
    if world.random.random() < 0.5:  # nothing of it was begun
        for made in new:
            app.drop(made)
        world.remove(app.sets.pop())
        revision = app.sets[-1]["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        app.workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = revision
    world.forget_events([app.workload])
    return Blame("paused", (app.object,))

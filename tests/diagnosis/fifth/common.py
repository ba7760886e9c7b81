"""What the modules of this set share: how a state is entered, and a few more kinds of workloads."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.diagnosis.blame import FIFTH, Blame, fault
from tests.diagnosis.decoys import FIFTH_DECOYS, decoy
from tests.diagnosis.pods import failing_probe, owned_by, pod, template, unready
from tests.diagnosis.shop import Shop, app_of
from tests.diagnosis.workloads import App, daemon_set, service, stateful_set
from tests.diagnosis.world import DAY, Object, World

__all__ = ["DAY"]
Maker = Callable[[Shop], Blame]
Calm = Callable[[Shop], None]


def broken(
    name: str, *, beyond_view: bool = False, alone: bool = False
) -> Callable[[Maker], Maker]:
    """Enter a function among the faults of this set."""
    return fault(name, beyond_view=beyond_view, alone=alone, among=FIFTH)


def calm(name: str) -> Callable[[Calm], Calm]:
    """Enter a function among the harmless things of this set."""
    return decoy(name, among=FIFTH_DECOYS)


def some_time(shop: Shop, low: int = 260, high: int = 2700) -> int:
    """Since when it is as it is, in seconds."""
    return shop.world.random.randrange(low, high)


def extra(shop: Shop, name: str, **parts: Any) -> App:
    """One more deployment in the namespace, that nothing else happens to."""
    app = app_of(shop, name, **parts)
    if app.service:
        app.service["spec"]["ports"][0]["port"] = parts.get("port", 80)
    shop.apps[name] = app
    shop.taken.add(name)
    return app


def stateful(
    shop: Shop,
    name: str,
    image: str,
    *,
    replicas: int = 3,
    port: int = 8080,
    path: str = "/data",
    **parts: Any,
) -> App:
    """A stateful set of the namespace that keeps its data in a claim for each pod."""
    mounts = [{"name": "data", "mountPath": path}]
    of = template(name, image, port=port, probe="", mounts=mounts, **parts)
    app = stateful_set(shop.world, of, replicas=replicas, claim="data")
    headless = service(shop.world, app, port=port)
    headless["spec"]["clusterIP"] = "None"
    shop.apps[name] = app
    shop.taken.add(name)
    return app


def renewed(app: App, of: Object, *, ago: float) -> Object:
    """The last pod of a stateful set, made anew of another template, with its claim."""
    made = app.change(of, ago=ago)[0]
    claim = f"data-{made['metadata']['name']}"
    source = {"persistentVolumeClaim": {"claimName": claim}}
    made["spec"]["volumes"].insert(0, {"name": "data", **source})
    return made


def daemon(shop: Shop, name: str, image: str, **parts: Any) -> App:
    """A daemon set of the namespace."""
    app = daemon_set(shop.world, template(name, image, port=0, **parts))
    shop.apps[name] = app
    shop.taken.add(name)
    return app


def running_job(
    world: World, name: str, of: Object, *, ago: float, owner: Object | None = None, **spec: Any
) -> tuple[Object, Object]:
    """A job at work, with its pod."""
    whole: Object = {"backoffLimit": 6, "completions": 1, "parallelism": 1, "suspend": False}
    whole |= {"completionMode": "NonIndexed", "template": of}
    whole["selector"] = {"matchLabels": {"batch.kubernetes.io/job-name": name}}
    of["spec"]["restartPolicy"] = "Never"
    meta = {"ownerReferences": [owned_by(owner)]} if owner else {}
    found = world.make("Job", name, age=ago, metadata=meta, spec={**whole, **spec}, status={})
    found["status"] = {"startTime": world.ago(ago), "active": 1, "ready": 1, "terminating": 0}
    found["status"]["uncountedTerminatedPods"] = {}
    labels = {**of["metadata"]["labels"], "batch.kubernetes.io/job-name": name, "job-name": name}
    labelled = {**of, "metadata": {"labels": labels}}
    node = world.random.choice(world.nodes())
    return found, pod(world, found, f"{name}-{world.letters(5)}", labelled, age=ago - 1, node=node)


def init_status(made: Object, name: str) -> Object:
    """The status of one of a pod's init containers."""
    found: Object = next(
        one for one in made["status"]["initContainerStatuses"] if one["name"] == name
    )
    return found


def initializing(world: World, made: Object, name: str, since: float, **status: Any) -> Object:
    """A pod that got no further than that init container, whose status has these parts."""
    mine = init_status(made, name)
    mine |= {"ready": False, "started": False, **status}
    for one in made["status"]["containerStatuses"]:
        one |= {"state": {"waiting": {"reason": "PodInitializing"}}, "ready": False}
        one |= {"started": False, "imageID": "", "restartCount": 0, "lastState": {}}
        one.pop("containerID", None)
    made["status"]["phase"] = "Pending"
    unready(world, made, since)
    said = f"containers with incomplete status: [{name}]"
    for one in made["status"]["conditions"]:
        if one["type"] == "Initialized":
            one |= {"status": "False", "reason": "ContainersNotInitialized", "message": said}
            one["lastTransitionTime"] = world.ago(since)
    return mine


def ended(world: World, code: int, reason: str, ago: float, lived: float = 3) -> Object:
    """A container's end, as its status keeps it."""
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": world.ago(ago + lived),
        "finishedAt": world.ago(ago),
        "containerID": f"containerd://{world.digest()}",
    }


def back_off(made: Object, container: str) -> Object:
    """What the kubelet writes while it waits before the next start."""
    meta = made["metadata"]
    text = f"back-off 5m0s restarting failed container={container} pod={meta['name']}"
    full = f"{text}_{meta['namespace']}({meta['uid']})"
    return {"waiting": {"reason": "CrashLoopBackOff", "message": full}}


def with_init(app: App, container: Object, **spec: Any) -> Object:
    """An app's template with an init container before its own."""
    of = app.template_with()
    of["spec"] |= {"initContainers": [plain(container)], **spec}
    return of


def plain(container: Object) -> Object:
    """A container with what the API server adds."""
    return {
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        **container,
    }


def beside(app: App, container: Object) -> Object:
    """An app's template with a second container."""
    of = app.template_with()
    of["spec"] |= {"containers": [*of["spec"]["containers"], plain(container)]}
    return of


def with_volume(app: App, volume: Object, path: str, **mount: Any) -> Object:
    """An app's template with one more volume."""
    mounts = app.container.get("volumeMounts", [])
    mounted = {"name": volume["name"], "mountPath": path, **mount}
    of = app.template_with(volumeMounts=[*mounts, mounted])
    of["spec"] |= {"volumes": [*of["spec"].get("volumes", ()), volume]}
    return of


def unwell(
    shop: Shop,
    app: App,
    since: float,
    said: str = "HTTP probe failed with statuscode: 503",
    log: Sequence[str] = (),
) -> None:
    """An app that runs and says of itself that it is not ready."""
    for made in app.pods:
        failing_probe(shop.world, made, "Readiness", said, since=since)
        if log:
            shop.world.log(made, list(log) * 3, until=2)


def fallen(shop: Shop, since: float, *, api: bool = True) -> Blame:
    """The web, and the api that it asks, wait for what is broken behind them."""
    world, web = shop.world, shop.take(shop.web)
    objects = [web.object, f"service/{web.name}", f"ingress/{web.name}"]
    if api:
        mine = shop.take(shop.api)
        objects += [mine.object]
        database = f"{shop.database}.{world.namespace}.svc.cluster.local"
        line = f'level=error msg="dial tcp: {database}: connect: connection refused"'
        unwell(shop, mine, since - 25, log=[line])
    objects += [f"service/{shop.api}"]
    url = web.container["env"][0]["value"]
    unwell(shop, web, since - 40, log=[f'level=error msg="GET {url}/v1/items: 503" ms=3'])
    return Blame("dependency", tuple(objects))

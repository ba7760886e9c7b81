"""One fault that shows as several."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.admission import refuse
from tests.diagnosis.faults.scheduling import message
from tests.diagnosis.pods import crashing, failing_probe, template, unready, wait_for_node, waiting
from tests.diagnosis.shop import Shop, app_of
from tests.diagnosis.workloads import service, stateful_set
from tests.diagnosis.world import Object


def _needs(shop: Shop, name: str, value: str) -> None:
    """The api reads where it is from a variable."""
    api = shop.apps[shop.api]
    every = [api.container, api.sets[-1]["spec"]["template"]["spec"]["containers"][0]]
    every += [one["spec"]["containers"][0] for one in api.pods]
    for one in every:
        if all(env["name"] != name for env in one["env"]):
            one["env"] = [*one["env"], {"name": name, "value": value}]


@fault("an init container waits for an app that lacks its config map", among=UNSEEN)
def waits_for_auth(shop: Shop) -> Blame:
    world = shop.world
    auth = app_of(shop, "auth", replicas=2)
    shop.apps["auth"] = auth
    shop.taken.add("auth")
    since = world.random.randrange(700, 4000)
    source = [{"configMapRef": {"name": "auth-realms"}}]
    for made in auth.begin_anew(auth.template_with(envFrom=source), ago=since):
        said = 'configmap "auth-realms" not found'
        waiting(world, made, "CreateContainerConfigError", said, since=since - 3)
        about: Object = {
            "first": since - 3,
            "last": 7,
            "count": int(since // 12),
            "container": "auth",
        }
        world.event(made, "Failed", f"Error: {said}", **about)
    app = shop.victim()
    of = app.template_with()
    command = ["sh", "-c", "until nc -z auth 80; do echo waiting for auth; sleep 2; done"]
    init: Object = {"name": "wait-for-auth", "image": "busybox:1.37", "command": command}
    of["spec"]["initContainers"] = [{**init, "resources": {}}]
    for made in app.change(of, ago=since - 200):
        waiting(world, made, "PodInitializing", since=since - 200)
        status = made["status"]["initContainerStatuses"][0]
        running = {"running": {"startedAt": world.ago(since - 203)}}
        status |= {"state": running, "ready": False, "started": True}
        world.log(made, ["waiting for auth"] * 6, container="wait-for-auth")
        unready(world, made, since - 200)
    also = (
        Blame("dependency init-failed rollout-stuck", (app.object,)),
        Blame("service-selector", ("service/auth",)),
    )
    return Blame("config-missing", ("deployment/auth", "configmap/auth-realms"), also)


@fault("a cache finds no node, the api is not ready without it", among=UNSEEN)
def no_cache(shop: Shop) -> Blame:
    world, api = shop.world, shop.take(shop.api)
    of = template("valkey", "valkey/valkey:8.0.1", port=6379, probe="", memory="48Gi")
    app = stateful_set(world, of)
    shop.apps["valkey"] = app
    service(world, app, port=6379)
    since = world.random.randrange(700, 3000)
    wait_for_node(world, app.pods[0], message(shop, "Insufficient memory"), since=since)
    _needs(shop, "CACHE_ADDR", "valkey:6379")
    for made in api.pods:
        said = "HTTP probe failed with statuscode: 503"
        failing_probe(world, made, "Readiness", said, since=since - 50)
        text = (
            'level=warn msg="cache down" err="dial tcp 10.96.4.4:6379: connect: connection refused"'
        )
        world.log(made, [text] * 5)
    also = (
        Blame("dependency", (api.object, f"deployment/{shop.web}", f"ingress/{shop.web}")),
        Blame("service-selector", ("service/valkey",)),
    )
    return Blame("unschedulable-resources", (app.object,), also)


@fault("a rollout of everything at once hits the quota", among=UNSEEN)
def surge(shop: Shop) -> Blame:
    """Two deployments may not make their new pods; one quota is why."""
    world = shop.world
    hard = {"limits.memory": "6Gi"}
    used = {"limits.memory": "6Gi"}
    world.make("ResourceQuota", "mem", spec={"hard": hard}, status={"hard": hard, "used": used})
    objects = []
    for _ in range(2):
        app = shop.victim()
        why = (
            "exceeded quota: mem, requested: limits.memory=256Mi, used: limits.memory=6Gi, limited:"
        )
        refuse(app, f"{why} limits.memory=6Gi")
        objects.append(app.object)
    also = Blame("quota", tuple(objects))
    return Blame("quota", (*objects, "resourcequota/mem"), (also,))


@fault("a schema was migrated too far by a job, and the api ends", among=UNSEEN)
def migrated(shop: Shop) -> Blame:
    """The api is of the old revision; what it says is why."""
    world, api = shop.world, shop.take(shop.api)
    since = world.random.randrange(600, 3000)
    log = [
        "connected to the database",
        "ERROR: column orders.total does not exist (SQLSTATE 42703)",
    ]
    for made in api.pods:
        crashing(world, made, code=1, log=log, since=since, lived=6)
    also = Blame("dependency", (f"deployment/{shop.web}", f"ingress/{shop.web}"))
    return Blame("crash", (api.object,), (also,), says="orders.total")


@fault("a quota stops a scaled database's new pod, and its readers crash", among=UNSEEN)
def evicted_and_refused(shop: Shop) -> Blame:
    """The database's only pod was moved, and may not be made again."""
    world, api, db = shop.world, shop.take(shop.api), shop.take(shop.database)
    since = world.random.randrange(600, 3000)
    for made in list(db.pods):
        db.drop(made)
        world.forget_events([made])
    hard, used = {"requests.memory": "4Gi"}, {"requests.memory": "3840Mi"}
    world.make("ResourceQuota", "team", spec={"hard": hard}, status={"hard": hard, "used": used})
    said = f'create Pod {db.name}-0 in StatefulSet {db.name} failed error: pods "{db.name}-0" is'
    said += " forbidden: exceeded quota: team, requested: requests.memory=1Gi, used:"
    said += " requests.memory=3840Mi, limited: requests.memory=4Gi"
    world.event(db.workload, "FailedCreate", said, first=since, last=90, count=14)
    port = api.container["env"][1]["value"]
    for made in api.pods:
        log = [f"dial tcp 10.96.3.7:{port}: connect: connection refused"]
        crashing(world, made, code=1, log=log, since=since - 20, lived=8)
    also = (
        Blame("dependency", (api.object, f"deployment/{shop.web}", f"ingress/{shop.web}")),
        Blame("service-selector", (f"service/{db.name}",)),
    )
    return Blame("quota", (db.object, "resourcequota/team"), also)

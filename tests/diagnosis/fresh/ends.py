"""Containers that end, in ways that the other sets do not have."""

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.pods import crashing, restarted, status_of, template, unready, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App, daemon_set, service, stateful_set
from tests.diagnosis.world import DAY, Object


def _new(app: App, ago: float, **parts: object) -> list[Object]:
    """Pods of a new version."""
    image = f"{app.image.rpartition(':')[0]}:21.4.0"
    return app.change(app.template_with(**{"image": image, **parts}), ago=ago)


@fault("first pod of an ordered stateful set crashes", among=FRESH)
def ordered(shop: Shop) -> Blame:
    """The others are not made before it is ready."""
    world = shop.world
    of = template("kafka", "apache/kafka:3.9.0", port=9092, probe="", memory="1Gi")
    app = stateful_set(world, of, replicas=1, age=2 * 3600, claim="log")
    app.workload["spec"]["replicas"] = 3
    app.stuck_for = 7000
    shop.apps["kafka"] = app
    service(world, app, port=9092)
    log = [
        "[KafkaServer] starting",
        "FATAL: Invalid cluster.id in /log/meta.properties: 9x, not b7",
    ]
    crashing(world, app.pods[0], code=1, log=log, since=7000)
    return Blame("crash", (app.object,))


@fault("daemon set of the namespace crashes on every node", among=FRESH)
def daemons(shop: Shop) -> Blame:
    world = shop.world
    of = template("log-agent", f"{world.registry}/log-agent:3.1.0", port=0)
    app = daemon_set(world, of)
    shop.apps["log-agent"] = app
    log = ["reading /var/log/pods", "Error: open /var/log/positions.yaml: read-only file system"]
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=2100)
    return Blame("crash permission-denied", (app.object,))


@fault("two containers of a pod want the same port", among=FRESH)
def same_port(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    extra = {"name": "metrics", "image": f"{world.registry}/exporter:1.9.2", "resources": {}}
    of["spec"]["containers"].append(extra)
    for made in app.change(of, ago=1300):
        log = ["exporter 1.9.2", "listen tcp :8080: bind: address already in use"]
        crashing(world, made, code=1, log=log, since=1290, container="metrics")
    return Blame("crash", (app.object,), says="already in use")


@fault("sidecar runs out of memory", among=FRESH)
def sidecar_oom(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    limits = {"requests": {"memory": "32Mi"}, "limits": {"memory": "32Mi"}}
    extra = {"name": "envoy", "image": f"{world.registry}/envoy:1.33.0", "resources": limits}
    of["spec"]["containers"].append(extra)
    for made in app.change(of, ago=1500):
        crashing(
            world,
            made,
            code=137,
            reason="OOMKilled",
            since=1490,
            lived=20,
            container="envoy",
            log=["initializing epoch 0", "loading 812 clusters"],
        )
    return Blame("oom", (app.object,), says="envoy")


@fault("init container runs out of memory", among=FRESH)
def init_oom(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    limits = {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    init = {"name": "warm-cache", "image": app.image, "resources": limits}
    of["spec"]["initContainers"] = [init]
    for made in app.change(of, ago=1100):
        waiting(world, made, "PodInitializing", since=1100)
        status = made["status"]["initContainerStatuses"][0]
        holder = {**made, "status": {**made["status"], "containerStatuses": [status]}}
        crashing(
            world,
            holder,
            code=137,
            reason="OOMKilled",
            since=1090,
            container="warm-cache",
            lived=9,
            backing_off=False,
        )
        made["status"]["phase"] = "Pending"
        unready(world, made, 1100)
    return Blame("oom", (app.object,))


@fault("a sidecar of the native kind crashes", among=FRESH)
def native_sidecar(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    init = {
        "name": "vault-agent",
        "image": "hashicorp/vault:1.19",
        "restartPolicy": "Always",
        "resources": {},
    }
    of["spec"]["initContainers"] = [init]
    for made in app.change(of, ago=1900):
        waiting(world, made, "PodInitializing", since=1900)
        status = made["status"]["initContainerStatuses"][0]
        holder = {**made, "status": {**made["status"], "containerStatuses": [status]}}
        log = ["==> Vault Agent started", "Error: error parsing /etc/agent.hcl: 3:1: unknown key"]
        crashing(
            world, holder, code=2, log=log, since=1890, container="vault-agent", backing_off=False
        )
        made["status"]["phase"] = "Pending"
        unready(world, made, 1900)
    return Blame("init-failed crash", (app.object,))


@fault("the heap of a JVM is too small", among=FRESH)
def heap(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    for made in _new(app, 1700):
        log = [
            "Terminating due to java.lang.OutOfMemoryError: Java heap space",
            "java.lang.OutOfMemoryError: Java heap space",
        ]
        crashing(world, made, code=3, log=log, since=1600, lived=31)
    return Blame("crash oom", (app.object,), says="OutOfMemoryError")


@fault("a slow leak: every replica is killed again and again, and runs now", among=FRESH)
def slow_leak(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    for number, made in enumerate(app.pods):
        ago = 700 + 260 * number
        restarted(world, made, ago=ago, code=137, times=41)
        last = status_of(made)["lastState"]["terminated"]
        last["startedAt"] = world.ago(ago + 2600)
    return Blame("oom", (app.object,))


@fault("the hook after the start fails", among=FRESH)
def post_start(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    hook = {"postStart": {"exec": {"command": ["/bin/register"]}}}
    for made in _new(app, 1400, lifecycle=hook):
        crashing(world, made, code=137, since=1390, lived=1, log=["listening on :8080"])
        said = "PostStartHook failed: command '/bin/register' exited with 1: register: no leader"
        world.event(
            made, "FailedPostStartHook", said, first=1380, last=25, count=9, container=app.name
        )
    return Blame("crash command-not-found", (app.object,), says="register|[Hh]ook")


@fault("crash loop of three days whose events are gone", among=FRESH)
def old_loop(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    new = _new(app, 3 * DAY)
    for made in new:
        log = ["thread 'main' panicked at src/config.rs:31: missing field `region`"]
        crashing(world, made, code=101, log=log, since=3 * DAY, restarts=870, backing_off=False)
    world.forget_events([*new, app.workload, *app.sets])
    return Blame("crash config-value config-missing", (app.object,))


@fault("a pod of nobody cannot pull its image", among=FRESH)
def bare(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    made = app.add_pod(age=1500, node=world.nodes()[0])
    app.pods.remove(made)
    world.remove(made)
    del made["metadata"]["ownerReferences"], made["metadata"]["generateName"]
    made["metadata"] |= {"name": "load-test", "labels": {"run": "load-test"}}
    image = "grafana/k6:0.99.9"
    made["spec"]["containers"][0] |= {"name": "load-test", "image": image}
    made["status"]["containerStatuses"][0] |= {"name": "load-test", "image": image}
    world.add(made)
    said = f'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/{image}":'
    said += f' failed to resolve reference "docker.io/{image}": docker.io/{image}: not found'
    waiting(world, made, "ImagePullBackOff", f'Back-off pulling image "{image}"', since=1490)
    about: Object = {"first": 1490, "last": 60, "count": 8, "container": "load-test"}
    world.event(made, "Failed", f'Failed to pull image "{image}": {said}', **about)
    return Blame("image-not-found", ("pod/load-test",))


@fault("an address elsewhere does not answer", among=FRESH)
def outside(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    for made in _new(app, 1600):
        log = [
            'level=info msg="loading keys from https://login.partner.example/jwks"',
            (
                'level=fatal msg="cannot start" err="Get https://login.partner.example/jwks: dial'
                ' tcp 203.0.113.9:443: i/o timeout"'
            ),
        ]
        crashing(world, made, code=1, log=log, since=1590, lived=31)
    return Blame("crash dependency", (app.object,), says="partner")


@fault("a database in a namespace that is not there", among=FRESH)
def no_namespace(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    host = "mongo.data-layer.svc.cluster.local"
    env = [{"name": "MONGO_URL", "value": f"mongodb://{host}:27017/app"}]
    for made in _new(app, 2000, env=env):
        log = [f"MongoServerSelectionError: getaddrinfo ENOTFOUND {host}"]
        crashing(world, made, code=1, log=log, since=1990, lived=31)
    objects = (app.object, "service/mongo", "namespace/data-layer")
    return Blame("service-missing dependency", objects, says="mongo")


@fault("the queue that an api needs has a broken file", among=FRESH)
def redis(shop: Shop) -> Blame:
    """The api is up and says of itself that it is not ready; the root is behind it."""
    world, api = shop.world, shop.take(shop.api)
    of = template("redis", "redis:7.4.2", port=6379, probe="", memory="256Mi")
    app = stateful_set(world, of, claim="data")
    shop.apps["redis"] = app
    service(world, app, port=6379)
    log = [
        "1:M # Server initialized",
        (
            "1:M # Bad file format reading the append only file appendonly.aof.1.incr.aof: make a"
            " backup of your AOF file, then use ./redis-check-aof --fix <filename>"
        ),
    ]
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=1250)
    spec = [api.container, api.sets[-1]["spec"]["template"]["spec"]["containers"][0]]
    spec += [one["spec"]["containers"][0] for one in api.pods]
    for container in {id(one): one for one in spec}.values():
        if all(one["name"] != "REDIS_URL" for one in container["env"]):
            container["env"] = [
                *container["env"],
                {"name": "REDIS_URL", "value": "redis://redis:6379"},
            ]
    for made in api.pods:
        status_of(made)["ready"] = False
        unready(world, made, 1200)
        said = "Readiness probe failed: HTTP probe failed with statuscode: 503"
        about: Object = {"first": 1200, "last": 4, "count": 118, "container": api.name}
        world.event(made, "Unhealthy", said, **about)
        world.log(
            made, ['level=error msg="cache" err="dial tcp: redis:6379: connection refused"'] * 4
        )
    also = (
        Blame("dependency", (api.object, f"deployment/{shop.web}", f"ingress/{shop.web}")),
        Blame("service-selector service-port", (f"service/{api.name}", "service/redis")),
    )
    return Blame("crash", (app.object,), also)


@fault("out of memory on the node, not in the container", among=FRESH, beyond_view=True)
def system_oom(shop: Shop) -> Blame:
    """The kernel of the node took it: the container has no limit, the node says so."""
    world, app = shop.world, shop.victim()
    node = world.find("Node", app.pods[0]["spec"]["nodeName"])
    for template_ in (app.container, *(one["spec"]["containers"][0] for one in app.pods)):
        template_["resources"] = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        if made["spec"]["nodeName"] == node["metadata"]["name"]:
            crashing(world, made, code=137, reason="Error", since=1000, lived=200, log=["loading"])
    said = "System OOM encountered, victim process: node, pid: 28811"
    world.event(node, "SystemOOM", said, first=1100, last=40, count=7, component="kubelet")
    objects = (app.object, f"node/{node['metadata']['name']}")
    return Blame("oom node-pressure", objects)


@fault("exec format: a script without its first line", among=FRESH)
def script(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    for made in _new(app, 900, command=["/docker-entrypoint.sh"]):
        said = (
            "failed to create containerd task: failed to create shim task: OCI runtime create"
            " failed: runc create failed: unable to start container process: exec:"
            ' "/docker-entrypoint.sh":'
            " permission denied: unknown"
        )
        crashing(world, made, code=126, reason="ContainerCannotRun", message=said, since=890)
    return Blame("command-not-found permission-denied", (app.object,))

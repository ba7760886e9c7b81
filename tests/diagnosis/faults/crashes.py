"""Containers that end."""

from collections.abc import Sequence

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import crashing, status_of, unready, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object

_GO = [
    'level=info msg="starting" version=2.0.0',
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x6b2f4e]",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/src/main.go:57 +0x1d4",
]
_PYTHON = [
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 12, in <module>',
    "    from app.settings import load",
    "ModuleNotFoundError: No module named 'yaml'",
]
_NODE = [
    "node:internal/modules/cjs/loader:1228",
    "  throw err;",
    "Error: Cannot find module '/app/dist/server.js'",
    "    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)",
    "Node.js v20.18.1",
]
_JAVA = [
    "Exception in thread \"main\" java.lang.NoSuchMethodError: 'void com.acme.Pool.start(int)'",
    "\tat com.acme.Main.main(Main.java:41)",
]


def release(shop: Shop, app: App, *, everywhere: bool = False, **parts: object) -> list[Object]:
    """A new version; its pods, which somebody has yet to break."""
    world = shop.world
    since = world.random.randrange(240, 3000)
    image = f"{app.image.rpartition(':')[0]}:{world.pick('8.0.0', '8.0.0-hotfix2')}"
    template = app.template_with(**{"image": image, **parts})
    return (app.begin_anew if everywhere else app.change)(template, ago=since)


def age_of(shop: Shop, made: Object) -> float:
    """Seconds since a pod was made."""
    return shop.world.since(made["metadata"]["creationTimestamp"])


def _crash(shop: Shop, cause: str, log: Sequence[str], code: int, **parts: object) -> Blame:
    app = shop.victim()
    anew = shop.world.random.random() < 0.3
    for made in release(shop, app, everywhere=anew, **parts):
        since = age_of(shop, made) * (1 if app.stuck_for else 0.6)
        crashing(shop.world, made, code=code, log=log, since=since)
    return Blame(cause, (app.object,))


@fault("new version panics")
def panic(shop: Shop) -> Blame:
    log, code = shop.world.pick((_GO, 2), (_PYTHON, 1), (_NODE, 1), (_JAVA, 1))
    return _crash(shop, "crash", log, code)


@fault("process dies of a signal")
def signal(shop: Shop) -> Blame:
    code = shop.world.pick(139, 134)
    return _crash(shop, "crash", ["starting worker threads", "loading native module"], code)


@fault("process ends with success")
def ends(shop: Shop) -> Blame:
    """A service whose command returns: restarted for ever."""
    app = shop.victim()
    for made in release(shop, app, args=["--version"]):
        crashing(
            shop.world, made, code=0, reason="Completed", log=["8.0.0"], since=age_of(shop, made)
        )
    return Blame("crash", (app.object,))


@fault("memory limit too low for the new version")
def oom(shop: Shop) -> Blame:
    app = shop.victim()
    limits = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    for made in release(shop, app, resources=limits):
        crashing(
            shop.world,
            made,
            code=137,
            reason="OOMKilled",
            log=["starting", "warming cache"],
            since=age_of(shop, made),
            lived=12,
        )
    return Blame("oom", (app.object,))


@fault("memory grows until the limit")
def leak(shop: Shop) -> Blame:
    """No rollout: all replicas die of it every few minutes and come back."""
    world, app = shop.world, shop.victim()
    for made in app.pods:
        crashing(
            world,
            made,
            code=137,
            reason="OOMKilled",
            log=['level=info msg="request" path=/export status=200 ms=5123'],
            since=world.random.randrange(2400, 3400),
            restarts=world.random.randrange(4, 9),
            lived=200,
        )
    return Blame("oom", (app.object,))


@fault("command does not exist")
def command(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    path = world.pick("/app/servr", "/usr/bin/strat.sh")
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
        " runc create failed: unable to start container process: error during container init: exec:"
        f' "{path}": stat {path}: no such file or directory'
    )
    for made in release(shop, app, command=[path]):
        since = age_of(shop, made)
        crashing(
            world, made, code=128, reason="StartError", message=said, since=since, lived=0,
            backing_off=False,
        )  # fmt: skip
        about = {"container": app.container["name"], "first": since, "last": 30, "count": 6}
        world.event(made, "Failed", f"Error: {said}", **about)
    return Blame("start-error", (app.object,))


@fault("image's user may not write")
def permission(shop: Shop) -> Blame:
    log = shop.world.pick(
        ['nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (13: Permission denied)'],
        ["Error: EROFS: read-only file system, open '/app/.cache/index.json'"],
    )
    return _crash(shop, "permission", log, 1, securityContext={"readOnlyRootFilesystem": True})


@fault("image would run as root and may not")
def root(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    for made in release(shop, app, securityContext={"runAsNonRoot": True}):
        meta = made["metadata"]
        said = (
            "container has runAsNonRoot and image will run as root (pod:"
            f' "{meta["name"]}_{meta["namespace"]}({meta["uid"]})", container: {app.name})'
        )
        since = age_of(shop, made)
        waiting(world, made, "CreateContainerConfigError", said, since=since)
        world.event(
            made, "Failed", f"Error: {said}", first=since, last=4, count=50, container=app.name
        )
    return Blame("run-as-root", (app.object,))


@fault("configuration is missing in the environment")
def environment(shop: Shop) -> Blame:
    log = shop.world.pick(
        ["fatal: missing required environment variable PAYMENT_URL"],
        ["KeyError: 'SIGNING_KEY_ID'", "config: SIGNING_KEY_ID must be set"],
    )
    return _crash(shop, "crash-of-config", log, 1)


def _with_init(shop: Shop, app: App, init: Object) -> list[Object]:
    since = shop.world.random.randrange(300, 2400)
    template = app.template_with()
    template["spec"]["initContainers"] = [init]
    made = app.change(template, ago=since)
    for one in made:
        unready(shop.world, one, since)
        for status in one["status"]["containerStatuses"]:
            waiting(shop.world, one, "PodInitializing", since=since, container=status["name"])
        for condition in one["status"]["conditions"]:
            if condition["type"] == "Initialized":
                condition |= {"status": "False", "reason": "ContainersNotInitialized"}
                condition["message"] = f"containers with incomplete status: [{init['name']}]"
    return made


@fault("init container fails")
def init_fails(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("migrate", "fetch-assets")
    log = world.pick(
        ["applying 0042_add_index", 'ERROR:  relation "orders" does not exist (SQLSTATE 42P01)'],
        ["downloading bundle", "fatal: checksum mismatch for bundle.tar.gz"],
    )
    init = {"name": name, "image": app.image, "command": ["/bin/migrate"], "resources": {}}
    for made in _with_init(shop, app, init):
        status = made["status"]["initContainerStatuses"][0]
        since = age_of(shop, made)
        holder = {**made, "status": {**made["status"], "containerStatuses": [status]}}
        crashing(world, holder, code=1, log=log, since=since, container=name, backing_off=False)
        made["status"]["phase"] = "Pending"
    return Blame("init-crash", (app.object,))


@fault("init container waits for what does not come")
def init_waits(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    other = world.pick("redis-master", "kafka-bootstrap")
    name = "wait-for-it"
    script = f"until nslookup {other}; do echo waiting for {other}; sleep 2; done"
    init = {"name": name, "image": "busybox:1.37", "command": ["sh", "-c", script], "resources": {}}
    for made in _with_init(shop, app, init):
        since = age_of(shop, made)
        status = made["status"]["initContainerStatuses"][0]
        status |= {"state": {"running": {"startedAt": world.ago(since - 3)}}, "ready": False}
        status["started"] = True
        made["status"]["phase"] = "Pending"
        log = [f"nslookup: can't resolve '{other}'", f"waiting for {other}"] * 3
        world.log(made, log, container=name, until=1)
    return Blame("init-waits", (app.object, f"service/{other}"), says=other)


@fault("sidecar crashes")
def sidecar(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("log-shipper", "cloudsql-proxy")
    since = world.random.randrange(300, 2400)
    template = app.template_with()
    extra = {"name": name, "image": f"{world.registry}/{name}:3.2.0", "resources": {}}
    template["spec"]["containers"].append(extra)
    log = ["loading /etc/config.yaml", "error: unknown field `output.hosts` at line 9"]
    for made in app.change(template, ago=since):
        crashing(world, made, code=1, log=log, since=since, container=name)
        assert status_of(made)["ready"]
    return Blame("crash", (app.object,))


@fault("one replica behaves differently")
def skew(shop: Shop) -> Blame:
    """The tag was pushed anew: one pod, which was moved since, runs another image."""
    world, app = shop.world, shop.victim()
    bare = app.image.rpartition(":")[0]
    app.workload["spec"]["template"] = template = app.template_with(
        image=f"{bare}:{world.pick('latest', 'stable')}", imagePullPolicy="Always"
    )
    app.sets[-1]["spec"]["template"]["spec"] = template["spec"]
    same = f"{bare}@sha256:{world.digest()}"
    for made in app.pods:
        made["spec"]["containers"][0]["image"] = template["spec"]["containers"][0]["image"]
        status_of(made).update(
            {"imageID": same, "image": template["spec"]["containers"][0]["image"]}
        )
    app.drop(app.pods[-1])
    new = app.add_pod(age=1800, node=world.nodes()[0])
    crashing(world, new, code=1, log=world.pick(_PYTHON, _NODE), since=1790)
    return Blame("skew-or-crash", (app.object,))

"""Programs that end, in words of their own."""

from collections.abc import Sequence
from typing import Any

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.pods import crashing, template, unready, waiting
from tests.diagnosis.shop import Shop, app_of
from tests.diagnosis.workloads import service, stateful_set
from tests.diagnosis.world import Object


def _new(
    shop: Shop, cause: str, log: Sequence[str], *, code: int = 1, says: str = "", **parts: Any
) -> Blame:
    app = shop.victim()
    for made in release(shop, app, **parts):
        crashing(shop.world, made, code=code, log=log, since=age_of(shop, made))
    return Blame(cause, (app.object,), says=says)


@fault("an argument that the program does not know", among=UNSEEN)
def argument(shop: Shop) -> Blame:
    log = [
        "flag provided but not defined: -metrics-bind",
        "Usage of /server:",
        "  -addr string",
        '    \taddress to listen on (default ":8080")',
    ]
    args = ["-metrics-bind=:9090"]
    return _new(shop, "crash config-value", log, code=2, says="metrics-bind", args=args)


@fault("the working directory is not in the image", among=UNSEEN)
def directory(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
    )
    said += " runc create failed: unable to start container process: error during container init:"
    said += ' mkdir /srv/app: read-only file system: unknown: chdir to cwd ("/srv/app") set in'
    said += " config.json failed: no such file or directory"
    for made in release(shop, app, workingDir="/srv/app"):
        since = age_of(shop, made)
        crashing(world, made, code=128, reason="StartError", message=said, since=since, lived=0)
        about: Object = {"first": since, "last": 20, "count": 8, "container": app.name}
        world.event(made, "Failed", f"Error: {said}", **about)
    return Blame("command-not-found crash config-value", (app.object,), says="/srv/app")


@fault("the heap of a Node.js program is too small", among=UNSEEN)
def node_heap(shop: Shop) -> Blame:
    log = [
        "<--- Last few GCs --->",
        "[1:0x7f] 61234 ms: Mark-Compact 2047.1 (2083.1) -> 2046.9 (2083.6) MB, 1204.11 / 0.00 ms",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "----- Native stack trace -----",
    ]
    return _new(shop, "crash oom", log, code=134, says="heap")


@fault("the root of the file system may not be written", among=UNSEEN)
def read_only(shop: Shop) -> Blame:
    log = [
        'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)'
    ]
    context = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    return _new(shop, "crash permission-denied", log, says="Read-only", securityContext=context)


@fault("a port below 1024 without the right to it", among=UNSEEN)
def low_port(shop: Shop) -> Blame:
    log = ["2026/11/26 10:00:01 starting", "listen tcp 0.0.0.0:80: bind: permission denied"]
    context = {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}
    return _new(shop, "crash permission-denied", log, says="bind", securityContext=context)


@fault("a service's name fills a variable of the program", among=UNSEEN)
def links(shop: Shop) -> Blame:
    """Docker's links live on: a service `broker` sets BROKER_PORT to tcp://…"""
    world, app = shop.world, shop.victim()
    broker = app_of(shop, "broker", replicas=1, port=5672)
    shop.apps["broker"] = broker
    shop.taken.add("broker")
    log = [
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
        "broker_port",
        (
            "  Input should be a valid integer, unable to parse string as an integer"
            " [type=int_parsing, input_value='tcp://10.96.0.88:5672', input_type=str]"
        ),
    ]
    for made in release(shop, app):
        crashing(world, made, code=1, log=log, since=age_of(shop, made), lived=2)
    return Blame("crash config-value", (app.object,), says="broker_port|tcp://")


@fault("one node lacks a library of the host", among=UNSEEN)
def host_library(shop: Shop) -> Blame:
    """The same revision on every node; it ends on one of them only."""
    world, app = shop.world, shop.victim()
    app.drop(app.pods[0])
    since = world.random.randrange(900, 5000)
    made = app.add_pod(age=since, node=world.nodes()[-1])
    log = ["OSError: libcuda.so.1: cannot open shared object file: No such file or directory"]
    crashing(world, made, code=1, log=log, since=since - 3)
    objects = (app.object, f"node/{made['spec']['nodeName']}")
    return Blame("crash replica-skew command-not-found", objects, says="libcuda")


@fault("the last words are in the termination message only", among=UNSEEN)
def message_only(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    said = 'config error: unknown region "eu-wset-1"\n'
    parts: Object = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    for made in release(shop, app, **parts):
        crashing(world, made, code=78, message=said, since=age_of(shop, made))
    return Blame("crash config-value", (app.object,), says="eu-wset-1")


@fault("the cloud does not let the pod's account in", among=UNSEEN)
def cloud_role(shop: Shop) -> Blame:
    role = "arn:aws:sts::123456789012:assumed-role/uploads-prod/1764"
    log = [
        'level=info msg="loading state from s3://uploads-prod"',
        (
            f'level=fatal msg="AccessDenied: User: {role} is not authorized to perform:'
            ' s3:GetObject on resource: \\"arn:aws:s3:::uploads-prod/state\\" because no'
            ' identity-based policy allows the s3:GetObject action"'
        ),
    ]
    causes = "forbidden permission-denied crash dependency"
    return _new(shop, causes, log, says="AccessDenied|not authorized")


@fault("the token of the account is not mounted, and the program wants it", among=UNSEEN)
def no_token(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    of["spec"]["automountServiceAccountToken"] = False
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    log = [f"panic: open {path}/token: no such file or directory", "goroutine 1 [running]:"]
    since = world.random.randrange(300, 2500)
    for made in app.change(of, ago=since):
        spec = made["spec"]
        spec["volumes"] = [v for v in spec["volumes"] if "kube-api-access" not in v["name"]]
        for container in spec["containers"]:
            container["volumeMounts"] = [
                m for m in container["volumeMounts"] if m["mountPath"] != path
            ]
        crashing(world, made, code=2, log=log, since=since)
    causes = "crash forbidden service-account-missing config-missing config-value"
    return Blame(causes, (app.object, "serviceaccount/default"), says="token")


@fault("an init container lacks its secret", among=UNSEEN)
def init_secret(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-migrations"
    of = app.template_with()
    source = [{"secretRef": {"name": name}}]
    first = {"name": "wait", "image": "busybox:1.37", "resources": {}}
    second = {"name": "migrate", "image": app.image, "envFrom": source, "resources": {}}
    of["spec"]["initContainers"] = [first, second]
    since = world.random.randrange(300, 4000)
    for made in app.change(of, ago=since):
        waiting(world, made, "PodInitializing", since=since)
        said = f'secret "{name}" not found'
        status = made["status"]["initContainerStatuses"][1]
        wait = {"waiting": {"reason": "CreateContainerConfigError", "message": said}}
        status |= {"state": wait, "ready": False, "imageID": ""}
        status.pop("containerID")
        about: Object = {
            "first": since - 3,
            "last": 7,
            "count": int(since // 12),
            "container": "migrate",
        }
        world.event(made, "Failed", f"Error: {said}", **about)
        unready(world, made, since)
    return Blame("secret-missing", (app.object, f"secret/{name}"))


@fault("a file of a config map is mounted where the image has a directory", among=UNSEEN)
def sub_path(shop: Shop) -> Blame:
    """The key was renamed: what is mounted under it is an empty directory."""
    world, app = shop.world, shop.victim()
    name = f"{app.name}-nginx"
    world.make("ConfigMap", name, data={"default.conf": "server {}\n"})
    of = app.template_with(
        volumeMounts=[
            {"name": "conf", "mountPath": "/etc/nginx/nginx.conf", "subPath": "nginx.conf"}
        ]
    )
    of["spec"]["volumes"] = [{"name": "conf", "configMap": {"name": name, "defaultMode": 420}}]
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
    )
    said += " runc create failed: unable to start container process: error during container init:"
    said += ' error mounting "/var/lib/kubelet/pods/5d/volume-subpaths/conf/x/0" to rootfs at'
    said += (
        ' "/etc/nginx/nginx.conf": not a directory: unknown: Are you trying to mount a directory'
    )
    said += (
        " onto a file (or vice-versa)? Check if the specified host path exists and is the expected"
    )
    said += " type"
    since = world.random.randrange(300, 3000)
    for made in app.change(of, ago=since):
        crashing(world, made, code=128, reason="StartError", message=said, since=since, lived=0)
        about: Object = {"first": since, "last": 20, "count": 8, "container": app.name}
        world.event(made, "Failed", f"Error: {said}", **about)
    causes = (
        "config-key-missing config-missing volume-mount invalid-template crash command-not-found"
    )
    return Blame(causes, (app.object, f"configmap/{name}"), says=r"nginx\.conf|not a directory")


@fault("the peers of a stateful set have no service for their names", among=UNSEEN)
def headless(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("nats", "consul", "cockroach"))
    of = template(name, f"{name}/{name}:2.10", port=4222, probe="")
    app = stateful_set(world, of, replicas=2, age=5000)
    app.workload["spec"]["serviceName"] = f"{name}-headless"
    shop.apps[name] = app
    service(world, app, port=4222)
    host = f"{name}-0.{name}-headless.{world.namespace}.svc.cluster.local"
    for made in app.pods:
        made["spec"] |= {"hostname": made["metadata"]["name"], "subdomain": f"{name}-headless"}
        log = ["joining the cluster", f"[FTL] lookup {host} on 10.96.0.10:53: no such host"]
        crashing(world, made, code=1, log=log, since=4000, lived=9)
    return Blame("service-missing dependency", (app.object, f"service/{name}-headless"))


@fault("a database takes no more connections since its client was scaled", among=UNSEEN)
def too_many(shop: Shop) -> Blame:
    world, api = shop.world, shop.take(shop.api)
    shop.take(shop.database)
    since = world.random.randrange(400, 2000)
    extra = [api.add_pod(age=since, node=world.random.choice(world.nodes())) for _ in range(4)]
    api.workload["spec"]["replicas"] += 4
    set_name = api.sets[-1]["metadata"]["name"]
    said = f"Scaled up replica set {set_name} from 3 to 7"
    world.event(api.workload, "ScalingReplicaSet", said, type="Normal", first=since, last=since)
    for made in extra:
        log = [f'FATAL:  sorry, too many clients already (host "{shop.database}")']
        crashing(world, made, code=1, log=log, since=since - 5, lived=4)
    return Blame(
        "crash dependency", (api.object, f"statefulset/{shop.database}"), says="too many clients"
    )

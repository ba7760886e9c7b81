"""Containers that cannot start, or end soon after they did."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import (
    back_off,
    beside,
    broken,
    daemon,
    ended,
    extra,
    initializing,
    renewed,
    some_time,
    stateful,
    unwell,
    with_init,
)
from tests.diagnosis.pods import crashing, unready
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import Object


@broken("an agent that fetches secrets may not log in")
def agent(shop: Shop) -> Blame:
    _world, app, since = shop.world, shop.victim(), some_time(shop)
    image = "hashicorp/vault:1.17.2"
    of = with_init(app, {"name": "vault-agent-init", "image": image, "args": ["agent"]})
    log = [
        "[INFO]  agent.auth.handler: authenticating",
        (
            '[ERROR] agent.auth.handler: error authenticating: error="Error making API'
            " request. URL: PUT"
            " http://vault.vault.svc:8200/v1/auth/kubernetes/login Code: 403. Errors: *"
            ' permission denied"'
        ),
        "Error: agent exited: auth handler failed",
    ]
    for made in app.change(of, ago=since):
        _init_crash(shop, made, "vault-agent-init", since, log)
    return Blame("init-failed permission-denied", (app.object,))


def _init_crash(
    shop: Shop,
    made: Object,
    name: str,
    since: float,
    log: list[str],
    *,
    code: int = 1,
    reason: str = "Error",
) -> None:
    world = shop.world
    end = ended(world, code, reason, 140)
    initializing(
        world,
        made,
        name,
        since,
        state=back_off(made, name),
        lastState={"terminated": end},
        restartCount=max(3, int(since // 260)),
    )
    where = f"{name} in pod {made['metadata']['name']}_{world.namespace}({made['metadata']['uid']})"
    said = f"Back-off restarting failed container {where}"
    world.event(made, "BackOff", said, first=since - 20, last=9, count=9, container=name)
    for previous in (False, True):
        world.log(made, log, previous=previous, container=name, until=140)


@broken("an init container runs out of memory")
def init_memory(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    small = {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi", "cpu": "50m"}}
    of = with_init(app, {"name": "migrate", "image": app.image, "resources": small})
    for made in app.change(of, ago=since):
        log = ["running migration 0042_backfill_addresses"]
        _init_crash(shop, made, "migrate", since, log, code=137, reason="OOMKilled")
    return Blame("oom", (app.object,))


@broken("a native sidecar never gets up, and the app waits for it")
def native(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    image = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.4"
    proxy = {"name": "cloud-sql-proxy", "image": image, "restartPolicy": "Always"}
    of = with_init(app, {**proxy, "args": ["--port=5432", "acme-prod:europe-west1:orders"]})
    log = [
        "Authorizing with Application Default Credentials",
        (
            "The proxy has encountered a terminal error: unable to start: failed to get"
            " instance: Refresh"
            " error: failed to get instance metadata: googleapi: Error 403: Not authorized"
            " to access"
            " resource. Possibly missing permission cloudsql.instances.connect, forbidden"
        ),
    ]
    for made in app.change(of, ago=since):
        _init_crash(shop, made, "cloud-sql-proxy", since, log)
    return Blame("init-failed permission-denied crash", (app.object,))


@broken("a second container crashes beside a well one")
def sidecar(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    image = "quay.io/oauth2-proxy/oauth2-proxy:v7.6.0"
    for made in app.change(beside(app, {"name": "oauth2-proxy", "image": image}), ago=since):
        log = [
            "[main.go:54] invalid configuration:",
            "  missing setting: cookie-secret",
            "  missing setting: client-secret or client-secret-file",
        ]
        crashing(world, made, log=log, since=since, container="oauth2-proxy", lived=1)
    return Blame("crash config-missing config-value", (app.object,), says="oauth2-proxy")


@broken("a sidecar is killed for its memory and takes its app out of service")
def sidecar_memory(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(serves=True), some_time(shop, 900)
    limits = {"limits": {"memory": "40Mi"}, "requests": {"memory": "40Mi", "cpu": "10m"}}
    image = "docker.io/istio/proxyv2:1.22.3"
    of = beside(app, {"name": "istio-proxy", "image": image, "resources": limits})
    for made in app.begin_anew(of, ago=since):
        log = ["info\txdsproxy\tconnected to upstream XDS server: istiod.istio-system.svc:15012"]
        crashing(
            world,
            made,
            code=137,
            reason="OOMKilled",
            log=log,
            since=since - 60,
            container="istio-proxy",
            lived=40,
        )
    return Blame("oom", (app.object,), says="istio-proxy")


@broken("the image was built for another kind of processor")
def platform(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    of = app.template_with(image=f"{app.image}-m1")
    for made in app.change(of, ago=since):
        log = ["exec /usr/local/bin/docker-entrypoint.sh: exec format error"]
        crashing(shop.world, made, code=255, log=log, since=since, lived=0)
    return Blame("image-platform", (app.object,))


@broken("the root file system may not be written")
def read_only(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    of = app.template_with(securityContext={"readOnlyRootFilesystem": True})
    log = [
        'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)',
    ]
    for made in app.change(of, ago=since):
        crashing(shop.world, made, log=log, since=since, lived=0)
    return Blame("permission-denied crash", (app.object,), says="(?i)read-only")


@broken("a volume belongs to root and the app does not")
def owner(shop: Shop) -> Blame:
    app = stateful(shop, "grafana", "grafana/grafana:11.1.0", replicas=1, path="/var/lib/grafana")
    since = some_time(shop)
    of = app.template_with(securityContext={"runAsUser": 472, "runAsNonRoot": True})
    app.workload["spec"]["template"] = of
    log = [
        "GF_PATHS_DATA='/var/lib/grafana' is not writable.",
        "mkdir: can't create directory '/var/lib/grafana/plugins': Permission denied",
    ]
    for made in app.pods:
        made["spec"]["containers"][0]["securityContext"] = {"runAsUser": 472, "runAsNonRoot": True}
        crashing(shop.world, made, log=log, since=since)
    return Blame("permission-denied", (app.object,))


@broken("a script with foreign line ends is the command")
def line_ends(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    of = app.template_with(command=["/docker-entrypoint.sh"], image=f"{app.image}-win")
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
        " runc create failed: unable to start container process: error during container init: exec:"
        ' "/docker-entrypoint.sh": stat /docker-entrypoint.sh: no such file or directory: unknown'
    )
    for made in app.change(of, ago=since):
        crashing(
            shop.world, made, code=128, reason="StartError", message=said, since=since, lived=0
        )
        name = app.container["name"]
        shop.world.event(
            made, "Failed", f"Error: {said}", first=since, last=60, count=5, container=name
        )
    return Blame("command-not-found", (app.object,))


@broken("a server that goes to the background and leaves its container")
def background(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    of = app.template_with(command=["/usr/sbin/apachectl", "start"], image=f"{app.image}-httpd")
    for made in app.change(of, ago=since):
        log = ["AH00558: httpd: Could not reliably determine the server's fully qualified name"]
        crashing(shop.world, made, code=0, reason="Completed", log=log, since=since, lived=1)
    return Blame("crash", (app.object,), says=r"(?i)code 0|exit(s|ed)? (with )?0|complete")


@broken("a hook after the start fails")
def hook(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    hooked = {"postStart": {"exec": {"command": ["/bin/sh", "-c", "/opt/warm-cache.sh"]}}}
    for made in app.change(app.template_with(lifecycle=hooked), ago=since):
        crashing(world, made, code=143, since=since, lived=2, log=["starting", "listening"])
        said = (
            "PostStartHook failed: command '/bin/sh -c /opt/warm-cache.sh' exited with"
            " 127: /bin/sh:"
            " /opt/warm-cache.sh: not found"
        )
        world.event(
            made,
            "FailedPostStartHook",
            said,
            first=since - 3,
            last=80,
            count=6,
            container=app.container["name"],
        )
    return Blame("crash command-not-found", (app.object,), says=r"(?i)hook|warm-cache")


@broken("a service's own variables overwrite those that the app reads")
def links(shop: Shop) -> Blame:
    """A service named as the app's setting: REDIS_PORT becomes tcp://10.96.0.40:6379."""
    app, since = shop.victim(), some_time(shop)
    extra(shop, "redis", port=6379)
    log = [
        "Traceback (most recent call last):",
        '  File "/app/settings.py", line 31, in <module>',
        '    REDIS_PORT = int(os.environ.get("REDIS_PORT", 6379))',
        "ValueError: invalid literal for int() with base 10: 'tcp://10.96.14.40:6379'",
    ]
    for made in app.begin_anew(app.template_with(image=f"{app.image}-py"), ago=since):
        crashing(shop.world, made, log=log, since=since - 4, lived=1)
    return Blame("crash config-value", (app.object,), says="REDIS_PORT|invalid literal")


@broken("an agent on every node may not look at what it should watch")
def rights(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    world.make("ServiceAccount", "node-labeller")
    app = daemon(shop, "node-labeller", "ghcr.io/acme/node-labeller:0.4.1", account="node-labeller")
    user = f"system:serviceaccount:{world.namespace}:node-labeller"
    log = [
        (
            f'E1123 reflector.go:158] nodes is forbidden: User "{user}" cannot list resource'
            ' "nodes" in API'
            ' group "" at the cluster scope'
        ),
        "F1123 main.go:88] timed out waiting for caches to sync",
    ]
    for made in app.pods:
        crashing(world, made, code=255, log=log, since=since, lived=30)
    return Blame("permission-denied forbidden", (app.object, "serviceaccount/node-labeller"))


@broken("a heap larger than its container")
def heap(shop: Shop) -> Blame:
    since = some_time(shop, 1500)
    app = stateful(
        shop, "opensearch", "opensearchproject/opensearch:2.15.0", memory="2Gi", port=9200
    )
    env = [{"name": "OPENSEARCH_JAVA_OPTS", "value": "-Xms4g -Xmx4g"}]
    made = renewed(app, app.template_with(env=env), ago=since)
    log = ["[INFO ][o.o.n.Node] JVM arguments [-Xms4g, -Xmx4g, -XX:+AlwaysPreTouch]"]
    crashing(shop.world, made, code=137, reason="OOMKilled", since=since, lived=12, log=log)
    return Blame("oom", (app.object,))


@broken("a wait for a database that nobody made")
def waits(shop: Shop) -> Blame:
    """An init container waits for a service by a name that does not exist."""
    world, app, since = shop.world, shop.victim(), some_time(shop, 700)
    loop = "until nc -z mongodb-rs0 27017; do echo waiting for mongodb-rs0; sleep 2; done"
    of = with_init(
        app, {"name": "wait-for-db", "image": "busybox:1.36", "command": ["sh", "-c", loop]}
    )
    for made in app.change(of, ago=since):
        state = {"running": {"startedAt": world.ago(since - 3)}}
        initializing(world, made, "wait-for-db", since, state=state, started=True, lastState={})
        lines = ["nc: bad address 'mongodb-rs0'", "waiting for mongodb-rs0"] * 6
        world.log(made, lines, container="wait-for-db", until=1)
        objects = (app.object, "service/mongodb-rs0")
    return Blame("init-failed service-missing dependency", objects, says="mongodb-rs0")


@broken("a certificate that the app serves with has run out")
def expired(shop: Shop) -> Blame:
    """Only its own words tell of it."""
    app, since = shop.victim(serves=True), some_time(shop)
    log = [
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid:"
            " current time 2026-03-04T15:06:07Z is after 2026-03-03T23:59:59Z"
        )
    ]
    for made in app.pods:
        crashing(shop.world, made, log=["loading /etc/tls/tls.crt", *log], since=since, lived=1)
    return Blame("certificate-expired crash", (app.object,), says="(?i)expired")


@broken("one of several replicas crashes on its own data")
def shard(shop: Shop) -> Blame:
    app = stateful(
        shop, "rabbitmq", "rabbitmq:3.13-management", port=5672, path="/var/lib/rabbitmq"
    )
    since = some_time(shop)
    log = [
        "BOOT FAILED",
        (
            "Error during startup:"
            " {error,{schema_integrity_check_failed,[{table_missing,rabbit_durable}]}}"
        ),
    ]
    crashing(shop.world, app.pods[1], code=1, since=since, lived=9, log=log)
    unready(shop.world, app.pods[1], since)
    return Blame("skew-or-crash", (app.object,))


@broken("a worker that has lost its broker")
def broker(shop: Shop) -> Blame:
    """The broker's service has no pods: somebody scaled it away and the worker dies of it."""
    world, since = shop.world, some_time(shop)
    gone = extra(shop, "nats", replicas=1, port=4222)
    for made in list(gone.pods):
        gone.drop(made)
    gone.workload["spec"]["replicas"] = 0
    env = [{"name": "NATS_URL", "value": "nats://nats:4222"}]
    app = extra(shop, "order-events", env=env)
    where = world.find("Service", "nats")["spec"]["clusterIP"]
    for made in app.pods:
        log = [
            "nats: no servers available for connection",
            f"dial tcp {where}:4222: connection refused",
        ]
        crashing(world, made, log=["connecting to nats://nats:4222", *log], since=since, lived=2)
    also = Blame("dependency", (app.object, "service/nats"))
    objects = (gone.object, "service/nats", app.object)
    return Blame("scaled-to-zero", objects, (also,), says=r"(?i)zero|\b0 (pods|replicas)|to 0\b")


@broken("an upstream answers all, but the app asks it by a wrong port")
def wrong_port(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    extra(shop, "memcached", port=11211, replicas=2)
    service = world.find("Service", "memcached")
    service["spec"]["ports"][0] |= {"port": 11211, "targetPort": 11211}
    env = [{"name": "CACHE_ADDR", "value": "memcached:11212"}]
    app = extra(shop, "price-feed", env=env)
    where = service["spec"]["clusterIP"]
    log = [f"dial tcp {where}:11212: i/o timeout", "cache memcached:11212 unreachable, giving up"]
    unwell(shop, app, since, log=log)
    objects = (app.object, "service/memcached")
    return Blame("service-port dependency config-value", objects, says="1121[12]")

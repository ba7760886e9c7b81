"""Containers that cannot start, or end soon after they did."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import (
    back_off,
    beside,
    broken,
    daemon,
    ended,
    extra,
    init_status,
    initializing,
    renewed,
    some_time,
    stateful,
    unwell,
    with_init,
    with_volume,
)
from tests.diagnosis.pods import crashing, not_mounted, unready, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


@broken("an agent that fetches secrets may not log in")
def agent(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    image = "hashicorp/vault:1.17.2"
    of = with_init(app, {"name": "vault-agent-init", "image": image, "args": ["agent"]})
    log = [
        "[INFO]  agent.auth.handler: authenticating",
        '[ERROR] agent.auth.handler: error authenticating: error="Error making API request. URL: PUT'
        ' http://vault.vault.svc:8200/v1/auth/kubernetes/login Code: 403. Errors: * permission denied"',
        "Error: agent exited: auth handler failed",
    ]
    for made in app.change(of, ago=since):
        _init_crash(shop, made, "vault-agent-init", since, log)
    return Blame("init-failed permission-denied", (app.object,))


def _init_crash(
    shop: Shop, made: Object, name: str, since: float, log: list[str], *, code: int = 1,
    reason: str = "Error",
) -> None:  # fmt: skip
    world = shop.world
    end = ended(world, code, reason, 140)
    initializing(
        world, made, name, since, state=back_off(made, name), lastState={"terminated": end},
        restartCount=max(3, int(since // 260)),
    )  # fmt: skip
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
    world, app, since = shop.world, shop.victim(), some_time(shop)
    image = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.4"
    proxy = {"name": "cloud-sql-proxy", "image": image, "restartPolicy": "Always"}
    of = with_init(app, {**proxy, "args": ["--port=5432", "acme-prod:europe-west1:orders"]})
    log = [
        "Authorizing with Application Default Credentials",
        "The proxy has encountered a terminal error: unable to start: failed to get instance: Refresh"
        " error: failed to get instance metadata: googleapi: Error 403: Not authorized to access"
        " resource. Possibly missing permission cloudsql.instances.connect, forbidden",
    ]
    for made in app.change(of, ago=since):
        _init_crash(shop, made, "cloud-sql-proxy", since, log)
    assert world
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
            world, made, code=137, reason="OOMKilled", log=log, since=since - 60,
            container="istio-proxy", lived=40,
        )  # fmt: skip
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
        shop.world.event(made, "Failed", f"Error: {said}", first=since, last=60, count=5, container=name)  # fmt: skip
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
            "PostStartHook failed: command '/bin/sh -c /opt/warm-cache.sh' exited with 127: /bin/sh:"
            " /opt/warm-cache.sh: not found"
        )
        world.event(
            made, "FailedPostStartHook", said, first=since - 3, last=80, count=6,
            container=app.container["name"],
        )  # fmt: skip
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


@broken("a setting was edited so that it can no longer be read")
def unreadable(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    name = f"{app.name}-settings"
    edited = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1"}
    edited |= {"time": world.ago(since + 60), "fieldsType": "FieldsV1"}
    edited["fieldsV1"] = {"f:data": {"f:application.yml": {}}}
    data = {"application.yml": "server:\n  port: 8080\n   workers: 4\n"}
    world.make("ConfigMap", name, metadata={"managedFields": [edited]}, data=data)
    volume = {"name": "settings", "configMap": {"name": name, "defaultMode": 420}}
    app.workload["spec"]["template"] = with_volume(app, volume, "/config")
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    log = [
        "org.yaml.snakeyaml.scanner.ScannerException: mapping values are not allowed here",
        " in 'reader', line 3, column 11:",
        "       workers: 4",
    ]
    for made in app.pods:
        made["spec"]["volumes"].append(volume)
        crashing(world, made, log=log, since=since, lived=4)
    objects = (app.object, f"configmap/{name}")
    return Blame(
        "config-value config-changed crash", objects, says="mapping values|application.yml"
    )


@broken("a key of a secret was renamed")
def renamed(shop: Shop) -> Blame:
    app, since, name = shop.victim(), some_time(shop), "smtp-credentials"
    world = shop.world
    world.make("Secret", name, type="Opaque", data={"smtp-password": "eHg=", "smtp-user": "eA=="})
    source = {"secretKeyRef": {"name": name, "key": "password"}}
    env = [*app.container.get("env", ()), {"name": "SMTP_PASSWORD", "valueFrom": source}]
    said = f"couldn't find key password in Secret {world.namespace}/{name}"
    for made in app.change(app.template_with(env=env), ago=since):
        refused_config(shop, made, said, since)
    return Blame("secret-key-missing", (app.object, f"secret/{name}"))


def refused_config(shop: Shop, made: Object, said: str, since: float, *, error: str = "CreateContainerConfigError") -> None:  # fmt: skip
    waiting(shop.world, made, error, said, since=since)
    name = made["spec"]["containers"][0]["name"]
    shop.world.event(
        made, "Failed", f"Error: {said}", first=since - 4, last=8, count=int(since // 12),
        container=name,
    )  # fmt: skip


@broken("a variable comes from a config map of another namespace")
def other_place(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    world.make("Namespace", "platform-shared", status={"phase": "Active"})
    world.make("ConfigMap", "kafka-endpoints", namespace="platform-shared", data={"brokers": "b:1"})
    of = app.template_with(envFrom=[{"configMapRef": {"name": "kafka-endpoints"}}])
    for made in app.change(of, ago=since):
        refused_config(shop, made, 'configmap "kafka-endpoints" not found', since)
    return Blame("config-missing", (app.object, "configmap/kafka-endpoints"))


def _volume_refused(shop: Shop, app: App, volume: Object, said: str) -> int:
    """A new revision whose volume cannot be set up."""
    since = some_time(shop)
    for made in app.change(with_volume(app, volume, "/etc/mounted"), ago=since):
        not_mounted(shop.world, made, since)
        text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {said}'
        count = max(3, int(since // 122))
        shop.world.event(made, "FailedMount", text, first=since - 1, last=40, count=count)
    return since


@broken("a projected volume wants a key that its config map does not have")
def projected_key(shop: Shop) -> Blame:
    app = shop.victim()
    shop.world.make("ConfigMap", "trust", data={"root.pem": "-----BEGIN CERTIFICATE-----"})
    items = [{"key": "ca-bundle.crt", "path": "ca-bundle.crt"}]
    sources = [{"configMap": {"name": "trust", "items": items}}]
    volume = {"name": "trust-bundle", "projected": {"defaultMode": 420, "sources": sources}}
    _volume_refused(shop, app, volume, "references non-existent config key: ca-bundle.crt")
    return Blame("config-key-missing", (app.object, "configmap/trust"))


@broken("a projected volume wants a secret that is not there")
def projected_secret(shop: Shop) -> Blame:
    app = shop.victim()
    sources = [
        {"secret": {"name": "kafka-client-tls"}},
        {"secret": {"name": f"{shop.database}-auth"}},
    ]
    volume = {"name": "all-certs", "projected": {"defaultMode": 420, "sources": sources}}
    _volume_refused(shop, app, volume, 'secret "kafka-client-tls" not found')
    return Blame("secret-missing", (app.object, "secret/kafka-client-tls"))


@broken("a vault's volume names a class of secrets that nobody made")
def provider_class(shop: Shop) -> Blame:
    app, place = shop.victim(), shop.world.namespace
    driver = "secrets-store.csi.k8s.io"
    source = {"driver": driver, "readOnly": True}
    source["volumeAttributes"] = {"secretProviderClass": "azure-kv-prod"}
    said = (
        "rpc error: code = Unknown desc = failed to get secretproviderclass"
        f' {place}/azure-kv-prod, error: SecretProviderClass.{driver[:-7]}x-k8s.io "azure-kv-prod" not'
        " found"
    )
    _volume_refused(shop, app, {"name": "secrets-store", "csi": source}, said)
    return Blame("volume-mount secret-missing config-missing", (app.object,), says="azure-kv-prod")


@broken("a file is mounted over a directory")
def sub_path(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    shop.world.make("ConfigMap", "nginx-site", data={"default.conf": "server {}"})
    volume = {"name": "site", "configMap": {"name": "nginx-site", "defaultMode": 420}}
    of = with_volume(app, volume, "/etc/nginx/conf.d", subPath="default.conf")
    said = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc"
        " create failed: unable to start container process: error during container init: error"
        ' mounting "/var/lib/kubelet/pods/6b1/volume-subpaths/site/nginx/0" to rootfs at'
        ' "/etc/nginx/conf.d": not a directory: unknown: Are you trying to mount a directory onto a'
        " file (or vice-versa)? Check if the specified host path exists and is the expected type"
    )
    for made in app.change(of, ago=since):
        crashing(
            shop.world, made, code=128, reason="StartError", message=said, since=since, lived=0
        )
    return Blame(
        "volume-mount invalid-template crash command-not-found config-value", (app.object,),
        says="not a directory",
    )  # fmt: skip


@broken("an image that runs as root where no root may run")
def root(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    of = app.template_with()
    of["spec"]["securityContext"] = {"runAsNonRoot": True}
    for made in app.change(of, ago=since):
        name = f"{made['metadata']['name']}_{shop.world.namespace}({made['metadata']['uid']})"
        said = "container has runAsNonRoot and image will run as root"
        text = f'{said} (pod: "{name}", container: {app.container["name"]})'
        refused_config(shop, made, text, since)
    return Blame("run-as-root", (app.object,))


@broken("a seccomp profile is on no node")
def seccomp(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    profile = {"type": "Localhost", "localhostProfile": "profiles/audit.json"}
    of = app.template_with(securityContext={"seccompProfile": profile})
    said = (
        'failed to create containerd container: cannot load seccomp profile "/var/lib/kubelet/seccomp/'
        'profiles/audit.json": open /var/lib/kubelet/seccomp/profiles/audit.json: no such file or'
        " directory"
    )
    for made in app.change(of, ago=since):
        refused_config(shop, made, said, since, error="CreateContainerError")
    words = "invalid-template pod-security config-missing command-not-found"
    return Blame(words, (app.object,), says="seccomp")


@broken("an agent on every node may not look at what it should watch")
def rights(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    world.make("ServiceAccount", "node-labeller")
    app = daemon(shop, "node-labeller", "ghcr.io/acme/node-labeller:0.4.1", account="node-labeller")
    user = f"system:serviceaccount:{world.namespace}:node-labeller"
    log = [
        f'E1123 reflector.go:158] nodes is forbidden: User "{user}" cannot list resource "nodes" in API'
        ' group "" at the cluster scope',
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
        assert init_status(made, "wait-for-db")
    objects = (app.object, "service/mongodb-rs0")
    return Blame("init-failed service-missing dependency", objects, says="mongodb-rs0")


@broken("a certificate that the app serves with has run out")
def expired(shop: Shop) -> Blame:
    """Only its own words tell of it."""
    app, since = shop.victim(serves=True), some_time(shop)
    log = ["tls: failed to verify certificate: x509: certificate has expired or is not yet valid:"
           " current time 2026-03-04T15:06:07Z is after 2026-03-03T23:59:59Z"]  # fmt: skip
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
        "Error during startup: {error,{schema_integrity_check_failed,[{table_missing,rabbit_durable}]}}",
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
    for made in app.pods:
        log = [
            "nats: no servers available for connection",
            "dial tcp 10.96.3.7:4222: connection refused",
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
    log = ["dial tcp 10.96.8.21:11212: i/o timeout", "cache memcached:11212 unreachable, giving up"]
    unwell(shop, app, since, log=log)
    objects = (app.object, "service/memcached")
    return Blame("service-port dependency config-value", objects, says="1121[12]")

"""Settings, secrets and mounted files that are not what a container needs."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import broken, some_time, with_volume
from tests.diagnosis.pods import crashing, not_mounted, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


@broken("a setting was edited so that it can no longer be read")
def unreadable(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    name = f"{app.name}-settings"
    edited: Object = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1"}
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


def refused_config(
    shop: Shop, made: Object, said: str, since: float, *, error: str = "CreateContainerConfigError"
) -> None:
    waiting(shop.world, made, error, said, since=since)
    name = made["spec"]["containers"][0]["name"]
    shop.world.event(
        made,
        "Failed",
        f"Error: {said}",
        first=since - 4,
        last=8,
        count=int(since // 12),
        container=name,
    )


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
    source: Object = {"driver": driver, "readOnly": True}
    source["volumeAttributes"] = {"secretProviderClass": "azure-kv-prod"}
    said = (
        "rpc error: code = Unknown desc = failed to get secretproviderclass"
        f" {place}/azure-kv-prod, error: SecretProviderClass.{driver[:-7]}x-k8s.io"
        ' "azure-kv-prod" not'
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
        "failed to create containerd task: failed to create shim task: OCI runtime create"
        " failed: runc"
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
        "volume-mount invalid-template crash command-not-found config-value",
        (app.object,),
        says="not a directory",
    )


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
        "failed to create containerd container: cannot load seccomp profile"
        ' "/var/lib/kubelet/seccomp/'
        'profiles/audit.json": open /var/lib/kubelet/seccomp/profiles/audit.json: no such file or'
        " directory"
    )
    for made in app.change(of, ago=since):
        refused_config(shop, made, said, since, error="CreateContainerError")
    words = "invalid-template pod-security config-missing command-not-found"
    return Blame(words, (app.object,), says="seccomp")

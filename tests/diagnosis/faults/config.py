"""References to configuration and secrets, and rights, that are not there."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.pods import crashing, not_mounted, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def _cannot_configure(app: App, made: Object, said: str, since: float) -> None:
    waiting(app.world, made, "CreateContainerConfigError", said, since=since)
    about = {"container": app.container["name"], "first": since, "last": 6}
    app.world.event(made, "Failed", f"Error: {said}", count=int(since // 12), **about)


def _not_mounted(app: App, made: Object, volume: str, said: str, since: float) -> None:
    not_mounted(app.world, made, since)
    app.world.event(
        made,
        "FailedMount",
        f'MountVolume.SetUp failed for volume "{volume}" : {said}',
        first=since,
        last=app.world.random.randrange(10, 110),
        count=max(4, int(since // 110)),
    )


@fault("config map of the environment is missing")
def config_map(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('settings', 'env', 'flags')}"
    how = world.pick("env", "envFrom", "envFrom", "env")
    parts: Object = {"envFrom": [{"configMapRef": {"name": name}}]}
    if how == "env":
        reference = {"configMapKeyRef": {"name": name, "key": "MODE"}}
        parts = {"env": [{"name": "MODE", "valueFrom": reference}]}
    for made in release(shop, app, **parts):
        _cannot_configure(app, made, f'configmap "{name}" not found', age_of(shop, made))
    return Blame("config-missing", (app.object, f"configmap/{name}"))


@fault("config map lacks a key")
def config_key(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, key = f"{app.name}-{world.pick('settings', 'flags')}", world.pick("FEATURE_X", "DB_POOL")
    world.make("ConfigMap", name, data={"OTHER": "1"})
    reference = {"configMapKeyRef": {"name": name, "key": key}}
    for made in release(shop, app, env=[{"name": key, "valueFrom": reference}]):
        said = f"couldn't find key {key} in ConfigMap {world.namespace}/{name}"
        _cannot_configure(app, made, said, age_of(shop, made))
    return Blame("config-key-missing", (app.object, f"configmap/{name}"))


@fault("config map of a volume is missing")
def config_volume(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('files', 'templates')}"
    template = app.template_with()
    template["spec"]["volumes"] = [{"name": "files", "configMap": {"name": name}}]
    since = world.random.randrange(300, 2600)
    for made in app.change(template, ago=since):
        _not_mounted(app, made, "files", f'configmap "{name}" not found', since)
    return Blame("config-missing", (app.object, f"configmap/{name}"))


@fault("secret is missing")
def secret(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('credentials', 'api-key', 'oauth')}"
    if world.random.random() < 0.5:
        reference = {"secretKeyRef": {"name": name, "key": "token"}}
        for made in release(shop, app, env=[{"name": "TOKEN", "valueFrom": reference}]):
            _cannot_configure(app, made, f'secret "{name}" not found', age_of(shop, made))
    else:
        template = app.template_with()
        template["spec"]["volumes"] = [{"name": "keys", "secret": {"secretName": name}}]
        since = world.random.randrange(300, 2600)
        for made in app.change(template, ago=since):
            _not_mounted(app, made, "keys", f'secret "{name}" not found', since)
    return Blame("secret-missing", (app.object, f"secret/{name}"))


@fault("secret lacks a key")
def secret_key(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, key = f"{app.name}-{world.pick('db', 'stripe')}", world.pick("api_key", "dsn")
    world.make("Secret", name, type="Opaque", data={"old": "eA=="})
    if world.random.random() < 0.5:
        reference = {"secretKeyRef": {"name": name, "key": key}}
        for made in release(shop, app, env=[{"name": "KEY", "valueFrom": reference}]):
            said = f"couldn't find key {key} in Secret {world.namespace}/{name}"
            _cannot_configure(app, made, said, age_of(shop, made))
    else:
        template = app.template_with()
        items = [{"key": key, "path": "key"}]
        template["spec"]["volumes"] = [
            {"name": "k", "secret": {"secretName": name, "items": items}}
        ]
        since = world.random.randrange(300, 2600)
        for made in app.change(template, ago=since):
            _not_mounted(app, made, "k", f"references non-existent secret key: {key}", since)
    return Blame("secret-key-missing", (app.object, f"secret/{name}"))


@fault("secret was deleted under a workload that ran", beyond_view=False)
def vanished(shop: Shop) -> Blame:
    """No new revision: a pod was moved, and its secret is gone."""
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('token', 'license')}"
    source = [{"secretRef": {"name": name}}]
    app.workload["spec"]["template"] = app.template_with(envFrom=source)
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        made["spec"]["containers"][0]["envFrom"] = source
    app.drop(app.pods[-1])
    made = app.add_pod(age=1500, node=world.nodes()[0])
    _cannot_configure(app, made, f'secret "{name}" not found', 1490)
    return Blame("secret-missing", (app.object, f"secret/{name}"))


@fault("configuration was changed and is wrong now")
def changed(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('config2', 'runtime')}"
    since = world.random.randrange(400, 2400)
    entry = {
        "manager": world.pick("kubectl-edit", "argocd-controller"),
        "operation": "Update",
        "apiVersion": "v1",
        "time": world.ago(since + 30),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:app.yaml": {}}},
    }
    data = {"app.yaml": "pool: {size: ten"}
    world.make("ConfigMap", name, data=data, metadata={"managedFields": [entry]})
    volume = [{"name": "cfg", "configMap": {"name": name, "defaultMode": 420}}]
    mount = [{"name": "cfg", "mountPath": "/etc/app"}]
    template = app.template_with(volumeMounts=mount)
    template["spec"]["volumes"] = volume
    app.workload["spec"]["template"] = template
    app.sets[-1]["spec"]["template"]["spec"] = template["spec"]
    log = world.pick(
        ["loading /etc/app/app.yaml", "fatal: yaml: line 1: did not find expected ',' or '}'"],
        ["config error in /etc/app/app.yaml: while parsing a flow mapping, expected ',' or '}'"],
    )
    for made in app.pods:
        made["spec"]["volumes"] = [*volume, *made["spec"]["volumes"]]
        crashing(world, made, code=1, log=log, since=since)
    return Blame("config-changed", (app.object, f"configmap/{name}"))


@fault("service account may not do what the program needs")
def forbidden(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    account, place = f"{app.name}-op", world.namespace
    world.make("ServiceAccount", account)
    template = app.template_with(image=f"{app.image.rpartition(':')[0]}:9.0.0")
    template["spec"] |= {"serviceAccountName": account, "serviceAccount": account}
    since = world.random.randrange(300, 2400)
    what = world.pick("configmaps", "endpoints", "pods", "leases")
    group = "coordination.k8s.io" if what == "leases" else ""
    user = f"system:serviceaccount:{place}:{account}"
    said = (
        f'{what} is forbidden: User "{user}" cannot list resource "{what}" in API group "{group}"'
    )
    log = [
        "I1126 starting informers",
        (
            f'E1126 reflector.go:158] "Unhandled Error" err="failed to list *v1.X: {said} in the'
            f' namespace "{place}""'
        ),
        "F1126 timed out waiting for caches to sync",
    ]
    for made in app.change(template, ago=since):
        crashing(world, made, code=1, log=log, since=since, lived=40)
    return Blame("forbidden", (app.object, f"serviceaccount/{account}"))

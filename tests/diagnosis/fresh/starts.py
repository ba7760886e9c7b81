"""Containers that run and are not ready, or do not get as far as running."""

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.pods import crashing, failing_probe, not_mounted, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def _new(app: App, ago: float, **parts: object) -> list[Object]:
    image = f"{app.image.rpartition(':')[0]}:21.4.0"
    return app.change(app.template_with(**{"image": image, **parts}), ago=ago)


def _refused(app: App, made: Object) -> str:
    at = f"{made['status']['podIP']}:{app.port}"
    return f'Get "http://{at}/healthz": dial tcp {at}: connect: connection refused'


@fault("the program listens on its own loopback only", among=FRESH)
def loopback(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    for made in _new(app, 1500):
        failing_probe(world, made, "Readiness", _refused(app, made), since=1480)
        world.log(made, [f"Listening on http://127.0.0.1:{app.port}", "ready for connections"])
    causes = "probe-wrong-port probe-failing config-value"
    return Blame(causes, (app.object,), says=r"127\.0\.0\.1|loopback|localhost")


@fault("readiness by gRPC says that it does not serve", among=FRESH)
def grpc(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    probe = {"grpc": {"port": 9090, "service": ""}, "periodSeconds": 10, "failureThreshold": 3}
    for made in _new(app, 1300, readinessProbe=probe):
        said = 'service unhealthy (responded with "NOT_SERVING")'
        failing_probe(world, made, "Readiness", said, since=1290)
        world.log(made, ["waiting for migrations: 3 of 9 shards", "health: NOT_SERVING"] * 3)
    return Blame("probe-failing", (app.object,))


@fault("the probe's path wants a login", among=FRESH)
def login(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    for made in _new(app, 1000):
        failing_probe(world, made, "Readiness", "HTTP probe failed with statuscode: 401", since=990)
        world.log(made, ["GET /healthz 401 (kube-probe/1.32): missing bearer token"] * 4)
    return Blame("probe-wrong-path probe-failing", (app.object,), says="401")


@fault("the image's user has a name, and the pod may not be root", among=FRESH)
def named_user(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    said = "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is"
    said += " non-root"
    for made in _new(app, 1200, securityContext={"runAsNonRoot": True}):
        waiting(world, made, "CreateContainerConfigError", said, since=1200)
        name = made["metadata"]["name"]
        full = f'Error: {said} (pod: "{name}_{world.namespace}", container: {app.name})'
        world.event(made, "Failed", full, first=1190, last=8, count=90, container=app.name)
    return Blame("pod-security permission-denied invalid-template", (app.object,))


@fault("a part of a volume that is not there", among=FRESH)
def sub_path(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    said = f'failed to create subPath directory for volumeMount "shared" of container "{app.name}"'
    for made in _new(app, 1150):
        waiting(world, made, "CreateContainerConfigError", said, since=1150)
        about: Object = {"first": 1140, "last": 6, "count": 88, "container": app.name}
        world.event(made, "Failed", f"Error: {said}", **about)
    return Blame("volume-mount permission-denied invalid-template", (app.object,))


@fault("a key of a config map that a volume picks is missing", among=FRESH)
def picked_key(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-routes"
    world.make("ConfigMap", name, data={"routes.yml": "a: 1\n"})
    of = app.template_with()
    items = [{"key": "routes.yaml", "path": "routes.yaml"}]
    of["spec"]["volumes"] = [{"name": "routes", "configMap": {"name": name, "items": items}}]
    for made in app.change(of, ago=1700):
        not_mounted(world, made, 1700)
        said = 'MountVolume.SetUp failed for volume "routes" : configmap references non-existent'
        world.event(
            made, "FailedMount", f"{said} config key: routes.yaml", first=1690, last=70, count=21
        )
    return Blame("config-key-missing", (app.object, f"configmap/{name}"))


@fault("a key of a secret that a projected volume picks is missing", among=FRESH)
def projected_key(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-signing"
    world.make("Secret", name, type="Opaque", data={"public.pem": "LS0t"})
    of = app.template_with()
    picks = {"secret": {"name": name, "items": [{"key": "private.pem", "path": "private.pem"}]}}
    of["spec"]["volumes"] = [{"name": "keys", "projected": {"sources": [picks]}}]
    for made in app.change(of, ago=1800):
        not_mounted(world, made, 1800)
        said = 'MountVolume.SetUp failed for volume "keys" : references non-existent secret key:'
        world.event(made, "FailedMount", f"{said} private.pem", first=1790, last=90, count=22)
    return Blame("secret-key-missing", (app.object, f"secret/{name}"))


@fault("containers are being created for hours, and nothing says why", among=FRESH)
def silent(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    new = _new(app, 3 * 3600)
    for made in new:
        not_mounted(world, made, 3 * 3600)
    world.forget_events([*new, app.workload])
    return Blame("unknown rollout-stuck pod-network volume-mount", (app.object,))


@fault("a new version speaks to an old schema", among=FRESH)
def schema(shop: Shop) -> Blame:
    """The init container passes, the program ends: its words are in the last run only."""
    world, app = shop.world, shop.victim()
    for made in _new(app, 800):
        log = [
            "Flyway Community Edition 11.3",
            (
                "org.flywaydb.core.api.exception.FlywayValidateException: Validate failed:"
                " Migrations have failed validation"
            ),
            "Detected applied migration not resolved locally: 42.",
        ]
        crashing(world, made, code=1, log=log, since=790, lived=14)
    return Blame("crash", (app.object,), says="[Vv]alidat")

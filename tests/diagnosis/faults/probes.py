"""Probes that ask for the wrong thing, or too early."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.pods import failing_probe, http_probe, killed_by_probe
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import Object


def _url(made: Object, port: int, path: str) -> str:
    return f"http://{made['status']['podIP']}:{port}{path}"


@fault("readiness probe asks the wrong port")
def port(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    wrong = shop.world.pick(8081, 9090, 8888, 3001)
    for made in release(shop, app, readinessProbe=http_probe("/ready", wrong)):
        address = made["status"]["podIP"]
        said = f'Get "{_url(made, wrong, "/ready")}": dial tcp {address}:{wrong}: connect:'
        failing_probe(
            shop.world, made, "Readiness", f"{said} connection refused", since=age_of(shop, made)
        )
    return Blame("probe-port", (app.object,))


@fault("liveness probe asks the wrong port")
def liveness_port(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    wrong = shop.world.pick(8081, 9090, 8888, 3001)
    probe = http_probe("/live", wrong)
    for made in release(shop, app, livenessProbe=probe, readinessProbe=http_probe("/", 8080)):
        address = made["status"]["podIP"]
        said = f'Get "{_url(made, wrong, "/live")}": dial tcp {address}:{wrong}: connect:'
        log = ['level=info msg="listening" port=8080', 'level=info msg="SIGTERM, shutting down"']
        killed_by_probe(
            shop.world,
            made,
            "Liveness",
            f"{said} connection refused",
            since=age_of(shop, made),
            log=log,
            code=shop.world.pick(0, 143),
        )
    return Blame("probe-port", (app.object,))


@fault("readiness probe asks the wrong path")
def path(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    wrong = shop.world.pick("/heatlhz", "/api/ready")
    code = shop.world.pick(404, 404, 405, 401)
    for made in release(shop, app, readinessProbe=http_probe(wrong, "http")):
        said = f"HTTP probe failed with statuscode: {code}"
        failing_probe(shop.world, made, "Readiness", said, since=age_of(shop, made))
        line = f'level=info msg="request" method=GET path={wrong} status={code}'
        shop.world.log(made, [line] * 5, until=4)
    return Blame("probe-path", (app.object,))


@fault("probe wants HTTPS of an HTTP server")
def scheme(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    probe = http_probe("/healthz", "http")
    probe["httpGet"]["scheme"] = "HTTPS"
    for made in release(shop, app, readinessProbe=probe):
        url = _url(made, app.port, "/healthz").replace("http:", "https:")
        said = f'Get "{url}": http: server gave HTTP response to HTTPS client'
        failing_probe(shop.world, made, "Readiness", said, since=age_of(shop, made))
    return Blame("probe-scheme", (app.object,))


@fault("liveness probe does not wait for a slow start")
def slow(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    world = shop.world
    probe = {**http_probe("/healthz", "http", delay=5), "periodSeconds": 5}
    for made in release(shop, app, livenessProbe=probe):
        address, number = made["status"]["podIP"], app.port
        said = f'Get "{_url(made, number, "/healthz")}": dial tcp {address}:{number}: connect:'
        log = world.pick(
            [
                "Starting Application v8.0.0",
                "HikariPool-1 - Start completed.",
                "Loading caches 41%",
            ],
            ["boot: migrating search index (3/12)", "boot: migrating search index (4/12)"],
        )
        killed_by_probe(
            world,
            made,
            "Liveness",
            f"{said} connection refused",
            since=age_of(shop, made),
            log=log,
            code=world.pick(143, 137),
        )
    return Blame("probe-timing", (app.object,))


@fault("liveness probe times out under load")
def timeout(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    for made in app.pods:
        said = f'Get "{_url(made, app.port, "/healthz")}":'
        said += " context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        log = ['level=warn msg="slow request" path=/report ms=4810', 'level=info msg="SIGTERM"']
        killed_by_probe(shop.world, made, "Liveness", said, since=2200, log=log)
    return Blame("probe-timing", (app.object,))


@fault("startup probe gives up too early")
def startup(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    world = shop.world
    probe = {**http_probe("/healthz", "http"), "failureThreshold": 3, "periodSeconds": 5}
    for made in release(shop, app, startupProbe=probe):
        address, number = made["status"]["podIP"], app.port
        said = world.pick(
            f'Get "{_url(made, number, "/healthz")}": dial tcp {address}:{number}: connect:'
            " connection refused",
            "HTTP probe failed with statuscode: 503",
        )
        log = ["boot: loading model weights (2.1 GB)", "boot: 38%"]
        killed_by_probe(world, made, "Startup", said, since=age_of(shop, made), log=log, code=137)
    return Blame("probe-timing", (app.object,))


@fault("probe's command fails")
def command(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    run = shop.world.pick("/bin/grpc_health_probe", "/usr/local/bin/check")
    probe = {"exec": {"command": [run]}, "periodSeconds": 10, "failureThreshold": 3}
    for made in release(shop, app, readinessProbe=probe):
        said = (
            "command error: rpc error: code = Unknown desc = failed to exec in container: failed to"
            f' start exec "{made["metadata"]["uid"][:8]}": OCI runtime exec failed: exec failed:'
            f' unable to start container process: exec: "{run}": stat {run}: no such file or'
            " directory"
        )
        failing_probe(shop.world, made, "Readiness", said, since=age_of(shop, made))
    return Blame("probe-command", (app.object,))

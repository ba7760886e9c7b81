"""Probes that ask for what the app does not say, or do not let it time to."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import broken, some_time, stateful, unwell
from tests.diagnosis.pods import failing_probe, http_probe, killed_by_probe
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import Object

_EVERY = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _changed(shop: Shop, kind: str, probe: Object, said: str, cause: str, says: str = "") -> Blame:
    """A new revision that is asked otherwise and never gets ready."""
    app, since = shop.victim(serves=True), some_time(shop)
    of = app.template_with(**{f"{kind.lower()}Probe": {**_EVERY, **probe}})
    for made in app.change(of, ago=since):
        said = said.replace("ADDRESS", made["status"]["podIP"])
        failing_probe(shop.world, made, kind, said, since=since - 12)
        shop.world.log(made, ["server started", "GET / 200"], until=4)
    return Blame(cause, (app.object,), says=says)


@broken("a gRPC service is asked for its health on its web port")
def grpc(shop: Shop) -> Blame:
    said = 'timeout: failed to connect service "ADDRESS:9000" within 1s: context deadline exceeded'
    causes = "probe-wrong-port probe-failing"
    return _changed(shop, "Readiness", {"grpc": {"port": 9000, "service": ""}}, said, causes)


@broken("health now wants a login")
def login(shop: Shop) -> Blame:
    said, causes = "HTTP probe failed with statuscode: 401", "probe-failing probe-wrong-path"
    return _changed(
        shop, "Readiness", http_probe("/actuator/health", "http"), said, causes, says="401"
    )


@broken("TLS is asked for without TLS")
def scheme(shop: Shop) -> Blame:
    said = "HTTP probe failed with statuscode: 400"
    probe = http_probe("/", "http")
    causes = "probe-failing probe-wrong-port probe-wrong-path"
    return _changed(shop, "Readiness", probe, said, causes, says="400")


@broken("a probe's path moved with the new version")
def moved(shop: Shop) -> Blame:
    said = "HTTP probe failed with statuscode: 404"
    probe = http_probe("/api/v1/internal/ready", "http")
    return _changed(shop, "Readiness", probe, said, "probe-wrong-path")


@broken("a probe asks with a tool that the image does not have")
def tool(shop: Shop) -> Blame:
    said = (
        "rpc error: code = Unknown desc = failed to exec in container: failed to start"
        ' exec "4c1f": OCI'
        " runtime exec failed: exec failed: unable to start container process: exec:"
        ' "curl": executable'
        " file not found in $PATH: unknown"
    )
    app, since = shop.victim(serves=True), some_time(shop)
    probe = {**_EVERY, "exec": {"command": ["curl", "-f", "localhost:8080/ok"]}}
    for made in app.change(app.template_with(readinessProbe=probe), ago=since):
        failing_probe(shop.world, made, "Readiness", said, since=since - 9)
        for event in shop.world.all("Event"):
            mine = event["involvedObject"].get("uid") == made["metadata"]["uid"]
            if mine and event["reason"] == "Unhealthy":
                event["message"] = f"Readiness probe errored and resulted in unknown state: {said}"
    return Blame("probe-command", (app.object,), says="curl")


@broken("a probe names a port that no container has")
def named(shop: Shop) -> Blame:
    app, since = shop.victim(serves=True), some_time(shop)
    of = app.template_with(readinessProbe=http_probe("/ready", "management"))
    for made in app.change(of, ago=since):
        failing_probe(shop.world, made, "Readiness", "x", since=since - 9)
        for event in shop.world.all("Event"):
            mine = event["involvedObject"].get("uid") == made["metadata"]["uid"]
            if mine and event["reason"] == "Unhealthy":
                said = 'strconv.Atoi: parsing "management": invalid syntax'
                event["message"] = f"Readiness probe errored and resulted in unknown state: {said}"
    return Blame("probe-wrong-port", (app.object,))


@broken("a start that takes longer than the start-up probe grants")
def slow_start(shop: Shop) -> Blame:
    app, since = shop.victim(serves=True), some_time(shop, 900)
    probe = http_probe("/ready", "http") | {"failureThreshold": 6, "periodSeconds": 5}
    for made in app.change(app.template_with(startupProbe=probe), ago=since):
        address = made["status"]["podIP"]
        said = f'Get "http://{address}:{app.port}/ready": dial tcp {address}:{app.port}: connect:'
        log = [
            "  .   ____          _            __ _ _",
            ":: Spring Boot ::               (v3.3.1)",
            "HHH000204: Processing PersistenceUnitInfo [name: default]",
            "Initializing Spring embedded WebApplicationContext",
        ]
        killed_by_probe(
            shop.world, made, "Startup", f"{said} connection refused", since=since, log=log
        )
    return Blame("probe-timing", (app.object,))


@broken("a liveness probe kills what is only busy")
def busy(shop: Shop) -> Blame:
    app, since = shop.victim(serves=True), some_time(shop, 1500, 3400)
    for made in app.pods:
        address = made["status"]["podIP"]
        said = (
            f'Get "http://{address}:{app.port}/healthz": context deadline exceeded (Client.Timeout'
            " exceeded while awaiting headers)"
        )
        log = ['level=warn msg="request took 9.3s" path=/search', "SIGTERM: shutting down"]
        killed_by_probe(shop.world, made, "Liveness", said, since=since, log=log, code=137)
    return Blame("probe-timing probe-failing", (app.object,))


@broken("search says yellow and the set's probe wants green")
def yellow(shop: Shop) -> Blame:
    """The next pod may not be made before the first is ready: of three there is one."""
    app = stateful(
        shop,
        "elastic-master",
        "docker.elastic.co/elasticsearch/elasticsearch:8.14.1",
        port=9200,
        memory="2Gi",
    )
    world, since = shop.world, some_time(shop)
    command = [
        "bash",
        "-c",
        "curl -fs localhost:9200/_cluster/health?wait_for_status=green&timeout=1s",
    ]
    probe = {**_EVERY, "exec": {"command": command}}
    app.workload["spec"]["template"] = app.template_with(readinessProbe=probe)
    for made in app.pods[1:]:
        app.drop(made)
        world.forget_events([made])
    app.pods[0]["spec"]["containers"][0]["readinessProbe"] = probe
    log = ['"level":"WARN","message":"cluster health status changed from [GREEN] to [YELLOW]"']
    unwell(shop, app, since, "command returned: 22", log=log)
    return Blame("probe-failing", (app.object, "pod/elastic-master-0"))

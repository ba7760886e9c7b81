"""Pods that run and are not ready."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.pods import failing_probe, killed_by_probe, spell, status_of
from tests.diagnosis.shop import Shop


@fault("a liveness probe's command takes longer than it may", among=UNSEEN)
def slow_command(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    command = ["redis-cli", "-h", "127.0.0.1", "ping"]
    probe = {"exec": {"command": command}, "timeoutSeconds": 1, "periodSeconds": 5}
    probe |= {"failureThreshold": 3, "successThreshold": 1}
    for made in release(shop, app, livenessProbe=probe):
        said = f'command timed out: "{" ".join(command)}" timed out after 1s'
        since = age_of(shop, made)
        killed_by_probe(
            world, made, "Liveness", said, since=since, code=137, log=["Ready to accept"]
        )
    return Blame("probe-timing probe-failing", (app.object,))


@fault("a probe names a port that its container does not have", among=UNSEEN)
def port_name(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    probe = {"httpGet": {"path": "/ready", "port": "admin", "scheme": "HTTP"}, "periodSeconds": 10}
    probe |= {"timeoutSeconds": 1, "failureThreshold": 3, "successThreshold": 1}
    for made in release(shop, app, readinessProbe=probe):
        since = age_of(shop, made)
        status_of(made)["ready"] = False
        failing_probe(world, made, "Readiness", "x", since=since)
        for event in world.all("Event", world.namespace):
            if event["message"] == "Readiness probe failed: x":
                text = (
                    "Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing"
                )
                event["message"] = f'{text} "admin": invalid syntax'
    return Blame("probe-wrong-port", (app.object,), says="admin")


@fault("a readiness gate that nobody opens", among=UNSEEN)
def gate(shop: Shop) -> Blame:
    """All containers are ready; the load balancer's controller never says so of the pod."""
    world, app = shop.world, shop.victim(serves=True)
    kind = f"target-health.elbv2.k8s.aws/k8s-{world.namespace}-{world.letters(10)}"
    of = app.template_with()
    of["spec"]["readinessGates"] = [{"conditionType": kind}]
    since = world.random.randrange(800, 4000)
    for made in app.change(of, ago=since):
        spell(
            world,
            made,
            "Ready",
            status="False",
            reason="ReadinessGatesNotReady",
            message=f'corresponding condition of pod readiness gate "{kind}" does not exist.',
            lastTransitionTime=world.ago(since - 9),
        )
    causes = "probe-failing rollout-stuck load-balancer unknown"
    return Blame(causes, (app.object,), says="gate|target-health")


@fault("a program refuses the name by which its probe asks", among=UNSEEN)
def bad_host(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    for made in release(shop, app):
        since, ip = age_of(shop, made), made["status"]["podIP"]
        said = "HTTP probe failed with statuscode: 400"
        failing_probe(world, made, "Readiness", said, since=since)
        log = f"Invalid HTTP_HOST header: '{ip}:{app.port}'. You may need to add '{ip}' to"
        world.log(made, [f"{log} ALLOWED_HOSTS.", "Bad Request: /healthz"] * 4)
    causes = "probe-failing probe-wrong-path config-value"
    return Blame(causes, (app.object,), says="400|ALLOWED_HOSTS")


@fault("a probe goes to the port of the sidecar's admin page", among=UNSEEN)
def reset(shop: Shop) -> Blame:
    """The connection is taken and reset: somebody listens, and speaks something else."""
    world, app = shop.world, shop.victim(serves=True)
    probe = {"httpGet": {"path": "/healthz", "port": 15000, "scheme": "HTTP"}, "periodSeconds": 10}
    probe |= {"timeoutSeconds": 1, "failureThreshold": 3, "successThreshold": 1}
    for made in release(shop, app, readinessProbe=probe):
        since, ip = age_of(shop, made), made["status"]["podIP"]
        said = f'Get "http://{ip}:15000/healthz": read tcp 10.0.0.4:51422->{ip}:15000: read:'
        failing_probe(world, made, "Readiness", f"{said} connection reset by peer", since=since)
    return Blame("probe-wrong-port probe-failing probe-wrong-path", (app.object,), says="15000")

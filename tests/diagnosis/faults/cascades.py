"""One cause, and what depends on it falls too."""

from collections.abc import Sequence

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import crashing, failing_probe, not_mounted, wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import Object


def _fall(shop: Shop, since: float) -> Blame:
    """The api cannot reach its database, so the web has nobody to ask."""
    world, api, web = shop.world, shop.take(shop.api), shop.take(shop.web)
    host, port = (api.container["env"][number]["value"] for number in (0, 1))
    log = world.pick(
        [
            "connecting to database",
            f"fatal: dial tcp 10.96.3.7:{port}: connect: connection refused",
        ],
        [
            (
                f'psycopg2.OperationalError: connection to server at "{host}" (10.96.3.7), port {port}'
                " failed: Connection refused"
            ),
            "\tIs the server running on that host and accepting TCP/IP connections?",
        ],
    )
    for made in api.pods:
        crashing(world, made, code=1, log=log, since=since - 30, lived=4)
    if world.random.random() < 0.6:
        for made in web.pods:
            said = "HTTP probe failed with statuscode: 503"
            failing_probe(world, made, "Readiness", said, since=since - 60)
            url = web.container["env"][0]["value"]
            line = f'level=error msg="{url}: connect: connection refused" path=/ status=502'
            world.log(made, [line] * 5, until=2)
    dependents = (api.object, web.object, f"ingress/{shop.web}", f"service/{shop.api}")
    services = (f"service/{shop.api}", f"service/{shop.web}", f"service/{shop.database}")
    return Blame("dependency", (*dependents, *services))


def _database(shop: Shop) -> tuple[Sequence[Object], float, str]:
    app = shop.take(shop.database)
    return app.pods, shop.world.random.randrange(500, 2600), app.object


@fault("database runs out of memory and all that needs it falls", alone=True)
def oom(shop: Shop) -> Blame:
    pods, since, name = _database(shop)
    for made in pods:
        crashing(
            shop.world, made, code=137, reason="OOMKilled", since=since, lived=9,
            log=["LOG:  database system is ready to accept connections"],
        )  # fmt: skip
    return Blame("oom", (name,), (_fall(shop, since),))


@fault("database's disk is full and all that needs it falls", alone=True)
def full(shop: Shop) -> Blame:
    pods, since, name = _database(shop)
    log = shop.world.pick(
        [
            "LOG:  database system was interrupted",
            'PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device',
        ],
        [
            (
                "[ERROR] [MY-012644] [InnoDB] Disk is full writing './ibdata1' (Errcode: 28 - No space"
                " left on device)"
            ),
            "[ERROR] [MY-010119] [Server] Aborting",
        ],
    )
    for made in pods:
        crashing(shop.world, made, code=1, log=log, since=since)
    claim = f"persistentvolumeclaim/data-{shop.database}-0"
    return Blame("disk-full", (name, claim), (_fall(shop, since),))


@fault("database waits for its node's volume and all that needs it falls", alone=True)
def attach(shop: Shop) -> Blame:
    pods, since, name = _database(shop)
    claim = f"data-{shop.database}-0"
    volume = shop.world.find("PersistentVolumeClaim", claim)["spec"]["volumeName"]
    for made in pods:
        not_mounted(shop.world, made, since)
        shop.world.event(
            made,
            "FailedAttachVolume",
            f'Multi-Attach error for volume "{volume}" Volume is already exclusively attached to one'
            " node and can't be attached to another",
            first=since,
            last=since - 1,
            component="attachdetach-controller",
        )
    return Blame("multi-attach", (name, f"persistentvolumeclaim/{claim}"), (_fall(shop, since),))


@fault("database was scaled to nothing and all that needs it falls", alone=True)
def nothing(shop: Shop) -> Blame:
    app = shop.take(shop.database)
    since = shop.world.random.randrange(500, 2600)
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["replicas"] = 0
    app.workload["metadata"]["generation"] = 4
    shop.world.event(
        app.workload,
        "SuccessfulDelete",
        f"delete Pod {app.name}-0 in StatefulSet {app.name} successful",
        type="Normal",
        first=since,
        last=since,
    )
    also = _fall(shop, since)
    objects = (app.object, f"service/{app.name}", f"deployment/{shop.api}")
    return Blame("scaled-to-zero", objects, (also,), says=r"(?i)zero|\b0 (pods|replicas)|to 0\b")


@fault("database finds no node and all that needs it falls", alone=True)
def pending(shop: Shop) -> Blame:
    pods, since, name = _database(shop)
    count = len(shop.world.all("Node"))
    said = (
        f"0/{count} nodes are available: 1 node(s) had untolerated taint"
        f" {{node-role.kubernetes.io/control-plane: }}, {count - 1} Insufficient memory. preemption:"
        f" 0/{count} nodes are available: 1 Preemption is not helpful for scheduling, {count - 1} No"
        " preemption victims found for incoming pod."
    )
    size = {"requests": {"cpu": "2", "memory": "96Gi"}, "limits": {"memory": "96Gi"}}
    template = shop.apps[shop.database].template_with(resources=size)
    shop.apps[shop.database].workload["spec"]["template"] = template
    for made in pods:
        made["spec"]["containers"][0]["resources"] = size
        wait_for_node(shop.world, made, said, since=since)
    return Blame("unschedulable-resources", (name,), (_fall(shop, since),))


@fault("database's password was changed and all that needs it falls", alone=True)
def password(shop: Shop) -> Blame:
    """The database is well: it does not let the api in."""
    world, api = shop.world, shop.take(shop.api)
    shop.take(shop.database)
    since = world.random.randrange(400, 2000)
    log = world.pick(
        ['FATAL:  password authentication failed for user "app"'],
        ["ERROR 1045 (28000): Access denied for user 'app'@'10.42.0.9' (using password: YES)"],
    )
    for made in api.pods:
        crashing(world, made, code=1, log=["connecting to database", *log], since=since, lived=2)
    web = f"deployment/{shop.web}"
    also = Blame("dependency", (web, f"service/{shop.api}", f"ingress/{shop.web}"))
    objects = (api.object, f"secret/{shop.database}-auth")
    return Blame("credentials-or-crash", objects, (also,))


@fault("api crashes and the web in front of it fails", alone=True)
def middle(shop: Shop) -> Blame:
    world, api, web = shop.world, shop.take(shop.api), shop.take(shop.web)
    since = world.random.randrange(400, 2000)
    image = f"{api.image.rpartition(':')[0]}:11.0.0"
    log = world.pick(
        ["panic: assignment to entry in nil map", "goroutine 1 [running]:"],
        ["TypeError: Cannot read properties of undefined (reading 'host')"],
    )
    for made in api.begin_anew(api.template_with(image=image), ago=since):
        began = since - 5 if api.stuck_for else since * 0.7
        crashing(world, made, code=world.pick(2, 1), log=log, since=began)
    for made in web.pods:
        said = "HTTP probe failed with statuscode: 503"
        failing_probe(world, made, "Readiness", said, since=since - 30)
        url = web.container["env"][0]["value"]
        line = f'level=error msg="{url}: connect: connection refused" path=/ status=502'
        world.log(made, [line] * 4, until=2)
    services = (f"service/{shop.api}", f"service/{shop.web}")
    objects = (web.object, f"ingress/{shop.web}", *services)
    return Blame("crash", (api.object,), (Blame("dependency", objects),))

"""Volumes and certificates."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.pods import crashing, not_mounted, template
from tests.diagnosis.shop import Shop, certificate
from tests.diagnosis.workloads import stateful_set
from tests.diagnosis.world import DAY, set_condition


@fault("a full volume cannot grow, as its class forbids it", among=UNSEEN)
def cannot_grow(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("loki", "gitea", "elastic"))
    of = template(name, f"{world.registry}/{name}:3.2.1", port=3100, probe="", memory="1Gi")
    app = stateful_set(world, of, claim="storage")
    shop.apps[name] = app
    claim = world.find("PersistentVolumeClaim", f"storage-{name}-0")
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    said = "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an"
    said += " external controller to process this PVC."
    world.event(claim, "ExternalExpanding", said, first=1500, last=1500)
    log = ['level=error msg="flush" err="write /data/wal/00012: no space left on device"'] * 3
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=2500, lived=7)
    return Blame("volume-full", (app.object, f"persistentvolumeclaim/storage-{name}-0"))


def _unmounted(shop: Shop, cause: str, volume: str, said: str, *more: str, says: str = "") -> Blame:
    world, app = shop.world, shop.victim()
    since = world.random.randrange(400, 4000)
    of = app.template_with()
    of["spec"]["volumes"] = [{"name": volume, "emptyDir": {}}]
    for made in app.change(of, ago=since):
        not_mounted(world, made, since)
        text = f'MountVolume.SetUp failed for volume "{volume}" : {said}'
        world.event(made, "FailedMount", text, first=since, last=70, count=int(since // 100))
    return Blame(cause, (app.object, *more), says=says)


@fault("a driver for secrets does not find its class", among=UNSEEN)
def provider_class(shop: Shop) -> Blame:
    said = (
        "rpc error: code = Unknown desc = failed to get secretproviderclass shop/db-creds, error:"
    )
    said += ' SecretProviderClass.secrets-store.csi.x-k8s.io "db-creds" not found'
    causes = "volume-mount secret-missing config-missing"
    return _unmounted(shop, causes, "secrets", said, "secret/db-creds", says="db-creds")


@fault("a file server does not let the node in", among=UNSEEN)
def file_server(shop: Shop) -> Blame:
    said = "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs"
    said += " nfs-1.corp.internal:/export/media /var/lib/kubelet/pods/5d/volumes/media\nOutput:"
    said += " mount.nfs: access denied by server while mounting nfs-1.corp.internal:/export/media"
    return _unmounted(shop, "volume-mount permission-denied", "media", said, says="access denied")


@fault("the group of a volume's files cannot be set", among=UNSEEN)
def group(shop: Shop) -> Blame:
    said = "applyFSGroup failed for vol 0a1b: lchown /var/lib/kubelet/pods/5d/mount/lost+found:"
    said += " operation not permitted"
    return _unmounted(shop, "volume-mount permission-denied", "data", said, says="not permitted")


@fault("a certificate is overdue, as its renewal fails", among=UNSEEN)
def overdue(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("api-public", "partner-mtls"))
    left = world.random.randrange(2, 6) * DAY
    found = certificate(world, name, host="api.example.com", left=left)
    world.make("Secret", name, type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""})
    said = "The certificate request has failed to complete and will be retried: Failed to wait for"
    said += ' order resource: order is in "errored" state: 429 urn:ietf:params:acme:error:'
    said += "rateLimited: too many certificates already issued"
    body = {"type": "Issuing", "status": "False", "reason": "Failed", "message": said}
    set_condition(found, {**body, "lastTransitionTime": world.ago(7200), "observedGeneration": 1})
    found["status"] |= {"lastFailureTime": world.ago(7200), "failedIssuanceAttempts": 9}
    world.event(found, "Failed", said, first=20 * DAY, last=7200, count=9)
    return Blame("certificate-expiring certificate-expired", (f"certificate/{name}",))


@fault("the certificate that a program was given has run out", among=UNSEEN)
def own_certificate(shop: Shop) -> Blame:
    """Nothing in the cluster says so but the program's own words."""
    world, app = shop.world, shop.victim(serves=True)
    since = world.random.randrange(700, 5000)
    said = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid:"
    said += " current time 2026-11-26T10:00:00Z is after 2026-11-26T06:12:44Z"
    log = ["connecting to kafka-1.data.example:9093", f"fatal: {said}"]
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=since, lived=3)
    causes = "certificate-expired dependency crash"
    return Blame(causes, (app.object,), says="expired")

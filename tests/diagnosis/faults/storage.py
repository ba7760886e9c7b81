"""Claims that are not bound, volumes that cannot be attached, disks that are full."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import crashing, not_mounted, template, wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App, bound, service, stateful_set
from tests.diagnosis.world import Object


def _unbound(shop: Shop) -> str:
    count = len(shop.world.all("Node"))
    return (
        f"0/{count} nodes are available: pod has unbound immediate PersistentVolumeClaims."
        f" preemption: 0/{count} nodes are available: {count} Preemption is not helpful for"
        " scheduling."
    )


def _claim(
    shop: Shop, name: str, kind: str | None, mode: str = "ReadWriteOnce", age: float = 2000
) -> Object:
    spec: Object = {"accessModes": [mode], "volumeMode": "Filesystem"}
    spec |= {"resources": {"requests": {"storage": "50Gi"}}}
    if kind is not None:
        spec["storageClassName"] = kind
    return shop.world.make(
        "PersistentVolumeClaim", name, age=age, spec=spec, status={"phase": "Pending"}
    )


def _mounts(app: App, claim: str, ago: float) -> list[Object]:
    with_claim = app.template_with()
    source = {"persistentVolumeClaim": {"claimName": claim}}
    with_claim["spec"]["volumes"] = [{"name": "data", **source}]
    return app.change(with_claim, ago=ago)


def _pending(shop: Shop, cause: str, kind: str | None, reason: str, said: str, **how: str) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("uploads", "cache-data", "artifacts", "index")
    since = world.random.randrange(300, 3000)
    claim = _claim(shop, name, kind, age=since + 5, **how)
    normal = reason in ("ExternalProvisioning", "FailedBinding")
    world.event(
        claim,
        reason,
        said,
        type="Normal" if normal else "Warning",
        first=since,
        last=12,
        count=max(3, int(since // 15)),
        component=how.get("component", "persistentvolume-controller"),
    )
    for made in _mounts(app, name, since):
        wait_for_node(world, made, _unbound(shop), since=since)
    return Blame(cause, (f"persistentvolumeclaim/{name}", app.object, f"storageclass/{kind}"))


@fault("storage class does not exist")
def no_class(shop: Shop) -> Blame:
    kind = shop.world.pick("fast-ssd", "premium-rwo", "gp4", "ceph-block")
    said = f'storageclass.storage.k8s.io "{kind}" not found'
    return _pending(shop, "storage-class-missing", kind, "ProvisioningFailed", said)


@fault("claim names no class and no volume fits")
def no_volume(shop: Shop) -> Blame:
    said = "no persistent volumes available for this claim and no storage class is set"
    return _pending(shop, "volume-none", "", "FailedBinding", said)


@fault("provisioner does not answer")
def no_provisioner(shop: Shop) -> Blame:
    said = (
        "Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or"
        " manually by the system administrator. If volume creation is delayed, please verify that"
        " the provisioner is running and correctly registered."
    )
    return _pending(shop, "provisioning", "standard", "ExternalProvisioning", said)


@fault("provisioner refuses")
def refused(shop: Shop) -> Blame:
    said = shop.world.pick(
        'failed to provision volume with StorageClass "standard": rpc error: code = Internal desc ='
        ' Could not create volume "pvc-1": could not create volume in EC2: UnauthorizedOperation:'
        " You are not authorized to perform this operation.",
        'failed to provision volume with StorageClass "standard": rpc error: code ='
        " ResourceExhausted desc = VolumeLimitExceeded: You have exceeded your maximum gp3 storage"
        " limit of 50 TiB",
    )
    return _pending(shop, "provisioning", "standard", "ProvisioningFailed", said)


@fault("access mode that the storage does not have")
def mode(shop: Shop) -> Blame:
    said = (
        'failed to provision volume with StorageClass "standard": rpc error: code = InvalidArgument'
        " desc = Volume capabilities MULTI_NODE_MULTI_WRITER not supported. Only AccessModes[ReadWriteOnce]"
        " supported."
    )
    world, app = shop.world, shop.victim()
    name, since = world.pick("shared", "media"), world.random.randrange(300, 2000)
    claim = _claim(shop, name, "standard", mode="ReadWriteMany", age=since + 5)
    world.event(claim, "ProvisioningFailed", said, first=since, last=30, count=int(since // 40) + 2)
    for made in _mounts(app, name, since):
        wait_for_node(world, made, _unbound(shop), since=since)
    return Blame("access-mode", (f"persistentvolumeclaim/{name}", app.object))


@fault("claim does not exist")
def no_claim(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, since = world.pick("uploads-v2", "scratch"), world.random.randrange(300, 2000)
    count = len(world.all("Node"))
    said = f'0/{count} nodes are available: persistentvolumeclaim "{name}" not found. preemption:'
    said += f" 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
    for made in _mounts(app, name, since):
        wait_for_node(world, made, said, since=since)
    return Blame("claim-missing", (app.object, f"persistentvolumeclaim/{name}"))


@fault("volume is still attached to another node")
def attached(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, since = world.pick("uploads", "state"), world.random.randrange(400, 2400)
    claim = bound(world, name)
    volume = claim["spec"]["volumeName"]
    said = world.pick(
        f'Multi-Attach error for volume "{volume}" Volume is already used by pod(s)'
        f" {app.pods[0]['metadata']['name']}",
        f'Multi-Attach error for volume "{volume}" Volume is already exclusively attached to one'
        " node and can't be attached to another",
    )
    source = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    for made in app.pods:
        made["spec"]["volumes"].insert(0, source)
    for made in _mounts(app, name, since):
        not_mounted(world, made, since)
        world.event(
            made,
            "FailedAttachVolume",
            said,
            first=since,
            last=since - 2,
            component="attachdetach-controller",
        )
        world.event(
            made,
            "FailedMount",
            "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[],"
            " failed to process volumes=[]: timed out waiting for the condition",
            first=since - 120,
            last=40,
            count=max(2, int(since // 130)),
        )
    return Blame("multi-attach", (app.object, f"persistentvolumeclaim/{name}"))


@fault("volume cannot be mounted")
def mount(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, since = world.pick("nfs-share", "exports"), world.random.randrange(400, 2400)
    claim = bound(world, name)
    said = world.pick(
        f'MountVolume.SetUp failed for volume "{claim["spec"]["volumeName"]}" : mount failed: exit'
        " status 32 Mounting command: mount Mounting arguments: -t nfs 10.0.4.9:/exports"
        " /var/lib/kubelet/pods/x/volumes Output: mount.nfs: Connection timed out",
        f'MountVolume.MountDevice failed for volume "{claim["spec"]["volumeName"]}" : rpc error: code'
        " = Internal desc = format of disk /dev/nvme3n1 failed: type:(ext4) exit status 1",
    )
    for made in _mounts(app, name, since):
        not_mounted(world, made, since)
        world.event(
            made, "FailedMount", said, first=since, last=50, count=max(2, int(since // 122))
        )
    return Blame("mount", (app.object, f"persistentvolumeclaim/{name}"))


@fault("disk of a stateful set is full")
def disk(shop: Shop) -> Blame:
    world = shop.world
    name, image = world.pick(("index", "elasticsearch:8.17.0"), ("queue", "rabbitmq:4.0.5"))
    app = stateful_set(world, template(name, image, port=9200, probe="/_health"), claim="data")
    shop.apps[name] = app
    service(world, app, port=9200)
    log = world.pick(
        [
            "recovering journal segment 41",
            "fatal error: write /data/segment-42.log: no space left on device",
        ],
        [
            "java.io.IOException: No space left on device",
            "\tat java.base/sun.nio.ch.FileDispatcherImpl.write0(Native Method)",
        ],
    )
    since = world.random.randrange(500, 2400)
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=since)
    return Blame("disk-full", (app.object, f"persistentvolumeclaim/data-{name}-0"))

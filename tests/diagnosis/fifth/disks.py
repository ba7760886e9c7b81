"""Claims, volumes and disks in trouble."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.faults.scheduling import message
from tests.diagnosis.fifth.common import (
    DAY,
    broken,
    renewed,
    some_time,
    stateful,
    unwell,
    with_volume,
)
from tests.diagnosis.pods import crashing, evicted, not_mounted, spell, wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import bound
from tests.diagnosis.world import Object, set_condition


@broken("a log of messages has filled its disk")
def messages(shop: Shop) -> Blame:
    app, since = (
        stateful(shop, "redpanda", "redpandadata/redpanda:v24.1.8", port=9092),
        some_time(shop),
    )
    log = [
        (
            "ERROR 2026-03-04 storage - segment_appender.cc:213 - Write failed:"
            " std::__1::system_error (error"
            " system:28, No space left on device)"
        ),
        "Aborting on shard 0.",
    ]
    crashing(shop.world, app.pods[0], code=134, since=since, lived=4, log=log)
    claim = "persistentvolumeclaim/data-redpanda-0"
    return Blame("disk-full", (app.object, claim, "pod/redpanda-0"))


@broken("a search index has locked itself because its disk is nearly full")
def flood(shop: Shop) -> Blame:
    app, since = stateful(shop, "logs-es", "elasticsearch:8.14.1", port=9200), some_time(shop)
    log = [
        (
            "[WARN ][o.e.c.r.a.DiskThresholdMonitor] flood stage disk watermark [95%] exceeded on"
            " [q1][logs-es-0][/usr/share/elasticsearch/data] free: 611.2mb[3.1%], all indices"
            " on this node will"
            " be marked read-only"
        ),
        (
            "[ERROR] failed to write: disk usage exceeded flood-stage watermark, index has"
            " read-only-allow-"
            "delete block"
        ),
    ]
    unwell(shop, app, since, log=log)
    objects = (app.object, *(f"persistentvolumeclaim/data-logs-es-{one}" for one in range(3)))
    return Blame("volume-full probe-failing", objects, says="watermark|read-only")


@broken("a full disk that may not grow again yet")
def cooling(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = stateful(shop, "clickhouse", "clickhouse/clickhouse-server:24.6", replicas=2, port=9000)
    claim = world.find("PersistentVolumeClaim", "data-clickhouse-0")
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    resizing: Object = {
        "type": "Resizing",
        "status": "True",
        "lastTransitionTime": world.ago(since),
    }
    set_condition(claim, resizing)
    said = (
        'resize volume "pvc-1" by resizer "ebs.csi.aws.com" failed: rpc error: code ='
        " Internal desc = Could"
        ' not resize volume "vol-0ab": operation error EC2: ModifyVolume, api error'
        " VolumeModification"
        "RateExceeded: You've reached the maximum modification rate per volume limit. Wait"
        " at least 6 hours"
        " between modifications per EBS volume."
    )
    world.event(
        claim,
        "VolumeResizeFailed",
        said,
        first=since,
        last=120,
        count=12,
        component="external-resizer ebs.csi.aws.com",
    )
    log = ["<Error> Application: DB::Exception: Cannot write to file: No space left on device"]
    crashing(world, app.pods[0], code=70, since=since, log=log, lived=5)
    return Blame(
        "disk-full", (app.object, "persistentvolumeclaim/data-clickhouse-0", "pod/clickhouse-0")
    )


def _claim(shop: Shop, name: str, said: str, reason: str, since: float, **spec: object) -> Object:
    world = shop.world
    parts: Object = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"}
    parts |= {"resources": {"requests": {"storage": "500Gi"}}, "storageClassName": "gp3"}
    claim = world.make(
        "PersistentVolumeClaim",
        name,
        age=since,
        spec={**parts, **spec},
        status={"phase": "Pending"},
    )
    component = "persistentvolume-controller"
    kind = "Normal" if reason in ("FailedBinding", "WaitForFirstConsumer") else "Warning"
    if reason == "ProvisioningFailed":
        component = "ebs.csi.aws.com_ebs-csi-controller-6d5"
    world.event(
        claim,
        reason,
        said,
        type=kind,
        first=since,
        last=12,
        count=int(since // 15),
        component=component,
    )
    return claim


def _needs(shop: Shop, name: str, since: float, said: str) -> str:
    app = shop.victim()
    volume = {"name": "files", "persistentVolumeClaim": {"claimName": name}}
    for made in app.change(with_volume(app, volume, "/files"), ago=since):
        wait_for_node(shop.world, made, said, since=since)
    return app.object


@broken("the cloud sells no more disks to this project")
def no_more(shop: Shop) -> Blame:
    since = some_time(shop)
    said = (
        'failed to provision volume with StorageClass "gp3": rpc error: code ='
        " ResourceExhausted desc ="
        " CreateVolume failed: VolumeLimitExceeded: You have exceeded your maximum gp3"
        " storage limit of 50"
        " TiB in this region"
    )
    _claim(shop, "video-archive", said, "ProvisioningFailed", since, storageClassName="standard")
    count = len(shop.world.all("Node"))
    text = (
        f"0/{count} nodes are available: pod has unbound immediate PersistentVolumeClaims."
        " preemption:"
        f" 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
    )
    name = _needs(shop, "video-archive", since, text)
    return Blame("provisioning", (name, "persistentvolumeclaim/video-archive"))


@broken("a class that was there once, asked for by a set's template")
def old_class(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = stateful(shop, "loki", "grafana/loki:3.1.0", replicas=2, port=3100)
    made = renewed(app, app.template, ago=since)
    app.stuck_for = 0
    world.remove(world.find("PersistentVolumeClaim", "data-loki-1"))
    said = 'storageclass.storage.k8s.io "io1-fast" not found'
    _claim(shop, "data-loki-1", said, "ProvisioningFailed", since, storageClassName="io1-fast")
    count = len(world.all("Node"))
    text = (
        f"0/{count} nodes are available: pod has unbound immediate PersistentVolumeClaims."
        " preemption:"
        f" 0/{count} nodes are available: {count} Preemption is not helpful for scheduling."
    )
    wait_for_node(world, made, text, since=since)
    return Blame(
        "storage-class-missing",
        (app.object, "persistentvolumeclaim/data-loki-1", "storageclass/io1-fast"),
    )


@broken("a claim whose volume was deleted under it")
def lost(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = stateful(shop, "gitea", "gitea/gitea:1.22", replicas=1, port=3000)
    claim = world.find("PersistentVolumeClaim", "data-gitea-0")
    world.remove(world.find("PersistentVolume", claim["spec"]["volumeName"]))
    claim["status"]["phase"] = "Lost"
    said = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    world.event(claim, "ClaimLost", said, first=since, last=since)
    made = renewed(app, app.template, ago=since - 20)
    app.stuck_for = 0
    text = message(
        shop,
        'persistentvolumeclaim "data-gitea-0" bound to non-existent persistentvolume'
        f' "{claim["spec"]["volumeName"]}"',
    )
    wait_for_node(world, made, text, since=since - 20)
    return Blame("pvc-lost", (app.object, "persistentvolumeclaim/data-gitea-0"))


def _unmounted(shop: Shop, said: str, cause: str, *, name: str = "shared-media") -> Blame:
    world, since, app = shop.world, some_time(shop), shop.victim()
    bound(world, name)
    volume = {"name": "media", "persistentVolumeClaim": {"claimName": name}}
    for made in app.change(with_volume(app, volume, "/media"), ago=since):
        not_mounted(world, made, since)
        world.event(made, "FailedMount", said, first=since, last=35, count=int(since // 120) + 3)
    return Blame(cause, (app.object, f"persistentvolumeclaim/{name}"))


@broken("a file server does not let this node in")
def nfs(shop: Shop) -> Blame:
    said = (
        'MountVolume.SetUp failed for volume "nfs-media" : mount failed: exit status'
        " 32\nMounting command:"
        " mount\nMounting arguments: -t nfs -o nfsvers=4.1 10.0.40.9:/export/media"
        " /var/lib/kubelet/pods/1f/volumes/kubernetes.io~nfs/nfs-media\nOutput: mount.nfs:"
        " access denied by"
        " server while mounting 10.0.40.9:/export/media"
    )
    return _unmounted(shop, said, "volume-mount permission-denied")


@broken("a volume's file system is damaged")
def damaged(shop: Shop) -> Blame:
    said = (
        'MountVolume.MountDevice failed for volume "pvc-77" : rpc error: code = Internal'
        " desc = 'fsck'"
        " found errors on device /dev/nvme3n1 but could not correct them: /dev/nvme3n1: UNEXPECTED"
        " INCONSISTENCY; RUN fsck MANUALLY."
    )
    return _unmounted(shop, said, "mount", name="tiles")


@broken("the driver of a volume is on no node")
def driver(shop: Shop) -> Blame:
    said = (
        'MountVolume.MountDevice failed for volume "pvc-78" : kubernetes.io/csi:'
        " attacher.MountDevice"
        " failed to create newCsiDriverClient: driver name efs.csi.aws.com not found in the list of"
        " registered CSI drivers"
    )
    return _unmounted(shop, said, "mount", name="shared-home")


@broken("a scratch directory grows over its size again and again")
def scratch(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop, 900)
    volume = {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}
    app.workload["spec"]["template"] = with_volume(app, volume, "/scratch")
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    first = app.pods[0]
    node = world.find("Node", first["spec"]["nodeName"])
    for ago in (since, since * 0.6, since * 0.3):
        made = app.add_pod(age=ago + 400, node=node)
        said = 'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". '
        evicted(world, made, said, ago=ago - 60)
        world.event(made, "Evicted", said, first=ago - 60, last=ago - 60)
    return Blame("ephemeral-storage", (app.object,))


@broken("a volume hangs on a node that is gone", beyond_view=True, alone=True)
def dead_node(shop: Shop) -> Blame:
    """The pod moved to another node; its volume did not, as nobody could detach it."""
    world, since = shop.world, some_time(shop, 900)
    app = stateful(shop, "couchdb", "couchdb:3.3", replicas=1, port=5984)
    node = world.find("Node", app.pods[0]["spec"]["nodeName"])
    claim = world.find("PersistentVolumeClaim", "data-couchdb-0")
    volume = claim["spec"]["volumeName"]
    zone = "topology.kubernetes.io/zone"
    others = [one for one in world.nodes() if one is not node]
    others.sort(key=lambda one: one["metadata"]["labels"][zone] != node["metadata"]["labels"][zone])
    for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        said = "Kubelet stopped posting node status."
        set_condition(
            node,
            world.condition(
                "Unknown", "NodeStatusUnknown", said, type=kind, at=since + 400, beat=since + 440
            ),
        )
    node["spec"]["taints"] = [
        {
            "key": "node.kubernetes.io/unreachable",
            "effect": effect,
            "timeAdded": world.ago(since + 400),
        }
        for effect in ("NoSchedule", "NoExecute")
    ]
    made = renewed(app, app.template, ago=since)
    app.stuck_for = 0
    made["spec"]["nodeName"] = others[0]["metadata"]["name"]
    not_mounted(world, made, since)
    base = shop.apps[shop.database].pods[0]
    if base["spec"]["nodeName"] == node["metadata"]["name"]:
        base["spec"]["nodeName"] = others[0]["metadata"]["name"]
    for one in (*shop.apps.values(), *shop.system.values()):
        for old in [p for p in one.pods if p["spec"].get("nodeName") == node["metadata"]["name"]]:
            if one.workload["kind"] == "Deployment":
                one.drop(old)
                one.add_pod(age=since, node=others[-1])
            else:
                at = world.ago(since + 400)
                spell(world, old, "Ready", status="False", lastTransitionTime=at)
    said = (
        f'Multi-Attach error for volume "{volume}" Volume is already exclusively attached'
        " to one node and"
        " can't be attached to another"
    )
    world.event(
        made,
        "FailedAttachVolume",
        said,
        first=since,
        last=since,
        component="attachdetach-controller",
    )
    world.make(
        "VolumeAttachment",
        f"csi-{world.digest()}",
        age=20 * DAY,
        spec={
            "attacher": "ebs.csi.aws.com",
            "nodeName": node["metadata"]["name"],
            "source": {"persistentVolumeName": volume},
        },
        status={"attached": True},
    )
    name = f"node/{node['metadata']['name']}"
    also = Blame("multi-attach", (app.object, "persistentvolumeclaim/data-couchdb-0"))
    return Blame("node-not-ready", (name,), (also, Blame("dependency node-not-ready", ("*",))))

"""Pods for which the scheduler has no node, each for its own reason."""

from collections.abc import Sequence
from typing import Any

from tests.diagnosis.blame import Blame
from tests.diagnosis.faults.scheduling import message
from tests.diagnosis.fifth.common import (
    broken,
    daemon,
    extra,
    renewed,
    some_time,
    stateful,
    with_volume,
)
from tests.diagnosis.pods import template, wait_for_node
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import bound


def _waits(shop: Shop, cause: str, *reasons: str, more: Sequence[str] = (), **spec: Any) -> Blame:
    """A new revision with other demands, for which there is no node."""
    app, since = shop.victim(), some_time(shop)
    of = app.template_with()
    of["spec"] |= spec
    for made in app.change(of, ago=since):
        wait_for_node(shop.world, made, message(shop, *reasons), since=since)
    return Blame(cause, (app.object, *more))


@broken("batch work takes the room of everything less important")
def preempted(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    world.make(
        "PriorityClass",
        "batch-urgent",
        value=1_000_000,
        globalDefault=False,
        preemptionPolicy="PreemptLowerPriority",
    )
    of = template("simulate", "ghcr.io/acme/simulate:5", port=0, cpu="7", memory="24Gi")
    of["spec"] |= {"priorityClassName": "batch-urgent"}
    big = extra(shop, "simulate", serves=False)
    big.workload["spec"]["template"] = of
    for made in big.pods:
        made["spec"] |= {"priority": 1_000_000, "priorityClassName": "batch-urgent"}
        made["spec"]["containers"][0]["resources"] = of["spec"]["containers"][0]["resources"]
    app = shop.victim(serves=True)
    gone = app.pods[-1]
    node, uid = gone["spec"]["nodeName"], big.pods[0]["metadata"]["uid"]
    world.event(
        gone,
        "Preempted",
        f"Preempted by pod {uid} on node {node}",
        first=since,
        last=since,
        component="default-scheduler",
        type="Normal",
    )
    app.drop(gone)
    made = app.add_pod(age=since, node=None)
    said = message(shop, "Insufficient cpu", "Insufficient memory")
    wait_for_node(world, made, said, since=since)
    return Blame("unschedulable-resources", (app.object, big.object))


@broken("replicas must be spread over more zones than there are")
def spread(shop: Shop) -> Blame:
    rule = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "minDomains": 4}
    rule |= {"whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"tier": "a"}}}
    said = "node(s) didn't match pod topology spread constraints"
    return _waits(shop, "unschedulable-spread", said, topologySpreadConstraints=[rule])


@broken("a spread over a label that no node carries")
def no_label(shop: Shop) -> Blame:
    rule = {"maxSkew": 1, "topologyKey": "acme.io/rack", "whenUnsatisfiable": "DoNotSchedule"}
    rule |= {"labelSelector": {"matchLabels": {"tier": "a"}}}
    said = "node(s) didn't match pod topology spread constraints (missing required label)"
    return _waits(
        shop, "unschedulable-spread unschedulable-selector", said, topologySpreadConstraints=[rule]
    )


@broken("the only node of a volume's zone takes no new pods")
def zone(shop: Shop) -> Blame:
    """Its pod was evicted for an upgrade; the volume cannot follow it to another zone."""
    world, since = shop.world, some_time(shop)
    app = stateful(
        shop, "prometheus", "quay.io/prometheus/prometheus:v2.53.0", replicas=1, port=9090
    )
    node = app.pods[0]["spec"]["nodeName"]
    where = world.find("Node", node)["metadata"]["labels"]["topology.kubernetes.io/zone"]
    closed = 0
    for one in world.nodes():
        if one["metadata"]["labels"]["topology.kubernetes.io/zone"] == where:
            one["spec"] |= {"unschedulable": True}
            key = "node.kubernetes.io/unschedulable"
            one["spec"]["taints"] = [
                {"key": key, "effect": "NoSchedule", "timeAdded": world.ago(since)}
            ]
            closed += 1
    made = renewed(app, app.template, ago=since)
    app.stuck_for = 0
    said = message(shop, "node(s) had volume node affinity conflict", cordoned=closed)
    wait_for_node(world, made, said, since=since)
    claim = "persistentvolumeclaim/data-prometheus-0"
    causes = "volume-zone unschedulable-cordon"
    return Blame(causes, (app.object, claim, f"node/{node}"))


@broken("the accelerators' nodes keep everybody out")
def tainted(shop: Shop) -> Blame:
    world = shop.world
    for one in world.nodes():
        one["spec"]["taints"] = [
            {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
        ]
        one["metadata"]["labels"]["acme.io/pool"] = "gpu"
    said = "node(s) had untolerated taint {nvidia.com/gpu: present}"
    return _waits(shop, "unschedulable-taint", said, nodeSelector={"acme.io/pool": "gpu"})


@broken("one node has no room for the agent that each must have")
def agent_room(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = daemon(shop, "log-shipper", "grafana/promtail:3.0.0", cpu="500m", memory="1Gi")
    node = app.pods[-1]["spec"]["nodeName"]
    app.drop(app.pods[-1])
    made = app.add_pod(age=since, node=None)
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    made["spec"]["affinity"] = {"nodeAffinity": required}
    count = len(world.all("Node"))
    said = (
        f"0/{count} nodes are available: 1 Insufficient cpu, {count - 1} node(s) didn't"
        " satisfy plugin(s)"
        f" [NodeAffinity]. preemption: 0/{count} nodes are available: 1 No preemption"
        " victims found for"
        f" incoming pod, {count - 1} Preemption is not helpful for scheduling."
    )
    wait_for_node(world, made, said, since=since)
    return Blame("unschedulable-resources", (app.object, f"node/{node}"))


@broken("the pool that a selector names was replaced by another")
def pool(shop: Shop) -> Blame:
    said = "node(s) didn't match Pod's node affinity/selector"
    selector = {"cloud.google.com/gke-nodepool": "n1-standard-8-old"}
    return _waits(shop, "unschedulable-selector", said, nodeSelector=selector)


@broken("nodes are full of pods, not of work")
def too_many(shop: Shop) -> Blame:
    return _waits(shop, "unschedulable-pods", "Too many pods")


@broken("a node holds no more disks")
def disks(shop: Shop) -> Blame:
    world, since, app = shop.world, some_time(shop), shop.victim()
    bound(world, f"{app.name}-scratch")
    claim = {"name": "scratch", "persistentVolumeClaim": {"claimName": f"{app.name}-scratch"}}
    for made in app.change(with_volume(app, claim, "/scratch"), ago=since):
        said = message(shop, "node(s) exceed max volume count")
        wait_for_node(world, made, said, since=since)
    causes = "unschedulable volume-attach unschedulable-resources unschedulable-pods volume-zone"
    objects = (app.object, f"persistentvolumeclaim/{app.name}-scratch")
    return Blame(causes, objects, says="max volume count")


@broken("more replicas than nodes want the same port of a host")
def host_port(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(serves=True), some_time(shop)
    ports = [{"name": "http", "containerPort": app.port, "hostPort": 8125, "protocol": "UDP"}]
    of = app.template_with(ports=ports)
    said = message(shop, "node(s) didn't have free ports for the requested pod ports")
    for made in app.change(of, ago=since):
        wait_for_node(world, made, said, since=since)
    return Blame("unschedulable-port", (app.object,))


@broken("a scheduler of its own that is not there")
def scheduler(shop: Shop) -> Blame:
    """Nobody says anything about the pod: it has not one condition."""
    app, since = shop.victim(), some_time(shop)
    of = app.template_with()
    of["spec"]["schedulerName"] = "volcano"
    for made in app.change(of, ago=since):
        wait_for_node(shop.world, made, "", since=since)
        made["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    return Blame("scheduler-missing", (app.object,), says="volcano")


@broken("each replica wants a node of its own, and so does the new one")
def apart(shop: Shop) -> Blame:
    rule = {
        "labelSelector": {"matchLabels": {"tier": "x"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    said = "node(s) didn't match pod anti-affinity rules"
    return _waits(shop, "unschedulable-anti-affinity", said, affinity=affinity)


@broken("the cluster may not grow any further")
def no_growth(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    world = shop.world
    size = {"requests": {"cpu": "6", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    for made in app.change(app.template_with(resources=size), ago=since):
        wait_for_node(world, made, message(shop, "Insufficient cpu"), since=since)
        said = "pod didn't trigger scale-up: 1 max node group size reached"
        world.event(
            made,
            "NotTriggerScaleUp",
            said,
            type="Normal",
            first=since - 10,
            last=20,
            count=int(since // 60) + 1,
            component="cluster-autoscaler",
        )
    return Blame("unschedulable-resources", (app.object,))


@broken("its claim is on its way out")
def leaving(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    claim = bound(world, "ml-models")
    claim["metadata"] |= {
        "deletionTimestamp": world.ago(since + 900),
        "deletionGracePeriodSeconds": 0,
    }
    claim["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    volume = {"name": "models", "persistentVolumeClaim": {"claimName": "ml-models"}}
    count = len(world.all("Node"))
    for made in app.change(with_volume(app, volume, "/models"), ago=since):
        said = (
            f'0/{count} nodes are available: persistentvolumeclaim "ml-models" is being deleted.'
            f" preemption: 0/{count} nodes are available: {count} Preemption is not helpful"
            " for scheduling."
        )
        wait_for_node(world, made, said, since=since)
    causes = "pvc-missing pvc-lost terminating-stuck pvc-pending"
    return Blame(causes, (app.object, "persistentvolumeclaim/ml-models"), says="(?i)delet|terminat")

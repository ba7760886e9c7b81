"""Nodes, jobs, autoscalers, services, claims and rules that look ill and are not."""

from tests.diagnosis.fifth.common import DAY, calm, extra, running_job
from tests.diagnosis.pods import template
from tests.diagnosis.shop import (
    Shop,
    autoscaler,
    budget,
    certificate,
    cron_job,
    job,
    on_the_minute,
    scaling,
)
from tests.diagnosis.world import Object, set_condition


@calm("a cron job that is suspended")
def suspended(shop: Shop) -> None:
    found = cron_job(shop.world, "legacy-export", last=70 * DAY)
    found["spec"]["suspend"] = True


@calm("a cron job that failed the day before yesterday and went well since")
def once(shop: Shop) -> None:
    world = shop.world
    found = cron_job(world, "rotate-logs", last=9 * 3600)
    of = template("rotate-logs", "ghcr.io/acme/rotate:3", port=0)
    ago = on_the_minute(world, 9 * 3600 + 2 * DAY)
    job(
        world, "rotate-logs-29399001", of, owner=found, ago=ago, code=1, attempts=3, log=["timeout"]
    )


@calm("a job whose first attempt failed, and the second did not")
def second(shop: Shop) -> None:
    world = shop.world
    of = template("import-2026-02", "ghcr.io/acme/import:5", port=0)
    found, pods = job(world, "import-2026-02", of, ago=5 * 3600)
    first, _ = job(world, "x", of, ago=5 * 3600 + 60, code=1, log=["deadlock detected"])
    made = next(
        one
        for one in world.all("Pod", world.namespace)
        if one["metadata"]["labels"].get("job-name") == "x"
    )
    world.remove(first)
    labels = {"batch.kubernetes.io/job-name": "import-2026-02", "job-name": "import-2026-02"}
    made["metadata"]["labels"] |= labels
    made["metadata"]["ownerReferences"] = pods[0]["metadata"]["ownerReferences"]
    world.remove(made)
    made["metadata"]["name"] = "import-2026-02-b7d4x"
    world.add(made)
    found["status"]["failed"] = 1


@calm("a job that works since this morning")
def long_job(shop: Shop) -> None:
    of = template("reindex-everything", "ghcr.io/acme/reindex:2", port=0)
    _, made = running_job(shop.world, "reindex-everything", of, ago=7 * 3600)
    shop.world.log(
        made, ["12.4% of 88,000,000 documents", "12.5% of 88,000,000 documents"], until=9
    )


@calm("a job that waits in a queue: it is suspended")
def queued(shop: Shop) -> None:
    world = shop.world
    of = template("train-ranker", "ghcr.io/acme/ranker:9", port=0)
    found, made = running_job(world, "train-ranker", of, ago=4000)
    world.remove(made)
    found["spec"]["suspend"] = True
    condition: Object = {"type": "Suspended", "status": "True", "reason": "JobSuspended"}
    condition |= {"message": "Job suspended", "lastTransitionTime": world.ago(4000)}
    found["status"] = {"conditions": [condition], "ready": 0, "terminating": 0}
    found["status"]["uncountedTerminatedPods"] = {}
    world.event(found, "Suspended", "Job suspended", type="Normal", first=3999, last=3999)


def _scaler(shop: Shop, **how: int) -> tuple[str, Object]:
    world, app = shop.world, shop.victim()
    for one in world.all("HorizontalPodAutoscaler", world.namespace):
        if one["metadata"]["name"] == app.name:
            world.remove(one)
    return app.name, autoscaler(world, app, **how)


@calm("an autoscaler at its least")
def at_least(shop: Shop) -> None:
    name, found = _scaler(shop, now_at=3)
    found["spec"]["minReplicas"] = len(shop.apps[name].pods)
    said = "the desired replica count is less than the minimum replica count"
    set_condition(found, scaling(shop.world, "ScalingLimited", True, "TooFewReplicas", said))


@calm("an autoscaler that just asked for two more")
def growing(shop: Shop) -> None:
    name, found = _scaler(shop, now_at=96, high=9)
    app, world = shop.apps[name], shop.world
    for _ in range(2):
        made = app.add_pod(age=6, node=world.nodes()[0])
        made["status"] |= {"phase": "Pending"}
        for one in made["status"]["containerStatuses"]:
            one |= {"state": {"waiting": {"reason": "ContainerCreating"}}, "ready": False}
            one |= {"started": False, "imageID": ""}
            one.pop("containerID")
        for one in made["status"]["conditions"]:
            if one["type"] in ("Ready", "ContainersReady"):
                one |= {"status": "False", "reason": "ContainersNotReady"}
                one |= {"message": f"containers with unready status: [{app.container['name']}]"}
                one["lastTransitionTime"] = world.ago(6)
    app.workload["spec"]["replicas"] += 2
    found["status"]["desiredReplicas"] += 2
    found["status"]["lastScaleTime"] = world.ago(7)
    said = f"New size: {len(app.pods)}; reason: cpu resource utilization above target"
    world.event(found, "SuccessfulRescale", said, type="Normal", first=7, last=7)


@calm("an autoscaler of what sleeps")
def disabled(shop: Shop) -> None:
    world = shop.world
    app = extra(shop, "night-batch", serves=False)
    found = autoscaler(world, app, now_at=None)
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["replicas"] = 0
    said = "scaling is disabled since the replica count of the target is zero"
    set_condition(found, scaling(world, "ScalingActive", False, "ScalingDisabled", said))
    found["status"] |= {"currentReplicas": 0, "desiredReplicas": 0}


@calm("a disruption budget that allows none, as all are wanted")
def exact(shop: Shop) -> None:
    app = shop.victim()
    for one in shop.world.all("PodDisruptionBudget", shop.world.namespace):
        if one["metadata"]["name"] == app.name:
            shop.world.remove(one)
    budget(shop.world, app, at_least=len(app.pods))


@calm("a node that is closed for its upgrade, and nobody waits for it")
def closed(shop: Shop) -> None:
    world = shop.world
    node = world.nodes()[-1]
    node["spec"] |= {"unschedulable": True}
    key = "node.kubernetes.io/unschedulable"
    node["spec"]["taints"] = [{"key": key, "effect": "NoSchedule", "timeAdded": world.ago(4000)}]
    said = f"Node {node['metadata']['name']} status is now: NodeNotSchedulable"
    world.event(
        node, "NodeNotSchedulable", said, type="Normal", first=3990, last=3990, component="kubelet"
    )


@calm("a node that had no room last week")
def old_pressure(shop: Shop) -> None:
    world = shop.world
    node = world.nodes()[0]
    set_condition(
        node,
        world.condition(
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
            type="DiskPressure",
            at=6 * DAY,
            beat=30,
        ),
    )


@calm("nodes that are kept for others")
def dedicated(shop: Shop) -> None:
    node = shop.world.nodes()[-1]
    node["spec"]["taints"] = [{"key": "dedicated", "value": "ml", "effect": "NoSchedule"}]


@calm("services without a selector")
def bare_services(shop: Shop) -> None:
    world = shop.world
    world.make(
        "Service",
        "crm-external",
        spec={"type": "ExternalName", "externalName": "crm.example.org"},
        status={"loadBalancer": {}},
    )
    ports = [{"name": "pg", "port": 5432, "protocol": "TCP", "targetPort": 5432}]
    world.make(
        "Service",
        "old-mainframe",
        spec={"type": "ClusterIP", "clusterIP": "10.96.200.7", "ports": ports},
        status={"loadBalancer": {}},
    )
    subset = {
        "addresses": [{"ip": "192.168.7.7"}],
        "ports": [{"name": "pg", "port": 5432, "protocol": "TCP"}],
    }
    world.make("Endpoints", "old-mainframe", subsets=[subset])
    world.make(
        "EndpointSlice",
        "old-mainframe-x7d2k",
        addressType="IPv4",
        metadata={"labels": {"kubernetes.io/service-name": "old-mainframe"}},
        endpoints=[{"addresses": ["192.168.7.7"], "conditions": {"ready": True}}],
        ports=[{"name": "pg", "port": 5432, "protocol": "TCP"}],
    )


@calm("a claim that nobody uses yet")
def unused_claim(shop: Shop) -> None:
    world = shop.world
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "gp3",
        "volumeMode": "Filesystem",
    }
    spec["resources"] = {"requests": {"storage": "10Gi"}}
    claim = world.make(
        "PersistentVolumeClaim", "spare", age=5 * DAY, spec=spec, status={"phase": "Pending"}
    )
    said = "waiting for first consumer to be created before binding"
    world.event(
        claim, "WaitForFirstConsumer", said, type="Normal", first=5 * DAY, last=8, count=28000
    )


@calm("a volume that was released and kept")
def released(shop: Shop) -> None:
    world = shop.world
    world.make(
        "PersistentVolume",
        "pvc-0d1c2b3a-old",
        age=200 * DAY,
        spec={
            "capacity": {"storage": "50Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "gp3",
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": world.namespace,
                "name": "old-data",
                "uid": world.uid(),
            },
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0dead"},
        },
        status={"phase": "Released"},
    )


@calm("a certificate that is being renewed in good time")
def renewing(shop: Shop) -> None:
    world = shop.world
    found = certificate(world, "edge-tls", host="edge.acme.io", left=29.9 * DAY)
    issuing: Object = {"type": "Issuing", "status": "True", "reason": "Renewing"}
    issuing |= {"message": "Renewing certificate as renewal was scheduled at 2026-03-04T14:50:00Z"}
    set_condition(found, {**issuing, "lastTransitionTime": world.ago(300), "observedGeneration": 1})


@calm("a quota that is all used, and asked for no more")
def full_quota(shop: Shop) -> None:
    hard = {
        "count/cronjobs.batch": "2",
        "services.loadbalancers": "0",
        "persistentvolumeclaims": "1",
    }
    used = {
        "count/cronjobs.batch": "2",
        "services.loadbalancers": "0",
        "persistentvolumeclaims": "1",
    }
    shop.world.make(
        "ResourceQuota", "objects", spec={"hard": hard}, status={"hard": hard, "used": used}
    )


@calm("a policy that denies all, and others that allow what is needed")
def policies(shop: Shop) -> None:
    world = shop.world
    both = ["Ingress", "Egress"]
    world.make("NetworkPolicy", "default-deny", spec={"podSelector": {}, "policyTypes": both})
    anyone: Object = {"podSelector": {}}
    world.make(
        "NetworkPolicy",
        "within",
        spec={
            "podSelector": {},
            "policyTypes": both,
            "ingress": [{"from": [anyone, {"namespaceSelector": {}}]}],
            "egress": [{"to": [anyone]}],
        },
    )
    ports = [{"protocol": one, "port": 53} for one in ("UDP", "TCP")]
    system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    world.make(
        "NetworkPolicy",
        "dns",
        spec={
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [system], "ports": ports}],
        },
    )


@calm("a webhook that may fail, and does")
def ignored(shop: Shop) -> None:
    client = {"service": {"name": "cost-labels", "namespace": "finops", "path": "/", "port": 443}}
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
    hook = {
        "name": "labels.finops.acme.io",
        "clientConfig": client,
        "failurePolicy": "Ignore",
        "rules": rules,
    }
    shop.world.make(
        "MutatingWebhookConfiguration",
        "cost-labels",
        webhooks=[{**hook, "sideEffects": "None", "timeoutSeconds": 2}],
    )


@calm("an app behind an ingress that was scaled to nothing")
def away(shop: Shop) -> None:
    """Whether that was meant nobody can tell by the cluster."""
    world, app, since = shop.world, shop.victim(serves=True), 1500
    backend = {"service": {"name": app.name, "port": {"number": 80}}}
    path = {"path": f"/{app.name}", "pathType": "Prefix", "backend": backend}
    world.make(
        "Ingress",
        app.name,
        spec={
            "ingressClassName": "nginx",
            "rules": [{"host": "www.acme.io", "http": {"paths": [path]}}],
        },
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    )
    for made in list(app.pods):
        app.drop(made)
        world.forget_events([made])
    app.workload["spec"]["replicas"] = 0
    app.workload["metadata"]["generation"] = 7
    said = f"Scaled down replica set {app.sets[-1]['metadata']['name']} from 3 to 0"
    world.event(app.workload, "ScalingReplicaSet", said, type="Normal", first=since, last=since)

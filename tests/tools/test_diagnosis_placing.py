"""Diagnosis: pods that are not placed, made or started. Each state beside one that nearly is it."""

from typing import Any

import pytest

from tests.tools.diagnosed import (
    Json,
    ago,
    crashing,
    deployment,
    diagnosed,
    pod,
    replica_set,
    thing,
    told,
    waiting,
    warning,
)

CONTROL = "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"
NODES = f"0/4 nodes are available: {CONTROL}, "


def unplaced(message: str, **parts: Any) -> Json:
    """A pod that no node takes."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return pod(
        "web",
        node="",
        ready=False,
        status={"phase": "Pending", "conditions": [condition]},
        **parts,
    )


@pytest.mark.parametrize(
    ("message", "cause", "confidence"),
    [
        ("3 Insufficient cpu. preemption: 0/4 nodes are available", "resources", "high"),
        ("3 node(s) had untolerated taint {dedicated: gpu}", "taint", "high"),
        ("3 node(s) didn't match Pod's node affinity/selector", "selector", "high"),
        ("3 node(s) didn't match pod topology spread constraints", "spread", "high"),
        ("3 node(s) didn't match pod anti-affinity rules", "affinity", "high"),
        ("3 node(s) didn't have free ports for the requested pod ports", "port", "high"),
        ("3 Too many pods", "pods", "high"),
        ("3 node(s) were unschedulable", "cordon", "high"),
        # The nodes that it selects are full: the others were never meant for it.
        (
            "2 node(s) didn't match Pod's node affinity/selector, 1 Insufficient memory",
            "resources",
            "high",
        ),
        ("1 node(s) were unschedulable, 2 Insufficient cpu", "resources", "medium"),
    ],
)
def test_each_reason_of_the_scheduler(message: str, cause: str, confidence: str) -> None:
    found = diagnosed(deployment("web", ready=0), unplaced(f"{NODES}{message}."))
    assert told(found) == [("deployment/web", f"unschedulable-{cause}", confidence)]


def test_a_node_that_is_away_is_the_cause_of_what_it_does_not_take() -> None:
    message = f"{NODES}3 node(s) had untolerated taint {{node.kubernetes.io/not-ready: }}."
    node = thing(
        "Node",
        "node-1",
        "",
        status={
            "conditions": [
                {
                    "type": "Ready",
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": ago(minutes=9),
                }
            ]
        },
    )
    found = diagnosed(deployment("web", ready=0), unplaced(message), node)
    assert told(found) == [("node/node-1", "node-not-ready", "high")]
    assert any(
        line.startswith("deployment/web: No node takes") for line in found.findings[0].effects
    )
    node["status"]["conditions"][0]["status"] = "True"
    calm = diagnosed(deployment("web"), pod("web"), {**node, "spec": {"unschedulable": True}})
    assert calm.findings == []
    assert [one.text for one in calm.notices] == ["is cordoned"]


def test_pods_of_a_silent_node_are_its_doing_also_where_nodes_may_not_be_seen() -> None:
    silent = pod("web", state={"running": {"startedAt": ago(days=2)}}, ready=True)
    silent["status"]["conditions"][1]["status"] = "False"
    found = diagnosed(deployment("web", ready=0), silent, denied=("node",))
    assert told(found) == [("node/node-1", "node-not-ready", "medium")]
    assert "nodes: not allowed to read" in found.not_checked


CLAIMED = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}


def claim(phase: str = "Pending", **spec: Any) -> Json:
    """A claim."""
    return thing("PersistentVolumeClaim", "data", spec=spec, status={"phase": phase})


def test_claims_that_are_not_bound_and_why() -> None:
    unbound = unplaced(f"{NODES}pod has unbound immediate PersistentVolumeClaims.", spec=CLAIMED)
    classes = thing("StorageClass", "standard", "")
    found = diagnosed(deployment("web", ready=0), unbound, claim(storageClassName="fast"), classes)
    assert told(found) == [("persistentvolumeclaim/data", "pvc-pending", "high")]
    assert "there is no storage class fast (there are standard)" in found.findings[0].clue.text
    refused = warning("PersistentVolumeClaim/data", "ProvisioningFailed", "quota of disks reached")
    found = diagnosed(
        deployment("web", ready=0), unbound, claim(storageClassName="standard"), classes, refused
    )
    assert "quota of disks reached" in found.findings[0].clue.text
    missing = unplaced('persistentvolumeclaim "data" not found', spec=CLAIMED)
    found = diagnosed(deployment("web", ready=0), missing)
    assert told(found) == [("deployment/web", "pvc-missing", "high")]
    waits = diagnosed(claim(storageClassName="standard"), classes)
    assert waits.findings == []
    assert "waits for its first consumer" in waits.notices[0].text


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('configmap "web-config" not found', "config-missing"),
        ('secret "web-secret" not found', "secret-missing"),
        ("couldn't find key URL in ConfigMap shop/web-config", "config-key-missing"),
        ("couldn't find key TOKEN in Secret shop/web-secret", "secret-key-missing"),
    ],
)
def test_configuration_that_is_not_there(message: str, cause: str) -> None:
    found = diagnosed(
        deployment("web", ready=0), waiting("web", "CreateContainerConfigError", message)
    )
    assert told(found) == [("deployment/web", cause, "high")]


def test_a_reference_that_a_revision_brought_is_gone_back_from() -> None:
    env = [{"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "web-config", "key": "URL"}}}]
    found = diagnosed(
        deployment("web", ready=0),
        replica_set("web", "old", 3, ago(days=4)),
        replica_set("web", "aaa", 4, ago(minutes=21), env=env),
        waiting("web", "CreateContainerConfigError", 'configmap "web-config" not found'),
        thing("ConfigMap", "web-confg"),
    )
    clue = found.findings[0].clue
    assert clue.change is not None
    assert clue.change.arguments["to_revision"] == 3
    assert "There is a configmap/web-confg." in clue.text


def making(reason: str, message: str, **spec: Any) -> tuple[Json, Json, Json]:
    """A pod that its node cannot make."""
    state = {"waiting": {"reason": "ContainerCreating"}}
    one = pod(
        "web",
        state=state,
        ready=False,
        made=ago(minutes=9),
        status={"phase": "Pending"},
        spec=spec,
    )
    return deployment("web", ready=0), one, warning("Pod/web-aaa-1", reason, message)


def test_what_a_node_cannot_give() -> None:
    attach = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-old'
    assert told(diagnosed(*making("FailedAttachVolume", attach)))[0][1] == "volume-attach"
    mount = 'MountVolume.SetUp failed for volume "data": mount failed: exit status 32'
    assert told(diagnosed(*making("FailedMount", mount)))[0][1] == "volume-mount"
    network = "failed to setup network for sandbox: plugin type calico failed: no IP addresses"
    assert told(diagnosed(*making("FailedCreatePodSandBox", network)))[0][1] == "pod-network"
    volumes = [{"name": "cfg", "configMap": {"name": "web-config"}}]
    key = 'MountVolume.SetUp failed for volume "cfg" : references non-existent config key: a.yml'
    found = diagnosed(*making("FailedMount", key, volumes=volumes))
    assert told(found) == [("deployment/web", "config-key-missing", "high")]
    assert "key a.yml of configmap/web-config" in found.findings[0].clue.text.lower()
    young = pod(
        "web",
        state={"waiting": {"reason": "ContainerCreating"}},
        ready=False,
        made=ago(seconds=8),
        status={"phase": "Pending"},
    )
    assert diagnosed(deployment("web", ready=0), young).findings == []


FORBIDDEN = 'Error creating: pods "web-aaa-" is forbidden: '


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            "exceeded quota: small, requested: cpu=1, used: cpu=4, limited: cpu=4",
            "quota",
        ),
        ("failed quota: small: must specify limits.cpu for: web", "quota"),
        ("maximum memory usage per Container is 1Gi, but limit is 2Gi", "limit-range"),
        ('violates PodSecurity "restricted:latest": runAsNonRoot != true', "pod-security"),
        (
            'error looking up service account shop/web: serviceaccount "web" not found',
            "service-account-missing",
        ),
    ],
)
def test_pods_that_may_not_be_made(message: str, cause: str) -> None:
    state = deployment("web", 2, ready=0)
    refused = warning("ReplicaSet/web-aaa", "FailedCreate", FORBIDDEN + message)
    assert told(diagnosed(state, refused)) == [("deployment/web", cause, "high")]
    pods = (pod("web", 1), pod("web", 2))
    assert diagnosed(deployment("web", 2), *pods, refused).findings == []  # it was let in since


def test_a_webhook_that_is_away_or_denies() -> None:
    call = (
        'Internal error occurred: failed calling webhook "check.policy.io": failed to call webhook:'
        ' Post "https://policy.guard.svc:443/v?timeout=10s": dial tcp 10.0.0.7:443: connect:'
        " connection refused"
    )
    state = deployment("web", 2, ready=0)
    found = diagnosed(state, warning("ReplicaSet/web-aaa", "FailedCreate", call))
    assert told(found) == [("deployment/web", "webhook", "high")]
    assert "served by service/policy in guard" in found.findings[0].clue.text
    denies = 'admission webhook "check.policy.io" denied the request: no latest tags'
    found = diagnosed(state, warning("ReplicaSet/web-aaa", "FailedCreate", denies))
    assert "denies them: no latest tags" in found.findings[0].clue.text


def test_a_trouble_that_nothing_explains_is_told_all_the_same() -> None:
    found = diagnosed(
        deployment("web", ready=0), waiting("web", "CreateContainerError", "name is reserved")
    )
    assert told(found) == [("deployment/web", "unknown", "medium")]
    assert "name is reserved" in found.findings[0].clue.text


def test_pods_that_do_not_leave_and_why() -> None:
    leaving = pod("web", ready=False, state={"running": {"startedAt": ago(days=2)}})
    leaving["metadata"] |= {"deletionTimestamp": ago(minutes=9), "finalizers": ["shop/keep"]}
    found = diagnosed(deployment("web"), pod("web", 2), leaving)
    assert told(found) == [("deployment/web", "terminating-stuck", "high")]
    silent = pod("web", ready=True)
    silent["status"]["conditions"][1]["status"] = "False"
    silent["metadata"]["deletionTimestamp"] = ago(minutes=9)
    found = diagnosed(deployment("web"), pod("web", 2), silent, denied=("node",))
    assert told(found) == [("node/node-1", "node-not-ready", "medium")]
    silent["metadata"]["deletionTimestamp"] = ago(seconds=20)
    assert diagnosed(deployment("web"), pod("web", 2), silent).findings == []


def test_one_pod_is_told_of_as_one_and_no_code_stands_in_a_sentence() -> None:
    said = "0/3 nodes are available: 2 Insufficient memory, 1 node(s) were unschedulable."
    service = thing("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    found = diagnosed(deployment("web", ready=0), service, unplaced(said)).findings
    clue = found[0].clue
    assert clue.alternative == "what keeps it from the other nodes: 1 node is cordoned"
    assert not any("none of its 1" in line for line in found[0].effects)
    lacking = waiting("web", "CreateContainerConfigError", 'configmap "nope" not found')
    (one,) = diagnosed(deployment("web", ready=0), lacking, service).findings
    assert one.clue.text.startswith("There is no configmap/nope in shop: its only pod must wait")
    assert "service/web: It sends to nothing: its only pod is not ready." in one.effects


def test_what_is_not_well_because_of_it_is_told_once_for_each_object() -> None:
    """A workload that crashes also rolls out no further: the crash says more."""
    full = "FATAL could not write /data/wal: No space left on device"
    mounted = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    claim = thing("PersistentVolumeClaim", "data", status={"capacity": {"storage": "1Gi"}})
    dead = crashing("web", container=mounted, spec={"volumes": volumes})
    stuck = deployment("web", ready=0, container=mounted, pod={"volumes": volumes})
    progressing = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    stuck["status"]["conditions"] = [progressing]
    (one,) = diagnosed(stuck, dead, claim, logs={"-web-aaa-1/web": full}).findings
    objects = [line.partition(":")[0] for line in one.effects]
    assert objects == ["deployment/web"]

"""Where a trouble leads away from what was asked about, and which change is right then."""

import json
from typing import Any

import pytest

from tests.tools.diagnosed import (
    Json,
    ago,
    crashing,
    deployment,
    diagnosed,
    pod,
    thing,
    told,
    waiting,
    warning,
)
from tools.kubernetes.diagnosis.report import Diagnosis
from tools.kubernetes.diagnosis.snapshot import Scope

ASKED = Scope("shop", "deployment", "web")
FULL = "FATAL could not write /data/wal: No space left on device"


def service(name: str) -> Json:
    """A service of a deployment."""
    return thing("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 80}]})


def change(found: Diagnosis) -> tuple[str, dict[str, Any]]:
    """The change that the first finding proposes: its tool, and what it patches."""
    proposed = found.findings[0].clue.change
    assert proposed is not None
    return proposed.tool, json.loads(str(proposed.arguments["patch"]))


def test_who_asks_about_a_well_workload_hears_of_what_it_complains_about() -> None:
    there = (deployment("web"), pod("web"), deployment("api"), pod("api"), service("api"))
    base = (deployment("base", ready=0), crashing("base"), service("base"))
    logs = {
        "web-aaa-1/web": "\n".join(["ERROR http://api: 503 Service Unavailable"] * 3),
        "api-aaa-1/api": "\n".join(["ERROR http://base: connection refused"] * 3),
        "-base-aaa-1/base": "panic: index out of range",
    }
    found = diagnosed(*there, *base, logs=logs, scope=ASKED)
    assert told(found) == [("deployment/base", "crash", "high")]
    because = " ".join(found.findings[0].effects)
    assert "deployment/web: It calls service/api (api), which answers with errors" in because
    assert "deployment/api: It calls service/base (base), which refuses connections" in because
    # Twice may be an accident, and it is well.
    twice = {"web-aaa-1/web": "\n".join(["ERROR http://api: 503 Service Unavailable"] * 2)}
    assert told(diagnosed(*there, logs=twice, scope=ASKED)) == []


def test_of_two_things_that_it_calls_each_has_its_own_cause() -> None:
    there = [deployment("web"), pod("web")]
    for name in ("api", "mail"):
        there += [deployment(name, ready=0), crashing(name), service(name)]
    lines = ["ERROR http://api: connection refused", "ERROR http://mail: connection refused"] * 3
    found = diagnosed(*there, logs={"web-aaa-1/web": "\n".join(lines)}, scope=ASKED)
    assert {one for one, _, _ in told(found)} == {"deployment/api", "deployment/mail"}


def settings(data: dict[str, str], **annotations: str) -> Json:
    """A config map that was edited 20 minutes ago."""
    live = thing("ConfigMap", "web-config", data=data, annotations=annotations)
    live["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "time": ago(minutes=21)}]
    return live


def reader(live: Json, log: str) -> Diagnosis:
    """What is said of a workload that reads it and crashes."""
    variables = {"envFrom": [{"configMapRef": {"name": "web-config"}}]}
    web = deployment("web", ready=0, container=variables)
    made = crashing("web", container=variables, since=ago(minutes=20))
    return diagnosed(web, made, live, logs={"-web-aaa-1/web": log})


def test_a_setting_is_put_back_where_the_config_map_says_what_it_was() -> None:
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    was = {applied: json.dumps({"data": {"MODE": "fast", "SIZE": "4"}})}
    crash = "config.ParseError: MODE: fsat is no mode\n  MODE=fsat"
    found = reader(settings({"MODE": "fsat", "SIZE": "4"}, **was), crash)
    assert told(found) == [("deployment/web", "config-changed", "medium")]
    assert 'Its last words: "config.ParseError: MODE: fsat' in found.findings[0].clue.text
    assert change(found) == ("patch", {"data": {"MODE": "fast"}})
    # Of two differences nobody knows which one it is; of a file, a person looks.
    for data in ({"MODE": "fsat", "SIZE": "5"}, {"MODE": "fsat", "SIZE": "4", "NEW": "1"}):
        assert reader(settings(data, **was), crash).findings[0].clue.change is None
    file = {applied: json.dumps({"data": {"MODE": "x" * 300}})}
    assert reader(settings({"MODE": "y"}, **file), crash).findings[0].clue.change is None


@pytest.mark.parametrize(
    ("note", "size"),
    [("DB_POOL_SIZE 20 to 2", "20"), ("DB_POOL_SIZE 20 to 3", ""), ("POOL `rm -rf` to 2", "")],
)
def test_a_note_about_a_change_is_believed_as_far_as_it_fits(note: str, size: str) -> None:
    live = settings({"DB_POOL_SIZE": "2"}, **{"kubernetes.io/change-cause": note})
    found = reader(live, "ERROR connection pool exhausted: 2 of 2 in use")
    proposed = found.findings[0].clue.change
    assert (proposed is not None) is bool(size)
    if size:
        assert change(found) == ("patch", {"data": {"DB_POOL_SIZE": size}})


def claim(asked: str = "10Gi") -> Json:
    """A claim of 10Gi that is bound."""
    spec = {"resources": {"requests": {"storage": asked}}, "storageClassName": "fast"}
    status = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    return thing("PersistentVolumeClaim", "data", spec=spec, status=status)


def full(*more: Json, expands: bool = True, asked: str = "10Gi") -> Diagnosis:
    """What is said of a workload whose only volume is full."""
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    made = crashing("web", container=mounts, spec={"volumes": [volume]})
    made["spec"]["containers"] = [{"name": "web", "image": "shop/web:1.0", **mounts}]
    kind = thing("StorageClass", "fast", namespace="", allowVolumeExpansion=expands)
    web = deployment("web", ready=0)
    return diagnosed(web, made, claim(asked), kind, *more, logs={"-web-aaa-1/web": FULL})


def test_a_full_volume_grows_where_its_class_lets_it_and_nothing_else_lets_it_grow() -> None:
    found = full()
    assert told(found) == [("persistentvolumeclaim/data", "volume-full", "high")]
    assert change(found) == ("patch", {"spec": {"resources": {"requests": {"storage": "15Gi"}}}})
    assert full(expands=False).findings[0].clue.change is None
    assert full(asked="20Gi").findings[0].clue.change is None  # it is being made larger
    failed = warning("PersistentVolumeClaim/data", "VolumeResizeFailed", "wait 6 hours")
    assert full(failed).findings[0].clue.change is None


def test_an_autoscaler_of_nothing_is_told_whatever_its_conditions_say() -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    scaler = thing("HorizontalPodAutoscaler", "web", spec=spec, status={})
    assert told(diagnosed(scaler, deployment("web"), pod("web"))) == []
    found = diagnosed(scaler)
    assert told(found) == [("horizontalpodautoscaler/web", "hpa-blind", "high")]
    assert "deployment/web does not exist" in found.findings[0].clue.text
    assert told(diagnosed(scaler, denied=("deployment",))) == []


def test_what_is_not_ready_for_seconds_is_a_notice_with_its_time() -> None:
    late = pod("web", 2, state={"running": {"startedAt": ago(seconds=20)}}, ready=False)
    late["metadata"]["creationTimestamp"] = ago(seconds=25)
    late["status"]["conditions"][1]["lastTransitionTime"] = ago(seconds=25)
    found = diagnosed(deployment("web", 2, ready=1), pod("web"), late, scope=ASKED)
    assert found.findings == []
    assert [one.text for one in found.notices] == [
        "is not ready yet: 1 of 2 pods are ready, since 14:29:35Z"
    ]
    assert diagnosed(deployment("web"), pod("web"), scope=ASKED).notices == []


def test_a_scheduler_that_is_not_there_is_named() -> None:
    made = pod("web", node="", status={"phase": "Pending", "conditions": []}, made=ago(minutes=9))
    assert "scheduler" not in diagnosed(deployment("web", ready=0), made).findings[0].clue.text
    made["spec"]["schedulerName"] = "volcano"
    found = diagnosed(deployment("web", ready=0), made)
    assert told(found) == [("deployment/web", "unschedulable", "medium")]
    assert "wait for scheduler volcano" in found.findings[0].clue.text


def test_a_profile_that_its_node_does_not_have() -> None:
    said = (
        'cannot load seccomp profile "/var/lib/kubelet/seccomp/a.json": no such file or directory'
    )
    found = diagnosed(deployment("web", ready=0), waiting("web", "CreateContainerError", said))
    assert told(found) == [("deployment/web", "invalid-template", "high")]
    other = waiting("web", "CreateContainerError", "failed to reserve container name web_1")
    assert told(diagnosed(deployment("web", ready=0), other))[0][1] == "unknown"


def test_a_volume_that_a_node_took_along_is_that_nodes_doing() -> None:
    made = waiting("web", "ContainerCreating", made=ago(minutes=20))
    text = "Multi-Attach error for volume x Volume is already exclusively attached to one node"
    held = warning("Pod/web-aaa-1", "FailedAttachVolume", text, first=ago(minutes=19))
    for since, expected in ((30, "node/node-7"), (5, "deployment/web")):
        ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": ago(minutes=since)}
        node = thing("Node", "node-7", namespace="", status={"conditions": [ready]})
        found = told(diagnosed(deployment("web", ready=0), made, held, node))
        assert found[0][0] == expected
        assert ("deployment/web", "volume-attach", "high") in found or since == 30

"""Columns that kubectl shows, from objects as a server would send them; no cluster is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tools.kubernetes.kinds import RESOURCES
from tools.kubernetes.objects import age
from tools.kubernetes.pods import pod_line, pod_status
from tools.kubernetes.tables import table
from tools.kubernetes.views.overview import pod_counts

NOW = datetime(2026, 5, 4, 14, 30, tzinfo=UTC)
Json = dict[str, Any]
RUNS: Json = {"running": {"startedAt": "2026-05-04T14:00:00Z"}}
DONE: Json = {"terminated": {"exitCode": 0, "reason": "Completed"}}
LOOPS: Json = {"waiting": {"reason": "CrashLoopBackOff"}}


def status(name: str, state: Json, *, ready: bool = False, **more: Any) -> Json:
    return {"name": name, "state": state, "ready": ready, "started": "running" in state, **more}


def pod(main: list[Json], init: list[Json] | None = None, **more: Any) -> Json:
    """A pod with these containers; those of `init` that run are sidecars."""
    early = [
        {"name": one["name"], **({"restartPolicy": "Always"} if one.get("started") else {})}
        for one in init or ()
    ]
    ready = {"type": "Ready", "status": "True" if all(s["ready"] for s in main) else "False"}
    return {
        "metadata": {"name": "web-1", "creationTimestamp": "2026-05-04T13:30:00Z"} | more,
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": one["name"]} for one in main],
            "initContainers": early,
        },
        "status": {
            "phase": "Running",
            "conditions": [ready],
            "containerStatuses": main,
            "initContainerStatuses": init or [],
        },
    }


def row(kind: str, one: Json) -> dict[str, str]:
    found = table(RESOURCES[kind], [one], NOW, namespaces=False, note="")
    return dict(zip(found.columns, found.rows[0], strict=True))


@pytest.mark.parametrize(
    ("made", "ready", "said"),
    [
        (pod([status("web", RUNS, ready=True)]), "1/1", "Running"),
        # a sidecar of the native kind counts, and its pod is not "Init:0/1"
        (
            pod([status("web", RUNS, ready=True)], [status("proxy", RUNS, ready=True)]),
            "2/2",
            "Running",
        ),
        (
            pod(
                [status("web", {"waiting": {"reason": "PodInitializing"}})],
                [status("setup", LOOPS)],
            ),
            "0/1",
            "Init:CrashLoopBackOff",
        ),
        # of several that do not run, the first names it
        (pod([status("web", LOOPS), status("log", DONE)]), "0/2", "CrashLoopBackOff"),
        (pod([status("web", RUNS, ready=True), status("log", DONE)]), "1/2", "NotReady"),
        (
            pod([status("web", RUNS)], deletionTimestamp="2026-05-04T14:29:00Z"),
            "0/1",
            "Terminating",
        ),
    ],
)
def test_ready_and_status_of_a_pod_are_what_kubectl_says(made: Json, ready: str, said: str) -> None:
    found = row("pod", made)
    assert (found["READY"], found["STATUS"]) == (ready, said)
    assert list(found)[-2:] == ["AGE", "NODE"]


@pytest.mark.parametrize(
    ("hours", "said"),
    [(7.5, "7h30m"), (30, "30h"), (48, "2d"), (77, "3d5h"), (200, "8d"), (24 * 770, "2y40d")],
)
def test_ages_are_as_kubectl_writes_them(hours: float, said: str) -> None:
    then = (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(then, NOW) == said


def test_a_pod_behind_gates_says_so() -> None:
    held = pod([])
    held["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
    }
    assert pod_status(held) == "SchedulingGated"


def test_restarts_are_counted_as_kubectl_counts_them() -> None:
    again = status("setup", LOOPS, restartCount=4)
    made = pod([status("web", LOOPS, restartCount=1)], [again])
    assert row("pod", made)["RESTARTS"] == "5", "while it starts, init containers are all there is"
    made["status"]["conditions"].append({"type": "Initialized", "status": "True"})
    assert row("pod", made)["RESTARTS"] == "1"
    made["status"]["initContainerStatuses"] += [status("proxy", RUNS, restartCount=2)]
    made["spec"]["initContainers"].append({"name": "proxy", "restartPolicy": "Always"})
    assert row("pod", made)["RESTARTS"] == "3"
    assert "3 restarts, on node-1" in pod_line(made, NOW)
    ended = [{"metadata": {"name": p}, "status": {"phase": p}} for p in ("Failed", "Succeeded")]
    assert pod_counts([made, *ended, *ended]) == "pods: 5, 0 ready, 2 failed, 2 completed"


def test_what_a_service_an_ingress_and_an_autoscaler_are_asked_for() -> None:
    balanced = {"loadBalancer": {"ingress": [{"ip": "203.0.113.4"}, {"hostname": "lb.example"}]}}
    spec: Json = {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]}
    meta = {"name": "web"}
    found = row("service", {"metadata": meta, "spec": spec, "status": balanced})
    assert (found["EXTERNAL-IP"], found["PORTS"]) == ("203.0.113.4,lb.example", "80:30080/TCP")
    assert row("service", {"metadata": meta, "spec": spec})["EXTERNAL-IP"] == "<pending>"
    outside = {"type": "ExternalName", "externalName": "db.example.com"}
    assert row("service", {"metadata": meta, "spec": outside})["EXTERNAL-IP"] == "db.example.com"
    ingress = {
        "metadata": {"name": "web", "annotations": {"kubernetes.io/ingress.class": "nginx"}},
        "spec": {"rules": [{"host": "a.example.com"}]},
        "status": balanced,
    }
    found = row("ingress", ingress)
    assert (found["CLASS"], found["ADDRESS"]) == ("nginx", "203.0.113.4,lb.example")
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
        {
            "type": "External",
            "external": {"metric": {"name": "waiting"}, "target": {"averageValue": "30"}},
        },
    ]
    seen = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 45}}}
    ]
    hpa = {
        "metadata": meta,
        "spec": {"metrics": metrics, "maxReplicas": 5},
        "status": {"currentMetrics": seen},
    }
    assert row("horizontalpodautoscaler", hpa)["TARGETS"] == "cpu: 45%/80%, waiting: <unknown>/30"
    job = {"metadata": meta, "spec": {"suspend": True}, "status": {}}
    assert row("job", job)["STATUS"] == "Suspended"

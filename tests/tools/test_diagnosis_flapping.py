"""Diagnosis: pods that are ready now and then, at whichever moment one looks; and just started."""

from typing import Any

import pytest

from tests.tools.diagnosed import ago, deployment, diagnosed, pod, replica_set, told, warning
from tools.kubernetes.diagnosis.report import Diagnosis

Json = dict[str, Any]
SLOW = 'Readiness probe failed: Get "http://10.0.0.9:8080/": context deadline exceeded'
PROBE = {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5}}


def young(number: int, *, ready: bool, turned: int, age: int = 240, **parts: Any) -> Json:
    """A pod that has run for some minutes, and became ready or ceased to be so many seconds ago."""
    made = ago(seconds=age)
    return pod(
        "web",
        number,
        made=made,
        ready=ready,
        state={"running": {"startedAt": made}},
        since=ago(seconds=turned),
        container={**PROBE, "ports": [{"containerPort": 8080}]},
        status={"startTime": made},
        **parts,
    )


def failed(number: int, count: int, first: int, last: int) -> Json:
    about = {"count": count, "first": ago(seconds=first), "last": ago(seconds=last)}
    return warning(f"Pod/web-aaa-{number}", "Unhealthy", SLOW, **about)


def whole(since: int, ready: int = 2) -> Json:
    """A deployment that had all its pods that long ago."""
    found = deployment("web", 2, ready)
    rolled = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    found["status"]["conditions"] = [rolled | {"lastUpdateTime": ago(seconds=since)}]
    return found


def at_a_moment(first: bool, second: bool) -> Diagnosis:
    """The same two pods, each ready or not at this moment."""
    pods = [young(1, ready=first, turned=4), young(2, ready=second, turned=2)]
    events = [failed(1, 20, 225, 4), failed(2, 20, 221, 7)]
    return diagnosed(whole(230, first + second), *pods, *events)


def test_it_says_the_same_whoever_of_them_is_ready_at_that_moment() -> None:
    found = at_a_moment(first=True, second=True)
    assert told(found) == [("deployment/web", "probe-timing", "medium")]
    assert "all 2 pods not ready now and then" in found.findings[0].clue.text
    for first, second in ((True, False), (False, True), (False, False)):
        again = at_a_moment(first, second)
        assert told(again) == told(found)
        assert again.findings[0].clue.text == found.findings[0].clue.text
        assert not again.report().data["healthy"]


def test_without_a_deployment_it_is_seen_by_the_probes_that_passed_in_between() -> None:
    objects = [young(1, ready=True, turned=3, owner="StatefulSet/web"), failed(1, 12, 225, 5)]
    (finding,) = diagnosed(*objects).findings
    assert "not ready now and then" in finding.clue.text


@pytest.mark.parametrize(
    ("objects", "notice"),
    [
        # a slow start: each probe failed until the last did not
        ([young(1, ready=True, turned=10), failed(1, 24, 130, 15)], True),
        # a slower one, of which a node reports every failure no more
        ([young(1, ready=True, turned=10, age=900), failed(1, 27, 890, 15)], True),
        # the same of a deployment that was whole when it ended
        ([whole(10), young(1, ready=True, turned=11), failed(1, 24, 130, 15)], True),
        # an accident of a pod that is well
        ([whole(200), young(1, ready=True, turned=30), failed(1, 2, 40, 35)], True),
        # and one that is over
        ([young(1, ready=True, turned=200, age=2000), failed(1, 12, 400, 205)], False),
    ],
)
def test_what_just_started_is_no_finding(objects: list[Json], notice: bool) -> None:
    found = diagnosed(*objects)
    assert told(found) == []
    said = [one.text for one in found.notices if "became ready only just now" in one.text]
    assert bool(said) is notice, found.notices


def test_a_pod_that_is_not_ready_for_long_is_not_called_one_that_is_now_and_then() -> None:
    objects = [young(1, ready=False, turned=235, age=240), failed(1, 40, 230, 3)]
    (finding,) = diagnosed(whole(400, 0), *objects).findings
    assert "now and then" not in finding.clue.text


def test_settings_are_not_read_by_any_pod_that_started_before_they_were_changed() -> None:
    """Also by one of which nothing is seen at this moment."""
    written = {"manager": "kubectl", "time": ago(seconds=60)}
    settings = {
        "kind": "ConfigMap",
        "metadata": {
            "name": "web-settings",
            "namespace": "shop",
            "creationTimestamp": ago(days=3),
            "managedFields": [written],
        },
        "data": {"DB_POOL_SIZE": "20"},
    }
    reads = {"envFrom": [{"configMapRef": {"name": "web-settings"}}]}
    pods = [
        young(1, ready=False, turned=200, age=400),
        young(2, ready=True, turned=390, age=400),
    ]
    for one in pods:
        one["spec"]["containers"][0] |= reads
    log = "ERROR connection pool exhausted: 2 of 2 in use, waited 5000 ms"
    found = diagnosed(
        whole(395, 1),
        *pods,
        failed(1, 30, 200, 4),
        settings,
        logs={"web-aaa-1/web": log},
    )
    assert told(found) == [("deployment/web", "config-outdated", "high")]
    assert "all 2 pods started before it" in found.findings[0].clue.text


def test_a_failure_begins_when_something_first_failed_and_not_with_its_revision() -> None:
    """A pod that is not ready from its first moment has not failed by that."""
    sets = [
        replica_set("web", "old", 2, ago(days=2), resources={"limits": {"memory": "1Gi"}}),
        replica_set("web", "aaa", 3, ago(seconds=200), resources={"limits": {"memory": "1Mi"}}),
    ]
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": ago(seconds=100)}
    last = {"terminated": {**ended, "finishedAt": ago(seconds=60)}}
    dead = young(1, ready=False, turned=199, age=200, last=last, restarts=1)
    dead["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    (finding,) = diagnosed(deployment("web", 1, 0), *sets, dead).findings
    assert finding.clue.cause.value == "oom"
    # the run that ended last was a restart: the one before it ended when that began
    assert "Since 14:28:20Z, 100 s after revision 3" in finding.clue.text
    assert finding.clue.change is not None

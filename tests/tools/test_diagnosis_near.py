"""Diagnosis: what is a trouble beside what nearly is: evictions, gates, killing, balancers."""

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


def _evicted(number: int, message: str, **span: float) -> Json:
    gone = pod("web", number, ready=False)
    conditions = [{"type": "DisruptionTarget", "lastTransitionTime": ago(**span)}]
    gone["status"] = {"phase": "Failed", "reason": "Evicted", "message": message}
    gone["status"]["conditions"] = conditions
    return gone


def test_evictions_that_come_again_though_others_took_the_pods_place() -> None:
    full = 'Usage of EmptyDir volume "cache" exceeds the limit "500Mi". '
    web, well = deployment("web"), pod("web")
    often = [_evicted(n, full, minutes=9 * n) for n in (2, 3)]
    found = diagnosed(web, well, *often)
    assert told(found) == [("deployment/web", "ephemeral-storage", "high")]
    assert "2 pods of it were evicted since 14:03:00Z" in found.findings[0].clue.text
    once = diagnosed(web, well, _evicted(2, full, minutes=9))
    long_ago = diagnosed(web, well, *(_evicted(n, full, hours=n) for n in (2, 3)))
    assert once.findings == long_ago.findings == []
    assert "replaced since" in once.notices[0].text


def test_gates_hold_a_service_and_are_how_jobs_queue() -> None:
    gates = {"schedulingGates": [{"name": "shop/reserved"}]}
    for owner, findings in (
        ("ReplicaSet/web-aaa", [("deployment/web", "unschedulable", "medium")]),
        ("Job/web", []),
    ):
        held = pod("web", node="", ready=False, owner=owner, spec=gates)
        held["status"]["phase"] = "Pending"
        held["status"]["conditions"][0] |= {"status": "False", "reason": "SchedulingGated"}
        found = diagnosed(deployment("web"), held)
        assert told(found) == findings
        said = found.findings[0].clue if findings else found.notices[0]
        assert "only pod must wait for scheduling gates (shop/reserved)" in said.text


def test_a_pod_that_waits_for_a_node_since_seconds_is_a_notice() -> None:
    words = "0/4 nodes are available: 4 Insufficient cpu."
    for seconds, findings in (
        (20, []),
        (70, [("deployment/web", "unschedulable-resources", "high")]),
    ):
        made = pod("web", 2, node="", ready=False, made=ago(seconds=seconds))
        made["status"]["phase"] = "Pending"
        made["status"]["conditions"][0] |= {"reason": "Unschedulable", "message": words}
        found = diagnosed(deployment("web", 2), pod("web"), made)
        assert told(found) == findings
        assert any("Insufficient cpu" in one.text for one in found.notices) is not bool(findings)


def test_what_a_node_kills_is_not_called_a_crash_of_its_own() -> None:
    killed = crashing("web", 137)
    oom = warning("Node/node-1", "SystemOOM", "System OOM encountered, victim process: node")
    found = diagnosed(deployment("web", ready=0), killed, oom)
    assert told(found) == [("deployment/web", "oom", "medium")]
    assert "no memory limit of its own" in found.findings[0].clue.text
    alone = diagnosed(deployment("web", ready=0), killed, logs={"-web-aaa-1/web": "serving"})
    assert told(alone) == [("deployment/web", "crash", "medium")]
    assert "killed from outside" in alone.findings[0].clue.alternative


def test_a_hook_after_the_start_is_named_as_what_fails() -> None:
    said = "PostStartHook failed: command '/bin/register' exited with 1"
    report = warning("Pod/web-aaa-1", "FailedPostStartHook", said)
    found = diagnosed(deployment("web", ready=0), crashing("web", 137), report)
    assert told(found) == [("deployment/web", "crash", "high")]
    assert "/bin/register" in found.findings[0].clue.text


def test_a_kill_for_memory_began_with_its_end_and_not_with_what_was_reported_after() -> None:
    """The back-off is told of a minute later; what a pod has all its life is no beginning."""
    dead = crashing("web", 137, "OOMKilled", restarts=0, since=ago(minutes=2))
    later = warning("Pod/web-aaa-1", "BackOff", "Back-off restarting", first=ago(minutes=2))
    always = warning("Pod/web-aaa-1", "DNSConfigForming", "Nameserver limits", first=ago(days=3))
    found = diagnosed(deployment("web", ready=0), dead, later, always)
    assert told(found) == [("deployment/web", "oom", "high")]
    assert (
        "its only pod is killed for it (OOMKilled). Since 14:27:00Z." in found.findings[0].clue.text
    )


def test_a_balancer_that_is_refused_and_one_that_nobody_makes() -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = thing("Service", "web", spec=spec, status={"loadBalancer": {}})
    refused = warning("Service/web", "SyncLoadBalancerFailed", "no suitable subnets")
    found = diagnosed(deployment("web"), pod("web"), service, refused)
    assert told(found) == [("service/web", "load-balancer", "high")]
    quiet = diagnosed(deployment("web"), pod("web"), service)
    assert quiet.findings == []
    assert "no address of a load balancer" in quiet.notices[0].text
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.4"}]}}
    assert diagnosed(deployment("web"), pod("web"), service, refused).findings == []


def test_a_pod_of_nobody_that_failed_is_a_trouble_for_a_day() -> None:
    for span, cause in (({"minutes": 30}, "unknown"), ({"days": 3}, "")):
        done = {"terminated": {"exitCode": 130, "reason": "Error", "finishedAt": ago(**span)}}
        left = pod("debug", state=done, ready=False, status={"phase": "Failed"})
        del left["metadata"]["ownerReferences"]
        found = diagnosed(left)
        assert [one.clue.cause for one in found.findings] == ([cause] if cause else [])
        said = found.findings[0].clue.text if cause else found.notices[0].text
        assert "container debug exits with code 130" in said


def test_a_program_on_its_own_loopback_and_what_a_kubelet_says_beat_a_stuck_rollout() -> None:
    container = {
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
    }
    running = {"running": {"startedAt": ago(minutes=20)}}
    deaf = pod("web", state=running, ready=False, container=container)
    refused = "Readiness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused"
    report = warning("Pod/web-aaa-1", "Unhealthy", refused)
    line = {"web-aaa-1/web": "Listening on http://127.0.0.1:8080"}
    found = diagnosed(deployment("web", ready=0), deaf, report, logs=line)
    assert "127.0.0.1 only" in found.findings[0].clue.text
    line = {"web-aaa-1/web": "Listening on http://0.0.0.0:8080"}
    other = diagnosed(deployment("web", ready=0), deaf, report, logs=line)
    assert "127.0.0.1" not in other.findings[0].clue.text
    missing = deployment("web", ready=0)
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    missing["status"]["conditions"] = [stuck]
    said = 'failed to create subPath directory for volumeMount "data" of container "web"'
    held = waiting("web", "CreateContainerConfigError", said)
    found = diagnosed(missing, held)
    assert told(found) == [("deployment/web", "volume-mount", "high")]
    held = waiting("web", "CreateContainerError", "name is reserved")
    assert "name is reserved" in diagnosed(missing, held).findings[0].clue.text


def test_a_login_that_ran_out_and_a_namespace_that_goes() -> None:
    said = "pull access denied, repository does not exist or may require authorization:"
    for more, cause in (
        (" Your authorization token has expired.", ("image-unauthorized", "high")),
        (" insufficient_scope", ("image-not-found", "medium")),
    ):
        full = f'Failed to pull image "shop/web:1.0": {said}{more}'
        found = diagnosed(
            deployment("web", 2, ready=1),
            pod("web", 1, "aaa"),
            waiting(
                "web", "ErrImagePull", said + more, number=2, template="bbb", since=ago(minutes=9)
            ),
            replica_set("web", "aaa", 1, ago(days=9)),
            replica_set("web", "bbb", 2, ago(minutes=9), image="shop/web:2.0"),
            warning("Pod/web-bbb-2", "Failed", full),
        )
        assert told(found)[0][1:] == cause
    refused = 'Error creating: pods "web-x" is forbidden: unable to create new content in namespace'
    refused += " shop because it is being terminated"
    found = diagnosed(
        deployment("web", ready=0), warning("Deployment/web", "FailedCreate", refused)
    )
    assert told(found) == [("deployment/web", "terminating-stuck", "high")]


def test_a_full_volume_is_told_with_whether_it_may_grow() -> None:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-web"}}
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    dead = crashing("web", 1, container=mount, spec={"volumes": [volume]})
    claim = thing("PersistentVolumeClaim", "data-web", spec={"storageClassName": "gp3"})
    claim["status"] = {"phase": "Bound", "capacity": {"storage": "20Gi"}}
    line = {"-web-aaa-1/web": "write /data/a.log: no space left on device"}
    for grows, words in ((True, "lets it grow"), (False, "does not let it grow")):
        kind = thing("StorageClass", "gp3", "", allowVolumeExpansion=grows)
        found = diagnosed(deployment("web", ready=0), dead, claim, kind, logs=line)
        assert told(found) == [("persistentvolumeclaim/data-web", "volume-full", "high")]
        assert f"Class gp3 {words}" in found.findings[0].clue.text


def test_what_is_left_out_is_said() -> None:
    crowd = [crashing(f"w{n:02}", 1) for n in range(23)]
    shown = [
        thing("Ingress", f"i{n}", spec={"tls": [{"secretName": f"tls-{n}"}]}) for n in range(7)
    ]
    found = diagnosed(*crowd, *shown)
    assert found.not_checked == [
        "3 more logs: only 20 are read",
        "2 more certificates of ingresses: only 5 are looked at",
    ]
    assert diagnosed(*crowd[:20], *shown[:5]).not_checked == []


def test_a_service_of_a_task_has_pods_only_now_and_then() -> None:
    labels = {"metadata": {"labels": {"app": "nightly"}}}
    cron = thing("CronJob", "nightly", spec={"schedule": "0 3 * * *"}, status={})
    cron["spec"]["jobTemplate"] = {"spec": {"template": labels}}
    cron["metadata"]["creationTimestamp"] = ago(minutes=5)
    spec = {"selector": {"app": "nightly"}, "ports": [{"port": 80}]}
    found = diagnosed(cron, thing("Service", "nightly", spec=spec))
    assert found.findings == []
    assert "cronjob/nightly" in found.notices[0].text
    spec = {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}
    found = diagnosed(cron, thing("Service", "nobody", spec=spec))
    assert told(found) == [("service/nobody", "service-selector", "medium")]


def test_a_job_that_failed_once_and_runs_again_is_a_notice() -> None:
    for status, count in (
        ({"failed": 1, "active": 1, "ready": 1}, 0),
        ({"failed": 3, "active": 1}, 1),
    ):
        job = thing("Job", "load", spec={"backoffLimit": 6}, status=status)
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(minutes=4)}}
        failed = pod("load", state=ended, ready=False, owner="Job/load", status={"phase": "Failed"})
        assert len(diagnosed(job, failed).findings) == count


def test_an_autoscaler_at_its_limit_by_an_amount() -> None:
    state = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    goal = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "500Mi"}}
    for now, findings in (("900Mi", 1), ("0.3Gi", 0)):
        used = {"name": "memory", "current": {"averageValue": now}}
        hpa = thing(
            "HorizontalPodAutoscaler",
            "web",
            spec={
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 1,
                "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": goal}],
            },
            status={
                "currentReplicas": 3,
                "currentMetrics": [{"type": "Resource", "resource": used}],
                "conditions": [state],
            },
        )
        found = diagnosed(deployment("web"), pod("web"), hpa)
        assert len(found.findings) == findings
    assert "they suffice" in found.notices[0].text


def test_a_secret_that_was_renewed_just_before_is_where_to_look() -> None:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web-token", "key": "t"}}}]
    dead = crashing("web", 1, since=ago(minutes=20), container={"env": env})
    for when, cause in ((ago(minutes=22), "config-changed"), (ago(hours=9), "crash")):
        written = [{"manager": "external-secrets", "time": when}]
        secret = thing("Secret", "web-token")
        secret["metadata"]["managedFields"] = written
        found = diagnosed(deployment("web", ready=0), dead, secret, logs={"-web-aaa-1/web": "401"})
        assert found.findings[0].clue.cause == cause

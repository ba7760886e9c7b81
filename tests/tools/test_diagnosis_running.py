"""Diagnosis: what runs and is not well, or leads nowhere. Each state beside one nearly like it."""

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
    warning,
)
from tools.kubernetes.diagnosis.snapshot import Scope

PORTS = [{"name": "http", "containerPort": 8080}]


def unready(found: str, probe: Json, kind: str = "Readiness", **container: Any) -> list[Json]:
    """A pod whose probe fails."""
    parts = {"ports": PORTS, f"{kind.lower()}Probe": probe, **container}
    return [
        deployment("web", ready=0),
        pod("web", ready=False, container=parts),
        warning("Pod/web-aaa-1", "Unhealthy", f"{kind} probe failed: {found}"),
    ]


REFUSED = 'Get "http://10.0.0.1:9090/": dial tcp 10.0.0.1:9090: connect: connection refused'


@pytest.mark.parametrize(
    ("found", "probe", "cause", "confidence"),
    [
        (REFUSED, {"httpGet": {"port": 9090, "path": "/"}}, "probe-wrong-port", "high"),
        (REFUSED, {"httpGet": {"port": 8080, "path": "/"}}, "probe-failing", "medium"),
        (
            "HTTP probe failed with statuscode: 404",
            {"httpGet": {"port": "http"}},
            "probe-wrong-path",
            "high",
        ),
        (
            "HTTP probe failed with statuscode: 503",
            {"httpGet": {"port": "http"}},
            "probe-failing",
            "medium",
        ),
        (
            "context deadline exceeded",
            {"httpGet": {"port": "http"}, "timeoutSeconds": 1},
            "probe-timing",
            "high",
        ),
        (
            "stat: no such file or directory",
            {"exec": {"command": ["/bin/ok"]}},
            "probe-wrong-path",
            "high",
        ),
    ],
)
def test_what_a_probe_finds(found: str, probe: Json, cause: str, confidence: str) -> None:
    assert told(diagnosed(*unready(found, probe))) == [("deployment/web", cause, confidence)]


def test_the_port_that_the_program_names_settles_it() -> None:
    state = unready(REFUSED, {"httpGet": {"port": 8080, "path": "/"}})
    found = diagnosed(*state, logs={"web-aaa-1/web": "INFO listening on :3000"})
    assert told(found) == [("deployment/web", "probe-wrong-port", "high")]


def test_a_probe_that_kills_before_the_program_has_begun() -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 5, "failureThreshold": 2}
    ended = {"startedAt": ago(minutes=2), "finishedAt": ago(minutes=1, seconds=40)}
    state = (
        deployment("web", ready=0),
        crashing("web", 137, ended=ended, container={"ports": PORTS, "livenessProbe": probe}),
        warning("Pod/web-aaa-1", "Unhealthy", f"Liveness probe failed: {REFUSED}"),
    )
    found = diagnosed(*state, logs={"-web-aaa-1/web": "INFO loading 40000 rules"})
    assert told(found) == [("deployment/web", "probe-timing", "high")]
    alone = diagnosed(*state[:2], logs={"-web-aaa-1/web": "INFO loading 40000 rules"})
    assert told(alone) == [("deployment/web", "crash", "medium")]  # killed, and by whom?


def service(name: str, selector: str, port: int = 80, target: int | str = 8080) -> Json:
    """A service that selects by the label app."""
    ports = [{"port": port, "targetPort": target}]
    return thing("Service", name, spec={"selector": {"app": selector}, "ports": ports})


def test_one_database_that_is_broken_is_one_finding() -> None:
    """Its dependents are effects, whatever they die of."""
    env = [{"name": "DATABASE_URL", "value": "postgres://db:5432/shop"}]
    limited = {"resources": {"limits": {"memory": "64Mi"}}}
    refused = 'FATAL dial tcp: connect to "db:5432": connection refused'
    found = diagnosed(
        deployment("db", ready=0),
        crashing("db", 137, "OOMKilled", container=limited, since=ago(minutes=22)),
        service("db", "db", 5432, 5432),
        deployment("web", ready=0, container={"env": env}),
        crashing("web", container={"env": env}),
        deployment("api", ready=0, container={"env": env}),
        pod("api", ready=False, container={"env": env}),
        logs={"-web-aaa-1/web": refused},
    )
    assert told(found) == [("deployment/db", "oom", "high")]
    effects = " ".join(found.findings[0].effects)
    assert all(
        f"{name}: " in effects for name in ("deployment/web", "deployment/api", "service/db")
    )


def test_two_troubles_that_have_nothing_to_do_with_each_other_stay_two() -> None:
    found = diagnosed(
        deployment("db", ready=0),
        crashing("db", 137, "OOMKilled"),
        deployment("web", ready=0),
        crashing("web"),
        logs={"-web-aaa-1/web": "FATAL missing WEB_TOKEN_NAME"},
    )
    assert sorted(told(found)) == [
        ("deployment/db", "oom", "high"),
        ("deployment/web", "crash", "high"),
    ]


def test_services_that_lead_nowhere() -> None:
    well = (deployment("web"), pod("web", container={"ports": PORTS}))
    found = diagnosed(*well, service("web", "wbe"))
    assert told(found) == [("service/web", "service-selector", "high")]
    assert "The pods of deployment/web have app=web" in found.findings[0].clue.text
    found = diagnosed(*well, service("web", "web", target="grpc"))
    assert told(found) == [("service/web", "service-port", "high")]
    found = diagnosed(*well, service("web", "web", target=9999))
    assert told(found) == [("service/web", "service-port", "medium")]
    assert diagnosed(*well, service("web", "web", target="http")).findings == []
    idle = diagnosed(deployment("web", 0), service("web", "web"))
    assert idle.findings == []
    assert "scaled to 0" in " ".join(one.text for one in idle.notices)


def ingress(name: str, port: int = 80, **spec: Any) -> Json:
    """An ingress to one service."""
    backend = {"service": {"name": name, "port": {"number": port}}}
    rules = [{"http": {"paths": [{"path": "/", "backend": backend}]}}]
    return thing("Ingress", "front", spec={"rules": rules, **spec})


def test_ingresses_that_lead_nowhere() -> None:
    well = (deployment("web"), pod("web"), service("web", "web"))
    assert told(diagnosed(*well, ingress("wbe")))[0][:2] == ("ingress/front", "ingress-backend")
    assert told(diagnosed(*well, ingress("web", 81)))[0][:2] == ("ingress/front", "ingress-backend")
    assert diagnosed(*well, ingress("web")).findings == []
    nobody = diagnosed(
        *well, ingress("web", ingressClassName="ngnix"), thing("IngressClass", "nginx", "")
    )
    assert told(nobody) == [("ingress/front", "ingress-class", "high")]


def policy(name: str, app: str, **spec: Any) -> Json:
    """A network policy for the pods of an app."""
    return thing("NetworkPolicy", name, spec={"podSelector": {"matchLabels": {"app": app}}, **spec})


def test_a_policy_that_cuts_and_one_that_does_not() -> None:
    state = (
        deployment("db"),
        pod("db", container={"ports": [{"containerPort": 5432}]}),
        service("db", "db", 5432, 5432),
        deployment("web", ready=0),
        crashing("web"),
    )
    logs = {"-web-aaa-1/web": "FATAL dial tcp db:5432: i/o timeout"}
    closed = policy("closed", "db", policyTypes=["Ingress"], ingress=[])
    found = diagnosed(*state, closed, logs=logs)
    assert told(found) == [("networkpolicy/closed", "network-policy", "high")]
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}
    opened = policy("closed", "db", policyTypes=["Ingress"], ingress=[rule])
    assert told(diagnosed(*state, opened, logs=logs)) == [
        ("deployment/web", "dependency", "medium")
    ]
    lookup = {"-web-aaa-1/web": "FATAL lookup db on 10.96.0.10:53: read udp: i/o timeout"}
    mute = policy("mute", "web", policyTypes=["Egress"], egress=[{"ports": [{"port": 443}]}])
    assert told(diagnosed(*state, mute, logs=lookup))[0][:2] == (
        "networkpolicy/mute",
        "network-policy",
    )


def test_names_that_are_not_resolved() -> None:
    state = (deployment("web", ready=0), crashing("web"), service("db", "db", 5432, 5432))
    db = (deployment("db"), pod("db"))
    logs = {"-web-aaa-1/web": "FATAL getaddrinfo ENOTFOUND dbb"}
    found = diagnosed(*state, *db, logs=logs)
    assert told(found) == [("deployment/web", "service-missing", "high")]
    assert "There is a service/db." in found.findings[0].clue.text
    resolver = pod("coredns", ready=False, labels={"k8s-app": "kube-dns"})
    resolver["metadata"]["namespace"] = "kube-system"
    down = thing("Deployment", "coredns", "kube-system", spec=deployment("coredns")["spec"])
    logs = {"-web-aaa-1/web": "FATAL lookup db: Temporary failure in name resolution"}
    found = diagnosed(*state, *db, resolver, down, logs=logs)
    assert told(found)[0] == ("deployment/coredns", "dns", "high")


def test_a_database_that_was_scaled_to_nothing() -> None:
    logs = {"-web-aaa-1/web": "FATAL db:5432: connection refused"}
    found = diagnosed(
        deployment("db", 0),
        service("db", "db", 5432, 5432),
        deployment("web", ready=0),
        crashing("web"),
        logs=logs,
    )
    assert told(found) == [("deployment/db", "scaled-to-zero", "high")]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            'pods is forbidden: User "system:serviceaccount:shop:web" cannot list resource "pods"',
            "forbidden",
        ),
        ("open /data/x: permission denied", "permission-denied"),
        ("exec /app: exec format error", "image-platform"),
        ("x509: certificate has expired or is not yet valid", "certificate-expired"),
        ("write /tmp/x: no space left on device", "volume-full"),
    ],
)
def test_what_last_words_settle(line: str, cause: str) -> None:
    found = diagnosed(
        deployment("web", ready=0), crashing("web"), logs={"-web-aaa-1/web": f"INFO hi\n{line}"}
    )
    assert told(found)[0][:2] == ("deployment/web", cause)


def test_a_setting_that_was_changed_just_before() -> None:
    env = {"envFrom": [{"configMapRef": {"name": "web-config"}}]}
    settings = thing("ConfigMap", "web-config", data={"POOL_SIZE": "2"})
    settings["metadata"]["managedFields"] = [{"manager": "kubectl", "time": ago(minutes=21)}]
    state = (deployment("web", ready=0), crashing("web", container=env), settings)
    assert told(diagnosed(*state)) == [("deployment/web", "config-changed", "medium")]
    logs = {"-web-aaa-1/web": "ERROR connection pool exhausted: 2 of 2 in use"}
    assert told(diagnosed(*state, logs=logs)) == [("deployment/web", "config-changed", "high")]
    settings["metadata"]["managedFields"][0]["time"] = ago(days=3)
    assert told(diagnosed(*state)) == [("deployment/web", "crash", "medium")]


def test_a_setting_that_has_not_reached_its_readers() -> None:
    """Put right meanwhile, and read only at a start: only a restart mends it."""
    env = [{"configMapRef": {"name": "web-config"}}]
    settings = thing("ConfigMap", "web-config", data={"POOL_SIZE": "20"})
    settings["metadata"]["managedFields"] = [{"manager": "kubectl", "time": ago(minutes=1)}]
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "timeoutSeconds": 1}
    slow = "Get http://10.0.0.1:8080/ready: context deadline exceeded"
    state = (*unready(slow, probe, envFrom=env), settings)
    logs = {"-web-aaa-1/web": "ERROR connection pool exhausted: 2 of 2 in use"}
    found = diagnosed(*state, logs=logs)
    assert told(found)[0] == ("deployment/web", "config-outdated", "high")
    change = found.findings[0].clue.change
    assert change is not None
    assert change.tool == "rollout_restart"
    # without a number that tells, it is only worth knowing
    assert "config-outdated" not in str(told(diagnosed(*state)))
    assert "has the values of before until it is restarted" in str(diagnosed(*state).notices)
    settings["data"]["POOL_SIZE"] = "2"
    assert "config-outdated" not in str(told(diagnosed(*state, logs=logs)))


def autoscaler(*conditions: Json, used: int = 95) -> Json:
    """An autoscaler of web, at its most."""
    metric = {"type": "Resource", "resource": {"name": "cpu"}}
    spec = {"name": "cpu", "target": {"averageUtilization": 80}}
    current = {"name": "cpu", "current": {"averageUtilization": used}}
    return thing(
        "HorizontalPodAutoscaler",
        "web",
        spec={
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{**metric, "resource": spec}],
        },
        status={
            "currentReplicas": 3,
            "conditions": list(conditions),
            "currentMetrics": [{**metric, "resource": current}],
        },
    )


def test_autoscalers_at_their_limit_or_blind() -> None:
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    web = deployment("web", 3)
    assert told(diagnosed(web, autoscaler(limited))) == [
        ("horizontalpodautoscaler/web", "hpa-limit", "high")
    ]
    assert diagnosed(web, autoscaler(limited, used=60)).findings == []
    blind = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "missing request for cpu in container web of Pod web-1",
        "lastTransitionTime": ago(minutes=9),
    }
    assert told(diagnosed(web, autoscaler(blind))) == [
        ("horizontalpodautoscaler/web", "hpa-blind", "high")
    ]
    off = {**blind, "reason": "ScalingDisabled"}
    assert diagnosed(web, autoscaler(off)).findings == []


def job(name: str, owner: str = "", made: str = "", **status: Any) -> Json:
    """A job."""
    return thing("Job", name, owner=owner, made=made or ago(minutes=9), spec={}, status=status)


def ended(kind: str, reason: str) -> Json:
    """How a job ended."""
    return {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ago(minutes=5)}


def test_jobs_that_failed_and_cron_jobs_that_do_not_run() -> None:
    failed = job("report", conditions=[ended("Failed", "BackoffLimitExceeded")], failed=7)
    assert told(diagnosed(failed))[0][:2] == ("job/report", "job-failed")
    late = job("report", conditions=[ended("Failed", "DeadlineExceeded")])
    assert told(diagnosed(late))[0][:2] == ("job/report", "job-deadline")
    done = job("report", conditions=[ended("Complete", "")], succeeded=1)
    assert diagnosed(done).findings == []

    spec = {"schedule": "*/10 * * * *", "concurrencyPolicy": "Forbid"}
    cron = thing("CronJob", "report", spec=spec, status={"lastScheduleTime": ago(minutes=10)})
    first = job("report-1", "CronJob/report", ago(hours=2), conditions=[ended("Failed", "x")])
    newest = job("report-2", "CronJob/report", conditions=[ended("Complete", "")])
    assert diagnosed(cron, first, newest).findings == []
    assert told(diagnosed(cron, first))[0][:2] == ("cronjob/report", "job-failed")
    cron["status"]["lastScheduleTime"] = ago(hours=3)
    assert told(diagnosed(cron))[0] == ("cronjob/report", "cronjob-missed", "medium")
    hangs = job("report-3", "CronJob/report", ago(hours=3), active=1)
    assert told(diagnosed(cron, hangs))[0] == ("cronjob/report", "cronjob-blocked", "high")
    cron["spec"]["suspend"] = True
    assert diagnosed(cron).findings == []
    asked = diagnosed(cron, scope=Scope("shop", "cronjob", "report"))
    assert told(asked) == [("cronjob/report", "cronjob-suspended", "high")]


def test_rollouts_that_are_paused_or_lack_pods() -> None:
    paused = deployment("web", 3, paused=True)
    paused["status"]["updatedReplicas"] = 1
    pods = [pod("web", number) for number in (1, 2, 3)]
    found = diagnosed(paused, *pods)
    assert told(found) == [("deployment/web", "rollout-paused", "high")]
    assert found.findings[0].clue.change is not None
    paused["status"]["updatedReplicas"] = 3
    assert diagnosed(paused, *pods).findings == []
    assert told(diagnosed(deployment("web", 3, ready=2), *pods[:2])) == [
        ("deployment/web", "rollout-stuck", "low")
    ]


def test_replicas_that_are_not_alike() -> None:
    odd = pod("web", 2, image_id="x@sha256:2", ready=False)
    state = (deployment("web", 2, ready=1), pod("web"), odd)
    found = diagnosed(*state)
    assert told(found)[0][:2] == ("deployment/web", "probe-failing")
    assert any("sha256:2 in web-aaa-2" in line for line in found.findings[0].evidence)
    alike = diagnosed(deployment("web", 2), pod("web"), pod("web", 2, image_id="x@sha256:2"))
    assert alike.findings == []
    assert "2 different images" in alike.notices[0].text


def test_who_asks_about_one_workload_hears_of_it_and_of_what_it_hangs_on() -> None:
    state = (
        deployment("db", ready=0),
        crashing("db", 137, "OOMKilled"),
        service("db", "db", 5432, 5432),
        deployment("web", ready=0),
        crashing("web"),
        deployment("shop"),
        pod("shop"),
    )
    logs = {"-web-aaa-1/web": "FATAL db:5432: connection refused"}
    asked = diagnosed(*state, logs=logs, scope=Scope("shop", "deployment", "web"))
    assert told(asked) == [("deployment/db", "oom", "high")]
    beside = diagnosed(*state, logs=logs, scope=Scope("shop", "deployment", "shop"))
    report = beside.report()
    assert report.lines[0].startswith("Nothing is wrong with deployment/shop in shop; checked: ")
    assert "deployment/db is not well (oom)" in " ".join(report.lines)


def test_the_same_state_is_said_in_the_same_words_in_any_order() -> None:
    state = [
        deployment("db", ready=0),
        crashing("db", 137, "OOMKilled"),
        service("db", "db"),
        deployment("web", ready=0),
        replica_set("web", "aaa", 2, ago(days=2)),
        crashing("web"),
        service("web", "none"),
    ]
    first, second = diagnosed(*state).report(), diagnosed(*reversed(state)).report()
    assert first.data["findings"] == second.data["findings"]
    assert first.data["notices"] == second.data["notices"]


def test_who_asks_about_a_node_hears_of_the_node() -> None:
    node = thing("Node", "node-1", "", status={"conditions": [{"type": "Ready", "status": "True"}]})
    state = (node, deployment("web", ready=0), crashing("web"))
    found = diagnosed(*state, scope=Scope("", "node", "node-1")).report()
    assert found.lines[0].startswith("Nothing is wrong with node/node-1; checked: ")
    assert "deployment/web is not well (crash)" in found.lines[1]
    pressed = {"type": "DiskPressure", "status": "True", "message": "out of disk"}
    node["status"]["conditions"].append(pressed)
    asked = diagnosed(*state, scope=Scope("", "node", "node-1"))
    assert told(asked) == [("node/node-1", "node-pressure", "high")]
    everywhere = diagnosed(*state)
    assert told(everywhere) == [
        ("node/node-1", "node-pressure", "high"),
        ("deployment/web", "crash", "medium"),
    ]

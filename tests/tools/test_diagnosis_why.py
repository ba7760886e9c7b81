"""Diagnosis: the words that say why are found where they stand; time that was given is given."""

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

WEB = deployment("web", ready=0)


def _said(found: Diagnosis) -> str:
    clue = found.findings[0].clue
    return " ".join([clue.text, *found.findings[0].evidence])


def _quoted(log: str) -> str:
    """Which of its last words a crash is told with."""
    found = diagnosed(WEB, crashing("web"), logs={"-web-aaa-1/web": log})
    return found.findings[0].clue.text.partition('last words: "')[2].partition('".')[0]


def test_the_last_words_that_say_why_and_not_what_is_printed_after_them() -> None:
    go = "flag provided but not defined: -metrics-bind\nUsage of /server:\n-addr string\naddress"
    assert _quoted(go) == "flag provided but not defined: -metrics-bind"
    assert _quoted("starting\nusage: web [-h]\nweb: error: no such option --x").endswith("--x")
    node = "Error: Cannot find module '/app/x.js'\nat load (node:internal:1)\n\nNode.js v20.18.1"
    assert _quoted(node) == "Error: Cannot find module '/app/x.js'"
    panic = "panic: nil map\ngoroutine 1 [running]:\nmain.main()\n/src/main.go:57 +0x1d4"
    assert _quoted(panic) == "panic: nil map"
    # Near misses: the last line is the one, though lines before look worse.
    assert _quoted("usage of memory: 93%\nerror: x\ngiving up (7 tries)") == "giving up (7 tries)"
    assert _quoted("at 12 the error came\nRuntimeError('no')") == "RuntimeError('no')"
    assert _quoted("main.main()\n/src/main.go:57") == "/src/main.go:57"  # nothing else was said


def test_a_reason_at_the_end_of_a_long_report_is_not_cut_off() -> None:
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a-team/with-a-long-name/web:8.0.0"
    said = f'Failed to pull image "{image}": failed to resolve reference "{image}": unexpected'
    said += f" status from HEAD request to https://{image}: 503 Service Unavailable"
    made = waiting("web", "ImagePullBackOff", "Back-off", container={"image": image})
    found = diagnosed(WEB, made, warning("Pod/web-aaa-1", "Failed", said))
    assert told(found) == [("deployment/web", "image-unreachable", "high")]
    assert "503 Service Unavailable" in _said(found)
    assert all(len(line) < 340 for line in found.findings[0].evidence)


def test_a_termination_message_speaks_where_there_is_no_log() -> None:
    left = {"message": 'unknown region "eu-wset-1"\n'}
    found = diagnosed(WEB, crashing("web", 78, ended=left))
    assert 'Its last words: "unknown region "eu-wset-1"".' in _said(found)
    assert "termination message of pod/web-aaa-1 web 14:27:00Z" in _said(found)
    # A log says more, and what a runtime says of a start is none of the program's words.
    both = diagnosed(WEB, crashing("web", 78, ended=left), logs={"-web-aaa-1/web": "no region"})
    assert 'Its last words: "no region".' in _said(both)
    assert "termination message" not in _said(both)


def _unstarted(message: str, **parts: object) -> Json:
    return crashing("web", 128, "StartError", ended={"message": message}, **parts)


def test_a_container_that_cannot_be_set_up_is_told_with_why() -> None:
    said = 'runc create failed: chdir to cwd ("/srv/app") set in config.json failed: not there'
    found = diagnosed(WEB, _unstarted(said))
    assert told(found)[0][:2] == ("deployment/web", "command-not-found")
    assert "/srv/app" in _said(found)
    said = 'runc create failed: error mounting "/x/0" to rootfs at "/etc/web.conf": not a directory'
    mount = {"volumeMounts": [{"name": "c", "mountPath": "/etc/web.conf", "subPath": "web.conf"}]}
    source = {"volumes": [{"name": "c", "configMap": {"name": "web"}}]}
    broken = _unstarted(said, container=mount, spec=source)
    for key, cause in (("old.conf", "config-key-missing"), ("web.conf", "volume-mount")):
        found = diagnosed(WEB, broken, thing("ConfigMap", "web", data={key: ""}))
        assert told(found)[0][:2] == ("deployment/web", cause)
        assert ("key web.conf of configmap/web" in _said(found)) is (key == "old.conf")
    elsewhere = {"volumes": [{"name": "c", "secret": {"secretName": "web"}}]}
    found = diagnosed(WEB, _unstarted(said, container=mount, spec=elsewhere))
    assert told(found)[0][1] == "volume-mount"


def _starting(seconds: int, **probe: int) -> Json:
    made = pod(
        "web",
        2,
        state={"running": {"startedAt": ago(seconds=seconds)}},
        ready=False,
        made=ago(seconds=seconds),
        since=ago(seconds=seconds),
        container={"startupProbe": {"periodSeconds": 10, **probe}},
    )
    made["status"]["containerStatuses"][0]["started"] = False
    return made


def test_the_time_that_a_startup_probe_gives_is_given() -> None:
    said = "Startup probe failed: HTTP probe failed with statuscode: 503"
    fails = warning("Pod/web-aaa-2", "Unhealthy", said, first=ago(seconds=150))
    two = deployment("web", 2, ready=1)
    found = diagnosed(two, pod("web"), _starting(160, failureThreshold=60), fails)
    assert found.findings == []
    assert "gives it until 14:37:20Z (Startup probe failed" in found.notices[0].text
    for late in (_starting(160, failureThreshold=9), _starting(700, failureThreshold=60)):
        assert told(diagnosed(two, pod("web"), late, fails))[0][1] == "probe-failing"
    again = _starting(160, failureThreshold=60)
    again["status"]["containerStatuses"][0]["restartCount"] = 1  # it was given its time once
    assert told(diagnosed(two, pod("web"), again, fails))[0][1] == "probe-failing"


def test_an_image_that_is_being_pulled_is_waited_for_and_not_for_ever() -> None:
    two = deployment("web", 2, ready=1)
    for minutes, findings in ((3, []), (14, [("deployment/web", "image-pull", "medium")])):
        made = waiting("web", "ContainerCreating", number=2, made=ago(minutes=minutes))
        pulls = warning("Pod/web-aaa-2", "Pulling", "Pulling image", last=ago(minutes=minutes))
        pulls["type"] = "Normal"
        found = diagnosed(two, pod("web"), made, pulls)
        assert told(found) == findings
        assert ("waits for its image" in str(found.notices)) is (not findings)
    pulled = {**pulls, "reason": "Pulled", "lastTimestamp": ago(minutes=13)}
    pulled["metadata"] = {**pulls["metadata"], "name": "pulled"}
    found = diagnosed(two, pod("web"), made, pulls, pulled)
    assert told(found) == [("deployment/web", "unknown", "low")]


def _turned(number: int, reason: str, **span: float) -> Json:
    gone = pod("web", number, ready=False, made=ago(**span))
    gone["status"] = {"phase": "Failed", "reason": reason, "message": "Pod was rejected: no GPU"}
    return gone


def test_pods_that_a_kubelet_turns_away_again_and_again() -> None:
    web, well = deployment("web"), pod("web")
    often = [_turned(n, "UnexpectedAdmissionError", minutes=4 * n) for n in (2, 3)]
    found = diagnosed(web, well, *often)
    assert told(found) == [("deployment/web", "unschedulable", "high")]
    assert "node/node-1 does not take its pods, 2 pods since" in _said(found)
    once = diagnosed(web, well, often[0])
    long_ago = diagnosed(web, well, *(_turned(n, "NodeAffinity", hours=n) for n in (2, 3)))
    in_order = diagnosed(web, well, *(_turned(n, "Terminated", minutes=n) for n in (2, 3)))
    assert once.findings == long_ago.findings == in_order.findings == []


def _cron(last: str, **spec: object) -> Json:
    wanted = {"schedule": "*/5 * * * *", "concurrencyPolicy": "Forbid", **spec}
    return thing("CronJob", "poll", spec=wanted, status={"lastScheduleTime": last})


def test_a_cron_job_that_may_not_make_its_jobs() -> None:
    said = 'Error creating job: jobs.batch "poll-1" is forbidden: exceeded quota: objects,'
    said += (
        " requested: count/jobs.batch=1, used: count/jobs.batch=10, limited: count/jobs.batch=10"
    )
    refused = warning("CronJob/poll", "FailedCreate", said)
    found = diagnosed(_cron(ago(minutes=30)), refused)
    assert told(found) == [("cronjob/poll", "quota", "high")]
    assert "Its jobs may not be made" in _said(found)
    late = warning("CronJob/poll", "FailedCreate", said, last=ago(minutes=28))
    assert diagnosed(_cron(ago(minutes=1)), late).findings == []
    assert diagnosed(_cron(ago(minutes=30), suspend=True), refused).findings == []


def test_a_sidecar_that_outlives_its_task_holds_the_next_run() -> None:
    job = thing("Job", "poll-1", owner="CronJob/poll", made=ago(hours=2), status={"active": 1})
    held = pod("poll", owner="Job/poll-1", ready=False, made=ago(hours=2))
    done = {"terminated": {"exitCode": 0, "finishedAt": ago(hours=1)}}
    held["spec"] |= {"restartPolicy": "Never"}
    held["status"]["containerStatuses"][0] |= {"state": done}
    proxy = {"name": "proxy", "ready": True, "state": {"running": {"startedAt": ago(hours=2)}}}
    held["status"]["containerStatuses"].append({**proxy, "restartCount": 0})
    held["status"]["conditions"].append({"type": "ContainersReady", "status": "False"})
    found = diagnosed(_cron(ago(hours=2)), job, held)
    assert told(found) == [("cronjob/poll", "cronjob-blocked", "high")]
    assert "Container poll has done its work; proxy runs on." in _said(found)


def test_a_name_for_a_service_that_is_gone_and_one_for_a_name_elsewhere() -> None:
    log = {"-web-aaa-1/web": "Error: getaddrinfo ENOTFOUND billing"}
    for host, cause, words in (
        ("pay.shop.svc.cluster.local", "service-missing", "no service/pay in shop"),
        ("api.billing.example.com", "dependency", "It calls billing"),
    ):
        alias = thing("Service", "billing", spec={"type": "ExternalName", "externalName": host})
        found = diagnosed(WEB, crashing("web"), alias, logs=log)
        assert told(found)[0][:2] == ("deployment/web", cause)
        assert words in _said(found)
        leads = "service/billing leads there (externalName)" in _said(found)
        assert leads is (cause == "service-missing")


def test_a_volume_that_only_cordoned_nodes_can_reach() -> None:
    conflict = "4 node(s) had volume node affinity conflict"
    for words, cause in (
        (f"1 node(s) were unschedulable, {conflict}", "unschedulable-cordon"),
        (conflict, "volume-zone"),
        (f"1 node(s) were unschedulable, 1 Insufficient cpu, {conflict}", "volume-zone"),
    ):
        made = pod("web", node="", ready=False, made=ago(minutes=9))
        made["status"]["phase"] = "Pending"
        message = f"0/6 nodes are available: {words}."
        made["status"]["conditions"][0] |= {"reason": "Unschedulable", "message": message}
        found = diagnosed(WEB, made)
        assert told(found)[0][1] == cause

"""Pods as kubelets leave them: well, and in every kind of trouble that a status can tell of."""

from collections.abc import Sequence
from typing import Any

from tests.diagnosis.world import DAY, Object, World

_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{key}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for key in ("not-ready", "unreachable")
]


def template(
    name: str,
    image: str,
    *,
    port: int = 8080,
    env: Sequence[Object] = (),
    env_from: Sequence[Object] = (),
    cpu: str = "100m",
    memory: str = "256Mi",
    probe: str = "/healthz",
    volumes: Sequence[Object] = (),
    mounts: Sequence[Object] = (),
    account: str = "default",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A pod template with one container, as the API server completes it."""
    container: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": {"cpu": cpu, "memory": memory},
            "limits": {"memory": memory},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    if port:
        container["ports"] = [{"name": "http", "containerPort": port, "protocol": "TCP"}]
    if env:
        container["env"] = list(env)
    if env_from:
        container["envFrom"] = list(env_from)
    if mounts:
        container["volumeMounts"] = list(mounts)
    if probe and port:
        container["readinessProbe"] = http_probe(probe, "http")
        container["livenessProbe"] = http_probe(probe, "http", delay=15)
    body: Object = {
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": account,
        "serviceAccount": account,
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    if volumes:
        body["volumes"] = list(volumes)
    return {"metadata": {"labels": {"app": name, **(labels or {})}}, "spec": {**body, **spec}}


def http_probe(path: str, port: int | str, *, delay: int = 0) -> Object:
    """A probe with the API server's defaults."""
    probe: Object = {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}}
    if delay:
        probe["initialDelaySeconds"] = delay
    return {
        **probe,
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def pod(
    world: World, owner: Object, name: str, of: Object, *, age: float, node: Object | None
) -> Object:
    """A pod made from a template, running and ready; without a node it waits for one."""
    meta = owner["metadata"]
    labels = dict(of["metadata"]["labels"])
    if owner["kind"] == "ReplicaSet":
        labels["pod-template-hash"] = meta["labels"]["pod-template-hash"]
    token = f"kube-api-access-{world.letters(5)}"
    spec: Object = {
        **of["spec"],
        "containers": [
            {**one, "volumeMounts": [*one.get("volumeMounts", ()), _token_mount(token)]}
            for one in of["spec"]["containers"]
        ],
        "volumes": [*of["spec"].get("volumes", ()), _token_volume(token)],
        "tolerations": [*of["spec"].get("tolerations", ()), *_TOLERATIONS],
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "enableServiceLinks": True,
    }
    made = world.make(
        "Pod",
        name,
        age=age,
        namespace=meta["namespace"],
        metadata={
            "generateName": f"{meta['name']}-",
            "labels": labels,
            "annotations": dict(of["metadata"].get("annotations") or {}),
            "ownerReferences": [owned_by(owner)],
        },
        spec=spec,
        status={},
    )
    if node is None:
        wait_for_node(world, made, "")
        return made
    spec["nodeName"] = node["metadata"]["name"]
    _started(world, made, node, age)
    return made


def owned_by(owner: Object) -> Object:
    """The reference that its controller leaves on an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _token_mount(name: str) -> Object:
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    return {"name": name, "readOnly": True, "mountPath": path}


def _token_volume(name: str) -> Object:
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": authority},
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}


def _started(world: World, made: Object, node: Object, age: float) -> None:
    addresses = {one["type"]: one["address"] for one in node["status"]["addresses"]}
    ip = world.address()
    statuses = [
        _status(world, one, {"running": {"startedAt": world.ago(age - 4)}})
        for one in made["spec"]["containers"]
    ]
    init = made["spec"].get("initContainers") or ()
    made["status"] = {
        "phase": "Running",
        "conditions": [
            _condition("PodReadyToStartContainers", world.ago(age - 2)),
            _condition("Initialized", world.ago(age - 2)),
            _condition("Ready", world.ago(age - 12)),
            _condition("ContainersReady", world.ago(age - 12)),
            _condition("PodScheduled", world.ago(age)),
        ],
        "hostIP": addresses["InternalIP"],
        "hostIPs": [{"ip": addresses["InternalIP"]}],
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": world.ago(age),
        "containerStatuses": statuses,
        "qosClass": "Burstable",
    }
    if init:
        done = _ended(world, 0, "Completed", age - 1, age - 3)
        made["status"]["initContainerStatuses"] = [
            {**_status(world, one, {"terminated": done}), "started": False} for one in init
        ]


def _status(world: World, container: Object, state: Object) -> Object:
    image = container["image"]
    bare = image.rpartition(":")[0] or image
    return {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": "running" in state or (state.get("terminated") or {}).get("exitCode") == 0,
        "restartCount": 0,
        "image": image,
        "imageID": f"{bare}@sha256:{world.digest()}",
        "containerID": f"containerd://{world.digest()}",
        "started": "running" in state,
    }


def _condition(kind: str, at: str) -> Object:
    return {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": at}


def _ended(world: World, code: int, reason: str, finished: float, started: float) -> Object:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": world.ago(started),
        "finishedAt": world.ago(finished),
        "containerID": f"containerd://{world.digest()}",
    }


def container_of(made: Object, container: str = "") -> str:
    """The name of the container that is meant: the first one."""
    return container or str(made["spec"]["containers"][0]["name"])


def status_of(made: Object, container: str = "") -> Object:
    """The status of one container of a pod."""
    name = container_of(made, container)
    return next(one for one in made["status"]["containerStatuses"] if one["name"] == name)


def spell(world: World, made: Object, kind: str, **parts: Any) -> None:
    """Replace a condition of a pod."""
    kept = [one for one in made["status"].get("conditions", ()) if one["type"] != kind]
    made["status"]["conditions"] = [*kept, {"type": kind, "lastProbeTime": None, **parts}]


def unready(world: World, made: Object, since: float, container: str = "") -> None:
    """The pod's conditions when one of its containers is not ready."""
    name = container_of(made, container)
    for kind in ("Ready", "ContainersReady"):
        spell(
            world,
            made,
            kind,
            status="False",
            lastTransitionTime=world.ago(since),
            reason="ContainersNotReady",
            message=f"containers with unready status: [{name}]",
        )


def wait_for_node(world: World, made: Object, message: str, *, since: float = 0) -> None:
    """Pending: the scheduler found no place, and said why."""
    made["spec"].pop("nodeName", None)
    since = since or world.since(made["metadata"]["creationTimestamp"])
    scheduled = {"type": "PodScheduled", "status": "False", "lastProbeTime": None}
    scheduled |= {"lastTransitionTime": world.ago(since)}
    scheduled |= {"reason": "Unschedulable", "message": message}
    made["status"] = {"phase": "Pending", "conditions": [scheduled], "qosClass": "Burstable"}
    if message:
        count = max(1, int(since // 300))
        world.event(
            made,
            "FailedScheduling",
            message,
            first=since,
            last=since % 300,
            count=count,
            component="default-scheduler",
        )


def waiting(
    world: World,
    made: Object,
    reason: str,
    message: str = "",
    *,
    since: float = 600,
    container: str = "",
) -> None:
    """A container that could not be started yet."""
    name = container_of(made, container)
    state: Object = {"reason": reason} | ({"message": message} if message else {})
    status = status_of(made, name)
    status |= {"state": {"waiting": state}, "ready": False, "started": False}
    status |= {"imageID": "", "restartCount": 0, "lastState": {}}
    status.pop("containerID", None)
    made["status"]["phase"] = "Pending"
    unready(world, made, since, name)


def not_mounted(world: World, made: Object, since: float) -> None:
    """Every container waits for the pod's volumes or network."""
    made["status"].pop("podIP", None)
    made["status"].pop("podIPs", None)
    for one in made["spec"]["containers"]:
        waiting(world, made, "ContainerCreating", since=since, container=one["name"])
    kind = "PodReadyToStartContainers"
    spell(world, made, kind, status="False", lastTransitionTime=world.ago(since))


def crashing(
    world: World,
    made: Object,
    *,
    code: int = 1,
    reason: str = "Error",
    log: Sequence[str] = (),
    since: float = 900,
    restarts: int = 0,
    message: str = "",
    lived: float = 3,
    container: str = "",
    backing_off: bool = True,
) -> None:
    """A container that ends soon after each start; mostly the kubelet waits before the next one."""
    name, meta = container_of(made, container), made["metadata"]
    restarts = restarts or max(3, min(8, int(since // 150)) + int(since // 320) // 2)
    delay = min(300, 10 * 2 ** min(restarts - 1, 5))
    ended = world.random.randrange(8, max(9, min(delay, 200)))
    last = _ended(world, code, reason, ended, ended + lived)
    if message:
        last["message"] = message
    status = status_of(made, name)
    wait = (
        "5m0s" if delay >= 300 else f"{delay // 60}m{delay % 60}s" if delay >= 60 else f"{delay}s"
    )
    text = f"back-off {wait} restarting failed container={name} pod={meta['name']}"
    full = f"{text}_{meta['namespace']}({meta['uid']})"
    chance = world.random.random()
    state: Object = {"waiting": {"reason": "CrashLoopBackOff", "message": full}}
    if backing_off and chance < 0.1:
        state = {"terminated": last}
        last = _ended(world, code, reason, ended + delay, ended + delay + lived)
    elif backing_off and chance < 0.2 and lived > 2:
        state = {"running": {"startedAt": world.ago(1)}}
    status |= {"state": state, "lastState": {"terminated": last}, "restartCount": restarts}
    status |= {"ready": False, "started": "running" in state}
    made["status"]["phase"] = "Running"
    unready(world, made, since, name)
    world.event(
        made,
        "BackOff",
        f"Back-off restarting failed container {name} in pod {meta['name']}"
        f"_{meta['namespace']}({meta['uid']})",
        first=since - 20,
        last=min(ended, 40),
        count=max(4, int(since // 13)),
        container=name,
    )
    world.event(
        made,
        "Created",
        f"Created container: {name}",
        type="Normal",
        first=since,
        last=ended + lived,
        count=restarts + 1,
        container=name,
    )
    for previous in (False, True):
        world.log(made, list(log), previous=previous, container=name, until=ended)


def restarted(world: World, made: Object, *, ago: float, code: int = 1, times: int = 1) -> None:
    """It ended once, and has been well since."""
    reason = "OOMKilled" if code == 137 else "Error"
    status = status_of(made)
    status["lastState"] = {"terminated": _ended(world, code, reason, ago + 2, ago + 3 * DAY)}
    status["restartCount"] = times
    status["state"] = {"running": {"startedAt": world.ago(ago)}}
    for kind in ("Ready", "ContainersReady"):
        spell(world, made, kind, status="True", lastTransitionTime=world.ago(ago - 10))


def failing_probe(
    world: World,
    made: Object,
    kind: str,
    said: str,
    *,
    since: float = 900,
    count: int = 0,
    container: str = "",
) -> None:
    """A readiness probe that never succeeds: running, and not ready."""
    name = container_of(made, container)
    status = status_of(made, name)
    status["ready"] = False
    if kind == "Startup":
        status["started"] = False
    unready(world, made, since, name)
    world.event(
        made,
        "Unhealthy",
        f"{kind} probe failed: {said}",
        first=since - 5,
        last=world.random.randrange(2, 12),
        count=count or int(since // 10),
        container=name,
    )


def killed_by_probe(
    world: World,
    made: Object,
    kind: str,
    said: str,
    *,
    since: float = 1500,
    log: Sequence[str] = (),
    code: int = 143,
) -> None:
    """A liveness or startup probe that fails until the kubelet restarts the container."""
    name = container_of(made)
    crashing(
        world,
        made,
        code=code,
        reason="Error" if code else "Completed",
        log=log,
        since=since,
        lived=45,
    )
    failing_probe(world, made, kind, said, since=since, count=int(since // 25))
    world.event(
        made,
        "Killing",
        f"Container {name} failed {kind.lower()} probe, will be restarted",
        type="Normal",
        first=since - 30,
        last=60,
        count=status_of(made)["restartCount"],
        container=name,
    )


def evicted(world: World, made: Object, message: str, *, ago: float) -> None:
    """What is left of a pod that the kubelet evicted."""
    kept = {key: made["status"][key] for key in ("startTime", "hostIP") if key in made["status"]}
    disruption: Object = {"type": "DisruptionTarget", "status": "True", "lastProbeTime": None}
    disruption |= {"lastTransitionTime": world.ago(ago), "message": message}
    disruption |= {"reason": "TerminationByKubelet"}
    made["status"] = {
        **kept,
        "phase": "Failed",
        "reason": "Evicted",
        "message": message,
        "conditions": [disruption],
    }


def ended(world: World, made: Object, *, code: int, ago: float, lived: float = 30) -> None:
    """A pod that is not restarted: it succeeded or failed."""
    reason = "Completed" if code == 0 else "OOMKilled" if code == 137 else "Error"
    status = status_of(made)
    status |= {"state": {"terminated": _ended(world, code, reason, ago, ago + lived)}}
    status |= {"ready": False, "started": False}
    made["status"]["phase"] = "Failed" if code else "Succeeded"
    why = "PodFailed" if code else "PodCompleted"
    for kind in ("Ready", "ContainersReady"):
        at = world.ago(ago)
        spell(world, made, kind, status="False", reason=why, lastTransitionTime=at)


def leaving(world: World, made: Object, *, asked: float, grace: int = 30) -> None:
    """Somebody deleted it and it is not gone yet."""
    made["metadata"]["deletionTimestamp"] = world.ago(asked - grace)
    made["metadata"]["deletionGracePeriodSeconds"] = grace

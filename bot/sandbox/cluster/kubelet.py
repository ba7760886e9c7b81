"""The nodes: places pods, starts, watches, restarts and stops their containers in time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from bot.sandbox.cluster import fate, podstatus, scheduler, usage, volumes
from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.fate import Behaviour, ConfigurationMissing, Course, Timing
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import CLAIMS, NODES, PODS, Resource
from bot.sandbox.cluster.podstatus import Run, Slot
from bot.sandbox.cluster.store import Change, Object, Store


@dataclass
class Sandbox:
    """What a node knows of one pod beyond its status."""

    slots: list[Slot]
    killing: datetime | None = None
    started: datetime | None = None
    due: datetime | None = None  # of scheduling
    complained: bool = False


@dataclass(frozen=True)
class Memory:
    """All that nodes know beyond the stored objects, for keeping it."""

    sandboxes: dict[str, Sandbox]
    images: dict[str, set[str]]
    filled: dict[tuple[str, str], float]


def _no_load(*_: str) -> float:
    """Nobody asks anything of a cluster without traffic."""
    return 0.0


@dataclass
class Kubelet:
    """All nodes in one."""

    store: Store
    clock: Clock
    journal: Journal
    behaviours: Sequence[Behaviour]
    timing: Timing
    load_of: Callable[[str, str], float] = _no_load  # requests a second of each ready pod
    _sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    _images: dict[str, set[str]] = field(default_factory=dict)  # per node
    # What ended runs wrote to a claim (namespace and name), in bytes.
    _filled: dict[tuple[str, str], float] = field(default_factory=dict)

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a pod whenever it changes; a claim that is gone takes what was written along."""
        if change.resource is CLAIMS and change.type == "DELETED":
            meta = change.object["metadata"]
            self._filled.pop((meta["namespace"], meta["name"]), None)
        if change.resource is PODS:
            meta = change.object["metadata"]
            if change.type == "DELETED":
                self._sandboxes.pop(meta["uid"], None)
            else:
                yield meta["namespace"], meta["name"]

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring one pod as far as it should be by now."""
        pod = self.store.get(PODS, namespace, name)
        if pod is None:
            return None
        sandbox = self._sandboxes.get(pod["metadata"]["uid"])
        if sandbox is None:
            slots = [Slot(container) for container in pod["spec"]["containers"]]
            placing = self.clock.due(self.clock.now(), self.timing.schedule)
            sandbox = Sandbox(slots, due=placing)
            self._sandboxes[pod["metadata"]["uid"]] = sandbox
        if "deletionTimestamp" in pod["metadata"]:
            return self._stop(pod, sandbox)
        if "nodeName" not in pod["spec"]:
            return self._schedule(pod, sandbox)
        while (slot := self._next(sandbox)) is not None:
            self._advance(pod, slot)
        self._publish(pod, sandbox)
        return min((slot.due for slot in sandbox.slots if slot.due), default=None)

    def memory(self) -> Memory:
        """Return what must be kept so that containers go on after a restart."""
        return Memory(self._sandboxes, self._images, self._filled)

    def take_up(self, memory: Memory) -> None:
        """Go on with what an earlier time knew."""
        self._sandboxes, self._images = memory.sandboxes, memory.images
        self._filled = memory.filled

    def hasten(self) -> None:
        """Bring what containers wait for nearer by the clock's speed."""
        for sandbox in self._sandboxes.values():
            for slot in sandbox.slots:
                slot.due = self.clock.nearer(slot.due) if slot.due else None
                slot.probe_due = self.clock.nearer(slot.probe_due) if slot.probe_due else None

    def _next(self, sandbox: Sandbox) -> Slot | None:
        now = self.clock.now()
        return next((slot for slot in sandbox.slots if slot.due and slot.due <= now), None)

    # Scheduling.

    def _schedule(self, pod: Object, sandbox: Sandbox) -> datetime | None:
        now = self.clock.now()
        if sandbox.due and sandbox.due > now:
            return sandbox.due
        node, why = scheduler.place(self.store, pod)
        changed = clone(pod)
        if node is None:
            sandbox.due = self.clock.due(now, self.timing.schedule_retry)
            otherwise = {"reason": "Unschedulable", "message": why}
            before = pod["status"].get("conditions", [])
            unscheduled = podstatus.condition("PodScheduled", False, otherwise, before, now)
            changed["status"]["conditions"] = [unscheduled]
            self.store.update(PODS, changed)
            if not sandbox.complained:
                self._event(pod, "FailedScheduling", why, warning=True, by="default-scheduler")
                sandbox.complained = True
            return sandbox.due
        sandbox.started = now
        node_name = node["metadata"]["name"]
        changed["spec"]["nodeName"] = node_name
        zone = node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone")
        if zone:
            labels = changed["metadata"].setdefault("labels", {})
            labels["topology.kubernetes.io/zone"] = zone
        for slot in sandbox.slots:
            slot.due = self.clock.due(now, self.timing.create)
        self._fill_status(changed, sandbox)
        made = self.store.update(PODS, changed)
        self.journal.scheduled(made, node_name)
        return min(slot.due for slot in sandbox.slots if slot.due)

    # The life of a container.

    def _advance(self, pod: Object, slot: Slot) -> None:
        moment = slot.due or self.clock.now()
        match slot.step:
            case "creating":
                self._begin_pull(pod, slot, moment)
            case "pulling":
                self._end_pull(pod, slot, moment)
            case "pull failed":
                self._back_off_pull(pod, slot, moment)
            case "running":
                self._watch(pod, slot, moment)
            case "ended":
                self._after_end(pod, slot, moment)
            case "restarting":
                slot.restarts += 1
                slot.previous = slot.run
                self._begin_pull(pod, slot, moment)
            case _:
                slot.due = None

    def _begin_pull(self, pod: Object, slot: Slot, moment: datetime) -> None:
        image = slot.container["image"]
        if image in self._images.setdefault(pod["spec"]["nodeName"], set()):
            self._event(pod, "Pulled", f'Container image "{image}" already present on machine')
            self._start(pod, slot, moment)
            return
        self._event(pod, "Pulling", f'Pulling image "{image}"')
        seconds = fate.behaviour_of(image, self.behaviours).pull_seconds
        slot.step, slot.due = "pulling", self.clock.due(moment, seconds)

    def _end_pull(self, pod: Object, slot: Slot, moment: datetime) -> None:
        image = slot.container["image"]
        behaviour = fate.behaviour_of(image, self.behaviours)
        if behaviour.pullable:
            self._images[pod["spec"]["nodeName"]].add(image)
            took = f"{behaviour.pull_seconds:g}s"
            self._event(
                pod,
                "Pulled",
                f'Successfully pulled image "{image}" in {took} ({took} including waiting).',
            )
            slot.failures = 0
            self._start(pod, slot, moment)
            return
        where = f"docker.io/{image}"
        code, why = fate.pull_failure(behaviour, where)
        message = f'Failed to pull image "{image}": rpc error: code = {code} desc = {why}'
        self._event(pod, "Failed", message, warning=True)
        self._event(pod, "Failed", "Error: ErrImagePull", warning=True)
        slot.waiting = ("ErrImagePull", f"rpc error: code = {code} desc = {why}")
        slot.step, slot.due = "pull failed", self.clock.due(moment, self.timing.restart)

    def _back_off_pull(self, pod: Object, slot: Slot, moment: datetime) -> None:
        image = slot.container["image"]
        message = f'Back-off pulling image "{image}"'
        self._event(pod, "BackOff", message)
        self._event(pod, "Failed", "Error: ImagePullBackOff", warning=True)
        slot.waiting = ("ImagePullBackOff", message)
        slot.step, slot.due = "creating", self.clock.due(moment, self._backoff(slot.failures))
        slot.failures += 1

    def _backoff(self, failures: int) -> float:
        return float(min(self.timing.backoff * 2 ** min(failures, 30), self.timing.backoff_limit))

    def _start(self, pod: Object, slot: Slot, moment: datetime) -> None:
        lookup = partial(self._lookup, pod["metadata"]["namespace"])
        container = slot.container
        try:
            env = fate.environment(container, pod, lookup)
        except ConfigurationMissing as error:
            self._event(pod, "Failed", f"Error: {error}", warning=True)
            slot.waiting = ("CreateContainerConfigError", str(error))
            slot.step = "creating"
            slot.due = self.clock.due(moment, self.timing.config_retry)
            return
        behaviour = fate.behaviour_of(container["image"], self.behaviours)
        plan = fate.course(behaviour, container, pod, env, self._room(pod, container))
        seed = f"{pod['metadata']['uid']}/{slot.name}/{slot.restarts}"
        slot.run = Run(plan, moment, f"demo://{podstatus.digest(seed)}")
        slot.waiting, slot.step, slot.due = None, "running", None
        slot.probe_due, slot.failing = None, False
        if plan.probe_failure:
            probe = container["readinessProbe"]
            first = float(probe.get("initialDelaySeconds") or 0) + self._period(slot)
            if plan.flaps:
                first += 2 * self._period(slot)  # until its connections are all in use
            slot.probe_due = self.clock.due(moment, first)
        self._await_next(slot)
        self._event(pod, "Created", f"Created container: {slot.name}")
        self._event(pod, "Started", f"Started container {slot.name}")

    def _lookup(self, namespace: str, resource: Resource, name: str) -> Object | None:
        return self.store.get(resource, namespace, name)

    @staticmethod
    def _period(slot: Slot) -> float:
        return float(slot.container.get("readinessProbe", {}).get("periodSeconds") or 10)

    def _await_next(self, slot: Slot) -> None:
        """Set when something next happens to a running container."""
        run = slot.run
        if run is None:
            return
        moments = [slot.probe_due] if slot.probe_due else []
        if run.course.ready_after is not None and not (slot.ready or slot.failing):
            moments.append(self.clock.due(run.started, run.course.ready_after))
        if run.course.ends_after is not None:
            moments.append(self.clock.due(run.started, run.course.ends_after))
        slot.due = min(moments, default=None)

    def _watch(self, pod: Object, slot: Slot, moment: datetime) -> None:
        run = slot.run
        if run is None:
            return
        plan = run.course
        if plan.ends_after is not None and self.clock.due(run.started, plan.ends_after) <= moment:
            self._end(pod, slot, moment)
            return
        if plan.ready_after is not None and not (slot.ready or slot.failing):
            slot.ready = self.clock.due(run.started, plan.ready_after) <= moment
        if slot.probe_due and slot.probe_due <= moment:
            self._probe(pod, slot, plan)
            slot.probe_due = self.clock.due(moment, self._period(slot))
        self._await_next(slot)

    def _probe(self, pod: Object, slot: Slot, plan: Course) -> None:
        """Let the readiness probe fail, or, where it does so on and off, pass again."""
        if plan.flaps and not slot.ready and not slot.failing:
            return
        if slot.failing:
            slot.ready, slot.failing = True, False
            return
        finding = plan.probe_failure.format(ip=pod["status"].get("podIP", ""))
        self._event(pod, "Unhealthy", f"Readiness probe failed: {finding}", warning=True)
        if plan.flaps:
            slot.ready, slot.failing = False, True

    def _end(self, pod: Object, slot: Slot, moment: datetime) -> None:
        run = slot.run
        if run is None:
            return
        if run.course.unlive:
            self._tell_unlive(pod, slot, run.course.unlive)
        self._note_written(pod, slot, moment)
        run.ended, slot.ready, slot.probe_due, slot.failing = moment, False, None, False
        policy = pod["spec"].get("restartPolicy", "Always")
        if policy == "Never" or (policy == "OnFailure" and run.course.exit_code == 0):
            slot.step, slot.due = "finished", None
            return
        if run.course.ends_after and run.course.ends_after >= self.timing.steady:
            slot.failures = 0
        slot.step, slot.due = "ended", self.clock.due(moment, self.timing.restart)

    def _tell_unlive(self, pod: Object, slot: Slot, finding: str) -> None:
        for _ in range(int(slot.container["livenessProbe"].get("failureThreshold", 3))):
            self._event(pod, "Unhealthy", f"Liveness probe failed: {finding}", warning=True)
        message = f"Container {slot.name} failed liveness probe, will be restarted"
        self._event(pod, "Killing", message)

    # Volumes.

    def _room(self, pod: Object, container: Object) -> float | None:
        claim = volumes.claim_of(self.behaviours, pod, container)
        if claim is None:
            return None
        used, capacity = self.claim_usage(*claim) or (0, 0)
        return float(max(0, capacity - used))

    def _note_written(self, pod: Object, slot: Slot, moment: datetime) -> None:
        claim = volumes.claim_of(self.behaviours, pod, slot.container)
        if claim is not None and slot.run and not slot.run.ended:
            size = volumes.written(self.behaviours, slot, self.clock, moment)
            self._filled[claim] = self._filled.get(claim, 0.0) + size

    def claim_usage(self, namespace: str, claim: str) -> tuple[int, int] | None:
        """Return how full a claim is and what it holds, in bytes, or None for an unknown one."""
        stored = self.store.get(CLAIMS, namespace, claim)
        if stored is None:
            return None
        used = volumes.at_creation(stored) + self._filled.get((namespace, claim), 0.0)
        for pod in self.store.objects(PODS, namespace):
            for slot in self.slots(pod):
                mounted = volumes.claim_of(self.behaviours, pod, slot.container)
                if mounted == (namespace, claim) and slot.run and not slot.run.ended:
                    used += volumes.written(self.behaviours, slot, self.clock, self.clock.now())
        capacity = volumes.capacity(stored)
        return min(int(used), capacity), capacity

    def usage(self, namespace: str, name: str) -> tuple[int, int] | None:
        """Return a pod's CPU in millicores and memory in bytes, or None if nothing of it runs."""
        pod = self.store.get(PODS, namespace, name)
        if pod is None:
            return None
        running = [slot for slot in self.slots(pod) if slot.run and not slot.run.ended]
        if not running:
            return None
        load = self.load_of(namespace, pod["metadata"].get("labels", {}).get("app", ""))
        used = [usage.of_container(self.behaviours, slot, self.clock, load) for slot in running]
        return sum(cpu for cpu, _ in used), sum(memory for _, memory in used)

    def _after_end(self, pod: Object, slot: Slot, moment: datetime) -> None:
        slot.failures += 1
        if slot.failures == 1:
            slot.step, slot.due = "restarting", moment
            return
        meta = pod["metadata"]
        where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        wait = self._backoff(slot.failures - 2)
        slot.waiting = (
            "CrashLoopBackOff",
            f"back-off {_duration(wait)} restarting failed container={slot.name} pod={where}",
        )
        message = f"Back-off restarting failed container {slot.name} in pod {where}"
        self._event(pod, "BackOff", message, warning=True)
        slot.step, slot.due = "restarting", self.clock.due(moment, wait)

    # The end of a pod.

    def _stop(self, pod: Object, sandbox: Sandbox) -> datetime | None:
        now = self.clock.now()
        meta = pod["metadata"]
        if sandbox.killing is None:
            grace = float(meta.get("deletionGracePeriodSeconds", 30))
            running = [slot for slot in sandbox.slots if slot.run and not slot.run.ended]
            for slot in running:
                self._event(pod, "Killing", f"Stopping container {slot.name}")
            seconds = min(self.timing.terminate, grace) if running else 0.0
            sandbox.killing = self.clock.due(now, seconds)
        if sandbox.killing > now:
            return sandbox.killing
        for slot in sandbox.slots:
            self._note_written(pod, slot, now)
        self.store.delete(PODS, meta["namespace"], meta["name"])
        return None

    # Telling.

    def _publish(self, pod: Object, sandbox: Sandbox) -> None:
        current = self.store.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if current is None:
            return
        changed = {**current}  # the status is replaced whole, and the store copies the rest
        self._fill_status(changed, sandbox)
        self.store.update(PODS, changed)

    def _fill_status(self, pod: Object, sandbox: Sandbox) -> None:
        before = pod["status"].get("conditions", [])
        ip = pod["status"].get("podIP") or self._free_address(pod)
        status = {
            "phase": podstatus.phase(sandbox.slots),
            "conditions": podstatus.conditions(sandbox.slots, before, self.clock.now()),
            "hostIP": self._host_ip(pod["spec"]["nodeName"]),
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": stamp(sandbox.started or parse(pod["metadata"]["creationTimestamp"])),
            "containerStatuses": [slot.status() for slot in sandbox.slots],
            "qosClass": podstatus.quality(pod),
        }
        pod["status"] = status

    def _free_address(self, pod: Object) -> str:
        """One of its node's range that no other pod has."""
        node = self.store.get(NODES, "", pod["spec"]["nodeName"]) or {"spec": {}}
        network = str(node["spec"].get("podCIDR", "10.244.0.0/24")).rpartition(".")[0]
        taken = {other["status"].get("podIP") for other in self.store.objects(PODS)}
        first = int(podstatus.digest(pod["metadata"]["uid"])[:4], 16)
        every = (f"{network}.{(first + step) % 253 + 2}" for step in range(253))
        return next((ip for ip in every if ip not in taken), f"{network}.1")

    def _host_ip(self, name: str) -> str:
        node = self.store.get(NODES, "", name)
        addresses = node["status"]["addresses"] if node else []
        return next((str(a["address"]) for a in addresses if a["type"] == "InternalIP"), "")

    def _event(
        self,
        pod: Object,
        reason: str,
        message: str,
        *,
        warning: bool = False,
        by: str = "kubelet",
    ) -> None:
        self.journal.write(PODS, pod, reason, message, component=by, warning=warning)

    def slots(self, pod: Object) -> list[Slot]:
        """Return where the containers of a pod stand, for reading logs."""
        sandbox = self._sandboxes.get(pod["metadata"]["uid"])
        return sandbox.slots if sandbox else [Slot(c) for c in pod["spec"]["containers"]]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"

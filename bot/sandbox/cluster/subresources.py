"""The sub-resources that are not objects of their own: scale, eviction and log."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster import executing, fate, selectors, status
from bot.sandbox.cluster.calls import TRUE, Call
from bot.sandbox.cluster.clock import Clock, micro_stamp, parse
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import BUDGETS, PODS, Resource
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.outages import Line
from bot.sandbox.cluster.podstatus import Run, Slot
from bot.sandbox.cluster.removal import Removal
from bot.sandbox.cluster.replicasets import is_active, is_ready
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.store import Object, Store
from bot.sandbox.cluster.verbs import Answer, Verbs, patched

_SCALE = Resource("autoscaling", "v1", "scales", "Scale", status=False)


def _as_written(_: Object, lines: Iterable[Line]) -> list[Line]:
    return list(lines)


@dataclass
class Subresources:
    """Everything below an object's own path except its status."""

    store: Store
    clock: Clock
    verbs: Verbs
    removal: Removal
    kubelet: Kubelet
    retell: Callable[[Object, Iterable[Line]], list[Line]] = _as_written  # as its calls went

    def scale(self, call: Call) -> Answer:
        """Show or set how many replicas a workload should have."""
        resource = call.place.resource
        current = self.verbs.current(call)
        before = _scale(current)
        if call.verb == "get":
            return 200, before
        if call.verb not in ("update", "patch"):
            raise status.not_allowed()
        body = call.json()
        wanted = patched(call, before, body) if call.verb == "patch" else body
        if not isinstance(wanted, dict):
            raise status.bad_request("the request body is not a Scale")
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if isinstance(replicas, bool) or not isinstance(replicas, int):
            raise status.bad_request("json: cannot unmarshal spec.replicas into an integer")
        if replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            causes = [("FieldValueInvalid", why, "spec.replicas")]
            raise status.invalid(_SCALE, call.place.name, causes)
        given = (wanted.get("metadata") or {}).get("resourceVersion")
        if given and given != current["metadata"]["resourceVersion"]:
            raise status.conflict(resource, call.place.name)
        changed = clone(current)
        changed["spec"]["replicas"] = replicas
        return 200, _scale(self.verbs.put(call, current, changed))

    def evict(self, call: Call) -> Answer:
        """Delete a pod unless a disruption budget forbids it."""
        if call.verb != "create":
            raise status.not_allowed()
        pod = self.verbs.current(call)
        body = call.json()
        options: Any = body.get("deleteOptions") if isinstance(body, dict) else None
        dry = call.dry_run or (options or {}).get("dryRun") == ["All"]
        budgets = [
            budget
            for budget in self.store.objects(BUDGETS, call.place.namespace)
            if selectors.matches(
                selectors.of_object(budget["spec"].get("selector")), pod["metadata"].get("labels")
            )
        ]
        for budget in budgets:
            self._ask(budget, pod)
        for budget in budgets if not dry and is_ready(pod) is not None and is_active(pod) else ():
            # counted at once, or the next eviction would be allowed by the same number
            changed = clone(budget)
            counted = changed.setdefault("status", {})
            counted["disruptionsAllowed"] = max(0, counted.get("disruptionsAllowed", 0) - 1)
            self.store.update(BUDGETS, changed)
        self.removal.begin(PODS, pod, options or {}, dry_run=dry)
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return 201, {**success, "code": 201}

    @staticmethod
    def _ask(budget: Object, pod: Object) -> None:
        counted = budget.get("status", {})
        if is_ready(pod) is None or not is_active(pod) or counted.get("disruptionsAllowed", 0) > 0:
            return
        name, desired = budget["metadata"]["name"], counted.get("desiredHealthy", 0)
        message = (
            f"The disruption budget {name} needs {desired} healthy pods and has "
            f"{counted.get('currentHealthy', 0)} currently"
        )
        cause = {"reason": "DisruptionBudget", "message": message}
        why = "Cannot evict pod as it would violate the pod's disruption budget."
        raise ApiError(429, "TooManyRequests", why, {"causes": [cause]})

    def execute(self, call: Call, words: list[str]) -> tuple[str, int]:
        """Return what a command writes in a container, and its exit code. Raises ApiError."""
        if not words:
            raise status.bad_request("you must specify at least 1 command for the container")
        pod = self.verbs.current(call)
        slot = self._slot(pod, call.query.get("container", ""))
        if slot.run is None or slot.run.ended is not None:
            message = f'container not found ("{slot.name}")'
            raise ApiError(500, "InternalError", message)
        return executing.answer(self.store, pod, slot, words)

    def is_writing(self, call: Call) -> bool:
        """Say whether the container whose log is read still runs. Raises ApiError."""
        slot = self._slot(self.verbs.current(call), call.query.get("container", ""))
        asked_for_last = call.query.get("previous") in TRUE
        return slot.run is not None and slot.run.ended is None and not asked_for_last

    def log(self, call: Call) -> str:
        """Return what a container wrote."""
        if call.verb != "get":
            raise status.not_allowed()
        pod = self.verbs.current(call)
        slot = self._slot(pod, call.query.get("container", ""))
        run = _chosen_run(pod, slot, previous=call.query.get("previous") in TRUE)
        lines = self.retell(pod, fate.log_lines(run.course, self.clock, run.started, run.ended))
        since = call.number("sinceSeconds")
        if since is not None:
            now = self.clock.now()
            lines = [line for line in lines if (now - line[0]).total_seconds() <= since]
        if after := call.query.get("sinceTime"):
            try:
                start = parse(after)
            except ValueError as error:
                raise status.bad_request(f"invalid sinceTime: {after}") from error
            lines = [line for line in lines if line[0] >= start]
        tail = call.number("tailLines")
        if tail is not None:
            lines = lines[-tail:] if tail else []
        stamped = call.query.get("timestamps") in TRUE
        text = "".join(f"{micro_stamp(m)} {t}\n" if stamped else f"{t}\n" for m, t in lines)
        limit = call.number("limitBytes")
        return text.encode()[:limit].decode(errors="ignore") if limit is not None else text

    def _slot(self, pod: Object, name: str) -> Slot:
        slots = self.kubelet.slots(pod)
        pod_name = pod["metadata"]["name"]
        if not name and len(slots) > 1:
            choices = " ".join(slot.name for slot in slots)
            raise status.bad_request(
                f"a container name must be specified for pod {pod_name}, choose one of: [{choices}]"
            )
        found = next((slot for slot in slots if name in ("", slot.name)), None)
        if found is None:
            raise status.bad_request(f"container {name} is not valid for pod {pod_name}")
        return found


def _chosen_run(pod: Object, slot: Slot, *, previous: bool) -> Run:
    name = pod["metadata"]["name"]
    if previous:
        last = slot.last()
        if last is None:
            message = f'previous terminated container "{slot.name}" in pod "{name}" not found'
            raise status.bad_request(message)
        return last
    if slot.run is None:
        reason = slot.waiting[0] if slot.waiting else "ContainerCreating"
        if reason in ("ImagePullBackOff", "ErrImagePull"):
            reason = "trying and failing to pull image"
        message = f'container "{slot.name}" in pod "{name}" is waiting to start: {reason}'
        raise status.bad_request(message)
    return slot.run


def _scale(thing: Object) -> Object:
    meta = thing["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": thing["spec"].get("replicas", 1)},
        "status": {
            "replicas": thing.get("status", {}).get("replicas", 0),
            "selector": selectors.write(thing["spec"].get("selector") or {}),
        },
    }

"""The deployment controller: revisions, rolling updates, deadlines, as the real one does them."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster import fields
from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from bot.sandbox.cluster.ownership import concerned, made_by
from bot.sandbox.cluster.quantities import share
from bot.sandbox.cluster.replicasets import FAILURE, NAME_LETTERS
from bot.sandbox.cluster.store import Change, Object, Store, owner_of, owner_reference

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"
NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
)


@dataclass
class Deployments:
    """The controller of deployments."""

    store: Store
    clock: Clock
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a deployment when it, a replica set of it or a pod of those changes."""
        yield from concerned(change, DEPLOYMENTS, REPLICA_SETS)
        if change.resource is PODS and change.type == "DELETED":
            meta, owner = change.object["metadata"], owner_of(change.object)
            parent = owner and self.store.get(REPLICA_SETS, meta["namespace"], owner["name"])
            above = owner_of(parent) if parent else None
            if above:
                yield meta["namespace"], above["name"]

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Take one step of the rollout; each step's effect brings the next call."""
        deployment = self.store.get(DEPLOYMENTS, namespace, name)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return None
        owned = self.owned(deployment)
        new = find_new(deployment, owned)
        if deployment["spec"].get("paused"):
            self._scale_all(deployment, new, owned)
        elif not self._was_scaled(deployment, owned):
            if deployment["spec"]["strategy"]["type"] == "Recreate":
                self._recreate(deployment, new, owned)
            else:
                self._roll(deployment, new, owned)
            self._forget_history(deployment)
        else:
            self._scale_all(deployment, new, owned)
        return self._write_status(namespace, name)

    def owned(self, deployment: Object) -> list[Object]:
        """Return the deployment's replica sets."""
        return made_by(self.store, deployment, REPLICA_SETS)

    # Revisions.

    def _new_set(self, deployment: Object, new: Object | None, owned: list[Object]) -> Object:
        """Return the replica set of the current template, with its revision number in place."""
        newest = max((revision(rs) for rs in owned if rs is not new), default=0)
        wanted = newest + 1
        created = new is None
        if new is None:
            new = self._create(deployment, wanted, owned)
        elif revision(new) < wanted:
            new = self._renumber(deployment, new, wanted)
        self._note_revision(deployment, new, created=created)
        return new

    def _create(self, deployment: Object, number: int, owned: list[Object]) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        template = clone(spec["template"])
        short = self._free_hash(meta, template)
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = short
        selector = clone(spec["selector"])
        selector.setdefault("matchLabels", {})[HASH] = short
        replicas = self._allowed(deployment, 0, owned)
        wanted = {
            "metadata": {
                "name": f"{meta['name']}-{short}",
                "namespace": meta["namespace"],
                "labels": dict(labels),
                "annotations": {**self._annotations(deployment), REVISION: str(number)},
                "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
            },
            "spec": {
                "replicas": replicas,
                "selector": selector,
                "template": template,
                **_patience(spec),
            },
            "status": {"replicas": 0},
        }
        fields.note_update(wanted, None, fields.controller("apps/v1", self.clock))
        made = self.store.create(REPLICA_SETS, wanted)
        if replicas:
            self._scaled(deployment, made, 0, replicas)
        return made

    def _free_hash(self, meta: Object, template: Object) -> str:
        """The template's, unless somebody gave the replica set of that name another template."""
        short, collisions = template_hash(template), 0
        while self.store.get(REPLICA_SETS, meta["namespace"], f"{meta['name']}-{short}"):
            collisions += 1
            short = template_hash({**template, "collisions": collisions})
        return short

    def _annotations(self, deployment: Object) -> Object:
        own = deployment["metadata"].get("annotations", {})
        desired, surge, _ = bounds(deployment)
        return {
            **{key: value for key, value in own.items() if key not in NOT_COPIED},
            DESIRED: str(desired),
            MAXIMUM: str(desired + surge),
        }

    def _renumber(self, deployment: Object, replica_set: Object, number: int) -> Object:
        """Give an old template that is wanted again the newest revision number."""
        changed = clone(replica_set)
        notes = changed["metadata"].setdefault("annotations", {})
        if REVISION in notes:
            notes[HISTORY] = ",".join(filter(None, [notes.get(HISTORY), notes[REVISION]]))
        notes |= {**self._annotations(deployment), REVISION: str(number)}
        return self.store.update(REPLICA_SETS, changed)

    def _note_revision(self, deployment: Object, new: Object, *, created: bool) -> None:
        number = str(revision(new))
        known = deployment["metadata"].get("annotations", {}).get(REVISION)
        if known == number and not created:
            return
        changed = clone(deployment)
        changed["metadata"].setdefault("annotations", {})[REVISION] = number
        if created:
            status = changed.setdefault("status", {})
            conditions = Conditions(deployment, self.clock, status.get("conditions", []))
            conditions.note_created(new["metadata"]["name"])
            status["conditions"] = conditions.all()
        self.store.update(DEPLOYMENTS, changed)

    def _forget_history(self, deployment: Object) -> None:
        kept = deployment["spec"].get("revisionHistoryLimit", 10)
        owned = self.owned(deployment)
        new = find_new(deployment, owned)
        idle = [
            rs
            for rs in owned
            if rs is not new and not rs["spec"]["replicas"] and not rs["status"].get("replicas")
        ]
        for rs in sorted(idle, key=revision)[: max(0, len(idle) - kept)]:
            self.store.delete(REPLICA_SETS, rs["metadata"]["namespace"], rs["metadata"]["name"])

    # Scaling.

    def _was_scaled(self, deployment: Object, owned: list[Object]) -> bool:
        desired = str(deployment["spec"]["replicas"])
        return any(
            rs["spec"]["replicas"] and rs["metadata"].get("annotations", {}).get(DESIRED) != desired
            for rs in owned
        )

    def _scale_all(self, deployment: Object, new: Object | None, owned: list[Object]) -> None:
        """Spread a changed replica count over the replica sets that run, by their share."""
        active = [rs for rs in owned if rs["spec"]["replicas"]]
        desired, surge, _ = bounds(deployment)
        if len(active) <= 1:
            latest = active[0] if active else (new or max(owned, key=revision, default=None))
            if latest is not None:
                self._scale(deployment, latest, desired)
            return
        if new is not None and _saturated(deployment, new):
            for rs in active:
                if rs is not new:
                    self._scale(deployment, rs, 0)
            self._scale(deployment, new, desired)
            return
        rolling = deployment["spec"]["strategy"]["type"] == "RollingUpdate"
        total = sum(rs["spec"]["replicas"] for rs in active)
        allowed = desired + surge if rolling and desired else desired
        left = allowed - total
        ordered = sorted(active, key=lambda rs: (-rs["spec"]["replicas"], -revision(rs)))
        for rs in ordered:
            size = rs["spec"]["replicas"]
            part = round(size * allowed / total) - size
            part = max(min(part, left), 0) if left > 0 else min(max(part, left), 0)
            left -= part
            if rs is ordered[-1]:
                part += left  # what rounding left over
            self._scale(deployment, rs, max(0, size + part))

    def _scale(self, deployment: Object, replica_set: Object, size: int) -> None:
        meta = replica_set["metadata"]
        current = self.store.get(REPLICA_SETS, meta["namespace"], meta["name"])
        if current is None:
            return
        changed = clone(current)
        before = changed["spec"]["replicas"]
        changed["spec"]["replicas"] = size
        notes = changed["metadata"].setdefault("annotations", {})
        desired, surge, _ = bounds(deployment)
        notes |= {DESIRED: str(desired), MAXIMUM: str(desired + surge)}
        self.store.update(REPLICA_SETS, changed)
        if before != size:
            self._scaled(deployment, changed, before, size)

    def _scaled(self, deployment: Object, replica_set: Object, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        by = "deployment-controller"
        self.journal.write(DEPLOYMENTS, deployment, "ScalingReplicaSet", message, component=by)

    # Strategies.

    def _allowed(self, deployment: Object, size: int, owned: list[Object]) -> int:
        """Return to how many replicas the new set may grow now."""
        desired, surge, _ = bounds(deployment)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return desired
        total = sum(rs["spec"]["replicas"] for rs in owned)
        room = desired + surge - total
        return size if room <= 0 else min(size + room, desired)

    def _roll(self, deployment: Object, new: Object | None, owned: list[Object]) -> None:
        new = self._new_set(deployment, new, owned)
        owned = self.owned(deployment)
        size = new["spec"]["replicas"]
        desired, _, unavailable = bounds(deployment)
        grown = desired if size > desired else self._allowed(deployment, size, owned)
        if grown != size:
            self._scale(deployment, new, grown)
            return
        uid = new["metadata"]["uid"]
        old = [rs for rs in owned if rs["metadata"]["uid"] != uid and rs["spec"]["replicas"]]
        total = sum(rs["spec"]["replicas"] for rs in owned)
        new_unavailable = size - new["status"].get("availableReplicas", 0)
        spare = total - (desired - unavailable) - new_unavailable
        if not old or spare <= 0:
            return
        self._drop_unhealthy(deployment, old, spare)
        self._drop_healthy(deployment, desired - unavailable)

    def _drop_unhealthy(self, deployment: Object, old: list[Object], spare: int) -> None:
        for rs in sorted(old, key=_age):
            size = rs["spec"]["replicas"]
            drop = min(spare, size - rs["status"].get("availableReplicas", 0))
            if drop > 0:
                self._scale(deployment, rs, size - drop)
                spare -= drop

    def _drop_healthy(self, deployment: Object, minimum: int) -> None:
        owned = self.owned(deployment)
        new = find_new(deployment, owned)
        spare = sum(_available(rs) for rs in owned) - minimum
        for rs in sorted((rs for rs in owned if rs is not new), key=_age):
            drop = min(spare, rs["spec"]["replicas"])
            if drop > 0:
                self._scale(deployment, rs, rs["spec"]["replicas"] - drop)
                spare -= drop

    def _recreate(self, deployment: Object, new: Object | None, owned: list[Object]) -> None:
        old = [rs for rs in owned if rs is not new]
        running = [rs for rs in old if rs["spec"]["replicas"]]
        for rs in running:
            self._scale(deployment, rs, 0)
        if running or any(self._has_pods(rs) for rs in old):
            return
        new = self._new_set(deployment, new, owned)
        self._scale(deployment, new, deployment["spec"]["replicas"])

    def _has_pods(self, replica_set: Object) -> bool:
        return bool(made_by(self.store, replica_set, PODS))

    # Status.

    def _write_status(self, namespace: str, name: str) -> datetime | None:
        deployment = self.store.get(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return None
        owned = self.owned(deployment)
        new = find_new(deployment, owned)
        changed = clone(deployment)
        before = deployment.get("status", {})
        status = count(deployment, owned, new)
        conditions = Conditions(deployment, self.clock, before.get("conditions", []))
        conditions.repeat_failure(owned)
        conditions.judge_available(status)
        due = conditions.judge_progress(before, status, new)
        status["conditions"] = conditions.all()
        changed["status"] = status
        self.store.update(DEPLOYMENTS, changed)
        return due


def _patience(spec: Object) -> Object:
    return {"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}


def _available(replica_set: Object) -> int:
    """Return how many pods are available, not counting those already given up."""
    counted = int(replica_set["status"].get("availableReplicas", 0))
    return min(counted, int(replica_set["spec"]["replicas"]))


def _age(replica_set: Object) -> tuple[str, int]:
    return replica_set["metadata"]["creationTimestamp"], revision(replica_set)


def _saturated(deployment: Object, replica_set: Object) -> bool:
    desired = deployment["spec"]["replicas"]
    noted = replica_set["metadata"].get("annotations", {}).get(DESIRED)
    full: bool = replica_set["spec"]["replicas"] == desired and noted == str(desired)
    return full and _available(replica_set) == desired


def revision(replica_set: Object) -> int:
    """Return the revision number of a replica set, 0 without one."""
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def template_hash(template: Object) -> str:
    """Return the short name of a pod template, in the letters that Kubernetes uses."""
    number = zlib.crc32(json.dumps(template, sort_keys=True).encode())
    return "".join(NAME_LETTERS[int(digit) * 2 + 1] for digit in f"{number:010d}")


def find_new(deployment: Object, owned: list[Object]) -> Object | None:
    """Return the replica set whose template is the deployment's, the oldest if several."""
    same = [
        rs for rs in owned if bare(rs["spec"]["template"]) == bare(deployment["spec"]["template"])
    ]
    return min(same, key=_age, default=None)


def bare(template: Object) -> Object:
    """Return a pod template without the label that the controller adds."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def bounds(deployment: Object) -> tuple[int, int, int]:
    """Return replicas wanted, how many more there may be, and how many fewer available."""
    spec = deployment["spec"]
    desired = spec["replicas"]
    if spec["strategy"]["type"] != "RollingUpdate":
        return desired, 0, desired
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", "25%"), desired, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), desired, up=False)
    return desired, surge, min(max(unavailable, 0 if surge else 1), desired)


def count(deployment: Object, owned: list[Object], new: Object | None) -> Object:
    """Return the counters of a deployment's status; like the real one, zeros are left out."""
    total = sum(rs["status"].get("replicas", 0) for rs in owned)
    available = sum(rs["status"].get("availableReplicas", 0) for rs in owned)
    wanted = sum(rs["spec"]["replicas"] for rs in owned)
    numbers = {
        "replicas": total,
        "updatedReplicas": new["status"].get("replicas", 0) if new else 0,
        "readyReplicas": sum(rs["status"].get("readyReplicas", 0) for rs in owned),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **{key: value for key, value in numbers.items() if value},
        "terminatingReplicas": sum(rs["status"].get("terminatingReplicas", 0) for rs in owned),
    }


class Conditions:
    """The conditions of a deployment and the rules by which they change."""

    def __init__(self, deployment: Object, clock: Clock, before: list[Object]) -> None:
        self._deployment = deployment
        self._clock = clock
        self._known = {condition["type"]: condition for condition in before}

    def all(self) -> list[Object]:
        """Return the conditions as they now stand."""
        return list(self._known.values())

    def _set(self, name: str, status: str, reason: str, message: str) -> None:
        before = self._known.get(name)
        moment = stamp(self._clock.now())
        if before and (before["status"], before["reason"]) == (status, reason):
            return
        same = before is not None and before["status"] == status
        self._known.pop(name, None)
        self._known[name] = {
            "type": name,
            "status": status,
            "lastUpdateTime": moment,
            "lastTransitionTime": before["lastTransitionTime"] if before and same else moment,
            "reason": reason,
            "message": message,
        }

    def note_created(self, name: str) -> None:
        """Start the rollout's clock: there is a new replica set."""
        message = f'Created new replica set "{name}"'
        self._set("Progressing", "True", "NewReplicaSetCreated", message)

    def repeat_failure(self, owned: list[Object]) -> None:
        """Say why a replica set cannot make its pods, as long as one cannot."""
        told = [one for rs in owned for one in rs["status"].get("conditions", [])]
        if told:
            self._set(FAILURE, "True", told[0]["reason"], told[0]["message"])
        else:
            self._known.pop(FAILURE, None)

    def judge_available(self, status: Object) -> None:
        """Say whether enough replicas are available."""
        desired, _, unavailable = bounds(self._deployment)
        if status.get("availableReplicas", 0) >= desired - unavailable:
            message = "Deployment has minimum availability."
            self._set("Available", "True", "MinimumReplicasAvailable", message)
        else:
            message = "Deployment does not have minimum availability."
            self._set("Available", "False", "MinimumReplicasUnavailable", message)

    def judge_progress(self, before: Object, status: Object, new: Object | None) -> datetime | None:
        """Say whether the rollout goes on; return when its deadline will have passed."""
        spec = self._deployment["spec"]
        current = self._known.get("Progressing")
        if spec.get("paused"):
            self._set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
            return None
        if current and current["reason"] == "DeploymentPaused":
            self._set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        name = new["metadata"]["name"] if new else self._deployment["metadata"]["name"]
        subject = f'ReplicaSet "{name}"'
        settled = current is not None and current["reason"] == "NewReplicaSetAvailable"
        if settled and status.get("replicas", 0) == status.get("updatedReplicas", 0):
            return None  # pods that fail or are added after a rollout do not reopen it
        if _complete(self._deployment, status):
            done = f"{subject} has successfully progressed."
            self._set("Progressing", "True", "NewReplicaSetAvailable", done)
            return None
        if _progressed(before, status) or not current:
            self._known.pop("Progressing", None)
            going = f"{subject} is progressing."
            reason = "ReplicaSetUpdated"
            self._set("Progressing", "True", reason, going)
            if current and current["status"] == "True":
                self._known["Progressing"]["lastTransitionTime"] = current["lastTransitionTime"]
        return self._deadline(subject)

    def _deadline(self, subject: str) -> datetime | None:
        current = self._known["Progressing"]
        if current["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
            # A finished rollout whose pods fail later is not a rollout that is stuck.
            return None
        patience = self._deployment["spec"].get("progressDeadlineSeconds", 600)
        due = self._clock.due(parse(current["lastUpdateTime"]), patience)
        if due > self._clock.now():
            return due
        late = f"{subject} has timed out progressing."
        self._set("Progressing", "False", "ProgressDeadlineExceeded", late)
        return None


def _complete(deployment: Object, status: Object) -> bool:
    desired = deployment["spec"]["replicas"]
    counters = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(counter, 0) == desired for counter in counters)


def _progressed(before: Object, status: Object) -> bool:
    def old(numbers: Object) -> int:
        return int(numbers.get("replicas", 0) - numbers.get("updatedReplicas", 0))

    grew = any(
        status.get(counter, 0) > before.get(counter, 0)
        for counter in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old(status) < old(before)

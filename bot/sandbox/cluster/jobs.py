"""The job and cron job controllers: pods that run to their end, once or by a schedule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.sandbox.cluster import fields
from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.defaults import complete
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import CRON_JOBS, JOBS, PODS
from bot.sandbox.cluster.ownership import concerned, made_by
from bot.sandbox.cluster.replicasets import NAME_LETTERS, is_active, mark_deleted
from bot.sandbox.cluster.schedule import Schedule
from bot.sandbox.cluster.store import Change, Object, Store, owner_reference

_UID: Final = "batch.kubernetes.io/controller-uid"
_NAME: Final = "batch.kubernetes.io/job-name"
_FIRST_RETRY: Final = 10.0  # seconds; doubled with each failure
_LAST_RETRY: Final = 360.0


def ended(job: Object) -> str:
    """Return how a job ended, `Complete` or `Failed`, or "" while it has not."""
    conditions = job.get("status", {}).get("conditions") or []
    kinds = [one["type"] for one in conditions if one["status"] == "True"]
    return next((kind for kind in kinds if kind in ("Complete", "Failed")), "")


@dataclass
class Jobs:
    """The controller of jobs."""

    store: Store
    clock: Clock
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a job when it or one of its pods changes."""
        return concerned(change, JOBS, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Make the pods that are missing, then write the status."""
        job = self.store.get(JOBS, namespace, name)
        if job is None or "deletionTimestamp" in job["metadata"]:
            return None
        if ended(job):
            return self._expire(job)
        if "selector" not in job["spec"]:
            job = self._selected(job)
        if job["spec"].get("suspend"):
            self._suspend(job)
            return None
        job = self._begun(job)
        pods = made_by(self.store, job, PODS)
        done = [pod for pod in pods if pod.get("status", {}).get("phase") == "Succeeded"]
        failed = [pod for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
        active = [pod for pod in pods if is_active(pod)]
        deadline = self._deadline(job)
        why = self._given_up(job, len(failed), active, deadline)
        if why is not None:
            self._remove(job, active)
            self._tell(job, 0, len(done), len(failed), why)
            return self._expire(job)
        again = self._fill(job, active, len(done), failed)
        self._tell(job, len(active), len(done), len(failed), None)
        return min((moment for moment in (again, deadline) if moment), default=None)

    def _fill(
        self, job: Object, active: list[Object], done: int, failed: list[Object]
    ) -> datetime | None:
        """Bring `active` to the number that should run now; return when to look again."""
        spec = job["spec"]
        wanted = min((spec.get("completions") or 1) - done, spec["parallelism"])
        missing = wanted - len(active)
        if missing < 0:
            self._remove(job, active[wanted:])
            del active[wanted:]
        if missing <= 0:
            return None
        again = self._retry(failed)
        if again is None:
            active += [self._create(job) for _ in range(missing)]
        return again

    def _begun(self, job: Object) -> Object:
        """Note when a job began, or went on after it had been suspended."""
        if job.get("status", {}).get("startTime"):
            return job
        changed = clone(job)
        status = changed.setdefault("status", {})
        status["startTime"] = stamp(self.clock.now())
        if _is_suspended(job):
            why = ("JobResumed", "Job resumed")
            status["conditions"] = [self._condition("Suspended", *why, holds=False)]
            self._event(job, "Resumed", "Job resumed")
        return self.store.update(JOBS, changed)

    def _suspend(self, job: Object) -> None:
        """Let the pods of a suspended job go; what succeeded still counts."""
        self._remove(job, [pod for pod in made_by(self.store, job, PODS) if is_active(pod)])
        if _is_suspended(job):
            return
        changed = clone(job)
        status = {k: v for k, v in job.get("status", {}).items() if k not in _OF_RUNNING}
        status["conditions"] = [self._condition("Suspended", "JobSuspended", "Job suspended")]
        changed["status"] = status
        self.store.update(JOBS, changed)
        self._event(job, "Suspended", "Job suspended")

    def _deadline(self, job: Object) -> datetime | None:
        seconds = job["spec"].get("activeDeadlineSeconds")
        began = parse(job["status"]["startTime"])
        return self.clock.due(began, float(seconds)) if seconds is not None else None

    def _given_up(
        self, job: Object, failed: int, active: list[Object], deadline: datetime | None
    ) -> tuple[str, str] | None:
        """Return why no more is tried, as reason and message, or None."""
        limit = job["spec"]["backoffLimit"]
        again = 0
        if job["spec"]["template"]["spec"].get("restartPolicy") == "OnFailure":
            again = sum(_restarts(pod) for pod in active)
        if failed > limit or (again and again >= limit):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if deadline is not None and deadline <= self.clock.now():
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        return None

    def _expire(self, job: Object) -> datetime | None:
        """Remove a finished job when it was kept as long as it wants to be."""
        meta = job["metadata"]
        found = self.store.get(JOBS, meta["namespace"], meta["name"])
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None or found is None:
            return None
        ends = [c["lastTransitionTime"] for c in found["status"]["conditions"]]
        due = self.clock.due(parse(max(ends)), float(seconds))
        if due > self.clock.now():
            return due
        self.store.delete(JOBS, meta["namespace"], meta["name"])
        return None

    def _remove(self, job: Object, pods: list[Object]) -> None:
        for pod in pods:
            doomed = clone(pod)
            mark_deleted(doomed, self.clock, _GRACE)
            self.store.update(PODS, doomed)
            self._event(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _selected(self, job: Object) -> Object:
        changed = clone(job)
        select(changed)
        return self.store.update(JOBS, changed)

    def _retry(self, failed: list[Object]) -> datetime | None:
        """Return when a new pod may follow those that failed, or None for now."""
        if not failed:
            return None
        wait = min(_LAST_RETRY, _FIRST_RETRY * 2 ** (len(failed) - 1))
        due = self.clock.due(max(_finished(pod) for pod in failed), wait)
        return due if due > self.clock.now() else None

    def _create(self, job: Object) -> Object:
        meta = job["metadata"]
        template = clone(job["spec"]["template"])
        suffix = "".join(self.store.random.choice(NAME_LETTERS) for _ in range(5))
        own = {
            **(template.get("metadata") or {}),
            "name": f"{meta['name']}-{suffix}",
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "ownerReferences": [owner_reference(JOBS, job)],
        }
        pod = complete(PODS, {"metadata": own, "spec": template["spec"]}, self.store.random)
        fields.note_update(pod, None, fields.controller("v1", self.clock))
        made = self.store.create(PODS, pod)
        self._event(job, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    def _tell(
        self, job: Object, active: int, done: int, failed: int, why: tuple[str, str] | None
    ) -> None:
        changed = clone(job)
        found = {key: value for key, value in job["status"].items() if key not in _COUNTS}
        counts = zip(_COUNTS, (active, done, failed), strict=True)
        found |= {key: count for key, count in counts if count}
        before = found.get("conditions") or []
        if why is not None:
            found["conditions"] = [*before, *(self._condition(kind, *why) for kind in _AT_FAILURE)]
            self._event(job, *why, warning=True)
        elif done >= (job["spec"].get("completions") or 1):
            found["completionTime"] = stamp(self.clock.now())
            why = ("CompletionsReached", "Reached expected number of succeeded pods")
            found["conditions"] = [*before, *(self._condition(kind, *why) for kind in _AT_SUCCESS)]
            self._event(job, "Completed", "Job completed")
        changed["status"] = found
        self.store.update(JOBS, changed)

    def _condition(self, kind: str, reason: str, message: str, *, holds: bool = True) -> Object:
        now = stamp(self.clock.now())
        times = {"lastProbeTime": now, "lastTransitionTime": now}
        state = {"type": kind, "status": str(holds)}
        return {**state, **times, "reason": reason, "message": message}

    def _event(self, job: Object, reason: str, message: str, *, warning: bool = False) -> None:
        by = "job-controller"
        self.journal.write(JOBS, job, reason, message, component=by, warning=warning)


_GRACE: Final = 30  # seconds
_OF_RUNNING: Final = ("active", "startTime", "conditions")
_COUNTS: Final = ("active", "succeeded", "failed")
_AT_SUCCESS: Final = ("SuccessCriteriaMet", "Complete")
_AT_FAILURE: Final = ("FailureTarget", "Failed")


def select(job: Object) -> None:
    """Let a job find its pods by labels that no other job's pods have."""
    meta = job["metadata"]
    labels = {_UID: meta["uid"], _NAME: meta["name"]}
    labels |= {"controller-uid": meta["uid"], "job-name": meta["name"]}
    template = job["spec"]["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **labels}
    job["spec"]["selector"] = {"matchLabels": {_UID: meta["uid"]}}


def _is_suspended(job: Object) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def _restarts(pod: Object) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or [])


def _finished(pod: Object) -> datetime:
    moments = [
        parse(state["finishedAt"])
        for one in pod["status"].get("containerStatuses") or []
        if (state := one["state"].get("terminated"))
    ]
    return max(moments, default=parse(pod["metadata"]["creationTimestamp"]))


@dataclass
class CronJobs:
    """The controller of cron jobs; a run that was missed is made up for once."""

    store: Store
    clock: Clock
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a cron job when it or one of its jobs changes."""
        return concerned(change, CRON_JOBS, JOBS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Start what is due, forget old runs, write the status, and wait for the next."""
        cron = self.store.get(CRON_JOBS, namespace, name)
        if cron is None or "deletionTimestamp" in cron["metadata"]:
            return None
        spec, now = cron["spec"], self.clock.now()
        last = cron.get("status", {}).get("lastScheduleTime")
        try:
            schedule = Schedule.parse(spec["schedule"])
        except ValueError as error:
            message = f'invalid schedule: "{spec["schedule"]}" : {error}'
            self._event(cron, "UnparseableSchedule", message, warning=True)
            return None
        since = parse(last or cron["metadata"]["creationTimestamp"])
        due = None if spec.get("suspend") else schedule.latest(since, now)
        if due is not None and self._in_time(cron, due) and self._may_start(cron):
            last = stamp(due)
            self._start(cron, due)
        self._forget(cron)
        self._tell(cron, last)
        return None if spec.get("suspend") else schedule.after(now)

    def _in_time(self, cron: Object, due: datetime) -> bool:
        patience = cron["spec"].get("startingDeadlineSeconds")
        if patience is None or self.clock.now() <= self.clock.due(due, float(patience)):
            return True
        missed = due.strftime("%a, %d %b %Y %H:%M:%S UTC")
        message = f"Missed scheduled time to start a job: {missed}"
        self._event(cron, "MissSchedule", message, warning=True)
        return False

    def _may_start(self, cron: Object) -> bool:
        running = [job for job in made_by(self.store, cron, JOBS) if not ended(job)]
        policy = cron["spec"].get("concurrencyPolicy", "Allow")
        if not running or policy == "Allow":
            return True
        if policy == "Forbid":
            message = "Not starting job because prior execution is running"
            self._event(cron, "JobAlreadyActive", f"{message} and concurrency policy is Forbid")
            return False
        for job in running:  # Replace
            self._delete(cron, job)
        return True

    def _start(self, cron: Object, due: datetime) -> None:
        meta, template = cron["metadata"], clone(cron["spec"]["jobTemplate"])
        about = template.get("metadata") or {}
        notes = {"batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(due)}
        own = {
            "labels": about.get("labels") or {},
            "annotations": {**(about.get("annotations") or {}), **notes},
            "name": f"{meta['name']}-{int(due.timestamp()) // 60}",
            "namespace": meta["namespace"],
            "ownerReferences": [owner_reference(CRON_JOBS, cron)],
        }
        if self.store.get(JOBS, meta["namespace"], own["name"]) is not None:
            return
        job = complete(JOBS, {"metadata": own, "spec": template["spec"]}, self.store.random)
        self.store.stamp_new(JOBS, job)
        select(job)
        fields.note_update(job, None, fields.controller("batch/v1", self.clock))
        self.store.create(JOBS, job)
        self._event(cron, "SuccessfulCreate", f"Created job {own['name']}")

    def _forget(self, cron: Object) -> None:
        """Remove all but the newest finished jobs."""
        spec = cron["spec"]
        limits = {
            "Complete": spec.get("successfulJobsHistoryLimit", 3),
            "Failed": spec.get("failedJobsHistoryLimit", 1),
        }
        for how, kept in limits.items():
            jobs = [job for job in made_by(self.store, cron, JOBS) if ended(job) == how]
            jobs.sort(key=lambda job: str(job["status"].get("startTime", "")), reverse=True)
            for job in jobs[kept:]:
                self._delete(cron, job)

    def _delete(self, cron: Object, job: Object) -> None:
        meta = job["metadata"]
        self.store.delete(JOBS, meta["namespace"], meta["name"])
        self._event(cron, "SuccessfulDelete", f"Deleted job {meta['name']}")

    def _tell(self, cron: Object, last: str | None) -> None:
        jobs = made_by(self.store, cron, JOBS)
        ends = [job["status"]["completionTime"] for job in jobs if ended(job) == "Complete"]
        before = cron.get("status", {}).get("lastSuccessfulTime")
        newest = max([*ends, *([before] if before else [])], default=None)
        found: Object = {"active": [_reference(job) for job in jobs if not ended(job)]}
        found |= {"lastScheduleTime": last, "lastSuccessfulTime": newest}
        changed = clone(cron)
        changed["status"] = {key: value for key, value in found.items() if value}
        self.store.update(CRON_JOBS, changed)

    def _event(self, cron: Object, reason: str, message: str, *, warning: bool = False) -> None:
        by = "cronjob-controller"
        self.journal.write(CRON_JOBS, cron, reason, message, component=by, warning=warning)


def _reference(job: Object) -> Object:
    meta = job["metadata"]
    about = {key: meta[key] for key in ("name", "namespace", "uid")}
    return {"kind": "Job", "apiVersion": JOBS.api_version, **about}

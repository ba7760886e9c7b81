"""The stand-in cluster's jobs, cron jobs and volume claims."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.sandbox.cluster import Behaviour, Cluster
from bot.sandbox.cluster.manifests import claim, cron_job, namespace, stateful_set, storage_class
from bot.sandbox.cluster.schedule import Schedule

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
WELL = Behaviour("count:1", ends_after=30.0)
BROKEN = Behaviour("count:2", needs={"SHELF": "FATAL no SHELF"}, crash_seconds=1.0)
SLOW = Behaviour("count:3", ends_after=5000.0)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=(WELL, BROKEN, SLOW)) as cluster:
        cluster.apply(namespace("shop"))
        yield cluster


def job(image: str, **spec: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "count", "image": image}], "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": "count"}}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "count", "namespace": "shop"},
        "spec": {"template": template, **spec},
    }


def status(cluster: Cluster, kind: str, name: str, where: str = "shop") -> dict[str, Any]:
    found = cluster.get(kind, where, name)
    assert found is not None
    return dict(found["status"])


def kinds(of: dict[str, Any]) -> list[str]:
    return [one["type"] for one in of.get("conditions", []) if one["status"] == "True"]


def events(cluster: Cluster, name: str) -> list[str]:
    found = cluster.objects("Event", "shop")
    return [one["reason"] for one in found if one["involvedObject"]["name"] == name]


async def test_a_job_runs_its_pods_a_few_at_a_time_until_enough_succeeded(
    cluster: Cluster,
) -> None:
    cluster.apply(job("count:1", completions=3, parallelism=2))
    await cluster.advance(10)
    assert status(cluster, "Job", "count")["active"] == 2
    await cluster.advance(40)
    found = status(cluster, "Job", "count")
    assert (found["active"], found["succeeded"], kinds(found)) == (1, 2, [])
    await cluster.advance(60)
    found = status(cluster, "Job", "count")
    assert ("active" in found, found["succeeded"]) == (False, 3)
    assert kinds(found) == ["SuccessCriteriaMet", "Complete"]
    assert [pod["status"]["phase"] for pod in cluster.pods("shop", "count")] == ["Succeeded"] * 3
    assert "Completed" in events(cluster, "count")
    cluster.delete("Job", "shop", "count")
    await cluster.advance(60)
    assert cluster.pods("shop", "count") == []


async def test_a_job_that_fails_is_tried_again_later_and_later_then_given_up(
    cluster: Cluster,
) -> None:
    cluster.apply(job("count:2", backoffLimit=2))
    counts = []
    for _ in range(12):
        await cluster.advance(5)
        counts.append(status(cluster, "Job", "count").get("failed", 0))
    assert counts.count(2) > counts.count(1)  # it waits longer each time
    found = status(cluster, "Job", "count")
    assert (found["failed"], kinds(found)) == (3, ["FailureTarget", "Failed"])
    assert "BackoffLimitExceeded" in events(cluster, "count")


async def test_a_cron_job_runs_by_its_schedule_and_keeps_three_runs(cluster: Cluster) -> None:
    cluster.apply(cron_job("shop", "count", "count:1", "30 */6 * * *"))
    await cluster.advance(3 * 3600)  # from 9:00 to 12:00
    assert cluster.objects("Job", "shop") == []
    await cluster.advance(1810)
    assert status(cluster, "CronJob", "count")["lastScheduleTime"] == "2026-03-02T12:30:00Z"
    (running,) = status(cluster, "CronJob", "count")["active"]
    await cluster.advance(24 * 3600 + 60)
    names = [job["metadata"]["name"] for job in cluster.objects("Job", "shop")]
    assert len(names) == 3
    assert running["name"] not in names
    assert len(cluster.pods("shop", "count")) == 3
    found = status(cluster, "CronJob", "count")
    assert found["lastScheduleTime"] == "2026-03-03T12:30:00Z"
    assert found["lastSuccessfulTime"].startswith("2026-03-03T12:30:3")
    assert "active" not in found


async def test_a_run_that_goes_on_forbids_the_next_and_suspended_means_none(
    cluster: Cluster,
) -> None:
    cluster.apply(cron_job("shop", "count", "count:3", "@hourly"))
    await cluster.advance(2 * 3600 + 60)
    assert len(cluster.objects("Job", "shop")) == 1
    assert "JobAlreadyActive" in events(cluster, "count")
    found = cluster.get("CronJob", "shop", "count")
    assert found is not None
    found["spec"]["suspend"] = True
    cluster.apply(found)
    await cluster.advance(4 * 3600)
    assert len(cluster.objects("Job", "shop")) == 1


async def test_a_schedule_that_cannot_be_read_is_told(cluster: Cluster) -> None:
    cluster.apply(cron_job("shop", "count", "count:1", "30 25 * * *"))
    await cluster.advance(1)
    assert events(cluster, "count") == ["UnparseableSchedule"]


@pytest.mark.parametrize(
    ("text", "following", "before"),
    [
        ("30 3 * * *", "2026-03-03T03:30", "2026-03-02T03:30"),
        ("*/15 9-17 * * 1-5", "2026-03-02T12:15", "2026-03-02T12:00"),
        ("0 0 29 2 *", "2028-02-29T00:00", None),
        ("0 6 13 * 5", "2026-03-06T06:00", "2026-02-27T06:00"),
        ("5,10 0/8 * * 7", "2026-03-08T00:05", "2026-03-01T16:10"),
        ("0 0 31 2 *", None, None),
    ],
)
def test_a_schedule(text: str, following: str | None, before: str | None) -> None:
    schedule = Schedule.parse(text)
    month_ago = datetime(2026, 2, 2, tzinfo=UTC)
    for found, wanted in (
        (schedule.after(NOON), following),
        (schedule.latest(month_ago, NOON), before),
    ):
        assert (found and found.isoformat(timespec="minutes")) == (wanted and f"{wanted}+00:00")


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "a * * * *", "*/0 * * * *"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Schedule.parse(text)


async def test_a_claim_is_bound_when_a_pod_needs_it_grows_and_goes(cluster: Cluster) -> None:
    wanted = claim("shop", "data-db-0", "1Gi", 0)
    cluster.apply(wanted)
    await cluster.advance(1)
    assert status(cluster, "PersistentVolumeClaim", "data-db-0") == {"phase": "Pending"}
    assert events(cluster, "data-db-0") == ["ProvisioningFailed"]
    cluster.apply(storage_class())
    await cluster.advance(1)
    assert cluster.objects("PersistentVolume") == []  # its class waits for a consumer
    cluster.apply(stateful_set("shop", "db", "db:1", 1, "64Mi", "/data"))
    await cluster.advance(10)
    (volume,) = cluster.objects("PersistentVolume")
    bound = cluster.get("PersistentVolumeClaim", "shop", "data-db-0")
    assert bound is not None
    assert bound["spec"]["volumeName"] == volume["metadata"]["name"]
    assert (bound["status"]["phase"], bound["status"]["capacity"]) == ("Bound", {"storage": "1Gi"})
    bound["spec"]["resources"]["requests"]["storage"] = "2Gi"
    cluster.apply(bound)
    await cluster.advance(1)
    assert status(cluster, "PersistentVolumeClaim", "data-db-0")["capacity"]["storage"] == "2Gi"
    assert cluster.objects("PersistentVolume")[0]["spec"]["capacity"]["storage"] == "2Gi"
    cluster.delete("PersistentVolumeClaim", "shop", "data-db-0")
    await cluster.advance(1)
    assert cluster.objects("PersistentVolume") == []


async def test_the_demo_has_a_bound_volume_and_last_nights_report() -> None:
    async with Cluster(seed=True, virtual=True) as cluster:
        (ledger,) = cluster.snapshot()["claims"]
        assert ledger["phase"] == "Bound"
        found = status(cluster, "CronJob", "stock-report")
        assert found["lastScheduleTime"].endswith("T03:30:00Z")
        jobs = cluster.objects("Job", "shop")
        assert [kinds(job["status"])[-1] for job in jobs] == ["Complete"] * 3
        pod = cluster.pods("shop", "stock-report")[-1]["metadata"]["name"]
        assert "counted" in cluster.log("shop", pod)


async def test_a_job_past_its_deadline_ends_and_is_gone_after_a_while(cluster: Cluster) -> None:
    cluster.apply(job("count:3", activeDeadlineSeconds=60, ttlSecondsAfterFinished=100))
    await cluster.advance(30)
    assert status(cluster, "Job", "count")["active"] == 1
    await cluster.advance(35)
    found = status(cluster, "Job", "count")
    assert ("active" in found, kinds(found)) == (False, ["FailureTarget", "Failed"])
    assert found["conditions"][-1]["reason"] == "DeadlineExceeded"
    assert cluster.pods("shop", "count") == []
    await cluster.advance(100)
    assert cluster.get("Job", "shop", "count") is None


async def test_a_suspended_job_lets_its_pods_go_and_goes_on_later(cluster: Cluster) -> None:
    made = job("count:1", completions=2, suspend=True)
    cluster.apply(made)
    await cluster.advance(5)
    assert kinds(status(cluster, "Job", "count")) == ["Suspended"]
    assert cluster.pods("shop", "count") == []
    for suspended, seconds, pods in ((False, 10, 1), (True, 10, 0), (False, 90, 2)):
        changed = cluster.get("Job", "shop", "count")
        assert changed is not None
        changed["spec"]["suspend"] = suspended
        cluster.apply(changed)
        await cluster.advance(seconds)
        assert len(cluster.pods("shop", "count")) == pods
    assert kinds(status(cluster, "Job", "count")) == ["SuccessCriteriaMet", "Complete"]
    assert {"Suspended", "Resumed"} <= set(events(cluster, "count"))


async def test_containers_that_restart_count_against_a_jobs_limit(cluster: Cluster) -> None:
    broken = job("count:2", backoffLimit=2)
    broken["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    cluster.apply(broken)
    await cluster.advance(120)
    found = status(cluster, "Job", "count")
    assert found["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    assert cluster.pods("shop", "count") == []


async def test_a_claim_without_a_class_waits_and_one_that_may_not_grow_stays(
    cluster: Cluster,
) -> None:
    wanted = claim("shop", "data", "1Gi", 0)
    del wanted["spec"]["storageClassName"]
    cluster.apply(wanted)
    await cluster.advance(1)
    assert events(cluster, "data") == ["FailedBinding"]
    fixed = {**storage_class(), "allowVolumeExpansion": False, "volumeBindingMode": "Immediate"}
    cluster.apply(fixed)  # the default class: a claim that names none is given it
    await cluster.advance(1)
    bound = cluster.get("PersistentVolumeClaim", "shop", "data")
    assert bound is not None
    assert bound["spec"]["storageClassName"] == "standard"
    bound["spec"]["resources"]["requests"]["storage"] = "2Gi"
    cluster.apply(bound)
    await cluster.advance(1)
    assert status(cluster, "PersistentVolumeClaim", "data")["capacity"]["storage"] == "1Gi"
    assert cluster.claim_usage("shop", "data") == (0, 1 << 30)


@pytest.mark.long
async def test_the_same_seed_and_time_give_the_same_cluster() -> None:
    async def lived() -> tuple[Any, ...]:
        async with Cluster(seed=True, virtual=True) as cluster:
            await cluster.advance(3600)
            pods = cluster.objects("Pod")
            names = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
            logs = [cluster.log(*name) for name in names]
            return pods, cluster.objects("Job"), cluster.objects("Event"), logs

    assert await lived() == await lived()

"""The incidents: each shows its symptoms, leaves evidence of its cause, and heals when put back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.stories import STORIES, Story, judged, state

Json = dict[str, Any]
BY_KEY = {story.key: story for story in STORIES}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(seed=True, virtual=True) as cluster:
        yield cluster


def workload(cluster: Cluster, namespace: str, name: str) -> Json:
    """Return a workload as the page shows it."""
    found = cluster.snapshot()["workloads"]
    wanted: Json = next(w for w in found if (w["namespace"], w["name"]) == (namespace, name))
    return wanted


def errors(cluster: Cluster, namespace: str, name: str) -> float:
    """Return which part of its requests a workload fails."""
    return float(workload(cluster, namespace, name)["traffic"]["error_rate"])


def words(cluster: Cluster, namespace: str, app: str) -> set[str]:
    """Return in what states the pods of an app are."""
    return {pod["status"] for pod in workload(cluster, namespace, app)["pods"]}


def warnings(cluster: Cluster, app: str) -> str:
    """Return what the cluster warns of an app's pods."""
    return "\n".join(
        event["message"]
        for event in cluster.objects("Event")
        if event["type"] == "Warning" and event["involvedObject"]["name"].startswith(app)
    )


def told(cluster: Cluster, app: str, namespace: str = "shop") -> str:
    """Return what the first pod of an app that is ready wrote."""
    running = [
        p for p in cluster.pods(namespace, app) if p["status"]["conditions"][-1]["status"] == "True"
    ]
    return cluster.log(namespace, running[0]["metadata"]["name"])


async def begun(cluster: Cluster, key: str, seconds: float) -> Story:
    """Begin an incident twice, as somebody impatient would, and let time pass."""
    story = BY_KEY[key]
    story.begin(cluster)
    story.begin(cluster)
    await cluster.advance(seconds)
    assert state(story, cluster) == "going on"
    assert not workload(cluster, story.namespace, story.workload.partition("/")[2])["paused"]
    return story


async def healed(cluster: Cluster, story: Story) -> None:
    """Put it back, twice, and see that it heals."""
    story.mend(cluster)
    story.mend(cluster)
    await cluster.advance(60)
    assert state(story, cluster) == "mended"
    found = workload(cluster, story.namespace, story.workload.partition("/")[2])
    assert found["settled"]
    assert errors(cluster, "shop", "web") == 0.0


async def test_the_demo_begins_with_a_bad_rollout_and_all_else_well(cluster: Cluster) -> None:
    assert [state(story, cluster) for story in STORIES] == ["going on", "quiet", "quiet", "quiet"]
    found = cluster.snapshot()["workloads"]
    assert [w["name"] for w in found if not w["settled"]] == ["checkout"]
    assert len(found) >= 12
    assert {w["namespace"] for w in found} == {"shop", "payments"}
    # nothing lies in what is younger, no two pods or services answer at one address
    oldest = min(pod["metadata"]["creationTimestamp"] for pod in cluster.objects("Pod"))
    for below in (*cluster.objects("Node"), *cluster.objects("Namespace")):
        assert below["metadata"]["creationTimestamp"] <= oldest, below["metadata"]["name"]
    addresses = [pod["status"]["podIP"] for pod in cluster.objects("Pod")]
    addresses += [one["spec"]["clusterIP"] for one in cluster.objects("Service")]
    assert len(set(addresses)) == len(addresses)
    twice = [{"name": "http", "port": 80}, {"name": "http", "port": 81}, {"port": 80}]
    about = {"name": "two", "namespace": "shop"}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"ports": twice}}
    with pytest.raises(ApiError) as refused:
        cluster.apply(manifest)
    assert refused.value.code == 422
    assert 'spec.ports[1].name: Duplicate value: "http"' in str(refused.value)
    assert "spec.ports[2].name: Required value" in str(refused.value)
    stuck = workload(cluster, "shop", "checkout")
    slow = stuck["traffic"]["p95_ms"]
    assert "CrashLoopBackOff" in words(cluster, "shop", "checkout")
    story = BY_KEY["bad-rollout"]
    await healed(cluster, story)
    assert workload(cluster, "shop", "checkout")["traffic"]["p95_ms"] < slow * 0.95
    # again, and mended by its configuration, and yet again
    await begun(cluster, "bad-rollout", 40)
    settings = cluster.get("ConfigMap", "shop", "checkout-config")
    assert settings is not None
    cluster.apply({**settings, "data": {**settings["data"], "PAYMENTS_URL": "http://api.payments"}})
    await cluster.advance(330)
    assert state(story, cluster) == "mended"
    assert workload(cluster, "shop", "checkout")["settled"]
    await begun(cluster, "bad-rollout", 40)
    crashing = next(p for p in cluster.pods("shop", "checkout") if "1.9.0" in str(p["spec"]))
    assert "PAYMENTS_URL" in cluster.log("shop", crashing["metadata"]["name"])


@pytest.mark.long
async def test_a_tight_memory_limit_kills_search(cluster: Cluster) -> None:
    story = await begun(cluster, "oom", 40)
    assert workload(cluster, "shop", "search")["settled"]  # it looks well at first
    assert workload(cluster, "shop", "search")["pods"][0]["memory"] == 128 * 2**20
    await cluster.advance(120)
    (pod, *_) = cluster.pods("shop", "search")
    (status,) = pod["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert words(cluster, "shop", "search") & {"CrashLoopBackOff", "OOMKilled"}
    assert errors(cluster, "shop", "search") > 0
    assert 0.1 < errors(cluster, "shop", "web") < 0.4
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "128Mi"
    await healed(cluster, story)


@pytest.mark.long
async def test_a_small_pool_lets_orders_wait(cluster: Cluster) -> None:
    story = await begun(cluster, "pool", 60)
    assert words(cluster, "shop", "orders") == {"Running"}
    found = workload(cluster, "shop", "orders")["traffic"]
    assert (found["error_rate"] > 0.5, found["p95_ms"]) == (True, 5000)
    assert errors(cluster, "shop", "checkout") > 0.5
    assert 0.03 < errors(cluster, "shop", "web") < 0.15
    logs = [cluster.log("shop", p["metadata"]["name"]) for p in cluster.pods("shop", "orders")]
    assert any("ERROR connection pool exhausted: 2 of 2 in use" in log for log in logs)
    assert "ERROR http://orders.shop: no answer within 5000 ms" in told(cluster, "checkout")
    assert "Readiness probe failed" in warnings(cluster, "orders")
    settings = cluster.get("ConfigMap", "shop", "orders-config")
    assert settings is not None
    assert settings["data"]["DB_POOL_SIZE"] == "2"
    # the setting alone mends nothing: pods read it as they start
    settings["data"]["DB_POOL_SIZE"] = "20"
    cluster.apply(settings)
    await cluster.advance(30)
    assert state(story, cluster) == "going on"
    await healed(cluster, story)


@pytest.mark.long
async def test_a_full_volume_stops_payments(cluster: Cluster) -> None:
    story = await begun(cluster, "full-volume", 60)
    assert words(cluster, "payments", "ledger") == {"CrashLoopBackOff"}
    log = cluster.log("payments", "ledger-0", previous=True)
    assert "No space left on device" in log
    (claim,) = cluster.snapshot()["claims"]
    assert claim["used"] == claim["capacity"]
    assert errors(cluster, "payments", "api") == 1.0
    assert words(cluster, "payments", "api") == {"Running"}
    assert errors(cluster, "shop", "checkout") == 1.0
    # who needs it tells so, and still does when all is well again
    before = told(cluster, "api", "payments").splitlines()[-8:]
    assert set(before) == {"ERROR http://ledger.payments: connection refused"}
    assert "ERROR http://api.payments: 503 Service Unavailable" in told(cluster, "checkout")
    assert "ERROR" not in told(cluster, "search")
    await healed(cluster, story)
    after = told(cluster, "api", "payments").splitlines()
    assert after.count(before[0]) >= len(before)
    assert "ERROR" not in after[-1]
    # a claim that may grow is another way
    await begun(cluster, "full-volume", 30)
    grown = cluster.get("PersistentVolumeClaim", "payments", "data-ledger-0")
    assert grown is not None
    grown["spec"]["resources"]["requests"]["storage"] = "20Gi"
    cluster.apply(grown)
    await cluster.advance(330)
    assert state(story, cluster) == "mended"
    assert workload(cluster, "payments", "ledger")["settled"]


@pytest.mark.long
async def test_all_at_once_from_nothing_and_back(cluster: Cluster) -> None:
    for namespace, kind, name in (
        ("shop", "Deployment", "checkout"),
        ("shop", "ConfigMap", "orders-config"),
        ("payments", "StatefulSet", "ledger"),
    ):
        cluster.delete(kind, namespace, name)
    await cluster.advance(30)
    for story in STORIES:
        story.begin(cluster)
    await cluster.advance(120)
    assert {state(story, cluster) for story in STORIES} == {"going on"}
    assert errors(cluster, "shop", "web") > 0.05
    for story in STORIES:
        story.mend(cluster)
    await cluster.advance(60)
    assert {state(story, cluster) for story in STORIES} == {"mended"}
    assert all(w["settled"] for w in cluster.snapshot()["workloads"])


RIGHT = {
    "bad-rollout": "checkout 1.9.0 ends at once: PAYMENTS_URL is not set anywhere. "
    "It is not a node problem; roll back to 1.8.0.",
    "oom": "The last revision of search lowered its memory limit to 128Mi; its index outgrows it.",
    "pool": "orders has DB_POOL_SIZE=2 in the config map orders-config; requests wait. "
    "The ledger is fine.",
    "full-volume": "The volume of ledger is full. api and fraud are only a symptom of it.",
}
WRONG = {
    "bad-rollout": ("Two pods of checkout are OOMKilled since the last deploy.", 2),
    "oom": ("search leaks memory because a node is too small.", 2),
    "pool": ("The connection pool of orders starves: the database is down.", 2),
    "full-volume": ("The ledger is full of work: raise its connection pool.", 2),
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.key)
def test_a_diagnosis_is_judged(story: Story) -> None:
    assert judged(story, RIGHT[story.key]) == []
    text, faults = WRONG[story.key]
    found = judged(story, text)
    assert len(found) == faults, found
    assert len(judged(story, "")) == len(story.cause.says)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.key)
def test_a_report_does_not_give_the_cause_away(story: Story) -> None:
    assert judged(story, story.report) != []
    assert story.namespace in story.report or story.workload.partition("/")[2] in story.report


@pytest.mark.long
async def test_a_faster_clock_begins_with_the_same_state() -> None:
    async with Cluster(seed=True, speed=300) as cluster:
        assert [state(story, cluster) for story in STORIES[1:]] == ["quiet", "quiet", "quiet"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "bad-rollout",
            "checkout 1.9.0 lacks PAYMENTS_URL. The pods crash because of an out of memory kill.",
        ),
        ("pool", "DB_POOL_SIZE in orders-config. The real culprit is the node, not the database."),
        ("oom", "search has a memory limit of 128Mi. No doubt: the liveness probe kills it."),
        ("oom", "There is no limit to how long search has been slow; memory is fine."),
    ],
)
def test_a_wrong_diagnosis_in_right_words_is_seen(key: str, text: str) -> None:
    story = next(one for one in STORIES if one.key == key)
    assert judged(story, text) != []

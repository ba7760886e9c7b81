"""Traffic: what pods get and answer follows from who is ready, and from what they need."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from bot.sandbox.cluster import Behaviour, Cluster
from bot.sandbox.cluster.manifests import deployment, namespace, service
from bot.sandbox.cluster.traffic import Flow, rhythm

IMAGES = (
    Behaviour("front:1", rps=100.0, calls=("shop/back 50%", "shop/gone"), latency_ms=10.0),
    Behaviour("front:2", ready_seconds=2.0, needs={"KEY": "FATAL no KEY"}, rps=100.0),
    Behaviour("back:1", calls=("shop/front 10%",), latency_ms=20.0, cpu_per_request=5.0),
)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        cluster.apply(namespace("shop"))
        for name, replicas in (("front", 4), ("back", 2)):
            cluster.apply(deployment("shop", name, f"{name}:1", replicas))
            cluster.apply(service("shop", name))
        await cluster.advance(10)
        yield cluster


def of(cluster: Cluster, app: str) -> Flow:
    """Return what an app answers now; it is asked something."""
    found = cluster.traffic.of("shop", app)
    assert found is not None
    return found


async def scale(cluster: Cluster, app: str, replicas: int) -> None:
    """Give an app another number of pods and wait until they are ready."""
    found = cluster.get("Deployment", "shop", app)
    assert found is not None
    found["spec"]["replicas"] = replicas
    cluster.apply(found)
    await cluster.advance(10)


async def test_requests_follow_the_calls_and_are_spread_over_ready_pods(cluster: Cluster) -> None:
    front, back = of(cluster, "front"), of(cluster, "back")
    assert 75 < front.rps < 105
    # `gone` never was a service here; a circle of calls ends where it would begin again
    assert back.rps == pytest.approx(front.rps / 2)
    assert (front.error_rate, back.error_rate) == (0.0, 0.0)
    assert cluster.traffic.per_pod("shop", "front") == pytest.approx(front.rps / 4)
    assert cluster.traffic.of("shop", "nobody") is None
    assert cluster.traffic.per_pod("shop", "nobody") == 0.0


async def test_fewer_pods_mean_more_load_each_then_latency_then_errors(cluster: Cluster) -> None:
    steps = []
    for replicas in (2, 1):
        await scale(cluster, "back", replicas)
        (pod, *_) = cluster.pods("shop", "back")
        cpu, _ = cluster.usage("shop", pod["metadata"]["name"]) or (0, 0)
        steps.append((cluster.traffic.per_pod("shop", "back"), cpu, of(cluster, "back").p95_ms))
    assert all(after > before * 1.3 for before, after in zip(*steps, strict=True))
    found = cluster.get("Deployment", "shop", "back")
    assert found is not None
    own = found["spec"]["template"]["spec"]["containers"][0]
    own["resources"]["limits"]["cpu"] = "100m"
    cluster.apply(found)
    await cluster.advance(10)
    assert 0.3 < of(cluster, "back").error_rate < 0.9
    half = pytest.approx(of(cluster, "back").error_rate / 2, rel=0.15)  # back needs front, too
    assert of(cluster, "front").error_rate == half


async def test_whoever_needs_what_is_down_fails_in_proportion_until_it_is_back(
    cluster: Cluster,
) -> None:
    await scale(cluster, "back", 0)
    assert of(cluster, "back").error_rate == 1.0
    assert of(cluster, "front").error_rate == pytest.approx(0.5)
    cluster.delete("Deployment", "shop", "back")
    await cluster.advance(5)
    assert of(cluster, "front").error_rate == pytest.approx(0.5)
    cluster.apply(deployment("shop", "back", "back:1", 2))
    await cluster.advance(10)
    assert of(cluster, "front").error_rate == 0.0


async def test_a_stuck_rollout_sends_more_to_the_old_pods(cluster: Cluster) -> None:
    before = cluster.traffic.per_pod("shop", "front")
    cluster.apply(deployment("shop", "front", "front:2", 4))
    await cluster.advance(20)
    assert cluster.traffic.per_pod("shop", "front") > before * 1.2
    cluster.apply(deployment("shop", "front", "front:1", 4))
    await cluster.advance(20)
    assert cluster.traffic.per_pod("shop", "front") < before * 1.1


def test_the_day_has_a_mild_rhythm_that_is_the_same_each_time() -> None:
    def at(hour: int, minute: int = 0, second: int = 0) -> float:
        return rhythm(("shop", "web"), datetime(2026, 3, 2, hour, minute, second, tzinfo=UTC))

    assert at(14) == at(14)
    assert at(14) > at(2) > 0.7
    steps = [at(9, minute, second) for minute in range(3) for second in range(0, 60, 5)]
    assert all(abs(b - a) < 0.01 for a, b in pairwise(steps))


async def test_few_is_a_part_of_the_whole_and_well_but_for_checkout() -> None:
    async with Cluster(seed="few", virtual=True) as few:
        found = few.snapshot()
        names = {(w["namespace"], w["name"]) for w in found["workloads"]}
        shop = {("shop", name) for name in ("web", "cart", "checkout")}
        assert names == shop | {("payments", "api"), ("payments", "worker")}
        assert [w["name"] for w in found["workloads"] if not w["settled"]] == ["checkout"]
        assert few.traffic.of("payments", "worker") is None
        flows = [few.traffic.of(*place) for place in names - {("payments", "worker")}]
        assert all(flow is not None and flow.error_rate == 0.0 for flow in flows)
        assert found["claims"] == []
        assert {node["ready"] for node in found["nodes"]} == {True}

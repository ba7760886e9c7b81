"""A cluster that is stopped goes on where it was, and refuses what it did not write."""

from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.cluster import Behaviour, Cluster
from bot.sandbox.keeping import Unreadable

IMAGES = (
    Behaviour("app:1", work_lines=("INFO order={n}",)),
    Behaviour("app:2", needs={"TOKEN": "FATAL missing TOKEN"}),
)


def deployment(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": {"app": "app"}},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def course_of(cluster: Cluster) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """Return what became of the pods; of two that act at one moment, either may be the first."""
    fields = ("reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime")
    told = [tuple(str(event.get(field)) for field in fields) for event in cluster.objects("Event")]
    return {p["metadata"]["name"]: p["status"] for p in cluster.objects("Pod")}, sorted(told)


async def test_all_of_it_is_there_again_and_goes_on(tmp_path: Path) -> None:
    kept = tmp_path / "cluster.json"
    async with Cluster(virtual=True, behaviours=IMAGES, kept=kept) as first:
        assert not first.restored
        first.apply(deployment("app:1"))
        await first.advance(30)
        first.apply(deployment("app:2"))
        await first.advance(100)
        kinds = ("Deployment", "ReplicaSet", "Pod", "Event", "Node")
        before = {kind: first.objects(kind) for kind in kinds}
        logs = {p["metadata"]["name"]: p for p in first.pods("default", "app")}
        said = {name: first.log("default", name) for name in logs}
        version = first.store.version
    assert kept.stat().st_mode & 0o777 == 0o600
    async with Cluster(virtual=True, behaviours=IMAGES, kept=kept) as second:
        assert second.restored
        assert second.store.version == version  # looking at everything again changes nothing
        assert {kind: second.objects(kind) for kind in kinds} == before
        assert {name: second.log("default", name) for name in logs} == said
        second.apply(deployment("app:1"))
        await second.advance(60)
        assert second.ready("default", "app")


async def test_a_restored_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "cluster.json"
    async with Cluster(virtual=True, behaviours=IMAGES) as whole:
        whole.apply(deployment("app:2"))
        await whole.advance(400)
        expected = course_of(whole)
    async with Cluster(virtual=True, behaviours=IMAGES, kept=kept) as first:
        first.apply(deployment("app:2"))
        await first.advance(125)
    async with Cluster(virtual=True, behaviours=IMAGES, kept=kept) as second:
        await second.advance(275)
        assert course_of(second) == expected


async def test_the_demo_comes_back_in_real_time_with_what_was_changed(tmp_path: Path) -> None:
    kept = tmp_path / "cluster.json"
    async with Cluster(seed="few", kept=kept) as first:
        pods = {p["metadata"]["uid"] for p in first.objects("Pod")}
        first.delete("ConfigMap", "shop", "checkout-config")
    async with Cluster(seed="few", kept=kept) as second:
        assert second.restored
        assert {p["metadata"]["uid"] for p in second.objects("Pod")} == pods
        assert second.get("ConfigMap", "shop", "checkout-config") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"_": {"kind": "cluster", "version": 1}}',
        '{"_": {"kind": "cluster", "version": 1}, "random": [3, [1], null], "objects": []}',
    ],
)
async def test_what_it_did_not_write_is_refused(tmp_path: Path, text: str) -> None:
    kept = tmp_path / "cluster.json"
    kept.write_text(text)
    with pytest.raises(Unreadable, match=r"cluster\.json"):
        async with Cluster(virtual=True, kept=kept):
            pass
    assert kept.read_text() == text

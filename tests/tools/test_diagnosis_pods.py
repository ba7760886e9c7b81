"""Diagnosis: images and containers that end. Each state beside one that nearly is it."""

import pytest

from tests.tools.diagnosed import (
    ago,
    crashing,
    deployment,
    diagnosed,
    pod,
    replica_set,
    told,
    waiting,
    warning,
)

PULL = 'Failed to pull image "shop/web:1.0": rpc error: code = Unknown desc = '


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        (
            "ErrImagePull",
            PULL + 'failed to resolve reference "shop/web:1.0": not found',
            "not-found",
        ),
        ("ImagePullBackOff", PULL + "pull access denied: authorization failed", "unauthorized"),
        ("ImagePullBackOff", PULL + "unexpected status code 401 Unauthorized", "unauthorized"),
        (
            "ErrImagePull",
            PULL + "toomanyrequests: You have reached your pull rate limit",
            "rate-limit",
        ),
        (
            "ErrImagePull",
            PULL + "dial tcp: lookup registry.shop on 10.96.0.10:53: no such host",
            "dns",
        ),
        (
            "ErrImagePull",
            PULL + "tls: failed to verify certificate: x509: unknown authority",
            "tls",
        ),
        ("ErrImagePull", PULL + "dial tcp 10.0.0.9:443: i/o timeout", "unreachable"),
        ("ErrImagePull", PULL + "no match for platform in manifest: not found", "platform"),
        ("InvalidImageName", 'couldn\'t parse image name "shop/web:1.0": invalid', "invalid-name"),
        (
            "ErrImageNeverPull",
            'Container image "shop/web:1.0" is not present with pull policy of Never',
            "pull-never",
        ),
    ],
)
def test_each_reason_for_which_an_image_cannot_be_had(
    reason: str, message: str, cause: str
) -> None:
    found = diagnosed(
        deployment("web", ready=0),
        waiting("web", reason, 'Back-off pulling image "shop/web:1.0"'),
        warning("Pod/web-aaa-1", "Failed", message),
    )
    assert told(found) == [("deployment/web", f"image-{cause}", "high")]


def test_a_registry_that_does_not_say_which_is_not_believed_blindly() -> None:
    words = PULL + "pull access denied, repository does not exist or may require authorization"
    state = (deployment("web", ready=0), waiting("web", "ErrImagePull", words))
    assert told(diagnosed(*state)) == [("deployment/web", "image-unauthorized", "medium")]
    revised = (
        replica_set("web", "old", 1, ago(days=5), image="shop/veb:0.9"),
        replica_set("web", "aaa", 2, ago(minutes=21)),
    )
    found = diagnosed(*state, *revised)
    assert told(found) == [("deployment/web", "image-not-found", "medium")]
    assert found.findings[0].clue.change is not None


def test_a_crash_since_a_revision_proposes_the_way_back_and_cites_its_last_words() -> None:
    found = diagnosed(
        deployment("web", 2, ready=1),
        replica_set("web", "old", 6, ago(days=5), image="shop/web:0.9"),
        replica_set("web", "aaa", 7, ago(minutes=21)),
        pod("web", template="old"),
        crashing("web"),
        logs={"-web-aaa-1/web": "INFO starting\nFATAL missing PAYMENTS_URL"},
    )
    assert told(found) == [("deployment/web", "crash", "high")]
    clue = found.findings[0].clue
    assert "exits with code 1: 1 of 2 pods" in clue.text
    assert "60 s after revision 7 (containers[web].image shop/web:0.9 → shop/web:1.0)" in clue.text
    assert any("FATAL missing PAYMENTS_URL" in line for line in found.findings[0].evidence)
    assert clue.change is not None
    assert clue.change.arguments["to_revision"] == 6


def test_a_revision_long_before_the_crash_is_not_blamed() -> None:
    found = diagnosed(
        deployment("web", ready=0),
        replica_set("web", "old", 6, ago(days=5), image="shop/web:0.9"),
        replica_set("web", "aaa", 7, ago(days=4)),
        crashing("web"),
    )
    assert told(found) == [("deployment/web", "crash", "medium")]
    assert found.findings[0].clue.change is None
    assert "revision" not in found.findings[0].clue.text


def test_memory_and_its_limit() -> None:
    limited = {"resources": {"limits": {"memory": "128Mi"}}}
    found = diagnosed(
        deployment("web", ready=0), crashing("web", 137, "OOMKilled", container=limited)
    )
    assert told(found) == [("deployment/web", "oom", "high")]
    assert "128Mi" in found.findings[0].clue.text
    killed = diagnosed(deployment("web", ready=0), crashing("web", 137, container=limited))
    assert told(killed) == [("deployment/web", "crash", "medium")]


def test_restarts_that_are_over_are_no_trouble() -> None:
    last = {
        "terminated": {
            "exitCode": 1,
            "reason": "Error",
            "startedAt": ago(days=2, seconds=8),
            "finishedAt": ago(days=2),
        }
    }
    found = diagnosed(
        deployment("web"),
        pod(
            "web", restarts=5, last=last, state={"running": {"startedAt": ago(days=2)}}, ready=True
        ),
        warning("Pod/web-aaa-1", "Unhealthy", "Readiness probe failed: refused", last=ago(days=2)),
    )
    assert found.findings == []
    assert found.report().data["healthy"] is True

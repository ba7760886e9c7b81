"""A volume that is full: what writes to it ends, and with it fails all that needs it."""

from typing import Final

from bot.sandbox.cluster import Cluster, seed
from bot.sandbox.cluster.clock import stamp
from bot.sandbox.cluster.manifests import storage_class
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object
from bot.sandbox.stories.story import Cause, Story, there

_NAMESPACE, _CLAIM, _POD = "payments", "data-ledger-0", "ledger-0"
_USED: Final = "demo/used-bytes"
_COMPACTED: Final = "ledger.example/compacted-at"


def _begin(cluster: Cluster) -> None:
    there(cluster, storage_class())
    claim = there(cluster, seed.claim_of_ledger())
    ledger = there(cluster, seed.ledger())
    if _broken(cluster):
        return
    _, capacity = cluster.claim_usage(_NAMESPACE, _CLAIM) or (0, 0)
    _hold(claim, capacity)
    cluster.apply(claim)
    if not ledger["spec"]["replicas"]:
        ledger["spec"]["replicas"] = 1
        cluster.apply(ledger)
    _start_again(cluster)


def _mend(cluster: Cluster) -> None:
    there(cluster, storage_class())
    claim = there(cluster, seed.claim_of_ledger())
    there(cluster, seed.ledger())
    if not _broken(cluster):
        return
    _hold(claim, seed.LEDGER_USED)
    claim["metadata"]["annotations"][_COMPACTED] = stamp(cluster.clock.now())
    cluster.apply(claim)
    _start_again(cluster)


def _hold(claim: Object, used: int) -> None:
    claim["metadata"].setdefault("annotations", {})[_USED] = str(used)


def _start_again(cluster: Cluster) -> None:
    """What a process may write is decided as it starts."""
    pod = cluster.get("Pod", _NAMESPACE, _POD)
    if pod is not None and "deletionTimestamp" not in pod["metadata"]:
        cluster.delete("Pod", _NAMESPACE, _POD)


def _broken(cluster: Cluster) -> bool:
    found = cluster.claim_usage(_NAMESPACE, _CLAIM)
    return found is not None and found[0] >= found[1] > 0


def _seen(cluster: Cluster) -> bool:
    claim = cluster.get("PersistentVolumeClaim", _NAMESPACE, _CLAIM)
    if claim is None:
        return False
    asked = claim["spec"]["resources"]["requests"]["storage"]
    usual = seed.claim_of_ledger()["spec"]["resources"]["requests"]["storage"]
    notes = claim["metadata"].get("annotations") or {}
    return _COMPACTED in notes or quantity(asked) > quantity(usual)


STORY: Final = Story(
    key="full-volume",
    title="A full volume",
    symptom="ledger crashes as soon as it writes; no payment goes through.",
    reporter="bob",
    report=(
        "No payment goes through for some minutes now: every charge at `api` in `payments` ends "
        "in an error, but the pods of `api` look healthy to me. Who can help?"
    ),
    namespace=_NAMESPACE,
    workload="statefulset/ledger",
    cause=Cause(
        says=(
            ("volume", "disk", "claim", "PVC", "data-ledger-0"),
            ("full", "no space", "ran out of space", "out of space"),
            ("ledger",),
        ),
        blames_not=("out of memory", "OOM", "PAYMENTS_URL", "fraud", "connection pool", "1.9.0"),
    ),
    commands=(
        "diagnose -n payments",
        "logs deployment/api -n payments --grep ERROR --tail 20",
        "get pods -n payments",
        "logs statefulset/ledger -n payments --previous --grep FATAL",
        "describe pvc/data-ledger-0 -n payments",
    ),
    begin=_begin,
    mend=_mend,
    broken=_broken,
    seen=_seen,
)

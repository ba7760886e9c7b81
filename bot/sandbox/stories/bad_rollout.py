"""A release that needs a setting which nobody made: its pods crash, the rollout is stuck."""

from fnmatch import fnmatchcase
from typing import Final

from bot.sandbox.cluster import Cluster, seed
from bot.sandbox.cluster.clock import stamp
from bot.sandbox.cluster.store import Object
from bot.sandbox.stories.story import Cause, Story, container, explain, restart, templates, there

_NEEDED: Final = "PAYMENTS_URL"
_BAD: Final = "shop/checkout:1.9.*"


def _begin(cluster: Cluster) -> None:
    if _broken(cluster):
        return
    settings = there(cluster, seed.checkout_config())
    if (settings.get("data") or {}).pop(_NEEDED, None) is not None:
        cluster.apply(settings)
    checkout = there(cluster, seed.checkout(8))
    own = container(checkout)
    own["env"] = [one for one in own.get("env", []) if one["name"] != _NEEDED]
    if fnmatchcase(own["image"], _BAD):  # it had been mended by its configuration
        restart(checkout, stamp(cluster.clock.now()))
    own["image"] = "shop/checkout:1.9.0"
    checkout["spec"]["replicas"] = checkout["spec"]["replicas"] or 4
    explain(checkout, "release 1.9.0: payment provider by configuration")
    cluster.apply(checkout)


def _mend(cluster: Cluster) -> None:
    checkout = there(cluster, seed.checkout(8))
    if not _broken(cluster):
        return
    container(checkout)["image"] = "shop/checkout:1.8.0"
    explain(checkout, "back to 1.8.0")
    cluster.apply(checkout)


def _broken(cluster: Cluster) -> bool:
    checkout = cluster.get("Deployment", "shop", "checkout")
    if checkout is None or not fnmatchcase(container(checkout)["image"], _BAD):
        return False
    return not _is_set(cluster, container(checkout))


def _is_set(cluster: Cluster, own: Object) -> bool:
    if any(one["name"] == _NEEDED for one in own.get("env", [])):
        return True
    names = [
        source["configMapRef"]["name"]
        for source in own.get("envFrom", [])
        if "configMapRef" in source
    ]
    maps = [cluster.get("ConfigMap", "shop", name) for name in names]
    return any(bool(found and (found.get("data") or {}).get(_NEEDED)) for found in maps)


def _seen(cluster: Cluster) -> bool:
    images = [
        one["spec"]["containers"][0]["image"] for one in templates(cluster, "shop", "checkout")
    ]
    return any(fnmatchcase(image, _BAD) for image in images)


STORY: Final = Story(
    key="bad-rollout",
    title="A bad rollout",
    symptom="The newest release of checkout crashes as it starts; its rollout is stuck.",
    reporter="dave",
    report=(
        "Something is off with `checkout` in `shop` since its last deploy: the rollout does not "
        "finish and its new pods keep restarting. Orders still go through, but slower. "
        "Can somebody have a look?"
    ),
    namespace="shop",
    workload="deployment/checkout",
    cause=Cause(
        says=(
            ("PAYMENTS_URL",),
            ("1.9.0", "release", "rollout", "revision", "deploy"),
            ("checkout",),
        ),
        blames_not=("out of memory", "OOM", "OOMKilled", "image pull", "node", "payments/api"),
    ),
    commands=(
        "diagnose deployment/checkout -n shop",
        "get pods -n shop -l app=checkout",
        "logs deployment/checkout -n shop --grep FATAL",
        "rollout history deployment/checkout -n shop",
        "rollout undo deployment/checkout -n shop",
    ),
    begin=_begin,
    mend=_mend,
    broken=_broken,
    seen=_seen,
    mended_by_bot=True,
)

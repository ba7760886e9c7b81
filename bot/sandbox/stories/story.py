"""What an incident is: a cause that somebody brings about, and what a right diagnosis says."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.manifests import CHANGE_CAUSE
from bot.sandbox.cluster.store import Object

State: TypeAlias = Literal["quiet", "going on", "mended"]
RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"  # as `kubectl rollout restart` notes it

_NEGATIONS: Final = re.compile(
    r"\b(not|no|never|neither|nor|without|unrelated|healthy|fine|innocent|ruled? out|rather than"
    r"|instead of|only a symptom|symptoms? of|victims?)\b|n't\b|n’t\b",
    re.IGNORECASE,
)
# What is said to be well is no cause, whatever else its clause names.
_CLEARED: Final = re.compile(
    r"\b(no (limit|doubt|problem|lack)|fine|healthy|innocent|unrelated|ruled? out)\b", re.IGNORECASE
)
_CLAUSE: Final = re.compile(r"(?<=[.!?;:,])\s+|\n+|\s+(?=but\b)", re.IGNORECASE)
_VERB: Final = re.compile(
    r"\b(is|are|was|were|be|has|have|had|does|do|did|can|could|will|would|must|may"
    r"|\w{3,}(s|ed))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cause:
    """What a right diagnosis says: of each group one of the words; and what it must not blame."""

    says: tuple[tuple[str, ...], ...]
    blames_not: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """One incident that can be begun and put back from any state of the cluster, any time.

    `report` is what `reporter`, who does not know the cause, writes to #ops. `commands` are the
    bot's: they show the evidence, the last one mends it where `mended_by_bot`. `broken` says
    whether the cause is there now, `seen` whether the cluster remembers that it once was. `begin`
    and `mend` raise ApiError when the cluster refuses, such as in a namespace that is going away.
    """

    key: str
    title: str
    symptom: str
    reporter: str
    report: str
    namespace: str
    workload: str  # kind/name
    cause: Cause
    commands: tuple[str, ...]
    begin: Callable[[Cluster], None]
    mend: Callable[[Cluster], None]
    broken: Callable[[Cluster], bool]
    seen: Callable[[Cluster], bool]
    mended_by_bot: bool = False


def state(story: Story, cluster: Cluster) -> State:
    """Say whether an incident goes on, did so earlier, or never did as far as one can see."""
    if story.broken(cluster):
        return "going on"
    return "mended" if story.seen(cluster) else "quiet"


def judged(story: Story, text: str) -> list[str]:
    """Return what a diagnosis lacks and what it wrongly blames; nothing for a right one.

    A clause that mentions something only to rule it out blames nothing, and says nothing.
    """
    lowered = " ".join(one for one in _CLAUSE.split(text) if not _CLEARED.search(one)).lower()
    lacks = [
        f"does not say {' or '.join(repr(word) for word in group)}"
        for group in story.cause.says
        if not any(word.lower() in lowered for word in group)
    ]
    return [*lacks, *_blames(story.cause, text)]


def _blames(cause: Cause, text: str) -> Iterator[str]:
    clauses = list(_blaming(_CLAUSE.split(text)))
    for word in cause.blames_not:
        wanted = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        blaming = next((one for one in clauses if wanted.search(one)), None)
        if blaming is not None:
            yield f"blames {word!r}: {blaming.strip()}"


def _blaming(clauses: list[str]) -> Iterator[str]:
    """Yield those that deny nothing; what follows a denial without a verb of its own goes with it:
    "it is not the node, the image or the network".
    """
    denied = False
    for clause in clauses:
        denied = bool(_NEGATIONS.search(clause)) or (denied and not _VERB.search(clause))
        if not denied:
            yield clause


# What the incidents have in common.


def there(cluster: Cluster, manifest: Object) -> Object:
    """Return the object that a manifest names as it is now; one that is missing is made first."""
    meta = manifest["metadata"]
    namespace = meta.get("namespace", "")
    found = cluster.get(manifest["kind"], namespace, meta["name"])
    if found is None:
        if namespace and cluster.get("Namespace", "", namespace) is None:
            about = {"name": namespace}
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": about})
        found = cluster.apply(manifest)
        found = cluster.get(manifest["kind"], namespace, meta["name"]) or found
    return found


def container(workload: Object) -> Object:
    """Return the first container of a workload's template."""
    first: Object = workload["spec"]["template"]["spec"]["containers"][0]
    return first


def explain(thing: Object, why: str) -> None:
    """Note why something was changed."""
    thing["metadata"].setdefault("annotations", {})[CHANGE_CAUSE] = why


def restart(workload: Object, moment: str) -> None:
    """Replace every pod, as `kubectl rollout restart` does."""
    meta = workload["spec"]["template"].setdefault("metadata", {})
    meta.setdefault("annotations", {})[RESTARTED] = moment


def templates(cluster: Cluster, namespace: str, app: str) -> list[Object]:
    """Return the pod templates of the replica sets that an app has or had."""
    return [
        found["spec"]["template"]
        for found in cluster.objects("ReplicaSet", namespace)
        if found["metadata"].get("labels", {}).get("app") == app
    ]

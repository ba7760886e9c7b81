"""Replicas that should be alike and are not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, Group, template_hash
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import LOW, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.snapshot import names, ref_of
from tools.kubernetes.diagnosis.wording import listed
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of
from tools.kubernetes.pods import is_leaving, is_ready


def skew(case: Case) -> Iterator[Said]:
    """The same tag that is two images, and pods of one node that alone are not well."""
    for owner in sorted({case.snapshot.owner(pod) for pod in case.snapshot.pods}):
        pods = case.snapshot.pods_of(owner)
        if len(pods) > 1:
            yield from _images(case, owner, pods)
    yield from _one_node(case)


def _images(case: Case, owner: Ref, pods: Sequence[Object]) -> Iterator[Said]:
    """Pods of one template whose containers run different images of the same name."""
    found: dict[tuple[str, str, str], dict[str, list[Object]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            identity = str(status.get("imageID") or "").rpartition("@")[2]
            if identity and "running" in (status.get("state") or {}):
                key = (template_hash(pod), str(status.get("name")), str(status.get("image")))
                found[key][identity].append(pod)
    for (_, container, image), by_identity in sorted(found.items()):
        if len(by_identity) < 2 or "@" in image:
            continue
        words = [
            f"{identity[:19]} in {names(few)}" for identity, few in sorted(by_identity.items())
        ]
        every = [pod for few in by_identity.values() for pod in few]
        unwell = [pod for pod in every if ref_of("pod", pod) in case.unwell and not is_ready(pod)]
        apart = any(all(pod in unwell for pod in few) for few in by_identity.values())
        if not apart or not _stay(pods):
            images = counted(len(by_identity), "different image")
            yield Notice(owner, f"its pods run {images} under the same name {image}")
            continue
        yield Clue(
            Cause.REPLICA_SKEW,
            owner,
            f"Its pods run different images under the same name {image}: {listed(words)}.",
            tuple(f"container {container}: imageID {one}" for one in words),
            MEDIUM,
            explains=frozenset({owner, *(ref_of("pod", pod) for pod in unwell)}),
            hangs_on=frozenset(ref_of("pod", pod) for pod in unwell),
        )


def _stay(pods: Sequence[Object]) -> bool:
    """Whether none of them just comes or goes."""
    return not any(map(is_leaving, pods)) and not any(
        (pod.get("status") or {}).get("phase") == "Pending" for pod in pods
    )


def _one_node(case: Case) -> Iterator[Said]:
    """Groups of which all pods are on one node, while the same template runs well elsewhere."""
    by_node: dict[str, list[Group]] = defaultdict(list)
    for group in case.groups:
        nodes = {str((pod.get("spec") or {}).get("nodeName") or "") for pod in group.pods}
        others = [
            pod
            for pod in case.snapshot.pods_of(group.owner)
            if is_ready(pod) and template_hash(pod) == template_hash(group.first.pod)
        ]
        well_there = any((pod.get("spec") or {}).get("nodeName") in nodes for pod in others)
        if len(nodes) == 1 and "" not in nodes and others and not well_there:
            by_node[nodes.pop()].append(group)
    for node, groups in sorted(by_node.items()):
        owners = sorted({group.owner for group in groups})
        for group in groups[:1] if len(owners) > 1 else groups:
            others = case.snapshot.pods_of(group.owner)
            text = f"Only its pods on node/{node} are not well; of {len(others)} pods of the same"
            text += " template the others are."
            yield Clue(
                Cause.REPLICA_SKEW,
                group.owner,
                text,
                (f"pod/{name_of(group.first.pod)} on node/{node}",),
                LOW,
                explains=group.refs,
                hangs_on=frozenset({Ref("node", "", node)}),
            )

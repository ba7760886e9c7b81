"""What is worth knowing and no trouble now: restarts that are over, pods that were replaced."""

from collections import defaultdict
from collections.abc import Iterator

from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.clues import Notice, Ref, Said
from tools.kubernetes.diagnosis.symptoms import is_calm
from tools.kubernetes.diagnosis.wording import plural, stamp
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of
from tools.kubernetes.pods import container_statuses


def calm(case: Case) -> Iterator[Said]:
    """Notices of pods that are well."""
    unwell = {one.ref for one in case.symptoms}
    gone: dict[Ref, list[Object]] = defaultdict(list)
    for ref, pod in case.snapshot.refs("pod"):
        owner = case.snapshot.owner(pod)
        if (pod.get("status") or {}).get("phase") == "Failed":
            if is_calm(case.snapshot, pod) and owner.kind not in ("job", "cronjob"):
                gone[owner].append(pod)
        elif ref not in unwell:
            yield from _restarts(case, owner, pod)
    for owner, pods in sorted(gone.items()):
        reasons = sorted({str((pod.get("status") or {}).get("reason")) for pod in pods})
        yield Notice(
            owner, f"{plural(len(pods), 'old pod')} ended ({', '.join(reasons)}), replaced since"
        )


def _restarts(case: Case, owner: Ref, pod: Object) -> Iterator[Notice]:
    for status in container_statuses(pod):
        count = int(status.get("restartCount") or 0)
        last = (status.get("lastState") or {}).get("terminated") or {}
        if count and last:
            how = last.get("reason") or f"exit code {last.get('exitCode')}"
            words = f"pod/{name_of(pod)} was restarted {plural(count, 'time')}, last at"
            words += f" {stamp(last.get('finishedAt'), case.now)} ({how}), and runs since"
            yield Notice(owner, words)

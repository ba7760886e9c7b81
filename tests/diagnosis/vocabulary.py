"""Our words for root causes, and which slugs of the diagnosis say the same.

What is not here is said by the same word. Where a fault has no word of its own, the nearest ones
are right.
"""

from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "image-not-found-or-unauthorized": "image-not-found image-unauthorized",
    "pull-secret-missing": "image-unauthorized secret-missing",
    "image-registry-dns": "image-dns",
    "image-registry-tls": "image-tls",
    "image-registry-away": "image-unreachable",
    "image-never-pulled": "image-pull-never",
    "crash-of-config": "crash config-missing",
    "permission": "permission-denied crash",
    "skew-or-crash": "replica-skew crash",
    "credentials-or-crash": "permission-denied crash dependency",
    "oom-of-job": "oom job-failed",
    "start-error": "command-not-found",
    "run-as-root": "pod-security permission-denied invalid-template",
    "init-crash": "init-failed",
    "init-waits": "init-failed service-missing dependency",
    "probe-port": "probe-wrong-port",
    "probe-path": "probe-wrong-path",
    "probe-scheme": "probe-wrong-port probe-wrong-path probe-failing",
    "probe-command": "probe-failing probe-wrong-path command-not-found",
    "not-ready": "probe-failing",
    "unschedulable-selector": "unschedulable-selector unschedulable-affinity",
    "unschedulable-anti-affinity": "unschedulable-affinity",
    "unschedulable-host-port": "unschedulable-port",
    "unschedulable-too-many-pods": "unschedulable-pods",
    "scheduler-missing": "unschedulable",
    "cordoned": "unschedulable-cordon",
    "service-account": "service-account-missing",
    "priority-class": "invalid-template",
    "webhook-denied": "webhook",
    "storage-class-missing": "pvc-pending",
    "volume-none": "pvc-pending",
    "provisioning": "pvc-pending",
    "access-mode": "pvc-pending",
    "claim-missing": "pvc-missing",
    "multi-attach": "volume-attach",
    "mount": "volume-mount",
    "disk-full": "volume-full",
    "ingress-backend": "ingress-backend service-missing",
    "ingress-port": "ingress-backend service-port",
    "host-missing": "service-missing dependency",
    "cni": "pod-network",
    "hpa-target": "hpa-blind",
    "paused": "rollout-paused",
    "terminating": "terminating-stuck",
    "cron-missed": "cronjob-missed",
    "cron-blocked": "cronjob-blocked",
    "certificate": "certificate-expired certificate-expiring",
    "scaled-to-zero": "scaled-to-zero dependency",
    # Of what a cause breaks: true beside it, never instead of it.
    "dependency": "dependency probe-failing ingress-backend",
}


def words(cause: str) -> frozenset[str]:
    """The slugs that say a cause."""
    return frozenset(_WORDS.get(cause, cause).split())

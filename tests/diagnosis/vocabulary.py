"""Our words for root causes, and which slugs of the diagnosis say the same."""

from collections.abc import Mapping

_CRASH = "crash crash-loop crashing error-exit"
_DEPENDENCY = "dependency dependency-down dependency-failing dependency-unavailable"
_MISSING = "dependency-missing service-missing host-missing unknown-host"
_PROBE = "probe probe-failing readiness-failing not-ready unready"
_PENDING = "unschedulable pending"
_PLATFORM = "image-platform image-wrong-platform image-architecture exec-format"
_PROVISION = "pvc-pending pvc-provisioning provisioning-failed pvc-unbound storage"

_WORDS: Mapping[str, str] = {
    "image-not-found": "image-not-found",
    "image-not-found-or-unauthorized": "image-not-found image-unauthorized",
    "image-unauthorized": "image-unauthorized",
    "pull-secret-missing": "image-unauthorized pull-secret-missing secret-missing"
    " image-pull-secret-missing",
    "image-rate-limit": "image-rate-limit image-rate-limited",
    "image-registry-dns": "image-dns image-registry-dns registry-dns image-registry-unknown",
    "image-registry-tls": "image-tls image-registry-tls registry-tls",
    "image-registry-away": "image-unreachable image-registry-unreachable registry-unreachable"
    " image-timeout image-registry-away image-registry",
    "image-platform": _PLATFORM,
    "image-platform-or-crash": f"{_PLATFORM} {_CRASH} start-error",
    "image-invalid-name": "image-invalid-name image-name-invalid image-invalid",
    "image-never-pulled": "image-never-pulled image-pull-never image-never image-pull-policy"
    " image-not-present image-never-present",
    "crash": _CRASH,
    "crash-of-config": f"{_CRASH} config-missing config-invalid environment-missing env-missing",
    "skew-or-crash": f"skew replica-skew image-skew {_CRASH}",
    "config-changed-or-crash": f"config-changed config-invalid {_CRASH}",
    "credentials-or-crash": f"credentials credentials-refused access-denied {_CRASH} {_DEPENDENCY}"
    " dependency-credentials dependency-refused",
    "oom": "oom oom-killed",
    "oom-of-job": "oom oom-killed job-failed",
    "start-error": "start-error command-not-found command-missing container-start command start"
    f" start-failed {_CRASH}",
    "run-as-root": "run-as-root run-as-non-root security-context pod-security container-config",
    "init-crash": "init-crash init-failed init-container init-container-failed init",
    "init-waits": f"init-waiting init-stuck init-container init init-hangs {_MISSING} {_DEPENDENCY}"
    " init-failed",
    "probe-port": "probe-wrong-port probe-port",
    "probe-path": "probe-wrong-path probe-path",
    "probe-scheme": "probe-scheme probe-wrong-scheme probe-wrong-port probe-tls",
    "probe-timing": "probe-timing probe-timeout startup-probe-missing probe-too-early"
    " probe-startup liveness-timing",
    "probe-command": "probe-command probe-exec probe-wrong-command probe-failing probe",
    "not-ready": f"{_PROBE} probe-unhealthy app-not-ready probe-error probe-status"
    " probe-failed probe-timing readiness",
    "unschedulable-resources": "unschedulable-resources unschedulable-cpu unschedulable-memory",
    "unschedulable-taint": "unschedulable-taint",
    "unschedulable-selector": "unschedulable-selector unschedulable-affinity",
    "unschedulable-anti-affinity": "unschedulable-anti-affinity unschedulable-affinity"
    " unschedulable-selector unschedulable-antiaffinity",
    "unschedulable-spread": "unschedulable-spread unschedulable-topology"
    " unschedulable-topology-spread unschedulable-selector",
    "unschedulable-host-port": "unschedulable-host-port unschedulable-hostport"
    " unschedulable-port unschedulable-ports",
    "unschedulable-too-many-pods": "unschedulable-too-many-pods unschedulable-pods"
    " unschedulable-pod-count unschedulable-resources",
    "scheduler-missing": f"scheduler-missing unschedulable-scheduler scheduler {_PENDING}",
    "cordoned": "cordoned node-cordoned unschedulable-cordon unschedulable-cordoned nodes-cordoned",
    "volume-zone": "volume-zone pvc-zone unschedulable-volume-zone unschedulable-zone"
    " unschedulable-volume",
    "quota": "quota quota-exceeded quota-limits",
    "limit-range": "limit-range limitrange",
    "service-account": "service-account-missing serviceaccount-missing service-account"
    " account-missing",
    "pod-security": "pod-security admission-denied pod-security-violation",
    "priority-class": "priority-class priority-class-missing priorityclass-missing"
    " admission-denied",
    "webhook": "webhook webhook-failing webhook-unavailable webhook-down webhook-failed",
    "webhook-denied": "webhook-denied webhook admission-denied policy-denied webhook-deny",
    "config-missing": "config-missing configmap-missing",
    "config-key-missing": "config-key-missing configmap-key-missing",
    "secret-missing": "secret-missing",
    "secret-key-missing": "secret-key-missing",
    "forbidden": "forbidden rbac rights-missing",
    "storage-class-missing": "storage-class-missing storageclass-missing pvc-class-missing"
    " storage-class pvc-storage-class",
    "volume-none": f"{_PROVISION} storage-class-missing pvc-no-volume pvc-no-class"
    " pvc-class-missing no-default-storage-class",
    "provisioning": f"{_PROVISION} provisioner-missing pvc-provisioner storage-provisioning",
    "access-mode": f"access-mode pvc-access-mode pvc-mode volume-mode {_PROVISION}",
    "claim-missing": "pvc-missing claim-missing persistentvolumeclaim-missing",
    "multi-attach": "multi-attach volume-multi-attach pvc-multi-attach volume-attach",
    "mount": "mount-failed volume-mount mount volume-mount-failed mount-error mount-failing"
    " csi-driver-missing",
    "disk-full": "disk-full volume-full pvc-full",
    "service-selector": "service-selector service-no-pods",
    "service-port": "service-port service-target-port",
    "ingress-backend": "ingress-backend ingress-service ingress-service-missing ingress"
    " ingress-backend-missing service-missing",
    "ingress-port": "ingress-port ingress-backend ingress-service-port ingress service-port",
    "ingress-class": "ingress-class ingress-class-missing ingress",
    "network-policy": "network-policy networkpolicy",
    "dns": "dns dns-down",
    "host-missing": f"{_MISSING} dns-unknown-host unknown-service dns-name {_DEPENDENCY}",
    "cni": "cni sandbox network-plugin sandbox-failed pod-sandbox network-setup pod-network"
    " cni-failed sandbox-network",
    "hpa-limit": "hpa-limit hpa-at-limit",
    "hpa-blind": "hpa-blind",
    "hpa-target": "hpa-target hpa-target-missing hpa-blind",
    "paused": "rollout-paused",
    "node-not-ready": "node-not-ready",
    "node-pressure": "node-pressure evicted eviction",
    "terminating": "stuck-terminating terminating pod-terminating terminating-stuck finalizer",
    "job-failed": "job-failed cronjob-failing cron-failing job-backoff cronjob-failed"
    " cronjob-never-succeeded",
    "job-deadline": "job-deadline job-failed",
    "cron-missed": "cronjob-missed cron-missed cronjob-missing-runs cronjob-too-many-missed",
    "cron-blocked": "cronjob-blocked cron-blocked cronjob-concurrency cronjob-stuck job-stuck"
    " job-hanging cron-concurrency cronjob-missed",
    "certificate": "certificate-expired certificate-not-ready certificate certificate-failed"
    " certificate-not-issued certificate-issuing certificate-pending",
    "dependency": f"{_DEPENDENCY} {_MISSING} service-no-endpoints service-without-endpoints"
    f" service-not-ready no-endpoints {_PROBE} ingress-backend rollout-stuck",
    "scaled-to-zero": f"scaled-to-zero dependency-scaled-to-zero {_DEPENDENCY} service-selector"
    " service-no-pods service-no-endpoints dependency-scaled-down",
}
WORDS: Mapping[str, frozenset[str]] = {
    cause: frozenset(words.split()) for cause, words in _WORDS.items()
}

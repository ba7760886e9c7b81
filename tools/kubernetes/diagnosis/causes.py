"""The vocabulary of causes: closed, stable, and how much each one explains."""

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """Why something is not well. A value never changes its meaning: programs read it."""

    # The image of a container cannot be had, or cannot run there.
    IMAGE_NOT_FOUND = "image-not-found"
    IMAGE_UNAUTHORIZED = "image-unauthorized"
    IMAGE_RATE_LIMIT = "image-rate-limit"
    IMAGE_DNS = "image-dns"  # the registry's name is not resolved
    IMAGE_TLS = "image-tls"  # its certificate is not trusted
    IMAGE_UNREACHABLE = "image-unreachable"  # it does not answer
    IMAGE_PLATFORM = "image-platform"  # built for another architecture
    IMAGE_INVALID_NAME = "image-invalid-name"
    IMAGE_PULL_NEVER = "image-pull-never"  # not on the node, and may not be pulled
    IMAGE_PULL = "image-pull"  # any other reason

    # A container starts and ends.
    CRASH = "crash"  # the program itself ends; its last words are the evidence
    COMMAND = "command-not-found"  # its command cannot be started
    INIT_FAILED = "init-failed"  # an init container does
    OOM = "oom"
    VOLUME_FULL = "volume-full"
    FORBIDDEN = "forbidden"  # the API refuses its service account
    PERMISSION_DENIED = "permission-denied"  # a file system, or an identity in the container, does

    # It runs and is not ready, or is restarted.
    PROBE_WRONG_PORT = "probe-wrong-port"
    PROBE_WRONG_PATH = "probe-wrong-path"
    PROBE_TIMING = "probe-timing"
    PROBE_FAILING = "probe-failing"  # the probe is right: the program says that it is not well

    # No node takes it.
    UNSCHEDULABLE_RESOURCES = "unschedulable-resources"
    UNSCHEDULABLE_TAINT = "unschedulable-taint"
    UNSCHEDULABLE_SELECTOR = "unschedulable-selector"
    UNSCHEDULABLE_AFFINITY = "unschedulable-affinity"
    UNSCHEDULABLE_SPREAD = "unschedulable-spread"
    UNSCHEDULABLE_PORT = "unschedulable-port"
    UNSCHEDULABLE_PODS = "unschedulable-pods"  # too many pods on every node
    UNSCHEDULABLE_CORDON = "unschedulable-cordon"
    UNSCHEDULABLE = "unschedulable"

    # What it stands on.
    PVC_PENDING = "pvc-pending"  # also: no such class, no volume, mode, zone
    PVC_MISSING = "pvc-missing"
    PVC_LOST = "pvc-lost"
    VOLUME_ATTACH = "volume-attach"  # attached elsewhere, or cannot be attached
    VOLUME_MOUNT = "volume-mount"
    EPHEMERAL_STORAGE = "ephemeral-storage"  # evicted for what it wrote to the node
    VOLUME_ZONE = "volume-zone"  # its volume is where no node takes it
    CONFIG_MISSING = "config-missing"
    CONFIG_KEY_MISSING = "config-key-missing"
    CONFIG_CHANGED = "config-changed"  # a setting that was changed since it was well
    CONFIG_OUTDATED = "config-outdated"  # it was changed, and its readers have not started anew
    CONFIG_VALUE = "config-value"  # a setting that does not fit what the program needs
    SECRET_MISSING = "secret-missing"  # noqa: S105 - the name of a cause
    SECRET_KEY_MISSING = "secret-key-missing"  # noqa: S105
    SERVICE_ACCOUNT_MISSING = "service-account-missing"
    SANDBOX = "pod-network"  # the node cannot give it a network

    # Pods may not even be made.
    QUOTA = "quota"
    LIMIT_RANGE = "limit-range"
    POD_SECURITY = "pod-security"
    WEBHOOK = "webhook"
    INVALID_TEMPLATE = "invalid-template"

    # A workload as a whole.
    ROLLOUT_PAUSED = "rollout-paused"
    ROLLOUT_STUCK = "rollout-stuck"
    HPA_LIMIT = "hpa-limit"
    HPA_BLIND = "hpa-blind"
    REPLICA_SKEW = "replica-skew"
    JOB_FAILED = "job-failed"
    JOB_DEADLINE = "job-deadline"
    CRONJOB_SUSPENDED = "cronjob-suspended"
    CRONJOB_MISSED = "cronjob-missed"
    CRONJOB_BLOCKED = "cronjob-blocked"  # by a run that does not end
    TERMINATING = "terminating-stuck"

    # The network.
    SERVICE_SELECTOR = "service-selector"
    SERVICE_PORT = "service-port"
    SERVICE_MISSING = "service-missing"  # it calls one that does not exist
    LOAD_BALANCER = "load-balancer"  # a service gets no address outside of the cluster
    INGRESS_BACKEND = "ingress-backend"
    INGRESS_CLASS = "ingress-class"  # nobody serves its class
    NETWORK_POLICY = "network-policy"
    DNS = "dns"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRING = "certificate-expiring"
    SCALED_TO_ZERO = "scaled-to-zero"  # and something calls it
    DEPENDENCY = "dependency"  # what it calls is not well, or not there

    # Nodes.
    NODE_NOT_READY = "node-not-ready"
    NODE_PRESSURE = "node-pressure"

    UNKNOWN = "unknown"  # it is not well, and nothing says why


# What says only that something is not well: it gives way to whatever says why.
VAGUE: Final = frozenset({Cause.UNKNOWN, Cause.ROLLOUT_STUCK, Cause.REPLICA_SKEW})
# What may be the consequence of something else, in the same workload or in what it depends on.
PROXIMATE: Final = frozenset(
    {
        Cause.CRASH,
        Cause.INIT_FAILED,
        Cause.PROBE_FAILING,
        Cause.PROBE_TIMING,
        Cause.JOB_FAILED,
        Cause.JOB_DEADLINE,
        Cause.CRONJOB_BLOCKED,
        Cause.HPA_BLIND,
        Cause.HPA_LIMIT,
        Cause.TERMINATING,
    }
)
# What says where to look next, and is taken in by what is found there.
LEADING: Final = frozenset(
    {Cause.DEPENDENCY, Cause.CONFIG_CHANGED, Cause.CONFIG_OUTDATED, Cause.CONFIG_VALUE}
)
ROOT: Final = 3


def depth(cause: Cause) -> int:
    """How near to the root: 0 says only that something is wrong, 3 says why."""
    if cause in VAGUE:
        return 0
    if cause in PROXIMATE:
        return 1
    return 2 if cause in LEADING else ROOT

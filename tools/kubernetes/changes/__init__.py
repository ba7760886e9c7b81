"""The changes beside scaling and rolling out, one module per subject."""

from tools._kit import Change
from tools.kubernetes.changes.autoscale import Autoscale
from tools.kubernetes.changes.cleanup import CleanUp
from tools.kubernetes.changes.drain import Drain
from tools.kubernetes.changes.env import SetEnv
from tools.kubernetes.changes.exec import Exec
from tools.kubernetes.changes.jobs import CreateJob
from tools.kubernetes.changes.labels import Annotate, Label
from tools.kubernetes.changes.patch import Patch
from tools.kubernetes.changes.pods import RestartPod
from tools.kubernetes.changes.resources import SetResources
from tools.kubernetes.changes.switches import (
    Cordon,
    ResumeCronjob,
    RolloutPause,
    RolloutResume,
    SuspendCronjob,
    Uncordon,
)
from tools.kubernetes.changes.whole import Apply, Delete, DeleteApplied

CHANGES: tuple[type[Change], ...] = (
    SetEnv,
    SetResources,
    RolloutPause,
    RolloutResume,
    Autoscale,
    RestartPod,
    Label,
    Annotate,
    Patch,
    Apply,
    Delete,
    DeleteApplied,
    Cordon,
    Uncordon,
    Drain,
    SuspendCronjob,
    ResumeCronjob,
    CreateJob,
    CleanUp,
    Exec,
)

"""The changes beside scaling and rolling out, one module per subject."""

from tools._kit import Change
from tools.kubernetes.changes.env import SetEnv
from tools.kubernetes.changes.resources import SetResources

CHANGES: tuple[type[Change], ...] = (SetEnv, SetResources)

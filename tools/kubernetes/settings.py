"""What the provider can be told."""

from pathlib import Path

from pydantic import Field

from tools._kit import Config


class Settings(Config):
    """Which cluster, and how patient to be with it."""

    kubeconfig: Path | None = None  # default: ~/.kube/config
    context: str | None = None  # default: the current one
    in_cluster: bool = False
    settle_seconds: float = Field(default=20, ge=0, le=600)
    timeout_seconds: float = Field(default=10, gt=0, le=120)

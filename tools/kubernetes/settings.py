"""What the provider can be told."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tools._kit import Config
from tools.kubernetes import diagnostics

Called = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^\S+$")]


class Settings(Config):
    """Which clusters, and how patient to be with them."""

    kubeconfig: Path | None = None  # default: ~/.kube/config
    context: str | None = None  # default: the current one
    # Several: names of contexts, or what people call them → the name of the context.
    contexts: tuple[Called, ...] | dict[Called, Called] = ()
    in_cluster: bool = False
    # Where this process runs, when it runs in a cluster: with a kubeconfig nobody knows in which,
    # so that one of that name is its own in each of them.
    own_namespace: str = ""
    settle_seconds: float = Field(default=20, ge=0, le=600)
    timeout_seconds: float = Field(default=10, gt=0, le=120)
    # What all questions together may ask of one cluster: requests a second, and at once; and how
    # much one answer may be. One kubectl has 50 and 300.
    qps: float = Field(default=100, gt=0, le=10_000)
    burst: int = Field(default=300, ge=1, le=10_000)
    most_bytes: int = Field(default=50_000_000, ge=1_000_000, le=1_000_000_000)

    # What may be run inside a container, each time after an approval; see diagnostics.py.
    exec_commands: Annotated[tuple[str, ...], AfterValidator(diagnostics.checked)] = (
        diagnostics.DEFAULT
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.contexts and (self.context is not None or self.in_cluster):
            raise ValueError("`contexts` does not go with `context` or `in_cluster`")
        if isinstance(self.contexts, tuple):
            twice = [name for name, count in Counter(self.contexts).items() if count > 1]
            if twice:
                raise ValueError(f"`contexts` names {', '.join(twice)} twice")
        return self

    def clusters(self) -> dict[str, str | None]:
        """The context of each cluster by what it is called; "" → as its context is."""
        if isinstance(self.contexts, dict) and self.contexts:
            return dict(self.contexts)
        return {name: name for name in self.contexts} or {"": self.context}

"""The table of `test_walks.py`: each change with what it depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.contracts.stage import Edit, made, rolled, writes
from tools import JsonObject

CART = {"namespace": "shop", "name": "cart"}


@dataclass(frozen=True)
class Walk:
    """A change, what must make its preview stale, and how it can be taken back."""

    tool: str
    arguments: JsonObject
    kind: str = "Deployment"
    name: str = "cart"
    namespace: str = "shop"
    verb: str = "patch"  # of the one write
    setup: tuple[Edit, ...] = ()
    materials: Mapping[str, Edit] = field(default_factory=dict)
    way_back: bool = True
    foreseen: bool = True  # its way back is known before it runs

    @property
    def path(self) -> str:
        """The end of the object's path."""
        plural = {"NetworkPolicy": "networkpolicies"}.get(self.kind, f"{self.kind.lower()}s")
        return f"/{plural}/{self.name}"


WALKS = {
    "set env": Walk(
        "k8s_set_env",
        {**CART, "env": ["MODE=fast", "LEVEL=debug"]},
        setup=(
            writes(
                "Deployment",
                "cart",
                "spec.template.spec.containers.0.env",
                [{"name": "LEVEL", "value": "info"}],
            ),
        ),
        materials=rolled("cart"),
    ),
    "unset env": Walk(
        "k8s_set_env",
        {**CART, "unset": ["LEVEL"]},
        setup=(
            writes(
                "Deployment",
                "cart",
                "spec.template.spec.containers.0.env",
                [{"name": "LEVEL", "value": "info"}],
            ),
        ),
        foreseen=False,
    ),
    "set resources": Walk(
        "k8s_set_resources",
        {**CART, "requests": "cpu=250m", "limits": "cpu=1,memory=512Mi"},
        materials={
            "a limit range": made(
                "LimitRange",
                "v1",
                "small",
                {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
            )
        },
    ),
}

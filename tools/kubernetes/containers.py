"""The containers of a pod template, and which one is meant."""

import copy
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import MAYBE_NAME, Refused
from tools.kubernetes.kinds import Object

MaybeContainer = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAME, strip_whitespace=True),
    Field(description="Optional with one container. Init containers can be named too."),
]


@dataclass(frozen=True)
class Container:
    """One container of a pod template and where it stands there."""

    spec: Object
    part: str  # of the pod's specification: "containers" or "initContainers"
    index: int

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.spec["name"])

    @property
    def image(self) -> str:
        """What it runs."""
        return str(self.spec.get("image", ""))

    def pointer(self, field: str) -> str:
        """One of its fields as a JSON patch of the workload writes it."""
        return f"/spec/template/spec/{self.part}/{self.index}/{field}"

    def within(self, template: Object, field: str, value: JsonValue) -> Object:
        """Its template with one of its fields as it would be written; None: without it."""
        after = copy.deepcopy(template)
        one: Object = after["spec"][self.part][self.index]
        one[field] = value
        if value is None:
            del one[field]
        return after


def chosen(template: Object, wanted: str, what: str) -> Container:
    """The container that is meant, of a workload called `what`. Raises `Refused`, naming all."""
    return named(template.get("spec") or {}, wanted, what)


def named(spec: Object, wanted: str, what: str) -> Container:
    """The same, of a pod's specification."""
    main, init = containers(spec, "containers"), containers(spec, "initContainers")
    if not wanted and len(main) == 1:
        return main[0]
    for one in (*main, *init):
        if one.name == wanted:
            return one
    names = ", ".join(one.name for one in main)
    if init:
        names += f"; init containers: {', '.join(one.name for one in init)}"
    if wanted:
        raise Refused(f"{what} has no container {wanted}, only {names}.")
    raise Refused(f"`container` is missing: {what} has several: {names}.")


def containers(spec: Object, part: str) -> list[Container]:
    """Those of one part of a pod's specification."""
    listed = spec.get(part) or ()
    return [Container(one, part, index) for index, one in enumerate(listed)]

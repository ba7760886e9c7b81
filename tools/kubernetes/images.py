"""The change that gives a container another image."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, cast

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from tools._kit import Change, NoWayBack, Preview, Refused
from tools.kubernetes.cluster import STRATEGIC_PATCH, Cluster
from tools.kubernetes.containers import MaybeContainer, chosen
from tools.kubernetes.kinds import Object
from tools.kubernetes.lastrun import failure_of, history_of, strange
from tools.kubernetes.objects import all_images_of, meta, template_of, version_of, why_moving
from tools.kubernetes.templates import Beside, Step, TemplateChange

# The grammar of image references: never a flag, a URL, or a path of this machine.
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def _reference(given: str) -> str:
    if len(given) > 512 or not _IMAGE.fullmatch(given):
        raise ValueError(
            'must be an image such as "registry.example/shop/web:1.2.3" or one with @sha256:…'
        )
    return given


Image = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    AfterValidator(_reference),
    Field(description='Whole, with registry and tag or digest: "registry/shop/web:1.2.3".'),
]


class SetImage(TemplateChange):
    """Set the image of one container of a deployment, statefulset or daemonset."""

    tool: ClassVar[str] = "k8s_set_image"
    image: Image
    container: MaybeContainer = ""

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Set the image that was there."""
        if not seen.way_back:
            return NoWayBack(f"The image of before of {self.what} cannot be written again.")
        back = {key: cast("str", seen.before[key]) for key in ("image", "container")}
        return self.model_copy(update=back)

    async def beside(self, cluster: Cluster, live: Object) -> Beside:
        """Whether any revision that is kept ran it, and whether that one worked."""
        kept = await history_of(cluster, live)
        if kept is None:
            return Beside({"ran": None})
        if said := tuple(strange(kept, self.image)):
            return Beside({"ran": False}, said)
        ran = [one for one in kept if self.image in all_images_of(one.template)]
        back = next((one for one in ran if not one.current), None)
        failure = await failure_of(cluster, live, back) if back else ""
        return Beside({"ran": True, "failed": bool(failure)}, tuple(filter(None, [failure])))

    def step(self, live: Object) -> Step:
        """One field of the container that has this name, wherever in the list it stands."""
        found = chosen(template_of(live), self.container, self.what)
        if found.image == self.image:
            raise Refused(
                f"{self.what} in {self.namespace} already runs {self.image} in {found.name}."
            )
        containers: list[JsonValue] = [{"name": found.name, "image": self.image}]
        body: dict[str, JsonValue] = {
            "metadata": {"resourceVersion": meta(live)["resourceVersion"]},
            "spec": {"template": {"spec": {found.part: containers}}},
        }
        known = _IMAGE.fullmatch(found.image) is not None
        return Step(
            body=body,
            content_type=STRATEGIC_PATCH,
            summary=f"Set the image of `{found.name}` in `{self.what}` in `{self.namespace}`"
            f" to `{self.image}`",
            effect=f"image {' → '.join(_versions(found.image, self.image))}",
            done=f"{found.name} in {self.what} in {self.namespace} was given {self.image}",
            warnings=tuple(_warnings(found.image, self.image)),
            before={"image": found.image, "container": found.name},
            way_back=f"set the image back to {found.image}" if known else "",
        )


def _repository(image: str) -> str:
    """Without tag and digest."""
    rest = image.partition("@")[0]
    head, slash, last = rest.rpartition("/")
    return head + slash + last.partition(":")[0]


def _versions(before: str, after: str) -> tuple[str, str]:
    if _repository(before) != _repository(after):
        return before, after
    return version_of(before), version_of(after)


def _warnings(before: str, after: str) -> Iterator[str]:
    if why := why_moving(after):
        yield f"{why}: which code runs is decided when each node pulls it."
    if why := why_moving(before):
        yield f"{why}: going back to it may not be what runs now."
    if (old := _repository(before)) != (new := _repository(after)):
        yield f"It comes from another repository: {old} → {new}."

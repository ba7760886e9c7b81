"""The change of a container's environment variables."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, JsonValue, StringConstraints, model_validator

from tools._kit import Change, NoWayBack, Preview, Refused
from tools.kubernetes.cluster import JSON_PATCH, Cluster
from tools.kubernetes.containers import MaybeContainer, chosen
from tools.kubernetes.kinds import Object
from tools.kubernetes.lastrun import failure_under, history_of
from tools.kubernetes.objects import template_of, with_version
from tools.kubernetes.templates import Beside, Step, TemplateChange

_NAME = r"[A-Za-z_.-][A-Za-z0-9_.-]{0,250}"
Variable = Annotated[str, StringConstraints(pattern=rf"^{_NAME}=[^\x00]{{0,1000}}$")]
VariableName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]


class SetEnv(TemplateChange):
    """Set or remove a container's environment variables (deployment, statefulset, daemonset).

    Variables that are not named stay as they are, also those that come from config maps and
    secrets. A value that looks like a credential is refused: it belongs into a Secret.
    """

    tool: ClassVar[str] = "k8s_set_env"
    env: Annotated[
        tuple[Variable, ...],
        Field(max_length=30, description='To set, each as "KEY=VALUE".'),
    ] = ()
    unset: Annotated[
        tuple[VariableName, ...], Field(max_length=30, description="Names to remove.")
    ] = ()
    container: MaybeContainer = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.env and not self.unset:
            raise ValueError("`env` or `unset` must name a variable")
        names = [*self._wanted, *self.unset]
        if len(set(names)) != len(self.env) + len(self.unset):
            raise ValueError("`env` and `unset` must name each variable once")
        return self

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Set what was there, and remove what was not."""
        if not seen.way_back:
            why = "come from elsewhere" if seen.before.get("foreign") else "are secret"
            return NoWayBack(f"Variables of {self.what} that {why} cannot be set back to that.")
        back = {key: tuple(cast("list[str]", seen.before[key])) for key in ("env", "unset")}
        return self.model_copy(update={**back, "container": seen.before["container"]})

    async def foresee(self, cluster: Cluster, seen: Preview) -> Preview | NoWayBack:
        """The way back; a removed variable would come back at another place of the list."""
        if self.unset:
            return NoWayBack("A removed variable comes back at the end of the list.")
        return await super().foresee(cluster, seen)

    def step(self, live: Object) -> Step:
        """The whole list of the container's variables, with those that are named changed."""
        found = chosen(template_of(live), self.container, self.what)
        now: list[Object] = list(found.spec.get("env") or ())
        there = {str(one.get("name")): one for one in now}
        after: list[JsonValue] = [*self._changed(now)]
        if after == now:
            raise Refused(f"{found.name} in {self.what} in {self.namespace} has exactly that.")
        named = [*self._wanted, *self.unset]
        foreign = [name for name in named if "valueFrom" in there.get(name, {})]
        env: list[JsonValue] = [
            f"{name}={there[name].get('value', '')}" for name in named if name in there
        ]
        unset: list[JsonValue] = [name for name in self._wanted if name not in there]
        path = found.pointer("env")
        change: dict[str, JsonValue] = {"op": "add", "path": path, "value": after}
        gone: dict[str, JsonValue] = {"op": "remove", "path": path}
        words = " and ".join(
            filter(None, (_list("set", self._wanted), _list("remove", self.unset)))
        )
        return Step(
            body=with_version(live, change if after else gone),
            content_type=JSON_PATCH,
            summary=f"{words[0].upper()}{words[1:]} in the environment of `{found.name}` in"
            f" `{self.what}` in `{self.namespace}`",
            effect=f"{len(named)} variable{'s'[: len(named) != 1]}",
            done=f"the environment of {found.name} in {self.what} in {self.namespace} was changed",
            warnings=tuple(_warnings(there, self._wanted, self.unset)),
            before={
                "container": found.name,
                "env": env,
                "unset": unset,
                "foreign": bool(foreign),
            },
            way_back="" if foreign else "set the variables back to what they were",
        )

    async def beside(self, cluster: Cluster, live: Object) -> Beside:
        """Whether a kept revision had just these variables, and did not work."""
        template = template_of(live)
        found = chosen(template, self.container, self.what)
        after: list[JsonValue] = [*self._changed(found.spec.get("env") or ())]
        kept, wanted = await history_of(cluster, live), found.within(template, "env", after or None)
        failure = await failure_under(cluster, live, kept, wanted)
        return Beside({"failed": bool(failure)}, tuple(filter(None, [failure])))

    @property
    def _wanted(self) -> dict[str, str]:
        return {name: value for name, _, value in (one.partition("=") for one in self.env)}

    def _changed(self, now: Sequence[Object]) -> Iterator[Object]:
        """The variables in their order, new ones last; of one that is there twice, one is left."""
        wanted = self._wanted
        for one in now:
            name = str(one.get("name"))
            if name in self.unset:
                continue
            if name not in self._wanted:
                yield one
            elif name in wanted:
                yield {"name": name, "value": wanted.pop(name)}
        yield from ({"name": name, "value": value} for name, value in wanted.items())


def _list(verb: str, names: dict[str, str] | tuple[str, ...]) -> str:
    return f"{verb} {', '.join(names)}" if names else ""


def _warnings(
    there: dict[str, Object], wanted: dict[str, str], unset: tuple[str, ...]
) -> Iterator[str]:
    for name in (*wanted, *unset):
        source = there.get(name, {}).get("valueFrom") or {}
        for key, word in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
            if reference := source.get(key):
                where = f"{word}/{reference.get('name')} (key {reference.get('key')})"
                then = "a plain value takes its place" if name in wanted else "it is removed"
                yield f"{name} comes from {where}: {then}."
    for name in unset:
        if name not in there:
            yield f"{name} is not set there."

"""The change of what a container asks for and may use."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Self, cast

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from tools._kit import Change, NoWayBack, Preview, Refused
from tools.kubernetes import usage
from tools.kubernetes.cluster import JSON_PATCH, Cluster
from tools.kubernetes.containers import Container, MaybeContainer, chosen
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object
from tools.kubernetes.lastrun import failure_under, history_of
from tools.kubernetes.objects import name_of, template_of, with_version
from tools.kubernetes.quantities import amount, is_quantity, told
from tools.kubernetes.templates import Beside, Step, TemplateChange
from tools.kubernetes.workloads import Facts, around

_RESOURCE = re.compile(r"[a-z0-9][-a-z0-9./]{0,100}")
_Amounts = dict[str, str]


def _pairs(given: str) -> str:
    for part in filter(None, given.split(",")):
        name, equals, quantity = part.partition("=")
        if not equals or not _RESOURCE.fullmatch(name) or not is_quantity(quantity):
            raise ValueError('must be amounts such as "cpu=250m,memory=512Mi"; 0 removes one')
    if len(_read(given)) != len([*filter(None, given.split(","))]):
        raise ValueError("names something twice")
    return given


def _read(given: str) -> _Amounts:
    pairs = (part.partition("=") for part in given.split(",") if part)
    return {name: quantity for name, _, quantity in pairs}


Amounts = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(_pairs),
    Field(description='"cpu=250m,memory=512Mi"; 0 removes one; what is not named stays.'),
]


class SetResources(TemplateChange):
    """Set what one container of a deployment, statefulset or daemonset requests, and its limits."""

    tool: ClassVar[str] = "k8s_set_resources"
    requests: Amounts = ""
    limits: Amounts = ""
    container: MaybeContainer = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.requests and not self.limits:
            raise ValueError("`requests` or `limits` must name an amount")
        return self

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Set the amounts that were there; 0 where there was none."""
        back = {key: cast("str", seen.before[key]) for key in ("requests", "limits", "container")}
        return self.model_copy(update=back)

    def step(self, live: Object) -> Step:
        """The container's resources whole."""
        found = chosen(template_of(live), self.container, self.what)
        now: Object = found.spec.get("resources") or {}
        after = self._changed(now)
        if _same(now, after):
            raise Refused(f"{found.name} in {self.what} in {self.namespace} has exactly that.")
        for name, quantity in (after.get("requests") or {}).items():
            limit = (after.get("limits") or {}).get(name)
            if limit is not None and amount(quantity) > amount(limit):
                raise Refused(
                    f"{found.name} would request more {name} than its limit: {quantity} > {limit}."
                )
        was: dict[str, JsonValue] = {
            "requests": _were(self.requests, now.get("requests") or {}),
            "limits": _were(self.limits, now.get("limits") or {}),
            "container": found.name,
        }
        effect = ", ".join((*_told("request", now, after), *_told("limit", now, after)))
        return Step(
            body=with_version(
                live,
                {
                    "op": "add",
                    "path": found.pointer("resources"),
                    "value": cast("JsonValue", after),
                },
            ),
            content_type=JSON_PATCH,
            summary=f"Set the resources of `{found.name}` in `{self.what}` in `{self.namespace}`",
            effect=effect,
            done=f"the resources of {found.name} in {self.what} in {self.namespace} were set",
            before=was,
            way_back="set back what it had",
        )

    async def beside(self, cluster: Cluster, live: Object) -> Beside:
        """The limit ranges that would refuse such pods, and whether such pods did not work."""
        template = template_of(live)
        found = chosen(template, self.container, self.what)
        after = self._changed(found.spec.get("resources") or {})
        ranges, kept = await asyncio.gather(
            around(cluster, "limitrange", self.namespace), history_of(cluster, live)
        )
        wanted = found.within(template, "resources", after)
        failure = await failure_under(cluster, live, kept, wanted)
        facts: Facts = {
            "failed": bool(failure),
            "limit_ranges": None
            if ranges is None
            else [[name_of(one), one["spec"].get("limits")] for one in ranges],
        }
        return Beside(facts, (*filter(None, [failure]), *_out_of(ranges or (), after)))

    async def now(self, cluster: Cluster, live: Object, stored: Object) -> JustNow:
        """What the container uses now, where that is more than it may."""
        found = chosen(template_of(live), self.container, self.what)
        after = self._changed(found.spec.get("resources") or {}).get("limits") or {}
        space, used = await asyncio.gather(
            super().now(cluster, live, stored), usage.of_container(cluster, live, found.name)
        )
        return JustNow(cautions=tuple(_below(found, after, used))) + space

    def _changed(self, now: Object) -> Object:
        after: Object = {key: value for key, value in now.items() if value}
        for part, given in (("requests", self.requests), ("limits", self.limits)):
            amounts = {**(after.get(part) or {}), **_read(given)}
            after[part] = {name: text for name, text in amounts.items() if amount(text) != 0}
        return {key: value for key, value in after.items() if value}


def _same(now: Object, after: Object) -> bool:
    def numbers(resources: Object, part: str) -> dict[str, object]:
        return {name: amount(text) for name, text in (resources.get(part) or {}).items()}

    return all(numbers(now, part) == numbers(after, part) for part in ("requests", "limits"))


def _were(given: str, now: Mapping[str, str]) -> str:
    return ",".join(f"{name}={now.get(name, '0')}" for name in _read(given))


def _told(word: str, now: Object, after: Object) -> Iterator[str]:
    """ "memory limit 256Mi → 512Mi"."""
    old, new = now.get(f"{word}s") or {}, after.get(f"{word}s") or {}
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"{name} {word} {old.get(name, 'none')} → {new.get(name, 'none')}"


def _out_of(ranges: tuple[Object, ...], after: Object) -> Iterator[str]:
    for one in ranges:
        for rule in one["spec"].get("limits") or ():
            if rule.get("type") != "Container":
                continue
            for part, bound, word in (
                ("limits", "max", "at most"),
                ("requests", "min", "at least"),
            ):
                for name, edge in (rule.get(bound) or {}).items():
                    given = (after.get(part) or {}).get(name)
                    if given is None or _fits(bound, amount(given) - amount(edge)):
                        continue
                    yield (
                        f"LimitRange {name_of(one)} allows {word} {edge} {name} a container: its"
                        " pods would be refused."
                    )


def _fits(bound: str, above: Decimal) -> bool:
    return above <= 0 if bound == "max" else above >= 0


def _below(found: Container, limits: Mapping[str, str], used: Mapping[str, str]) -> Iterator[str]:
    for name, limit in limits.items():
        if name in used and amount(used[name]) > amount(limit):
            most = told(amount(used[name]), name)
            yield f"A pod's {found.name} uses {most} {name} just now: more than {limit}."

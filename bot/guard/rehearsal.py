"""A policy tried before it is in force: on cases that somebody wrote, and on what was asked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)

from bot.core.text import amount
from bot.core.values import Sharing, Standing
from bot.guard.gathering import Asker, Wanted, gathered
from bot.guard.policy import Approvers, Effect, PolicyInput, Ruling
from bot.guard.rulebook import Rulebook
from bot.store.database import Database
from tools import ChangedPath, KnownTool, Preview, Touched


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _touched(one: "_Object") -> Touched:
    return Touched(kind=one.kind, name=one.name, namespace=one.namespace, labels=one.labels)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Object(_Part):
    cluster: str = ""
    namespace: str = ""
    kind: str = ""
    name: str = ""
    labels: dict[str, str] = {}


class _Given(_Part):
    """By the names that `when` uses; what is left out is as usual."""

    tool: str
    risk: Literal["read", "write", "danger"] | None = None  # the tool's own
    object: _Object = _Object()
    objects: tuple[_Object, ...] = ()  # instead, where they are several
    arguments: dict[str, JsonValue] = {}
    requester: str = "U0REQUEST"
    requester_groups: _Words = ()
    requester_roles: _Words = ("operator", "viewer")
    contributors: _Words = ()
    channel: str = "C0CHANNEL"
    warnings: _Words = ()
    changed_paths: _Words = ()
    reaches: _Words = ()
    along: tuple[_Object, ...] = ()
    images: _Words = ()
    replicas: int | None = None
    provenance: dict[str, str] = {}
    undoes: bool = False
    at: AwareDatetime | None = None


class _Expected(_Part):
    effect: Literal["allow", "ask", "deny", "preview"]
    rule: str | None = None
    approvers: int | None = None


class Case(_Part):
    """One wish and what should become of it."""

    name: Annotated[str, Field(min_length=1)]
    given: _Given
    expect: _Expected

    def asked(self, tool: KnownTool) -> PolicyInput:
        """As the policy would see it: what the wish alone tells is gathered as for a call, what
        only its preview would tell is as given.
        """
        given = self.given
        about, arguments = given.object, self._arguments(tool)
        wanted = Wanted(
            tool=tool.name,
            kind=tool.kind,
            risk=given.risk or tool.risk.value,
            target="/".join((about.cluster, about.namespace, about.kind, about.name)),
            arguments=arguments,
            cluster=about.cluster or str(arguments.get("cluster") or ""),
            preview=self._preview(arguments) if tool.kind == "change" else None,
            provenance=given.provenance,
            undoes=given.undoes,
        )
        asker = Asker(
            requester=given.requester,
            contributors=given.contributors or (given.requester,),
            channel=given.channel,
            standing=Standing.MEMBER,
            sharing=Sharing.OURS,
            groups=given.requester_groups,
            roles=given.requester_roles,
        )
        asked = gathered(wanted, asker, Approvers())
        return replace(
            asked,
            namespace=about.namespace or asked.namespace,
            object_kind=about.kind or asked.object_kind,
            name=about.name or asked.name,
            changed_paths=given.changed_paths,
            images=given.images or asked.images,
            replicas=asked.replicas if given.replicas is None else given.replicas,
            at=given.at.isoformat() if given.at else "",
        )

    def _arguments(self, tool: KnownTool) -> dict[str, JsonValue]:
        """As a call would hold them, with what it is about."""
        about = self.given.object
        named: dict[str, JsonValue] = {
            "cluster": about.cluster,
            "namespace": about.namespace,
            "kind": about.kind or tool.default("kind") or "deployment",
            "name": about.name,
        }
        place = {name: one for name, one in named.items() if one and name in tool.arguments}
        held = {name: tool.canonical(name, one) for name, one in self.given.arguments.items()}
        said = {name: one for name, one in held.items() if one is not None}
        return {**place, **self.given.arguments, **said}

    def _preview(self, arguments: dict[str, JsonValue]) -> Preview:
        """As if each argument were written as it is said."""
        given = self.given
        return Preview(
            summary="",
            changes=tuple(
                ChangedPath(path=name, before=None, after=one) for name, one in arguments.items()
            ),
            diff="",
            fingerprint="",
            labels=given.object.labels,
            objects=tuple(map(_touched, given.objects)),
            along=tuple(map(_touched, given.along)),
            reaches=given.reaches,
            warnings=given.warnings,
        )

    def misses(self, ruling: Ruling) -> str:
        """What came out otherwise than expected, in words; empty when nothing did."""
        wanted = self.expect
        parts = [f"{ruling.effect.value} instead of {wanted.effect}"]
        if ruling.effect.value == wanted.effect:
            parts = []
        if wanted.rule is not None and wanted.rule != ruling.rule:
            parts.append(f"by “{ruling.rule}” instead of “{wanted.rule}”")
        if wanted.approvers is not None and wanted.approvers != ruling.quorum:
            parts.append(f"{amount(ruling.quorum, 'approver')} instead of {wanted.approvers}")
        return ", ".join(parts)


class Cases(_Part):
    """A file of them."""

    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Replayed:
    """One stored wish, what was ruled then and what would be now."""

    id: str
    at: datetime
    what: str
    then: Ruling
    now: Ruling

    @property
    def differs(self) -> bool:
        """Whether anything that matters to people would be otherwise; a rule's name does not."""
        return told(self.then) != told(self.now)


def told(ruling: Ruling) -> str:
    """What a ruling means for who asks, in words."""
    match ruling.effect:
        case Effect.ASK:
            many = "one approval" if ruling.quorum == 1 else f"{ruling.quorum} approvals"
            whom = f" of {', '.join(ruling.groups)}" if ruling.groups else ""
            own = ", the requester's counts" if ruling.contributors_may else ""
            back = ", rolled back by itself" if ruling.rollback else ""
            return f"{many}{whom}{own}{back}"
        case Effect.ALLOW:
            return "runs without a click"
        case Effect.PREVIEW:
            return "only a preview"
        case Effect.DENY:
            return f"denied: {ruling.reason or ruling.rule}"


@dataclass(frozen=True)
class Unreadable:
    """One stored call that cannot be judged anew: what it holds is not what a version of us
    stored. `why` names the fields.
    """

    id: str
    at: datetime
    what: str
    why: str


_ASKED: Final = TypeAdapter(PolicyInput)
_RULED: Final = TypeAdapter(Ruling)


async def replay(
    database: Database, book: Rulebook, most: int
) -> AsyncIterator[Replayed | Unreadable]:
    """The last `most` changes that were proposed or refused, newest first, judged by `book` as they
    were asked then.
    """
    async with database.statement() as tx:
        rows = await tx.all("stored_inputs", most=most)
    for row in rows:
        which = (
            row["short_id"] or str(row["id"]),
            row["created_at"],
            f"{row['tool']} {row['target']}",
        )
        try:
            then = _RULED.validate_python(row["policy"])
            asked = _ASKED.validate_python(row["policy_input"])
            if asked.at:
                datetime.fromisoformat(asked.at)
        except ValidationError as error:
            yield Unreadable(*which, _wrong(error))
        except ValueError:
            yield Unreadable(*which, "at")
        else:
            yield Replayed(*which, then, book.decide(asked))


def _wrong(error: ValidationError) -> str:
    """The fields that are not as they should be; never what they hold."""
    places = [".".join(map(str, one["loc"])) for one in error.errors(include_input=False)]
    return ", ".join(dict.fromkeys(place for place in places if place)) or "all of it"


def summary(found: Sequence[Replayed | Unreadable]) -> str:
    """The line that counts: "7 of 200 would differ"."""
    replayed = [one for one in found if isinstance(one, Replayed)]
    different = sum(one.differs for one in replayed)
    counted = f"{different} of {len(replayed)} would differ."
    unread = len(found) - len(replayed)
    return f"{counted} Not counted: {unread} that cannot be read." if unread else counted

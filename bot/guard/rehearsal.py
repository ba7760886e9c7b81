"""A policy tried before it is in force: on cases that somebody wrote, and on what was asked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
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
from bot.guard.policy import Effect, PolicyInput, Ruling
from bot.guard.rulebook import Rulebook
from bot.store.database import Database


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Object(_Part):
    cluster: str = ""
    namespace: str = ""
    kind: str = "deployment"
    name: str = ""
    labels: dict[str, str] = {}


class _Given(_Part):
    """By the names that `when` uses; what is left out is as usual."""

    tool: str
    risk: Literal["read", "write", "danger"] = "write"
    object: _Object = _Object()
    arguments: dict[str, JsonValue] = {}
    requester: str = "U0REQUEST"
    requester_groups: _Words = ()
    requester_roles: _Words = ("operator", "viewer")
    contributors: _Words = ()
    channel: str = "C0CHANNEL"
    warnings: _Words = ()
    changed_paths: _Words = ()
    reaches: _Words = ()
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

    def asked(self) -> PolicyInput:
        """As the policy would see it."""
        given = self.given
        about = given.object
        return PolicyInput(
            tool=given.tool,
            kind="read" if given.risk == "read" else "change",
            risk=given.risk,
            target="/".join((about.cluster, about.namespace, about.kind, about.name)),
            arguments=given.arguments,
            requester=given.requester,
            requester_standing="member",
            contributors=given.contributors or (given.requester,),
            channel=given.channel,
            sharing="ours",
            warnings=given.warnings,
            approver_users=(),
            approver_groups=(),
            approver_everybody=False,
            self_approval=False,
            requester_groups=given.requester_groups,
            requester_roles=given.requester_roles,
            cluster=about.cluster,
            namespace=about.namespace,
            object_kind=about.kind,
            name=about.name,
            labels=about.labels,
            changed_paths=given.changed_paths,
            reaches=given.reaches,
            images=given.images,
            replicas=given.replicas,
            provenance=given.provenance,
            undoes=given.undoes,
            at=given.at.isoformat() if given.at else "",
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

"""`countersign.yaml`: what may stand there, and what is wrong with it as a whole."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from bot.core.mistakes import Place, dotted
from bot.identity_file import Identities
from bot.policy_file import Mistake, People, Policy


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class InstructionTexts(_Part):
    """Text that the model always gets, by where it applies."""

    workspace: str = ""
    channels: dict[str, str] = {}
    clusters: dict[str, str] = {}


class DailyLimit(_Part):
    """What models may take from 00:00 to 24:00 UTC: tokens, dollars, or whichever comes first."""

    tokens: Annotated[int, Field(ge=1000)] | None = None
    dollars: Annotated[Decimal, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "DailyLimit":
        if self.tokens is None and self.dollars is None:
            raise ValueError("tokens, dollars or both are expected")
        return self


class Limits(_Part):
    """Where a run ends, with what it found; and what models may take in a day."""

    model_calls: Annotated[int, Field(ge=1, le=200)] = 25
    minutes: Annotated[float, Field(gt=0, le=120)] = 10
    tokens: Annotated[int, Field(ge=1000)] = 300_000
    dollars: Annotated[Decimal, Field(gt=0)] = Decimal(2)
    person_per_day: DailyLimit | None = None
    channel_per_day: DailyLimit | None = None
    day: DailyLimit | None = None  # of the whole workspace


def _channel(value: str) -> str:
    if not re.fullmatch(r"[CG][A-Z0-9]{2,}", value):
        raise ValueError("a Slack channel id (C…) is expected; names are not ids")
    return value


class Approvals(_Part):
    """Where cards are told besides their own thread, and whether they are told a second time."""

    channel: Annotated[str, AfterValidator(_channel)] | None = None
    reminders: bool = True
    post_audit_head: bool = False  # once a day, into that channel

    @model_validator(mode="after")
    def _has_where_to_post(self) -> "Approvals":
        if self.post_audit_head and self.channel is None:
            raise ValueError("post_audit_head needs a channel")
        return self


def _days(value: object) -> object:
    """A number of days, or `forever`."""
    if value == "forever":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 36_500:
        raise ValueError("a number of days or `forever` is expected")
    return value


def _two_days(value: int | None) -> int | None:
    if value == 1:
        raise ValueError("at least 2 are expected: what may still be repeated must be known")
    return value


def _for_ever(value: object) -> object:
    if value != "forever":
        raise ValueError("only `forever` is possible: its chain holds from its first row on")
    return value


_Days = Annotated[int | None, BeforeValidator(_days)]


class Retention(_Part):
    """For how many days words are kept, and what only the work itself needed. What was done, and
    by whom, is in the audit.
    """

    messages_days: _Days = 365
    artifacts_days: _Days = 30
    events_days: Annotated[_Days, AfterValidator(_two_days)] = 2
    outbox_days: Annotated[_Days, AfterValidator(_two_days)] = 7
    jobs_days: _Days = 7  # those that failed: what succeeded goes at once
    checkpoints_days: Annotated[int, Field(ge=0, le=36_500)] = 0  # after a run has ended
    audit_days: Annotated[Literal["forever"], BeforeValidator(_for_ever)] = "forever"


def _by_name(value: object) -> object:
    """A list of contexts: each is called what the kubeconfig calls it."""
    if not isinstance(value, list):
        return value
    if any(not isinstance(one, str) for one in value):
        raise ValueError("names of contexts are expected")
    if len(set(value)) < len(value):
        raise ValueError("a context stands here twice")
    return {one: one for one in value}


def _cluster_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][^\s`*<>]{0,199}", value):
        raise ValueError("a cluster's name has no space in it, so that it can be typed")
    return value


_Contexts = Annotated[
    dict[
        Annotated[str, AfterValidator(_cluster_name)],
        Annotated[str, Field(min_length=1)],
    ],
    BeforeValidator(_by_name),
    Field(min_length=1),
]


class Kubernetes(_Part):
    """Where the clusters are; without it, `KUBECONFIG` or the pod's own account."""

    kubeconfig: str = ""
    context: str = ""
    contexts: _Contexts | None = None  # the cluster's name → the kubeconfig's context
    # What may be asked of one cluster: requests a second, at once, and bytes of one answer.
    qps: Annotated[float, Field(gt=0, le=10_000)] = 100
    burst: Annotated[int, Field(ge=1, le=10_000)] = 300
    most_bytes: Annotated[int, Field(ge=1_000_000, le=1_000_000_000)] = 50_000_000
    # All that may be run inside a container, each time approved; left out: the provider's list.
    exec_commands: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=100)] | (
        None
    ) = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Kubernetes":
        if self.context and self.contexts:
            raise ValueError("either context or contexts is expected, not both")
        return self


class Tools(_Part):
    """Providers by name."""

    kubernetes: Kubernetes | None = None


_POLICY: Place = ("policy",)
APART: Final = frozenset(
    {_POLICY, *((*_POLICY, part) for part in ("rules", "windows", "channels"))}
)
"""Where a mistake in one thing does not keep the others from being judged."""


class File(_Part):
    """`countersign.yaml`."""

    instructions: InstructionTexts = InstructionTexts()
    approvals: Approvals = Approvals()
    limits: Limits = Limits()
    tools: Tools = Tools()
    retention: Retention = Retention()
    self_approval: bool = False
    people: People = People()
    policy: Policy = Policy()
    identities: Identities | None = None  # left out: the bot acts as itself for everybody
    model_windows: dict[str, Annotated[int, Field(ge=1000)]] = {}
    _at: Callable[[Place], str] = PrivateAttr(default_factory=lambda: dotted)

    def mistakes(self) -> Iterator[Mistake]:
        """What is wrong with it as a whole, though each part is well-formed."""
        yield from self.policy.mistakes()
        if self.identities is not None:
            yield from self.identities.mistakes()

    def placed(self, at: Callable[[Place], str]) -> Self:
        """The same, of a file in which places are named so."""
        self._at = at
        return self

    def at(self, place: Place) -> str:
        """A place as mistakes name it: "countersign.yaml:14: policy.rules.2.ask"."""
        return self._at(place)

    def named_groups(self) -> list[tuple[str, str]]:
        """The Slack user groups that rules and roles name, each with the first place."""
        found: dict[str, str] = {}
        for group, place in (*self.policy.named_groups(), *self.people.named_groups()):
            found.setdefault(group, self.at(place))
        return sorted(found.items())

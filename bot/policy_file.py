"""`policy:` and `people:` of countersign.yaml: what may stand there, and what is wrong with it.

What it means is decided in `bot.guard`. `countersign policy explain` says it in words.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from bot.core.mistakes import Place, meant

Mistake = tuple[Place, str]

DEFAULTS = "The default rules"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):([0-5]\d)")
_MACRO = re.compile(r"\b(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")  # binds a name
# What `when` may speak of: the stored input. `namespace` alone is a reserved word of CEL.
NAMES = frozenset(
    {
        "tool",
        "kind",
        "risk",
        "target",
        "object",  # .cluster .namespace .kind .name .labels
        "arguments",
        "requester",
        "requester_groups",
        "contributors",
        "channel",
        "warnings",
        "changed_paths",
        "images",
        "replicas",
        "provenance",
        "hour",
        "weekday",
        "undoes",
    }
)

OBJECT = frozenset({"cluster", "namespace", "kind", "name", "labels"})  # what stands in `object`
# What stands in an expression that is none, outside of quotes, and what was meant.
_SLIPS = (
    (r"(?<![=!<>])=(?!=)", "== compares, a single = is no part of it"),
    (r"\b(?:and|or|not)\b", "&& is for and, || for or, ! for not"),
    (r"(?<![.\w])namespace\b", "namespace alone is reserved. Did you mean object.namespace?"),
    (r"[“”‘’]", "straight quotes are expected"),
    (r"""^[^"']*["'][^"']*$""", "a quote is not closed"),
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _group(value: str) -> str:
    if not re.fullmatch(r"S[A-Z0-9]{2,}", value):
        raise ValueError("a Slack user-group id (S…) is expected; names are not ids")
    return value


def _channel(value: str) -> str:
    if not re.fullmatch(r"[CDG][A-Z0-9]{2,}", value):
        raise ValueError("a Slack channel id (C…) is expected; names are not ids")
    return value


def _who(value: str) -> str:
    if value != "*" and not re.fullmatch(r"[UWS][A-Z0-9]{2,}", value):
        raise ValueError(
            "a Slack user id (U…), a user-group id (S…) or `*` is expected; names are not ids"
        )
    return value


def _time(longest: int, *, off: bool = False) -> Callable[[object], object]:
    """A validator of how long: at least a minute. `off`: `false` is possible too."""
    such = "30m" if longest < 2 * 3600 else "30m or 2h"
    most = f"{longest // 60}m" if longest < 3600 else f"{longest // 3600}h"

    def seconds(value: object) -> object:
        if off and value is False:
            return value
        found = re.fullmatch(r"(\d{1,6}) ?([smh])", value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"a time such as {such} is expected{', or false' if off else ''}")
        given = int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
        if not 60 <= given <= longest:
            raise ValueError(f"a time from 1m to {most} is expected")
        return given

    return seconds


_Globs = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed), Field(min_length=1)
]
_Groups = Annotated[
    tuple[Annotated[str, AfterValidator(_group)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
]
_Channels = Annotated[
    tuple[Annotated[str, AfterValidator(_channel)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
]
_People = Annotated[
    tuple[Annotated[str, AfterValidator(_who)], ...], BeforeValidator(_listed), Field(min_length=1)
]
_Risks = Annotated[
    tuple[Literal["read", "write", "danger"], ...], BeforeValidator(_listed), Field(min_length=1)
]
_Seconds = Annotated[int, BeforeValidator(_time(86_400))]
_SecondsOrOff = Annotated[int | Literal[False], BeforeValidator(_time(86_400, off=True))]
_Sentence = Annotated[str, Field(min_length=1, max_length=300)]


class Match(_Part):
    """What a rule is about; what is left out matches everything. `*` stands for any letters."""

    tool: _Globs | None = None
    risk: _Risks | None = None
    cluster: _Globs | None = None
    namespace: _Globs | None = None
    kind: _Globs | None = None
    labels: dict[str, str] = {}
    channel: _Channels | None = None
    groups: _Groups | None = None  # the requester is in one of them

    def covers(self, other: Self) -> bool:
        """Whether everything that `other` matches is matched by this, as far as globs tell."""
        globs = (
            _covers(self.tool, other.tool),
            _covers(self.cluster, other.cluster),
            _covers(self.namespace, other.namespace),
            _covers(self.kind, other.kind),
        )
        sets = ((self.risk, other.risk), (self.channel, other.channel), (self.groups, other.groups))
        return (
            all(globs)
            and all(mine is None or (its and {*its} <= {*mine}) for mine, its in sets)
            and self.labels.items() <= other.labels.items()
        )


def _covers(mine: tuple[str, ...] | None, its: tuple[str, ...] | None) -> bool:
    if mine is None or "*" in mine:
        return True
    return its is not None and all(any(_within(one, glob) for glob in mine) for one in its)


def _within(one: str, glob: str) -> bool:
    """Whether a glob matches all that `one` matches; a pattern within a pattern is told only where
    both have nothing but `*`.
    """
    if one == glob:
        return True
    if any(mark in one for mark in "*?["):
        return not any(mark in f"{one}{glob}" for mark in "?[") and fnmatchcase(one, glob)
    return fnmatchcase(one, glob)


CARD_SECONDS = 30 * 60  # how long a card is open where no rule and no setting says it


class Escalation(_Part):
    """Whom else to call when nobody has decided for a while."""

    after: _Seconds
    to: _Groups


class BreakGlass(_Part):
    """Who may run it alone when nobody else can be had, with a reason, before everybody's eyes."""

    groups: _Groups


class Rollback(_Part):
    """What does not work is rolled back by itself, as it was approved with it."""

    within: _Seconds  # of its start; later, people decide


class Range(_Part):
    """From the least to the most, both included."""

    min: int
    max: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError("min must not be above max")
        return self


class Grant(_Part):
    """One approval may be one of the same again in its thread, a few times, for a while."""

    times: Annotated[int, Field(ge=1, le=10)] = 3
    within: Annotated[int, BeforeValidator(_time(1_800))] = 1_800
    vary: dict[str, Range] = {}  # argument → where it may lie; every other one is the same


class Ask(_Part):
    """Who has to agree before it runs."""

    approvers: Annotated[int, Field(ge=1, le=5)] = 1
    groups: _Groups | None = None  # left out: whoever approves in general
    requester_may: bool = False
    expires: _Seconds | None = None
    reminder: _SecondsOrOff | None = None
    escalate: Escalation | None = None
    break_glass: BreakGlass | None = None
    rollback: Rollback | None = None
    grant: Grant | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        until = self.expires or CARD_SECONDS
        if self.escalate and self.escalate.after >= until:
            raise ValueError(f"escalate.after must be before it expires, after {until // 60} min")
        if self.grant and self.approvers > 1:
            raise ValueError("a grant is given by one: it goes with approvers: 1")
        if self.reminder and self.reminder >= until:
            raise ValueError(f"reminder must be before it expires, after {until // 60} min")
        return self


def _expression(source: str) -> str:
    if not source:
        return source
    # only a file that has one needs it
    import cel  # noqa: PLC0415 - a hundredth of a second and a native library

    try:
        program = cel.compile(source)
    except ValueError as error:
        raise ValueError(f"not a CEL expression: {_broken(source)}") from error
    bound = {match[1] for match in _MACRO.finditer(source)}
    if unknown := sorted({*program.variables()} - NAMES - bound):
        raise ValueError(_unknown(unknown[0]))
    return source


def _broken(source: str) -> str:
    """What a person most probably did; the library speaks of tokens."""
    plain = unquoted(source)
    for pattern, words in _SLIPS:
        if re.search(pattern, plain):
            return words
    return "it breaks off, or something does not fit in it"


def unquoted(source: str) -> str:
    """An expression with nothing in its quotes."""
    return re.sub(r"""(["']).*?(?<!\\)\1""", r"\1\1", source)


def _unknown(name: str) -> str:
    if name in OBJECT:
        return f"{name} is not known here. Did you mean object.{name}?"
    known = ", ".join(sorted(NAMES))
    return f"{name} is not known here; known: {known}{meant(name, NAMES)}"


class Rule(_Part):
    """The first rule that matches decides. Exactly one of the four effects stands in it."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    match: Match = Match()
    when: Annotated[str, AfterValidator(_expression)] = ""  # CEL
    allow: Literal[True] | None = None
    ask: Ask | None = None
    deny: _Sentence | None = None
    preview_only: _Sentence | None = None

    @model_validator(mode="after")
    def _one_effect(self) -> Self:
        given = [self.allow, self.ask, self.deny, self.preview_only]
        if sum(one is not None for one in given) != 1:
            raise ValueError("exactly one of allow, ask, deny and preview_only is expected")
        return self


def _moment(value: object) -> object:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("a moment of the week such as `fri 16:00` is expected")
    return value


class Weekly(_Part):
    """From one moment of the week to another, in a time zone."""

    start: Annotated[str, BeforeValidator(_moment)]
    end: Annotated[str, BeforeValidator(_moment)]

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.start == self.end:  # always, or never?
            raise ValueError("start and end must differ")
        return self

    @staticmethod
    def minutes(moment: str) -> int:
        """Minutes since Monday, 00:00."""
        day, time = moment.split(" ")
        return DAYS.index(day) * 1440 + int(time[:2]) * 60 + int(time[3:])


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError, see below
        raise ValueError("a time zone such as Europe/Berlin is expected") from error
    except KeyError as error:
        raise ValueError("there is no such time zone here; one is Europe/Berlin") from error
    return value


class Window(_Part):
    """When changes rest (`freeze`), or the only time at which they may be made (`maintenance`).

    Either `from` and `until`, or `weekly`.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["freeze", "maintenance"]
    match: Match = Match()
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None
    weekly: Weekly | None = None
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _once_or_weekly(self) -> Self:
        once = self.since is not None and self.until is not None
        if once == (self.weekly is not None) or (self.since is None) != (self.until is None):
            raise ValueError("either from and until, or weekly, is expected")
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before until")
        return self

    def is_open(self, at: datetime) -> bool:
        """Whether `at` lies in it."""
        since, until = self._around(at)
        return since <= at < until

    def ends(self, at: datetime) -> datetime:
        """When it ends, of one that is open at `at`."""
        return self._around(at)[1]

    def _around(self, at: datetime) -> tuple[datetime, datetime]:
        """The one that is open at `at`, if any is; else another one, or none at all."""
        if self.since and self.until:
            return self.since, self.until
        if self.weekly is None:
            return at, at
        here = at.astimezone(ZoneInfo(self.timezone))
        day = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        start, end = Weekly.minutes(self.weekly.start), Weekly.minutes(self.weekly.end)
        lasts = (end - start) % (7 * 1440)
        # from the start of this week or, where that is still to come, of the one before
        for weeks in (0, 1):
            began = day + timedelta(minutes=start - here.weekday() * 1440 - weeks * 7 * 1440)
            since, until = self._first(began), self._last(began + timedelta(minutes=lasts))
            if since <= at:
                break
        return since, until

    # Of a moment that clocks show twice, or not at all, a freeze has both and all between them.

    def _first(self, wall: datetime) -> datetime:
        return min(_readings(wall)) if self.kind == "freeze" else _readings(wall)[0]

    def _last(self, wall: datetime) -> datetime:
        return max(_readings(wall)) if self.kind == "freeze" else _readings(wall)[0]


def _readings(wall: datetime) -> tuple[datetime, datetime]:
    """What a clock on a wall may mean, where it is put back or forward."""
    first, again = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, again


class Limits(_Part):
    """What no rule lifts."""

    replicas: Annotated[int, Field(ge=0)] | None = None  # at most
    namespaces: _Globs | None = None  # the only ones where anything is changed
    images: _Globs | None = None  # "registry.example.com/*"; a tag may stand behind a colon
    forbidden_tags: _Globs | None = None  # "latest"; an image without a tag has that one


class Bound(_Part):
    """What a channel is about: nothing else is looked at or changed from there."""

    clusters: _Globs | None = None
    namespaces: _Globs | None = None  # what lies in none is outside of them
    tools: _Globs | None = None
    cluster: str = ""  # meant where none is named; left out, the only one of `clusters`
    shared: bool = False  # work there although another organisation reads it too

    @model_validator(mode="after")
    def _narrow_enough(self) -> Self:
        if self.shared and (self.tools is None or self.namespaces is None):
            raise ValueError("a shared channel needs its tools and its namespaces")
        if self.cluster and not _covers(self.clusters, (self.cluster,)):
            raise ValueError("cluster is none of clusters")
        return self

    @property
    def default_cluster(self) -> str:
        """The cluster that is meant where none is named; empty for none."""
        only = self.clusters if self.clusters and len(self.clusters) == 1 else ("",)
        return self.cluster or ("" if any(mark in only[0] for mark in "*?[") else only[0])


class Policy(_Part):
    """Ordered rules: the first that matches decides; after them, the default rules."""

    rules: tuple[Rule, ...] = ()
    windows: tuple[Window, ...] = ()
    channels: dict[Annotated[str, AfterValidator(_channel)], Bound] = {}
    limits: Limits = Limits()
    defaults: bool = True  # false: what no rule matches is denied

    def mistakes(self) -> Iterator[Mistake]:
        """Names that stand twice, and rules that are never reached."""
        for number, rule in enumerate(self.rules):
            before = self.rules[:number]
            if any(one.name == rule.name for one in before):
                yield ("policy", "rules", number, "name"), "another rule has this name"
            earlier = next((one for one in before if _hides(one, rule)), None)
            if earlier is not None:
                yield (
                    ("policy", "rules", number),
                    f"never reached: “{earlier.name}” above matches all of it",
                )
            elif _is_beyond(rule.match, self.limits.namespaces):
                yield (
                    ("policy", "rules", number),
                    "never reached: limits.namespaces has none of its namespaces",
                )

    def named_groups(self) -> Iterator[tuple[str, Place]]:
        """The Slack user groups that rules name, and where."""
        for number, rule in enumerate(self.rules):
            where: Place = ("policy", "rules", number)
            asked = rule.ask or Ask()
            escalation = asked.escalate.to if asked.escalate else ()
            breakers = asked.break_glass.groups if asked.break_glass else ()
            for groups, place in (
                (rule.match.groups or (), (*where, "match", "groups")),
                (asked.groups or (), (*where, "ask", "groups")),
                (escalation, (*where, "ask", "escalate", "to")),
                (breakers, (*where, "ask", "break_glass", "groups")),
                (_groups_in(rule.when), (*where, "when")),
            ):
                yield from ((group, place) for group in groups)
        for number, window in enumerate(self.windows):
            for group in window.match.groups or ():
                yield group, ("policy", "windows", number, "match", "groups")


def _groups_in(condition: str) -> tuple[str, ...]:
    """The groups that a condition looks for: only of those that are named is known who is in."""
    if "requester_groups" not in condition:
        return ()
    return tuple(re.findall(r"""["'](S[A-Z0-9]{2,})["']""", condition))


def _is_beyond(match: Match, namespaces: tuple[str, ...] | None) -> bool:
    """Whether it is about changes only, and all that it names lies where nothing is changed."""
    if namespaces is None or match.namespace is None or not match.risk or "read" in match.risk:
        return False
    return not any(
        any(mark in one for mark in "*?[") or _covers(namespaces, (one,)) for one in match.namespace
    )


def _hides(earlier: Rule, later: Rule) -> bool:
    """An allow rule passes over what only untrusted text says: other rules stand behind it."""
    passes_over = earlier.allow and not later.allow
    return not earlier.when and not passes_over and earlier.match.covers(later.match)


class People(_Part):
    """Who has which role: user ids, user-group ids, or `*` for every full member.

    Left out, every full member is a viewer, every viewer an operator, and nobody an auditor or
    admin.
    Approvers are those of `COUNTERSIGN_APPROVERS` too.
    """

    viewer: _People | None = None
    operator: _People | None = None
    approver: _People | None = None
    auditor: _People | None = None
    admin: _People | None = None

    def named_groups(self) -> Iterator[tuple[str, Place]]:
        """The Slack user groups that roles name, and where."""
        for role, named in self:
            yield from ((one, ("people", role)) for one in named or () if one.startswith("S"))

"""The operator's policy, compiled: the first rule that matches decides, after what no rule lifts
and before the default rules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Protocol

from bot.core.text import amount, be
from bot.guard.policy import Approvers, Effect, PolicyInput, Ruling, decide, floor
from bot.guard.strictest import strictest
from bot.policy_file import (
    CARD_SECONDS,
    NAMES,
    Ask,
    Bound,
    Grant,
    Limits,
    Match,
    Policy,
    Rule,
    Window,
)
from tools import EVERYWHERE, MIXED

_ROLES = {"read": "viewer", "change": "operator"}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Check = Callable[[PolicyInput], bool]


class _Program(Protocol):
    def execute(self, context: Any) -> object: ...


@dataclass(frozen=True)
class Step:
    """One rule on the way to a decision: whether it decides, and if not, what did not fit."""

    rule: str
    decides: bool
    why: str = ""


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    checks: tuple[tuple[str, _Check], ...]
    program: _Program | None

    def misfit(self, asked: PolicyInput, context: "_Context") -> str:
        """What does not fit; empty when all does. Raises what an expression that fails raises."""
        for what, fits in self.checks:
            if not fits(asked):
                return what
        if self.program is None:
            return ""
        if asked.unknown_groups and "requester_groups" in self.rule.when:
            raise _GroupsUnknown(asked.unknown_groups)
        holds = self.program.execute(context.given)
        if not isinstance(holds, bool):
            raise TypeError("a condition is true or false")
        return "" if holds else "when"


class _GroupsUnknown(Exception):
    """It rests on who is in a group, and that could not be looked up."""

    def __init__(self, groups: Iterable[str]) -> None:
        super().__init__(_unknown(groups))


class _Context:
    """What expressions see: made for all of them when the first one is reached."""

    def __init__(self, asked: PolicyInput) -> None:
        self._asked = asked
        self._given: Any = None

    @property
    def given(self) -> Any:
        if self._given is None:
            import cel  # noqa: PLC0415 - only a policy that has conditions needs it

            self._given = cel.Context(variables=variables(self._asked))
        return self._given


def variables(asked: PolicyInput) -> dict[str, Any]:
    """What conditions may name, and what that is."""
    given: dict[str, Any] = asked.stored()
    at = _moment(asked)
    given["object"] = {
        "cluster": given["cluster"],
        "namespace": given["namespace"],
        "kind": given["object_kind"],
        "name": given["name"],
        "labels": given["labels"],
    }
    given |= {"hour": at.hour, "weekday": _WEEKDAYS[at.weekday()]}
    return {name: given[name] for name in NAMES}


class Rulebook:
    """Decides by the operator's policy. Pure: everything it looks at is in the input.

    `card_seconds`: how long a card is open where no rule says it.
    """

    def __init__(self, policy: Policy | None = None, card_seconds: int = CARD_SECONDS) -> None:
        self._policy = policy or Policy()
        self._card_seconds = card_seconds
        self._compiled = [_compiled(rule) for rule in self._policy.rules]
        self._of_tool: dict[str, tuple[_Compiled, ...]] = {}

    @property
    def policy(self) -> Policy:
        """As it was written."""
        return self._policy

    def decide(self, asked: PolicyInput) -> Ruling:
        """What may become of one call. Raises nothing: what cannot be judged is denied.

        Of a change to several objects each is judged, and the strictest counts.
        """
        return self._together([self._of_one(one) for one in asked.each()], asked)

    def _of_one(self, asked: PolicyInput) -> Ruling:
        if (ruling := self.barred(asked)) is not None:
            return ruling
        context = _Context(asked)
        for compiled in self._candidates(asked.tool):
            ruling = _tried(compiled, asked, context)
            if ruling is not None:
                return ruling
        return self._after(asked)

    def freeze(self, asked: PolicyInput) -> Ruling | None:
        """The freeze in which it would be made, also of what takes a change back; or None."""
        windows = [one for one in self._policy.windows if one.kind == "freeze"]
        found = (_at_rest(windows, replace(one, undoes=False)) for one in asked.each())
        return next(filter(None, found), None)

    def explain(self, asked: PolicyInput) -> list[Step]:
        """The same, rule by rule, up to the one that decides; of several objects, for the one whose
        ruling counts.
        """
        each = asked.each()
        if len(each) == 1:
            return self._steps(each[0])
        rulings = [self._of_one(one) for one in each]
        ruling = self._together(rulings, asked)
        at = next(n for n, one in enumerate(rulings) if one.rule == ruling.rule)
        named = f"{each[at].object_kind}/{each[at].name}"
        first = Step("several objects", decides=False, why=f"each is judged; below, {named}")
        *before, last = self._steps(each[at])
        return [first, *before, last if ruling == rulings[at] else replace(last, why=ruling.reason)]

    def _steps(self, asked: PolicyInput) -> list[Step]:
        if (ruling := self.barred(asked)) is not None:
            return [Step(ruling.rule, decides=True, why=ruling.reason)]
        steps: list[Step] = []
        context = _Context(asked)
        for compiled in self._compiled:
            ruling = _tried(compiled, asked, context)
            if ruling is not None:
                steps.append(Step(ruling.rule, decides=True, why=ruling.reason))
                return steps
            steps.append(Step(compiled.rule.name, decides=False, why=_misfit(compiled, asked)))
        ruling = self._after(asked)
        return [*steps, Step(ruling.rule, decides=True, why=ruling.reason)]

    def barred(self, asked: PolicyInput) -> Ruling | None:
        """What no rule lifts: the floor, roles, channels, limits and windows; or None."""
        return (
            floor(asked)
            or self._without_role(asked)
            or _elsewhere(self._policy.channels.get(asked.channel), asked)
            or _beyond(self._policy.limits, asked)
            or _at_rest(self._policy.windows, asked)
        )

    def _together(self, rulings: Sequence[Ruling], asked: PolicyInput) -> Ruling:
        general = Approvers(asked.approver_users, asked.approver_groups, asked.approver_everybody)
        return strictest(rulings, general, self._card_seconds)

    def _after(self, asked: PolicyInput) -> Ruling:
        if self._policy.defaults:
            return decide(asked)
        return Ruling(Effect.DENY, "no rule", reason="no rule allows it")

    @staticmethod
    def _without_role(asked: PolicyInput) -> Ruling | None:
        role = _ROLES.get(asked.kind, "operator")
        if role in asked.requester_roles:
            return None
        what = "look" if role == "viewer" else "propose changes"
        unknown = f"; {_unknown(asked.unknown_groups)}" if asked.unknown_groups else ""
        return Ruling(Effect.DENY, "roles", reason=f"only {role}s may {what}{unknown}")

    def _candidates(self, tool: str) -> tuple[_Compiled, ...]:
        found = self._of_tool.get(tool)
        if found is None:
            found = tuple(one for one in self._compiled if _is_about(one.rule, tool))
            if len(self._of_tool) < 1000:  # names come from models too
                self._of_tool[tool] = found
        return found


def _is_about(rule: Rule, tool: str) -> bool:
    return rule.match.tool is None or _any(rule.match.tool, tool)


def _tried(compiled: _Compiled, asked: PolicyInput, context: _Context) -> Ruling | None:
    """What the rule says, or None when it is about neither this nor, where it denies, what goes
    along.
    """
    ruling = _said(compiled, asked, context)
    if ruling is None and _reach(compiled.rule) is _Reach.ALL:
        said = (_said(compiled, one, _Context(one)) for one in asked.beside())
        ruling = next(filter(None, said), None)
    return ruling


def _said(compiled: _Compiled, asked: PolicyInput, context: _Context) -> Ruling | None:
    if compiled.rule.allow and asked.kind != "read" and not _is_trusted(asked):
        return None  # what nobody of ours said is looked at by people
    try:
        if not _is_about(compiled.rule, asked.tool) or compiled.misfit(asked, context):
            return None
    except _GroupsUnknown as unknown:
        return Ruling(Effect.DENY, compiled.rule.name, reason=str(unknown))
    except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, IndexError) as error:
        why = f"its condition cannot be computed here ({type(error).__name__})"
        return Ruling(Effect.DENY, compiled.rule.name, reason=why)
    if why := _why_perhaps(compiled.rule.match, asked):
        return Ruling(Effect.DENY, compiled.rule.name, reason=why)
    return _ruling(compiled.rule, asked)


def _why_perhaps(match: Match, asked: PolicyInput) -> str:
    """In words, of what only may be what the rule is about; empty of what surely is."""
    if asked.namespace == EVERYWHERE and match.namespace and EVERYWHERE not in match.namespace:
        about = _list(match.namespace)
        return f"it may look into any namespace, and this is about {about}: name another"
    if asked.object_kind == MIXED and match.kind and not _any(match.kind, MIXED):
        about = _list(match.kind)
        return f"it is of several kinds, and this is about {about}: propose them one by one"
    if not _is_labelled(match.labels, asked):
        about = ", ".join(f"{key}={value}" for key, value in match.labels.items())
        return f"it is of several objects, and this is about {about}: propose them one by one"
    return ""


def _is_trusted(asked: PolicyInput) -> bool:
    """Whether each value was said by who may ask, set by the operator, or is the world's own."""
    return {*asked.provenance.values()} <= {"person", "configuration", "inventory"}


def _ruling(rule: Rule, asked: PolicyInput) -> Ruling:
    if rule.ask is not None:
        return _asking(rule, rule.ask, asked)
    if rule.allow:
        return Ruling(Effect.ALLOW, rule.name)
    if rule.preview_only is not None:
        return Ruling(Effect.PREVIEW, rule.name, reason=rule.preview_only)
    return Ruling(Effect.DENY, rule.name, reason=rule.deny or "")


def _asking(rule: Rule, ask: Ask, asked: PolicyInput) -> Ruling:
    if asked.kind != "change":
        return Ruling(Effect.DENY, rule.name, reason="only changes can be approved")
    return Ruling(
        Effect.ASK,
        rule.name,
        quorum=ask.approvers,
        # a danger is never approved by who asked for it
        contributors_may=ask.requester_may and asked.risk != "danger",
        groups=ask.groups or (),
        expires=ask.expires or 0,
        reminder=-1 if ask.reminder is False else ask.reminder or 0,
        escalate_after=ask.escalate.after if ask.escalate else 0,
        escalate_to=ask.escalate.to if ask.escalate else (),
        break_glass=ask.break_glass.groups if ask.break_glass else (),
        # what takes a change back is itself not taken back
        rollback=ask.rollback.within if ask.rollback and not asked.undoes else 0,
        **(_granting(ask.grant) if ask.grant and asked.risk != "danger" else {}),
    )


def _granting(grant: Grant) -> dict[str, Any]:
    return {
        "grant_times": grant.times,
        "grant_within": grant.within,
        "grant_vary": {name: (one.min, one.max) for name, one in grant.vary.items()},
    }


def _misfit(compiled: _Compiled, asked: PolicyInput) -> str:
    """In words, for who asks why a rule was passed over."""
    if not _is_about(compiled.rule, asked.tool):
        return f"not about {asked.tool}"
    for what, fits in compiled.checks:
        if not fits(asked):
            return f"{what} differs"
    if compiled.rule.allow:
        return "a value is neither said by who may ask, nor set here, nor the cluster's own"
    return "its condition does not hold"


# --- matching ----------------------------------------------------------------------------------


def _compiled(rule: Rule) -> _Compiled:
    program = None
    if rule.when:
        import cel  # noqa: PLC0415 - only a policy that has one needs it

        program = cel.compile(rule.when)
    return _Compiled(rule, tuple(_checks(rule.match, _reach(rule))), program)


class _Reach(Enum):
    """How far a rule about a namespace or a kind goes, beyond what surely is of that."""

    SURE = "no further"  # it allows
    READS = "reads that may be of it"  # it asks, which denies reads
    ALL = "whatever may be of it"  # it denies


def _reach(rule: Rule) -> _Reach:
    if rule.allow:
        return _Reach.SURE
    return _Reach.READS if rule.ask else _Reach.ALL


def _checks(match: Match, reach: _Reach) -> Iterable[tuple[str, _Check]]:
    """One check for each thing that the rule names; the tool's is the index."""
    if risks := match.risk:
        yield "risk", lambda asked: asked.risk in risks
    if clusters := match.cluster:
        yield "cluster", _glob("cluster", clusters)
    if namespaces := match.namespace:
        yield "namespace", lambda asked: _lies_in(namespaces, asked, reach)
    if kinds := match.kind:
        fits = _glob("object_kind", kinds)
        yield (
            "kind",
            lambda asked: fits(asked) or (asked.object_kind == MIXED and _is_several(asked, reach)),
        )
    if channels := match.channel:
        yield "channel", lambda asked: asked.channel in channels
    if labels := match.labels:
        yield "labels", lambda asked: _is_labelled(labels, asked) or _is_several(asked, reach)
    if groups := frozenset(match.groups or ()):  # the last: what else differs needs no look-up
        yield "groups", lambda asked: _is_in(groups, asked)


def _lies_in(globs: tuple[str, ...], asked: PolicyInput, reach: _Reach) -> bool:
    """Whether it is about one of those namespaces, or may be, or is such a namespace itself, or
    takes objects of one along.
    """
    if asked.namespace == EVERYWHERE:
        return reach is not _Reach.SURE or EVERYWHERE in globs
    if reach is _Reach.ALL and any(_any(globs, one) for one in asked.reaches):
        return True
    if reach is _Reach.ALL and not asked.namespace and asked.object_kind == "namespace":
        return _any(globs, asked.name) or _any(globs, "")
    return _any(globs, asked.namespace)


def _is_labelled(labels: Mapping[str, str], asked: PolicyInput) -> bool:
    return labels.items() <= asked.labels.items()


def _is_several(asked: PolicyInput, reach: _Reach) -> bool:
    """Whether it changes several objects, and one of them may be what the rule is about."""
    return reach is _Reach.ALL and asked.kind == "change" and not asked.name


def _is_in(groups: frozenset[str], asked: PolicyInput) -> bool:
    """Whether who asks is in one of them. Raises `_GroupsUnknown`."""
    if not groups.isdisjoint(asked.requester_groups):
        return True
    if unknown := groups.intersection(asked.unknown_groups):
        raise _GroupsUnknown(unknown)
    return False


def _unknown(groups: Iterable[str]) -> str:
    return f"who is in {_list(sorted(groups))} could not be looked up; try again"


def _glob(field: str, globs: tuple[str, ...]) -> _Check:
    if not any(character in glob for glob in globs for character in "*?["):
        plain = frozenset(globs)
        return lambda asked: getattr(asked, field) in plain
    return lambda asked: _any(globs, getattr(asked, field))


def _any(globs: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)


# --- what no rule lifts ------------------------------------------------------------------------


def _elsewhere(bound: Bound | None, asked: PolicyInput) -> Ruling | None:
    """What the channel is not about, looks included."""
    if bound is None:
        return None
    reason = ""
    if bound.clusters is not None and not _any(bound.clusters, asked.cluster):
        reason = f"this channel is about the cluster {_list(bound.clusters)}"
    elif bound.namespaces is not None and not _lies_in(bound.namespaces, asked, _Reach.SURE):
        lies = asked.namespace not in {"", EVERYWHERE}
        named = asked.namespace if lies else "what lies in none or several: name one"
        reason = f"this channel is about the namespace {_list(bound.namespaces)}, not {named}"
    elif bound.tools is not None and not _any(bound.tools, asked.tool):
        reason = f"in this channel only {_list(bound.tools)} may be used"
    return Ruling(Effect.DENY, "channel", reason=reason) if reason else None


def _beyond(limits: Limits, asked: PolicyInput) -> Ruling | None:
    """A change beyond the operator's limits."""
    if asked.kind == "read":
        return None
    reason = ""
    if limits.replicas is not None and (asked.replicas or 0) > limits.replicas:
        reason = f"at most {amount(limits.replicas, 'replica')} {be(limits.replicas)} allowed"
    elif limits.namespaces is not None and not _any(limits.namespaces, asked.namespace):
        reason = f"nothing is changed outside {_list(limits.namespaces)}"
    else:
        reason = next((why for one in asked.images if (why := _bad_image(limits, one))), "")
    return Ruling(Effect.DENY, "limits", reason=reason) if reason else None


def _bad_image(limits: Limits, image: str) -> str:
    repository, tag = _image(image)
    if limits.images is not None and not (
        _any(limits.images, repository) or _any(limits.images, f"{repository}:{tag}")
    ):
        return f"images come from {_list(limits.images)}"
    if limits.forbidden_tags is not None and tag and _any(limits.forbidden_tags, tag):
        return f"the tag {tag} is not allowed"
    return ""


def _image(image: str) -> tuple[str, str]:
    """Its repository and tag; with a digest and no tag, none, and with neither, `latest`."""
    name, at, _ = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", tag or ("" if at else "latest")


def _at_rest(windows: Sequence[Window], asked: PolicyInput) -> Ruling | None:
    """A change in a freeze, or outside its maintenance windows, its own and those of each that goes
    along. What was done may be taken back.
    """
    if asked.kind == "read" or asked.undoes:
        return None
    found = (_rests(windows, one) for one in (asked, *asked.beside()))
    return next(filter(None, found), None)


def _rests(windows: Sequence[Window], asked: PolicyInput) -> Ruling | None:
    at, mine = _moment(asked), []
    for window in windows:
        try:
            mine += [window] if _is_matched(window.match, asked) else []
        except _GroupsUnknown as unknown:
            return Ruling(Effect.DENY, window.name, reason=str(unknown))
    for window in mine:
        if window.kind == "freeze" and window.is_open(at):
            until = window.ends(at).astimezone(UTC)
            reason = f"changes rest until {until:%Y-%m-%d %H:%M} UTC"
            return Ruling(Effect.DENY, window.name, reason=reason)
    times = [one for one in mine if one.kind == "maintenance"]
    if times and not any(one.is_open(at) for one in times):
        names = _list([one.name for one in times])
        return Ruling(Effect.DENY, times[0].name, reason=f"changes are made only in {names}")
    return None


def _is_matched(match: Match, asked: PolicyInput) -> bool:
    if match.tool is not None and not _any(match.tool, asked.tool):
        return False
    return all(fits(asked) for _, fits in _checks(match, _Reach.ALL))


def _list(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _moment(asked: PolicyInput) -> datetime:
    return datetime.fromisoformat(asked.at) if asked.at else datetime.now(UTC)

"""Names in rules that nothing here has: such a rule would never fire, and nobody would see it."""

from collections.abc import Collection, Iterable, Iterator

from bot.config_file import File
from bot.core.mistakes import Place, either, meant
from bot.guard.conditions import wrong_in_condition
from bot.guard.registry import Registry, any_like
from bot.guard.trials import Trials
from bot.policy_file import Grant, Match, Mistake, Rule
from tools import KnownTool

_PATTERN = "*?["


def misspelt(file: File, clusters: Collection[str] | None = None) -> list[str]:
    """A sentence with its line for each name that nothing here has. Without `clusters`: those that
    the file lists, if it does.
    """
    listed = file.tools.kubernetes.contexts if file.tools.kubernetes else None
    policy = file.policy
    if not (policy.rules or policy.windows or policy.channels or file.instructions.clusters):
        return []
    registry = Registry.of(listed if clusters is None else clusters)
    found = _wrong(file, registry)
    return [f"{file.at(place)}: {said}{'' if said.endswith('?') else '.'}" for place, said in found]


def unchecked_clusters(file: File) -> list[str]:
    """The clusters that it names and `misspelt` cannot judge, since the file lists none."""
    policy, listed = file.policy, file.tools.kubernetes.contexts if file.tools.kubernetes else None
    matches = [rule.match for rule in policy.rules] + [one.match for one in policy.windows]
    named = [name for match in matches for name in match.cluster or ()]
    for about in policy.channels.values():
        named += [*(about.clusters or ()), *filter(None, [about.cluster])]
    return [] if listed else sorted({*named, *file.instructions.clusters})


def _wrong(file: File, registry: Registry) -> Iterator[Mistake]:
    policy = file.policy
    trials = Trials()
    for number, rule in enumerate(policy.rules):
        yield from _rule(("policy", "rules", number), rule, registry, trials)
    for number, window in enumerate(policy.windows):
        place: Place = ("policy", "windows", number, "match")
        yield from _match(place, window.match, registry, changes=True)
    for channel, about in policy.channels.items():
        where: Place = ("policy", "channels", channel)
        yield from _clusters((*where, "clusters"), about.clusters or (), registry)
        yield from _clusters((*where, "cluster"), filter(None, [about.cluster]), registry)
        yield from _tools((*where, "tools"), about.tools or (), registry)
    for name in file.instructions.clusters:
        yield from _clusters(("instructions", "clusters", name), [name], registry)


def _rule(place: Place, rule: Rule, registry: Registry, trials: Trials) -> Iterator[Mistake]:
    wrong = list(_match((*place, "match"), rule.match, registry))
    yield from wrong
    if wrong:
        return  # what it is about is not known: the rest cannot be judged
    tools = registry.about(rule.match)
    if rule.when:
        known = (tools, registry.tools, registry.clusters)
        misnamed = list(wrong_in_condition(rule.when, *known))
        said = misnamed or trials.wrong(rule.when, tools)
        yield from (((*place, "when"), one) for one in said)
    changes = registry.about(rule.match, changes=True)
    if rule.ask is not None and rule.ask.rollback is not None and not registry.rolled_back(rule):
        yield (*place, "ask", "rollback"), "nothing it is about can be rolled back by itself"
    if rule.ask is not None and rule.ask.grant is not None:
        yield from _grant((*place, "ask", "grant", "vary"), rule.ask.grant, changes)


def _match(
    place: Place, match: Match, registry: Registry, *, changes: bool = False
) -> Iterator[Mistake]:
    wrong = list(_tools((*place, "tool"), match.tool or (), registry))
    yield from wrong
    yield from _clusters((*place, "cluster"), match.cluster or (), registry)
    if wrong:
        return
    tools = registry.about(match, changes=changes)
    if not tools:
        named = either(match.tool or ("any tool",))
        risk = f" with the risk {either(match.risk)}" if match.risk else ""
        what = "change" if changes else "call"
        yield (*place, "risk" if match.risk else "tool"), f"there is no {what} of {named}{risk}"
        return
    if match.labels and all(tool.kind == "read" for tool in tools):
        yield (*place, "labels"), "they are known of what is changed, and this is only about reads"
    for kind in match.kind or ():
        if said := _wrong_kind(kind, tools, match.tool):
            yield (*place, "kind"), said


def _tools(place: Place, globs: Iterable[str], registry: Registry) -> Iterator[Mistake]:
    known = registry.tools
    for glob in globs:
        if any_like([glob], *known):
            continue
        if _is_pattern(glob):
            prefixes = {f"{name.partition('_')[0]}_*" for name in known}
            yield place, f"no tool's name is like {glob}{meant(glob, {*known, *prefixes})}"
        else:
            yield place, f"there is no tool {glob}{meant(glob, known)}"


def _clusters(place: Place, globs: Iterable[str], registry: Registry) -> Iterator[Mistake]:
    known = registry.clusters
    if not known:
        return
    for glob in globs:
        if not any_like([glob], *known):
            listed = f"known: {', '.join(sorted(known)[:20])}"
            yield place, f"there is no cluster {glob} here; {listed}{meant(glob, known)}"


def _wrong_kind(kind: str, tools: list[KnownTool], named: tuple[str, ...] | None) -> str:
    """Why nothing that the rule is about is ever of this kind; empty where it may be."""
    choices = {one for tool in tools for one in tool.choices("kind")}
    free = [tool for tool in tools if "kind" in tool.arguments and not tool.choices("kind")]
    objects = {one for tool in free for one in tool.objects}
    if _is_pattern(kind):
        return "" if free or any_like([kind], *choices) else f"no kind is like {kind}"
    called = {tool.canonical("kind", kind) for tool in tools} - {None}
    if called and kind not in called:
        return f"{kind} is called {called.pop()} here"
    near = meant(kind, choices | objects)
    changes = [tool for tool in free if tool.kind == "change"]
    if not near and any(tool.canonical("kind", kind) is None for tool in changes):
        return (
            f"no change takes a kind {kind}: one of the cluster's own is named by its plural and "
            "group, as certificates.cert-manager.io"
        )
    if kind in choices | objects or (free and not near):
        return ""  # what is free may be a kind of the cluster's own
    whom = f"{either(named)} takes" if named and len(named) == 1 else "what it is about takes"
    of = f" ({', '.join(sorted(choices))})" if choices and not free else ""
    return f"{whom} no kind {kind}{of}{near}"


def _grant(place: Place, grant: Grant, tools: list[KnownTool]) -> Iterator[Mistake]:
    """What may vary is a number of a tool that the rule is about, within what that takes."""
    for name, span in grant.vary.items():
        where = (*place, name)
        takers = [tool for tool in tools if name in tool.arguments]
        numbers = {one for tool in tools for one in tool.arguments if tool.is_number(one)}
        if not takers:
            yield where, f"no change that it is about has an argument {name}{meant(name, numbers)}"
        elif not any(tool.is_number(name) for tool in takers):
            yield where, f"{name} is no number{meant(name, numbers)}"
        else:
            for end, value in (("min", span.min), ("max", span.max)):
                if all(tool.canonical(name, value) is None for tool in takers):
                    yield (*where, end), f"{takers[0].name} takes no {name} of {value}"


def _is_pattern(glob: str) -> bool:
    return any(mark in glob for mark in _PATTERN)

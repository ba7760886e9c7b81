"""`countersign policy`: what the policy says, and what a changed one would have said."""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config_file import File
from bot.core.errors import BadSettings
from bot.core.mistakes import either, ended, meant
from bot.core.text import amount
from bot.core.yaml_file import read_yaml
from bot.guard.misspelt import misspelt, unchecked_clusters
from bot.guard.registry import Registry, risks
from bot.guard.rehearsal import Cases, Unreadable, replay, summary, told
from bot.guard.rulebook import Rulebook
from bot.policy_file import Bound, Match, Policy, Rule, Window
from bot.settings import config_file, database_url
from bot.store.database import migrated

if TYPE_CHECKING:
    from bot.commands import Commands

_AT_FIRST = (
    "Before any rule: only full members ask, only in our own channels; who is no viewer looks at "
    "nothing, who is no operator proposes nothing."
)
_AT_LAST = (
    "reads by viewers: run at once",
    "changes: one approval, not the requester's",
    "dangerous changes: two approvals, neither the requester's",
    "anything else: denied",
)


def add(commands: "Commands", summary: str) -> None:
    """Describe `policy explain` and `policy test`."""
    top = commands.add_parser(
        "policy",
        help=summary,
        description="Read `policy:` of COUNTERSIGN_CONFIG; needs no Slack, cluster or model.",
    )
    doing = top.add_subparsers(dest="what", required=True, metavar="WHAT")
    explain = doing.add_parser(
        "explain",
        help="say in words what the rules are, and what can happen without a click",
        description="Say each rule in words, in their order, and what can happen without a click.",
    )
    explain.set_defaults(work=_explain)
    test = doing.add_parser(
        "test",
        help="try cases from a file, or what was asked lately",
        description=(
            "Try the policy on cases from a YAML file, or replay the last changes that were "
            "proposed or refused by it (by DATABASE_URL). Exit code 1 when a case misses; a replay "
            "only tells."
        ),
    )
    what = test.add_mutually_exclusive_group(required=True)
    what.add_argument("cases", nargs="?", type=Path, metavar="FILE", help="`cases:`, see README")
    what.add_argument("--replay", type=_many, metavar="N", help="how many changes, newest first")
    test.set_defaults(work=_test)
    for one in (explain, test):
        one.add_argument(
            "--config", metavar="FILE", help="instead of COUNTERSIGN_CONFIG: a changed one"
        )


def _many(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10,000 is expected")
    return number


# --- explain ------------------------------------------------------------------------------------


def _file(given: argparse.Namespace) -> File:
    """The file, all names in it known. Raises `BadSettings`."""
    return config_file(given.config, misspelt)


def _explain(given: argparse.Namespace) -> int:
    file = _file(given)
    print("\n".join(explained(file)))
    return 0


def explained(file: File) -> Iterator[str]:
    """The policy in words, line by line."""
    policy = file.policy
    yield _AT_FIRST
    yield from (f"Limit: {line}." for line in _limits(policy))
    yield from (_channel(channel, about) for channel, about in policy.channels.items())
    yield from (_window(window) for window in policy.windows)
    registry = Registry.of()
    for number, rule in enumerate(policy.rules, start=1):
        effect = f"{_effect(rule)}{_of_reads(rule, registry)}"
        along = "" if rule.allow or rule.ask else _along(rule.match)
        yield f"{number}. {rule.name}: {_about(rule.match)}{along}{_condition(rule)} → {effect}"
    if policy.defaults:
        own = "; the requester's own counts" if file.self_approval else ""
        yield "Then the default rules:"
        yield from (f"   {line}{own if n == 1 else ''}" for n, line in enumerate(_AT_LAST))
    else:
        yield "What no rule is about is denied."
    yield "Without a click:"
    yield from _clickless(policy, registry)
    if clusters := unchecked_clusters(file):
        yield (
            f"Not checked: whether there is a cluster {' or '.join(clusters)}, since "
            "`tools.kubernetes.contexts` lists none here; the bot looks when it starts."
        )
    if groups := [group for group, _ in file.named_groups()]:
        yield f"Not looked up: {', '.join(groups)}; `countersign doctor` asks Slack for them."


def _limits(policy: Policy) -> Iterator[str]:
    limits = policy.limits
    if limits.replicas is not None:
        yield f"at most {amount(limits.replicas, 'replica')}"
    if limits.namespaces is not None:
        yield f"changes only in {', '.join(limits.namespaces)}"
    if limits.images is not None:
        yield f"images only from {', '.join(limits.images)}"
    if limits.forbidden_tags is not None:
        yield f"no image with the tag {', '.join(limits.forbidden_tags)}"


def _channel(channel: str, about: Bound) -> str:
    named = [
        f"{what} {' or '.join(globs)}"
        for what, globs in (
            ("cluster", about.clusters),
            ("namespace", about.namespaces),
            ("tool", about.tools),
        )
        if globs
    ]
    meant = f"; {about.default_cluster} is meant" if about.default_cluster else ""
    shared = "; also where another organisation reads it" if about.shared else ""
    return f"Channel {channel}: only {', '.join(named) or 'everything'}{meant}{shared}."


def _window(window: Window) -> str:
    if window.weekly is not None:
        when = f"every week from {window.weekly.start} to {window.weekly.end} {window.timezone}"
    else:
        when = f"from {window.since:%Y-%m-%d %H:%M %Z} until {window.until:%Y-%m-%d %H:%M %Z}"
    what = "no change" if window.kind == "freeze" else "changes only"
    about = f"{_about(window.match)}{_along(window.match)}"
    return f"Window {window.name}: {what} {when}, of {about}; undoing is asked for."


def _about(match: Match) -> str:
    named = match.model_dump(exclude_none=True, exclude_defaults=True)
    parts = []
    for name, value in named.items():
        if isinstance(value, dict):
            parts += [f"label {key}={its}" for key, its in value.items()]
        else:
            parts.append(f"{name} {' or '.join(value)}")
    return ", ".join(parts) or "everything"


def _along(match: Match) -> str:
    """That it is about what moves pods of that, too: what denies goes so far."""
    named = match.namespace or match.kind or match.labels
    return ", also what moves its pods" if named and match.tool is None else ""


def _condition(rule: Rule) -> str:
    return f", when {rule.when}" if rule.when else ""


def _effect(rule: Rule) -> str:
    if rule.allow:
        return "runs without a click"
    if rule.ask is None:
        return f"denied: {rule.deny}" if rule.deny else f"only a preview: {rule.preview_only}"
    ask = rule.ask
    parts = ["one approval" if ask.approvers == 1 else f"{ask.approvers} approvals"]
    if ask.groups:
        parts.append(f"of {', '.join(ask.groups)}")
    if ask.requester_may:
        parts.append("the requester's counts unless it is dangerous")
    if ask.expires:
        parts.append(f"within {ask.expires // 60} min")
    if ask.escalate:
        parts.append(f"after {ask.escalate.after // 60} min {', '.join(ask.escalate.to)} is called")
    if ask.break_glass:
        parts.append(f"or one of {', '.join(ask.break_glass.groups)} who breaks the glass")
    if ask.grant:
        within = ask.grant.within // 60
        parts.append(f"which may be one of {ask.grant.times} of the same again within {within} min")
    if ask.rollback:
        within = ask.rollback.within // 60
        parts.append(f"rolled back by itself if it does not work within {within} min")
    return ", ".join(parts)


def _of_reads(rule: Rule, registry: Registry) -> str:
    """What it means for who only looks, where it means something: no read is ever asked for."""
    looks = any(tool.kind == "read" for tool in registry.about(rule.match))
    if not looks or rule.match.labels or not (rule.ask or rule.preview_only):
        return ""  # labels are a change's: of what its preview saw
    return "; reads it matches are denied (risk: [write, danger] leaves them out)"


def _clickless(policy: Policy, registry: Registry) -> Iterator[str]:
    if policy.defaults:
        yield "   reads by viewers, where no rule above denies them"
    found = [rule for rule in policy.rules if rule.allow]
    for rule in found:
        yield f"   {_about(rule.match)}{_condition(rule)} (rule “{rule.name}”)"
    changes = [rule for rule in found if rule.match.risk != ("read",)]
    for rule in policy.rules:
        if rule.ask and rule.ask.rollback:
            tools = either(registry.rolled_back(rule))
            yield f"   the rollback that was approved with a change by {tools} (rule “{rule.name}”)"
            changes.append(rule)
    for rule in policy.rules:
        if rule.ask and rule.ask.grant:
            grant = rule.ask.grant
            ranges = [f"{name} {one.min} to {one.max}" for name, one in grant.vary.items()]
            but = f" but {', '.join(ranges)}" if ranges else ""
            yield (
                f"   the same again of {_about(rule.match)}{_condition(rule)}: equal in all{but}, "
                f"{amount(grant.times, 'time')} within {grant.within // 60} min, in a thread where "
                f"its approver allowed that (rule “{rule.name}”)"
            )
            changes.append(rule)
    if not changes:
        yield "   no change at all"


# --- test ---------------------------------------------------------------------------------------


def _test(given: argparse.Namespace) -> int:
    book = Rulebook(_file(given).policy)
    if given.replay is not None:
        return asyncio.run(_replay(book, given.replay))
    missed = 0
    registry = Registry.of()
    cases = _cases(given.cases, registry).cases
    for case in cases:
        asked = case.asked(registry.tools[case.given.tool])
        ruling = book.decide(asked)
        if why := case.misses(ruling):
            missed += 1
            print(f"missed: {case.name}: {why}")
            for step in book.explain(asked):
                mark = "→" if step.decides else " "
                print(f"  {mark} {step.rule}{f': {step.why}' if step.why else ''}")
    print(f"{len(cases) - missed} of {len(cases)} as expected.")
    return 1 if missed else 0


def _cases(path: Path, registry: Registry) -> Cases:
    """The file's cases. Raises `BadSettings`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings([f"{path}: it cannot be read ({type(error).__name__})."]) from error
    found = read_yaml(str(path), text, Cases)
    mistakes, cases = list(found.mistakes), found.value or Cases.model_construct(cases=())
    tools = registry.tools
    for number, case in enumerate(cases.cases):
        tool, risk = case.given.tool, case.given.risk
        if tool not in tools:
            place = found.at(("cases", number, "given", "tool"))
            mistakes.append(f"{place}: there is no tool {ended(f'{tool}{meant(tool, tools)}')}")
        elif risk and risk not in (possible := risks(tools[tool])):
            place = found.at(("cases", number, "given", "risk"))
            mistakes.append(f"{place}: {tool} is never {risk}, but {either(sorted(possible))}.")
    if mistakes:
        raise BadSettings(mistakes)
    return cases


async def _replay(book: Rulebook, most: int) -> int:
    async with migrated(database_url()) as database:
        found = [one async for one in replay(database, book, most)]
    for one in found:
        if isinstance(one, Unreadable):
            print(f"{one.at:%Y-%m-%d %H:%M} {one.id} {one.what}: not as it was stored ({one.why})")
        elif one.differs:
            print(f"{one.at:%Y-%m-%d %H:%M} {one.id} {one.what}")
            print(f"  then: {told(one.then)} (“{one.then.rule}”)")
            print(f"  now:  {told(one.now)} (“{one.now.rule}”)")
    print(summary(found) if found else "No change was ever asked for here.")
    return 0

"""`make test-diagnosis`: how well generated states are diagnosed; `show SEED` tells of one.

Five sets of states: what is missed of the open one is printed, so that it can be looked at; of the
held-out one, of other names and other variants, only the numbers are. The fresh one, the unseen one
and the fifth hold faults and decoys of their own, each written by somebody who had not read the
analyzers.
"""

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.diagnosis.api import Server, serve
from tests.diagnosis.judge import Score, Terms, Verdict, judge
from tests.diagnosis.questions import about_all, about_bystander, about_culprit
from tests.diagnosis.states import Recipe, fifth, find, fresh, make, recipes, unseen

RIGHT, SURE = 0.90, 0.95  # what is asked for: of the states, and of the findings marked high
CALLS, SECONDS = 60, 2.0  # for a namespace of 200 pods


async def run(server: Server, chosen: list[Recipe], terms: Terms) -> Score:
    """Judge one state after the other."""
    score = Score()
    for number, recipe in enumerate(chosen, 1):
        verdict = await judge(server, recipe, terms)
        if verdict is not None:
            score.verdicts.append(verdict)
        if sys.stderr.isatty():
            print(f"\r{number}/{len(chosen)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    return score


def told(score: Score, title: str) -> list[str]:
    """Print the figures of a set; give what is not as it should be."""
    faulty, healthy = score.faulty, score.healthy
    print(f"\n{title}: {len(score.verdicts)} states")
    kept = sum(one.right for one in faulty.verdicts)
    first = sum(one.first_right for one in faulty.verdicts)
    count = len(faulty.verdicts)
    print(f"  right root cause      {kept}/{count}  {faulty.share():.1%}  (first: {first}/{count})")
    print(f"  false alarms          {score.alarms()}/{len(healthy.verdicts)} healthy states")
    short = []
    for confidence in ("high", "medium", "low"):
        good, marked = score.calibration(confidence)
        share = good / marked if marked else 1.0
        print(f"  {confidence + ' is right':<21} {good}/{marked}  {share:.1%}")
        if confidence == "high" and share < SURE:
            short.append(f"{title}: only {share:.1%} of the findings marked high are right")
    most = max(score.verdicts, key=lambda one: one.calls)
    slow = max(score.verdicts, key=lambda one: one.seconds)
    bytes_ = max(one.bytes for one in score.verdicts)
    print(f"  calls, bytes, seconds at most {most.calls}, {bytes_:,}, {slow.seconds:.2f}")
    print(f"  said otherwise at a second look: {score.unsteady()}")
    if count and faulty.share() < RIGHT:
        short.append(f"{title}: right in only {faulty.share():.1%}")
    if score.alarms():
        short.append(f"{title}: {score.alarms()} false alarms")
    if score.unsteady():
        short.append(f"{title}: {score.unsteady()} say something else at a second look")
    if most.calls > CALLS:
        short.append(f"{title}: {most.calls} calls for state {most.state.recipe.seed}")
    return short


def kinds(score: Score) -> None:
    """Print, for each kind of fault, how many of its states are right."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for one in score.faulty.verdicts:
        for name, blame in zip(one.state.recipe.faults, one.blames, strict=True):
            by_kind[name].append(any(map(blame.fits, one.findings)))
    print()
    for name, found in sorted(by_kind.items(), key=lambda item: sum(item[1]) / len(item[1])):
        print(f"  {sum(found)}/{len(found)}  {name}")


def misses(score: Score) -> None:
    """Print what was wrong, by the number that makes the state again."""
    for one in score.verdicts:
        wrong = [found for found in one.findings if not one.allowed(found)]
        if one.right and not wrong:
            continue
        print(f"\n{'missed' if not one.right else 'beside'}: {one.state.recipe}")
        _expected(one)
        for found in one.findings or [{"cause": one.error or "nothing found"}]:
            mark = "ok" if one.allowed(found) else "??"
            text = str(found.get("text", ""))[:140]
            print(f"    {mark} {_words(found)} {text}")


def _expected(one: Verdict) -> None:
    for blame in one.blames:
        print(f"    wanted {blame.cause}: {', '.join(blame.objects)}")


def _words(found: Mapping[str, object]) -> str:
    return " ".join(str(found.get(key, "")) for key in ("confidence", "cause", "object"))


async def everything(which: str, *, size: int) -> int:
    """Judge the sets, and again with only the role `view`; 1 when something is short."""
    short: list[str] = []
    with serve() as server:
        for held in (False, True):
            name = "held out" if held else "open"
            if which not in ("all", "held" if held else "open"):
                continue
            chosen = recipes(held=held)[:: max(1, size)]
            score = await run(server, chosen, Terms())
            short += told(score, name)
            if not held:
                kinds(score)
                misses(score)
            visible = [one for one in chosen if not one.beyond_view]
            view = await run(server, visible, Terms(view_only=True, tables=False, twice=False))
            short += told(view, f"{name}, with the role view and no tables")
        for title, states in (("fresh", fresh()), ("unseen", unseen()), ("fifth", fifth())):
            if which in ("all", title):
                short += await apart(server, title, states[:: max(1, size)])
        if which in ("all", "open"):
            short += await other_questions(server, recipes(held=False)[:: 3 * max(1, size)])
        short += await speed(server)
    print("\n" + ("\n".join(f"NOT MET  {one}" for one in short) or "All that is asked for is met."))
    return 1 if short else 0


async def apart(server: Server, title: str, chosen: list[Recipe]) -> list[str]:
    """A set counted by itself, with all rights and with only the role `view`."""
    score = await run(server, chosen, Terms())
    short = told(score, title)
    misses(score)
    visible = [one for one in chosen if not one.beyond_view]
    view = await run(server, visible, Terms(view_only=True, tables=False, twice=False))
    short += told(view, f"{title}, with the role view and no tables")
    misses(view)
    return short


async def other_questions(server: Server, chosen: list[Recipe]) -> list[str]:
    """The same states when one asks about a workload, a node, or the whole cluster."""
    short: list[str] = []
    for title, ask in (
        ("open, asked about what is broken", about_culprit),
        ("open, asked about a workload beside it", about_bystander),
        ("open, asked about the whole cluster", about_all),
    ):
        score = await run(server, chosen, Terms(twice=False, ask=ask))
        short += told(score, title)
        misses(score)
    return short


async def speed(server: Server) -> list[str]:
    """The time for 200 pods over a slow link: the best of three, as the machine may be busy."""
    huge = [one for one in recipes(held=False) if one.size == "huge"]
    score = await run(server, huge * 3, Terms(latency=0.02, twice=False))
    short = told(score, "200 pods, 20 ms a call, three times")
    for recipe in huge:
        best = min(one.seconds for one in score.verdicts if one.state.recipe == recipe)
        print(f"  state {recipe.seed}: {best:.2f} s at best")
        if best > SECONDS:
            short.append(f"state {recipe.seed} took {best:.1f} s")
    return short


async def show(seed: int, *, view_only: bool) -> int:
    """Tell all about one state of the open set."""
    recipe = find(seed)
    with serve() as server:
        one = await judge(server, recipe, Terms(view_only=view_only))
        assert one is not None
        calls = server.answers.calls if server.answers else []
    print(recipe)
    _expected(one)
    print(json.dumps(one.findings, indent=2, default=dict))
    print("healthy:", one.healthy, "error:", one.error or "none")
    print("notices:", *one.notices, "not checked:", *one.not_checked, sep="\n  ")
    print(f"{len(calls)} calls in two runs:", *calls, sep="\n  ")
    return 0 if one.right else 1


def objects(seed: int, kind: str) -> int:
    """Print the objects of a state: of one kind, or how many there are of each."""
    world = make(find(seed), datetime.now(UTC)).world
    for name, found in world.objects.items():
        if kind.lower() == name.lower():
            print(json.dumps(list(found.values()), indent=2))
        elif not kind and found:
            print(f"{len(found):>5} {name}")
    return 0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnosis", description=__doc__)
    parser.add_argument(
        "--set",
        choices=("open", "held", "fresh", "unseen", "fifth", "all"),
        default="all",
        dest="which",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth state")
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("show", help="what is said about one state")
    one.add_argument("seed", type=int)
    one.add_argument("--view", action="store_true", help="with only the role view")
    thing = commands.add_parser("objects", help="what one state is made of")
    thing.add_argument("seed", type=int)
    thing.add_argument("kind", nargs="?", default="")
    given = parser.parse_args()
    match given.command:
        case "show":
            sys.exit(asyncio.run(show(given.seed, view_only=given.view)))
        case "objects":
            sys.exit(objects(given.seed, given.kind))
        case _:
            sys.exit(asyncio.run(everything(given.which, size=given.every)))


if __name__ == "__main__":
    main()

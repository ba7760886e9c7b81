"""How long the policy takes: 200 rules, of which a wish reaches 20 conditions in CEL."""

import statistics
import time
from typing import Any

from bot.guard.policy import Effect
from bot.guard.rulebook import Rulebook
from bot.policy_file import Policy
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench
from tests.bot.test_policy import wish

_ROUNDS = 2_000


def _rules() -> list[dict[str, Any]]:
    """As a large installation has them: most by tool and place, some with a condition."""
    rules: list[dict[str, Any]] = []
    for number in range(179):
        match = {"tool": f"k8s_tool_{number % 40}", "namespace": f"team-{number}-*"}
        if number % 3 == 0:
            match = {"namespace": f"team-{number}-*", "cluster": "prod-*"}
        rules.append({"name": f"place {number}", "match": match, "ask": {"approvers": 2}})
    for number in range(20):
        when = f"replicas > {100 + number} && !('U{number}' in contributors)"
        rules.append({"name": f"condition {number}", "when": when, "deny": "No."})
    rules.append({"name": "last", "ask": {}})
    return rules


async def decide(_: Bench) -> list[Figure]:
    """Time one decision that the last of all rules makes, as for a click and for a deed."""
    book = Rulebook(Policy.model_validate({"rules": _rules()}))
    asked = wish()
    ruling = book.decide(asked)
    assert (ruling.effect, ruling.rule) == (Effect.ASK, "last")
    taken = []
    for _round in range(_ROUNDS):
        began = time.perf_counter()
        book.decide(asked)
        taken.append((time.perf_counter() - began) * 1000)
    p95 = statistics.quantiles(taken, n=20)[18]
    how = f"{_ROUNDS} decisions in a row in this process, each input judged from the start"
    return [
        Figure("policy, 200 rules, 20 of them CEL, p50", statistics.median(taken), "ms", how, 1.0),
        Figure("policy, 200 rules, 20 of them CEL, p95", p95, "ms", how, 1.0),
    ]

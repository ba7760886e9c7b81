"""What `make bench` prints is worth nothing if its sums are wrong."""

import sysconfig

import pytest

from tests.benchmarks.breakdown import Breakdown, frame_of, owner
from tests.benchmarks.figures import HEADS, Figure, amount, calibrate, percentile, table
from tests.benchmarks.harness import three_calls
from tests.benchmarks.soak import Moment, verdict
from tests.benchmarks.together import _free
from tests.world import ROOT

PACKAGES = sysconfig.get_path("purelib")


def stack(*names: str) -> list[str]:
    """A stack, innermost first; `@` stands for installed packages, `~` for this project."""
    return [n.replace("@", f"{PACKAGES}/", 1).replace("~", f"{ROOT}/", 1) for n in names]


@pytest.mark.parametrize(
    ("value", "least", "verdict", "ratio"),
    [(45, False, "met", 1), (45.1, False, "NOT MET", 1.002), (20, True, "NOT MET", 0.444)],
)
def test_a_target_is_met_or_missed(value: float, least: bool, verdict: str, ratio: float) -> None:
    figure = Figure("CPU", value, "ms", "somehow", 45, least)
    assert figure.verdict == verdict
    assert figure.ratio == pytest.approx(ratio, abs=0.001)


def test_a_figure_without_a_target_is_neither() -> None:
    assert Figure("CPU", 3, "ms", "somehow").row()[2:5] == ["", "", ""]


def test_nothing_may_be_lost_and_one_is_too_many() -> None:
    assert Figure("lost", 0, "", "", 0).verdict == "met"
    assert Figure("lost", 1, "", "", 0).verdict == "NOT MET"


def test_percentiles_are_values_that_were_measured() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert [percentile(hundred, p) for p in (0, 0.5, 0.95, 0.99, 1)] == [1, 50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_numbers_keep_three_digits() -> None:
    assert [amount(n) for n in (0, 0.0871, 3.456, 46.12, 787.4)] == [
        "0",
        "0.0871",
        "3.46",
        "46.1",
        "787",
    ]


def test_columns_are_aligned() -> None:
    lines = table(HEADS, [Figure("a", 1, "ms", "x").row(), Figure("longer", 100, "ms", "y").row()])
    assert {line.rstrip()[-1] for line in lines.splitlines()[2:]} == {"x", "y"}
    assert len({line.rindex(line.split()[-1]) for line in lines.splitlines()[2:]}) == 1


def test_the_loop_takes_time() -> None:
    assert 0 < calibrate(rounds=1) < 1000


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["@psycopg/generators.py:execute", "@langgraph/checkpoint/postgres/aio.py:aput"],
         "psycopg for LangGraph's saver"),
        (["@psycopg/generators.py:execute", "@procrastinate/manager.py:fetch_job"],
         "psycopg for procrastinate"),
        (["@psycopg/generators.py:execute", "~bot/store/database.py:one"],
         "psycopg for our own SQL"),
        (["/lib/python3.11/json/encoder.py:encode", "@slack_sdk/web/client.py:call"],
         "Slack: bolt, sdk, aiohttp"),
        (["@langgraph/pregel/main.py:ainvoke", "~bot/agent/runs.py:work"], "LangGraph"),
        (["~bot/guard/policy.py:decide", "@langgraph/pregel/main.py:ainvoke"], "ours: bot/guard"),
        (["~tools/kubernetes/reads.py:get"], "ours: tools"),
        (["/lib/python3.11/selectors.py:select", "/lib/python3.11/asyncio/base_events.py:run"],
         "event loop: select"),
        (["/lib/python3.11/concurrent/futures/thread.py:_worker"],
         "handing work to threads and back"),
        (["/lib/python3.11/asyncio/events.py:_run"], "event loop: asyncio"),
        (["@unheard_of/of.py:it"], "other packages"),
    ],
)  # fmt: skip
def test_cpu_belongs_to_whoever_caused_it(names: list[str], part: str) -> None:
    assert owner(frame_of(name) for name in stack(*names)) == part


def test_a_breakdown_adds_up_and_counts_a_function_once_a_stack() -> None:
    found = Breakdown()
    twice = stack("~bot/core/text.py:cut", "~bot/slack/cards.py:draw", "~bot/slack/cards.py:draw")
    found.add(twice, 3_000_000)
    found.add(["<garbage collection>"], 1_000_000)
    assert sum(found.parts.values()) == 4_000_000
    assert found.ours["bot/slack/cards.py:draw"] == 3_000_000
    assert "2.00" in found.tables(2).splitlines()[-1] or "all of it" in found.tables(2)


def test_the_model_reads_changes_and_answers_the_last_request() -> None:
    messages = [
        {"role": "user", "content": "scale web to 5"},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "scale web to 3"},
    ]
    assert three_calls({"messages": messages}).calls[0][0] == "k8s_get"
    messages.append({"role": "assistant", "content": "x"})
    assert three_calls({"messages": messages}).calls[0][1]["replicas"] == 3  # type: ignore[index]
    messages.append({"role": "assistant", "content": "x"})
    assert "3 replicas now" in three_calls({"messages": messages}).text


def test_what_grows_is_told_from_what_only_settles() -> None:
    def moments(memory: float, files: float) -> list[Moment]:
        """Nine of them, 400 runs apart; `memory` and `files` are gained with each."""
        return [
            Moment(n, 400 * n, 150 + memory * n, 27, round(50 + files * n), 12, 200, 10.0)
            for n in range(9)
        ]

    assert {f.verdict for f in verdict(moments(0.1, 0))} == {"met"}
    slowly = {f.name: f.verdict for f in verdict(moments(1, 0))}
    assert slowly["memory gained"] == "met", "less than a twentieth"
    assert slowly["memory gained per 1,000 runs"] == "NOT MET", "and each run leaves something"
    leaking = {f.name: f.verdict for f in verdict(moments(5, 3))}
    assert leaking["memory gained"] == leaking["files gained"] == "NOT MET"
    assert leaking["connections gained"] == "met"


def test_a_channel_that_was_full_is_told_from_a_bot_that_was_late() -> None:
    assert _free([], 100.0, 101.0) == 100.0
    assert _free([99.0, 99.1, 101.0], 100.0, 101.0) == 100.0, "two of three, and one came back"
    full = [99.7, 99.8, 99.9, 100.8]
    assert _free(full, 100.0, 100.8) == pytest.approx(100.7, abs=0.05)
    assert _free([*full, 101.8], 100.0, 101.8) == pytest.approx(101.7, abs=0.05)

"""`k8s_diagnose` asked about states over HTTP, with the real client, and what it said judged."""

import json
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from tests.diagnosis.api import Answers, Server
from tests.diagnosis.blame import Blame
from tests.diagnosis.questions import Question, about_namespace
from tests.diagnosis.states import Recipe, State, make
from tools import Catalog, Report, ToolError, open_providers

TOOL = "k8s_diagnose"
Found = dict[str, JsonValue]
# "12s", "3m40s", "2d", clock times and dates: what a second look may say differently.
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b\d\d:\d\d(:\d\d)?\b|\b(\d+[smhd])+\b|\b\d+ s\b")


@dataclass
class Verdict:
    """What was said about one state."""

    state: State
    blames: list[Blame]  # what should be found by who asks so
    findings: list[Found] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    healthy: bool = False
    error: str = ""
    calls: int = 0
    bytes: int = 0
    seconds: float = 0
    steady: bool = True  # a second look said the same

    @property
    def first_right(self) -> bool:
        """Whether the first finding names a root cause that there is."""
        return bool(self.findings) and any(one.fits(self.findings[0]) for one in self.blames)

    @property
    def right(self) -> bool:
        """Whether it says what is the matter: the first finding, and of two causes both."""
        if self.error:
            return False
        if not self.blames:
            return self.healthy and not self.findings
        named = [any(map(blame.fits, self.findings)) for blame in self.blames]
        return not self.healthy and self.first_right and all(named)

    @property
    def false_alarm(self) -> bool:
        """Whether something was found where nothing is."""
        return not self.blames and (bool(self.findings) or not self.healthy)

    def allowed(self, found: Found) -> bool:
        """Whether a finding is true of the state: a cause, or what is broken by one."""
        return any(one.allows(found) for one in self.blames)


@dataclass(frozen=True)
class Terms:
    """How the server is while it is asked."""

    view_only: bool = False
    tables: bool = True
    latency: float = 0
    twice: bool = True
    ask: Question = about_namespace


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Catalog]:
    """The provider's tools against the server, with no memory of an earlier state."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "state",
        "clusters": [{"name": "state", "cluster": {"server": server.url}}],
        "users": [{"name": "bot", "user": {"token": "t"}}],
        "contexts": [{"name": "state", "context": {"cluster": "state", "user": "bot"}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kubeconfig")
        path.write_text(json.dumps(config))
        settings: Mapping[str, Mapping[str, JsonValue]] = {
            "kubernetes": {"kubeconfig": str(path), "timeout_seconds": 20}
        }
        async with open_providers(settings) as catalog:
            yield catalog


async def judge(server: Server, recipe: Recipe, terms: Terms) -> Verdict | None:
    """Make a state, ask about it, and keep what was said; None: there is nothing to ask."""
    state = make(recipe, datetime.now(UTC))
    asked = terms.ask(state)
    if asked is None:
        return None
    answers = Answers(state.world, terms.view_only, terms.tables, terms.latency)
    server.answers = answers
    verdict = Verdict(state, asked.blames)
    async with opened(server) as catalog:
        call = catalog.read(TOOL, asked.arguments)
        started = time.monotonic()
        try:
            report = await call.run()
        except ToolError as error:
            verdict.error = str(error)
            return verdict
        verdict.seconds = time.monotonic() - started
        verdict.calls, verdict.bytes = len(answers.calls), answers.bytes
        assert isinstance(report, Report)
        _read(verdict, report)
        if terms.twice:
            again = await call.run()
            assert isinstance(again, Report)
            verdict.steady = _timeless(report.data) == _timeless(again.data)
    return verdict


def _read(verdict: Verdict, report: Report) -> None:
    data = report.data
    findings, notices, dark = (data[key] for key in ("findings", "notices", "not_checked"))
    assert isinstance(findings, list)
    assert isinstance(notices, list)
    assert isinstance(dark, list)
    verdict.findings = [dict(one) for one in findings if isinstance(one, Mapping)]
    verdict.notices, verdict.not_checked = list(map(str, notices)), list(map(str, dark))
    verdict.healthy = data["healthy"] is True


def _timeless(data: object) -> str:
    return _TIMES.sub("T", json.dumps(data, default=dict))


@dataclass
class Score:
    """The figures over many verdicts."""

    verdicts: list[Verdict] = field(default_factory=list)

    def part(self, wanted: Callable[[Verdict], bool]) -> "Score":
        """Those of some."""
        return Score(list(filter(wanted, self.verdicts)))

    @property
    def faulty(self) -> "Score":
        return self.part(lambda one: bool(one.blames))

    @property
    def healthy(self) -> "Score":
        return self.part(lambda one: not one.blames)

    def share(self) -> float:
        """How many are right."""
        return sum(one.right for one in self.verdicts) / max(1, len(self.verdicts))

    def alarms(self) -> int:
        """How many say that something is wrong where nothing is."""
        return sum(one.false_alarm or bool(one.error) for one in self.healthy.verdicts)

    def unsteady(self) -> int:
        """How many said something else at a second look."""
        return sum(not one.steady for one in self.verdicts)

    def calibration(self, confidence: str) -> tuple[int, int]:
        """Of the findings so marked: how many are true, and how many there are."""
        marked = [
            one.allowed(found)
            for one in self.verdicts
            for found in one.findings
            if found.get("confidence") == confidence
        ]
        return sum(marked), len(marked)

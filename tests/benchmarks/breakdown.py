"""Whose CPU a full run is: samples of the bot's stacks, put down to the part that owns them."""

import asyncio
import json
import signal
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.figures import Figure, table
from tests.benchmarks.harness import UNPACED, Bench, until
from tests.world import ROOT

WARM_UP, RUNS = 8, 60
OWN_LISTED = 25

Stack = Sequence[str]  # "file:function", innermost first
_PACKAGES = sysconfig.get_path("purelib") + "/"
_GARBAGE = "<garbage collection>"
_LOOP = "event loop: asyncio"
_WAITS = {"selectors.py": "event loop: select", "thread.py": "handing work to threads and back"}

# The first that fits a package names its part; a package of the standard library belongs to
# whoever called it.
_PARTS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("LangGraph's saver", ("langgraph/checkpoint/", "ormsgpack")),
    ("LangGraph", ("langgraph/", "langchain_core/", "langsmith/", "langchain_protocol/")),
    ("psycopg", ("psycopg/", "psycopg_pool/", "psycopg_binary/")),
    ("procrastinate", ("procrastinate/", "croniter/", "asgiref/")),
    ("Kubernetes client + urllib3", ("kubernetes/", "urllib3/", "dateutil/", "websocket/")),
    ("Slack: bolt, sdk, aiohttp", ("slack_bolt/", "slack_sdk/", "aiohttp/", "yarl/", "multidict/")),
    (
        "model client: openai, httpx",
        ("openai/", "httpx/", "httpcore/", "h11/", "anyio/", "sniffio/", "jiter/", "distro/"),
    ),
    ("model client: litellm", ("litellm/", "tiktoken/", "tokenizers/")),
    ("pydantic", ("pydantic/", "pydantic_core/", "typing_extensions.py")),
    ("structlog", ("structlog/",)),
    ("yaml, markdown-it, re2", ("yaml/", "markdown_it/", "re2/", "re2.py")),
    ("other packages", ("",)),
)
_ROOMS = ("bot/agent", "bot/guard", "bot/slack", "bot/store", "bot/core", "bot/web", "bot", "tools")
_FOR = {"LangGraph's saver": "LangGraph's saver", "procrastinate": "procrastinate"}


@dataclass(frozen=True)
class Frame:
    """One function of a stack, and the part of the program that it belongs to, if any."""

    part: str
    function: str


def frame_of(name: str) -> Frame:
    """Understand one "file:function"."""
    file, _, function = name.rpartition(":")
    if file.startswith(_PACKAGES):
        inside = file.removeprefix(_PACKAGES)
        return Frame(next(p for p, heads in _PARTS if inside.startswith(heads)), function)
    if file.startswith(f"{ROOT}/"):
        inside = file.removeprefix(f"{ROOT}/")
        room = next((r for r in _ROOMS if inside.startswith(f"{r}/")), "")
        return Frame(room and f"ours: {room}", f"{inside}:{function}")
    return Frame("", f"{Path(file).parent.name}/{Path(file).name}:{function}")


def owner(stack: Iterable[Frame]) -> str:
    """The part that a stack's CPU belongs to; the driver's belongs to whoever asks it."""
    driver, innermost = False, ""
    for frame in stack:
        innermost = innermost or frame.function
        if frame.part == "psycopg":
            driver = True
        elif frame.part and not driver:
            return frame.part
        elif frame.part:
            return f"psycopg for {_FOR.get(frame.part, 'our own SQL')}"
    if driver:
        return "psycopg for nobody named"
    return _WAITS.get(Path(innermost.partition(":")[0]).name, _LOOP)


@dataclass
class Breakdown:
    """Nanoseconds by part, by function of the standard library, and by function of ours (with all
    that it calls).
    """

    parts: Counter[str] = field(default_factory=Counter)
    innermost: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)

    def add(self, stack: Stack, spent: int) -> None:
        """One sample."""
        if list(stack) == [_GARBAGE]:
            self.parts["garbage collection"] += spent
            return
        frames = [frame_of(name) for name in stack]
        self.parts[owner(frames)] += spent
        if frames and not frames[0].part:
            self.innermost[frames[0].function.partition(":")[0]] += spent
        for name in {f.function for f in frames if f.part.startswith("ours: ")}:
            self.ours[name] += spent

    def tables(self, runs: int) -> str:
        """Three tables, in milliseconds a run."""
        whole = sum(self.parts.values())

        def rows(found: Counter[str], most: int) -> list[list[str]]:
            return [
                [f"{spent / 1e6 / runs:.2f}", f"{spent / whole:.1%}", name]
                for name, spent in found.most_common(most)
            ]

        total = [f"{whole / 1e6 / runs:.2f}", "", "all of it"]
        return "\n\n".join(
            [
                table(
                    ("ms/run", "share", "CPU of a full run by part"),
                    [*rows(self.parts, 99), total],
                ),
                table(
                    ("ms/run", "share", "of it, inside this file of the standard library"),
                    rows(self.innermost, 12),
                ),
                table(
                    ("ms/run", "share", "of it, in a function of ours with all that it calls"),
                    rows(self.ours, OWN_LISTED),
                ),
            ]
        )


async def profile(bench: Bench, *, litellm: bool = False) -> list[Figure]:
    """Sample a warm bot during full runs and print where its CPU went."""
    samples = bench.folder / f"samples-{bench.worlds}.json"
    command = (*UNPACED, str(samples))
    async with bench.warm_stage(litellm=litellm, command=command, runs=WARM_UP) as stage:
        process = stage.chat.process
        if process is None:
            raise RuntimeError("the bot does not run")
        process.send_signal(signal.SIGUSR1)
        before = stage.cpu()
        await stage.full_runs(RUNS)
        used = (stage.cpu() - before) * 1000 / RUNS
        process.send_signal(signal.SIGUSR2)

        async def written() -> bool:
            return samples.exists()

        await until(written, "the samples")
    found = Breakdown()
    for stack, spent in json.loads(await asyncio.to_thread(samples.read_text)):
        found.add(stack, spent)
    name = "through LiteLLM" if litellm else "OpenAI-compatible"
    print(f"\n{name}, {RUNS} full runs after {WARM_UP}:\n\n{found.tables(RUNS)}\n")
    seen = sum(found.parts.values()) / 1e6 / RUNS
    how = f"by stack samples; the process clock says {used:.1f} ms with the sampler running"
    return [Figure(f"CPU per full run that the breakdown explains, {name}", seen, "ms", how)]


async def profile_litellm(bench: Bench) -> list[Figure]:
    """The same through LiteLLM."""
    return await profile(bench, litellm=True)

"""What each dependency costs a process that imports what the bot uses of it: by itself, and beside
all the others, which is what dropping it would save.
"""

import asyncio
import json
import sys
import tomllib
from importlib.metadata import distribution
from itertools import chain

from tests.benchmarks.figures import Figure, amount, median, spread
from tests.benchmarks.harness import Bench
from tests.world import ROOT

TIMES = 2

# What the bot imports of each; what it imports only when it needs it is marked by its name here.
IMPORTED = {
    "slack-bolt": "slack_bolt.async_app slack_bolt.adapter.socket_mode.async_handler",
    "slack-sdk": "slack_sdk.web.async_client slack_sdk.socket_mode.aiohttp",
    "aiohttp": "aiohttp aiohttp.web",
    "litellm": "litellm",
    "openai": "openai",
    "langgraph": "langgraph.graph langgraph.types",
    "langgraph-checkpoint-postgres": "langgraph.checkpoint.postgres.aio",
    "common-expression-language": "cel",
    "psycopg": "psycopg psycopg_pool",
    "procrastinate": "procrastinate",
    "redis": "redis.asyncio",
    "kubernetes": "kubernetes.aio.client kubernetes.config kubernetes.stream",
    "multidict": "multidict",
    "pydantic": "pydantic",
    "pyyaml": "yaml",
    "structlog": "structlog",
    "markdown-it-py": "markdown_it",
    "google-re2": "re2",
    "prometheus-client": "prometheus_client",
}
LATE = {
    "litellm": "only for a model that is not OpenAI-compatible",
    "openai": "only with LiteLLM",
    "common-expression-language": "only for rules with `when`",
    "redis": "only with REDIS_URL",
}

_MEASURE = """
import json, os, resource, sys, time
def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
def cpu():
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime
own, others = (part.split() for part in sys.argv[1:])
for name in others:
    __import__(name)
before, began = used(), cpu()
for name in own:
    __import__(name)
print(json.dumps([cpu() - began, used() - before]))
"""


async def weigh(_: Bench) -> list[Figure]:
    """CPU seconds, memory and disk of every dependency that `pyproject.toml` names."""
    figures = []
    for name in named():
        others = " ".join(IMPORTED[one] for one in named() if one not in {name, *LATE})
        alone = [await _import(IMPORTED[name]) for _ in range(TIMES + 1)][1:]  # from a warm cache
        beside = [await _import(IMPORTED[name], others) for _ in range(TIMES)]
        seconds = [spent for spent, _ in beside]
        how = (
            f"beside all others, with {amount(median(seconds))} CPU s ({spread(seconds, 's')}); "
            f"alone {amount(median([grown for _, grown in alone]))} MB and "
            f"{amount(median([spent for spent, _ in alone]))} s; {amount(_disk(name))} MB on disk"
            f"{f'; loaded {LATE[name]}' if name in LATE else ''}"
        )
        grown = median([grown for _, grown in beside])
        figures.append(Figure(f"weight of {name}", grown, "MB", how))
    return sorted(figures, key=lambda figure: -figure.value)


def named() -> list[str]:
    """The dependencies of the project itself, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cut = str.maketrans(dict.fromkeys("[><=!", " "))
    return [line.translate(cut).split()[0] for line in project["dependencies"]]


async def _import(own: str, others: str = "") -> tuple[float, float]:
    """CPU seconds and megabytes that `own` takes where `others` are there already."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", _MEASURE, own, others),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    seconds, megabytes = json.loads(said)
    return seconds, megabytes


def _disk(name: str) -> float:
    """Its own files, in MB; with the compiled part of one that is in a distribution of its own."""
    parts = [name, *(["psycopg-binary", "psycopg-pool"] if name == "psycopg" else [])]
    files = chain.from_iterable(distribution(part).files or () for part in parts)
    paths = (file.locate() for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6  # type: ignore[attr-defined]

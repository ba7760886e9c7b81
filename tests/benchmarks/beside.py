"""The same turn on raw LangGraph, measured as the bot is."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.benchmarks.figures import Figure, median, spread
from tests.benchmarks.harness import Bench, Stage, process_cpu
from tests.world import ROOT

WARM_UP, BATCHES, BATCH = 10, 6, 6
_WHAT = "same model calls, read, interrupt, change; stock saver, durability sync; nothing else"


async def raw(bench: Bench) -> list[Figure]:
    """CPU and WAL of the raw turn. A bot runs once before it: its first request to the model
    says which instructions and tools the raw one gets.
    """
    async with bench.warm_stage(runs=1) as stage:
        await stage.kill()
        cpu, written = await _raw(bench, stage)
    how = f"{_WHAT}; median of {BATCHES} × {BATCH} runs after {WARM_UP}:"
    return [
        Figure("raw LangGraph, CPU per run", median(cpu), "ms", f"{how} {spread(cpu, 'ms')}"),
        Figure(
            "raw LangGraph, WAL per run", median(written), "kB", f"{how} {spread(written, 'kB')}"
        ),
    ]


async def _raw(bench: Bench, stage: Stage) -> tuple[list[float], list[float]]:
    cpu, written = [], []
    async with _process(bench, stage) as child:
        await _runs(child, WARM_UP)
        for _ in range(BATCHES):
            used, position = process_cpu(child.pid), await stage.wal()
            await _runs(child, BATCH)
            cpu.append((process_cpu(child.pid) - used) * 1000 / BATCH)
            written.append((await stage.wal() - position) / 1000 / BATCH)
    return cpu, written


@asynccontextmanager
async def _process(bench: Bench, stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    chat = stage.chat
    if chat.model is None:
        raise RuntimeError("there is no model")
    request = chat.model.requests[0]
    told = {
        "dsn": await bench.fresh(),
        "base": chat.model.url,
        "kubeconfig": str(chat.folder / "kubeconfig"),
        "system": "\n".join(m["content"] for m in request["messages"] if m["role"] == "system"),
        "tools": request["tools"],
    }
    file = chat.folder / "told.json"
    file.write_text(json.dumps(told))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.raw_langgraph",
        str(file),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _heard(child, "ready")
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _runs(child: asyncio.subprocess.Process, count: int) -> None:
    if child.stdin is None:
        raise RuntimeError("the child does not listen")
    child.stdin.write(f"{count}\n".encode())
    await child.stdin.drain()
    await _heard(child, "done")


async def _heard(child: asyncio.subprocess.Process, word: str) -> None:
    if child.stdout is None:
        raise RuntimeError("the child does not speak")
    async with asyncio.timeout(60):
        line = (await child.stdout.readline()).decode().strip()
    if line != word:
        raise RuntimeError(f"raw LangGraph said {line!r}")

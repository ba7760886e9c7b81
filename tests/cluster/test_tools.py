"""`make test-cluster`: every Kubernetes tool, changes with their verification and their way back.

On the demo cluster; with `KUBECONFIG` on its current context, in a namespace that is made before
and removed after. What would be felt beyond that namespace is previewed only.
"""

import asyncio
import time

import pytest

from bot.guard.rendering import render
from tests.cluster.conftest import TRIED, WHERE
from tests.cluster.place import LATELY, Place, place
from tests.cluster.steps import STEPS, Step
from tools import ChangeCall, Progress, Refused, ToolError, Verdict, Wish

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]


async def test_every_tool_does_its_work() -> None:
    async with place() as here:
        WHERE.append(f"cluster {here.cluster}, namespace {here.namespace}")
        missing = set(here.catalog.tools) - {step.tool for step in STEPS}
        assert not missing, f"add to STEPS: {', '.join(sorted(missing))}"
        for step in STEPS:
            began = time.monotonic()
            mark, told = await _tried(step, here)
            TRIED.append((mark, step.tool, f"{time.monotonic() - began:.1f}", told))
    assert [row for row in TRIED if row[0] == "FAIL"] == []


async def _tried(step: Step, here: Place) -> tuple[str, str]:
    await here.look()
    try:
        async with asyncio.timeout(2 * LATELY):
            if here.catalog.tools[step.tool].kind == "read":
                return await _read(step, here)
            return await _changed(step, here)
    except Refused as error:
        return ("lacks" if step.may_lack else "FAIL"), str(error)
    except (ToolError, TimeoutError) as error:
        return "FAIL", str(error) or "not in time"


async def _read(step: Step, here: Place) -> tuple[str, str]:
    finding = await here.catalog.read(step.tool, step.arguments(here)).run()
    text = render(finding)
    return ("ok" if text and step.says in text else "FAIL"), _first(text)


async def _changed(step: Step, here: Place) -> tuple[str, str]:
    call = here.catalog.change(step.tool, step.arguments(here))
    seen = await call.preview()
    if step.says not in seen.summary + seen.diff:
        return "FAIL", seen.summary
    if step.previewed:
        return "ok", f"previewed: {seen.summary}"
    verdict = await _done(call)
    if verdict.outcome != "holds":
        return "FAIL", f"{verdict.outcome}: {verdict.reason}"
    wish = call.undo(seen)
    if not step.back or not isinstance(wish, Wish):
        return "ok", verdict.reason
    back = await _done(here.catalog.change(wish.tool, wish.arguments))
    mark = "ok" if back.outcome == "holds" else "FAIL"
    return mark, f"{verdict.reason} Back: {back.outcome}, {back.reason}"


async def _done(call: ChangeCall) -> Verdict:
    seen = await call.preview()
    receipt = await call.apply(seen)
    async for told in call.verify(seen, receipt):
        if not isinstance(told, Progress):
            return told
    raise AssertionError("a verification ends with a verdict")


def _first(text: str) -> str:
    return " ".join(text.split())[:110]

"""The demo's page: how soon it is there, and how quick writing is with a thousand messages."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from bot.sandbox import serving
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from tests.benchmarks.figures import Figure, median, percentile, spread
from tests.benchmarks.harness import Bench
from tests.browser.conftest import CHROMIUM, Demo

STARTS, LOADS, MESSAGES, KEYS = 3, 5, 1000, 60
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# From the key's event until a frame with its letter was painted: a task queued in the frame's
# callback runs when that frame is done.
_PAINT = """() => new Promise((done) => {
    const field = document.activeElement;
    field.addEventListener('keydown', () => {
        const pressed = performance.now();
        requestAnimationFrame(() => {
            const after = new MessageChannel();
            after.port1.onmessage = () => done(performance.now() - pressed);
            after.port2.postMessage(0);
        });
    }, { once: true });
})"""


async def measure(bench: Bench) -> list[Figure]:
    """Starts of `make demo`, loads of the page, and keys in a full channel."""
    del bench  # it needs neither a database nor the bot
    answered = await _starts()
    figures = [
        Figure(
            "make demo → page answers",
            median(answered),
            "s",
            f"from the process's birth, median of {STARTS} starts: {spread(answered, 's')}",
            1,
        )
    ]
    if CHROMIUM is None:
        return figures  # without a browser there is nothing more to measure
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        drawn, painted = await _in_browser(browser)
        await browser.close()
    full = f"{MESSAGES} messages in the channel"
    how = f"{len(painted)} keys, {full}: {spread(painted, 'ms')}"
    return [
        *figures,
        Figure(
            "page: navigation → all drawn",
            median(drawn),
            "s",
            f"{full}, median of {LOADS} loads: {spread(drawn, 's')}",
            1,
        ),
        Figure("page: key → paint, p50", median(painted), "ms", how, 50),
        Figure("page: key → paint, p95", percentile(painted, 0.95), "ms", "the same", 50),
    ]


async def _starts() -> list[float]:
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(STARTS + 1):
            began = time.monotonic()
            demo = Demo(Path(folder) / "data")
            try:
                while True:
                    line = next(
                        (one for one in demo.output().splitlines() if one.startswith("http:")), ""
                    )
                    if line and await _answers(line):
                        break
                    await asyncio.sleep(0.01)
                taken.append(time.monotonic() - began)
                # it takes up what it kept, the next time
                while "Ctrl-C" not in demo.output():  # noqa: ASYNC110 - a process says nothing
                    await asyncio.sleep(0.05)
                demo.stop()
            finally:
                demo.end()
    return taken[1:]  # the first one makes a database


async def _answers(address: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status == 200


async def _in_browser(browser: Browser) -> tuple[list[float], list[float]]:
    settings = Settings(page_dir=serving.PAGE_DIR)
    async with Workspace(EXAMPLE_MANIFEST, settings) as workspace:
        people = {"alice": "", "bob": ""}
        serving.introduce(workspace, serving.Introduction("Title", "About", people))
        for number in range(MESSAGES):
            text = f"message {number} says something of ordinary length with `code` in it"
            await workspace.post("bob" if number % 3 else "alice", "ops", text)
        drawn = []
        for _ in range(LOADS):
            page = await (await browser.new_context()).new_page()
            drawn.append(await _load(page, workspace.page_url))
        field = page.get_by_label("Message #ops")
        await field.focus()
        painted = []
        for number in range(KEYS + 5):
            waiting = asyncio.ensure_future(page.evaluate(_PAINT))
            await asyncio.sleep(0.03)  # so that it listens
            await page.keyboard.press("abcdefgh "[number % 9])
            painted.append(float(await waiting))
    return drawn, painted[5:]


async def _load(page: Page, url: str) -> float:
    began = time.monotonic()
    await page.goto(url, wait_until="commit")
    await page.get_by_text(f"message {MESSAGES - 1} says").first.wait_for()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit("Run it by `make bench ARGS=page`.")

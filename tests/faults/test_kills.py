"""A real process is killed in the middle of a step of the walk; the outside world is held at the
wire. At every step by its name: `test_matrix.py`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.scene import WEB, Case, Scene, scene, until
from tests.faults.steps import is_patch
from tests.standins.model import Json, Turn, calls, hangs, says
from tests.world import buttons, shown

pytestmark = pytest.mark.timeout(150)
crash = pytest.mark.crash
SCALE = ("k8s_scale", {**WEB, "replicas": 5})


def proposes(request: Json) -> Turn:
    """Propose once, then say what came of it."""
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    return says(f"It says: {results[-1]}") if results else calls(SCALE)


def first(turn: Turn, then: Callable[[Json], Turn]) -> Callable[[Json], Turn]:
    """`turn` for the first request, whatever comes later."""
    turns = [turn]
    return lambda request: turns.pop() if turns else then(request)


def is_dry_run(line: str, _: str) -> bool:
    """The last look before it."""
    return line.startswith("PATCH") and "dryRun" in line


def is_post(line: str, _: str) -> bool:
    """A new message for Slack."""
    return "chat.postMessage" in line


# --- 1: while the model answers -----------------------------------------------------------------


@crash
@pytest.mark.parametrize("chunks", [3, 0, None])
async def test_while_the_model_answers(
    dsn: str, tmp_path: Path, case: Case, chunks: int | None
) -> None:
    script = first(hangs(chunks), lambda _: says("All is well."))
    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        await at.chat.reads(thread, "⏳|Thinking|Working|Writing")
        await at.kill()
        await at.start()
        await until(lambda: len(model.requests) == 2, "the second request to the model")
        at.goes_on()
        await at.ends(thread, "All is well", executions=0)
        # one progress message, which one can no longer take for work under way, and one answer
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2


async def test_a_run_of_which_each_process_dies_is_given_up(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    script = first(hangs(0), lambda _: says("All is well."))
    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        # as if nine had died already; the tenth does
        await at.rows("UPDATE runs SET lost_workers = lost_workers + 9 RETURNING id")
        await at.kill()
        await at.start()
        await at.ends(thread, "It was lost with its process 10 times", executions=0)
        assert len(model.requests) == 1
        # what is asked there next is a run of its own
        await at.chat.slack.mention("dave", "ops", "and now?", thread)
        await at.chat.reads(thread, "All is well")


async def test_of_runs_of_which_processes_die_one_is_tried_at_a_time(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    names = ("web", "api", "worker")
    hung: list[str] = []

    def script(request: Json) -> Turn:
        if len(hung) <= len(names):
            said = str([m for m in request["messages"] if m["role"] == "user"][-1]["content"])
            hung.append(next(name for name in names if name in said))
            return hangs(0)
        return says("All is well.")

    async with scene(dsn, tmp_path, case, script) as at:
        threads = {name: await at.chat.ask(f"how is {name}?") for name in names}
        await until(lambda: len(hung) == 3, "all runs at the model")
        await at.rows("UPDATE runs SET lost_workers = lost_workers + 2 RETURNING id")
        await at.kill()
        await at.start()
        await until(lambda: len(hung) == 4, "one of them at the model again")
        tried, stopped, other = (hung[3], *(name for name in names if name != hung[3]))
        # a stop reaches one that waits
        await at.chat.slack.mention("dave", "ops", "stop", threads[stopped])
        await at.chat.reads(threads[stopped], "Stopped")
        await asyncio.sleep(2.5)  # the last one was looked at meanwhile, more than once
        model = at.chat.model
        assert model is not None
        assert len(model.requests) == 4
        await at.chat.slack.mention("dave", "ops", "stop", threads[tried])
        at.goes_on()
        await at.ends(threads[other], "All is well", executions=0)
        # none of them was lost with the one that was tried
        rows = await at.rows("SELECT lost_workers FROM runs")
        assert {row["lost_workers"] for row in rows} <= {0, 3}


@crash
@pytest.mark.parametrize("held", ["answer", "request"])
async def test_while_the_first_sign_is_posted(
    dsn: str, tmp_path: Path, case: Case, held: str
) -> None:
    def script(_: Json) -> Turn:
        return Turn(text="All is well.", latency=1)

    async with scene(dsn, tmp_path, case, script) as at:
        hold = at.slack.hold_answer if held == "answer" else at.slack.hold_request
        sign = hold(is_post)
        thread = await at.chat.ask("how is web?")
        await sign.arrives()
        await at.state_is(thread, "working")
        await at.kill()
        await at.start()
        await at.ends(thread, "All is well", executions=0)
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2


@crash
@pytest.mark.parametrize("latency", [0.0, 2.5])
async def test_while_the_first_sign_of_a_waiting_run_is_posted(
    dsn: str, tmp_path: Path, case: Case, latency: float
) -> None:
    """Every job slot is taken, so nobody has claimed the run when its first sign is posted."""

    def script(request: Json) -> Turn:
        first_one = "take the slot" in str(request["messages"])
        return Turn(text="All is well.", latency=2 if first_one else latency)

    async with scene(dsn, tmp_path, case, script, {"COUNTERSIGN_JOBS": "1"}) as at:
        model = at.chat.model
        assert model is not None
        await at.chat.ask("take the slot", where="general")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        sign = at.slack.hold_answer(lambda line, body: is_post(line, body) and "web" in body)
        thread = await at.chat.ask("how is web?")
        await sign.arrives()
        await at.state_is(thread, "queued")
        await at.kill()
        await at.start()
        await at.ends(thread, "All is well", executions=0)
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2


# --- 2: between card and click ------------------------------------------------------------------


@crash
@pytest.mark.parametrize("how", ["terminate", "kill"])
async def test_between_card_and_click(dsn: str, tmp_path: Path, case: Case, how: str) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        if how == "kill":
            await at.kill()
        else:
            assert await at.terminate() < 10
        await at.start()
        await at.chat.press("Approve", card, by="bob")
        await at.mutated()
        at.goes_on()
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


# --- 3: after Approve, before the mutating request ----------------------------------------------


@crash
async def test_after_approve_before_the_request(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        look = at.cluster.hold_request(is_dry_run)
        await at.chat.press("Approve", card, by="bob")
        await look.arrives()
        await at.kill()
        look.release()
        await at.start()
        await at.mutated()
        at.goes_on()
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


@crash
async def test_after_approve_and_too_late_to_start(dsn: str, tmp_path: Path, case: Case) -> None:
    extra = {"COUNTERSIGN_START_SECONDS": "3"}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        look = at.cluster.hold_request(is_dry_run)
        await at.chat.press("Approve", card, by="bob")
        await look.arrives()
        await at.kill()
        await asyncio.sleep(3)
        await at.start()
        again = await at.chat.card(thread, 2)
        at.goes_on()
        assert buttons(again) == ["Approve", "Deny", "More…"]
        assert at.chat.cluster.mutations == []
        await at.chat.press("Approve", again, by="alice")
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


@crash
@pytest.mark.parametrize("milliseconds", [0, 5, 10, 20, 30, 45])
async def test_some_time_after_approve(
    dsn: str, tmp_path: Path, case: Case, milliseconds: int
) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        await at.chat.press("Approve", card, by="bob")
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        await at.kill()
        await at.start()
        # known to have been done, or found out by looking; where it never left, not done
        await at.chat.reads(thread, "It says:", timeout=30)
        at.goes_on()
        done = len(at.chat.cluster.mutations)
        said = "It says: (done and verified|unknown)" if done else "It says: (failed|unknown)"
        await at.ends(thread, said, executions=done)
        assert done <= 1


# --- 4: during the mutating request -------------------------------------------------------------

UNKNOWN = "I was interrupted during “.*I looked: .*I did not run it again"


@crash
@pytest.mark.parametrize("held", ["request", "answer"])
async def test_during_the_request(dsn: str, tmp_path: Path, case: Case, held: str) -> None:
    """It is carried out all the same: after the death of its sender, or just before."""
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        hold = at.cluster.hold_answer if held == "answer" else at.cluster.hold_request
        patch = hold(is_patch)
        await at.chat.press("Approve", card, by="bob")
        await patch.arrives()
        await at.kill()
        patch.release()
        await at.mutated()
        await at.start()
        await at.chat.reads(thread, UNKNOWN, timeout=30)
        at.goes_on()
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")
        assert at.chat.replicas() == 5


@crash
async def test_during_a_request_that_never_arrives(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        patch = at.cluster.hold_request(is_patch)
        await at.chat.press("Approve", card, by="bob")
        await patch.arrives()
        await at.kill()
        await at.start()
        await at.chat.reads(thread, UNKNOWN, timeout=30)
        at.goes_on()
        await at.ends(thread, "It says: failed", executions=0, card="⛔ failed")
        assert at.chat.replicas() == 3


@crash
async def test_during_a_request_that_arrives_after_the_verdict(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    """Nobody can know of it; it must at least not be the second one."""
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        patch = at.cluster.hold_request(is_patch)
        await at.chat.press("Approve", card, by="bob")
        await patch.arrives()
        await at.kill()
        await at.start()
        await at.chat.reads(thread, UNKNOWN, timeout=30)
        at.goes_on()
        patch.release()
        await at.mutated()
        await at.ends(thread, "It says: failed", executions=1, card="⛔ failed")


@crash
async def test_after_a_connection_that_broke(dsn: str, tmp_path: Path, case: Case) -> None:
    """The request took effect, its connection died, and the bot died while it looked."""
    extra = {"COUNTERSIGN_SETTLE_SECONDS": "3"}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        # only the write itself: dry runs are answered
        patch = at.cluster.hold_request(is_patch)
        await at.chat.press("Approve", card, by="bob")
        await patch.arrives()
        at.chat.cluster.fail("patch", "/deployments/web", 0, after_processing=True)
        patch.release()
        await at.call_is("unknown")
        await at.kill()
        await at.start()
        await at.chat.reads(thread, UNKNOWN, timeout=30)
        at.goes_on()
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


# --- 5: during the verification -----------------------------------------------------------------


@crash
async def test_during_the_verification(dsn: str, tmp_path: Path, case: Case) -> None:
    extra = {"COUNTERSIGN_SETTLE_SECONDS": "2"}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        await at.chat.press("Approve", card, by="bob")
        await at.call_is("done")
        await at.kill()
        await at.start()
        await at.ends(
            thread, "It says: done and verified", executions=1, card="✅ verified.*no restarts"
        )
        # it was known to have been done: nothing to be in doubt about
        assert "interrupted" not in at.chat.thread(thread)


@crash
async def test_three_times_during_the_verification(dsn: str, tmp_path: Path, case: Case) -> None:
    extra = {"COUNTERSIGN_SETTLE_SECONDS": "5"}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        await at.chat.press("Approve", card, by="bob")
        await at.call_is("done")
        for _ in range(3):
            await at.kill()
            await at.start()
            await attempts_rise(at)
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


async def attempts_rise(at: Scene) -> None:
    """Wait until the new process has taken the run over."""
    before = (await at.rows("SELECT attempt FROM runs"))[0]["attempt"]
    for _ in range(1000):
        if (await at.rows("SELECT attempt FROM runs"))[0]["attempt"] > before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody took the run over")


# --- 6: while the answer is sent ----------------------------------------------------------------


@crash
@pytest.mark.parametrize("held", ["answer", "request"])
@pytest.mark.parametrize("latency", [2.2, 0.0], ids=["late", "at once"])
async def test_while_the_answer_is_sent(
    dsn: str, tmp_path: Path, case: Case, held: str, latency: float
) -> None:
    """As a message of its own, or by an edit that takes the progress message's place."""

    def script(_: Json) -> Turn:
        return Turn(text="All is well.", latency=latency)

    async with scene(dsn, tmp_path, case, script) as at:
        hold = at.slack.hold_answer if held == "answer" else at.slack.hold_request
        answer = hold(lambda line, body: "/api/chat." in line and "well" in body)
        thread = await at.chat.ask("how is web?")
        await answer.arrives()
        await at.kill()
        await at.start()
        await at.chat.reads(thread, "All is well", timeout=30)
        await at.quiet(thread)
        at.goes_on()
        await at.ends(thread, "All is well", executions=0)
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2
        assert at.chat.model is not None
        assert len(at.chat.model.requests) == 1


@crash
async def test_while_the_card_is_posted(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        posted = at.slack.hold_answer(lambda line, body: is_post(line, body) and "Approve" in body)
        thread = await at.chat.ask("scale web to 5")
        await posted.arrives()
        await at.kill()
        await at.start()
        await at.quiet_outbox()
        cards = [m for m in at.chat.slack.app_messages("ops", thread) if "Approve" in buttons(m)]
        assert len(cards) == 1
        at.goes_on()
        await at.chat.slack.click("bob", "ops", cards[0]["ts"], text="Approve")
        await at.ends(thread, "It says: done and verified", executions=1)
        assert "✅ verified" in at.chat.thread(thread)


# --- 9: many open cards -------------------------------------------------------------------------


@crash
@pytest.mark.parametrize("count", [6, 20])
async def test_with_many_open_cards(dsn: str, tmp_path: Path, case: Case, count: int) -> None:
    """Every one can still be decided, half of them approved and half denied."""
    async with scene(dsn, tmp_path, case, None) as at:
        chat = at.chat
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        threads: list[tuple[str, str]] = []
        for n in range(count):
            chat.cluster.apply(copy_of(web, f"web-{n}"))
            where = f"team-{n}"
            chat.slack.add_channel(where, ["dave", "bob"])
            threads.append((where, ""))
        for n, (where, _) in enumerate(threads):
            command = f"scale deployment/web-{n} --replicas 2 -n shop"
            threads[n] = (where, await chat.ask(command, where=where))
        cards = [await chat.card(thread, where=where) for where, thread in threads]
        await until_waiting(at, count)
        await at.quiet_outbox()
        await at.kill()
        await at.start()
        for n, ((where, _), card) in enumerate(zip(threads, cards, strict=True)):
            await chat.press("Deny" if n % 2 else "Approve", card, by="bob", where=where)
        await until(lambda: len(chat.cluster.mutations) == count // 2, "half of them", 30, chat.log)
        at.goes_on()
        for n, (where, thread) in enumerate(threads):
            end = "denied by" if n % 2 else "done and verified"
            await chat.reads(thread, end, where, timeout=30)
        await at.quiet(threads[0][1], threads[0][0], timeout=90)
        case.executions = len(chat.cluster.mutations)
        assert case.executions == count // 2
        for n, (where, thread) in enumerate(threads):
            last = shown(chat.cards(thread, where)[0])
            assert ("denied" if n % 2 else "✅ verified") in last, last
            assert "⏳" not in chat.thread(thread, where)
            assert chat.replicas(f"web-{n}") == (1 if n % 2 else 2)
        case.answers = len(await at.rows("SELECT 1 FROM outbox WHERE key LIKE 'end:%%'"))
        assert case.answers == count
        case.end = f"{count} cards decided"
        await at.nothing_is_left()


def copy_of(deployment: Json, name: str) -> Json:
    """The same with one replica, under another name."""
    labels = {"app": name}
    template = {**deployment["spec"]["template"], "metadata": {"labels": labels}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": spec,
    }


async def until_waiting(at: Scene, count: int) -> None:
    """Wait until so many runs wait for people."""
    for _ in range(1500):
        if len(await at.rows("SELECT 1 FROM runs WHERE state = 'waiting'")) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not all runs wait")

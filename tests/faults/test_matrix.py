"""Every step of a walk, and what may happen at it: the bot is killed, or what it stands on goes.

`make test` kills it once at each step, in a few walks; `make test-crash` has a case for each step
with each outage. Whatever happens, what is true in the end is always the same.
"""

import asyncio
from pathlib import Path

import pytest

from tests.faults.outages import BEFALLS, Outage, killed
from tests.faults.scene import Case, Scene, scene
from tests.faults.steps import HOLDS, LAST_WORDS, Step, walks
from tests.faults.wire import Held
from tests.plugins.redis import RedisServer
from tests.world import buttons, shown

pytestmark = pytest.mark.timeout(240)
_RETRIED = 2.0  # seconds after which a person who sees no change presses again
NAMED = (
    "event stored, acked, run claimed, model answered, reads done, call inserted, card sent, "
    "vote stored, resumed, executing, request sent, applied, done written, verified, "
    "answer stored, answer sent, swept"
)
# A kill after `executing` leaves nobody who would send the request, so no walk has all steps.
WALKS = [
    [Step.EVENT_STORED, Step.ACKED, Step.RUN_CLAIMED, Step.MODEL_ANSWERED, Step.READS_DONE],
    [Step.CALL_INSERTED, Step.CARD_SENT, Step.VOTE_STORED, Step.RESUMED, Step.EXECUTING],
    [Step.REQUEST_SENT],
    [Step.APPLIED, Step.ANSWER_SENT],
    [Step.DONE_WRITTEN, Step.VERIFIED, Step.ANSWER_STORED, Step.SWEPT],
]


def test_every_step_and_every_outage_has_its_case() -> None:
    assert NAMED.split(", ") == [str(step) for step in Step]
    assert set(HOLDS) == set(Step)
    assert set(BEFALLS) == set(Outage)
    assert [step for step in Step if not any(step in walk for walk in WALKS)] == []


@pytest.mark.crash
@pytest.mark.parametrize("outage", list(Outage))
@pytest.mark.parametrize("step", list(Step))
async def test_at(
    place: str, tmp_path: Path, case: Case, step: Step, outage: Outage, redis: RedisServer
) -> None:
    case.point = f"{list(Step).index(step) + 1:2}. {step} × {outage}"
    lost = outage is Outage.REDIS_LOST
    extra = {"REDIS_URL": redis.url} if lost else {}
    async with scene(place, tmp_path, case, walks, extra, door=True) as at:
        if lost:  # whom it would have told of everything
            await at.another()
        held = HOLDS[step](at)
        thread = await at.chat.ask("is web fine? then scale it to 5")
        async with asyncio.TaskGroup() as group:
            person = group.create_task(approves(at, thread))
            await arrives(at, held, step)
            await BEFALLS[outage](at, held, redis)
            await it_ends(at, thread, model_away=outage is Outage.MODEL_AWAY)
            person.cancel()


@pytest.mark.parametrize(
    "steps",
    WALKS,
    ids=lambda steps: f"{steps[0]} to {steps[-1]}".replace(" ", "-"),
)
async def test_killed_again_and_again(
    dsn: str, tmp_path: Path, case: Case, steps: list[Step]
) -> None:
    """One walk, and a new process after each of its steps."""
    async with scene(dsn, tmp_path, case, walks, door=True) as at:
        held = HOLDS[steps[0]](at)
        thread = await at.chat.ask("is web fine? then scale it to 5")
        async with asyncio.TaskGroup() as group:
            person = group.create_task(approves(at, thread))
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                await arrives(at, held, step)
                last = held
                if following is not None:
                    held = HOLDS[following](at)
                await killed(at, last)
            await it_ends(at, thread)
            person.cancel()


async def arrives(at: Scene, held: Held, step: Step) -> None:
    """Wait until the bot stands at this step."""
    await held.arrives(30)
    if step is Step.ACKED:  # it may take up a run before Slack has its acknowledgement
        slack = at.chat.slack
        await slack.wait_for(lambda: any(envelope.acked for envelope in slack.envelopes), 10)


async def approves(at: Scene, thread: str) -> None:
    """Somebody waits for the card, presses Approve, and again as long as nothing comes of it."""
    while True:
        open_cards = [
            m for m in at.chat.slack.app_messages("ops", thread) if "Approve" in buttons(m)
        ]
        if open_cards and at.chat.slack.hub.sockets:
            await at.chat.slack.click("bob", "ops", open_cards[-1]["ts"], text="Approve")
            await asyncio.sleep(_RETRIED)
        await asyncio.sleep(0.02)


async def it_ends(at: Scene, thread: str, *, model_away: bool = False) -> None:
    """The end that is due whatever happened, and true."""
    await at.quiet(thread, timeout=90)
    at.goes_on()
    case, chat = at.case, at.chat
    messages = chat.slack.app_messages("ops", thread)
    everything = chat.thread(thread)
    (end,) = await at.rows("SELECT id FROM outbox WHERE key LIKE 'end:%%'")
    ours = [m for m in messages if _key(m).startswith(f"outbox:{end['id']}:")]
    case.answers = len(ours)
    case.executions = len(chat.cluster.mutations)
    case.end = shown(ours[-1]) if ours else everything
    # at most once, whatever happened, and said as it is
    calls = await at.rows("SELECT * FROM tool_calls WHERE kind = 'change' ORDER BY id")
    assert case.executions <= 1, everything
    assert case.executions == sum(call["state"] == "done" for call in calls), (calls, everything)
    assert {call["state"] for call in calls} <= {"done", "failed", "superseded"}, everything
    assert ("✅ verified" in everything) is (case.executions == 1), everything
    assert chat.replicas() == (5 if case.executions else 3)
    if LAST_WORDS in case.end:
        assert ("done and verified" in case.end) is (case.executions == 1), everything
    else:
        assert model_away, everything
        assert "The model did not answer" in case.end, everything
    # answered once, nothing to decide, nothing that says "working"
    assert case.answers == 1, everything
    assert "⏳" not in everything, everything
    assert not any({"Approve", "Deny", "Stop"} & set(buttons(m)) for m in messages), everything
    assert len(await at.rows("SELECT 1 FROM runs")) == 1
    await at.nothing_is_left()


def _key(message: dict[str, object]) -> str:
    """Of which row of the outbox it is, as its metadata says."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return str(payload.get("key") or "") if isinstance(payload, dict) else ""

"""The incidents through Slack's wire: their commands show the evidence, the bot's mend heals."""

import re
from pathlib import Path
from typing import Any

import pytest

from bot.agent.grammar import parse
from bot.sandbox.cluster import seed
from bot.sandbox.stories import STORIES, Story, state
from tests.world import World, shown, world

BY_KEY = {story.key: story for story in STORIES}
# Of each story: what must be seen before anybody looks, and what each command then says.
EVIDENCE = {
    "bad-rollout": (
        r"(?s)deployment/checkout.*missing PAYMENTS_URL.*revision 7.*rollout undo deployment",
        r"checkout-\S+ .* [1-9]\d* \(\w+ ago\)",
        r"FATAL missing PAYMENTS_URL",
        r"1\.8\.0 → shop/checkout:1\.9\.0",
        r"Roll back.*to revision",
    ),
    "oom": (
        r"(?s)deployment/search.*memory limit of 128Mi.*rollout undo deployment",
        r"search-\S+ .* [1-9]\d* \(\w+ ago\)",
        r"limits memory 128Mi.*OOMKilled, exit code 137",
        r"limits\.memory 256Mi → 128Mi",
        r"Roll back.*128Mi.*256Mi",
    ),
    "pool": (
        r"(?s)deployment/orders.*pool is used up.*orders-config sets DB_POOL_SIZE=2",
        r"ERROR http://orders\.shop: (no answer within 5000 ms|connection refused)",
        r"orders-.*Running",
        r"ERROR connection pool exhausted: 2 of 2 in use",
        r"DB_POOL_SIZE: '2'",
    ),
    "full-volume": (
        r"(?s)Claim data-ledger-0 .*statefulset/ledger is full: no space left on device",
        r"ERROR http://ledger\.payments: connection refused",
        r"ledger-0 .*(CrashLoopBackOff|Error|0/1 +Running +[1-9])",  # or just begun anew
        r"FATAL could not write /var/lib/ledger/data: No space left on device",
        r"storage: 10Gi",
    ),
}
BEHIND = {
    "full-volume": (
        "diagnose deployment/api -n payments",
        r"(?s)Claim data-ledger-0 .* is full.*It calls service/ledger.*patch persistentvolumeclaim",
    ),
}
SIGN = {
    "bad-rollout": ("shop", "checkout", "CrashLoopBackOff"),
    "oom": ("shop", "search", "OOMKilled"),
    "pool": ("shop", "orders", "Readiness probe failed"),
    "full-volume": ("payments", "ledger", "CrashLoopBackOff"),
}


async def begin(chat: World, story: Story) -> None:
    """Begin a story in the small demo, to which what it is about is added, and wait for a sign."""
    for manifest in seed.surroundings():
        chat.cluster.apply(manifest)
    await settled(chat)
    story.begin(chat.cluster)
    await chat.slack.post(story.reporter, "ops", story.report)
    namespace, app, sign = SIGN[story.key]
    await chat.cluster.until(lambda: shows(chat, namespace, app, sign), 20)
    await chat.cluster.advance(10)  # until those that need it wrote of it


def shows(chat: World, namespace: str, app: str, sign: str) -> bool:
    """Whether a sign is to be seen in the status of an app's pods, or in an event about one."""
    told = [str(pod.get("status")) for pod in chat.cluster.pods(namespace, app)]
    told += [
        event["message"]
        for event in chat.cluster.objects("Event", namespace)
        if event["involvedObject"]["name"].startswith(f"{app}-")
    ]
    return any(sign in text for text in told)


async def settled(chat: World) -> None:
    """Wait until all runs but checkout, which is broken from the start."""
    names = ("search", "orders", "catalog", "image-resizer")
    await chat.cluster.until(lambda: all(chat.cluster.ready("shop", name) for name in names))


def keys(*, mended_by_bot: bool) -> list[Any]:
    """Those of the stories that end so; all but the first take their time."""
    first, *others = (story.key for story in STORIES if story.mended_by_bot is mended_by_bot)
    return [first, *(pytest.param(key, marks=pytest.mark.long) for key in others)]


def test_each_command_is_one_that_the_bot_knows() -> None:
    for story in STORIES:
        assert [parse(command).__class__.__name__ for command in story.commands] == ["Command"] * 5
        assert len(EVIDENCE[story.key]) == len(story.commands)


@pytest.mark.parametrize("key", keys(mended_by_bot=True))
async def test_a_rollback_by_the_bot_mends_it(dsn: str, tmp_path: Path, key: str) -> None:
    story = BY_KEY[key]
    async with world(dsn, tmp_path) as chat:
        await begin(chat, story)
        *looks, mend = story.commands
        for command, evidence in zip(looks, EVIDENCE[key], strict=False):
            await chat.reads(await chat.ask(command), evidence)
        thread = await chat.ask(mend)
        card = await chat.card(thread)
        await chat.reads(thread, EVIDENCE[key][-1])
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "verified")
        assert state(story, chat.cluster) == "mended"
        assert chat.cluster.ready(story.namespace, story.workload.partition("/")[2])


@pytest.mark.parametrize("key", keys(mended_by_bot=False))
async def test_its_commands_show_the_evidence(dsn: str, tmp_path: Path, key: str) -> None:
    story = BY_KEY[key]
    async with world(dsn, tmp_path) as chat:
        await begin(chat, story)
        for command, evidence in zip(story.commands, EVIDENCE[key], strict=True):
            await chat.reads(await chat.ask(command), evidence)
        if key in BEHIND:  # also to who asks about what seems well in front of it
            command, evidence = BEHIND[key]
            await chat.reads(await chat.ask(command), evidence)
        assert chat.cluster.mutations == []
        story.mend(chat.cluster)
        assert state(story, chat.cluster) in ("mended", "going on")  # pods start anew first
        await chat.cluster.until(lambda: state(story, chat.cluster) == "mended")


CHANGE = re.compile(r"change: (patch|rollout restart)(.+)")


@pytest.mark.crash
@pytest.mark.parametrize("key", ["pool", "full-volume"])
async def test_what_a_diagnosis_proposes_mends_it(dsn: str, tmp_path: Path, key: str) -> None:
    """Step by step: a setting that is put back is read at a start, which the next look proposes."""
    story = BY_KEY[key]
    async with world(dsn, tmp_path) as chat:
        await begin(chat, story)
        for _ in range(3):
            await chat.cluster.advance(110)  # what was made just now is not called changed
            thread = await chat.ask(f"diagnose {story.workload} -n {story.namespace}")
            said = shown(await chat.reads(thread, "change: (patch|rollout restart)"))
            assert "not allowed to me" not in said
            (change,) = CHANGE.findall(said)[:1]
            thread = await chat.ask("".join(change))
            card = await chat.card(thread)
            await chat.press("Approve", card, by="alice")
            if "two approvals" in shown(card):
                await chat.press("Approve", card, by="bob")
            await chat.reads(thread, "verified")
            if state(story, chat.cluster) == "mended":
                break
        assert state(story, chat.cluster) == "mended"

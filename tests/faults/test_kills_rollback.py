"""A process is killed while it rolls a change back by itself: it is never begun twice."""

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.cluster import Behaviour
from tests.faults.scene import Case, scene, until

pytestmark = [pytest.mark.timeout(150), pytest.mark.crash]

POLICY = "policy: {rules: [{name: rolls back, ask: {rollback: {within: 10m}}}]}\n"
MISSING = Behaviour("shop/cart:9.*", pullable=False)


@pytest.mark.parametrize("held", ["look", "request", "answer"])
async def test_while_it_rolls_back(dsn: str, tmp_path: Path, case: Case, held: str) -> None:
    policy = tmp_path / "countersign.yaml"
    policy.write_text(POLICY)
    extra = {"COUNTERSIGN_CONFIG": str(policy)}
    async with scene(dsn, tmp_path, case, None, extra) as at:
        cluster = at.chat.cluster
        cluster._kubelet.behaviours = (MISSING, *cluster._kubelet.behaviours)
        was = at.chat.image("cart")

        def is_back(line: str, body: str) -> bool:
            if held == "look":  # the last one before its request
                return line.startswith("GET") and "/deployments/cart" in line and bool(begun)
            return line.startswith("PATCH") and "dryRun" not in line and was in body

        begun: list[bool] = []
        thread, card = await at.asked("set image deployment/cart shop/cart:9.9.9 -n shop")
        hold = at.cluster.hold_answer if held == "answer" else at.cluster.hold_request
        if held == "look":
            await at.chat.press("Approve", card, by="bob")
            await at.mutated()
            begun.append(True)
            back = hold(is_back)
        else:
            back = hold(is_back)
            await at.chat.press("Approve", card, by="bob")
        await back.arrives()
        await at.kill()
        back.release()
        await at.start()
        await until(lambda: at.chat.image("cart") == was, "the rollback", 40, at.chat.log)
        at.goes_on()
        said = "does not work: .*It was rolled back, as was approved with it"
        await at.ends(thread, said, executions=2, card="rolled back by itself, verified")
        begins = await at.rows("SELECT 1 FROM audit WHERE kind = 'executing'")
        assert len(begins) == 2


async def test_as_its_vote_and_the_rollbacks_are_stored(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    """Such an Approve is several statements: all of them are there, or none."""
    policy = tmp_path / "countersign.yaml"
    policy.write_text(POLICY)
    extra = {"COUNTERSIGN_CONFIG": str(policy)}
    async with scene(dsn, tmp_path, case, None, extra, door=True) as at:
        thread, card = await at.asked("set image deployment/cart shop/cart:2.3.1 -n shop")
        stored = at.door.hold("commit of cast_approval", answer=True)
        async with asyncio.TaskGroup() as group:
            clicked = group.create_task(
                at.chat.slack.click("bob", "ops", card["ts"], text="Approve")
            )
            await stored.arrives()
            await at.kill()
            stored.release()
            await at.start()
            clicked.cancel()
        at.goes_on()
        said = "does not work: .*It was rolled back, as was approved with it"
        await at.ends(thread, said, executions=2, card="rolled back by itself, verified")
        assert len(await at.rows("SELECT 1 FROM decisions")) == 2

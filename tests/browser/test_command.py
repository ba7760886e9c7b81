"""`countersign sandbox` as a process: its address, what it keeps, its refusals, what it leaves."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from bot.demo import words
from bot.sandbox.cluster import Cluster
from tests.browser.conftest import Demo, gone, started

T = TypeVar("T")
COMMAND = [sys.executable, "-m", "bot", "sandbox"]


def ready(demo: Demo, timeout: float = 60.0) -> str:
    """Wait until the bot has joined; what was said until then."""
    until = time.monotonic() + timeout
    while "Ctrl-C stops everything." not in demo.output():
        assert time.monotonic() < until, demo.output()
        time.sleep(0.05)
    return demo.output()


def read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - loopback
        assert response.status == 200
        assert response.url == address
        return bytes(response.read())


class Hand:
    """Acts through the page's control API, as its buttons do."""

    def __init__(self, address: str) -> None:
        self._root, _, token = address.partition("/?token=")
        self._headers = {"X-Workspace-Token": token, "Content-Type": "application/json"}

    def _ask(self, path: str, wish: object = None) -> Any:
        body = None if wish is None else json.dumps(wish).encode()
        request = urllib.request.Request(self._root + path, body, self._headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
            return json.load(response)

    def does(self, deed: str, **wish: object) -> Any:
        answer = self._ask(f"/control/{deed}", wish)
        assert answer["ok"], answer
        return answer

    def sees(self, timeout: float, look: Callable[[Any], T]) -> T:
        """What `look` finds in the workspace's state, as soon as it is true."""
        until = time.monotonic() + timeout
        while not (found := look(self._ask("/control/state"))):
            assert time.monotonic() < until, "it did not come"
            time.sleep(0.1)
        return found


def card(state: Any) -> str:
    """The ts of the message with an Approve button, or nothing."""
    ops = next(one for one in state["channels"] if one.get("label") == "ops")
    shown = [m["ts"] for m in ops["messages"] if '"approve"' in json.dumps(m.get("blocks", []))]
    return str(shown[-1]) if shown else ""


def is_verified(state: Any) -> bool:
    ops = next(one for one in state["channels"] if one.get("label") == "ops")
    return "verified" in json.dumps(ops["messages"])


def is_unknown(state: Any) -> bool:
    return "I was interrupted" in json.dumps(state["channels"])


@pytest.mark.timeout(150)
@pytest.mark.long
def test_it_leaves_nothing_behind_and_goes_on_where_it_was(data: Path) -> None:
    with started(data) as demo, socket.socket() as other:
        address = demo.address()
        assert b"<h1" in read(address), "the page is there before the bot"
        ready(demo)
        family = demo.family()
        assert len(family) >= 3, "the bot, PostgreSQL and its workers"
        hand = Hand(address)
        wish = "@countersign rollout undo deployment/checkout -n shop"
        hand.does("post", user="U0ALICE00", channel="C0OPS0000", text=wish)
        ts = hand.sees(20, card)
        told = refused(data)
        assert told.startswith(f"A demo already runs on {data} (process {demo.process.pid}): ")
        if sys.platform == "linux":  # elsewhere the next start ends what was left over
            assert demo.stop(signal.SIGKILL) == -signal.SIGKILL
            assert gone(family, timeout=10) == []
        demo.end()
        token = address.partition("?")[2]
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with started(data, taken, COUNTERSIGN_CONFIG="/elsewhere.yaml") as again:
            address = again.address()
            assert f":{taken}/" not in address
            assert address.endswith(token), "an open page comes back"
            read(address)
            said = ready(again)
            assert "Nothing leaves this machine" in said
            assert "COUNTERSIGN_CONFIG is not used here" in said
            assert "It goes on where it was left" in said
            # the card that was open when all was killed is approved now, and runs
            hand = Hand(address)
            hand.does("click", user="U0BOB0000", channel="C0OPS0000", ts=ts, text="Approve")
            assert hand.sees(45, is_verified)
            # the command that it names says what the audit holds
            named = next(line for line in said.splitlines() if "audit verify" in line)
            checked = subprocess.run(named, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
            assert ": whole, " in checked.stdout
            family = again.family()
            assert again.stop(signal.SIGINT) == 0
            assert gone(family) == []
            assert again.output().rstrip().endswith("nothing is left running.")


@pytest.mark.long
@pytest.mark.timeout(150)
def test_what_cannot_be_taken_up_begins_afresh_and_a_bot_that_ends_by_itself_ends_it(
    data: Path,
) -> None:
    (data / "cluster.json").write_text("{")
    with started(data) as demo:
        demo.address()
        said = ready(demo)
        assert "cluster.json is no JSON. So it begins afresh." in said
        assert "It goes on where it was left" not in said
        assert (data / "cluster.json.unreadable").read_text() == "{", "set aside, not lost"
        assert (data / "workspace.json.unreadable").exists(), "of the same moment"
        family = demo.family()
        os.kill(demo.bot(), signal.SIGTERM)
        assert demo.process.wait(15) == 1
        assert "The bot ended by itself (exit 0), so the demo ends." in demo.output()
        assert "socket_connected" in demo.output()
        assert gone(family) == []


@pytest.mark.long
@pytest.mark.timeout(150)
def test_a_bot_that_is_killed_goes_on_where_it_was_and_runs_once(data: Path) -> None:
    with started(data, 0, "--reset") as demo:
        hand = Hand(demo.address())
        said = ready(demo)
        line = next(line for line in said.splitlines() if line.startswith("Whether the bot can"))
        health, figures = (word.rstrip(";") for word in line.split() if word.startswith("http"))
        assert json.loads(read(health))
        assert b"# TYPE" in read(figures)
        revision = hand.sees(20, revision_of_checkout)
        wish = "@countersign rollout undo deployment/checkout -n shop"
        hand.does("post", user="U0ALICE00", channel="C0OPS0000", text=wish)
        ts = hand.sees(20, card)

        # by somebody else in a terminal, and by the page's button
        for kill in (kill_in_a_terminal, kill_on_the_page):
            bot = demo.bot()
            before = hand.sees(20, lambda state: state["sockets"])
            kill(demo, hand)
            connected_again(hand, before)
            assert demo.bot() != bot
        again = "The bot was killed (SIGKILL); it is started again and goes on where it was."
        assert demo.output().count(again) == 2
        assert (data / "bot.log").read_text().count("ready_to_serve") == 3
        assert json.loads(read(health)), "at the same address"

        hand.does("click", user="U0BOB0000", channel="C0OPS0000", ts=ts, text="Approve")
        # killed once more, while it looks at what it did
        hand.sees(30, lambda state: revision_of_checkout(state) > revision)
        hand.does("fault", kind="kill")
        assert hand.sees(60, lambda state: is_verified(state) or is_unknown(state))
        assert hand.sees(5, revision_of_checkout) == revision + 1, "it ran once"
        family = demo.family()
        assert demo.stop() == 0
        assert gone(family) == []


def connected_again(hand: Hand, before: list[int]) -> None:
    hand.sees(30, lambda state: set(state["sockets"]) - set(before))


def kill_in_a_terminal(demo: Demo, _: Hand) -> None:
    os.kill(demo.bot(), signal.SIGKILL)


def kill_on_the_page(_: Demo, hand: Hand) -> None:
    wish = hand.sees(5, lambda state: [s for s in state["switches"] if s["name"] == "kill"])
    hand.does("fault", **wish[0]["wish"])


def revision_of_checkout(state: Any) -> int:
    shown = state["beside"]["cluster"]["workloads"]
    return next(int(one["revision"]) for one in shown if one["name"] == "checkout")


def refused(data: Path, *words: str, **environment: str) -> str:
    """The one line that it says instead of starting."""
    told = subprocess.run(
        [*COMMAND, "--data", str(data), *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert told.returncode == 78
    assert len(told.stderr.splitlines()) == 1
    return told.stderr


def test_it_refuses_to_start_beside_real_tokens(tmp_path: Path) -> None:
    said = refused(tmp_path / "data", SLACK_BOT_TOKEN="xoxb-real")
    assert said.startswith("SLACK_BOT_TOKEN set: ")
    assert "xoxb-real" not in said
    assert not (tmp_path / "data").exists()


@pytest.mark.long
def test_a_kubeconfig_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config"
    assert f"there is no kubeconfig: {file} does not exist" in refused(
        tmp_path / "data", "--kube", KUBECONFIG=str(file)
    )
    file.write_text(yaml.safe_dump({"contexts": [], "current-context": "gone"}))
    assert "the kubeconfig has no context 'gone'" in refused(
        tmp_path / "data", "--kube", KUBECONFIG=str(file)
    )


@pytest.mark.parametrize(
    ("typed", "writable"),
    [
        ("demo", True),
        ("demon", False),
        *(pytest.param(typed, False, marks=pytest.mark.long) for typed in ("", None)),
    ],
)
async def test_a_cluster_of_ones_own_is_only_looked_at_unless_its_name_is_typed(
    tmp_path: Path, typed: str | None, writable: bool
) -> None:
    async with Cluster() as cluster:
        file = cluster.write_kubeconfig(tmp_path / "config", "bot")
        code = (
            "from bot.demo import kubeconfig as k\n"
            f"c = k.ask(k.current({{'KUBECONFIG': {str(file)!r}}}))\n"
            "print(c.name, c.server, c.writable)"
        )
        ours, theirs = pty.openpty() if typed is not None else (0, 0)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=theirs if typed is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        if typed is not None:
            os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate(timeout=20)
        assert out.splitlines()[-1].endswith(f"demo {cluster.url} {writable}")
        if typed is not None:
            os.close(ours)
            os.close(theirs)


@pytest.mark.timeout(150)
async def test_ones_own_cluster_is_read_and_not_changed(tmp_path: Path) -> None:
    async with Cluster(seed=True) as cluster:
        file = cluster.write_kubeconfig(tmp_path / "config")
        with started(tmp_path / "data", 0, "--kube", KUBECONFIG=str(file)) as demo:
            demo.address()
            said = ready(demo)
            assert f"Requests go to your cluster demo at {cluster.url}" in said
            assert "Reads only: no change of demo is possible from here" in said
            offered = Hand(demo.address()).sees(5, lambda state: state["switches"])
            assert all(one["name"] != "kill" for one in offered)
            assert demo.stop(signal.SIGINT) == 0
        assert cluster.mutations == []
        # by its name, whatever the kubeconfig's current context is by then
        config = yaml.safe_load((tmp_path / "data" / "kube" / "countersign.yaml").read_text())
        assert config == {"tools": {"kubernetes": {"context": "demo"}}}


def test_what_leaves_is_said_of_the_right_host_and_without_its_password() -> None:
    given = {
        "COUNTERSIGN_MODEL": "anthropic/claude",
        "ANTHROPIC_API_KEY": "k",
        "ANTHROPIC_BASE_URL": "https://user:hunter2@proxy.example/v1",
        "OPENAI_API_BASE": "https://other.example",
    }
    said = words.leaves(words.Model.of(given), given, None)
    assert "through https://proxy.example;" in said
    assert "hunter2" not in said
    assert "other.example" not in said

"""`countersign sandbox` as a process: its address, its refusals, and what it leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import gone, started


@pytest.mark.timeout(120)
def test_it_leaves_nothing_behind_when_killed_or_stopped_and_starts_again(data: Path) -> None:
    with started(data) as demo, socket.socket() as other:
        demo.address()
        family = demo.family()
        assert len(family) >= 3, "the bot, PostgreSQL and its workers"
        if sys.platform == "linux":  # elsewhere the next start ends what was left over
            assert demo.stop(signal.SIGKILL) == -signal.SIGKILL
            assert gone(family, timeout=10) == []
        demo.end()
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with started(data, taken, COUNTERSIGN_CONFIG="/elsewhere.yaml") as again:
            address = again.address()
            assert f":{taken}/" not in address
            with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - loopback
                assert response.status == 200
                assert response.url == address
                assert b"<h1" in response.read()
            assert "Nothing leaves this machine" in again.output()
            assert "COUNTERSIGN_CONFIG is not used here" in again.output()
            family = again.family()
            assert again.stop(signal.SIGINT) == 0
            assert gone(family) == []
            assert again.output().rstrip().endswith("nothing is left running.")


def test_the_bots_death_ends_it_with_the_last_words(data: Path) -> None:
    with started(data) as demo:
        demo.address()
        family = demo.family()
        os.kill(demo.bot(), signal.SIGKILL)
        assert demo.process.wait(15) == 1
        assert "The bot ended by itself (exit -9), so the demo ends." in demo.output()
        assert "socket_connected" in demo.output()
        assert gone(family) == []


def test_it_refuses_to_start_beside_real_tokens(tmp_path: Path) -> None:
    environment = os.environ | {"SLACK_BOT_TOKEN": "xoxb-real"}
    told = subprocess.run(
        [sys.executable, "-m", "bot", "sandbox", "--data", str(tmp_path / "data")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert told.returncode == 78
    assert told.stderr.startswith("SLACK_BOT_TOKEN set: ")
    assert "xoxb-real" not in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()

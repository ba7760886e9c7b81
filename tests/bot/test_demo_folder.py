"""What the demo keeps: nothing is lost unasked, and what the disk refuses is one sentence; and what
its page says of its rules.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.core.errors import BadSettings
from bot.demo import Wish, _Demo, sandbox, words
from bot.demo.folder import Folder
from bot.sandbox.slack import Workspace
from tests.world import MANIFEST

Step = Callable[[Folder], object]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A demo that can go on."""
    made = Folder.at(tmp_path, has_cluster=True)
    made.workspace.write_text("{workspace")
    made.cluster.write_text("{cluster")
    made.name_database("fresh_1")
    assert made.holds()
    return made


def test_what_cannot_be_taken_up_is_set_aside(folder: Folder) -> None:
    aside = folder.set_aside()
    assert [path.name for path in aside] == ["workspace.json.unreadable", "cluster.json.unreadable"]
    assert [path.read_text() for path in aside] == ["{workspace", "{cluster"]
    assert folder.holds() is False
    assert folder.former() == ["fresh_1"], "the server drops it once it runs"


def test_a_reset_leaves_what_was_set_aside(folder: Folder) -> None:
    aside = folder.set_aside()
    folder.workspace.write_text("{}")
    folder.forget()
    assert not folder.workspace.exists()
    assert all(path.exists() for path in aside)


def test_no_forgotten_database_is_forgotten(folder: Folder) -> None:
    folder.forget()
    folder.name_database("fresh_2")
    folder.forget()
    folder.forget()
    assert folder.former() == ["fresh_1", "fresh_2"]
    folder.dropped()
    assert folder.former() == []


def test_one_that_an_earlier_version_noted_is_among_them(folder: Folder) -> None:
    (folder.path / "database.former").write_text("fresh_0")
    folder.forget()
    assert folder.former() == ["fresh_0", "fresh_1"]


def test_a_forgetting_that_broke_off_is_done_again(folder: Folder) -> None:
    (folder.path / "database.former.new").mkdir()
    with pytest.raises(BadSettings):
        folder.forget()
    assert folder.holds() is None
    (folder.path / "database.former.new").rmdir()
    folder.forget()
    assert (folder.holds(), folder.former()) == (False, ["fresh_1"])


def test_a_database_without_a_name_is_none(folder: Folder) -> None:
    folder.database.write_text("")
    assert folder.holds() is None


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("database", Folder.database_name),
        ("database", Folder.holds),
        ("database", Folder.forget),
        ("workspace.json", Folder.forget),
        ("workspace.json.unreadable", Folder.set_aside),
        ("database.former", Folder.former),
        ("database.former", Folder.dropped),
        ("database.new", lambda folder: folder.name_database("fresh_3")),
        ("lock", lambda folder: folder.locked().__enter__()),
    ],
)
def test_what_the_disk_refuses_is_one_sentence(folder: Folder, name: str, step: Step) -> None:
    in_the_way = folder.path / name
    in_the_way.unlink(missing_ok=True)
    (in_the_way / "something").mkdir(parents=True)
    with pytest.raises(BadSettings) as refused:
        step(folder)
    (sentence,) = refused.value.mistakes
    assert sentence.startswith(f"{folder.path}/{name.partition('.')[0]}"), sentence
    assert "cannot be read or written: " in sentence
    assert (in_the_way / "something").exists()


@pytest.mark.parametrize("name", ["workspace.json", "cluster.json"])
async def test_a_document_that_cannot_be_read_stops_the_demo(folder: Folder, name: str) -> None:
    """It may be readable again tomorrow: neither begun afresh, nor set aside."""
    folder.workspace.write_text('{"_": {"kind": "workspace", "version": 1}}')
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    with pytest.raises(BadSettings, match=rf"{name} cannot be read or written: Is a directory\."):
        await sandbox(Wish(folder.path, 0), None, asyncio.Event())
    assert (folder.path / name).is_dir()
    assert folder.database_name() == "fresh_1"


async def test_the_page_says_which_rules_hold(tmp_path: Path) -> None:
    """In words those that came with the demo; of others, where they stand."""
    async with Workspace(MANIFEST) as slack:
        demo = _Demo(Folder.at(tmp_path, has_cluster=True), 0, None, {})

        def about() -> str:
            demo._introduce(slack)
            return str(slack.control.snapshot()["beside"]["introduction"]["about"])

        assert about().endswith(f" {words.RULES}")
        own = demo._policy()
        assert about().endswith(f" {words.RULES}")
        own.write_text("policy: {}\n")
        assert about().endswith(f" Its rules are those of {own}, changed by you.")

"""What the repository promises whoever clones it: pins, targets, set-up and its error sentences."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt"]
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)
_TOOLS = ["sh", "make", "sed", "grep", "head", "tail", "dirname", "cat", "rm", "tr"]


def pins(lock: str) -> dict[str, set[str]]:
    """Return every pinned name with its versions (a universal lock may have several)."""
    found: dict[str, set[str]] = {}
    for name, version in _PIN.findall((REPOSITORY / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def asked(lines: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0].lower() for line in lines}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what set-up needs, to break."""
    folder = tmp_path / "check out"
    folder.mkdir()
    for name in ["Makefile", *LOCKS]:
        shutil.copy(REPOSITORY / name, folder)
    shutil.copytree(REPOSITORY / ".ci", folder / ".ci")
    return folder


def make(
    checkout: Path, target: str, path: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one target with a bare environment, optionally with only `path` to find programs in."""
    make_program = shutil.which("make")
    if make_program is None:
        pytest.skip("make is not installed")
    environment = {"PATH": str(path) if path else os.environ["PATH"], "LC_ALL": "C", **more}
    return subprocess.run(
        [make_program, target],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def only(folder: Path, python: str) -> Path:
    """Make a folder of programs with the basic tools and a `python3` that is this script."""
    folder.mkdir()
    for tool in _TOOLS:
        program = shutil.which(tool)
        assert program is not None, tool
        (folder / tool).symlink_to(program)
    (folder / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (folder / "python3").chmod(0o755)
    return folder


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert entries
    without = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert not without, "run `make lock`"


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    needed = asked(project["project"]["dependencies"])
    needed |= asked(project["project"]["optional-dependencies"]["embedded"])
    assert needed <= runtime.keys(), "run `make lock`"
    assert asked(project["dependency-groups"]["dev"]) <= dev.keys(), "run `make lock`"
    assert {name: dev.get(name) for name in runtime} == runtime, "the two locks differ"
    assert not asked(project["dependency-groups"]["dev"]) & runtime.keys() - needed - {
        "types-pyyaml",
        "jsonschema",  # a dependency of a dependency
    }


def test_help_lists_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == targets
    shown = make(REPOSITORY, "help").stdout
    assert set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE)) == targets


def test_ci_runs_the_tests_and_the_scripts_parse() -> None:
    run = REPOSITORY / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert os.access(REPOSITORY / ".ci" / "setup", os.X_OK)
    assert run.read_text().strip().splitlines()[-1] == "exec make test"
    subprocess.run(["sh", "-n", REPOSITORY / ".ci" / "setup"], check=True, timeout=10)
    if bash := shutil.which("bash"):
        subprocess.run([bash, "-n", run], check=True, timeout=10)


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            'case "$1" in --version) echo "Python 3.8.18";; *) exit 1;; esac',
            "Python 3.11 or newer is needed and Python 3.8.18 was found",
        ),
        ("exit 127", "Python 3.11 or newer is needed and no Python was found"),
        (
            f'case "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"',
            "this Python has no venv module; install it",
        ),
        (
            f'[ "$1" = -m ] && echo "No space left" && exit 1\nexec "{sys.executable}" "$@"',
            "the disk is full",
        ),
    ],
)
def test_a_machine_that_lacks_something_is_told_in_one_sentence(
    checkout: Path, tmp_path: Path, python: str, sentence: str
) -> None:
    result = make(checkout, "install", path=only(tmp_path / "programs", python))
    assert result.returncode != 0
    said = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1, result.stderr
    assert said[0].startswith("Set-up failed: ")
    assert sentence in said[0]


def test_clean_removes_what_is_ours_and_only_that(checkout: Path, tmp_path: Path) -> None:
    for name in [".venv", ".demo", ".pytest_cache", "bot/__pycache__"]:
        (checkout / name).mkdir(parents=True)
    (checkout / "kept.py").touch()
    temporary = tmp_path / "temporary"
    owners = {"ours": f"{checkout.resolve()}/.venv", "another": "/elsewhere/.venv"}
    for name, owner in owners.items():
        home = temporary / f"countersign-embedded-{name}"
        home.mkdir(parents=True)
        (home / "owner").write_text(f"{owner}\n")
    result = make(checkout, "clean", TMPDIR=str(temporary))
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in checkout.iterdir()) == sorted(
        [".ci", "Makefile", "bot", "kept.py", *LOCKS]
    )
    assert not (checkout / "bot" / "__pycache__").exists()
    assert [path.name for path in temporary.iterdir()] == ["countersign-embedded-another"]


def test_the_licence_is_the_one_that_is_named() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    text = (REPOSITORY / "LICENSE").read_text()
    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text

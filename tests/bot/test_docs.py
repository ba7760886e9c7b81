"""The documents against the code: tables, examples, links and what the architecture page names.

`python -m tests.bot.test_docs` writes the tables of README.md anew; it keeps what people wrote in
the last column of the settings.
"""

import argparse
import asyncio
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from bot.agent.grammar import parse, usage
from bot.commands import parser
from bot.config_file import File
from bot.core.ids import uuid7
from bot.core.metrics import METRICS
from bot.guard import audit
from bot.guard.toolset import offered
from bot.settings import _NAMES, Settings
from bot.store.database import Database
from tools import open_providers

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
UPDATE = "README.md is not what the code says: run `.venv/bin/python -m tests.bot.test_docs`"


# --- the tables ---------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    shown[1] = shown[1].replace(" ", "")
    return "\n".join(shown)


def settings_table(words: Mapping[str, str]) -> str:
    """Every variable with its default; `words` are those of the last column, by name."""
    rows = [(f"`{name}`", _default(field), words.get(name, "")) for name, field in _NAMES.items()]
    rows.append(("`COUNTERSIGN_CONFIG`", "", words.get("COUNTERSIGN_CONFIG", "")))
    return table(("Setting", "Default", "What for"), rows)


def _default(field: str) -> str:
    found = Settings.model_fields[field]
    if found.is_required():
        return "*required*"
    value = found.default
    return "" if value in (None, (), "") else f"`{value}`"


def commands_table() -> str:
    """Every direct command."""
    return table(("Command", "What it does"), [(f"`{form}`", what) for form, what in usage()])


async def tools_table() -> str:
    """Every tool as the model sees it; a cluster that is not there does not matter."""
    async with open_providers({"kubernetes": {"kubeconfig": "/nowhere/kubeconfig"}}) as catalog:
        return table(
            ("Tool", "Kind", "Risk", "What it does"),
            [
                (
                    f"`{name}`",
                    tool.kind,
                    catalog.tools[name].risk.value if name in catalog.tools else "read",
                    tool.summary.splitlines()[0],
                )
                for name, tool in offered(catalog).items()
            ],
        )


def commandline_table() -> str:
    """Every command of the command line, with its options."""
    return table(("Command", "What it does"), _commands_of("countersign", parser()))


def _commands_of(name: str, place: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """What stands below one command: its own commands, with theirs, or its options."""
    rows = []
    for action in place._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action._choices_actions:
                rows.append((f"`{name} {one.dest}`", _sentence(one.help)))
                rows += _commands_of(f"{name} {one.dest}", action.choices[one.dest])
        elif place.prog.count(" ") and action.dest != "help":
            named = " ".join(action.option_strings) or str(action.metavar or action.dest)
            rows.append((f"`  {named}`", _sentence(action.help)))
    return rows


def _sentence(text: str | None) -> str:
    words = text or ""
    return words[:1].upper() + words[1:]


def metrics_table() -> str:
    """Every metric of ours at `/metrics`."""
    rows = [
        (f"`{one.name}`", one.type, ", ".join(f"`{label}`" for label in one.labels), one.meaning)
        for one in METRICS
    ]
    return table(("Metric", "Type", "Labels", "Meaning"), rows)


def make_table() -> str:
    """Every target that `make help` lists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^([a-z-]+):.*## (.*)$", makefile, re.MULTILINE)
    return table(("Target", "What it does"), [(f"`make {name}`", what) for name, what in rows])


async def tables(text: str) -> dict[str, str]:
    """Every table of README by the name of its place."""
    return {
        "settings": settings_table(settings_words(text)),
        "commands": commands_table(),
        "tools": await tools_table(),
        "commandline": commandline_table(),
        "metrics": metrics_table(),
        "make": make_table(),
    }


def settings_words(text: str) -> dict[str, str]:
    """What README says each setting is for."""
    return dict(
        re.findall(r"^\| `(\w+)` \|[^|]*\| (.*?) \|$", between("settings", text), re.MULTILINE)
    )


def between(name: str, text: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"README.md lacks the place <!-- {name} --> … <!-- /{name} -->"
    return found[1]


async def updated(text: str) -> str:
    """README with its tables as the code says."""
    for name, made in (await tables(text)).items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


@pytest.mark.parametrize(
    "name", ["settings", "commands", "tools", "commandline", "metrics", "make"]
)
async def test_a_table_is_what_the_code_says(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert between(name, text) == (await tables(text))[name], UPDATE


def test_every_setting_says_what_it_is_for() -> None:
    words = settings_words(README.read_text(encoding="utf-8"))
    silent = [name for name in [*_NAMES, "COUNTERSIGN_CONFIG"] if not words.get(name, "").strip()]
    assert not silent, "write in README.md, in the last column, what these are for"


# --- what README shows --------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_example_file_is_valid_and_names_every_setting() -> None:
    example = next(text for text in blocks("yaml") if text.startswith("# countersign.yaml"))
    given = yaml.safe_load(example)
    read = File.model_validate(given)
    assert set(given) == set(File.model_fields)
    for part in ("instructions", "approvals", "limits"):
        assert set(given[part]) == set(type(getattr(read, part)).model_fields), part
    defaults = File()
    shown = read.limits.model_copy(
        update=dict.fromkeys(("person_per_day", "channel_per_day", "day"))
    )
    assert shown == defaults.limits, "the example shows the defaults"
    assert read.approvals.reminders == defaults.approvals.reminders
    assert read.self_approval == defaults.self_approval
    assert read.tools.kubernetes is not None
    known = set(type(read.tools.kubernetes).model_fields)
    assert set(given["tools"]["kubernetes"]) == known - {"context"}, "one excludes the other"


def test_the_commands_of_the_command_line_that_are_shown_exist() -> None:
    text = README.read_text(encoding="utf-8")
    words = r"((?:audit|policy|tools) \w+|\w+)"
    shown = re.findall(
        rf"^ *\.venv/bin/countersign {words}|`countersign {words}", text, re.MULTILINE
    )
    names = {one or other for one, other in shown} - {"audit"}  # a table's line for both of its own
    needs = {"forget": "forget U012AB3CD", "policy test": "policy test cases.yaml"}
    needs |= {
        "tools try": "tools try k8s_get kind=pods",
        "tools describe": "tools describe k8s_get",
    }
    names = {needs.get(name, name) for name in names} - {"policy", "tools"}
    assert names >= {"init", "doctor", "run", "migrate", "audit verify"}
    for name in names:
        parser().parse_args(name.split())


# An execution that nobody approved.
FORGED = """
INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true);
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors)
VALUES ('{id}', 'T1', 'C1', '1.0', 'turn', 'U1', '{{U1}}');
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind,
                        tool, arguments, target, risk, requester, contributors, acting, state,
                        public_id, digest, quorum, expires_at, started_at)
VALUES ('{id}', 'T1', 'C1', '1.0', '{id}', 0, 0, 'a', 'change', 'k8s_scale', '{{}}', 'demo/x',
        'write', 'U1', '{{U1}}', 'bot', 'done', 'p', 'd', 1, now(), now());
"""


async def test_the_statements_find_what_is_wrong_and_nothing_else(database: Database) -> None:
    history, unapproved = blocks("sql")
    call = uuid7()

    async def found(statement: str) -> list[object]:
        async with database.transaction() as tx:
            rows = await tx.connection.execute(statement.encode())
            return [row.get("seq") or row.get("kind") or row["id"] for row in await rows.fetchall()]

    async with database.transaction() as tx:
        for kind in ("request", "proposed", "approve"):
            audit.append(tx, "T1", kind, "U1", {}, call_id=call)
    assert await found(history) == ["request", "proposed", "approve"]
    assert await found(unapproved) == []
    async with database.transaction() as tx:
        await tx.connection.execute(FORGED.format(id=call).encode())
    assert await found(unapproved) == [call]


def test_the_commands_to_try_are_commands() -> None:
    shown = re.findall(r"`@countersign ([^`]+)`", README.read_text(encoding="utf-8"))
    assert len(shown) >= 3
    for text in shown:
        assert type(parse(text)).__name__ == "Command", text


# --- what ARCHITECTURE says ---------------------------------------------------------------------


def test_the_layers_are_those_that_are_enforced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == ["bot"])
    assert " > ".join(layers) in ARCHITECTURE


def test_the_steps_of_a_run_and_the_states_of_a_call_are_all_named() -> None:
    graph = (ROOT / "bot/agent/graph.py").read_text(encoding="utf-8")
    steps = re.findall(r'add_node\("(\w+)"', graph)
    schema = (ROOT / "migrations/0001_first_walk.sql").read_text(encoding="utf-8")
    states = re.search(r"state IN \(('proposed'[^)]*'unknown')\)", schema)
    assert states is not None
    assert steps
    for word in [*steps, *re.findall(r"'(\w+)'", states[1])]:
        assert re.search(rf"\b{word}\b", ARCHITECTURE), f"ARCHITECTURE.md does not name {word}"


# --- every document -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
    for target in re.findall(r"`((?:bot|tools|tests|migrations|docs|deploy)/[\w./-]*\w)`", text):
        assert (ROOT / target).exists(), f"{path.name} names {target}"
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in anchors, f"{path.name} links to #{anchor}"


def test_what_each_dependency_costs_is_written_down() -> None:
    said = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {
        one
        for row in re.findall(r"^\| ([a-z0-9, -]+) \|", said, re.MULTILINE)
        for one in row.split(", ")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    wanted = {re.split(r"[\[><=!]", one)[0] for one in [*project["dependencies"], *extras]}
    assert wanted <= named


def test_decisions_are_numbered_and_short() -> None:
    found = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:3] for path in found] == [f"{n:03}" for n in range(1, len(found) + 1)]
    for path in found:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert lines[0].startswith("# "), path.name
        assert len(lines) <= 12, f"{path.name}: about ten lines"


if __name__ == "__main__":
    README.write_text(asyncio.run(updated(README.read_text(encoding="utf-8"))), encoding="utf-8")

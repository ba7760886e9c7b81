"""`countersign policy`: what it says of a policy, and of a changed one."""

import asyncio
import re
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from bot.commands import parser
from bot.core.errors import BadSettings
from bot.core.ids import uuid7
from bot.guard.misspelt import misspelt
from bot.guard.policy import PolicyInput
from bot.settings import read
from bot.store.database import Database

POLICY = """
policy:
  limits: {replicas: 20, forbidden_tags: latest}
  windows:
    - {name: weekend, kind: freeze, match: {namespace: shop},
       weekly: {start: fri 16:00, end: mon 06:00}, timezone: Europe/Berlin}
  rules:
    - {name: small steps, match: {tool: k8s_scale, namespace: web}, when: replicas <= 4,
       allow: true}
    - {name: gold, match: {labels: {tier: gold}},
       ask: {approvers: 2, groups: S0SRE0000, expires: 2h, escalate: {after: 30m, to: S0BOSS000},
             break_glass: {groups: [S0BOSS000, S0ONCALL0]}}}
    - {name: releases, match: {tool: k8s_rollout_undo}, ask: {rollback: {within: 10m}}}
    - {name: again, match: {tool: k8s_autoscale},
       ask: {grant: {times: 2, within: 20m, vary: {max: {min: 2, max: 9}}}}}
    - {name: quiet, match: {namespace: quiet, cluster: prod}, preview_only: Not ours.}
    - {name: payments, match: {namespace: payments, risk: write}, ask: {rollback: {within: 5m}}}
    - {name: no images, match: {tool: "k8s_set_*"}, deny: The pipeline sets images.}
"""
CASES = """
cases:
  - name: a small step
    given: {tool: k8s_scale, replicas: 3, object: {namespace: web}, at: 2026-11-25T12:00:00Z}
    expect: {effect: allow, rule: small steps}
  - name: gold is asked
    given: {tool: k8s_scale, object: {namespace: shop, labels: {tier: gold}},
            at: 2026-11-25T12:00:00Z}
    expect: {effect: ask, approvers: 2}
  - name: not on Saturdays
    given: {tool: k8s_scale, object: {namespace: shop}, at: 2026-11-28T12:00:00Z}
    expect: {effect: deny, rule: weekend}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "countersign.yaml"
    path.write_text(POLICY)
    return str(path)


def command(*words: str) -> int:
    given = parser(["policy"]).parse_args(["policy", *words])
    code: int = given.work(given)
    return code


def test_it_says_each_rule_and_what_needs_no_click(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("explain", "--config", policy) == 0
    said = capsys.readouterr().out
    assert "Limit: at most 20 replicas.\n" in said
    assert "no change every week from fri 16:00 to mon 06:00 Europe/Berlin" in said
    assert "1. small steps: tool k8s_scale, namespace web, when replicas <= 4 → runs" in said
    assert (
        "2 approvals, of S0SRE0000, within 120 min, after 30 min S0BOSS000 is called, or one of"
        in said
    )
    assert "or one of S0BOSS000, S0ONCALL0 who breaks the glass" in said
    assert "one approval, rolled back by itself if it does not work within 10 min\n" in said
    assert "one approval, which may be one of 2 of the same again within 20 min\n" in said
    assert "7. no images: tool k8s_set_* → denied: The pipeline sets images.\n" in said
    of_reads = "; reads it matches are denied (risk: [write, danger] leaves them out)\n"
    quiet = "5. quiet: cluster prod, namespace quiet, also what moves its pods → only a preview"
    assert f"{quiet}: Not ours.{of_reads}" in said
    assert "of namespace shop, also what moves its pods; undoing is asked for." in said
    assert said.count(of_reads) == 1, "not of what only changes are matched by"
    clickless = said.partition("Without a click:\n")[2]
    assert "(rule “small steps”)" in clickless
    back = "the rollback that was approved with a change by"
    assert f"{back} k8s_rollout_undo (rule “releases”)" in clickless
    assert f"{back} k8s_scale, k8s_rollout_undo, k8s_set_image" in clickless
    assert "the same again of tool k8s_autoscale: equal in all but max 2 to 9, 2 times" in clickless
    unseen = "S0BOSS000, S0ONCALL0, S0SRE0000; `countersign doctor` asks Slack for them.\n"
    assert said.endswith(f"Not looked up: {unseen}")
    assert "Not checked: whether there is a cluster prod, since" in said
    assert "gold" not in clickless
    assert "restart" not in clickless
    assert "no change at all" not in clickless


@pytest.mark.parametrize("words", [["explain"], ["test", "cases.yaml"]])
def test_a_name_that_nothing_has_is_refused_there_too(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text("policy: {rules: [{name: a, match: {tool: k8s_scael}, deny: No.}]}\n")
    with pytest.raises(BadSettings, match="there is no tool k8s_scael"):
        command(*words, "--config", str(path))


def test_all_that_is_wrong_is_one_list_in_the_order_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text(
        "policy:\n  rules:\n"
        "    - {name: a, match: {tool: k8s_scael}, deny: No.}\n"
        "    - {name: b, deny: No.}\n"
        "    - {name: b, match: {tool: k8s_logs}, deny: No.}\n"
        "    - {name: c, match: {kind: pdo}, deny: No.}\n"
        "self_approval: true\nself_approval: false\n"
    )
    with pytest.raises(BadSettings) as told:
        command("explain", "--config", str(path))
    lines = [one.partition(": ")[0] for one in told.value.mistakes]
    assert lines == [f"countersign.yaml:{line}" for line in (3, 5, 5, 6, 6, 8)]
    given = {"DATABASE_URL": "x", "COUNTERSIGN_CONFIG": str(path)}
    with pytest.raises(BadSettings) as told:
        read(given, misspelt)
    of_file = [one for one in told.value.mistakes if ".yaml" in one]
    assert [one.partition(": ")[0] for one in of_file] == lines
    assert told.value.mistakes[:6] == of_file, "what is of no file stands last"


def test_without_an_allow_rule_no_change_runs_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text("policy: {defaults: false, rules: [{name: a, deny: No.}]}\n")
    assert command("explain", "--config", str(path)) == 0
    said = capsys.readouterr().out
    assert said.endswith("Without a click:\n   no change at all\n")
    assert "What no rule is about is denied.\n" in said


def test_cases_are_tried_and_what_misses_is_said_rule_by_rule(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES)
    assert command("test", str(cases), "--config", policy) == 0
    assert capsys.readouterr().out == "3 of 3 as expected.\n"
    cases.write_text(CASES.replace("approvers: 2", "approvers: 3, rule: silver"))
    assert command("test", str(cases), "--config", policy) == 1
    assert capsys.readouterr().out == (
        "missed: gold is asked: by “gold” instead of “silver”, 2 approvers instead of 3\n"
        "    small steps: namespace differs\n"
        "  → gold\n"
        "2 of 3 as expected.\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cases: []", ":1: cases: it must not be empty."),
        (
            "cases: [{name: a, given: {tol: x}, expect: {effect: ask}}]",
            "Did you mean tool?",
        ),
        (
            "cases: [{name: a, given: {tool: x}, expect: {effect: maybe}}]",
            "ask, deny or preview is",
        ),
        (
            "cases: [{name: a, given: {tool: k8s_scael}, expect: {effect: ask}}]",
            "yaml:1: cases.0.given.tool: there is no tool k8s_scael. Did you mean k8s_scale?",
        ),
        (
            "cases: [{name: a, given: {tool: k8s_delete, risk: write}, expect: {effect: ask}}]",
            "yaml:1: cases.0.given.risk: k8s_delete is never write, but danger.",
        ),
        ("cases: [", "a bracket is left open."),
        (None, "it cannot be read (FileNotFoundError)"),
    ],
)
def test_a_file_of_cases_that_cannot_be_used(
    policy: str, tmp_path: Path, text: str | None, said: str
) -> None:
    cases = tmp_path / "cases.yaml"
    if text is not None:
        cases.write_text(text)
    with pytest.raises(BadSettings) as refused:
        command("test", str(cases), "--config", policy)
    assert said in " ".join(refused.value.mistakes)


def test_a_case_is_judged_as_a_call_would_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the tool's own risk and kind, its arguments as calls hold them, and what they set."""
    config, cases = tmp_path / "countersign.yaml", tmp_path / "cases.yaml"
    config.write_text("""policy:
  limits: {replicas: 20, forbidden_tags: latest}
  rules:
    - {name: few, match: {kind: deployment, namespace: shop}, when: replicas <= 4, allow: true}
    - {name: named, match: {kind: statefulset}, when: arguments.name == object.name, deny: No.}
    - {name: nodes, match: {kind: node}, deny: No.}
""")
    cases.write_text("""cases:
  - {name: floor, given: {tool: k8s_delete}, expect: {effect: ask, rule: danger needs two}}
  - {name: read, given: {tool: k8s_logs}, expect: {effect: allow, rule: members may read}}
  - name: number
    given: {tool: k8s_scale, object: {namespace: shop}, arguments: {replicas: 4}}
    expect: {effect: allow, rule: few}
  - name: limit
    given: {tool: k8s_scale, object: {namespace: shop}, arguments: {replicas: "21"}}
    expect: {effect: deny, rule: limits}
  - name: tag
    given: {tool: k8s_set_image, arguments: {image: web}}
    expect: {effect: deny, rule: limits}
  - name: kind
    given: {tool: k8s_scale, arguments: {kind: sts, name: db, replicas: 2}}
    expect: {effect: deny, rule: named}
  - name: own kind
    given: {tool: k8s_cordon, object: {name: a}}
    expect: {effect: deny, rule: nodes}
""")
    assert command("test", str(cases), "--config", str(config)) == 0, capsys.readouterr().out


def test_what_the_readme_shows_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    [policy] = [block for block in blocks if block.startswith("policy:")]
    [cases] = [block for block in blocks if "\ncases:" in block]
    (tmp_path / "countersign.yaml").write_text(policy)
    (tmp_path / "cases.yaml").write_text(cases)
    config = str(tmp_path / "countersign.yaml")
    assert command("test", str(tmp_path / "cases.yaml"), "--config", config) == 0
    assert capsys.readouterr().out == "1 of 1 as expected.\n"


ASKED = PolicyInput(
    tool="k8s_scale",
    kind="change",
    risk="write",
    target="demo/web/deployment/web",
    arguments={},
    requester="U1",
    requester_standing="member",
    contributors=("U1",),
    channel="C1",
    sharing="ours",
    warnings=(),
    approver_users=(),
    approver_groups=(),
    approver_everybody=True,
    self_approval=False,
    namespace="web",
    replicas=3,
    at="2026-11-25T12:00:00+00:00",
).stored()
PROPOSED = """
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool, arguments, target,
                        risk, requester, contributors, acting, state, short_id, policy, policy_input, created_at, public_id, digest, quorum,
                        expires_at)
VALUES (%s, 'T1', 'C1', '1.0', %s, 0, %s, 'a', 'change', 'k8s_scale', '{}', 'demo/web', 'write', 'U1', '{U1}', 'bot',
        'denied', %s, %s, %s, '2026-11-25', %s, 'd', 1, now())
"""  # noqa: E501 -- as a table


async def test_a_replay_tells_of_rows_that_cannot_be_read_and_goes_on(
    database: Database,
    policy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, ruled = uuid7(), {"effect": "ask", "rule": "it was asked", "quorum": 1, "of_later": 1}
    rows = (
        ("OK11", ruled, ASKED),
        ("BAD1", {"rule": "no effect"}, ASKED),
        ("BAD2", ruled, {**ASKED, "replicas": "many", "images": 5}),
        ("BAD3", ruled, {**ASKED, "at": "yesterday"}),
        ("BAD4", ruled, None),
        ("OK22", ruled, {**ASKED, "of_later": 1}),
    )
    async with database.transaction() as tx:
        execute = tx.connection.execute
        await execute(
            "INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true)"
        )
        await execute(
            "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors)"
            " VALUES (%s, 'T1', 'C1', '1.0', 'turn', 'U1', '{U1}')",
            [run],
        )
        for number, (short, then, asked) in enumerate(rows):
            given = [uuid7(), run, number, short, Jsonb(then), Jsonb(asked), short]
            await execute(PROPOSED, given)
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    assert await asyncio.to_thread(command, "test", "--replay", "10", "--config", policy) == 0
    said = capsys.readouterr().out
    for short, wrong in (
        ("BAD1", "effect"),
        ("BAD2", "images, replicas"),
        ("BAD3", "at"),
        ("BAD4", "all of it"),
    ):
        assert (
            f"2026-11-25 00:00 {short} k8s_scale demo/web: not as it was stored ({wrong})\n" in said
        )
    assert said.count("then: one approval (“it was asked”)\n  now:  runs without a click") == 2
    assert said.endswith("2 of 2 would differ. Not counted: 4 that cannot be read.\n")
    assert "many" not in said

"""`countersign rbac`: a role for the names in the map, and for nothing else."""

from pathlib import Path

import pytest
import yaml

from bot.commands import parser
from bot.core.errors import BadSettings


def printed(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    path = folder / "countersign.yaml"
    path.write_text(text)
    given = parser(["rbac"]).parse_args(["rbac", "--config", str(path), *more])
    assert given.work(given) == 0
    return capsys.readouterr().out


def test_the_role_names_exactly_the_people_and_groups_of_the_map(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "identities: {users: {U0A: b@corp, U0B: a@corp}, groups: {U0B: [sre]},"
        " mail_domains: [corp.example]}"
    )
    said = printed(tmp_path, text, capsys, "--account", "ops/bot")
    role, binding = yaml.safe_load_all(said)
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["users"],
            "resourceNames": ["a@corp", "b@corp"],
            "verbs": ["impersonate"],
        },
        {
            "apiGroups": [""],
            "resources": ["groups"],
            "resourceNames": ["sre"],
            "verbs": ["impersonate"],
        },
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "bot", "namespace": "ops"}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert "known by his mail address only (corp.example) is not in it" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("self_approval: false", "needs no role"),
        ("identities: {mail_domains: [corp.example]}", "a role allows names, not mail domains"),
        ("identities: {users: {U0A: 'system:admin'}}", "nobody acts as a system: name"),
    ],
)
def test_without_names_there_is_no_role(
    tmp_path: Path, text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadSettings) as bad:
        printed(tmp_path, text, capsys)
    assert why in str(bad.value.mistakes)

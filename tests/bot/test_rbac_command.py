"""`countersign rbac`: roles for what the tools call, and for the names in the map."""

from pathlib import Path
from typing import Any

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


def of_tools(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, list[dict[str, Any]]]:
    given = parser(["rbac"]).parse_args(["rbac", *words])
    assert given.work(given) == 0
    said = capsys.readouterr().out
    return said, list(yaml.safe_load_all(said))


def test_a_role_for_some_namespaces_and_one_tool(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--namespace", "shop", "--namespace", "blog", "--tool", "k8s_scale")
    _, made = of_tools(capsys, "operator", *words, "--account", "ops/bot")
    assert [(one["kind"], one["metadata"]["namespace"]) for one in made] == [
        ("Role", "shop"),
        ("RoleBinding", "shop"),
        ("Role", "blog"),
        ("RoleBinding", "blog"),
    ]
    resources = ["deployments/scale", "replicasets/scale", "statefulsets/scale"]
    assert made[0]["rules"] == [{"apiGroups": ["apps"], "resources": resources, "verbs": ["patch"]}]
    assert made[1]["subjects"] == [{"kind": "ServiceAccount", "name": "bot", "namespace": "ops"}]


def test_what_no_role_of_a_namespace_can_give_is_left_out_and_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said, made = of_tools(capsys, "reader", "--namespace", "shop", "--tool", "k8s_get")
    assert "# Left out, as they lie in no namespace: namespaces, nodes" in said
    (role,) = (one for one in made if one["kind"] == "Role")
    assert "nodes" not in str(role["rules"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("operator", "--tool", "k8s_scal"), "there is no tool k8s_scal; known: "),
        (("--namespace", "shop"), "--namespace and --tool go with reader or operator"),
    ],
)
def test_what_does_not_go(
    words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadSettings, match=why):
        of_tools(capsys, *words)

"""How two objects are told apart: diffs whose hunks can be masked, and lines without secrets."""

import pytest
from pydantic import JsonValue

from tools import ChangedPath
from tools.kubernetes.kinds import Object, canonical_kind
from tools.kubernetes.objects import difference, told


def workload(image: str, **more: JsonValue) -> Object:
    env = [{"name": name, "value": f"of {name}"} for name in "ABCD"]
    container = {"name": "web", "image": image, "env": env, **more}
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


def test_a_hunk_begins_with_the_name_of_its_first_value() -> None:
    found = difference(workload("web:1"), workload("web:2")).split("\n")
    assert found[:2] == ["--- now", "+++ after"]
    assert found[2] == "@@ -11,6 +11,6 @@"
    assert found[3].split() == ["-", "name:", "C"]
    assert [line for line in found[3:] if line[0] in "+-"] == [
        "-        image: web:1",
        "+        image: web:2",
    ]


def test_a_hunk_begins_with_the_flag_of_its_first_value() -> None:
    args: JsonValue = ["--token", "x", "a", "b"]
    old, new = workload("web:1", args=args, env=1), workload("web:1", args=args, env=2)
    assert difference(old, new).split("\n")[3].endswith("- --token")


def test_a_text_of_many_lines_is_one_line_of_a_diff() -> None:
    old, new = (workload("web:1", args=[f"first {n}\nsecond\n"]) for n in (1, 2))
    changed = [line for line in difference(old, new).split("\n")[3:] if line[0] in "+-"]
    assert len(changed) == 2
    assert difference(old, old) == ""


def test_ranges_are_those_of_diff() -> None:
    assert difference({}, {"a": "b"}).split("\n")[2] == "@@ -0,0 +1 @@"
    assert difference({"a": 1}, {"a": 1, "b": 2}).split("\n")[2] == "@@ -1 +1,2 @@"


@pytest.mark.parametrize(
    ("path", "before", "after", "line"),
    [
        ("spec.replicas", 3, 5, "replicas 3 → 5"),
        ("spec.template.spec.x[web].image", "a:1", "a:2", "x[web].image a:1 → a:2"),
        (
            "spec.x[web].env[LOG_LEVEL].value",
            "info",
            "debug",
            "x[web].env[LOG_LEVEL].value changed",
        ),
        ("spec.x[web].env", [{"a": 1}], [], "x[web].env changed"),
        ("spec.x[web].args", ["--token", "a"], ["b"], "x[web].args changed"),
        ('spec.annotations."a.b/token"', "a", "b", 'annotations."a.b/token" changed'),
        ("spec.env[X]", None, {"name": "X", "value": "a"}, "env[X] added"),
        ("spec.env[X].value", "a", None, "env[X].value removed"),
    ],
)
def test_a_change_on_a_line(path: str, before: JsonValue, after: JsonValue, line: str) -> None:
    assert told(ChangedPath(path=path, before=before, after=after)) == line


def test_a_kind_has_one_name_however_it_is_written() -> None:
    written = ("deploy", "Deployments", "deployment.apps", "poddisruptionbudgets.policy", "hpa")
    kinds = ["deployment", "deployment", "deployment", "poddisruptionbudget"]
    assert [canonical_kind(one) for one in written] == [*kinds, "horizontalpodautoscaler"]
    # of another group it is another kind
    assert canonical_kind("pods.metrics.k8s.io") == "pods.metrics.k8s.io"
    assert canonical_kind("deployments.example.com") == "deployments.example.com"

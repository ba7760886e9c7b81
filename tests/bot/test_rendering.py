import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.guard.rendering import render, to_yaml
from tools import Lines, Manifests, Report, Table


def test_lines_and_their_note() -> None:
    assert render(Lines(("one", "  two"), note="last 15 m, at most 500")) == (
        "one\n  two\n(last 15 m, at most 500)"
    )
    assert render(Lines(())) == ""
    assert render(Lines((), note="none in 15 m")) == "(none in 15 m)"


def test_a_report_is_its_lines_for_people() -> None:
    report = Report(("one", "two"), {"healthy": True}, note="checked: pods")
    assert render(report) == "one\ntwo\n(checked: pods)"


def test_tables_are_aligned() -> None:
    table = Table(
        ("NAME", "READY", "STATUS"),
        (("web-1", "1/1", "Running"), ("checkout-7d9f", "0/1", "Crash\nLoop"), ("odd",)),
        note="3 pods",
    )
    assert render(table) == (
        "NAME            READY   STATUS\n"
        "web-1           1/1     Running\n"
        "checkout-7d9f   0/1     Crash Loop\n"
        "odd\n"
        "(3 pods)"
    )
    assert render(Table((), ())) == ""


def test_objects_are_yaml_in_kubectls_order() -> None:
    labels: JsonValue = {"app": "web"}
    deployment: dict[str, JsonValue] = {
        "status": {"replicas": 1},
        "spec": {"template": labels, "selector": labels, "on": "yes", "note": "a\nb\n"},
        "metadata": {"name": "web", "labels": labels},
        "extra": None,
        "kind": "Deployment",
        "apiVersion": "apps/v1",
    }
    config: dict[str, JsonValue] = {"kind": "ConfigMap", "data": {"x": "é " * 100}}
    text = render(Manifests((deployment, config), note="2 objects"))
    assert text.startswith(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    app: web\n  name: web\n"
        "spec:\n  note: |\n    a\n    b\n  'on': 'yes'\n  selector:\n    app: web\n"
        "  template:\n    app: web\nextra: null\nstatus:\n  replicas: 1\n---\nkind: ConfigMap\n"
    )
    assert "&" not in text
    assert text.endswith("\n(2 objects)")
    assert len(text.splitlines()) == 23


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_yaml_says_what_the_object_says(value: dict[str, JsonValue]) -> None:
    text = to_yaml(value)
    assert yaml.safe_load(text) == value
    assert to_yaml(dict(reversed(value.items()))) == text

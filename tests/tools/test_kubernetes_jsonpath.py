"""kubectl's JSONPath: what is written, and that nothing makes it hang or raise another error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.kubernetes.jsonpath import BadPath, path, template

PODS = {
    "items": [
        {
            "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "web"}},
            "status": {"phase": "Running", "restarts": 3, "ips": ["1", "2", "3"]},
        },
        {"metadata": {"name": "b"}, "status": {"phase": "Failed", "restarts": 0, "ready": False}},
    ]
}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (".items[0].metadata.name", "a"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[-1:].metadata.name}", "b"),
        ("{$.items[0]['metadata']['name']}", "a"),
        (
            '{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}',
            "a\tRunning\nb\tFailed\n",
        ),
        ('{.items[?(@.status.phase=="Running")].metadata.name}', "a"),
        ("{.items[?(@.status.restarts>=1)].metadata.name}", "a"),
        ("{.items[?(@.status.ips)].metadata.name}", "a"),
        ("{.items[?(@.status.ready==false)].metadata.name}", "b"),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "web"),
        ("{..name}", "a b"),
        ("{.items[0].status.ips[0,2]}", "1 3"),
        ("{.items[0].status.ips[0:3:2]}", "1 3"),
        ("{.items[0]['metadata.name', 'status'].phase}", "Running"),
        ("{.items[*]['metadata.name', 'status.phase']}", "a b Running Failed"),
        (r"{.items[0].metadata.labels['app\.kubernetes\.io/name']}", "web"),
        ("names: {.items[0].metadata.name}, {.items[1].metadata.name}", "names: a, b"),
        ("{items[0].status.ips}", '["1","2","3"]'),
        ("{.nothing.here[7]}", ""),
        ("{range .items[*]}{$.items[0].metadata.name}{end}", "aa"),
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    assert template(text).written(PODS) == written


@pytest.mark.parametrize(
    "text",
    [
        "{range .items[*]}",
        "{end}",
        "{.a[}",
        "{.a[?(@.b==)]}",
        "{'a}",
        "{.a[1:2:0]}",
        "{.a[-]}",
        "x" * 501,
    ],
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(BadPath):
        template(text)
    with pytest.raises(BadPath):
        path("{.a}{.b}")


@given(st.text(alphabet="{}.[]*?@()$'\"=<>!:,-\\ae01 rangend\n", max_size=40))
@settings(deadline=None)
def test_nothing_else_is_raised(text: str) -> None:
    try:
        found = template(text)
    except BadPath:
        return
    assert isinstance(found.written(PODS), str)

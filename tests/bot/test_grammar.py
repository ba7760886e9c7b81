"""Direct commands: what is one, what only looks like one, and that nothing makes it raise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.agent.grammar import Command, Miss, nearest, parse, render, usage

WEB = {"kind": "deployment", "name": "web"}


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("get pods", "k8s_get", {"kind": "pods"}),
        ("kubectl get pods -n shop", "k8s_get", {"kind": "pods", "namespace": "shop"}),
        (
            "GET Pods web-1 -n=shop",
            "k8s_get",
            {"kind": "pods", "name": "web-1", "namespace": "shop"},
        ),
        ("get deploy/web", "k8s_get", {"kind": "deploy", "name": "web"}),
        ("get pods -A", "k8s_get", {"kind": "pods", "all_namespaces": True}),
        (
            "get pods -l app=web,tier!=db",
            "k8s_get",
            {"kind": "pods", "selector": "app=web,tier!=db"},
        ),
        ("get certificates.cert-manager.io", "k8s_get", {"kind": "certificates.cert-manager.io"}),
        ("logs web", "k8s_logs", {"name": "web"}),
        (
            "logs deployment/web --since 15m --previous --tail 50 --grep “time out”",
            "k8s_logs",
            WEB | {"since": "15m", "previous": True, "tail": 50, "grep": "time out"},
        ),
        (
            "logs web —since 15m –n shop",
            "k8s_logs",
            {"name": "web", "since": "15m", "namespace": "shop"},
        ),
        ("rollout status deployment/web", "k8s_rollout_status", WEB),
        ("scale deployment/web --replicas 5", "k8s_scale", WEB | {"replicas": 5}),
        ("Scale deployment/web —replicas=0", "k8s_scale", WEB | {"replicas": 0}),
        (
            "rollout undo deployment/web --to-revision 6 --cluster demo -n shop",
            "k8s_rollout_undo",
            WEB | {"to_revision": 6, "cluster": "demo", "namespace": "shop"},
        ),
        ("  help ", "help", {}),
    ],
)
def test_commands(text: str, tool: str, arguments: dict[str, JsonValue]) -> None:
    assert parse(text) == Command(tool, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "get pods are failing, why?",
        "scale web down please",
        "scale deployment/web --replicas 5 please",
        "rollout undo did not work",
        "get pods please",
        "get lost",
        "logs please",
        "help me",
        "get pods\nscale deployment/web --replicas 0",
        "scale deployment/web --replicas -1",
        "scale deployment/web --replicas 1001",
        "scale deployment/web --replicas ٣",
        "scale deployment/web --replicas 3 --replicas 4",
        "scale deployment/web",
        "scale deployment/web --replicas",
        "scale deployment/../web --replicas 3",
        "scale deployment/--force --replicas 3",
        "logs web --kubeconfig /etc/passwd",
        "logs web --grep 'open",
        "get pods -n ../kube-system",
        "get pods -A -n shop",
        "logs web --since yesterday",
    ],
)
def test_what_only_starts_like_a_command_is_a_miss(text: str) -> None:
    miss = parse(text)
    assert isinstance(miss, Miss)
    assert miss.wrong
    assert miss.usage in dict(usage())


@pytest.mark.parametrize(
    "text", ["", "   ", "what is wrong with web?", "please get pods", "kubectl"]
)
def test_other_talk_is_nothing(text: str) -> None:
    assert parse(text) is None


def test_a_thousand_sentences_are_no_commands() -> None:
    pick = random.Random(7)
    starts = ["get pods", "logs", "logs web", "scale web", "rollout undo", "rollout status", "get"]
    ends = [
        "are failing, why?",
        "is down again",
        "please",
        "did not work",
        "of web, the ones from today",
        "to 5 and tell me what happens",
        "because the shop is slow",
        "would be nice to have in -n shop",
        "was a mistake; --replicas 3 it should be",
        "from yesterday show what?",
    ]
    fillers = ["", "now", "I think", "the", "for shop", "--replicas 5", "that we saw", "-n shop"]
    for _ in range(1000):
        text = " ".join(
            filter(None, (pick.choice(starts), pick.choice(fillers), pick.choice(ends)))
        )
        assert not isinstance(parse(text), Command), text


names = st.from_regex(r"[a-z][a-z0-9]{0,10}-[a-z0-9]{1,8}", fullmatch=True)
kinds = st.sampled_from(["pod", "deployment", "statefulset", "rollouts.argoproj.io"])
places = st.fixed_dictionaries({}, optional={"namespace": names, "cluster": names})
greps = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1).filter(
    lambda t: not ('"' in t and "'" in t) and not t.isspace()
)
commands = st.one_of(
    st.builds(
        lambda k, more, p: Command("k8s_get", {"kind": k} | more | p),
        kinds,
        st.fixed_dictionaries({}, optional={"name": names, "selector": st.just("app=web")}),
        places,
    ),
    st.builds(
        lambda n, more, p: Command("k8s_logs", {"name": n} | more | p),
        names,
        st.fixed_dictionaries(
            {},
            optional={
                "kind": kinds,
                "since": st.sampled_from(["15m", "1h30m"]),
                "previous": st.just(True),
                "tail": st.integers(1, 100_000),
                "grep": greps,
            },
        ),
        places,
    ),
    st.builds(
        lambda k, n, r, p: Command("k8s_scale", {"kind": k, "name": n, "replicas": r} | p),
        kinds,
        names,
        st.integers(0, 1000),
        places,
    ),
    st.builds(
        lambda k, n, r, p: Command("k8s_rollout_undo", {"kind": k, "name": n} | r | p),
        kinds,
        names,
        st.fixed_dictionaries({}, optional={"to_revision": st.integers(1, 999_999)}),
        places,
    ),
)


@given(commands)
@settings(deadline=None)
def test_what_is_written_is_read_back(command: Command) -> None:
    assert parse(render(command)) == command


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                [
                    "kubectl",
                    "get",
                    "scale",
                    "rollout",
                    "undo",
                    "—",
                    "--",
                    "-n",
                    '"',
                    "'",
                    "=",
                    "a/b",
                ]
            )
        ).map(" ".join),
    )
)
@settings(deadline=None)
def test_nothing_makes_it_raise(text: str) -> None:
    assert isinstance(parse(text), Command | Miss | None)
    assert nearest(text) in dict(usage())


@pytest.mark.parametrize(
    ("text", "start"),
    [("scale web down please", "scale"), ("can you undo that", "rollout undo"), ("hm", "help")],
)
def test_nearest_command(text: str, start: str) -> None:
    assert nearest(text).startswith(start)


def test_a_long_message_is_no_command() -> None:
    assert parse("get pods " + "x" * 5000) is None

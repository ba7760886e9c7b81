"""Names in rules that nothing here has are refused with their line, and what was meant."""

from pathlib import Path

import pytest

from bot.core.errors import BadSettings
from bot.guard.misspelt import misspelt
from bot.settings import config_file

CLUSTERS = ("demo", "prod-eu", "prod-us")


def wrong(tmp_path: Path, text: str, clusters: tuple[str, ...] | None = CLUSTERS) -> list[str]:
    path = tmp_path / "countersign.yaml"
    path.write_text(text)
    return misspelt(config_file(str(path)), clusters)


def test_all_mistakes_are_named_at_once_whatever_finds_them(tmp_path: Path) -> None:
    """A rule that does not fit does not hide what is wrong with its neighbours."""
    path = tmp_path / "countersign.yaml"
    path.write_text("""policy:
  limits: {replicaz: 3}
  rules:
    - {name: a, match: {tool: k8s_scale}, ask: {approvers: many}}
    - {name: b, match: {tool: k8s_scal}, deny: No.}
    - {name: all, match: {tool: "k8s_*"}, ask: {}}
    - {name: c, match: {tool: k8s_scale, namespace: shop}, deny: No.}
    - {name: d, match: {kind: widgets}}
    - {name: all, match: {cluster: prd-eu}, deny: No.}
  channels:
    general: {namespaces: shop}
    C0OPS: {clusters: [stage]}
""")
    with pytest.raises(BadSettings) as refused:
        config_file(str(path), lambda file: misspelt(file, CLUSTERS))
    begin = ("replicaz", "0.ask.approvers", "1.match.tool", "3: never reached", "4: exactly one")
    then = (
        "5.name: another rule",
        "5.match.cluster",
        "channels.general",
        "channels.C0OPS.clusters",
    )
    lines = (2, 4, 5, 7, 8, 9, 9, 11, 12)
    found = refused.value.mistakes
    assert len(found) == len(lines), found
    for one, line, words in zip(found, lines, (*begin, *then), strict=True):
        assert one.startswith(f"countersign.yaml:{line}: policy."), one
        assert words in one


def test_where_the_clusters_do_not_fit_no_cluster_is_called_unknown(tmp_path: Path) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text("""tools: {kubernetes: {contexts: {"a b": x, demo: y}}}
policy: {rules: [{name: a, match: {cluster: a}, deny: No.}]}
""")
    with pytest.raises(BadSettings) as refused:
        config_file(str(path), misspelt)
    assert ["a cluster's name has no space" in one for one in refused.value.mistakes] == [True]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "match: {tool: k8s_scal}, deny: No.",
            "tool: there is no tool k8s_scal. Did you mean k8s_sca",
        ),
        ("match: {tool: [k8s_scale, helm_up]}, deny: No.", "match.tool: there is no tool helm_up."),
        ("match: {tool: 'k8_*'}, deny: No.", "no tool's name is like k8_*. Did you mean k8s_*?"),
        (
            "match: {tool: k8s_logs, risk: write}, deny: No.",
            "match.risk: there is no call of k8s_logs",
        ),
        ("match: {tool: k8s_scale, risk: read}, deny: No.", "with the risk read."),
        ("match: {kind: deploy}, deny: No.", "match.kind: deploy is called deployment here."),
        ("match: {kind: Deployments}, deny: No.", "Deployments is called deployment here."),
        ("match: {kind: statefullset}, deny: No.", "kind statefullset. Did you mean statefulset?"),
        (
            "match: {tool: k8s_scale, kind: pod}, deny: No.",
            "k8s_scale takes no kind pod (deployment, ",
        ),
        ("match: {kind: widget}, deny: No.", "no change takes a kind widget: one of the cluster's"),
        (
            "match: {tool: k8s_get, labels: {tier: gold}}, deny: No.",
            "match.labels: they are known of what is changed, and this is only about reads.",
        ),
        ("match: {tool: k8s_scale, kind: 'cert*'}, deny: No.", "no kind is like cert*."),
        (
            "match: {cluster: prd-eu}, deny: No.",
            "match.cluster: there is no cluster prd-eu here; known: ",
        ),
        (
            "match: {cluster: 'stage-*'}, deny: No.",
            "there is no cluster stage-* here; known: demo, prod",
        ),
        ("ask: {grant: {vary: {replica: {min: 1, max: 3}}}}", "replica. Did you mean replicas?"),
        ("ask: {grant: {vary: {image: {min: 1, max: 3}}}}", "vary.image: image is no number."),
        (
            "match: {tool: k8s_set_image}, ask: {grant: {vary: {replicas: {min: 1, max: 3}}}}",
            "vary.replicas: no change that it is about has an argument replicas.",
        ),
        (
            "ask: {grant: {vary: {replicas: {min: 1, max: 2000}}}}",
            "vary.replicas.max: k8s_scale takes no replicas of 2000.",
        ),
        (
            "match: {tool: k8s_rollout_restart}, ask: {rollback: {within: 5m}}",
            "can be rolled back by",
        ),
        ("when: arguments.replica > 3, deny: No.", "argument replica. Did you mean replicas?"),
        ("when: 'has(arguments.replica)', deny: No.", "argument replica. Did you mean replicas?"),
        ("when: '\"imag\" in arguments', deny: No.", "argument imag. Did you mean image?"),
        (
            'match: {tool: k8s_scale}, when: \'arguments["image"] == "x"\', deny: No.',
            "when: nothing it is about has an argument image.",
        ),
        (
            "when: 'provenance.imge == \"untrusted\"', deny: No.",
            "argument imge. Did you mean image?",
        ),
        ("when: 'provenance.image == \"untrustd\"', deny: No.", "Did you mean untrusted?"),
        (
            "when: 'object.namspace == \"a\"', deny: No.",
            "no namspace; known: cluster, kind, labels, ",
        ),
        (
            "when: 'tool == \"k8s_scal\"', deny: No.",
            "there is no tool k8s_scal. Did you mean k8s_scale?",
        ),
        (
            'when: \'tool in ["k8s_scale", "k8s_scal"]\', deny: No.',
            "there is no tool k8s_scal. Did",
        ),
        (
            "when: '\"high\" == risk', deny: No.",
            "there is no risk high; danger, read or write is exp",
        ),
        (
            "when: 'kind != \"chnge\"', deny: No.",
            "kind of call chnge; change or read is expected. Did",
        ),
        (
            "when: 'weekday == \"saturday\"', deny: No.",
            "there is no weekday saturday; fri, mon, sat,",
        ),
        (
            "when: 'object.cluster == \"prod\"', deny: No.",
            "there is no cluster prod; demo, prod-eu or",
        ),
        (
            "when: 'object.kind == \"deployments\"', deny: No.",
            "kind deployments. Did you mean deployment?",
        ),
        ("when: 'channel == \"ops\"', deny: No.", "compared with ops: a Slack channel id (C…) is"),
        (
            'when: \'"S0" + "SRE" in requester_groups\', deny: No.',
            'ids that stand whole, as in "S0LEADS" in requester_groups.',
        ),
        (
            "when: '\"sre\" in requester_groups', deny: No.",
            "a Slack user-group id (S…) is expected.",
        ),
    ],
)
def test_a_name_that_nothing_has(tmp_path: Path, rule: str, said: str) -> None:
    (found,) = wrong(tmp_path, f"policy:\n  rules:\n    - {{name: a, {rule}}}\n")
    assert found.startswith("countersign.yaml:3: policy.rules.0.")
    assert said in found


@pytest.mark.parametrize(
    "rule",
    [
        "match: {tool: 'k8s_*', kind: deployment, cluster: 'prod-*'}, deny: No.",
        "match: {kind: [certificates.cert-manager.io, secret, 'cron*']}, deny: No.",
        "match: {risk: read, kind: certificate}, deny: No.",  # what only is looked at
        "match: {tool: k8s_scale, risk: danger}, deny: No.",  # a preview may raise it
        "match: {cluster: '*'}, ask: {grant: {vary: {replicas: {min: 0, max: 1000}}}}",
        "when: 'replicas > 3 && arguments.image.startsWith(\"x\")', deny: No.",
        "when: 'arguments.exists(k, k == \"made up\")', deny: No.",
        "when: 'provenance.exists(k, provenance[k] == \"untrusted\")', deny: No.",
        'when: \'"replicas" in provenance && provenance["replicas"] != "person"\', deny: No.',
        'when: \'object.labels.tier == "gold" || "tier" in object.labels\', deny: No.',
        'when: \'tool.startsWith("k8s_") && weekday in ["sat", "sun"]\', deny: No.',
        "when: 'object.kind == \"certificates.cert-manager.io\"', deny: No.",
        'when: \'images.exists(i, i.endsWith(":tool")) && "C0OPS" == channel\', deny: No.',
        'when: \'requester in ["U0ALICE"] || "S0SRE" in requester_groups\', deny: No.',
        "when: '\"S0SRE\" in requester_groups && replicas + 1 > 3', deny: No.",
        # types that may be right: guards, empty lists, labels that are not there
        "match: {tool: k8s_scale}, when: replicas != null && replicas < 4, deny: No.",
        "when: has(arguments.replicas) && arguments.replicas > 3, deny: No.",
        "when: 'has(arguments.labels) && arguments.labels.exists(l, l == \"a=b\")', deny: No.",
        "when: 'int(object.labels.version) > 3 && warnings.all(w, w.size() > 2)', deny: No.",
        "when: '!(undoes || (hour >= 6 && hour < 22)) && !(\"x\" in warnings)', deny: No.",
        'when: \'object.name.matches("^web(-[a-z]+)?$") || object.name == "a && b"\', deny: No.',
    ],
)
def test_a_name_that_something_has_or_may_have(tmp_path: Path, rule: str) -> None:
    assert wrong(tmp_path, f"policy:\n  rules:\n    - {{name: a, {rule}}}\n") == []


_TYPES = "it compares or computes what has different types"


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ('replicas <= "4"', f'replicas <= "4": {_TYPES}'),
        # also where another part hides it from most calls
        (
            'tool == "k8s_scale" && (undoes || !(object.namespace == "x" && hour < "6"))',
            f'hour < "6": {_TYPES}',
        ),
        ("object.labels.tier > 3", f"object.labels.tier > 3: {_TYPES}"),
        ("arguments.replicas * 1.5 > 4", f"arguments.replicas * 1.5 > 4: {_TYPES}"),
        ("warnings.exists(w, w > 3)", f"warnings.exists(w, w > 3): {_TYPES}"),
        ('replicas == "4"', "replicas is a number, and compared with the text 4"),
        ('arguments.replicas == "4"', "arguments.replicas is a number, and compared with the text"),
        ("replicas + 1", "true or false is expected, and it gives neither"),
        ("undoes ? replicas : true", "true or false is expected, and it gives neither"),
        (
            'tool.beginsWith("k8s")',
            'tool.beginsWith("k8s"): there is no beginsWith(…), or it takes nothing of this type',
        ),
        ('undoes && object.name.matches("[")', 'object.name.matches("["): its pattern is none'),
    ],
)
def test_a_condition_whose_types_cannot_be_right(tmp_path: Path, when: str, said: str) -> None:
    text = f"policy:\n  rules:\n    - name: a\n      when: '{when}'\n      deny: No.\n"
    (found,) = wrong(tmp_path, text)
    assert found.startswith(f"countersign.yaml:4: policy.rules.0.when: {said}"), found


def test_windows_channels_and_instructions_name_tools_and_clusters_too(tmp_path: Path) -> None:
    text = """\
instructions: {clusters: {dmo: Be careful.}}
policy:
  windows:
    - {name: w, kind: freeze, match: {tool: k8s_logs}, weekly: {start: fri 16:00, end: mon 06:00}}
  channels:
    C0OPS0000: {clusters: [demo, "stag*"], tools: k8s_scael}
"""
    assert wrong(tmp_path, text) == [
        "countersign.yaml:4: policy.windows.0.match.tool: there is no change of k8s_logs.",
        (
            "countersign.yaml:6: policy.channels.C0OPS0000.clusters: there is no cluster stag* "
            "here; known: demo, prod-eu, prod-us."
        ),
        (
            "countersign.yaml:6: policy.channels.C0OPS0000.tools: there is no tool k8s_scael. "
            "Did you mean k8s_scale?"
        ),
        (
            "countersign.yaml:1: instructions.clusters.dmo: there is no cluster dmo here; "
            "known: demo, prod-eu, prod-us. Did you mean demo?"
        ),
    ]


def test_clusters_are_those_that_the_file_lists_and_without_a_list_they_are_not_known(
    tmp_path: Path,
) -> None:
    rule = "policy: {rules: [{name: a, match: {cluster: prd}, deny: No.}]}\n"
    assert wrong(tmp_path, rule, None) == []
    listed = rule + "tools: {kubernetes: {contexts: {prod: a, stage: b}}}\n"
    (found,) = wrong(tmp_path, listed, None)
    assert found.endswith("known: prod, stage. Did you mean prod?")

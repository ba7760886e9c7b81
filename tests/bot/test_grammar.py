"""Direct commands: what is one, what only looks like one, and that nothing makes it raise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.agent import control
from bot.agent.control import parse_word
from bot.agent.grammar import FORMS, Command, Form, Miss, nearest, parse, render, usage
from bot.agent.spelling import advice, did_you_mean
from bot.agent.vocabulary import KINDS, TALK
from bot.slack.wishes import wish_of

WEB = {"kind": "deployment", "name": "web"}


@pytest.mark.parametrize(
    "text", ["get coffee", "get certs", "explain cert", "describe coffee machine"]
)
def test_a_word_that_may_be_a_kind_is_one_where_no_model_reads_it(text: str) -> None:
    """Beside a model it is a sentence, which that understands."""
    assert isinstance(parse(text), Miss)
    command = parse(text, alone=True)
    assert isinstance(command, Command)
    assert command.arguments["kind"] == text.split()[1]


@pytest.mark.parametrize("kind", ["podz", "pdos", "pod5", "deploymet", "servicess", "inrgess"])
def test_a_slip_of_a_known_kind_is_none_of_the_clusters_own(kind: str) -> None:
    assert isinstance(parse(f"kubectl get {kind} -n shop", alone=True), Miss)
    assert "Did you mean `kubectl get " in advice(f"kubectl get {kind} -n shop")


@pytest.mark.parametrize("text", ["get me a coffee", "get lost", "explain this", "get it -n shop"])
def test_a_sentence_is_one_wherever_it_is_read(text: str) -> None:
    assert isinstance(parse(text, alone=True), Miss)


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
        ("get pods --cluster '*'", "k8s_get", {"kind": "pods", "cluster": "*"}),
        ("get po,svc -n shop", "k8s_get", {"kind": "po,svc", "namespace": "shop"}),
        ("get deploy/web svc/web", "k8s_get", {"kind": "deploy,svc", "name": "web"}),
        ("get pods -owide", "k8s_get", {"kind": "pods", "output": "wide"}),
        (
            "get pods -nshop -lapp=web,tier!=db -ojsonpath='{.items[*].metadata.name}'",
            "k8s_get",
            {
                "kind": "pods",
                "namespace": "shop",
                "selector": "app=web,tier!=db",
                "output": "jsonpath={.items[*].metadata.name}",
            },
        ),
        ("logs web -C3 -cproxy", "k8s_logs", {"name": "web", "context": 3, "container": "proxy"}),
        ("get pods --cluster a,b", "k8s_get", {"kind": "pods", "cluster": "a,b"}),
        ("get pods -A", "k8s_get", {"kind": "pods", "all_namespaces": True}),
        (
            "get pods -l app=web,tier!=db",
            "k8s_get",
            {"kind": "pods", "selector": "app=web,tier!=db"},
        ),
        ("get certificates.cert-manager.io", "k8s_get", {"kind": "certificates.cert-manager.io"}),
        (
            "get deploy/web deploy/api -o wide --sort-by .spec.replicas",
            "k8s_get",
            {"kind": "deploy", "name": "web,api", "output": "wide", "sort": ".spec.replicas"},
        ),
        (
            "get pods web,api --field-selector=status.phase!=Running --limit 5",
            "k8s_get",
            {"kind": "pods", "name": "web,api", "fields": "status.phase!=Running", "limit": 5},
        ),
        (
            """kubectl get pods -o jsonpath='{range .items[*]}{.metadata.name}{"\\n"}{end}'""",
            "k8s_get",
            {
                "kind": "pods",
                "output": 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}',
            },
        ),
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
        ("describe deployment/web", "k8s_describe", WEB),
        ("diagnose", "k8s_diagnose", {}),
        ("diagnose -n shop", "k8s_diagnose", {"namespace": "shop"}),
        ("diagnose -A", "k8s_diagnose", {"all_namespaces": True}),
        ("diagnose deployment/web", "k8s_diagnose", WEB),
        ("describe node n1", "k8s_describe", {"kind": "node", "name": "n1"}),
        (
            "logs deploy/web -c app --errors -C 3 --fold --init",
            "k8s_logs",
            {"kind": "deploy", "name": "web", "container": "app", "errors": True, "context": 3}
            | {"fold": True, "init": True},
        ),
        ("logs -l app=web --fold", "k8s_logs", {"selector": "app=web", "fold": True}),
        ("kubectl top pod -A", "k8s_top_pods", {"all_namespaces": True}),
        ("top nodes n1 --sort-by memory", "k8s_top_nodes", {"name": "n1", "sort": "memory"}),
        ("overview -n shop", "k8s_overview", {"namespace": "shop"}),
        ("network web", "k8s_network", {"name": "web"}),
        ("network deploy/web", "k8s_network", {"kind": "deploy", "name": "web"}),
        ("configuration deployment/web", "k8s_configuration", WEB),
        ("images -A", "k8s_images", {"all_namespaces": True}),
        ("ownership deployment/web", "k8s_ownership", WEB),
        ("kubectl cluster-info", "k8s_cluster_info", {}),
        ("api-resources --api-group=apps", "k8s_api_resources", {"group": "apps"}),
        (
            "explain deploy.spec.replicas",
            "k8s_explain",
            {"kind": "deploy", "field": "spec.replicas"},
        ),
        (
            "explain certificates.cert-manager.io --field spec.dnsNames",
            "k8s_explain",
            {"kind": "certificates.cert-manager.io", "field": "spec.dnsNames"},
        ),
        # kinds that only the cluster knows, where no sentence is written so
        ("get certs -A", "k8s_get", {"kind": "certs", "all_namespaces": True}),
        ("get cert/x", "k8s_get", {"kind": "cert", "name": "x"}),
        ("kubectl get Certificates", "k8s_get", {"kind": "certificates"}),
        ("describe certificate/x", "k8s_describe", {"kind": "certificate", "name": "x"}),
        ("explain cert.spec.dnsNames", "k8s_explain", {"kind": "cert.spec.dnsNames"}),
        (
            "explain certificates.cert-manager.io.spec",
            "k8s_explain",
            {"kind": "certificates.cert-manager.io.spec"},
        ),
        ("auth can-i", "k8s_can_i", {}),
        (
            "get pods -l 'env in (a, b),tier=web'",
            "k8s_get",
            {"kind": "pods", "selector": "env in (a, b),tier=web"},
        ),
        ("auth can-i get pods/log", "k8s_can_i", {"verb": "get", "kind": "pods", "sub": "log"}),
        (
            "auth can-i patch deployment/web",
            "k8s_can_i",
            {"verb": "patch", "kind": "deployment", "name": "web"},
        ),
        ("events", "k8s_events", {}),
        ("events -A --types=Warning", "k8s_events", {"all_namespaces": True, "warnings": True}),
        ("events --for deployment/web --warnings", "k8s_events", WEB | {"warnings": True}),
        (
            "rollout history deployment/web --revision 3",
            "k8s_rollout_history",
            WEB | {"revision": 3},
        ),
        (
            "rollout restart deployment/web -n shop",
            "k8s_rollout_restart",
            WEB | {"namespace": "shop"},
        ),
        (
            "set image deployment/web web=registry.example:5000/shop/web:1.9@sha256:ab",
            "k8s_set_image",
            WEB | {"container": "web", "image": "registry.example:5000/shop/web:1.9@sha256:ab"},
        ),
        ("set image deployment/web shop/web:1.9", "k8s_set_image", WEB | {"image": "shop/web:1.9"}),
        (
            "set image deployment/web web=nginx",
            "k8s_set_image",
            WEB | {"container": "web", "image": "nginx"},
        ),
        (
            'set env deployment/web LEVEL=debug "MOTD=all is well" OLD- -c web',
            "k8s_set_env",
            WEB
            | {"env": ["LEVEL=debug", "MOTD=all is well"], "unset": ["OLD"], "container": "web"},
        ),
        (
            "set resources deployment/web --requests cpu=250m,memory=1Gi --limits=memory=0",
            "k8s_set_resources",
            WEB | {"requests": "cpu=250m,memory=1Gi", "limits": "memory=0"},
        ),
        ("rollout pause deploy/web", "k8s_rollout_pause", {"kind": "deploy", "name": "web"}),
        (
            "label pod/web-1 team=pay old- -n shop",
            "k8s_label",
            {"kind": "pod", "name": "web-1", "labels": ["team=pay"], "remove": ["old"]}
            | {"namespace": "shop"},
        ),
        (
            'annotate deployment/web "example.com/note=all is well"',
            "k8s_annotate",
            WEB | {"annotations": ["example.com/note=all is well"]},
        ),
        ("cordon node/n1.example", "k8s_cordon", {"name": "n1.example"}),
        ("kubectl uncordon n1 --cluster eu", "k8s_uncordon", {"name": "n1", "cluster": "eu"}),
        (
            "drain n1 --delete-emptydir-data",
            "k8s_drain",
            {"name": "n1", "delete_emptydir_data": True},
        ),
        (
            "exec web-1 -c web -n shop -- wget -qO- http://localhost:80/x",
            "k8s_exec",
            {"name": "web-1", "container": "web", "namespace": "shop"}
            | {"command": ["wget", "-qO-", "http://localhost:80/x"]},
        ),
        ("exec pod/web-1 — df -h", "k8s_exec", {"name": "web-1", "command": ["df", "-h"]}),
        ("suspend cj/nightly", "k8s_suspend_cronjob", {"kind": "cj", "name": "nightly"}),
        (
            'patch deployment/web -p \'{"spec": {"replicas": 3}}\' --type merge',
            "k8s_patch",
            WEB | {"patch": '{"spec": {"replicas": 3}}', "type": "merge"},
        ),
        (
            "kubectl apply -n shop --force-conflicts\n```yaml\nkind: A\nb: c\n```",
            "k8s_apply",
            {"namespace": "shop", "force": True, "manifest": "kind: A\nb: c"},
        ),
        (
            "patch deployment/web\n```\nspec:\n  replicas: 3\n```\n",
            "k8s_patch",
            WEB | {"patch": "spec:\n  replicas: 3"},
        ),
        (
            "delete pod web-1 --cascade=orphan",
            "k8s_delete",
            {"kind": "pod", "name": "web-1", "cascade": "orphan"},
        ),
        ("delete deployment/web", "k8s_delete", WEB),
        (
            "autoscale deployment/web --min 2 --max=5 --cpu-percent 70",
            "k8s_autoscale",
            WEB | {"min": 2, "max": 5, "cpu_percent": 70},
        ),
        ("restart pod/web-1 -n shop", "k8s_restart_pod", {"name": "web-1", "namespace": "shop"}),
        ("create job now-1 --from=cj/night", "k8s_create_job", {"name": "night", "job": "now-1"}),
        ("create job --from cronjob/night", "k8s_create_job", {"name": "night"}),
        (
            "clean up jobs --state failed --older-than 2d",
            "k8s_clean_up",
            {"kind": "job", "state": "failed", "older_than": "2d"},
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
        "logs",
        "logs --fold",
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
        "get pods web api",
        "get pods -o csv",
        "get pods -namespace shop",
        "get pods -nShop",
        "get pods -Awide",
        "get deploy/web svc/api",
        "logs web --since yesterday",
        "describe pods",
        "describe web please",
        "events today",
        "events --for web",
        "events --types Normal",
        "rollout restart web",
        "rollout freeze deployment/web",
        "set image deployment/web",
        "set image deployment/web back",
        "set image deployment/web a=b:1 c=d:2",
        "set image deployment/web *=b:1",
        "set image deployment/web web=--privileged",
        "set env deployment/web A",
        "autoscale deployment/web --min 2",
        "restart web",
        "restart deployment/web",
        "create job now",
        "create deployment web",
        "clean up everything",
        "clean the kitchen",
        "exec web-1",
        "exec web-1 --",
        "exec web-1 df",
        "exec deploy/web -- df",
        "get all -n shop",
        "get po,,svc",
        "describe po,svc",
        "apply -n shop",
        "apply -f x.yaml",
        "patch deployment/web",
        "get pods\n```\na\n```",
        "delete it please",
        "delete deployment/web --cascade no",
        "label deployment/web",
        "label deployment/web team",
        "cordon n1 n2",
        "cordon n1 -n shop",
        "suspend deployment/web",
        "set env deployment/web",
        "set resources deployment/web --limits memory",
        "set pods to five",
        "kubectl port-forward svc/web 8080:80 -n shop",
        "wait --for=condition=ready pod/web-1",
        "edit deployment/web",
        "cp web-1:/tmp/a .",
        "attach web-1",
        "proxy",
    ],
)
def test_what_only_starts_like_a_command_is_a_miss(text: str) -> None:
    miss = parse(text)
    assert isinstance(miss, Miss)
    assert miss.wrong
    assert miss.usage in dict(usage())


@pytest.mark.parametrize("value", ["TOKEN=‹masked: GitHub token›", "DB_PASSWORD=‹masked›"])
def test_a_command_that_was_masked_is_none(value: str) -> None:
    miss = parse(f"set env deployment/web LEVEL=debug {value} -n shop")
    assert isinstance(miss, Miss)
    assert "looks like a credential" in miss.wrong
    assert "make a Secret of it" in miss.wrong


@pytest.mark.parametrize(
    "text", ["", "   ", "what is wrong with web?", "please get pods", "kubectl"]
)
def test_other_talk_is_nothing(text: str) -> None:
    assert parse(text) is None


names = st.from_regex(r"[a-z][a-z0-9]{0,10}-[a-z0-9]{1,8}", fullmatch=True)
several = st.sampled_from(["pod", "po,svc", "rollouts.argoproj.io,deployment"])
kinds = st.sampled_from(["pod", "deployment", "statefulset", "rollouts.argoproj.io"])
places = st.fixed_dictionaries({}, optional={"namespace": names, "cluster": names})
greps = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1).filter(
    lambda t: not ('"' in t and "'" in t) and not t.isspace()
)
commands = st.one_of(
    st.builds(
        lambda k, more, p: Command("k8s_get", {"kind": k} | more | p),
        several,
        st.fixed_dictionaries(
            {},
            optional={
                "name": names,
                "selector": st.just("app=web"),
                "output": st.sampled_from(["wide", "jsonpath={.a[*].b}"]),
            },
        ),
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
                "tail": st.integers(1, 5_000),
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
    st.builds(
        lambda tool, k, n, p: Command(tool, {"kind": k, "name": n} | p),
        st.sampled_from(
            ["k8s_describe", "k8s_rollout_status", "k8s_rollout_restart", "k8s_rollout_history"]
        ),
        kinds,
        names,
        places,
    ),
    st.builds(
        lambda k, n, r, p: Command(
            "k8s_rollout_history", {"kind": k, "name": n, "revision": r} | p
        ),
        kinds,
        names,
        st.integers(1, 999_999),
        places,
    ),
    st.builds(
        lambda about, more, p: Command("k8s_events", about | more | p),
        st.just({}) | st.fixed_dictionaries({"kind": kinds, "name": names}),
        st.fixed_dictionaries({}, optional={"warnings": st.just(True)}),
        places,
    ),
    st.builds(
        lambda k, f: Command("k8s_explain", {"kind": k} | f),
        # `rollouts.argoproj.io` reads as a field of the kind `rollouts`
        st.sampled_from(["pod", "deployment", "certificates.cert-manager.io"]),
        st.fixed_dictionaries({}, optional={"field": st.just("spec.template")}),
    ),
    st.builds(
        lambda k, more, p: Command("k8s_can_i", {"verb": "get", "kind": k} | more | p),
        kinds,
        st.just({}) | st.just({"sub": "log"}) | st.fixed_dictionaries({"name": names}),
        places,
    ),
    st.builds(
        lambda k, n, i, c, p: Command("k8s_set_image", {"kind": k, "name": n, "image": i} | c | p),
        kinds,
        names,
        st.sampled_from(["shop/web:1.9", "registry.example:5000/a/b@sha256:00ff", "nginx:1"]),
        st.fixed_dictionaries({}, optional={"container": names}),
        places,
    ),
    st.builds(
        lambda k, n, more, p: Command("k8s_set_env", {"kind": k, "name": n} | more | p),
        kinds,
        names,
        st.fixed_dictionaries(
            {"env": st.lists(st.builds("A={}".format, greps), min_size=1, max_size=2)},
            optional={"unset": st.just(["B", "C.d"]), "container": names},
        ),
        places,
    ),
    st.builds(
        lambda k, n, more, p: Command("k8s_label", {"kind": k, "name": n} | more | p),
        kinds,
        names,
        st.fixed_dictionaries(
            {"labels": st.just(["a=b", "c.d/e=f"])}, optional={"remove": st.just(["g"])}
        ),
        places,
    ),
    st.builds(
        lambda k, n, more, p: Command("k8s_set_resources", {"kind": k, "name": n} | more | p),
        kinds,
        names,
        st.fixed_dictionaries(
            {"requests": st.just("cpu=250m,memory=1Gi")}, optional={"limits": st.just("cpu=1")}
        ),
        places,
    ),
)


@given(commands)
@settings(deadline=None)
def test_what_is_written_is_read_back(command: Command) -> None:
    assert parse(render(command)) == command


# All that the grammar knows, and what goes badly with it.
TOKENS = sorted(
    {"kubectl", "KUBECTL", "—", "--", "-n", "-A", "-", '"', "'", "=", "/", "a/b", "web", "5", "`"}
    | {word for form in FORMS for word in (*form.words, *form.options)}
    | {*control.NAMES, *KINDS, *sorted(TALK)[:20]}
)


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(TOKENS), max_size=8).map(" ".join),
    )
)
@settings(deadline=None)
def test_nothing_makes_it_raise(text: str) -> None:
    assert isinstance(parse(text), Command | Miss | None)
    assert nearest(text) in dict(usage())
    assert advice(text)
    meant = did_you_mean(text)
    assert meant is None or isinstance(parse(meant), Command) or parse_word(meant)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", ["kubectl kubectl", "Kubectl KUBECTL kubectl"])
def test_kubectl_said_twice_is_no_command(form: Form, before: str) -> None:
    verb = " ".join(form.words)
    for text in (f"{before} {verb}", f"{before} {verb} 'open", f"{before} {form.words[0]} pods"):
        assert parse(text) is None
        assert nearest(text)
        assert advice(text)


def test_a_doubled_verb_is_a_miss() -> None:
    for form in FORMS:
        for text in (f"{form.words[0]} {form.words[0]}", f"kubectl {' '.join(form.words * 2)}"):
            # a pod, a node or a service may be called so
            named = (
                "logs logs",
                "cordon cordon",
                "uncordon uncordon",
                "drain drain",
                "network network",
            )
            named_so = text.endswith(named)
            assert isinstance(parse(text), Command if named_so else Miss), text
            assert advice(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [("scale web down please", "scale"), ("can you undo that", "rollout undo"), ("hm", "help")],
)
def test_nearest_command(text: str, start: str) -> None:
    assert nearest(text).startswith(start)


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("get pods", "default"),
        ("delete deployment/web", "default"),
        ("delete pod web-1 -n shop", "shop"),
        ("get pods -A", None),
        ("drain n1", None),
        ("label node/n1 a=b", None),
        ("delete ns shop", None),
        ("apply\n```\na: b\n```", None),
        ("help", None),
    ],
)
def test_the_default_namespace_is_taken_where_one_is_meant(
    text: str, namespace: str | None
) -> None:
    command = parse(text)
    assert isinstance(command, Command)
    assert wish_of(command)["arguments"].get("namespace") == namespace


def test_a_long_message_is_no_command() -> None:
    assert parse("get pods " + "x" * 5000) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("gte pods -n shop", "get pods -n shop"),
        ("get podz", "get pods"),
        ("kubectl gte pdos -A", "kubectl get pods -A"),
        ("GTE pods", "get pods"),
        ("rolout undo deployment/web", "rollout undo deployment/web"),
        ("rollout undu deploymnet/web -n shop", "rollout undo deployment/web -n shop"),
        ("scale deployment web --replicas 5", "scale deployment/web --replicas 5"),
        ("scale web --replcas 5", "scale deployment/web --replicas 5"),
        ("scale deployment/web —replicsa 5", "scale deployment/web --replicas 5"),
        ("scale deployment/web -replicas=5", "scale deployment/web --replicas=5"),
        ("set imge deployment/web web=a/b:1", "set image deployment/web web=a/b:1"),
        ("descrbe pod web-1", "describe pod web-1"),
        ("logs web --sinse 5m", "logs web --since 5m"),
        ("evnts -n shop", "events -n shop"),
        ("aprove K7QF", "approve K7QF"),
        ("dney K7QF the quota is 6", "deny K7QF the quota is 6"),
        ("stauts", "status"),
        ("get pods", None),
        ("stop", None),
        ("get lost", None),
        ("undo that", None),
        ("stop it", None),
        ("why is checkout down?", None),
        ("scale web to 5 replicas please", None),
        ("get `podz`", None),
        ("scale deployment/web", None),
        ("x" * 400, None),
    ],
)
def test_did_you_mean(text: str, meant: str | None) -> None:
    assert did_you_mean(text) == meant


@given(commands, st.data())
@settings(deadline=None, max_examples=60)
def test_one_slip_in_a_verb_is_corrected_and_never_run(
    command: Command, data: st.DataObject
) -> None:
    verb, *rest = render(command).split(" ")
    place = data.draw(st.integers(0, len(verb) - 2))
    slipped = verb[:place] + verb[place + 1] + verb[place] + verb[place + 2 :]
    line = " ".join([slipped, *rest])
    if slipped != verb and "  " not in line and "`" not in line and len(line) <= 300:
        assert not isinstance(parse(line), Command)
        assert did_you_mean(line) == " ".join([verb, *rest])


def test_what_somebody_is_told_without_a_model() -> None:
    assert "Did you mean `get pods`? Usage: `get <kind>" in advice("get podz")
    assert "Did you mean `get pods -n shop`?" in advice("gte pods -n shop")
    assert "Usage: `rollout undo" in advice("rollout undu deployment/web")
    forward = advice("kubectl port-forward svc/web 8080:80")
    assert "there is no `port-forward` here: a tunnel to your own machine" in forward
    assert "Usage: `network " in forward
    assert "Usage: `rollout status" in advice("wait --for=condition=ready pod/web-1")
    assert "To look around: `get pods" in advice("why is checkout down?")

"""The forms of commands that only look."""

import re

from pydantic import JsonValue

from bot.agent.forms.form import (
    ALL_NAMESPACES,
    CLUSTER,
    DURATION,
    EVERYWHERE,
    NAME,
    SELECTOR,
    Arguments,
    Form,
    Option,
    Wrong,
    any_kind,
    bare_name,
    matching,
    nothing,
    number,
    quoted,
    read_kind,
    read_name,
    workload,
)
from bot.agent.vocabulary import KINDS


def _pattern(value: str) -> JsonValue:
    if not value or len(value) > 500:
        raise Wrong("the pattern to search for must have 1 to 500 characters")
    return value


_revision = Option("revision", number(1, 999_999, "the revision"))


_SUBS = ("log", "exec", "scale", "status", "eviction", "portforward", "attach", "token")
_field = matching(
    re.compile(r"[A-Za-z$][-A-Za-z0-9_]{0,62}(\.[A-Za-z$][-A-Za-z0-9_]{0,62}){0,20}"), "field"
)
_dotted = matching(
    re.compile(r"[A-Za-z][-A-Za-z0-9]{0,62}(\.[A-Za-z][-A-Za-z0-9]{0,62}){0,20}"), "kind"
)
_verb = matching(re.compile(r"[a-z]{2,20}|\*"), "verb")
_context = Option("context", number(0, 50, "the lines around each"))
_container = Option("container", read_name)
_order = Option("order", matching(re.compile("object|time"), "order: object or time"))
_sort = Option("sort", matching(re.compile(r"cpu|memory|name"), "order: cpu, memory or name"))


def _warnings(value: str) -> JsonValue:
    if value.lower() != "warning":
        raise Wrong(f"only `Warning` can be asked for, not {quoted(value)}")
    return True


_OUTPUT = re.compile(r"auto|table|wide|yaml|json|name|jsonpath=.{1,500}")
_output = Option("output", matching(_OUTPUT, "output such as wide, yaml or jsonpath=<path>"))
_FIELDS = re.compile(r"[A-Za-z][-A-Za-z0-9_.=!,/:@]{0,400}")


def _get(operands: list[str]) -> Arguments:
    """Names in a row could be a sentence: several have commas, or their kind before each."""
    if operands and all("/" in one for one in operands):
        pairs = [one.split("/", 1) for one in operands]
        named: dict[str, list[str]] = {}
        for kinds, name in pairs:
            named.setdefault(kinds, []).append(name)
        first, *others = named.values()
        if any(names != first for names in others):
            raise Wrong("of several kinds it shows the same names: ask for these one by one")
        return {"kind": _read_kinds(",".join(named)), "name": _names(first)}
    if not 1 <= len(operands) <= 2:
        raise Wrong("it needs a kind, and at most one name or several with commas between them")
    found: Arguments = {"kind": _read_kinds(operands[0])}
    if len(operands) == 2:
        found["name"] = _names(operands[1:])
    return found


def _read_kinds(word: str) -> str:
    """One kind, or several with commas between them."""
    return ",".join(any_kind(kind) for kind in word.split(","))


def _names(words: list[str]) -> str:
    names = ",".join(words).split(",")
    read = bare_name if len(names) == 1 else read_name
    return ",".join(str(read(name)) for name in names)


def _describe(operands: list[str]) -> Arguments:
    if len(operands) == 2:
        return {"kind": any_kind(operands[0]), "name": bare_name(operands[1])}
    if len(operands) == 1 and "/" in operands[0]:
        kind, _, name = operands[0].partition("/")
        return {"kind": any_kind(kind), "name": read_name(name)}
    return workload(operands)


def _diagnose(operands: list[str]) -> Arguments:
    return _describe(operands) if operands else {}


def _events(operands: list[str]) -> Arguments:
    return workload(operands) if operands else {}


def _maybe_name(operands: list[str]) -> Arguments:
    if len(operands) > 1:
        raise Wrong("it takes at most one name")
    return {"name": bare_name(operands[0])} if operands else {}


def _logs(operands: list[str]) -> Arguments:
    if not operands:
        return {}
    if len(operands) == 1 and "/" not in operands[0]:
        return {"name": bare_name(operands[0])}
    return workload(operands)


def _network(operands: list[str]) -> Arguments:
    """A bare name is a service's."""
    if len(operands) == 1 and "/" not in operands[0]:
        return {"name": bare_name(operands[0])}
    return workload(operands)


def _explain(operands: list[str]) -> Arguments:
    """`deployment.spec.replicas`; where a kind ends that only the cluster knows, that tells."""
    if len(operands) != 1:
        raise Wrong("it needs one kind, with the field behind a dot")
    kind, _, field = operands[0].partition(".")
    if kind.lower() not in KINDS:
        any_kind(kind)
        return {"kind": str(_dotted(operands[0]))}
    return {"kind": read_kind(kind), **({"field": _field(field)} if field else {})}


def _explained(left: Arguments) -> list[str]:
    kind, field = str(left.pop("kind")), left.get("field")
    if field is not None and kind in KINDS:
        return [f"{kind}.{left.pop('field')}"]
    return [kind]


def _may(operands: list[str]) -> Arguments:
    """`delete pods`, `get pods/log`, `patch deploy/web`: kubectl's slash is a name's or a sub's."""
    if not operands:
        return {}
    if len(operands) != 2:
        raise Wrong("it needs a verb and a kind, or nothing for a list")
    kind, slash, name = operands[1].partition("/")
    found: Arguments = {"verb": _verb(operands[0].lower()), "kind": read_kind(kind)}
    if slash and name in _SUBS:
        return {**found, "sub": name}
    return {**found, "name": read_name(name)} if slash else found


def _asked_may(left: Arguments) -> list[str]:
    if "verb" not in left:
        return []
    words = [str(left.pop("verb")), str(left.pop("kind"))]
    if behind := left.pop("sub", None) or left.pop("name", None):
        words[1] += f"/{behind}"
    return words


FORMS = (
    Form(
        ("diagnose",),
        "k8s_diagnose",
        "diagnose [<kind>/<name>] [-n <namespace>] [-A]",
        "Say what is wrong there, and why.",
        _diagnose,
        {**EVERYWHERE, **ALL_NAMESPACES},
    ),
    Form(
        ("get",),
        "k8s_get",
        "get <kind>[,<kind>] [<name>] [-n <namespace>] [-A] [-l <selector>] "
        "[--field-selector <fields>] [-o wide|yaml|json|name|jsonpath=<path>] "
        "[--sort-by <path>] [--limit <number>]",
        "Show objects.",
        _get,
        {
            **EVERYWHERE,
            **ALL_NAMESPACES,
            **SELECTOR,
            "--field-selector": Option("fields", matching(_FIELDS, "field selector")),
            "-o": _output,
            "--output": _output,
            "--sort-by": Option("sort", _pattern),
            "--limit": Option("limit", number(1, 1000, "the limit")),
        },
    ),
    Form(
        ("describe",),
        "k8s_describe",
        "describe <kind>/<name> [-n <namespace>]",
        "Show one object with its pods, conditions and events.",
        _describe,
        EVERYWHERE,
    ),
    Form(
        ("logs",),
        "k8s_logs",
        "logs [<kind>/]<name> [-l <selector>] [-n <namespace>] [-c <container>] [--since 15m] "
        "[--previous] [--tail <lines>] [--grep <text>] [--errors] [-C <lines around>] [--fold] "
        "[--init]",
        "Show what a workload wrote, or count what is alike.",
        _logs,
        {
            **EVERYWHERE,
            **SELECTOR,
            "--since": Option("since", matching(DURATION, "duration such as 15m")),
            "--previous": Option("previous", None),
            "-p": Option("previous", None),
            "--tail": Option("tail", number(1, 5_000, "the number of lines")),
            "--grep": Option("grep", _pattern),
            "--errors": Option("errors", None),
            "-C": _context,
            "--context": _context,
            "-c": _container,
            "--container": _container,
            "--fold": Option("fold", None),
            "--init": Option("init", None),
        },
        either=("name", "selector"),
    ),
    Form(
        ("events",),
        "k8s_events",
        "events [<kind>/<name>] [-n <namespace>] [-A] [--warnings] [--order object|time]",
        "Show what the cluster reported, objects with warnings first.",
        _events,
        {
            **EVERYWHERE,
            **ALL_NAMESPACES,
            "--for": Option("", str),
            "--warnings": Option("warnings", None),
            "--types": Option("warnings", _warnings),
            "--order": _order,
        },
    ),
    Form(
        ("overview",),
        "k8s_overview",
        "overview [-n <namespace>]",
        "Show one namespace on one screen.",
        nothing,
        EVERYWHERE,
    ),
    Form(
        ("network",),
        "k8s_network",
        "network [<kind>/]<name> [-n <namespace>]",
        "Show how traffic reaches a service or workload.",
        _network,
        EVERYWHERE,
    ),
    Form(
        ("configuration",),
        "k8s_configuration",
        "configuration <kind>/<name> [-n <namespace>]",
        "Show which config maps, secrets and volumes a workload uses; no values.",
        workload,
        EVERYWHERE,
    ),
    Form(
        ("images",),
        "k8s_images",
        "images [-n <namespace>] [-A] [-l <selector>]",
        "Show which images run where, and since when.",
        nothing,
        {**EVERYWHERE, **ALL_NAMESPACES, **SELECTOR},
    ),
    Form(
        ("ownership",),
        "k8s_ownership",
        "ownership <kind>/<name> [-n <namespace>]",
        "Show who stands behind an object: owners, deployment tools, writers of its fields.",
        workload,
        EVERYWHERE,
    ),
    Form(
        ("top", "pods"),
        "k8s_top_pods",
        "top pods [<name>] [-n <namespace>] [-A] [-l <selector>] [--containers] "
        "[--sort-by cpu|memory|name] [--limit <number>]",
        "Show what pods use, against their requests and limits.",
        _maybe_name,
        {
            **EVERYWHERE,
            **ALL_NAMESPACES,
            **SELECTOR,
            "--containers": Option("containers", None),
            "--sort-by": _sort,
            "--limit": Option("limit", number(1, 1000, "the limit")),
        },
        also=(("top", "pod"),),
    ),
    Form(
        ("top", "nodes"),
        "k8s_top_nodes",
        "top nodes [<name>] [-l <selector>] [--sort-by cpu|memory|name]",
        "Show what nodes use, and what their pods asked for.",
        _maybe_name,
        {**CLUSTER, **SELECTOR, "--sort-by": _sort},
        also=(("top", "node"),),
    ),
    Form(
        ("rollout", "status"),
        "k8s_rollout_status",
        "rollout status <kind>/<name> [-n <namespace>]",
        "Say whether a workload has finished rolling out.",
        workload,
        EVERYWHERE,
    ),
    Form(
        ("rollout", "history"),
        "k8s_rollout_history",
        "rollout history <kind>/<name> [--revision <number>] [-n <namespace>]",
        "List the revisions of a workload, or show one.",
        workload,
        {**EVERYWHERE, "--revision": _revision},
    ),
    Form(
        ("cluster-info",),
        "k8s_cluster_info",
        "cluster-info [--cluster <cluster>]",
        "Show version, health and nodes of a cluster.",
        nothing,
        CLUSTER,
    ),
    Form(
        ("api-resources",),
        "k8s_api_resources",
        "api-resources [--api-group <group>]",
        "List the kinds that the cluster serves.",
        nothing,
        {**CLUSTER, "--api-group": Option("group", matching(NAME, "API group"))},
    ),
    Form(
        ("explain",),
        "k8s_explain",
        "explain <kind>[.<field>] [--field <field>]",
        "Say what a field of a kind means.",
        _explain,
        {**CLUSTER, "--field": Option("field", _field)},
        written=_explained,
    ),
    Form(
        ("auth", "can-i"),
        "k8s_can_i",
        "auth can-i [<verb> <kind>[/<name>]] [-n <namespace>] [-A]",
        "Say whether something may be done here, or list what may.",
        _may,
        {**EVERYWHERE, **ALL_NAMESPACES},
        written=_asked_may,
    ),
)

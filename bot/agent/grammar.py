"""The grammar of direct commands: what a whole message must look like to be one. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

Arguments = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Command:
    """A message that is a command; `namespace` is left out unless it was written.

    The tool `help` is no tool: it asks for the list of commands.
    """

    tool: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Miss:
    """A message that starts like a command and is none: what was wrong, and the nearest usage."""

    wrong: str
    usage: str


class _Wrong(ValueError):
    """The message is no command; the text says why."""


@dataclass(frozen=True, slots=True)
class _Option:
    """A flag. `read` makes its value from the text after it; None: it takes none."""

    argument: str
    read: Callable[[str], JsonValue] | None
    what: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    """One kind of command. `operands` turns what is no flag into arguments."""

    words: tuple[str, ...]
    tool: str
    usage: str
    explanation: str
    operands: Callable[[list[str]], Arguments]
    options: dict[str, _Option]
    required: tuple[str, ...] = ()


_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,252}")
_KIND = re.compile(r"[a-z][a-z0-9]{0,62}(\.[a-z0-9.-]{0,189}[a-z0-9])?")
# Any kind can be named in full (`certificates.cert-manager.io`); these also by one word. A longer
# list of single words would take "get lost" for a command.
_KINDS_IN_WORDS = """
pod pods po deployment deployments deploy statefulset statefulsets sts daemonset daemonsets ds
replicaset replicasets rs replicationcontroller replicationcontrollers rc job jobs cronjob
cronjobs cj service services svc endpoints ep endpointslice endpointslices ingress ingresses ing
configmap configmaps cm secret secrets node nodes no namespace namespaces ns event events ev
persistentvolume persistentvolumes pv persistentvolumeclaim persistentvolumeclaims pvc
storageclass storageclasses sc serviceaccount serviceaccounts sa role roles rolebinding
rolebindings clusterrole clusterroles clusterrolebinding clusterrolebindings
horizontalpodautoscaler horizontalpodautoscalers hpa poddisruptionbudget poddisruptionbudgets
pdb networkpolicy networkpolicies netpol limitrange limitranges limits resourcequota
resourcequotas quota priorityclass priorityclasses pc customresourcedefinition
customresourcedefinitions crd crds lease leases rollout rollouts
"""
_KINDS = frozenset(_KINDS_IN_WORDS.split())
# Words that end or go on a sentence; an object with such a name is written <kind>/<name>.
_TALK_IN_WORDS = """
a again all and are as at be been but by can down failed failing fail fails fast for from get
gone have help here how i in is it me my no not now of off ok on or our out please pls quickly
restart restarted running show so soon still thanks that the their them then there these they
this those to today too up us was we were what when where which who why will with working
yes you your
"""
_TALK = frozenset(_TALK_IN_WORDS.split())
_DURATION = re.compile(r"(?:\d{1,6}[smhd]){1,4}")
_SELECTOR = re.compile(
    r"!?[A-Za-z0-9][A-Za-z0-9_./-]*(?:(?:==|!=|=)[A-Za-z0-9_.-]*)?"
    r"(?:,!?[A-Za-z0-9][A-Za-z0-9_./-]*(?:(?:==|!=|=)[A-Za-z0-9_.-]*)?)*"
)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], JsonValue]:
    def read(value: str) -> JsonValue:
        if not pattern.fullmatch(value):
            raise _Wrong(f"{_quoted(value)} is no {what}")
        return value

    return read


def _number(low: int, high: int, what: str) -> Callable[[str], JsonValue]:
    def read(value: str) -> JsonValue:
        if not re.fullmatch(r"[0-9]{1,6}", value) or not low <= int(value) <= high:
            raise _Wrong(f"{what} must be a number from {low} to {high}, not {_quoted(value)}")
        return int(value)

    return read


def _pattern(value: str) -> JsonValue:
    if not value or len(value) > 500:
        raise _Wrong("the pattern to search for must have 1 to 500 characters")
    return value


_namespace = _Option("namespace", _matching(_NAMESPACE, "namespace"))
_cluster = _Option("cluster", _matching(_CLUSTER, "cluster"))
_selector = _Option("selector", _matching(_SELECTOR, "label selector"))
_everywhere = {
    "-n": _namespace,
    "--namespace": _namespace,
    "--cluster": _cluster,
    "--context": _cluster,
}
_replicas = _Option("replicas", _number(0, 1000, "the number of replicas"))
_revision = _Option("to_revision", _number(1, 999_999, "the revision"))

_read_name = _matching(_NAME, "name")


def _read_kind(word: str) -> JsonValue:
    kind = word.lower()
    if kind not in _KINDS and not ("." in kind and _KIND.fullmatch(kind)):
        raise _Wrong(f"{_quoted(word)} is no kind I know")
    return kind


def _bare_name(word: str) -> JsonValue:
    if word in _TALK:
        raise _Wrong(f"{_quoted(word)} reads like a word of a sentence; write <kind>/<name>")
    return _read_name(word)


def _get(operands: list[str]) -> Arguments:
    if len(operands) == 1 and "/" in operands[0]:
        return _workload(operands)
    if not 1 <= len(operands) <= 2:
        raise _Wrong("it needs a kind, and at most one name")
    found: Arguments = {"kind": _read_kind(operands[0])}
    if len(operands) == 2:
        found["name"] = _bare_name(operands[1])
    return found


def _logs(operands: list[str]) -> Arguments:
    if len(operands) == 1 and "/" not in operands[0]:
        return {"name": _bare_name(operands[0])}
    return _workload(operands)


def _workload(operands: list[str]) -> Arguments:
    if len(operands) == 1:
        kind, slash, name = operands[0].partition("/")
        if slash:
            return {"kind": _read_kind(kind), "name": _read_name(name)}
    raise _Wrong("it needs exactly one <kind>/<name>")


def _nothing(operands: list[str]) -> Arguments:
    if operands:
        raise _Wrong("it takes nothing after it")
    return {}


_FORMS = (
    _Form(
        ("get",),
        "k8s_get",
        "get <kind> [<name>] [-n <namespace>] [-A] [-l <selector>]",
        "Show objects.",
        _get,
        {
            **_everywhere,
            "-A": _Option("all_namespaces", None),
            "--all-namespaces": _Option("all_namespaces", None),
            "-l": _selector,
            "--selector": _selector,
        },
    ),
    _Form(
        ("logs",),
        "k8s_logs",
        "logs [<kind>/]<name> [-n <namespace>] [--since 15m] [--previous] [--tail <lines>] "
        "[--grep <text>]",
        "Show what a workload wrote.",
        _logs,
        {
            **_everywhere,
            "--since": _Option("since", _matching(_DURATION, "duration such as 15m")),
            "--previous": _Option("previous", None),
            "-p": _Option("previous", None),
            "--tail": _Option("tail", _number(1, 100_000, "the number of lines")),
            "--grep": _Option("grep", _pattern),
        },
    ),
    _Form(
        ("rollout", "status"),
        "k8s_rollout_status",
        "rollout status <kind>/<name> [-n <namespace>]",
        "Say whether a workload has finished rolling out.",
        _workload,
        _everywhere,
    ),
    _Form(
        ("scale",),
        "k8s_scale",
        "scale <kind>/<name> --replicas <number> [-n <namespace>]",
        "Propose another number of replicas.",
        _workload,
        {**_everywhere, "--replicas": _replicas},
        required=("replicas",),
    ),
    _Form(
        ("rollout", "undo"),
        "k8s_rollout_undo",
        "rollout undo <kind>/<name> [--to-revision <number>] [-n <namespace>]",
        "Propose to go back to an earlier revision.",
        _workload,
        {**_everywhere, "--to-revision": _revision},
    ),
    _Form(("help",), "help", "help", "Show these commands.", _nothing, {}),
)

# Phones turn -- into a dash and straight quotes into curved ones.
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'", "\u00a0": " "})
_DASH = re.compile(r"(?<![^\s])[—–](?=[A-Za-z])")
_TOKEN = re.compile(r"""((?:[^\s"']|"[^"]*"|'[^']*')+)""")
LONGEST = 2000


def parse(text: str) -> Command | Miss | None:
    """Return the command that the whole of `text` is.

    `Miss`: it starts like one but is none; only for a bot without a model, which would otherwise
    have answered. None: it is something else.
    """
    if len(text) > LONGEST:
        return None
    try:
        words = _words(text)
    except _Wrong as wrong:
        form = _started(text.split())
        return Miss(str(wrong), form.usage) if form else None
    form = _started(words)
    if form is None:
        return None
    head = [w.lower() for w in words[: len(form.words)]]
    if head != list(form.words):
        return Miss(f"after `{words[0].lower()}` comes `status` or `undo`", form.usage)
    try:
        return Command(form.tool, _arguments(form, words[len(form.words) :]))
    except _Wrong as wrong:
        return Miss(str(wrong), form.usage)


def nearest(text: str) -> str:
    """Return the usage of the command that `text` is most like; `help` if it is like none."""
    words = [w.lower() for w in text.translate(_QUOTES).split()]
    form = _started(words)
    if form is None:
        form = next((f for f in _FORMS if f.words[-1] in words), _FORMS[-1])
    return form.usage


def usage() -> list[tuple[str, str]]:
    """Return every command's pattern with what it does, for help texts."""
    return [(form.usage, form.explanation) for form in _FORMS]


def render(command: Command) -> str:
    """Return the text that `parse` reads as `command`."""
    form = next(f for f in _FORMS if f.tool == command.tool)
    left = dict(command.arguments)
    words = list(form.words)
    kind, name = left.pop("kind", None), left.pop("name", None)
    if kind is not None or name is not None:
        words.append("/".join(str(w) for w in (kind, name) if w is not None))
    for argument, value in left.items():
        flag, option = next((f, o) for f, o in form.options.items() if o.argument == argument)
        words.append(flag)
        if option.read is not None:
            words.append(_as_word(str(value)))
    return " ".join(words)


def _as_word(value: str) -> str:
    if re.fullmatch(r"[\w./:=,!@-]+", value, re.ASCII) and not value.startswith("-"):
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


def _words(text: str) -> list[str]:
    # A dash is a flag's only where it starts a word outside of quotes; a lone letter's is short.
    plain = text.translate(_QUOTES).strip()
    if "\n" in plain or "\r" in plain:
        raise _Wrong("a command is one line")
    if _TOKEN.sub("", plain).strip():
        raise _Wrong("a quote is not closed")
    words = [_with_flags(found) for found in _TOKEN.findall(plain)]
    if words and words[0].lower() == "kubectl":
        words = words[1:]
    return words


def _with_flags(word: str) -> str:
    if not (found := _DASH.match(word)):
        return word
    name = word[found.end() :]
    return ("-" if len(name) == 1 else "--") + name


def _started(words: list[str]) -> _Form | None:
    lowered = [w.lower() for w in words[:3]]
    if lowered[:1] == ["kubectl"]:
        lowered = lowered[1:]
    if not lowered:
        return None
    whole = (f for f in _FORMS if list(f.words) == lowered[: len(f.words)])
    return next(whole, next((f for f in _FORMS if f.words[0] == lowered[0]), None))


def _arguments(form: _Form, words: list[str]) -> Arguments:
    operands: list[str] = []
    flags: Arguments = {}
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            argument, value = _flag(form, word, rest)
            if argument in flags:
                raise _Wrong(f"{argument} is given twice")
            flags[argument] = value
        else:
            operands.append(_unquoted(word))
    found = {**form.operands(operands), **flags}
    for argument in form.required:
        if argument not in found:
            raise _Wrong(f"--{argument} is missing")
    if found.get("all_namespaces") and ("namespace" in found or "name" in found):
        raise _Wrong("-A goes with neither a namespace nor a name")
    return found


def _flag(form: _Form, word: str, rest: Iterator[str]) -> tuple[str, JsonValue]:
    flag, equals, attached = word.partition("=")
    option = form.options.get(flag) or form.options.get(flag.lower())
    if option is None:
        raise _Wrong(f"{_quoted(flag)} is unknown here")
    if option.read is None:
        if equals:
            raise _Wrong(f"`{flag}` takes no value")
        return option.argument, True
    value = attached if equals else next(rest, None)
    if value is None or (not equals and value.startswith("-")):
        raise _Wrong(f"`{flag}` needs a value")
    return option.argument, option.read(_unquoted(value))


def _unquoted(word: str) -> str:
    return re.sub(r""""([^"]*)"|'([^']*)'""", lambda m: m[1] if m[1] is not None else m[2], word)


def _quoted(value: str) -> str:
    shown = value if len(value) <= 60 else value[:59] + "…"
    return f'"{shown}"'

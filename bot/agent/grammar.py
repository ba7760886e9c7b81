"""The grammar of direct commands: what a whole message must look like to be one. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from bot.agent import control
from bot.agent.vocabulary import KINDS, TALK
from bot.core.text import visible

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
class Option:
    """A flag. `read` makes its value from the text after it; None: it takes none.

    Without an `argument` its value stands for an operand.
    """

    argument: str
    read: Callable[[str], JsonValue] | None


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of command. `operands` turns what is no flag into arguments."""

    words: tuple[str, ...]
    tool: str
    usage: str
    explanation: str
    operands: Callable[[list[str]], Arguments]
    options: dict[str, Option]
    required: tuple[str, ...] = ()


_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,252}")
_KIND = re.compile(r"[a-z][a-z0-9]{0,62}(\.[a-z0-9.-]{0,189}[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
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


_namespace = Option("namespace", _matching(_NAMESPACE, "namespace"))
_cluster = Option("cluster", _matching(_CLUSTER, "cluster"))
_selector = Option("selector", _matching(_SELECTOR, "label selector"))
_everywhere = {
    "-n": _namespace,
    "--namespace": _namespace,
    "--cluster": _cluster,
    "--context": _cluster,
}
_all = {
    "-A": Option("all_namespaces", None),
    "--all-namespaces": Option("all_namespaces", None),
}
_replicas = Option("replicas", _number(0, 1000, "the number of replicas"))
_to_revision = Option("to_revision", _number(1, 999_999, "the revision"))
_revision = Option("revision", _number(1, 999_999, "the revision"))

_read_name = _matching(_NAME, "name")


def _read_kind(word: str) -> JsonValue:
    kind = word.lower()
    if kind not in KINDS and not ("." in kind and _KIND.fullmatch(kind)):
        raise _Wrong(f"{_quoted(word)} is no kind I know")
    return kind


def _bare_name(word: str) -> JsonValue:
    if word in TALK:
        raise _Wrong(f"{_quoted(word)} reads like a word of a sentence; write <kind>/<name>")
    return _read_name(word)


def _warnings(value: str) -> JsonValue:
    if value.lower() != "warning":
        raise _Wrong(f"only `Warning` can be asked for, not {_quoted(value)}")
    return True


def _get(operands: list[str]) -> Arguments:
    if len(operands) == 1 and "/" in operands[0]:
        return _workload(operands)
    if not 1 <= len(operands) <= 2:
        raise _Wrong("it needs a kind, and at most one name")
    found: Arguments = {"kind": _read_kind(operands[0])}
    if len(operands) == 2:
        found["name"] = _bare_name(operands[1])
    return found


def _describe(operands: list[str]) -> Arguments:
    if len(operands) == 2:
        return {"kind": _read_kind(operands[0]), "name": _bare_name(operands[1])}
    return _workload(operands)


def _events(operands: list[str]) -> Arguments:
    return _workload(operands) if operands else {}


def _set_image(operands: list[str]) -> Arguments:
    if len(operands) != 2:
        raise _Wrong("it needs one <kind>/<name> and one image")
    found = _workload(operands[:1])
    container, equals, image = operands[1].rpartition("=")
    if equals:
        found["container"] = _read_name(container)
    elif not re.search(r"[/:@]", image):
        raise _Wrong("write <container>=<image>, or the image with its tag")
    found["image"] = _matching(_IMAGE, "image")(image)
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


FORMS = (
    Form(
        ("get",),
        "k8s_get",
        "get <kind> [<name>] [-n <namespace>] [-A] [-l <selector>]",
        "Show objects.",
        _get,
        {**_everywhere, **_all, "-l": _selector, "--selector": _selector},
    ),
    Form(
        ("describe",),
        "k8s_describe",
        "describe <kind>/<name> [-n <namespace>]",
        "Show one object with its pods, conditions and events.",
        _describe,
        _everywhere,
    ),
    Form(
        ("logs",),
        "k8s_logs",
        "logs [<kind>/]<name> [-n <namespace>] [--since 15m] [--previous] [--tail <lines>] "
        "[--grep <text>]",
        "Show what a workload wrote.",
        _logs,
        {
            **_everywhere,
            "--since": Option("since", _matching(_DURATION, "duration such as 15m")),
            "--previous": Option("previous", None),
            "-p": Option("previous", None),
            "--tail": Option("tail", _number(1, 5_000, "the number of lines")),
            "--grep": Option("grep", _pattern),
        },
    ),
    Form(
        ("events",),
        "k8s_events",
        "events [<kind>/<name>] [-n <namespace>] [-A] [--warnings]",
        "Show what the cluster reported, newest last.",
        _events,
        {
            **_everywhere,
            **_all,
            "--for": Option("", str),
            "--warnings": Option("warnings", None),
            "--types": Option("warnings", _warnings),
        },
    ),
    Form(
        ("rollout", "status"),
        "k8s_rollout_status",
        "rollout status <kind>/<name> [-n <namespace>]",
        "Say whether a workload has finished rolling out.",
        _workload,
        _everywhere,
    ),
    Form(
        ("rollout", "history"),
        "k8s_rollout_history",
        "rollout history <kind>/<name> [--revision <number>] [-n <namespace>]",
        "List the revisions of a workload, or show one.",
        _workload,
        {**_everywhere, "--revision": _revision},
    ),
    Form(
        ("scale",),
        "k8s_scale",
        "scale <kind>/<name> --replicas <number> [-n <namespace>]",
        "Propose another number of replicas.",
        _workload,
        {**_everywhere, "--replicas": _replicas},
        required=("replicas",),
    ),
    Form(
        ("rollout", "undo"),
        "k8s_rollout_undo",
        "rollout undo deployment/<name> [--to-revision <number>] [-n <namespace>]",
        "Propose to go back to an earlier revision.",
        _workload,
        {**_everywhere, "--to-revision": _to_revision},
    ),
    Form(
        ("rollout", "restart"),
        "k8s_rollout_restart",
        "rollout restart <kind>/<name> [-n <namespace>]",
        "Propose to replace every pod, one after the other.",
        _workload,
        _everywhere,
    ),
    Form(
        ("set", "image"),
        "k8s_set_image",
        "set image <kind>/<name> [<container>=]<image> [-n <namespace>]",
        "Propose another image for a container.",
        _set_image,
        _everywhere,
    ),
    Form(("help",), "help", "help", "Show these commands.", _nothing, {}),
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
    if len(text) > LONGEST or visible(text) != text.replace("\r\n", "\n"):
        return None
    try:
        words = _without_kubectl(_words(text))
    except _Wrong as wrong:
        form = _started(_without_kubectl(text.split()))
        return Miss(str(wrong), form.usage) if form else None
    form = _started(words)
    if form is None:
        return None
    head = [w.lower() for w in words[: len(form.words)]]
    if head != list(form.words):
        return Miss(_second_word(words[0].lower()), form.usage)
    try:
        return Command(form.tool, _arguments(form, words[len(form.words) :]))
    except _Wrong as wrong:
        return Miss(str(wrong), form.usage)


def _second_word(first: str) -> str:
    *others, last = [f"`{form.words[1]}`" for form in FORMS if form.words[0] == first]
    known = f"{', '.join(others)} or {last}" if others else last
    return f"after `{first}` comes {known}"


def nearest(text: str) -> str:
    """Return the usage of the command that `text` is most like; `help` if it is like none."""
    words = _without_kubectl([w.lower() for w in text.translate(_QUOTES).split()])
    form = _started(words)
    if form is None:
        form = next((f for f in FORMS if f.words[-1] in words), FORMS[-1])
    return form.usage


def usage() -> list[tuple[str, str]]:
    """Return the pattern of every command and control word with what it does, for help texts."""
    forms = [(form.usage, form.explanation) for form in FORMS]
    return [*forms[:-1], *control.usage(), forms[-1]]


def render(command: Command) -> str:
    """Return the text that `parse` reads as `command`."""
    form = next(f for f in FORMS if f.tool == command.tool)
    left = dict(command.arguments)
    words = list(form.words)
    kind, name = left.pop("kind", None), left.pop("name", None)
    if kind is not None or name is not None:
        words.append("/".join(str(w) for w in (kind, name) if w is not None))
    if "image" in left:
        container, image = left.pop("container", None), left.pop("image")
        words.append(f"{container}={image}" if container else str(image))
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
    return [_with_flags(found) for found in _TOKEN.findall(plain)]


def _without_kubectl(words: list[str]) -> list[str]:
    """Without the word by which people call their own client; one, as they would write it."""
    return words[1:] if words and words[0].lower() == "kubectl" else words


def _with_flags(word: str) -> str:
    if not (found := _DASH.match(word)):
        return word
    name = word[found.end() :]
    return ("-" if len(name) == 1 else "--") + name


def _started(words: list[str]) -> Form | None:
    lowered = [w.lower() for w in words[:2]]
    if not lowered:
        return None
    whole = (f for f in FORMS if list(f.words) == lowered[: len(f.words)])
    return next(whole, next((f for f in FORMS if f.words[0] == lowered[0]), None))


def _arguments(form: Form, words: list[str]) -> Arguments:
    operands: list[str] = []
    flags: Arguments = {}
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            argument, value = _flag(form, word, rest)
            if not argument:
                operands.append(str(value))
                continue
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


def _flag(form: Form, word: str, rest: Iterator[str]) -> tuple[str, JsonValue]:
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

"""The forms of commands that only look."""

from pydantic import JsonValue

from bot.agent.forms.form import (
    ALL_NAMESPACES,
    DURATION,
    EVERYWHERE,
    SELECTOR,
    Arguments,
    Form,
    Option,
    Wrong,
    bare_name,
    matching,
    number,
    quoted,
    read_kind,
    workload,
)


def _pattern(value: str) -> JsonValue:
    if not value or len(value) > 500:
        raise Wrong("the pattern to search for must have 1 to 500 characters")
    return value


_revision = Option("revision", number(1, 999_999, "the revision"))


def _warnings(value: str) -> JsonValue:
    if value.lower() != "warning":
        raise Wrong(f"only `Warning` can be asked for, not {quoted(value)}")
    return True


def _get(operands: list[str]) -> Arguments:
    if len(operands) == 1 and "/" in operands[0]:
        return workload(operands)
    if not 1 <= len(operands) <= 2:
        raise Wrong("it needs a kind, and at most one name")
    found: Arguments = {"kind": read_kind(operands[0])}
    if len(operands) == 2:
        found["name"] = bare_name(operands[1])
    return found


def _describe(operands: list[str]) -> Arguments:
    if len(operands) == 2:
        return {"kind": read_kind(operands[0]), "name": bare_name(operands[1])}
    return workload(operands)


def _events(operands: list[str]) -> Arguments:
    return workload(operands) if operands else {}


def _logs(operands: list[str]) -> Arguments:
    if len(operands) == 1 and "/" not in operands[0]:
        return {"name": bare_name(operands[0])}
    return workload(operands)


FORMS = (
    Form(
        ("get",),
        "k8s_get",
        "get <kind> [<name>] [-n <namespace>] [-A] [-l <selector>]",
        "Show objects.",
        _get,
        {**EVERYWHERE, **ALL_NAMESPACES, **SELECTOR},
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
        "logs [<kind>/]<name> [-n <namespace>] [--since 15m] [--previous] [--tail <lines>] "
        "[--grep <text>]",
        "Show what a workload wrote.",
        _logs,
        {
            **EVERYWHERE,
            "--since": Option("since", matching(DURATION, "duration such as 15m")),
            "--previous": Option("previous", None),
            "-p": Option("previous", None),
            "--tail": Option("tail", number(1, 5_000, "the number of lines")),
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
            **EVERYWHERE,
            **ALL_NAMESPACES,
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
)

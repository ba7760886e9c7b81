"""The forms of commands that propose a change."""

import re
from collections.abc import Callable
from typing import cast

from pydantic import JsonValue

from bot.agent.forms.form import (
    CLUSTER,
    DURATION,
    EVERYWHERE,
    Arguments,
    Form,
    Option,
    Wrong,
    as_word,
    bare_name,
    matching,
    nothing,
    number,
    quoted,
    read_kind,
    read_name,
    workload,
)

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
_replicas = Option("replicas", number(0, 1000, "the number of replicas"))
_to_revision = Option("to_revision", number(1, 999_999, "the revision"))


def _set_image(operands: list[str]) -> Arguments:
    if len(operands) != 2:
        raise Wrong("it needs one <kind>/<name> and one image")
    found = workload(operands[:1])
    container, equals, image = operands[1].rpartition("=")
    if equals:
        found["container"] = read_name(container)
    elif not re.search(r"[/:@]", image):
        raise Wrong("write <container>=<image>, or the image with its tag")
    found["image"] = matching(_IMAGE, "image")(image)
    return found


def _image_set(left: Arguments) -> list[str]:
    words = [f"{left.pop('kind')}/{left.pop('name')}"]
    container, image = left.pop("container", None), left.pop("image")
    return [*words, f"{container}={image}" if container else str(image)]


_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]{0,250}=.{0,1000}")
_GONE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]{0,249}-")
_AMOUNTS = re.compile(
    r"[a-z0-9][a-z0-9./-]*=[0-9.]+[A-Za-z]{0,2}(?:,[a-z0-9][a-z0-9./-]*=[0-9.]+[A-Za-z]{0,2})*"
)
_container = Option("container", read_name)
_amounts = matching(_AMOUNTS, "list of amounts such as cpu=250m,memory=512Mi")


_PAIR = re.compile(r"[A-Za-z0-9][-A-Za-z0-9./_]{0,316}=.{0,4000}")
_KEY_GONE = re.compile(r"[A-Za-z0-9][-A-Za-z0-9./_]{0,316}-")


def _pairs(argument: str) -> Callable[[list[str]], Arguments]:
    def read(operands: list[str]) -> Arguments:
        found, rest = workload(operands[:1]), operands[1:]
        wrong = [one for one in rest if not (_PAIR if "=" in one else _KEY_GONE).fullmatch(one)]
        if wrong or not rest:
            raise Wrong("write each as key=value, or as key- to remove it")
        wanted: list[JsonValue] = [one for one in rest if "=" in one]
        gone: list[JsonValue] = [one.removesuffix("-") for one in rest if "=" not in one]
        return {
            **found,
            **({argument: wanted} if wanted else {}),
            **({"remove": gone} if gone else {}),
        }

    return read


def _paired(argument: str) -> Callable[[Arguments], list[str]]:
    def written(left: Arguments) -> list[str]:
        words = [f"{left.pop('kind')}/{left.pop('name')}"]
        wanted, gone = left.pop(argument, []), left.pop("remove", [])
        words += [as_word(str(one)) for one in cast("list[str]", wanted)]
        return [*words, *(f"{one}-" for one in cast("list[str]", gone))]

    return written


def _only(kind: str) -> Callable[[list[str]], Arguments]:
    """One <kind>/<name> of this kind."""

    def read(operands: list[str]) -> Arguments:
        found = workload(operands)
        if str(found["kind"]) not in (kind, f"{kind}s", *_SHORT.get(kind, ())):
            raise Wrong(f"it needs one {kind}/<name>")
        return found

    return read


_SHORT = {"deployment": ("deploy",), "cronjob": ("cj",)}


def _one(operands: list[str]) -> Arguments:
    """One object, also as <kind> <name>."""
    if len(operands) == 2:
        return {"kind": read_kind(operands[0]), "name": bare_name(operands[1])}
    return workload(operands)


def _one_of(*words: str) -> Callable[[str], JsonValue]:
    def read(value: str) -> JsonValue:
        if value.lower() not in words:
            raise Wrong(f"{quoted(value)} is none of {', '.join(words)}")
        return value.lower()

    return read


_KINDS_THAT_END = {"pod": "pod", "pods": "pod", "po": "pod", "job": "job", "jobs": "job"}


def _pod(operands: list[str]) -> Arguments:
    kind, slash, name = operands[0].partition("/") if len(operands) == 1 else ("", "", "")
    if not slash or _KINDS_THAT_END.get(kind.lower()) != "pod":
        raise Wrong("it needs one pod/<name>; for a whole workload: rollout restart")
    return {"name": read_name(name)}


def _pod_name(left: Arguments) -> list[str]:
    return [f"pod/{left.pop('name')}"]


def _job(operands: list[str]) -> Arguments:
    if len(operands) > 1:
        raise Wrong("it takes one name for the job, or none")
    return {"job": bare_name(operands[0])} if operands else {}


def _job_name(left: Arguments) -> list[str]:
    return [str(left.pop("job"))] if "job" in left else []


def _from(value: str) -> JsonValue:
    kind, slash, name = value.partition("/")
    if not slash or kind.lower() not in ("cronjob", "cronjobs", "cj"):
        raise Wrong("a job is made from cronjob/<name>")
    return read_name(name)


def _finished(operands: list[str]) -> Arguments:
    kind = _KINDS_THAT_END.get(operands[0].lower()) if len(operands) == 1 else None
    if kind is None:
        raise Wrong("it needs pods or jobs")
    return {"kind": kind}


def _kind_only(left: Arguments) -> list[str]:
    return [f"{left.pop('kind')}s"]


def _running_pod(operands: list[str]) -> Arguments:
    if len(operands) != 1:
        raise Wrong("it needs one pod, and the command behind --")
    kind, slash, name = operands[0].rpartition("/")
    if slash and _KINDS_THAT_END.get(kind.lower()) != "pod":
        raise Wrong(
            f"it needs one pod by its name, not {quoted(operands[0])}: `get pods` lists them"
        )
    return {"name": read_name(name)}


def _pod_alone(left: Arguments) -> list[str]:
    return [str(left.pop("name"))]


def _text(value: str) -> JsonValue:
    if not value:
        raise Wrong("it is empty")
    return value


def _node(operands: list[str]) -> Arguments:
    if len(operands) != 1:
        raise Wrong("it needs exactly one node")
    return {"name": bare_name(operands[0].removeprefix("node/"))}


def _set_env(operands: list[str]) -> Arguments:
    found, rest = workload(operands[:1]), operands[1:]
    wanted: list[JsonValue] = [one for one in rest if "=" in one]
    gone: list[JsonValue] = [one.removesuffix("-") for one in rest if "=" not in one]
    wrong = [one for one in rest if not (_VARIABLE if "=" in one else _GONE).fullmatch(one)]
    if wrong or not rest:
        raise Wrong("write each variable as KEY=VALUE, or as KEY- to remove it")
    return {**found, **({"env": wanted} if wanted else {}), **({"unset": gone} if gone else {})}


def _env_set(left: Arguments) -> list[str]:
    words = [f"{left.pop('kind')}/{left.pop('name')}"]
    wanted, gone = left.pop("env", []), left.pop("unset", [])
    words += [as_word(str(one)) for one in cast("list[str]", wanted)]
    return [*words, *(f"{one}-" for one in cast("list[str]", gone))]


FORMS = (
    Form(
        ("scale",),
        "k8s_scale",
        "scale <kind>/<name> --replicas <number> [-n <namespace>]",
        "Propose another number of replicas.",
        workload,
        {**EVERYWHERE, "--replicas": _replicas},
        required=("replicas",),
    ),
    Form(
        ("rollout", "undo"),
        "k8s_rollout_undo",
        "rollout undo deployment/<name> [--to-revision <number>] [-n <namespace>]",
        "Propose to go back to an earlier revision.",
        workload,
        {**EVERYWHERE, "--to-revision": _to_revision},
    ),
    Form(
        ("rollout", "restart"),
        "k8s_rollout_restart",
        "rollout restart <kind>/<name> [-n <namespace>]",
        "Propose to replace every pod, one after the other.",
        workload,
        EVERYWHERE,
    ),
    Form(
        ("set", "image"),
        "k8s_set_image",
        "set image <kind>/<name> [<container>=]<image> [-n <namespace>]",
        "Propose another image for a container.",
        _set_image,
        EVERYWHERE,
        written=_image_set,
    ),
    Form(
        ("set", "env"),
        "k8s_set_env",
        "set env <kind>/<name> KEY=VALUE [KEY-] [-c <container>] [-n <namespace>]",
        "Propose other environment variables for a container.",
        _set_env,
        {**EVERYWHERE, "-c": _container, "--container": _container},
        written=_env_set,
    ),
    Form(
        ("set", "resources"),
        "k8s_set_resources",
        "set resources <kind>/<name> [--requests cpu=250m,memory=512Mi] [--limits memory=1Gi] "
        "[-c <container>] [-n <namespace>]",
        "Propose what a container requests and may use.",
        workload,
        {
            **EVERYWHERE,
            "--requests": Option("requests", _amounts),
            "--limits": Option("limits", _amounts),
            "-c": _container,
            "--container": _container,
        },
    ),
    Form(
        ("rollout", "pause"),
        "k8s_rollout_pause",
        "rollout pause deployment/<name> [-n <namespace>]",
        "Propose that changes of a deployment wait.",
        _only("deployment"),
        EVERYWHERE,
    ),
    Form(
        ("rollout", "resume"),
        "k8s_rollout_resume",
        "rollout resume deployment/<name> [-n <namespace>]",
        "Propose that changes of a paused deployment take effect.",
        _only("deployment"),
        EVERYWHERE,
    ),
    Form(
        ("label",),
        "k8s_label",
        "label <kind>/<name> key=value [key-] [-n <namespace>]",
        "Propose other labels.",
        _pairs("labels"),
        EVERYWHERE,
        written=_paired("labels"),
    ),
    Form(
        ("annotate",),
        "k8s_annotate",
        "annotate <kind>/<name> key=value [key-] [-n <namespace>]",
        "Propose other annotations.",
        _pairs("annotations"),
        EVERYWHERE,
        written=_paired("annotations"),
    ),
    Form(
        ("cordon",),
        "k8s_cordon",
        "cordon <node>",
        "Propose that a node gets no new pods.",
        _node,
        CLUSTER,
    ),
    Form(
        ("uncordon",),
        "k8s_uncordon",
        "uncordon <node>",
        "Propose that a node gets pods again.",
        _node,
        CLUSTER,
    ),
    Form(
        ("drain",),
        "k8s_drain",
        "drain <node> [--delete-emptydir-data]",
        "Propose that a node is emptied, as disruption budgets allow.",
        _node,
        {
            **CLUSTER,
            "--delete-emptydir-data": Option("delete_emptydir_data", None),
        },
    ),
    Form(
        ("suspend",),
        "k8s_suspend_cronjob",
        "suspend cronjob/<name> [-n <namespace>]",
        "Propose that a cron job starts no jobs.",
        _only("cronjob"),
        EVERYWHERE,
    ),
    Form(
        ("resume",),
        "k8s_resume_cronjob",
        "resume cronjob/<name> [-n <namespace>]",
        "Propose that a cron job starts jobs again.",
        _only("cronjob"),
        EVERYWHERE,
    ),
    Form(
        ("patch",),
        "k8s_patch",
        "patch <kind>/<name> [--type merge] -p '{\"spec\": …}' [-n <namespace>]",
        "Propose other fields of an object; the patch may stand below in a code block, as YAML.",
        workload,
        {
            **EVERYWHERE,
            "-p": Option("patch", _text),
            "--patch": Option("patch", _text),
            "--type": Option("type", _one_of("strategic", "merge", "json")),
        },
        required=("patch",),
        block="patch",
    ),
    Form(
        ("apply",),
        "k8s_apply",
        "apply [-n <namespace>] [--force-conflicts]",
        "Propose the manifests that stand below in a code block.",
        nothing,
        {**EVERYWHERE, "--force-conflicts": Option("force", None)},
        required=("manifest",),
        block="manifest",
    ),
    Form(
        ("delete",),
        "k8s_delete",
        "delete <kind>/<name> [--cascade orphan] [-n <namespace>]",
        "Propose that an object goes, with what it owns.",
        _one,
        {
            **EVERYWHERE,
            "--cascade": Option("cascade", _one_of("background", "foreground", "orphan")),
        },
    ),
    Form(
        ("autoscale",),
        "k8s_autoscale",
        "autoscale <kind>/<name> --min <number> --max <number> [--cpu-percent 80] [-n <namespace>]",
        "Propose that an autoscaler sets the number of replicas.",
        workload,
        {
            **EVERYWHERE,
            "--min": Option("min", number(1, 1000, "the least number")),
            "--max": Option("max", number(1, 1000, "the most")),
            "--cpu-percent": Option("cpu_percent", number(1, 1000, "the part of the CPU")),
            "--name": Option("autoscaler", read_name),
        },
        required=("min", "max"),
    ),
    Form(
        ("restart",),
        "k8s_restart_pod",
        "restart pod/<name> [-n <namespace>]",
        "Propose that one pod is replaced by another.",
        _pod,
        EVERYWHERE,
        written=_pod_name,
    ),
    Form(
        ("create", "job"),
        "k8s_create_job",
        "create job [<name>] --from cronjob/<name> [-n <namespace>]",
        "Propose to run a cron job's job once, now.",
        _job,
        {**EVERYWHERE, "--from": Option("name", _from)},
        required=("name",),
        written=_job_name,
    ),
    Form(
        ("clean", "up"),
        "k8s_clean_up",
        "clean up pods|jobs [--state failed] [--older-than 1h] [-n <namespace>]",
        "Propose to delete finished or failed pods or jobs.",
        _finished,
        {
            **EVERYWHERE,
            "--state": Option("state", _one_of("finished", "failed", "both")),
            "--older-than": Option("older_than", matching(DURATION, "duration such as 1h")),
        },
        written=_kind_only,
    ),
    Form(
        ("exec",),
        "k8s_exec",
        "exec <pod> [-c <container>] [-n <namespace>] -- <command>",
        "Propose to run one of the allowed commands in a container.",
        _running_pod,
        {**EVERYWHERE, "-c": _container, "--container": _container},
        required=("command",),
        written=_pod_alone,
        tail="command",
    ),
)

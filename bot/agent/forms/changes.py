"""The forms of commands that propose a change."""

import re
from collections.abc import Callable
from typing import cast

from pydantic import JsonValue

from bot.agent.forms.form import (
    CLUSTER,
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
)

"""The forms of commands that propose a change."""

import re

from bot.agent.forms.form import (
    EVERYWHERE,
    Arguments,
    Form,
    Option,
    Wrong,
    matching,
    number,
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
)

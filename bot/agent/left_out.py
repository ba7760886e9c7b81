"""kubectl's verbs that are left out on purpose: why, and the command to use instead. Pure."""

from bot.agent.forms import FORMS

_FOLLOWED = "every change is followed here until it holds"
_TUNNEL = "a tunnel to your own machine cannot go through a chat"
_REASONS = {  # the verb: why it is left out, what takes its place, and that command's tool
    "port-forward": (_TUNNEL, "see what a service reaches", "k8s_network"),
    "proxy": (_TUNNEL, "ask for the object", "k8s_get"),
    "attach": ("a live terminal cannot go through a chat", "read what it wrote", "k8s_logs"),
    "debug": ("a live terminal cannot go through a chat", "let it be diagnosed", "k8s_diagnose"),
    "cp": ("files pass no review and no mask", "run one of the allowed commands", "k8s_exec"),
    "edit": ("a change is seen whole before it is approved", "name the fields", "k8s_patch"),
    "replace": ("it takes away what others have set", "write what shall be", "k8s_apply"),
    "diff": ("every change shows its diff before it is approved", "propose it", "k8s_apply"),
    "run": ("a pod without an owner comes back for nobody", "write a manifest", "k8s_apply"),
    "expose": ("a service is a manifest of a few lines", "write it", "k8s_apply"),
    "wait": (_FOLLOWED, "look how far it is", "k8s_rollout_status"),
}
LEFT_OUT = frozenset(_REASONS)


def left_out(verb: str) -> tuple[str, str]:
    """Why this verb is none here and what to do instead, and the usage of the command for that."""
    why, instead, tool = _REASONS[verb]
    usage = next(form.usage for form in FORMS if form.tool == tool)
    return f"there is no `{verb}` here: {why}; {instead} instead", usage

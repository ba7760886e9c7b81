"""What the demo says: on its page, in #ops, and in the terminal."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.demo.kubeconfig import Context

PEOPLE = {
    "alice": "operator, may approve",
    "bob": "operator, may approve",
    "carol": "operator, may approve",
    "dave": "developer, may ask",
    "gina": "guest",
    "olga": "from another organisation",
}
_TRY = (
    "diagnose -n shop",
    "logs deployment/checkout -n shop --grep FATAL",
    "rollout undo deployment/checkout -n shop",
)
_TRY_YOURS = ("get deployments -A", "events -A", "get pods -A")

# What countersign.yaml beside this file says.
RULES = (
    "Its rules: a change in payments needs two people besides who asked (of alice, bob and carol), "
    "or one of them who breaks the glass; its stateful sets are frozen. The shop is never scaled "
    "to nothing, who approves a scale there may allow the same again, and an image that does not "
    "work goes back by itself."
)

WELCOME = (
    "`checkout` in `shop` is crash-looping since the last deploy, a quarter of an hour ago. "
    "Orders still go through on the old pods. Can somebody have a look and roll it back?"
)

# By provider, as LiteLLM names them: what a model's id needs to be asked at all. Any one will do.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY", "OPENAI_API_BASE"),
    "azure": ("AZURE_API_KEY", "AZURE_AD_TOKEN"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
}


@dataclass(frozen=True)
class Model:
    """The models that were asked for: usable, or `lacking` says what is missing."""

    ids: tuple[str, ...]
    lacking: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Model":
        """From `COUNTERSIGN_MODEL` and the keys beside it."""
        wish = given.get("COUNTERSIGN_MODEL", "")
        ids = tuple(one.strip() for one in wish.split(",") if one.strip())
        for one in ids:
            provider = one.partition("/")[0] if "/" in one else "openai"
            keys = _KEYS.get(provider, ())
            if keys and not any(given.get(key) or given.get(f"{key}_FILE") for key in keys):
                wanted = " or ".join(keys)
                taken = "" if "/" in one else f", taken for openai/{one}"
                return cls(ids, f"COUNTERSIGN_MODEL is {one}{taken}, but {wanted} is not set")
        return cls(ids)

    @property
    def usable(self) -> bool:
        return bool(self.ids) and not self.lacking


def leaves(model: Model, given: Mapping[str, str], context: Context | None) -> str:
    """What leaves this machine, in a sentence or two."""
    if model.usable:
        base = _host(given, model.ids[0])
        through = f" through {base}" if base else ""
        prompts = f"Prompts go to the model {', then '.join(model.ids)}{through}"
    else:
        prompts = ""
    if context is not None:
        asked = f"Requests go to your cluster {context.name} at {context.server}"
        rest = "nothing else leaves this machine."
        return (
            f"{asked}; {prompts[0].lower()}{prompts[1:]}; {rest}"
            if prompts
            else f"{asked}; {rest} {_commands(model)}"
        )
    if prompts:
        return f"{prompts}; nothing else leaves this machine."
    return f"Nothing leaves this machine. {_commands(model)}"


def _host(given: Mapping[str, str], model: str) -> str:
    """Where a model's provider is asked, if it is said; without a user and password in it."""
    provider = (model.partition("/")[0] if "/" in model else "openai").upper()
    for name in (f"{provider}_API_BASE", f"{provider}_BASE_URL"):
        if found := given.get(name, "").strip():
            parts = urlsplit(found)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else name
    return ""


def _commands(model: Model) -> str:
    return (
        f"{model.lacking}: commands only." if model.lacking else "No model is set: commands only."
    )


def suggestions(bot: str, context: Context | None) -> tuple[str, ...]:
    """Three things to try, as one writes them."""
    return tuple(f"@{bot} {command}" for command in (_TRY_YOURS if context else _TRY))


def greeting(
    bot: str, context: Context | None, rules: str, database: Path, *, health: str, restored: bool
) -> str:
    """What the terminal says once the bot has connected."""
    first, second, third = suggestions(bot, context)
    tried = f"Ready. Three things to try in #ops:\n  1. {first}\n  2. {second}\n  3. {third}\n"
    if context is None:
        tried += "     as alice; then switch to bob, above, to approve: who asks may not approve.\n"
        tried += f"{rules}\n"
    elif context.writable:
        tried += f"Changes of {context.name} are allowed; each waits for your Approve.\n"
    else:
        why = "" if sys.stdin.isatty() else " (there is no terminal to type its name at)"
        tried += f"Reads only: no change of {context.name} is possible from here{why}.\n"
    checks = f"DATABASE_URL_FILE={shlex.quote(shown(database))} {_program()} audit verify"
    tried += f"In another terminal, whether its audit is whole:\n  {checks}\n"
    tried += f"Whether the bot can work: {health}/readyz; its figures: {health}/metrics\n"
    if restored:
        tried += "It goes on where it was left; `make demo RESET=1` begins afresh.\n"
    return tried + "Ctrl-C stops everything."


def _program() -> str:
    """How the bot's commands are called here."""
    script = Path(sys.executable).with_name("countersign")
    if script.exists():
        return shlex.quote(shown(script))
    return f"{shlex.quote(shown(Path(sys.executable)))} -m bot"


def say(line: str) -> None:
    """One line in the terminal, now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


_SYSTEM = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROVIDER = re.compile(
    r"[A-Z0-9_]+_(API_KEY|API_KEY_FILE|API_BASE|API_BASE_FILE|BASE_URL|API_VERSION)"
    r"|(AWS|AZURE|VERTEX|VERTEXAI)_[A-Z0-9_]+|GOOGLE_APPLICATION_CREDENTIALS|HF_TOKEN"
)
# What the programs of a kubeconfig, which fetch a token, look at.
_CREDENTIALS = re.compile(
    r"(AWS|AZURE|CLOUDSDK|GOOGLE|KUBE|OCI|XDG|KRB5|ALIBABA|DIGITALOCEAN|LINODE|HTTPS?|NO)_[A-Z0-9_]+"
    r"|USER|LOGNAME|USE_GKE_GCLOUD_AUTH_PLUGIN|(https?|no)_proxy"
)
# What a person may want to try: how long cards live, and how fast things go.
_PASSED_ON = (
    "COUNTERSIGN_CARD_MINUTES",
    "COUNTERSIGN_START_SECONDS",
    "COUNTERSIGN_SETTLE_SECONDS",
)


def passed_on(given: Mapping[str, str], model: Model, context: Context | None) -> dict[str, str]:
    """What the bot inherits of our environment. In the demo no proxy: its Slack and its cluster
    are on this machine.
    """
    own = {name: given[name] for name in _SYSTEM if name in given}
    if model.usable:
        own |= {name: value for name, value in given.items() if _PROVIDER.fullmatch(name)}
        own["COUNTERSIGN_MODEL"] = given["COUNTERSIGN_MODEL"]
    if context is not None:
        own |= {name: value for name, value in given.items() if _CREDENTIALS.fullmatch(name)}
        own["NO_PROXY"] = own["no_proxy"] = ",".join(
            part for part in (given.get("NO_PROXY") or given.get("no_proxy"), "127.0.0.1") if part
        )
        own["KUBECONFIG"] = os.pathsep.join(
            str(Path(part).expanduser().resolve()) for part in context.paths.split(os.pathsep)
        )
    return own | {name: given[name] for name in _PASSED_ON if given.get(name)}

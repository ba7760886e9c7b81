"""`countersign init`: five questions, two files, and what comes next."""

import difflib
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import yaml

from bot.core.errors import BadSettings
from bot.settings import mistakes_in, mistakes_in_file
from bot.slack.manifest import manifest_text

QUESTIONS: Final = ("database", "contexts", "model", "approvers", "channel")
_DATABASE = "postgresql://countersign@localhost/countersign"
_LINE = re.compile(r"^(?:export +)?([A-Z][A-Z0-9_]*)=(.*)$")
_NO_CLUSTER = "none"


@dataclass(frozen=True)
class Question:
    """One question: what is asked, what is taken when nothing is answered, and what is wrong with
    an answer. `shown` stands for a default that may hold a secret.
    """

    name: str
    words: str
    default: str
    mistakes: Callable[[str], list[str]]
    shown: str = ""


class Terminal:
    """Where it is asked and answered: a person, a pipe, or nobody (`asking` false).

    `read` shows a prompt and returns the line that answers it; it raises EOFError at the end.
    """

    def __init__(
        self, *, asking: bool, replacing: bool, read: Callable[[str], str] = input
    ) -> None:
        self._asking = asking
        self._replacing = replacing
        self._line = read

    def answer(self, question: Question, number: int) -> str:
        """A valid answer. Raises `BadSettings` when input ends, or a default is wrong unasked."""
        if not self._asking:
            if wrong := question.mistakes(question.default):
                raise BadSettings(wrong)
            return question.default
        say(f"\n{number}/{len(QUESTIONS)}  {question.words}")
        while True:
            shown = question.shown or question.default
            text = self._read(f"     [{shown}] > ") or question.default
            wrong = question.mistakes(text)
            if not wrong:
                return text
            for one in wrong:
                say(f"     ⛔ {one}")

    def may_replace(self, path: Path) -> bool:
        """Whether a file that is there may be written anew; nobody is asked in vain."""
        if self._replacing:
            return True
        if not self._asking:
            raise BadSettings(
                [f"{path} is there already: --force replaces it, --folder writes elsewhere."]
            )
        return self._read(f"\n{path} is there already. Replace it? [y/N] > ").lower() in {
            "y",
            "yes",
        }

    def _read(self, prompt: str) -> str:
        try:
            return self._line(prompt).strip()
        except EOFError:
            raise BadSettings(["The answers ended too early; nothing was written."]) from None


def take(
    terminal: Terminal, given: Mapping[str, str], folder: Path, around: Mapping[str, str]
) -> None:
    """Ask what is not `given`, write both files, say what comes next.

    `around` is the environment: what is set there is the default. Raises `BadSettings`.
    """
    if not folder.is_dir():
        raise BadSettings([f"--folder: {folder} is no folder."])
    kubeconfig = _kubeconfig(around)
    contexts = _contexts(kubeconfig)
    questions = _questions(around, kubeconfig, contexts)
    answers = {name: text.strip() for name, text in given.items()}
    if wrong := [
        f"--{question.name}: {one}"
        for question in questions
        if question.name in answers
        for one in question.mistakes(answers[question.name])
    ]:
        raise BadSettings(wrong)
    for number, question in enumerate(questions, 1):
        if question.name not in answers:
            answers[question.name] = terminal.answer(question, number)
    config, secrets = folder.resolve() / "countersign.yaml", folder.resolve() / ".env"
    texts = {
        config: _yaml(answers),
        secrets: _environment(answers, config, kubeconfig, around, _lines_of(secrets)),
    }
    allowed = {path: not path.exists() or terminal.may_replace(path) for path in texts}
    say("")
    for path, text in texts.items():
        mode, only = (0o600, " (only you can read it)") if path == secrets else (0o644, "")
        fresh = _write(path, text, mode)
        if allowed[path]:
            _put(fresh, path)
            say(f"Written: {path}{only}")
        else:
            say(f"Not replaced: {path}. What it would be: {fresh}{only}")
    say(_next(answers, secrets))


def say(line: str) -> None:
    """One line for whoever sits there."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# --- the questions --------------------------------------------------------------------------------


def _questions(
    around: Mapping[str, str], kubeconfig: str, contexts: Mapping[str, bool]
) -> list[Question]:
    current = next((name for name, is_current in contexts.items() if is_current), _NO_CLUSTER)
    known = ", ".join(contexts) or "it names none, or is not there"
    return [
        Question(
            "database",
            "Where is the database? A PostgreSQL 15 or newer, empty, and a role that owns it.",
            around.get("DATABASE_URL", "") or _DATABASE,
            lambda text: mistakes_in("DATABASE_URL", text),
            shown="the one in DATABASE_URL" if around.get("DATABASE_URL") else "",
        ),
        Question(
            "contexts",
            f"Which clusters? Contexts of {kubeconfig}, separated by commas, or `none`.\n"
            f"     Known: {known}.",
            current,
            lambda text: _wrong_contexts(text, tuple(contexts), kubeconfig),
        ),
        Question(
            "model",
            "Which language model? An id as LiteLLM writes it (openai/gpt-4.1-mini,\n"
            "     anthropic/claude-sonnet-4-5), several in the order in which they are asked;\n"
            "     nothing: the bot understands commands only.",
            around.get("COUNTERSIGN_MODEL", ""),
            lambda text: mistakes_in("COUNTERSIGN_MODEL", text),
        ),
        Question(
            "approvers",
            "Who may approve changes? User-group ids (S…), or user ids (U…, in a profile's menu),\n"
            "     separated by commas; nothing: nobody yet.",
            around.get("COUNTERSIGN_APPROVERS", ""),
            lambda text: mistakes_in("COUNTERSIGN_APPROVERS", text) if text else [],
        ),
        Question(
            "channel",
            "In which channel shall approvers see every card, besides the thread it belongs to?\n"
            "     Its id (C…, at the end of the channel's details); nothing: in none.",
            "",
            lambda text: mistakes_in_file({"approvals": {"channel": text}}) if text else [],
        ),
    ]


def _kubeconfig(around: Mapping[str, str]) -> str:
    """The first of `KUBECONFIG`'s files, or the usual one; absolute."""
    first = (around.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)[0]
    return str(Path(first).expanduser().absolute())


def _contexts(kubeconfig: str) -> dict[str, bool]:
    """The contexts of a kubeconfig and which one is the current; none where it cannot be read."""
    try:
        found = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        return {
            str(one["name"]): one["name"] == found.get("current-context")
            for one in found["contexts"]
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def _wrong_contexts(text: str, known: tuple[str, ...], kubeconfig: str) -> list[str]:
    chosen = _split(text)
    if chosen == [_NO_CLUSTER]:
        return []
    if not chosen:
        return ["contexts, or `none`, are expected."]
    if not known:
        return [
            f"No kubeconfig can be read at {kubeconfig}: answer `none`, or set KUBECONFIG first."
        ]
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            return [f"{kubeconfig} has no context {name}. Known: {', '.join(known)}.{hint}"]
    return mistakes_in_file({"tools": {"kubernetes": {"contexts": chosen}}})


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


# --- the files ------------------------------------------------------------------------------------


def _yaml(answers: Mapping[str, str]) -> str:
    chosen = _split(answers["contexts"])
    tree: dict[str, object] = {}
    if answers["channel"]:
        tree["approvals"] = {"channel": answers["channel"]}
    if chosen != [_NO_CLUSTER]:
        which = {"context": chosen[0]} if len(chosen) == 1 else {"contexts": chosen}
        tree["tools"] = {"kubernetes": which}
    text = yaml.safe_dump(tree, sort_keys=False) if tree else ""
    return (
        f"# Written by `countersign init`. README.md shows everything that may stand here.\n{text}"
    )


def _environment(
    answers: Mapping[str, str],
    config: Path,
    kubeconfig: str,
    around: Mapping[str, str],
    before: Mapping[str, str],
) -> str:
    """`.env` as a shell reads it. What an earlier one says, and we do not, stays."""
    values = {
        "SLACK_BOT_TOKEN": shlex.quote(around.get("SLACK_BOT_TOKEN", "")),
        "SLACK_APP_TOKEN": shlex.quote(around.get("SLACK_APP_TOKEN", "")),
        "DATABASE_URL": shlex.quote(answers["database"]),
        "COUNTERSIGN_MODEL": shlex.quote(answers["model"]),
        "COUNTERSIGN_APPROVERS": shlex.quote(answers["approvers"]),
        "COUNTERSIGN_CONFIG": shlex.quote(str(config)),
        **{name: shlex.quote(around.get(name, "")) for name in _keys(answers["model"])},
    }
    if answers["contexts"] != _NO_CLUSTER:
        values["KUBECONFIG"] = shlex.quote(kubeconfig)
    to_fill = {name for name, value in values.items() if value == "''"}
    lines = {**before, **values, **{name: before.get(name, "") for name in to_fill}}
    body = "".join(f"{name}={value}\n" for name, value in lines.items())
    head = "# Written by `countersign init`; holds secrets. In a shell: set -a; . ./.env; set +a"
    return f"{head}\n{body}"


def _keys(model: str) -> list[str]:
    """The variables in which the models' keys are looked for."""
    providers = [one.partition("/")[0] if "/" in one else "openai" for one in _split(model)]
    names = [re.sub(r"[^A-Z0-9]", "_", provider.upper()) for provider in providers]
    return [f"{name}_API_KEY" for name in dict.fromkeys(names)]


def _lines_of(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return {found[1]: found[2] for line in text.splitlines() if (found := _LINE.match(line))}


def _write(path: Path, text: str, mode: int) -> Path:
    """Write it beside where it belongs; readable by others only where `mode` says so, whatever the
    shell's mask: a container's user is another one.
    """
    fresh = path.with_name(f"{path.name}.new")
    with _told(path):
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600, exist_ok=False)
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
    return fresh


def _put(fresh: Path, path: Path) -> None:
    """Put it where it belongs, whole or not at all."""
    with _told(path):
        fresh.replace(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSettings([f"{path} cannot be written: {error.strerror}."]) from error


# --- what comes next ------------------------------------------------------------------------------


def _next(answers: Mapping[str, str], secrets: Path) -> str:
    program = _program()
    steps = [
        (
            f"Create the Slack app; this link has the manifest in it:\n\n{app_link()}\n\n"
            "     Choose your workspace, Create, Install to Workspace."
        ),
        (
            f"Put two tokens into {secrets}:\n"
            "     SLACK_BOT_TOKEN=xoxb-…  from OAuth & Permissions\n"
            "     SLACK_APP_TOKEN=xapp-…  from Basic Information, App-Level Tokens: make one\n"
            "                             with the scope connections:write"
        ),
    ]
    if keys := _keys(answers["model"]):
        steps.append(f"Put the model's key there too: {', '.join(keys)}.")
    if not answers["approvers"]:
        steps.append("Nobody may approve yet: name somebody in COUNTERSIGN_APPROVERS there.")
    steps += [
        f"set -a; . {_here(secrets)}; set +a      (in a shell; `run` reads no file by itself)",
        f"{program} doctor            (says what is still missing, line by line)",
        f"{program} run",
        "In Slack: /invite @countersign, then ask it: @countersign get pods -n default",
    ]
    if answers["channel"]:
        steps.append(f"Invite it to {answers['channel']} as well, for the cards.")
    numbered = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
    return f"\nWhat comes next:\n\n{numbered}"


def _here(path: Path) -> str:
    """A file as a shell finds it from where one is now."""
    is_beside = path.parent == Path.cwd()
    return f"./{path.name}" if is_beside else shlex.quote(str(path))


def _program() -> str:
    """What one types to start it again."""
    typed = sys.argv[0]
    is_ours = Path(typed).name == "countersign"
    return typed if is_ours and typed != shutil.which("countersign") else "countersign"


def app_link() -> str:
    """The page on which Slack makes the app, with the manifest filled in."""
    text = manifest_text()
    if not text:
        return "https://api.slack.com/apps?new_app=1 (From a manifest: paste manifest.yml)"
    manifest = json.dumps(yaml.safe_load(text), separators=(",", ":"))
    return f"https://api.slack.com/apps?new_app=1&manifest_json={quote(manifest, safe='')}"

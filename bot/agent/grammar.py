"""The grammar of direct commands: what a whole message must look like to be one. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from bot.agent import control
from bot.agent.forms import FORMS, Arguments, Form, Wrong, as_word, quoted
from bot.agent.forms.form import is_strange, unknown_kind
from bot.agent.left_out import LEFT_OUT, left_out
from bot.agent.vocabulary import KINDS, OF_NO_NAMESPACE, is_slip
from bot.core.text import visible
from bot.guard.masking import IS_MASK

__all__ = [
    "FORMS",
    "Command",
    "Form",
    "Miss",
    "nearest",
    "parse",
    "render",
    "strange_kind",
    "usage",
]


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


# Phones turn -- into a dash and straight quotes into curved ones.
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'", "\u00a0": " "})
_DASH = re.compile(r"(?<![^\s])[—–](?=[A-Za-z])")
_TOKEN = re.compile(r"""((?:[^\s"']|"[^"]*"|'[^']*')+)""")
_BLOCK = re.compile(
    r"(?P<line>[^\n`]+)\n?[ ]*```(?:[a-z]{1,10}\n|\n)?(?P<block>.*?)\n?```\s*", re.DOTALL
)
_ENDS = ("--", "—", "–")  # of the flags; phones turn the first into the others
# What people write is masked before it is read: to go on with the mask would be to write that.
_CREDENTIAL = (
    "what it holds looks like a credential, which was masked and is not kept; make a Secret of it "
    "yourself, and refer to that"
)
LONGEST = 2000
LONGEST_BLOCK = 30_000


def parse(text: str, *, alone: bool = False) -> Command | Miss | None:
    """Return the command that the whole of `text` is.

    `Miss`: it starts like one but is none; only for a bot without a model, which would otherwise
    have answered. None: it is something else. `alone`: no model reads what is no command, so any
    word in the place of a kind may be one of the cluster's own.
    """
    line, block = _with_block(text.replace("\r\n", "\n"))
    if len(line) > LONGEST or len(text) > LONGEST_BLOCK or not _is_plain(text):
        return None
    try:
        written = _words(line)
        words = _without_kubectl(written)
    except Wrong as wrong:
        form = _started(_without_kubectl(line.split()))
        return Miss(str(wrong), form.usage) if form else None
    form = _started(words)
    if form is None:
        verb = words[0].lower() if words else ""
        return Miss(*left_out(verb)) if verb in LEFT_OUT else None
    if IS_MASK.search(text):
        return Miss(_CREDENTIAL, form.usage)
    if not form.begins([w.lower() for w in words]):
        return Miss(_second_word(words[0].lower()), form.usage)
    try:
        command = Command(form.tool, _arguments(form, words[len(form.words) :], block))
    except Wrong as wrong:
        return Miss(str(wrong), form.usage)
    strange = strange_kind(command)
    if strange and (
        any(is_slip(strange, known) for known in KINDS)
        or not (alone or _is_unmistakable(written, words[len(form.words) :]))
    ):
        return Miss(unknown_kind(strange), form.usage)
    return command


def strange_kind(command: Command) -> str:
    """The kind in a command that only the cluster may know; empty: none."""
    kinds = str(command.arguments.get("kind", "")).split(",")
    return next((kind for kind in kinds if kind and is_strange(kind)), "")


def _is_unmistakable(written: list[str], after: list[str]) -> bool:
    """Whether no sentence is written so: "get coffee" may be one, "get coffee -n shop" is none."""
    return written[0].lower() == "kubectl" or any("/" in w or w.startswith("-") for w in after)


def _second_word(first: str) -> str:
    *others, last = [f"`{form.words[1]}`" for form in FORMS if form.words[0] == first]
    known = f"{', '.join(others)} or {last}" if others else last
    return f"after `{first}` comes {known}"


def takes_namespace(command: Command) -> bool:
    """Whether kubectl would take its default namespace where a command names none."""
    form = next((one for one in FORMS if one.tool == command.tool), None)
    if form is None or "-n" not in form.options or command.arguments.get("all_namespaces"):
        return False
    # a manifest says itself what it is of
    return form.block != "manifest" and command.arguments.get("kind") not in OF_NO_NAMESPACE


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
    words += form.written(left)
    tail = cast("list[str]", left.pop(form.tail, [])) if form.tail else []
    block = f"\n```\n{left.pop(form.block)}\n```" if form.block in left else ""
    for argument, value in left.items():
        flag, option = next((f, o) for f, o in form.options.items() if o.argument == argument)
        words.append(flag)
        if option.read is not None:
            words.append(as_word(str(value)))
    words += ["--", *tail] if tail else []
    return " ".join(words) + block


def _with_block(text: str) -> tuple[str, str | None]:
    """The line of a command, and what stands below it in a code block."""
    found = _BLOCK.fullmatch(text)
    return (found["line"], found["block"]) if found else (text, None)


def _is_plain(text: str) -> bool:
    return visible(text) == text.replace("\r\n", "\n")


def _words(text: str) -> list[str]:
    # A dash is a flag's only where it starts a word outside of quotes; a lone letter's is short.
    plain = text.translate(_QUOTES).strip()
    if "\n" in plain or "\r" in plain:
        raise Wrong("a command is one line")
    if _TOKEN.sub("", plain).strip():
        raise Wrong("a quote is not closed")
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
    lowered = [w.lower() for w in words[:3]]
    if not lowered:
        return None
    whole = (f for f in FORMS if f.begins(lowered))
    return next(whole, next((f for f in FORMS if f.words[0] == lowered[0]), None))


def _arguments(form: Form, words: list[str], block: str | None) -> Arguments:
    operands: list[str] = []
    flags: Arguments = {}
    rest = iter(words)
    for word in rest:
        if form.tail and word in _ENDS:
            flags[form.tail] = [_unquoted(one) for one in rest] or None
        elif word.startswith("-"):
            argument, value = _flag(form, word, rest)
            if not argument:
                operands.append(str(value))
                continue
            if argument in flags:
                raise Wrong(f"{argument} is given twice")
            flags[argument] = value
        else:
            operands.append(_unquoted(word))
    found = {**form.operands(operands), **flags}
    if block is not None:
        if not form.block or form.block in found:
            raise Wrong("it takes no code block")
        found[form.block] = block
    _complete(form, found)
    return found


def _complete(form: Form, found: Arguments) -> None:
    """Raise `Wrong` for what is missing, and for what does not go together."""
    for argument in form.required:
        if found.get(argument) is None:
            ways = {
                form.block: f"write the {argument} below it, in a code block",
                form.tail: f"the {argument} is missing: write it behind --",
            }
            raise Wrong(ways.get(argument, f"--{argument} is missing"))
    if form.either and not any(argument in found for argument in form.either):
        raise Wrong(f"a {' or a '.join(form.either)} is missing")
    if found.get("all_namespaces") and ("namespace" in found or "name" in found):
        raise Wrong("-A goes with neither a namespace nor a name")


def _flag(form: Form, word: str, rest: Iterator[str]) -> tuple[str, JsonValue]:
    flag, equals, attached = word.partition("=")
    option = form.options.get(flag) or form.options.get(flag.lower())
    if option is None and _is_attached(form, flag):
        flag, equals, attached = word[:2], "=", word[2:]
        option = form.options[flag]
    if option is None:
        raise Wrong(f"{quoted(flag)} is unknown here")
    if option.read is None:
        if equals:
            raise Wrong(f"`{flag}` takes no value")
        return option.argument, option.value
    value = attached if equals else next(rest, None)
    is_flag = value is not None and re.match(r"-(?!\d)", value) is not None
    if value is None or (is_flag and not equals):
        raise Wrong(f"`{flag}` needs a value")
    return option.argument, option.read(_unquoted(value))


def _is_attached(form: Form, flag: str) -> bool:
    """Whether a value stands right behind a short flag: `-nshop`; never a long flag's slip."""
    option = form.options.get(flag[:2])
    return option is not None and option.read is not None and f"-{flag}" not in form.options


def _unquoted(word: str) -> str:
    return re.sub(r""""([^"]*)"|'([^']*)'""", lambda m: m[1] if m[1] is not None else m[2], word)

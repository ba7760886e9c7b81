"""Did you mean …: a line that is no command with its words corrected, if then it is one. Pure.

The corrected line is shown to people and never executed.
"""

import re
from collections.abc import Iterable, Iterator

from bot.agent import control
from bot.agent.grammar import FORMS, Command, Form, Miss, nearest, parse, strange_kind
from bot.agent.vocabulary import KINDS, TALK, slips

_LONGEST = 300
_VERBS = tuple(dict.fromkeys([form.words[0] for form in FORMS] + list(control.NAMES)))
_FIRST = (  # what most questions begin with
    "To look around: `get pods -n <namespace>`, `events -n <namespace>`, "
    "`logs deployment/<name> -n <namespace>`. "
)
_DASHES = str.maketrans({"—": "--", "–": "-"})


def did_you_mean(text: str) -> str | None:
    """The user's own line with misspelt verbs, kinds and flags corrected; None without one."""
    line = " ".join(text.split())
    if not line or len(line) > _LONGEST or "`" in line or _is_one(text):
        return None
    words = line.split(" ")
    start = 1 if words[0].lower() == "kubectl" else 0
    verbs = _near(words[start].lower(), _VERBS) if len(words) > start else ()
    fixed = (one for verb in verbs for one in _with_verb(words[:start], verb, words[start + 1 :]))
    found = [one for one in fixed if one != line and _is_one(one)]
    # a kind that only the cluster may know is more likely another slip
    return next((one for one in found if not _is_strange(one)), next(iter(found), None))


def advice(text: str) -> str:
    """What somebody is told whose words are no command, where no model reads them."""
    meant, missed = did_you_mean(text), parse(text)
    hint = f"Did you mean `{meant}`? " if meant else ""
    if isinstance(missed, Miss):
        usage = nearest(meant) if meant else missed.usage
        return f"I could not do that: {missed.wrong}. {hint}Usage: `{usage}`"
    near = nearest(text)
    hint = hint or (_FIRST if near == "help" else f"Nearest: `{near}`. ")
    return f"No model is configured here, so I understand commands only. {hint}`help` lists them."


def _is_one(line: str) -> bool:
    return control.parse_word(line) is not None or isinstance(parse(line), Command)


def _is_strange(line: str) -> bool:
    command = parse(line)
    return isinstance(command, Command) and bool(strange_kind(command))


def _with_verb(before: list[str], verb: str, rest: list[str]) -> Iterator[str]:
    """Every way to go on after a verb."""
    if verb in control.NAMES:
        yield " ".join([verb, *rest])
    for form in FORMS:
        if form.words[0] != verb:
            continue
        if len(form.words) == 1:
            tail = rest
        elif rest and form.words[1] in _near(rest[0].lower(), [form.words[1]]):
            tail = rest[1:]
        else:
            continue
        for operands in _operand_spellings(form, [_flag(form, word) for word in tail]):
            yield " ".join([*before, *form.words, *operands])


def _operand_spellings(form: Form, words: list[str]) -> Iterator[list[str]]:
    """The words as they are with kinds corrected, then put together as <kind>/<name>."""
    places = list(_operands(form, words))
    if not places:
        yield words
        return
    first = places[0]
    for kind in _kinds(words[first]):
        fixed = [*words[:first], kind, *words[first + 1 :]]
        yield fixed
        if len(places) > 1 and places[1] == first + 1 and "/" not in kind:
            name = words[first + 1]
            if kind in KINDS and name not in TALK:
                yield [*words[:first], f"{kind}/{name}", *words[first + 2 :]]
    # a bare name where <kind>/<name> belongs: most people mean a deployment
    bare = words[first]
    if "/<name>" in form.usage and "/" not in bare and bare not in TALK and bare not in KINDS:
        yield [*words[:first], f"deployment/{bare}", *words[first + 1 :]]


def _operands(form: Form, words: list[str]) -> Iterator[int]:
    """The places of what is neither a flag nor a flag's value."""
    value_of_flag = False
    for place, word in enumerate(words):
        if value_of_flag:
            value_of_flag = False
        elif word.startswith("-"):
            option = form.options.get(word.partition("=")[0])
            value_of_flag = option is not None and option.read is not None and "=" not in word
        else:
            yield place


def _kinds(word: str) -> Iterator[str]:
    """An operand with its kind as written, then with near ones."""
    kind, slash, name = word.partition("/")
    yield word
    for near in _near(kind.lower(), KINDS):
        yield f"{near}{slash}{name}"


def _flag(form: Form, word: str) -> str:
    written = word.translate(_DASHES) if re.match(r"[—–][A-Za-z]", word) else word
    if not re.match(r"-{1,2}[A-Za-z]", written):
        return word
    flag, equals, value = written.partition("=")
    if flag in form.options:
        return word
    near = _near(flag.lower().lstrip("-"), [known.lstrip("-") for known in form.options])
    known = next((one for one in form.options if one.lstrip("-") in near[:1]), None)
    return f"{known}{equals}{value}" if known else word


def _near(word: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that `word` is, or is a slip away from, the nearest first."""
    allowed = 0 if len(word) < 3 else 1 if len(word) < 6 else 2
    found = []
    for number, one in enumerate(known):
        if abs(len(one) - len(word)) <= allowed:
            away = slips(word, one)
            if away <= allowed and away < len(one):
                found.append((away, abs(len(one) - len(word)), number, one))
    return [one for *_, one in sorted(found)]

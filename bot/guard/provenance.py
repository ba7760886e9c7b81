"""Where the value of an argument comes from: an allowed person's words, configuration, the world's
own names, or only text that anybody may have written.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import JsonValue


class Origin(StrEnum):
    """The best source in which a value stands. `UNKNOWN`: in none, or it says too little."""

    PERSON = "person"
    CONFIGURATION = "configuration"
    INVENTORY = "inventory"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sources:
    """The texts of a run as they were given to the model, by who could write them."""

    people: tuple[str, ...]  # words of allowed persons in this run's thread
    configuration: tuple[str, ...]  # instructions, bindings, tool enums and defaults, clusters
    inventory: tuple[str, ...]  # names from structured fields of the world's API, no free text
    untrusted: tuple[str, ...]  # logs, events, annotations, alerts, files, others' messages


def origins(arguments: Mapping[str, JsonValue], sources: Sources) -> dict[str, Origin]:
    """Per argument, where its value comes from; `labels.app` and `args.0` name nested ones.

    Linear in the size of the sources. A nested name counts too: one that only untrusted text
    holds makes its value untrusted.
    """
    index = _Index.of(sources)
    found: dict[str, Origin] = {}
    for name, names, value in _leaves(arguments):
        origin = index.origin(value)
        if any(index.origin(one) is Origin.UNTRUSTED for one in names):
            origin = Origin.UNTRUSTED
        # two paths can have one name, {"a.b": 1, "a": {"b": 2}}: the worse of them is told
        found[name] = max(found.get(name, Origin.PERSON), origin, key=_DOUBT.index)
    return found


def only_untrusted(found: Mapping[str, Origin]) -> tuple[str, ...]:
    """The names of the arguments whose value only untrusted text holds, sorted."""
    return tuple(sorted(name for name, origin in found.items() if origin is Origin.UNTRUSTED))


def stored(found: Mapping[str, Origin]) -> dict[str, str]:
    """As JSON, for the input of the policy."""
    return {name: origin.value for name, origin in found.items()}


_DOUBT = (
    Origin.PERSON,
    Origin.CONFIGURATION,
    Origin.INVENTORY,
    Origin.UNKNOWN,
    Origin.UNTRUSTED,
)

# What stands in any log, whoever wrote it: that it does says nothing.
_COMMON = frozenset(
    [
        "0",
        "1",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "null",
        "none",
        "default",
        "latest",
        "stable",
        "main",
        "master",
        "all",
        "any",
        "other",
        "deployment",
        "deployments",
        "deploy",
        "statefulset",
        "statefulsets",
        "sts",
        "daemonset",
        "daemonsets",
        "replicaset",
        "replicasets",
        "pod",
        "pods",
        "job",
        "jobs",
        "cronjob",
        "cronjobs",
        "service",
        "services",
        "svc",
        "node",
        "nodes",
        "namespace",
        "namespaces",
        "configmap",
        "configmaps",
        "secret",
        "secrets",
        "ingress",
        "ingresses",
    ]
)
_SHORT = 3  # characters; a shorter word says too little, a number does not
_BETWEEN = "\0"  # texts, so that no value is found across two
_NAME_AT_MOST = 512  # characters of a name of the world: an image with its digest is 400

_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
_ESCAPE = re.compile(
    r"(?:\x1b|⟨u\+001b⟩)\[[0-9;]*+[a-z]"  # a terminal's colours
    r"|\\[nrt]"  # a line's end in quoted JSON
)
_SHOWN = re.compile("⟨u\\+[0-9a-f]{4,6}⟩")  # as `visible` shows what hides
_TOKEN = re.compile(
    r"""
      [0-9]{1,3}(?:,[0-9]{3})++(?![\w,])             # 5,000
    | [0-9]++(?:\.[0-9]++)?+%                        # 50%
    | [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![\w:.-])   # 10:05, which is neither 10 nor 5
    | -(?<![\w.-]-)[0-9]++(?:\.[0-9]++)?+(?![\w.-])  # -5
    | \.[0-9]++(?!\w)                                # .5
    | [^\W_]++(?:(?:\.|[_-]++)[^\W_]++)*+            # web-7f6d, k8s_scale, 2.3.0, 512Mi
    | [^\s"'`´|“”‘’„‚«»‹›]                           # a piece ends here: / : = @ and the like
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"x?(-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?|\.[0-9]{1,30})x?")
_NUMERIC = frozenset("0123456789-.x")  # what a number can begin with
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,29})")
_NAME = re.compile(r"[\w.:/@=-]+")
_TRAILING = frozenset(".,;:!?")
_JOINTS = frozenset("/:@=,")  # between the pieces of `shop/web:2.3.0` and `app=web`


def _normalised(text: str) -> str:
    """One form of what looks the same; look-alikes of other scripts stay what they are."""
    if text.isascii():
        text = text.lower()
    else:
        folded = unicodedata.normalize("NFKC", text).casefold()
        text = _HIDDEN.sub("", unicodedata.normalize("NFKC", folded))
    if "\x1b" in text or "\\" in text or "⟨" in text:
        text = _SHOWN.sub("", _ESCAPE.sub(" ", text))
    return text


def _tokens(text: str) -> list[str]:
    """Its words, numbers and signs; what only quotes is left out."""
    return _TOKEN.findall(_normalised(text))


def _value_tokens(text: str) -> list[str]:
    """Those of a value, without the punctuation that ended somebody's sentence."""
    tokens = _tokens(text)
    while tokens and tokens[-1] in _TRAILING:
        tokens.pop()
    return tokens


def _spaced(tokens: Iterable[str]) -> str:
    """With a space on both sides of each, so that whatever is found is whole."""
    return f" {' '.join(tokens)} "


def _number(token: str) -> str | None:
    """By its value: 5 for `5`, `x5`, `5.0`; None for what is no number."""
    match = _NUMBER.fullmatch(token.replace(",", ""))
    return _plain(match[1]) if match else None


def _plain(number: str) -> str:
    if "." in number:
        number = number.rstrip("0").rstrip(".")
        number = f"0{number}" if number.startswith(".") else number
    return "0" if number in {"-0", ""} else number


@dataclass(frozen=True)
class _Words:
    """The texts of one source, ready to be looked into."""

    text: str
    tokens: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        tokens = _tokens(_BETWEEN.join(texts))
        distinct = frozenset(tokens)
        numbers = (_number(token) for token in distinct if token[0] in _NUMERIC)
        return cls(_spaced(tokens), distinct, frozenset(n for n in numbers if n is not None))

    def hold(self, tokens: list[str]) -> bool:
        if not self.tokens.issuperset(tokens):
            return False
        return len(tokens) == 1 or _spaced(tokens) in self.text


@dataclass(frozen=True)
class _Index:
    """All sources of one run."""

    people: _Words
    configuration: _Words
    inventory: _Words
    untrusted: _Words

    @classmethod
    def of(cls, sources: Sources) -> Self:
        names = [one for one in sources.inventory if _is_name(one)]
        prose = [one for one in sources.inventory if not _is_name(one)]  # nobody's name
        return cls(
            people=_Words.of(sources.people),
            configuration=_Words.of(sources.configuration),
            inventory=_Words.of(names),
            untrusted=_Words.of([*sources.untrusted, *prose]),
        )

    def origin(self, value: JsonValue) -> Origin:
        """Where one value that is no list or object comes from."""
        match value:
            case bool():
                return self._of_word(["true" if value else "false"])
            case int():
                return self._of_number(str(Decimal(value)))
            case float():
                return self._of_number(format(Decimal(repr(value)), "f"))
            case str():
                tokens = _value_tokens(value)
                if len(tokens) == 1 and _INTEGER.fullmatch(tokens[0]):
                    return self._of_number(tokens[0])
                return self._of_word(tokens)
            case _:
                return Origin.UNKNOWN

    def _of_number(self, written: str) -> Origin:
        """By value. The world's names vouch for none: the 7 of `redis:7` is no count."""
        number = _plain(written)
        if number in self.people.numbers:
            return Origin.PERSON
        if number in self.configuration.numbers:
            return Origin.CONFIGURATION
        if number in self.untrusted.numbers and number not in _COMMON:
            return Origin.UNTRUSTED
        return Origin.UNKNOWN

    def _of_word(self, tokens: list[str]) -> Origin:
        if not any(token[0].isalnum() for token in tokens):
            return Origin.UNKNOWN
        pieces = _pieces(tokens)
        trusted = self._trusted(tokens)
        if trusted is None and len(pieces) > 1:
            trusted = self._composed(tokens, pieces)
        if trusted is not None:
            return trusted
        untrusted = any(
            self._says_something(one) and self._trusted(one) is None and self.untrusted.hold(one)
            for one in (tokens, *pieces)
        )
        return Origin.UNTRUSTED if untrusted else Origin.UNKNOWN

    def _trusted(self, tokens: list[str]) -> Origin | None:
        if self.people.hold(tokens):
            return Origin.PERSON
        if self.configuration.hold(tokens):
            return Origin.CONFIGURATION
        return Origin.INVENTORY if self.inventory.hold(tokens) else None

    def _composed(self, tokens: list[str], pieces: list[list[str]]) -> Origin | None:
        """Of a value put together: "set web to 2.3.0" means `shop/web:2.3.0` where that runs.

        People or configuration must have said every piece, or what is behind the last colon while
        the world knows what is before it. A choice among the world's names is nobody's word.
        """
        said = [self._trusted(piece) for piece in pieces]
        if all(origin in {Origin.PERSON, Origin.CONFIGURATION} for origin in said):
            return max((one for one in said if one is not None), key=_DOUBT.index)
        before, after = tokens[: -len(pieces[-1]) - 1], pieces[-1]
        joint = tokens[-len(after) - 1]
        tagged = joint in {":", "@"} and bool(before) and self._trusted(before) is not None
        if tagged and said[-1] in {Origin.PERSON, Origin.CONFIGURATION}:
            return Origin.INVENTORY
        return None

    @staticmethod
    def _says_something(tokens: list[str]) -> bool:
        if len(tokens) != 1:
            return bool(tokens)
        return len(tokens[0]) >= _SHORT and tokens[0] not in _COMMON


def _is_name(text: str) -> bool:
    return len(text) <= _NAME_AT_MOST and _NAME.fullmatch(text) is not None


def _pieces(tokens: list[str]) -> list[list[str]]:
    """`shop/web:2.3.0` as shop, web and 2.3.0; one piece for what has no joints."""
    pieces: list[list[str]] = [[]]
    for token in tokens:
        if token in _JOINTS:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [piece for piece in pieces if piece]


def _leaves(
    arguments: Mapping[str, JsonValue],
) -> Iterator[tuple[str, tuple[str, ...], JsonValue]]:
    """Each value that holds no other, with its dotted name and the names inside objects on its way.

    An empty list or object is a value too. Without recursion: what a model sends can be deep.
    """
    waiting: list[tuple[str, tuple[str, ...], JsonValue]] = [
        (name, (), value) for name, value in reversed([*arguments.items()])
    ]
    while waiting:
        name, names, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(f"{name}.{k}", (*names, k), v) for k, v in reversed([*value.items()])]
        elif isinstance(value, list) and value:
            waiting += [(f"{name}.{n}", names, v) for n, v in reversed([*enumerate(value)])]
        else:
            yield name, names, value

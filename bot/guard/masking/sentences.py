"""Credentials that people tell each other: `the password is hunter2`, `log in with admin / x`.

Only where it is precise enough. After a noun such as *password* and a verb, a value in quotes or
backticks counts, and a bare one that no word of a language looks like: letters with digits among
them, six characters at least for a password and sixteen for a token or key. A password that is one
plain word, said without quotes, stays: nothing tells it from "the password is wrong".
"""

import re
from collections.abc import Iterator

from .spans import MASK, Span, compiled, is_placeholder

SENTENCE_HINTS = r"wort|credential|log[ \-]?in|creds"
_NOUN = (
    r"(pass(?:word|phrase|code|wort)?|pwd|pw|passwort|kennwort|token|secret|credentials?"
    r"|(?:api|access|secret|auth|private|license|licence|account|storage)[ _\-](?:key|token))"
)
# "for staging", "of the database": what it opens.
_OF = r"((?:[ \t]+(?:for|of|on|in|to|auf|von)[ \t]+(?:the[ \t]+|our[ \t]+)?[\w.\-/@]+){0,2})"
_VERB = (
    r"(?:[ \t]+(?:is|was|are|ist|war|lautet|has|been|be|now|still|currently|changed|reset|set"
    r"|updated|rotated|to|auf|jetzt)\b){1,5}[ \t]*:?"
)
_SAID = compiled(
    rf"(?i)\b{_NOUN}{_OF}(?:{_VERB}|([ \t]*[:=]))[ \t]*(?:\r?\n[ \t>]*)?"
    r"([\"'`*]{0,2})([^\s\"'`]{4,})"
)
_WITH = compiled(
    r"(?i)\b(?:log(?:ged)?[ \-]?in|credentials?|creds|user(?:name)?[ \t]*/[ \t]*pass(?:word)?)\b"
    r"[^\r\n/:]{0,30}[ \t:][\"'`]?[\w.\-@]{2,40}[\"'`]?[ \t]*/[ \t]*[\"'`]?([^\s\"'`]{6,})"
)
_SHORTEST, _SHORTEST_TOKEN = 6, 16  # characters of a bare value
_SHORT = frozenset({b"pw"})
_QUOTES = frozenset({b'"', b"'", b"`"})
_END = b".,;:!?)]}>*"
_LOOKS = re.compile(rb"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[!-~]+\Z")
# A date, a time, a size, a version, an address, a path: these have digits and letters too.
_PLAIN = re.compile(
    rb"(?i)\d+(?:[.:,\-/T]\d+)*[a-z%]{0,5}|v?\d+(?:\.\d+)+\S*|[a-z][a-z0-9+.\-]*://.*|\.{0,2}/.*"
    rb"|\d{4}-\d\d-\d\dT.*|[\w.\-]+@[\w.\-]+\.[a-z]+|.*\(.*"
)


def by_sentence(text: bytes) -> Iterator[Span]:
    """Values that a sentence says are credentials."""
    for match in _SAID.finditer(text):
        noun, opens, sign, quote, value = (match[group] or b"" for group in range(1, 6))
        if sign and not opens and noun.lower() not in _SHORT and b" " not in noun:
            continue  # `password: …` is for those who look for names
        start, end = match.span(5)
        end -= len(value) - len(value.rstrip(_END))
        quoted = quote[:1] in _QUOTES and text[end : end + 1] == quote[:1]
        noun = noun.lower()
        shortest = _SHORTEST if noun.startswith((b"pa", b"pw", b"ken")) else _SHORTEST_TOKEN
        if _is_said(text[start:end], quoted=quoted, shortest=shortest):
            yield Span(start, end, MASK)
    for match in _WITH.finditer(text):
        start, end = match.span(1)
        end -= len(match[1]) - len(match[1].rstrip(_END))
        if _is_said(text[start:end], quoted=False, shortest=_SHORTEST):
            yield Span(start, end, MASK)


def _is_said(value: bytes, *, quoted: bool, shortest: int) -> bool:
    if is_placeholder(value.decode("utf-8", "replace")):
        return False
    if quoted:
        return len(value) >= _SHORTEST and not _PLAIN.fullmatch(value)
    return (
        len(value) >= shortest
        and _LOOKS.match(value) is not None
        and _PLAIN.fullmatch(value) is None
    )

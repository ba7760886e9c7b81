"""Credentials in free text: by their form, by their place, and by the name they are given to.

What scans a whole text is RE2's and asks for no group: then one pass over the text costs the same
however many patterns there are. Only what was found is looked at again, for its kind and its part
that is the credential. Text is searched as bytes: RE2 counts in bytes, every delimiter is ASCII.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import re2

from .assignments import by_name
from .elements import by_element
from .following import by_following
from .pairs import by_pair
from .patterns import FORMS, HASHES, NAME_HINTS, PLACES, WITHIN, WITHIN_LONGEST, Place
from .readings import CODED, back, decoded
from .sentences import SENTENCE_HINTS, by_sentence
from .spans import MASK, Span, apart, apply, compiled, is_placeholder, mask_of

# --- by form: what the issuer made recognisable ----------------------------------------------

# What may stand right before a key and is no part of it, though it ends in a letter: a literal
# "\n" of text that was escaped once too often, a colour, a character written as %3D or \u003d.
_BEFORE = r"\\[nrtfb]|\x1b\[[0-9;]{0,12}m|%[0-9A-Fa-f]{2}|\\u[0-9a-f]{4}"
_BEFORE_AT_END = re.compile(rf"(?:{_BEFORE})\Z".encode())
_WORD_ENDS = re.compile(rb"[A-Za-z0-9_]\Z")
_EVERY_FORM = (*FORMS, *HASHES)
# Where one may begin is found first, with short patterns; only there are the long ones tried. To
# look for those in the whole text would be to find each one's beginning backwards from its end.
_START = compiled("|".join(dict.fromkeys(form.hint for form in _EVERY_FORM)), groups=False)
_FORM = compiled("|".join(form.regex for form in _EVERY_FORM), groups=False)
_HASH = compiled("|".join(form.regex for form in HASHES), groups=False)
_WINDOW = 16_384  # bytes tried at a place: many places that come to nothing must not add up
_VENDORS = ("proj-", "svcacct-", "admin-", "or-v1-", "lf-")
# The endings that controllers give to the names of pods.
_POD_NAME = re.compile(
    r"-[bcdf-hj-np-tv-xz24-9]{5,10}(?:-[bcdf-hj-np-tv-xz24-9]{5})?$|-[a-f0-9]{8,10}-[a-z0-9]{5}$"
)
_AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9/+=_\-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_\-])")


def _alternatives(patterns: tuple[str, ...]) -> "re2._Set":
    """What tells which of the patterns a text matches from end to end."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    made = re2.Set.FullMatchSet(options)
    for pattern in patterns:
        made.Add(pattern.encode("ascii"))
    made.Compile()
    return made


_WHICH_FORM = _alternatives(tuple(form.regex for form in _EVERY_FORM))


def _by_form(text: bytes) -> Iterator[Span]:
    at = 0
    while start := _START.search(text, at):
        at = start.start()
        form = _FORM if _is_edge(text, at) else _HASH
        match = form.match(text, at, at + _WINDOW)
        if match is None:
            at += 1
            continue
        end = match.end() if match.end() < at + _WINDOW else form.match(text, at).end()
        found = text[at:end]
        which = _WHICH_FORM.Match(found)
        kind = _EVERY_FORM[min(which)].kind if which else ""
        if _passes(kind, found):
            yield Span(at, end, mask_of(kind) if kind else MASK)
            if kind == "AWS key":
                yield from _aws_secret_after(text, end)
        at = end


def _is_edge(text: bytes, at: int) -> bool:
    """Say whether a word may begin at a place."""
    before = text[max(0, at - 16) : at]
    return not _WORD_ENDS.search(before) or _BEFORE_AT_END.search(before) is not None


def _passes(kind: str, found: bytes) -> bool:
    """Say whether a find of a loose form also looks the part."""
    if kind == "API key":
        text = found[3:].decode("ascii")
        random = any(c.isdigit() for c in text) and not _POD_NAME.search(text)
        return random or text.startswith(_VENDORS)
    if kind == "private key":  # a certificate begins alike and may be seen
        return b"PRIVATE KEY" in _decoded(found[:64])
    return True


def _aws_secret_after(text: bytes, at: int) -> Iterator[Span]:
    """The secret half of a key has no prefix; near its id it is known by its length and mixture."""
    near = _AWS_SECRET.search(text, at, at + 300)
    if near and not near[0].islower() and not near[0].isupper():
        yield Span(near.start(), near.end(), mask_of("AWS secret key"))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""


_MARKED = tuple((w, w.mark.encode(), re.compile(w.regex.encode())) for w in WITHIN)


def _by_mark(text: bytes) -> Iterator[Span]:
    """Forms that begin like any word: their mark is found first, then what is around it."""
    for within, mark, regex in _MARKED:
        at, done = text.find(mark), 0
        while at >= 0:
            start = max(done, at - within.lead)
            found = regex.search(text, start, at + WITHIN_LONGEST)
            if found and found.start() <= at < found.end():
                yield Span(found.start(), found.end(), mask_of(within.kind))
                done = found.end()
            at = text.find(mark, max(at + len(mark), done))


# --- private keys over several lines ---------------------------------------------------------

_PEM_BEGIN = compiled(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# Of a key whose end is missing: everything that still looks like its lines, and where the text
# was cut off the beginning of one.
_PEM_REST = compiled(
    r"(?:(?:\s|\\+[nr]|[>|\-+])*[A-Za-z0-9+/=]{20,})*"
    r"(?:(?:\s|\\+[nr]|[>|\-+])+[A-Za-z0-9+/=]{1,76}\z)?"
)
_PEM_LONGEST = 16_384  # bytes


def _private_keys(text: bytes) -> Iterator[Span]:
    begins = [match.span() for match in _PEM_BEGIN.finditer(text)]
    for (start, after), (following, _) in pairwise([*begins, (len(text), 0)]):
        last = _PEM_END.search(text, after, min(following, after + _PEM_LONGEST))
        end = last.end() if last else _PEM_REST.match(text, after, following).end()
        yield Span(start, end, mask_of("private key"))


# --- by place: what stands where only a credential stands ------------------------------------


class _Several:
    """A few of the places together: one pass looks for all. All in one would be too many states."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        patterns = tuple(place.regex for place in places)
        self._any = compiled("|".join(f"(?:{pattern})" for pattern in patterns), groups=False)
        self._which = _alternatives(patterns)
        self._each = tuple((place, compiled(place.regex)) for place in places)

    def find(self, text: bytes) -> Iterator[Span]:
        """What stands in these places and is a credential."""
        for match in self._any.finditer(text):
            for number in sorted(self._which.Match(match[0])):
                place, regex = self._each[number]
                inner = regex.match(text, *match.span())
                if inner is None or not inner.lastindex:
                    continue
                start, end = inner.span(inner.lastindex)
                if _belongs(place, text, start, end):
                    yield Span(start, end, mask_of(place.kind) if place.kind else MASK)
                    break


_AT_ONCE = 8
_PLACES = tuple(_Several(PLACES[at : at + _AT_ONCE]) for at in range(0, len(PLACES), _AT_ONCE))


def _by_place(text: bytes) -> Iterator[Span]:
    for several in _PLACES:
        yield from several.find(text)


_CHECKS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    # "authorization: token expired" is a sentence
    "scheme": lambda found, _: not (found.isalpha() and found.islower()),
    "digit": lambda found, _: re.search(rb"[0-9=]", found) is not None,
    "mixed": lambda found, _: re.match(rb"(?=.*[0-9])(?=.*[A-Za-z])", found) is not None,
    "pair": lambda found, _: b":" in _decoded(found),  # base64 of user:password
    "jwk": lambda _, text: b"kty" in text,
}


def _belongs(place: Place, text: bytes, start: int, end: int) -> bool:
    """Say whether a find in a place is a credential: no reference, and in loose ones its like."""
    found = text[start:end]
    if is_placeholder(found.decode("utf-8", "replace")):
        return False
    return not place.check or _CHECKS[place.check](found, text)


# --- all together ----------------------------------------------------------------------------

_FINDERS: tuple[Callable[[bytes], Iterator[Span]], ...] = (
    _private_keys,
    _by_form,
    _by_mark,
    _by_place,
    by_name,
    by_following,
    by_pair,
    by_element,
    by_sentence,
)
# Without one of these there is nothing to find.
_HINTS = dict.fromkeys(
    [
        *(form.hint for form in _EVERY_FORM),
        *(re2.escape(within.mark) for within in WITHIN),
        *(f"(?:{place.hint})" for place in PLACES),
        f"(?i:{NAME_HINTS}|{SENTENCE_HINTS})",
    ]
)
_HINT = compiled("|".join(_HINTS), groups=False)
# ... and most strings of a manifest end here.
_HINT_OR_CODE = compiled("|".join([*_HINTS, CODED]), groups=False)
_MOST_ROUNDS = 10


def _found(data: bytes) -> list[Span]:
    if not _HINT.search(data):
        return []
    return [span for find in _FINDERS for span in find(data)]


def _found_coded(data: bytes) -> Iterator[Span]:
    """What is a credential only, or ends elsewhere, once a reader has decoded it."""
    readings = decoded(data)
    for number, reading in enumerate(readings, 1):
        yield from back(readings[:number], iter(_found(reading.text)))


def mask_credentials(text: str) -> tuple[str, int]:
    """Mask what looks like a credential in one text and count the masks; masking twice is once."""
    data = text.encode("utf-8", "surrogatepass")
    if not _HINT_OR_CODE.search(data):
        return text, 0
    count = 0
    # A mask can lay bare the edge of the next credential; nearly all texts take two rounds.
    for _ in range(_MOST_ROUNDS):
        spans = apart(data, [*_found(data), *_found_coded(data)])
        if not spans:
            break
        count += len(spans)
        data = apply(data, spans)
    return (data.decode("utf-8", "surrogatepass"), count) if count else (text, 0)

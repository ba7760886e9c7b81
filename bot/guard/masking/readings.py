"""What a text says to whoever decodes it: a pair stays one under colours, escapes and entities.

The searches know a name, a sign and a value as they are written. Here the same text is read as a
terminal, a browser or a JSON parser will read it, and each place leads back to where it stands.
"""

import html
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from .spans import Span, compiled

_SHOWN = r"\xe2\x9f\xa8U\+"  # what `visible` puts for what hides: ⟨U+001B⟩
_END = r"\xe2\x9f\xa9"
_ESCAPE = rf"(?:\x1b|{_SHOWN}001B{_END}|\\+(?:u001[bB]|x1[bB]|033|e))"
_CSI = rf"(?:{_ESCAPE}\[|\xc2\x9b|{_SHOWN}009B{_END})[0-9;:?]{{0,24}}[A-Za-z]"
_LINK = rf"{_ESCAPE}\][^\x07\x1b\n]{{0,400}}?(?:\x07|{_SHOWN}0007{_END}|{_ESCAPE}\\)"
# What a reader does not see: a letter struck over, control, zero-width and direction characters.
_UNSEEN = (
    rf"[ -~](?:\x08|{_SHOWN}0008{_END})|{_SHOWN}[0-9A-F]{{4,6}}{_END}|[\x00-\x08\x0e-\x1f\x7f]"
    r"|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xc2\xad"
)
# What stands for one character of ASCII; encoded twice or more, too.
_CODES = (
    r"\\+(?:u00[2-7][0-9A-Fa-f]|u\{0*[2-7][0-9A-Fa-f]\}|x[2-7][0-9A-Fa-f]|0[4-7][0-7]|1[0-7]{2})"
    r"|%(?:25)*(?:2[0-46-9A-Fa-f]|[3-7][0-9A-Fa-f]|0[9ADad])"
    r"|&(?:amp;)*(?:#[xX]0*[2-7][0-9A-Fa-f]|#0*(?:[3-9][0-9]|1[01][0-9]|12[0-6])|[A-Za-z]{2,8});"
    r"|\xef\xbc[\x81-\xbf]|\xef\xbd[\x80-\x9e]"  # written wide, as in Chinese and Japanese
)
CODED = f"{_CSI}|{_LINK}|{_UNSEEN}|{_CODES}"
"""What has to be decoded, as a pattern."""

_CODED = compiled(CODED, groups=False)
_MOST_ROUNDS = 4
_APART = b"\n---\n"  # between lines that do not stand together


@dataclass(frozen=True)
class Reading:
    """A text decoded. `starts` is where each piece begins in it, `origins` where it comes from."""

    text: bytes
    starts: tuple[int, ...]
    origins: tuple[tuple[int, int], ...]

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Where it stands in the text that was read."""
        first = bisect_right(self.starts, start) - 1
        last = bisect_right(self.starts, end - 1) - 1
        begin, until = self._place(first, start)[0], self._place(last, end - 1)[1]
        return begin, max(begin, until)

    def _place(self, number: int, at: int) -> tuple[int, int]:
        """The bytes that one byte of a piece stands for: of a coded one, all of them."""
        start, end = self.origins[number]
        length = self._length(number)
        if length != end - start:
            return start, end
        place = start + at - self.starts[number]
        return place, place + 1

    def _length(self, number: int) -> int:
        following = self.starts[number + 1 : number + 2]
        return (following[0] if following else len(self.text)) - self.starts[number]


def decoded(text: bytes) -> list[Reading]:
    """The lines of a text that are coded, and those right after them, decoded as often as needed.

    None where nothing is. The first leads back to the text, each next one to the one before.
    """
    found: list[Reading] = []
    while _CODED.search(text) and len(found) < _MOST_ROUNDS:
        values = list(_values(text))
        if not values:
            break
        found.append(_read(text, values))
        text = found[-1].text
    return found


def back(readings: list[Reading], spans: Iterator[Span]) -> Iterator[Span]:
    """The spans of the last reading as spans of the text."""
    for span in spans:
        start, end = span.start, span.end
        for reading in reversed(readings):
            start, end = reading.back(start, end)
        yield span._replace(start=start, end=end)


def _read(text: bytes, values: list[tuple[int, int, bytes]]) -> Reading:
    pieces: list[tuple[bytes, tuple[int, int]]] = []
    at, until = 0, -1  # what is read, and up to where its lines go
    for start, end, value in values:
        begin = text.rfind(b"\n", at, start) + 1 if start >= until else at
        if begin > until + 1:
            if until >= 0:
                pieces += [(text[at:until], (at, until)), (_APART, (until, until))]
            at = begin
        pieces += [(text[at:start], (at, start)), (value, (start, end))]
        at, until = end, _after_next_line(text, end)
    pieces.append((text[at:until], (at, until)))
    pieces = [piece for piece in pieces if piece[0]]
    starts = accumulate((len(value) for value, _ in pieces[:-1]), initial=0)
    return Reading(
        b"".join(value for value, _ in pieces),
        tuple(starts),
        tuple(origin for _, origin in pieces),
    )


def _after_next_line(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    end = text.find(b"\n", end + 1) if end >= 0 else end
    return end if end >= 0 else len(text)


def _values(text: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Where something is coded, and what it says."""
    for match in _CODED.finditer(text, at, len(text) if end is None else end):
        value = _value(match[0])
        if value is not None:
            yield *match.span(), value


@lru_cache(maxsize=1024)
def _value(code: bytes) -> bytes | None:
    """What one code says; None where that is no character of ASCII."""
    if code.endswith((b"\x08", b"\xe2\x9f\xa9")):  # struck over, or shown by its number
        return b""
    match code[:1]:
        case b"%":
            return bytes.fromhex(code[-2:].decode())
        case b"&":
            return _entity(code[1:-1].rsplit(b";", 1)[-1].decode())
        case b"\\" if b"[" not in code and b"]" not in code:
            digits = code.lstrip(b"\\")
            if digits[:1] in {b"u", b"x"}:
                return bytes.fromhex(digits.rstrip(b"}")[-2:].decode())
            return bytes([int(digits, 8)])
        case b"\xef" if code != b"\xef\xbb\xbf":
            return bytes([ord(code.decode()) - 0xFEE0])
        case _:
            return b""


def _entity(name: str) -> bytes | None:
    """`&equals;` is a sign; `&eacute;` is a letter that no name or sign is written with."""
    character = html.unescape(f"&{name};").replace("\xa0", " ")
    return character.encode() if len(character) == 1 and character.isascii() else None

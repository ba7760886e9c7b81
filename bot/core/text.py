"""Text that others wrote, made safe to show: nothing invisible, disguised or endless."""

import re

from pydantic import JsonValue

# What a reader cannot see, or what changes how he sees the rest. Grouped as Unicode groups them.
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and line feed
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ZERO_WIDTH = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c"
    "\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
)
_SEPARATORS = "\u2028\u2029\ufff0-\ufffb"
_VARIATION = (
    "\ufe00-\ufe0d\U000e0100-\U000e01ef"  # can carry bytes unseen; the two emoji ones are below
)
_TAGS = "\U000e0000-\U000e007f"
_SURROGATES = "\ud800-\udfff"
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff"

# Two invisible characters have an honest use, in emoji: the joiner between two, and the selector
# after one visible character. Everywhere else they are shown too.
_HIDDEN = re.compile(
    f"\r\n|[{_CONTROL}{_BIDI}{_ZERO_WIDTH}{_SEPARATORS}{_VARIATION}{_TAGS}{_SURROGATES}]"
    f"|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d"
    f"|\u200d(?![{_EMOJI}])"
    "|(?<![^\ufe0e\ufe0f])[\ufe0e\ufe0f]"
)

_LATIN = re.compile("[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]")
# Cyrillic, Armenian and Cherokee letters have no business in a Latin word; Greek has (kΩ, Δt, σ²),
# so of Greek only the letters that look Latin count.
_GREEK_LIKE_LATIN = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳΑαγικνορτυχωϲϒϝΙΪΫάίόύϊϋώ"
_FOREIGN = re.compile(
    f"[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f\u0531-\u0587\u13a0-\u13fd\uab70-\uabbf{_GREEK_LIKE_LATIN}]"
)
_ALL_ALIKE = re.compile(f"[АВЕЅЗІЈКМНОРСТУХҮѴаеѕіјорсухһԁԛԝԍѵгкптвмнӏ{_GREEK_LIKE_LATIN}0-9]+")
_WORD = re.compile(r"[\w](?:[\w.\-]*\w)?")
_PART = re.compile(r"[^.\-_]+")
MIXED = "⟨mixed scripts⟩"


def amount(number: int, noun: str) -> str:
    """ "1 read", "9,410 tokens"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def be(number: int) -> str:
    """The verb behind an amount: "1 is", "2 are"."""
    return "is" if number == 1 else "are"


def visible(text: str | bytes) -> str:
    """Show what hides (control, bidi, zero-width, tag characters, lone surrogates) as `⟨U+202E⟩`.

    Tabs and line feeds stay, CR LF becomes LF. Bytes are read as UTF-8, what is none as U+FFFD.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _HIDDEN.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\r\n" else f"⟨U+{ord(match[0]):04X}⟩"


def has_mixed_scripts(word: str) -> bool:
    """Say whether a word or a dashed name mixes Latin letters with ones that pass for Latin."""
    if word.isascii():
        return False
    parts = _PART.findall(word)
    latin = [bool(_LATIN.search(part)) for part in parts]
    foreign = [bool(_FOREIGN.search(part)) for part in parts]
    if any(a and b for a, b in zip(latin, foreign, strict=True)):
        return True
    # "web-арр": each part is of one script, but the second only pretends.
    return any(latin) and any(
        is_foreign and _ALL_ALIKE.fullmatch(part) is not None
        for part, is_foreign in zip(parts, foreign, strict=True)
    )


def mark_mixed_scripts(text: str) -> str:
    """Put a mark behind every word that mixes scripts; marking twice changes nothing more."""
    if text.isascii():
        return text

    def mark(match: re.Match[str]) -> str:
        if not has_mixed_scripts(match[0]) or text.startswith(MIXED, match.end()):
            return match[0]
        return match[0] + MIXED

    return _WORD.sub(mark, text)


def one_line(text: str | bytes, limit: int) -> str:
    """All of it on one line of at most `limit` characters, hidden ones shown; a cut ends in `…`."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    line = visible(" ".join(text.split()))
    if len(line) <= limit:
        return line
    return line[: max(limit - 1, 0)].rstrip() + "…" if limit > 0 else ""


def visible_json(value: JsonValue) -> JsonValue:
    """`visible` for every text in it: a database takes neither NUL nor lone surrogates."""
    match value:
        case str():
            return visible(value)
        case list():
            return [visible_json(item) for item in value]
        case dict():
            return {visible(key): visible_json(item) for key, item in value.items()}
        case _:
            return value

"""Untrusted text made safe for Slack's formatting, and what only our own code may write there."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bot.core.text import amount, mark_mixed_scripts, visible

WORKING, VERIFIED, NEEDS_YOU, REFUSED, UNDONE = "⏳", "✅", "⚠️", "⛔", "↩️"
"""The state marks: the bot's own seal, never taken from anybody's text."""

# What a reader could take for one of our marks, as characters and as Slack's short names for them,
# each with a plain character that says the same without looking like the seal.
_PLAIN = {"✅": "✓", "✔": "✓", "☑": "✓", "⚠": "!", "⛔": "✗", "⏳": "…", "⌛": "…", "↩": "←"}
_SHORT = {
    "white_check_mark": "✓",
    "heavy_check_mark": "✓",
    "ballot_box_with_check": "✓",
    "warning": "!",
    "no_entry": "✗",
    "hourglass": "…",
    "hourglass_flowing_sand": "…",
    "leftwards_arrow_with_hook": "←",
}
_MARK = re.compile(f"([{''.join(_PLAIN)}])\ufe0f?")
_SHORT_NAME = re.compile(f":({'|'.join(_SHORT)}):")
# Not the ":05:" of a time.
_ANY_SHORT_NAME = re.compile(r":(?=\d{0,40}[a-z_+'-][a-z0-9_+'-]{0,100}:)")
_USER = re.compile(r"[UW][A-Z0-9]{1,40}")
_GROUP = re.compile(r"S[A-Z0-9]{1,40}")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:/_?=&;-]{1,500}")
_PARTIAL_ENTITY = re.compile(r"&[a-z]{0,3}\Z")
_COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def size(text: str) -> int:
    """How long Slack may find `text`, in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(escaped: str, limit: int) -> tuple[str, bool]:
    """The beginning of `escaped` within `limit` units, whole characters and entities only.

    The second value says whether anything is missing.
    """
    if len(escaped) <= limit and size(escaped) <= limit:
        return escaped, False
    units = escaped[:limit].encode("utf-16-le", "surrogatepass")[: 2 * limit]
    return _PARTIAL_ENTITY.sub("", units.decode("utf-16-le", "ignore")), True


def escape(text: str) -> str:
    """Text in which nothing is hidden and nothing is a mention, a link or a date for Slack."""
    shown = mark_mixed_scripts(visible(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain_marks(text: str) -> str:
    """`text` with every state mark replaced by a plain character of the same meaning."""
    unsealed = _MARK.sub(lambda found: _PLAIN[found[1]], text)
    return _SHORT_NAME.sub(lambda found: _SHORT[found[1]], unsealed)


def without_marks(text: str) -> str:
    """`text` without state marks."""
    return _SHORT_NAME.sub("", _MARK.sub("", text))


def sentence(text: str, limit: int) -> tuple[str, bool]:
    """One line of somebody's text for the middle of ours, and whether it had to be cut.

    Code spans in it stay as they are; elsewhere, what could end our formatting or be drawn as an
    emoji becomes a look-alike.
    """
    start = text[: 4 * limit]
    line = escape(" ".join(without_marks(start).split()))
    kept, cut = fit(line, limit)
    cut = cut or len(start) < len(text)
    if cut:
        kept = fit(kept, limit - 1)[0] + "…"
    if kept.count("`") % 2 or "``" in kept:
        kept = kept.replace("`", "ʼ")
    parts = kept.split("`")  # every second one is inside a code span
    parts[::2] = (_ANY_SHORT_NAME.sub("∶", part.replace("*", "∗")) for part in parts[::2])
    return "`".join(parts), cut


def line(text: str, limit: int = 300) -> str:
    """Like `sentence`, where nobody needs to know whether it was cut."""
    return sentence(text, limit)[0]


def code(text: str, limit: int) -> tuple[str, bool]:
    """A value in a code span that it cannot leave, and whether it had to be cut."""
    start = text[: 4 * limit]
    flat = escape(start.replace("\r\n", "\n").replace("\n", "⏎").replace("\t", " "))
    kept, cut = fit(flat.replace("`", "ʼ"), limit)
    cut = cut or len(start) < len(text)
    return f"`{kept or ' '}{'…' if cut else ''}`", cut


def fenced(text: str) -> str:
    """Text for the inside of a code fence, which it cannot close."""
    return escape(text.replace("\r\n", "\n")).replace("```", "ʼʼʼ")


def fence(inside: str) -> str:
    """A code fence around what `fenced` made safe."""
    return f"```\n{inside}\n```"


def mention(user: str) -> str:
    """A mention of a user, if the id is one; what it says otherwise."""
    return f"<@{user}>" if _USER.fullmatch(user) else code(user, 40)[0]


def group(subteam: str) -> str:
    """A mention of a user group, if the id is one; what it says otherwise."""
    return f"<!subteam^{subteam}>" if _GROUP.fullmatch(subteam) else code(subteam, 40)[0]


def link(address: str, text: str) -> str:
    """A link of ours, if the address is one; its words otherwise."""
    return f"<{address}|{text}>" if _ADDRESS.fullmatch(address) else text


def clock(at: datetime, *, exact: bool = False) -> str:
    """A time of day that Slack shows in each reader's own zone; `exact` with its seconds."""
    shown = f"{at.astimezone(UTC):{'%H:%M:%S' if exact else '%H:%M'} UTC}"
    return f"<!date^{int(at.timestamp())}^{{{'time_secs' if exact else 'time'}}}|{shown}>"


def either(names: Sequence[str], *, last: str = "or", most: int = 8) -> str:
    """`a`, `a or b`, `a, b or c`; with more than `most`, how many others."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(amount(len(names) - most, "other"))
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def count(number: int, noun: str) -> str:
    """ "one approval", "two approvals", "12 approvals"."""
    return f"{_COUNTS.get(number, f'{number:,}')} {noun}{'' if number == 1 else 's'}"


def split(escaped: str, limit: int) -> list[str]:
    """`escaped` in parts of at most `limit` units, never inside a character or an entity."""
    parts = []
    while escaped:
        part = fit(escaped, limit)[0]
        parts.append(part)
        escaped = escaped[len(part) :]
    return parts


def packed(lines: Iterable[str], limit: int) -> list[str]:
    """Lines put together into texts of at most `limit` units each; longer lines are split."""
    texts: list[str] = []
    current: list[str] = []
    used = 0
    for whole in lines:
        for part in split(whole, limit) or [""]:
            needed = size(part) + 1
            if current and used + needed > limit + 1:
                texts.append("\n".join(current))
                current, used = [], 0
            current.append(part)
            used += needed
    if current:
        texts.append("\n".join(current))
    return texts

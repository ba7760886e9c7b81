"""The Markdown that models write, as texts in Slack's formatting, none too long for a section."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.core.text import visible
from bot.slack import limits
from bot.slack.views import words

Style = tuple[str, str]
"""What opens and what closes a stretch of formatting."""

BOLD: Style = ("*", "*")
ITALIC: Style = ("_", "_")
STRIKE: Style = ("~", "~")
CODE: Style = ("`", "`")
_STYLES = {"strong": BOLD, "em": ITALIC, "s": STRIKE}

_TABLE_WIDTH = 76  # columns of a code block on an ordinary screen
_URL_LENGTH = 1_000
_BARE_URL = re.compile(r"https?://[^\s<>\"'`|]+")
_TRAILING = ".,;:!?)]}*_~"
_EMPTY_QUOTE = re.compile(r"(?:^|\n)>\Z")  # its words begin in the next text
_FENCE_COST = words.size(words.fence(""))

# Markdown nested deeper than this loses text in the parser, and its time grows with the square of
# the brackets: a text with more of either is shown as it was written.
_BRACKETS = 3_000
_NESTING = 30
_PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": _NESTING}).enable(
    ["table", "strikethrough"]
)


def sections(markdown: str, limit: int = limits.SECTION) -> list[str]:
    """`markdown` in Slack's formatting, in texts of at most `limit` units, in order.

    Safe for any input: nothing in it mentions, pings, draws an image or closes a fence; links keep
    their host in sight. A text never ends inside an entity, a character, a link or a fence.
    """
    tokens = _PARSER.parse(markdown) if markdown.count("[") <= _BRACKETS else []
    too_deep = any(token.level >= _NESTING - 1 for token in tokens)
    texts = [] if too_deep else _written(_pieces(tokens), limit)
    if not texts and markdown.strip():
        return _written([Code(markdown.strip("\n"))], limit)
    return texts


def _written(pieces: "Iterable[Paragraph | Code]", limit: int) -> list[str]:
    writer = _Writer(limit)
    for piece in pieces:
        piece.write(writer)
    return writer.finish()


@dataclass(frozen=True)
class Span:
    """A stretch of escaped text and the styles around it, outermost first."""

    text: str
    styles: tuple[Style, ...] = ()


@dataclass(frozen=True)
class Paragraph:
    """One block of running text; `lead` begins its first line, `indent` the others."""

    spans: Sequence[Span]
    lead: str = ""
    indent: str = ""
    tight: bool = False

    def write(self, writer: "_Writer") -> None:
        """Write it word by word, so that it can be continued in another text."""
        writer.begin(self.lead, self.indent, tight=self.tight)
        for span in self.spans:
            if span.styles and span.styles[-1] is CODE:
                writer.write(span.text, span.styles)
                continue
            for word in re.split(r"(\s)", span.text):
                writer.write(word, span.styles)


@dataclass(frozen=True)
class Code:
    """Lines for a code fence, not escaped yet."""

    text: str

    def write(self, writer: "_Writer") -> None:
        """Write it whole if one text holds it, else with its fence opened again in the next."""
        writer.fence(words.fenced(self.text))


# --- writing -----------------------------------------------------------------------------------


class _Writer:
    """Fills one text after another; closes what is open at the end of each and opens it again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._texts: list[str] = []
        self._parts: list[str] = []
        self._used = 0
        self._open: tuple[Style, ...] = ()
        self._indent = ""

    def begin(self, lead: str, indent: str, *, tight: bool) -> None:
        """Start a paragraph."""
        self._close()
        gap = ("\n" if tight else "\n\n") if self._parts else ""
        if self._used + len(gap) + len(lead) > self._limit - 40:
            self._flush()
            gap = ""
        self._put(gap + lead)
        self._indent = indent

    def write(self, word: str, styles: tuple[Style, ...]) -> None:
        """Write one word, or one white space between two."""
        if word == "\n":
            self._close()
            self._put_or_flush("\n" + self._indent)
            return
        if not word or (word.isspace() and not self._parts):
            return
        closing = sum(len(style[1]) for style in styles)
        while word:
            turn = self._turn(styles)
            if self._used + words.size(turn + word) + closing > self._limit:
                self._flush()
                if word.isspace():
                    return
                self._put(self._indent if self._indent.startswith(">") else "")
                turn = self._turn(styles)
            head, _ = words.fit(word, self._limit - self._used - words.size(turn) - closing)
            self._put(turn + head)
            self._open = styles
            word = word[len(head) :]

    def fence(self, inside: str) -> None:
        """Write a code fence."""
        self._close()
        needed = words.size(inside) + _FENCE_COST + 1
        if self._used + needed > self._limit and (
            needed <= self._limit or self._used > self._limit // 2
        ):
            self._flush()
        room = self._limit - _FENCE_COST
        for part in _fence_parts(inside, room - self._used - 1, room):
            if self._parts and self._used + words.size(part) + _FENCE_COST + 1 > self._limit:
                self._flush()
            self._put(("\n" if self._parts else "") + words.fence(part))

    def finish(self) -> list[str]:
        """All texts."""
        self._flush()
        return self._texts

    def _turn(self, styles: tuple[Style, ...]) -> str:
        """What ends the styles that are open and begins `styles`."""
        same = 0
        while same < min(len(styles), len(self._open)) and styles[same] == self._open[same]:
            same += 1
        ends = "".join(style[1] for style in reversed(self._open[same:]))
        return ends + "".join(style[0] for style in styles[same:])

    def _put(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._used += words.size(text)

    def _put_or_flush(self, text: str) -> None:
        if self._used + len(text) > self._limit:
            self._flush()
        elif self._parts:
            self._put(text)

    def _close(self) -> None:
        turn, self._open = self._turn(()), ()
        if turn and self._parts and self._parts[-1].isspace():
            space = self._parts.pop()  # Slack does not take `*bold *` for bold
            self._parts += [turn, space]
            self._used += len(turn)
        else:
            self._put(turn)

    def _flush(self) -> None:
        self._close()
        text = _EMPTY_QUOTE.sub("", "".join(self._parts).rstrip())
        if text.strip():
            self._texts.append(text)
        self._parts, self._used = [], 0


def _fence_parts(inside: str, first: int, room: int) -> Iterator[str]:
    """The inside of a fence in parts of whole lines; the first is for what is left of a text."""
    current: list[str] = []
    used, most = 0, first
    for line in inside.split("\n"):
        for part in words.split(line, room - 1) or [""]:
            needed = words.size(part) + 1
            if used + needed > most + 1 and (current or most < room):
                if current:
                    yield "\n".join(current)
                current, used, most = [], 0, room
            current.append(part)
            used += needed
    yield "\n".join(current)


# --- reading -----------------------------------------------------------------------------------


@dataclass
class _Place:
    """Where in the document we are."""

    lists: list[int | None] = field(default_factory=list)  # the next number; None for bullets
    lead: str = ""  # of the item that has just begun
    item_began: bool = False
    quotes: int = 0
    heading: bool = False

    def paragraph(self, spans: Sequence[Span]) -> Paragraph:
        quote = "> " if self.quotes else ""
        depth = len(self.lists)
        outer, inner = "    " * max(depth - 1, 0), "    " * depth if depth else ""
        if self.item_began:
            self.item_began = False
            return Paragraph(spans, quote + outer + self.lead, quote + inner, tight=True)
        return Paragraph(spans, quote + inner, quote + inner, tight=depth > 0)

    def begin_item(self) -> None:
        number = self.lists[-1]
        if number is None:
            self.lead = "•◦▪"[min(len(self.lists), 3) - 1] + " "
        else:
            self.lead = f"{number}. "
            self.lists[-1] = number + 1
        self.item_began = True


def _pieces(tokens: Sequence[Token]) -> Iterator[Paragraph | Code]:
    """The document's blocks, in order."""
    place = _Place()
    rows: list[list[str]] = []
    in_table = False
    for token in tokens:
        match token.type:
            case "table_open":
                in_table, rows = True, []
            case "tr_open":
                rows.append([])
            case "inline" if in_table:
                rows[-1].append(_flat(token.children or ()))
            case "table_close":
                in_table = False
                yield from _table(rows, place)
            case "inline":
                yield place.paragraph(list(_spans(token.children or (), heading=place.heading)))
            case "fence" | "code_block":
                if place.item_began:
                    yield place.paragraph(())
                yield Code(token.content.rstrip("\n"))
            case "hr":
                yield Paragraph([Span("———")])
            case _:
                _move(place, token)


def _move(place: _Place, token: Token) -> None:
    """Follow a token that only opens or closes something."""
    match token.type:
        case "bullet_list_open":
            place.lists.append(None)
        case "ordered_list_open":
            start = token.attrGet("start")
            place.lists.append(int(start) if start is not None else 1)
        case "bullet_list_close" | "ordered_list_close":
            place.lists.pop()
            place.item_began = False
        case "list_item_open":
            place.begin_item()
        case "blockquote_open" | "blockquote_close":
            place.quotes += token.nesting
        case "heading_open" | "heading_close":
            place.heading = token.nesting == 1


def _spans(children: Sequence[Token], *, heading: bool) -> Iterator[Span]:
    """Running text with its styles."""
    styles: list[Style] = [BOLD] if heading else []
    opened: list[bool] = []
    links: list[_Link] = []
    for child in children:
        name = child.type.removesuffix("_open").removesuffix("_close")
        if name in _STYLES:
            _nest(styles, opened, _STYLES[name], opens=child.nesting == 1)
        elif child.type == "link_open":
            links.append(_Link.to(str(child.attrGet("href") or "")))
        elif child.type == "link_close":
            yield from links.pop().end(tuple(styles))
        else:
            # Markdown has no link inside a link.
            yield from _leaf(child, tuple(styles), links[-1] if links else None)


def _nest(styles: list[Style], opened: list[bool], style: Style, *, opens: bool) -> None:
    """Open a style unless it is open already, close it if this was what opened it."""
    if opens:
        opened.append(style not in styles)
        if opened[-1]:
            styles.append(style)
    elif opened.pop():
        styles.pop()


def _leaf(child: Token, styles: tuple[Style, ...], link: "_Link | None") -> Iterator[Span]:
    """The spans of a token that holds text itself."""
    if child.type == "image":
        yield from _image(child, styles)
        return
    if child.type in {"softbreak", "hardbreak"}:
        text = " " if link else "\n"
    elif child.type == "code_inline":
        styles = (*styles, CODE)
        text = child.content.strip().replace("`", "ʼ") or " "
    else:
        text = child.content if child.type == "code_inline" else _unformatted(child.content)
    if link is not None:
        link.label += text
        around = (link.style, *styles) if link.style else styles
        yield Span(words.escape(text), around)
    elif styles and styles[-1] is CODE:
        yield Span(words.escape(text), styles)
    else:
        yield from _linked(text, styles)


def _unformatted(text: str) -> str:
    """Text without Markdown, rid of what would be code or a state mark for Slack."""
    return words.plain_marks(text.replace("`", "ʼ"))


@dataclass
class _Link:
    """A link while its label is read. Without a style its address is shown as text."""

    url: str
    host: str
    style: Style | None
    label: str = ""

    @classmethod
    def to(cls, url: str) -> "_Link":
        host = _host(url)
        address = words.escape(url).replace("|", "%7C")
        if len(address) > _URL_LENGTH:
            host = ""
        return cls(url, host, (f"<{address}|", ">") if host else None)

    def end(self, styles: tuple[Style, ...]) -> Iterator[Span]:
        """What comes behind the label: the host, or the address if it is none to be followed."""
        if self.style is None:
            yield Span(words.escape(f" ({self.url[:_URL_LENGTH]})".replace("`", "ʼ")), styles)
        elif not self.label.strip():
            yield Span(words.escape(self.url.replace("`", "ʼ")), (self.style, *styles))
        elif self.label != self.url:
            yield Span(f" ({words.escape(self.host)})", (self.style, *styles))


def _host(url: str) -> str:
    """The host of an address that people may follow; empty for any other."""
    if len(url) > _URL_LENGTH or not url.isascii() or any(mark in url for mark in "<>\\\n\t "):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    # An address with a user name in it can look like another host's.
    return host if parts.scheme in {"http", "https"} and "@" not in parts.netloc else ""


def _linked(text: str, styles: tuple[Style, ...]) -> Iterator[Span]:
    """Plain text, with the addresses in it made links to themselves."""
    at = 0
    for found in _BARE_URL.finditer(text):
        url = found[0].rstrip(_TRAILING)
        link = _Link.to(_PARSER.normalizeLink(url))
        if not link.host:
            continue
        yield Span(words.escape(text[at : found.start()]), styles)
        yield Span(words.escape(url), (link.style, *styles) if link.style else styles)
        at = found.start() + len(url)
    yield Span(words.escape(text[at:]), styles)


def _image(child: Token, styles: tuple[Style, ...]) -> Iterator[Span]:
    """An image as a link with its description: it is never fetched because the bot said so."""
    link = _Link.to(str(child.attrGet("src") or ""))
    link.label = _unformatted(f"image: {child.content or 'no description'}".replace("\n", " "))
    yield Span(words.escape(link.label), (link.style, *styles) if link.style else styles)
    yield from link.end(styles)


# --- tables ------------------------------------------------------------------------------------


def _flat(children: Sequence[Token]) -> str:
    """A cell as one line without formatting; not escaped."""
    parts, address = [], ""
    for child in children:
        match child.type:
            case "softbreak" | "hardbreak":
                parts.append(" ")
            case "link_open":
                address = str(child.attrGet("href"))
            case "link_close":
                parts.append(f" ({address})")
            case "image":
                parts.append(f"image: {child.content} ({child.attrGet('src')})")
            case _:
                parts.append(child.content)
    return " ".join("".join(parts).split())


def _table(rows: Sequence[Sequence[str]], place: _Place) -> Iterator[Paragraph | Code]:
    """A table: aligned where a code block has room for it, else a list of its rows."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(*shown, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= _TABLE_WIDTH:
        if place.item_began:
            yield place.paragraph(())
        lines = [_aligned(row, widths) for row in shown]
        lines.insert(1, "  ".join("─" * width for width in widths))
        yield Code("\n".join(lines))
        return
    header = shown[0]
    for row in shown[1:]:
        spans: list[Span] = []
        for name, cell in zip(header, row, strict=True):
            spans.append(Span(" · " if spans else ""))
            if name:
                spans.append(Span(f"{words.escape(_unformatted(name))}:", (BOLD,)))
            spans += [Span(" "), *_linked(_unformatted(cell), ())]
        yield Paragraph(spans, "• ", tight=True)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _width(text: str) -> int:
    """How many columns a fixed-width font needs."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)

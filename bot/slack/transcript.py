"""Other people's and bots' messages as plain text: blocks, attachments, links with their words.

Whatever a message holds, something readable comes out: other apps send what they like.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

_MOST = 40_000  # characters of one message, Slack's own limit of a text
_DEEP = 12  # levels of blocks within blocks
_ANGLED = re.compile(r"<([^<>\n]{1,4000})>")
_WORDY = re.compile(r"\W+")
_COLOURS = {"a30200": "danger", "daa038": "warning", "2eb886": "good"}  # as Slack gives them back

Json = Mapping[str, Any]


def text_of(message: Json) -> str:
    """All that a message shows but its files, as Slack shows it now."""
    parts = [own_text_of(message)]
    parts += [_attachment(one, 0) for one in _dicts(message.get("attachments"))]
    return "\n".join(part for part in parts if part.strip())[:_MOST]


def own_text_of(message: Json) -> str:
    """What its author wrote: not the messages and pages that Slack shows with it."""
    text = mrkdwn(_str(message.get("text")))
    blocks = "\n".join(_lines_of_blocks(message.get("blocks"), 0))
    parts = [text] if text and not _says(blocks, text) else []
    parts += [blocks] if blocks else []
    return "\n".join(part for part in parts if part.strip())[:_MOST]


def mrkdwn(text: str) -> str:
    """Slack's escaped text as words: links with their address, mentions of people as they are."""
    return html.unescape(_ANGLED.sub(_angled, text)).replace("\N{NO-BREAK SPACE}", " ")


def _angled(match: re.Match[str]) -> str:
    inner, _, label = match[1].partition("|")
    if inner.startswith("@"):
        return f"<{inner}>"
    if inner.startswith("#"):
        return f"#{label or inner[1:]}"
    if inner.startswith("!date^"):
        return label or inner
    if inner.startswith("!"):
        name = inner[1:].split("^")[0]
        return label if label.startswith("@") else f"@{label or name}"
    return _link(inner, label)


def _link(url: str, words: str) -> str:
    address = url.removeprefix("mailto:")
    return f"{words} ({address})" if words and words not in {url, address} else address


def _says(whole: str, part: str) -> bool:
    """Whether the words of `part` stand in `whole`: a message's text often repeats its blocks."""
    words = _WORDY.sub("", part)
    return words in _WORDY.sub("", whole) if words else part in whole


# --- attachments -------------------------------------------------------------------------------


def _attachment(one: Json, depth: int) -> str:
    """An older-style attachment: what alerting tools send."""
    lines: list[str] = []
    lines += [mrkdwn(_str(one.get("pretext")))]
    author, title = _str(one.get("author_name")), mrkdwn(_str(one.get("title")))
    lines += [_link(_str(one.get("author_link")), author) if author else ""]
    title_link = _str(one.get("title_link"))
    lines += [_link(title_link, title) if title_link else title]
    text = mrkdwn(_str(one.get("text")))
    blocks = "\n".join(_lines_of_blocks(one.get("blocks"), depth + 1))
    lines += [] if text and _says(blocks, text) else [text]
    lines += [blocks]
    lines += [
        f"{mrkdwn(_str(field.get('title')))}: {mrkdwn(_str(field.get('value')))}"
        for field in _dicts(one.get("fields"))
    ]
    if depth < _DEEP:
        for shared in _dicts(one.get("message_blocks")):
            inner = shared.get("message")
            lines += _lines_of_blocks(inner.get("blocks"), depth + 1) if _is(inner) else []
    lines += [_buttons(one.get("actions"))]
    shown = [line for line in lines if line.strip()]
    if not shown:
        shown = [mrkdwn(_str(one.get("fallback")))]
    shown += [_footer(one)]
    return "\n".join(line for line in shown if line.strip())


def _footer(one: Json) -> str:
    colour = _str(one.get("color")).removeprefix("#").lower()
    named = _COLOURS.get(colour, colour if colour in _COLOURS.values() else "")
    parts = [mrkdwn(_str(one.get("footer"))), _moment(one.get("ts"))]
    parts += [f"marked as {named}"] if named else []
    return " · ".join(part for part in parts if part)


def _moment(ts: object) -> str:
    try:
        return f"{datetime.fromtimestamp(float(str(ts)), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


# --- blocks ------------------------------------------------------------------------------------


def _lines_of_blocks(blocks: object, depth: int) -> list[str]:
    if depth > _DEEP:
        return []
    lines = [line for block in _dicts(blocks) for line in _block(block, depth)]
    return [line for line in lines if line.strip()]


def _block(block: Json, depth: int) -> Iterable[str]:
    known = _BLOCKS.get(_str(block.get("type")))
    if known is not None:
        return known(block, depth)
    return _any_text(block, depth)


def _section(block: Json, _: int) -> Iterable[str]:
    yield _text(block.get("text"))
    yield from (_text(field) for field in _dicts(block.get("fields")))
    accessory = block.get("accessory")
    if _is(accessory):
        yield _element(accessory)


def _header(block: Json, _: int) -> Iterable[str]:
    yield _text(block.get("text"))


def _context(block: Json, _: int) -> Iterable[str]:
    yield " · ".join(filter(None, (_element(one) for one in _dicts(block.get("elements")))))


def _actions(block: Json, _: int) -> Iterable[str]:
    yield _buttons(block.get("elements"))


def _image(block: Json, _: int) -> Iterable[str]:
    yield _element(block)


def _markdown(block: Json, _: int) -> Iterable[str]:
    yield _str(block.get("text"))


def _video(block: Json, _: int) -> Iterable[str]:
    yield _link(_str(block.get("title_url")), _text(block.get("title")))


def _table(block: Json, depth: int) -> Iterable[str]:
    rows = block.get("rows")
    for row in rows if isinstance(rows, list) else ():
        yield " | ".join(_cell(cell, depth) for cell in _dicts(row))


def _cell(cell: Json, depth: int) -> str:
    if cell.get("type") == "rich_text":
        return " ".join(_rich(cell, depth + 1))
    return _str(cell.get("text"))


def _divider(_block: Json, _: int) -> Iterable[str]:
    return ()


def _any_text(block: Json, depth: int) -> Iterable[str]:
    """A kind of block that is not known here: every text in it."""
    if depth > _DEEP:
        return
    for name, value in block.items():
        if name in {"text", "title", "alt_text", "label"} and (shown := _text(value)):
            yield shown
        elif _is(value):
            yield from _any_text(value, depth + 1)
        elif isinstance(value, list):
            for one in _dicts(value):
                yield from _any_text(one, depth + 1)


def _element(one: Json) -> str:
    """What stands inside a context, or beside a section."""
    match one.get("type"):
        case "image":
            words = _text(one.get("title")) or _str(one.get("alt_text"))
            return f"[image: {words}]" if words else "[image]"
        case "button" | "workflow_button":
            return _buttons([one])
        case "mrkdwn" | "plain_text":
            return _text(one)
        case _:
            return ""


def _buttons(elements: object) -> str:
    """What could be pressed, and where those lead that are links."""
    labels = [
        _link(_str(one.get("url")), _text(one.get("text")))
        if one.get("url")
        else _text(one.get("text"))
        for one in _dicts(elements)
    ]
    shown = ", ".join(label for label in labels if label)
    return f"[buttons: {shown}]" if shown else ""


# --- rich text ---------------------------------------------------------------------------------


def _rich(block: Json, depth: int) -> Iterator[str]:
    if depth > _DEEP:
        return
    for part in _dicts(block.get("elements")):
        match part.get("type"):
            case "rich_text_list":
                yield from _list(part, depth)
            case "rich_text_quote":
                yield from (f"> {line}" for line in _run(part).split("\n"))
            case "rich_text_preformatted":
                yield f"```\n{_run(part)}\n```"
            case _:
                yield _run(part)


def _list(part: Json, depth: int) -> Iterator[str]:
    indent = part.get("indent")
    margin = "  " * (min(indent, 8) if isinstance(indent, int) and indent > 0 else 0)
    is_numbered = part.get("style") == "ordered"
    for number, item in enumerate(_dicts(part.get("elements")), 1):
        mark = f"{number}." if is_numbered else "-"
        text = " ".join(_rich(item, depth + 1)) if item.get("type") == "rich_text" else _run(item)
        yield f"{margin}{mark} {text}"


def _run(part: Json) -> str:
    return "".join(_piece(one) for one in _dicts(part.get("elements")))


def _piece(one: Json) -> str:
    match one.get("type"):
        case "text":
            return _str(one.get("text"))
        case "link":
            return _link(_str(one.get("url")), _str(one.get("text")))
        case "user":
            return f"<@{_str(one.get('user_id'))}>"
        case "usergroup":
            return f"@{_str(one.get('usergroup_id'))}"
        case "channel":
            return f"#{_str(one.get('channel_id'))}"
        case "emoji":
            return f":{_str(one.get('name'))}:"
        case "broadcast":
            return f"@{_str(one.get('range'))}"
        case "date":
            return _str(one.get("fallback")) or _moment(one.get("timestamp"))
        case _:
            return _str(one.get("text"))


_BLOCKS: Mapping[str, Callable[[Json, int], Iterable[str]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "markdown": _markdown,
    "video": _video,
    "table": _table,
    "divider": _divider,
    "rich_text": _rich,
}


# --- what others may have sent -----------------------------------------------------------------


def _text(value: object) -> str:
    """A text object, or a bare text."""
    if isinstance(value, str):
        return mrkdwn(value)
    if not _is(value):
        return ""
    text = _str(value.get("text"))
    return html.unescape(text) if value.get("type") == "plain_text" else mrkdwn(text)


def _is(value: object) -> TypeGuard[Json]:
    return isinstance(value, Mapping)


def _dicts(value: object) -> list[Json]:
    return [one for one in value if _is(one)] if isinstance(value, list) else []


def _str(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""

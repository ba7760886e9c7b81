"""Text as people type it and as Slack stores it: escaping, mentions, rich text."""

import re

from bot.sandbox.slack.model import Json

_TOKEN = re.compile(r"<([^<>]+)>|```(.+?)```|`([^`\n]+)`", re.DOTALL)
_TYPED_NAME = re.compile(r"(?<![\w@#])([@#])([\w][\w.-]*)")


def escape(text: str) -> str:
    """Escape the three characters that Slack escapes, and only these."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The characters as a person sees them."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def compose(typed: str, names: dict[str, str]) -> str:
    """What the composer sends for what was typed: escaped, known @names and #names linked.

    `names` maps `@alice` to `<@U…>`, `#ops` to `<#C…>`, `@sre` to `<!subteam^S…>`.
    """

    def link(match: re.Match[str]) -> str:
        word = match.group(1) + match.group(2)
        trimmed = word.rstrip(".-")
        found = names.get(trimmed)
        return word if found is None else found + word[len(trimmed) :]

    return _TYPED_NAME.sub(link, escape(typed))


def rich_text(text: str, block_id: str) -> Json:
    """The `rich_text` block that Slack makes of a person's message."""
    sections: list[Json] = []
    inline: list[Json] = []
    position = 0
    for match in _TOKEN.finditer(text):
        _plain(inline, text[position : match.start()])
        position = match.end()
        token, fenced, code = match.groups()
        if fenced is not None:
            if inline:
                sections.append({"type": "rich_text_section", "elements": inline})
                inline = []
            shown: Json = {"type": "text", "text": unescape(fenced.strip("\n"))}
            sections.append({"type": "rich_text_preformatted", "elements": [shown], "border": 0})
        elif code is not None:
            inline.append({"type": "text", "text": unescape(code), "style": {"code": True}})
        else:
            inline.append(_element(token))
    _plain(inline, text[position:])
    if inline or not sections:
        sections.append({"type": "rich_text_section", "elements": inline})
    return {"type": "rich_text", "block_id": block_id, "elements": sections}


def _plain(elements: list[Json], text: str) -> None:
    if text:
        elements.append({"type": "text", "text": unescape(text)})


def _element(token: str) -> Json:
    body, _, label = token.partition("|")
    if body.startswith("@"):
        return {"type": "user", "user_id": body[1:]}
    if body.startswith("#"):
        return {"type": "channel", "channel_id": body[1:]}
    if body.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": body.removeprefix("!subteam^")}
    if body in {"!here", "!channel", "!everyone"}:
        return {"type": "broadcast", "range": body[1:]}
    if body.startswith("!"):
        return {"type": "text", "text": unescape(label or body)}
    link: Json = {"type": "link", "url": unescape(body)}
    return link | {"text": unescape(label)} if label else link

"""Credentials in XML: `<password>…</password>`, known by the name of their element."""

from collections.abc import Iterator

from .assignments import is_secret_value
from .names import holds_secret
from .spans import MASK, Span, compiled

_ELEMENT = compiled(r"<([A-Za-z_][A-Za-z0-9_.:\-]{0,79})(?:\s[^<>]*)?>([^<>]+)</")


def by_element(text: bytes) -> Iterator[Span]:
    """The text of elements whose name is that of a secret."""
    if b"</" not in text:
        return
    for match in _ELEMENT.finditer(text):
        name = match[1].decode("ascii")
        if holds_secret(name, environment=name.isupper() and "_" in name):
            start, end = match.span(2)
            inside = text[start:end]
            start += len(inside) - len(inside.lstrip())
            end -= len(inside) - len(inside.rstrip())
            if is_secret_value(text[start:end].decode("utf-8", "replace"), name):
                yield Span(start, end, MASK)

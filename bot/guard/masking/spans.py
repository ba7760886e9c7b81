"""What all searches for credentials share: the mask, places in a text, what needs no mask."""

import re
from typing import NamedTuple

import re2

MASK = "‹masked›"
# Bytes an automaton may take. With RE2's 8 MB the larger ones start anew all the time, and a find
# costs ten times as much; what is really taken is some MB for all together.
_MEMORY = 16 << 20
# What a masked place looks like. The words after the colon name the kind of credential.
IS_MASK = re.compile("‹masked(?:: [A-Za-z ]{1,40})?›")
_MASK_BYTES = re.compile(IS_MASK.pattern.encode())

# References, placeholders and switches: what stands where a secret would, and is none.
_PLACEHOLDER = re.compile(
    r"(?i)null|none|nil|true|false|undefined|yes|no|~|unset|empty|optional|required|redacted|hidden"
    r"|\*{2,}|x{3,}|\.{2,}|-+|[\[(]redacted[\])]|<(?:set|unset)|<[a-z][a-z _.\-]*>|[|>][+\-]?"
    r"|\$[A-Z_][A-Z0-9_]*(?:[.:][A-Z_][A-Z0-9_.:\-]*)?|\$\d{1,2}|\$(?:__[a-z]+)?[{(].*|\{\{.*|%\(.*"
    r"|%[svdq+]|%[A-Z_]+%|@[\w.\-/]*@|@Microsoft\.KeyVault\(.*"
    # where a keeper of secrets has it, and what one has encrypted
    r"|(?:vault|ref\+[a-z]+|op|ssm|secretref|awssm|gcpsm|azurekeyvault|file|env|arn)://?.*"
    r"|(?:vault|arn|secretref):[\w.\-]+[:/].*|projects/[^/]+/secrets/.*|secrets?/data/.*"
    r"|process\.env\.\w+|os\.environ/.*|bool(?:ean)?|str(?:ing)?|int(?:eger)?|object|array"
    r"|(?:[A-Z_]\w*\.)+[A-Z_]\w*[(\[].*|ENV\[.*|getenv\(.*"
    r"|ENC\[.*|Ag[A-D][A-Za-z0-9+/]{150,}={0,2}"
    r"|/(?:run|var|etc|opt|home|mnt|tmp|usr|secrets?|root|app|vault)/.*|\.{1,2}/.*|\\.{0,2}"
)


class Span(NamedTuple):
    """Bytes `start` to `end` of a text are a secret, to be shown as `mask`."""

    start: int
    end: int
    mask: str


def mask_of(kind: str) -> str:
    """The mask that names the kind of what it hides."""
    return f"‹masked: {kind}›"


def is_placeholder(value: str) -> bool:
    """Say that there is nothing to hide: empty, a reference, or hidden already."""
    if not value.strip() or IS_MASK.fullmatch(value):
        return True
    return _PLACEHOLDER.fullmatch(value) is not None


def compiled(pattern: str, *, groups: bool = True) -> "re2._Regexp":
    """An RE2 pattern over bytes; text need not be valid UTF-8 for it.

    Without `groups` a pattern of any size is found at the speed of one automaton.
    """
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = not groups
    options.max_mem = _MEMORY
    return re2.compile(pattern.encode("ascii"), options=options)


def apart(data: bytes, found: list[Span]) -> list[Span]:
    """The spans sorted; of those that overlap, their union under the mask that says most.

    Masks that are in the text already take part, so that none is cut in half or masked again.
    """
    there = [Span(*match.span(), match[0].decode()) for match in _MASK_BYTES.finditer(data)]
    joined: list[Span] = []
    for span in sorted(found + there):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            same = (span.start, span.end) == (last.start, last.end)
            mask = max(last.mask, span.mask, key=len) if same else last.mask
            joined[-1] = Span(last.start, max(last.end, span.end), mask)
        else:
            joined.append(span)
    return [span for span in joined if not _MASK_BYTES.fullmatch(data, span.start, span.end)]


def apply(data: bytes, spans: list[Span]) -> bytes:
    """The text with each span (sorted, apart) replaced by its mask."""
    pieces: list[bytes] = []
    at = 0
    for span in spans:
        pieces += [data[at : span.start], span.mask.encode()]
        at = span.end
    return b"".join([*pieces, data[at:]])

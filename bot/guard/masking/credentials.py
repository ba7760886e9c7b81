"""Credentials in free text: by their form, by their place, and by the name they are given to.

What scans a whole text is RE2's; `re` only looks at the place found, with patterns that cannot
backtrack far. Text is searched as bytes: RE2 counts in bytes, and every delimiter here is ASCII.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from .assignments import by_name
from .pairs import by_pair
from .spans import MASK, Span, apart, apply, compiled, is_placeholder, mask_of

# --- by form: what the issuer made recognisable ----------------------------------------------

# In text that was escaped once too often a key follows a literal "\n", which is no word boundary.
_EDGE = r"(?:\\[nrt]|\b)"
_FORMS: tuple[tuple[str, str], ...] = (
    ("AWS key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}"),
    ("GitLab token", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_.\-]{16,}"),
    ("Slack token", r"xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{8,}|xapp-[0-9]-[A-Za-z0-9\-]{8,}"),
    ("Anthropic key", r"sk-ant-[A-Za-z0-9_\-]{8,}"),
    ("API key", r"sk-(?:proj|svcacct|admin|or-v1|lf)-[A-Za-z0-9_\-]{12,}"),
    ("API key", r"sk-[A-Za-z0-9_\-]{20,}"),
    ("Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}"),
    ("npm token", r"npm_[A-Za-z0-9]{30,}"),
    ("PyPI token", r"pypi-AgE[A-Za-z0-9_\-]{20,}"),
    ("Google key", r"AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-]{20,}|GOCSPX-[A-Za-z0-9_\-]{20,}"),
    ("JWT", r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"),
    ("Vault token", r"hv[sbr]\.[A-Za-z0-9_\-]{20,}"),
    ("Hugging Face token", r"hf_[A-Za-z0-9]{30,}"),
    ("Docker token", r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,}"),
    ("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
    ("Grafana token", r"gl(?:sa|c)_[A-Za-z0-9_+/=]{20,}"),
    ("SendGrid key", r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"),
    ("Databricks token", r"dapi[a-f0-9]{32}\b"),
    ("Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("Atlassian token", r"ATATT3[A-Za-z0-9_\-=]{20,}"),
    ("age key", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    ("private key", r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}"),  # base64 of "-----BEGIN "
)
_FORM = compiled(_EDGE + "(?:" + "|".join(f"({pattern})" for _, pattern in _FORMS) + ")")
_VENDORS = ("proj-", "svcacct-", "admin-", "or-v1-", "lf-")
# The endings that controllers give to the names of pods.
_POD_NAME = re.compile(
    r"-[bcdf-hj-np-tv-xz24-9]{5,10}(?:-[bcdf-hj-np-tv-xz24-9]{5})?$|-[a-f0-9]{8,10}-[a-z0-9]{5}$"
)
_AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9/+=_\-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_\-])")


def _by_form(text: bytes) -> Iterator[Span]:
    for match in _FORM.finditer(text):
        group = next(i for i in range(1, len(_FORMS) + 1) if match.start(i) >= 0)
        kind = _FORMS[group - 1][0]
        start, end = match.span(group)
        if _passes(kind, text[start:end]):
            yield Span(start, end, mask_of(kind))
            if kind == "AWS key":
                yield from _aws_secret_after(text, end)


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


# --- private keys over several lines ---------------------------------------------------------

_PEM_BEGIN = compiled(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# Of a key whose end is missing: everything that still looks like its lines.
_PEM_REST = compiled(r"(?:(?:\s|\\+[nr]|[>|\-+])*[A-Za-z0-9+/=]{20,})*")
_PEM_LONGEST = 16_384  # bytes


def _private_keys(text: bytes) -> Iterator[Span]:
    begins = [match.span() for match in _PEM_BEGIN.finditer(text)]
    for (start, after), (following, _) in pairwise([*begins, (len(text), 0)]):
        last = _PEM_END.search(text, after, min(following, after + _PEM_LONGEST))
        end = last.end() if last else _PEM_REST.match(text, after, following).end()
        yield Span(start, end, mask_of("private key"))


# --- by place: what stands where only a credential stands ------------------------------------

_PLACES: tuple[tuple[str, str], ...] = (
    # user:password@host; the password may itself hold an @, the host cannot
    ("", r"[A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s/:@\"'<>]*:([^\s/\"'<>`\\]+)@"),
    ("", r"[A-Za-z][A-Za-z0-9+.\-]{1,30}://([A-Za-z0-9_\-]{20,})@"),
    ("", r"[A-Za-z0-9_.\-]+:([^\s@/\"']+)@(?:tcp|unix)\("),
    ("Slack webhook", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([\w/\-]+)"),
    ("webhook", r"discord(?:app)?\.com/api/webhooks/([\w/\-]+)"),
    (
        "",
        (
            r"(?i:[?&](?:sig|signature|x-amz-signature|x-amz-security-token|code)=)"
            r"([A-Za-z0-9%+/=_\-]{16,})"
        ),
    ),
    (
        "",
        (
            r"(?i:\bauthorization\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?"
            r"(?:bearer|basic|token|apikey|digest|negotiate|splunk)[ \t]+)([^\s\"'\\,;]{4,})"
        ),
    ),
    ("", r"(?i:\b(?:bearer|basic)[ \t]+)([A-Za-z0-9._~+/\-]{12,}=*)"),
    ("", r"(?i:\bauthorization\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?)([^\s\"'\\,;]{16,})"),
    (
        "",
        (
            r"(?i:\b(?:set-cookie|cookie)\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?)"
            r"([^\s\"'\\=;,]+=[^\r\n\"'\\]+)"
        ),
    ),
    ("", r"(?i:\\*\"auth\\*\"[ \t]*:[ \t]*\\*\")([A-Za-z0-9+/]{8,}={0,2})"),
    ("", r"(?i:\bidentified[ \t]+by[ \t]+(?:password[ \t]+)?['\"])([^'\"\r\n]+)"),
    ("", r"\bmachine[ \t]+\S+[ \t]+login[ \t]+\S+[ \t]+password[ \t]+(\S+)"),  # .netrc
    ("", r"\b(?:mysql\w*|mariadb[\w\-]*)\b[^\r\n|;]*[ \t]-p([^\s\"'\-][^\s\"']*)"),
    (
        "",
        (
            r"\b(?:redis-cli\b[^\r\n|;]*[ \t]-a|sshpass[ \t]+-p"
            r"|(?:docker|podman)[ \t]+login\b[^\r\n|;]*[ \t]-p)[ \t]*([^\s\"'\-][^\s\"']*)"
        ),
    ),
    ("", r"(?i:\bcurl\b[^\r\n|;]*[ \t](?:-u|--user)[ =]?[\"']?[^\s:\"']+:)([^\s\"']+)"),
)
_PLACE = compiled("|".join(f"(?:{pattern})" for _, pattern in _PLACES))
_SCHEME, _BEARER, _HEADER, _DOCKER_AUTH = 7, 8, 9, 11  # groups of _PLACE, counted from 1


def _by_place(text: bytes) -> Iterator[Span]:
    for match in _PLACE.finditer(text):
        group = next(i for i in range(1, len(_PLACES) + 1) if match.start(i) >= 0)
        found = match[group]
        if is_placeholder(found.decode("utf-8", "replace")) or not _belongs(group, found):
            continue
        kind = _PLACES[group - 1][0]
        yield Span(match.start(group), match.end(group), mask_of(kind) if kind else MASK)


def _belongs(group: int, found: bytes) -> bool:
    """Say whether a find in a loose place also looks the part."""
    if group == _SCHEME:
        return not (found.isalpha() and found.islower())  # "authorization: token expired"
    if group in {_BEARER, _HEADER}:
        return re.search(rb"[0-9=]", found) is not None
    return group != _DOCKER_AUTH or b":" in _decoded(found)


# --- all together ----------------------------------------------------------------------------

_FINDERS: tuple[Callable[[bytes], Iterator[Span]], ...] = (
    _private_keys,
    _by_form,
    _by_place,
    by_name,
    by_pair,
)
# Without one of these there is nothing to find: most strings of a manifest end here.
_HINT = compiled(
    r"(?i)pass|pwd|pw|secret|token|key|cred|dsn|connection|signature|auth|bearer|basic|cookie"
    r"|identified|curl|mysql|mariadb|redis-cli|login|@|hooks|[?&](?:sig|code)=|eyJ|LS0tLS1|AIza|ya29|A[KSBC][IC]A|gh[pousr]_"
    r"|github_pat|gl[a-z]+[-_]|xox|xapp|sk-|[sr]k_|whsec|npm_|pypi|hv[sbr]\.|hf_|dckr|do[opr]_v1"
    r"|SG\.|dapi|shp|ATATT|GOCSPX"
)
_MOST_ROUNDS = 10


def mask_credentials(text: str) -> tuple[str, int]:
    """Mask what looks like a credential in one text and count the masks; masking twice is once."""
    data = text.encode("utf-8", "surrogatepass")
    if not _HINT.search(data):
        return text, 0
    count = 0
    # A mask can lay bare the edge of the next credential; nearly all texts take two rounds.
    for _ in range(_MOST_ROUNDS):
        spans = apart(data, [span for find in _FINDERS for span in find(data)])
        if not spans:
            break
        count += len(spans)
        data = apply(data, spans)
    return (data.decode("utf-8", "surrogatepass"), count) if count else (text, 0)

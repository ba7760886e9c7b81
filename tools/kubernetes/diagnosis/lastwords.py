"""What a program's own words point to: a host that does not answer, a full disk, a right it lacks.

Logs are other people's text: a hint is a reason to look there, and evidence; it is never believed
where the cluster itself says otherwise.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tools.kubernetes.diagnosis.snapshot import Line


class Points(StrEnum):
    """At what."""

    NO_HOST = "a name that is not resolved"
    REFUSED = "a host that refuses connections"
    TIMEOUT = "a host that does not answer"
    UNREACHED = "a host that cannot be reached"
    UNWELL = "a host that answers with an error"
    DISK_FULL = "a full disk"
    FORBIDDEN = "a right that its service account lacks"
    DENIED = "a file that it may not open"
    PLATFORM = "a program built for another machine"
    EXPIRED = "an expired certificate"
    POOL = "a pool that is used up"
    SETTING = "a setting that is missing"
    LOGIN = "credentials that are not accepted"
    LISTENING = "the port it listens on"
    MEMORY = "memory that the program itself ran out of"


NETWORK: Final = (
    Points.NO_HOST,
    Points.REFUSED,
    Points.TIMEOUT,
    Points.UNREACHED,
    Points.UNWELL,
)
HOSTS: Final = (*NETWORK, Points.EXPIRED, Points.LOGIN)  # those whose detail is a host


@dataclass(frozen=True)
class Hint:
    """What one line points to."""

    points: Points
    line: Line
    detail: str = ""  # the host, the path, the setting, the port


_I: Final = re.IGNORECASE
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_FULL = re.compile(r"no space left on device|disk quota exceeded|ENOSPC|disk (?:is )?full", _I)
_PATH = re.compile(r"(/[\w.@-]+(?:/[\w.@-]+)*)")
_FORBIDDEN = re.compile(
    r'User "?(system:serviceaccount:[\w.:-]+)"? cannot (\w+) resource "?([\w./-]+)',
    _I,
)
_DENIED = re.compile(
    r"permission denied|EACCES|operation not permitted|read-only file system|AccessDenied", _I
)
_PLATFORM = re.compile(r"exec format error|cannot execute binary file", _I)
_EXPIRED = re.compile(
    r"certificate has expired|certificate expired|CERT_HAS_EXPIRED|certificate is not yet valid"
    r"|expired certificate|CertificateExpired|certificate verify failed: .*expired",
    _I,
)
_POOL = re.compile(
    r"pool (?:is )?exhausted|exhausted.{0,20}pool|too many (?:clients|connections)"
    r"|pool(?!\(host).{0,30}(?:timed? ?out|timeout|limit)|remaining connection slots",
    _I,
)
_NO_HOST = re.compile(
    r"no such host|name or service not known|temporary failure in name resolution|NXDOMAIN"
    r"|could not (?:resolve|translate) host|\bENOTFOUND\b|\bEAI_AGAIN\b|can't resolve"
    r"|UnknownHost(?:Exception)?|nodename nor servname|name does not resolve|bad address"
    r"|server misbehaving|failed to resolve|dns (?:error|lookup failed)|cannot resolve"
    r"|lookup \S+ on \S+:53",
    _I,
)
_REFUSED = re.compile(
    r"connection refused|ECONNREFUSED|connect(?:ion)? (?:was )?rejected|connection to \S+ refused",
    _I,
)
_TIMEOUT = re.compile(
    r"i/o timeout|connect(?:ion)? timed out|ETIMEDOUT|context deadline exceeded|no route to host"
    r"|connect timeout|timed out (?:connecting|while connecting)|no answer within|dial timeout"
    r"|timeout (?:connecting|while)|timed out|network is unreachable|EHOSTUNREACH",
    _I,
)
_UNREACHED = re.compile(
    r"(?:can't|cannot|could not|couldn't|unable to|failed to) (?:reach|connect)|EPIPE"
    r"|run out of available brokers|no ?brokers ?available|broker may not be available"
    r"|communications link failure|connection error|error \d+ connecting|waiting for \S+:\d+"
    r"|(?:is )?(?:not ready|unavailable|unreachable)(?: yet)?[ ,-]+(?:retrying|waiting|sleeping)",
    _I,
)
_UNWELL = re.compile(
    r"\b50[234]\b|service unavailable|bad gateway|connection reset by peer|no healthy upstream"
    r"|upstream .{0,40}unhealthy",
    _I,
)
_LOGIN = re.compile(
    r"password authentication failed|access denied for user|invalid (?:password|credentials)"
    r"|\b401\b|\bunauthori[sz]ed\b|token (?:is |has )?(?:invalid|expired|not valid|revoked)"
    r"|authentication failed|NOAUTH|WRONGPASS|AuthenticationFailed|login failed",
    _I,
)
_SETTING = re.compile(
    r"(?:missing|required|undefined|unset|not set|no value|KeyError|must be set|is empty"
    r"|not (?:provided|configured|defined|found in env)|environment variable)",
    _I,
)
_VARIABLE = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
_LISTENING = re.compile(
    r"(?:listen(?:ing|s)?|serving|started|bound|running|accepting).{0,40}?(?:[:\s]|port[ =:]*)"
    r"(\d{2,5})\b",
    _I,
)
_MEMORY = re.compile(r"OutOfMemoryError|heap out of memory|MemoryError|cannot allocate memory", _I)
_URL = re.compile(rf"\b(?:[a-z][a-z0-9+.-]*)://(?:[^/@\s\"']*@)?({_HOST})", _I)
_WITH_PORT = re.compile(rf"\b({_HOST}):\d{{2,5}}\b")
# Where a host stands in a line, the surest first.
_HOSTS: Final = (
    _URL,
    re.compile(rf"lookup ({_HOST})", _I),
    re.compile(rf"(?:ENOTFOUND|EAI_AGAIN|UnknownHostException:?) ({_HOST})"),
    re.compile(rf"host(?: ?name)?[ =:]*[\"'`]?({_HOST})[\"'`]?", _I),
    re.compile(rf"server (?:at|on) [\"'`]?({_HOST})", _I),
    re.compile(rf"dial (?:tcp|udp)[46]? ({_HOST}):\d+"),
    _WITH_PORT,
    re.compile(
        rf"(?:connect(?:ing|ion)? to|resolve|resolving|reach|bad address) [\"'`]?({_HOST})",
        _I,
    ),
    re.compile(rf"({_HOST}): (?:Name or service|Temporary failure|connection|connect|no such)", _I),
)
_SOURCE = re.compile(
    r"\.(?:go|py|js|mjs|ts|java|kt|rb|rs|php|cs|c|cc|cpp|scala|ex"
    r"|ya?ml|json|toml|conf|cfg|ini|xml|txt|log|pem|crt|properties|lock|hcl)$"
)
_NO_HOSTS: Final = {"on", "the", "server", "host", "name", "tcp", "by", "a", "database", "is", "to"}


def hints_of(lines: Iterable[Line]) -> list[Hint]:
    """All that the lines point to, oldest first."""
    every = list(lines)
    return [
        _placed(hint, every[max(0, index - 2) : index + 3])
        for index, line in enumerate(every)
        for hint in _of_line(line)
    ]


def _placed(hint: Hint, near: Sequence[Line]) -> Hint:
    """The host of a hint that names none, where a line beside it does."""
    if hint.detail or hint.points not in NETWORK:
        return hint
    for line in near:
        if line is not hint.line and (host := host_of(line.text)) and is_named(host, line.text):
            return replace(hint, detail=host, line=line)
    return hint


def is_named(host: str, text: str) -> bool:
    """Whether a text really names a host, and not any word in its place."""
    if "." in host:
        return True
    found = re.escape(host)
    return (
        re.search(rf"(?:{found}:\d|://(?:[^/\s]*@)?{found}\b|[\"'`]{found}[\"'`])", text, _I)
        is not None
    )


def _of_line(line: Line) -> Iterator[Hint]:
    text = line.text
    if found := _FORBIDDEN.search(text):
        yield Hint(Points.FORBIDDEN, line, f"{found[2]} {found[3]}")
        return
    for points, pattern, detail in _PLAIN:
        if pattern.search(text):
            yield Hint(points, line, detail(text))
            return
    if (network := _network(text)) is not None:
        yield Hint(network, line, host_of(text))
    elif _DENIED.search(text):
        yield Hint(Points.DENIED, line, _path_of(text))
    elif _SETTING.search(text) and (named := _VARIABLE.search(text)):
        yield Hint(Points.SETTING, line, named[1])
    elif found := _LISTENING.search(text):
        yield Hint(Points.LISTENING, line, found[1])


def _path_of(text: str) -> str:
    found = _PATH.search(text)
    return found[1] if found else ""


def _network(text: str) -> Points | None:
    for points, pattern in (
        (Points.NO_HOST, _NO_HOST),
        (Points.REFUSED, _REFUSED),
        (Points.TIMEOUT, _TIMEOUT),
        (Points.UNREACHED, _UNREACHED),
    ):
        if pattern.search(text):
            return points
    return Points.UNWELL if _UNWELL.search(text) and host_of(text) else None


def host_of(text: str) -> str:
    """The host that a line is about, empty where none can be told."""
    for pattern in _HOSTS:
        for found in pattern.finditer(text):
            host = found[1].rstrip(".").lower()
            if _SOURCE.search(host):
                continue
            if host not in _NO_HOSTS and not host.isdecimal() and len(host) > 1:
                return host
    return ""


def hosts_in(value: str) -> Iterator[str]:
    """The hosts that a setting's value may name."""
    text = value.strip()
    if len(text) > 500:
        return
    if re.fullmatch(_HOST, text):
        yield text.lower()
        return
    for pattern in (_URL, _WITH_PORT):
        yield from (found[1].lower() for found in pattern.finditer(text))
    for part in re.findall(rf"@({_HOST})", text):
        yield part.lower()


def _nothing(_: str) -> str:
    return ""


# What is told by one pattern alone, in the order in which they are looked for.
_PLAIN: Final[tuple[tuple[Points, re.Pattern[str], Callable[[str], str]], ...]] = (
    (Points.DISK_FULL, _FULL, _path_of),
    (Points.PLATFORM, _PLATFORM, _nothing),
    (Points.EXPIRED, _EXPIRED, host_of),
    (Points.POOL, _POOL, _nothing),
    (Points.MEMORY, _MEMORY, _nothing),
    (Points.LOGIN, _LOGIN, host_of),
)

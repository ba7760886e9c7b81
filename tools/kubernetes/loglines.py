"""Lines of logs: which are wanted, with what stands around them, in order or folded by pattern."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import re2

from tools.kubernetes.counting import counted

Matcher = Callable[[str], bool]
_FEW_LINES = 120  # that are shown whole whatever is cut: by time alone they tell the story best
_FIRST_LINES = 100  # of crashing containers, before all others
_MOST_PATTERNS = 60
_MOST_PODS = 3  # that are named beside a pattern
# What errors look like in the logs of most languages and frameworks; klog's lines begin with E1126.
_ERROR = (
    r"(?i)\b(error|err|exception|fatal|panic|critical|crit|emerg|alert|severe|traceback"
    r"|fail(ed|ure|s|ing)?|refused|denied|timed? ?out|unreachable|unavailable|oom)\b"
    r"|\b[A-Za-z]+(Error|Exception)\b|(?-i:^[EF][0-9]{4} )"
)
# What differs between two lines that say the same: the most special first.
_DIFFERS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b"), "<id>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)


@dataclass(frozen=True)
class Line:
    """What a container wrote at once."""

    stamp: str  # to the nanosecond, for merging
    source: str
    text: str
    crashing: bool
    around: bool = False  # stands beside what was wanted

    def __str__(self) -> str:
        return f"{self.stamp[:19]}Z {self.source} {'-' if self.around else '|'} {self.text}"


def matcher(grep: str, *, errors: bool) -> Matcher:
    """Lines that hold the text as it is, or that the pattern matches; of these, errors only."""
    wanted = _pattern(grep)
    if not errors:
        return wanted
    error = _compiled(_ERROR)
    return lambda line: error.search(line) is not None and wanted(line)


def _pattern(grep: str) -> Matcher:
    if not grep:
        return lambda _line: True
    try:
        pattern = _compiled(grep)
    except re2.error:
        return lambda line: grep in line
    return lambda line: grep in line or pattern.search(line) is not None


def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = True
    return re2.compile(pattern, options)


def wanted(lines: Sequence[Line], matches: Matcher, context: int) -> list[Line]:
    """Those of one container that match, and so many before and after each."""
    hits = [number for number, line in enumerate(lines) if matches(line.text)]
    if not context:
        return [lines[number] for number in hits]
    near = {other for hit in hits for other in range(hit - context, hit + context + 1)}
    found = set(hits)
    return [
        line if number in found else replace(line, around=True)
        for number, line in enumerate(lines)
        if number in near
    ]


def ordered(said: Iterable[Line]) -> list[str]:
    """By time; of many, what crashing containers wrote last comes before all the rest.

    A result that is too long is cut in its middle, and healthy pods write more.
    """
    lines = sorted(said, key=lambda line: line.stamp)
    first = [line for line in lines if line.crashing][-_FIRST_LINES:]
    if len(lines) <= _FEW_LINES or not first or len(first) == len(lines):
        return [str(line) for line in lines]
    taken = set(map(id, first))
    rest = [line for line in lines if id(line) not in taken]
    return [
        f"--- crashing containers, their last {counted(len(first), 'line')} ---",
        *map(str, first),
        f"--- all other lines, {len(rest)} ---",
        *map(str, rest),
    ]


def folded(said: Iterable[Line]) -> list[str]:
    """Each pattern once, the most frequent first: how often, since when, where, and its last line.

    Lines are of one pattern when they differ in numbers, times, addresses and ids only.
    """
    groups: dict[str, list[Line]] = {}
    for line in sorted(said, key=lambda line: line.stamp):
        groups.setdefault(_shape(line), []).append(line)
    chosen = sorted(groups.values(), key=lambda group: (-len(group), group[0].stamp))
    lines = [_told(group) for group in chosen[:_MOST_PATTERNS]]
    if rest := chosen[_MOST_PATTERNS:]:
        patterns = counted(len(rest), "rarer pattern")
        lines.append(f"not shown: {patterns}, {counted(sum(map(len, rest)), 'line')}")
    return lines


def _shape(line: Line) -> str:
    text = line.text.replace(line.source.partition("/")[0], "<pod>")
    for pattern, instead in _DIFFERS:
        text = pattern.sub(instead, text)
    return text


def _told(group: Sequence[Line]) -> str:
    first, last = group[0].stamp[:19], group[-1].stamp[:19]
    when = f"{first}Z" if first == last else f"{first}Z to {last[11:] or last}Z"
    if first[:10] != last[:10]:
        when = f"{first}Z to {last}Z"
    return f"×{len(group)} {when} {', '.join(_named(group))} | {group[-1].text}"


def _named(group: Sequence[Line]) -> Iterator[str]:
    sources = list(dict.fromkeys(line.source for line in group))
    yield from sources[:_MOST_PODS]
    if len(sources) > _MOST_PODS:
        yield f"{len(sources) - _MOST_PODS} more"

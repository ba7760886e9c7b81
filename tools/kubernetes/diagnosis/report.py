"""A diagnosis as people read it, and as data."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from tools._kit import Report
from tools.kubernetes.diagnosis.clues import Notice, Proposal
from tools.kubernetes.diagnosis.ranking import Ranked

PREFIX = "k8s"
_MOST_NOTICES = 20


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    about: str  # "namespace shop"
    findings: Sequence[Ranked]
    notices: Sequence[Notice]
    not_checked: Sequence[str]
    checked: Sequence[str]
    elsewhere: Sequence[str] = ()  # what else is not well there, beside what was asked about

    def report(self) -> Report:
        """Lines for people, and the same as data."""
        notices = [f"{one.about}: {one.text}" for one in self.notices]
        notices = [*self.elsewhere, *dict.fromkeys(notices)]
        if len(notices) > _MOST_NOTICES:
            left = len(notices) - _MOST_NOTICES
            notices = [*notices[:_MOST_NOTICES], f"{left} more of the kind"]
        findings: list[JsonValue] = [_finding(one) for one in self.findings]
        data: Mapping[str, JsonValue] = {
            "healthy": not findings,
            "findings": findings,
            "notices": list[JsonValue](notices),
            "not_checked": list[JsonValue](self.not_checked),
            "checked": list[JsonValue](self.checked),
        }
        return Report(tuple(self._lines(notices)), data, f"{self.about}; nothing was changed")

    def _lines(self, notices: Sequence[str]) -> Iterator[str]:
        if not self.findings:
            looked = ", ".join(self.checked)
            yield (
                f"Nothing is wrong with {self.about}; checked: {looked}."
                if looked
                else f"There is nothing in {self.about} to look at: name another namespace, or look"
                " everywhere (`all_namespaces`, -A)."
            )
        for number, one in enumerate(self.findings, 1):
            yield from _said(number, one)
        for text in notices:
            yield f"notice: {text}"
        for text in self.not_checked:
            yield f"not checked: {text}"
        if self.findings:
            yield f"checked: {', '.join(self.checked)}"


def _said(number: int, one: Ranked) -> Iterator[str]:
    clue = one.clue
    place = f" in {clue.about.namespace}" if clue.about.namespace else ""
    head = f"{number}. {clue.about}{place}: {clue.text}"
    yield f"{head} [{clue.cause}, confidence {clue.confidence}]"
    yield from (f"   evidence: {line}" for line in one.evidence)
    yield from (f"   because of it: {line}" for line in one.effects)
    yield from (f"   ruled out: {line}" for line in clue.ruled_out)
    if clue.alternative:
        yield f"   or else: {clue.alternative}"
    if clue.change is not None:
        yield f"   change: {_change_words(clue.change)}"
        if lacks := clue.change.lacks:
            yield f"   not allowed to me: {lacks}; whoever looks after the cluster has to allow it"


def _change_words(change: Proposal) -> str:
    """As people type it: the tool's words and its arguments as kubectl's flags."""
    left = dict(change.arguments)
    words = change.tool.split("_")
    words.append("/".join(str(left.pop(part)) for part in ("kind", "name") if part in left))
    if namespace := left.pop("namespace", ""):
        left["n"] = namespace  # last, as people write it
    for argument, value in left.items():
        flag = argument.replace("_", "-")
        words += ["-" * min(len(flag), 2) + flag, shlex.quote(str(value))]
    return " ".join(words)


def _finding(one: Ranked) -> JsonValue:
    clue = one.clue
    change: JsonValue = None
    if clue.change is not None:
        change = {"tool": f"{PREFIX}_{clue.change.tool}", "arguments": dict(clue.change.arguments)}
        if clue.change.lacks:
            change["not_allowed"] = clue.change.lacks
    return {
        "object": str(clue.about),
        "namespace": clue.about.namespace,
        "cause": clue.cause.value,
        "text": clue.text,
        "confidence": clue.confidence.value,
        "evidence": list[JsonValue](one.evidence),
        "effects": list[JsonValue](one.effects),
        "ruled_out": list[JsonValue](clue.ruled_out),
        "alternative": clue.alternative,
        "change": change,
    }

"""What one look found, in words: a line for people, an object for programs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How it is: a warning works, with something to know; what failed has to be mended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


_SIGNS = {Mark.OK: "✅", Mark.WARNING: "⚠️", Mark.FAILED: "⛔"}
_WIDTH = len(Mark.WARNING)


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend` says what to do; empty where there is nothing to do."""

    check: str
    mark: Mark
    said: str
    mend: str = ""

    def line(self) -> str:
        """For people."""
        mend = f" → {self.mend}" if self.mend else ""
        return f"{_SIGNS[self.mark]} {self.mark.value:<{_WIDTH}}  {self.check}: {self.said}{mend}"

    def data(self) -> dict[str, str]:
        """For programs."""
        return {
            "check": self.check,
            "state": self.mark.value,
            "said": self.said,
            "mend": self.mend,
        }

    def without(self, secrets: Iterable[str]) -> "Finding":
        """The same with none of `secrets` in it."""
        said, mend = self.said, self.mend
        for secret in secrets:
            said, mend = said.replace(secret, "‹masked›"), mend.replace(secret, "‹masked›")
        return Finding(self.check, self.mark, said, mend)


def ok(check: str, said: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Mark.OK, said)


def warning(check: str, said: str, mend: str = "") -> Finding:
    """It works, and there is something to know."""
    return Finding(check, Mark.WARNING, said, mend)


def failed(check: str, said: str, mend: str = "") -> Finding:
    """It does not work."""
    return Finding(check, Mark.FAILED, said, mend)

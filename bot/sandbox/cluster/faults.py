"""Faults on request: answers that come late, wrong or not at all."""

import re
from dataclasses import dataclass


@dataclass
class Fault:
    """One planned fault. `status` 0 drops the connection instead of answering."""

    verb: str  # a verb of the API (`patch`, `list`), an HTTP method, or `*`
    path: re.Pattern[str]
    seconds: float = 0.0
    status: int | None = None
    times: int | None = None  # None: until `clear`
    after_processing: bool = False
    spares_dry_runs: bool = False

    def meets(self, verb: str, method: str, path: str, *, dry: bool = False) -> bool:
        """Say whether a request is hit."""
        if dry and self.spares_dry_runs:
            return False
        named = self.verb == "*" or self.verb.lower() in (verb, method.lower())
        return named and self.path.search(path) is not None and self.times != 0


class Faults:
    """All planned faults of one server."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """Add a fault. The newest that fits a request is the one that strikes."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()

    def delay(self, verb: str, method: str, path: str, *, dry: bool = False) -> float:
        """Return how many seconds of real time a request has to wait."""
        found = self._find(verb, method, path, failing=False, dry=dry)
        return found.seconds if found else 0.0

    def failure(self, verb: str, method: str, path: str, *, dry: bool = False) -> Fault | None:
        """Return the failure that a request meets, and use it up once."""
        return self._find(verb, method, path, failing=True, dry=dry)

    def _find(self, verb: str, method: str, path: str, *, failing: bool, dry: bool) -> Fault | None:
        for fault in reversed(self._planned):
            if (fault.status is not None) is failing and fault.meets(verb, method, path, dry=dry):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

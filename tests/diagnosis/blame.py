"""What is wrong in a state: which findings would be right about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from tests.diagnosis.shop import Shop
from tests.diagnosis.vocabulary import words


@dataclass(frozen=True)
class Blame:
    """A root cause, in our word for it, and the objects that a person could fix.

    `also` are findings that are true beside it: of what else the same cause breaks. `says` is a
    pattern for what a finding has to tell where its cause's word alone would not be enough.
    """

    cause: str
    objects: tuple[str, ...]
    also: tuple["Blame", ...] = ()
    says: str = ""

    def fits(self, found: dict[str, JsonValue]) -> bool:
        """Whether a finding says this."""
        named = str(found.get("object")).rpartition(" ")[2].lower()
        told = f"{found.get('text')} {found.get('evidence')}"
        return (
            str(found.get("cause")) in words(self.cause)
            and ("*" in self.objects or named in self.objects)
            and re.search(self.says, told) is not None
        )

    def allows(self, found: dict[str, JsonValue]) -> bool:
        """Whether a finding says this, or what is true beside it."""
        return self.fits(found) or any(one.allows(found) for one in self.also)


@dataclass(frozen=True)
class Fault:
    """One way in which something breaks."""

    name: str
    make: Callable[[Shop], Blame]
    beyond_view: bool  # its cause is not to be seen with the role `view`
    alone: bool  # it goes beyond one workload, so that nothing else is told apart from it


FAULTS: dict[str, Fault] = {}
FRESH: dict[str, Fault] = {}  # of the third set
UNSEEN: dict[str, Fault] = {}  # of the fourth
FIFTH: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    beyond_view: bool = False,
    alone: bool = False,
    among: dict[str, Fault] = FAULTS,
) -> Callable[[Callable[[Shop], Blame]], Callable[[Shop], Blame]]:
    """Enter a function among the faults."""

    def enter(make: Callable[[Shop], Blame]) -> Callable[[Shop], Blame]:
        assert name not in among, name
        among[name] = Fault(name, make, beyond_view, alone)
        return make

    return enter

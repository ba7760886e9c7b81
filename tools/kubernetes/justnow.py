"""What only numbers of just now tell: for people to read, and no part of what they approve."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JustNow:
    """What to beware of, and what to know."""

    cautions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "JustNow") -> "JustNow":
        """Both."""
        return JustNow((*self.cautions, *other.cautions), (*self.notes, *other.notes))

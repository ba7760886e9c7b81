"""`python -m tests.corpus.masking [dev]`: the table, and with `dev` the development misses."""

import sys

from bot.guard.masking import mask_text

from . import honest
from .cases import cases
from .measure import Count, false_alarms, missed, misses, times, total


def _table(title: str, parts: tuple[dict[str, Count], dict[str, Count]], *, per: bool) -> None:
    print(f"\n{title:<28}{'development':>18}{'held out':>18}")
    rows = [(name, [part.get(name, Count(0, 0)) for part in parts]) for name in parts[1] | parts[0]]
    for name, counts in [*rows, ("all", [total(part.values()) for part in parts])]:
        print(f"{name:<28}" + "".join(f"{_shown(c, per=per):>18}" for c in counts))


def _shown(count: Count, *, per: bool) -> str:
    if per:
        return f"{1000 * count.found / max(count.of, 1):.2f} ({count.found}/{count.of})"
    return f"{count.found}/{count.of}"


def _development() -> None:
    """What to mend: nothing of the held-out part is shown."""
    for case in cases():
        if not case.held_out and missed(case):
            print(f"MISS  {case.family}: {case.name}\n  {case.text!r}")
            print(f"  {mask_text(case.text).text!r}")
    for text in honest.texts():
        masked = mask_text(text.text)
        if not text.held_out and masked.count:
            pairs = zip(text.text.split("\n"), masked.text.split("\n"), strict=False)
            was, became = next(((a, b) for a, b in pairs if a != b), ("", ""))
            print(f"FALSE {text.kind}: {text.name} ({masked.count})")
            print(f"  {was[:200]!r}\n  {became[:200]!r}")


def main() -> None:
    """Print the table."""
    if "dev" in sys.argv[1:]:
        _development()
    both = misses(held_out=False), misses(held_out=True)
    _table("misses", both, per=False)
    alarms = false_alarms(held_out=False), false_alarms(held_out=True)
    _table("false alarms / 1,000 lines", alarms, per=True)
    print(f"\n{'ms per 100 kB':<28}{'p50':>18}{'p95':>18}")
    for name, (middle, high) in times().items():
        print(f"{name:<28}{middle:>18.1f}{high:>18.1f}")


if __name__ == "__main__":
    main()

"""Secrets and credentials are masked before the model, the database and Slack see a text.

The key stays and the value becomes `‹masked›`, or `‹masked: AWS key›` where the kind helps.
Masking twice changes nothing more. Nothing is masked between an approval and its execution.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bot.core.text import visible
from tools import ChangedPath, Finding, Lines, Manifests, Preview, Report, Several, Single, Table

from .manifests import Masker
from .names import holds_secret
from .spans import IS_MASK, MASK
from .written import operations, secret_arguments

__all__ = [
    "IS_MASK",
    "MASK",
    "MASK_NOTE",
    "Masked",
    "mask_arguments",
    "mask_finding",
    "mask_json",
    "mask_preview",
    "mask_text",
    "no_credential",
    "would_alter",
]

# For people and models alike; what a model makes of it, its system prompt says.
MASK_NOTE = (
    "Values of secrets and whatever looks like a credential are shown as `‹masked›` or "
    "`‹masked: kind›`. The real values are there, hidden on purpose."
)

_BRACKETED = re.compile(r"\[(?:name=)?[\"']?([^\]\"']+)[\"']?\](?:\.value)?$")
# An object's name made of words: "shop-example-tls", "web-2.tls".
_SPOKEN = re.compile(r"[a-z]+\d{0,2}(?:[.-](?:[a-z]+\d{0,2}|\d{1,2}))*")
_SHORTEST = 6  # characters: what is shorter stands in any text by chance
_SECRET_OBJECT = re.compile(r"(?i)\bsecrets?/")
_DIFF_PAIR = re.compile(r"^([+\- ] {2}[\w.\-\"'/]+: +)(\S.*)$")
_DIFF_VALUE = re.compile(r"^([+\- ] *(?:- )?[\w.\-\"'/]+: +)(\S.*)$")
_DIFF_PLAIN = re.compile(r"^[+\- ] {2}(?:name|namespace|uid|generation|creationTimestamp|labels): ")


@dataclass(frozen=True)
class Masked:
    """A text without its secrets, and how many masks are new in it."""

    text: str
    count: int


def mask_text(text: str) -> Masked:
    """Mask free text: logs, events, command lines, and manifests inside them."""
    masker = Masker()
    return Masked(masker.text(text), masker.count)


def safe(text: str) -> str:
    """What a tool said, as it may be stored and shown: nothing hidden in it, no credential."""
    return mask_text(visible(text)).text


def mask_json(value: JsonValue) -> tuple[JsonValue, int]:
    """Mask a JSON value by structure and by text; the second is the number of masks."""
    masker = Masker()
    return masker.value(value), masker.count


def mask_finding(finding: Finding) -> tuple[Finding, int]:
    """Mask what a read found; the second is how many masks. With none, the same object."""
    if isinstance(finding, Several):
        each = {kind: _mask_part(part) for kind, part in finding.parts.items()}
        parts = {kind: part for kind, (part, _) in each.items()}
        return Several(parts), sum(count for _, count in each.values())
    return _mask_part(finding)


def _mask_part(finding: Single) -> tuple[Single, int]:
    masker = Masker()
    note = masker.text(finding.note)
    masked: Single
    match finding:
        case Lines(lines):
            masked = Lines(_lines(masker, lines), note)
        case Table(columns, rows):
            masked = Table(columns, tuple(_row(masker, columns, row) for row in rows), note)
        case Manifests(objects, _, written):
            masked = Manifests(tuple(_object(masker, one) for one in objects), note, written)
        case Report(lines, data):
            masked = Report(_lines(masker, lines), _object(masker, data), note)
    return (masked, masker.count) if masker.count else (finding, 0)


def _lines(masker: Masker, lines: tuple[str, ...]) -> tuple[str, ...]:
    """As one text, because a private key goes over many lines."""
    return tuple(masker.text("\n".join(lines)).split("\n"))


def _object(masker: Masker, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    masked = masker.value(dict(value))
    return masked if isinstance(masked, dict) else {}


def _row(masker: Masker, columns: tuple[str, ...], row: tuple[str, ...]) -> tuple[str, ...]:
    """A row as an object: a column may be named for a secret, or hold names beside values."""
    names = [_heading(column, cell) for column, cell in zip(columns, row, strict=False)]
    if len(set(names)) < len(row):
        return tuple(masker.text(cell) for cell in row)
    fields: dict[str, JsonValue] = dict(zip(names, row, strict=True))
    return tuple(str(cell) for cell in _object(masker, fields).values())


def _heading(column: str, cell: str) -> str:
    """What a column is called: SECRET is the heading of names of Secrets, which hide nothing."""
    heading = column.lower()
    return "secret's object" if heading == "secret" and _SPOKEN.fullmatch(cell) else heading


def mask_preview(preview: Preview) -> tuple[Preview, bool]:
    """Mask what a change would do; True if the way back held a secret and so is none any more.

    What is hidden in `changes` is hidden in every other text too, wherever it stands there.
    The fingerprint is computed from the real state and is never touched.
    """
    masker = Masker()
    secret = _is_about_secret(preview)
    changes = tuple(_changed(masker, change, secret=secret) for change in preview.changes)
    lost = _all_lost(preview.changes, changes)
    without = _without({text for text in lost if _is_telling(text)})
    told = dict.fromkeys(_told_pairs(preview.changes, changes), f"{MASK} → {MASK}")
    within = _within(lost, without)
    changes = tuple(
        ChangedPath(path=one.path, before=within(one.before), after=within(one.after))
        for one in changes
    )
    diff = _diff_without(lost, _secret_diff(preview.diff) if secret else preview.diff)
    texts = {
        "summary": masker.text(without(_replaced(preview.summary, told))),
        "effect": masker.text(without(_replaced(preview.effect, told))),
        "diff": masker.text(without(diff)),
        "way_back": masker.text(without(preview.way_back)),
    }
    lists = {
        "warnings": tuple(masker.text(without(line)) for line in preview.warnings),
        "cautions": tuple(masker.text(without(line)) for line in preview.cautions),
        "notes": tuple(masker.text(without(line)) for line in preview.notes),
    }
    before = Masker()
    kept = before.value(preview.before, kind="Secret" if secret else "")
    spared = within(kept)
    altered = before.count > 0 or spared != kept or texts["way_back"] != preview.way_back
    if altered:
        texts["way_back"] = ""
    update = {**texts, **lists, "changes": changes, "before": spared}
    return preview.model_copy(update=update), altered


def _all_lost(real: Sequence[ChangedPath], masked: Sequence[ChangedPath]) -> set[str]:
    """The texts that were hidden whole."""
    found: set[str] = set()
    for one, shown in zip(real, masked, strict=True):
        found |= {*_lost(one.before, shown.before), *_lost(one.after, shown.after)}
    return found


def _is_telling(text: str) -> bool:
    """Whether it stands in a sentence only on purpose: plain short words stand in any."""
    return len(text) >= _SHORTEST and (len(text) >= 2 * _SHORTEST or not text.isalpha())


def _lost(real: JsonValue, shown: JsonValue) -> Iterator[str]:
    """The texts of a value in whose place, or in whose holder's place, there is a mask."""
    if isinstance(shown, str) and isinstance(real, str):
        if shown == MASK != real:
            yield real
            yield from real.splitlines()
    elif isinstance(real, dict):
        for key, part in real.items():
            yield from _lost(part, shown.get(key) if isinstance(shown, dict) else shown)
    elif isinstance(real, list):
        for number, part in enumerate(real):
            yield from _lost(part, shown[number] if isinstance(shown, list) else shown)


def _told_pairs(real: Sequence[ChangedPath], masked: Sequence[ChangedPath]) -> Iterator[str]:
    """How a heading says "old → new" of what is hidden; there even a short word is the value."""
    for one, shown in zip(real, masked, strict=True):
        if MASK in (shown.before, shown.after):
            yield f"{_said(one.before)} → {_said(one.after)}"


def _said(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _replaced(text: str, others: Mapping[str, str]) -> str:
    for one, other in others.items():
        text = text.replace(one, other)
    return text


def _within(lost: Collection[str], without: Callable[[str], str]) -> Callable[[JsonValue], Any]:
    """The same in every text of a JSON value: what is hidden may stand there by another name."""

    def inside(value: JsonValue) -> Any:
        if isinstance(value, str):
            return MASK if value in lost else without(value)
        if isinstance(value, list):
            return [inside(one) for one in value]
        if isinstance(value, dict):
            return {key: inside(one) for key, one in value.items()}
        return value

    return inside


def _diff_without(lost: Collection[str], diff: str) -> str:
    """A diff in which no name has one of these for its value."""

    def hide(line: str) -> str:
        found = _DIFF_VALUE.match(line) if lost else None
        return f"{found[1]}{MASK}" if found and found[2].strip("\"'") in lost else line

    return "\n".join(hide(line) for line in diff.split("\n"))


def _without(hidden: set[str]) -> Callable[[str], str]:
    """What puts the mask in the place of each of these texts, where it stands as a word."""
    if not hidden:
        return lambda text: text
    longest_first = sorted(map(re.escape, hidden), key=len, reverse=True)
    found = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")
    return lambda text: found.sub(MASK, text)


def _is_about_secret(preview: Preview) -> bool:
    """Say whether the object that changes is a Secret, so that its data is known by its place."""
    kind = preview.before.get("kind")
    if isinstance(kind, str):
        return kind.lower() == "secret"
    return bool(_SECRET_OBJECT.search(preview.summary)) or "kind: Secret\n" in preview.diff


def _changed(masker: Masker, change: ChangedPath, *, secret: bool) -> ChangedPath:
    """The path stays; a path such as `….env[DB_PASSWORD].value` names what its values are."""
    before, after = change.before, change.after
    last = change.path.rsplit(".", 1)[-1].strip('"')
    variable = _BRACKETED.search(change.path)
    if variable is not None:
        named = holds_secret(variable[1], environment=True)
    else:
        named = holds_secret(last, environment=last.isupper())
    whole = not isinstance(before, (dict, list)) and not isinstance(after, (dict, list))
    hidden = (named and whole) or (secret and change.path.startswith(("data", "stringData")))
    if hidden:
        holder: JsonValue = {"kind": "Secret", "data": {"before": before, "after": after}}
        masked = masker.value(holder)
        data = masked["data"] if isinstance(masked, dict) else None
        if isinstance(data, dict):
            return ChangedPath(path=change.path, before=data["before"], after=data["after"])
    return ChangedPath(path=change.path, before=masker.value(before), after=masker.value(after))


def _secret_diff(diff: str) -> str:
    """A hunk of a Secret's diff may lack the line that says so; its data stands one level in."""

    def hide(line: str) -> str:
        pair = None if _DIFF_PLAIN.match(line) else _DIFF_PAIR.match(line)
        return f"{pair[1]}{MASK}" if pair else line

    return "\n".join(hide(line) for line in diff.split("\n"))


def _secret(arguments: Mapping[str, JsonValue]) -> set[str]:
    """Those whose text writes a secret, though not beside its name."""
    return secret_arguments(arguments) | {
        name
        for name, text in arguments.items()
        if any(mask_json(one)[1] for one in operations(text))
    }


def would_alter(arguments: Mapping[str, JsonValue]) -> list[str]:
    """The names of the arguments that masking would change: such a call is refused."""
    secrets = _secret(arguments)
    return [
        name for name, value in arguments.items() if name in secrets or mask_json({name: value})[1]
    ]


def no_credential(names: Iterable[str]) -> str:
    """Why a call with such arguments is refused, and what to do instead."""
    return (
        f"{', '.join(names)} looks like a credential; none may stand on a card. Make a Secret of "
        "it yourself, and refer to that."
    )


def mask_arguments(arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Each value as it stands under its name, which may say what it is."""
    secrets = _secret(arguments)
    return {
        name: MASK if name in secrets else _mask_argument(name, value)
        for name, value in arguments.items()
    }


def _mask_argument(name: str, value: JsonValue) -> JsonValue:
    masked, _ = mask_json({name: value})
    return masked[name] if isinstance(masked, dict) else MASK

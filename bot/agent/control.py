"""Control words: what a whole message must look like to steer the bot itself. Pure."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from bot.core.text import visible

Name = Literal["help", "status", "stop", "approve", "deny", "undo", "settle", "audit", "why"]
NAMES: tuple[Name, ...] = (
    *("help", "status", "stop", "approve", "deny"),
    *("undo", "settle", "audit", "why"),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A message that is a control word; `short_id` names a proposal or a change that ran, `about`
    a day or a person, or how something is settled.
    """

    name: Name
    short_id: str = ""
    reason: str = ""
    about: str = ""


# Four characters with a letter and a digit among them: no word of any sentence. Exactly one blank
# or more between; no punctuation, which would make it a part of a sentence.
_ID = r"`?(?P<id>(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{4})`?"
_ABOUT = r"today|yesterday|me|\d{4}-\d{2}-\d{2}|<@[UW][A-Z0-9]+(?:\|[^<>]*)?>"
_SHAPES = {
    name: re.compile(shape, re.IGNORECASE | re.ASCII)
    for name, shape in {
        "help": r"help",
        "status": r"status",
        "stop": r"stop[!.]*",  # in a hurry it is still a stop, and it harms nothing
        "approve": rf"approve {_ID}",
        "deny": rf"deny {_ID}(?: (?P<reason>.+))?",
        "undo": rf"undo(?: {_ID})?",
        "settle": rf"settle {_ID} (?P<about>done|failed)(?: (?P<reason>.+))?",
        "why": rf"why {_ID}\??",
        "audit": rf"audit(?: (?:{_ID}|(?P<about>{_ABOUT})))?",
    }.items()
}
# No id, but it can hardly be anything else: who typed it is told what is open.
_MEANT = re.compile(
    r"(?P<name>approve|deny)|(?P<named>approve|deny|undo|settle|why) `?(?P<id>[A-Z0-9]{1,8})`?"
)
# Names nothing that is known, and no model is there to make sense of it.
_NAMELESS = re.compile(
    r"(?P<name>approve|deny|settle)(?: .*)?|(?P<why>why)(?: [^ ]+)?\??", re.IGNORECASE
)
LONGEST = 600
_USAGE = (
    ("status", "Say what runs and what waits here, which model and which clusters."),
    ("stop", "Stop what runs in this thread; in a channel, the only request that is open."),
    ("approve <id>", "Approve a proposal, as pressing Approve on its card would."),
    ("deny <id> [<reason>]", "Deny a proposal."),
    ("undo [<id>]", "Propose to take back the last change here, or the one named."),
    (
        "settle <id> <done|failed> [<reason>]",
        "Say whether a change happened of which I could not find out: who may approve it.",
    ),
    ("why <id>", "Say rule by rule why a proposal needs whose approval, or was refused."),
    ("audit [<day>|@<person>|<id>]", "Say who asked, who approved, what ran and what came of it."),
)


def parse_word(text: str) -> Word | None:
    """Return the control word that the whole of `text` is, or None."""
    line = text.strip(" \t\n")
    if len(line) > LONGEST or visible(line) != line or "\n" in line:
        return None
    line = re.sub(r"[ \t]+", " ", line)
    for name in NAMES:
        if found := _SHAPES[name].fullmatch(line):
            given = found.groupdict()
            reason = (given.get("reason") or "").strip()
            if reason.endswith("?"):
                return None  # a question about denying it
            return Word(name, (given.get("id") or "").upper(), reason, given.get("about") or "")
    verb, _, rest = line.partition(" ")
    if meant := _MEANT.fullmatch(f"{verb.lower()} {rest}".strip()):
        name = cast("Name", meant["name"] or meant["named"])
        return Word(name, meant["id"] or "")
    return None


def nameless(text: str) -> Word | None:
    """The control word that a line begins with, without what it is about: only good for telling
    how it is said.
    """
    line = " ".join(text.split())
    found = _NAMELESS.fullmatch(line) if len(line) <= LONGEST else None
    return Word(cast("Name", (found["name"] or found["why"]).lower())) if found else None


def usage_of(name: Name) -> str:
    """How a word is typed."""
    return next(pattern for pattern, _ in _USAGE if pattern.split(" ")[0] == name)


def usage() -> list[tuple[str, str]]:
    """Return every word's pattern with what it does; `help` is among the commands."""
    return list(_USAGE)

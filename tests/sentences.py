"""Sentences that resemble commands and control words and are none, from a seeded generator."""

import random
from collections.abc import Callable

COMMANDS = (
    "get pods",
    "get pods -n shop",
    "describe deployment/web -n shop",
    "logs deployment/web --since 15m",
    "events -n shop",
    "scale deployment/web --replicas 0 -n shop",
    "scale deployment/web --replicas 5",
    "rollout undo deployment/checkout -n shop",
    "rollout restart deployment/web -n shop",
    "rollout status deployment/web",
    "rollout history deployment/checkout",
    "set image deployment/web web=shop/web:1.2.3 -n shop",
)
STEMS = (
    "get pods",
    "get",
    "logs",
    "logs of web",
    "scale web",
    "scale deployment/web",
    "rollout undo",
    "rollout restart",
    "set image",
    "describe web",
    "events",
    "undo",
    "stop",
    "status",
    "help",
    "approve",
    "deny",
)
WORDS = ("stop", "status", "help", "undo", "approve {id}", "deny {id}", "undo {id}")
LATER = (
    "are failing, why?",
    "to 5 replicas please",
    "it, the logs are too long",
    "was a bad idea",
    "would have been better",
    "everything that alice asked for",
    "is what bob said yesterday",
    "and then tell me what you see",
    "the way we did it last week",
    "them, if you can",
    "doing this please",
    "me understand what happened here",
    "of the deploy from this morning?",
    "that change, and the one before",
    "before the sale begins, not now",
)
BEFORE = (
    "I'd",
    "please",
    "should we",
    "could you maybe",
    "why did you",
    "what does it mean to",
    "who told you to",
    "nobody said",
    "if it fails again,",
    "can I",
    "hey,",
    "ok so",
    "do not",
    "never",
    "don't you dare",
)
REPORTED = (
    "alice said",
    "the runbook says:",
    "he wrote",
    "bob asked me to",
    "the alert tells us to",
)
TAILS = (
    ", please",
    "?",
    " - right?",
    " … or not",
    " (just kidding)",
    " :thumbsup:",
    ", I think",
    " — no wait",
    ", but only after lunch",
    " && rm -rf /",
    "; then the rest",
    " | grep web",
    ", ok?",
)
MARKS = (
    ("```\n", "\n```"),
    ("```", "```"),
    ("`", "`"),
    ("“", "”"),
    ('"', '"'),
    ("'", "'"),
    ("> ", ""),
    ("*", "*"),
    ("~", "~"),
    ("- ", ""),
    ("1. ", ""),
    ("$ ", ""),
    ("/", ""),
    ("!", ""),
)
HIDDEN = ("\u200b", "\u202e", "\u2060", "\u00ad", "\ufeff", "\u200f", "\U000e0041", "\x07")
# letters of other scripts that look like ours, and whole words of other scripts
ALIKE = str.maketrans({"o": "о", "e": "е", "p": "р", "a": "а", "c": "с", "s": "ѕ"})
FOREIGN = (
    "останови",
    "停止 deployment/web",
    "подтверди {id}",
    "承認 {id}",
    "עצור",
    "توقف",
    "σταμάτα",
    "arrête deployment/web",
    "zeig get pods",
    "dime logs deployment/web",
    "скалируй deployment/web --replicas 0",
    "ｇｅｔ ｐｏｄｓ",
    "ｓｔｏｐ",
    "approve Ｋ７ＱＦ",
)
DASHED = (
    "scale deployment/web — replicas 5",
    "scale deployment/web – –replicas 5",
    "scale – deployment/web",
    "stop — it is too slow",
    "approve – {id}",
    "approve—{id}",
    "deny: {id}",
    "rollout undo — deployment/checkout",
    "get — pods",
    "undo – {id}, or not",
)


def sentences(count: int = 1000, seed: int = 7, short_id: str = "K7QF") -> list[str]:
    """So many different ones. `short_id` is the real name of something that could be decided."""
    pick = random.Random(seed)

    def command() -> str:
        return pick.choice((*COMMANDS, *WORDS))

    def trailing() -> str:
        # what follows the id of a denial after a blank is its reason
        text, tail = command(), pick.choice(TAILS)
        return text.replace("deny", "approve") + tail if tail[0] == " " else text + tail

    def lines() -> str:
        parts = [command(), pick.choice((command(), "and then", pick.choice(LATER)))]
        pick.shuffle(parts)
        return pick.choice(("\n", "\n\n", "\r\n", "\u2028")).join(parts)

    def hidden() -> str:
        text = command()
        place = pick.randrange(1, len(text))
        return text[:place] + pick.choice(HIDDEN) + text[place:]

    def alike() -> str:
        # only the first word: what follows may be of any script
        first, *rest = command().split(" ")
        changed = first.translate(ALIKE)
        return " ".join([changed if changed != first else f"{first}ѕ", *rest])

    def marked() -> str:
        before, after = pick.choice(MARKS)
        return f"{before}{command()}{after}"

    def cased() -> str:
        stem = f"{pick.choice(STEMS)} {pick.choice(LATER)}"
        return pick.choice((stem.upper(), stem.title(), stem.capitalize()))

    shapes: tuple[Callable[[], str], ...] = (
        lambda: f"{pick.choice(STEMS)} {pick.choice(LATER)}",
        lambda: f"{pick.choice(STEMS)} {pick.choice(LATER)}",
        lambda: f"{pick.choice(BEFORE)} {command()}",
        lambda: f"{pick.choice(BEFORE)} {pick.choice(STEMS)} {pick.choice(LATER)}",
        trailing,
        lambda: f"{pick.choice(REPORTED)} “{command()}”",
        lambda: f"{pick.choice(REPORTED)} {command()}",
        lambda: f"{command()}? {pick.choice(LATER)}",
        lambda: f"<@U0ALICE00> {command()}",
        lambda: f"{pick.choice(DASHED)} {pick.choice(('', 'please', 'now?'))}",
        lambda: f"{pick.choice(FOREIGN)} {pick.choice(('', 'bitte', 'please', 'ok'))}",
        lines,
        hidden,
        alike,
        marked,
        cased,
    )
    found: dict[str, None] = {}
    while len(found) < count:
        text = pick.choice(shapes)().replace("{id}", short_id)
        found[text.strip(" ")] = None
    return list(found)

"""The four characters that people type for an open call: easy to read aloud, never a word."""

import secrets

# without those that are easily taken for one another: 0 O, 1 I L, 2 Z, 5 S, 8 B
_LETTERS = "ACDEFGHJKMNPQRTUVWXY"
_DIGITS = "34679"
_LENGTH = 4


def short_id() -> str:
    """A new one, with a letter and a digit in it: no word, and no number."""
    while True:
        made = "".join(secrets.choice(_LETTERS + _DIGITS) for _ in range(_LENGTH))
        if not made.isalpha() and not made.isdigit():
            return made


def typed(text: str) -> str:
    """A short id as somebody typed it, in the form that rows hold."""
    return text.strip().strip("`").upper()

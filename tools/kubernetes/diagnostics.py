"""Which commands may be run inside a container: those of the settings, word for word.

A command of the settings may hold places for values: `{host}`, `{port}`, `{path}`.
"""

import re
from collections.abc import Sequence

_PLACES = {
    "host": r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*",
    "port": r"[1-9][0-9]{0,4}",
    "path": r"/(?:[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*/?)*",
}
_PLACE = re.compile(r"\{(\w+)\}")

# They look, and look only at what says how the container itself is: no file of the application's,
# no address but its own. `env` gives the names of its variables.
DEFAULT = (
    "cat /etc/resolv.conf",
    "cat /etc/hosts",
    "cat /proc/meminfo",
    "date",
    "df -h",
    "df -i",
    "env",
    "free -m",
    "id",
    "nslookup {host}",
    "getent hosts {host}",
    "ps -o pid,comm",
    "uptime",
    "wget -qO- -T 5 http://localhost:{port}{path}",
    "curl -sS -m 5 http://localhost:{port}{path}",
)


def checked(commands: Sequence[str]) -> Sequence[str]:
    """The commands of the settings. Raises `ValueError` for an unknown place."""
    for command in commands:
        if not command.split():
            raise ValueError("a command has at least one word")
        for name in _PLACE.findall(command):
            if name not in _PLACES:
                known = ", ".join(f"{{{one}}}" for one in _PLACES)
                raise ValueError(f"{command}: {{{name}}} is unknown; known: {known}")
    return commands


def is_allowed(words: Sequence[str], commands: Sequence[str]) -> bool:
    """Whether a command is one of those, its values where they have places."""
    return any(_fits(words, command.split()) for command in commands)


def _fits(words: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(words) == len(wanted) and all(
        _pattern(pattern).fullmatch(word) for word, pattern in zip(words, wanted, strict=True)
    )


def _pattern(word: str) -> re.Pattern[str]:
    parts = _PLACE.split(word)
    return re.compile(
        "".join(
            _PLACES[part] if number % 2 else re.escape(part) for number, part in enumerate(parts)
        )
    )


def without_values(words: Sequence[str], text: str) -> str:
    """What `env` printed, its names only; what others printed as it is."""
    if tuple(words) != ("env",):
        return text
    found = re.findall(r"^([A-Za-z_][A-Za-z0-9_.-]*)=(.*)$", text, re.MULTILINE)
    return "\n".join(sorted(name for name, value in found if not _ends_a_value(name, value)))


def _ends_a_value(name: str, value: str) -> bool:
    """Whether it may be the last line of a value in base64, such as a key, and no name at all."""
    return not value.strip("= \r") and name not in (name.upper(), name.lower())

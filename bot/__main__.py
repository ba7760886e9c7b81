"""The `countersign` command line."""

import os
import signal
import sys

from bot.commands import parser
from bot.core.errors import (
    BadSettings,
    DatabaseAway,
    EmbeddedPostgresError,
    NotMigrated,
    SlackAway,
)

_CONFIG, _UNAVAILABLE = 78, 69  # sysexits.h
_CLOSED = 128 + signal.SIGPIPE  # as a shell tells of a program that wrote to a closed pipe


def main() -> None:
    """Run one command; every failure is one sentence, and none where nobody reads any more."""
    try:
        try:
            code = _done()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # as in `countersign tools list | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write
        code = _CLOSED
    sys.exit(code)


def _done() -> int:
    # Only what was asked for is loaded: the demo's page should not wait for the bot's libraries.
    given = parser(sys.argv[1:2]).parse_args()
    try:
        code: int = given.work(given)
    except BadSettings as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return _CONFIG
    except (DatabaseAway, NotMigrated, SlackAway, EmbeddedPostgresError) as error:
        print(f"countersign: {error}", file=sys.stderr)
        return _UNAVAILABLE
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    main()

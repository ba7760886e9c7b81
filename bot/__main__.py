"""The `countersign` command line."""

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


def main() -> None:
    """Run one command; every failure is one sentence."""
    # Only what was asked for is loaded: the demo's page should not wait for the bot's libraries.
    given = parser(sys.argv[1:2]).parse_args()
    try:
        sys.exit(given.work(given))
    except BadSettings as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        sys.exit(_CONFIG)
    except (DatabaseAway, NotMigrated, SlackAway, EmbeddedPostgresError) as error:
        print(f"countersign: {error}", file=sys.stderr)
        sys.exit(_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

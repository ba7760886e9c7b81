"""The `countersign` command line."""

import sys

from bot.commands import parser
from bot.core.errors import BadSettings, DatabaseAway, EmbeddedPostgresError, SlackAway

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
    except (DatabaseAway, SlackAway, EmbeddedPostgresError) as error:
        print(f"countersign: {error}", file=sys.stderr)
        sys.exit(_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # by its name: what asks no database does not load its driver
        if type(error).__name__ != "UndefinedTable":
            raise
        print(
            "countersign: the database at DATABASE_URL holds nothing of Countersign's. "
            "Run `countersign migrate` first.",
            file=sys.stderr,
        )
        sys.exit(_UNAVAILABLE)


if __name__ == "__main__":
    main()

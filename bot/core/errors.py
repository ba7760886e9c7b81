"""What may go wrong in our own house, and the one place that turns errors into words.

Problem
  BadSettings      a setting is wrong; the operator must mend it (exit 78, EX_CONFIG)
  SlackAway        Slack did not answer while we started (exit 69, EX_UNAVAILABLE)
  DatabaseAway     Postgres did not answer in time; trying again may help
  EmbeddedPostgresError  the demo's own PostgreSQL cannot be had (exit 69)
  LostClaim        another worker took this run over; this one must not write any more
"""


class Problem(Exception):
    """Base of what we raise on purpose."""


class BadSettings(Problem):
    """Settings that cannot be used: every mistake, one a line, none with a secret in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class SlackAway(Problem):
    """Slack did not answer while we started; trying again may help."""


class DatabaseAway(Problem):
    """Postgres did not answer in time. Unless `nothing_done`, what it was asked may still be done:
    a server goes on with a statement whose connection broke.
    """

    def __init__(self, *args: object, nothing_done: bool = False) -> None:
        super().__init__(*args)
        self.nothing_done = nothing_done


class NotMigrated(Problem):
    """The database is there and holds nothing of ours; the message is one sentence for the
    operator.
    """


class EmbeddedPostgresError(Problem):
    """The embedded server cannot be had; the message is one sentence for the operator."""


class LostClaim(Problem):
    """Another worker took this run over: whatever this one still holds is void."""


def reply_for(error: BaseException, reference: str) -> str:
    """The sentence that a person reads for an error nobody foresaw.

    The exception's text is never shown: it may carry a secret. `reference` finds it in the log.
    """
    match error:
        case DatabaseAway():
            return "My database did not answer. Nothing was changed by this; please try again."
        case _:
            return f"Something broke on my side. Please quote `{reference}` to whoever runs me."

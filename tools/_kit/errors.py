"""Everything a tool may raise on purpose.

ToolError
  Refused      the request itself is wrong; retrying cannot help
    Malformed  its arguments are; no state of the world would make them right
    NotFound   the thing asked about does not exist
    Stale      the world is not what the preview saw; nothing was sent
  Unavailable  the other side is down or slow; retrying may help

The text of each is read by people and by the model: one sentence, no secrets, HTML or stack traces.
"""


class ToolError(Exception):
    """Base of what a provider raises on purpose; anything else is a bug of ours."""


class Refused(ToolError):
    """The request itself is wrong; retrying cannot help."""


class Malformed(Refused):
    """The arguments cannot be right, whatever the world is like."""


class NotFound(Refused):
    """The thing asked about does not exist."""


class Stale(Refused):
    """The live state differs from what the preview saw.

    Raised by `apply` only when nothing was changed.
    """


class Unavailable(ToolError):
    """The other side is down or slow. Raised by `apply`, it means that the outcome is not known,
    unless `nothing_sent` says that the request never left."""

    def __init__(self, message: str, *, nothing_sent: bool = False) -> None:
        super().__init__(message)
        self.nothing_sent = nothing_sent

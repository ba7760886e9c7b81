"""Everything a language model's client may raise on purpose.

ModelError
  ModelRefused      key, model or request was refused; the same request is not tried again
  ModelOverloaded   rate limit or overload, still so after every try
  ModelTimeout      nothing came in time, before the first word or between two
  ModelUnreachable  no connection, or the model's server failed
  ContextTooLong    the conversation does not fit the model's window
  ModelBroke        the answer stopped half-way; no other model ever continues it
"""

from typing import ClassVar

AGAIN = 'Say "try again", or use commands: `get pods -n shop`.'


class ModelError(Exception):
    """A model did not answer; the text says what happened and what to do, without secrets.

    `what` and `advice` are its two halves, so that a run can say between them what it knows
    ("Nothing was changed."). `detail` is the provider's own words, cut and scrubbed: for the
    log, never for people. `seconds` counts from the first try. `earlier` are the failures of
    the models tried before this one.
    """

    advice: ClassVar[str] = AGAIN

    def __init__(
        self, why: str, *, model: str, tries: int = 1, seconds: float = 0.0, detail: str = ""
    ) -> None:
        super().__init__(why)
        self.why = why
        self.model = model
        self.tries = tries
        self.seconds = seconds
        self.detail = detail
        self.earlier: tuple[ModelError, ...] = ()

    @property
    def what(self) -> str:
        """Return what happened, as one sentence."""
        if not self.earlier:
            return f"The model did not answer ({self._effort()}: {self.why})."
        asked = (*self.earlier, self)
        each = "; ".join(f"`{e.model}`: {e.why}" for e in asked)
        tries, seconds = sum(e.tries for e in asked), sum(e.seconds for e in asked)
        return f"No model answered ({tries} tries, {seconds:.0f} s; {each})."

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"

    def _effort(self) -> str:
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        return f"{tries}, {self.seconds:.0f} s"


class ModelRefused(ModelError):
    """The key, the model or the request was refused; trying again cannot help."""

    advice = "Somebody has to mend the bot's model settings; commands work: `get pods -n shop`."


class ModelOverloaded(ModelError):
    """The provider is overloaded or its rate limit is reached, after every try."""


class ModelTimeout(ModelError):
    """The model took longer than the time set for its first word or for the next one."""


class ModelUnreachable(ModelError):
    """There is no connection to the model, or its server failed."""


class ContextTooLong(ModelError):
    """The conversation is longer than what the model can read."""

    advice = "Ask again in a new thread, or for less at once."


class ModelBroke(ModelError):
    """The answer stopped half-way. What was shown of it is not to be relied on."""

    @property
    def what(self) -> str:
        """Return what happened, as one sentence."""
        return f"The model stopped in the middle of its answer ({self._effort()}: {self.why})."

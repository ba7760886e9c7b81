"""What a provider's errors mean, whoever heard them."""

import re
import time
from email.utils import parsedate_to_datetime

from bot.agent.streaming_model import Fault
from bot.core.model_errors import (
    ContextTooLong,
    ModelOverloaded,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)

_TOO_LONG = re.compile(
    r"context_length_exceeded|context[ _]length|context window|context size|prompt is too long"
    r"|input is too long|too many (input )?tokens|token count .{0,40}exceeds|request too large"
    r"|reduce the length|exceeds? the (model'?s? )?max\w* (context|input|token)|context limit"
    r"|longer than the maximum model length|maximum prompt length|max_new_tokens.{0,3} must be <=",
    re.IGNORECASE,
)
# A rate limit in tokens a minute, which waiting mends, sounds like it.
_WAIT = re.compile(r"please wait|tokens per (min|day)|try again in", re.IGNORECASE)
# How much it reads: OpenAI, Anthropic, vLLM, llama.cpp, LM Studio, Gemini, xAI, TGI.
_LIMIT = re.compile(
    r"(?:maximum context length (?:is|of)|\d tokens >|context limit: [\d+ ]+>"
    r"|maximum model length of|context size \(|context length of(?: only)?|\bn_ctx\W{1,4}"
    r"|tokens allowed \(|maximum prompt length is|must be <=)\s*(\d[\d,]{2,9})",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
# Whatever looks like a key, also one that the provider has half hidden itself.
_SECRET = re.compile(
    r"(?:sk|pk|key|api|bearer|token)[-_ ]\S{6,}|(?=\S*\d)[\w*+/=.-]{24,}", re.IGNORECASE
)

_SCRUBBED = 2_000  # characters
_REFUSALS = {
    401: "the key was refused",
    402: "no credit is left",
    403: "this key may not use it",
    404: "it does not exist there",
}


def too_late(detail: str) -> Fault:
    """Nothing came."""
    return Fault(ModelTimeout, "it took too long", again=True, detail=detail)


def away(detail: str) -> Fault:
    """Nobody is there, or the connection broke."""
    return Fault(ModelUnreachable, "no connection", again=True, detail=detail)


def unreadable(detail: str) -> Fault:
    """What came is no answer."""
    return Fault(ModelUnreachable, "its answer was not readable", again=True, detail=detail)


def by_status(status: int, text: str, retry_after: str = "") -> Fault:
    """An answer with an error's `status`, of which the body, or what is known of it, is `text`."""
    detail, wait = scrub(text), _seconds(retry_after)
    if status == 413 or (status in {400, 422, 429, 500} and _is_too_long(status, text)):
        return _too_long(text, detail)
    if status == 429 and _NO_CREDIT.search(text):
        return Fault(ModelRefused, "no credit is left", detail=detail)
    # LiteLLM turns Anthropic's 529 into a 500
    if status in {429, 503, 529} or (status >= 500 and "overloaded" in text.lower()):
        why = "overloaded" if status != 429 else "rate limit"
        return Fault(ModelOverloaded, why, again=True, wait=wait, detail=detail)
    if status in {408, 504}:
        return Fault(ModelTimeout, "it took too long", again=True, wait=wait, detail=detail)
    if status >= 500 or status == 409:
        why = f"its server failed, HTTP {status}"
        return Fault(ModelUnreachable, why, again=True, wait=wait, detail=detail)
    why = _REFUSALS.get(status, f"the request was refused, HTTP {status}")
    return Fault(ModelRefused, why, detail=detail)


def _is_too_long(status: int, text: str) -> bool:
    if status == 429 and _WAIT.search(text) and not re.search("too large", text, re.IGNORECASE):
        return False
    return _TOO_LONG.search(text) is not None


def _too_long(text: str, detail: str) -> Fault:
    found = _LIMIT.search(text)
    limit = int(found[1].replace(",", "")) if found else None
    return Fault(ContextTooLong, "the conversation is too long for it", detail=detail, limit=limit)


def in_stream(text: str) -> Fault:
    """An error that was sent inside a stream, with its code and its kind."""
    detail = scrub(text)
    if _TOO_LONG.search(text):
        return _too_long(text, detail)
    if re.search(r"overloaded|rate.?limit", text, re.IGNORECASE):
        return Fault(ModelOverloaded, "overloaded", again=True, detail=detail)
    return Fault(ModelUnreachable, "its server reported an error", again=True, detail=detail)


def _seconds(value: str) -> float | None:
    """What `Retry-After` asks for."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def scrub(text: str) -> str:
    """Return the start of `text` on one line, without whatever may be a key."""
    # cut first: the pattern looks ahead from every place
    return _SECRET.sub("[hidden]", " ".join(text[:_SCRUBBED].split()))[:300]

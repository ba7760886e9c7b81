"""The models: one tiny real call of each, and whether its price and window are known."""

from bot.agent.model import ModelSettings, model_for
from bot.agent.prices import DEFAULT_WINDOW, read_prices
from bot.core.model_errors import ModelError
from bot.doctor.findings import Finding, failed, ok, warning
from bot.settings import Settings

_QUESTION = "Answer with the single word: ok"
_SECONDS = 20.0


async def model(settings: Settings, model_id: str) -> list[Finding]:
    """Ask one model one word."""
    check = f"model {model_id}"
    key = settings.openai_api_key
    windows = settings.file.model_windows
    spec = ModelSettings(
        ids=(model_id,),
        openai_api_base=settings.openai_api_base,
        openai_api_key=key.get_secret_value() if key else None,
        windows=windows,
        request_timeout=_SECONDS,
        idle_timeout=_SECONDS,
        tries=1,
    )
    try:
        asked = model_for(spec)
    except ValueError as error:
        return [failed(check, str(error))]
    if asked is None:
        return []
    try:
        await asked.warm()
        reply = await asked.reply([{"role": "user", "content": _QUESTION}], (), _unseen)
    except ModelError as error:
        return [failed(check, error.why, "Check the id, the key and the model's address.")]
    finally:
        await asked.close()
    took = f"answered in {reply.milliseconds / 1000:.1f} s"
    unknown = _unknown(model_id, priced=reply.usage.cost is not None, is_sized=model_id in windows)
    if unknown:
        return [warning(check, f"{took}; {unknown[0]}", unknown[1])]
    return [ok(check, f"{took} for ${reply.usage.cost:.6f}; {asked.window:,} tokens fit")]


def _unknown(model_id: str, *, priced: bool, is_sized: bool) -> tuple[str, str] | None:
    """What the price table lacks, and what to do about it."""
    sized = is_sized or read_prices().facts(model_id).window != DEFAULT_WINDOW
    mend = "" if sized else f"Set model_windows in COUNTERSIGN_CONFIG ({DEFAULT_WINDOW:,} assumed)."
    if not priced:
        return "its price is not known: limits in dollars do not hold for it", mend
    return None if sized else ("its window is not known", mend)


def _unseen(_piece: str) -> None:
    """The answer's words do not matter."""

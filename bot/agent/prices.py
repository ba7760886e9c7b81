"""What a model costs and how much it can read, from the table that LiteLLM ships."""

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bot.agent.model_reply import Tokens

TABLE = "model_prices_and_context_window_backup.json"
PROVIDERS = "provider_endpoints_support_backup.json"
DEFAULT_WINDOW = 32_000

_PROVIDER = re.compile(r'"litellm_provider": *"([^" ]+)"')
_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token. `above`: it holds when more than so many tokens were read."""

    above: int
    input: Decimal
    cached: Decimal
    created: Decimal
    output: Decimal

    def of(self, tokens: Tokens) -> Decimal:
        """Return what `tokens` cost, in USD."""
        plain = max(0, tokens.input - tokens.cached - tokens.created)
        return (
            plain * self.input
            + tokens.cached * self.cached
            + tokens.created * self.created
            + tokens.output * self.output
        )


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the table knows of one id; an unknown one has no provider, no price and 32k tokens."""

    provider: str | None = None
    window: int = DEFAULT_WINDOW
    prices: tuple[Price, ...] = ()

    def cost(self, tokens: Tokens) -> Decimal | None:
        """Return what `tokens` cost in USD; None when no price is known."""
        fitting = [p for p in self.prices if tokens.input > p.above or p.above == 0]
        return max(fitting, key=lambda p: p.above).of(tokens) if fitting else None


class PriceTable:
    """The table as JSON text: of its thousands of entries the few that are asked for are read."""

    def __init__(self, text: str, providers: Iterable[str] = ()) -> None:
        self._text = text
        self.providers = frozenset([*_PROVIDER.findall(text), *providers])

    def facts(self, model_id: str) -> ModelFacts:
        """Return what is known of `model_id`, written with or without its provider."""
        entry = self._entry(model_id)
        prefix, slash, rest = model_id.partition("/")
        if not entry and slash and prefix in self.providers:
            bare = self._entry(rest)
            entry = bare if bare.get("litellm_provider") == prefix else {}
        return _facts(entry) if entry else ModelFacts()

    def _entry(self, name: str) -> Mapping[str, object]:
        found = re.search(rf"{re.escape(json.dumps(name))}:\s*(?=\{{)", self._text)
        if found is None:
            return {}
        entry, _ = json.JSONDecoder().raw_decode(self._text, found.end())
        return entry if isinstance(entry, dict) else {}


def read_prices() -> PriceTable:
    """Read LiteLLM's table without importing LiteLLM, which takes seconds; empty if it is gone.

    Its text is 3 MB: let go of it when all that is to be asked was.
    """
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        prices, providers = Path(folder, TABLE), Path(folder, PROVIDERS)
        if prices.is_file() and providers.is_file():
            names = json.loads(providers.read_bytes())["providers"]
            return PriceTable(prices.read_text(encoding="utf-8"), names)
    return PriceTable("{}")


def _facts(entry: Mapping[str, object]) -> ModelFacts:
    provider = entry.get("litellm_provider")
    window = entry.get("max_input_tokens") or entry.get("max_tokens")
    known = isinstance(window, int) and window > 0
    tiers = [("", 0)] + [
        (f"_above_{found[1]}k_tokens", int(found[1]) * 1000)
        for found in map(_TIER.fullmatch, entry)
        if found
    ]
    return ModelFacts(
        provider=provider if isinstance(provider, str) else None,
        window=window if isinstance(window, int) and known else DEFAULT_WINDOW,
        prices=tuple(p for suffix, above in tiers if (p := _price(entry, suffix, above))),
    )


def _price(entry: Mapping[str, object], suffix: str, above: int) -> Price | None:
    def usd(field: str, otherwise: Decimal) -> Decimal:
        for name in (field + suffix, field):
            value = entry.get(name)
            if isinstance(value, int | float):
                return Decimal(str(value))
        return otherwise

    if "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
        return None
    read = usd("input_cost_per_token", Decimal(0))
    return Price(
        above=above,
        input=read,
        cached=usd("cache_read_input_token_cost", read),
        created=usd("cache_creation_input_token_cost", read),
        output=usd("output_cost_per_token", Decimal(0)),
    )

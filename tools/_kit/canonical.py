"""One way to write JSON for hashing: what is equal has equal bytes."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue


def canonical_json(value: JsonValue | Mapping[str, JsonValue] | Sequence[JsonValue]) -> bytes:
    """`value` as UTF-8 JSON with sorted keys and no blanks.

    Lone surrogates stay escaped, so that no text makes it fail.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def sha256_of(value: JsonValue | Mapping[str, JsonValue] | Sequence[JsonValue]) -> str:
    """The SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()

"""Ids: time-ordered ones for rows, random ones for what leaves the house."""

import os
import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): milliseconds, then random. Made here because
    PostgreSQL 15 has none.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def public_id() -> str:
    """What a button carries: 96 random bits that say nothing and cannot be guessed. A command line
    would take one with a dash before it for an option.
    """
    while (made := secrets.token_urlsafe(12)).startswith("-"):
        pass
    return made

"""The cases: each a text with its secrets, in the development part or the one held out."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from . import carriers, formats, objects, places
from . import values as v

# Names in two halves: patterns were written looking at the first alone.
NAMES: Sequence[str] = (
    "password", "DB_PASSWORD", "client_secret", "apiKey", "SECRET_KEY_BASE", "GITHUB_TOKEN",
    "aws_secret_access_key", "spring.datasource.password", "adminPassword", "auth-token",
    "REDIS_PASS", "api_key", "accessToken", "jwt_secret", "ENCRYPTION_KEY", "private_key",
    "DD_API_KEY", "SMTP_PASSWD", "refresh_token", "webhookSecret", "root_pwd", "passphrase",
    "consumer_secret", "session_secret", "bearer_token", "storageAccountKey", "NPM_TOKEN",
    "bindPassword", "postgresql-password", "x-api-key", "signing_key", "APP_KEY",
    "TWILIO_AUTH_TOKEN", "DATADOG_APP_KEY", "LICENSE_KEY", "cookie_secret", "secretAccessKey",
    "keystorePassword", "MYSQL_ROOT_PASSWORD", "hmac_secret", "oauthToken", "credentials",
    "RABBITMQ_DEFAULT_PASS", "vault_token", "master_key", "subscriptionKey", "FLASK_SECRET",
    "PAGERDUTY_ROUTING_KEY", "slack_signing_secret", "NEW_RELIC_LICENSE_KEY", "userPassword",
    "KAFKA_SASL_PASSWORD", "accountKey", "PGPASSWORD", "ROOT_PASSWORD_HASH", "pass_phrase",
    "erlang_cookie", "RABBITMQ_ERLANG_COOKIE", "gossip_encryption_key", "DJANGO_SECRET_KEY",
)  # fmt: skip
_A_FORMAT, _A_NAME, _A_PLACE = 8, 10, 6  # cases of each
_QUOTABLE = 3  # of ten named values are quoted


class Case(NamedTuple):
    """A text that holds secrets. `kept`: what must still stand in it when they are masked."""

    family: str
    name: str
    text: str
    secrets: tuple[str, ...]
    kept: str
    held_out: bool


def _held_out(*names: str) -> bool:
    """Forty of a hundred pairs of format and carrier are held out, and always the same."""
    return zlib.crc32("/".join(names).encode()) % 100 < 40


def _bare(draw: str) -> Iterator[Case]:
    every = sorted(carriers.BARE)
    for made in formats.BARE:
        for carrier in Random(f"{draw}bare {made.name}").sample(every, _A_FORMAT):
            value = made.make(Random(f"{draw}{made.name}/{carrier}"))
            name = f"{made.name}/{carrier}"
            text = carriers.BARE[carrier](value)
            yield Case(made.family, name, text, (value,), "", _held_out(made.name, carrier))


def _value(rng: Random, name: str, *, quoted: bool) -> str:
    kinds = [
        v.strong,
        lambda r: v.text(r, v.HEX, 32),
        lambda r: v.random_base64(r, 32),
        lambda r: v.text(r, v.ALNUM, 24),
        v.uuid,
    ]
    if "pass" in name.lower() or name.endswith("pwd"):
        kinds += [v.weak, v.weak, v.word]
    if quoted:
        kinds += [v.awkward, v.awkward]
    return rng.choice(kinds)(rng)


def _named(draw: str) -> Iterator[Case]:
    for name in NAMES:
        rng = Random(f"{draw}named {name}")
        for number in range(_A_NAME):
            quoted = rng.randrange(10) < _QUOTABLE
            syntaxes = carriers.QUOTED if quoted else carriers.PLAIN
            carrier = rng.choice(sorted(syntaxes))
            value = _value(rng, name, quoted=quoted)
            text = syntaxes[carrier](name, value)
            label = f"{name}/{carrier}/{number}"
            family = "named, quoted" if quoted else "named, plain"
            yield Case(family, label, text, (value,), name, _held_out(name, carrier))


def _placed(family: str, table: Mapping[str, places.Place], draw: str) -> Iterator[Case]:
    """By place, a part is held out whole: three in ten of the places, the rest by seed."""
    for name, place in table.items():
        for number in range(_A_PLACE):
            text, secrets = place(Random(f"{draw}{family}/{name}/{number}"))
            held_out = _held_out(family, name) or number >= _A_PLACE - 2
            yield Case(family, f"{name}/{number}", text, secrets, "", held_out)


def cases(draw: str = "") -> list[Case]:
    """Every case; the same in each process. Another `draw` has other values in other carriers."""
    return [
        *_bare(draw),
        *_named(draw),
        *_placed("URLs", places.URLS, draw),
        *_placed("headers", places.HEADERS, draw),
        *_placed("command lines", places.COMMANDS, draw),
        *_placed("sentences", places.SENTENCES, draw),
        *_placed("Kubernetes", objects.KUBERNETES, draw),
        *_placed("key files", objects.KEYS, draw),
    ]

"""Which names hold a secret: `DB_PASSWORD` and `clientSecret` do, `secretName` does not."""

import re
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# The last word of a name says what its value is.
_ALWAYS = _words(
    "password passwd passwort kennwort passcode passphrase pwd secret token apikey apitoken "
    "authtoken accesskey secretkey privatekey credential credentials dsn"
)
# ... and these, where it is the name of a variable.
_OF_VARIABLES = _words("pw creds cred salt")
# Written together, as in PGPASSWORD or clientsecret, these still say it.
_ENDINGS = (
    *("password", "passwd", "passwort", "kennwort"),
    *("passphrase", "secret", "token", "apikey", "secretkey"),
)
_PASSWORDS = _words("password passwd passwort kennwort passcode passphrase pwd pw pass")
# "key" is a secret only in company ...
_KEY_KINDS = _words(
    "api access secret private encryption decryption signing auth master account storage shared "
    "license app application jwt session hmac ssh deploy webhook crypto cipher aes service "
    "client root admin subscription consumer gossip fernet management function host ingest "
    "instrumentation integration bot server database cluster passkey wrapping unseal recovery"
)
# ... while in the environment of a container any key counts, save these.
_PLAIN_KEYS = _words(
    "public partition routing sort primary foreign cache idempotency object bucket hot group row "
    "index lookup topology label annotation config password passwd token username"
)
# "the name of", "a reference to": these point at a secret and are none.
_POINTERS = _words(
    "existing pull tls image ca cert certificate ingress continue next page sync cancellation "
    "checksum hash"
)
_PAIRS = frozenset(
    {
        ("connection", "string"),
        ("access", "signature"),
        ("session", "cookie"),
        ("erlang", "cookie"),
        ("rediscli", "auth"),
        ("pass", "phrase"),
        ("pass", "word"),
        ("pass", "code"),
        ("password", "hash"),
        ("passwd", "hash"),
        ("password", "salt"),
    }
)
_PAGER = frozenset({"pagerduty", "pd", "opsgenie"})  # their routing key is one
_ENCODINGS = _words("value base base64 b64 plain raw text")  # SECRET_KEY_BASE is one too


_LONGEST = 200  # characters: what is longer is no name, and must not fill the cache


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """A name in any case convention as lower-case words: `dbPassword2` is db, password, 2."""
    return tuple(word.lower() for word in _WORDS.findall(name))


def is_password(name: str) -> bool:
    """Say whether the name is that of a password, so that even plain words are its value."""
    return any(
        word in _PASSWORDS or word.endswith("password") for word in words_of(name[-_LONGEST:])[-2:]
    )


def is_short(name: str) -> bool:
    """Say whether the name alone says little: what is under it must look like a password."""
    return name.lower() in {"pass", "pw"}


def holds_secret(name: str, *, environment: bool = False) -> bool:
    """Say whether the value under this name is a secret; `environment` is the stricter reading.

    That one is for variables of containers, where `FOO_KEY` or `SMTP_PASS` is hardly anything else.
    """
    if len(name) > _LONGEST or "checksum/" in name or "‹masked" in name:
        return False  # a mark that stands where a credential was names nothing
    words = _core(words_of(name))
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if before in _POINTERS:
        return False
    if last == "key":
        if before in {"routing", "integration"}:
            return not _PAGER.isdisjoint(words) or before == "integration"
        return before in _KEY_KINDS or (environment and before not in _PLAIN_KEYS)
    if last == "pass":
        return environment or before != ""
    if environment and last in _OF_VARIABLES:
        return True
    return last in _ALWAYS or last.endswith(_ENDINGS) or (before, last) in _PAIRS


def _core(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without the endings that change nothing: `PASSWORD_2`, `access_key_id`, `client-key-data`."""
    if words and words[-1].isdigit():
        words = words[:-1]
    if len(words) > 2 and words[-1] in {"id", "data"} and words[-2] == "key":
        words = words[:-1]
    if len(words) > 1 and words[-1] in _ENCODINGS:
        words = words[:-1]
    return words

"""Random values in the alphabets that issuers of credentials use; the same for the same seed."""

import base64
import json
import string
from random import Random

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALNUM = UPPER + LOWER + DIGITS
LOWALNUM = LOWER + DIGITS
UPALNUM = UPPER + DIGITS
BASE32 = UPPER + "234567"
HEX = "0123456789abcdef"
B64 = ALNUM + "+/"
URL64 = ALNUM + "-_"
BECH32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"

_WORDS = [
    "swordfish",
    "orchid",
    "lantern",
    "marble",
    "copper",
    "falcon",
    "thunder",
    "velvet",
    "harbour",
    "walnut",
    "summer",
    "winter",
    "dragon",
    "monkey",
    "sunshine",
    "princess",
    "football",
    "letmein",
    "welcome",
    "shadow",
    "master",
    "trustno",
]


def text(rng: Random, alphabet: str, length: int) -> str:
    """So many characters; of both cases and a digit where the alphabet has them."""
    while True:
        made = "".join(rng.choices(alphabet, k=length))
        wanted = [kind for kind in (UPPER, LOWER, DIGITS) if set(kind) & set(alphabet)]
        if length < 12 or all(set(kind) & set(made) for kind in wanted):
            return made


def uuid(rng: Random) -> str:
    """A random UUID, version 4."""
    h = text(rng, HEX, 32)
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def base64_of(data: str) -> str:
    """Standard base64 with its padding."""
    return base64.b64encode(data.encode()).decode()


def random_base64(rng: Random, size: int) -> str:
    """So many random bytes in base64."""
    return base64.b64encode(rng.randbytes(size)).decode()


def url_base64(data: bytes) -> str:
    """URL-safe base64 without padding, as JWTs have it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: Random, algorithm: str = "HS256", size: int = 32) -> str:
    """A signed JSON web token."""
    head = json.dumps({"alg": algorithm, "typ": "JWT"}, separators=(",", ":"))
    subject = {"sub": text(rng, DIGITS, 10), "iat": rng.randrange(1_700_000_000, 1_800_000_000)}
    body = json.dumps(subject, separators=(",", ":"))
    parts = [url_base64(head.encode()), url_base64(body.encode()), url_base64(rng.randbytes(size))]
    return ".".join(parts)


def pem(rng: Random, kind: str = "RSA PRIVATE KEY", lines: int = 8) -> str:
    """A private key; its lines are random."""
    body = "\n".join(text(rng, B64, 64) for _ in range(lines))
    return f"-----BEGIN {kind}-----\n{body}\n{text(rng, B64, 30)}==\n-----END {kind}-----"


def word(rng: Random) -> str:
    """A password that is one word."""
    return rng.choice(_WORDS)


def weak(rng: Random) -> str:
    """A password as people make them: a word with digits."""
    made = word(rng) + str(rng.randrange(2, 9999))
    return made.capitalize() if rng.random() < 0.3 else made


def strong(rng: Random) -> str:
    """A password with punctuation that is safe in every syntax."""
    return text(rng, ALNUM + "_-.!*+", rng.randrange(12, 25)) + rng.choice(ALNUM)


def awkward(rng: Random) -> str:
    """A password with punctuation that ends a bare value: only where it is quoted."""
    return text(rng, ALNUM, 4) + rng.choice(" ,;&)}]#") + text(rng, ALNUM + "@%^~", 8)

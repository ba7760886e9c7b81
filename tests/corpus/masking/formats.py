"""What issuers make recognisable: a table of formats, each with what makes a value of it.

Written from the issuers' documentation. Values of `BARE` must be masked wherever they stand.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from . import values as v

Make = Callable[[Random], str]


class Format(NamedTuple):
    """One kind of credential: the class it is counted under, its name, and what makes one."""

    family: str
    name: str
    make: Make


def _of(prefix: str, alphabet: str, length: int, suffix: str = "") -> Make:
    return lambda rng: prefix + v.text(rng, alphabet, length) + suffix


def _parts(*parts: str | tuple[str, int]) -> Make:
    """Literal pieces and random ones, joined."""

    def make(rng: Random) -> str:
        return "".join(part if isinstance(part, str) else v.text(rng, *part) for part in parts)

    return make


_PREFIXED: tuple[tuple[str, str, str, str, int], ...] = (
    ("cloud", "aws key id", "AK" + "IA", v.BASE32, 16),
    ("cloud", "aws session id", "AS" + "IA", v.BASE32, 16),
    ("cloud", "google api key", "AI" + "za", v.URL64, 35),
    ("cloud", "google oauth token", "ya" + "29.", v.URL64, 160),
    ("cloud", "google client secret", "GOC" + "SPX-", v.URL64, 28),
    ("cloud", "alibaba key id", "LT" + "AI", v.ALNUM, 20),
    ("cloud", "tencent secret id", "AK" + "ID", v.ALNUM, 32),
    ("cloud", "digitalocean token", "dop" + "_v1_", v.HEX, 64),
    ("cloud", "digitalocean oauth", "doo" + "_v1_", v.HEX, 64),
    ("cloud", "heroku key", "HRKU-" + "AA", v.URL64, 58),
    ("cloud", "netlify token", "nfp" + "_", v.ALNUM, 36),
    ("cloud", "supabase token", "sbp" + "_", v.HEX, 40),
    ("cloud", "planetscale token", "pscale" + "_tkn_", v.URL64, 43),
    ("cloud", "planetscale password", "pscale" + "_pw_", v.URL64, 43),
    ("cloud", "fly token", "fm2" + "_", v.B64, 120),
    ("cloud", "tailscale auth key", "tskey-" + "auth-", v.ALNUM, 34),
    ("code host", "github personal", "gh" + "p_", v.ALNUM, 36),
    ("code host", "github oauth", "gh" + "o_", v.ALNUM, 36),
    ("code host", "github server", "gh" + "s_", v.ALNUM, 36),
    ("code host", "github user", "gh" + "u_", v.ALNUM, 36),
    ("code host", "github refresh", "gh" + "r_", v.ALNUM, 76),
    ("code host", "gitlab personal", "gl" + "pat-", v.URL64, 20),
    ("code host", "gitlab deploy", "gl" + "dt-", v.URL64, 20),
    ("code host", "gitlab runner", "gl" + "rt-", v.URL64, 20),
    ("code host", "gitlab trigger", "gl" + "ptt-", v.HEX, 40),
    ("code host", "gitlab agent", "gl" + "agent-", v.URL64, 50),
    ("code host", "gitlab runner registration", "GR13" + "48941", v.URL64, 20),
    ("code host", "bitbucket app password", "AT" + "BB", v.ALNUM, 32),
    ("code host", "atlassian token", "AT" + "ATT3", v.URL64, 186),
    ("code host", "atlassian access token", "AT" + "CTT3", v.URL64, 186),
    ("chat", "slack webhook secret", "xox" + "e-1-", v.ALNUM, 146),
    ("payment", "stripe live", "sk" + "_live_", v.ALNUM, 24),
    ("payment", "stripe long", "sk" + "_live_51", v.ALNUM, 99),
    ("payment", "stripe test", "sk" + "_test_", v.ALNUM, 24),
    ("payment", "stripe restricted", "rk" + "_live_", v.ALNUM, 24),
    ("payment", "stripe webhook", "wh" + "sec_", v.ALNUM, 32),
    ("payment", "square token", "sq0" + "atp-", v.URL64, 22),
    ("payment", "square secret", "sq0" + "csp-", v.URL64, 43),
    ("payment", "shopify token", "sh" + "pat_", v.HEX, 32),
    ("payment", "shopify secret", "sh" + "pss_", v.HEX, 32),
    ("payment", "flutterwave", "FLW" + "SECK-", v.HEX, 32),
    ("mail and phone", "twilio key", "S" + "K", v.HEX, 32),
    ("mail and phone", "mailgun key", "key" + "-", v.HEX, 32),
    ("mail and phone", "resend key", "re" + "_", v.ALNUM, 32),
    ("packages", "npm token", "np" + "m_", v.ALNUM, 36),
    ("packages", "pypi token", "pypi-" + "AgEIcHlwaS5vcmc", v.URL64, 150),
    ("packages", "docker pat", "dckr" + "_pat_", v.URL64, 27),
    ("packages", "docker oat", "dckr" + "_oat_", v.URL64, 32),
    ("packages", "rubygems key", "ruby" + "gems_", v.HEX, 48),
    ("packages", "crates token", "ci" + "o", v.ALNUM, 32),
    ("packages", "nuget key", "oy" + "2", v.LOWALNUM, 43),
    ("packages", "artifactory key", "AK" + "Cp", v.ALNUM, 69),
    ("packages", "pulumi token", "pu" + "l-", v.HEX, 40),
    ("vault", "vault service token", "hv" + "s.", v.URL64, 92),
    ("vault", "vault batch token", "hv" + "b.", v.URL64, 140),
    ("vault", "vault recovery token", "hv" + "r.", v.URL64, 92),
    ("vault", "doppler token", "dp" + ".pt.", v.ALNUM, 43),
    ("vault", "1password token", "ops" + "_eyJ", v.ALNUM, 260),
    ("data and monitoring", "databricks token", "da" + "pi", v.HEX, 32),
    ("data and monitoring", "new relic user", "NR" + "AK-", v.UPALNUM, 27),
    ("data and monitoring", "new relic insert", "NR" + "II-", v.URL64, 32),
    ("data and monitoring", "grafana cloud", "gl" + "c_eyJ", v.ALNUM, 90),
    ("data and monitoring", "sentry user", "sntry" + "u_", v.HEX, 64),
    ("data and monitoring", "sentry org", "sntry" + "s_eyJ", v.ALNUM, 150),
    ("data and monitoring", "sonar token", "sq" + "u_", v.HEX, 40),
    ("data and monitoring", "sonar project token", "sq" + "p_", v.HEX, 40),
    ("data and monitoring", "linear key", "lin" + "_api_", v.ALNUM, 40),
    ("data and monitoring", "notion token", "nt" + "n_", v.ALNUM, 46),
    ("data and monitoring", "figma token", "fig" + "d_", v.URL64, 43),
    ("data and monitoring", "posthog key", "ph" + "x_", v.ALNUM, 43),
    ("data and monitoring", "prefect key", "pn" + "u_", v.ALNUM, 36),
    ("model hosts", "openai project", "sk-" + "proj-", v.URL64, 156),
    ("model hosts", "openai service", "sk-" + "svcacct-", v.URL64, 156),
    ("model hosts", "openai legacy", "sk" + "-", v.ALNUM, 48),
    ("model hosts", "anthropic key", "sk-" + "ant-api03-", v.URL64, 95),
    ("model hosts", "hugging face", "h" + "f_", v.ALNUM, 34),
    ("model hosts", "groq", "gs" + "k_", v.ALNUM, 52),
    ("model hosts", "perplexity", "pp" + "lx-", v.ALNUM, 48),
    ("model hosts", "replicate", "r" + "8_", v.ALNUM, 37),
    ("model hosts", "xai", "xa" + "i-", v.ALNUM, 80),
    ("model hosts", "openrouter", "sk-" + "or-v1-", v.HEX, 64),
    ("model hosts", "langsmith", "ls" + "v2_pt_", v.HEX, 32),
    ("model hosts", "nvidia", "nv" + "api-", v.URL64, 64),
    ("model hosts", "deepseek", "sk" + "-", v.HEX, 32),
    ("keys", "age key", "AGE-" + "SECRET-KEY-1", v.BECH32, 58),
)

_COMPOSED: tuple[Format, ...] = (
    Format(
        "cloud",
        "azure client secret",
        _parts((v.ALNUM, 3), "8Q~", (v.ALNUM + "_.~-", 33), (v.ALNUM, 1)),
    ),
    Format(
        "cloud", "azure storage key", lambda rng: v.random_base64(rng, 57) + "+ASt" + "AbCdEg=="
    ),
    Format("cloud", "azure devops pat", _parts((v.ALNUM, 76), "AZ" + "DO", (v.ALNUM, 4))),
    Format("cloud", "cloudflare origin key", _parts("v1" + ".0-", (v.HEX, 24), "-", (v.HEX, 146))),
    Format(
        "code host",
        "github fine-grained",
        _parts("github" + "_pat_", (v.ALNUM, 22), "_", (v.ALNUM, 59)),
    ),
    Format(
        "chat",
        "slack bot",
        _parts("xox" + "b-", (v.DIGITS, 12), "-", (v.DIGITS, 12), "-", (v.ALNUM, 24)),
    ),
    Format(
        "chat",
        "slack user",
        _parts("xox" + "p-", (v.DIGITS, 12), "-", (v.DIGITS, 12), "-", (v.HEX, 32)),
    ),
    Format(
        "chat",
        "slack app",
        _parts("xa" + "pp-1-A", (v.UPALNUM, 10), "-", (v.DIGITS, 13), "-", (v.HEX, 64)),
    ),
    Format("chat", "slack rotating", _parts("xoxe" + ".xoxp-1-", (v.ALNUM, 160))),
    Format(
        "chat",
        "discord bot",
        lambda rng: ".".join(
            ("M" + v.text(rng, v.URL64, 23), v.text(rng, v.URL64, 6), v.text(rng, v.URL64, 38))
        ),
    ),
    Format(
        "chat",
        "telegram bot",
        lambda rng: f"{rng.randrange(10**8, 10**10)}:AA{v.text(rng, v.URL64, 33)}",
    ),
    Format(
        "payment",
        "braintree token",
        _parts("access" + "_token$production$", (v.LOWALNUM, 16), "$", (v.HEX, 32)),
    ),
    Format("mail and phone", "sendgrid key", _parts("S" + "G.", (v.URL64, 22), ".", (v.URL64, 43))),
    Format("mail and phone", "mailchimp key", _parts((v.HEX, 32), "-us", ("123456789", 1))),
    Format("mail and phone", "brevo key", _parts("xkey" + "sib-", (v.HEX, 64), "-", (v.ALNUM, 16))),
    Format("packages", "terraform cloud", _parts((v.ALNUM, 14), ".atlas" + "v1.", (v.ALNUM, 67))),
    Format("data and monitoring", "new relic licence", _parts((v.HEX, 32), "FFFF" + "NRAL")),
    Format(
        "data and monitoring",
        "dynatrace token",
        _parts("dt0" + "c01.", (v.UPALNUM, 24), ".", (v.UPALNUM, 64)),
    ),
    Format(
        "data and monitoring",
        "grafana service",
        _parts("gl" + "sa_", (v.ALNUM, 32), "_", (v.HEX, 8)),
    ),
    Format(
        "data and monitoring", "postman key", _parts("PM" + "AK-", (v.HEX, 24), "-", (v.HEX, 34))
    ),
    Format("data and monitoring", "airtable token", _parts("pat", (v.ALNUM, 14), ".", (v.HEX, 64))),
    Format("data and monitoring", "launchdarkly sdk", lambda rng: "sdk-" + v.uuid(rng)),
    Format(
        "model hosts",
        "openai infix",
        _parts("sk" + "-", (v.ALNUM, 20), "T3Blbk" + "FJ", (v.ALNUM, 20)),
    ),
    Format("model hosts", "langfuse", lambda rng: "sk-" + "lf-" + v.uuid(rng)),
    Format("signed tokens", "jwt hs256", v.jwt),
    Format("signed tokens", "jwt rs256", lambda rng: v.jwt(rng, "RS256", 256)),
    Format("signed tokens", "jwt es256", lambda rng: v.jwt(rng, "ES256", 64)),
    Format(
        "hashes", "bcrypt", _parts("$2", ("aby", 1), "$1", ("0123", 1), "$", (v.ALNUM + "./", 53))
    ),
    Format("hashes", "sha512 crypt", _parts("$6$", (v.ALNUM, 16), "$", (v.ALNUM + "./", 86))),
    Format("hashes", "yescrypt", _parts("$y$j9T$", (v.ALNUM, 22), "$", (v.ALNUM + "./", 43))),
    Format("hashes", "apr1", _parts("$apr1$", (v.ALNUM, 8), "$", (v.ALNUM + "./", 22))),
    Format(
        "hashes",
        "argon2",
        _parts("$argon2id$v=19$m=65536,t=3,p=4$", (v.ALNUM + "+/", 22), "$", (v.ALNUM + "+/", 43)),
    ),
    Format(
        "hashes",
        "django pbkdf2",
        lambda rng: f"pbkdf2_sha256$600000${v.text(rng, v.ALNUM, 22)}${v.random_base64(rng, 32)}",
    ),
    Format(
        "hashes",
        "scram",
        lambda rng: (
            "SCRAM-SHA-256$4096:"
            + "$".join(
                (v.random_base64(rng, 16), f"{v.random_base64(rng, 32)}:{v.random_base64(rng, 32)}")
            )
        ),
    ),
)

BARE: tuple[Format, ...] = (
    *(Format(family, name, _of(prefix, chars, n)) for family, name, prefix, chars, n in _PREFIXED),
    *_COMPOSED,
)

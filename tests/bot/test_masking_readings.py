"""A pair is masked however it is coded, and wherever below its name the value stands."""

import csv
import html
import io
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.guard.masking import MASK, Masked, mask_text, safe
from bot.guard.masking.readings import decoded

SECRET = "hunt3r2xQ"  # as no word of a text around it


def each(text: str, code: Callable[[str], str]) -> str:
    """A text with its signs, and one letter of its names, coded."""
    return "".join(code(sign) if sign in '_=":&w' else sign for sign in text)


CODES: dict[str, Callable[[str], str]] = {
    "colours": lambda sign: f"\x1b[1;31m{sign}\x1b[0m",
    "colours, shown": lambda sign: f"⟨U+001B⟩[31m{sign}⟨U+001B⟩[0m",
    "colours, written out": lambda sign: f"\\u001b[31m{sign}\\e[0m\\033[m\\x1b[K",
    "a link": lambda sign: f"\x1b]8;;https://x.org\x1b\\{sign}",
    "nothing to see": lambda sign: f"\u200b{sign}\u2060",
    "struck over": lambda sign: f"{sign}\x08{sign}",
    "JSON": lambda sign: f"\\u{ord(sign):04x}",
    "JSON in JSON": lambda sign: f"\\\\u{ord(sign):04X}",
    "JavaScript": lambda sign: f"\\u{{{ord(sign):x}}}",
    "hexadecimal": lambda sign: f"\\x{ord(sign):02x}",
    "octal": lambda sign: f"\\{ord(sign):03o}",
    "a URL": lambda sign: f"%{ord(sign):02X}",
    "a URL in a URL": lambda sign: f"%25{ord(sign):02x}",
    "a URL, three times": lambda sign: f"%2525{ord(sign):02X}",
    "HTML": lambda sign: f"&#{ord(sign)};",
    "HTML, hexadecimal": lambda sign: f"&#x{ord(sign):x};",
    "HTML in HTML": lambda sign: f"&amp;#{ord(sign)};",
    "HTML in JSON": lambda sign: f"\\u0026#{ord(sign)};",
    "wide": lambda sign: chr(ord(sign) + 0xFEE0),
}
PAIRS = (
    f"DB_PASSWORD={SECRET}",
    f"client_secret={SECRET}&user=bo",
    f'{{"password": "{SECRET}", "port": 80}}',
    f"postgres://app:{SECRET}@db/shop?password=w_w",
)


@pytest.mark.parametrize("name", CODES)
def test_a_coded_pair_is_masked(name: str) -> None:
    for pair in PAIRS:
        text = f"said: {each(pair, CODES[name])}\nport: 80\n"
        for shown in (mask_text(text).text, safe(text)):
            assert SECRET not in shown, text
            assert shown.endswith("\nport: 80\n")
            assert mask_text(shown) == Masked(shown, 0)


def test_what_encoders_make_of_a_pair_is_masked() -> None:
    body = json.dumps({"client_secret": SECRET, "port": 80})
    held = json.dumps([{"name": "STRIPE_KEY", "value": SECRET}])
    sheet = io.StringIO()
    csv.writer(sheet).writerow(["shop", body])
    for text in (
        quote(body),
        quote(quote(body)),
        html.escape(body),
        html.escape(html.escape(held)),
        sheet.getvalue(),
        json.dumps({"a": json.dumps({"b": f"A=1\nSTRIPE_KEY={SECRET}\nB=2"})}),
        held.replace('"', "\\u0022"),
        quote(f"- name: DB_PASSWORD\n  value: {SECRET}"),
        f"&lt;password&gt;{SECRET}&lt;/password&gt;",
        f"\\u003cpassword\\u003e{SECRET}\\u003c/password\\u003e",
        quote(f"Authorization: Bearer {SECRET}-{SECRET}"),
    ):
        shown = mask_text(text).text
        assert SECRET not in shown, text
        assert mask_text(shown) == Masked(shown, 0)


def test_only_the_value_of_a_coded_pair_is_masked() -> None:
    text = f"\x1b[32mtoken\x1b[0m={SECRET} ok\nq=a%26token%3D{SECRET}%26b=c\nplain\n"
    assert mask_text(text).text == text.replace(SECRET, MASK)


piece = st.sampled_from(
    [("a", "a"), ("b\n", "b\n"), ("%3D", "="), ("&#61;", "="), ("\x1b[31m", ""), ("\\x41", "A")]
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(piece, min_size=1, max_size=30))
def test_each_place_of_a_reading_leads_back(pieces: list[tuple[str, str]]) -> None:
    text = "".join(raw for raw, _ in pieces).encode()
    for reading in decoded(text)[:1]:
        for at in range(len(reading.text)):
            start, end = reading.back(at, at + 1)
            said = reading.text[at : at + 1]
            if start < end:  # or it stands between lines that are apart
                codes = {raw.encode(): value.encode() for raw, value in pieces}
                assert codes.get(text[start:end], text[start:end]) == said


@pytest.mark.parametrize(
    "text",
    [
        "password:\n  {}\n",
        "  db:\n    password:\n      {}\n    port: 1\n",
        "- password:\n\n    {}\n",
        "+  password:\n+    {}\n",
        "password: # the one\n  {}\n",
        "password: \\\n  {}",
        "Password:\r\n{}\r\n",
        "API_KEY\n{}",
        "API_KEY=\n{}\nDB_HOST=localhost\n",
        '"password":\n  "{}"\n',
        "**password:**\n`{}`",
        "password:\n```\n{}\n```",
        "Enter the admin password:\n{}",
        "> token:\n> {}",
        "TOKEN\nAPI_KEY\n{}\n",
        "API_KEY\t{}",
        "| API_KEY | {} |",
        "the password is:\n{}",
        # and where a line begins with something else than the value
        "password: !!str {}",
        "password: &pw {}",
        "password: !!binary |\n  {}\n",
        "password: |  # keep\n  {}\n",
        '"password": |\n  {}\n',
        'password: "{}\n  {}"\nport: 1\n',
        "PASSWORD=$'{}'",
        "password=b'{}'",
        'password="""{}"""',
        "password=`{}`",
        "os.environ['STRIPE_KEY'] = '{}'",
        "setenv API_KEY {}",
        "ENV API_KEY {}",
        "headers=[(b'x-api-key', b'{}'), (b'host', b'x')]",
    ],
)
def test_a_value_that_does_not_follow_at_once_is_masked(text: str) -> None:
    masked = mask_text(text.replace("{}", SECRET))
    assert masked.count >= 1
    assert SECRET not in masked.text
    assert mask_text(masked.text) == Masked(masked.text, 0)


@pytest.mark.parametrize(
    "text",
    [
        "API_KEY\nDB_HOST\n",
        "API_KEY=\nDB_HOST=localhost2\n",
        "required:\n- password\n- username2\n",
        "password\nusername2\n",
        "password:\n  valueFrom:\n    x: 1\n",
        "secret:\n  secretName: web-tls\n",
        "password: # set below\n  username: bo\n",
        "Enter password:\nlogin failed",
        "invalid token:\n2026-11-25T10:00:00Z",
        "token\nv1.2.3-rc1\nsecret\nweb-7d9f8b6c5d-x2x4z",
        "access-token   125d12h30m\ndb-password   Opaque   1   3d4h\n",
        "token:\nhttps://a.b/c2",
        "token%3D%24%7BTOKEN%7D redirect_uri=https%3A%2F%2Fa.b%2Fcb",
        "&lt;secret&gt; caf&eacute; &copy; 100%25 of tokens, C:\\new\\token",
        "\x1b[32mINFO\x1b[0m the token bucket limits",
        "[token]: unexpected",
        '["password", "username"]',
        "ENV TOKEN_FILE /run/x",
        "PASSWORD=`cat /run/password`",
    ],
)
def test_what_only_stands_below_or_beside_a_name_stays(text: str) -> None:
    assert mask_text(text) == Masked(text, 0)


def test_decoding_is_quick_whatever_is_coded() -> None:
    mask_text("warm up%3D")
    for worst in (
        "%3D",
        "\x1b[",
        "\x1b]x",
        "&amp;amp;quot;",
        "\\",
        "a\x08",
        "password%253D\n",
        "%3Dpassword%253Dx%2526\n",
        "API_KEY\n",
        " password:\n  x\n",
        'password: "\n ',
    ):
        text = worst * (8_000 // len(worst))
        start = time.process_time()
        mask_text(text)
        assert time.process_time() - start < 0.5, worst

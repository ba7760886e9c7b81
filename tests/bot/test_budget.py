import base64
import hashlib
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.guard.budget import RunLimits, Spent, cut, estimate, limit_tokens, spent

ID = "0193a7c4-5c1e-7aaa-8bbb-1234567890ab"


def test_a_result_gets_a_share_of_the_window() -> None:
    assert limit_tokens(32_000) == 4_800
    assert limit_tokens(200_000) == 25_000
    assert limit_tokens(0) == 0


# Text, and what cl100k and Anthropic's published tokenizer make of it, counted once.
HASHES = [hashlib.sha256(bytes([n])).digest() for n in range(40)]
N = range(50)
SAMPLES = {
    "code": "def head(text: str, tokens: int) -> int:\n"
    "    used, at = 0.0, 0\n"
    "    while at < len(text):\n"
    "        end = text.find('\\n', at) + 1 or len(text)\n"
    "        cost = self._cost(text, at, end)\n"
    "        if used + cost > tokens or not self.is_open:\n"
    "            break\n" * 10,
    "json": json.dumps([{"name": f"web-{n}", "ready": True, "image": f"a/b:1.{n}"} for n in N]),
    "yaml": "".join(
        f"- name: web-{n}\n  ports:\n    - containerPort: {8000 + n}\n"
        for n in [*N, *range(50, 60)]
    ),
    "log": "".join(
        f"2026-11-25T14:22:{n:02}.{n * 37:03}Z INFO web-7d9f8b6c5d-x2x4z "
        f"trace={h.hex()[:32]} GET /a 200\n"
        for n, h in enumerate(HASHES)
    ),
    "table": "".join(
        f"web-7d9f8b6c5d-{h.hex()[:5]}     1/1     Running     "
        f"{n}     {n * 3}d    10.0.{n}.{n + 9}\n"
        for n, h in enumerate(HASHES)
    ),
    "hex": "".join(h.hex() for h in HASHES),
    "base64": base64.b64encode(b"".join(HASHES)).decode(),
    "prose": "The deployment did not become ready because its probe failed three times. " * 20,
    "chinese": "数据库连接失败，请检查网络配置和凭据。支付服务的副本数量不足，需要扩容。" * 10,
    "japanese": "データベースへの接続に失敗しました。ポッドが再起動を繰り返しています。" * 10,
    "korean": "데이터베이스 연결에 실패했습니다. 파드가 계속 재시작되고 있습니다." * 10,
    "russian": "Не удалось подключиться к базе данных. Под перезапускается." * 10,
    "hindi": "डेटाबेस से कनेक्शन विफल रहा। कृपया नेटवर्क सेटिंग जांचें।" * 10,
    "emoji": "🚀🔥👩‍💻✅⚠️" * 50,
    "blanks": ("x" + " " * 40 + "y\n") * 50,
}
MEASURED = {
    "code": (780, 810),
    "json": (1202, 1251),
    "yaml": (1140, 1019),
    "log": (2401, 2420),
    "table": (1595, 1445),
    "hex": (1450, 1492),
    "base64": (1230, 1227),
    "prose": (261, 261),
    "chinese": (290, 270),
    "japanese": (360, 340),
    "korean": (300, 340),
    "russian": (210, 280),
    "hindi": (610, 680),
    "emoji": (950, 800),
    "blanks": (200, 200),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_estimate_is_never_far_too_low(kind: str) -> None:
    text = SAMPLES[kind]
    for counted in MEASURED[kind]:
        assert 0.75 <= estimate(text) / counted <= 1.6


def test_what_fits_is_left_alone() -> None:
    assert cut("", 32_000, ID).text == ""
    small = cut("a\nb\n", 32_000, ID)
    assert (small.text, small.cut, small.kept_lines, small.total_lines) == ("a\nb\n", False, 2, 2)
    page = "word " * 4_000
    assert not cut(page, 200_000, ID).cut
    assert cut(page, 8_000, ID).cut


def test_head_and_tail_are_kept_and_the_gap_is_named_exactly() -> None:
    lines = [f"{n} something was logged here" for n in range(1, 10_021)]
    found = cut("\n".join(lines), 32_000, ID)
    assert found.cut
    kept = found.text.split("\n")
    gap = next(i for i, line in enumerate(kept) if line.startswith("["))
    assert kept[:gap] == lines[:gap]
    assert kept[gap + 1 :] == lines[-(len(kept) - gap - 1) :]
    first, last = gap + 1, 10_020 - (len(kept) - gap - 1)
    assert kept[gap] == (
        f"[Lines {first:,}–{last:,} of 10,020 left out; search them with artifact_search id={ID}]"
    )
    assert found.total_lines == 10_020
    assert found.kept_lines == len(kept) - 1
    assert 0.9 * limit_tokens(32_000) < estimate(found.text) <= limit_tokens(32_000)


def test_one_enormous_line_is_cut_by_characters() -> None:
    text = "".join(f"{n:07}," for n in range(100_000))
    found = cut(text, 32_000, ID)
    head, note, tail = found.text.split("\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) > 1_000
    assert len(tail) > 1_000
    assert note.startswith(f"[Characters {len(head) + 1:,}–{len(text) - len(tail):,} of 800,000 ")
    assert found.kept_lines == 0
    assert found.total_lines == 1
    assert estimate(found.text) <= limit_tokens(32_000)


def test_an_enormous_line_between_others() -> None:
    found = cut("first\n" + "x9" * 300_000 + "\nlast\n", 32_000, ID)
    assert found.text.startswith("first\nx9x9")
    assert found.text.endswith("x9\nlast\n")
    assert found.kept_lines == 2
    assert "Characters" in found.text


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.text(max_size=40), max_size=60).map("\n".join),
    st.integers(600, 4_000),
)
def test_a_cut_stays_within_its_limit(text: str, window: int) -> None:
    found = cut(text, window, ID)
    if not found.cut:
        assert found.text == text
    else:
        assert estimate(found.text) <= limit_tokens(window) + 5
    assert found.kept_lines <= found.total_lines


def test_a_window_too_small_for_anything_still_says_so() -> None:
    assert cut("some words\n" * 50, 100, ID).text.startswith("[Lines 1–50 of 50 left out")


def test_ten_megabytes_are_cut_quickly() -> None:
    for text in ("2026-11-25 INFO web-7d9f8b6c5d GET /a 200\n" * 240_000, "x" * 10_000_000):
        start = time.perf_counter()
        cut(text, 200_000, ID)
        assert time.perf_counter() - start < 1  # measured 0.1; the machine is shared


def test_each_limit_is_named() -> None:
    limits = RunLimits()
    assert spent(Spent(), limits) is None
    assert spent(Spent(24, 599.9, 299_999, Decimal("1.99")), limits) is None
    assert "25 times" in (spent(Spent(model_calls=25), limits) or "")
    assert "10 minutes" in (spent(Spent(seconds=600), limits) or "")
    assert "300,000 tokens; this one used 312,004" in (spent(Spent(tokens=312_004), limits) or "")
    assert "$2.00; this one cost $2.13" in (spent(Spent(cost=Decimal("2.131")), limits) or "")
    assert "90 seconds" in (spent(Spent(seconds=91), RunLimits(seconds=90)) or "")

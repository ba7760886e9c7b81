import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.text import (
    MIXED,
    has_mixed_scripts,
    mark_mixed_scripts,
    one_line,
    visible,
)

anything = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)
# Text in which the rare is common: what hides, emoji, and the marks themselves.
nasty = st.text(
    alphabet="ab \t\n\r\u200b\u200d\u202e\u2066\ufe0f\ufe0e👩💻❤\ud800\U000e0041⟨U+⟩аο", max_size=30
)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u200bb\u2060c\ufeff", "a⟨U+200B⟩b⟨U+2060⟩c⟨U+FEFF⟩"),
        ("\x1b[31mred\x07", "⟨U+001B⟩[31mred⟨U+0007⟩"),
        ("\U000e0049\U000e0067", "⟨U+E0049⟩⟨U+E0067⟩"),
        ("lone \ud83d half", "lone ⟨U+D83D⟩ half"),
        ("win\r\ndows\r", "win\ndows⟨U+000D⟩"),
        ("c1 \x9b", "c1 ⟨U+009B⟩"),
        ("👩\u200d💻 ❤\ufe0f\u200d🔥", "👩\u200d💻 ❤\ufe0f\u200d🔥"),
        ("a\u200db 👩\u200d", "a⟨U+200D⟩b 👩⟨U+200D⟩"),
        ("x\ufe0f\ufe0f\ufe0e", "x\ufe0f⟨U+FE0F⟩⟨U+FE0E⟩"),
        ("Grüße, 世界, здравствуй, שלום", "Grüße, 世界, здравствуй, שלום"),
    ],
)
def test_what_hides_is_shown(given_text: str, shown: str) -> None:
    assert visible(given_text) == shown


def test_bytes_that_are_not_utf8_are_replaced_and_counted() -> None:
    assert visible(b"ok \xff\xfe end") == "ok \ufffd\ufffd end"


@settings(deadline=None)  # the machine may be busy
@given(anything | nasty)
def test_nothing_invisible_survives(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()  # no lone surrogate
    for char in shown:
        if char not in "\n\t\u200d":
            assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
            assert unicodedata.bidirectional(char) not in {"RLO", "LRO", "RLE", "LRE", "PDF"}
    assert not re.search("[\u200b\u200c\u2060\ufeff\U000e0000-\U000e007f]", shown)


@pytest.mark.parametrize("word", ["pаypal", "deplоy", "Αpple", "web-арр", "ѕhоp.web", "kubе_api"])
def test_disguised_words_are_found(word: str) -> None:
    assert has_mixed_scripts(word)
    assert mark_mixed_scripts(f"see {word}, now") == f"see {word}{MIXED}, now"


@pytest.mark.parametrize(
    "word",
    ["paypal", "кластер", "Kubernetes-кластер", "10kΩ", "Δt", "µs", "naïve", "東京web", "αβγ", ""],
)
def test_honest_words_are_left_alone(word: str) -> None:
    assert not has_mixed_scripts(word)
    assert mark_mixed_scripts(word) == word


@settings(deadline=None)  # the machine may be busy
@given(anything | nasty)
def test_marking_twice_changes_nothing_more(text: str) -> None:
    once = mark_mixed_scripts(text)
    assert mark_mixed_scripts(once) == once
    assert once.replace(MIXED, "") == text.replace(MIXED, "")


@settings(deadline=None)  # the machine may be busy
@given(anything | nasty, st.integers(0, 40))
def test_one_line_is_one_line_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_one_line_joins_lines_and_ends_a_cut_visibly() -> None:
    assert one_line("a\n  b\tc", 20) == "a b c"
    assert one_line("abcdefgh", 5) == "abcd…"


def test_a_megabyte_is_quick() -> None:
    start = time.process_time()
    visible("line of a log \x1b[0m\n" * 60_000)
    mark_mixed_scripts("кластер web " * 80_000)
    assert time.process_time() - start < 3

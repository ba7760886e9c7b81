import asyncio
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.guard.search import BadPattern, search, search_artifact

LOG = "\n".join(f"line {n} {'ERROR' if n in {5, 7, 20} else 'ok'}" for n in range(1, 31)) + "\n"


def test_it_looks_like_grep() -> None:
    hits = search(LOG, "ERROR", context=1)
    assert hits.text.split("\n") == [
        "4-line 4 ok",
        "5:line 5 ERROR",
        "6-line 6 ok",
        "7:line 7 ERROR",
        "8-line 8 ok",
        "--",
        "19-line 19 ok",
        "20:line 20 ERROR",
        "21-line 21 ok",
    ]
    assert hits.lines == (5, 7, 20)
    assert (hits.count, hits.more, hits.searched_all) == (3, False, True)
    assert hits.note() == "3 matching lines."
    assert str(hits) == f"{hits.text}\n(3 matching lines.)"


def test_borders() -> None:
    assert search("a\nb\nc", "^a$|^c$", context=0).text == "1:a\n--\n3:c"
    assert search("a\nb", "a", context=9).text == "1:a\n2-b"
    assert search("a", "a", context=-3, limit=0).text == "1:a"
    assert search("", "a").text == ""
    assert str(search("b\n", "a")) == "(No line matches.)"
    assert search("b\n\n", "^$", context=0).lines == (2,)
    assert search("x\r\ny\r\n", "y").text == "1-x\n2:y"
    assert search("x\n", "x").note() == "1 matching line."


def test_a_line_counts_once_and_patterns_stay_in_their_line() -> None:
    assert search("aa aa\nb\n", "a", context=0).count == 1
    assert search("a\nb\n", r"a[^x]b|a\sb").count == 0
    assert search("A\n", "(?i)a").count == 1


def test_the_limit_says_that_there_is_more() -> None:
    hits = search("hit\n" * 100, "hit", limit=10, context=0)
    assert hits.count == 10
    assert hits.more
    assert "there are more" in hits.note()
    assert not search("hit\n" * 10, "hit", limit=10).more


def test_bytes_that_are_no_text() -> None:
    assert search(b"\xff\xfe bad\n", "bad").text == "1:\ufffd\ufffd bad"
    assert search("lone \ud800 half\n", "half").count == 1
    assert search("größe 世界\n", "世.$").text == "1:größe 世界"


def test_a_long_line_is_shown_around_its_hit() -> None:
    line = "x" * 500_000 + " NEEDLE é" + "é" * 500_000
    text = search("first\n" + line + "\nlast", "NEEDLE").text.split("\n")
    assert text[0] == "1-first"
    assert text[2] == "3-last"
    assert re.fullmatch(r"2:…x+ NEEDLE é+…", text[1])
    assert len(text[1]) < 450
    whole = search(line, "x.*é").text
    assert len(whole) < 900


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        ("a{9999}", "repetition"),
        (r"(a)\1", "escape"),
        ("(?=x)", "invalid"),
        ("", "empty"),
        ("a\nb", "line break"),
        (r"a\nb", "line break"),
        ("a" * 1001, "1,000"),
        ("a.{0,400}b.{0,400}", "repeats too much"),
        ("\ud800", "not valid text"),
    ],
)
def test_a_bad_pattern_is_one_sentence(pattern: str, reason: str) -> None:
    with pytest.raises(BadPattern) as error:
        search(LOG, pattern)
    said = str(error.value)
    assert reason in said
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 200


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.sampled_from(["", "a", "b", "ab a", "é"]), max_size=20),
    st.booleans(),
    st.sampled_from(["a", "^$", "b$", "é", "."]),
    st.integers(0, 3),
)
def test_it_finds_what_a_plain_loop_finds(
    lines: list[str], ends: bool, pattern: str, context: int
) -> None:
    text = "\n".join(lines) + ("\n" if ends and lines else "")
    split = text.split("\n")
    if split[-1] == "":
        split.pop()
    expected = [n for n, line in enumerate(split, 1) if re.search(pattern, line)]
    hits = search(text, pattern, context=context)
    assert list(hits.lines) == expected
    around = {n for hit in expected for n in range(hit - context, hit + context + 1)}
    printed = [line for line in hits.text.split("\n") if line and line != "--"]
    assert printed == [
        f"{n}{':' if n in expected else '-'}{split[n - 1]}"
        for n in sorted(around)
        if 1 <= n <= len(split)
    ]


BIG = b"".join(
    b"2026-11-25T14:22:12Z INFO web-7d9f8b6c5d-x2x4z GET /api/orders/%d 200 12ms\n" % n
    for n in range(140_000)
)


@pytest.mark.parametrize(
    "pattern",
    ["no such thing", "orders/139999 ", r"(a|aa)+$", r"([a-z]+)*\d{3,}X", ".*.*.*=.*", "."],
)
async def test_ten_megabytes_are_searched_in_time(pattern: str) -> None:
    assert len(BIG) > 10_000_000
    start = time.perf_counter()
    hits = await search_artifact(BIG, pattern)
    assert time.perf_counter() - start < 0.6  # 0.2 s is the promise; the machine is shared
    assert hits.searched_all or hits.count == 0


async def test_the_loop_goes_on_meanwhile() -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        await search_artifact(BIG, r"([a-z]+)*\d{3,}X")
        watcher.cancel()
    assert longest < 0.15


def test_an_endless_line_is_searched_in_pieces_with_exact_borders() -> None:
    data = b"start " + b"x" * 3_000_000 + b" NEEDLE " + b"y" * 3_000_000 + b" end\nnext\n"
    assert search(data, "^x|^y|x$|y$", seconds=5).count == 0
    for pattern in ("NEEDLE", "^start", "end$", "x NEEDLE y"):
        assert search(data, pattern, seconds=5).lines == (1,), pattern
    for size in range(20_400, 20_600, 7):  # about where the first piece ends
        assert search(b"x" * size + b"NEEDLE" + b"x" * 90_000, "NEEDLE", seconds=5).count == 1


@pytest.mark.parametrize("broken", [b"", b"\n"])
def test_the_slowest_pattern_is_stopped_in_time(broken: bytes) -> None:
    rng = random.Random(7)
    piece = bytes(rng.choice(b"ab") for _ in range(10_000)) + broken
    start = time.process_time()
    hits = search(piece * 300, "[ab]*a[ab]{900}c")
    assert time.process_time() - start < 1  # measured 0.3; unstopped 11
    assert not hits.searched_all


def test_when_the_time_is_up_it_says_so() -> None:
    hits = search(BIG, "no such thing", seconds=0)
    assert not hits.searched_all
    assert "time was up" in hits.note()

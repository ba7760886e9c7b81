"""The model's Markdown as Slack shows it: what it looks like, and what it can never do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack import limits
from bot.slack.markdown import sections
from bot.slack.views import words

LOOKS = [
    ("# Roll *back*", "*Roll _back_*"),
    ("## A **bold** head", "*A bold head*"),
    ("**bold** *it* ~~gone~~ `code`", "*bold* _it_ ~gone~ `code`"),
    ("**all `of` it**", "*all `of` it*"),
    ("***both***", "_*both*_"),
    ("one\ntwo", "one\ntwo"),
    ("one\n\ntwo", "one\n\ntwo"),
    ("- a\n  - b\n    - c\n- d", "• a\n    ◦ b\n        ▪ c\n• d"),
    ("3. a\n4. b", "3. a\n4. b"),
    ("- a\n\n  more\n- b", "• a\n    more\n• b"),
    ("- [x] a", "• [x] a"),
    ("> a\n> b", "> a\n> b"),
    ("---", "———"),
    ("```yaml\na: 1\n```", "```\na: 1\n```"),
    ("    indented", "```\nindented\n```"),
    ("a & b < c", "a &amp; b &lt; c"),
    ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
    ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
    ("&lt;!channel&gt;", "&lt;!channel&gt;"),
    ("<!channel> <@U0BOB> <!subteam^S0>", "&lt;!channel&gt; &lt;@U0BOB&gt; &lt;!subteam^S0&gt;"),
    ("[docs](https://a.example/x)", "<https://a.example/x|docs (a.example)>"),
    (
        "[https://bank.example](https://evil.example)",
        "<https://evil.example|https://bank.example (evil.example)>",
    ),
    ("[x](https://bank.example@evil.example/)", "x (https://bank.example@evil.example/)"),
    ("[x](javascript:alert)", "[x](javascript:alert)"),
    ("[x](ftp://a.example)", "x (ftp://a.example)"),
    ("[](https://a.example)", "<https://a.example|https://a.example>"),
    ("<https://a.example>", "<https://a.example|https://a.example>"),
    (
        "see https://a.example/x?a=1&b=2.",
        "see <https://a.example/x?a=1&amp;b=2|https://a.example/x?a=1&amp;b=2>.",
    ),
    ("[a](https://a.example/x|y)", "<https://a.example/x%7Cy|a (a.example)>"),
    (
        "see https://p\u0430ypal.example/",
        "see <https://xn--pypal-4ve.example/|https://p\u0430ypal.example⟨mixed scripts⟩/>",
    ),
    ("![cat](https://a.example/c.png)", "<https://a.example/c.png|image: cat (a.example)>"),
    ("a \\` b", "a ʼ b"),
    ("`` a`b ``", "`aʼb`"),
    ("````\n```\n````", "```\nʼʼʼ\n```"),
    ("✅ verified :white_check_mark: ⚠️ done", "✓ verified ✓ ! done"),
    ("a\u202eb &#x202E; &#8203;", "a⟨U+202E⟩b ⟨U+202E⟩ ⟨U+200B⟩"),
    ("`a\u200bb`", "`a⟨U+200B⟩b`"),
    ("p\u0430ypal", "p\u0430ypal⟨mixed scripts⟩"),
    ("| a | long |\n|---|---|\n| `x` | 1 < 2 |", "```\na  long\n─  ─────\nx  1 &lt; 2\n```"),
    ("| a | b |\n|---|---|\n| 日本 | y |", "```\na     b\n────  ─\n日本  y\n```"),
]


@pytest.mark.parametrize(("source", "expected"), LOOKS)
def test_markdown_becomes_slacks(source: str, expected: str) -> None:
    assert sections(source) == [expected]


def test_a_wide_table_becomes_a_list_of_its_rows() -> None:
    source = (
        f"| pod | why |\n|---|---|\n| web-1 | {'because ' * 12}|\n| web-2 | see [x](http://a.b) |"
    )
    first = f"• *pod:* web-1 · *why:* {'because ' * 11}because"
    second = "• *pod:* web-2 · *why:* see x (<http://a.b|http://a.b>)"
    assert sections(source) == [f"{first}\n{second}"]


def test_nothing_to_say_is_nothing() -> None:
    assert sections("") == []
    assert sections(" \n\t\n") == []


@pytest.mark.parametrize("source", [">" * 500 + " deep", "- " * 400 + "deep", "[" * 5_000 + "deep"])
def test_what_the_parser_would_lose_is_shown_as_written(source: str) -> None:
    assert "deep" in "".join(sections(source))


def test_a_fence_is_opened_again_in_the_next_text() -> None:
    lines = [f"line {number} & more" for number in range(300)]
    texts = sections("before\n\n```\n" + "\n".join(lines) + "\n```\n\nafter")
    assert len(texts) > 2
    inside = []
    for text in texts:
        assert text.count("```") % 2 == 0
        assert words.size(text) <= limits.SECTION
        inside += re.findall(r"^line \d+ &amp; more$", text, re.MULTILINE)
    assert inside == [line.replace("&", "&amp;") for line in lines]


def test_bold_is_opened_again_in_the_next_text() -> None:
    texts = sections(f"**{'word ' * 1_000}end**")
    assert len(texts) == 2
    assert all(text.startswith("*word") and text.endswith(("word*", "end*")) for text in texts)


def test_a_text_never_ends_inside_an_entity_or_a_character() -> None:
    for source in (
        "&" * 9_000,
        "<>" * 5_000,
        "😀" * 5_000,
        "`" + "&" * 9_000 + "`",
        "a&😀" * 3_000,
    ):
        texts = sections(source)
        assert all(words.size(text) <= limits.SECTION for text in texts)
        assert not any(re.search(r"&(?!amp;|lt;|gt;)", text) for text in texts)
        assert "".join(texts).replace("`", "") == words.escape(source.replace("`", ""))


PIECES = st.sampled_from(
    [
        *(
            "a",
            "word",
            "**",
            "*",
            "_",
            "~~",
            "`",
            "```",
            "\n",
            "\n\n",
            "- ",
            "  - ",
            "1. ",
            "> ",
            "# ",
        ),
        *("[x](", ")", "![", "](https://a.example/)", "http://", "https://a.example/?q=<!here>"),
        *(
            "<",
            ">",
            "&",
            "&amp;",
            "&lt;",
            "&#60;!channel&#62;",
            "<!channel>",
            "<@U0BOB>",
            "\\",
            "|",
        ),
        *("<!subteam^S0>", "<!date^1^{time}|x>", "✅", "⚠️", ":white_check_mark:", "p\u0430ypal"),
        *("\u202e", "\u200b", "\ud800", "😀", "\t", "\r", "\x00", "---", "===", "    ", "[a]: "),
        *("| a |\n|---|\n", "x" * 400, "日本" * 200, "\u00a0", "\u2028"),
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join)
OURS = re.compile(r"<https?://[^<>|\s]+\|[^<>]*>")


@given(HOSTILE)
def test_nothing_a_model_writes_is_more_than_text(source: str) -> None:
    for text in sections(source):
        assert 0 < words.size(text) <= limits.SECTION
        rest = OURS.sub("", text)
        # A quote's own mark is all that may be left.
        assert not set("<>") & set(re.sub(r"^> ", "", rest, flags=re.MULTILINE)), text
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        assert text.count("```") % 2 == 0
        assert not re.search("[\u202e\u200b\ud800\x00]", text)


@given(HOSTILE, st.integers(120, 400))
def test_a_fence_never_ends_early_however_short_the_texts(source: str, limit: int) -> None:
    safe = source.replace("http", "hxxp")  # an address longer than the text cannot be split
    for text in sections(safe, limit):
        assert 0 < words.size(text) <= limit
        assert text.count("```") % 2 == 0

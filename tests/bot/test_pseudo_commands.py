"""A thousand sentences that resemble commands and control words: none is one."""

import pytest

from bot.agent.control import Word, nameless, parse_word, usage_of
from bot.agent.grammar import Command, parse
from bot.agent.spelling import advice, did_you_mean
from bot.guard.requests import cleaned
from tests.sentences import sentences

SENTENCES = sentences()


def test_there_are_a_thousand_of_many_shapes() -> None:
    assert len(set(SENTENCES)) == 1000
    first = {sentence.split()[0].lower() for sentence in SENTENCES}
    assert {"get", "scale", "rollout", "set", "stop", "approve", "deny", "undo", "i'd"} <= first
    assert sum("\n" in sentence for sentence in SENTENCES) > 30
    assert sum(not sentence.isascii() for sentence in SENTENCES) > 200


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_none_is_a_command_or_a_control_word(seed: int) -> None:
    for sentence in sentences(seed=seed):
        for text in (sentence, cleaned(sentence)):
            assert not isinstance(parse(text), Command), sentence
            assert parse_word(text) is None, sentence


def test_what_is_said_of_them_runs_nothing_and_always_says_something() -> None:
    for sentence in SENTENCES:
        assert advice(sentence)
        meant = did_you_mean(sentence)
        assert meant is None or isinstance(parse(meant), Command) or parse_word(meant)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("help", Word("help")),
        ("  Status ", Word("status")),
        ("stop", Word("stop")),
        ("STOP!!", Word("stop")),
        ("approve K7QF", Word("approve", "K7QF")),
        # no id, so nothing can come of it but the sentence that says what is open
        ("approve", Word("approve")),
        ("deny", Word("deny")),
        ("approve ABCD", Word("approve", "ABCD")),
        ("approve 1", Word("approve", "1")),
        ("undo 12345", Word("undo", "12345")),
        ("Approve   k7qf", Word("approve", "K7QF")),
        ("approve `K7QF`", Word("approve", "K7QF")),
        ("deny K7QF", Word("deny", "K7QF")),
        ("deny k7qf the quota is 6", Word("deny", "K7QF", "the quota is 6")),
        ("undo", Word("undo")),
        ("undo 3A9C", Word("undo", "3A9C")),
    ],
)
def test_control_words(text: str, word: Word) -> None:
    assert parse_word(text) == word


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("why", "why"),
        ("Why that?", "why"),
        ("why is the shop slow", ""),
        ("deny it", "deny"),
        ("approve K7QF please", "approve"),
        ("settle", "settle"),
        ("undo that", ""),
        ("I'd approve K7QF", ""),
    ],
)
def test_what_names_nothing_is_about_nothing(text: str, name: str) -> None:
    """Its author is told how it is said; nothing else can come of it."""
    word = nameless(text)
    assert (word.name if word else "") == name
    assert word is None or word == Word(word.name)
    if name:
        assert usage_of(word.name if word else "help").startswith(f"{name} <id>")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop it",
        "stop?",
        "help me",
        "status of web",
        "approve it",
        "approve that",
        "approve K7QF please",
        "approve K7QF.",
        "approve K7QF K7QG",
        "I'd approve K7QF",
        "approve К7QF",
        "approve K7QF\nplease",
        "deny that it happened",
        "deny K7QF or not?",
        "deny K7QF, I think",
        "undo that",
        "undo K7QF now",
        "approve\u200bK7QF",
        "approve K7\u200bQF",
        "deny K7QF " + "x" * 1000,
    ],
)
def test_no_control_words(text: str) -> None:
    assert parse_word(text) is None

"""Ids as people and programs meet them."""

from bot.core.ids import public_id


def test_no_public_id_is_taken_for_an_option() -> None:
    assert not any(public_id().startswith("-") for _ in range(2_000))

"""Several loads at once share one collector and one interpreter."""

import gc
import sys

import pytest

from bot.core.loading import uncollected


@pytest.mark.parametrize("collecting", [True, False])
def test_the_last_of_several_loads_leaves_everything_as_it_was(*, collecting: bool) -> None:
    was, usual = gc.isenabled(), sys.getswitchinterval()
    (gc.enable if collecting else gc.disable)()
    try:
        first, second = uncollected(), uncollected()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert not gc.isenabled()
        assert sys.getswitchinterval() < usual
        second.__exit__(None, None, None)
        assert gc.isenabled() is collecting
        assert sys.getswitchinterval() == pytest.approx(usual)
    finally:
        (gc.enable if was else gc.disable)()

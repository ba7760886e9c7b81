"""No garbage collection while pytest loads the tests: what it loads stays to the end.

Named first among the plugins, so that it is there before the bot's libraries are.
"""

import gc

import pytest

gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From now on as ever, sparing modules and the tests themselves."""
    gc.freeze()
    gc.enable()

"""Which tests stay on one xdist worker: what they start together is dear.

`xdist_group` cannot say it: pytest 9.2 ignores the names that pytest-xdist 3.8 gives to groups.
"""

from typing import Any

import pytest

_ON_ONE_WORKER = frozenset(
    {
        "tests/bot/test_cli.py",  # two processes at once; several of them would take the machine
        "tests/bot/test_model_litellm.py",  # imports litellm
        "tests/browser/test_command.py",  # one database
    }
)
_BROWSER = "tests/browser/"  # the others share one Chromium


def scope(nodeid: str) -> str:
    """What a test must not be parted from: its file, its folder, or nothing but itself."""
    path = nodeid.partition("::")[0]
    if path in _ON_ONE_WORKER:
        return path
    return _BROWSER if path.startswith(_BROWSER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each worker the next test, or the next file of those above, which come first."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return Together(config, log)

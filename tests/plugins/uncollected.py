"""What makes loading the tests cheaper, for a run that is over in minutes.

No garbage is collected while pytest loads: what it loads stays to the end. And of several workers
each first loads other files than the others do, so that they meet most as bytecode that somebody
has written by then: pytest takes as long for the assertions of all files as for everything else.

Named first among the plugins, so that it is there before the bot's libraries are.
"""

import gc
import importlib
from contextlib import suppress

import pytest

gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Load this worker's share of all files; one that fails does so again where it is reported."""
    config = session.config
    if not hasattr(config, "workerinput") or config.args_source != config.ArgsSource.TESTPATHS:
        return
    number = int(config.workerinput["workerid"].removeprefix("gw"))
    files = sorted((config.rootpath / "tests").glob("**/test_*.py"))
    for file in files[number :: config.workerinput["workercount"]]:
        with suppress(BaseException):
            importlib.import_module(
                ".".join(file.relative_to(config.rootpath).with_suffix("").parts)
            )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From now on as ever, sparing modules and the tests themselves."""
    gc.freeze()
    gc.enable()

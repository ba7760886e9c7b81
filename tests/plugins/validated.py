"""Every call that the bot makes in any test must be one that Slack takes: checked at its end.

A test that breaks Slack's rules on purpose says so with `@pytest.mark.breaches`.
"""

from collections.abc import Generator

import pytest

from bot.sandbox.slack import Workspace
from bot.sandbox.slack.workspace import OBSERVERS

_made: list[Workspace] = []
_seen: dict[int, int] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, and learn of every workspace from now on."""
    config.addinivalue_line("markers", "breaches: breaks Slack's rules on purpose")
    if _made.append not in OBSERVERS:
        OBSERVERS.append(_made.append)


def fresh_violations() -> list[str]:
    """What has been blamed since the last time, in every workspace; those that ended are let go."""
    found: list[str] = []
    for workspace in list(_made):
        breaches = workspace.violations
        new = breaches[_seen.get(id(workspace), 0) :]
        found += [f"{breach.where}: {breach.code}: {breach.detail}" for breach in new]
        _seen[id(workspace)] = len(breaches)
        if workspace.state.feed.closed:
            _made.remove(workspace)
            del _seen[id(workspace)]
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test in which a workspace blamed the app."""
    yield
    found = fresh_violations()
    if found and item.get_closest_marker("breaches") is None:
        pytest.fail("Slack would refuse what was sent:\n" + "\n".join(found), pytrace=False)

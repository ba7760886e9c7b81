"""The table of what was tried with programs that are not of this project."""

import pytest

TRIED: list[tuple[str, str]] = []
"""Each command with `ok` or `FAIL`, in order."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if anything was tried."""
    if not TRIED:
        return
    terminalreporter.write_sep("=", "kubectl against the demo cluster")
    for mark, command in TRIED:
        terminalreporter.write_line(f"{mark:4} {command}")
    passed = sum(mark == "ok" for mark, _ in TRIED)
    terminalreporter.write_line(f"{passed} of {len(TRIED)} commands as expected")

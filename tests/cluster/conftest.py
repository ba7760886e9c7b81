"""The table of what was tried on which cluster."""

import pytest

TRIED: list[tuple[str, str, str, str]] = []
"""Each step: `ok`, `lacks` or `FAIL`; the tool; seconds; what came of it."""
WHERE: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if anything was tried."""
    if not TRIED:
        return
    terminalreporter.write_sep("=", f"the Kubernetes tools on {WHERE[0]}")
    for mark, tool, seconds, told in TRIED:
        terminalreporter.write_line(f"{mark:5} {tool:22} {seconds:>6} s  {told[:110]}")
    passed = sum(mark == "ok" for mark, *_ in TRIED)
    terminalreporter.write_line(f"{passed} of {len(TRIED)} as expected")

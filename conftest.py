"""What all tests share: the event loop's kind, and the honest last words about what did not run here."""

import signal
from typing import cast

# pytest gives the tests in kubebox/tests the name `kubebox.tests`, and would take the folder for the package unless
# the package itself has been imported before.
import pytest

import kubebox as kubebox

# A shell that starts pytest in the background lets it ignore these, and so would everything that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Everything runs on asyncio, the one loop that client and server know."""
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what could not run on this machine, and why."""
    skipped = terminalreporter.getreports("skipped")
    if not skipped:
        terminalreporter.write_line("Everything ran: nothing was left out on this machine.")
        return
    terminalreporter.section("left out on this machine")
    for report in skipped:
        # Of a skipped test, pytest keeps where and why as (file, line, reason).
        _, _, reason = cast("tuple[str, int, str]", report.longrepr)
        terminalreporter.write_line(f"{report.nodeid}: {reason}")

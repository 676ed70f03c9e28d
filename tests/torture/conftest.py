"""Rough treatment: a small form of it with all tests, the whole by `make torture`."""

from collections import Counter

import pytest

_tally = pytest.StashKey[Counter]()


def pytest_configure(config):
    config.stash[_tally] = Counter()


@pytest.fixture(scope="session")
def torture(pytestconfig):
    """Whether this is `make torture`, which has minutes; else seconds must do."""
    return pytestconfig.getoption("--torture")


@pytest.fixture(scope="session")
def tally(pytestconfig):
    """Counter by what is counted, such as "kills survived"; printed at the end."""
    return pytestconfig.stash[_tally]


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash[_tally]
    if config.getoption("--torture") and counts:
        terminalreporter.section("torture")
        for what, count in counts.items():
            terminalreporter.write_line(f"{what}: {count}")

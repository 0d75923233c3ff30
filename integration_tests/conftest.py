"""What all integration tests share: a Device Cloud, and the tables that the manifest holds."""

from collections.abc import Callable, Iterator

import pytest

from integration_tests.device_cloud import DeviceCloud, Switches
from integration_tests.matrix.tally import Tally, summary

pytest.register_assert_rewrite("integration_tests.airbyte.command_suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the whole matrix of troubles be asked for."""
    parser.addoption("--whole-matrix", action="store_true", help="run all cells of the matrix of troubles, not a part")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how the cells of the matrix ended."""
    if lines := summary(report for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.section("troubles x places x tables x readers")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Where a test of the matrix notes how its cells end."""
    return Tally(record_property)


@pytest.fixture(scope="session")
def _running_cloud() -> Iterator[DeviceCloud]:
    with DeviceCloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(_running_cloud: DeviceCloud) -> Iterator[DeviceCloud]:
    """A small fleet behind a server without faults; tests that change the fleet start a server of their own."""
    _running_cloud.reset()
    _running_cloud.switches = Switches()
    yield _running_cloud
    _running_cloud.reset()

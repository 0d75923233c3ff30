"""What all integration tests share: a Device Cloud, a Spark session, and the options of the command line."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from integration_tests.device_cloud import DeviceCloud, Fleet, Switches
from integration_tests.matrix.tally import summary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.register_assert_rewrite("integration_tests.airbyte.command_suite")


# A JVM of the tests lives for seconds or minutes, in which its second compiler costs more than it saves.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the whole matrix of troubles be asked for."""
    parser.addoption("--whole-matrix", action="store_true", help="run all cells of the matrix of troubles, not a part")


# Fixtures that take seconds to set up: one worker runs all tests that share such a one.
COSTLY = ("spark", "reported", "messages")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each costly fixture be set up by one worker alone."""
    for item in items:
        if shared := [name for name in COSTLY if name in getattr(item, "fixturenames", ())]:
            item.add_marker(pytest.mark.xdist_group(shared[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how the cells of the matrix ended."""
    if lines := summary(report for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.section("troubles x places x tables x readers")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def _shared_cloud() -> Iterator[DeviceCloud]:
    with DeviceCloud() as cloud:
        yield cloud


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Fleet | None:
    """Return the fleet that a test is marked with, `fleet(size, seed=…)`; None where it takes the shared one."""
    marker = request.node.get_closest_marker("fleet")
    return Fleet.seeded(*marker.args, **marker.kwargs) if marker else None


@pytest.fixture
def cloud(fleet: Fleet | None, request: pytest.FixtureRequest) -> Iterator[DeviceCloud]:
    """Yield a server without faults: one for the test's own fleet, which it may change, or the shared one."""
    if fleet is not None:
        with DeviceCloud(fleet) as own:
            yield own
        return
    shared: DeviceCloud = request.getfixturevalue("_shared_cloud")
    shared.reset()
    shared.switches = Switches()
    yield shared
    shared.reset()


@pytest.fixture
def half_past(cloud: DeviceCloud) -> None:
    """Set the server's clock forward to half past an hour: none ends while whole hours are read and compared."""
    at = cloud.fleet.clock.now()
    ahead = timedelta(minutes=(30 - at.minute) % 60)
    cloud.switches = replace(cloud.switches, clock_skew=ahead.total_seconds())


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """Yield a session as a user has it; a test leaves it as it was."""
    # Tests that need no Spark also run where there is none.
    from integration_tests.spark.sessions import local_session  # noqa: PLC0415

    with local_session() as session:
        yield session

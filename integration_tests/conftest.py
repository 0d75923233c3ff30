"""What all integration tests share: a Device Cloud, and the tables that the manifest holds."""

from collections.abc import Iterator

import pytest

from integration_tests.device_cloud import DeviceCloud, Switches
from source_particle.login import forget_accounts
from unit_tests.conftest import _logging_as_it_was

__all__ = ["_logging_as_it_was"]

pytest.register_assert_rewrite("integration_tests.command_suite")


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


@pytest.fixture(autouse=True)
def _no_remembered_logins() -> Iterator[None]:
    """Every test starts like a new process, which knows no token and no refusal."""
    forget_accounts()
    yield
    forget_accounts()

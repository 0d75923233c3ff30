"""What all tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from source_particle.login import forget_accounts

# The same examples every time, so that a change is what made a test fail. On a busy machine any of them can be slow.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _no_remembered_logins() -> Iterator[None]:
    """Let every test start like a new process, which knows no token and no refusal."""
    forget_accounts()
    yield
    forget_accounts()

"""What all unit tests share."""

import logging
from collections.abc import Iterator

import pytest

from bridge import reader


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what `bridge.reader` does to the CDK's logger once per process, so that no test sees another's handlers."""
    logger = logging.getLogger("airbyte")
    handlers, propagate = list(logger.handlers), logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.propagate = propagate
    reader._house_rules.cache_clear()

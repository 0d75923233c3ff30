"""What unit and integration tests share."""

import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bridge.reading import reader
from source_particle import masking
from source_particle.budget import forget_budgets
from source_particle.login import forget_accounts

# The same examples every time, so that a change is what made a test fail. As they are the same, more of them would only
# take longer; `make test-all` tries ten times as many.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("slow", settings.get_profile("same"), max_examples=200)
settings.load_profile("same")

ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what Airbyte's own command needs, which looks for its tests and its configurations in folders of its own."""
    if any(".tmp" in item.path.parts for item in items) and not (ROOT / "secrets").is_dir():
        raise pytest.UsageError(
            "There is no folder secrets/ with the configurations that acceptance-test-config.yml names. Run `make "
            "acceptance`, which writes them for a local Device Cloud, or write them for an account of your own."
        )


def pytest_collection_finish() -> None:
    """Keep the collected tests out of Python's searches for garbage, which would take a twelfth of the CPU."""
    gc.freeze()


AIRBYTE = logging.getLogger("airbyte")
PRISTINE = list(AIRBYTE.handlers), AIRBYTE.propagate


@pytest.fixture(autouse=True)
def _output_as_in_a_new_process() -> Iterator[None]:
    """Undo what the reader does to the CDK's output once per process, also for a fixture that outlives tests."""
    _reset_output()
    yield
    _reset_output()


def _reset_output() -> None:
    AIRBYTE.handlers[:], AIRBYTE.propagate = PRISTINE
    if client := sys.modules.get("airbyte_cdk.sources.streams.http.http_client"):
        vars(client).pop("print", None)
    reader.house_rules.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every test start like a new process, which knows no token, no secret, no refusal and no API.

    Servers of tests share ports one after the other, and a budget belongs to an address.
    """
    # By its name: to import the CDK before our own package takes longer, in each process of the tests.
    monkeypatch.setattr("airbyte_cdk.utils.airbyte_secrets_utils.__SECRETS_FROM_CONFIG", [])
    monkeypatch.setattr(masking, "SECRETS", [])
    forget_accounts()
    forget_budgets()
    yield
    forget_accounts()
    forget_budgets()

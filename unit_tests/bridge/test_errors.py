"""The exceptions: complete, picklable, and one for every failure type of Airbyte."""

import inspect
import pickle

import pytest
from airbyte_cdk.models import FailureType

from bridge import errors
from bridge.errors import ParticleError, UnknownTableError, error_for, quoted
from source_particle.redaction import LONGEST_QUOTE

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ParticleError)]


@pytest.mark.parametrize("kind", ALL)
def test_error_survives_pickling(kind: type[ParticleError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what happened, where, what to do")))
    assert type(error) is kind
    assert str(error) == "what happened, where, what to do"


@pytest.mark.parametrize("kind", ALL)
def test_error_stands_in_the_tree_of_the_module(kind: type[ParticleError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("failure_type", FailureType)
def test_every_failure_of_airbyte_has_an_error(failure_type: FailureType) -> None:
    assert issubclass(error_for(failure_type.value), ParticleError)


def test_unknown_table_error_names_the_known_ones() -> None:
    assert str(UnknownTableError.of("device", ["devices", "sims"])) == (
        "There is no table 'device'; expected one of devices, sims. Did you mean devices?"
    )
    assert str(UnknownTableError.of("nothing", ["devices", "sims"])) == (
        "There is no table 'nothing'; expected one of devices, sims."
    )


def test_a_quote_is_cut() -> None:
    assert len(quoted("x" * 10_000)) == LONGEST_QUOTE + 1

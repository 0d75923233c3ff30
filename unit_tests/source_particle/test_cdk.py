"""Private parts of the CDK that the source uses: if they change, a test says what to check."""

import inspect

import pytest
import requests
import requests_mock
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.streams.http import HttpClient
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of
from source_particle.requester import ParticleRequester
from source_particle.retrievers import ParticleRetriever
from source_particle.settings import Settings
from source_particle.source import SourceParticle
from unit_tests.support.built import BASE_URL, config, retrievers


def devices_requester() -> ParticleRequester:
    retriever = retrievers("devices", requests_per_5_minutes=100)["devices"]
    assert isinstance(retriever, ParticleRetriever)
    return retriever.requester


def test_the_requester_of_the_cdk_sends_with_our_client_too() -> None:
    assert "_http_client" in vars(devices_requester()), "Fix: HttpRequester calls its client by another name now"
    before = budget_of(Settings.of(config())).sent
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", json=[])
        requester: HttpRequester = devices_requester()
        requester.send_request()
    # The adapter that counts is replaced by the mock; that the session is ours is what has to be seen.
    assert budget_of(Settings.of(config())).sent == before
    assert isinstance(vars(requester)["_http_client"], HttpClient)
    assert vars(vars(requester)["_http_client"])["_session"] is devices_session(requester)


def devices_session(requester: HttpRequester) -> requests.Session:
    assert isinstance(requester, ParticleRequester)
    return requester.session


def test_the_manifest_is_validated_by_the_method_that_we_leave_out() -> None:
    calls = inspect.getsource(ConcurrentDeclarativeSource)
    assert "self._validate_source()" in calls
    ours, theirs, *_ = [kind for kind in SourceParticle.__mro__ if "_validate_source" in vars(kind)]
    assert (ours.__module__, theirs) == (SourceParticle.__module__, ConcurrentDeclarativeSource)


def test_the_schema_of_manifests_is_parsed_once() -> None:
    parse = vars(concurrent_declarative_source)["get_declarative_component_schema"]
    SourceParticle(config())
    before = parse.cache_info()
    SourceParticle(config())
    assert parse.cache_info().hits == before.hits + 1, "Fix: the CDK gets its schema in another way now"
    assert parse.cache_info().misses == before.misses


def test_what_ends_retries_has_its_last_cause_as_context() -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", status_code=503)
        with pytest.raises(AirbyteTracedException, match="The Particle Device Cloud failed") as caught:
            devices_requester().page(f"{BASE_URL}/v1/devices", {})
    assert caught.value.failure_type == FailureType.transient_error
    assert str(caught.value.message).startswith(f"{BASE_URL}/v1/devices: ")

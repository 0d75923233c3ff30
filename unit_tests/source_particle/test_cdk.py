"""Private parts of the CDK that the source uses: if they change, a test says what to check."""

import copy
import inspect
from unittest.mock import Mock, patch

import pytest
import requests
import requests_mock
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.streams.http import HttpClient
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from jsonschema import ValidationError
from pydantic.v1 import BaseModel

from source_particle import manifest
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


MINIMAL = {"type": "DeclarativeSource", "version": "7.0.0", "check": {"type": "CheckStream", "stream_names": []}}


def test_the_schema_of_manifests_is_parsed_for_other_sources_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Mock(return_value={})
    monkeypatch.setattr("source_particle.source._parsed_schema", parse)
    SourceParticle(config())
    parse.assert_not_called()
    ConcurrentDeclarativeSource(source_config={**MINIMAL, "streams": []})
    assert parse.called, "Fix: the CDK gets its schema in another way now"


def test_manifests_of_other_sources_are_validated_still() -> None:
    SourceParticle(config())
    with pytest.raises(ValidationError):
        ConcurrentDeclarativeSource(source_config={**MINIMAL, "streams": [{"type": "no such thing"}]})


def test_the_manifest_is_processed_as_the_cdk_does_it() -> None:
    whole = ConcurrentDeclarativeSource(source_config=dict(manifest())).resolved_manifest
    assert SourceParticle(config()).resolved_manifest["streams"] == whole["streams"]
    for stream in (one for one in whole["streams"] if "name" in one):
        built = SourceParticle(config(), tables=[stream["name"]]).resolved_manifest
        others = {name: part for name, part in whole.items() if name not in ("definitions", "schemas")}
        assert dict(built) == {**others, "streams": [stream]}


def test_the_fields_of_components_are_not_copied() -> None:
    ours, theirs = (
        SourceParticle(config()),
        ConcurrentDeclarativeSource(source_config=dict(manifest()), config=config()),
    )
    with patch.object(BaseModel, "dict", autospec=True, side_effect=BaseModel.dict) as copied:
        ours.streams(config())
        copied.assert_not_called()
        theirs.streams(config())
    assert copied.called, "Fix: the CDK gets the fields in another way now"


def test_no_source_changes_what_all_share() -> None:
    source = SourceParticle(config())
    before = copy.deepcopy(dict(source.resolved_manifest))
    source.streams(config())
    assert before == source.resolved_manifest
    assert before["streams"] == SourceParticle(config()).resolved_manifest["streams"]


def test_what_ends_retries_has_its_last_cause_as_context() -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", status_code=503)
        with pytest.raises(AirbyteTracedException, match="The Particle Device Cloud failed") as caught:
            devices_requester().page(f"{BASE_URL}/v1/devices", {})
    assert caught.value.failure_type == FailureType.transient_error
    assert str(caught.value.message).startswith(f"{BASE_URL}/v1/devices: ")

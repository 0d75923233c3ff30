"""What each answer, or none, means for the read, and how long to wait before the next try."""

import json
import pickle

import pytest
import requests
import requests_mock
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ErrorResolution, ResponseAction
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import budget
from source_particle.budget import budget_of
from source_particle.errors import Refused
from source_particle.retrievers import ParticleRetriever
from source_particle.settings import Settings
from unit_tests.support.built import BASE_URL, MANIFEST, config, error_handlers, reply, retrievers

URL = f"{BASE_URL}/v1/products/7/devices?page=2"
REFUSE = "refuse"

# What the source does, and words of the message that say who must do what.
ACTIONS: dict[int, tuple[ResponseAction | str, str]] = {
    401: (ResponseAction.REFRESH_TOKEN_THEN_RETRY, "access token was refused"),
    403: (ResponseAction.IGNORE, "Check the id or name"),
    404: (ResponseAction.IGNORE, "Check the product, device or SIM"),
    429: (ResponseAction.RATE_LIMITED, "set requests_per_5_minutes"),
    **dict.fromkeys([408, 500, 502, 503, 504, 529], (ResponseAction.RETRY, "start the sync again later")),
    **dict.fromkeys(
        [400, 402, 405, 406, *range(409, 419), 422, 423, 424, 426, 428, 431, 451],
        (REFUSE, "Correct the configuration"),
    ),
}


def interpreted(response: requests.Response | Exception) -> ErrorResolution | Refused:
    try:
        return error_handlers()["product_devices"].interpret_response(response)
    except Refused as refusal:
        return refusal


def test_every_status_that_the_manifest_names_has_a_promise_here() -> None:
    filters = MANIFEST["definitions"]["requester"]["error_handler"]["response_filters"]
    assert {code for entry in filters for code in entry.get("http_codes", ())} == ACTIONS.keys()


@pytest.mark.parametrize("status", ACTIONS)
def test_a_status_leads_to_its_action_and_to_advice(status: int) -> None:
    action, advice = ACTIONS[status]
    outcome = interpreted(reply(status, json.dumps({"ok": False, "error": "Because."}), url=URL))
    if isinstance(outcome, Refused):
        assert (action, outcome.status, outcome.failure_type) == (REFUSE, status, FailureType.config_error)
        message = str(outcome.message)
    else:
        assert outcome.response_action == action
        message = str(outcome.error_message)
    assert URL.partition("?")[0] in message
    assert advice in message
    assert "The API says: Because." in message


def test_a_request_without_a_token_is_answered_400_and_means_the_same_as_401() -> None:
    body = {"error": "invalid_request", "error_description": "The access token was not found"}
    outcome = interpreted(reply(400, json.dumps(body), url=URL))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.REFRESH_TOKEN_THEN_RETRY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_by_itself_is_a_transient_error(status: int) -> None:
    outcome = interpreted(reply(status))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.failure_type == FailureType.transient_error


@pytest.mark.parametrize("status", [419, 421, 425, 499, 501, 505, 520, 522, 524, 530, 599])
def test_an_unknown_status_is_tried_again_and_never_a_success(status: int) -> None:
    outcome = interpreted(reply(status, json.dumps([])))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.RETRY


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 304])
def test_a_good_status_without_the_promised_body_is_tried_again(status: int) -> None:
    outcome = interpreted(reply(status, "<html>Sign in</html>", url=URL))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.RETRY
    assert f"{URL}: " in str(outcome.error_message)
    problem = "it is not JSON" if status == 200 else "only a status of 200 is an answer"
    assert problem in str(outcome.error_message)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 300, 302, 304])
def test_only_a_status_of_200_is_an_answer(status: int) -> None:
    outcome = interpreted(reply(status, json.dumps([{"id": "1"}]), url=URL.replace("products/7/", "")))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.RETRY


@pytest.mark.parametrize("status", [400, 403, 404, 409, 418, 451])
@pytest.mark.parametrize("body", ["", "<html>Blocked</html>", "[]", "null", '"no"', '{"blocked": true}', '{"a":'])
def test_a_refusal_that_is_not_in_the_apis_words_is_no_refusal(status: int, body: str) -> None:
    outcome = interpreted(reply(status, body, url=URL))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.RETRY
    assert outcome.failure_type == FailureType.system_error
    assert "is not one of the API's errors" in str(outcome.error_message)


GATEWAYS = [
    {},
    {"ok": True},
    {"error": ""},
    {"error": "Forbidden"},
    {"error": "Not Found."},
    {"error": {"code": 403, "message": "Blocked"}},
    {"message": "Missing Authentication Token"},
    {"status": 403, "error": "Access denied", "path": "/v1/devices"},
    {"fault": {"faultstring": "denied"}},
    {"errors": ["Blocked"]},
]


REFUSALS = [
    {"ok": False},
    {"ok": False, "error": "Not found"},
    {"ok": False, "errors": [["Product not found", 404]], "code": 500},
    {"error": "Permission Denied", "info": "I didn't recognize that device name or ID"},
    {"error": "Forbidden", "error_description": "Why."},
    {"error": "bad_request", "description": "Why."},
    {"error": "Device not found"},
]


BODIES = [
    *((body, ResponseAction.RETRY) for body in GATEWAYS),
    *((body, ResponseAction.IGNORE) for body in REFUSALS),
]


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("body", "action"), BODIES, ids=str)
def test_only_the_apis_own_words_are_a_refusal_and_no_gateways_json(
    status: int, body: dict[str, object], action: ResponseAction
) -> None:
    outcome = interpreted(reply(status, json.dumps(body), url=URL))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == action


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    ("code", "advice"), [("unauthorized", "belongs to a user"), ("invalid_scope", "lacks a scope")]
)
def test_what_an_api_user_may_not_read_is_told_apart(status: int, code: str, advice: str) -> None:
    outcome = interpreted(reply(status, json.dumps({"error": code, "error_description": "Why."}), url=URL))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.IGNORE
    assert advice in str(outcome.error_message)
    assert "The API says: Why." in str(outcome.error_message)


def test_a_long_refusal_is_cut() -> None:
    outcome = interpreted(reply(400, json.dumps({"error": "x" * 10_000})))
    assert isinstance(outcome, Refused)
    assert len(str(outcome.message)) < 600


# ---- no answer ----

INTERRUPTIONS = [
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ReadTimeout,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
]


@pytest.mark.parametrize("error", INTERRUPTIONS)
def test_an_interruption_is_tried_again(error: type[requests.RequestException]) -> None:
    outcome = interpreted(error("cut off"))
    assert isinstance(outcome, ErrorResolution)
    assert outcome.response_action == ResponseAction.RETRY
    assert outcome.failure_type == FailureType.transient_error
    assert error.__name__ in str(outcome.error_message)


def test_a_server_that_cannot_prove_itself_is_not_asked_again() -> None:
    with pytest.raises(AirbyteTracedException, match="certificate could not be verified") as caught:
        interpreted(requests.exceptions.SSLError("self-signed"))
    assert caught.value.failure_type == FailureType.config_error


# ---- through the CDK, which has words of its own ----


def read_devices(**changes: object) -> list[object]:
    retriever = retrievers("devices", **changes)["devices"]
    assert isinstance(retriever, ParticleRetriever)
    return list(retriever.read_records({}))


@pytest.mark.parametrize("error", INTERRUPTIONS)
def test_when_tries_are_used_up_the_error_says_where_and_what_to_do(error: type[requests.RequestException]) -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", exc=error)
        with pytest.raises(AirbyteTracedException) as caught:
            read_devices()
        assert server.call_count == 6
    assert str(caught.value.message).startswith(f"{BASE_URL}/v1/devices: No complete answer arrived ({error.__name__})")
    assert caught.value.failure_type == FailureType.transient_error


@pytest.mark.parametrize(("checking", "requests_sent"), [(False, 6), (True, 2)])
def test_a_failing_server_is_asked_a_few_times_and_fewer_while_checking(checking: bool, requests_sent: int) -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", status_code=503, text="<html>Bad gateway</html>")
        with pytest.raises(AirbyteTracedException) as caught:
            read_devices(plan={"checking": checking})
        assert server.call_count == requests_sent
    assert str(caught.value.message).startswith(f"{BASE_URL}/v1/devices: The Particle Device Cloud failed")
    assert "html" not in str(caught.value.message)
    assert caught.value.failure_type == FailureType.transient_error


def test_one_bad_reply_costs_one_more_request_and_no_record() -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", [{"text": "<html>"}, {"status_code": 502}, {"json": [{"id": "1"}]}])
        assert read_devices() == [{"id": "1"}]
        assert server.call_count == 3


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_is_not_asked_for_twice(status: int) -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", status_code=status, json={"ok": False, "error": "No."})
        with pytest.raises(Refused) as caught:
            read_devices()
        assert server.call_count == 1
    assert caught.value.status == status
    assert caught.value.may_skip == (status in (403, 404))


def test_a_refused_token_that_was_configured_is_an_error_at_once() -> None:
    with requests_mock.Mocker() as server:
        server.get(f"{BASE_URL}/v1/devices", status_code=401)
        with pytest.raises(AirbyteTracedException, match="Create a new one in the Particle Console") as caught:
            read_devices()
        assert server.call_count == 1
    assert caught.value.failure_type == FailureType.config_error


@pytest.mark.parametrize("status", [419, 425, 501, 520, 530])
def test_an_unexpected_status_quotes_no_long_body(status: int) -> None:
    resolution = interpreted(reply(status, "x" * 5000))

    assert isinstance(resolution, ErrorResolution)
    assert resolution.response_action == ResponseAction.RETRY
    assert len(str(resolution.error_message)) < 800


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529, 599])
def test_a_server_that_fails_for_a_while_is_something_to_wait_for(status: int) -> None:
    resolution = interpreted(reply(status, "{}"))

    assert isinstance(resolution, ErrorResolution)
    assert resolution.failure_type == FailureType.transient_error


def test_a_refusal_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(Refused("not there", 404, may_skip=True, code="unauthorized")))

    assert (copy.message, copy.status, copy.may_skip) == ("not there", 404, True)
    assert copy.is_closed_to_api_users


def test_where_nothing_has_ever_answered_a_request_ends_without_the_silence_of_all_retries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "_BUDGETS", {})
    spender = budget_of(Settings.of(config()))
    spender.note(spender.now() - 30)
    error = requests.ConnectionError(request=requests.Request("GET", f"{BASE_URL}/v1/devices").prepare())

    with pytest.raises(AirbyteTracedException, match=f"{BASE_URL}/v1/devices: No complete answer arrived") as caught:
        interpreted(error)
    assert caught.value.failure_type == FailureType.transient_error

    spender.note(None)
    retried = interpreted(error)
    assert isinstance(retried, ErrorResolution)
    assert retried.response_action == ResponseAction.RETRY

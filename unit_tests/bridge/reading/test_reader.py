"""The CDK as a guest: its errors, its logs and its prints."""

import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http import http_client
from airbyte_cdk.sources.streams.http.exceptions import UserDefinedBackoffException
from airbyte_cdk.sources.streams.http.rate_limiting import user_defined_backoff_handler
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from bridge.errors import ConfigurationError, ParticleError, SignInError, TemporaryError, UnexpectedError
from bridge.reading import reader
from bridge.tables.catalog import table
from source_particle.errors import SignInRefusedError
from unit_tests.support.built import BASE_URL, reply

CONFIG = {
    "credentials": {"auth_type": "access_token", "access_token": "very-secret"},
    "base_url": "http://127.0.0.1:9",
}


def raised_for(error: Exception, monkeypatch: pytest.MonkeyPatch) -> ParticleError:
    def fail(*_args: Any, **_options: Any) -> Any:
        raise error

    monkeypatch.setattr("source_particle.source.SourceParticle.streams", fail)
    with pytest.raises(ParticleError) as caught:
        list(reader.read_records(table("devices"), CONFIG))
    return caught.value


@pytest.mark.parametrize(
    ("failure_type", "message", "kind"),
    [
        (FailureType.config_error, "/v1/devices: the API rejected the request.", ConfigurationError),
        (FailureType.transient_error, "/v1/devices: the API failed.", TemporaryError),
        (FailureType.system_error, "/v1/devices: the reply is not what this endpoint promises.", UnexpectedError),
    ],
)
def test_failure_becomes_the_error_for_what_must_be_done(
    failure_type: FailureType, message: str, kind: type[ParticleError], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = raised_for(AirbyteTracedException(message=message, failure_type=failure_type), monkeypatch)
    assert type(error) is kind
    assert str(error) == f"table devices: {message}"


@pytest.mark.parametrize("message", ["The password was refused.", "An access token was refused."])
def test_a_refused_account_is_told_apart_whatever_its_message_says(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(raised_for(SignInRefusedError(message), monkeypatch)) is SignInError
    other = AirbyteTracedException(message=message, failure_type=FailureType.config_error)
    assert type(raised_for(other, monkeypatch)) is ConfigurationError


def test_unforeseen_error_is_to_be_reported_and_keeps_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised_for(KeyError("devices"), monkeypatch)
    assert type(error) is UnexpectedError
    assert str(error) == "table devices: KeyError: 'devices' Please report this."
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-1] == "fail"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("token very-secret"),
        AirbyteTracedException(message="token very-secret", failure_type=FailureType.config_error),
        AirbyteTracedException(internal_message="token very-secret", failure_type=FailureType.system_error),
    ],
)
def test_no_error_quotes_a_secret_nor_hides_one_in_its_causes(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = raised_for(error, monkeypatch)
    assert "token ****" in str(found)
    assert found.__cause__ is None
    assert found.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x" * 5_000),
        AirbyteTracedException(internal_message="x" * 5_000),
        AirbyteTracedException(message="failed. Response (body): '" + "x" * 5_000),
    ],
)
def test_no_error_quotes_a_long_body(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(raised_for(error, monkeypatch)).count("x") <= 256


def passed_on(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what reaches the handlers of a program; pytest also listens to the CDK's own logger."""
    return [record for record in caplog.records if record.name == "bridge.airbyte"]


def test_logs_of_the_source_are_passed_on_without_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raised_for(RuntimeError(), monkeypatch)
    caplog.clear()
    try:
        raise ValueError("very-secret")
    except ValueError:
        headers = {"Authorization": "Bearer very-secret"}
        logging.getLogger("airbyte.streams.devices").exception("sent %s", "very-secret", extra={"headers": headers})
    [record] = passed_on(caplog)
    assert "very-secret" not in str(vars(record))
    text = logging.Formatter().format(record)
    assert text.startswith("sent ****\n")
    assert text.endswith("ValueError: ****")
    assert "very-secret" not in text


def test_repeated_reads_do_not_repeat_log_messages(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        raised_for(RuntimeError(), monkeypatch)
    caplog.clear()
    logging.getLogger("airbyte").warning("once")
    assert len(passed_on(caplog)) == 1


def test_what_the_cdk_says_of_a_wait_that_is_over_is_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    def ask(request: requests.PreparedRequest, options: Mapping[str, Any]) -> requests.Response:
        raise UserDefinedBackoffException(-0.99, request, reply(503), str(options))

    reader.house_rules()
    airbyte = logging.getLogger("airbyte")
    airbyte.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO), pytest.raises(UserDefinedBackoffException):
            user_defined_backoff_handler(2)(ask)(requests.Request("GET", BASE_URL).prepare(), {})
    finally:
        airbyte.removeHandler(caplog.handler)
    assert "Retrying in 0.01" in caplog.text, "by the CDK"
    assert not any("Retrying" in record.getMessage() for record in passed_on(caplog))


def test_the_cdk_prints_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raised_for(RuntimeError(), monkeypatch)
    vars(http_client)["print"]("a status message for Airbyte's platform")
    assert capsys.readouterr().out == ""


IMPORTED = """
import gc
from bridge.reading.reader import house_rules
found = []
gc.callbacks.append(lambda phase, info: found.append(phase))
house_rules()
print(found.count("start") < 5, gc.isenabled())
"""


def test_no_garbage_is_looked_for_while_the_cdk_is_imported() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    # After it one is due, in between there would be hundreds.
    assert ran.stdout == "True True\n"

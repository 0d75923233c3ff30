"""Decides what to do about a failed request: retry, skip or fail.

`manifest.yaml` says which status codes mean what, with their texts, and how often to retry; `backoff` how long to wait.
"""

import dataclasses
from dataclasses import dataclass, field

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of
from source_particle.errors import REFUSED_AFRESH, UNVERIFIED, MalformedBodyError, Refused, SignInRefusedError
from source_particle.redaction import scrubbed
from source_particle.replies import BodyShape, api_message, error_code, is_refusal, remember_page
from source_particle.settings import Settings

_RENEWED = "_particle_token_renewed"


@dataclass
class ParticleErrorHandler(DefaultErrorHandler):
    """Interprets replies; a 200 is only good if its body is what the endpoint promises.

    The CDK takes a 200 with HTML, truncated or empty JSON, `null` or an error object for "no records", which would end
    a sync as a success with data missing.
    """

    # Set by the retriever, which knows where the records are.
    shape: BodyShape = field(default_factory=BodyShape)

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> ErrorResolution:
        """Return what the CDK does next; raises Refused if neither a retry nor a skip can help."""
        if not isinstance(response_or_exception, requests.Response):
            return self._unanswered(response_or_exception)
        if response_or_exception.status_code < 400:
            return self._interpret_body(response_or_exception)
        resolution = self._foreseen(response_or_exception)
        code = error_code(response_or_exception)
        is_skip = resolution.response_action == ResponseAction.IGNORE
        if (is_skip and not is_refusal(response_or_exception, self.shape)) or (
            code is None and resolution.response_action == ResponseAction.FAIL
        ):
            # A firewall's page, say, or a gateway's JSON. Taken for a refusal, it would leave out what is there.
            return _not_from_the_api(response_or_exception, "its body is not one of the API's errors")
        if resolution.response_action == ResponseAction.REFRESH_TOKEN_THEN_RETRY:
            _refuse_a_second_time(response_or_exception)
        message = _at(response_or_exception, str(resolution.error_message))
        if resolution.response_action == ResponseAction.FAIL:
            # Raised here, because the CDK would write the whole body of the reply to the log.
            refusal = Refused(message, response_or_exception.status_code, code=code or "")
            refusal.served_at = response_or_exception.headers.get("Date")
            raise refusal
        return dataclasses.replace(resolution, error_message=message)

    def is_good(self, response: requests.Response) -> bool:
        """Return whether a reply is what its endpoint promises; its page is kept with it then."""
        if response.status_code != requests.codes.ok:
            return False
        try:
            remember_page(response, self.shape)
        except MalformedBodyError:
            return False
        return True

    def _foreseen(self, response: requests.Response) -> ErrorResolution:
        """Return what the manifest says about a status; the CDK's texts for other statuses quote whole bodies."""
        resolutions = (response_filter.matches(response) for response_filter in self.response_filters or ())
        resolution = next((found for found in resolutions if found), None)
        if resolution is None:
            return ErrorResolution(
                response_action=ResponseAction.RETRY,
                failure_type=FailureType.transient_error if response.status_code >= 500 else FailureType.system_error,
                error_message=f"The API answered with the unexpected status {response.status_code}. "
                "Start the sync again later, and report this if it persists.",
            )
        if resolution.response_action in (ResponseAction.RETRY, ResponseAction.RATE_LIMITED):
            plan = Settings.of(self.config).plan
            # The CDK announces RATE_LIMITED to the platform as the status of a stream; `check` and `discover` read none
            # that the platform knows.
            action = ResponseAction.RETRY if plan.checking or plan.clock else resolution.response_action
            # The CDK uses a filter's failure_type only if the action is FAIL.
            return dataclasses.replace(resolution, response_action=action, failure_type=FailureType.transient_error)
        return resolution

    def _interpret_body(self, response: requests.Response) -> ErrorResolution:
        if response.status_code != requests.codes.ok:
            return _not_from_the_api(response, "only a status of 200 is an answer")
        try:
            remember_page(response, self.shape)
        except MalformedBodyError as error:
            return _not_from_the_api(response, str(error))
        return SUCCESS_RESOLUTION

    def _unanswered(self, error: Exception | None) -> ErrorResolution:
        """Return what to do about a request without an answer; the sender adds the address to what it retries."""
        settings = Settings.of(self.config)
        request = getattr(error, "request", None)
        url = request.url if request else settings.base_url
        if isinstance(error, requests.exceptions.SSLError):
            raise AirbyteTracedException(message=UNVERIFIED.format(url), failure_type=FailureType.config_error)
        what = f"No complete answer arrived ({type(error).__name__})."
        advice = "Check base_url, and whether this machine can reach it; if it can, try again later."
        if isinstance(error, (requests.ConnectionError, requests.Timeout)) and budget_of(settings).is_unreachable:
            # Most likely the address is wrong or the way to it is closed: more retries would only be silence.
            raise AirbyteTracedException(
                message=f"{url}: {what} {advice}", failure_type=FailureType.transient_error
            ) from None
        return ErrorResolution(
            response_action=ResponseAction.RETRY,
            failure_type=FailureType.transient_error,
            error_message=f"{what} {advice}",
        )


def _not_from_the_api(response: requests.Response, problem: str) -> ErrorResolution:
    """Ask again, and then fail: nothing proves that the API has spoken."""
    return ErrorResolution(
        response_action=ResponseAction.RETRY,
        failure_type=FailureType.system_error,
        error_message=_at(
            response,
            f"The reply (status {response.status_code}) is not what this endpoint promises: {problem}. If "
            "this persists, a proxy answers instead of the API, or the API has changed: please report it.",
        ),
    )


def _at(response: requests.Response, message: str) -> str:
    """Return a message with the address in front and the API's own words at the end."""
    # The address of a redirect may contain anything.
    return f"{scrubbed(response.url)}: {message} {api_message(response)}".strip()


def _refuse_a_second_time(response: requests.Response) -> None:
    """Raise SignInRefusedError if a request was refused with a new token, too; the CDK's error gives no advice."""
    first = response.history[0] if response.history else response
    if getattr(first.request, _RENEWED, False):
        raise SignInRefusedError(REFUSED_AFRESH.format(scrubbed(response.url)))
    setattr(first.request, _RENEWED, True)

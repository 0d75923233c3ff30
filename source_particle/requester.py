"""Sends requests within the budget: the CDK's requester with our own session and log filter."""

import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import requests
from airbyte_cdk.sources.declarative.interpolation.interpolated_mapping import InterpolatedMapping
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.streams.http import HttpClient
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.types import StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import SHORT_PATIENCE, budget_of, budgeted_session
from source_particle.error_handler import ParticleErrorHandler
from source_particle.errors import Refused
from source_particle.kept import KeptDays
from source_particle.paging import Page
from source_particle.redaction import withhold_from_log
from source_particle.replies import error_code, page_of
from source_particle.session import StreamSession
from source_particle.settings import Settings

# The CDK evaluates Jinja results such as `007` or `[1]` as Python if they have one of these types; nothing has this
# one.
AS_WRITTEN = (type(NotImplemented),)


@dataclass
class ParticleRequester(HttpRequester):
    """An HttpRequester that counts each request against the budget and keeps requests and replies out of the log.

    The address and parameters of a slice are computed once for all of its pages.
    """

    request_parameters: Mapping[str, str] = field(default_factory=dict)
    # How many days ago start_date may be; None where the API has no such limit.
    kept_days: float | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        assert isinstance(self.error_handler, ParticleErrorHandler)
        self.handler = self.error_handler
        # Read once: it takes as long as a twentieth of a page.
        self._settings = Settings.of(self.config)
        self._own_parameters = InterpolatedMapping(self.request_parameters, parameters=parameters)
        self.logger.addFilter(withhold_from_log)
        self.session = StreamSession()
        budgeted_session(self.session, self._settings)
        self.read_for(self.name)

    def read_for(self, stream: str) -> None:
        """Send the requests of a stream: the CDK tells the platform under its name that the API limits requests."""
        # Replaces the client of the CDK's requester, which does not accept a session.
        self._http_client = HttpClient(
            name=stream,
            logger=self.logger,
            session=self.session,
            authenticator=self.get_authenticator(),
            error_handler=self.handler,
            backoff_strategy=self.handler.backoff_strategies,
            request_timeout=self._timeout(),
        )

    def _timeout(self) -> tuple[float | None, float | None]:
        return self.connect_timeout_in_seconds, self._patience()

    def _patience(self) -> float | None:
        """Return how long the API may be silent: not long where somebody waits for nothing but a few words about it."""
        plan = self._settings.plan
        return SHORT_PATIENCE if plan.checking or plan.clock else self.read_timeout_in_seconds

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Return the parameters that the manifest declares, without empty ones."""
        named = self._own_parameters.eval(self.config, stream_slice=stream_slice, valid_value_types=AS_WRITTEN)
        return {name: value for name, value in named.items() if value}

    def page(self, url: str, parameters: Mapping[str, Any]) -> Page:
        """Return one page; raises Refused for a 403 or 404, and AirbyteTracedException when retries are used up."""
        if self.kept_days is None:
            return self._page(url, parameters)
        kept = KeptDays(self.kept_days, self._settings.plan.needed_from, budget_of(self._settings).api_clock)
        return kept.page(lambda start: self._page(url, {**parameters, "start_date": start}), parameters["start_date"])

    def _page(self, url: str, parameters: Mapping[str, Any]) -> Page:
        # The client logs each request before it sends it, so where somebody debugs it sends the first one, too.
        is_logged = self.logger.isEnabledFor(logging.DEBUG)
        request, outcome = (None, None) if is_logged else self.session.try_once(url, parameters, self._timeout())
        if isinstance(outcome, requests.Response) and self.handler.is_good(outcome):
            return page_of(outcome)
        try:
            # From here on the CDK decides: it waits, signs in and tries again.
            with self.session.tried(request, outcome):
                _, response = self._http_client.send_request(
                    http_method="GET", url=url, params=parameters, request_kwargs={}
                )
        except AirbyteTracedException as error:
            # The CDK hides the handler's message in its own one about exhausted attempts.
            last = error.__context__
            if not isinstance(last, BaseBackoffException):
                raise
            where = "" if last.response is not None else f"{last.request.url}: "
            if last.response is not None and last.response.status_code == requests.codes.not_found:
                raise Refused(str(last), last.response.status_code, failure_type=error.failure_type) from last
            raise AirbyteTracedException(message=f"{where}{last}", failure_type=error.failure_type) from last
        if not response.ok:
            resolution = self.handler.interpret_response(response)
            code = error_code(response) or ""
            raise Refused(str(resolution.error_message), response.status_code, may_skip=True, code=code)
        return page_of(response)

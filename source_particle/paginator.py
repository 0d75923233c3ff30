"""Pages as the manifest declares them: their numbers, size and sorting. `paging` reads a list to its end."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, cast

import requests
from airbyte_cdk.sources.declarative.requesters.paginators.default_paginator import DefaultPaginator
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.pagination_strategy import PaginationStrategy
from airbyte_cdk.sources.declarative.requesters.request_option import RequestOption
from airbyte_cdk.sources.types import Config

from source_particle.errors import Refused
from source_particle.paging import Order, Page, Window
from source_particle.requester import ParticleRequester

# How an API refuses parameters that it does not know; any other status is about something else.
PARAMETERS_REFUSED = (requests.codes.bad_request, requests.codes.unprocessable_entity)


@dataclass
class SortedPages(PaginationStrategy):
    """Pages with numbers from 1, sorted by `sorted_by` if the request parameters `sorting` are sent.

    `reversing` reverses the order. If the API does not document that it sorts, this shows whether it does.

    No single reply shows where a list ends or that it has moved: `paging.PagedList` decides that.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    page_size: int
    # The documented name of the page size differs from the one that all clients known to work use.
    page_size_alias: str
    sorted_by: str | None = None
    sorting: Mapping[str, str] = field(default_factory=dict)
    reversing: Mapping[str, str] = field(default_factory=dict)
    is_order_documented: bool = True

    @property
    def initial_token(self) -> int:
        """The number of the first page."""
        return 1

    def next_page_token(
        self, response: requests.Response, last_page_size: int, *args: Any, **kwargs: Any
    ) -> int | None:
        """Raise NotImplementedError: `PagedList` requests pages by number, in its own order."""
        raise NotImplementedError

    def get_page_size(self) -> int:
        """Return how many records to request."""
        return self.page_size


@dataclass(frozen=True)
class ListPages:
    """The pages of one list, according to the manifest's paginator and the user's options."""

    requester: ParticleRequester
    paginator: DefaultPaginator
    url: str
    own: Mapping[str, Any]
    """The user's request parameters: filters and an order."""
    options: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many records to request at once."""
        return int(self.options.get("per_page") or self._strategy.page_size)

    @property
    def is_sorted(self) -> bool:
        """Whether pages are sorted by key; the user's own order only matters for which rows `max_pages` keeps."""
        wants_own_order = self.own.keys() & self._strategy.sorting.keys() or not self.is_order_documented
        return bool(self._strategy.sorted_by and not ("max_pages" in self.options and wants_own_order))

    @property
    def is_order_documented(self) -> bool:
        """Whether the API is known to sort as it is asked to."""
        return self._strategy.is_order_documented

    def fetch(self, window: Window) -> Page | None:
        """Return a page, None if the API says that it does not exist. Raises what `ParticleRequester.page` does."""
        try:
            page = self.requester.page(self.url, self._parameters(window))
        except Refused as refusal:
            if refusal.may_skip and refusal.status == requests.codes.not_found and window.number > 1:
                return None
            if refusal.status in PARAMETERS_REFUSED and not self.is_order_documented and window.order != Order.ANY:
                # An endpoint may refuse parameters that it does not document.
                return self.fetch(window._replace(order=Order.ANY))
            raise
        # It is unknown whether the API counts the filtered or the whole list.
        is_filtered = self.own.keys() - self._strategy.sorting.keys()
        return page._replace(total_pages=None, total_records=None) if is_filtered else page

    @property
    def _strategy(self) -> SortedPages:
        return cast(SortedPages, self.paginator.pagination_strategy)

    def _order(self, window: Window) -> Mapping[str, str]:
        strategy = self._strategy
        if window.order == Order.DESCENDING:
            return {**strategy.sorting, **strategy.reversing}
        # A documented order changes less during the read than the default one.
        return strategy.sorting if window.order == Order.ASCENDING or self.is_order_documented else {}

    def _parameters(self, window: Window) -> Mapping[str, Any]:
        order = self._order(window)
        parameters = {**self.own, **order} if self.is_sorted else {**order, **self.own}
        parameters[self._strategy.page_size_alias] = window.size
        number_option, size_option = self.paginator.page_token_option, self.paginator.page_size_option
        cast(RequestOption, number_option).inject_into_request(parameters, window.number, self.requester.config)
        cast(RequestOption, size_option).inject_into_request(parameters, window.size, self.requester.config)
        return parameters

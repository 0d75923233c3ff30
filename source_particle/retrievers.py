"""Reading the endpoints: one page or many, the list of products, the token itself."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, cast

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.types import Config, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of, budgeted_session
from source_particle.error_handler import REFUSALS, ParticleErrorHandler
from source_particle.errors import REFUSED_AFRESH, Refused, SignInRefusedError, UnstableListError
from source_particle.paging import Fetch, Page, PagedList, Record, Window, windows_between
from source_particle.prefetch import OpenLists, pages_ahead
from source_particle.redaction import Known, known_names, redact, withhold_from_log
from source_particle.replies import page_of
from source_particle.router import FleetRouter, path_segment, records_of
from source_particle.settled import settled_page
from source_particle.values import Normalizer

LOGGER = logging.getLogger("airbyte.source_particle")
# What the CDK says where a request was refused again with a new token; it gives no advice.
TWICE_REFUSED = "Refreshed OAuth access token is rejected by the API."


@dataclass
class ParticleRetriever(Retriever):
    """Reads an endpoint to its proven end.

    The CDK's pagination ends at the first short page, which a server that caps pages makes of every page, and pages
    shift while devices come and go; see `paging`.
    """

    requester: HttpRequester
    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    transformations: list[RecordTransformation] = field(default_factory=list)
    partition_router: PartitionRouter | None = None
    paged: bool = False
    # The field by which pages rise, and the request parameters that make the API sort by it.
    ascending_by: str | None = None
    ascending_parameters: Mapping[str, str] = field(default_factory=dict)
    # The table whose options apply, and which of them become request parameters.
    options: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    order: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._options: Mapping[str, Any] = (self.config.get(self.options) or {}) if self.options else {}
        self._router = self.partition_router if isinstance(self.partition_router, FleetRouter) else None
        self._handler = cast(ParticleErrorHandler, self.requester.error_handler)
        self._known: Known | None = None
        self._normalize = Normalizer({})
        self._lists = OpenLists(int(self.config.get("num_workers", 8)))
        # The CDK has no public way to the session that its requester sends with, nor to what it logs with.
        client = self.requester._http_client
        budgeted_session(client._session, self.config)
        client._logger.addFilter(withhold_from_log)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        """Yield a slice's records.

        Raises Refused for what the user named; AirbyteTracedException (transient_error, system_error) when retries or
        rereads are used up.
        """
        stream_slice = stream_slice or StreamSlice(partition={}, cursor_slice={})
        # Parents have no schema here, and of their records only ids are used.
        if records_schema and self._known is None:
            self._known, self._normalize = known_names(records_schema), Normalizer(records_schema)
        try:
            # Parents are lists that have to be read to know what there is to read.
            is_counting = bool(records_schema) and (self.config.get("plan") or {}).get("counting")
            for records in self._count(stream_slice) if is_counting else self._pages(stream_slice):
                for record in records:
                    for transformation in self.transformations:
                        transformation.transform(record, self.config, {}, stream_slice)
                if self._known is not None:
                    self._normalize(records)
                    redact(records, self._known)
                yield from records
        except Refused as refusal:
            if not self._router or not stream_slice.extra_fields["found"] or refusal.status not in REFUSALS:
                raise
            self._router.skip(next(iter(stream_slice.partition.values())), refusal)
        finally:
            if self._router:
                self._router.finished()

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        if not self.paged:
            yield self._only_page(stream_slice).records
            return
        max_pages = self._options.get("max_pages")
        with self._lists.one_more(), pages_ahead(self._page_of(stream_slice), self._lists.share) as ahead:
            pages = PagedList(
                ahead.fetch,
                self._key_of,
                self._per_page(),
                max_pages,
                self._warn_of_cut(stream_slice),
                ahead.expect,
            )
            try:
                yield from pages.read_ascending() if self._keeps_order() else pages.read_unordered()
            except UnstableListError as error:
                raise AirbyteTracedException(
                    message=f"{self.requester.name} of {dict(stream_slice.partition)}: the list does not hold still: "
                    f"{error}. Nothing proves that all of it was read: start the sync again, when less comes and goes.",
                    failure_type=FailureType.transient_error,
                ) from error

    def _only_page(self, stream_slice: StreamSlice) -> Page:
        def fetch() -> Page:
            return self.fetch(stream_slice, self._filters())

        served_after = (self.config.get("plan") or {}).get("served_after")
        if not served_after:
            return fetch()
        return settled_page(fetch, served_after, self.requester.get_url(stream_slice=stream_slice))

    def _count(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        """Give, in place of the records, how many requests they take; None where the API does not count pages."""
        if not self.paged:
            yield [{"requests": 1, "sent": 0}]
            return
        page = self._page_of(stream_slice)(Window(1, self._per_page()))
        yield [{"requests": self._requests_after(page) if page else 1, "sent": 1}]

    def _requests_after(self, first: Page) -> int | None:
        if first.total_pages is None:
            return None
        size = len(first.records) or self._per_page()
        records = first.records_up_to(size)
        if max_pages := self._options.get("max_pages"):
            records = min(records, max_pages * size)
        if not self._keeps_order():
            return -(-records // size) or 1
        return sum(1 for _ in windows_between(0, records, size)) or 1

    def _page_of(self, stream_slice: StreamSlice) -> Fetch:
        """Give what fetches a page of a slice by its number."""
        filters = self._filters()
        parameters = {**filters, **self._order()}

        def fetch(window: Window) -> Page | None:
            # The documentation names perPage, every client that is known to work sends per_page.
            size = {"per_page": window.size, "perPage": window.size}
            try:
                page = self.fetch(stream_slice, {**parameters, **size, "page": window.number})
                # Whether the API counts what a filter leaves or the whole list is not known.
                return page._replace(total_pages=None, total_records=None) if filters else page
            except Refused as refusal:
                if refusal.status == requests.codes.not_found and window.number > 1:
                    return None
                raise

        return fetch

    def _per_page(self) -> int:
        return int(self._options.get("per_page", 100))

    def _warn_of_cut(self, stream_slice: StreamSlice) -> Callable[[int | None], None]:
        def warn(left_out: int | None) -> None:
            LOGGER.warning(
                "%s of %s: max_pages=%s left out %s records",
                self.requester.name,
                dict(stream_slice.partition),
                self._options["max_pages"],
                "an unknown number of" if left_out is None else left_out,
            )

        return warn

    def _filters(self) -> dict[str, Any]:
        return {name: self._options[option] for name, option in self.filters.items() if option in self._options}

    def _keeps_order(self) -> bool:
        """Whether pages rise by key; the user's own order matters only for which rows `max_pages` keeps."""
        wants_own_order = any(option in self._options for option in self.order.values())
        return self.ascending_by is not None and not (wants_own_order and "max_pages" in self._options)

    def _order(self) -> dict[str, Any]:
        """The request parameters to sort by: the safe ones, or the user's over them."""
        own = {name: self._options[option] for name, option in self.order.items() if option in self._options}
        return {**self.ascending_parameters, **({} if self._keeps_order() else own)}

    def _key_of(self, record: Record) -> str:
        return str(next(record[name] for name in self._handler.identified_by if record.get(name) is not None))

    def fetch(self, stream_slice: StreamSlice, parameters: Mapping[str, Any]) -> Page:
        """Ask for one page; raises Refused for a 403 or 404, AirbyteTracedException when retries are used up."""
        try:
            response = self.requester.send_request(stream_slice=stream_slice, request_params=parameters)
        except AirbyteTracedException as error:
            # The CDK buries the handler's message in one of its own about exhausted attempts.
            last = error.__context__
            if error.message == TWICE_REFUSED:
                where = self.requester.get_url(stream_slice=stream_slice)
                raise SignInRefusedError(REFUSED_AFRESH.format(where)) from error
            if not isinstance(last, BaseBackoffException):
                raise
            where = "" if last.response is not None else f"{last.request.url}: "
            raise AirbyteTracedException(message=f"{where}{last}", failure_type=error.failure_type) from last
        assert response is not None
        if not response.ok:
            resolution = self._handler.interpret_response(response)
            raise Refused(str(resolution.error_message), response.status_code)
        return page_of(response)


@dataclass
class ProductsRetriever(Retriever):
    """Lists the products that the token can see.

    `/v1/products` is what every client calls, but the current reference no longer names it: where it answers 404, the
    user's products and those of each organization are read instead, each once.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    all_products: Retriever
    own_products: Retriever
    organizations: Retriever
    organization_products: Retriever

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        """Yield one record for each product; raises Refused where the token may not list products at all."""
        seen: set[str] = set()
        known, normalize = known_names(records_schema), Normalizer(records_schema)
        for record in self._records():
            if str(record["id"]) not in seen:
                seen.add(str(record["id"]))
                normalize([record])
                redact([record], known)
                yield record

    def _records(self) -> Iterator[Record]:
        try:
            yield from records_of(self.all_products)
            return
        except Refused as refusal:
            if refusal.status != requests.codes.not_found:
                raise
        refused = []
        try:
            yield from records_of(self.own_products)
        except Refused as refusal:
            refused.append(refusal)
        try:
            organizations = list(records_of(self.organizations))
        except Refused as refusal:
            refused.append(refusal)
            organizations = []
        if len(refused) == 2:
            raise refused[0]
        for refused_list in refused:
            LOGGER.warning("products: skipped a list that the API refuses: %s", refused_list.message)
        for organization in organizations:
            name = str(organization.get("slug") or organization["id"])
            try:
                yield from records_of(self.organization_products, _organization_slice(name))
            except Refused as refusal:
                LOGGER.warning("products: skipped those of organization %s: %s", name, refusal.message)


def _organization_slice(name: str) -> StreamSlice:
    return StreamSlice(partition={}, cursor_slice={}, extra_fields={"organization_path": path_segment(name)})


@dataclass
class TokenRetriever(ParticleRetriever):
    """Asks the API about the token itself and tells which tables it cannot serve.

    An API user's token lists its scopes, and may not read what belongs to a user; a user's own token lists none. The
    one record holds the `scopes` and, as `served_at`, the server's clock: the `Date` header.
    """

    schemas: Mapping[str, Any] = field(default_factory=dict)

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        plan = self.config.get("plan") or {}
        try:
            page = self.fetch(stream_slice, {})
        except Refused:
            if not plan.get("clock"):
                raise
            # Any reply tells the time, also where this endpoint is not served.
            page = Page([{}], served_at=budget_of(self.config).served_at)
        scopes = page.records[0].get("scopes") or []
        # A stream asks for the time again and again; only a check is about what the token can serve.
        for table, reason in self._unserved(scopes if plan.get("checking") else []):
            LOGGER.warning("The token cannot serve the table %s: %s", table, reason)
        yield [{"scopes": scopes, "served_at": page.served_at}]

    def _unserved(self, scopes: list[str]) -> Iterator[tuple[str, str]]:
        for table, schema in self.schemas.items() if scopes else ():
            if not any("product" in endpoint for endpoint in schema["x-endpoint"]):
                yield table, "it belongs to an API user, and only a user's own token may read it."
            elif schema.get("x-scope", scopes[0]) not in scopes:
                yield table, f"it lacks the scope {schema['x-scope']}."

"""Reads the endpoints: one page or many, and the list of products."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import timedelta, timezone
from typing import Any, cast

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.dpath_extractor import DpathExtractor
from airbyte_cdk.sources.declarative.extractors.record_selector import RecordSelector
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.requesters.paginators.default_paginator import DefaultPaginator
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import Config, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of
from source_particle.bundles import Bundler
from source_particle.cursors import CursorlessRecord
from source_particle.errors import Refused, UnstableListError
from source_particle.extractors import RowsExtractor
from source_particle.paginator import ListPages
from source_particle.paging import Page, PagedList, Record, Window, windows_between
from source_particle.prefetch import OpenLists, pages_ahead
from source_particle.redaction import Known, known_names, redact
from source_particle.replies import BodyShape
from source_particle.requester import ParticleRequester
from source_particle.router import path_segment, records_of, slice_name
from source_particle.settings import Settings, table_options
from source_particle.settled import AnyPage, settled_page
from source_particle.skips import Skips
from source_particle.values import Normalizer, value_at

LOGGER = logging.getLogger("airbyte.source_particle")


@dataclass
class ParticleRetriever(Retriever):
    """Reads an endpoint to its proven end.

    The CDK's pagination ends at the first short page, but a server that caps pages makes every page short, and pages
    shift while devices are added and removed; see `paging`.
    """

    requester: ParticleRequester
    record_selector: RecordSelector
    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    partition_router: PartitionRouter | None = None
    paginator: DefaultPaginator | None = None
    # The table whose options apply.
    options: str | None = None
    # What the body of a reply promises, in addition to where its records are; see BodyShape.
    identified_by: list[str] = field(default_factory=list)
    single: bool = False
    single_allowed: bool = False
    bare_list_is: str | None = None
    lists: list[str] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    # The field by which an incremental sync resumes.
    cursor_field: str | None = None
    # Another name for where the records are.
    records_key_alias: str | None = None
    # Whether 404 means that there is nothing, as of a configuration that was never set.
    absent_is_none: bool = False

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._settings = Settings.of(self.config)
        self._options = table_options(self.config, self.options)
        self._known: Known | None = None
        self._normalize = Normalizer({})
        self._is_planned, self._bundler = bool(self._settings.plan.start), Bundler()
        self._lists = OpenLists(self._settings.num_workers)
        # Only what is read for a stream that fans out may be skipped; a list of parents is its router's to skip.
        self._skips: Skips | None = getattr(self.partition_router, "skips", None)
        if self._skips is not None:
            self._skips.probe = lambda stream_slice: self.refusal_of(stream_slice) is None
        extractor = cast(DpathExtractor, self.record_selector.extractor)
        self._expand = extractor.expand if isinstance(extractor, RowsExtractor) else None
        self.requester.handler.shape = BodyShape(
            records_key=next((str(name) for name in extractor.field_path), None),
            single=self.single,
            single_allowed=self.single_allowed,
            bare_list_is=self.bare_list_is,
            identified_by=tuple(self.identified_by),
            lists=tuple(self.lists),
            moments=tuple(self.moments),
            records_key_alias=self.records_key_alias,
            absent_is_none=self.absent_is_none,
        )

    def read_for(self, stream: str) -> None:
        """Read on behalf of a stream; see `ParticleRequester.read_for`."""
        self.requester.read_for(stream)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        """Yield a slice's records.

        Raises Refused for an item that the user named, and AirbyteTracedException (transient_error, system_error) when
        retries or rereads are used up.
        """
        stream_slice = stream_slice or StreamSlice(partition={}, cursor_slice={})
        # Parents have no schema here, and only the ids of their records are used.
        if records_schema and self._known is None:
            self._known, self._normalize = known_names(records_schema), Normalizer(records_schema)
        # Parents are lists that have to be read to know what there is to read.
        is_counting = bool(records_schema) and self._settings.plan.counting
        try:
            for records in self._count(stream_slice) if is_counting else self._rows(stream_slice):
                for record in records:
                    for transformation in self.record_selector.transformations:
                        transformation.transform(record, self.config, {}, stream_slice)
                if self._known is not None:
                    self._normalize(records)
                    redact(records, self._known)
                yield from self._handed_on(records, records_schema)
            if self._skips is not None:
                self._skips.served()
        except Refused as refusal:
            if not self._says_there_is_none(refusal):
                self._skip(stream_slice, refusal)
            if is_counting:
                yield {"requests": 1, "sent": 1, "items": 0}
        finally:
            if self._skips is not None:
                self._skips.slice_read()
        if self._skips is not None:
            self._skips.report_when_done()

    def _skip(self, stream_slice: StreamSlice, refusal: Refused) -> None:
        """Note that what `*` found was refused; raises the refusal where that is an error."""
        if self._skips is None or not stream_slice.extra_fields.get("found") or not refusal.may_skip:
            raise refusal
        self._skips.add(slice_name(stream_slice), refusal)

    def _says_there_is_none(self, refusal: Refused) -> bool:
        # Where something else is missing, such as the product, the API gives the error a name.
        is_bare = refusal.may_skip and refusal.status == requests.codes.not_found and not refusal.code
        if not (self.absent_is_none and is_bare):
            return False
        if self._skips is not None:
            self._skips.served()
        return True

    def _handed_on(self, records: list[Record], records_schema: Mapping[str, Any]) -> Iterator[Record]:
        # The CDK looks at the cursor of each record. Routers take parents one by one.
        is_bundled = self._settings.plan.bundled and records_schema and (self.cursor_field is None or self._is_planned)
        if not is_bundled:
            yield from self._dated(records)
        elif records:
            yield self._bundler.bundle(records)

    def _dated(self, records: list[Record]) -> Iterator[Record]:
        """Yield records, those from the future so that they do not move the cursor of an incremental sync."""
        if self.cursor_field is None or self._is_planned:
            yield from records
            return
        # The header Date has whole seconds.
        now = budget_of(self._settings).api_clock.now() + timedelta(seconds=1)
        latest = now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.999Z")
        for record in records:
            yield CursorlessRecord(record, self.cursor_field) if str(record[self.cursor_field]) > latest else record

    def refusal_of(self, stream_slice: StreamSlice) -> Refused | None:
        """Ask for a slice without reading it; return the API's refusal, None if it is served."""
        try:
            if self.paginator:
                self._list(stream_slice, self.paginator).fetch(Window(1, 1))
            else:
                self._only_page(stream_slice)
        except Refused as refusal:
            if not refusal.may_skip:
                raise
            return refusal
        return None

    def _rows(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        for records in self._pages(stream_slice):
            yield [row for record in records for row in self._expand(record)] if self._expand else records

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        if not self.paginator:
            yield self._each_once(self._only_page(stream_slice).records)
            return
        pages_of = self._list(stream_slice, self.paginator)
        max_pages = self._options.get("max_pages")

        def fetch(window: Window) -> Page | None:
            return self._fetch(pages_of, window)

        with self._lists.one_more(), pages_ahead(fetch, self._lists.share) as ahead:
            pages = PagedList(
                ahead.fetch,
                self._key_of,
                pages_of.size,
                max_pages,
                self._warn_of_cut(stream_slice),
                ahead.expect,
                pages_of.is_order_documented,
            )
            try:
                yield from pages.read_ascending() if pages_of.is_sorted else pages.read_unordered()
            except UnstableListError as error:
                raise AirbyteTracedException(
                    message=f"{self.requester.name} of {dict(stream_slice.partition)}: the list keeps changing: "
                    f"{error}. It may not have been read completely. Start the sync again when fewer items change.",
                    failure_type=FailureType.transient_error,
                ) from error

    def _fetch(self, pages_of: ListPages, window: Window) -> Page | None:
        return pages_of.fetch(window)

    def _count(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        """Yield the numbers of requests and, at most, of items instead of the records.

        They are None if the API does not count pages.
        """
        if not self.paginator:
            yield [{"requests": 1, "sent": 0, "items": None}]
            return
        pages_of = self._list(stream_slice, self.paginator)
        page = pages_of.fetch(Window(1, pages_of.size))
        requests, items = (self._requests_after(page, pages_of), page.most_records()) if page else (1, 0)
        yield [{"requests": requests, "sent": 1, "items": items}]

    def _requests_after(self, first: Page, pages_of: ListPages) -> int | None:
        """Return how many requests a list takes that does not change; None where the API does not count pages."""
        if first.total_pages is None:
            return None
        size = len(first.records) or pages_of.size
        limit = (self._options.get("max_pages") or first.total_pages) * size
        records = min(first.records_up_to(size), limit)
        if pages_of.is_sorted and pages_of.is_order_documented:
            return sum(1 for _ in windows_between(0, records, size)) or 1
        pages = -(-records // size) or 1
        if pages == 1 or records < first.records_up_to(size):
            return pages
        # Two readings that agree, after a request that tried for an order.
        return 2 * pages + pages_of.is_sorted

    def _only_page(self, stream_slice: StreamSlice) -> Page:
        """Return the page of an endpoint without pagination; raises what `ParticleRequester.page` does."""
        url = self.requester.get_url(stream_slice=stream_slice)

        return self._settled(lambda: self.requester.page(url, self._parameters(stream_slice)), url)

    def _parameters(self, stream_slice: StreamSlice) -> Mapping[str, Any]:
        return self.requester.get_request_params(stream_slice=stream_slice)

    def _settled(self, fetch: Callable[[], AnyPage], url: str) -> AnyPage:
        """Return a page that is served late enough for the window which is read, if one is."""
        served_after = self._settings.plan.served_after
        return settled_page(fetch, served_after, url, self._settings.retry_wait_factor) if served_after else fetch()

    def _list(self, stream_slice: StreamSlice, paginator: DefaultPaginator) -> ListPages:
        return ListPages(
            requester=self.requester,
            paginator=paginator,
            url=self.requester.get_url(stream_slice=stream_slice),
            own=self._parameters(stream_slice),
            options=self._options,
        )

    def _each_once(self, records: list[Record]) -> list[Record]:
        """Leave out what one reply holds twice; PagedList does that for pages."""
        first: dict[str, Record] = {}
        for record in records:
            first.setdefault(self._key_of(record), record)
        return list(first.values())

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

    def _key_of(self, record: Record) -> str:
        # Nearly always the first name, and of the record itself.
        if (key := record.get(self.identified_by[0])) is not None:
            return str(key)
        values = (value_at(record, name.split(".")) for name in self.identified_by)
        return str(next(value for value in values if value is not None))


@dataclass
class ProductsRetriever(Retriever):
    """Lists the products that the token can see.

    Every client calls `/v1/products`, but the current reference no longer lists it: if it answers 404, the user's
    products and those of each organization are read instead, each once.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    # Reads each of these lists; the slice's `owner_path` says which.
    products: Retriever
    organizations: Retriever

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        # The stream of products reads both lists; where they are parents, their router names its own stream.
        self.read_for(cast(ParticleRetriever, self.products).requester.name)

    def read_for(self, stream: str) -> None:
        """Read on behalf of a stream; see `ParticleRequester.read_for`."""
        for retriever in (self.products, self.organizations):
            cast(ParticleRetriever, retriever).read_for(stream)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        """Yield one record per product; raises Refused if the token may not list products at all."""
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
            yield from records_of(self.products, _products_of(""))
            return
        except Refused as refusal:
            # Whoever answers this: the lists below hold the same products.
            if refusal.status != requests.codes.not_found:
                raise
        skips = Skips("products", Settings.of(self.config).on_refused)
        yield from _unless_refused(records_of(self.products, _products_of("user/")), "the user's own list", skips)
        try:
            organizations = list(records_of(self.organizations))
        except Refused as refusal:
            if not refusal.may_skip:
                raise
            skips.add("the list of organizations", refusal)
            organizations = []
        for organization in organizations:
            name = str(organization.get("slug") or organization["id"])
            products = records_of(self.products, _products_of(f"orgs/{path_segment(name)}/"))
            yield from _unless_refused(products, f"the products of organization {name}", skips)
        skips.all_named()
        skips.report_when_done()


def _unless_refused(records: Iterator[Record], name: str, skips: Skips) -> Iterator[Record]:
    """Yield records; a list that the API refuses is skipped."""
    try:
        yield from records
    except Refused as refusal:
        if not refusal.may_skip:
            raise
        skips.add(name, refusal)
    else:
        skips.list_served()


def _products_of(path: str) -> StreamSlice:
    """Return the slice of the list of products at `/v1/<path>products`."""
    return StreamSlice(partition={}, cursor_slice={}, extra_fields={"owner_path": path})

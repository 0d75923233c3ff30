"""What YAML cannot say about the Particle Device Cloud; each class names the behaviour of the API that forces it."""

import dataclasses
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import DefaultErrorHandler
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.body import BodyShape, MalformedBodyError, api_message, page_of, remember_page
from source_particle.login import account_of
from source_particle.paging import Page, PagedList, Record, UnstableListError

LOGGER = logging.getLogger("airbyte.source_particle")
EVERYTHING = "*"
# What the API answers for something that is not there or not this token's to see.
REFUSALS = (403, 404)


class Refused(AirbyteTracedException):  # noqa: N818 - a fact about the API's answer, handled as often as reported
    """The API refused one request for a reason that trying again does not change."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)
        self.status = status


@dataclass
class ParticleAuthenticator(DeclarativeAuthenticator):
    """Sends an access token: the configured one, or one signed in for with user name and password.

    The CDK's OAuthAuthenticator has no timeout, signs in once per stream, alters passwords that look like numbers and
    takes `expires_in: 0`, which means never here, for expired.
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        credentials = self.config.get("credentials", {})
        self._account = account_of(self.config) if credentials.get("auth_type") == "password" else None
        self._fixed_token = credentials.get("access_token")
        self._last_sent = threading.local()
        planned = self.config.get("plan", {}).get("access_token")
        if self._account and planned:
            self._account.adopt(planned)

    @property
    def auth_header(self) -> str:
        """The header that carries the token."""
        return "Authorization"

    @property
    def token(self) -> str:
        """The header's value; signs in first where that is needed."""
        token = self._account.valid_token() if self._account else self._fixed_token
        self._last_sent.token = token
        return f"Bearer {token}"

    def refresh_and_set_access_token(self) -> None:
        """Replace a token that the API answered 401 to; the CDK calls this and then tries once more."""
        if self._account is None:
            raise AirbyteTracedException(
                message=f"{self.config['base_url']}: the access token was refused (401): it is mistyped, expired or "
                "revoked. Create one in the Particle Console and put it into the configuration.",
                failure_type=FailureType.config_error,
            )
        self._account.renew(rejected=self._last_sent.token)


def sign_in(config: Mapping[str, Any]) -> str:
    """Give the access token that a configuration stands for, signing in if it names a user and password.

    Raises AirbyteTracedException when the account refuses (config_error) or does not answer (transient_error).
    """
    authenticator = ParticleAuthenticator(config=config, parameters={})
    return authenticator.token.removeprefix("Bearer ")


@dataclass
class ParticleErrorHandler(DefaultErrorHandler):
    """Tells what every reply means; a 200 is only good if its body is what the endpoint promises.

    The CDK takes a 200 with HTML, cut or empty JSON, `null` or an error object for "no records", which would end a
    sync as a success with data missing.
    """

    records_key: str | None = None
    single: bool = False
    single_allowed: bool = False
    bare_list_is: str | None = None
    identified_by: list[str] = field(default_factory=list)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._shape = BodyShape(
            records_key=self.records_key,
            single=self.single,
            single_allowed=self.single_allowed,
            bare_list_is=self.bare_list_is,
            identified_by=tuple(self.identified_by),
        )

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> ErrorResolution:
        """Decide what the CDK does next; raises Refused where neither a retry nor a skip can help."""
        if not isinstance(response_or_exception, requests.Response):
            return _unanswered(response_or_exception)
        if response_or_exception.ok:
            return self._interpret_body(response_or_exception)
        resolution = super().interpret_response(response_or_exception)
        message = f"{resolution.error_message} {api_message(response_or_exception)}".strip()
        if resolution.response_action == ResponseAction.FAIL:
            # Raised here because the CDK's own way writes the whole body of the reply into the log.
            raise Refused(message, response_or_exception.status_code)
        return dataclasses.replace(resolution, error_message=message)

    def _interpret_body(self, response: requests.Response) -> ErrorResolution:
        try:
            remember_page(response, self._shape)
        except MalformedBodyError as error:
            return ErrorResolution(
                response_action=ResponseAction.RETRY,
                failure_type=FailureType.system_error,
                error_message=f"{response.url}: the reply (status {response.status_code}) is not what this endpoint "
                f"promises: {error}. If it goes on, something between answers in the API's place, or the API has "
                f"changed: please report it. {api_message(response)}".strip(),
            )
        return SUCCESS_RESOLUTION


def _unanswered(error: Exception | None) -> ErrorResolution:
    request = getattr(error, "request", None)
    where = getattr(request, "url", None) or "the API"
    if isinstance(error, requests.exceptions.SSLError):
        raise AirbyteTracedException(
            message=f"{where}: the server's certificate could not be verified, so nothing was sent to it. Check base_url, "
            "the clock and the certificate authorities of this machine.",
            failure_type=FailureType.config_error,
        )
    return ErrorResolution(
        response_action=ResponseAction.RETRY,
        failure_type=FailureType.transient_error,
        error_message=f"{where}: no whole answer came ({type(error).__name__}). Check base_url and that this machine "
        "reaches it; if it does, start the sync again later.",
    )


@dataclass
class ParticleBackoff(BackoffStrategy):
    """Waits before a retry: as long as the API asks, else 1, 2, 4 … seconds, and longer after a 429.

    A 429 comes without Retry-After as far as is known, and means that a window of five minutes is used up.
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]

    FIRST_WAIT = 1.0
    FIRST_WAIT_AFTER_429 = 15.0
    LONGEST_WAIT = 300.0

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._factor = float(self.config.get("retry_wait_factor", 1))

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float:
        """Give the seconds to wait, less the one that the CDK adds to every wait of a strategy."""
        response = response_or_exception if isinstance(response_or_exception, requests.Response) else None
        limited = response is not None and response.status_code == requests.codes.too_many_requests
        first = self.FIRST_WAIT_AFTER_429 if limited else self.FIRST_WAIT
        asked = _retry_after(response) if response is not None else None
        wait = min(first * 2 ** (attempt_count - 1) if asked is None else asked, self.LONGEST_WAIT) * self._factor
        # Exactly 0 would count as "no opinion" and bring the CDK's own waits back.
        return (max(wait, 0.01) - 1) or 0.01


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())


@dataclass
class RecordFields(RecordTransformation):
    """Adds documented names and the parents' keys to a record and removes secrets, at a tenth of AddFields' cost.

    `aliases` maps a name to the one whose value it takes where it is missing itself; `from_slice` names keys of the
    slice that the record lacks; `removed` names fields that must not leave the source.
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    from_slice: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._aliases = tuple(self.aliases.items())

    def transform(
        self,
        record: Record,
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Change the record in place."""
        for name, other in self._aliases:
            if record.get(name) is None and other in record:
                record[name] = record[other]
        for name in self.from_slice:
            if record.get(name) is None and stream_slice is not None:
                record[name] = stream_slice.get(name, stream_slice.extra_fields.get(name))
        for name in self.removed:
            record.pop(name, None)


@dataclass
class NewDevicesFromStartDate(StateMigration):
    """Lets a device that joins later start with its whole 30 days.

    The CDK starts an unknown partition at the newest cursor of all others. Beyond 10,000 partitions it keeps that one
    cursor only; such a state is left as it is.
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Whether the state holds one cursor per device."""
        return bool(stream_state.get("states")) and not stream_state.get("use_global_cursor")

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Drop the newest cursor of all."""
        return {key: value for key, value in stream_state.items() if key not in ("state", "lookback_window")}


@dataclass
class FleetRouter(PartitionRouter):
    """Names what to read one by one: products, or the devices or SIMs (`entity`) of products or of the user.

    Options take one value, several separated by commas, or `*` for everything that the token can see. What the user
    named and the API refuses is an error, after the rest has been read; what `*` found and the API then refuses is
    skipped, counted and named at the end. No stock router tells the two apart, and a parent's refusal would end them.
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]
    table: str
    products: Retriever
    entity: str | None = None
    own_entities: Retriever | None = None
    product_entities: Retriever | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._enumerated = False
        self._found = 0
        self._skipped: dict[str, int] = {}

    # ---- naming ----

    def stream_slices(self) -> Iterable[StreamSlice]:
        """Yield one slice for each thing to read, each once; raises Refused at the end for a named one."""
        failures: list[Refused] = []
        try:
            for stream_slice in self._entity_slices(failures) if self.entity else self._product_slices():
                with self._lock:
                    self._open += 1
                    self._found += 1
                yield stream_slice
        finally:
            self._report_when_done(enumerated=True)
        if failures:
            raise failures[0]

    def _option(self, name: str) -> list[str] | None:
        """The values of an option in order and without repetition, [`*`] for everything, None when it is not set."""
        value = (self.config.get(self.table) or {}).get(name)
        values = [part.strip() for part in str(value).split(",")] if value else []
        return list(dict.fromkeys(part for part in values if part)) or None

    def _product_slices(self) -> Iterator[StreamSlice]:
        named = self._option("product_id_or_slug") or [EVERYTHING]
        if named != [EVERYTHING]:
            yield from (_product_slice(product, found=False) for product in named)
            return
        for record in self.products.read_records({}):
            yield _product_slice(str(_data(record)["id"]), found=True)

    def _entity_slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        wanted = self._option(str(self.entity)) or [EVERYTHING]
        products = self._option("product_id_or_slug")
        if wanted != [EVERYTHING] and (products is None or (len(products) == 1 and products != [EVERYTHING])):
            product = products[0] if products else None
            yield from (self._entity_slice(name, product, found=False) for name in wanted)
            return
        seen: set[str] = set()
        for name, found_in in self._found_entities(products, failures):
            if name not in seen and (wanted == [EVERYTHING] or name in wanted):
                yield self._entity_slice(name, found_in, found=wanted == [EVERYTHING])
            seen.add(name)
        failures.extend(self._not_found(name) for name in wanted if name != EVERYTHING and name not in seen)

    def _found_entities(self, products: list[str] | None, failures: list[Refused]) -> Iterator[tuple[str, str | None]]:
        """List entities with the product they were found in, None for the user's own list."""
        assert self.own_entities is not None
        assert self.product_entities is not None
        if products is not None:
            for product in self._product_slices():
                name = product.partition["product_id_or_slug"]
                try:
                    for record in self.product_entities.read_records({}, product):
                        yield _entity_name(record), name
                except Refused as refusal:
                    if product.extra_fields["found"] and refusal.status in REFUSALS:
                        self.skip(f"product {name}", refusal)
                    else:
                        failures.append(refusal)
        if products is None or products == [EVERYTHING]:
            try:
                for record in self.own_entities.read_records({}):
                    yield _entity_name(record), None
            except Refused as refusal:
                if products is None:
                    raise
                self.skip("the user's own list", refusal)

    def _entity_slice(self, name: str, product: str | None, *, found: bool) -> StreamSlice:
        return StreamSlice(
            partition={str(self.entity): name},
            cursor_slice={},
            extra_fields={
                f"{self.entity}_path": _path_segment(name),
                "product_id_or_slug": product,
                "product_prefix": f"products/{_path_segment(product)}/" if product else "",
                "found": found,
            },
        )

    def _not_found(self, name: str) -> Refused:
        return Refused(
            f"{self.table}: {self.entity} {name} is in none of the products {self.config[self.table]['product_id_or_slug']}. "
            f"Correct {self.entity} or product_id_or_slug.",
            404,
        )

    # ---- counting what was skipped ----

    def skip(self, name: str, refusal: Refused) -> None:
        """Note that something which `*` found was refused."""
        LOGGER.info("%s: skipped %s: %s", self.table, name, refusal.message)
        with self._lock:
            self._skipped[name] = refusal.status

    def finished(self) -> None:
        """Note that a slice has been read, skipped or given up."""
        with self._lock:
            self._open -= 1
        self._report_when_done()

    def _report_when_done(self, *, enumerated: bool = False) -> None:
        with self._lock:
            self._enumerated = self._enumerated or enumerated
            if self._open or not self._enumerated or not self._skipped:
                return
            skipped, self._skipped = self._skipped, {}
        named = ", ".join(f"{name} ({status})" for name, status in sorted(skipped.items()))
        LOGGER.warning(
            "%s: skipped %d of %d found, because the API refused them: %s", self.table, len(skipped), self._found, named
        )

    # ---- a router also offers request options and state; this one has none ----

    def get_stream_state(self) -> None:
        """Parents are read in full each time: they keep no state."""

    def get_request_params(self, **_: Any) -> Mapping[str, Any]:
        """Everything goes into the path."""
        return {}

    get_request_headers = get_request_body_data = get_request_body_json = get_request_params


def _data(record: Any) -> Record:
    return record if isinstance(record, dict) else dict(record)


def _entity_name(record: Any) -> str:
    data = _data(record)
    return str(data.get("id") or data.get("_id") or data.get("iccid"))


def _product_slice(product: str, *, found: bool) -> StreamSlice:
    return StreamSlice(
        partition={"product_id_or_slug": product},
        cursor_slice={},
        extra_fields={"product_path": _path_segment(product), "found": found},
    )


def _path_segment(name: str) -> str:
    """Encode a name so that it stays one segment of the path; dots alone would climb to another endpoint."""
    if not name.strip(".") or not name.isprintable():
        raise Refused(f"{name!r} cannot be the id or name of a product, device or SIM. Correct the option.", 400)
    return quote(name, safe="")


@dataclass
class ParticleRetriever(Retriever):
    """Reads an endpoint to its proven end.

    The CDK's pagination ends at the first short page, which a server that caps pages makes of every page, and pages
    shift while devices come and go; see `paging`.
    """

    requester: HttpRequester
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    name: str
    transformations: list[RecordTransformation] = field(default_factory=list)
    partition_router: PartitionRouter | None = None
    identified_by: list[str] = field(default_factory=list)
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

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        """Yield a slice's records.

        Raises Refused for what the user named; AirbyteTracedException (transient_error, system_error) when retries or
        rereads are used up.
        """
        stream_slice = stream_slice or StreamSlice(partition={}, cursor_slice={})
        try:
            for record in self._records(stream_slice):
                for transformation in self.transformations:
                    transformation.transform(record, self.config, {}, stream_slice)
                yield record
        except Refused as refusal:
            if not self._router or not stream_slice.extra_fields["found"] or refusal.status not in REFUSALS:
                raise
            self._router.skip(next(iter(stream_slice.partition.values())), refusal)
        finally:
            if self._router:
                self._router.finished()

    def _records(self, stream_slice: StreamSlice) -> Iterator[Record]:
        if not self.paged:
            yield from self.fetch(stream_slice, self._filters()).records
            return
        pages = self._paged_list(stream_slice)
        try:
            for records in pages.read_ascending() if self._keeps_order() else pages.read_unordered():
                yield from records
        except UnstableListError as error:
            raise AirbyteTracedException(
                message=f"{self.name} of {stream_slice.partition}: the list does not hold still: {error}. Nothing proves "
                "that all of it was read: start the sync again, at a time when fewer devices come and go.",
                failure_type=FailureType.transient_error,
            ) from error

    def _paged_list(self, stream_slice: StreamSlice) -> PagedList:
        def fetch(number: int) -> Page | None:
            try:
                return self.fetch(stream_slice, {**parameters, "page": number})
            except Refused as refusal:
                if refusal.status == requests.codes.not_found and number > 1:
                    return None
                raise

        def warn_of_cut(left_out: int | None) -> None:
            LOGGER.warning(
                "%s of %s: max_pages=%s left out %s records",
                self.name,
                dict(stream_slice.partition),
                max_pages,
                "an unknown number of" if left_out is None else left_out,
            )

        per_page = self._options.get("per_page", 100)
        max_pages = self._options.get("max_pages")
        # The documentation names perPage, every client that is known to work sends per_page.
        parameters = {**self._filters(), **self._order(), "per_page": per_page, "perPage": per_page}
        return PagedList(fetch, self._key_of, max_pages, warn_of_cut)

    def _filters(self) -> dict[str, Any]:
        return {name: self._options[option] for name, option in self.filters.items() if option in self._options}

    def _keeps_order(self) -> bool:
        """Whether pages rise by key; the user's own order matters only for which rows `max_pages` keeps."""
        wants_own_order = any(option in self._options for option in self.order.values())
        return self.ascending_by is not None and not (wants_own_order and "max_pages" in self._options)

    def _order(self) -> dict[str, Any]:
        if self._keeps_order() or not self.order:
            return dict(self.ascending_parameters)
        return {name: self._options[option] for name, option in self.order.items() if option in self._options}

    def _key_of(self, record: Record) -> str:
        return str(next(record[name] for name in self.identified_by if record.get(name) is not None))

    def fetch(self, stream_slice: StreamSlice, parameters: Mapping[str, Any]) -> Page:
        """Ask for one page; raises Refused for a 403 or 404, AirbyteTracedException when retries are used up."""
        try:
            response = self.requester.send_request(stream_slice=stream_slice, request_params=parameters)
        except AirbyteTracedException as error:
            # The CDK buries the handler's message in one of its own about exhausted attempts.
            if isinstance(error.__context__, BaseBackoffException):
                raise AirbyteTracedException(
                    message=str(error.__context__), failure_type=error.failure_type
                ) from error.__context__
            raise
        assert response is not None
        if not response.ok:
            assert self.requester.error_handler is not None
            resolution = self.requester.error_handler.interpret_response(response)
            raise Refused(str(resolution.error_message), response.status_code)
        return page_of(response)


@dataclass
class ProductsRetriever(Retriever):
    """Lists the products that the token can see.

    `/v1/products` is what every client calls, but the current reference no longer names it: where it answers 404, the
    user's products and those of each organization are read instead, each once.
    """

    config: Config
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
        for record in self._records():
            if str(record["id"]) not in seen:
                seen.add(str(record["id"]))
                yield record

    def _records(self) -> Iterator[Record]:
        try:
            yield from map(_data, self.all_products.read_records({}))
            return
        except Refused as refusal:
            if refusal.status != requests.codes.not_found:
                raise
        yield from map(_data, self.own_products.read_records({}))
        try:
            organizations = [_data(record) for record in self.organizations.read_records({})]
        except Refused as refusal:
            LOGGER.warning(
                "products: skipped those of organizations, which the API refuses to list: %s", refusal.message
            )
            return
        for organization in organizations:
            name = str(organization.get("slug") or organization["id"])
            try:
                yield from map(_data, self.organization_products.read_records({}, _organization_slice(name)))
            except Refused as refusal:
                LOGGER.warning("products: skipped those of organization %s: %s", name, refusal.message)


def _organization_slice(name: str) -> StreamSlice:
    return StreamSlice(partition={}, cursor_slice={}, extra_fields={"organization_path": _path_segment(name)})


@dataclass
class TokenRetriever(ParticleRetriever):
    """Asks the API about the token itself and tells which tables it cannot serve.

    An API user's token lists its scopes, and may not read what belongs to a user; a user's own token lists none.
    """

    schemas: Mapping[str, Any] = field(default_factory=dict)

    def _records(self, stream_slice: StreamSlice) -> Iterator[Record]:
        for record in super()._records(stream_slice):
            scopes = record.get("scopes") or []
            for table, reason in self._unserved(scopes):
                LOGGER.warning("The token cannot serve the table %s: %s", table, reason)
            yield {"scopes": scopes}

    def _unserved(self, scopes: list[str]) -> Iterator[tuple[str, str]]:
        for table, schema in self.schemas.items() if scopes else ():
            if not any("product" in endpoint for endpoint in schema["x-endpoint"]):
                yield table, "it belongs to an API user, and only a user's own token may read it."
            elif schema.get("x-scope", scopes[0]) not in scopes:
                yield table, f"it lacks the scope {schema['x-scope']}."

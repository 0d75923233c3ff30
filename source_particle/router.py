"""Lists what to read: the slices of a table, and how to find those of products, devices and SIMs."""

import logging
import zlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import quote

from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import Config, StreamSlice

from source_particle.errors import Refused
from source_particle.paging import Record
from source_particle.settings import EVERYTHING, Settings, table_options
from source_particle.skips import Skips
from source_particle.spellings import each_once, is_id, may_repeat

LOGGER = logging.getLogger("airbyte.source_particle")


@runtime_checkable
class OnBehalf(Protocol):
    """A retriever whose requests can be made in the name of another stream, as those of a parent."""

    def read_for(self, stream: str) -> None:
        """Read on behalf of a stream."""


@dataclass
class ParticleRouter(PartitionRouter):
    """Yields the slices that a subclass finds, each once, and keeps count of what the API refuses.

    Options take one value, several separated by commas, or `*` for everything the token can see. If the API refuses
    what the user named, that is an error after the rest has been read. If it refuses what `*` found, that is skipped,
    counted and named at the end. The CDK's routers do not make that difference, and stop at a parent's refusal.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    table: str

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        settings = Settings.of(self.config)
        self._plan = settings.plan
        self._options = table_options(self.config, self.table)
        self.skips = Skips(self.table, settings.on_refused)
        for part in vars(self).values():
            if isinstance(part, OnBehalf):
                part.read_for(self.table)

    def share_skips(self, skips: Skips) -> None:
        """Note what is refused where another router does, which reports it."""
        self.skips = skips

    @abstractmethod
    def slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        """Yield the slices of all tasks; what was named and is refused is added to `failures`."""

    def stream_slices(self) -> Iterable[StreamSlice]:
        """Yield one slice per item, each once; raises Refused at the end for an item that the user named."""
        failures: list[Refused] = []
        try:
            for stream_slice in self.slices(failures):
                if not self._is_in_part(stream_slice):
                    self.skips.left_to_others(stream_slice)
                    continue
                self.skips.slice_named()
                yield stream_slice
        finally:
            self.skips.all_named()
        if failures:
            raise failures[0]
        self.skips.report_when_done()

    def _option(self, name: str) -> list[str] | None:
        """Return the values of an option in order, without repetition; [`*`] for everything, None if it is not set."""
        value = self._options.get(name)
        values = [part.strip() for part in str(value).split(",")] if value else []
        named = each_once(filter(None, values))
        if EVERYTHING in named and len(named) > 1:
            raise Refused(f"{self.table}: {name} is either {EVERYTHING} or names, not both. Correct the option.", 400)
        return named or None

    def _is_in_part(self, stream_slice: StreamSlice) -> bool:
        """Return whether this task reads a slice: it is in the task's part, and in the values the plan asks for."""
        keys = {**stream_slice.extra_fields, **stream_slice.partition}
        if not all(self._may_hold(name, keys[name], only) for name, only in self._plan.only.items() if name in keys):
            return False
        return self._turn_of(stream_slice) % self._plan.parts == self._plan.part

    def _may_hold(self, key: str, name: str | None, wanted: Iterable[str]) -> bool:
        """Whether a slice may hold records with one of the wanted values."""
        return str(name).lower() in {value.lower() for value in wanted}

    def _turn_of(self, stream_slice: StreamSlice) -> int:
        """Return a slice's number, the same in every process."""
        return zlib.crc32(slice_name(stream_slice).encode())

    # ---- request options and state, which every router has; these need none ----

    def get_stream_state(self) -> None:
        """Return None: parents are read completely each time and keep no state."""

    def get_request_params(self, **_: Any) -> Mapping[str, Any]:
        """Return no parameters: everything is in the path."""
        return {}

    get_request_headers = get_request_body_data = get_request_body_json = get_request_params


@dataclass
class FleetRouter(ParticleRouter):
    """Names the products to read, or the devices or SIMs (`entity`) of products or of the user."""

    products: Retriever
    entity: str | None = None
    own_entities: Retriever | None = None
    product_entities: Retriever | None = None
    # Whether an entity that is in two products is read from each.
    per_product: bool = False

    def slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        """Yield the slices of all tasks; what was named and is refused is added to `failures`."""
        return self._entity_slices(failures) if self.entity else self._product_slices()

    def _may_hold(self, key: str, name: str | None, wanted: Iterable[str]) -> bool:
        """Whether a slice may hold records with one of the wanted values; by its name, a device may have any id."""
        is_known_by_name = key == self.entity and name is not None and not is_id(key, name)
        return is_known_by_name or super()._may_hold(key, name, wanted)

    def _turn_of(self, stream_slice: StreamSlice) -> int:
        """Return a slice's number: the position of a named item, so that parts are even.

        The position of an item that `*` found can change, so its number is a hash; so is that of a device that the user
        named by its name.
        """
        name = str(next(iter(stream_slice.partition.values())))
        place = None if stream_slice.extra_fields["found"] else self._places.get(name.lower())
        return super()._turn_of(stream_slice) if place is None else place

    @cached_property
    def _places(self) -> Mapping[str, int]:
        named = self._option(self.entity or "product_id_or_slug") or []
        return {name.lower(): place for place, name in enumerate(named)}

    def _product_slices(self) -> Iterator[StreamSlice]:
        named = self._option("product_id_or_slug") or [EVERYTHING]
        if named != [EVERYTHING]:
            for product in self._once("product_id_or_slug", named, self.products, None):
                yield product_slice(product, found=False)
            return
        for record in records_of(self.products):
            yield product_slice(str(record["id"]), found=True)

    def _once(self, option: str, named: list[str], holder: Retriever | None, place: StreamSlice | None) -> list[str]:
        """Return what an option names without what it has named by an id before, or by a slug or name.

        That takes a list of what there is, so it is only read where ids and others are mixed.
        """
        if holder is None or not may_repeat(option, named):
            return named
        try:
            ids = {_other_name(record): _entity_name(record) for record in records_of(holder, place)}
        except Refused as refusal:
            LOGGER.warning(
                "%s: %s holds ids and names, and nothing tells which of them are the same: %s. Name each by its id.",
                self.table,
                option,
                refusal.message,
            )
            return named
        return each_once(named, ids)

    def _entity_slices(self, failures: list[Refused]) -> Iterator[StreamSlice]:
        option = str(self.entity)
        wanted = self._option(option) or [EVERYTHING]
        everywhere = wanted == [EVERYTHING] or self.own_entities is None
        products = self._option("product_id_or_slug") or ([EVERYTHING] if everywhere else [])
        if wanted != [EVERYTHING] and products != [EVERYTHING] and len(products) <= 1:
            product = products[0] if products else None
            place = product_slice(product, found=False) if product else None
            holder = self.product_entities if product else self.own_entities
            for name in self._once(option, wanted, holder, place):
                yield self._entity_slice(name, product, found=False)
            return
        seen: set[str] = set()
        asked = _Asked(wanted)
        for place in self._places_to_list(products):
            for record in self._listed(place, failures):
                name = _entity_name(record)
                found_in = place.partition["product_id_or_slug"] if place else None
                key = f"{found_in}/{name}" if self.per_product else name
                if asked.takes(name, _other_name(record)) and key not in seen:
                    yield self._entity_slice(name, found_in, found=wanted == [EVERYTHING])
                seen.add(key)
            if wanted != [EVERYTHING] and not self.per_product and not asked.missing:
                return
        failures.extend(self._not_found(name) for name in wanted if name in asked.missing)

    def _places_to_list(self, products: list[str]) -> Iterator[StreamSlice | None]:
        """Yield the lists that contain entities: the slices of products, and None for the user's own list.

        An entity that moves from a product not yet listed to one already listed would be missed. So all products but
        the last one are listed again at the end.
        """
        in_products = list(self._product_slices())
        yield from in_products
        if self.own_entities and products == [EVERYTHING]:
            yield None
        yield from in_products[:-1]

    def _listed(self, place: StreamSlice | None, failures: list[Refused]) -> Iterator[Record]:
        """Yield the entities of a product or, with None, of the user; a refusal ends the list."""
        retriever = self.product_entities if place else self.own_entities
        assert retriever is not None
        try:
            yield from records_of(retriever, place)
            self.skips.list_served()
        except Refused as refusal:
            if not refusal.may_skip or (place and not place.extra_fields["found"]):
                failures.append(refusal)
            else:
                name = f"product {place.partition['product_id_or_slug']}" if place else "the user's own list"
                self.skips.add(name, refusal)

    def _entity_slice(self, name: str, product: str | None, *, found: bool) -> StreamSlice:
        return StreamSlice(
            partition={str(self.entity): name},
            cursor_slice={},
            extra_fields={
                f"{self.entity}_path": path_segment(name),
                "product_id_or_slug": product,
                "product_prefix": f"products/{path_segment(product)}/" if product else "",
                "found": found,
            },
        )

    def _not_found(self, name: str) -> Refused:
        return Refused(
            f"{self.table}: {self.entity} {name} is in none of the products "
            f"{self._options['product_id_or_slug']}. Correct {self.entity} or product_id_or_slug.",
            404,
        )


def records_of(retriever: Retriever, stream_slice: StreamSlice | None = None) -> Iterator[Record]:
    """Yield the records of one of this package's retrievers, which are plain dictionaries."""
    return cast(Iterator[Record], iter(retriever.read_records({}, stream_slice)))


def slice_name(stream_slice: StreamSlice) -> str:
    """Return the values of a slice's partition, as `product/20001`."""
    return "/".join(map(str, stream_slice.partition.values()))


def path_segment(name: str) -> str:
    """Return a name encoded as one segment of the path; raises Refused for dots alone, which would change the path."""
    if not name.strip(".") or not name.isprintable():
        raise Refused(f"{name!r} cannot be the id or name of a product, device or SIM. Correct the option.", 400)
    return quote(name, safe="")


class _Asked:
    """What the options name, by ids in either case or by names, and what of it has not been found yet."""

    def __init__(self, names: list[str]) -> None:
        self._everything = names == [EVERYTHING]
        self._by_id = {name.lower(): name for name in names}
        self.missing: set[str | None] = set() if self._everything else set(names)

    def takes(self, entity_id: str, name: str) -> bool:
        """Whether an entity is asked for; it is no longer missing then."""
        meant = {self._by_id.get(entity_id.lower())} | ({name} if self._by_id.get(name.lower()) == name else set())
        self.missing.difference_update(meant)
        return self._everything or meant != {None}


def _other_name(record: Record) -> str:
    """Return what a product or device can be named by beside its id."""
    return str(record.get("slug") or record.get("name") or "")


def _entity_name(record: Record) -> str:
    return str(record.get("id") or record.get("_id") or record.get("iccid"))


def product_slice(product: str, *, found: bool) -> StreamSlice:
    """Return the slice of one product."""
    return StreamSlice(
        partition={"product_id_or_slug": product},
        cursor_slice={},
        extra_fields={"product_path": path_segment(product), "found": found},
    )

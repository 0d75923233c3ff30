"""One record of a reply that holds many rows: the points of a track, the days of a billing period."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airbyte_cdk.sources.declarative.extractors.dpath_extractor import DpathExtractor

from source_particle.paging import Record


@dataclass
class RowsExtractor(DpathExtractor):
    """Finds records like its base class; each of them holds rows, which `expand` makes of it.

    They are made after the records of a list have been told apart, because a list is read by its records' keys.
    """

    @abstractmethod
    def expand(self, record: Record) -> Iterable[Record]:
        """Yield the rows that a record holds."""


@dataclass
class ItemsExtractor(RowsExtractor):
    """Makes a row of each object in the list `items_in`, with the fields `kept` of the record around it."""

    items_in: str = ""
    kept: list[str] = field(default_factory=list)

    def expand(self, record: Record) -> Iterator[Record]:
        """Yield one row for each item; a list that is null or absent has none."""
        around = {name: record[name] for name in self.kept if name in record}
        for item in record.get(self.items_in) or []:
            yield {**around, **item}


@dataclass
class PointsExtractor(RowsExtractor):
    """Makes a row of each point of a GeoJSON geometry, with its time.

    The API writes [longitude, latitude]. `timestamps[i]` belongs to `coordinates[i]`; a lone point may come with a
    `timestamp` instead. What does not pair up is passed on whole, as one row without a place.
    """

    def expand(self, record: Record) -> Iterator[Record]:
        """Yield one row for each point, with `timestamp`, `longitude` and `latitude`."""
        geometry = record.get("geometry") or {}
        coordinates = geometry.get("coordinates") or []
        points = [coordinates] if geometry.get("type") == "Point" else coordinates
        times = record.get("timestamps") or [record.get("timestamp")]
        if len(points) != len(times) or not all(map(_is_point, points)):
            yield record
            return
        around = {name: value for name, value in record.items() if name not in ("geometry", "timestamps")}
        for (longitude, latitude, *_height), timestamp in zip(points, times, strict=True):
            yield {**around, "timestamp": timestamp, "longitude": longitude, "latitude": latitude}


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2

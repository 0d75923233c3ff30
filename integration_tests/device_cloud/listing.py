"""Filters, order and pages of the two paged lists: a product's devices and a product's SIMs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Record = Mapping[str, Any]
Item = TypeVar("Item")

DEFAULT_PER_PAGE = 25
DEVICE_FILTERS = {"deviceId": ("id",), "deviceName": ("name",), "serialNumber": ("serial_number",)}
SIM_FILTERS = {"iccid": ("_id", "iccid"), "deviceId": ("last_device_id",), "deviceName": ("last_device_name",)}


def _firmware(record: Record) -> int | None:
    version = record.get("firmware_version")
    return None if version is None else int(version)


SORT_KEYS: Mapping[str, Callable[[Record], Any]] = {
    "deviceId": lambda record: record["id"],
    "deviceName": lambda record: record.get("name"),
    "firmwareVersion": _firmware,
    "lastConnection": lambda record: record.get("last_handshake_at"),
    "iccid": lambda record: record.get("_id", record.get("iccid")),
}

DEVICE_ORDERS = SORT_KEYS.keys() - {"iccid"}


@dataclass(frozen=True)
class Selection:
    """Which records of a list, in what order; parameters that are empty or unknown are ignored, as by the API."""

    partial: tuple[tuple[tuple[str, ...], str], ...] = ()
    """Pairs of keys and a text that must be part of one of them."""
    groups: frozenset[str] = frozenset()
    """Full group names, of which a device must have one; empty: any device."""
    sort: str = ""
    """A key of `SORT_KEYS`; empty: the order of the rows."""
    ascending: bool = False

    @classmethod
    def of_devices(cls, query: Mapping[str, str]) -> Selection:
        """Read the parameters of a product's device list: last connection first unless told otherwise."""
        sort = query.get("sortAttr", "")
        return cls(
            _partial(DEVICE_FILTERS, query),
            frozenset(name.strip() for name in query.get("groups", "").split(",") if name.strip()),
            sort if sort in DEVICE_ORDERS else "lastConnection",
            query.get("sortDir") == "asc",
        )

    @classmethod
    def of_sims(cls, query: Mapping[str, str], *, sorts: bool = False) -> Selection:
        """Read the parameters of a product's SIM list; whether it `sorts` is not documented."""
        sort = query.get("sortAttr", "") if sorts else ""
        return cls(
            _partial(SIM_FILTERS, query), sort=sort if sort == "iccid" else "", ascending=query.get("sortDir") == "asc"
        )

    def admits(self, record: Record) -> bool:
        """Return whether a record passes the filters."""
        if self.groups and self.groups.isdisjoint(record.get("groups") or ()):
            return False
        return all(any(text in str(record.get(key) or "") for key in keys) for keys, text in self.partial)

    def keys(self, rows: Mapping[str, Record]) -> list[str]:
        """Return the keys of the selected rows in order; records without the sorted value come last."""
        chosen: Iterable[str] = (key for key, record in rows.items() if self.admits(record))
        if not self.sort:
            return list(chosen)
        value = SORT_KEYS[self.sort]
        known: list[tuple[Any, str]] = []
        unknown: list[tuple[Any, str]] = []
        for key in chosen:
            sort_by = value(rows[key])
            (unknown if sort_by is None else known).append((sort_by, key))
        known.sort(reverse=not self.ascending)
        return [key for _, key in known + unknown]


def find_entity(rows: Mapping[str, Record], id_or_name: str) -> str | None:
    """Return the key of the device or SIM that is meant: by its id, in either case, or by a device's name."""
    if id_or_name.lower() in rows:
        return id_or_name.lower()
    return next((key for key, record in rows.items() if record.get("name") == id_or_name), None)


def _partial(
    filters: Mapping[str, tuple[str, ...]], query: Mapping[str, str]
) -> tuple[tuple[tuple[str, ...], str], ...]:
    return tuple((keys, query[name]) for name, keys in filters.items() if query.get(name))


@dataclass(frozen=True)
class Page:
    """A page by number (from 1) and size."""

    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, str], cap: int) -> Page:
        """Read the page parameters: both spellings of the size; what is no positive number counts as not given."""
        size = _positive(query.get("per_page") or query.get("perPage"), DEFAULT_PER_PAGE)
        return cls(_positive(query.get("page"), 1), min(size, cap))

    def count(self, records: int) -> int:
        """Return the number of pages; an empty list has one."""
        return max(1, -(-records // self.size))

    def cut(self, keys: list[Item]) -> list[Item]:
        """Return what is on this page of a list."""
        start = (self.number - 1) * self.size
        return keys[start : start + self.size]


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else default

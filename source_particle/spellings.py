"""Two spellings of one thing: an id in upper or lower case, a product's id and its slug, a device's id and its name."""

import re
from collections.abc import Iterable, Mapping

# How ids look; anything else is the slug of a product or the name of a device.
IDS = {
    "device_id": re.compile(r"[0-9a-f]{24}", re.ASCII | re.IGNORECASE),
    "product_id_or_slug": re.compile(r"[0-9]+", re.ASCII),
    "iccid": re.compile(r"[0-9]+f*", re.ASCII | re.IGNORECASE),
}


def is_id(option: str, name: str) -> bool:
    """Return whether a value of an option is an id, by its form."""
    return bool(IDS[option].fullmatch(name))


def may_repeat(option: str, names: Iterable[str]) -> bool:
    """Return whether one of the names may be the id of an item that another one names by slug or name."""
    return len({is_id(option, name) for name in names}) > 1


def each_once(names: Iterable[str], ids: Mapping[str, str] | None = None) -> list[str]:
    """Return the first spelling of each thing, in order; `ids` gives the id that a slug or name stands for."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault((ids or {}).get(name, name).lower(), name)
    return list(first.values())

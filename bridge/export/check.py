"""Checks a token with few requests: whose it is, which tables it can read, and what a full read costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import ConfigurationError
from bridge.export.estimate import minutes_at_least
from bridge.export.selection import Access, signed_in, wanted_tables
from bridge.reading import reader
from bridge.reading.tasks import descriptors
from bridge.tables.catalog import table, tables
from bridge.tables.options import Options

MOST_REQUESTS = 15
# Six go to signing in, the token, the user, products twice and own devices. The rest count the SIMs of products.
MOST_PRODUCTS = MOST_REQUESTS - 6
ROWS_A_PAGE = 100


@dataclass
class Check:
    """What is known about a token; None means that the API does not say."""

    base_url: str
    username: str | None = None
    expires_at: str | None = None
    scopes: list[str] = field(default_factory=list)
    """What an API user's token may do; empty for a user's own token, which may do everything."""
    products: int | None = None
    devices: int | None = None
    """About how many: a device that is in several products counts in each."""
    sims: int | None = None
    """Upper bound for the SIMs of products: of a list longer than a page the API reports the pages, not the length."""
    requests: int | None = None
    """About how many requests it takes to read all tables that the token can read and are not on request."""
    minutes_at_least: int | None = None
    served: list[str] = field(default_factory=list)
    unserved: dict[str, str] = field(default_factory=dict)


def check(connection: Mapping[str, str], table_options: Mapping[str, Mapping[str, str]] | None = None) -> Check:
    """Return what is known about the account or token of a connection, with at most 15 requests.

    Raises ConfigurationError, SignInError where the API refuses, TemporaryError where it does not answer.
    """
    # Options of tables change nothing here, but a typing error in them is reported.
    wanted_tables(connection, (), table_options)
    wanted = wanted_tables(connection)
    first = Options.parse(wanted[table("user")], table("user"))
    access = signed_in(first, checking=True)
    asking = _Asking(access, {part.name: options for part, options in wanted.items()})
    found = Check(first.config()["base_url"], expires_at=access.facts.expires_at, scopes=list(access.facts.scopes))
    found.unserved = dict(access.facts.unserved)
    found.served = [name for name in tables() if name not in found.unserved]
    asking.count(found)
    limit = int(first.config()["requests_per_5_minutes"])
    if found.requests is not None:
        found.minutes_at_least = minutes_at_least(found.requests, limit)
    return found


@dataclass
class _Asking:
    access: Access
    wanted: Mapping[str, Mapping[str, str]]

    def count(self, found: Check) -> None:
        """Fill in the sizes."""
        user = self._rows("user", found)
        found.username = user[0].get("username") if user else None
        products = self._rows("products", found)
        own = self._rows("devices", found)
        if products is None:
            return
        found.products = len(products)
        in_products = sum(int(product.get("device_count") or 0) for product in products)
        ids = {product["id"] for product in products}
        found.devices = in_products + sum(device.get("product_id") not in ids for device in own or ())
        if len(products) <= MOST_PRODUCTS:
            found.sims = self._sims(found)
        lists = len(products) + in_products // ROWS_A_PAGE + 1
        read = [part for part in map(table, found.served) if not part.on_request]
        of_products = sum("product_id_or_slug" in part.required_options for part in read)
        # Lists are read once for their own table, once for the devices and once for the SIMs.
        found.requests = len(read) + 3 * lists + of_products * len(products) + found.devices + (found.sims or 0)

    def _rows(self, name: str, found: Check) -> list[Mapping[str, Any]] | None:
        """Return the rows of a table that is one list, None if the token cannot read it."""
        if name in found.unserved:
            return None
        options = self._options(name)
        try:
            [task] = descriptors(options, 1)
            return list(reader.read_task(table(name), options.config(), task))
        except ConfigurationError as error:
            self._note_refusal(name, found, error)
            return None

    def _sims(self, found: Check) -> int | None:
        """Return an upper bound for the SIMs of all products, None if the token cannot list them."""
        if "product_sims" in found.unserved:
            return None
        options = self._options("product_sims")
        try:
            return reader.count_rows(table("product_sims"), options.config())
        except ConfigurationError as error:
            self._note_refusal("product_sims", found, error)
            return None

    def _options(self, name: str) -> Options:
        return Options.parse(self.access.given(self.wanted[name]), table(name))

    @staticmethod
    def _note_refusal(name: str, found: Check, error: ConfigurationError) -> None:
        found.unserved[name] = str(error)
        found.served.remove(name)

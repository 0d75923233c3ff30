"""Asks the API about the token itself: what it may read, until when, and what time it is there."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from airbyte_cdk.sources.types import StreamSlice

from source_particle import manifest
from source_particle.budget import budget_of
from source_particle.errors import Refused
from source_particle.paging import Page, Record
from source_particle.retrievers import ParticleRetriever
from source_particle.router import product_slice
from source_particle.settings import EVERYTHING, serves_api_users, table_options

LOGGER = logging.getLogger("airbyte.source_particle")
# How many of the products that are named `check` asks for.
CHECKED_PRODUCTS = 10


@dataclass
class TokenRetriever(ParticleRetriever):
    """Requests information about the token, and warns about tables that it cannot read.

    An API user's token lists its scopes and cannot read a user's tables; a user's own token lists none. The only record
    holds the `scopes`, when the token expires, the reason for each table that it cannot read (`unserved`) and, as
    `served_at`, the server's clock: the `Date` header.
    """

    product_devices: ParticleRetriever = field(kw_only=True)

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        plan = self._settings.plan
        try:
            page = self._only_page(stream_slice)
        except Refused:
            if not plan.clock:
                raise
            # Any reply shows the time, even if this endpoint is not served.
            page = Page([{}], served_at=budget_of(self._settings).api_clock.served_at)
        token = page.records[0]
        scopes = token.get("scopes") or []
        unserved = dict(self._unserved(scopes))
        # A stream asks for the time repeatedly; only a check is about what the token can read.
        if plan.checking and not plan.clock:
            for table, reason in unserved.items():
                LOGGER.warning("The token cannot read the table %s: %s", table, reason)
            self._check_products()
        known = {"scopes": scopes, "expires_at": token.get("expires_at"), "unserved": unserved}
        yield [{**known, "served_at": page.served_at}]

    def _check_products(self) -> None:
        """Raise Refused for a product that the configuration names and the API does not know."""
        options = [
            str(table_options(self.config, table).get("product_id_or_slug") or "") for table in manifest()["schemas"]
        ]
        named = dict.fromkeys(name.strip() for option in options for name in option.split(","))
        for name in [name for name in named if name not in ("", EVERYTHING)][:CHECKED_PRODUCTS]:
            refusal = self.product_devices.refusal_of(product_slice(name, found=False))
            # A token may serve a product's other tables.
            if refusal and not refusal.lacks_scope:
                raise refusal

    def _unserved(self, scopes: list[str]) -> Iterator[tuple[str, str]]:
        for table, schema in manifest()["schemas"].items() if scopes else ():
            if not serves_api_users(schema):
                yield table, "the token belongs to an API user, and only a user's own token can read this table."
            elif schema.get("x-scope", scopes[0]) not in scopes:
                yield table, f"the token lacks the scope {schema['x-scope']}."

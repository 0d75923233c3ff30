"""What a reading of a table depends on: the options, who reads, and what is there at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .api import supports_sims
from .store import Record, View
from .switches import Switches

Access = Literal["user", "api_user"]
Options = Mapping[str, str]


@dataclass
class Question:
    """One reading of a table: the options, who reads, what is there at that moment.

    `skipped` collects the paths that `*` led to and the API refuses. A refusal of what the options name is a
    `LookupError` when `strict`, as it is an error for the reader too.
    """

    view: View
    now: datetime
    switches: Switches
    options: Options
    access: Access
    clip_margin: timedelta
    strict: bool

    def __post_init__(self) -> None:
        """Start with nothing skipped."""
        self.skipped: list[str] = []

    def values(self, option: str, default: str | None = "*") -> list[str] | None:
        """Return the values an option names, None for `*` (or nothing at all)."""
        text = self.options.get(option, default)
        if text is None or text.strip() == "*":
            return None
        return list(dict.fromkeys(value.strip() for value in text.split(",") if value.strip()))

    def open_to(self, path: str) -> bool:
        """Return whether the reader may call a user-level endpoint; note it as skipped when not."""
        if self.access == "user":
            return True
        self.skipped.append(path)
        return False

    def refuse(self, named: bool, what: str) -> None:
        """Note that the API refuses something: an error when the options name it."""
        if named and self.strict:
            raise LookupError(f"the API refuses {what}, which the options name")
        if not named:
            self.skipped.append(what)

    def products(self) -> Iterator[tuple[str, Record]]:
        """Yield the products to read, with the name that goes into `product_id_or_slug`."""
        names = self.values("product_id_or_slug")
        if names is None:
            for product in self.listed_products():
                yield str(product["id"]), product
            return
        seen: set[int] = set()
        for name in names:
            product_named = self.view.product(name)
            if product_named is None:
                self.refuse(True, f"/v1/products/{name}")
            elif product_named["id"] not in seen:
                seen.add(product_named["id"])
                yield name, product_named

    def listed_products(self) -> list[Record]:
        """Return the products in the order of `/v1/products`; without it an API user reaches only its org's."""
        products = list(self.view.rows("products").values())
        if self.access == "user" or self.switches.products_endpoint:
            return products
        return [product for product in products if "org" in product]

    def products_with_sims(self, path: str) -> Iterator[tuple[str, Record]]:
        """Yield the products to read that have SIM routes."""
        named = self.values("product_id_or_slug") is not None
        for name, product in self.products():
            if supports_sims(product):
                yield name, product
            else:
                self.refuse(named, f"/v1/products/{name}{path}")

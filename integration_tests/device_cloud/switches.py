"""What may differ between one Particle cloud and another: every open question about the API is a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Switches:
    """The behaviours of the API that are unknown, have changed or may be configured; the defaults are the likeliest.

    Times are in seconds.
    """

    retry_after: int | None = None
    """Seconds named in `Retry-After` of a 429; None sends no such header, as no one has seen one."""
    retry_after_as_date: bool = False
    """Write `Retry-After` as an HTTP date in place of a number."""
    page_past_end: Literal["empty", 404] = "empty"
    """A page beyond the last: an empty list (likely) or 404."""
    vitals_absent: Literal["empty", 404] = "empty"
    """The history of a device that never sent vitals: an empty list (likely) or 404."""
    total_records: bool = True
    """Send `meta.total_records` on product devices: live since 2026 at the latest, but undocumented."""
    total_pages: bool = True
    """Send `meta.total_pages`, as documented."""
    per_page_cap: int = 100
    """The largest page; larger requests are served this many."""
    fixed_page_size: int | None = None
    """Serve pages of this size whatever is asked for."""
    heeds_order: bool = True
    """Sort a product's devices as asked; else they come in the order in which they joined."""
    sims_order: Literal["joined", "as asked", "refused", "random"] = "joined"
    """What a request to sort a product's SIMs meets, which is not documented: it is ignored, heeded or refused (400).
    `random` sorts them anew for each request, as a database does that is told to sort by what all of them share."""
    products_endpoint: bool = True
    """Serve `/v1/products`; when off it is an unknown route (404), as the current reference lists only its siblings."""
    scope_status: Literal[400, 403] = 403
    """Status of `invalid_scope`."""
    rate_limit: tuple[int, float] = (10_000, 300.0)
    """Requests per seconds and IP, an exact moving window."""
    clock_skew: float = 0.0
    """How far the server's clock is ahead of this machine's."""
    latency: float = 0.0
    """Delay before each reply."""
    diagnostics_error_status: Literal[200, 400] = 400
    """Status of the date errors of diagnostics: documented as 4xx, printed in the reference under 200."""
    history_kept: tuple[float, Literal["clip", "refuse"]] = (365.0, "clip")
    """How many days of locations and metrics are kept is unknown, and so is the answer to an earlier start."""
    reorder: bool = False
    """A tenth of a product's devices connects before each of its list requests, so that the default order moves."""

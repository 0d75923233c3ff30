"""Reads a closed window of time only if it is closed by the clock of the server that answers.

The end of a window was planned with the `Date` of one reply. If that was wrong, records that enter the window after it
was read would never be read.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.cancellation import pause
from source_particle.clock import http_time
from source_particle.paging import Page

AnyPage = TypeVar("AnyPage", Page, Page | None)
# How often a reply is requested that is served too early: one may be wrong, and servers behind one address may differ.
TRIES = 3
# Seconds to wait before each further one, at most.
LONGEST_WAIT = 15.0


def settled_page(fetch: Callable[[], AnyPage], served_after: str, where: str, wait_factor: float = 1.0) -> AnyPage:
    """Return the first page that is served at or after a time (ISO 8601), repeating the request for a while.

    Raises AirbyteTracedException (transient_error) if the API's clock stays behind that time, and (system_error) if a
    reply does not say when it was served.
    """
    moment = datetime.fromisoformat(served_after.replace("Z", "+00:00"))
    early, told = 0.0, ""
    for _ in range(TRIES):
        pause(min(early, LONGEST_WAIT) * wait_factor)
        page = fetch()
        if page is None:
            return page
        early, told = (moment - served_at(page, where)).total_seconds(), str(page.served_at)
        if early <= 0:
            return page
    raise AirbyteTracedException(
        message=f"{where}: the reply was served at {told} by the API's clock, but this window needs one of "
        f"{served_after} or later: a reply had a later time when the window was planned. Nothing is lost: start again, "
        "and the window is read as soon as that clock has passed it.",
        failure_type=FailureType.transient_error,
    )


def served_at(page: Page, where: str) -> datetime:
    """Return when a page was served; raises AirbyteTracedException (system_error) if it does not say."""
    moment = http_time(page.served_at)
    if moment is None:
        raise AirbyteTracedException(
            message=f"{where}: replies have no time: the header Date is {(page.served_at or '')[:40]!r}. The windows "
            "of a stream follow the API's clock. If a proxy removes the header, let it pass.",
            failure_type=FailureType.system_error,
        )
    return moment

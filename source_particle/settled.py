"""Reading a closed window of time only when it is closed by the clock of whoever answers.

The end of a window was planned by the `Date` of one reply. If that was wrong, more records come into the window after
it has been read, and nobody would ever read them.
"""

from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.cancellation import pause
from source_particle.paging import Page

# Seconds that a reply is waited for which is served late enough; servers behind one address may differ by some.
PATIENCE = 30.0


def settled_page(fetch: Callable[[], Page], served_after: str, where: str) -> Page:
    """Return the first page that is served at or after a moment (ISO 8601), asking again for a while.

    Raises AirbyteTracedException (transient_error) where the API's clock is far from that moment, and (system_error)
    where a reply does not tell when it was served.
    """
    page = fetch()
    moment = datetime.fromisoformat(served_after.replace("Z", "+00:00"))
    patience = PATIENCE
    while (early := (moment - served_at(page, where)).total_seconds()) > 0:
        if early > patience:
            raise AirbyteTracedException(
                message=f"{where}: the reply was served at {page.served_at}, by the API's clock, and the end of this "
                f"window needs one of {served_after} or later: when the window was planned, a reply told a later "
                "time. Nothing is lost: start again, and the window is read as soon as that clock has passed it.",
                failure_type=FailureType.transient_error,
            )
        patience -= early
        pause(early)
        page = fetch()
    return page


def served_at(page: Page, where: str) -> datetime:
    """Return when a page was served; raises AirbyteTracedException (system_error) where it does not tell."""
    try:
        moment = parsedate_to_datetime(page.served_at or "")
    except ValueError:
        raise AirbyteTracedException(
            message=f"{where}: replies tell no time: the header Date is {(page.served_at or '')[:40]!r}. The windows "
            "of a stream follow the API's clock. If a proxy removes the header, let it pass.",
            failure_type=FailureType.system_error,
        ) from None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc)

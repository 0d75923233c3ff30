"""Reading histories: rows of a range of time, in buckets, in pages, or in replies that say whether there is more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of
from source_particle.paginator import ListPages
from source_particle.paging import Page, Record, Window
from source_particle.retrievers import ParticleRetriever
from source_particle.settled import served_at
from source_particle.values import rfc3339

MIDNIGHT = "T00:00:00.000Z"
SINCE_EVER = f"1970-01-01{MIDNIGHT}"
# Clocks of devices and servers differ; nothing is later than this.
AHEAD = timedelta(days=1)


@dataclass
class HistoryRetriever(ParticleRetriever):
    """Yields the rows of a range of time, by the field `bounded_by`: from its start on and before its end.

    The API is asked for the range where it takes one, and may send more. A bucket or day belongs to the range in which
    it begins. Without a start the range begins `first_days` ago. None stands for an endpoint that takes no range: then
    it begins with what the API has.
    """

    bounded_by: str = ""
    first_days: int | None = None

    def _rows(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        start, end = self._range(stream_slice)
        for rows in super()._rows(stream_slice):
            yield [row for row in rows if self._is_within(row, start, end)]

    def _parameters(self, stream_slice: StreamSlice) -> Mapping[str, Any]:
        if self.first_days is None:
            return super()._parameters(stream_slice)
        start, end = self._range(stream_slice)
        asked = StreamSlice(
            partition=stream_slice.partition,
            cursor_slice={"start_time": start, "end_time": end or _spelt(self._now(stream_slice) + AHEAD)},
            extra_fields=stream_slice.extra_fields,
        )
        return super()._parameters(asked)

    def _fetch(self, pages_of: ListPages, window: Window) -> Page | None:
        return self._settled(lambda: pages_of.fetch(window), pages_of.url)

    def _range(self, stream_slice: StreamSlice) -> tuple[str, str]:
        """Return the start and end of the range as RFC 3339; an empty end is none."""
        plan, cursor = self._settings.plan, stream_slice.cursor_slice
        starts = [plan.start or cursor.get("start_time"), self._options.get("start_date")]
        start = max(_moment(start) for start in starts)
        if start <= SINCE_EVER and self.first_days is not None:
            start = _spelt(self._now(stream_slice) - timedelta(days=self.first_days))
        return start, _moment(plan.end or self._options.get("end_date"))

    def _now(self, stream_slice: StreamSlice) -> datetime:
        """Return the API's time, which its first reply tells."""
        clock = budget_of(self._settings).api_clock
        if not clock.has_reply:
            self.requester.page(self.requester.get_url(stream_slice=stream_slice), {})
        return clock.now()

    def _is_within(self, row: Record, start: str, end: str) -> bool:
        if row.get(self.bounded_by) is None:
            raise AirbyteTracedException(
                message=f"{self.requester.name}: the API sent a record that does not say when it is from (no "
                f"{self.bounded_by}), or whose points and times are not equally many. Please report it.",
                failure_type=FailureType.system_error,
            )
        moment = _moment(row[self.bounded_by])
        return start <= moment and (not end or moment < end)


@dataclass
class BucketsRetriever(HistoryRetriever):
    """Yields whole buckets of time, whose `counts` are zero where the API leaves them out.

    A bucket that had not ended when the reply was served, by the API's clock, still grows and is not passed on. Its
    length is the option `bucket_size`, or `default_size`.
    """

    counts: list[str] = field(default_factory=list)
    default_size: int = 0

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        page = self._only_page(stream_slice)
        served = served_at(page, self.requester.get_url(stream_slice=stream_slice))
        size = timedelta(seconds=int(self._options.get("bucket_size") or self.default_size))
        zeros = dict.fromkeys(self.counts, 0)
        yield [{**zeros, **row} for row in self._each_once(page.records) if _time(row["time"]) + size <= served]


@dataclass
class VersionsRetriever(HistoryRetriever):
    """Reads versions newest first, asking for those before the oldest one read while the API says that there are more.

    The name of the request parameter for that is `before`.
    """

    before: str = ""

    def _count(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        # The API does not say how many there are.
        yield [{"requests": None, "sent": 0}]

    def _pages(self, stream_slice: StreamSlice) -> Iterator[list[Record]]:
        url = self.requester.get_url(stream_slice=stream_slice)
        parameters: dict[str, Any] = dict(self._parameters(stream_slice))
        oldest = ""
        while True:
            page: Page = self._settled(lambda: self.requester.page(url, parameters), url)
            new = [row for row in page.records if not oldest or _moment(row[self.bounded_by]) < oldest]
            yield self._each_once(new)
            if not page.has_more:
                return
            if not new:
                raise AirbyteTracedException(
                    message=f"{url}: the API says that there are more versions, and sends none. Start the sync again "
                    "later, and report it if it goes on.",
                    failure_type=FailureType.transient_error,
                )
            first = min(new, key=lambda row: _moment(row[self.bounded_by]))
            oldest = _moment(first[self.bounded_by])
            parameters[self.before] = first[self.bounded_by]


def _moment(text: Any) -> str:
    """Return a time in the one form whose text sorts by time; a day begins at midnight."""
    moment = str(rfc3339(text or ""))
    return f"{moment}{MIDNIGHT}" if len(moment) == len("2026-10-31") else moment


def _spelt(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(_moment(text)[:19] + "+00:00")

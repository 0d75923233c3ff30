"""Estimates what a read would cost: requests, and minutes at the API's limit."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bridge.errors import ConfigurationError
from bridge.export.selection import check_named, signed_in, wanted_tables
from bridge.reading import reader
from bridge.reading.tasks import descriptors
from bridge.tables.catalog import Table
from bridge.tables.options import Options

WINDOW_MINUTES = 5


@dataclass(frozen=True)
class Cost:
    """The cost of reading one table once, or all of them."""

    table: str
    partitions: int
    requests: int
    """Each partition lists the fleet for itself. An item in two lists counts twice, but is read once."""
    is_counted: bool
    """Whether the API counts the pages of all lists; otherwise there are more requests."""
    minutes_at_least: int
    """Minutes at the API's limit; the requests of the first 5 minutes are sent at once."""
    refused: str | None = None
    """Why the table cannot be read."""


def costs(  # noqa: PLR0913  (as `sync` has them)
    connection: Mapping[str, str],
    names: Iterable[str] = (),
    table_options: Mapping[str, Mapping[str, str]] | None = None,
    partitions: int = 1,
    exclude: Iterable[str] = (),
    *,
    all_tables: bool = False,
) -> Iterator[Cost]:
    """Yield the cost of each table that `bridge.export.sync` would read with the same options; one login.

    Asks the API for lists such as those of products and devices, and for nothing that is read once for each of these. A
    table that the API refuses is said to be so, unless it was named. Raises ConfigurationError, SignInError,
    TemporaryError or UnexpectedError.
    """
    named = list(names)
    wanted = wanted_tables(connection, named, table_options, exclude, all_tables=all_tables)
    checked = [Options.parse(options, part) for part, options in wanted.items()]
    access = signed_in(checked[0], checking=True)
    if named:
        check_named(access, wanted)
    for part, given in wanted.items():
        if part.name in access.facts.unserved:
            yield _refused(part, access.facts.unserved[part.name])
            continue
        options = Options.parse(access.given(given), part)
        try:
            yield _cost(part, options, partitions)
        except ConfigurationError as error:
            if named:
                raise
            yield _refused(part, str(error))


def total(found: Iterable[Cost], connection: Mapping[str, str]) -> Cost:
    """Return the cost of reading one table after the other."""
    found = list(found)
    part, options = next(iter(wanted_tables(connection).items()))
    limit = Options.parse(options, part).config()["requests_per_5_minutes"]
    requests = sum(cost.requests for cost in found)
    return Cost(
        "total",
        sum(cost.partitions for cost in found),
        requests,
        is_counted=all(cost.is_counted for cost in found),
        minutes_at_least=minutes_at_least(requests, limit),
    )


def _cost(part: Table, options: Options, partitions: int) -> Cost:
    count = len(descriptors(options, partitions))
    # One list is one reply.
    finding, reading = (0, [1]) if part.is_one_list else reader.count_requests(part, options.config())
    requests = count * finding + sum(pages or 1 for pages in reading)
    limit = options.config()["requests_per_5_minutes"]
    return Cost(part.name, count, requests, None not in reading, minutes_at_least(requests, limit))


def _refused(part: Table, reason: str) -> Cost:
    return Cost(part.name, 0, 0, is_counted=True, minutes_at_least=0, refused=reason)


def minutes_at_least(requests: int, limit: int) -> int:
    """Return the minutes for which a limit makes requests wait: those of the first 5 minutes are sent at once."""
    return WINDOW_MINUTES * (max(0, requests - 1) // limit)

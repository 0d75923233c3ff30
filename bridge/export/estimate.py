"""What a read would cost, before it is done: requests, and the minutes that the API's limit makes of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bridge.export.selection import signed_in, wanted_tables, without_credentials
from bridge.reading import reader
from bridge.reading.tasks import DEFAULT_PARTS, descriptors
from bridge.tables.options import Options

WINDOW_MINUTES = 5


@dataclass(frozen=True)
class Cost:
    """What it costs to read one table once."""

    table: str
    partitions: int
    requests: int
    """Each partition asks for itself what there is to read. What is in two lists counts twice, and is read once."""
    is_counted: bool
    """Whether the API counts the pages of all lists; otherwise there are more requests."""
    minutes_at_least: int
    """What the API's limit makes of them; the requests of the first 5 minutes go out at once."""


def costs(
    connection: Mapping[str, str],
    names: Iterable[str] = (),
    table_options: Mapping[str, Mapping[str, str]] | None = None,
    partitions: int = DEFAULT_PARTS,
) -> Iterator[Cost]:
    """Give the cost of each table that `bridge.export.sync` would read with the same options; one login.

    Ask the API for the lists of products, devices and SIMs, and for nothing that is read once for each of these.
    Raises ConfigurationError, SignInError, TemporaryError or UnexpectedError.
    """
    wanted = wanted_tables(connection, names, table_options)
    checked = [Options.parse(options, part) for part, options in wanted.items()]
    access = signed_in(checked[0])
    for part, given in wanted.items():
        options = Options.parse({**without_credentials(given), **access}, part)
        count = len(descriptors(options, partitions))
        # What does not fan out is one list that comes whole.
        finding, reading = reader.count_requests(part, options.config()) if part.fans_out else (0, [1])
        requests = count * finding + sum(pages or 1 for pages in reading)
        limit = options.config()["requests_per_5_minutes"]
        yield Cost(part.name, count, requests, None not in reading, WINDOW_MINUTES * (max(0, requests - 1) // limit))

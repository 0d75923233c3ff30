"""Configuration → records: the only module that imports the Airbyte CDK or sends requests.

The CDK expects to own its process; here it is a guest in a Spark worker or a shell. So it is imported only when a read
begins, cannot reconfigure logging, prints nothing, and its errors become those of `bridge.errors`.
"""

import logging
import logging.config
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from bridge.errors import ParticleError, SignInError, UnexpectedError, error_for, quoted, shortened
from bridge.reading.tasks import SINCE_EVER, task_config
from bridge.reading.times import http_moment
from bridge.reading.windows import within
from bridge.reading.workers import overlapped
from bridge.tables.catalog import Table
from bridge.tables.options import Options
from source_particle.garbage import no_collections
from source_particle.masking import keep_secret, masked, secrets_in
from source_particle.redaction import visible
from source_particle.settings import Settings

Config = Mapping[str, Any]

LOGGER = logging.getLogger("bridge.airbyte")
LONGEST_MESSAGE = 1000
# Seconds for one try of a question whose answer is a few hundred bytes, and which everything else waits for.
SOON = 6.0
_IMPORTING = threading.Lock()


def sign_in(config: Config) -> str:
    """Return an access token for a configuration, at the cost of at most one login per process and account.

    Raises SignInError if the account is refused, and TemporaryError if the API does not answer.
    """
    with _as_guest("signing in", config):
        from source_particle.login import sign_in as access_token  # noqa: PLC0415  (imports the CDK)

        token: str = access_token(config)
        return token


def read_records(table: Table, config: Config) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a table, in no order, with up to `num_workers` requests in flight.

    The iterator may be closed anywhere. It ends only when everything was read; anything that prevents that is raised as
    SignInError, ConfigurationError, TemporaryError or UnexpectedError.
    """
    with _as_guest(f"table {table.name}", config):
        from source_particle.bundles import records_in  # noqa: PLC0415
        from source_particle.cancellation import while_wanted  # noqa: PLC0415
        from source_particle.source import SourceParticle  # noqa: PLC0415  (imports the CDK)

        bundled = {**config, "plan": {**config.get("plan", {}), "bundled": True}}
        [stream] = SourceParticle(config=bundled, tables=[table.name]).streams(bundled)
        workers = Settings.of(config).num_workers

        def read(partition: Any) -> Iterator[list[dict[str, Any]]]:
            return (records_in(record.data) for record in partition.read())

        for page in overlapped(stream.generate_partitions(), read, workers, while_wanted):
            yield from page


def planner_token(options: Options) -> str | None:
    """Return a token for all tasks of a plan; None if every task already has the access token in its options."""
    return None if "access_token" in options.credentials else sign_in(options.config())


def read_task(
    table: Table, config: Config, descriptor: Mapping[str, Any], access_token: str | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the records of one task of a plan; `config` is that of the whole read. Raises what `read_records` does."""
    records = read_records(table, task_config(table, config, descriptor, access_token))
    return within(records, table, descriptor) if descriptor.keys() & {"start", "end"} else records


def server_time(config: Config) -> datetime:
    """Return the time of the API's clock, rounded down to a second; sends one request.

    Raises SignInError, TemporaryError if there is no answer, and UnexpectedError if it has no time (the HTTP header
    `Date`).
    """
    return _moment_served(_about_token(config, clock=True), config)


@dataclass(frozen=True)
class TokenFacts:
    """What the API says about an access token."""

    now: datetime
    """The time of the API's clock, rounded down to a second."""
    scopes: tuple[str, ...]
    """What an API user's token may do; empty for a user's own token, which may do everything."""
    expires_at: str | None
    unserved: Mapping[str, str]
    """Why the token cannot read a table, by table."""


def token_facts(config: Config, *, checking: bool = True) -> TokenFacts:
    """Return what the API says about the access token; sends one request, and fails soon if nothing answers.

    With `checking`, a request that fails is tried again once, otherwise as often as in a read.

    Raises SignInError, TemporaryError and UnexpectedError.
    """
    record = _about_token({**config, "longest_reply_seconds": SOON}, clock=True, checking=checking)
    return TokenFacts(
        _moment_served(record, config),
        tuple(record.get("scopes") or ()),
        record.get("expires_at"),
        record.get("unserved") or {},
    )


def _about_token(config: Config, **plan: bool) -> Mapping[str, Any]:
    asking = {**config, "plan": {**config.get("plan", {}), **plan}}
    with _as_guest("options", config):
        from source_particle.source import SourceParticle  # noqa: PLC0415  (imports the CDK)

        [stream] = SourceParticle(config=asking, tables=["access_token"]).streams(asking)
    with _as_guest("signing in", config):
        [record] = [record.data for partition in stream.generate_partitions() for record in partition.read()]
        return record


def _moment_served(record: Mapping[str, Any], config: Config) -> datetime:
    try:
        return http_moment(record["served_at"] or "")
    except ValueError:
        raise UnexpectedError(
            f"{config['base_url']}: replies have no time: the header Date is {quoted(record['served_at'])}. A read "
            "follows the API's clock, so that this machine's does not matter. If a proxy removes the header, "
            "configure it to pass the header on."
        ) from None


def traffic(config: Config) -> tuple[int, float]:
    """Return how many requests this process has sent to the API, and for how many seconds the limit stops further ones.

    The latter is 0 if it does not.
    """
    with _as_guest("the limit", config):
        from source_particle.budget import budget_of  # noqa: PLC0415  (imports the CDK)

        budget = budget_of(Settings.of(config))
        return budget.sent, budget.seconds_full


def count_requests(table: Table, config: Config) -> tuple[int, list[int | None]]:
    """Return how many requests it takes to list what a table is read from, and how many to read each item.

    The latter is None if the API does not count the pages of a list. Requests only the lists and the first page of each
    item. Raises what `read_records` does.
    """
    with _as_guest(f"table {table.name}", config):
        from source_particle.budget import budget_of  # noqa: PLC0415  (imports the CDK)

        budget = budget_of(Settings.of(config))
        before = budget.sent
        counts = _counts(table, config)
        finding = budget.sent - before - sum(count["sent"] for count in counts)
        return finding, [count["requests"] for count in counts]


def count_rows(table: Table, config: Config) -> int | None:
    """Return the maximum number of rows of a table that is a list for each product; None if the API does not count.

    The API counts the pages of such a list, so the number is exact only for lists of one page. Requests what
    `count_requests` does.
    """
    counts = [count["items"] for count in _counts(table, config)]
    return None if None in counts else sum(counts)


def _counts(table: Table, config: Config) -> list[Mapping[str, Any]]:
    counting = {**config, "plan": {**config.get("plan", {}), "counting": True, "start": SINCE_EVER}}
    return list(read_records(table, counting))


@contextmanager
def _as_guest(place: str, config: Config) -> Iterator[None]:
    """Run the CDK in this block, and raise its errors as errors of the bridge that quote no secret."""
    house_rules()
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException  # noqa: PLC0415

    keep_secret(secrets_in(config))
    try:
        yield
    except ParticleError:
        raise
    # The frames of the traceback show where it happened and contain no values; the chain of causes would repeat what is
    # masked in the message.
    except AirbyteTracedException as error:
        raise _mapped(error, place).with_traceback(error.__traceback__) from None
    except Exception as error:  # noqa: BLE001  (raised again, as an error of the bridge)
        problem = shortened(_shown(f"{type(error).__name__}: {error}"))
        raise UnexpectedError(f"{place}: {problem} Please report this.").with_traceback(error.__traceback__) from None


def _mapped(error: Any, place: str) -> ParticleError:
    from source_particle.errors import SignInRefusedError  # noqa: PLC0415  (imports the CDK)

    kind = SignInError if isinstance(error, SignInRefusedError) else error_for(error.failure_type.value)
    # If the CDK has no text for people, it quotes the whole reply.
    message, *_body = (error.message or "").split(" Response (body): ")
    text = message or shortened(error.internal_message or "")
    return kind(f"{place}: {shortened(_shown(text), LONGEST_MESSAGE)}")


def _shown(text: str) -> str:
    """Return a text on one line, without secrets."""
    return visible(masked(text))


@cache
def house_rules() -> None:
    """Import the CDK, once, without letting it take over the process."""
    with _IMPORTING:
        configure = logging.config.dictConfig
        # On import, the CDK replaces every log handler of the process with one that prints JSON.
        logging.config.dictConfig = lambda config: None
        try:
            with no_collections():
                from airbyte_cdk import entrypoint  # noqa: F401, PLC0415
                from airbyte_cdk.sources.streams.http import http_client  # noqa: PLC0415
        finally:
            logging.config.dictConfig = configure
    # On a 429 the CDK prints a status message for Airbyte's platform to standard output, which belongs to the user
    # here.
    vars(http_client)["print"] = lambda *_args, **_options: None
    airbyte = logging.getLogger("airbyte")
    airbyte.addHandler(_Forwarder())
    airbyte.propagate = False


class _Forwarder(logging.Handler):
    """Passes log records of the CDK and the source to the logger `bridge.airbyte`, without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        # The CDK calls every wait one for a limit, and names what is left of it, which here is nothing.
        if not LOGGER.isEnabledFor(record.levelno) or said.startswith("UserDefinedBackoffException:"):
            return
        message = shortened(_shown(said), LONGEST_MESSAGE)
        # A new record, because the CDK attaches the headers of requests to its own.
        passed = logging.LogRecord(LOGGER.name, record.levelno, record.pathname, record.lineno, message, None, None)
        if record.exc_info:
            passed.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        LOGGER.handle(passed)

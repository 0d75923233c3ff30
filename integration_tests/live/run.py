"""One live run: reads a little of the tables that fit into its limit, asks the open questions, and reports on both."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from bridge.errors import ConfigurationError, ParticleError, SignInError, TemporaryError, UnexpectedError
from bridge.reading.reader import read_records
from bridge.tables.catalog import Table, table, tables
from bridge.tables.options import Options
from integration_tests.live.drift import Drift, drift_of, never_sent
from integration_tests.live.questions import QUESTIONS, Question, UnsettledError
from integration_tests.live.wire import LIMIT, ForbiddenRequestError, Wire

Record = Mapping[str, Any]

PRODUCTS = 2
AT_ONCE = 3
# Of what an endpoint is asked one by one, the option that names it, and the tables that list it: the user's own, and
# those of products.
ENTITIES = {
    ":deviceId": ("device_id", "devices", "product_devices"),
    ":iccid": ("iccid", "sims", "product_sims"),
}
# The tables that are read unless others are named. All tables together would need more requests than a run may send.
READ = (
    *("devices", "products", "sims", "user", "oauth_clients"),
    *("product_devices", "product_sims", "diagnostics", "sim_data_usage", "fleet_data_usage"),
)
# Beside the endpoints of the tables: about the token itself, and for products that are in two places.
OTHER_ENDPOINTS = ("/v1/access_tokens/current", "/v1/orgs")


@dataclass
class TableReport:
    """What came of one table."""

    table: Table
    records: list[Record] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What the API does not let this token see, or does not have."""
    failures: list[str] = field(default_factory=list)

    @property
    def drift(self) -> Counter[Drift]:
        """How the records differ from the schema."""
        return drift_of(self.table, self.records)


@dataclass
class Report:
    """What a run found; it holds names, types, counts and messages, and no value of a record."""

    base_url: str
    requests: int
    tables: list[TableReport]
    answers: list[tuple[Question, str, bool]]
    """Each question, its answer or what it would take, and whether it is settled."""

    @property
    def is_clean(self) -> bool:
        """Whether every table was read, or refused to this token, and no record differs from its schema."""
        return not any(part.failures or part.drift for part in self.tables)

    def __str__(self) -> str:
        """Write the report for people."""
        lines = [f"Read {self.base_url} with {self.requests} of at most {LIMIT} requests.", "", "Tables"]
        for part in self.tables:
            lines += [f"  {line}" for line in _table_lines(part)]
        lines += ["", "What was open (what the Device Cloud assumes, where it differs)"]
        return "\n".join([*lines, *(f"  {line}" for line in map(_answer_line, self.answers))])


def run(connection: Mapping[str, str], names: Iterable[str] = READ) -> Report:
    """Read a little of each table that is named and ask the open questions, with at most 50 requests in all.

    `connection` are the options of the connection, with an access token. Raises OptionError where they cannot work,
    UnknownTableError, SignInError when the token is refused, TemporaryError when the API does not answer.
    """
    parts = _with_lists(table(name) for name in names)
    config = Options.parse(connection, table("user")).config()
    base_url = config["base_url"]
    endpoints = {endpoint for part in tables().values() for endpoint in part.endpoints}
    with Wire(base_url, connection["access_token"], (*endpoints, *OTHER_ENDPOINTS)) as wire:
        try:
            token = wire.ask(OTHER_ENDPOINTS[0])
        except requests.RequestException as error:
            raise TemporaryError(f"{base_url}: no answer came ({type(error).__name__}).") from None
        if token.status == requests.codes.unauthorized:
            raise SignInError(
                f"{base_url}: the access token was refused (401). Create a new one in the Particle Console."
            )
        reports = _read_tables(parts, {**connection, "num_workers": "2"})
        answers = [(question, *_answer(question, wire)) for question in QUESTIONS]
        return Report(base_url, wire.sent, reports, answers)


def _with_lists(parts: Iterable[Table]) -> list[Table]:
    """Add the tables that list what others are read by, and put them first."""
    needed = set()
    for part in parts:
        needed |= {part.name, *(("products",) if part.fans_out else ()), *_entity(part)[1:]}
    return [part for part in tables().values() if part.name in needed]


def _read_tables(parts: Iterable[Table], connection: Mapping[str, str]) -> list[TableReport]:
    """Read tables in the order of the manifest: those that fan out take names from the ones before them."""
    reports: dict[str, TableReport] = {}
    for part in parts:
        reports[part.name] = TableReport(part)
        for options in _narrowed(part, reports):
            _read(reports[part.name], Options.parse({**connection, **options}, part))
    return list(reports.values())


def _entity(part: Table) -> tuple[str, ...]:
    segments = {segment for endpoint in part.endpoints for segment in endpoint.split("/")}
    return next((names for segment, names in ENTITIES.items() if segment in segments), ())


def _read(report: TableReport, options: Options) -> None:
    try:
        report.records += read_records(report.table, options.config())
    except (ConfigurationError, SignInError) as error:
        report.refusals.append(_without_name(error, report))
    except (TemporaryError, UnexpectedError) as error:
        report.failures.append(_without_name(error, report))


def _without_name(error: ParticleError, report: TableReport) -> str:
    return str(error).removeprefix(f"table {report.table.name}: ")


def _narrowed(part: Table, reports: Mapping[str, TableReport]) -> Iterator[dict[str, str]]:
    """Return the options of each read of a table, so that all reads together send few requests."""
    if not part.fans_out:
        yield {}
    elif entity := _entity(part):
        option, own, of_products = entity
        yield from _entities(option, reports[own].records, reports[of_products].records)
    else:
        one_page = {"max_pages": "1"} if any(option.name == "max_pages" for option in part.options) else {}
        for product in _different_products(reports["products"].records):
            yield {"product_id_or_slug": product, **one_page}


def _different_products(products: Iterable[Record]) -> list[str]:
    """Return a few products of different hardware, which decides what the API has of them, the largest of each."""
    chosen: dict[Any, str] = {}
    for product in sorted(products, key=_size, reverse=True):
        chosen.setdefault(product.get("platform_id"), str(product["id"]))
    return list(chosen.values())[:PRODUCTS]


def _size(product: Record) -> int:
    count = product.get("device_count")
    return count if isinstance(count, int) else 0


def _entities(option: str, own: list[Record], of_products: list[Record]) -> Iterator[dict[str, str]]:
    """Name a few devices or SIMs of one product, or where there are none of the user's own: those last heard."""
    product = next((record["product_id_or_slug"] for record in of_products), None)
    theirs = [record for record in of_products if record["product_id_or_slug"] == product]
    newest = sorted(theirs or own, key=lambda record: str(record.get("last_heard") or ""), reverse=True)
    names = [str(record.get("id") or record.get("iccid")) for record in newest[:AT_ONCE]]
    if names:
        yield {option: ",".join(names), **({"product_id_or_slug": product} if product else {})}


def _answer(question: Question, wire: Wire) -> tuple[str, bool]:
    try:
        return question.answer(wire), True
    except UnsettledError as reason:
        return str(reason), False
    except (ForbiddenRequestError, requests.RequestException) as error:
        return f"not asked: {error}", False
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"a reply has another form than any that is known ({type(error).__name__}: {error})", False


# ---- the report as text ----


def _table_lines(report: TableReport) -> Iterator[str]:
    drift = report.drift
    outcome = "DRIFT" if drift else "as its schema says"
    yield f"{report.table.name}: {len(report.records)} records{', ' + outcome if report.records else ''}"
    for kind, path, type_name in sorted(drift):
        yield f"  {kind}: {path} ({type_name}), in {drift[Drift(kind, path, type_name)]} records"
    if report.records and (absent := never_sent(report.table, report.records)):
        yield f"  never sent: {', '.join(absent)}"
    yield from (f"  refused: {message}" for message in report.refusals)
    yield from (f"  FAILED: {message}" for message in report.failures)


def _answer_line(answer: tuple[Question, str, bool]) -> str:
    question, found, is_settled = answer
    if not is_settled:
        return f"{question.text} not settled: {found}"
    return f"{question.text} {found}" + ("" if found == question.assumed else f" (ASSUMED: {question.assumed})")

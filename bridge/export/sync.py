"""All tables of a fleet → Parquet files, read through Spark: what `particle-bridge sync` does, as a function."""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bridge
from bridge.errors import ConfigurationError, OptionError, shortened
from bridge.export.folder import Target, target
from bridge.reading import reader
from bridge.tables.catalog import (
    JsonSchema,
    Option,
    Table,
    connection_options,
    credential_names,
    table,
    tables,
    ways_to_sign_in,
)
from bridge.tables.options import EVERYTHING, Options

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class TableResult:
    """What became of one table; `error` is None when all of it was written."""

    table: str
    seconds: float
    rows: int = 0
    sample: Mapping[str, Any] = field(default_factory=dict)
    """One row, without nulls and without the fields marked as personal."""
    error: str | None = None
    is_kept: bool = False
    """Whether it had been written before the sync was interrupted, and was not read again."""


def sync(  # noqa: PLR0913  (the keyword-only ones are for programs)
    to: Path,
    connection: Mapping[str, str],
    names: Iterable[str] = (),
    table_options: Mapping[str, Mapping[str, str]] | None = None,
    *,
    resume: bool = False,
    spark: "SparkSession | None" = None,
    on_start: Callable[[str], None] = lambda _table: None,
    on_end: Callable[[TableResult], None] = lambda _result: None,
) -> list[TableResult]:
    """Write each table as Parquet files under `to`/<table>, replacing what is there once the new files are complete.

    `names` are the tables (none: all). A required table option that is not given is `*`, because a sync means
    everything. With `resume` the sync that was begun last goes on: what it finished with the same options is kept.
    Without `spark` the active session is used, or else a local one is started and stopped again. A table that fails
    leaves its old files alone and the others running, and says so in its result. Raises ConfigurationError
    before anything is read when the options cannot work, SignInError or TemporaryError when signing in fails, and
    TemporaryError while another sync writes to the same folder; it signs in at most once.
    """
    wanted = wanted_tables(connection, names, table_options)
    checked = [Options.parse(options, part) for part, options in wanted.items()]
    hashes = {options.table: _hash(options) for options in checked}
    access = signed_in(checked[0])
    results = []
    with target(to, resume=resume) as folder, _session(spark) as session:
        for part, options in wanted.items():
            on_start(part.name)
            if resume and folder.is_finished(part.name, hashes[part]):
                results.append(TableResult(part.name, 0.0, *_summary(to / part.name, part), is_kept=True))
            else:
                reading = {**without_credentials(options), **access}
                results.append(_written(session, part, reading, folder, hashes[part]))
            on_end(results[-1])
    return results


def _hash(options: Options) -> str:
    """Tell apart what may hold other rows: the API, the account, the options of a table and its columns."""
    account = options.credentials[ways_to_sign_in()[options.credentials["auth_type"]][0]]
    facts = [options.config()["base_url"], account, options.table_options, options.table.schema]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def wanted_tables(
    connection: Mapping[str, str],
    names: Iterable[str] = (),
    table_options: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[Table, dict[str, str]]:
    """Return all options of each table that is named, or of all; raises UnknownTableError and OptionError."""
    chosen = [table(name) for name in names] or list(tables().values())
    given = {table(name): values for name, values in (table_options or {}).items()}
    return {part: _complete(part, connection, given.get(part, {})) for part in chosen}


def _complete(part: Table, connection: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Join the options of the connection and of a table; here, unlike in Spark, nobody else adds options."""
    _check_names(connection, connection_options(), "the connection")
    _check_names(own, part.options, f"table {part.name}")
    return {**connection, **dict.fromkeys(part.required_options, EVERYTHING), **own}


def _check_names(given: Iterable[str], known: Iterable[Option], place: str) -> None:
    names = {option.name: option.is_documented for option in known}
    for name in given:
        if name not in names:
            legal = ", ".join(name for name, is_documented in names.items() if is_documented)
            raise OptionError(f"There is no option {name!r} of {place}; legal: {legal or 'none'}.")


def signed_in(options: Options) -> dict[str, str]:
    """Sign in once for all tables: each plan of Spark would sign in for itself."""
    token = options.credentials.get("access_token") or reader.sign_in(options.config())
    return {"access_token": token}


def without_credentials(options: Mapping[str, str]) -> dict[str, str]:
    """Return options without those that sign in."""
    return {name: value for name, value in options.items() if name not in credential_names()}


def _written(
    spark: "SparkSession", part: Table, options: Mapping[str, str], to: Target, options_hash: str
) -> TableResult:
    start = time.perf_counter()
    aside = to.aside(part.name)
    try:
        spark.read.format("particle").options(**options).load(part.name).write.mode("overwrite").parquet(str(aside))
        rows, sample = _summary(aside, part)
        to.replace(part.name, aside, options_hash)
    except Exception as error:  # noqa: BLE001  (whatever it was, the other tables go on and this one is reported)
        return TableResult(part.name, time.perf_counter() - start, error=_message(error))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return TableResult(part.name, time.perf_counter() - start, rows, sample)


def _summary(folder: Path, part: Table) -> tuple[int, Mapping[str, Any]]:
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415

    rows, sample = 0, {}
    for path in sorted(folder.glob("*.parquet")):
        with ParquetFile(path) as file:
            if rows == 0 and file.metadata.num_rows:
                [sample] = next(file.iter_batches(batch_size=1)).to_pylist()
            rows += file.metadata.num_rows
    return rows, _presentable(sample, part.columns)


def _presentable(row: Mapping[str, Any], columns: Mapping[str, JsonSchema]) -> dict[str, Any]:
    shown = {}
    for name, schema in columns.items():
        value = row.get(name)
        if value in (None, [], {}) or schema.get("x-sensitive"):
            continue
        if "properties" in schema:
            shown[name] = _presentable(value, schema["properties"])
        else:
            # Arrow gives a map as its list of pairs.
            shown[name] = dict(value) if "additionalProperties" in schema else value
    return shown


def _message(error: Exception) -> str:
    # Spark hands an error of its workers on as the text of a traceback.
    ours = re.findall(r"bridge\.errors\.\w+: (.+)", str(error))
    # What Spark itself met, such as a full disk, is the innermost of its causes.
    causes = re.findall(r"^Caused by: (.+)", str(error), re.MULTILINE)
    return ours[-1] if ours else shortened(causes[-1] if causes else f"{type(error).__name__}: {error}")


@contextmanager
def _session(given: "SparkSession | None") -> Iterator["SparkSession"]:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("Spark is not installed: pip install 'source-particle[spark]'.") from None
    running = given or SparkSession.getActiveSession()
    spark = running or _local_session()
    try:
        bridge.register(spark)
        yield spark
    finally:
        if running is None:
            # A signal may have cut this thread's conversation with the JVM off; another thread has one of its own.
            stopping = threading.Thread(target=spark.stop)
            stopping.start()
            stopping.join()


def _local_session() -> "SparkSession":
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # Spark's workers are processes of their own, which must run this Python and find this package.
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    python, interrupt = os.environ.get("PYSPARK_PYTHON"), signal.getsignal(signal.SIGINT)
    os.environ["PYSPARK_PYTHON"] = python or sys.executable
    try:
        spark = (
            SparkSession.builder.appName("particle-bridge")
            .master("local[*]")
            .config("spark.executorEnv.PYTHONPATH", os.pathsep.join(paths))
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .getOrCreate()
        )
    finally:
        if python is None:
            del os.environ["PYSPARK_PYTHON"]
    # Spark's handler would talk to the JVM while this thread does, which fails, and leaves jobs running.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
    # What goes wrong is in the results; Spark would tell it again, with a hundred lines of stack.
    spark.sparkContext.setLogLevel("OFF")
    return spark

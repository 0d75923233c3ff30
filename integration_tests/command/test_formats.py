"""Every table in every format: the rows of the ledger, with types, key and comments, and no foreign files touched."""

import os
from pathlib import Path

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from deltalake import DeltaTable

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.formats.sink import LOCK
from bridge.export.places import FORMATS
from bridge.export.sync import sync
from bridge.models.lake import open_lake
from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import chosen_tables, table
from integration_tests.command.lakes import counted, interrupted_sync, rows_of, target, truth_of
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.restoring import alike, restored


def connection_to(cloud: DeviceCloud) -> dict[str, str]:
    return {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}


TEXT = ("csv", "jsonl")
# A month of hours is many rows, which are all alike.
DAYS = {"bucket_size": "86400"}
OPTIONS = {part.name: DAYS for part in chosen_tables() if "bucket_size" in {option.name for option in part.options}}


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_table_is_what_the_ledger_says(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to = target(tmp_path, file_format)
    # Text has no types: there, one table of each kind stands for all.
    parts = [part for part in one_of_each_kind() if not part.on_request] if file_format in TEXT else chosen_tables()
    default = [part.name for part in parts]
    results = sync(to, connection_to(cloud), default, table_options=OPTIONS, file_format=file_format)
    assert [(result.table, result.error) for result in results] == [(name, None) for name in default]
    for result in results:
        part, rows = table(result.table), rows_of(to, file_format, result.table)
        truth = truth_of(cloud, result.table, until=result.until, **OPTIONS.get(result.table, {}))
        assert counted(part, rows) == counted(part, truth)
        assert result.rows == len(truth)
        known = {tuple(str(record[name]) for name in part.primary_key): record for record in truth}
        for row in rows:
            record = known[tuple(str(row[name]) for name in part.primary_key)]
            # A CSV tells an empty text from null by its quotes, which Python's reader does not tell.
            assert file_format == "csv" or alike(record, restored(row))
    if file_format != "duckdb":
        assert {path.name for path in to.iterdir()} == {LOCK, *default}
    # Snapshots are replaced, and of vitals only what is new is added.
    again = sync(to, connection_to(cloud), ["devices", "diagnostics"], file_format=file_format)
    assert [result.error for result in again] == [None, None]
    for name, until in (("devices", None), ("diagnostics", again[1].until)):
        assert counted(table(name), rows_of(to, file_format, name)) == counted(
            table(name), truth_of(cloud, name, until=until)
        )


EMPTIED = [
    *(("parquet", history, "*.parquet") for history in (False, True)),
    *(("csv", history, "*.csv") for history in (False, True)),
    *(("jsonl", history, "*.jsonl") for history in (False, True)),
    *(("delta", history, "*.parquet") for history in (False, True)),
    # With --history, a lost log is an error: the earlier days cannot be told from files that were replaced.
    ("delta", False, "_delta_log/*.json"),
]


@pytest.mark.parametrize(("file_format", "history", "files"), EMPTIED)
def test_a_table_whose_files_a_power_failure_emptied_is_read_again(
    file_format: str, history: bool, files: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    names = ["user", "devices", "products"]
    interrupted_sync(tmp_path, connection_to(cloud), names, file_format=file_format, history=history)
    emptied = list((tmp_path / "devices").rglob(files))
    assert emptied
    for path in emptied:
        path.write_bytes(b"")
    results = sync(tmp_path, connection_to(cloud), names, resume=True, file_format=file_format, history=history)
    assert [(result.table, result.is_kept, result.error) for result in results] == [
        ("user", True, None),
        ("devices", False, None),
        ("products", False, None),
    ]
    rows = rows_of(tmp_path, file_format, "devices")
    assert counted(table("devices"), rows) == counted(table("devices"), truth_of(cloud, "devices"))


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_empty_table_has_its_columns(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to = target(tmp_path, file_format)
    nothing = {"product_devices": {"device_name": "no device has such a name"}}
    [result] = sync(to, connection_to(cloud), ["product_devices"], nothing, file_format=file_format)
    assert (result.rows, result.error) == (0, None)
    assert rows_of(to, file_format, "product_devices") == []
    columns = [*table("product_devices").columns, RESCUED_DATA]
    if file_format == "parquet":
        assert pq.read_table(to / "product_devices").column_names == columns
    elif file_format == "csv":
        [file] = (to / "product_devices").glob("*.csv")
        assert file.read_text().strip() == ",".join(f'"{name}"' for name in columns)


def test_duckdb_has_the_types_the_keys_and_the_comments(cloud: DeviceCloud, tmp_path: Path) -> None:
    # The ending says the format.
    to = tmp_path / "fleet.duckdb"
    assert not any(result.error for result in sync(to, connection_to(cloud), ["products", "diagnostics"]))
    with duckdb.connect(str(to), read_only=True) as database:
        types = dict(database.execute("SELECT column_name, data_type FROM duckdb_columns()").fetchall())
        comments = dict(database.execute("SELECT column_name, comment FROM duckdb_columns()").fetchall())
        keys = database.execute(
            "SELECT constraint_column_names FROM duckdb_constraints() "
            "WHERE constraint_type = 'PRIMARY KEY' AND table_name = 'products'"
        ).fetchall()
        described = database.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'diagnostics'").fetchall()
        charges = database.execute("SELECT count(payload.device.power.battery.charge) FROM diagnostics").fetchall()
    assert types["id"] == "BIGINT"
    assert comments["updated_at"] == table("diagnostics").columns["updated_at"]["description"]
    assert keys == [(["id"],)]
    assert described[0][0].endswith("Key: device_id, updated_at.")
    assert charges[0][0] > 0


@pytest.mark.parametrize("file_format", ["parquet", "duckdb"])
def test_a_sync_that_fails_is_no_last_sync(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to = target(tmp_path, file_format)
    nothing = {"product_devices": {"product_id_or_slug": "99999"}}
    assert not any(result.error for result in sync(to, connection_to(cloud), ["products"], file_format=file_format))
    lake = open_lake(to)
    lake.close()
    [result] = sync(to, connection_to(cloud), ["product_devices"], nothing, file_format=file_format)
    assert result.error
    again = open_lake(to)
    again.close()
    assert again.synced == lake.synced
    assert again.synced.keys() == {"products"}


def test_delta_and_parquet_carry_the_comments(cloud: DeviceCloud, tmp_path: Path) -> None:
    sync(tmp_path / "delta", connection_to(cloud), ["products"], file_format="delta")
    sync(tmp_path / "parquet", connection_to(cloud), ["products"])
    described = table("products").columns["slug"]["description"]
    schema = DeltaTable(tmp_path / "delta" / "products").schema()
    assert {field.name: field.metadata for field in schema.fields}["slug"]["comment"] == described
    schema = pq.read_schema(tmp_path / "parquet" / "products" / "part-0.parquet")
    assert schema.field("slug").metadata == {b"comment": described.encode()}
    assert schema.metadata[b"primary_key"] == b"id"


# ---- what somebody else wrote ----


@pytest.mark.parametrize("file_format", ["parquet", "delta", "csv", "jsonl"])
def test_a_folder_that_somebody_else_wrote_is_refused_before_anything_is_read(
    file_format: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    for name in ("devices", "user", "products"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious").write_text("precious")
    with pytest.raises(ConfigurationError, match="was not written by this tool"):
        sync(tmp_path, connection_to(cloud), ["user", "devices"], file_format=file_format)
    assert cloud.ledger.count() == 0
    assert {path.name for path in tmp_path.rglob("*")} == {"devices", "user", "products", "precious"}


@pytest.mark.parametrize("made", ["TABLE devices (x INTEGER)", "VIEW devices AS SELECT 1"])
def test_a_table_of_a_database_that_somebody_else_wrote_is_refused(
    made: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    to = tmp_path / "fleet.duckdb"
    with duckdb.connect(str(to)) as database:
        database.execute(f"CREATE {made}")
    with pytest.raises(ConfigurationError, match="has a table or view devices"):
        sync(to, connection_to(cloud), ["devices"])
    assert cloud.ledger.count() == 0
    # Beside it there is room.
    assert not sync(to, connection_to(cloud), ["products"])[0].error


def test_a_database_that_is_open_elsewhere_or_none_at_all_is_a_named_error(cloud: DeviceCloud, tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("precious")
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "elsewhere.duckdb")
    (tmp_path / "folder.duckdb").mkdir()
    for name in ("text", "link", "folder"):
        with pytest.raises(ConfigurationError):
            sync(tmp_path / f"{name}.duckdb", connection_to(cloud), ["devices"])
    assert (tmp_path / "text.duckdb").read_text() == "precious"
    assert not (tmp_path / "elsewhere.duckdb").exists()
    child = os.fork()
    if child == 0:
        with duckdb.connect(str(tmp_path / "busy.duckdb")):
            (tmp_path / "open").touch()
            while not (tmp_path / "done").exists():
                pass
        os._exit(0)
    while not (tmp_path / "open").exists():
        pass
    try:
        with pytest.raises(TemporaryError, match="Another program has"):
            sync(tmp_path / "busy.duckdb", connection_to(cloud), ["devices"])
    finally:
        (tmp_path / "done").touch()
        os.waitpid(child, 0)


@pytest.mark.parametrize("name", ["~/lake", "a:b/c"])
def test_any_name_of_a_folder_works(
    name: str, cloud: DeviceCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert not sync(Path(name), connection_to(cloud), ["products"])[0].error
    assert (tmp_path / name.replace("~", "home") / "products" / "part-0.parquet").exists()

"""What a lake may be, and when it was synced."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any

import duckdb
import pytest

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.folder import write_mark
from bridge.export.formats.duckdb import LAST_SYNC, MARKS
from bridge.export.formats.sink import LOCK, MARK, SYNCED_AT, Mark, last_sync_note
from bridge.models.lake import create_models, open_lake
from unit_tests.support.lakes import NOW, Opener, ago, ask, member, write_table


def test_only_the_last_day_of_a_history_of_snapshots_counts(tmp_path: Path, opened: Opener) -> None:
    for day, devices in (("2026-11-26", ["a", "b"]), ("2026-11-27", ["a"])):
        write_table(tmp_path / "days", "product_devices", map(member, devices))
        folder = tmp_path / "lake" / "product_devices" / f"snapshot_date={day}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "days" / "product_devices").rename(folder)
    assert ask(opened(user=[]), "SELECT device_id FROM fleet") == [("a",)]


def test_a_duckdb_database_is_a_lake_too(tmp_path: Path) -> None:
    write_table(tmp_path, "product_devices", [member("a", last_heard=ago(days=3))])
    path = tmp_path / "particle's.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE product_devices AS SELECT * FROM '{tmp_path}/product_devices/part-0.parquet'")
    before = path.read_bytes()
    lake = open_lake(path)
    assert ask(lake, "SELECT device_id FROM fleet") == [("a",)]
    lake.close()
    assert path.read_bytes() == before


def test_the_mark_of_a_sync_tells_when_it_was(tmp_path: Path, opened: Opener) -> None:
    write_table(tmp_path / "lake", "user", [])
    mark = tmp_path / "lake" / "user" / MARK
    mark.write_text(json.dumps({"sync": "1", "options": "2"}))
    os.utime(mark, (NOW.timestamp(), NOW.timestamp()))
    assert opened().as_of == NOW
    yesterday = NOW - timedelta(days=1)
    mark.write_text(json.dumps({"sync": "1", SYNCED_AT: yesterday.isoformat()}))
    assert opened().as_of == yesterday


@pytest.mark.parametrize("left", ["", '{"sync": "1", "synced', "[]"])
def test_a_mark_that_a_crash_has_truncated_tells_by_its_own_time(tmp_path: Path, opened: Opener, left: str) -> None:
    write_table(tmp_path / "lake", "user", [])
    mark = tmp_path / "lake" / "user" / MARK
    mark.write_text(left)
    os.utime(mark, (NOW.timestamp(), NOW.timestamp()))
    assert opened().as_of == NOW


def test_a_copy_of_a_lake_is_as_old_as_the_lake(tmp_path: Path) -> None:
    write_table(tmp_path / "lake", "user", [])
    write_mark(tmp_path / "lake" / "user", Mark("snapshot", "1"))
    shutil.copytree(tmp_path / "lake", tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / "user" / MARK, (NOW.timestamp(), NOW.timestamp()))
    moments = []
    for name in ("lake", "copy"):
        lake = open_lake(tmp_path / name)
        moments.append(lake.as_of)
        lake.close()
    assert moments[0] == moments[1]


@pytest.mark.parametrize("name", ["missing", "empty", "text.duckdb"])
def test_what_is_no_lake_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.duckdb").write_text("no database, but a text that is as long as a header of one")
    with pytest.raises(ConfigurationError, match=name):
        open_lake(tmp_path / name)


@pytest.mark.parametrize(("ending", "name"), [("csv", "CSV"), ("jsonl", "JSON Lines")])
@pytest.mark.parametrize("folder", ["devices", "devices/snapshot_date=2026-11-27"])
def test_tables_in_another_format_are_named_with_what_to_do(
    tmp_path: Path, folder: str, ending: str, name: str
) -> None:
    (tmp_path / "lake" / folder).mkdir(parents=True)
    (tmp_path / "lake" / folder / f"part-0.{ending}").touch()
    with pytest.raises(ConfigurationError) as raised:
        open_lake(tmp_path / "lake")
    assert f"lake holds tables as {name} files. The report reads Parquet files and DuckDB databases: " in str(
        raised.value
    )
    assert "`particle-bridge sync --to another-folder --format parquet`" in str(raised.value)


def test_a_delta_table_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "devices" / "_delta_log").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"devices is a Delta table\. The report reads .+ --format parquet"):
        open_lake(tmp_path)


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    write_table(tmp_path / "lake", "products", [{"id": 7}])
    (tmp_path / "lake" / "products" / "part-0.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ConfigurationError, match=r"lake cannot be read: .*part-0\.parquet"):
        open_lake(tmp_path / "lake")


@pytest.mark.parametrize(
    ("left", "unwritten"),
    [
        ('{"sync": "1", "unwritten": ["user", "devices"], "complete": false}', ["user", "devices"]),
        ('{"sync": "1", "unwritten": [], "complete": true}', []),
        # Version 0.2.0 did not note which tables a sync was to write.
        ('{"sync": "1", "format": "parquet"}', []),
        ('{"sync": "1", "unwri', []),
        ("[]", []),
        ('{"sync": "1", "unwritten": "user"}', []),
    ],
)
def test_a_lake_tells_what_its_last_sync_has_not_written(
    tmp_path: Path, opened: Opener, left: str, unwritten: list[str]
) -> None:
    assert opened(user=[]).unwritten == []
    (tmp_path / "lake" / LOCK).write_text(left)
    lake = opened()
    assert lake.unwritten == unwritten
    assert ask(lake, "SELECT unwritten_tables FROM last_sync") == [(len(unwritten),)]


def test_files_of_others_beside_the_tables_are_no_tables(tmp_path: Path, opened: Opener) -> None:
    for name in ("notes", "fleet", "as_of", "order"):
        write_table(tmp_path / "files", "user", [{"username": name}])
        (tmp_path / "lake").mkdir(exist_ok=True)
        (tmp_path / "files" / "user").rename(tmp_path / "lake" / name)
    lake = opened(user=[])
    assert lake.synced == {"user": NOW}
    assert ask(lake, "SELECT COUNT(*) FROM fleet") == [(0,)]


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_a_sync_that_begins_or_ends_while_a_folder_is_read_is_noticed(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch, before: bool, after: bool
) -> None:
    def create_late(*given: Any, **more: Any) -> None:
        create_models(*given, **more)
        note(is_running=after)

    def note(*, is_running: bool) -> None:
        (tmp_path / "lake" / LOCK).write_text(json.dumps(last_sync_note("1", ["user"] if is_running else [])))

    opened(user=[])
    note(is_running=before)
    monkeypatch.setattr("bridge.models.lake.create_models", create_late)
    assert opened().unwritten == ["user"]


@pytest.mark.parametrize("is_database", [True, False], ids=["database", "folder"])
def test_a_lake_whose_first_sync_did_not_write_anything_says_so(tmp_path: Path, is_database: bool) -> None:
    path = tmp_path / ("fleet.duckdb" if is_database else "lake")
    note = json.dumps(last_sync_note("1", ["user"]))
    if is_database:
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE {MARKS} AS SELECT '{LAST_SYNC}' AS table_name, '{note}' AS mark")
    else:
        path.mkdir()
        (path / LOCK).write_text(note)
    with pytest.raises(ConfigurationError, match="holds no table yet: the last sync did not finish"):
        open_lake(path)


def test_a_database_that_another_program_has_open_is_a_passing_matter(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    hold = f"import duckdb, sys; held = duckdb.connect({str(path)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(TemporaryError, match=r"fleet\.duckdb open\. Wait until it has ended\."):
            open_lake(path)
        holder.communicate()


def test_a_file_that_is_no_database_is_not_taken_for_one_in_use(tmp_path: Path) -> None:
    (tmp_path / "blocked.duckdb").write_text("no database, but a text that is as long as a header of one")
    with pytest.raises(ConfigurationError, match="blocked"):
        open_lake(tmp_path / "blocked.duckdb")

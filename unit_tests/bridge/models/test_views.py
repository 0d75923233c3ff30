"""The models as views of a database."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bridge.errors import ConfigurationError
from bridge.export.formats.duckdb import LAST_SYNC, MARKS
from bridge.export.formats.sink import SYNCED_AT
from bridge.models.lake import open_lake
from bridge.models.views import check_views, create_views
from bridge.report.parts import SUMMARY
from bridge.report.questions import QUESTIONS
from unit_tests.support.lakes import NOW, Records, ago, ask, member, vitals, write_table
from unit_tests.support.paths import ROOT


def _write_database(path: Path, **records: Records) -> None:
    for name, rows in records.items():
        write_table(path.parent, name, rows)
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM '{path.parent}/{name}/part-0.parquet'")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {MARKS} (table_name VARCHAR PRIMARY KEY, mark VARCHAR)")
            mark = json.dumps({SYNCED_AT: NOW.isoformat()})
            connection.execute(f"INSERT INTO {MARKS} VALUES (?, ?)", [name, mark])


def test_a_database_counts_to_its_last_sync_whenever_its_file_was_written(tmp_path: Path) -> None:
    path = tmp_path / 'my "fleet".duckdb'
    _write_database(path, products=[{"id": 7}])
    with duckdb.connect(str(path)) as connection:
        for name in ("my_notes", "fleet", "order"):
            connection.execute(f'CREATE TABLE "{name}" AS SELECT 42')
    create_views(path)
    lake = open_lake(path)
    assert lake.synced == {"products": NOW}
    lake.close()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT moment FROM particle.as_of").fetchall() == [(NOW.replace(tzinfo=None),)]
        connection.execute(f"DROP TABLE {MARKS}")
    os.utime(path, (NOW.timestamp() + 60, NOW.timestamp() + 60))
    lake = open_lake(path)
    assert lake.as_of == NOW + timedelta(minutes=1)
    lake.close()


def test_a_database_that_cannot_be_written_gets_no_views_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "fleet.duckdb").write_bytes(b"no database, and longer than the header of one" * 1000)
    with pytest.raises(ConfigurationError, match=r"The views of .*fleet\.duckdb cannot be written: "):
        create_views(tmp_path / "fleet.duckdb")


def test_the_recipes_count_as_the_report_does(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    charges: list[dict[str, Any]] = [{"power": {"battery": {"charge": 5}}}, {}]
    _write_database(
        path,
        # Heard long ago by one sign, and lately by another; and on both sides of the limit to the second.
        product_devices=[
            member("a", last_heard=ago(days=9)),
            member("b", last_heard=ago(days=9), last_handshake_at=ago(hours=1)),
            *(member(f"c{second}", last_heard=ago(days=1, seconds=second - 5)) for second in range(10)),
        ],
        devices=[{"id": "d", "product_id": 13, "platform_id": 13, "last_heard": ago(days=2)}],
        diagnostics=[
            vitals("a", ago(days=9), **charges[0]),
            # The last report has no battery; and a device that no list has.
            vitals("b", ago(days=3), **charges[0]),
            vitals("b", ago(days=2), **charges[1]),
            vitals("gone", ago(days=2), **charges[0]),
        ],
    )
    create_views(path)
    lake = open_lake(path)
    [(silent, low)] = ask(lake, f"SELECT silent, battery_low FROM ({SUMMARY})")
    lake.close()
    text = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    counted = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for query in re.findall(r'connect\("fleet\.duckdb", read_only=True\)\.sql\("""(.+?)"""\)', text, re.DOTALL):
            for word in re.findall(r"WHERE (\w+)\n", query):
                counted[word] = len(connection.execute(query).fetchall())
    assert counted == {"is_silent": silent, "is_battery_low": low} == {"is_silent": 7, "is_battery_low": 1}


def test_views_of_a_database_show_the_last_day_of_a_history_as_the_report_does(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    _write_database(path, product_devices=[member("a"), member("b")])
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE product_devices ADD COLUMN snapshot_date DATE DEFAULT '2026-11-26'")
        connection.execute("INSERT INTO product_devices BY NAME SELECT 'a' AS id, DATE '2026-11-27' AS snapshot_date")
    create_views(path)
    # The name of a database is that of its file.
    renamed = path.rename(tmp_path / "copy.duckdb")
    with duckdb.connect(str(renamed), read_only=True) as connection:
        assert connection.execute("SELECT device_id FROM particle.fleet").fetchall() == [("a",)]
    lake = open_lake(renamed)
    assert ask(lake, "SELECT device_id FROM fleet") == [("a",)]
    lake.close()


def test_the_queries_of_the_report_run_in_a_database_after_use_particle(tmp_path: Path) -> None:
    place = {"device_id": "a", "longitude": 8.1, "latitude": 50.2, "timestamp": ago(days=1)}
    path = tmp_path / "fleet.duckdb"
    _write_database(path, product_devices=[member("a", last_heard=ago(days=3))], product_locations=[place])
    # Views of an earlier sync do not stand in the way.
    create_views(path)
    create_views(path)
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("USE particle")
        for question in QUESTIONS:
            for sql in (question.sql, *(part.sql for part in question.parts)):
                connection.execute(sql)
        assert connection.execute("SELECT device_id FROM last_places").fetchall() == [("a",)]


def test_a_database_can_have_the_models_as_views_of_a_schema_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    for device in ("a", "b"):
        with duckdb.connect(str(path)) as connection:
            write_table(tmp_path, "product_devices", [member(device)])
            rows = f"SELECT * FROM '{tmp_path}/product_devices/part-0.parquet'"
            connection.execute(f"CREATE OR REPLACE TABLE product_devices AS {rows}")
        create_views(path)
        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute("SELECT device_id FROM particle.fleet").fetchall() == [(device,)]
            assert connection.execute("SELECT COUNT(*) FROM particle.sim_usage").fetchall() == [(0,)]
            assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("product_devices",)]


@pytest.mark.parametrize(
    "foreign",
    ["TABLE particle.fleet AS SELECT 42", "VIEW particle.other AS SELECT 42", "MACRO particle.twice(a) AS 2 * a"],
)
def test_what_somebody_else_made_in_the_schema_of_the_views_stays(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / "fleet.duckdb"
    _write_database(path, products=[{"id": 7}])
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA particle; CREATE {foreign}")
    for refuse in (check_views, create_views):
        with pytest.raises(ConfigurationError, match=r"has a schema particle with \w+, which this tool did not write"):
            refuse(path)
    with duckdb.connect(str(path)) as connection, pytest.raises(duckdb.Error, match="already exists"):
        connection.execute(f"CREATE {foreign}")


def test_own_views_and_what_is_no_database_yet_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    check_views(path)
    _write_database(path, products=[{"id": 7}], product_locations=[{"device_id": "a"}])
    create_views(path)
    check_views(path)


DAMAGED = [
    "",
    "[]",
    "5",
    "null",
    "{",
    None,
    '{"synced_at": "yesterday"}',
    '{"synced_at": 5}',
    '{"synced_at": "2026-11-01T00:00:00"}',
    '{"synced_at": "0001-01-01T00:00:00+14:00"}',
    "[" * 100_000,
]


@pytest.mark.parametrize("note", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("name", [LAST_SYNC, "gone", "products"])
def test_a_damaged_note_of_a_sync_does_no_harm(tmp_path: Path, name: str, note: str | None) -> None:
    path = tmp_path / "fleet.duckdb"
    _write_database(path, products=[{"id": 7}], user=[])
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"DELETE FROM {MARKS} WHERE table_name = ?", [name])
        connection.execute(f"INSERT INTO {MARKS} VALUES (?, ?)", [name, note])
    create_views(path)
    lake = open_lake(path)
    assert (lake.synced, lake.unwritten) == ({"products": NOW, "user": NOW}, [])
    lake.close()

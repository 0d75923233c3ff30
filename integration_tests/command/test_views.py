"""A sync into DuckDB also creates the models as views, and touches no schema of others."""

from pathlib import Path

import duckdb

from integration_tests.command.running import run
from integration_tests.device_cloud import DeviceCloud


def test_a_database_has_the_models_as_views(cloud: DeviceCloud, tmp_path: Path) -> None:
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    to = tmp_path / "fleet.duckdb"
    for _again in range(2):
        result = run("sync", "devices", "products", "--to", str(to), "--quiet", **account)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    with duckdb.connect(str(to)) as database:
        devices = database.execute("SELECT count(DISTINCT device_id) FROM particle.fleet").fetchall()
        assert devices == [(len(cloud.ledger.records("devices")),)]
        database.execute("CREATE TABLE particle.precious AS SELECT 1 AS x")
    result = run("sync", "devices", "--to", str(to), **account)
    assert result.returncode == 2
    assert "precious, which this tool did not write" in result.stderr
    with duckdb.connect(str(to)) as database:
        assert database.execute("FROM particle.precious").fetchall() == [(1,)]

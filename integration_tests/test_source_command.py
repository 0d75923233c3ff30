"""The console script `source-particle`, as Airbyte calls it: files in, one JSON message a line out."""

from pathlib import Path

import pytest

from bridge import catalog
from integration_tests.airbyte import Config, with_password, with_token
from integration_tests.command import TABLES, Command, catalog_file, differing, python_command
from integration_tests.device_cloud import DeviceCloud


@pytest.fixture
def source(tmp_path: Path) -> Command:
    """The command, in an empty directory."""
    return python_command(tmp_path, Path(__file__).parents[1], "from source_particle.run import run; run()")


def test_spec_needs_no_configuration(source: Command) -> None:
    done = source.run("spec")

    assert done.code == 0
    [spec] = done.parts("spec")
    assert spec.connectionSpecification["title"] == "Particle"


def test_check_succeeds_and_fails_with_exit_code_0(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("check", config=with_token(cloud))
    [status] = done.parts("connectionStatus")
    assert (done.code, status.status.value) == (0, "SUCCEEDED")

    wrong = with_password(cloud)
    wrong["credentials"]["password"] = "mistyped-password"
    done = source.run("check", config=wrong)
    [status] = done.parts("connectionStatus")
    assert (done.code, status.status.value) == (0, "FAILED")
    assert "user name or password was refused" in status.message
    assert "mistyped-password" not in done.stdout + done.stderr


def test_discover_lists_the_ten_tables_with_their_keys(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("discover", config=with_token(cloud))

    assert done.code == 0
    [found] = done.parts("catalog")
    streams = {stream.name: stream for stream in found.streams}
    assert list(streams) == list(TABLES)
    for name, table in catalog.tables().items():
        assert streams[name].source_defined_primary_key == [[key] for key in table.primary_key]
        assert streams[name].json_schema == table.schema


def test_read_writes_the_ledger(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("read", config=with_token(cloud), catalog=catalog_file(*TABLES))

    assert done.code == 0
    assert differing(cloud, done.records, TABLES) == []
    assert cloud.token not in done.stdout + done.stderr


def test_a_read_that_fails_ends_with_exit_code_1_and_says_why(source: Command, cloud: DeviceCloud) -> None:
    config: Config = with_token(cloud, product_devices={"product_id_or_slug": "no-such-product"})

    done = source.run("read", config=config, catalog=catalog_file("product_devices"))

    assert done.code == 1
    assert "The API knows no such thing (404)" in done.errors


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_a_configuration_that_is_no_object_is_an_error_in_words(source: Command, content: str) -> None:
    done = source.run("check", config=content)

    assert done.code == 1
    assert "config.json" in done.errors


def test_a_configuration_that_breaks_the_spec_is_an_error_in_words(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("read", config=with_token(cloud, num_workers=99), catalog=catalog_file("user"))

    assert done.code == 1
    assert "99 is greater than the maximum of 32" in done.stdout

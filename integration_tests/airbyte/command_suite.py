"""What every form of the source must do as a command: the console script, the image, the manifest-only layout.

A module that has a form of it gives the fixture `source` and subclasses of the suites. Each command starts a process.
"""

from bridge.tables import catalog
from integration_tests.airbyte.command import TABLES, Command, catalog_file, differing
from integration_tests.airbyte.syncs import with_password, with_token
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.kinds import one_of_each_shape


class AnswersSuite:
    """The commands that answer with one message, and a read that fails."""

    def test_spec_needs_no_configuration(self, source: Command) -> None:
        """Messages, exit code, and the form of the specification."""
        done = source.run("spec")

        assert done.code == 0
        [spec] = done.parts("spec")
        assert spec.connectionSpecification["title"] == "Particle"

    def test_check_succeeds_and_fails_with_exit_code_0(self, source: Command, cloud: DeviceCloud) -> None:
        """A failed check is an answer, not an error; it says why and not with which password."""
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

    def test_discover_lists_the_tables_with_their_keys(self, source: Command, cloud: DeviceCloud) -> None:
        """Names, keys and schemas are the manifest's."""
        done = source.run("discover", config=with_token(cloud))

        assert done.code == 0
        [found] = done.parts("catalog")
        streams = {stream.name: stream for stream in found.streams}
        assert list(streams) == list(TABLES)
        for name, table in catalog.tables().items():
            assert streams[name].source_defined_primary_key == [[key] for key in table.primary_key]
            assert streams[name].json_schema == table.schema
            modes = [mode.value for mode in streams[name].supported_sync_modes]
            assert modes == (["full_refresh", "incremental"] if table.cursor_field else ["full_refresh"])
            assert streams[name].default_cursor_field == ([table.cursor_field] if table.cursor_field else None)
            assert bool(streams[name].source_defined_cursor) == bool(table.cursor_field)

    def test_a_read_that_fails_ends_with_exit_code_1_and_says_why(self, source: Command, cloud: DeviceCloud) -> None:
        """A product that does not exist."""
        config = with_token(cloud, product_devices={"product_id_or_slug": "no-such-product"})

        done = source.run("read", config=config, catalog=catalog_file("product_devices"))

        assert done.code == 1
        assert "Not found (404)" in done.errors


class ReadSuite:
    """A read, and an incremental one after it."""

    tables = one_of_each_shape()

    def test_read_writes_the_ledger_and_the_next_one_what_is_new(self, source: Command, cloud: DeviceCloud) -> None:
        """The second read is given the state of the first."""
        some = [part.name for part in self.tables]
        config, tables = with_token(cloud), catalog_file(*some, incremental=["diagnostics"])

        first = source.run("read", config=config, catalog=tables)
        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
        new = cloud.fleet.add_vitals(device)
        vitals = catalog_file("diagnostics", incremental=["diagnostics"])
        second = source.run("read", config=config, catalog=vitals, state=first.state)

        assert (first.code, second.code) == (0, 0), first.errors + second.errors
        read_before = first.records["diagnostics"]
        read_now = [record for record in second.records["diagnostics"] if record not in read_before]
        assert [(record["device_id"], record["updated_at"]) for record in read_now] == [(device, new["updated_at"])]
        assert len(second.records["diagnostics"]) < len(read_before)
        assert differing(cloud, {**first.records, "diagnostics": [*read_before, *read_now]}, some) == []
        assert cloud.token not in first.stdout + first.stderr + second.stdout + second.stderr


class SourceCommandSuite(AnswersSuite, ReadSuite):
    """Airbyte's four commands against a Device Cloud."""

"""The tables as the manifest describes them."""

import pickle

import pytest

from bridge.errors import OptionError, UnknownTableError
from bridge.tables.catalog import chosen_tables, connection_options, table, tables, ways_to_sign_in
from source_particle import manifest

NAMES = list(tables())


def test_tables_come_in_the_order_of_the_manifest_without_the_one_for_checking() -> None:
    assert list(manifest()["schemas"]) == NAMES


@pytest.mark.parametrize(
    ("name", "primary_key", "cursor", "ingestion", "required"),
    [
        ("devices", ("id",), None, "snapshot", ()),
        ("products", ("id",), None, "snapshot", ()),
        ("sims", ("iccid",), None, "snapshot", ()),
        ("user", ("username",), None, "snapshot", ()),
        ("oauth_clients", ("id",), None, "snapshot", ()),
        ("product_devices", ("product_id_or_slug", "id"), None, "snapshot", ("product_id_or_slug",)),
        ("product_sims", ("product_id_or_slug", "iccid"), None, "snapshot", ("product_id_or_slug",)),
        ("diagnostics", ("device_id", "updated_at"), "updated_at", "append", ("device_id",)),
        ("sim_data_usage", ("iccid",), None, "snapshot", ("iccid",)),
        ("fleet_data_usage", ("product_id_or_slug",), None, "snapshot", ("product_id_or_slug",)),
    ],
)
def test_table_is_as_documented(
    name: str, primary_key: tuple[str, ...], cursor: str | None, ingestion: str, required: tuple[str, ...]
) -> None:
    part = table(name)
    assert (part.primary_key, part.cursor_field, part.ingestion_type) == (primary_key, cursor, ingestion)
    assert part.required_options == required


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("devices", "id name platform_id connected last_heard network functions variables groups notes"),
        ("products", "id name slug platform_id device_count"),
        ("sims", "iccid _id status data_limit mb_limit overage_enabled"),
        ("product_sims", "iccid _id status data_limit mb_limit overage_enabled"),
        ("oauth_clients", "id name type created_at"),
        ("diagnostics", "device_id updated_at payload"),
    ],
)
def test_table_has_the_documented_columns(name: str, columns: str) -> None:
    assert set(columns.split()) <= set(table(name).columns)


@pytest.mark.parametrize("name", NAMES)
def test_table_has_its_keys_as_columns_and_all_it_needs_to_be_explained(name: str) -> None:
    part = table(name)
    assert set(part.primary_key) <= set(part.columns)
    assert part.cursor_field is None or part.cursor_field in part.columns
    assert part.description.endswith(".")
    assert part.endpoints
    assert all(option.description for option in part.options)


@pytest.mark.parametrize("name", NAMES)
def test_unpickled_table_is_the_one_of_this_process(name: str) -> None:
    assert pickle.loads(pickle.dumps(table(name))) is table(name)


def test_table_is_found_in_any_case() -> None:
    assert table("Devices") is table("devices")


@pytest.mark.parametrize("name", ["device", "", "access_token", "../devices"])
def test_unknown_table_is_an_error_that_names_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownTableError, match="expected one of devices, products, sims"):
        table(name)


def test_connection_options_are_flat_and_tell_secrets_and_hidden_ones() -> None:
    options = {option.name: option for option in connection_options()}
    documented = [name for name, option in options.items() if option.is_documented]
    assert documented == [
        "access_token",
        "username",
        "password",
        "on_refused",
        "requests_per_5_minutes",
        "num_workers",
        "base_url",
        "token_cache_file",
    ]
    assert [name for name, option in options.items() if option.is_secret] == ["access_token", "password"]
    assert {"retry_wait_factor", "token_lifetime"} <= options.keys()


def test_there_are_two_ways_to_sign_in() -> None:
    assert ways_to_sign_in() == {"access_token": ("access_token",), "password": ("username", "password")}


def test_without_names_the_documented_tables_and_those_that_cost_few_requests_are_chosen() -> None:
    chosen = [part.name for part in chosen_tables()]
    assert chosen[:10] == NAMES[:10]
    left_out = set(NAMES) - set(chosen)
    assert left_out == {
        *("product_customers", "product_team", "organization_team", "product_locations", "location_history"),
        *("device_configuration", "ledger_versions", "daily_data_usage"),
    }
    assert [part.name for part in chosen_tables(all_tables=True)] == NAMES


def test_what_is_named_is_chosen_and_nothing_else() -> None:
    assert [part.name for part in chosen_tables(["Product_Team", "user"])] == ["product_team", "user"]
    with pytest.raises(OptionError, match="expected one of the two"):
        chosen_tables(["user"], all_tables=True)
    with pytest.raises(UnknownTableError):
        chosen_tables(["users"])

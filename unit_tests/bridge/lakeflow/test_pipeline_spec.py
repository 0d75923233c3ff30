"""Pipeline specifications: the accepted forms, the one resulting form, and errors that name the place."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bridge
from bridge.errors import ConfigurationError, OptionError, ParticleError, UnknownTableError
from bridge.tables.catalog import table, tables

# As the documented connector has it.
DOCUMENTED = {
    "pipeline_spec": {
        "connection_name": "particle_connection",
        "object": [
            {"table": {"source_table": "devices"}},
            {"table": {"source_table": "products"}},
            {"table": {"source_table": "product_devices", "product_id_or_slug": "my-product-slug"}},
            {
                "table": {
                    "source_table": "diagnostics",
                    "device_id": "0123456789abcdef01234567",
                    "start_date": "2024-01-01T00:00:00Z",
                }
            },
        ],
    }
}
TODAY = {
    "connection_name": "particle_connection",
    "objects": [
        {"table": {"source_table": "devices", "table_configuration": {}}},
        {"table": {"source_table": "products", "table_configuration": {}}},
        {
            "table": {
                "source_table": "product_devices",
                "table_configuration": {"product_id_or_slug": "my-product-slug"},
            }
        },
        {
            "table": {
                "source_table": "diagnostics",
                "table_configuration": {"device_id": "0123456789abcdef01234567", "start_date": "2024-01-01T00:00:00Z"},
            }
        },
    ],
}


def spec_of(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"connection_name": "c", "objects": [{"table": entry} for entry in entries]}


def configuration(**entry: Any) -> dict[str, Any]:
    [found] = bridge.pipeline_spec(spec_of(entry))["objects"]
    result: dict[str, Any] = found["table"]["table_configuration"]
    return result


@pytest.mark.parametrize("document", [DOCUMENTED, TODAY])
def test_the_documented_form_and_todays_become_todays(document: dict[str, Any]) -> None:
    assert bridge.pipeline_spec(document) == bridge.pipeline_spec(json.dumps(document)) == TODAY


MANAGED = {
    "connection_name": "particle_connection",
    "objects": [
        {"table": {"source_schema": "default", "source_table": "devices"}},
        {
            "table": {
                "source_schema": "default",
                "source_table": "diagnostics",
                "destination_table": "vitals",
                "connector_options": {
                    "community_connector_options": {"options": {"device_id": "*", "lookback_seconds": "60"}}
                },
                "table_configuration": {"scd_type": "SCD_TYPE_1"},
            }
        },
    ],
}


def test_the_form_of_a_managed_pipeline_goes_in_and_comes_out() -> None:
    parsed = bridge.pipeline_spec(MANAGED)
    own = {"device_id": "*", "lookback_seconds": "60", "scd_type": "SCD_TYPE_1"}
    assert parsed["objects"] == [
        {"table": {"source_table": "devices", "table_configuration": {}}},
        {"table": {"source_table": "diagnostics", "destination_table": "vitals", "table_configuration": own}},
    ]
    assert bridge.pipeline_spec(parsed, managed=True) == bridge.pipeline_spec(MANAGED, managed=True) == MANAGED
    assert bridge.pipeline_spec({**MANAGED, "source_type": "COMMUNITY"}, managed=True) == MANAGED


def test_options_of_the_source_are_where_the_managed_form_wants_them_and_nowhere_else() -> None:
    for name, document in (("documented", DOCUMENTED), ("today", TODAY)):
        for entry in bridge.pipeline_spec(document, managed=True)["objects"]:
            table_ = entry["table"]
            assert "table_configuration" not in table_, name
            assert table_["source_schema"] == "default"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"source_schema": "fleet"}, r"\.table\.source_schema: expected default"),
        ({"connector_options": []}, r"\.table\.connector_options: expected an object"),
        ({"connector_options": {"options": {}}}, r"\.table\.connector_options: unknown key 'options'"),
        (
            {"connector_options": {"community_connector_options": {"options": {"per_pages": "5"}}}},
            r"\.community_connector_options\.options: the table product_devices has no option 'per_pages';",
        ),
        (
            {"per_page": "5", "connector_options": {"community_connector_options": {"options": {"per_page": "5"}}}},
            r"\.options\.per_page: is given twice",
        ),
        ({"cluster_by": "id"}, r"objects\[0\]\.table: a managed pipeline has no cluster_by"),
    ],
)
def test_an_error_in_the_managed_form_names_its_place(entry: dict[str, Any], message: str) -> None:
    given = {"source_table": "product_devices", "product_id_or_slug": "*", **entry}
    with pytest.raises(ParticleError, match=message):
        bridge.pipeline_spec(spec_of(given), managed=True)


def test_values_become_text_and_options_get_their_own_spelling() -> None:
    entry = {"source_table": "Diagnostics", "DEVICE_ID": "*", "lookback_seconds": 60, "failondataloss": False}
    assert bridge.pipeline_spec(spec_of(entry)) == spec_of(
        {
            "source_table": "diagnostics",
            "table_configuration": {"device_id": "*", "lookback_seconds": "60", "failOnDataLoss": "false"},
        }
    )


def test_options_of_the_framework_and_destinations_stay() -> None:
    entry = {
        "source_table": "product_devices",
        "destination_catalog": "main",
        "destination_schema": "iot",
        "destination_table": "fleet",
        "product_id_or_slug": 12345,
        "table_configuration": {"scd_type": "scd_type_2", "primary_keys": ["id"], "cluster_by": "product_id_or_slug"},
    }
    [found] = bridge.pipeline_spec(spec_of(entry))["objects"]
    assert found["table"] == {
        "source_table": "product_devices",
        "destination_catalog": "main",
        "destination_schema": "iot",
        "destination_table": "fleet",
        "table_configuration": {
            "product_id_or_slug": "12345",
            "scd_type": "SCD_TYPE_2",
            "primary_keys": ["id"],
            "cluster_by": ["product_id_or_slug"],
        },
    }


@pytest.mark.parametrize("name", tables())
def test_every_option_that_a_table_has_is_accepted(name: str) -> None:
    values = {"boolean": True, "string": "2024-01-01T00:00:00Z"}
    options = {
        option.name: option.schema.get("enum", [values.get(option.schema["type"], option.schema.get("minimum", 1))])[0]
        for option in (*table(name).options, *table(name).spark_options)
        if option.is_documented
    }
    assert configuration(source_table=name, **options).keys() == options.keys()


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (
            {"source_table": "device"},
            UnknownTableError,
            r"objects\[0\]\.table\.source_table: There is no table 'device'",
        ),
        (
            {},
            ConfigurationError,
            r"objects\[0\]\.table\.source_table: expected a non-empty text, received nothing or null",
        ),
        (
            {"source_table": "diagnostics"},
            OptionError,
            r"objects\[0\]\.table: The table diagnostics needs .* device_id",
        ),
        (
            {"source_table": "diagnostics", "devce_id": "*"},
            OptionError,
            r"objects\[0\]\.table: .* no option 'devce_id'; did you mean device_id\?",
        ),
        (
            {"source_table": "devices", "device_id": "*"},
            OptionError,
            r"objects\[0\]\.table: the table devices has no option 'device_id'; expected one of scd_type",
        ),
        (
            {"source_table": "product_sims", "product_id_or_slug": "*", "table_configuration": {"per_page": 500}},
            OptionError,
            r"objects\[0\]\.table\.table_configuration\.per_page: .*'500'.*expected an integer from 1 to 100",
        ),
        (
            {"source_table": "diagnostics", "device_id": None},
            OptionError,
            r"objects\[0\]\.table\.device_id: expected a text .*; received nothing or null",
        ),
        (
            {"source_table": "diagnostics", "device_id": ["a", "b"]},
            OptionError,
            r"\.device_id: .* commas .* type list",
        ),
        (
            {"source_table": "diagnostics", "device_id": 12e3},
            OptionError,
            r"\.device_id: .* in quotes, .* type float",
        ),
        ({"source_table": "diagnostics", "device_id": True}, OptionError, r"\.device_id: .* type bool"),
        (
            {"source_table": "diagnostics", "device_id": "a", "table_configuration": {"Device_Id": "b"}},
            OptionError,
            r"objects\[0\]\.table\.table_configuration\.device_id: is given twice",
        ),
        (
            {"source_table": "user", "table_configuration": []},
            ConfigurationError,
            r"\.table_configuration: expected an object, received an empty value",
        ),
        ({"source_table": "user", "base_url": "x"}, OptionError, r"\.base_url: is an option of the connection"),
        ({"source_table": "user", "scd_type": "2"}, OptionError, r"\.scd_type: .*'2'; expected one of SCD_TYPE_1"),
        (
            {"source_table": "user", "primary_keys": ["name", "nme"]},
            OptionError,
            r"\.primary_keys\[1\]: .*no column 'nme'",
        ),
        (
            {"source_table": "user", "cluster_by": []},
            OptionError,
            r"\.cluster_by: .* received an empty value of type list",
        ),
        (
            {"source_table": "user", "destination_catalog": "main"},
            ConfigurationError,
            "destination_schema only work together",
        ),
        (
            {"source_table": "user", "destination_table": ""},
            ConfigurationError,
            r"\.destination_table: expected a non-empty text, received an empty text",
        ),
        ({"source_table": "user", 7: "x"}, OptionError, r"objects\[0\]\.table: 7 is not the name of an option"),
    ],
)
def test_an_error_names_the_place_in_the_document(
    entry: dict[Any, Any], error: type[ParticleError], message: str
) -> None:
    if "primary_keys" in entry:
        entry = {**entry, "primary_keys": [next(iter(table("user").columns)), "nme"]}
    with pytest.raises(error, match=message):
        bridge.pipeline_spec(spec_of(entry))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "the document: is not JSON"),
        ("[" * 100_000, "the document: is not JSON"),
        ("[]", "the document: expected an object, received an empty value of type list"),
        ({}, "the document: expected one list, objects; received none"),
        ({"connection_name": "c", "objects": []}, "objects: expected a list .*, received an empty value of type list"),
        ({"connection_name": "c", "object": {}}, "object: expected a list .*, received an empty value of type dict"),
        ({**spec_of({"source_table": "user"}), "object": []}, "the document: .* received objects and object"),
        (
            {**spec_of({"source_table": "user"}), "connection_name": " "},
            "connection_name: expected a non-empty text, received an empty text",
        ),
        (
            {**spec_of({"source_table": "user"}), "catalog": "main"},
            "the document: unknown key 'catalog'; expected connection_name",
        ),
        (
            {"pipeline_spec": spec_of({"source_table": "user"}), "a": 1},
            "the document: unknown key 'a'; expected pipeline_spec",
        ),
        ({"connection_name": "c", "objects": ["user"]}, r"objects\[0\]: expected an object, received a text"),
        ({"connection_name": "c", "objects": [{"schema": {}}]}, r"objects\[0\]: unknown key 'schema'; expected table"),
    ],
)
def test_a_document_of_another_shape_is_an_error(document: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        bridge.pipeline_spec(document)


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ({"source_table": "diagnostics", "device_id": "a"}, r"name several values in one entry, with commas or as \*"),
        ({"source_table": "user"}, "list it once"),
    ],
)
def test_a_table_that_is_listed_twice_is_refused_by_name(entry: dict[str, Any], remedy: str) -> None:
    message = rf"objects\[2\]\.table\.source_table: {entry['source_table']} is in objects\[0\] already.*; {remedy}"
    with pytest.raises(ConfigurationError, match=message):
        bridge.pipeline_spec(spec_of(entry, {"source_table": "sims"}, entry))


def test_no_error_shows_a_secret_that_is_in_the_wrong_place() -> None:
    with pytest.raises(OptionError) as caught:
        bridge.pipeline_spec(spec_of({"source_table": "user", "access_token": "a-token"}))
    assert "a-token" not in str(caught.value)


# ---- anything ----

STRUCTURE = ["connection_name", "objects", "object", "pipeline_spec", "table", "source_table", "table_configuration"]
OPTIONS = ["scd_type", "primary_keys", "destination_schema", "device_id", "per_page", "failOnDataLoss"]
WORDS = st.sampled_from([*STRUCTURE, *OPTIONS, *tables()])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | SCALARS, inner, max_size=4),
    max_leaves=12,
)
ENTRIES = st.dictionaries(st.just("source_table") | WORDS, WORDS | ANYTHING, max_size=4)


@given(ANYTHING | st.lists(ENTRIES).map(lambda entries: spec_of(*entries)))
@example(spec_of({"source_table": "user", "device_id": float("nan")}))
def test_any_document_yields_a_specification_or_a_named_error(document: Any) -> None:
    _check(document)


@given(st.text() | ANYTHING.map(lambda value: json.dumps(value, skipkeys=True)))
def test_any_text_yields_a_specification_or_a_named_error(text: str) -> None:
    _check(text)


def _check(document: Any) -> None:
    try:
        spec = bridge.pipeline_spec(document)
    except ParticleError:
        return
    assert bridge.pipeline_spec(spec) == spec
    names = [entry["table"]["source_table"] for entry in spec["objects"]]
    assert set(names) <= set(tables())
    assert len(set(names)) == len(names)


def test_a_normaliser_that_breaks_or_changes_its_own_form_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    normalise = bridge.pipeline_spec

    def breaks(document: Any) -> Any:
        return normalise(document["objects"])

    def changes(document: Any) -> Any:
        spec = normalise({"connection_name": "c", "objects": [{"table": {"source_table": "user"}}]})
        return {**spec, "seen": document}

    for seeded, error in ((breaks, TypeError), (changes, AssertionError)):
        monkeypatch.setattr(bridge, "pipeline_spec", seeded)
        with pytest.raises(error):
            test_any_document_yields_a_specification_or_a_named_error()

"""Random values from the tables' schemas, from the API's JSON through Spark and back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from bridge.tables.catalog import table
from integration_tests.device_cloud import DeviceCloud
from integration_tests.spark.sessions import load
from source_particle.redaction import known_names, redact
from unit_tests.support.restoring import alike, restored
from unit_tests.support.strategies import examples, records

DEVICE = "e" * 24
# Where each table's records are served, and in which form; what the source adds to them.
SERVED: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "devices": ("/v1/devices", None, {}),
    "products": ("/v1/products", "products", {}),
    "oauth_clients": ("/v1/clients", "clients", {}),
    "diagnostics": (f"/v1/diagnostics/{DEVICE}", "diagnostics", {"device_id": DEVICE, "deviceID": DEVICE}),
}
INTEGERS = st.integers(-(2**70), 2**70)


@pytest.fixture(scope="module")
def serving() -> Iterator[DeviceCloud]:
    with DeviceCloud() as cloud:
        yield cloud


@pytest.mark.parametrize("name", SERVED)
@settings(max_examples=examples(6), suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_what_the_api_sends_is_what_spark_has(
    name: str, data: st.DataObject, spark: SparkSession, serving: DeviceCloud
) -> None:
    path, key, added = SERVED[name]
    drawn = data.draw(st.lists(records(table(name), INTEGERS), min_size=1, max_size=25))
    # Each needs a key; times of vitals differ by a second.
    keyed = {"updated_at": "2026-01-01T00:00:{:02}.000Z"} if name == "diagnostics" else {"id": "{}"}
    sent = [
        {**record, **added, **{column: text.format(number) for column, text in keyed.items()}}
        for number, record in enumerate(drawn)
    ]
    serving.serve(path, json.dumps({key: sent} if key else sent).encode())
    options = {"device_id": DEVICE} if name == "diagnostics" else {}
    rows = [row.asDict(recursive=True) for row in load(spark, serving, name, **options).collect()]
    [column] = keyed
    found = {str(row[column]): restored(row) for row in rows}
    assert len(rows) == len(sent)
    # What is withheld on the way is a matter of `unit_tests/source_particle/test_redaction.py`.
    redact(sent, known_names(table(name).schema))
    for record in sent:
        record.pop("mobile_secret", None)
        assert alike(record, found[record[column]])

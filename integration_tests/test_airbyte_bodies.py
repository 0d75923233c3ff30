"""A 200 proves nothing: whatever stands in the body, a sync recovers or fails by name, and is never a short success."""

import pytest

from bridge import catalog
from integration_tests.airbyte import Config, Sync, sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault

TABLES = tuple(catalog.tables())

WRONG_BODIES = {
    "HTML": Fault("*", body="<html><body>Bad gateway</body></html>", content_type="text/html"),
    "malformed": Fault("*", body='{"devices": ['),
    "empty": Fault("*", body=""),
    "no content": Fault("*", status=204, body=""),
    "null": Fault("*", body="null"),
    "an empty object": Fault("*", body="{}"),
    "an error object": Fault("*", body='{"ok": false, "error": "please wait"}'),
    "null under the key": Fault("*", body='{"%(key)s": null}'),
    "a string under the key": Fault("*", body='{"%(key)s": "none"}'),
    "an object under the key": Fault("*", body='{"%(key)s": {"error": "none"}}'),
    "a list of strings": Fault("*", body='{"%(key)s": ["none"]}'),
    "a bare string": Fault("*", body='"none"'),
    "a number": Fault("*", body="0"),
    "not a number": Fault("*", body='{"%(key)s": [{"id": NaN}]}'),
    "not UTF-8": Fault("*", body=b'{"%(key)s": "\xff"}'),
    "cut, with Content-Length": Fault("*", cut="short"),
    "cut, without Content-Length": Fault("*", cut="close"),
    "reset before the reply": Fault("*", cut="reset"),
    "reset within the body": Fault("*", cut="reset_body"),
}

# The key that holds a table's records, where there is one.
RECORDS_KEY = {
    "products": "products",
    "sims": "sims",
    "oauth_clients": "clients",
    "product_devices": "devices",
    "product_sims": "sims",
    "diagnostics": "diagnostics",
}


def _spoiled(cloud: DeviceCloud, table: str, what: str, times: int | None) -> Sync:
    """Read a table while its last request, one of many where it fans out, is answered with a wrong body."""
    config = _config(cloud, table)
    route, path = _last_request(cloud, table)
    fault = WRONG_BODIES[what]
    body = fault.body
    key = RECORDS_KEY.get(table, "usage_by_day")
    if isinstance(body, bytes):
        body = body.replace(b"%(key)s", key.encode())
    elif body is not None:
        body = body.replace("%(key)s", key)
    cloud.faults.add(
        Fault(
            route,
            path=path,
            times=times,
            status=fault.status,
            body=body,
            content_type=fault.content_type,
            cut=fault.cut,
        )
    )
    return sync(config, table)


_LAST_REQUESTS: dict[str, tuple[str, str]] = {}


def _last_request(cloud: DeviceCloud, table: str) -> tuple[str, str]:
    """Route and path of the last request that a table takes: the same each time, as the fleet is."""
    if table not in _LAST_REQUESTS:
        sync({**_config(cloud, table), "num_workers": 2}, table)
        last = cloud.ledger.requests()[-1]
        _LAST_REQUESTS[table] = last.route, last.path
        cloud.reset()
    return _LAST_REQUESTS[table]


def _config(cloud: DeviceCloud, table: str) -> Config:
    first = str(cloud.fleet.product_ids[0])
    named = {"product_devices": first, "product_sims": first, "fleet_data_usage": first}
    return with_token(cloud, **({table: {"product_id_or_slug": named[table]}} if table in named else {}))


@pytest.mark.parametrize("what", WRONG_BODIES)
@pytest.mark.parametrize("table", TABLES)
def test_a_body_that_stays_wrong_fails_the_stream_by_name(cloud: DeviceCloud, table: str, what: str) -> None:
    result = _spoiled(cloud, table, what, times=None)

    assert f"{cloud.url}/v1/" in result.errors
    assert result.statuses[table][-1] == "INCOMPLETE"


@pytest.mark.parametrize("what", WRONG_BODIES)
@pytest.mark.parametrize("table", TABLES)
def test_a_body_that_is_wrong_once_costs_a_retry_and_no_record(cloud: DeviceCloud, table: str, what: str) -> None:
    result = _spoiled(cloud, table, what, times=1)

    assert not result.errors
    options = _config(cloud, table).get(table, {})
    assert not cloud.ledger.compare(table, options, result.records[table])


def test_the_retries_of_a_wrong_body_are_bounded(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/devices", body="null", times=None))

    sync(with_token(cloud), "devices")

    assert cloud.ledger.count("GET /v1/devices") == 6


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("table", TABLES)
def test_a_failing_server_costs_a_retry_and_then_an_error_that_says_to_wait(
    cloud: DeviceCloud, table: str, status: int
) -> None:
    config = _config(cloud, table)
    cloud.faults.add(Fault("*", at=1, status=status))
    assert not sync(config, table).errors

    cloud.faults.add(Fault("*", status=status, times=None))
    assert "again later" in sync(config, table).errors


def test_a_list_whose_middle_page_is_empty_is_not_taken_for_its_end(cloud: DeviceCloud) -> None:
    product = str(cloud.fleet.product_ids[0])
    options = {"product_id_or_slug": product, "per_page": 10}
    empty = '{"devices": [], "customers": [], "meta": {"total_pages": 5, "total_records": 45}}'
    cloud.faults.add(Fault("GET /v1/products/:p/devices", page=2, body=empty, times=None))

    result = sync(with_token(cloud, product_devices=options), "product_devices")

    assert "does not hold still" in result.errors


def test_a_page_that_is_served_again_in_place_of_the_next_is_an_error(cloud: DeviceCloud) -> None:
    for table, route in (
        ("product_devices", "GET /v1/products/:p/devices"),
        ("product_sims", "GET /v1/products/:p/sims"),
    ):
        cloud.reset()
        options = {"product_id_or_slug": str(cloud.fleet.product_ids[0]), "per_page": 5}
        cloud.faults.add(Fault(route, page=2, repeat_page=True, times=None))

        assert "does not hold still" in sync(with_token(cloud, **{table: options}), table).errors


def test_a_reply_that_says_200_and_means_a_refused_date_names_what_the_api_said(cloud: DeviceCloud) -> None:
    device = next(iter(cloud.fleet.rows("devices")))
    said = '{"error": "bad_request", "description": "start_date and end_date must be ISO8601 formatted"}'
    cloud.faults.add(Fault("GET /v1/diagnostics/:id", body=said, times=None))

    result = sync(with_token(cloud, diagnostics={"device_id": device}), "diagnostics")

    assert "must be ISO8601 formatted" in result.errors

"""A 200 proves nothing: single bodies, in addition to those that `test_matrix` tries."""

from integration_tests.airbyte.syncs import sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault


def test_the_retries_of_a_wrong_body_are_bounded(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/devices", body="null", times=None))

    sync(with_token(cloud), "devices")

    assert cloud.ledger.count("GET /v1/devices") == 6


def test_a_list_whose_middle_page_is_empty_is_not_taken_for_its_end(cloud: DeviceCloud) -> None:
    product = str(cloud.fleet.product_ids[0])
    options = {"product_id_or_slug": product, "per_page": 10}
    empty = '{"devices": [], "customers": [], "meta": {"total_pages": 5, "total_records": 45}}'
    cloud.faults.add(Fault("GET /v1/products/:p/devices", page=2, body=empty, times=None))

    result = sync(with_token(cloud, product_devices=options), "product_devices")

    assert "the list keeps changing" in result.errors


def test_a_reply_that_says_200_and_means_a_refused_date_names_what_the_api_said(cloud: DeviceCloud) -> None:
    device = next(iter(cloud.fleet.rows("devices")))
    said = '{"error": "bad_request", "description": "start_date and end_date must be ISO8601 formatted"}'
    cloud.faults.add(Fault("GET /v1/diagnostics/:id", body=said, times=None))

    result = sync(with_token(cloud, diagnostics={"device_id": device}), "diagnostics")

    assert "must be ISO8601 formatted" in result.errors

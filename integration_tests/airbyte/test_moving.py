"""Devices are added and removed while their pages are read: those that are there throughout arrive once.

`test_matrix` has the same for every table and reader, one page after the other.
"""

import itertools
import json
import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import pytest

from integration_tests.airbyte.syncs import sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from source_particle import prefetch
from source_particle.paging import windows_between

ROUTES = {"product_devices": "GET /v1/products/:p/devices", "product_sims": "GET /v1/products/:p/sims"}
PAGES = 4
Change = Callable[[Fleet, int], object]


def _remove_first(fleet: Fleet, product: int) -> None:
    fleet.remove_device(min(fleet.rows("devices", product)), product)


def _remove_last(fleet: Fleet, product: int) -> None:
    fleet.remove_device(max(fleet.rows("devices", product)), product)


def _remove_many(fleet: Fleet, product: int) -> None:
    for device in sorted(fleet.rows("devices", product))[:15]:
        fleet.remove_device(device, product)


def _add_first(fleet: Fleet, product: int) -> None:
    first = min(fleet.rows("devices", product))
    fleet.put("devices", "0" * 24, {**fleet.rows("devices", product)[first], "id": "0" * 24}, product)


def _add_any(fleet: Fleet, product: int) -> None:
    fleet.add_device(product)


def _swap(fleet: Fleet, product: int) -> None:
    """Leave the totals as they are, so that nothing but the records themselves tells of it."""
    _remove_first(fleet, product)
    devices = fleet.rows("devices", product)
    fleet.put("devices", "f" * 24, {**devices[max(devices)], "id": "f" * 24}, product)


def _add_two_remove_one(fleet: Fleet, product: int) -> None:
    fleet.add_device(product)
    fleet.add_device(product)
    _remove_first(fleet, product)


CHANGES: dict[str, Change] = {
    "the first is removed": _remove_first,
    "the last is removed": _remove_last,
    "more than a page is removed": _remove_many,
    "one joins at the front": _add_first,
    "one joins": _add_any,
    "two join and one leaves": _add_two_remove_one,
    "the first is removed and one joins at the end": _swap,
}


WORKERS = {2: "page by page", 32: "32 pages ahead"}


@pytest.fixture(params=list(WORKERS), ids=list(WORKERS.values()))
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many requests may be under way; with many, as behind a slow network, pages are fetched ahead."""
    monkeypatch.setattr(prefetch, "SLOW", -math.inf if request.param == 32 else math.inf)
    return int(request.param)


# How large the pages are: as asked for up to a cap, of the server's own size, or too small to overlap.
PAGE_SIZES = {
    "as asked": Switches(),
    "at most 10, uncounted": Switches(per_page_cap=10, total_records=False),
    "always 10": Switches(fixed_page_size=10),
    "at most 3": Switches(per_page_cap=3),
}


def _moving_cloud(switches: Switches | None = None, products: int = 1) -> DeviceCloud:
    size = FleetSize(products=products, devices=40, sims=40, days=0, user_devices=0, user_sims=0, samples=False)
    return DeviceCloud(Fleet.seeded(size), switches)


def _half(*several: Collection[Any]) -> list[Any]:
    """Combine values; every second combination is slow, so that each pair of values remains."""
    places = itertools.product(*(range(len(values)) for values in several))
    return [
        pytest.param(
            *(list(values)[number] for values, number in zip(several, place, strict=True)),
            marks=pytest.mark.slow if sum(place) % 2 else (),
        )
        for place in places
    ]


@pytest.mark.parametrize(
    ("change", "workers", "sizes"), _half(CHANGES, WORKERS, PAGE_SIZES), indirect=["workers"], ids=str
)
def test_devices_that_come_and_go_between_pages_cost_no_other_device(change: str, workers: int, sizes: str) -> None:
    """Read several products at once, each of which changes while another of its pages is read."""
    with _moving_cloud(PAGE_SIZES[sizes], products=PAGES) as cloud:
        for page, product in enumerate(cloud.fleet.product_ids, start=1):
            run = partial(CHANGES[change], cloud.fleet, product)
            cloud.faults.add(
                Fault(ROUTES["product_devices"], path=f"/v1/products/{product}/devices", page=page, run=run)
            )
        mark = cloud.ledger.mark()

        result = sync(with_token(cloud, num_workers=workers, product_devices={"per_page": 10}), "product_devices")

        assert not result.errors
        difference = cloud.ledger.compare("product_devices", {}, result.records["product_devices"], since=mark)
        assert not difference, f"{difference} of {cloud.fleet.product_ids}"


@pytest.mark.parametrize("page", range(1, PAGES + 1))
@pytest.mark.parametrize("add", [True, False])
def test_sims_that_come_and_go_between_pages_of_a_limited_read_cost_no_other_sim(
    add: bool, page: int, workers: int
) -> None:
    with _moving_cloud() as cloud:
        [product] = cloud.fleet.product_ids
        sims = cloud.fleet.rows("sims", product)
        first = next(iter(sims))

        def change() -> None:
            if add:
                new = "89000000000000000001"
                cloud.fleet.put("sims", new, {**sims[first], "_id": new}, product)
            else:
                cloud.fleet.remove("sims", first, product)

        cloud.faults.add(Fault(ROUTES["product_sims"], page=page, run=change))
        mark = cloud.ledger.mark()

        options = {"per_page": 10, "max_pages": 100}
        result = sync(with_token(cloud, num_workers=workers, product_sims=options), "product_sims")

        assert not result.errors
        difference = cloud.ledger.compare("product_sims", {}, result.records["product_sims"], since=mark)
        assert not difference, str(difference)


def test_a_list_that_keeps_changing_is_an_error_that_names_the_product() -> None:
    with _moving_cloud() as cloud:
        [product] = cloud.fleet.product_ids
        # One leaves before each page from the second on, so that no two replies agree.
        cloud.faults.add(
            Fault(ROUTES["product_devices"], at=2, times=None, run=lambda: _remove_last(cloud.fleet, product))
        )

        result = sync(with_token(cloud, product_devices={"per_page": 2}), "product_devices")

        assert "the list keeps changing" in result.errors
        assert str(product) in result.errors


def test_small_pages_overlap_by_pages_of_the_reversed_list() -> None:
    with _moving_cloud() as cloud:
        mark = cloud.ledger.mark()

        result = sync(with_token(cloud, product_devices={"per_page": 3}), "product_devices")

        assert not result.errors
        assert not cloud.ledger.compare("product_devices", {}, result.records["product_devices"], since=mark)
        requests = cloud.ledger.requests(ROUTES["product_devices"])
        # Pages of one to three devices end at every sixth; the last page of 40 ends elsewhere.
        assert sum(request.query["sortDir"] == "desc" for request in requests) == 6
        assert len(requests) < 2 * 40 / 3


def test_a_device_that_only_connects_is_no_change() -> None:
    with _moving_cloud(Switches(reorder=True)) as cloud:
        mark = cloud.ledger.mark()

        result = sync(with_token(cloud, product_devices={"per_page": 10}), "product_devices")

        assert not result.errors
        assert not cloud.ledger.compare("product_devices", {}, result.records["product_devices"], since=mark)
        requests = cloud.ledger.requests(ROUTES["product_devices"])
        assert len(requests) == len(list(windows_between(0, 40, 10)))


def test_sims_that_come_in_another_order_each_time_are_no_success() -> None:
    with _moving_cloud(Switches(sims_order="random")) as cloud:
        [product] = cloud.fleet.product_ids
        result = sync(with_token(cloud, product_sims={"per_page": 10}), "product_sims")

        assert "the list keeps changing" in result.errors
        assert str(product) in result.errors


def test_sims_that_are_on_two_pages_in_each_pass_are_no_success() -> None:
    """Two passes that agree prove nothing if both repeat some and so lack others."""
    with _moving_cloud() as cloud:
        sims = list(cloud.fleet.rows("sims", cloud.fleet.product_ids[0]).values())
        assert len(sims) > 30
        for number, start in enumerate((0, 5, 11), 1):
            page = {"sims": sims[start : start + 10], "meta": {"total_pages": 3}}
            cloud.faults.add(Fault(ROUTES["product_sims"], page=number, times=None, status=200, body=json.dumps(page)))

        result = sync(with_token(cloud, product_sims={"per_page": 10}), "product_sims")

        assert "repeats" in result.errors


def test_a_filter_makes_totals_of_no_account() -> None:
    """It is unknown whether the API counts the filtered or the whole list."""
    with _moving_cloud() as cloud:
        totals = {"meta": {"total_pages": 4, "total_records": 40}}
        for route in ROUTES.values():
            cloud.faults.add(
                Fault(route, times=None, change=lambda body: json.dumps({**json.loads(body), **totals}).encode())
            )
        device = next(iter(cloud.fleet.rows("devices", cloud.fleet.product_ids[0])))
        sim = next(iter(cloud.fleet.rows("sims", cloud.fleet.product_ids[0])))
        options: dict[str, dict[str, Any]] = {
            "product_devices": {"device_id": device, "per_page": 10},
            "product_sims": {"iccid": sim, "per_page": 10},
        }

        result = sync(with_token(cloud, **options), *options)

        assert not result.errors
        assert [record["id"] for record in result.records["product_devices"]] == [device]
        assert [record["iccid"] for record in result.records["product_sims"]] == [sim]


def test_a_product_that_is_deleted_while_it_is_read_is_skipped_and_named() -> None:
    size = FleetSize(products=2, devices=40, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        doomed = cloud.fleet.product_ids[1]
        cloud.faults.add(
            Fault(
                ROUTES["product_devices"],
                path=f"/v1/products/{doomed}/devices",
                run=lambda: cloud.fleet.delete_product(doomed),
            )
        )
        mark = cloud.ledger.mark()

        result = sync(with_token(cloud), "product_devices")

        assert not result.errors
        assert f"{doomed} (404)" in result.warnings
        assert not cloud.ledger.compare("product_devices", {}, result.records["product_devices"], since=mark)

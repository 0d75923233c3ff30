"""Recordings, fixtures and reference examples of the real API, as entities of the fleet.

Each file under `samples/` is a bare response body. Where one entity was seen in two forms (a list and a detail), the
second form lives in another product; where that is impossible, an identifier is changed (see the comments).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import account, devices
from .store import Scope, Store
from .stories import story

FOLDER = Path(__file__).with_name("samples")

_LAST_VITALS = "diagnostics__last__lte_m1_from_event"


def load(name: str) -> Any:
    """Return the body in `samples/<name>.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def fill(fleet: Store) -> None:
    """Add every sample to a fleet."""
    _products(fleet)
    _devices(fleet)
    _vitals(fleet)
    _sims(fleet)
    for user in (load("user__get__docs"), load("user__get__api_js_shape")):
        fleet.put("users", user["username"], user)
    for scope, name in ((None, "clients__list__real_2017"), (12_857, "product_clients__list__docs")):
        for client in load(name)["clients"]:
            fleet.put("clients", client["id"], client, scope)


def _products(fleet: Store) -> None:
    products = load("products__list__real_2018")["products"] + load("user_products__list__assembled")["products"]
    for product in load("org_products__list__assembled")["products"]:
        # The reference's two examples share one id and slug, which one list cannot.
        products.append({**product, "id": 12_858, "slug": "my-org-product-v100"})
    for product_id, platform in ((295, 13), (12_345, 12), (1_234, 10)):
        # The products that the sampled devices and SIMs name as their own; no recording shows them.
        record = account.product(product_id, wifi_only=platform not in devices.CELLULAR, in_org=False, device_count=2)
        products.append({**record, "id": product_id, "platform_id": platform, "slug": f"sampled-{product_id}"})
    for product in products:
        fleet.put("products", str(product["id"]), product)


def _devices(fleet: Store) -> None:
    placed: list[tuple[Scope, list[dict[str, Any]]]] = [
        (None, load("devices__list__real_2019")),
        (None, load("devices__list__cli_fixture_2020")),
        (None, load("devices__list__docs")),
        (None, [load("devices__get__docs")]),
        (234, [load("devices__get__cli_fixture_2020")]),
        (295, load("product_devices__list__docs")["devices"]),
        (12_345, load("product_devices__list__cli_fixture_2020")["devices"]),
        (12_857, [load("product_devices__get__cli_fixture_2020")]),
    ]
    for scope, records in placed:
        for record in records:
            fleet.put("devices", record["id"], record, scope)


def _vitals(fleet: Store) -> None:
    """Give vitals to the devices the samples name, within the last days: older ones would not be served."""
    history = load("diagnostics__history__docs")["diagnostics"]
    fleet.plan.fix(history[0]["deviceID"], history)
    last = load(_LAST_VITALS)["diagnostics"]
    rng = random.Random(_LAST_VITALS)
    boron = devices.build(rng, 0, fleet.now, 12_857, story(rng, 0)) | {"id": last["deviceID"]}
    fleet.put("devices", boron["id"], boron, 12_857)
    fleet.plan.fix(boron["id"], [last])
    payload: Mapping[str, Any] = {"payload": load("diagnostics__payload__docs_3g")}
    fleet.plan.fix(load("devices__get__cli_fixture_2020")["id"], [payload])
    fleet.plan.fix(load("devices__list__real_2019")[0]["id"], load("diagnostics__history__empty")["diagnostics"])


def _sims(fleet: Store) -> None:
    listed = load("sims__list__docs")["sims"][0]
    iccid = listed["_id"]
    fleet.put("sims", iccid, listed)
    fleet.put("sims", iccid, load("sim__get__docs"), 234)
    fleet.put("sims", iccid, load("product_sims__list__docs")["sims"][0], 1_234)
    fleet.put("usage", iccid, load("sim__data_usage__docs"))
    # The other forms of data usage were seen for the same ICCID; here they belong to the next two.
    empty, legacy = (str(int(iccid) + step) for step in (1, 2))
    for other in (empty, legacy):
        fleet.put("sims", other, {**listed, "_id": other})
    fleet.put("usage", empty, {**load("sim__data_usage__empty"), "iccid": empty})
    fleet.put("usage", legacy, load("sim__data_usage__legacy_array"))
    fleet.put("fleet_usage", "1234", load("product_sims__fleet_data_usage__docs"))

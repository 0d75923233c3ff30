"""The fleet: every sample, every field and every awkward form is there; it is deterministic and can be changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from integration_tests.device_cloud.clock import TIME_FORMS, parse_iso
from integration_tests.device_cloud.samples import FOLDER, load
from integration_tests.device_cloud.tests.client import FIRST, get, ids

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=timezone.utc)
FLEET = Fleet.seeded(seed=7, now=NOW)


def rows(collection: str) -> list[Mapping[str, Any]]:
    """Return all rows of a collection, the user's and the products'."""
    return [row for scope in FLEET.scopes(collection) for row in FLEET.rows(collection, scope).values()]


DEVICES = rows("devices")
SIMS = rows("sims")
USAGES = [FLEET.usage(iccid) for scope in FLEET.scopes("sims") for iccid in FLEET.rows("sims", scope)]
VITALS = [vital.record for device in {row["id"] for row in DEVICES} for vital in FLEET.vitals(device)]


# fields


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each leaf that has a value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path


DEVICE_FIELDS = """id name owner user_id customer_id last_ip_address last_heard last_handshake_at product_id platform_id
    online connected cellular notes functions variables.temperature status serial_number iccid imei last_iccid mac_wifi
    mobile_secret system_firmware_version current_build_target default_build_target pinned_build_target last_app
    firmware_updates_enabled firmware_updates_forced firmware_product_id firmware_version desired_firmware_version
    targeted_firmware_release_version groups development quarantined denied device_protection.status network.id
    network.name network.type network.role.gateway network.role.state cc3000_patch_version"""
PRODUCT_FIELDS = """id platform_id name slug description subscription_id user org organization_id groups
    settings.known_application.opt_in settings.quarantine device_protection mb_limit device_count type hardware_version
    config_id organization requires_activation_codes"""
SIM_FIELDS = """_id iccid status activations_count deactivations_count base_country_code base_monthly_rate
    overage_monthly_rate first_activated_on last_activated_on last_activated_via last_status_change_action
    last_status_change_action_error last_status_change_action_on state_change_in_progress mb_limit msisdn
    stripe_plan_slug updated_at user_id product_id carrier last_device_id last_device_name owner"""
USER_FIELDS = """username subscription_ids account_info.first_name account_info.last_name account_info.business_account
    account_info.company_name mfa.enabled scim_provisioned no_password wifi_device_count cellular_device_count tos
    memberships team_invites"""
CLIENT_FIELDS = "id name type redirect_uri product_id secret client_secret"
VITALS_FIELDS = """network.cellular.radio_access_technology network.cellular.operator
    network.cellular.cell_global_identity.mobile_country_code network.cellular.cell_global_identity.mobile_network_code
    network.cellular.cell_global_identity.location_area_code network.cellular.cell_global_identity.cell_id
    network.signal.at network.signal.strength network.signal.strength_units network.signal.strengthv
    network.signal.strengthv_units network.signal.strengthv_type network.signal.quality network.signal.quality_units
    network.signal.qualityv network.signal.qualityv_units network.signal.qualityv_type network.signal.rssi
    network.connection.status network.connection.error network.connection.disconnects network.connection.attempts
    network.connection.disconnect_reason network.connection.disconnect cloud.connection.status cloud.connection.error
    cloud.connection.attempts cloud.connection.disconnects cloud.connection.disconnect_reason
    cloud.connection.disconnect cloud.disconnects cloud.coap.transmit cloud.coap.retransmit cloud.coap.unack
    cloud.coap.round_trip cloud.publish.rate_limited power.battery.charge power.battery.state power.source system.uptime
    system.memory.used system.memory.total system.version system.panic.code"""
SERVICE_FIELDS = "device.status cloud.uptime cloud.publish.sent coap.round_trip"


@pytest.mark.parametrize(
    ("fields", "records"),
    [
        (DEVICE_FIELDS, DEVICES),
        (PRODUCT_FIELDS, rows("products")),
        (SIM_FIELDS, SIMS),
        (USER_FIELDS, rows("users")),
        (CLIENT_FIELDS, rows("clients")),
        (VITALS_FIELDS, [record["payload"]["device"] for record in VITALS]),
        (SERVICE_FIELDS, [record["payload"]["service"] for record in VITALS]),
    ],
    ids=["devices", "products", "sims", "user", "clients", "vitals", "service"],
)
def test_every_field_of_the_api_has_a_value_somewhere(fields: str, records: list[Mapping[str, Any]]) -> None:
    filled = {path for record in records for path in paths(record)}
    assert set(fields.split()) <= filled


# samples


def entities(body: Any) -> list[Any]:
    """Return what a sample's body lists, or the one it is."""
    if isinstance(body, Mapping):
        for name in ("devices", "products", "sims", "organizations", "clients", "diagnostics"):
            if name in body:
                found = body[name]
                return found if isinstance(found, list) else [found]
        return [body]
    return list(body)


CHANGED = {"org_products__list__assembled": ("id", "slug"), "sim__data_usage__empty": ("iccid",)}
"""What a sample's entity has in the fleet another value of, as the sample's own is taken."""


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_sample_is_in_the_fleet(name: str) -> None:
    if name.startswith("diagnostics__"):
        held = [record["payload"] for record in VITALS]
        body = load(name)
        wanted = [body] if name.startswith("diagnostics__payload") else [row["payload"] for row in entities(body)]
    else:
        everything = ["devices", "products", "sims", "orgs", "users", "clients"]
        held = [row for collection in everything for row in rows(collection)] + USAGES + [FLEET.fleet_usage(1_234)]
        body = load(name)
        wanted = [body] if "data_usage" in name else entities(body)
    hidden = CHANGED.get(name, ())
    for entity in wanted:
        assert without(entity, hidden) in [without(row, hidden) for row in held]


def without(row: Any, names: tuple[str, ...]) -> Any:
    """Return a row without some of its keys."""
    return {key: value for key, value in row.items() if key not in names} if isinstance(row, Mapping) else row


def test_sampled_vitals_are_recent_enough_to_be_served() -> None:
    for device in ("0123456789abcdef01234567", "e00fce68000000000000dcc9"):
        assert FLEET.vitals(device)
        assert all(NOW - timedelta(days=30) < vital.moment < NOW for vital in FLEET.vitals(device))


# awkward forms


def device(**wanted: Any) -> bool:
    """Return whether a device has these values; `...` stands for a missing key."""
    return any(all(row.get(key, ...) == value for key, value in wanted.items()) for row in DEVICES)


def payload_texts() -> list[str]:
    """Return all payloads as text."""
    return [json.dumps(record["payload"]) for record in VITALS]


AWKWARD_DEVICES: list[dict[str, Any]] = [
    {"last_heard": None, "last_handshake_at": None},
    {"last_heard": ..., "last_handshake_at": ...},
    {"last_heard": ..., "online": True},
    {"notes": None},
    {"notes": ""},
    {"notes": ...},
    {"name": None},
    {"name": ...},
    {"quarantined": True, "name": ..., "groups": ..., "firmware_version": ..., "product_id": 13},
    {"iccid": ..., "imei": ..., "platform_id": 32},
    {"firmware_version": "3"},
    {"firmware_version": ..., "quarantined": False},
    {"connected": True, "online": ...},
    {"online": True, "connected": ...},
    {"functions": None, "variables": None},
    {"variables": {}},
    {"network": {}},
    {"device_protection": {}},
    {"last_app": ""},
    {"last_app": None},
    {"owner": None},
    {"targeted_firmware_release_version": None},
    {"desired_firmware_version": None},
    {"desired_firmware_version": 17},
    {"status": "safe_mode"},
    {"last_rssi": -71},
    {"name": "Kühlraum 🌡️ №7"},
]


@pytest.mark.parametrize("wanted", AWKWARD_DEVICES, ids=str)
def test_awkward_devices_are_there(wanted: dict[str, Any]) -> None:
    assert device(**wanted)
    assert not device(**wanted, id="no such device")


def test_times_come_in_six_forms_on_devices_and_sims() -> None:
    shapes = {re.sub(r"\d", "0", form(NOW + timedelta(microseconds=123_456))) for form in TIME_FORMS}
    assert len(shapes) == 6
    for values in ([row.get("last_heard") for row in DEVICES], [row["updated_at"] for row in SIMS]):
        assert shapes <= {re.sub(r"\d", "0", value).replace("+", "-") for value in values if value}


def test_vitals_are_stamped_in_three_iso_forms_mostly_with_milliseconds() -> None:
    lengths = [len(record["updated_at"]) for record in VITALS]
    assert set(lengths) == {20, 24, 27}
    assert lengths.count(24) > len(lengths) / 2
    assert all(parse_iso(record["updated_at"]) for record in VITALS)


def test_awkward_sims_are_there() -> None:
    assert any("iccid" in row and "_id" not in row for row in SIMS)
    assert any("last_device_id" not in row for row in SIMS)
    assert any(row.get("last_device_id", "") is None for row in SIMS)
    assert any(row.get("first_activated_on", "") is None for row in SIMS)
    assert any("first_activated_on" not in row for row in SIMS)
    assert {len(row.get("_id", row.get("iccid"))) for row in SIMS} == {19, 20}
    assert {type(row["product_id"]) for row in SIMS if "product_id" in row} == {int, str}


def test_awkward_data_usages_are_there() -> None:
    assert any(isinstance(body, list) for body in USAGES)
    assert any(isinstance(body, dict) and body.get("usage_by_day") == [] for body in USAGES)
    assert any(isinstance(body, dict) and "usage_by_day" not in body for body in USAGES)
    assert any(isinstance(body, dict) and "quota" in body for body in USAGES)
    values = [
        day["mbs_used"] for body in USAGES for day in (body if isinstance(body, list) else body.get("usage_by_day", []))
    ]
    assert {type(value) for value in values} == {int, float}


def test_awkward_vitals_are_there() -> None:
    devices = [record["payload"]["device"] for record in VITALS]
    signals = [part["network"]["signal"] for part in devices]
    assert any(part.get("power", {}).get("battery", {}).get("charge") == {"err": -210} for part in devices)
    assert any(isinstance(signal["strength"], dict) for signal in signals) or any(
        isinstance(part["system"]["uptime"], dict) for part in devices
    )
    assert any("power" not in part and "cellular" not in part["network"] for part in devices)
    assert any(part.get("power") == {} for part in devices)
    assert any("connection" not in part["network"] for part in devices)
    assert any(isinstance(signal["at"], int) and isinstance(signal["rssi"], int) for signal in signals)
    assert any(part["network"].get("connection", {}).get("status") == 4 for part in devices)
    assert {type(signal["strength"]) for signal in signals} >= {int, float}
    assert any('"mobile_network_code": "07"' in text for text in payload_texts())
    cells = [part["network"].get("cellular", {}).get("cell_global_identity", {}).get("cell_id", 0) for part in devices]
    assert max(cells) >= 1 << 27
    assert any("location" in part for part in devices)


def test_awkward_users_and_clients_are_there() -> None:
    assert any(user["account_info"] == {} for user in rows("users"))
    assert {client["type"] for client in rows("clients")} == {"installed", "web"}


def test_two_devices_publish_vitals_in_the_same_millisecond() -> None:
    moments = [record["updated_at"] for record in VITALS]
    assert len(set(moments)) < len(moments)


def test_devices_and_products_overlap() -> None:
    first, second = (set(FLEET.rows("devices", product)) for product in FLEET.product_ids[:2])
    own = set(FLEET.rows("devices"))
    assert len(first & second) == 1
    assert len(own & first) == 1
    members = set().union(*(FLEET.rows("devices", scope) for scope in FLEET.scopes("devices") if scope))
    assert any(FLEET.vitals(device_id) for device_id in own - members)


# size and seed


def test_the_same_seed_is_the_same_fleet_and_another_is_not() -> None:
    def all_of(fleet: Fleet) -> list[Any]:
        scopes = fleet.scopes("devices")
        devices = [fleet.rows("devices", scope) for scope in scopes]
        return [devices, [fleet.rows("sims", scope) for scope in scopes], [fleet.vitals(key) for key in devices[0]]]

    assert all_of(Fleet.seeded(seed=7, now=NOW)) == all_of(FLEET)
    assert all_of(Fleet.seeded(seed=8, now=NOW)) != all_of(FLEET)


def test_a_fleet_has_the_size_asked_for() -> None:
    size = FleetSize(
        products=2, devices=10_300, sims=7, days=3, vitals_per_day=5, user_devices=4, user_sims=3, samples=False
    )
    fleet = Fleet.seeded(size)
    assert fleet.product_ids == [20_001, 20_002]
    assert len(fleet.rows("devices", 20_001)) == 10_300
    assert len(fleet.rows("sims", 20_001)) == 7
    assert len(fleet.rows("sims")) == 3
    assert len(fleet.rows("devices")) == 5  # four of their own and one that is in a product too
    assert len(fleet.vitals(next(iter(fleet.rows("devices", 20_001))))) == 15


@pytest.mark.parametrize("days", [-1, 30])
def test_days_of_vitals_stay_within_what_the_api_serves(days: int) -> None:
    with pytest.raises(ValueError, match="days must be between 0 and 29"):
        FleetSize(days=days)


# changes


def test_the_fleet_can_change_while_it_is_served() -> None:
    with DeviceCloud() as cloud:
        fleet, path = cloud.fleet, f"{FIRST}/devices"

        def listed() -> list[str]:
            return ids(get(cloud, path, per_page=100))

        before = listed()
        added = fleet.add_device(20_001)
        assert set(listed()) == {*before, added}
        fleet.touch(before[-1], 20_001)
        assert listed()[0] == before[-1]
        fleet.remove_device(added, 20_001)
        assert set(listed()) == set(before)
        fleet.add_device(record={"id": "named by the test"})
        assert "named by the test" in [row["id"] for row in get(cloud, "/v1/devices").json()]
        fleet.delete_product(20_001)
        assert get(cloud, path).status_code == 404


def test_vitals_can_be_added_at_any_moment() -> None:
    with DeviceCloud() as cloud:
        own = next(iter(cloud.fleet.rows("devices")))
        record = cloud.fleet.add_vitals(own)
        assert get(cloud, f"/v1/diagnostics/{own}").json()["diagnostics"][0] == record
        cloud.fleet.add_vitals(own, record={"updated_at": "2020-01-01T00:00:00Z", "deviceID": own, "payload": {}})
        assert get(cloud, f"/v1/diagnostics/{own}").json()["diagnostics"][-1]["payload"] == {}
        with pytest.raises(ValueError, match="must be ISO 8601"):
            cloud.fleet.add_vitals(own, record={"updated_at": "now"})


def test_what_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(KeyError):
        Fleet.seeded().remove_device("unknown", 20_001)

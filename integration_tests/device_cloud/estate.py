"""What an account holds beside devices and SIMs: firmware, groups, teams, integrations, ledgers, agreements, Logic.

The rows of an owner: a product's lie under its integer id, the user's under None, an organization's under `org_scope`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import account
from .clock import iso_ms, iso_us
from .devices import GROUPS

if TYPE_CHECKING:
    from .store import Scope, Store

Row = dict[str, Any]

LEDGER_DEVICES = 5
VERSIONS = 4
NOTHING_SET = "404"
"""Stands for a configuration that was never set."""


def org_scope(slug: str) -> str:
    """Return where the rows of an organization lie."""
    return f"org:{slug}"


def ledger_scope(owner: Scope, name: str) -> str:
    """Return where the instances of a ledger lie."""
    return f"ledger:{owner}:{name}"


def instance_scope(owner: Scope, name: str, value: str) -> str:
    """Return where the earlier versions of an instance lie."""
    return f"instance:{owner}:{name}:{value}"


def fill(fleet: Store, secret: str) -> None:
    """Add all of it; `secret` is a value that no reader may pass on."""
    rng = random.Random(f"{fleet.seed}:estate")
    org = org_scope(account.ORG["slug"])
    for product in fleet.product_ids:
        _of_product(fleet, product, rng, secret)
    for member in _team(None):
        fleet.put("team", member["username"], member, org)
    for number, row in enumerate(_integrations(fleet.now, "user", secret)):
        fleet.put("integrations", str(number), row)
    owners: list[Scope] = [None, org, *fleet.product_ids[:1]]
    for owner in owners:
        _ledgers(fleet, owner)
    for number, agreement_owner in enumerate(owners[:2], start=1):
        _agreement(fleet, agreement_owner, str(number))
        _logic(fleet, agreement_owner, rng)


def _of_product(fleet: Store, product: int, rng: random.Random, secret: str) -> None:
    devices = list(fleet.rows("devices", product).values())
    for version in range(1, 6):
        fleet.put("firmware", str(version), _firmware(fleet.now, product, version, len(devices), rng), product)
    for number, name in enumerate(GROUPS):
        group = {"name": name, "description": f"Devices in {name}", "color": "#34495e"}
        fleet.put("groups", name, group | ({"fw_version": 4} if number == 0 else {}), product)
    for number, device in enumerate(devices[:7]):
        customer = {
            "id": f"{product}abc{number:04}",
            "full_name": "" if number % 2 else "A Customer",
            "username": f"customer-{number}@example.com",
            "devices": [device["id"]] if number % 3 else [],
        }
        fleet.put("customers", str(customer["id"]), customer, product)
    for member in _team(product):
        fleet.put("team", member["username"], member, product)
    for number, row in enumerate(_integrations(fleet.now, str(product), secret)):
        fleet.put("integrations", str(number), row, product)
    for number, device in enumerate(devices[:12]):
        fleet.put("configuration", device["id"], _configuration(number), product)


def _firmware(now: datetime, product: int, version: int, devices: int, rng: random.Random) -> Row:
    uploaded = now - timedelta(days=400 - 70 * version)
    row: Row = {
        "_id": f"{product:08x}{version:016x}",
        "version": version,
        "title": f"Release {version}",
        "description": "" if version % 2 else "Fixes and a quicker start",
        "name": "firmware.bin",
        "size": 7_952 + 1_024 * version,
        "product_default": version == 4,
        "uploaded_on": iso_ms(uploaded),
        "product_id": product,
        "uploaded_by": {} if version == 1 else {"username": account.OWNER},
        "groups": ["field-test"] if version == 5 else [],
        "device_count": (devices * (0, 1, 4, 12, 70, 13)[version]) // 100,
    }
    return row | ({"updated_at": iso_ms(uploaded + timedelta(days=rng.randrange(5)))} if version > 2 else {})


def _team(product: int | None) -> list[Row]:
    person = {
        "_id": "7" * 24,
        "username": account.OWNER,
        "role": {"id": "8" * 24, "name": "Administrator"},
        "no_mfa": True,
        "scim_provisioned": False,
        "no_password": False,
    }
    robot = {
        "username": f"warehouse+{product or 'org'}@api.particle.io",
        "friendly_name": "warehouse",
        "scopes": ["devices:list", "sims:list"],
        "is_programmatic": True,
        "product_id": product,
    }
    return [person, robot]


def _integrations(now: datetime, owner: str, secret: str) -> list[Row]:
    created = iso_ms(now - timedelta(days=90))
    plain = {
        "id": f"{owner}-hook-1",
        "event": "temperature",
        "created_at": created,
        "integration_type": "Webhook",
        "url": "https://hooks.example.com/temperature",
        "requestType": "POST",
    }
    keys = {
        "id": f"{owner}-hook-2",
        "event": "alarm",
        "name": "alarms",
        "created_at": created,
        "integration_type": "Webhook",
        "url": f"https://hooks.example.com/alarm?key={secret}&site=north",
        "requestType": "POST",
        "headers": {"X-Key": secret},
        "auth": {"username": "hook", "password": secret},
        "form": {"code": secret},
        "json": {"nested": {"code": secret}},
        "query": {"key": secret},
        "noDefaults": True,
        "rejectUnauthorized": True,
        "disabled": False,
    }
    cloud = {
        "id": f"{owner}-pubsub",
        "event": "",
        "created_at": created,
        "integration_type": "GoogleCloudPubSub",
        "topic": "projects/example/topics/particle",
        "disabled": True,
    }
    return [plain, keys, cloud]


def _configuration(number: int) -> Any:
    if number % 4 == 3:
        return NOTHING_SET
    current = {"location": {"radius": 10.5, "interval_min": 30, "interval_max": 300, "min_publish": False}}
    pending = {"location": {**current["location"], "radius": 50}} if number % 4 == 1 else {}
    return {"current": current if number % 4 != 2 else {}, "pending": pending}


def _ledgers(fleet: Store, owner: Scope) -> None:
    created = fleet.now - timedelta(days=60)
    for name, scope, direction, description in (
        ("sensor-readings", "Device", "Upstream", "What each device measured last"),
        ("site-settings", "Owner" if not isinstance(owner, int) else "Product", "Downstream", ""),
    ):
        ledger = {
            "scope": scope,
            "name": name,
            "description": description,
            "direction": direction,
            "updated_at": iso_us(fleet.now - timedelta(hours=2)),
            "created_at": iso_us(created),
            "archived_at": None,
        }
        fleet.put("ledgers", name, ledger, owner)
        for scoped_to, groups in _scope_values(fleet, owner, scope):
            _instance(fleet, owner, name, scoped_to, groups)


def _scope_values(fleet: Store, owner: Scope, scope: str) -> Iterator[tuple[Row, Sequence[str | None]]]:
    """Yield whose data an instance holds, and the groups that it is in; one has an unknown group."""
    if scope != "Device":
        yield {"type": scope, "value": str(owner or "5" * 24)}, ()
        return
    rows = fleet.rows("devices", owner if isinstance(owner, int) else None)
    for number, device in enumerate(list(rows.values())[:LEDGER_DEVICES]):
        named = {"name": device["name"]} if device.get("name") else {}
        groups = device.get("groups") or []
        yield {"type": scope, "value": device["id"]} | named, [*groups, None] if number == 0 else groups


def _instance(fleet: Store, owner: Scope, name: str, scope: Row, groups: Sequence[str | None]) -> None:
    value = scope["value"]
    rng = random.Random(f"{fleet.seed}:{owner}:{name}:{value}")
    created = fleet.now - timedelta(days=50)
    moments = [fleet.now - timedelta(hours=3 + 20 * age, milliseconds=rng.randrange(1000)) for age in range(VERSIONS)]
    data = [_reading(groups, rng) if scope["type"] == "Device" else _settings(age) for age in range(VERSIONS)]

    def row(age: int) -> Row:
        common = {"name": name, "scope": scope, "size_bytes": len(json.dumps(data[age])), "data": data[age]}
        return common | {"updated_at": iso_us(moments[age]), "created_at": iso_us(created)}

    fleet.put("instances", value, row(0), ledger_scope(owner, name))
    for age in range(1, VERSIONS):
        version = row(age) | {"replaced_at": iso_us(moments[age - 1])}
        fleet.put("versions", version["replaced_at"], version, instance_scope(owner, name, value))


def _reading(groups: Sequence[str | None], rng: random.Random) -> Row:
    degrees = round(rng.uniform(18, 25), 1)
    return {"temp": degrees, "ok": degrees < 24.5, "site": {"tags": list(groups)}}


def _settings(age: int) -> Row:
    return {"report_minutes": 30 * (age + 1), "alarm": {"above": 24.5, "notify": ["operations"]}}


def _agreement(fleet: Store, owner: Scope, number: str) -> None:
    usage = {"owned_devices": 45, "billable_devices": 40, "device_data": 12, "device_messages": 1_234}
    attributes = {
        "owner_id": "a" * 24 if owner else "5" * 24,
        "owner_type": "organization" if owner else "individual",
        "name": "Our agreement",
        "agreement_type": "enterprise" if owner else "developer",
        "duration": "annual",
        "state": "active",
        "starts_on": "2026-01-01",
        "ends_on": None,
        "current_billing_period_start": f"{fleet.now:%Y-%m}-01",
        "current_billing_period_end": f"{fleet.now:%Y-%m}-28",
        "next_billing_period_start": f"{fleet.now:%Y-%m}-28",
        "current_usage_summary": {
            "device_limit_reached": False,
            "connectivity": {"all": usage, "wifi": {**usage, "device_data": None}, "cellular": usage},
        },
        "pricing_terms": {"messaging": {"max_messages": 720_000}},
    }
    row = {"id": number, "type": "service_agreement", "attributes": attributes}
    fleet.put("agreements", number, row, owner)
    for index in range(3):
        notice_id = f"{number}{index}e25e4e-7457-4c3c-8f6e-c9d6dfc01110"[:36]
        notice = {
            "id": notice_id,
            "type": "notification",
            "attributes": {
                "state": "completed",
                "event_name": "developer:usage_activity:automatic_unpause",
                "time_period": f"{fleet.now:%Y-%m}-0{index + 1}",
                "created_at": f"{fleet.now:%Y-%m}-0{index + 1} 00:01:00 -0800",
                "resource_id": number,
                "resource_type": "ServiceAgreement",
                "details": {"event_type": "automatic_unpause", "hierarchy_info": {"priority": 7}},
            },
        }
        fleet.put("notifications", notice_id, notice, f"agreement:{number}")


def _logic(fleet: Store, owner: Scope, rng: random.Random) -> None:
    owner_id = f"{'org' if owner else 'user'}:{'a' * 24 if owner else '5' * 24}"
    for number in range(2):
        identity = f"{rng.getrandbits(32):08x}-64ee-416d-83f3-898aa909fb1b"
        made = iso_us(fleet.now - timedelta(days=30 + number, microseconds=58))
        trigger = {"type": "Event", "id": f"{identity[:8]}-trigger", "enabled": True, "event_name": "temperature"}
        function = {
            "id": identity,
            "owner_id": owner_id,
            "version": number + 1,
            "enabled": number == 0,
            "name": f"function-{number}",
            "description": "Watches the temperature",
            "template_slug": None,
            "source": {"type": "JavaScript", "code": "export default function main({ event }) {}"},
            "created_at": made,
            "updated_at": made,
            "created_by": "user:" + "5" * 24,
            "updated_by": "user:" + "5" * 24,
            "logic_triggers": [trigger | {"logic_function_id": identity, "product_id": account.FIRST_PRODUCT}],
        }
        fleet.put("functions", identity, function, owner)
        for run in range(3 * (1 - number)):
            started = fleet.now - timedelta(hours=5 + run)
            row = {
                "id": f"{run:08}-{identity[:8]}",
                "owner_id": owner_id,
                "logic_function_id": identity,
                "logic_trigger_type": "Event",
                "logic_trigger_id": trigger["id"],
                "status": ("Success", "Failure", "Timeout")[run],
                "started_at": iso_us(started),
                "finished_at": None if run == 2 else iso_us(started + timedelta(milliseconds=87)),
                "log_filename": None,
            }
            fleet.put("runs", str(row["id"]), row, f"function:{identity}")


def without_secrets(integration: Mapping[str, Any]) -> Row:
    """Return an integration as a reader may pass it on: no query in its address, none of the parts that hold keys."""
    hidden = ("headers", "auth", "form", "json", "query")
    shown = {name: value for name, value in integration.items() if name not in hidden}
    if "url" in shown:
        shown["url"] = str(shown["url"]).partition("?")[0]
    return shown

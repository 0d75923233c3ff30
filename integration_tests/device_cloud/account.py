"""Products, the user and OAuth clients of a seeded fleet."""

from __future__ import annotations

from typing import Any

from .devices import GROUPS

FIRST_PRODUCT = 20_001
ORG = {"id": "a" * 24, "slug": "my-org", "name": "My Org"}
OWNER = "owner@example.com"
MFA_USER = "testuser@example.com"

_NAMES = ("Cold Rooms", "Air Quality", "Überwachung 🛰️", "Pump Stations")

_SETTINGS: tuple[dict[str, Any], ...] = (
    {"location": {}, "known_application": {"opt_in": True}, "quarantine": False},
    {"quarantine": True},
    {},
)


def product(index: int, *, wifi_only: bool, in_org: bool, device_count: int) -> dict[str, Any]:
    """Return the n-th product; an org's product names its org in place of a user."""
    record: dict[str, Any] = {
        "id": FIRST_PRODUCT + index,
        "platform_id": 32 if wifi_only else 13,
        "name": _NAMES[index] if index < len(_NAMES) else f"Fleet {index}",
        "slug": f"fleet-{index}-v100",
        "description": "",
        "subscription_id": 11_111 + index,
        "groups": list(GROUPS),
        "settings": _SETTINGS[index % len(_SETTINGS)],
        "device_protection": "disabled",
        "mb_limit": (None, 25)[index % 2],
        "device_count": device_count,
    }
    if in_org:
        return record | {"org": ORG["slug"], "organization_id": ORG["id"]}
    return record | {"user": OWNER}


def users() -> list[dict[str, Any]]:
    """Return the accounts: the owner with every field, one behind a second factor, one that is almost empty."""
    profile = {"first_name": "Fleet", "last_name": "Owner", "business_account": True, "company_name": "Example Ltd"}
    owner: dict[str, Any] = {
        "username": OWNER,
        "subscription_ids": [11_111, "11112"],
        "account_info": profile,
        "mfa": {"enabled": False},
        "scim_provisioned": False,
        "no_password": False,
        "wifi_device_count": 3,
        "cellular_device_count": 2,
        "tos": 1,
        "memberships": [{"org": ORG["slug"], "role": "administrator"}],
        "team_invites": [],
        "beta_features": {"env_vars": True},
    }
    second_factor = {"username": MFA_USER, "account_info": profile, "mfa": {"enabled": True}}
    return [owner, second_factor, {"username": "empty@example.com", "account_info": {}, "mfa": {}}]


def clients(secret: str) -> list[dict[str, Any]]:
    """Return the user's OAuth clients; two leak a secret, as the replies to create and update do."""
    redirect = "https://example.com"
    return [
        {"name": "Mobile App", "type": "installed", "id": "mobile-app-1234"},
        {"name": "Küche 🍳", "type": "web", "redirect_uri": redirect, "id": "kueche-77", "product_id": FIRST_PRODUCT},
        {"name": "created", "type": "web", "redirect_uri": redirect, "id": "created-78", "secret": secret},
        {"name": "updated", "type": "installed", "id": "updated-79", "client_secret": secret},
    ]

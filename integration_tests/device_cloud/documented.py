"""Values as the documentation of the source promises them, worked out apart from the source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

_FORMS = ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S %z")
TIMES = {
    "last_heard",
    "last_handshake_at",
    "first_activated_on",
    "last_activated_on",
    "last_status_change_action_on",
    "updated_at",
    "uploaded_on",
    "created_at",
    "archived_at",
    "replaced_at",
    "started_at",
    "finished_at",
    "timestamp",
    "time",
}
"""Fields that hold a time, in any table."""

_VERSIONS = {"firmware_version", "desired_firmware_version", "targeted_firmware_release_version"}
_OF_SIMS = {"product_id", "base_monthly_rate", "deactivations_count"}
INTEGERS: Mapping[str, set[str]] = {
    "devices": _VERSIONS,
    "product_devices": _VERSIONS,
    "products": {"id", "latest_firmware_version"},
    "sims": _OF_SIMS,
    "product_sims": _OF_SIMS,
}
"""Columns of whole numbers that the API sends as text, too."""


def documented(table: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of a table with its times in RFC 3339 and its numbers as numbers."""
    return {name: _documented(table, name, value) for name, value in record.items()}


def _documented(table: str, name: str, value: Any) -> Any:
    if isinstance(value, dict) and name == "attributes":
        return documented(table, value)
    if not isinstance(value, str):
        return value
    if name in TIMES and re.search(r"\d:\d", value):
        return _rfc3339(value)
    if name in INTEGERS.get(table, ()) and value.isdecimal() and str(int(value)) == value:
        return int(value)
    return value


def _rfc3339(text: str) -> str:
    for form in _FORMS:
        with suppress(ValueError):
            moment = datetime.strptime(text, form).astimezone(timezone.utc)
            digits = re.findall(r"\.(\d+)", text) or [""]
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{digits[0].ljust(3, '0')}Z"
    return text

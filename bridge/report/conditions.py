"""Conditions of `report --fail-if`: SQL over the numbers of the summary, as `silent > 10`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bridge.errors import OptionError, quoted
from bridge.models.definitions import LISTS, SIM_LISTS
from bridge.report.parts import SUMMARY, VITALS, Groups, lacking

if TYPE_CHECKING:
    from bridge.models.lake import Lake

MEASURES = f"""
SELECT * REPLACE (100.0 * online / NULLIF(devices, 0) AS online_percent)
FROM ({SUMMARY}) AS of_devices
CROSS JOIN (
  SELECT
    COUNT(CASE WHEN is_at_limit THEN 1 END) AS sims_at_limit,
    COUNT(CASE WHEN is_stopped THEN 1 END) AS sims_stopped
  FROM sim_usage
) AS of_sims
CROSS JOIN (SELECT EPOCH(CAST(NOW() AS TIMESTAMP) - moment) / 3600 AS hours_since_sync FROM as_of) AS of_sync
CROSS JOIN last_sync"""  # noqa: S608  (our own queries)

NEEDS: Mapping[str, Groups] = {
    **dict.fromkeys(("devices", "products", "without_product", "online", "online_percent"), (LISTS,)),
    **dict.fromkeys(("silent", "silent_online", "never_heard"), (LISTS,)),
    **dict.fromkeys(("behind", "newer"), (("product_devices",),)),
    **dict.fromkeys(("with_battery", "battery_low", "battery_low_old"), (LISTS, VITALS)),
    **dict.fromkeys(("with_signal", "signal_weak", "signal_weak_old"), (LISTS, VITALS)),
    "sims_at_limit": (SIM_LISTS, ("sim_data_usage",)),
    "sims_stopped": (SIM_LISTS,),
    "hours_since_sync": (),
    "unwritten_tables": (),
}
"""The tables that a number needs: without them, 0 would look like good news."""


def conditions_met(lake: Lake, conditions: Iterable[str]) -> list[str]:
    """Return those conditions that are true of the fleet.

    Raises OptionError, with the names that a condition may use, for one that DuckDB cannot evaluate or that is neither
    true nor false, and for one about a table that is not there.
    """
    # By default, a division by zero gives infinity, which is more than any limit. Without IEEE's rules it is an error
    # (before DuckDB 2: NULL).
    lake.connection.execute("SET ieee_floating_point_ops = false")
    return [condition for condition in conditions if _is_met(lake, condition)]


def _is_met(lake: Lake, condition: str) -> bool:
    import duckdb  # noqa: PLC0415  (so that the command line starts fast)

    # A line of its own, so that a comment at its end cannot take what follows with it.
    query = f"SELECT value, TYPEOF(value) FROM (SELECT (\n{condition}\n) AS value FROM ({MEASURES}))"  # noqa: S608  (the user's own query of own files)
    try:
        found = lake.connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise _not_understood(lake, condition, str(error).split("\n")[0]) from None
    if len(found) != 1:
        raise _not_understood(lake, condition, "It has several values.")
    [(is_met, kind)] = found
    if kind != "BOOLEAN":
        raise _not_understood(lake, condition, "It is neither true nor false.")
    _check_known(lake, condition)
    return bool(is_met)


def _not_understood(lake: Lake, condition: str, problem: str) -> OptionError:
    names = ", ".join(column[0] for column in lake.connection.execute(MEASURES).description or ())
    return OptionError(
        f"Received {quoted(condition)} for --fail-if; expected a condition like 'silent > 10', with the numbers "
        f"{names}. {problem}"
    )


def _check_known(lake: Lake, condition: str) -> None:
    for name in re.findall(r"\w+", condition.lower()):
        if missing := lacking(NEEDS.get(name, ()), lake.synced, lake.path):
            raise OptionError(
                f"Received {quoted(condition)} for --fail-if, but {name} is not known: {', and '.join(missing)}. Sync "
                "that, too."
            )

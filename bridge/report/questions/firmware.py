"""Which firmware runs where, and which devices are behind."""

from collections.abc import Mapping
from typing import Any

from bridge.report import charts
from bridge.report.charts import SECOND, STEPS, UNKNOWN
from bridge.report.parts import SUMMARY, Chart, Listing, Question, Tile

COLORS = {
    "newer": SECOND,
    **dict(zip(("up to date", "1 behind", "2 behind", "3 or more"), STEPS, strict=True)),
    "unknown": UNKNOWN,
}


def _color(row: Mapping[str, Any]) -> str:
    if row["is_newer"]:
        return SECOND
    return UNKNOWN if row["versions_behind"] is None else STEPS[min(row["versions_behind"], 3)]


QUESTION = Question(
    key="firmware",
    title="Which firmware runs, and who is behind?",
    answer="{behind} of {devices:# device|# devices} {behind:runs|run} firmware older than the release of the product, "
    "and {newer} {newer:runs|run} newer firmware.",
    note="The release is the version that is released to the whole product: product_default in product_firmware. Where "
    "that is not known, it is the highest version that a device runs or is set to get, other than development and "
    "locked devices. A device with a lower version is behind. Behind by 2 means that there are two newer versions up "
    "to the release, which product_firmware lists or devices run.",
    sql=SUMMARY,
    needs=(("product_devices",),),
    without={"product_firmware": "a product's release, and the versions in between, are known from its devices alone."},
    tiles=(Tile("Behind", "{behind}", "older firmware than the release", "behind"),),
    parts=(
        Chart(
            "Share of devices by how far behind the release they are",
            """\
SELECT
  product_name,
  CASE
    WHEN is_newer THEN 'newer'
    WHEN versions_behind IS NULL THEN 'unknown'
    WHEN versions_behind = 0 THEN 'up to date'
    WHEN versions_behind = 1 THEN '1 behind'
    WHEN versions_behind = 2 THEN '2 behind'
    ELSE '3 or more'
  END AS version,
  CAST(SUM(devices) AS INTEGER) AS devices
FROM firmware_rollout
WHERE product IN (SELECT product FROM fleet GROUP BY product ORDER BY COUNT(*) DESC, product LIMIT 12)
GROUP BY product_name, version
ORDER BY product_name, version""",
            lambda rows: charts.shares(rows, "product_name", "devices", "version", COLORS),
            axes=("product_name", "devices"),
            series="version",
        ),
        Chart(
            "Most common versions",
            """\
SELECT
  CONCAT(product_name, ' · ', COALESCE(CAST(firmware_version AS STRING), 'unknown')) AS version,
  devices,
  versions_behind,
  is_newer
FROM firmware_rollout
ORDER BY devices DESC, version
LIMIT 10""",
            lambda rows: charts.categories(
                [{**row, "color": _color(row)} for row in rows],
                "version",
                "devices",
                "devices",
                "color",
            ),
            axes=("version", "devices"),
            note="In the colours of the chart beside it.",
        ),
        Listing(
            "Versions of each product",
            """\
SELECT
  product_name,
  firmware_version,
  release_version,
  CASE
    WHEN is_newer THEN 'newer than the release'
    WHEN versions_behind IS NULL THEN 'unknown'
    WHEN versions_behind = 0 THEN 'the release'
    ELSE CONCAT(CAST(versions_behind AS STRING), ' behind')
  END AS standing,
  devices,
  percent_of_product,
  online_devices,
  development_devices,
  locked_devices
FROM firmware_rollout
ORDER BY product_name, firmware_version DESC NULLS LAST""",
            {
                "product_name": "Product",
                "firmware_version": "Version",
                "release_version": "~Release",
                "devices": "Devices",
                "standing": "Standing",
                "percent_of_product": "Share",
                "online_devices": "~Online",
                "development_devices": "~Development",
                "locked_devices": "~Locked to a version",
            },
            "No device reports a firmware version.",
        ),
        Listing(
            "Devices that are behind, the furthest first",
            """\
SELECT fleet.device_name, fleet.product_name, fleet.firmware_version, fleet.release_version,
  rollout.versions_behind, fleet.is_online, fleet.locked_firmware_version, fleet.device_id
FROM fleet
JOIN firmware_rollout AS rollout
  ON rollout.product = fleet.product AND rollout.firmware_version = fleet.firmware_version
WHERE fleet.is_behind
ORDER BY rollout.versions_behind DESC, fleet.product_name, fleet.device_name""",
            {
                "device_name": "Device",
                "product_name": "~Product",
                "firmware_version": "Version",
                "release_version": "Release",
                "versions_behind": "Behind by",
                "is_online": "~Online",
                "locked_firmware_version": "~Locked to",
                "device_id": "~Device id",
            },
            "No device is behind.",
        ),
    ),
)

"""Which devices are silent, and since when."""

from bridge.models.definitions import LISTS
from bridge.report import charts
from bridge.report.charts import ATTENTION, NORMAL
from bridge.report.parts import SUMMARY, WITHOUT_LISTS, Chart, Listing, Question, Tile

QUESTION = Question(
    key="silence",
    title="Who is silent, and since when?",
    answer="{silent} of {devices:# device|# devices} {silent:has|have} been silent for a day or longer, and "
    "{never_heard} {never_heard:was|were} never heard. The API lists {online} as online"
    "{silent_online:|, # of them although silent|, # of them although silent}.",
    sql=SUMMARY,
    needs=(LISTS,),
    without={
        **WITHOUT_LISTS,
        "diagnostics": "a report of vitals does not count as contact, so more devices may be listed as silent.",
    },
    tiles=(
        Tile("Devices", "{devices}", "in {products:# product|# products}{without_product:|, # in none|, # in none}"),
        Tile("Online", "{online}", "{online_percent} % of the fleet"),
        Tile("Silent", "{silent}", "for a day or longer", "silent"),
    ),
    parts=(
        Chart(
            "Devices by the time for which they have been silent",
            """\
SELECT
  SUBSTR(last_contact, 3) AS silent_for,
  COUNT(*) AS devices,
  last_contact >= '3' AS is_silent
FROM fleet
GROUP BY last_contact
ORDER BY last_contact""",
            lambda rows: charts.categories(
                [{**row, "color": ATTENTION if row["is_silent"] else NORMAL} for row in rows],
                "silent_for",
                "devices",
                "devices",
                "color",
            ),
            axes=("silent_for", "devices"),
        ),
        Chart(
            "Silent devices by product",
            """\
SELECT product_name, COUNT(*) AS silent_devices
FROM fleet
WHERE is_silent
GROUP BY product_name
ORDER BY silent_devices DESC, product_name
LIMIT 12""",
            lambda rows: charts.categories(rows, "product_name", "silent_devices", "silent devices"),
            axes=("product_name", "silent_devices"),
        ),
        Listing(
            "Silent devices, the latest to fall silent first",
            """\
SELECT device_name, product_name, silent_hours AS silent_for, heard_at, is_online, firmware_version, battery_percent,
  signal_percent, vitals_hours AS vitals_age, is_vitals_old, device_id
FROM fleet
WHERE is_silent
ORDER BY heard_at DESC, device_name""",
            {
                "device_name": "Device",
                "product_name": "~Product",
                "silent_for": "Silent for",
                "is_online": "Online",
                "heard_at": "Last heard (UTC)",
                "firmware_version": "~Firmware",
                "battery_percent": "~Battery",
                "signal_percent": "~Signal",
                "vitals_age": "~Age of vitals",
                "device_id": "~Device id",
            },
            "No device has been silent for a day.",
            note="Online is what the API's list says, which can be out of date for a silent device.",
        ),
    ),
)

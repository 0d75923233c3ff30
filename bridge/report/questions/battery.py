"""Which batteries are low."""

from bridge.models.definitions import LISTS
from bridge.report import charts
from bridge.report.parts import OLD, SUMMARY, VITALS, WITHOUT_LISTS, Chart, Listing, Question, Tile

QUESTION = Question(
    key="battery",
    title="Which batteries are low?",
    answer="{battery_low} of the {with_battery:# device that reports a battery|# devices that report a battery} "
    "{battery_low:is|are} below 20 %"
    "{battery_low_old:|, # of them by a report that is 7 days old or older"
    "|, # of them by a report that is 7 days old or older}.",
    sql=SUMMARY,
    needs=(LISTS, VITALS),
    without=WITHOUT_LISTS,
    tiles=(Tile("Low battery", "{battery_low}", "below 20 %, of {with_battery}", "battery_low"),),
    parts=(
        Chart(
            "Charge at the last report",
            """\
SELECT CAST(LEAST(FLOOR(battery_percent / 10) * 10, 90) AS INTEGER) AS percent, COUNT(*) AS devices
FROM fleet
WHERE battery_percent BETWEEN 0 AND 100
GROUP BY 1
ORDER BY 1""",
            lambda rows: charts.histogram(rows, "battery, percent", step=10, below=20),
            axes=("percent", "devices"),
        ),
        Chart(
            "Median charge of each day",
            """\
WITH days AS (
  SELECT
    day,
    COUNT(*) AS devices,
    MEDIAN(battery_percent) AS median,
    PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY battery_percent) AS lowest_tenth
  FROM connectivity
  CROSS JOIN as_of
  WHERE battery_percent IS NOT NULL AND day > CAST(as_of.moment - INTERVAL 60 DAY AS DATE)
  GROUP BY day
),
-- A few late or early reports say nothing of the fleet.
usual_days AS (SELECT * FROM days WHERE devices * 10 >= (SELECT MAX(devices) FROM days))
SELECT day, median AS percent, 'median' AS charge FROM usual_days
UNION ALL
SELECT day, lowest_tenth, 'lowest tenth' FROM usual_days
ORDER BY day""",
            lambda rows: charts.lines(rows, "percent", "charge", "battery, percent", ["median", "lowest tenth"]),
            axes=("day", "percent"),
            series="charge",
            note="A tenth of the devices are below the dashed line.",
        ),
        Listing(
            "Lowest batteries",
            """\
SELECT device_name, product_name, battery_percent, vitals_hours AS vitals_age, is_vitals_old, battery_state, vitals_at,
  is_online, device_id
FROM fleet
WHERE is_battery_low
ORDER BY battery_percent, device_name""",
            {
                "device_name": "Device",
                "product_name": "~Product",
                "battery_percent": "Battery",
                "vitals_age": "Age",
                "battery_state": "State",
                "vitals_at": "~Reported (UTC)",
                "is_online": "~Online",
                "device_id": "~Device id",
            },
            "No battery is low.",
            note=OLD,
        ),
    ),
)

"""Where the signal is weak."""

from bridge.models.definitions import LISTS
from bridge.report import charts
from bridge.report.parts import OLD, SUMMARY, VITALS, WITHOUT_LISTS, Chart, Listing, Question, Tile

QUESTION = Question(
    key="signal",
    title="Where is the signal weak?",
    answer="{signal_weak} of the {with_signal:# device that reports a signal|# devices that report a signal} "
    "{signal_weak:is|are} below 25 %"
    "{signal_weak_old:|, # of them by a report that is 7 days old or older"
    "|, # of them by a report that is 7 days old or older}.",
    sql=SUMMARY,
    needs=(LISTS, VITALS),
    without=WITHOUT_LISTS,
    tiles=(Tile("Weak signal", "{signal_weak}", "below 25 %, of {with_signal}", "signal_weak"),),
    parts=(
        Chart(
            "Signal strength at the last report",
            """\
SELECT CAST(LEAST(FLOOR(signal_percent / 5) * 5, 95) AS INTEGER) AS percent, COUNT(*) AS devices
FROM fleet
WHERE signal_percent BETWEEN 0 AND 100
GROUP BY 1
ORDER BY 1""",
            lambda rows: charts.histogram(rows, "signal, percent", step=5, below=25),
            axes=("percent", "devices"),
        ),
        Chart(
            "Mean signal by operator, in percent",
            """\
SELECT
  CONCAT(COALESCE(operator, 'no operator'), ' (', CAST(COUNT(*) AS STRING), ')') AS network,
  CAST(ROUND(AVG(signal_percent)) AS INTEGER) AS percent
FROM fleet
WHERE signal_percent IS NOT NULL
GROUP BY operator
ORDER BY percent, network
LIMIT 12""",
            lambda rows: charts.categories(rows, "network", "percent", "percent"),
            axes=("network", "percent"),
            note="The weakest come first, with the number of devices. Devices on Wi-Fi have no operator.",
        ),
        Listing(
            "Weakest signals",
            """\
SELECT device_name, product_name, signal_percent, vitals_hours AS vitals_age, is_vitals_old, signal_dbm, operator,
  access_technology, vitals_at, device_id
FROM fleet
WHERE is_signal_weak
ORDER BY signal_percent, device_name""",
            {
                "device_name": "Device",
                "product_name": "~Product",
                "signal_percent": "Signal",
                "vitals_age": "Age",
                "signal_dbm": "dBm",
                "operator": "Operator",
                "access_technology": "~Technology",
                "vitals_at": "~Reported (UTC)",
                "device_id": "~Device id",
            },
            "No signal is weak.",
            note=OLD,
        ),
    ),
)

"""Which devices restart or lose their connection."""

from bridge.report import charts
from bridge.report.charts import SECOND
from bridge.report.parts import VITALS, Chart, Listing, Question

_PER_DAY = """\
SELECT
  day,
  COUNT(*) AS devices,
  SUM(reports) AS reports,
  CAST(SUM(restarts) AS INTEGER) AS restarts,
  CAST(SUM(disconnects) AS INTEGER) AS disconnects,
  MEDIAN(round_trip_ms) AS round_trip_ms
FROM connectivity
CROSS JOIN as_of
WHERE day > CAST(as_of.moment - INTERVAL 60 DAY AS DATE)
GROUP BY day
ORDER BY day"""

QUESTION = Question(
    key="connection",
    title="Who restarts or disconnects?",
    answer="In the last 7 days {restarted:# device|# devices} restarted, {restarts:# time|# times} in all, and "
    "{disconnected:# device|# devices} lost the connection, {disconnects:# time|# times} in all.",
    sql="""\
SELECT
  COUNT(DISTINCT CASE WHEN restarts > 0 THEN device_id END) AS restarted,
  COALESCE(CAST(SUM(restarts) AS INTEGER), 0) AS restarts,
  COUNT(DISTINCT CASE WHEN disconnects > 0 THEN device_id END) AS disconnected,
  COALESCE(CAST(SUM(disconnects) AS INTEGER), 0) AS disconnects
FROM connectivity
CROSS JOIN as_of
WHERE day > CAST(as_of.moment - INTERVAL 7 DAY AS DATE)""",
    needs=(VITALS,),
    parts=(
        Chart(
            "Devices that reported vitals",
            _PER_DAY,
            lambda rows: charts.days(rows, "devices", "devices"),
            ("day", "devices"),
        ),
        Chart(
            "Restarts", _PER_DAY, lambda rows: charts.days(rows, "restarts", "restarts", SECOND), ("day", "restarts")
        ),
        Chart(
            "Disconnects",
            _PER_DAY,
            lambda rows: charts.days(rows, "disconnects", "disconnects", SECOND),
            ("day", "disconnects"),
        ),
        Chart(
            "Median round trip to the cloud",
            _PER_DAY,
            lambda rows: charts.days(
                [row for row in rows if row["round_trip_ms"] is not None], "round_trip_ms", "milliseconds"
            ),
            axes=("day", "round_trip_ms"),
        ),
        Listing(
            "Most restarts and disconnects in the last 7 days",
            """\
SELECT
  COALESCE(fleet.device_name, connectivity.device_id) AS device_name,
  fleet.product_name,
  CAST(SUM(connectivity.restarts) AS INTEGER) AS restarts,
  CAST(SUM(connectivity.disconnects) AS INTEGER) AS disconnects,
  AVG(connectivity.round_trip_ms) AS round_trip_ms,
  MIN(connectivity.lowest_signal_percent) AS lowest_signal_percent,
  fleet.firmware_version,
  connectivity.device_id
FROM connectivity
LEFT JOIN fleet ON fleet.device_id = connectivity.device_id
CROSS JOIN as_of
WHERE connectivity.day > CAST(as_of.moment - INTERVAL 7 DAY AS DATE)
GROUP BY fleet.device_name, fleet.product_name, fleet.firmware_version, connectivity.device_id
HAVING SUM(connectivity.restarts) > 0 OR SUM(connectivity.disconnects) > 0
ORDER BY restarts DESC, disconnects DESC, connectivity.device_id""",
            {
                "device_name": "Device",
                "product_name": "~Product",
                "restarts": "Restarts",
                "disconnects": "Disconnects",
                "round_trip_ms": "~Round trip",
                "lowest_signal_percent": "Lowest signal",
                "firmware_version": "~Firmware",
                "device_id": "~Device id",
            },
            "No device restarted or lost its connection.",
        ),
    ),
)

"""Which SIMs use how much data, against their limits."""

from bridge.models.definitions import SIM_LISTS
from bridge.report import charts
from bridge.report.charts import ATTENTION, NORMAL, SECOND
from bridge.report.parts import Chart, Listing, Question, Tile

QUESTION = Question(
    key="data",
    title="Who uses how much data?",
    answer="{sims:# SIM|# SIMs} used {mb_used} MB in this billing period. {at_limit} {at_limit:has|have} reached the "
    "data limit, {stopped} of them {stopped:is|are} stopped, and {forecast} more will reach it at this rate.",
    sql="""\
SELECT
  COUNT(*) AS sims,
  COALESCE(ROUND(SUM(mb_used)), 0) AS mb_used,
  COUNT(CASE WHEN is_at_limit THEN 1 END) AS at_limit,
  COUNT(CASE WHEN is_stopped THEN 1 END) AS stopped,
  COUNT(CASE WHEN NOT is_at_limit AND forecast_percent_of_limit >= 100 THEN 1 END) AS forecast
FROM sim_usage""",
    needs=(SIM_LISTS, ("sim_data_usage",)),
    without={
        "product_sims": "only your own SIMs are counted, not those of products.",
        "products": "limits that a product sets for its SIMs are not known.",
    },
    tiles=(Tile("Data limit", "{at_limit}", "reached it, {forecast} more will", "at_limit"),),
    parts=(
        Chart(
            "SIMs by the share of their limit that is used",
            """\
SELECT
  CASE
    WHEN is_at_limit THEN '4 limit reached'
    WHEN mb_limit IS NULL THEN '6 no limit'
    WHEN percent_of_limit IS NULL THEN '5 no usage known'
    WHEN percent_of_limit < 50 THEN '1 under half'
    WHEN percent_of_limit < 80 THEN '2 50 to 80 %'
    ELSE '3 80 to 100 %'
  END AS used,
  COUNT(*) AS sims
FROM sim_usage
GROUP BY used
ORDER BY used""",
            lambda rows: charts.categories(
                [
                    {
                        **row,
                        "used": row["used"][2:],
                        "color": {"3": SECOND, "4": ATTENTION}.get(row["used"][0], NORMAL),
                    }
                    for row in rows
                ],
                "used",
                "sims",
                "SIMs",
                "color",
            ),
            axes=("used", "sims"),
            note="A stopped SIM counts as limit reached, even if its limit is not known.",
        ),
        Chart(
            "Data of all SIMs, by day",
            """\
SELECT day, SUM(mb_used) AS megabytes
FROM daily_usage
CROSS JOIN as_of
WHERE day > CAST(as_of.moment - INTERVAL 60 DAY AS DATE)
GROUP BY day
ORDER BY day""",
            lambda rows: charts.days(rows, "megabytes", "megabytes"),
            axes=("day", "megabytes"),
            note="The values of the last days can still grow.",
        ),
        Listing(
            "SIMs that have reached their limit or come near it",
            """\
SELECT COALESCE(device_name, iccid) AS device_name, product_name, mb_used, mb_limit, percent_of_limit,
  forecast_percent_of_limit, is_stopped, status, iccid
FROM sim_usage
WHERE is_at_limit OR forecast_percent_of_limit >= 80
ORDER BY is_at_limit DESC, forecast_percent_of_limit DESC NULLS LAST, iccid""",
            {
                "device_name": "Device or SIM",
                "product_name": "~Product",
                "mb_used": "~MB used",
                "mb_limit": "MB limit",
                "percent_of_limit": "Used",
                "forecast_percent_of_limit": "Forecast",
                "is_stopped": "Stopped",
                "status": "~SIM status",
                "iccid": "~ICCID",
            },
            "No SIM comes near its limit.",
            note="A stopped SIM has the status inactive_data_limit_reached: it has reached its limit, even if the days "
            "that are listed add up to less. The forecast is for the end of the billing period.",
        ),
    ),
)

"""Where the devices are."""

from bridge.models.lake import PLACES
from bridge.report import charts
from bridge.report.parts import Chart, Question

QUESTION = Question(
    key="places",
    title="Where are the devices?",
    answer="The place of {devices:# device|# devices} is known.",
    sql="SELECT COUNT(DISTINCT device_id) AS devices FROM last_places",
    needs=(PLACES,),
    parts=(
        Chart(
            "Last known places",
            # However large the fleet, a drawing of 40 by 40 places.
            """\
WITH extent AS (
  SELECT MIN(longitude) AS west, MAX(longitude) AS east, MIN(latitude) AS south, MAX(latitude) AS north
  FROM last_places
)
SELECT AVG(longitude) AS longitude, AVG(latitude) AS latitude, COUNT(*) AS devices
FROM last_places
CROSS JOIN extent
GROUP BY
  FLOOR((longitude - west) / GREATEST(east - west, 0.0001) * 40),
  FLOOR((latitude - south) / GREATEST(north - south, 0.0001) * 40)""",
            lambda rows: charts.places(rows, "devices"),
            axes=("longitude", "latitude"),
            note="Neighbours share a dot; the larger it is, the more devices are there.",
        ),
    ),
)

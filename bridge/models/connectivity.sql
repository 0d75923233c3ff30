-- One row per device and day with vitals: how well it was connected. Devices count disconnects from their last start, so
-- a day's sum is made of what each report adds to the one before it; a device that started in between begins at 0.
WITH followed AS (
  SELECT
    *,
    LAG(reported_at) OVER (PARTITION BY device_id ORDER BY reported_at) AS previous_at,
    LAG(disconnects) OVER (PARTITION BY device_id ORDER BY reported_at) AS previous_disconnects
  FROM vitals_flat
  WHERE reported_at IS NOT NULL
),
timed AS (
  SELECT
    *,
    uptime_seconds < (
      EXTRACT(DAY FROM reported_at - previous_at) * 86400
      + EXTRACT(HOUR FROM reported_at - previous_at) * 3600
      + EXTRACT(MINUTE FROM reported_at - previous_at) * 60
    ) AS has_restarted
  FROM followed
)
SELECT
  device_id,
  day,
  COUNT(*) AS reports,
  COUNT(CASE WHEN has_restarted THEN 1 END) AS restarts,
  SUM(
    CASE
      WHEN disconnects IS NULL OR previous_at IS NULL THEN 0
      WHEN has_restarted OR previous_disconnects IS NULL OR disconnects < previous_disconnects THEN disconnects
      ELSE disconnects - previous_disconnects
    END
  ) AS disconnects,
  AVG(round_trip_ms) AS round_trip_ms,
  AVG(signal_percent) AS signal_percent,
  MIN(signal_percent) AS lowest_signal_percent,
  MIN(battery_percent) AS lowest_battery_percent,
  -- The last value that is one, whichever way an engine treats nulls.
  MAX_BY(battery_percent, CASE WHEN battery_percent IS NOT NULL THEN reported_at END) AS battery_percent,
  MAX_BY(operator, CASE WHEN operator IS NOT NULL THEN reported_at END) AS operator,
  MAX_BY(access_technology, CASE WHEN access_technology IS NOT NULL THEN reported_at END) AS access_technology
FROM timed
GROUP BY device_id, day

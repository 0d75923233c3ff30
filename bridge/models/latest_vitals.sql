-- One row per device that ever sent vitals: its last report.
SELECT
  device_id,
  reported_at,
  battery_percent,
  battery_state,
  power_source,
  access_technology,
  operator,
  signal_percent,
  signal_dbm,
  signal_quality_percent,
  disconnects,
  disconnect_reason,
  round_trip_ms,
  uptime_seconds,
  memory_used_bytes,
  memory_total_bytes,
  device_status
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY device_id ORDER BY reported_at DESC) AS position
  FROM vitals_flat
  WHERE reported_at IS NOT NULL
) AS ranked
WHERE position = 1

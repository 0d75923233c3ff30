-- One row per report of a device's vitals, with the nested values of `diagnostics` as plain columns.
SELECT
  device_id,
  TRY_CAST(updated_at AS TIMESTAMP) AS reported_at,
  TRY_CAST(SUBSTR(updated_at, 1, 10) AS DATE) AS day,
  payload.device.power.battery.charge AS battery_percent,
  payload.device.power.battery.state AS battery_state,
  payload.device.power.source AS power_source,
  payload.device.network.signal.at AS access_technology,
  payload.device.network.cellular.operator AS operator,
  payload.device.network.signal.strength AS signal_percent,
  payload.device.network.signal.strengthv AS signal_dbm,
  payload.device.network.signal.quality AS signal_quality_percent,
  -- Older versions of Device OS count one level higher.
  COALESCE(payload.device.cloud.connection.disconnects, payload.device.cloud.disconnects) AS disconnects,
  payload.device.cloud.connection.disconnect_reason AS disconnect_reason,
  COALESCE(payload.device.cloud.coap.round_trip, payload.service.coap.round_trip) AS round_trip_ms,
  payload.device.system.uptime AS uptime_seconds,
  payload.device.system.memory.used AS memory_used_bytes,
  payload.device.system.memory.total AS memory_total_bytes,
  payload.service.device.status AS device_status
FROM diagnostics

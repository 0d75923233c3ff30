-- One row per device: what it is, when it was heard, which firmware it runs, and its last vitals. A device that several
-- lists show is taken from the first product that has it, else from the user's own devices.
WITH listed AS (
  SELECT
    id, name, product_id_or_slug AS product, 1 AS preference, serial_number, platform_id, groups, status,
    COALESCE(online, connected) AS online, last_heard, last_handshake_at, firmware_version, desired_firmware_version,
    system_firmware_version, development, quarantined, iccid
  FROM product_devices
  UNION ALL
  SELECT
    id, name, CASE WHEN product_id <> platform_id THEN CAST(product_id AS STRING) END, 2, serial_number, platform_id,
    groups, status, COALESCE(online, connected), last_heard, last_handshake_at, firmware_version,
    desired_firmware_version, system_firmware_version, development, quarantined, iccid
  FROM devices
),
devices_once AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY preference, product) AS position
  FROM listed
),
heard AS (
  SELECT
    device.id,
    GREATEST(
      TRY_CAST(device.last_heard AS TIMESTAMP), TRY_CAST(device.last_handshake_at AS TIMESTAMP), vitals.reported_at
    ) AS heard_at,
    vitals.reported_at AS vitals_at,
    -- What an old list says of a device is true of the moment at which it was synced.
    CASE device.preference WHEN 1 THEN as_of.product_devices_at ELSE as_of.devices_at END AS listed_at
  FROM devices_once AS device
  LEFT JOIN latest_vitals AS vitals ON vitals.device_id = device.id
  CROSS JOIN as_of
  WHERE device.position = 1
),
silence AS (
  SELECT
    heard.id,
    heard.heard_at,
    heard.vitals_at,
    CASE
      WHEN heard.heard_at IS NULL THEN NULL
      WHEN heard.heard_at >= heard.listed_at THEN 0
      ELSE EXTRACT(DAY FROM heard.listed_at - heard.heard_at) * 24 + EXTRACT(HOUR FROM heard.listed_at - heard.heard_at)
    END AS silent_hours,
    CASE
      WHEN heard.vitals_at IS NULL THEN NULL
      WHEN heard.vitals_at >= as_of.moment THEN 0
      ELSE EXTRACT(DAY FROM as_of.moment - heard.vitals_at) * 24 + EXTRACT(HOUR FROM as_of.moment - heard.vitals_at)
    END AS vitals_hours
  FROM heard
  CROSS JOIN as_of
)
SELECT
  device.id AS device_id,
  COALESCE(device.name, device.id) AS device_name,
  device.product,
  COALESCE(named.product_name, device.product, 'no product') AS product_name,
  device.serial_number,
  device.platform_id,
  device.groups,
  device.iccid,
  device.status,
  COALESCE(device.online, FALSE) AS is_online,
  COALESCE(device.development, FALSE) AS is_development,
  COALESCE(device.quarantined, FALSE) AS is_quarantined,
  silence.heard_at,
  silence.silent_hours,
  CASE
    WHEN silence.heard_at IS NULL THEN '6 never heard'
    WHEN silence.silent_hours < 1 THEN '1 under an hour'
    WHEN silence.silent_hours < 24 THEN '2 1 to 24 hours'
    WHEN silence.silent_hours < 168 THEN '3 1 to 7 days'
    WHEN silence.silent_hours < 720 THEN '4 7 to 30 days'
    ELSE '5 over 30 days'
  END AS last_contact,
  COALESCE(silence.silent_hours >= 24, FALSE) AS is_silent,
  device.system_firmware_version AS device_os_version,
  device.firmware_version,
  device.desired_firmware_version AS locked_firmware_version,
  release.release_version,
  COALESCE(device.firmware_version < release.release_version, FALSE) AS is_behind,
  COALESCE(device.firmware_version > release.release_version, FALSE) AS is_newer,
  silence.vitals_at,
  silence.vitals_hours,
  COALESCE(silence.vitals_hours >= 168, FALSE) AS is_vitals_old,
  vitals.battery_percent,
  vitals.battery_state,
  COALESCE(vitals.battery_percent < 20, FALSE) AS is_battery_low,
  vitals.operator,
  vitals.access_technology,
  vitals.signal_percent,
  vitals.signal_dbm,
  COALESCE(vitals.signal_percent < 25, FALSE) AS is_signal_weak,
  vitals.round_trip_ms,
  vitals.uptime_seconds,
  vitals.device_status
FROM devices_once AS device
JOIN silence ON silence.id = device.id
LEFT JOIN latest_vitals AS vitals ON vitals.device_id = device.id
LEFT JOIN product_names AS named ON named.product_id = device.product OR named.slug = device.product
LEFT JOIN firmware_releases AS release ON release.product = device.product
WHERE device.position = 1

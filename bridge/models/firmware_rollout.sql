-- One row per product and firmware version: how many devices run it, and how many versions it is behind the release, 0 for
-- the release and for what is newer. `firmware_version` is null for devices that never reported one.
WITH rollout AS (
  SELECT
    product,
    product_name,
    firmware_version,
    release_version,
    COUNT(*) AS devices,
    COUNT(CASE WHEN is_online THEN 1 END) AS online_devices,
    COUNT(CASE WHEN is_silent THEN 1 END) AS silent_devices,
    COUNT(CASE WHEN is_development THEN 1 END) AS development_devices,
    COUNT(CASE WHEN locked_firmware_version IS NOT NULL THEN 1 END) AS locked_devices
  FROM fleet
  WHERE product IS NOT NULL
  GROUP BY product, product_name, firmware_version, release_version
),
-- Those of the product, even if no device runs them, and those that devices run, even if they were deleted since.
versions AS (
  SELECT product_id_or_slug AS product, version FROM product_firmware
  UNION
  SELECT product, firmware_version FROM rollout
  UNION
  SELECT product, release_version FROM rollout
),
missed AS (
  SELECT rollout.product, rollout.firmware_version, COUNT(*) AS versions
  FROM rollout
  JOIN versions
    ON versions.product = rollout.product
    AND versions.version > rollout.firmware_version
    AND versions.version <= rollout.release_version
  GROUP BY rollout.product, rollout.firmware_version
)
SELECT
  rollout.product,
  rollout.product_name,
  rollout.firmware_version,
  rollout.release_version,
  rollout.devices,
  rollout.online_devices,
  rollout.silent_devices,
  rollout.development_devices,
  rollout.locked_devices,
  CAST(100 AS DOUBLE) * rollout.devices / SUM(rollout.devices) OVER (PARTITION BY rollout.product)
    AS percent_of_product,
  COALESCE(rollout.firmware_version > rollout.release_version, FALSE) AS is_newer,
  CASE
    WHEN rollout.firmware_version IS NOT NULL AND rollout.release_version IS NOT NULL THEN COALESCE(missed.versions, 0)
  END AS versions_behind
FROM rollout
LEFT JOIN missed
  ON missed.product = rollout.product AND missed.firmware_version = rollout.firmware_version

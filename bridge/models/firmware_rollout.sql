-- One row per product and firmware version: how many devices run it, and how many versions it is behind the release, 0 for
-- the release and for what is newer. `firmware_version` is null for devices that never reported one.
SELECT
  product,
  product_name,
  firmware_version,
  release_version,
  COUNT(*) AS devices,
  COUNT(CASE WHEN is_online THEN 1 END) AS online_devices,
  COUNT(CASE WHEN is_silent THEN 1 END) AS silent_devices,
  COUNT(CASE WHEN is_development THEN 1 END) AS development_devices,
  COUNT(CASE WHEN locked_firmware_version IS NOT NULL THEN 1 END) AS locked_devices,
  CAST(100 AS DOUBLE) * COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY product, product_name) AS percent_of_product,
  COALESCE(firmware_version > release_version, FALSE) AS is_newer,
  CASE
    WHEN firmware_version IS NULL OR release_version IS NULL THEN NULL
    WHEN firmware_version >= release_version THEN 0
    -- The versions in between, and the release itself, even if no device runs it yet. Newer ones do not count: they run
    -- on devices that are marked as development or locked to a version, and no other device has to get them.
    ELSE 1 + COUNT(CASE WHEN firmware_version < release_version THEN 1 END) OVER (
      PARTITION BY product, product_name ORDER BY firmware_version DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
  END AS versions_behind
FROM fleet
WHERE product IS NOT NULL
GROUP BY product, product_name, firmware_version, release_version

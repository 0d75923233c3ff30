-- One row per product: the firmware version that its devices should have by now. That is the one released to the whole
-- product. Where this is not known, it is the highest one which a device runs or is about to get; devices marked as
-- development or locked to a version of their own have no say in it.
WITH released AS (
  SELECT product_id_or_slug AS product, MAX(version) AS version
  FROM product_firmware
  WHERE product_default
  GROUP BY product_id_or_slug
),
highest AS (
  SELECT
    product_id_or_slug AS product,
    MAX(
      CASE
        WHEN COALESCE(development, FALSE) = FALSE AND desired_firmware_version IS NULL
          THEN GREATEST(firmware_version, targeted_firmware_release_version)
      END
    ) AS version
  FROM product_devices
  GROUP BY product_id_or_slug
)
SELECT highest.product, COALESCE(released.version, highest.version) AS release_version
FROM highest
LEFT JOIN released ON released.product = highest.product

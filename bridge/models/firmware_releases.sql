-- One row per product: the firmware version that its devices should have by now. That is the highest one which a device
-- runs or is about to get; devices marked as development or locked to a version of their own have no say in it.
SELECT
  product_id_or_slug AS product,
  MAX(GREATEST(firmware_version, targeted_firmware_release_version)) AS release_version
FROM product_devices
WHERE COALESCE(development, FALSE) = FALSE AND desired_firmware_version IS NULL
GROUP BY product_id_or_slug

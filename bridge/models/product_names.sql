-- One row per product: the name to show. Where several products have the same name, each has its id behind it.
SELECT
  CAST(id AS STRING) AS product_id,
  slug,
  CASE
    WHEN name IS NOT NULL AND COUNT(*) OVER (PARTITION BY name) > 1 THEN CONCAT(name, ' (', CAST(id AS STRING), ')')
    ELSE name
  END AS product_name,
  mb_limit
FROM products

-- One row per table: how many rows it has, the newest moment that any of them names, and when it was last synced.
SELECT
  loaded.table_name,
  loaded.is_loaded,
  loaded.row_count,
  loaded.newest_at,
  loaded.synced_at,
  CASE
    WHEN loaded.synced_at IS NULL THEN NULL
    WHEN loaded.synced_at >= as_of.moment THEN 0
    ELSE EXTRACT(DAY FROM as_of.moment - loaded.synced_at) * 24
      + EXTRACT(HOUR FROM as_of.moment - loaded.synced_at)
  END AS hours_since_sync
FROM loaded_tables AS loaded
CROSS JOIN as_of

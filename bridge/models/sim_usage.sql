-- One row per SIM: the data it used in the current billing period against its limit, else its product's, and how much
-- it will have used at the end if it goes on like this. The API does not say when the period began; the first day that
-- it lists is taken for it, and a month for its length.
WITH listed AS (
  SELECT iccid, product_id_or_slug AS product, 1 AS preference, status, carrier, mb_limit, last_device_id,
    last_device_name
  FROM product_sims
  UNION ALL
  SELECT iccid, CAST(product_id AS STRING), 2, status, carrier, mb_limit, last_device_id, last_device_name
  FROM sims
),
sims_once AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY iccid ORDER BY preference, product) AS position
  FROM listed
),
used AS (
  SELECT
    iccid,
    -- Days of 0.1 MB add up to 4.999999999999999.
    ROUND(SUM(mb_used), 6) AS mb_used,
    MIN(day) AS period_start,
    TRY_CAST(CONCAT(CAST(MIN(day) AS STRING), 'T00:00:00Z') AS TIMESTAMP) AS first_day,
    TRY_CAST(CONCAT(CAST(MAX(day) AS STRING), 'T00:00:00Z') AS TIMESTAMP) AS last_day
  FROM daily_usage
  GROUP BY iccid
),
periods AS (
  SELECT
    iccid,
    mb_used,
    period_start,
    EXTRACT(DAY FROM last_day - first_day) + 1 AS days_counted,
    EXTRACT(DAY FROM (first_day + INTERVAL 1 MONTH) - first_day) AS days_in_period
  FROM used
),
joined AS (
  SELECT
    sim.iccid,
    sim.product,
    COALESCE(named.product_name, sim.product, 'no product') AS product_name,
    sim.status,
    COALESCE(sim.status = 'inactive_data_limit_reached', FALSE) AS is_stopped,
    sim.carrier,
    sim.last_device_id AS device_id,
    COALESCE(device.device_name, sim.last_device_name) AS device_name,
    COALESCE(sim.mb_limit, named.mb_limit) AS mb_limit,
    period.period_start,
    period.days_counted,
    period.days_in_period,
    period.mb_used,
    period.mb_used / period.days_counted * GREATEST(period.days_in_period, period.days_counted) AS mb_forecast
  FROM sims_once AS sim
  LEFT JOIN periods AS period ON period.iccid = sim.iccid
  LEFT JOIN fleet AS device ON device.device_id = sim.last_device_id
  LEFT JOIN product_names AS named ON named.product_id = sim.product OR named.slug = sim.product
  WHERE sim.position = 1
)
SELECT
  *,
  -- A SIM that was stopped has reached its limit, even if the days add up to less or the limit is not known.
  is_stopped OR COALESCE(mb_limit > 0 AND mb_used >= mb_limit, FALSE) AS is_at_limit,
  CASE WHEN mb_limit > 0 THEN 100 * mb_used / mb_limit END AS percent_of_limit,
  CASE WHEN mb_limit > 0 THEN 100 * mb_forecast / mb_limit END AS forecast_percent_of_limit
FROM joined

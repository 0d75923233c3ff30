-- One row per SIM and day of the current billing period. The values of the last days can still grow.
SELECT iccid, TRY_CAST(usage.date AS DATE) AS day, usage.mbs_used AS mb_used
FROM (SELECT iccid, EXPLODE(usage_by_day) AS usage FROM sim_data_usage) AS days

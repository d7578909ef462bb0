-- Everything scored so far as scenario x metric x method cells, HELM's way: a group per kind of
-- work, a table per metric family, a row per method, a column per scenario and metric.
-- Seeds are trials: a cell is their mean. Methods and columns of a table form a full grid, so that
-- what was not measured is a null one can count.
WITH scores AS (
    SELECT
        'extraction' AS "group",
        'accuracy' AS table_name,
        'Extraction from ' || source AS table_title,
        strategy AS "row",
        attribute || ': ' || metric AS "column",
        false AS lower_is_better,
        value
    FROM extraction_scores
    -- Means and pools over the other columns: counting them would count those twice.
    WHERE attribute NOT IN ('macro', 'all') AND scope = 'held-out'
    UNION ALL
    SELECT
        'few-shot classification',
        CASE metric WHEN 'brier' THEN 'calibration' ELSE 'accuracy' END,
        'Few-shot classification',
        method,
        task || ', k = ' || k || ': ' || metric,
        metric = 'brier',
        value
    FROM tart_scores UNPIVOT (value FOR metric IN (accuracy, auc, brier))
    WHERE method <> 'bayes'  -- it knows the law of the labels: a bound, not a method
    UNION ALL
    SELECT
        'forecasting',
        'accuracy',
        'Forecasting',
        model,
        dataset || ' ' || target || ', horizon ' || horizon || ': ' || metric,
        true,
        value
    FROM forecast_scores UNPIVOT (value FOR metric IN (mse, mae))
),

cells AS (
    SELECT "group", table_name, "row", "column", avg(value) AS value, count(value) AS trials
    FROM scores
    GROUP BY ALL
),

grid AS (
    SELECT *
    FROM (SELECT DISTINCT "group", table_name, "row" FROM scores)
    JOIN (
        SELECT
            "group", table_name, "column",
            any_value(table_title) AS table_title,
            any_value(lower_is_better) AS lower_is_better
        FROM scores
        GROUP BY ALL
    ) USING ("group", table_name)
)

SELECT
    'headwater' AS suite,
    "group",
    table_name,
    table_title,
    "row",
    "column",
    lower_is_better,
    value,
    NULL::DOUBLE AS low,
    NULL::DOUBLE AS high,
    coalesce(trials, 0) AS trials,
    NULL::DOUBLE AS weighted,
    NULL::BIGINT AS instances,
    []::VARCHAR[] AS runs,
    CASE WHEN value IS NULL THEN 'Not measured' END AS reason,
    dense_rank() OVER (PARTITION BY "group", table_name ORDER BY "row") - 1 AS row_position,
    dense_rank() OVER (PARTITION BY "group", table_name ORDER BY "column") - 1 AS column_position,
    "group" AS run_group,
    trim(regexp_extract("column", '[^:]*$')) AS metric,
    NULL::VARCHAR AS perturbation,
    ['win_rate'] AS strategies
FROM grid
LEFT JOIN cells USING ("group", table_name, "row", "column")
ORDER BY ALL

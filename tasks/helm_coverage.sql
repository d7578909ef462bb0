-- Scenario x family, HELM's count of what was measured: a family of a scenario is covered when one of
-- its metrics has a value. Scenarios that no run of any model belongs to are not asked for.
WITH shown AS (
    SELECT suite, table_name AS family, "row" AS model, run_group, value,
        bool_or(reason IS DISTINCT FROM 'No matching runs') OVER (
            PARTITION BY suite, run_group
        ) AS asked
    FROM helm_cells
    WHERE table_name IN (
        'accuracy', 'calibration', 'robustness', 'fairness', 'bias', 'toxicity', 'efficiency'
    )
),

scenarios AS (
    SELECT suite, family, model, run_group, count(value) > 0 AS measured
    FROM shown
    WHERE asked
    GROUP BY ALL
)

SELECT
    suite,
    family,
    model,
    count(*) AS cells,
    count(*) FILTER (WHERE measured) AS measured,
    count(*) FILTER (WHERE measured) / count(*) AS share
FROM scenarios
GROUP BY ALL
ORDER BY ALL

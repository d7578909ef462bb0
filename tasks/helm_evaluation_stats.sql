-- Recomputed stats in the form of a stats.json.
SELECT
    suite, run, metric, split, sub_split, perturbation,
    coalesce((perturbation_json ->> '$.robustness')::BOOLEAN, false) AS robustness,
    coalesce((perturbation_json ->> '$.fairness')::BOOLEAN, false) AS fairness,
    computed_on, perturbation_json,
    count, sum, sum_squared, min, max, mean,
    run || '/per_instance_stats.json' AS source
FROM recomputed

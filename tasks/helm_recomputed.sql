-- Stats derived from the instances by HELM's rules: values of an instance are merged, perturbed
-- inputs join the worst case of their family and their own, a trial is the mean over its instances,
-- and a stat is over trials.
WITH merged AS (
    SELECT
        run, trial, instance_id, metric, split, sub_split, perturbation_json,
        any_value(perturbation) AS perturbation,
        bool_or(robustness) AS robustness,
        bool_or(fairness) AS fairness,
        sum(count) AS count, sum(sum) AS total, min(min) AS low, max(max) AS high
    FROM helm_instance_stats
    GROUP BY ALL
),

trials AS (
    SELECT
        run, trial, metric, split, sub_split, perturbation_json,
        any_value(perturbation) AS perturbation,
        CASE WHEN perturbation_json IS NULL THEN NULL ELSE 'perturbed' END AS computed_on,
        sum(count) AS count, sum(total) AS total,
        var_pop(total / nullif(count, 0)) / nullif(count(nullif(count, 0)), 0) AS variance,
        min(total / nullif(count, 0)) AS smallest, max(total / nullif(count, 0)) AS largest
    FROM merged
    GROUP BY ALL
),

perplexity AS (
    SELECT
        run, trial, split, sub_split, perturbation_json, perturbation, computed_on,
        sum(total) FILTER (WHERE metric = 'logprob') AS logprob,
        sum(total) FILTER (WHERE metric = 'num_perplexity_tokens') AS tokens,
        sum(total) FILTER (WHERE metric = 'num_bytes') AS bytes
    FROM trials
    WHERE metric IN ('logprob', 'num_perplexity_tokens', 'num_bytes')
    GROUP BY ALL
),

derived AS (
    SELECT run, trial, 'perplexity' AS metric, * EXCLUDE (run, trial, logprob, tokens, bytes),
        exp(-logprob / tokens) AS value
    FROM perplexity WHERE tokens > 0
    UNION ALL
    SELECT run, trial, 'bits_per_byte', * EXCLUDE (run, trial, logprob, tokens, bytes),
        -logprob / bytes / ln(2)
    FROM perplexity WHERE bytes > 0
    UNION ALL
    SELECT run, trial, 'logprob_per_byte', * EXCLUDE (run, trial, logprob, tokens, bytes),
        logprob / bytes
    FROM perplexity WHERE bytes > 0
),

lower AS (
    SELECT DISTINCT metric FROM helm_columns WHERE lower_is_better AND by_direction()
),

-- HELM takes the minimum whatever the direction.
signed AS (
    SELECT
        m.*,
        CASE WHEN l.metric IS NULL THEN m.low ELSE m.high END AS extreme,
        CASE WHEN l.metric IS NULL THEN 1 ELSE -1 END AS sign
    FROM merged AS m
    LEFT JOIN lower AS l USING (metric)
),

original AS (
    SELECT * FROM signed WHERE perturbation_json IS NULL
),

families AS (
    SELECT
        s.run, s.trial, s.instance_id, s.metric, s.split, s.sub_split, f.family,
        any_value(s.sign) * min(s.sign * s.extreme) AS worst
    FROM signed AS s
    JOIN (VALUES ('robustness'), ('fairness')) AS f (family)
        ON s.perturbation_json IS NULL
        OR (f.family = 'robustness' AND s.robustness)
        OR (f.family = 'fairness' AND s.fairness)
    WHERE s.count > 0
    GROUP BY ALL
),

singles AS (
    SELECT
        p.run, p.trial, p.metric, p.split, p.sub_split, p.perturbation, p.perturbation_json,
        -- A null is a missing original: least() passes over it.
        p.sign * least(p.sign * p.extreme, o.sign * o.extreme) AS worst,
        o.count AS original_count, o.total AS original_total
    FROM signed AS p
    LEFT JOIN original AS o
        ON o.run = p.run AND o.trial = p.trial AND o.instance_id = p.instance_id
        AND o.metric = p.metric AND o.split IS NOT DISTINCT FROM p.split
        AND o.sub_split IS NOT DISTINCT FROM p.sub_split
    WHERE p.perturbation_json IS NOT NULL
),

-- variance: of a trial's mean when its instances are drawn anew. What is no mean over instances has
-- none.
everything AS (
    SELECT
        run, trial, metric, split, sub_split, perturbation, computed_on, perturbation_json,
        count, total, variance, smallest, largest
    FROM trials
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, perturbation, computed_on, perturbation_json,
        1, value, NULL, NULL, NULL
    FROM derived
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, family, 'worst',
        '{"computed_on":"worst","fairness":' || (family = 'fairness')
        || ',"name":"' || family || '","robustness":' || (family = 'robustness') || '}',
        count(*), sum(worst), var_pop(worst) / count(*), min(worst), max(worst)
    FROM families
    GROUP BY ALL
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, perturbation, 'worst',
        replace(perturbation_json, '"computed_on":"perturbed"', '"computed_on":"worst"'),
        count(worst), sum(worst), var_pop(worst) / count(worst), min(worst), max(worst)
    FROM singles
    GROUP BY ALL
    HAVING count(worst) > 0
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, perturbation, 'original',
        replace(perturbation_json, '"computed_on":"perturbed"', '"computed_on":"original"'),
        sum(original_count), sum(original_total), NULL, NULL, NULL
    FROM singles
    WHERE original_count IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, NULL, NULL, NULL, 1, value,
        NULL, NULL, NULL
    FROM calibration
    WHERE perturbation_json IS NULL
    UNION ALL
    SELECT
        run, trial, metric, split, sub_split, perturbation, 'perturbed', perturbation_json, 1, value,
        NULL, NULL, NULL
    FROM calibration
    WHERE perturbation_json IS NOT NULL
),

means AS (
    SELECT *, total / nullif(count, 0) AS mean FROM everything
)

SELECT
    (SELECT any_value(suite) FROM helm_instance_stats) AS suite,
    run, metric, split, sub_split, perturbation, computed_on, perturbation_json,
    count(mean) AS count,
    coalesce(sum(mean), 0) AS sum,
    coalesce(sum(mean * mean), 0) AS sum_squared,
    min(mean) AS min,
    max(mean) AS max,
    sum(mean) / nullif(count(mean), 0) AS mean,
    sum(count)::BIGINT AS instances,
    coalesce(sum(total), 0) AS total,
    sum(variance) AS variance,
    sum(smallest) AS smallest,
    sum(largest) AS largest
FROM means
GROUP BY ALL
ORDER BY ALL

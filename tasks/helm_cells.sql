-- HELM's cells: a row's runs, the stats of theirs that a column asks for, merged.
-- Each trial of each run counts once, however many instances it had; `weighted` is what it would be
-- if instances counted. A run that is behind a row twice counts twice, as helm-summarize has it.
WITH usable AS (
    -- What a run wrote of itself, and what its instances say of runs that wrote no stats.
    SELECT
        run, metric, split, sub_split, perturbation, computed_on, count, sum
    FROM helm_stats
    WHERE computed_on IS DISTINCT FROM 'worst' OR NOT by_direction()
    UNION ALL
    SELECT
        run, metric, split, sub_split, perturbation, computed_on, count, sum
    FROM helm_recomputed
    WHERE run NOT IN (SELECT run FROM helm_stats)
        OR (computed_on = 'worst' AND by_direction())
),

asked AS (
    SELECT DISTINCT metric, split, sub_split, perturbation FROM helm_columns
),

-- A run without quasi_exact_match shows its exact_match instead.
names AS (
    SELECT *, metric AS found, 0 AS choice FROM asked
    UNION ALL
    SELECT *, 'exact_match', 1 FROM asked WHERE metric = 'quasi_exact_match'
),

matched AS (
    SELECT
        s.run, n.metric, n.split, n.sub_split, n.perturbation, n.choice,
        sum(s.count) AS count, sum(s.sum) AS sum
    FROM names AS n
    JOIN usable AS s
        ON s.metric = n.found
        AND s.perturbation IS NOT DISTINCT FROM n.perturbation
        AND (s.split = n.split OR n.split = '__all__')
        AND (n.sub_split IS NULL OR s.sub_split = n.sub_split)
    WHERE s.perturbation IS NULL OR s.computed_on = 'worst'
    GROUP BY ALL
),

chosen AS (
    SELECT *
    FROM matched
    QUALIFY choice = min(choice) OVER (
        PARTITION BY run, metric, split, sub_split, perturbation
    )
),

weighed AS (
    SELECT
        s.run, n.metric, n.split, n.sub_split, n.perturbation, n.choice,
        sum(s.instances) AS instances, sum(s.total) AS total, sum(s.variance) AS variance,
        sum(s.smallest) AS smallest, sum(s.largest) AS largest
    FROM names AS n
    JOIN helm_recomputed AS s
        ON s.metric = n.found
        AND s.perturbation IS NOT DISTINCT FROM n.perturbation
        AND (s.split = n.split OR n.split = '__all__')
        AND (n.sub_split IS NULL OR s.sub_split = n.sub_split)
    WHERE s.perturbation IS NULL OR s.computed_on = 'worst'
    GROUP BY ALL
),

behind AS (
    SELECT
        c."group", c.table_name, c.position AS column_position,
        r.position AS row_position, r.run,
        -- bAbI's tasks are not averaged: the run over all of them stands for them.
        r.run IS NOT NULL AND list_contains(r.run_groups, c.run_group)
        AND NOT (
            contains(c.run_group, 'babi') AND NOT contains(c.table_name, 'task:')
            AND NOT contains(r.run, 'task=all')
        ) AS counts,
        count(*) OVER (
            PARTITION BY c."group", c.table_name, c.position, r.position, r.run
        ) AS times,
        c.metric, c.split, c.sub_split, c.perturbation
    FROM helm_columns AS c
    JOIN helm_rows AS r USING ("group", table_name)
),

merged AS (
    SELECT
        b."group", b.table_name, b.row_position, b.column_position,
        count(*) FILTER (WHERE b.counts) AS n_runs,
        count(m.run) AS n_matched,
        sum(m.count) AS trials,
        sum(m.sum) / nullif(sum(m.count), 0) AS value,
        sum(w.total) / nullif(sum(w.instances), 0) AS weighted,
        sum(w.instances) AS instances,
        -- Of a run that counts twice, the errors add up instead of averaging out. Without the
        -- variance of every part there is no interval.
        CASE WHEN count(w.variance) = count(m.run) THEN
            1.959964 * sqrt(sum(w.variance * b.times)) / nullif(sum(m.count), 0)
        END AS reach,
        sum(w.smallest) / nullif(sum(m.count), 0) AS smallest,
        sum(w.largest) / nullif(sum(m.count), 0) AS largest,
        coalesce(list(DISTINCT b.run ORDER BY b.run) FILTER (WHERE m.run IS NOT NULL), []) AS runs
    FROM behind AS b
    LEFT JOIN chosen AS m
        ON b.counts AND m.run = b.run AND m.metric = b.metric AND m.split = b.split
        AND m.sub_split IS NOT DISTINCT FROM b.sub_split
        AND m.perturbation IS NOT DISTINCT FROM b.perturbation
    LEFT JOIN weighed AS w
        ON w.run = m.run AND w.metric = m.metric AND w.split = m.split AND w.choice = m.choice
        AND w.sub_split IS NOT DISTINCT FROM m.sub_split
        AND w.perturbation IS NOT DISTINCT FROM m.perturbation
    GROUP BY ALL
),

-- Log-probabilities of these models came from services that did not always return them.
doubtful (model) AS (
    VALUES ('anthropic/stanford-online-all-v4-s3'), ('meta/llama-7b'), ('meta/llama-13b'),
        ('meta/llama-30b'), ('meta/llama-65b'), ('meta/llama-2-7b'), ('meta/llama-2-13b'),
        ('meta/llama-2-70b')
),

labels AS (
    SELECT DISTINCT "group", table_name, position AS row_position, "row", model FROM helm_rows
),

shown AS (
    SELECT
        m.* EXCLUDE (column_position),
        l."row",
        c.*,
        l.model IN (SELECT model FROM doubtful) AND regexp_matches(
            c.metric,
            '^(NDCG|RR)@[12]0$|^(platt_)?ece_10?_bin$|^platt_(coef|intercept)$|^selective_'
        ) AS hidden
    FROM merged AS m
    JOIN labels AS l USING ("group", table_name, row_position)
    JOIN (SELECT * EXCLUDE ("group", table_name), "group" AS g, table_name AS t FROM helm_columns)
        AS c ON c.g = m."group" AND c.t = m.table_name AND c.position = m.column_position
)

SELECT
    suite,
    "group",
    table_name,
    table_title,
    "row",
    "column",
    lower_is_better,
    CASE WHEN NOT hidden THEN value END AS value,
    -- As the bootstrap, it does not leave what drawing one instance over and over would give.
    CASE WHEN NOT hidden AND reach IS NOT NULL
        THEN greatest(value - reach, least(value, smallest)) END AS low,
    CASE WHEN NOT hidden AND reach IS NOT NULL
        THEN least(value + reach, greatest(value, largest)) END AS high,
    coalesce(trials, 0) AS trials,
    CASE WHEN NOT hidden THEN weighted END AS weighted,
    instances,
    runs,
    CASE
        WHEN n_runs = 0 THEN 'No matching runs'
        WHEN n_matched = 0 THEN n_runs || ' matching runs, but no matching metrics'
        WHEN trials = 0 THEN 'Matching metrics without a value'
        WHEN hidden THEN 'Log-probabilities of this model are not reliable'
    END AS reason,
    row_position,
    position AS column_position,
    run_group,
    metric,
    perturbation,
    strategies
FROM shown
ORDER BY "group", table_name, row_position, column_position

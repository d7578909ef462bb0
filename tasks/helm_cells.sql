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

-- A suite has cells by the hundred thousand: they are made by numbers, words come at the end.
asked AS (
    SELECT *, row_number() OVER () AS asked_id
    FROM (SELECT DISTINCT metric, split, sub_split, perturbation FROM helm_columns)
),

runs AS (
    SELECT run, any_value(run_groups) AS run_groups, row_number() OVER (ORDER BY run) AS run_id
    FROM helm_rows WHERE run IS NOT NULL GROUP BY run
),

tables AS (
    SELECT "group", table_name, row_number() OVER () AS table_id
    FROM (SELECT DISTINCT "group", table_name FROM helm_columns)
),

-- A run without quasi_exact_match shows its exact_match instead.
names AS (
    SELECT *, metric AS found, 0 AS choice FROM asked
    UNION ALL
    SELECT *, 'exact_match', 1 FROM asked WHERE metric = 'quasi_exact_match'
),

matched AS (
    SELECT
        r.run_id, n.asked_id, n.choice,
        sum(s.count) AS count, sum(s.sum) AS sum
    FROM names AS n
    JOIN usable AS s
        ON s.metric = n.found
        AND s.perturbation IS NOT DISTINCT FROM n.perturbation
        AND (s.split = n.split OR n.split = '__all__')
        AND (n.sub_split IS NULL OR s.sub_split = n.sub_split)
    JOIN runs AS r ON r.run = s.run
    WHERE s.perturbation IS NULL OR s.computed_on = 'worst'
    GROUP BY ALL
),

chosen AS (
    SELECT *
    FROM matched
    QUALIFY choice = min(choice) OVER (PARTITION BY run_id, asked_id)
),

weighed AS (
    SELECT
        r.run_id, n.asked_id, n.choice,
        sum(s.instances) AS instances, sum(s.total) AS total, sum(s.variance) AS variance,
        sum(s.smallest) AS smallest, sum(s.largest) AS largest
    FROM names AS n
    JOIN helm_recomputed AS s
        ON s.metric = n.found
        AND s.perturbation IS NOT DISTINCT FROM n.perturbation
        AND (s.split = n.split OR n.split = '__all__')
        AND (n.sub_split IS NULL OR s.sub_split = n.sub_split)
    JOIN runs AS r ON r.run = s.run
    WHERE s.perturbation IS NULL OR s.computed_on = 'worst'
    GROUP BY ALL
),

columns AS (
    SELECT t.table_id, c.position AS column_position, c.run_group, a.asked_id
    FROM helm_columns AS c
    JOIN tables AS t USING ("group", table_name)
    JOIN asked AS a
        ON a.metric = c.metric AND a.split = c.split
        AND a.sub_split IS NOT DISTINCT FROM c.sub_split
        AND a.perturbation IS NOT DISTINCT FROM c.perturbation
),

-- Whether a run counts for the columns of a group in a table.
counted AS (
    SELECT
        t.table_id, r.run_id, g.run_group,
        -- bAbI's tasks are not averaged: the run over all of them stands for them.
        list_contains(r.run_groups, g.run_group) AND NOT (
            contains(g.run_group, 'babi') AND NOT contains(t.table_name, 'task:')
            AND NOT contains(r.run, 'task=all')
        ) AS counts
    FROM (SELECT DISTINCT table_id, run_group FROM columns) AS g
    JOIN tables AS t USING (table_id)
    JOIN (SELECT DISTINCT "group", table_name, run FROM helm_rows) AS b USING ("group", table_name)
    JOIN runs AS r ON r.run = b.run
),

-- times: how often a run is behind its row.
behind AS (
    SELECT t.table_id, r.position AS row_position, s.run_id, count(*) AS times
    FROM helm_rows AS r
    JOIN tables AS t USING ("group", table_name)
    JOIN runs AS s USING (run)
    GROUP BY ALL
),

filled AS (
    SELECT
        b.table_id, b.row_position, c.column_position,
        sum(b.times) AS n_runs,
        coalesce(sum(b.times) FILTER (WHERE m.run_id IS NOT NULL), 0) AS n_matched,
        sum(m.count * b.times) AS trials,
        sum(m.sum * b.times) / nullif(sum(m.count * b.times), 0) AS value,
        sum(w.total * b.times) / nullif(sum(w.instances * b.times), 0) AS weighted,
        sum(w.instances * b.times) AS instances,
        -- Of a run that counts twice, the errors add up instead of averaging out. Without the
        -- variance of every part there is no interval.
        CASE WHEN count(w.variance) = count(m.run_id) THEN
            1.959964 * sqrt(sum(w.variance * b.times * b.times))
            / nullif(sum(m.count * b.times), 0)
        END AS reach,
        sum(w.smallest * b.times) / nullif(sum(m.count * b.times), 0) AS smallest,
        sum(w.largest * b.times) / nullif(sum(m.count * b.times), 0) AS largest,
        list(b.run_id ORDER BY b.run_id) FILTER (WHERE m.run_id IS NOT NULL) AS run_ids
    FROM behind AS b
    JOIN counted AS k ON k.table_id = b.table_id AND k.run_id = b.run_id AND k.counts
    JOIN columns AS c ON c.table_id = k.table_id AND c.run_group = k.run_group
    LEFT JOIN chosen AS m ON m.run_id = b.run_id AND m.asked_id = c.asked_id
    LEFT JOIN weighed AS w
        ON w.run_id = m.run_id AND w.asked_id = m.asked_id AND w.choice = m.choice
    GROUP BY ALL
),

run_lists AS (
    SELECT run_ids, list(run ORDER BY run_id) AS runs
    FROM (SELECT run_ids, unnest(run_ids) AS run_id FROM (SELECT DISTINCT run_ids FROM filled))
    JOIN runs USING (run_id)
    GROUP BY run_ids
),

-- Log-probabilities of these models came from services that did not always return them.
doubtful (model) AS (
    VALUES ('anthropic/stanford-online-all-v4-s3'), ('meta/llama-7b'), ('meta/llama-13b'),
        ('meta/llama-30b'), ('meta/llama-65b'), ('meta/llama-2-7b'), ('meta/llama-2-13b'),
        ('meta/llama-2-70b')
),

labels AS (
    SELECT DISTINCT t.table_id, r.position AS row_position, r."row", r.model
    FROM helm_rows AS r JOIN tables AS t USING ("group", table_name)
),

shown AS (
    SELECT
        f.* EXCLUDE (table_id, row_position, column_position, run_ids, n_runs, n_matched),
        coalesce(f.n_runs, 0) AS n_runs,
        coalesce(f.n_matched, 0) AS n_matched,
        coalesce(l.runs, []) AS runs,
        r."row",
        r.row_position,
        c.*,
        r.model IN (SELECT model FROM doubtful) AND regexp_matches(
            c.metric,
            '^(NDCG|RR)@[12]0$|^(platt_)?ece_10?_bin$|^platt_(coef|intercept)$|^selective_'
        ) AS hidden
    FROM helm_columns AS c
    JOIN tables AS t USING ("group", table_name)
    JOIN labels AS r ON r.table_id = t.table_id
    LEFT JOIN filled AS f
        ON f.table_id = t.table_id AND f.row_position = r.row_position
        AND f.column_position = c.position
    LEFT JOIN run_lists AS l ON l.run_ids = f.run_ids
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

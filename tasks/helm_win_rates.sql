-- Mean win rate, HELM section 3 of its summarizer: in a column with a direction and at least two
-- values a row's rate is (rows strictly worse + half the other tied rows) / (rows - 1); the mean goes
-- over the columns in which the row has a value. Before September 2024 HELM let the order of the
-- rows decide between equal ones: legacy_ties().
-- The rates themselves come along, so that their spread can be estimated.
WITH measured AS (
    SELECT
        *,
        CASE WHEN lower_is_better THEN -value ELSE value END AS goodness,
        CASE WHEN lower_is_better THEN -row_position ELSE row_position END AS place
    FROM helm_cells
    WHERE value IS NOT NULL AND NOT isnan(value) AND lower_is_better IS NOT NULL
),

ranked AS (
    SELECT
        suite, "group", table_name, row_position, column_position,
        count(*) OVER of_column AS n,
        CASE WHEN legacy_ties()
            THEN row_number() OVER (
                PARTITION BY suite, "group", table_name, column_position ORDER BY goodness, place
            ) - 1
            ELSE rank() OVER (
                PARTITION BY suite, "group", table_name, column_position ORDER BY goodness
            ) - 1 + (count(*) OVER (
                PARTITION BY suite, "group", table_name, column_position, goodness
            ) - 1) / 2
        END AS beaten
    FROM measured
    WINDOW of_column AS (PARTITION BY suite, "group", table_name, column_position)
),

rates AS (
    SELECT
        suite, "group", table_name, row_position,
        list(beaten / (n - 1) ORDER BY column_position) AS rates
    FROM ranked
    WHERE n > 1
    GROUP BY ALL
),

rows AS (
    SELECT
        suite, "group", table_name, row_position,
        any_value("row") AS "row",
        -- A mean over columns that disagree on their direction says nothing.
        CASE
            WHEN count(DISTINCT coalesce(lower_is_better::VARCHAR, '')) = 1 THEN avg(value)
        END AS mean_score
    FROM helm_cells
    WHERE len(strategies) > 0
    GROUP BY ALL
)

SELECT
    suite,
    "group",
    table_name,
    "row",
    row_position,
    list_avg(rates) AS mean_win_rate,
    coalesce(rates, []) AS rates,
    coalesce(len(rates), 0) AS n_columns,
    mean_score
FROM rows
LEFT JOIN rates USING (suite, "group", table_name, row_position)
ORDER BY suite, "group", table_name, mean_win_rate DESC, "row"

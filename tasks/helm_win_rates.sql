-- Mean win rate, HELM section 3 of its summarizer: in a column with at least two values a row's
-- rate is (rows strictly worse + half the other tied rows) / (rows - 1); the mean goes over the
-- columns in which the row has a value. Beyond HELM: a 95 % bootstrap interval over columns,
-- whose draws come from a hash and not from a clock, so that the same cells give the same interval.
WITH measured AS (
    SELECT
        *,
        CASE WHEN lower_is_better THEN -value ELSE value END AS goodness
    FROM helm_cells
    WHERE value IS NOT NULL AND NOT isnan(value)
),

duels AS (
    SELECT
        a.suite, a."group", a.table_name, a."row", a."column",
        avg(CASE WHEN a.goodness > b.goodness THEN 1 WHEN a.goodness = b.goodness THEN 0.5 ELSE 0 END)
            AS rate
    FROM measured AS a
    JOIN measured AS b
        ON a.suite = b.suite
        AND a."group" = b."group"
        AND a.table_name = b.table_name
        AND a."column" = b."column"
        AND a."row" <> b."row"
    GROUP BY ALL
),

rates AS (
    SELECT
        suite, "group", table_name, "row",
        list(rate ORDER BY "column") AS rates
    FROM duels
    GROUP BY ALL
),

resampled AS (
    SELECT
        suite, "group", table_name, "row", draw,
        list_avg([
            rates[1 + (hash(draw, i) % len(rates))::INTEGER]
            FOR i IN range(len(rates))
        ]) AS mean_win_rate
    FROM rates, range(1000) AS draws (draw)
),

intervals AS (
    SELECT
        suite, "group", table_name, "row",
        quantile_cont(mean_win_rate, 0.025) AS low,
        quantile_cont(mean_win_rate, 0.975) AS high
    FROM resampled
    GROUP BY ALL
)

SELECT
    suite,
    "group",
    table_name,
    "row",
    list_avg(rates) AS mean_win_rate,
    low,
    high,
    coalesce(len(rates), 0) AS n_columns
FROM (SELECT DISTINCT suite, "group", table_name, "row" FROM helm_cells)
LEFT JOIN rates USING (suite, "group", table_name, "row")
LEFT JOIN intervals USING (suite, "group", table_name, "row")
ORDER BY suite, "group", table_name, mean_win_rate DESC, "row"

-- Confidence and correctness of every answer, a list a run, trial and context, in the file's order.
WITH answers AS (
    SELECT
        run, trial, split, sub_split, perturbation, perturbation_json, instance_id,
        min(place) AS place,
        max(sum / nullif(count, 0)) FILTER (WHERE metric = 'max_prob') AS p,
        trunc(max(sum / nullif(count, 0)) FILTER (WHERE metric = 'exact_match')) AS y,
        min(sum) FILTER (WHERE metric = 'logprob') AS logprob
    FROM (
        SELECT *, row_number() OVER () AS place
        FROM helm_instance_stats
        WHERE metric IN ('max_prob', 'exact_match', 'logprob')
    )
    GROUP BY ALL
)

SELECT
    run, trial, split, sub_split, perturbation, perturbation_json,
    list(p ORDER BY place) AS p,
    list(y ORDER BY place) AS y
FROM answers
GROUP BY ALL
-- A model whose log-probabilities are all 0 does not tell any.
HAVING min(logprob) < 0 AND count(p) = count(*) AND count(y) = count(*)
    AND min(p) >= 0 AND max(p) <= 1 AND min(y) >= 0 AND max(y) <= 1
ORDER BY ALL

-- What every model's runs used. Tokens are those of the instances' own stats, unperturbed and
-- perturbed; seconds those of the requests.
WITH used AS (
    SELECT
        run,
        sum(sum) FILTER (WHERE metric = 'num_prompt_tokens') AS prompt_tokens,
        sum(sum) FILTER (WHERE metric IN ('num_completion_tokens', 'num_output_tokens'))
            / nullif(count(DISTINCT metric) FILTER (
                WHERE metric IN ('num_completion_tokens', 'num_output_tokens')
            ), 0) AS completion_tokens
    FROM helm_instance_stats
    GROUP BY run
),

asked AS (
    SELECT run, count(*) AS requests, sum(request_seconds) AS seconds
    FROM helm_predictions
    GROUP BY run
)

SELECT
    r.suite,
    r.model,
    count(*) AS runs,
    coalesce(sum(asked.requests), 0)::BIGINT AS requests,
    coalesce(sum(used.prompt_tokens), 0) AS prompt_tokens,
    coalesce(sum(used.completion_tokens), 0) AS completion_tokens,
    sum(asked.seconds) AS seconds
FROM helm_runs AS r
LEFT JOIN used USING (run)
LEFT JOIN asked USING (run)
GROUP BY ALL
ORDER BY ALL

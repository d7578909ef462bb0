-- A kill while shards are merged can leave a request in two of them: each is counted once.
SELECT system, step, model, kind, count(*) AS requests,
       sum(prompt_tokens)::BIGINT AS prompt_tokens,
       sum(completion_tokens)::BIGINT AS completion_tokens,
       sum(seconds) AS seconds
FROM (SELECT DISTINCT ON (key, asked_at) * FROM lm_requests)
GROUP BY ALL
ORDER BY ALL

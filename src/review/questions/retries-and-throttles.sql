-- title: Retries and throttles
-- about: Rows that needed more than one request, or whose request was throttled, and how long they took from the first to the last.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT a.run_id, a.row_no, a.account_id, a.region, a.key_pair_name, count(*) AS requests,
       count(*) FILTER (WHERE a.class = 'throttled') AS throttled,
       count(*) FILTER (WHERE a.class IS NULL OR a.class = 'unanswered') AS unanswered,
       count(*) FILTER (WHERE a.class NOT IN ('throttled', 'unanswered', 'succeeded', 'pending')) AS other_errors,
       min(a.started_at) AS first_recorded_at, max(a.finished_at) AS last_answered_at, max(i.outcome) AS outcome,
       max(i.evidence) AS evidence, max(a.sandbox) AS sandbox
FROM attempts AS a
JOIN intents AS i ON i.run_id = a.run_id AND i.row_no = a.row_no
WHERE a.run_id LIKE :run || '%'
  AND CASE WHEN a.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
GROUP BY a.run_id, a.row_no, a.account_id, a.region, a.key_pair_name
HAVING count(*) > 1 OR count(*) FILTER (WHERE a.class = 'throttled') > 0
ORDER BY a.run_id, a.row_no

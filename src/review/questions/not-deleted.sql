-- title: What was not deleted, and why
-- about: Rows that failed, were skipped, were absent or were not attempted, with the reason; rows in doubt have a question of their own.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.run_id, i.row_no, i.line, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, i.detail, i.error_code,
       i.error_message, i.attempts, i.settled_at, i.operator, i.sandbox
FROM intents AS i
WHERE i.outcome IN ('failed', 'skipped', 'absent', 'not_attempted')
  AND i.run_id LIKE :run || '%'
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

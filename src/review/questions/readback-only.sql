-- title: Rows whose evidence is only a readback
-- about: Rows that were settled by looking alone: no answer, operation or CloudTrail record shows what the request did.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.run_id, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, i.detail, i.attempts, i.attempted_at,
       i.settled_at, i.request_id, i.operation_id, i.operator, i.sandbox
FROM intents AS i
WHERE i.evidence = 'readback'
  AND i.run_id LIKE :run || '%'
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

-- title: What became of a key pair, over all runs
-- about: Every row of every run that names the key pair, with the identity that was observed and what became of it.
-- param key_pair: the name of the key pair, exactly
-- option account: only in this account
-- option region: only in this region
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.run_id, r.started_at, i.row_no, i.account_id, i.region, i.key_pair_name, i.arn, i.created_at, i.fingerprint, i.verdict,
       i.outcome, i.evidence, i.detail, i.attempts, i.attempted_at, i.settled_at, i.settled_outcome, i.resolved_by,
       i.request_id, i.operation_id, i.operator, r.ticket, i.sandbox
FROM intents AS i
JOIN runs AS r ON r.run_id = i.run_id
WHERE i.key_pair_name = :key_pair
  AND (:account = '' OR i.account_id = :account)
  AND (:region = '' OR i.region = :region)
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY r.started_at, i.run_id, i.row_no

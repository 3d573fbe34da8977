-- title: Deletions in a time
-- about: Every row with the outcome deleted or gone whose last request was recorded in that time, which is right before it was sent.
-- param since (time): from this time on, in UTC: 2026-11-29, or 2026-11-29T08:00:00Z
-- option until (time): before this time; a day means its beginning
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.attempted_at, i.settled_at, i.run_id, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence,
       i.operator, i.request_id, i.operation_id, i.resolved_by, i.sandbox
FROM intents AS i
WHERE i.attempted_at >= rtrim(:since, 'Z')
  AND (:until = '' OR i.attempted_at < rtrim(:until, 'Z'))
  AND i.outcome IN ('deleted', 'gone')
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.attempted_at, i.run_id, i.row_no

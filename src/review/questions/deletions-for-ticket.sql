-- title: Deletions for a ticket
-- about: Every row with the outcome deleted or gone whose run, or whose own column, names the ticket.
-- param ticket: the ticket, as it was given to the run or stands in the manifest
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.run_id, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, i.attempted_at, i.settled_at,
       i.operator, r.ticket AS run_ticket, i.ticket AS row_ticket, i.request_id, i.operation_id, i.resolved_by, i.sandbox
FROM intents AS i
JOIN runs AS r ON r.run_id = i.run_id
WHERE (r.ticket = :ticket OR i.ticket = :ticket)
  AND i.outcome IN ('deleted', 'gone')
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

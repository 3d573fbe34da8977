SELECT i.run_id, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, i.attempted_at, i.settled_at,
       s.sent_by, s.caller_arn, i.operator AS run_begun_by, i.request_id, i.operation_id, i.resolved_by, i.sandbox
FROM intents AS i
JOIN attempts AS a ON a.run_id = i.run_id AND a.row_no = i.row_no AND a.attempt = i.attempts
JOIN (SELECT e.seq, (e.body ->> 'user') AS sender, (e.body ->> 'user') || '@' || (e.body ->> 'host') AS sent_by,
             (e.body ->> 'caller_arn') AS caller_arn
      FROM (SELECT seq, keybatch.object(body) AS body
            FROM entries WHERE kind = 'session_opened') AS e) AS s ON s.seq = a.session
WHERE :person IN (s.sender, s.sent_by, s.caller_arn)
  AND i.outcome IN ('deleted', 'gone')
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

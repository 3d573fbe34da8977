-- title: Everything in doubt
-- about: Rows that ended in doubt, and rows with a request that is not settled yet: a person, or a resumed run, must look. `late_answer` is the entry of the last answer that came too late to decide anything.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT i.run_id, r.state AS run_state, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, i.detail,
       i.attempts, i.attempted_at, i.settled_at, i.request_id, i.operation_id, i.error_code, i.operator, i.sandbox,
       l.late_answer
FROM intents AS i
JOIN runs AS r ON r.run_id = i.run_id
LEFT JOIN (SELECT run_id, row_no, max(seq) AS late_answer FROM entries WHERE kind = 'answer_late' GROUP BY run_id, row_no) AS l
  ON l.run_id = i.run_id AND l.row_no = i.row_no
WHERE i.outcome IN ('in_doubt', 'unsettled')
  AND i.run_id LIKE :run || '%'
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

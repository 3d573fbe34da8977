SELECT i.run_id, i.row_no, i.account_id, i.region, i.key_pair_name, i.outcome, i.evidence, u.in_use, i.attempted_at, i.operator,
       i.sandbox
FROM intents AS i
JOIN (SELECT n.run_id, n.row_no,
             CASE
                 WHEN (n.notes #>> '{0,note}') = 'in_use' THEN (n.notes #>> '{0,text}')
                 WHEN (n.notes #>> '{1,note}') = 'in_use' THEN (n.notes #>> '{1,text}')
                 WHEN (n.notes #>> '{2,note}') = 'in_use' THEN (n.notes #>> '{2,text}')
                 WHEN (n.notes #>> '{3,note}') = 'in_use' THEN (n.notes #>> '{3,text}')
                 WHEN (n.notes #>> '{4,note}') = 'in_use' THEN (n.notes #>> '{4,text}')
                 WHEN (n.notes #>> '{5,note}') = 'in_use' THEN (n.notes #>> '{5,text}')
                 WHEN (n.notes #>> '{6,note}') = 'in_use' THEN (n.notes #>> '{6,text}')
                 WHEN (n.notes #>> '{7,note}') = 'in_use' THEN (n.notes #>> '{7,text}')
             END AS in_use
      FROM (SELECT e.run_id, e.row_no,
                   CASE WHEN (e.body -> 'today') IS NULL THEN (e.body #> '{line,notes}')
                        ELSE (e.body #> '{today,notes}') END AS notes
            FROM (SELECT run_id, row_no, keybatch.object(body) AS body
                  FROM entries WHERE kind = 'intent_recorded') AS e) AS n) AS u
     ON u.run_id = i.run_id AND u.row_no = i.row_no
WHERE u.in_use IS NOT NULL
  AND i.outcome IN ('deleted', 'gone')
  AND i.run_id LIKE :run || '%'
  AND CASE WHEN i.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY i.run_id, i.row_no

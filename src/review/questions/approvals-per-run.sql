-- title: Approvals per run
-- about: Each run with the people who approved its plan, one line each; a run that nobody approved has one line without a person.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT r.run_id, r.state, r.started_at, r.operator, r.ticket, r.deleted, r.gone, r.plan_root, a.signer, a.approved_at,
       CASE WHEN a.signer IS NULL THEN 'nobody approved it'
            WHEN a.plan_root = r.plan_root THEN 'this plan'
            ELSE 'ANOTHER PLAN' END AS approved,
       r.sandbox
FROM runs AS r
LEFT JOIN approvals AS a ON a.run_id = r.run_id
WHERE r.run_id LIKE :run || '%'
  AND CASE WHEN r.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY r.started_at, r.run_id, a.approved_at, a.signer

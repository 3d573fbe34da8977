-- title: Runs with their sums
-- about: Each run with its rows counted by outcome. Every row has exactly one outcome, so the counts add up to the rows of the manifest.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT r.run_id, r.state, r.stopped_by, r.started_at, r.finished_at, r.operator, r.ticket, r.manifest, r.targets, r.rows,
       coalesce(c.deleted, 0) AS deleted, coalesce(c.gone, 0) AS gone, coalesce(c.absent, 0) AS absent,
       coalesce(c.skipped, 0) AS skipped, coalesce(c.failed, 0) AS failed, coalesce(c.in_doubt, 0) AS in_doubt,
       coalesce(c.unsettled, 0) AS unsettled, coalesce(c.not_attempted, 0) AS not_attempted,
       CASE WHEN coalesce(c.counted, 0) = r.rows THEN 'yes'
            WHEN r.state IN ('planning', 'abandoned') THEN 'the plan is not complete'
            ELSE 'NO' END AS adds_up,
       r.sandbox
FROM runs AS r
LEFT JOIN (SELECT run_id, count(*) FILTER (WHERE outcome = 'deleted') AS deleted, count(*) FILTER (WHERE outcome = 'gone') AS gone,
                  count(*) FILTER (WHERE outcome = 'absent') AS absent, count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
                  count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE outcome = 'in_doubt') AS in_doubt,
                  count(*) FILTER (WHERE outcome = 'unsettled') AS unsettled,
                  count(*) FILTER (WHERE outcome = 'not_attempted') AS not_attempted,
                  count(*) FILTER (WHERE outcome IN ('deleted', 'gone', 'absent', 'skipped', 'failed', 'in_doubt', 'unsettled',
                                                     'not_attempted')) AS counted
           FROM intents GROUP BY run_id) AS c ON c.run_id = r.run_id
WHERE r.run_id LIKE :run || '%'
  AND CASE WHEN r.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY r.started_at, r.run_id

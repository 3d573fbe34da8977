-- title: All overrides
-- about: Every rule that somebody lifted, with the reason; also rollbacks that were accepted, which may belong to no run.
-- option run (run): only in this run: its id, or the beginning of it
-- option sandbox (rehearsals): yes for rehearsals, too, or only for nothing but rehearsals; else real runs alone
SELECT o.used_at, o.override, o.used_by, o.why, o.run_id, r.state AS run_state, r.manifest, r.ticket, o.session, o.sandbox
FROM overrides AS o
LEFT JOIN runs AS r ON r.run_id = o.run_id
WHERE coalesce(o.run_id, '') LIKE :run || '%'
  AND CASE WHEN o.sandbox = 1 THEN :sandbox IN ('yes', 'only') ELSE :sandbox <> 'only' END
ORDER BY o.used_at, o.override, o.session

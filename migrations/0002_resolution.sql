-- What a person, or CloudTrail's record, said later of a row that ended in doubt or as gone. A migration is never edited once it
-- has landed.
--
-- A reader of a journal that no later session has brought up to date makes these for itself, as temporary ones: each statement
-- here begins a line, and makes a table or a view, or removes the view that the next one replaces.

-- The latest of each row: what counts. The outcome that the run itself determined stays in `intent`. Without a rowid, like
-- `intent`: it is looked up by that table's key. The row itself may be written in the same transaction, so it is looked for at
-- its end.
CREATE TABLE resolution (
    run_no   INTEGER NOT NULL,
    row_no   INTEGER NOT NULL,
    seq      INTEGER NOT NULL, -- its row_resolved
    outcome  TEXT    NOT NULL,
    evidence TEXT    NOT NULL,
    PRIMARY KEY (run_no, row_no),
    FOREIGN KEY (run_no, row_no) REFERENCES intent (run_no, row_no) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- The views that show it, as in 0001_journal.sql but for that.
DROP VIEW row_outcome;

-- A row without an outcome is `unsettled` as long as a request of ours may have taken effect, else `not_attempted`.
CREATE VIEW row_outcome AS
SELECT i.run_no, i.row_no,
       CASE
           WHEN i.outcome IN ('gone', 'in_doubt')
               THEN coalesce((SELECT z.outcome FROM resolution AS z WHERE z.run_no = i.run_no AND z.row_no = i.row_no),
                             i.outcome)
           WHEN i.outcome IS NOT NULL THEN i.outcome
           WHEN EXISTS (SELECT 1 FROM attempt AS a
                        WHERE a.run_no = i.run_no AND a.row_no = i.row_no
                          AND (a.class IS NULL
                               OR a.class NOT IN ('throttled', 'not_sent', 'setup_in_progress', 'denied', 'refused_for_all')))
               THEN 'unsettled'
           -- Entries were lost after its intent, and with them perhaps a request.
           WHEN i.verdict = 'delete'
                AND i.seq < (SELECT max(m.seq) FROM milestone AS m WHERE m.run_no IS NULL AND m.kind = 'override_used')
                AND (SELECT r.state FROM run AS r WHERE r.run_no = i.run_no) <> 'abandoned'
               THEN 'unsettled'
           ELSE 'not_attempted'
       END AS outcome
FROM intent AS i;

DROP VIEW intents;

CREATE VIEW intents AS
SELECT i.run_id, i.row_no,
       CASE WHEN ltrim(CAST((i.planned -> '$.line.line') AS TEXT), '0123456789') = ''
                 AND length(CAST((i.planned -> '$.line.line') AS TEXT)) < 19
            THEN CAST((i.planned ->> '$.line.line') AS BIGINT) END AS line,
       i.key_pair_name, i.account_id, i.region,
       (i.planned ->> '$.line.conditions.expected_fingerprint') AS expected_fingerprint,
       (i.planned ->> '$.line.observation.arn')  AS arn,
       (i.planned ->> '$.line.observation.fingerprint') AS fingerprint,
       (i.planned ->> '$.line.observation.created_at') AS created_at,
       i.verdict, i.outcome,
       i.evidence,
       CASE WHEN i.outcome = 'unsettled'
            THEN 'a request may have taken effect and is not settled yet: resume the run'
            ELSE coalesce((i.resolved ->> '$.because'), (i.settled ->> '$.detail')) END AS detail,
       i.attempts,
       coalesce((i.finished ->> '$.operation.id'),
                CASE WHEN NOT i.failed AND CAST((i.answer -> '$.operation.id') AS TEXT) LIKE '"%'
                     THEN (i.answer ->> '$.operation.id') END,
                (SELECT x.operation_id
                 FROM (SELECT n.seq,
                              coalesce((n.body ->> '$.operation.id'),
                                       CASE WHEN CAST((n.answer -> '$.operation.id') AS TEXT) LIKE '"%'
                                            THEN (n.answer ->> '$.operation.id') END) AS operation_id
                       FROM (SELECT n.seq, n.body,
                                    CASE WHEN coalesce((n.body ->> '$.cause'), 'no_operation') = 'no_operation'
                                              AND json_valid((n.body ->> '$.json'))
                                         THEN (n.body ->> '$.json') END AS answer
                             FROM (SELECT n.seq, CASE WHEN json_valid(e.body) THEN e.body END AS body
                                   FROM row_entry AS n JOIN entry AS e ON e.seq = n.seq
                                   WHERE n.run_no = i.run_no AND n.row_no = i.row_no) AS n) AS n) AS x
                 WHERE x.operation_id IS NOT NULL
                 ORDER BY x.seq DESC LIMIT 1))     AS operation_id,
       (i.finished ->> '$.request_id')             AS request_id,
       coalesce((i.own ->> '$.code'), (i.own ->> '$.type'),
                CASE WHEN CAST((i.said -> '$.code') AS TEXT) LIKE '"%' THEN nullif((i.said ->> '$.code'), '') END,
                nullif(substr(i.bare, instr(i.bare, '#') + 1), ''),
                (i.finished ->> '$.operation.error_code'),
                CASE WHEN NOT i.failed AND CAST((i.answer -> '$.operation.errorCode') AS TEXT) LIKE '"%'
                     THEN (i.answer ->> '$.operation.errorCode') END,
                (i.finished ->> '$.cause'))        AS error_code,
       coalesce((i.own ->> '$.message'),
                CASE WHEN CAST((i.said -> '$.message') AS TEXT) LIKE '"%' THEN (i.said ->> '$.message') END,
                CASE WHEN CAST((i.said -> '$.Message') AS TEXT) LIKE '"%' THEN (i.said ->> '$.Message') END,
                (i.finished ->> '$.operation.error_details'),
                CASE WHEN NOT i.failed AND CAST((i.answer -> '$.operation.errorDetails') AS TEXT) LIKE '"%'
                     THEN (i.answer ->> '$.operation.errorDetails') END) AS error_message,
       (i.settled ->> '$.at')                      AS settled_at,
       substr(i.planned, instr(i.planned, '"annotations":{') + 14, length((i.planned ->> '$.line.annotations'))) AS annotations,
       i.sandbox,
       (i.planned ->> '$.line.reason')             AS reason,
       (i.planned ->> '$.line.ticket')             AS ticket,
       (i.started ->> '$.at')                      AS attempted_at,
       i.operator, i.endpoint, i.settled_outcome,
       (i.resolved ->> '$.by')                     AS resolved_by
FROM (SELECT i.*, substr(i.named, 1, instr(replace(i.named, ',', ':') || ':', ':') - 1) AS bare
      FROM (SELECT i.*,
                   coalesce(CASE WHEN CAST((i.said -> '$.__type') AS TEXT) LIKE '"%' THEN (i.said ->> '$.__type') END,
                            CASE WHEN i.failed AND i.own IS NULL
                                 THEN (i.finished ->> '$.headers.x-amzn-errortype') END) AS named
            FROM (SELECT i.*, CASE WHEN i.failed AND i.own IS NULL THEN i.answer END AS said
                  FROM (SELECT i.*,
                               coalesce((i.finished ->> '$.cause'), 'no_operation') <> 'no_operation' AS failed,
                               CASE WHEN CAST((i.finished -> '$.error') AS TEXT) LIKE '{%' THEN (i.finished -> '$.error') END AS own,
                               CASE WHEN json_valid((i.finished ->> '$.json')) THEN (i.finished ->> '$.json') END AS answer
      FROM (SELECT r.run_id, r.sandbox, r.operator, r.endpoint, i.run_no, i.row_no, i.key_pair_name, i.verdict,
                   coalesce(z.evidence, i.evidence) AS evidence,
                   t.account_id, t.region, o.outcome, i.outcome AS settled_outcome,
                   (SELECT count(*) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) AS attempts,
                   CASE WHEN json_valid(e.body) THEN e.body END AS planned,
                   CASE WHEN json_valid(s.body) THEN s.body END AS settled,
                   CASE WHEN json_valid(q.body) THEN q.body END AS resolved,
                   CASE WHEN json_valid(f.body) THEN f.body END AS finished,
                   CASE WHEN json_valid(b.body) THEN b.body END AS started
            FROM intent AS i
            JOIN run AS r ON r.run_no = i.run_no
            JOIN target AS t ON t.target_no = i.target_no
            JOIN entry AS e ON e.seq = i.seq
            JOIN row_outcome AS o ON o.run_no = i.run_no AND o.row_no = i.row_no
            LEFT JOIN entry AS s ON s.seq = i.settled_seq
            LEFT JOIN resolution AS z ON z.run_no = i.run_no AND z.row_no = i.row_no
            LEFT JOIN entry AS q ON q.seq = z.seq
            LEFT JOIN attempt AS l ON l.run_no = i.run_no AND l.row_no = i.row_no
                 AND l.attempt = (SELECT max(attempt) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no)
            LEFT JOIN entry AS f ON f.seq = l.finished_seq
            LEFT JOIN entry AS b ON b.seq = l.started_seq) AS i) AS i) AS i) AS i) AS i;

-- With the rest of it, so that a process that dies here leaves a whole version.
PRAGMA user_version = 3;

-- The journal, format 2. A migration is never edited once it has landed.
--
-- `entry` is the record; everything else is derived from it ("projections") and rebuilt by `verify`.

CREATE TABLE entry (
    seq  INTEGER PRIMARY KEY,                       -- from 0, without gaps
    body TEXT    NOT NULL,                          -- canonical JSON (RFC 8785), the bytes that are hashed
    leaf BLOB    NOT NULL CHECK (length(leaf) = 32) -- SHA-256(0x00 || body)
) STRICT;

CREATE TRIGGER entry_follows BEFORE INSERT ON entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM entry)
BEGIN
    SELECT raise(ABORT, 'entries are numbered without gaps');
END;

CREATE TRIGGER entry_not_changed BEFORE UPDATE ON entry
BEGIN
    SELECT raise(ABORT, 'entries are never changed');
END;

CREATE TRIGGER entry_not_removed BEFORE DELETE ON entry
BEGIN
    SELECT raise(ABORT, 'entries are never removed');
END;

-- Size and root of the tree over all entries, and the roots of its complete subtrees. Moved by compare-and-swap in
-- the transaction that adds the entries.
CREATE TABLE head (
    id              INTEGER PRIMARY KEY CHECK (id = 0),
    size            INTEGER NOT NULL,
    root            BLOB    NOT NULL CHECK (length(root) = 32),
    frontier        BLOB    NOT NULL,
    checkpoint_size INTEGER, -- how many entries the last checkpoint covers; null before the first checkpoint
    checkpoint_at   TEXT     -- when it was made
) STRICT;

CREATE TRIGGER head_not_removed BEFORE DELETE ON head
BEGIN
    SELECT raise(ABORT, 'the head is never removed');
END;

-- Copies of the checkpoints that were made. They prove nothing here; a copy held elsewhere does.
CREATE TABLE checkpoint (
    seq     INTEGER PRIMARY KEY REFERENCES entry (seq), -- the `checkpoint_made` entry
    size    INTEGER NOT NULL,
    root    TEXT    NOT NULL,                           -- base64
    made_at TEXT    NOT NULL
) STRICT;

CREATE TRIGGER checkpoint_not_changed BEFORE UPDATE ON checkpoint
BEGIN
    SELECT raise(ABORT, 'checkpoints are never changed');
END;

CREATE TRIGGER checkpoint_not_removed BEFORE DELETE ON checkpoint
BEGIN
    SELECT raise(ABORT, 'checkpoints are never removed');
END;

-- Projections. They hold what must be found or counted quickly; everything else is read from the entry by its `seq`.

CREATE TABLE run (
    run_no          INTEGER PRIMARY KEY,            -- the session_opened that began it
    run_id          TEXT    NOT NULL UNIQUE,
    state           TEXT    NOT NULL CHECK (state IN ('planning', 'running', 'stopped', 'finished', 'abandoned')),
    stopped_by      TEXT,
    started_at      TEXT    NOT NULL,
    finished_at     TEXT,
    sessions        INTEGER NOT NULL,
    manifest        TEXT,
    manifest_sha256 TEXT,
    rows            INTEGER NOT NULL DEFAULT 0,
    plan_root       TEXT,
    account_id      TEXT,
    principal_arn   TEXT,
    operator        TEXT    NOT NULL,
    endpoint        TEXT,
    sandbox         INTEGER NOT NULL,
    reason          TEXT,
    ticket          TEXT,
    reads           INTEGER NOT NULL DEFAULT 0, -- Lightsail requests other than deletes
    reads_throttled INTEGER NOT NULL DEFAULT 0,
    manifest_seq    INTEGER,                    -- its manifest_ingested
    sealed_seq      INTEGER,                    -- its plan_sealed
    started_seq     INTEGER                     -- its run_started
) STRICT;

CREATE TABLE target (
    target_no  INTEGER PRIMARY KEY,
    run_no     INTEGER NOT NULL REFERENCES run (run_no),
    account_id TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    UNIQUE (run_no, account_id, region)
) STRICT;

-- One row of a manifest. Without a rowid: it is read in the order of its key, and a run's rows stay together.
CREATE TABLE intent (
    run_no        INTEGER NOT NULL REFERENCES run (run_no),
    row_no        INTEGER NOT NULL,
    target_no     INTEGER NOT NULL REFERENCES target (target_no),
    key_pair_name TEXT    NOT NULL,
    verdict       TEXT    NOT NULL CHECK (verdict IN ('delete', 'skip', 'absent')),
    seq           INTEGER NOT NULL, -- its intent_recorded
    settled_seq   INTEGER,          -- its row_settled, or the attempt_finished that decides it alone
    outcome       TEXT,
    evidence      TEXT,
    PRIMARY KEY (run_no, row_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    run_no       INTEGER NOT NULL,
    row_no       INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    started_seq  INTEGER NOT NULL,
    finished_seq INTEGER,
    class        TEXT,
    PRIMARY KEY (run_no, row_no, attempt),
    FOREIGN KEY (run_no, row_no) REFERENCES intent (run_no, row_no)
) STRICT, WITHOUT ROWID;

-- A row's entries of the rarer kinds (observed, operation_polled): where to find the rest of its story.
CREATE TABLE row_entry (
    run_no INTEGER NOT NULL,
    row_no INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (run_no, row_no, seq),
    FOREIGN KEY (run_no, row_no) REFERENCES intent (run_no, row_no)
) STRICT, WITHOUT ROWID;

-- Entries that belong to a run as a whole; and without a run, accepted rollbacks and the sessions that record them.
CREATE TABLE milestone (
    seq    INTEGER PRIMARY KEY,
    run_no INTEGER REFERENCES run (run_no),
    kind   TEXT    NOT NULL
) STRICT;

CREATE INDEX milestone_by_run ON milestone (run_no, kind, seq);

-- The rate that a target was last believed to permit.
CREATE TABLE rate (
    endpoint   TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    rate_per_s TEXT    NOT NULL,
    is_limit   INTEGER NOT NULL,                -- 1 where throttling began, 0 for what was borne so far
    seq        INTEGER NOT NULL,
    PRIMARY KEY (endpoint, account_id, region)
) STRICT, WITHOUT ROWID;

-- The reviewer's views. Documented in docs/JOURNAL.md; columns are only ever added at the end.
--
-- DuckDB runs a view's text as SQL of its own, so this text must mean the same there as in SQLite (3.40 and later):
-- * JSON is read with `->` and `->>` in parentheses (DuckDB binds them loosely), never with `json_extract`.
-- * What is not text is cast, and numbers and booleans are read from JSON's own spelling: `->>` makes 1 of true in SQLite, and
--   'true' in DuckDB, where casting what is no number is an error.
-- * JSON is parsed only after `json_valid`, so that a body that is no JSON does not keep the others from being read.
-- * What a service wrote counts as text only where it is a JSON string: readers spell other values differently.
-- * Objects are cut out of the body as they stand there: DuckDB spells what it extracts anew (`\u001B` for `\u001b`).
-- * A line feed is written as such, not as `char(10)`, without which DuckDB lists nothing of the whole database.

-- A row without an outcome is `unsettled` as long as a request of ours may have taken effect, else `not_attempted`.
CREATE VIEW row_outcome AS
SELECT i.run_no, i.row_no,
       CASE
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

CREATE VIEW runs AS
SELECT r.run_id, r.state, r.stopped_by, r.started_at, r.finished_at, r.sessions, r.manifest, r.manifest_sha256,
       r.plan_root, r.account_id, r.principal_arn, r.operator, r.endpoint, r.sandbox, r.reason, r.ticket, r.rows,
       coalesce(c.deleted, 0) AS deleted, coalesce(c.gone, 0) AS gone, coalesce(c.absent, 0) AS absent,
       coalesce(c.skipped, 0) AS skipped, coalesce(c.failed, 0) AS failed, coalesce(c.in_doubt, 0) AS in_doubt,
       r.rows - coalesce(c.known, 0) AS not_attempted,
       coalesce(c.unsettled, 0) AS unsettled,
       (SELECT group_concat(t.account_id || '/' || t.region, ', ') OVER (ORDER BY t.account_id, t.region)
        FROM target AS t WHERE t.run_no = r.run_no ORDER BY t.account_id DESC, t.region DESC LIMIT 1) AS targets
FROM run AS r
LEFT JOIN (SELECT run_no,
                  count(*) FILTER (WHERE outcome = 'deleted')        AS deleted,
                  count(*) FILTER (WHERE outcome = 'gone')           AS gone,
                  count(*) FILTER (WHERE outcome = 'absent')         AS absent,
                  count(*) FILTER (WHERE outcome = 'skipped')        AS skipped,
                  count(*) FILTER (WHERE outcome = 'failed')         AS failed,
                  count(*) FILTER (WHERE outcome = 'in_doubt')       AS in_doubt,
                  count(*) FILTER (WHERE outcome = 'unsettled')      AS unsettled,
                  count(*) FILTER (WHERE outcome <> 'not_attempted') AS known
           FROM row_outcome GROUP BY run_no) AS c ON c.run_no = r.run_no
ORDER BY r.run_no;

-- `own` is what was said of an error, as keybatch keeps it where the answer does not say the same; `said` is the body of an error
-- that says it, `named` its type as the service wrote it, and `bare` that without what follows the name.
CREATE VIEW attempts AS
SELECT a.run_id, a.row_no, a.attempt, a.key_pair_name, a.account_id, a.region,
       (a.started ->> '$.at')             AS started_at,
       (a.finished ->> '$.at')            AS finished_at,
       a.class,
       CASE WHEN ltrim(CAST((a.finished -> '$.http_status') AS TEXT), '0123456789') = ''
                 AND length(CAST((a.finished -> '$.http_status') AS TEXT)) < 19
            THEN CAST((a.finished ->> '$.http_status') AS BIGINT) END AS http_status,
       (a.finished ->> '$.request_id')    AS request_id,
       coalesce((a.finished ->> '$.operation.id'),
                CASE WHEN NOT a.failed AND CAST((a.answer -> '$.operation.id') AS TEXT) LIKE '"%'
                     THEN (a.answer ->> '$.operation.id') END) AS operation_id,
       coalesce((a.own ->> '$.type'), nullif(substr(a.bare, instr(a.bare, '#') + 1), '')) AS error_type,
       coalesce((a.own ->> '$.code'),
                CASE WHEN CAST((a.said -> '$.code') AS TEXT) LIKE '"%' THEN nullif((a.said ->> '$.code'), '') END,
                nullif(substr(a.bare, instr(a.bare, '#') + 1), '')) AS error_code,
       coalesce((a.own ->> '$.message'),
                CASE WHEN CAST((a.said -> '$.message') AS TEXT) LIKE '"%' THEN (a.said ->> '$.message') END,
                CASE WHEN CAST((a.said -> '$.Message') AS TEXT) LIKE '"%' THEN (a.said ->> '$.Message') END) AS error_message,
       coalesce((a.own ->> '$.docs'),
                CASE WHEN CAST((a.said -> '$.docs') AS TEXT) LIKE '"%' THEN (a.said ->> '$.docs') END) AS error_docs,
       coalesce((a.own ->> '$.tip'),
                CASE WHEN CAST((a.said -> '$.tip') AS TEXT) LIKE '"%' THEN (a.said ->> '$.tip') END) AS error_tip,
       coalesce((a.finished ->> '$.json'), (a.finished ->> '$.text'), (a.finished ->> '$.base64')) AS raw_body,
       a.sandbox,
       CASE WHEN ltrim(CAST((a.started -> '$.session') AS TEXT), '0123456789') = ''
                 AND length(CAST((a.started -> '$.session') AS TEXT)) < 19
            THEN CAST((a.started ->> '$.session') AS BIGINT) END AS session
FROM (SELECT a.*, substr(a.named, 1, instr(replace(a.named, ',', ':') || ':', ':') - 1) AS bare
      FROM (SELECT a.*,
                   coalesce(CASE WHEN CAST((a.said -> '$.__type') AS TEXT) LIKE '"%' THEN (a.said ->> '$.__type') END,
                            CASE WHEN a.failed AND a.own IS NULL
                                 THEN (a.finished ->> '$.headers.x-amzn-errortype') END) AS named
            FROM (SELECT a.*, CASE WHEN a.failed AND a.own IS NULL THEN a.answer END AS said
                  FROM (SELECT a.*,
                               coalesce((a.finished ->> '$.cause'), 'no_operation') <> 'no_operation' AS failed,
                               CASE WHEN CAST((a.finished -> '$.error') AS TEXT) LIKE '{%' THEN (a.finished -> '$.error') END AS own,
                               CASE WHEN json_valid((a.finished ->> '$.json')) THEN (a.finished ->> '$.json') END AS answer
                        FROM (SELECT r.run_id, a.row_no, a.attempt, i.key_pair_name, t.account_id, t.region, a.class, r.sandbox,
                                     CASE WHEN json_valid(s.body) THEN s.body END AS started,
                                     CASE WHEN json_valid(f.body) THEN f.body END AS finished
                              FROM attempt AS a
                              JOIN run AS r ON r.run_no = a.run_no
                              JOIN intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no
                              JOIN target AS t ON t.target_no = i.target_no
                              JOIN entry AS s ON s.seq = a.started_seq
                              LEFT JOIN entry AS f ON f.seq = a.finished_seq) AS a) AS a) AS a) AS a) AS a;

CREATE VIEW errors AS
SELECT * FROM attempts WHERE class IS NOT NULL AND class NOT IN ('succeeded', 'pending');

-- `own` is an operation as keybatch parsed it, `api` one as the service wrote it; an entry has one of the two.
CREATE VIEW operations AS
SELECT r.run_id, o.row_no, o.source,
       coalesce((o.own ->> '$.id'),
                CASE WHEN CAST((o.api -> '$.id') AS TEXT) LIKE '"%' THEN (o.api ->> '$.id') END) AS operation_id,
       coalesce((o.own ->> '$.resource_name'),
                CASE WHEN CAST((o.api -> '$.resourceName') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.resourceName') END) AS resource_name,
       coalesce((o.own ->> '$.resource_type'),
                CASE WHEN CAST((o.api -> '$.resourceType') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.resourceType') END) AS resource_type,
       coalesce((o.own ->> '$.created_at'), (o.body ->> '$.op_created_at')) AS created_at,
       coalesce((o.own ->> '$.availability_zone'),
                CASE WHEN CAST((o.api -> '$.location.availabilityZone') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.location.availabilityZone') END) AS availability_zone,
       coalesce((o.own ->> '$.region_name'),
                CASE WHEN CAST((o.api -> '$.location.regionName') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.location.regionName') END) AS region_name,
       CASE coalesce(CAST((o.own -> '$.is_terminal') AS TEXT), CAST((o.api -> '$.isTerminal') AS TEXT))
            WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS is_terminal,
       coalesce((o.own ->> '$.operation_details'),
                CASE WHEN CAST((o.api -> '$.operationDetails') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.operationDetails') END) AS operation_details,
       coalesce((o.own ->> '$.operation_type'),
                CASE WHEN CAST((o.api -> '$.operationType') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.operationType') END) AS operation_type,
       coalesce((o.own ->> '$.status'),
                CASE WHEN CAST((o.api -> '$.status') AS TEXT) LIKE '"%' THEN (o.api ->> '$.status') END) AS status,
       coalesce((o.own ->> '$.status_changed_at'),
                CASE WHEN (o.api ->> '$.statusChangedAt') IS NOT NULL
                     THEN coalesce((o.body ->> '$.op_changed_at'), (o.body ->> '$.op_created_at')) END) AS status_changed_at,
       coalesce((o.own ->> '$.error_code'),
                CASE WHEN CAST((o.api -> '$.errorCode') AS TEXT) LIKE '"%' THEN (o.api ->> '$.errorCode') END) AS error_code,
       coalesce((o.own ->> '$.error_details'),
                CASE WHEN CAST((o.api -> '$.errorDetails') AS TEXT) LIKE '"%'
                     THEN (o.api ->> '$.errorDetails') END) AS error_details,
       (o.body ->> '$.request_id') AS request_id,
       r.sandbox,
       CASE WHEN ltrim(CAST((o.body -> '$.session') AS TEXT), '0123456789') = ''
                 AND length(CAST((o.body -> '$.session') AS TEXT)) < 19
            THEN CAST((o.body ->> '$.session') AS BIGINT) END AS session
FROM (SELECT e.run_no, e.row_no, coalesce(e.source, (e.body ->> '$.source')) AS source, e.body,
             (e.body -> '$.operation') AS own,
             (CASE WHEN coalesce((e.body ->> '$.cause'), 'no_operation') = 'no_operation' AND json_valid((e.body ->> '$.json'))
                   THEN (e.body ->> '$.json') END -> '$.operation') AS api
      FROM (SELECT a.run_no, a.row_no, 'answer' AS source, CASE WHEN json_valid(e.body) THEN e.body END AS body
            FROM attempt AS a JOIN entry AS e ON e.seq = a.finished_seq
            UNION ALL
            SELECT n.run_no, n.row_no,
                   CASE WHEN json_valid(e.body) AND (e.body ->> '$.kind') = 'operation_polled' THEN 'get_operation' END,
                   CASE WHEN json_valid(e.body) THEN e.body END
            FROM row_entry AS n JOIN entry AS e ON e.seq = n.seq) AS e) AS o
JOIN run AS r ON r.run_no = o.run_no
WHERE CAST(o.own AS TEXT) LIKE '{%' OR CAST(o.api AS TEXT) LIKE '{%';

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
            ELSE (i.settled ->> '$.detail') END    AS detail,
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
       CAST(NULL AS TEXT)                          AS resolved_by
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
      FROM (SELECT r.run_id, r.sandbox, r.operator, r.endpoint, i.run_no, i.row_no, i.key_pair_name, i.verdict, i.evidence,
                   t.account_id, t.region, o.outcome, i.outcome AS settled_outcome,
                   (SELECT count(*) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) AS attempts,
                   CASE WHEN json_valid(e.body) THEN e.body END AS planned,
                   CASE WHEN json_valid(s.body) THEN s.body END AS settled,
                   CASE WHEN json_valid(f.body) THEN f.body END AS finished,
                   CASE WHEN json_valid(b.body) THEN b.body END AS started
            FROM intent AS i
            JOIN run AS r ON r.run_no = i.run_no
            JOIN target AS t ON t.target_no = i.target_no
            JOIN entry AS e ON e.seq = i.seq
            JOIN row_outcome AS o ON o.run_no = i.run_no AND o.row_no = i.row_no
            LEFT JOIN entry AS s ON s.seq = i.settled_seq
            LEFT JOIN attempt AS l ON l.run_no = i.run_no AND l.row_no = i.row_no
                 AND l.attempt = (SELECT max(attempt) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no)
            LEFT JOIN entry AS f ON f.seq = l.finished_seq
            LEFT JOIN entry AS b ON b.seq = l.started_seq) AS i) AS i) AS i) AS i) AS i;

CREATE VIEW approvals AS
SELECT m.run_id,
       (m.body ->> '$.at')        AS approved_at,
       (m.body ->> '$.signer')    AS signer,
       (m.body ->> '$.ticket')    AS ticket,
       (m.body ->> '$.plan_root') AS plan_root,
       (m.body ->> '$.signature') AS signature,
       m.sandbox,
       CASE WHEN ltrim(CAST((m.body -> '$.session') AS TEXT), '0123456789') = ''
                 AND length(CAST((m.body -> '$.session') AS TEXT)) < 19
            THEN CAST((m.body ->> '$.session') AS BIGINT) END AS session
FROM (SELECT r.run_id, r.sandbox, CASE WHEN json_valid(e.body) THEN e.body END AS body
      FROM milestone AS m JOIN entry AS e ON e.seq = m.seq JOIN run AS r ON r.run_no = m.run_no
      WHERE m.kind = 'plan_approved') AS m;

CREATE VIEW overrides AS
SELECT m.run_id,
       (m.body ->> '$.at')       AS used_at,
       (m.body ->> '$.override') AS override,
       (m.body ->> '$.by')       AS used_by,
       (m.body ->> '$.why')      AS why,
       m.sandbox,
       CASE WHEN ltrim(CAST((m.body -> '$.session') AS TEXT), '0123456789') = ''
                 AND length(CAST((m.body -> '$.session') AS TEXT)) < 19
            THEN CAST((m.body ->> '$.session') AS BIGINT) END AS session
FROM (SELECT r.run_id, r.sandbox, CASE WHEN json_valid(e.body) THEN e.body END AS body
      FROM milestone AS m JOIN entry AS e ON e.seq = m.seq LEFT JOIN run AS r ON r.run_no = m.run_no
      WHERE m.kind = 'override_used') AS m;

CREATE VIEW checkpoints AS
SELECT c.size, c.root,
       'keybatch/' || (SELECT CASE WHEN json_valid(body) THEN (body ->> '$.journal_id') END FROM entry WHERE seq = 0) || '
' || CAST(c.size AS TEXT) || '
' || c.root || '
' AS text,
       c.made_at, c.seq, r.sandbox, c.session
FROM (SELECT c.*, CASE WHEN ltrim(CAST((c.json -> '$.session') AS TEXT), '0123456789') = ''
                            AND length(CAST((c.json -> '$.session') AS TEXT)) < 19
                       THEN CAST((c.json ->> '$.session') AS BIGINT) END AS session
      FROM (SELECT c.size, c.root, c.made_at, c.seq, CASE WHEN json_valid(e.body) THEN e.body END AS json
            FROM checkpoint AS c LEFT JOIN entry AS e ON e.seq = c.seq) AS c) AS c
LEFT JOIN milestone AS o ON o.seq = c.session
LEFT JOIN run AS r ON r.run_no = coalesce(
  CASE WHEN ltrim(CAST((c.json -> '$.run') AS TEXT), '0123456789') = '' AND length(CAST((c.json -> '$.run') AS TEXT)) < 19
       THEN CAST((c.json ->> '$.run') AS BIGINT) END, o.run_no)
ORDER BY c.seq;

CREATE VIEW entries AS
SELECT e.seq,
       (e.json ->> '$.at')   AS at,
       r.run_id,
       CASE WHEN ltrim(CAST((e.json -> '$.row') AS TEXT), '0123456789') = ''
                 AND length(CAST((e.json -> '$.row') AS TEXT)) < 19
            THEN CAST((e.json ->> '$.row') AS BIGINT) END AS row_no,
       (e.json ->> '$.kind') AS kind,
       e.body,
       r.sandbox, e.session
FROM (SELECT e.*, CASE WHEN ltrim(CAST((e.json -> '$.session') AS TEXT), '0123456789') = ''
                            AND length(CAST((e.json -> '$.session') AS TEXT)) < 19
                       THEN CAST((e.json ->> '$.session') AS BIGINT) END AS session
      FROM (SELECT seq, body, CASE WHEN json_valid(body) THEN body END AS json FROM entry) AS e) AS e
LEFT JOIN milestone AS o ON o.seq = e.session
LEFT JOIN run AS r ON r.run_no = coalesce(
  CASE WHEN ltrim(CAST((e.json -> '$.run') AS TEXT), '0123456789') = '' AND length(CAST((e.json -> '$.run') AS TEXT)) < 19
       THEN CAST((e.json ->> '$.run') AS BIGINT) END, o.run_no);

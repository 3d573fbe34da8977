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
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    size     INTEGER NOT NULL,
    root     BLOB    NOT NULL CHECK (length(root) = 32),
    frontier BLOB    NOT NULL
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
    run_no          INTEGER PRIMARY KEY,
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

-- Entries that belong to a run as a whole, and, without a run, accepted rollbacks.
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
       (SELECT group_concat(t.account_id || '/' || t.region, ', ')
        FROM (SELECT account_id, region FROM target WHERE run_no = r.run_no ORDER BY account_id, region) AS t) AS targets
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

CREATE VIEW attempts AS
SELECT r.run_id, a.row_no, a.attempt, i.key_pair_name, t.account_id, t.region,
       json_extract(s.body, '$.at')               AS started_at,
       json_extract(f.body, '$.at')               AS finished_at,
       a.class,
       json_extract(f.body, '$.http_status')      AS http_status,
       json_extract(f.body, '$.request_id')       AS request_id,
       coalesce(json_extract(f.body, '$.operation.id'),
                json_extract(json_extract(f.body, '$.json'), '$.operation.id')) AS operation_id,
       json_extract(f.body, '$.error.type')       AS error_type,
       json_extract(f.body, '$.error.code')       AS error_code,
       json_extract(f.body, '$.error.message')    AS error_message,
       json_extract(f.body, '$.error.docs')       AS error_docs,
       json_extract(f.body, '$.error.tip')        AS error_tip,
       coalesce(json_extract(f.body, '$.json'), json_extract(f.body, '$.text'), json_extract(f.body, '$.base64'))
                                                  AS raw_body,
       r.sandbox
FROM attempt AS a
JOIN run AS r ON r.run_no = a.run_no
JOIN intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no
JOIN target AS t ON t.target_no = i.target_no
JOIN entry AS s ON s.seq = a.started_seq
LEFT JOIN entry AS f ON f.seq = a.finished_seq;

CREATE VIEW errors AS
SELECT * FROM attempts WHERE class IS NOT NULL AND class NOT IN ('succeeded', 'pending');

CREATE VIEW operations AS
SELECT r.run_id, o.row_no, o.source,
       json_extract(o.op, '$.id')                                                                AS operation_id,
       coalesce(json_extract(o.op, '$.resource_name'), json_extract(o.op, '$.resourceName'))         AS resource_name,
       coalesce(json_extract(o.op, '$.resource_type'), json_extract(o.op, '$.resourceType'))         AS resource_type,
       coalesce(json_extract(o.op, '$.created_at'), json_extract(o.body, '$.op_created_at'))         AS created_at,
       coalesce(json_extract(o.op, '$.availability_zone'), json_extract(o.op, '$.location.availabilityZone'))
                                                                                                     AS availability_zone,
       coalesce(json_extract(o.op, '$.region_name'), json_extract(o.op, '$.location.regionName'))    AS region_name,
       coalesce(json_extract(o.op, '$.is_terminal'), json_extract(o.op, '$.isTerminal'))             AS is_terminal,
       coalesce(json_extract(o.op, '$.operation_details'), json_extract(o.op, '$.operationDetails')) AS operation_details,
       coalesce(json_extract(o.op, '$.operation_type'), json_extract(o.op, '$.operationType'))       AS operation_type,
       json_extract(o.op, '$.status')                                                                AS status,
       coalesce(json_extract(o.op, '$.status_changed_at'),
                CASE WHEN json_extract(o.op, '$.statusChangedAt') IS NOT NULL
                     THEN coalesce(json_extract(o.body, '$.op_changed_at'), json_extract(o.body, '$.op_created_at')) END)
                                                                                                     AS status_changed_at,
       coalesce(json_extract(o.op, '$.error_code'), json_extract(o.op, '$.errorCode'))               AS error_code,
       coalesce(json_extract(o.op, '$.error_details'), json_extract(o.op, '$.errorDetails'))         AS error_details,
       json_extract(o.body, '$.request_id')                                                      AS request_id,
       r.sandbox
FROM (SELECT a.run_no, a.row_no, 'answer' AS source, e.seq, e.body,
             coalesce(json_extract(e.body, '$.operation'),
                      json_extract(json_extract(e.body, '$.json'), '$.operation')) AS op
      FROM attempt AS a JOIN entry AS e ON e.seq = a.finished_seq
      UNION ALL
      SELECT n.run_no, n.row_no,
             CASE json_extract(e.body, '$.kind') WHEN 'operation_polled' THEN 'get_operation'
                                                 ELSE json_extract(e.body, '$.source') END,
             e.seq, e.body,
             coalesce(json_extract(e.body, '$.operation'),
                      json_extract(json_extract(e.body, '$.json'), '$.operation'))
      FROM row_entry AS n JOIN entry AS e ON e.seq = n.seq) AS o
JOIN run AS r ON r.run_no = o.run_no
WHERE o.op IS NOT NULL;

CREATE VIEW intents AS
SELECT r.run_id, i.row_no,
       json_extract(e.body, '$.line')                    AS line,
       i.key_pair_name, t.account_id, t.region,
       json_extract(e.body, '$.expected_fingerprint')    AS expected_fingerprint,
       json_extract(e.body, '$.observation.arn')         AS arn,
       json_extract(e.body, '$.observation.fingerprint') AS fingerprint,
       json_extract(e.body, '$.observation.created_at')  AS created_at,
       i.verdict, o.outcome,
       i.evidence,
       CASE WHEN o.outcome = 'unsettled'
            THEN 'a request may have taken effect and is not settled yet: resume the run'
            ELSE json_extract(s.body, '$.detail') END    AS detail,
       (SELECT count(*) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) AS attempts,
       coalesce(json_extract(f.body, '$.operation.id'),
                json_extract(json_extract(f.body, '$.json'), '$.operation.id'),
                (SELECT coalesce(json_extract(x.body, '$.operation.id'),
                                 json_extract(json_extract(x.body, '$.json'), '$.operation.id'))
                 FROM row_entry AS n JOIN entry AS x ON x.seq = n.seq
                 WHERE n.run_no = i.run_no AND n.row_no = i.row_no
                   AND coalesce(json_extract(x.body, '$.operation.id'),
                                json_extract(json_extract(x.body, '$.json'), '$.operation.id')) IS NOT NULL
                 ORDER BY n.seq DESC LIMIT 1))           AS operation_id,
       json_extract(f.body, '$.request_id')              AS request_id,
       coalesce(json_extract(f.body, '$.error.code'), json_extract(f.body, '$.error.type'),
                json_extract(f.body, '$.operation.error_code'),
                json_extract(json_extract(f.body, '$.json'), '$.operation.errorCode'),
                json_extract(f.body, '$.error.cause'))   AS error_code,
       coalesce(json_extract(f.body, '$.error.message'), json_extract(f.body, '$.operation.error_details'),
                json_extract(json_extract(f.body, '$.json'), '$.operation.errorDetails')) AS error_message,
       json_extract(s.body, '$.at')                      AS settled_at,
       json_extract(e.body, '$.annotations')             AS annotations,
       r.sandbox,
       json_extract(e.body, '$.fields.reason')           AS reason,
       json_extract(e.body, '$.fields.ticket')           AS ticket,
       json_extract(b.body, '$.at')                      AS attempted_at,
       r.operator, r.endpoint
FROM intent AS i
JOIN run AS r ON r.run_no = i.run_no
JOIN target AS t ON t.target_no = i.target_no
JOIN entry AS e ON e.seq = i.seq
JOIN row_outcome AS o ON o.run_no = i.run_no AND o.row_no = i.row_no
LEFT JOIN entry AS s ON s.seq = i.settled_seq
LEFT JOIN attempt AS l ON l.run_no = i.run_no AND l.row_no = i.row_no
     AND l.attempt = (SELECT max(attempt) FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no)
LEFT JOIN entry AS f ON f.seq = l.finished_seq
LEFT JOIN entry AS b ON b.seq = l.started_seq;

CREATE VIEW approvals AS
SELECT r.run_id,
       json_extract(e.body, '$.at')        AS approved_at,
       json_extract(e.body, '$.signer')    AS signer,
       json_extract(e.body, '$.ticket')    AS ticket,
       json_extract(e.body, '$.plan_root') AS plan_root,
       json_extract(e.body, '$.signature') AS signature,
       r.sandbox
FROM milestone AS m JOIN entry AS e ON e.seq = m.seq JOIN run AS r ON r.run_no = m.run_no
WHERE m.kind = 'plan_approved';

CREATE VIEW overrides AS
SELECT r.run_id,
       json_extract(e.body, '$.at')       AS used_at,
       json_extract(e.body, '$.override') AS override,
       json_extract(e.body, '$.by')       AS used_by,
       json_extract(e.body, '$.why')      AS why,
       r.sandbox
FROM milestone AS m JOIN entry AS e ON e.seq = m.seq LEFT JOIN run AS r ON r.run_no = m.run_no
WHERE m.kind = 'override_used';

CREATE VIEW checkpoints AS
SELECT c.size, c.root,
       'keybatch/' || (SELECT json_extract(body, '$.journal_id') FROM entry WHERE seq = 0)
           || char(10) || c.size || char(10) || c.root || char(10) AS text,
       c.made_at, c.seq, r.sandbox
FROM checkpoint AS c
LEFT JOIN entry AS e ON e.seq = c.seq
LEFT JOIN run AS r ON r.run_id = json_extract(e.body, '$.run')
ORDER BY c.seq;

-- A body that is no JSON has nothing to read, and does not keep the others from being read.
CREATE VIEW entries AS
SELECT e.seq,
       json_extract(e.json, '$.at')   AS at,
       json_extract(e.json, '$.run')  AS run_id,
       json_extract(e.json, '$.row')  AS row_no,
       json_extract(e.json, '$.kind') AS kind,
       e.body,
       r.sandbox
FROM (SELECT seq, body, CASE WHEN json_valid(body) THEN body END AS json FROM entry) AS e
LEFT JOIN run AS r ON r.run_id = json_extract(e.json, '$.run');

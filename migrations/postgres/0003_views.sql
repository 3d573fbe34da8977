-- The reviewer's views, with the columns of those in SQLite, in the same order, and as text with the same values. Documented in
-- docs/JOURNAL.md; columns are only ever added at the end. A test compares every value of every column.
--
-- * A body is taken apart once, by one function, and as `json`, which keeps what is in it as it stands there (`jsonb` spells
--   numbers and objects anew).
-- * Each such call stands in a subquery with OFFSET 0: otherwise PostgreSQL would repeat it for every column that uses its result.
--   What is made of one body is nested, because only so it is left out where no column is asked for that needs it.
-- * What a service wrote counts as text only where it is a JSON string.
-- * Texts compare and sort by their bytes, as in SQLite, whatever the database's own rules are.

-- What the views read of a body. What must be a number or an object is judged by its spelling, so it stays JSON.
CREATE TYPE keybatch.members AS (
    at            text COLLATE "C",
    kind          text COLLATE "C",
    run           json,
    "row"         json,
    session       json,
    page          json,
    source        text COLLATE "C",
    cause         text COLLATE "C",
    http_status   json,
    request_id    text COLLATE "C",
    headers       json,
    "json"        text COLLATE "C",
    "text"        text COLLATE "C",
    base64        text COLLATE "C",
    operation     json,
    error         json,
    op_created_at text COLLATE "C",
    op_changed_at text COLLATE "C",
    line          json,
    today         json,
    detail        text COLLATE "C",
    because       text COLLATE "C",
    "by"          text COLLATE "C",
    why           text COLLATE "C",
    override      text COLLATE "C",
    signer        text COLLATE "C",
    ticket        text COLLATE "C",
    plan_root     text COLLATE "C",
    signature     text COLLATE "C",
    journal_id    text COLLATE "C",
    elapsed_ms    json
);

-- PostgreSQL reads no member at all of JSON with an escape that stands for no character that it can store: U+0000, and halves of
-- surrogate pairs. Such JSON is in no entry that keybatch wrote. They are read as U+FFFD, so that the rest can be read.
CREATE FUNCTION keybatch.storable(body text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT pg_catalog.regexp_replace(pg_catalog.regexp_replace(pg_catalog.regexp_replace(body,
        '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g'),
        '(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})', '\1\\ufffd', 'g'),
        '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)((?:\\\\)*)\\u[dD][c-fC-F][0-9a-fA-F]{2}', '\1\\ufffd', 'g')
$$;

-- A text as a JSON object; null if it is none. An error would hide the whole view for the sake of one altered body.
CREATE FUNCTION keybatch.object(body text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    found pg_catalog.json;
BEGIN
    found := body::pg_catalog.json;
    IF pg_catalog.json_typeof(found) OPERATOR(pg_catalog.<>) 'object' THEN
        RETURN NULL;
    END IF;
    IF pg_catalog.strpos(body, '\u') OPERATOR(pg_catalog.>) 0 THEN
        PERFORM found OPERATOR(pg_catalog.->) '';
    END IF;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    BEGIN
        found := keybatch.storable(body)::pg_catalog.json;
        PERFORM found OPERATOR(pg_catalog.->) '';
        RETURN CASE WHEN pg_catalog.json_typeof(found) OPERATOR(pg_catalog.=) 'object' THEN found END;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END;
END
$$;

-- The members of a body; all null if it is no JSON object.
CREATE FUNCTION keybatch.members(body text) RETURNS keybatch.members LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN pg_catalog.json_populate_record(NULL::keybatch.members, body::pg_catalog.json);
EXCEPTION WHEN OTHERS THEN
    RETURN pg_catalog.json_populate_record(NULL::keybatch.members, keybatch.object(body));
END
$$;

-- A whole number that JSON spells in digits alone, and that fits; null for anything else.
CREATE FUNCTION keybatch.whole(number json) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN pg_catalog.ltrim(number::text, '0123456789') OPERATOR(pg_catalog.=) ''
                     AND pg_catalog.length(number::text) OPERATOR(pg_catalog.<) 19
                THEN number::text::bigint END
$$;

-- A JSON string as text; null for anything else.
CREATE FUNCTION keybatch.string(value json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN pg_catalog.json_typeof(value) OPERATOR(pg_catalog.=) 'string'
                THEN (value OPERATOR(pg_catalog.#>>) '{}') COLLATE "C" END
$$;

-- A row without an outcome is `unsettled` as long as a request of ours may have taken effect, else `not_attempted`.
CREATE VIEW keybatch.row_outcome AS
SELECT i.run_no, i.row_no,
       CASE
           WHEN i.outcome IN ('gone', 'in_doubt')
               THEN coalesce((SELECT z.outcome FROM keybatch.resolution AS z WHERE z.run_no = i.run_no AND z.row_no = i.row_no),
                             i.outcome)
           WHEN i.outcome IS NOT NULL THEN i.outcome
           WHEN EXISTS (SELECT 1 FROM keybatch.attempt AS a
                        WHERE a.run_no = i.run_no AND a.row_no = i.row_no
                          AND (a.class IS NULL
                               OR a.class NOT IN ('throttled', 'not_sent', 'setup_in_progress', 'denied', 'refused_for_all')))
               THEN 'unsettled'
           -- Entries were lost after its intent, and with them perhaps a request.
           WHEN i.verdict = 'delete'
                AND i.seq < (SELECT max(m.seq) FROM keybatch.milestone AS m WHERE m.run_no IS NULL AND m.kind = 'override_used')
                AND (SELECT r.state FROM keybatch.run AS r WHERE r.run_no = i.run_no) <> 'abandoned'
               THEN 'unsettled'
           ELSE 'not_attempted'
       END COLLATE "C" AS outcome
FROM keybatch.intent AS i;

CREATE VIEW keybatch.runs AS
SELECT r.run_id, r.state, r.stopped_by, r.started_at, r.finished_at, r.sessions, r.manifest, r.manifest_sha256,
       r.plan_root, r.account_id, r.principal_arn, r.operator, r.endpoint, r.sandbox, r.reason, r.ticket, r.rows,
       coalesce(c.deleted, 0) AS deleted, coalesce(c.gone, 0) AS gone, coalesce(c.absent, 0) AS absent,
       coalesce(c.skipped, 0) AS skipped, coalesce(c.failed, 0) AS failed, coalesce(c.in_doubt, 0) AS in_doubt,
       r.rows - coalesce(c.known, 0) AS not_attempted,
       coalesce(c.unsettled, 0) AS unsettled,
       (SELECT string_agg(t.account_id || '/' || t.region, ', ' ORDER BY t.account_id, t.region)
        FROM keybatch.target AS t WHERE t.run_no = r.run_no) COLLATE "C" AS targets
FROM keybatch.run AS r
LEFT JOIN (SELECT run_no,
                  count(*) FILTER (WHERE outcome = 'deleted')        AS deleted,
                  count(*) FILTER (WHERE outcome = 'gone')           AS gone,
                  count(*) FILTER (WHERE outcome = 'absent')         AS absent,
                  count(*) FILTER (WHERE outcome = 'skipped')        AS skipped,
                  count(*) FILTER (WHERE outcome = 'failed')         AS failed,
                  count(*) FILTER (WHERE outcome = 'in_doubt')       AS in_doubt,
                  count(*) FILTER (WHERE outcome = 'unsettled')      AS unsettled,
                  count(*) FILTER (WHERE outcome <> 'not_attempted') AS known
           FROM (SELECT o.run_no, o.outcome FROM keybatch.row_outcome AS o OFFSET 0) AS o GROUP BY run_no) AS c ON c.run_no = r.run_no
ORDER BY r.run_no;

-- `own` is what was said of an error, as keybatch keeps it where the answer does not say the same; `said` is the body of an error
-- that says it, `named` its type as the service wrote it, and `bare` that without what follows the name.
CREATE VIEW keybatch.attempts AS
SELECT r.run_id, a.row_no, a.attempt, i.key_pair_name, t.account_id, t.region,
       (s.of).at                          AS started_at,
       (f.of).at                          AS finished_at,
       a.class,
       keybatch.whole((f.of).http_status) AS http_status,
       (f.of).request_id                  AS request_id,
       coalesce((f.of).operation ->> 'id',
                CASE WHEN NOT f.failed THEN keybatch.string(f.answer #> '{operation,id}') END) COLLATE "C" AS operation_id,
       coalesce(f.own ->> 'type', nullif(substr(f.bare, strpos(f.bare, '#') + 1), '')) COLLATE "C" AS error_type,
       coalesce(f.own ->> 'code', nullif(keybatch.string(f.said -> 'code'), ''),
                nullif(substr(f.bare, strpos(f.bare, '#') + 1), '')) COLLATE "C" AS error_code,
       coalesce(f.own ->> 'message', keybatch.string(f.said -> 'message'),
                keybatch.string(f.said -> 'Message')) COLLATE "C" AS error_message,
       coalesce(f.own ->> 'docs', keybatch.string(f.said -> 'docs')) COLLATE "C" AS error_docs,
       coalesce(f.own ->> 'tip', keybatch.string(f.said -> 'tip')) COLLATE "C" AS error_tip,
       coalesce((f.of)."json", (f.of)."text", (f.of).base64) AS raw_body,
       r.sandbox,
       keybatch.whole((s.of).session)     AS session
FROM keybatch.attempt AS a
JOIN keybatch.run AS r ON r.run_no = a.run_no
JOIN keybatch.intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no
JOIN keybatch.target AS t ON t.target_no = i.target_no
JOIN keybatch.entry AS b ON b.seq = a.started_seq
LEFT JOIN keybatch.entry AS e ON e.seq = a.finished_seq
CROSS JOIN LATERAL (SELECT keybatch.members(b.body) AS of OFFSET 0) AS s
CROSS JOIN LATERAL (
    SELECT y.of, y.failed, y.own, y.answer, y.said, substr(y.named, 1, strpos(replace(y.named, ',', ':') || ':', ':') - 1) AS bare
    FROM (SELECT y.*, coalesce(keybatch.string(y.said -> '__type'),
                               CASE WHEN y.failed AND y.own IS NULL THEN (y.of).headers ->> 'x-amzn-errortype' END) AS named
          FROM (SELECT x.*, CASE WHEN x.failed AND x.own IS NULL THEN x.answer END AS said
                FROM (SELECT f.of, coalesce((f.of).cause, 'no_operation') <> 'no_operation' AS failed,
                             CASE WHEN (f.of).error::text LIKE '{%' THEN (f.of).error END AS own,
                             keybatch.object((f.of)."json") AS answer
                      FROM (SELECT keybatch.members(e.body) AS of OFFSET 0) AS f OFFSET 0) AS x OFFSET 0) AS y OFFSET 0) AS y OFFSET 0) AS f;

CREATE VIEW keybatch.errors AS
SELECT a.run_id, a.row_no, a.attempt, a.key_pair_name, a.account_id, a.region, a.started_at, a.finished_at, a.class, a.http_status,
       a.request_id, a.operation_id, a.error_type, a.error_code, a.error_message, a.error_docs, a.error_tip, a.raw_body, a.sandbox,
       a.session
FROM keybatch.attempts AS a WHERE a.class IS NOT NULL AND a.class NOT IN ('succeeded', 'pending');

-- `own` is an operation as keybatch parsed it, `api` one as the service wrote it; an entry has one of the two.
CREATE VIEW keybatch.operations AS
SELECT r.run_id, o.row_no,
       coalesce(o.source, CASE WHEN (p.of).kind = 'operation_polled' THEN 'get_operation' END, (p.of).source) COLLATE "C" AS source,
       coalesce(x.own ->> 'id', keybatch.string(x.api -> 'id')) COLLATE "C" AS operation_id,
       coalesce(x.own ->> 'resource_name', keybatch.string(x.api -> 'resourceName')) COLLATE "C" AS resource_name,
       coalesce(x.own ->> 'resource_type', keybatch.string(x.api -> 'resourceType')) COLLATE "C" AS resource_type,
       coalesce(x.own ->> 'created_at', (p.of).op_created_at) COLLATE "C" AS created_at,
       coalesce(x.own ->> 'availability_zone', keybatch.string(x.api #> '{location,availabilityZone}')) COLLATE "C"
           AS availability_zone,
       coalesce(x.own ->> 'region_name', keybatch.string(x.api #> '{location,regionName}')) COLLATE "C" AS region_name,
       CASE coalesce((x.own -> 'is_terminal')::text, (x.api -> 'isTerminal')::text)
            WHEN 'true' THEN 1::bigint WHEN 'false' THEN 0::bigint END AS is_terminal,
       coalesce(x.own ->> 'operation_details', keybatch.string(x.api -> 'operationDetails')) COLLATE "C" AS operation_details,
       coalesce(x.own ->> 'operation_type', keybatch.string(x.api -> 'operationType')) COLLATE "C" AS operation_type,
       coalesce(x.own ->> 'status', keybatch.string(x.api -> 'status')) COLLATE "C" AS status,
       coalesce(x.own ->> 'status_changed_at',
                CASE WHEN (x.api ->> 'statusChangedAt') IS NOT NULL
                     THEN coalesce((p.of).op_changed_at, (p.of).op_created_at) END) COLLATE "C" AS status_changed_at,
       coalesce(x.own ->> 'error_code', keybatch.string(x.api -> 'errorCode')) COLLATE "C" AS error_code,
       coalesce(x.own ->> 'error_details', keybatch.string(x.api -> 'errorDetails')) COLLATE "C" AS error_details,
       (p.of).request_id AS request_id,
       r.sandbox,
       keybatch.whole((p.of).session) AS session
FROM (SELECT a.run_no, a.row_no, 'answer' AS source, a.finished_seq AS seq FROM keybatch.attempt AS a
      UNION ALL
      SELECT n.run_no, n.row_no, NULL, n.seq FROM keybatch.row_entry AS n) AS o
JOIN keybatch.run AS r ON r.run_no = o.run_no
JOIN keybatch.entry AS e ON e.seq = o.seq
CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS p
CROSS JOIN LATERAL (SELECT (p.of).operation AS own,
                           CASE WHEN coalesce((p.of).cause, 'no_operation') = 'no_operation'
                                THEN keybatch.object((p.of)."json") END -> 'operation' AS api OFFSET 0) AS x
WHERE x.own::text LIKE '{%' OR x.api::text LIKE '{%';

CREATE VIEW keybatch.intents AS
SELECT r.run_id, i.row_no,
       keybatch.whole((p.of).line -> 'line') AS line,
       i.key_pair_name, t.account_id, t.region,
       ((p.of).line #>> '{conditions,expected_fingerprint}') COLLATE "C" AS expected_fingerprint,
       ((p.of).line #>> '{observation,arn}') COLLATE "C" AS arn,
       ((p.of).line #>> '{observation,fingerprint}') COLLATE "C" AS fingerprint,
       ((p.of).line #>> '{observation,created_at}') COLLATE "C" AS created_at,
       i.verdict, o.outcome,
       coalesce(z.evidence, i.evidence) AS evidence,
       CASE WHEN o.outcome = 'unsettled'
            THEN 'a request may have taken effect and is not settled yet: resume the run'
            ELSE coalesce((q.of).because, (s.of).detail) END COLLATE "C" AS detail,
       (SELECT count(*) FROM keybatch.attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) AS attempts,
       coalesce((f.of).operation ->> 'id',
                CASE WHEN NOT f.failed THEN keybatch.string(f.answer #> '{operation,id}') END,
                (SELECT n.operation_id
                 FROM (SELECT n.seq,
                              coalesce((m.of).operation ->> 'id',
                                       CASE WHEN coalesce((m.of).cause, 'no_operation') = 'no_operation'
                                            THEN keybatch.string(keybatch.object((m.of)."json") #> '{operation,id}') END)
                                  AS operation_id
                       FROM keybatch.row_entry AS n JOIN keybatch.entry AS e ON e.seq = n.seq
                       CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS m
                       WHERE n.run_no = i.run_no AND n.row_no = i.row_no) AS n
                 WHERE n.operation_id IS NOT NULL
                 ORDER BY n.seq DESC LIMIT 1)) COLLATE "C" AS operation_id,
       (f.of).request_id AS request_id,
       coalesce(f.own ->> 'code', f.own ->> 'type', nullif(keybatch.string(f.said -> 'code'), ''),
                nullif(substr(f.bare, strpos(f.bare, '#') + 1), ''),
                (f.of).operation ->> 'error_code',
                CASE WHEN NOT f.failed THEN keybatch.string(f.answer #> '{operation,errorCode}') END,
                (f.of).cause) COLLATE "C" AS error_code,
       coalesce(f.own ->> 'message', keybatch.string(f.said -> 'message'), keybatch.string(f.said -> 'Message'),
                (f.of).operation ->> 'error_details',
                CASE WHEN NOT f.failed THEN keybatch.string(f.answer #> '{operation,errorDetails}') END)
           COLLATE "C" AS error_message,
       (s.of).at AS settled_at,
       substr(e.body, strpos(e.body, '"annotations":{') + 14, length((p.of).line ->> 'annotations')) AS annotations,
       r.sandbox,
       ((p.of).line ->> 'reason') COLLATE "C" AS reason,
       ((p.of).line ->> 'ticket') COLLATE "C" AS ticket,
       (b.of).at AS attempted_at,
       r.operator, r.endpoint,
       i.outcome AS settled_outcome,
       (q.of).by AS resolved_by
FROM keybatch.intent AS i
JOIN keybatch.run AS r ON r.run_no = i.run_no
JOIN keybatch.target AS t ON t.target_no = i.target_no
JOIN keybatch.entry AS e ON e.seq = i.seq
LEFT JOIN keybatch.resolution AS z ON z.run_no = i.run_no AND z.row_no = i.row_no
LEFT JOIN LATERAL (SELECT a.started_seq, a.finished_seq FROM keybatch.attempt AS a
                   WHERE a.run_no = i.run_no AND a.row_no = i.row_no ORDER BY a.attempt DESC LIMIT 1) AS l ON true
CROSS JOIN LATERAL (SELECT (SELECT c.outcome FROM keybatch.row_outcome AS c
                            WHERE c.run_no = i.run_no AND c.row_no = i.row_no) AS outcome OFFSET 0) AS o
CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS p
CROSS JOIN LATERAL (SELECT (SELECT keybatch.members(c.body) FROM keybatch.entry AS c WHERE c.seq = i.settled_seq) AS of OFFSET 0) AS s
CROSS JOIN LATERAL (SELECT (SELECT keybatch.members(c.body) FROM keybatch.entry AS c WHERE c.seq = z.seq) AS of OFFSET 0) AS q
CROSS JOIN LATERAL (SELECT (SELECT keybatch.members(c.body) FROM keybatch.entry AS c WHERE c.seq = l.started_seq) AS of OFFSET 0) AS b
CROSS JOIN LATERAL (
    SELECT y.of, y.failed, y.own, y.answer, y.said, substr(y.named, 1, strpos(replace(y.named, ',', ':') || ':', ':') - 1) AS bare
    FROM (SELECT y.*, coalesce(keybatch.string(y.said -> '__type'),
                               CASE WHEN y.failed AND y.own IS NULL THEN (y.of).headers ->> 'x-amzn-errortype' END) AS named
          FROM (SELECT x.*, CASE WHEN x.failed AND x.own IS NULL THEN x.answer END AS said
                FROM (SELECT f.of, coalesce((f.of).cause, 'no_operation') <> 'no_operation' AS failed,
                             CASE WHEN (f.of).error::text LIKE '{%' THEN (f.of).error END AS own,
                             keybatch.object((f.of)."json") AS answer
                      FROM (SELECT (SELECT keybatch.members(c.body) FROM keybatch.entry AS c WHERE c.seq = l.finished_seq) AS of OFFSET 0) AS f OFFSET 0) AS x OFFSET 0) AS y OFFSET 0) AS y OFFSET 0) AS f;

CREATE VIEW keybatch.approvals AS
SELECT r.run_id,
       (p.of).at        AS approved_at,
       (p.of).signer    AS signer,
       (p.of).ticket    AS ticket,
       (p.of).plan_root AS plan_root,
       (p.of).signature AS signature,
       r.sandbox,
       keybatch.whole((p.of).session) AS session
FROM keybatch.milestone AS m
JOIN keybatch.entry AS e ON e.seq = m.seq
JOIN keybatch.run AS r ON r.run_no = m.run_no
CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS p
WHERE m.kind = 'plan_approved';

CREATE VIEW keybatch.overrides AS
SELECT r.run_id,
       (p.of).at       AS used_at,
       (p.of).override AS override,
       (p.of).by       AS used_by,
       (p.of).why      AS why,
       r.sandbox,
       keybatch.whole((p.of).session) AS session
FROM keybatch.milestone AS m
JOIN keybatch.entry AS e ON e.seq = m.seq
LEFT JOIN keybatch.run AS r ON r.run_no = m.run_no
CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS p
WHERE m.kind = 'override_used';

CREATE VIEW keybatch.checkpoints AS
SELECT c.size, c.root,
       ('keybatch/' || (SELECT (keybatch.members(first.body)).journal_id FROM keybatch.entry AS first WHERE first.seq = 0) || E'\n'
            || c.size::text || E'\n' || c.root || E'\n') COLLATE "C" AS text,
       c.made_at, c.seq, r.sandbox,
       keybatch.whole((p.of).session) AS session
FROM keybatch.checkpoint AS c
LEFT JOIN keybatch.entry AS e ON e.seq = c.seq
CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS p
LEFT JOIN keybatch.milestone AS o ON o.seq = keybatch.whole((p.of).session)
LEFT JOIN keybatch.run AS r ON r.run_no = coalesce(keybatch.whole((p.of).run), o.run_no)
ORDER BY c.seq;

CREATE VIEW keybatch.entries AS
SELECT e.seq, p.at, p.run_id, p.row_no, p.kind, e.body, p.sandbox, p.session
FROM keybatch.entry AS e
CROSS JOIN LATERAL (
    SELECT (n.of).at, (n.of).kind, keybatch.whole((n.of)."row") AS row_no, keybatch.whole((n.of).session) AS session,
           (SELECT r.run_id FROM keybatch.run AS r WHERE r.run_no = n.run_no) AS run_id,
           (SELECT r.sandbox FROM keybatch.run AS r WHERE r.run_no = n.run_no) AS sandbox
    FROM (SELECT m.of, coalesce(keybatch.whole((m.of).run),
                                (SELECT o.run_no FROM keybatch.milestone AS o WHERE o.seq = keybatch.whole((m.of).session))) AS run_no
          FROM (SELECT keybatch.members(e.body) AS of OFFSET 0) AS m OFFSET 0) AS n OFFSET 0) AS p;

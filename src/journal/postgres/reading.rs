//! Every statement that the reading side runs. Each names the schema, because a pooler forgets search paths.
//!
//! Where a page is read, its rows are found first, by the index of their table, and looked into then: so the plan does not depend on
//! what the server knows of the tables.

pub(super) const HEAD: &str =
    "SELECT size, root, frontier, checkpoint_size, checkpoint_at FROM keybatch.head WHERE id = 0";
pub(super) const TARGETS_OF_RUN: &str =
    "SELECT target_no, account_id, region FROM keybatch.target WHERE run_no = $1 ORDER BY account_id, region";
pub(super) const RUNS: &str = "SELECT run_no, run_id, state, stopped_by, manifest_sha256, rows, account_id, endpoint, \
     sandbox, plan_root, manifest_seq, sealed_seq, started_seq, reads, reads_throttled FROM keybatch.run ORDER BY run_no";
/// With the offset, PostgreSQL determines each outcome once, and not once per count.
pub(super) const RUN_COUNTS: &str = "SELECT count(*) FILTER (WHERE outcome = 'deleted'), \
     count(*) FILTER (WHERE outcome = 'gone'), count(*) FILTER (WHERE outcome = 'absent'), \
     count(*) FILTER (WHERE outcome = 'skipped'), count(*) FILTER (WHERE outcome = 'failed'), \
     count(*) FILTER (WHERE outcome = 'in_doubt'), count(*) FILTER (WHERE outcome = 'unsettled') \
     FROM (SELECT outcome FROM keybatch.row_outcome WHERE run_no = $1 OFFSET 0) AS o";
pub(super) const RUN_ATTEMPTS: &str = "SELECT count(*) FILTER (WHERE class IS DISTINCT FROM 'not_sent'), \
     count(*) FILTER (WHERE class = 'throttled') FROM keybatch.attempt WHERE run_no = $1";
pub(super) const ABOUT_RUN: &str = "SELECT r.manifest, r.operator, r.ticket, r.started_at, r.finished_at, \
     (SELECT coalesce(sum(keybatch.whole((keybatch.members(e.body)).elapsed_ms)), 0)::bigint \
      FROM keybatch.milestone AS m JOIN keybatch.entry AS e ON e.seq = m.seq \
      WHERE m.run_no = r.run_no AND m.kind = 'session_closed') FROM keybatch.run AS r WHERE r.run_no = $1";
/// Skipped rows whose every note says that they repeat another row.
pub(super) const SUPERFLUOUS: &str = "SELECT count(*) FROM keybatch.intent AS i JOIN keybatch.entry AS e ON e.seq = i.seq \
     CROSS JOIN LATERAL (SELECT keybatch.members(e.body) AS of OFFSET 0) AS m \
     WHERE i.run_no = $1 AND i.verdict = 'skip' AND i.outcome = 'skipped' AND (m.of).today IS NULL \
     AND NOT EXISTS (SELECT 1 FROM json_array_elements(CASE WHEN json_typeof((m.of).line -> 'notes') = 'array' \
                                                            THEN (m.of).line -> 'notes' END) AS n \
                     WHERE n ->> 'severity' IN ('skip', 'refuse') AND n ->> 'note' <> 'duplicate')";
pub(super) const BODY: &str = "SELECT body FROM keybatch.entry WHERE seq = $1";
pub(super) const JOURNAL_ID: &str = "SELECT (keybatch.members(body)).journal_id FROM keybatch.entry WHERE seq = 0";
macro_rules! pending {
    ($only:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (SELECT i.row_no, i.seq, \
                 EXISTS (SELECT 1 FROM keybatch.attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
                 OR EXISTS (SELECT 1 FROM keybatch.row_entry AS n WHERE n.run_no = i.run_no AND n.row_no = i.row_no) AS touched \
                 FROM keybatch.intent AS i \
                 WHERE i.run_no = $1 AND i.row_no > $2 AND i.target_no = $3 AND i.settled_seq IS NULL ",
            $only,
            " ORDER BY i.row_no LIMIT $4), \
             read AS MATERIALIZED (SELECT f.row_no, f.touched, e.body, keybatch.whole((keybatch.members(e.body)).page) AS page \
                 FROM found AS f JOIN keybatch.entry AS e ON e.seq = f.seq), \
             seen AS MATERIALIZED (SELECT p.seq, (keybatch.members(p.body)).at FROM keybatch.entry AS p \
                 WHERE p.seq = ANY (ARRAY(SELECT DISTINCT page FROM read))) \
             SELECT r.row_no, r.body, r.touched, s.at FROM read AS r LEFT JOIN seen AS s ON s.seq = r.page ORDER BY r.row_no"
        )
    };
}
/// Rows without an outcome, and when the listing was recorded that showed the key pair. Many rows name the same listing, which
/// is large, and read once.
pub(super) const PENDING: &str = pending!("");
/// Rows that have more entries than their intent, which go first when a run is resumed. Together with those of
/// [`PENDING`] that say they have none, these are all pending rows.
pub(super) const TOUCHED: &str = pending!(
    "AND (EXISTS (SELECT 1 FROM keybatch.attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
      OR EXISTS (SELECT 1 FROM keybatch.row_entry AS n WHERE n.run_no = i.run_no AND n.row_no = i.row_no))"
);
pub(super) const PENDING_COUNT: &str = "SELECT t.target_no, (SELECT count(*) FROM keybatch.intent AS i \
     WHERE i.run_no = t.run_no AND i.target_no = t.target_no AND i.settled_seq IS NULL) FROM keybatch.target AS t \
     WHERE t.run_no = $1 ORDER BY t.account_id, t.region";
/// Key pairs of a target that are to be deleted, those without an outcome or those with one.
pub(super) const NAMES_TO_DELETE: &str = "SELECT key_pair_name FROM keybatch.intent WHERE run_no = $1 AND target_no = $2 \
     AND verdict = 'delete' AND (settled_seq IS NOT NULL) = $3 ORDER BY row_no LIMIT $4";
/// The last attempts on rows of other runs against this service, if nothing shows their effect, of runs that have not ended, or
/// ended since a given time: the key pair, the start, and the end if it is known.
pub(super) const OPEN_ATTEMPTS: &str = "SELECT r.run_id, t.account_id, t.region, i.key_pair_name, s.body, f.body, \
     (SELECT o.body FROM keybatch.entry AS o WHERE o.seq = keybatch.whole((keybatch.members(s.body)).session)) \
     FROM keybatch.run AS r JOIN keybatch.attempt AS a ON a.run_no = r.run_no \
     JOIN keybatch.intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no \
     JOIN keybatch.target AS t ON t.target_no = i.target_no JOIN keybatch.entry AS s ON s.seq = a.started_seq \
     LEFT JOIN keybatch.entry AS f ON f.seq = a.finished_seq \
     WHERE r.run_id <> $1 AND r.endpoint = $2 AND t.account_id = $3 AND (r.state = 'running' OR r.finished_at >= $4) \
     AND (a.class IS NULL OR a.class = 'unanswered') AND NOT EXISTS (SELECT 1 FROM keybatch.attempt AS l \
     WHERE l.run_no = a.run_no AND l.row_no = a.row_no AND l.attempt > a.attempt) ORDER BY a.run_no, a.row_no";
pub(super) const UNCLEAR_ROWS: &str = "SELECT i.run_no, i.row_no, t.account_id, t.region, i.key_pair_name \
     FROM keybatch.run AS r JOIN keybatch.intent AS i ON i.run_no = r.run_no \
     JOIN keybatch.target AS t ON t.target_no = i.target_no \
     WHERE r.run_id <> $1 AND r.endpoint = $2 AND t.account_id = $3 AND (i.outcome IS NULL OR i.outcome IN ('in_doubt', 'gone') \
          OR (i.outcome = 'deleted' AND i.evidence = 'operation')) \
     AND EXISTS (SELECT 1 FROM keybatch.attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
     AND NOT EXISTS (SELECT 1 FROM keybatch.resolution AS z WHERE z.run_no = i.run_no AND z.row_no = i.row_no \
                     AND z.outcome NOT IN ('in_doubt', 'gone')) \
     ORDER BY i.run_no, i.row_no";
pub(super) const STORY: &str = "SELECT seq, body FROM keybatch.entry WHERE seq = ANY (ARRAY(\
     SELECT seq FROM keybatch.intent WHERE run_no = $1 AND row_no = $2 \
     UNION ALL SELECT settled_seq FROM keybatch.intent WHERE run_no = $1 AND row_no = $2 \
     UNION ALL SELECT started_seq FROM keybatch.attempt WHERE run_no = $1 AND row_no = $2 \
     UNION ALL SELECT finished_seq FROM keybatch.attempt WHERE run_no = $1 AND row_no = $2 \
     UNION ALL SELECT seq FROM keybatch.row_entry WHERE run_no = $1 AND row_no = $2)) ORDER BY seq";
/// A page of attempts.
pub(super) const ATTEMPTS_OF: &str = "SELECT a.row_no, a.attempt, t.account_id, t.region, i.key_pair_name, s.body, f.body, \
     CASE WHEN i.outcome IN ('gone', 'in_doubt') THEN coalesce(z.outcome, i.outcome) ELSE i.outcome END, \
     CASE WHEN i.outcome IN ('gone', 'in_doubt') THEN coalesce(z.evidence, i.evidence) ELSE i.evidence END, \
     NOT EXISTS (SELECT 1 FROM keybatch.attempt AS l \
                 WHERE l.run_no = a.run_no AND l.row_no = a.row_no AND l.attempt <> a.attempt) \
     FROM (SELECT run_no, row_no, attempt, started_seq, finished_seq FROM keybatch.attempt \
           WHERE run_no = $1 AND (row_no, attempt) > ($2, $3) ORDER BY row_no, attempt LIMIT $4) AS a \
     JOIN keybatch.intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no \
     JOIN keybatch.target AS t ON t.target_no = i.target_no JOIN keybatch.entry AS s ON s.seq = a.started_seq \
     LEFT JOIN keybatch.entry AS f ON f.seq = a.finished_seq \
     LEFT JOIN keybatch.resolution AS z ON z.run_no = a.run_no AND z.row_no = a.row_no ORDER BY a.row_no, a.attempt";
/// A page of a run's intents: the last row, the bodies' lengths, and the bodies one after the other.
pub(super) const INTENT_PAGE: &str = "SELECT max(p.row_no), \
     string_agg(octet_length(e.body)::text, ' ' ORDER BY p.row_no), string_agg(e.body, '' ORDER BY p.row_no) \
     FROM (SELECT row_no, seq FROM keybatch.intent WHERE run_no = $1 AND row_no > $2 ORDER BY row_no LIMIT $3) AS p \
     JOIN keybatch.entry AS e ON e.seq = p.seq";
pub(super) const PAST_NAMES: &str = "SELECT i.row_no, t.account_id, t.region, i.key_pair_name, i.seq \
     FROM (SELECT row_no, target_no, key_pair_name, seq FROM keybatch.intent WHERE run_no = $1 AND row_no > $2 \
           ORDER BY row_no LIMIT $3) AS i JOIN keybatch.target AS t ON t.target_no = i.target_no ORDER BY i.row_no";
/// The bodies of these intents, and when the run began.
pub(super) const PAST_SEEN: &str = "SELECT e.body, (SELECT started_at FROM keybatch.run WHERE run_no = $2) \
     FROM unnest($1) WITH ORDINALITY AS wanted (seq, place) JOIN keybatch.entry AS e ON e.seq = wanted.seq ORDER BY wanted.place";
pub(super) const MILESTONES: &str = "SELECT e.seq, e.body FROM keybatch.milestone AS m \
     JOIN keybatch.entry AS e ON e.seq = m.seq WHERE m.run_no = $1 ORDER BY m.seq";
pub(super) const MILESTONES_OF_KIND: &str = "SELECT e.seq, e.body FROM keybatch.milestone AS m \
     JOIN keybatch.entry AS e ON e.seq = m.seq WHERE m.run_no = $1 AND m.kind = $2 ORDER BY m.seq";
/// The accepted rollbacks, which name no run.
pub(super) const ROLLBACKS: &str = "SELECT e.body FROM keybatch.milestone AS m JOIN keybatch.entry AS e ON e.seq = m.seq \
     WHERE m.run_no IS NULL AND m.kind = 'override_used' ORDER BY m.seq";
pub(super) const ROWS_OF_NAME: &str =
    "SELECT row_no FROM keybatch.intent WHERE run_no = $1 AND key_pair_name = $2 ORDER BY row_no";
/// The rows of all runs that have this name or this number.
pub(super) const ROWS_ANYWHERE: &str = "SELECT r.run_id, i.row_no FROM keybatch.run AS r \
     JOIN keybatch.intent AS i ON i.run_no = r.run_no \
     WHERE ($1::text IS NOT NULL AND i.key_pair_name = $1) OR ($2::bigint IS NOT NULL AND i.row_no = $2) \
     ORDER BY r.run_no, i.row_no LIMIT $3";
pub(super) const RATE: &str =
    "SELECT rate_per_s, is_limit FROM keybatch.rate WHERE endpoint = $1 AND account_id = $2 AND region = $3";
pub(super) const LEAVES: &str = "SELECT seq, leaf FROM keybatch.entry WHERE seq >= $1 AND seq < $2 ORDER BY seq";
/// The same as one row: how many there are, the last number, the leaves one after the other.
pub(super) const LEAF_PAGE: &str = "SELECT count(*), max(seq), string_agg(leaf, ''::bytea ORDER BY seq) \
     FROM (SELECT seq, leaf FROM keybatch.entry WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT 10000) AS p";
pub(super) const RUNS_VIEW: &str = "SELECT * FROM keybatch.runs";
pub(super) const INTENTS_VIEW: &str = "SELECT * FROM keybatch.intents";
/// A page of a run's rows as the view has them. The view is asked for each row by itself.
pub(super) const REVIEW: &str = "SELECT p.row_no, e.body, v.* FROM (SELECT i.row_no, i.seq FROM keybatch.intent AS i \
           WHERE i.run_no = $1 AND i.row_no > $2 \
           AND ($3::text IS NULL OR (i.outcome = $3 AND $3 NOT IN ('gone', 'in_doubt')) \
                OR (coalesce(i.outcome, 'gone') IN ('gone', 'in_doubt') \
                    AND (SELECT o.outcome FROM keybatch.row_outcome AS o \
                         WHERE o.run_no = i.run_no AND o.row_no = i.row_no) = $3)) ORDER BY i.row_no LIMIT $4) AS p \
     JOIN keybatch.entry AS e ON e.seq = p.seq \
     CROSS JOIN LATERAL (SELECT w.* FROM keybatch.intents AS w \
           WHERE w.run_id = (SELECT run_id FROM keybatch.run WHERE run_no = $1) AND w.row_no = p.row_no OFFSET 0) AS v \
     ORDER BY p.row_no";
/// The entries that a filter lets through, with what is needed to say whose they are. A body that is not JSON matches only if no
/// condition is given. The values of conditions are constants to the planner: one that is not given costs nothing.
macro_rules! matching {
    () => {
        "FROM keybatch.entry AS e CROSS JOIN LATERAL (SELECT (m.of).kind, (m.of).at, keybatch.whole((m.of).\"row\") AS row_no, \
               coalesce(keybatch.whole((m.of).run), (SELECT o.run_no FROM keybatch.milestone AS o \
                        WHERE o.seq = keybatch.whole((m.of).session))) AS run_no \
               FROM (SELECT keybatch.members(e.body) AS of OFFSET 0) AS m OFFSET 0) AS b \
         WHERE e.seq >= $1 AND ($2::bigint IS NULL OR b.run_no = $2) AND ($3::text IS NULL OR b.kind = $3) \
         AND ($4::bigint IS NULL OR b.row_no = $4) \
         AND ($5::text IS NULL OR EXISTS (SELECT 1 FROM keybatch.intent AS i \
              WHERE i.run_no = b.run_no AND i.row_no = b.row_no AND i.key_pair_name = $5)) \
         AND ($6::text IS NULL OR EXISTS (SELECT 1 FROM keybatch.row_outcome AS o \
              WHERE o.run_no = b.run_no AND o.row_no = b.row_no AND o.outcome = $6)) \
         AND ($7::text IS NULL OR b.at >= $7) AND ($8::text IS NULL OR b.at < $8)"
    };
}
pub(super) const MATCHING: &str = concat!(
    "SELECT f.seq, f.body, r.run_id, r.sandbox, i.key_pair_name FROM (SELECT e.seq, e.body, b.run_no, b.row_no ",
    matching!(),
    " ORDER BY e.seq LIMIT $9) AS f LEFT JOIN keybatch.run AS r ON r.run_no = f.run_no \
     LEFT JOIN keybatch.intent AS i ON i.run_no = r.run_no AND i.row_no = f.row_no ORDER BY f.seq"
);
/// What is said of a row later stands behind its outcome.
pub(super) const RESOLVED_AFTER: &str = "SELECT min(i.settled_seq) FROM keybatch.resolution AS z \
     JOIN keybatch.intent AS i ON i.run_no = z.run_no AND i.row_no = z.row_no WHERE z.run_no = $1";
/// The entries are looked into once, for both answers.
pub(super) const LAST_MATCHING: &str = concat!(
    "SELECT min(l.seq), coalesce(max(l.matching), 0) FROM (SELECT e.seq, count(*) OVER () AS matching ",
    matching!(),
    " ORDER BY e.seq DESC LIMIT $9) AS l"
);
/// The version of PostgreSQL, how many entries there are, and how many bytes they and the rest take.
pub(super) const HEALTH: &str = "SELECT current_setting('server_version'), version, \
     coalesce((SELECT size FROM keybatch.head WHERE id = 0), 0), \
     (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c \
      WHERE c.relnamespace = 'keybatch'::regnamespace AND c.relkind IN ('r', 'm')) FROM keybatch.schema";

pub(super) const VERSION: &str = "SELECT version FROM keybatch.schema";
pub(super) const ENTRIES_FROM: &str =
    "SELECT seq, body, leaf FROM keybatch.entry WHERE seq >= $1 ORDER BY seq LIMIT $2";
/// A page of entries as one row, because each row costs as much as its content does.
pub(super) const ENTRY_PAGE: &str = "SELECT count(*), min(seq), max(seq), \
     string_agg(octet_length(body)::text, ' ' ORDER BY seq), string_agg(body, '' ORDER BY seq), \
     string_agg(leaf, ''::bytea ORDER BY seq) \
     FROM (SELECT seq, body, leaf FROM keybatch.entry WHERE seq >= $1 ORDER BY seq LIMIT $2) AS p";
/// The row of the head is there from the beginning.
pub(super) const USED_HEAD: &str = "SELECT size, root, frontier, checkpoint_size, checkpoint_at FROM keybatch.head \
     WHERE size <> 0 OR EXISTS (SELECT 1 FROM keybatch.entry) ORDER BY id LIMIT 1";
pub(super) const HEADS: &str =
    "SELECT count(*) FROM keybatch.head WHERE size <> 0 OR EXISTS (SELECT 1 FROM keybatch.entry)";
/// A table or view that this user may not read.
pub(super) const HIDDEN: &str = "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class AS c \
     WHERE c.relnamespace = 'keybatch'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v') \
     AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname LIMIT 1";
pub(super) const INVALID_INDEX: &str = "SELECT c.relname::text FROM pg_catalog.pg_index AS i \
     JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
     WHERE c.relnamespace = 'keybatch'::pg_catalog.regnamespace AND NOT (i.indisvalid AND i.indisready AND i.indislive) \
     ORDER BY c.relname LIMIT 1";

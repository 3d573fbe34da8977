//! Every statement that the journal runs, as constants in one place. A test prepares each against a migrated database.
//!
//! Statement round trips go through a thread, so the writer puts many rows into one statement; each of those exists
//! in several sizes ([`CHUNKS`]), because the number of rows is part of its text.

/// The sizes of the statements that write several rows, smallest first. 64 is a group commit at full load, 256 is for
/// plans and replays; that one has 256 × 6 parameters, far below SQLite's limit of 32,766. If a statement has more places than
/// there are rows, the rest are nulls, which it skips: that costs less than a second statement.
pub(super) const CHUNKS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 256];

/// A statement in each of the sizes of [`CHUNKS`].
pub(super) type Sized = [&'static str; 8];

/// The place in [`CHUNKS`] of the statement for this many rows. It takes them all, or as many as the largest statement can.
pub(super) fn chunk(rows: usize) -> usize {
    CHUNKS.iter().position(|size| *size >= rows).unwrap_or(CHUNKS.len() - 1)
}

macro_rules! times {
    (1, $row:literal) => {
        $row
    };
    (2, $row:literal) => {
        concat!($row, ",", $row)
    };
    (4, $row:literal) => {
        concat!(times!(2, $row), ",", times!(2, $row))
    };
    (8, $row:literal) => {
        concat!(times!(4, $row), ",", times!(4, $row))
    };
    (16, $row:literal) => {
        concat!(times!(8, $row), ",", times!(8, $row))
    };
    (32, $row:literal) => {
        concat!(times!(16, $row), ",", times!(16, $row))
    };
    (64, $row:literal) => {
        concat!(times!(32, $row), ",", times!(32, $row))
    };
    (256, $row:literal) => {
        concat!(times!(64, $row), ",", times!(64, $row), ",", times!(64, $row), ",", times!(64, $row))
    };
}

macro_rules! sized {
    ($head:literal, $row:literal, $tail:literal) => {
        [
            concat!($head, times!(1, $row), $tail),
            concat!($head, times!(2, $row), $tail),
            concat!($head, times!(4, $row), $tail),
            concat!($head, times!(8, $row), $tail),
            concat!($head, times!(16, $row), $tail),
            concat!($head, times!(32, $row), $tail),
            concat!($head, times!(64, $row), $tail),
            concat!($head, times!(256, $row), $tail),
        ]
    };
}

pub(super) const INSERT_ENTRY: Sized =
    sized!("INSERT INTO entry (seq, body, leaf) SELECT * FROM (VALUES ", "(?,?,?)", ") WHERE column1 IS NOT NULL");

pub(super) const INSERT_INTENT: Sized = sized!(
    "INSERT INTO intent (run_no, row_no, target_no, key_pair_name, verdict, seq) SELECT * FROM (VALUES ",
    "(?,?,?,?,?,?)",
    ") WHERE column1 IS NOT NULL"
);

pub(super) const SETTLE_INTENT: Sized = sized!(
    "UPDATE intent SET settled_seq = v.column3, outcome = v.column4, evidence = v.column5 FROM (VALUES ",
    "(?,?,?,?,?)",
    ") AS v WHERE intent.run_no = v.column1 AND intent.row_no = v.column2 AND intent.settled_seq IS NULL"
);

pub(super) const INSERT_ATTEMPT: Sized = sized!(
    "INSERT INTO attempt (run_no, row_no, attempt, started_seq) SELECT * FROM (VALUES ",
    "(?,?,?,?)",
    ") WHERE column1 IS NOT NULL"
);

pub(super) const FINISH_ATTEMPT: Sized = sized!(
    "UPDATE attempt SET finished_seq = v.column4, class = v.column5 FROM (VALUES ",
    "(?,?,?,?,?)",
    ") AS v WHERE attempt.run_no = v.column1 AND attempt.row_no = v.column2 AND attempt.attempt = v.column3 \
     AND attempt.finished_seq IS NULL"
);

/// An attempt with its end, if both are known at once.
pub(super) const INSERT_WHOLE_ATTEMPT: Sized = sized!(
    "INSERT INTO attempt (run_no, row_no, attempt, started_seq, finished_seq, class) SELECT * FROM (VALUES ",
    "(?,?,?,?,?,?)",
    ") WHERE column1 IS NOT NULL"
);

pub(super) const INSERT_ROW_ENTRY: Sized = sized!(
    "INSERT INTO row_entry (run_no, row_no, seq) SELECT * FROM (VALUES ",
    "(?,?,?)",
    ") WHERE column1 IS NOT NULL"
);

/// The beginning and the end of each batch. Each is one round trip and stays prepared, unlike the driver's own transactions.
pub(super) const LOCK_HEAD: &str = "BEGIN IMMEDIATE; SELECT size, root FROM head WHERE id = 0";
pub(super) const INSERT_HEAD: &str =
    "INSERT INTO head (id, size, root, frontier, checkpoint_size, checkpoint_at) VALUES (0, ?, ?, ?, ?, ?); COMMIT";
pub(super) const MOVE_HEAD: &str =
    "UPDATE head SET size = ?, root = ?, frontier = ?, checkpoint_size = ?, checkpoint_at = ? WHERE id = 0; COMMIT";
pub(super) const HEAD: &str = "SELECT size, root, frontier, checkpoint_size, checkpoint_at FROM head WHERE id = 0";

/// When the last entry was written. Null if its body is not JSON.
pub(super) const LAST_TIME: &str =
    "SELECT CASE WHEN json_valid(body) THEN body ->> '$.at' END FROM entry ORDER BY seq DESC LIMIT 1";

pub(super) const INSERT_RUN: &str = "INSERT INTO run (run_no, run_id, state, started_at, sessions, account_id, \
     principal_arn, operator, endpoint, sandbox, reason, ticket) VALUES (?, ?, 'planning', ?, 1, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const ADD_SESSION: &str = "UPDATE run SET sessions = sessions + 1 WHERE run_no = ?";
pub(super) const SET_STATE: &str = "UPDATE run SET state = ?, stopped_by = ?, finished_at = ? WHERE run_no = ?";
pub(super) const RUN_MANIFEST: &str =
    "UPDATE run SET manifest = ?, manifest_sha256 = ?, rows = ?, manifest_seq = ? WHERE run_no = ?";
pub(super) const RUN_SEALED: &str = "UPDATE run SET plan_root = ?, sealed_seq = ? WHERE run_no = ?";
pub(super) const RUN_STARTED: &str = "UPDATE run SET started_seq = ? WHERE run_no = ?";
pub(super) const RUN_READS: &str =
    "UPDATE run SET reads = reads + ?, reads_throttled = reads_throttled + ? WHERE run_no = ?";
pub(super) const INSERT_TARGET: &str = "INSERT INTO target (target_no, run_no, account_id, region) VALUES (?, ?, ?, ?)";
pub(super) const INSERT_MILESTONE: &str = "INSERT INTO milestone (seq, run_no, kind) VALUES (?, ?, ?)";
pub(super) const INSERT_CHECKPOINT: &str = "INSERT INTO checkpoint (seq, size, root, made_at) VALUES (?, ?, ?, ?)";
pub(super) const PUT_RATE: &str = "INSERT INTO rate (endpoint, account_id, region, rate_per_s, is_limit, seq) \
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, account_id, region) \
     DO UPDATE SET rate_per_s = excluded.rate_per_s, is_limit = excluded.is_limit, seq = excluded.seq";

pub(super) const PUT_RESOLUTION: &str = "INSERT INTO resolution (run_no, row_no, seq, outcome, evidence) \
     VALUES (?, ?, ?, ?, ?) ON CONFLICT (run_no, row_no) \
     DO UPDATE SET seq = excluded.seq, outcome = excluded.outcome, evidence = excluded.evidence";

pub(super) const KNOWN_RUN: &str = "SELECT endpoint, state, started_seq IS NOT NULL FROM run WHERE run_no = ?";
pub(super) const TARGETS_OF_RUN: &str =
    "SELECT target_no, account_id, region FROM target WHERE run_no = ? ORDER BY account_id, region";
pub(super) const LAST_TARGET: &str = "SELECT coalesce(max(target_no), 0) FROM target";

pub(super) const RUNS: &str = "SELECT run_no, run_id, state, stopped_by, manifest_sha256, rows, account_id, endpoint, \
     sandbox, plan_root, manifest_seq, sealed_seq, started_seq, reads, reads_throttled FROM run ORDER BY run_no";
/// Not grouped, because that would sort all rows in memory. With the limit, which limits nothing, SQLite determines each outcome
/// once, and not once per count.
pub(super) const RUN_COUNTS: &str = "SELECT count(*) FILTER (WHERE outcome = 'deleted'), \
     count(*) FILTER (WHERE outcome = 'gone'), count(*) FILTER (WHERE outcome = 'absent'), \
     count(*) FILTER (WHERE outcome = 'skipped'), count(*) FILTER (WHERE outcome = 'failed'), \
     count(*) FILTER (WHERE outcome = 'in_doubt'), count(*) FILTER (WHERE outcome = 'unsettled') FROM (SELECT outcome FROM row_outcome WHERE run_no = ? LIMIT -1)";
pub(super) const RUN_ATTEMPTS: &str = "SELECT count(*) FILTER (WHERE class IS NOT 'not_sent'), count(*) FILTER (WHERE class = 'throttled') \
     FROM attempt WHERE run_no = ?";
/// Skipped rows whose every note says that they repeat another row.
pub(super) const ABOUT_RUN: &str = "SELECT manifest, operator, ticket, started_at, finished_at, \
     (SELECT coalesce(sum(json_extract(e.body, '$.elapsed_ms')), 0) FROM milestone AS m JOIN entry AS e ON e.seq = m.seq \
      WHERE m.run_no = run.run_no AND m.kind = 'session_closed') FROM run WHERE run_no = ?";
pub(super) const SUPERFLUOUS: &str = "SELECT count(*) FROM intent AS i CROSS JOIN entry AS e ON e.seq = i.seq \
     WHERE i.run_no = ? AND i.verdict = 'skip' AND i.outcome = 'skipped' AND json_extract(e.body, '$.today') IS NULL \
     AND NOT EXISTS (SELECT 1 FROM json_each(e.body, '$.line.notes') AS n \
                     WHERE json_extract(n.value, '$.severity') IN ('skip', 'refuse') \
                       AND json_extract(n.value, '$.note') <> 'duplicate')";
pub(super) const BODY: &str = "SELECT body FROM entry WHERE seq = ?";
pub(super) const JOURNAL_ID: &str = "SELECT json_extract(body, '$.journal_id') FROM entry WHERE seq = 0";
/// Pages have a limit of `? + 0`, not of `?`: SQLite prepares a statement again each time that a limit which is a parameter is
/// bound, in case the plan should depend on it.
pub(super) const PENDING: &str = "SELECT i.row_no, i.seq, e.body, \
     EXISTS (SELECT 1 FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
     OR EXISTS (SELECT 1 FROM row_entry AS n WHERE n.run_no = i.run_no AND n.row_no = i.row_no), \
     (SELECT json_extract(p.body, '$.at') FROM entry AS p WHERE p.seq = json_extract(e.body, '$.page')) \
     FROM intent AS i CROSS JOIN entry AS e ON e.seq = i.seq \
     WHERE i.run_no = ? AND i.row_no > ? AND i.target_no = ? AND i.settled_seq IS NULL ORDER BY i.row_no LIMIT ? + 0";
/// Rows that have more entries than their intent, which go first when a run is resumed. Together with those of
/// [`PENDING`] that say they have none, these are all pending rows.
pub(super) const TOUCHED: &str = "SELECT i.row_no, i.seq, e.body, 1, \
     (SELECT json_extract(p.body, '$.at') FROM entry AS p WHERE p.seq = json_extract(e.body, '$.page')) \
     FROM intent AS i CROSS JOIN entry AS e ON e.seq = i.seq \
     WHERE i.run_no = ? AND i.row_no > ? AND i.target_no = ? AND i.settled_seq IS NULL \
     AND (EXISTS (SELECT 1 FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
          OR EXISTS (SELECT 1 FROM row_entry AS n WHERE n.run_no = i.run_no AND n.row_no = i.row_no)) \
     ORDER BY i.row_no LIMIT ? + 0";
pub(super) const PENDING_COUNT: &str = "SELECT t.target_no, (SELECT count(*) FROM intent AS i \
     WHERE i.run_no = t.run_no AND i.target_no = t.target_no AND i.settled_seq IS NULL) FROM target AS t \
     WHERE t.run_no = ? ORDER BY t.account_id, t.region";
/// Key pairs of a target that are to be deleted, those without an outcome or those with one.
pub(super) const NAMES_TO_DELETE: &str = "SELECT key_pair_name FROM intent WHERE run_no = ? AND target_no = ? \
     AND verdict = 'delete' AND (settled_seq IS NOT NULL) = ? ORDER BY row_no LIMIT ?";
/// The last attempts on rows of other runs against this service, if nothing shows their effect, of runs that have not ended, or
/// ended since a given time: the key pair, the start, and the end if it is known.
pub(super) const OPEN_ATTEMPTS: &str = "SELECT r.run_id, t.account_id, t.region, i.key_pair_name, s.body, f.body, o.body FROM run AS r \
     CROSS JOIN attempt AS a ON a.run_no = r.run_no CROSS JOIN intent AS i ON i.run_no = a.run_no AND i.row_no = a.row_no \
     CROSS JOIN target AS t ON t.target_no = i.target_no CROSS JOIN entry AS s ON s.seq = a.started_seq \
     LEFT JOIN entry AS f ON f.seq = a.finished_seq \
     LEFT JOIN entry AS o ON o.seq = json_extract(s.body, '$.session') \
     WHERE r.run_id <> ? AND r.endpoint = ? AND t.account_id = ? AND (r.state = 'running' OR r.finished_at >= ?) \
     AND (a.class IS NULL OR a.class = 'unanswered') AND NOT EXISTS (SELECT 1 FROM attempt AS l \
     WHERE l.run_no = a.run_no AND l.row_no = a.row_no AND l.attempt > a.attempt)";
pub(super) const UNCLEAR_ROWS: &str = "SELECT i.run_no, i.row_no, t.account_id, t.region, i.key_pair_name FROM run AS r \
     CROSS JOIN intent AS i ON i.run_no = r.run_no CROSS JOIN target AS t ON t.target_no = i.target_no \
     WHERE r.run_id <> ? AND r.endpoint = ? AND t.account_id = ? AND (i.outcome IS NULL OR i.outcome IN ('in_doubt', 'gone') \
          OR (i.outcome = 'deleted' AND i.evidence = 'operation')) \
     AND EXISTS (SELECT 1 FROM attempt AS a WHERE a.run_no = i.run_no AND a.row_no = i.row_no) \
     AND NOT EXISTS (SELECT 1 FROM resolution AS z WHERE z.run_no = i.run_no AND z.row_no = i.row_no \
                     AND z.outcome NOT IN ('in_doubt', 'gone')) \
     ORDER BY i.run_no, i.row_no";
pub(super) const STORY: &str = "SELECT seq, body FROM entry WHERE seq IN (\
     SELECT seq FROM intent WHERE run_no = ?1 AND row_no = ?2 \
     UNION ALL SELECT settled_seq FROM intent WHERE run_no = ?1 AND row_no = ?2 \
     UNION ALL SELECT started_seq FROM attempt WHERE run_no = ?1 AND row_no = ?2 \
     UNION ALL SELECT finished_seq FROM attempt WHERE run_no = ?1 AND row_no = ?2 \
     UNION ALL SELECT seq FROM row_entry WHERE run_no = ?1 AND row_no = ?2) ORDER BY seq";
/// A page of the names of a run's rows, as one JSON array of (account, region, name, seq). A plan asks with it which of its own names an
/// earlier run has seen.
pub(super) const PAST_NAMES: &str = "SELECT max(row_no), json_group_array(json_array(account_id, region, key_pair_name, seq)) \
     FROM (SELECT i.row_no, t.account_id, t.region, i.key_pair_name, i.seq FROM intent AS i \
     CROSS JOIN target AS t ON t.target_no = i.target_no WHERE i.run_no = ? AND i.row_no > ? ORDER BY i.row_no LIMIT ? + 0)";
/// What these intents (a JSON array of their numbers) rest on, as one JSON array of (account, region, name, identity or null, time of
/// the run's beginning). An intent that was skipped because its key pair had been re-created only knows what somebody
/// else made: by its line, or on the day when a plan's file was executed. If another key pair was there on that day, the line still is
/// about its own.
pub(super) const PAST_SEEN: &str = "SELECT json_group_array(json_array(json_extract(e.body, '$.line.account'), \
     json_extract(e.body, '$.line.region'), \
     json_extract(e.body, '$.line.name'), iif(json_type(e.body, '$.line.observation') = 'object', json_object(\
     'arn', json_extract(e.body, '$.line.observation.arn'), 'created_at', json_extract(e.body, '$.line.observation.created_at'), \
     'fingerprint', json_extract(e.body, '$.line.observation.fingerprint')), NULL), \
     (SELECT started_at FROM run WHERE run_no = ?2))) \
     FROM json_each(?1) AS wanted CROSS JOIN entry AS e ON e.seq = wanted.value \
     WHERE NOT EXISTS (SELECT 1 FROM json_each(e.body, iif(json_type(e.body, '$.today') IS NOT NULL \
     AND json_type(e.body, '$.today.observation') IS NULL, '$.today.notes', '$.line.notes')) AS n \
     WHERE json_extract(n.value, '$.note') = 'recreated' AND json_extract(n.value, '$.severity') <> 'warn')";
pub(super) const MILESTONES: &str = "SELECT e.seq, e.body FROM milestone AS m JOIN entry AS e ON e.seq = m.seq \
     WHERE m.run_no = ? ORDER BY m.seq";
pub(super) const ROWS_OF_NAME: &str =
    "SELECT row_no FROM intent WHERE run_no = ? AND key_pair_name = ? ORDER BY row_no";
pub(super) const ENTRIES_FROM: &str = "SELECT seq, body, leaf FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?";
/// A page of entries as one row, because handing a row over costs more than its content does.
pub(super) const ENTRY_PAGE: &str = "SELECT count(*), min(seq), max(seq), group_concat(octet_length(body), ' '), \
     group_concat(body, ''), group_concat(leaf, '') \
     FROM (SELECT seq, body, leaf FROM main.entry WHERE seq >= ? ORDER BY seq LIMIT ? + 0)";
/// Pages of the large projections as one row each, as in [`ENTRY_PAGE`]: how many rows there are, then the concatenated
/// values of each column. A column of arbitrary texts follows one with their lengths, and a null
/// differs from every text.
pub(super) const INTENT_SUMS: &str = "SELECT count(*), group_concat(run_no, ' '), group_concat(row_no, ' '), \
     group_concat(target_no, ' '), group_concat(octet_length(key_pair_name), ' '), group_concat(key_pair_name, ''), \
     group_concat(verdict, ' '), group_concat(seq, ' '), group_concat(coalesce(settled_seq, ''), ' '), \
     group_concat(coalesce(outcome || '.', ''), ' '), group_concat(coalesce(evidence || '.', ''), ' ') \
     FROM (SELECT * FROM main.intent WHERE (run_no, row_no) > (?, ?) ORDER BY run_no, row_no LIMIT ? + 0)";
pub(super) const ATTEMPT_SUMS: &str = "SELECT count(*), group_concat(run_no, ' '), group_concat(row_no, ' '), \
     group_concat(attempt, ' '), group_concat(started_seq, ' '), group_concat(coalesce(finished_seq, ''), ' '), \
     group_concat(coalesce(class || '.', ''), ' ') \
     FROM (SELECT * FROM main.attempt WHERE (run_no, row_no, attempt) > (?, ?, ?) \
           ORDER BY run_no, row_no, attempt LIMIT ? + 0)";
pub(super) const ROW_ENTRY_SUMS: &str = "SELECT count(*), group_concat(run_no, ' '), group_concat(row_no, ' '), \
     group_concat(seq, ' ') FROM (SELECT * FROM main.row_entry WHERE (run_no, row_no, seq) > (?, ?, ?) \
           ORDER BY run_no, row_no, seq LIMIT ? + 0)";
pub(super) const SUMMED_COUNTS: &str = "SELECT (SELECT count(*) FROM main.intent), \
     (SELECT count(*) FROM main.attempt), (SELECT count(*) FROM main.row_entry)";
/// The schema without the migrator's own table, and without those that ANALYZE leaves. It includes anything else that has their
/// names or is attached to them.
pub(super) const SCHEMA: &str = "SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_schema \
     WHERE NOT (type = 'table' AND tbl_name = name AND name IN ('_sqlx_migrations', 'sqlite_stat1', 'sqlite_stat4')) \
       AND NOT (type = 'index' AND tbl_name = '_sqlx_migrations' AND sql IS NULL) ORDER BY type, name";
pub(super) const REVIEW: &str = "SELECT i.row_no, e.body, v.* FROM intent AS i \
     CROSS JOIN run AS r ON r.run_no = i.run_no CROSS JOIN entry AS e ON e.seq = i.seq \
     CROSS JOIN intents AS v ON v.run_id = r.run_id AND v.row_no = i.row_no \
     WHERE i.run_no = ?1 AND i.row_no > ?2 \
       AND (?3 IS NULL OR (coalesce(i.outcome, 'gone') IN ('gone', 'in_doubt') AND v.outcome = ?3) \
            OR (i.outcome = ?3 AND ?3 NOT IN ('gone', 'in_doubt'))) ORDER BY i.row_no LIMIT ?4";
/// The rows of all runs that have this name (?1) or this number (?2).
pub(super) const ROWS_ANYWHERE: &str = "SELECT r.run_id, i.row_no FROM run AS r CROSS JOIN intent AS i ON i.run_no = r.run_no \
     WHERE (?1 IS NOT NULL AND i.key_pair_name = ?1) OR (?2 IS NOT NULL AND i.row_no = ?2) \
     ORDER BY r.run_no, i.row_no LIMIT ?3";
pub(super) const RUNS_VIEW: &str = "SELECT * FROM runs";
pub(super) const MILESTONES_OF_KIND: &str = "SELECT e.seq, e.body FROM milestone AS m JOIN entry AS e ON e.seq = m.seq \
     WHERE m.run_no = ? AND m.kind = ? ORDER BY m.seq";
/// The accepted rollbacks, which name no run.
pub(super) const ROLLBACKS: &str = "SELECT e.body FROM milestone AS m JOIN entry AS e ON e.seq = m.seq \
     WHERE m.run_no IS NULL AND m.kind = 'override_used' ORDER BY m.seq";
pub(super) const LEAVES: &str = "SELECT seq, leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq";
/// The same as one row, as in [`ENTRY_PAGE`]: how many there are, the last number, the concatenated leaves.
pub(super) const LEAF_PAGE: &str = "SELECT count(*), max(seq), group_concat(leaf, '') \
     FROM (SELECT seq, leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 10000)";
/// The conditions of an [`EntryFilter`](super::EntryFilter), ?2 to ?8. A body that is not JSON matches only if no
/// condition is given.
macro_rules! matching {
    () => {
        "(?2 IS NULL OR (json_valid(body) AND ?2 = coalesce(json_extract(body, '$.run'), \
              (SELECT run_no FROM milestone WHERE seq = json_extract(body, '$.session'))))) \
         AND (?3 IS NULL OR (json_valid(body) AND json_extract(body, '$.kind') = ?3)) \
         AND (?4 IS NULL OR (json_valid(body) AND json_extract(body, '$.row') = ?4)) \
         AND (?5 IS NULL OR (json_valid(body) AND EXISTS (SELECT 1 FROM intent AS i \
              WHERE i.run_no = coalesce(json_extract(body, '$.run'), \
                    (SELECT run_no FROM milestone WHERE seq = json_extract(body, '$.session'))) \
                AND i.row_no = json_extract(body, '$.row') AND i.key_pair_name = ?5))) \
         AND (?6 IS NULL OR (json_valid(body) AND EXISTS (SELECT 1 FROM row_outcome AS o \
              WHERE o.run_no = coalesce(json_extract(body, '$.run'), \
                    (SELECT run_no FROM milestone WHERE seq = json_extract(body, '$.session'))) \
                AND o.row_no = json_extract(body, '$.row') AND o.outcome = ?6))) \
         AND (?7 IS NULL OR (json_valid(body) AND json_extract(body, '$.at') >= ?7)) \
         AND (?8 IS NULL OR (json_valid(body) AND json_extract(body, '$.at') < ?8))"
    };
}
pub(super) const MATCHING: &str = concat!(
    "SELECT f.seq, f.body, r.run_id, r.sandbox, i.key_pair_name \
     FROM (SELECT seq, body, CASE WHEN json_valid(body) THEN body END AS json FROM entry WHERE seq >= ?1 AND ",
    matching!(),
    " ORDER BY seq LIMIT ?9) AS f \
     LEFT JOIN milestone AS o ON o.seq = json_extract(f.json, '$.session') \
     LEFT JOIN run AS r ON r.run_no = coalesce(json_extract(f.json, '$.run'), o.run_no) \
     LEFT JOIN intent AS i ON i.run_no = r.run_no AND i.row_no = json_extract(f.json, '$.row') ORDER BY f.seq"
);
pub(super) const LAST_MATCHING: &str = concat!(
    "SELECT min(seq), (SELECT count(*) FROM entry WHERE seq >= ?1 AND ",
    matching!(),
    ") FROM (SELECT seq FROM entry WHERE seq >= ?1 AND ",
    matching!(),
    " ORDER BY seq DESC LIMIT ?9)"
);
/// The version of the schema, and whether migrations were recorded.
pub(super) const VERSION: &str = "SELECT user_version, EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations') \
     FROM pragma_user_version";
pub(super) const MIGRATED: &str = "SELECT count(*) FROM _sqlx_migrations WHERE success";
pub(super) const HEALTH: &str = "SELECT sqlite_version(), (SELECT user_version FROM pragma_user_version), \
     coalesce((SELECT size FROM head WHERE id = 0), 0), \
     (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
pub(super) const RATE: &str =
    "SELECT rate_per_s, is_limit FROM rate WHERE endpoint = ? AND account_id = ? AND region = ?";
/// A page of intents as one row, as in [`ENTRY_PAGE`].
pub(super) const INTENT_PAGE: &str = "SELECT max(row_no), group_concat(octet_length(body), ' '), group_concat(body, '') \
     FROM (SELECT i.row_no, e.body FROM intent AS i CROSS JOIN entry AS e ON e.seq = i.seq \
           WHERE i.run_no = ? AND i.row_no > ? ORDER BY i.row_no LIMIT ? + 0)";

/// All statements, for the test that prepares each.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let mut all = vec![
        LOCK_HEAD,
        INSERT_HEAD,
        MOVE_HEAD,
        HEAD,
        LAST_TIME,
        INSERT_RUN,
        ADD_SESSION,
        SET_STATE,
        RUN_MANIFEST,
        RUN_SEALED,
        RUN_STARTED,
        ABOUT_RUN,
        RUN_READS,
        INSERT_TARGET,
        INSERT_MILESTONE,
        INSERT_CHECKPOINT,
        PUT_RATE,
        PUT_RESOLUTION,
        KNOWN_RUN,
        TARGETS_OF_RUN,
        LAST_TARGET,
        RUNS,
        RUN_COUNTS,
        RUN_ATTEMPTS,
        BODY,
        JOURNAL_ID,
        PENDING,
        TOUCHED,
        PENDING_COUNT,
        NAMES_TO_DELETE,
        OPEN_ATTEMPTS,
        UNCLEAR_ROWS,
        STORY,
        MILESTONES,
        ROWS_OF_NAME,
        ENTRIES_FROM,
        ENTRY_PAGE,
        REVIEW,
        ROWS_ANYWHERE,
        RUNS_VIEW,
        MILESTONES_OF_KIND,
        ROLLBACKS,
        LEAVES,
        LEAF_PAGE,
        MATCHING,
        LAST_MATCHING,
        HEALTH,
        SCHEMA,
        INTENT_SUMS,
        ATTEMPT_SUMS,
        ROW_ENTRY_SUMS,
        SUMMED_COUNTS,
        RATE,
        INTENT_PAGE,
    ];
    for sized in [
        INSERT_ENTRY,
        INSERT_INTENT,
        SETTLE_INTENT,
        INSERT_ATTEMPT,
        INSERT_WHOLE_ATTEMPT,
        FINISH_ATTEMPT,
        INSERT_ROW_ENTRY,
    ] {
        all.extend(sized);
    }
    all
}

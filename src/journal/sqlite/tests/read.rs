//! What readers and a replay make of a journal that was written in several sessions.

use jiff::Timestamp;
use sqlx::{ConnectOptions as _, Connection as _};

use super::*;
use crate::domain::Target;
use crate::journal::{PROJECTIONS, Reader, RunReader as _, RunState, SUMMED, StoryEntry};

#[tokio::test]
async fn a_reader_finds_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = write(&path, sessions()).await;
    let reader = SqliteReader::open(&path).await.unwrap();
    let runs = reader.runs().await.unwrap();
    let [one, two, three] = &*runs else { panic!("{runs:?}") };
    assert_eq!((one.run_no, &*one.run.to_string(), &one.state, one.sandbox), (1, ONE, &RunState::Running, false));
    assert_eq!((one.rows, one.reads, one.reads_throttled, one.plan_root.as_deref()), (6, 6, 2, Some("P")));
    assert_eq!((one.manifest_seq, one.sealed_seq, one.started_seq), (Some(4), Some(10), Some(12)));
    assert_eq!((one.account.as_deref(), one.endpoint.as_deref()), (Some("1"), Some("e")));
    assert_eq!((one.stopped_by.as_deref(), one.manifest_sha256.as_deref()), (None, Some("hash of m")));
    assert_eq!((two.stopped_by.as_deref(), two.sandbox, two.started_seq), (Some("refused"), true, None));
    assert_eq!((three.run_no, &three.state), (THREE_NO, &RunState::Finished));

    // One row has no intent.
    let counts = reader.counts(one).await.unwrap();
    assert_eq!((counts.deleted, counts.skipped, counts.unsettled, counts.not_attempted), (1, 1, 1, 3));
    assert_eq!(counts.total(), 6);
    let counts = reader.counts(three).await.unwrap();
    assert_eq!((counts.absent, counts.gone, counts.total()), (1, 0, 1));
    assert_eq!(reader.attempts(1).await.unwrap(), (3, 1));
    let target = |region: &str| Target { account: "1".into(), region: region.into() };
    let targets = reader.targets(1).await.unwrap();
    let targets: Vec<_> = targets.into_iter().map(|record| (record.target_no, record.target)).collect();
    assert_eq!(targets, [(1, target("r1")), (2, target("r2")), (3, target("r3"))]);
    assert_eq!(reader.pending_counts(1).await.unwrap(), [(1, 1), (2, 1), (3, 1)]);
    assert_eq!(reader.names_to_delete(1, 1, true, 9).await.unwrap(), ["k1"]);
    assert_eq!(reader.names_to_delete(1, 1, false, 9).await.unwrap(), ["k3"]);
    assert!(reader.names_to_delete(1, 1, false, 0).await.unwrap().is_empty());
    let open = reader.open_attempts(three.run, "e", "1", Timestamp::MIN).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&*open[0].run, &open[0].target, &*open[0].key_pair_name), (ONE, &target("r2"), "k2"));
    assert_eq!(open[0].started.seq, 18);
    assert!(reader.open_attempts(one.run, "e", "1", Timestamp::MIN).await.unwrap().is_empty());
    assert!(reader.open_attempts(three.run, "f", "1", Timestamp::MIN).await.unwrap().is_empty());

    let seqs = |story: Vec<StoryEntry>| story.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(reader.story(1, 2).await.unwrap()), [6, 16, 17, 18, 27, 28]);
    assert_eq!(seqs(reader.milestones(TWO_NO).await.unwrap()), [23, 24, 25]);
    assert_eq!(reader.story(1, 2).await.unwrap()[0].body, all[6].seal().unwrap().body);
    assert_eq!(
        Reader::new(reader.clone()).row_entries(1, 3).await.unwrap(),
        [&all[7], &all[29], &all[30], &all[31]].map(Clone::clone)
    );
    assert_eq!(reader.rows_of_name(1, "k1").await.unwrap(), [1, 4]);
    assert_eq!(reader.entry(7).await.unwrap(), all[7]);
    assert!(reader.entry(all.len() as u64).await.is_err());

    assert_eq!(reader.rate("e", &target("r1")).await.unwrap(), Some(("3.5".into(), true)));
    assert_eq!(reader.rate("f", &target("r1")).await.unwrap(), Some(("2.5".into(), false)));
    assert_eq!(reader.rate("e", &target("r2")).await.unwrap(), None);
    let page = reader.intents(1, 1, 2).await.unwrap().unwrap();
    let sealed = [6, 7].map(|seq: usize| all[seq].seal().unwrap());
    assert_eq!((page.last, page.bytes()), (3, sealed[0].body.len() + sealed[1].body.len()));
    assert_eq!(page.bodies().collect::<Vec<_>>(), sealed.each_ref().map(|sealed| sealed.body.as_bytes()));
    assert!(reader.intents(1, 5, 9).await.unwrap().is_none());
    assert_eq!((reader.superfluous(1).await.unwrap(), reader.superfluous(THREE_NO).await.unwrap()), (1, 0));
    assert_eq!(reader.journal_id().await.unwrap().as_deref(), Some("j"));

    let pending = |after, touched| reader.pending(1, 2, after, 9, touched);
    for touched in [true, false] {
        let rows = pending(0, touched).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.row, row.intent.seq, row.touched)).collect::<Vec<_>>(), [(2, 6, true)]);
        assert!(pending(2, touched).await.unwrap().is_empty());
    }
    let absent = reader.pending(1, 3, 0, 9, false).await.unwrap();
    assert_eq!(absent.iter().map(|row| (row.row, row.touched)).collect::<Vec<_>>(), [(5, false)]);
    assert!(reader.pending(1, 3, 0, 9, true).await.unwrap().is_empty());
}

/// The same once more from the entries alone; and each cell that is another one is found.
#[tokio::test]
async fn a_replay_makes_the_same_tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = write(&path, sessions()).await;
    let edits = [
        ("", ""),
        ("intent", "UPDATE intent SET outcome = 'gone' WHERE row_no = 4"),
        ("intent", "UPDATE intent SET settled_seq = NULL WHERE row_no = 4"),
        ("attempt", "UPDATE attempt SET class = NULL WHERE row_no = 3"),
        ("attempt", "INSERT INTO attempt VALUES (1, 3, 2, 3, NULL, NULL)"),
        ("row_entry", "DELETE FROM row_entry WHERE seq = 28"),
        ("milestone", "DELETE FROM milestone WHERE seq = 41"),
        ("rate", "UPDATE rate SET is_limit = 1"),
        ("run", "UPDATE run SET ticket = NULL"),
        ("target", "UPDATE target SET region = 'r9' WHERE target_no = 4"),
    ];
    for (number, (edited, sql)) in edits.into_iter().enumerate() {
        let copy = directory.path().join(format!("{number}.db"));
        std::fs::copy(&path, &copy).unwrap();
        if !sql.is_empty() {
            let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&copy).connect().await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        let mut snapshot = Snapshot::open(&copy).await.unwrap();
        let mut replay = Replay::create(directory.path(), "r").await.unwrap();
        snapshot.attach(replay.path()).await.unwrap();
        replay.hide().await.unwrap();
        snapshot.begin().await.unwrap();
        for entries in all.chunks(17) {
            replay.project(entries).await.unwrap();
        }
        let summed = SUMMED.contains(&edited);
        assert_eq!(snapshot.agrees_with(&replay).await.unwrap(), !summed, "{sql}");
        for entries in all.chunks(17) {
            replay.project_rows(entries).await.unwrap();
        }
        replay.finish().await.unwrap();
        for table in PROJECTIONS {
            let difference = snapshot.first_difference(table).await.unwrap();
            assert_eq!(difference.is_some(), table == edited, "{table} after {sql}: {difference:?}");
            let (here, there) = difference.unwrap_or_default();
            assert_eq!(here.is_none(), table != edited || sql.starts_with("DELETE"), "{table}: {sql}");
            assert_eq!(there.is_none(), table != edited || sql.starts_with("INSERT"), "{table}: {sql}");
        }
        snapshot.end().await;
        assert!(!directory.path().join(".r.replay").exists());
    }
}

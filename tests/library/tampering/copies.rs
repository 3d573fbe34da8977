//! Other copies of a journal in its place: older ones, ones with another past, ones whose log was taken away.

use keybatch::record::Event;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::verify::Verdict;

use super::sample::{Copy, run, sample, whole};
use crate::story::{Place, story};

fn side(place: &Place, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", place.path().display()).into()
}

/// The database and its log after each append, as a plain copy has them.
async fn history() -> (Vec<(Vec<u8>, Vec<u8>)>, Checkpoint) {
    let place = Place::new();
    let journal = place.journal().await;
    let mut copies = Vec::new();
    for draft in story() {
        journal.append(vec![draft]).await.unwrap();
        copies.push((std::fs::read(place.path()).unwrap(), std::fs::read(side(&place, "-wal")).unwrap()));
    }
    (copies, journal.close().await.unwrap())
}

#[test]
fn every_older_copy_is_a_rollback_beside_a_newer_checkpoint() {
    let (copies, checkpoint) = run(history());
    let copy = Copy::new();
    let step = if whole() { 1 } else { 7 };
    for (number, (database, log)) in copies.iter().enumerate().step_by(step) {
        copy.put(database);
        std::fs::write(format!("{}-wal", copy.path().display()), log).unwrap();
        let alone = run(copy.verify());
        assert_eq!(alone.verdict, Verdict::SelfConsistent, "copy {number}: {alone:?}");
        if alone.entries == checkpoint.size {
            continue;
        }
        let report = run(copy.verified(Some(checkpoint.clone()), true));
        let named = (report.verdict, report.first_bad, report.proved_up_to);
        assert_eq!(named, (Verdict::Truncated, Some(alone.entries), None), "copy {number}: {report:?}");
        // A checkpoint of its own time still proves it.
        let root = base64_root(&alone.root);
        let own = Checkpoint { size: alone.entries, root, ..checkpoint.clone() };
        let report = run(copy.verified(Some(own), true));
        assert_eq!((report.verdict, report.proved_up_to), (Verdict::Verified, Some(alone.entries)));
    }
    eprintln!("{} older copies", copies.len());
}

fn base64_root(text: &str) -> [u8; 32] {
    Checkpoint::parse_last(&format!("keybatch/x\n1\n{text}\n")).unwrap().root
}

/// A copy that was taken without its log, or whose log was removed or cut, while entries were in it.
#[test]
fn a_log_that_was_taken_away_is_missed_by_a_checkpoint() {
    let (copies, checkpoint) = run(history());
    let copy = Copy::new();
    let (database, log) = copies.last().unwrap();
    assert!(log.len() > 4096, "there is something in the log");
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for part in (0..=log.len()).rev().step_by(log.len() / 24) {
        copy.put(database);
        if part > 0 {
            std::fs::write(format!("{}-wal", copy.path().display()), &log[..part]).unwrap();
        }
        let alone = run(copy.verify());
        assert!([Verdict::SelfConsistent, Verdict::CannotVerify].contains(&alone.verdict), "{part}: {alone:?}");
        if alone.entries == checkpoint.size {
            continue;
        }
        let report = run(copy.verified(Some(checkpoint.clone()), true));
        assert_eq!(report.verdict, Verdict::Truncated, "{part} bytes of the log: {report:?}");
        assert_eq!(report.first_bad, Some(alone.entries), "{report:?}");
        *seen.entry(alone.verdict.as_str()).or_default() += 1;
    }
    // A journal of nothing at all.
    copy.put(b"");
    assert_eq!(run(copy.verify()).verdict, Verdict::CannotVerify);
    let report = run(copy.verified(Some(checkpoint), true));
    assert_eq!((report.verdict, report.first_bad), (Verdict::Truncated, Some(0)), "{report:?}");
    eprintln!("logs cut: {seen:?}");
}

/// Two journals of one name that part at some entry: as long as each other, or one longer.
#[test]
fn another_past_of_the_same_size_is_a_fork() {
    let (_, checkpoint) = run(history());
    for parting in [26, 34, 54] {
        for longer in [false, true] {
            let place = Place::new();
            let report = run(async {
                let journal = place.journal().await;
                let mut drafts = story();
                let last = drafts.len() - 1;
                for draft in &mut drafts[parting.min(last)..] {
                    match &mut draft.event {
                        Event::RowSettled(settled) => settled.detail = Some("otherwise".to_owned()),
                        Event::AttemptFinished(finished) => finished.exchange.elapsed_us += 1,
                        _ => {}
                    }
                }
                for draft in drafts {
                    journal.append(vec![draft]).await.unwrap();
                }
                if longer {
                    journal.checkpoint().await.unwrap();
                }
                journal.close().await.unwrap();
                let copy = Copy::of(&std::fs::read(place.path()).unwrap());
                assert_eq!(copy.verify().await.verdict, Verdict::SelfConsistent);
                copy.verified(Some(checkpoint.clone()), true).await
            });
            assert!(report.entries >= checkpoint.size, "{report:?}");
            assert_eq!((report.verdict, report.proved_up_to), (Verdict::Forked, None), "{report:?}");
            let (expected, found) = (report.expected.unwrap(), report.found.unwrap());
            assert_eq!(Checkpoint::parse_last(&expected), Ok(checkpoint.clone()), "both checkpoints are shown");
            let found = Checkpoint::parse_last(&found).unwrap();
            assert_eq!((found.size, &found.journal_id), (checkpoint.size, &checkpoint.journal_id));
            assert_ne!(found.root, checkpoint.root);
        }
    }
}

#[test]
fn a_checkpoint_of_another_journal_says_nothing() {
    let copy = Copy::new();
    let other = Checkpoint { journal_id: "another".into(), ..sample().checkpoint.clone() };
    assert_eq!(run(copy.verified(Some(other), true)).verdict, Verdict::CannotVerify);
    let report = run(copy.verify_outside());
    assert_eq!((report.verdict, report.proved_up_to), (Verdict::Verified, Some(report.entries)), "{report:?}");
}

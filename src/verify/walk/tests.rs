//! What a verification concludes, without a database.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::journal::Location;
use crate::record::checkpoint::Checkpoint;
use crate::record::merkle::{Frontier, leaf_hash};
use crate::verify::checkpoints::Checkpoints;
use crate::verify::history::Trouble;

fn work(scratch: bool) -> Work {
    let scratch = scratch.then(|| (PathBuf::from("/nowhere"), "name".to_owned()));
    Work::new(Options { scratch, ..Options::default() })
}

fn checkpoint(journal_id: &str, tree: &Frontier) -> Checkpoint {
    Checkpoint { journal_id: journal_id.to_owned(), size: tree.size(), root: tree.root() }
}

fn entry(seq: u64, session: Option<u64>, kind: &str, fields: serde_json::Value) -> Entry {
    let mut body = fields;
    (body["v"], body["seq"], body["kind"]) = (crate::record::ENTRY_VERSION.into(), seq.into(), kind.into());
    if let Some(session) = session {
        body["session"] = session.into();
    }
    body["at"] = "2026-01-01T00:00:00.000000Z".into();
    Entry::parse(&body.to_string()).unwrap()
}

fn created() -> Entry {
    entry(
        0,
        None,
        "journal_created",
        json!({ "journal_id": "j", "format": "keybatch.journal/2", "action": "a", "version": "0.1.0" }),
    )
}

fn checked(seq: i64, entry: Option<Entry>) -> Checked {
    let entry = entry.ok_or((Verdict::IllegalHistory, "it says nothing".to_owned()));
    Checked { seq, leaf: leaf_hash(&[]), stored: None, entry, claimed: Claimed::default() }
}

#[test]
fn what_was_not_looked_at_is_said() {
    let run = "0198c0de-0000-7000-8000-000000000001";
    let opened = json!({ "session_id": "s", "run_id": run, "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                         "sandbox": false, "settings": {}, "settings_sha256": "" });
    let (unfinished, uncompared) = ("1 of 1 run is not finished", "the projections were not compared");
    for (scratch, begun, judging, said) in [
        (true, false, true, &[][..]),
        (true, true, true, &[unfinished]),
        (true, true, false, &[]),
        (false, false, true, &[uncompared]),
        (false, true, true, &[unfinished, uncompared]),
    ] {
        let mut work = work(scratch);
        let session = entry(1, Some(1), "session_opened", opened.clone());
        assert!(work.take(checked(0, Some(created()))).is_some() && work.findings.is_empty());
        if begun {
            assert!(work.take(checked(1, Some(session))).is_some());
        }
        work.judging = judging;
        assert_eq!(work.report().warnings, said);
    }
}

#[test]
fn the_gravest_finding_is_the_verdict_and_the_first_place_is_named() {
    let mut work = work(true);
    work.findings.add(Finding::new(Verdict::ProjectionMismatch, Some(9), "a table"));
    work.findings.add(Finding::new(Verdict::Altered, None, "the head"));
    work.findings.add(Finding::new(Verdict::IllegalHistory, Some(5), "out of order"));
    let report = work.report();
    assert_eq!((report.verdict, &*report.detail), (Verdict::Altered, "the head"));
    assert_eq!((report.first_bad, report.findings.len()), (Some(5), 3));
}

#[test]
fn a_report_says_how_far_a_checkpoint_reaches() {
    let reaching = |entries: u64, size: u64| {
        let mut tree = Frontier::default();
        let mut work = work(true);
        (0..size).for_each(|_| tree.push(leaf_hash(&[])));
        work.options.checkpoint = Some(checkpoint("j", &tree));
        work.checkpoints = Checkpoints::new(&mut work.options);
        (0..entries).for_each(|_| {
            work.tree.push(leaf_hash(&[]));
            work.checkpoints.compare(&work.tree, true);
        });
        work.report().detail
    };
    assert!(reaching(3, 1).contains("the first 1 of 3 entries"), "{}", reaching(3, 1));
    assert!(reaching(9, 6).ends_with("; the 3 after them are consistent with themselves"), "{}", reaching(9, 6));
    assert!(reaching(6, 6).ends_with("nothing is wrong"), "{}", reaching(6, 6));
}

#[test]
fn a_checkpoint_of_another_journal_proves_nothing() {
    for (id, proved) in [("j", Some(1)), ("another", None)] {
        let mut work = work(true);
        let mut tree = Frontier::default();
        tree.push(leaf_hash(&[]));
        work.options.checkpoint = Some(checkpoint(id, &tree));
        work.checkpoints = Checkpoints::new(&mut work.options);
        work.take(checked(0, Some(created())));
        work.check_checkpoints();
        assert_eq!((work.checkpoints.proved_up_to(), work.findings.is_empty()), (proved, proved.is_some()), "{id}");
    }
}

/// A log that was taken away leaves a journal without tables, or a file without a byte.
#[test]
fn an_emptied_journal_is_truncated_beside_a_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let (unmade, other) = (
        JournalError::Unmade { path: path.clone() },
        JournalError::Unusable { path: path.clone(), reason: "it is another database".into() },
    );
    for (error, bytes, size, told) in [
        (&unmade, 9, 1, true),
        (&unmade, 0, 1, true),
        (&other, 0, 1, true),
        (&other, 9, 1, false),
        (&unmade, 0, 0, false),
    ] {
        std::fs::write(&path, vec![0; bytes]).unwrap();
        let mut work = work(true);
        let mut tree = Frontier::default();
        (0..size).for_each(|_| tree.push(leaf_hash(&[])));
        work.options.checkpoint = Some(checkpoint("j", &tree)).filter(|_| size > 0);
        work.check_emptied(&Location::from(&path), error);
        assert_eq!(work.report().verdict == Verdict::Truncated, told, "{error}, {bytes} bytes, {size} entries");
    }
    std::fs::write(&path, [0]).unwrap();
    assert!(!has_no_bytes(&path) && unopened(&Location::from(&path), &unmade).verdict == Verdict::CannotVerify);
    assert!(unopened(&Location::from(&path), &other).verdict == Verdict::CannotVerify);
    std::fs::write(&path, []).unwrap();
    assert!(
        has_no_bytes(&path) && unopened(&Location::from(&path), &other).detail.contains("nothing was ever written")
    );
}

#[test]
fn only_the_first_gap_is_told() {
    let mut work = work(true);
    for seq in [2, 3, 7] {
        work.take(checked(seq, Some(entry(seq as u64, None, "checkpoint_made", json!({ "size": 0, "root": "" })))));
    }
    assert!(!work.whole && !work.judging);
    let report = work.report();
    assert_eq!((report.verdict, report.first_bad, report.findings.len()), (Verdict::Altered, Some(0), 1));
    assert!(report.detail.contains("entry 2 is in its place"), "{}", report.detail);
}

#[test]
fn a_checkpoint_among_the_entries_is_of_those_before_it() {
    let mut work = work(true);
    (0..3).for_each(|_| work.tree.push(leaf_hash(&[])));
    let (root, other) = (base64(&work.tree.root()), base64(&leaf_hash(&[])));
    let mut said = |size: u64, root: &str| {
        let told = work.check_inner(&entry(3, None, "checkpoint_made", json!({ "size": size, "root": root })));
        (told, work.last_good)
    };
    assert!(matches!(said(2, &root), (Err(Trouble::Illegal(_)), 0)));
    assert!(matches!(said(3, &other), (Err(Trouble::Root { .. }), 0)));
    assert_eq!(said(3, &root), (Ok(()), 3));
}

#[test]
fn a_session_goes_on_from_what_is_before_it() {
    let mut work = work(true);
    (0..3).for_each(|_| work.tree.push(leaf_hash(&[])));
    let (root, other) = (base64(&work.tree.root()), base64(&leaf_hash(&[])));
    let mut said = |from: serde_json::Value| {
        let mut opened = json!({ "session_id": "s", "command": "run", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                                 "sandbox": false, "settings": {}, "settings_sha256": "" });
        if !from.is_null() {
            opened["continues_from"] = from;
        }
        work.check_inner(&entry(3, Some(3), "session_opened", opened))
    };
    assert_eq!(said(json!(root)), Ok(()));
    assert_eq!(said(json!(null)), Ok(()));
    let forged = Trouble::Root { what: "all entries", expected: other.clone(), found: root };
    assert_eq!(said(json!(other)), Err(forged));
}

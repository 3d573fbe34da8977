//! Whole entries: removed, exchanged, repeated, cut off, their hashes changed.

use keybatch::verify::Verdict;

use super::sample::{Copy, head, run, sample, tree, whole};

/// What is done to entry `n` or right behind it, what is said of it, and which entry is the first bad one.
type Case = (&'static str, fn(usize) -> String, Verdict, fn(usize) -> usize);

/// Not for the last entry.
const CASES: [Case; 8] = [
    ("removed", |n| format!("DELETE FROM entry WHERE seq = {n}"), Verdict::Altered, |n| n),
    (
        "removed, the rest moved up",
        |n| {
            format!(
                "DELETE FROM entry WHERE seq = {n}; UPDATE entry SET seq = -seq WHERE seq > {n}; \
                 UPDATE entry SET seq = -seq - 1 WHERE seq < 0"
            )
        },
        Verdict::Altered,
        |n| n,
    ),
    (
        "exchanged with the next",
        |n| {
            let m = n + 1;
            format!(
                "UPDATE entry SET seq = -1 WHERE seq = {n}; UPDATE entry SET seq = {n} WHERE seq = {m}; \
                 UPDATE entry SET seq = {m} WHERE seq = -1"
            )
        },
        Verdict::Altered,
        |n| n,
    ),
    (
        "written over the next",
        |n| {
            format!(
                "UPDATE entry SET (body, leaf) = (SELECT body, leaf FROM entry WHERE seq = {n}) WHERE seq = {}",
                n + 1
            )
        },
        Verdict::Altered,
        |n| n + 1,
    ),
    (
        "put in twice, the rest moved down",
        |n| {
            format!(
                "UPDATE entry SET seq = -seq - 2 WHERE seq > {n}; UPDATE entry SET seq = -seq - 1 WHERE seq < 0; \
                 INSERT INTO entry SELECT {n} + 1, body, leaf FROM entry WHERE seq = {n}"
            )
        },
        Verdict::Altered,
        |n| n + 1,
    ),
    (
        "with the leaf of the next",
        |n| format!("UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE seq = {}) WHERE seq = {n}", n + 1),
        Verdict::Altered,
        |n| n,
    ),
    ("without a leaf", |n| format!("UPDATE entry SET leaf = zeroblob(32) WHERE seq = {n}"), Verdict::Altered, |n| n),
    (
        "with a gap behind it",
        |n| format!("UPDATE entry SET seq = -seq WHERE seq > {n}; UPDATE entry SET seq = -seq + 1 WHERE seq < 0"),
        Verdict::Altered,
        |n| n + 1,
    ),
];

#[test]
fn entries_that_were_removed_moved_or_repeated_are_named() {
    let sample = sample();
    let copy = Copy::new();
    let mut count = 0;
    for (what, statements, verdict, first_bad) in CASES {
        for n in (0..sample.bodies.len() - 1).step_by(if whole() { 1 } else { 7 }) {
            copy.put(&sample.file);
            run(copy.tamper(&statements(n)));
            for outside in [false, true] {
                let report = run(async { if outside { copy.verify_outside().await } else { copy.verify().await } });
                assert_eq!(report.verdict, verdict, "entry {n} {what}: {report:?}");
                assert_eq!(report.first_bad, Some(first_bad(n) as u64), "entry {n} {what}: {report:?}");
            }
            count += 1;
        }
    }
    eprintln!("{count} entries removed, moved or repeated");
}

#[test]
fn leaves_of_another_length_are_found() {
    let sample = sample();
    let copy = Copy::new();
    for n in (0..sample.bodies.len()).step_by(if whole() { 1 } else { 16 }) {
        for leaf in ["x''", "substr(leaf, 1, 31)", "CAST(leaf || x'00' AS BLOB)"] {
            copy.put(&sample.file);
            run(copy.tamper(&format!("UPDATE entry SET leaf = {leaf} WHERE seq = {n}")));
            let report = run(copy.verify());
            let named = (report.verdict, report.first_bad);
            assert_eq!(named, (Verdict::Altered, Some(n as u64)), "{leaf}: {report:?}");
        }
    }
}

#[test]
fn a_tail_that_was_cut_off_is_missed_at_every_length() {
    let sample = sample();
    let copy = Copy::new();
    let all = sample.bodies.len();
    for length in (0..all).step_by(if whole() { 1 } else { 5 }) {
        let cut = format!("DELETE FROM entry WHERE seq >= {length};");
        // The head still knows; with an outside checkpoint or without.
        copy.put(&sample.file);
        run(copy.tamper(&cut));
        for outside in [false, true] {
            let report = run(async { if outside { copy.verify_outside().await } else { copy.verify().await } });
            let named = (report.verdict, report.first_bad, report.entries);
            assert_eq!(named, (Verdict::Truncated, Some(length as u64), length as u64), "{report:?}");
        }
        // The head was moved back: the projections know, and the checkpoint does.
        let (tree, _) = tree(sample.bodies[..length].iter().map(String::as_bytes));
        let cut = if length == 0 { format!("{cut} DELETE FROM head;") } else { format!("{cut} {}", head(&tree)) };
        copy.put(&sample.file);
        run(copy.tamper(&cut));
        let report = run(copy.verify());
        let last_is_projected = length + 1 < all;
        if last_is_projected {
            assert_eq!(report.verdict, Verdict::ProjectionMismatch, "{length}: {report:?}");
        }
        let report = run(copy.verify_outside());
        let named = (report.verdict, report.first_bad, report.proved_up_to);
        assert_eq!(named, (Verdict::Truncated, Some(length as u64), None), "{report:?}");
        assert!(report.expected.as_ref().is_some_and(|text| text.starts_with("keybatch/")), "{report:?}");
    }
    eprintln!("cut off at {all} lengths");
}

#[test]
fn entries_added_at_either_end_are_named() {
    let size = sample().bodies.len() as u64;
    let cases = [
        ("INSERT INTO entry SELECT (SELECT max(seq) + 1 FROM entry), body, leaf FROM entry WHERE seq = 9", size),
        ("INSERT INTO entry SELECT (SELECT max(seq) + 9 FROM entry), body, leaf FROM entry WHERE seq = 9", size),
        ("INSERT INTO entry SELECT 9223372036854775807, body, leaf FROM entry WHERE seq = 9", size),
        ("INSERT INTO entry SELECT -1, body, leaf FROM entry WHERE seq = 9", 0),
        ("INSERT INTO entry SELECT -9223372036854775808, body, leaf FROM entry WHERE seq = 9", 0),
        ("UPDATE entry SET seq = seq - 1", 0),
        ("UPDATE entry SET seq = -seq", 0),
        ("INSERT INTO entry SELECT (SELECT max(seq) + 1 FROM entry), '', zeroblob(32)", size),
        ("UPDATE entry SET seq = 9223372036854775807 WHERE seq = 20", 20),
    ];
    let copy = Copy::new();
    for (statements, first_bad) in cases {
        copy.put(&sample().file);
        run(copy.tamper(statements));
        let report = run(copy.verify());
        assert_eq!((report.verdict, report.first_bad), (Verdict::Altered, Some(first_bad)), "{statements}: {report:?}");
    }
}

//! Runners that share a run: two of them, of which the first loses its leases with a request in flight. Most of what cannot be is told in
//! `tests/library/tampering`; here is what needs another run, and a row by itself.

use super::*;

/// By this session, of which the run's last one is not meant.
fn by(session: u64, mut entry: Value) -> Value {
    entry["session"] = session.into();
    entry
}

fn works(run: &str, id: &str) -> Value {
    let mut opened = opened(run, id);
    opened["command"] = "work".into();
    opened
}

fn takes(run: &str, rows: &[(u64, u64)]) -> Value {
    entry(Some(run), "lease_taken", json!({ "account": "1", "region": "r", "rows": rows, "lasts_ms": 10_000 }))
}

fn ends(run: &str, of: u64, why: &str) -> Value {
    entry(Some(run), "lease_ended", json!({ "of": of, "why": why }))
}

fn late(run: &str, row: u64, attempt: u64) -> Value {
    let fields = json!({ "row": row, "attempt": attempt, "class": "unanswered", "elapsed_us": 1 });
    entry(Some(run), "answer_late", fields)
}

fn seen(run: &str, row: u64) -> Value {
    let fields = json!({ "row": row, "source": "get_key_pair", "found": "same", "requests": 1, "throttled": 0, "elapsed_us": 1 });
    entry(Some(run), "observed", fields)
}

/// The plan of [`life`], executed by the runners 11 and 12.
fn shared() -> Vec<Value> {
    let mut entries = life()[..11].to_vec();
    entries.extend([
        works(ONE, "w1"),
        works(ONE, "w2"),
        by(11, takes(ONE, &[(1, 4)])),
        by(11, asked(ONE, 1, 1)),
        by(12, ends(ONE, 11, "lapsed")),
        by(12, takes(ONE, &[(1, 2), (3, 4)])),
        by(11, late(ONE, 1, 1)),
        by(12, seen(ONE, 1)),
        by(12, asked(ONE, 1, 2)),
        by(12, answered(ONE, 1, 2, "succeeded")),
        by(12, asked(ONE, 2, 1)),
        by(12, answered(ONE, 2, 1, "succeeded")),
        by(12, settled(ONE, 3, "skipped", "note", &[7])),
        by(12, settled(ONE, 4, "absent", "inventory", &[2, 3, 8])),
        life()[24].clone(),
        by(12, ends(ONE, 12, "left")),
        by(12, closed(ONE, 2)),
    ]);
    entries
}

#[test]
fn a_run_that_runners_share_is_legal_at_every_length() {
    let shared = shared();
    (11..=shared.len()).for_each(|length| drop(judged(&shared[..length]).unwrap()));
}

// SEMANTICS: P150
#[test]
fn a_row_is_taken_over_as_after_a_crash() {
    let mut unread = shared();
    unread.remove(18);
    is_refused(&unread, 18);
    let mut again = shared();
    again[19]["attempt"] = 1.into();
    is_refused(&again, 19);
}

#[test]
fn no_runner_works_on_a_run_that_was_given_up() {
    let outcomes = OutcomeCounts { not_attempted: 4, ..OutcomeCounts::default() };
    let fields = json!({ "because": "b", "by": "u", "rows": 4, "outcomes": outcomes });
    let mut given_up = life()[..11].to_vec();
    given_up.extend([opened(ONE, "s2"), entry(Some(ONE), "run_abandoned", fields), works(ONE, "w1")]);
    judged(&given_up[..13]).unwrap();
    is_refused(&given_up, 13);
}

/// Key pairs of two runs may be the same ones, so their runners are never at work at once.
#[test]
fn a_runner_of_another_run_ends_those_before_it() {
    let mut entries = life()[..11].to_vec();
    entries.extend([opened(TWO, "t1"), ingested(TWO, 1), intended(TWO, 1, "delete"), sealed(TWO, &["delete"])]);
    entries.push(begun(TWO, &["delete"]));
    entries.extend([
        works(ONE, "w1"),
        by(16, takes(ONE, &[(1, 2)])),
        by(16, asked(ONE, 1, 1)),
        works(TWO, "w2"),
        by(19, takes(TWO, &[(1, 1)])),
        by(19, asked(TWO, 1, 1)),
        by(16, late(ONE, 1, 1)),
    ]);
    judged(&entries).unwrap();
    for (place, forged) in [
        (19, by(19, ends(TWO, 16, "lapsed"))),
        (19, by(16, asked(ONE, 2, 1))),
        (19, by(16, answered(ONE, 1, 1, "succeeded"))),
        (19, by(16, ends(ONE, 16, "left"))),
        (22, by(16, takes(ONE, &[(1, 1)]))),
    ] {
        let mut entries = entries.clone();
        entries.insert(place + 1, forged);
        is_refused(&entries, place + 1);
    }
    // A third one of the first run ends the second run's again.
    entries.extend([works(ONE, "w3"), by(23, takes(ONE, &[(1, 2)])), by(19, late(TWO, 1, 1))]);
    judged(&entries).unwrap();
    entries.push(by(19, takes(TWO, &[(1, 1)])));
    is_refused(&entries, 26);
}

/// The story of row 1 alone, with these entries behind that of this place; the place of the one that cannot be.
fn of_row_1(forged: &[(usize, Value)]) -> Result<(), u64> {
    let mut placed = placed(&shared());
    for (place, value) in forged {
        let mut value = value.clone();
        (value["v"], value["seq"], value["at"]) =
            (crate::record::ENTRY_VERSION.into(), (*place).into(), placed[*place]["at"].clone());
        value.as_object_mut().unwrap().remove("run");
        placed[*place] = value;
    }
    let mut story = Lone::of(1, 1);
    for place in [0, 1, 5, 9, 10, 11, 12, 14, 17, 18, 19, 20, 21, 22] {
        let entry = Entry::parse(&placed[place].to_string()).unwrap();
        if entry.row.is_none_or(|row| row == 1) {
            let claimed = with_line(&entry.event, Claimed::default());
            story.step(&entry, &claimed).map_err(|_| place as u64)?;
        }
    }
    story.lacks().map_or(Ok(()), |_| Err(0))
}

#[test]
fn a_row_by_itself_shows_who_had_it_one_after_the_other() {
    assert_eq!(of_row_1(&[]), Ok(()));
    for (what, forged, bad) in [
        ("it goes on after its answer came late", vec![(18, by(11, seen(ONE, 1)))], 18),
        ("it comes back", vec![(17, by(12, seen(ONE, 1))), (18, by(11, seen(ONE, 1)))], 18),
        (
            "its answer comes in time, later",
            vec![(17, by(12, seen(ONE, 1))), (18, by(11, answered(ONE, 1, 1, "pending")))],
            18,
        ),
        ("late twice", vec![(18, by(11, late(ONE, 1, 1)))], 18),
        ("another one's attempt", vec![(17, by(12, late(ONE, 1, 1)))], 17),
        ("an attempt that there was not", vec![(17, by(11, late(ONE, 1, 2)))], 17),
        ("of a session that has the journal alone", vec![(17, by(1, late(ONE, 1, 1)))], 17),
        ("not read again", vec![(18, by(12, asked(ONE, 1, 2)))], 18),
        ("an attempt that has its answer", vec![(21, by(12, late(ONE, 1, 2)))], 21),
    ] {
        assert_eq!(of_row_1(&forged), Err(bad), "{what}");
    }
    // It may be the last thing that is known of it.
    assert_eq!(of_row_1(&[(17, by(12, seen(ONE, 1))), (21, by(11, late(ONE, 1, 1)))]), Ok(()));
}

//! Histories that cannot have happened, written by somebody who knows the format: every hash and the head are right.

use keybatch::verify::Verdict;
use serde_json::Value;

use super::sample::{Copy, renumbered, run, sample, whole};

fn changed(body: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    change(&mut value);
    serde_json_canonicalizer::to_string(&value).unwrap()
}

/// Whatever it is without a checkpoint, with one it is another past.
fn never_proved(copy: &Copy, what: &str) {
    let report = run(copy.verify_outside());
    let expected = [Verdict::Forked, Verdict::Altered, Verdict::Truncated];
    assert!(expected.contains(&report.verdict), "{what}: {report:?}");
    assert_eq!(report.proved_up_to, None, "{what}: {report:?}");
}

#[test]
fn entries_of_one_session_are_not_those_of_another() {
    let bodies = &sample().bodies;
    let values: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let opened = |value: &&Value| value["kind"] == "session_opened";
    let sessions: Vec<u64> = values.iter().filter(opened).map(|value| value["seq"].as_u64().unwrap()).collect();
    assert_eq!(sessions.len(), 7);
    let copy = Copy::new();
    let mut count = 0;
    for (seq, value) in values.iter().enumerate() {
        let Some(own) = value["session"].as_u64().filter(|_| whole() || seq % 5 == 0) else { continue };
        // A checkpoint says nothing of its session, but that there was one.
        let others = sessions.iter().filter(|other| **other != own && value["kind"] != "checkpoint_made");
        let others = others.map(|other| ("session", Value::from(*other)));
        let forged = [("session", Value::Null), ("session", 0.into()), ("session", 9_999.into()), ("run", own.into())];
        for (field, to) in others.chain(forged) {
            let mut edited = bodies.clone();
            edited[seq] = changed(&bodies[seq], |body| match to.is_null() {
                true => drop(body.as_object_mut().unwrap().remove(field)),
                false => body[field] = to.clone(),
            });
            copy.put(&sample().file);
            run(copy.rewrite(&edited));
            let report = run(copy.verify());
            assert!(!report.verdict.is_sound(), "entry {seq} with {field} {to}: {report:?}");
            never_proved(&copy, &format!("entry {seq} with {field} {to}"));
            count += 1;
        }
    }
    eprintln!("{count} entries of another session");
}

/// Neighbours exchanged, and each entry moved to the front of all others.
#[test]
fn another_order_is_another_past() {
    let bodies = &sample().bodies;
    let copy = Copy::new();
    let mut verdicts = std::collections::BTreeMap::<&str, usize>::new();
    for seq in (0..bodies.len() - 1).step_by(if whole() { 1 } else { 5 }) {
        for to in [seq + 1, 1] {
            let mut edited = bodies.clone();
            let body = edited.remove(seq);
            edited.insert(to, body);
            let edited = renumbered(&edited);
            if edited == *bodies {
                continue;
            }
            copy.put(&sample().file);
            run(copy.rewrite(&edited));
            let report = run(copy.verify());
            *verdicts.entry(report.verdict.as_str()).or_default() += 1;
            never_proved(&copy, &format!("entry {seq} at {to}"));
        }
    }
    eprintln!("other orders: {verdicts:?}");
}

/// What is said where, without any other trace: the projections are not even looked at.
#[test]
fn what_cannot_follow_is_named() {
    let bodies = &sample().bodies;
    let find = |parts: &[&str]| {
        let all = |body: &&String| parts.iter().all(|part| body.contains(part));
        bodies.iter().position(|body| all(&body)).unwrap_or_else(|| panic!("{parts:?}"))
    };
    let kind = |kind: &str| find(&[&format!("\"kind\":\"{kind}\"")]);
    let row = |kind: &str, row: u64| find(&[&format!("\"kind\":\"{kind}\""), &format!("\"row\":{row},")]);
    // (entry that is moved, where to, the entry that then cannot follow)
    let (sealed, started) = (kind("plan_sealed"), kind("run_started"));
    let moves = [
        ("a start before the seal", started, sealed, sealed),
        (
            "an answer before its request",
            row("attempt_finished", 1),
            row("attempt_started", 1),
            row("attempt_started", 1),
        ),
        ("an outcome before its reading", row("row_settled", 2), row("observed", 2), row("observed", 2)),
        ("a request before the start", row("attempt_started", 1), started, started),
        ("the end before an outcome", kind("run_finished"), row("row_settled", 10), row("row_settled", 10)),
        ("the first entry later", 0, 1, 0),
        ("an intent after the seal", row("intent_recorded", 10), sealed, sealed - 1),
    ];
    let copy = Copy::new();
    for (what, from, to, bad) in moves {
        let mut edited = bodies.clone();
        let body = edited.remove(from);
        edited.insert(to, body);
        // What rests on a number, and the roots of checkpoints, are not corrected: this one comes first.
        copy.put(&sample().file);
        run(copy.rewrite(&renumbered(&edited)));
        let report = run(copy.verified(None, false));
        assert_eq!(
            (report.verdict, report.first_bad),
            (Verdict::IllegalHistory, Some(bad as u64)),
            "{what}: {report:?}"
        );
    }
    let edits: [(&str, usize, &str, Value); 15] = [
        ("a status that is none", row("attempt_finished", 1), "http_status", "200".into()),
        ("an error that is none", row("attempt_finished", 1), "error", 7.into()),
        ("a line that is none", row("intent_recorded", 1), "line", Value::Null),
        ("another outcome", row("attempt_finished", 1), "outcome", "absent".into()),
        ("other evidence", row("attempt_finished", 1), "evidence", "readback".into()),
        ("no outcome", row("attempt_finished", 1), "outcome", Value::Null),
        ("another outcome of its own", row("row_settled", 3), "outcome", "absent".into()),
        ("other evidence of its own", row("row_settled", 3), "evidence", "readback".into()),
        ("another attempt", row("attempt_started", 1), "attempt", 2.into()),
        ("another row", row("attempt_started", 1), "row", 99.into()),
        ("no row", row("attempt_started", 1), "row", Value::Null),
        ("another session", kind("session_closed"), "session", 9_999.into()),
        ("more confirmed", started, "deletes", 9.into()),
        ("another version of the event", row("attempt_finished", 1), "attempt", "1".into()),
        ("a time that is none", 5, "at", "2026-99-99T00:00:00.000000Z".into()),
    ];
    for (what, seq, field, value) in edits {
        let mut edited = bodies.clone();
        edited[seq] = changed(&bodies[seq], |body| body[field] = value);
        copy.put(&sample().file);
        run(copy.rewrite(&edited));
        let report = run(copy.verified(None, false));
        // An outcome that could be is shown by what comes later alone.
        assert!(report.verdict == Verdict::IllegalHistory, "{what}: {report:?}");
        assert_eq!(report.first_bad, Some(seq as u64), "{what}: {report:?}");
    }
}

/// A kept body has one form, and length and hash beside it only where it was not kept whole.
#[test]
fn a_raw_body_has_its_length_and_hash() {
    use keybatch::domain::RawBody;
    let bodies = &sample().bodies;
    // Of an answer that means nothing any body may be kept.
    let lost = |body: &String| body.contains("attempt_finished") && body.contains("\"class\":\"unanswered\"");
    let seq = bodies.iter().position(lost).unwrap();
    let long = "é".repeat(40_000);
    let copy = Copy::new();
    let verdict = |raw: &RawBody, edit: &dyn Fn(&mut Value)| {
        let kept = serde_json::to_value(raw).unwrap();
        let mut edited = bodies.clone();
        edited[seq] = changed(&bodies[seq], |body| {
            let fields = body.as_object_mut().unwrap();
            fields.extend(kept.as_object().unwrap().clone());
            edit(body);
        });
        copy.put(&sample().file);
        run(copy.rewrite(&edited));
        run(copy.verified(None, false))
    };
    for body in [&b""[..], b"{}", b"{\"a\":\"\\u0000\\n\"}\x01", b"\xff\xfe", long.as_bytes()] {
        let raw = RawBody::new(body);
        let report = verdict(&raw, &|_| {});
        // The roots of the checkpoints behind it are not corrected.
        assert!(report.first_bad.is_none_or(|bad| bad > seq as u64), "{report:?}");
        let edits: [(&str, Value); 6] = [
            ("json", "[]".into()),
            ("text", "{ }".into()),
            ("base64", "QUFB".into()),
            ("bytes", 7.into()),
            ("sha256", "00".repeat(32).into()),
            ("sha256", "".into()),
        ];
        for (field, value) in edits {
            let report = verdict(&raw, &|body| body[field] = value.clone());
            let named = (report.verdict, report.first_bad);
            // A long body is kept in part: its hash is of all of it, and nobody can check it.
            if body.len() > 65_536 && field == "sha256" && value != "" {
                continue;
            }
            assert_eq!(named, (Verdict::IllegalHistory, Some(seq as u64)), "{field} of {:?}: {report:?}", raw.bytes);
        }
    }
}

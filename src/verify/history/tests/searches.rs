//! What a search says that it found, held against the operations in its body and the attempts of its row.

use super::*;
use crate::domain::RawBody;
use crate::verify::claims;

/// How the attempt at midnight ended; its session waits 15 s for an answer, and 3 s more.
#[derive(Clone, Copy)]
enum Ended {
    /// Nothing is known of it.
    Open,
    Unanswered,
    Throttled,
    /// Its answer named the operation `op-9`.
    Failed,
    /// It was refused, so it had no effect.
    Refused,
}

/// An operation as the service has it: a delete of the row's key pair, so many milliseconds after midnight.
fn deleting(id: &str, status: &str, after_ms: i64) -> Value {
    let created = 1_767_225_600_000_i64 + after_ms;
    json!({ "id": id, "resourceName": "key-1", "operationType": "DeleteKeyPair", "status": status,
            "isTerminal": status != "Started", "createdAt": created as f64 / 1_000.0 })
}

/// The same with other fields; null takes one out.
fn but(operation: &Value, fields: &Value) -> Value {
    let mut whole = operation.clone();
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    whole
}

/// An operation as an entry shows it.
fn shown(sent: &Value) -> Value {
    let created = sent["createdAt"].as_f64().map(|seconds| {
        let at = jiff::Timestamp::from_millisecond((seconds * 1_000.0).round() as i64).unwrap();
        crate::domain::created_at_text(at)
    });
    let told = json!({ "id": sent["id"], "resource_name": sent["resourceName"], "created_at": created,
        "operation_type": sent["operationType"], "is_terminal": sent["isTerminal"], "status": sent["status"] });
    but(&told, &json!({}))
}

/// A search whose only page has these operations, of which it shows one.
fn search(found: &str, operations: &[Value], one: Option<usize>) -> Value {
    let body = json!(RawBody::new(json!({ "operations": operations }).to_string().as_bytes()));
    let fields = json!({ "row": 1, "source": "get_operations_for_resource", "found": found, "requests": 1,
        "elapsed_us": 1, "http_status": 200, "at": "2026-01-01T00:00:40Z",
        "operation": one.map(|one| shown(&operations[one])) });
    entry(Some(ONE), "observed", but(&but(&fields, &body), &json!({})))
}

/// The row up to the search, and then that.
fn searched(ended: Ended, search: Value) -> Result<(), String> {
    let mut entries = life()[..12].to_vec();
    entries[1]["attempt_timeout_ms"] = 15_000.into();
    let (class, id) = match ended {
        Ended::Open => ("", None),
        Ended::Unanswered => ("unanswered", None),
        Ended::Throttled => ("throttled", None),
        Ended::Failed => ("operation_failed", Some("op-9")),
        Ended::Refused => ("not_found", None),
    };
    if class.is_empty() {
        entries.push(opened(ONE, "s2"));
    } else {
        entries.push(but(&answered(ONE, 1, 1, class), &json!({ "at": "2026-01-01T00:00:10Z" })));
    }
    entries.push(search);
    let mut history = History::default();
    for body in placed(&entries) {
        let entry = Entry::parse(&body.to_string()).unwrap();
        let claimed = match &entry.event {
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => claims::of(&entry)?,
            Event::AttemptFinished(_) => {
                let shows = id.map_or(Shows::Nothing, |id| Shows::Operation(hash(id)));
                Claimed { shows, ..Claimed::default() }
            }
            event => with_line(event, Claimed::default()),
        };
        history.step(&entry, claimed).map_err(|trouble| format!("{trouble:?}"))?;
    }
    Ok(())
}

/// Of all that a search can say of these operations, this alone holds.
#[track_caller]
fn only(ended: Ended, operations: &[Value], holds: (&str, Option<usize>)) {
    let places = || std::iter::once(None).chain((0..operations.len()).map(Some));
    for found in ["operation", "unfinished", "no_operation", "no_answer"] {
        for place in places() {
            let told = searched(ended, search(found, operations, place));
            let same = place.zip(holds.1).is_some_and(|(one, other)| operations[one] == operations[other]);
            let right = found == holds.0 && (place == holds.1 || same);
            assert_eq!(told.is_ok(), right, "{found} {place:?} of {operations:?}: {told:?}");
        }
    }
}

#[test]
fn a_history_finds_what_is_in_it() {
    use Ended::{Failed, Open, Refused, Throttled, Unanswered};
    let (done, going, failed) = ("Succeeded", "Started", "Failed");
    let nothing = ("no_operation", None);
    for ended in [Open, Unanswered] {
        only(ended, &[], nothing);
        only(ended, &[deleting("a", failed, 5)], nothing);
        only(ended, &[deleting("a", done, 5)], ("operation", Some(0)));
        // Whoever began one that has not ended, and whenever.
        only(ended, &[deleting("a", going, 5)], ("unfinished", Some(0)));
        only(ended, &[deleting("a", going, -9_999_999)], ("unfinished", Some(0)));
        only(ended, &[deleting("a", going, 5), deleting("b", done, 6)], ("operation", Some(1)));
        only(ended, &[deleting("a", done, 5), deleting("b", done, 6)], ("operation", Some(1)));
        only(ended, &[deleting("a", going, 5), deleting("b", going, 6)], ("unfinished", Some(0)));
        // The first that can be asked for.
        let nameless = but(&deleting("", going, 5), &json!({ "id": null }));
        only(ended, &[nameless.clone(), deleting("b", going, 6)], ("unfinished", Some(1)));
        only(ended, &[nameless], ("no_answer", None));
        // The attempt is dead after 18 s; clocks differ by 200 ms, whole seconds by one more.
        for (after_ms, is_ours) in [(17_990, true), (18_010, false), (-190, true), (-210, false)] {
            let holds = if is_ours { ("operation", Some(0)) } else { nothing };
            only(ended, &[deleting("a", done, after_ms)], holds);
        }
        only(ended, &[deleting("a", done, -1_000)], ("operation", Some(0)));
        only(ended, &[deleting("a", done, -2_000)], nothing);
    }
    // What was answered began nothing later, and what was refused nothing at all.
    only(Throttled, &[deleting("a", done, 9_990)], ("operation", Some(0)));
    only(Throttled, &[deleting("a", done, 10_010)], nothing);
    only(Refused, &[deleting("a", done, 5)], nothing);
    only(Refused, &[deleting("a", going, 5)], ("unfinished", Some(0)));
    // The one that the answer named, and no other.
    only(Failed, &[deleting("a", done, 5)], nothing);
    only(Failed, &[deleting("op-9", done, -9_999_999)], ("operation", Some(0)));
    let bare = json!({ "resourceName": null, "operationType": null });
    only(Failed, &[but(&deleting("op-9", done, 5), &bare)], ("operation", Some(0)));
    only(Failed, &[but(&deleting("op-9", going, 5), &bare)], ("unfinished", Some(0)));
    only(Failed, &[but(&deleting("a", going, 5), &bare)], nothing);
}

#[test]
fn what_is_not_a_delete_of_the_key_pair_is_not_found() {
    for other in [
        json!({ "resourceName": "key-2" }),
        json!({ "resourceName": null }),
        json!({ "operationType": "CreateKeyPair" }),
        json!({ "operationType": null }),
    ] {
        for status in ["Succeeded", "Started"] {
            only(Ended::Open, &[but(&deleting("a", status, 5), &other)], ("no_operation", None));
        }
    }
    let timeless = json!({ "createdAt": null });
    only(Ended::Open, &[but(&deleting("a", "Succeeded", 5), &timeless)], ("no_operation", None));
    only(Ended::Open, &[but(&deleting("a", "Started", 5), &timeless)], ("unfinished", Some(0)));
}

/// Nothing is said where two readers may read two things.
#[test]
fn what_is_unclear_is_not_convicted() {
    let told = |found: &str, operation: Value, place| searched(Ended::Open, search(found, &[operation], place)).is_ok();
    for after_ms in [18_000, -200, -1_200] {
        // A whole second is one in the body, too; one that is a hair beside it may be read as one.
        let near = deleting("a", "Succeeded", after_ms);
        assert!(told("operation", near.clone(), Some(0)) || after_ms == -1_200, "{after_ms}");
        assert!(told("no_operation", near, None), "{after_ms}");
    }
    let mut hair = deleting("a", "Succeeded", -1_000);
    hair["createdAt"] = (hair["createdAt"].as_f64().unwrap() + 0.000_3).into();
    assert!(told("operation", hair.clone(), Some(0)) && told("no_operation", hair, None));
    // No timeout says when the attempt was over.
    let mut entries = search("operation", &[deleting("a", "Succeeded", 500_000)], Some(0));
    assert!(searched(Ended::Open, entries.clone()).is_err());
    entries["http_status"] = 500.into();
    assert!(searched(Ended::Open, entries).is_err());
}

#[test]
fn a_page_before_the_last_one_may_have_had_more() {
    let told = |search: Value, more: &Value| searched(Ended::Open, but(&search, more)).is_ok();
    let (two, throttled) = (json!({ "requests": 2 }), json!({ "requests": 2, "throttled": 1 }));
    let going = [deleting("a", "Started", 5), deleting("b", "Started", 6)];
    let later = || search("unfinished", &going, Some(1));
    assert!(told(later(), &two) && !told(later(), &throttled) && !told(later(), &json!({})));
    let empty = |found| search(found, &[], None);
    assert!(told(empty("no_answer"), &two) && !told(empty("no_answer"), &throttled));
    // But no page had a success of ours before, nor anything that is still going on.
    let done = [deleting("a", "Succeeded", 5)];
    for found in ["no_operation", "no_answer"] {
        assert!(!told(search(found, &done, None), &two) && !told(search(found, &going, None), &two), "{found}");
    }
    // Nor is a history read to its end that goes on.
    let body = json!(RawBody::new(br#"{"operations":[],"nextPageToken":"t"}"#));
    assert!(!told(empty("no_operation"), &body) && !told(empty("no_operation"), &but(&body, &two)));
    assert!(told(empty("no_answer"), &but(&body, &two)));
    let ended = json!(RawBody::new(br#"{"operations":[],"nextPageToken":""}"#));
    assert!(told(empty("no_operation"), &ended) && !told(empty("no_answer"), &ended));
}

#[test]
fn a_body_that_can_be_read_is_an_answer() {
    let unreadable = |body: &str| {
        let error = json!({ "cause": "unreadable", "json": null, "text": null });
        let body = json!(RawBody::new(body.as_bytes()));
        searched(Ended::Open, but(&but(&search("no_answer", &[], None), &error), &body)).is_ok()
    };
    assert!(!unreadable(r#"{"operations":[]}"#) && !unreadable(r#"{"operations":[{"id":"a"}],"nextPageCount":"1"}"#));
    for body in [
        r#"{}"#,
        r#"{"operations":null}"#,
        r#"{"operations":[null]}"#,
        r#"{"operations":[{"createdAt":"x"}]}"#,
        r#"{"operations":[{"createdAt":1e300}]}"#,
        r#"{"operations":[],"nextPageCount":1}"#,
        "<html>",
        "",
    ] {
        assert!(unreadable(body), "{body}");
    }
}

/// After a loss, nobody knows if the answer's operation is still the last one.
#[test]
fn a_loss_leaves_open_what_the_last_answer_named() {
    let operation = deleting("op-9", "Succeeded", -9_999_999);
    for (found, place) in [("operation", Some(0)), ("no_operation", None)] {
        let mut entries = life()[..12].to_vec();
        entries.push(answered(ONE, 1, 1, "operation_failed"));
        entries.extend(lost("h", "2026-01-01T00:00:20Z"));
        entries.extend([opened(ONE, "s2"), search(found, std::slice::from_ref(&operation), place)]);
        let last = entries.len() - 1;
        let whole = placed(&entries).remove(last);
        let page = claims::of(&Entry::parse(&whole.to_string()).unwrap()).unwrap();
        judged_with(&entries, |seq| match seq {
            12 => Claimed { shows: Shows::Operation(hash("op-9")), ..Claimed::default() },
            _ if seq == last => page.clone(),
            _ => Claimed::default(),
        })
        .unwrap();
    }
}

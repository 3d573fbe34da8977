//! The decision table, line by line, if an *answer* arrived: which outcome, which evidence, how many requests.
//! `settle.rs` covers requests without an answer, `stops.rs` refusals of everyone.

use crate::support::{self, Act, Bench, Effect, NotFound, Row, invariants, row, summary};

/// Runs one key pair, `probe`, beside two healthy ones, and checks what always holds; returns the probe's row.
#[track_caller]
fn probe(acts: Vec<Act>, flags: &[&str], code: i32) -> (Bench, Row) {
    let bench = Bench::new();
    probe_in(bench, acts, flags, code)
}

#[track_caller]
fn probe_in(bench: Bench, acts: Vec<Act>, flags: &[&str], code: i32) -> (Bench, Row) {
    let names = ["before", "probe", "behind"];
    for name in names {
        bench.world.key(name);
    }
    bench.world.script("DeleteKeyPair", "probe", acts);
    let done = bench.run(&bench.manifest(&names), flags).exits(code);
    let summary = summary(&bench, &done);
    assert_eq!(summary["state"], "finished", "{done}");
    assert_eq!(summary["requests"]["delete"], bench.world.arrived("DeleteKeyPair").len(), "{done}");
    invariants(&bench);
    for name in ["before", "behind"] {
        assert_eq!(row(&bench, name).verdict(), "deleted/answer", "a healthy neighbour\n{done}");
    }
    let row = row(&bench, "probe");
    (bench, row)
}

/// Line "answer: terminal success": `deleted/answer`, with the ids of operation and request (I8).
// SEMANTICS: P14
// SEMANTICS: P26
#[test]
fn terminal_success_is_deleted_by_answer() {
    for act in [Act::ok(), Act::completed()] {
        let (bench, row) = probe(vec![act], &[], 0);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/answer", 1), "{row:#?}");
        let arrivals = bench.world.arrived("DeleteKeyPair");
        let arrival = arrivals.iter().find(|arrival| arrival.name == "probe").unwrap();
        assert_eq!(row.text("request_id"), arrival.request_id);
        let operation = bench.world.state().operations.iter().find(|op| op.place.1 == "probe").unwrap().id.clone();
        assert_eq!(row.text("operation_id"), operation);
    }
}

/// I8: status, request id and the raw body of an answer are in the journal whole.
// SEMANTICS: P21
#[test]
fn the_answer_is_kept_whole() {
    let (bench, _) = probe(vec![Act::denied().saying("a message with \"quotes\" and ümlauts")], &[], 3);
    let attempts = bench.query("SELECT * FROM attempts WHERE key_pair_name = 'probe'");
    let attempt = Row { value: attempts[0].clone() };
    assert_eq!(attempt.text("http_status"), "400");
    assert!(attempt.text("raw_body").contains("a message with"), "{attempt:#?}");
    let body: serde_json::Value = serde_json::from_str(&attempt.text("raw_body")).unwrap();
    assert_eq!(body["code"], "AccessDenied");
    assert_eq!(attempt.text("error_message"), "a message with \"quotes\" and ümlauts");
    assert!(attempt.text("error_docs").starts_with("https://"), "{attempt:#?}");
    assert!(attempt.text("error_tip").starts_with("Look"), "{attempt:#?}");
    assert_eq!(attempt.text("error_code"), "AccessDenied");
    assert!(attempt.text("error_type").contains("AccessDenied"), "{attempt:#?}");
    assert!(!attempt.text("request_id").is_empty(), "{attempt:#?}");
}

/// Line "operation not terminal": polled with GetOperation until it is; no second delete is sent.
// SEMANTICS: P27
#[test]
fn a_slow_operation_is_polled() {
    let (bench, row) = probe(vec![Act::slow(2, "Succeeded")], &["--operation-timeout", "20s"], 0);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/operation", 1), "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 1);
    assert!(bench.world.arrived("GetOperation").len() >= 2, "GetOperation was polled");
    assert!(!row.text("operation_id").is_empty());
    let polled = support::count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'operation_polled'");
    assert!(polled >= 1, "polls are journalled");
}

/// Line "operation not terminal": if a poll shows Failed, the delete is retried after a reading.
#[test]
fn an_operation_that_fails_later_is_retried() {
    let (bench, row) = probe(vec![Act::slow(1, "Failed")], &["--operation-timeout", "20s"], 0);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/answer", 2), "{row:#?}");
    looked_between_deletes(&bench);
}

/// Line "operation Failed", still there: retried as a definite failure, after a reading.
#[test]
fn a_failed_operation_is_read_back_and_retried() {
    let (bench, row) = probe(vec![Act::failed_operation()], &[], 0);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("deleted/answer", 2), "{row:#?}");
    looked_between_deletes(&bench);
}

/// Line "operation Failed", attempts used up: `failed`, exit 3.
// SEMANTICS: P32
#[test]
fn a_failed_operation_uses_attempts_up() {
    let acts = vec![Act::failed_operation(); 9];
    let (bench, row) = probe(acts, &["--max-attempts", "2"], 3);
    assert_eq!((row.outcome().as_str(), row.attempts()), ("failed", 2), "{row:#?}");
    assert!(["operation", "readback"].contains(&row.text("evidence").as_str()), "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 2);
    assert!(bench.world.has("probe"));
}

/// Line "operation Failed", but the key pair is gone: never `failed`, and no second delete is sent.
#[test]
fn a_failed_operation_on_a_key_pair_that_is_gone() {
    let (bench, row) = probe(vec![Act::failed_operation().with(Effect::Vanish)], &[], 0);
    assert_eq!(row.outcome(), "gone", "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 1);
}

/// Line "operation not terminal" up to the timeout, still there: `in_doubt`, exit 6.
// SEMANTICS: P33
#[test]
fn an_operation_that_never_ends_is_in_doubt() {
    let (bench, row) = probe(vec![Act::never()], &["--operation-timeout", "1s"], 6);
    assert_eq!((row.outcome().as_str(), row.attempts()), ("in_doubt", 1), "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 1);
    let story = bench.world.story("probe");
    assert_eq!(story.last().map(String::as_str), Some("GetKeyPair"), "it was read back: {story:?}");
    assert!(!row.text("detail").is_empty() || !row.text("evidence").is_empty(), "what was tried: {row:#?}");
}

/// Line "operation not terminal" up to the timeout, not there: `gone/readback` with the operation's id.
#[test]
fn an_operation_that_never_ends_but_took_effect_is_gone() {
    let (bench, row) = probe(vec![Act::never().with(Effect::Delete)], &["--operation-timeout", "1s"], 0);
    assert_eq!(row.verdict(), "gone/readback", "{row:#?}");
    assert!(!row.text("operation_id").is_empty(), "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 1);
}

/// Line "not found, first attempt": `absent/answer`, however the error is dressed; noted as vanished.
// SEMANTICS: P29
// SEMANTICS: P35
#[test]
fn not_found_at_first_is_absent_in_every_dress() {
    let dresses = [
        Act::type_only(400, "NotFoundException"),
        Act::type_and_code(400, "NotFoundException", "DoesNotExist"),
        Act::error(400, "NotFoundException", Some("DoesNotExist"), true),
        Act::error(400, "NotFoundException", None, true),
        Act::type_only(400, "com.amazonaws.lightsail.v20161128#NotFoundException"),
    ];
    for dress in dresses {
        let label = format!("{dress:?}");
        let (bench, row) = probe(vec![dress.with(Effect::Vanish)], &[], 0);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("absent/answer", 1), "{label}: {row:#?}");
        assert_eq!(bench.world.deletes("probe"), 1);
        let run = "SELECT body FROM entries JOIN intents USING (run_id, row_no) WHERE key_pair_name = 'probe'";
        let entries = bench.query(run).iter().map(ToString::to_string).collect::<String>().to_lowercase();
        assert!(entries.contains("vanished"), "{label}: the inventory had seen it, so it is noted as vanished");
    }
}

/// lightsail.md fact 1: never classify on the message text.
// SEMANTICS: P35
#[test]
fn a_message_about_not_found_is_not_a_not_found() {
    let act = Act::type_only(400, "InvalidInputException").saying("NotFoundException: DoesNotExist");
    let (bench, row) = probe(vec![act], &[], 3);
    assert_eq!(row.verdict(), "failed/answer", "{row:#?}");
    assert!(bench.world.has("probe"));
}

/// Line "not found after any earlier attempt, throttled ones too": settled by looking. No request that may have taken effect was
/// ever sent, so the row is `absent` and never `gone`.
// SEMANTICS: P29
#[test]
fn not_found_after_a_throttle_is_settled() {
    let not_found = Act::type_and_code(400, "NotFoundException", "DoesNotExist").with(Effect::Vanish);
    let (bench, row) = probe(vec![Act::throttle(), not_found], &[], 0);
    assert_eq!((row.verdict().as_str(), row.attempts()), ("absent/answer", 2), "{row:#?}");
    let story = bench.world.story("probe");
    let last = story.iter().rposition(|operation| operation == "DeleteKeyPair").unwrap();
    assert!(story[last..].iter().any(|operation| operation == "GetKeyPair"), "settled by looking: {story:?}");
}

/// Line "definite refusal": throttles are retried and count against time, not against attempts.
// SEMANTICS: P17
#[test]
fn throttles_do_not_use_attempts_up() {
    let acts =
        vec![Act::throttle(), Act::type_and_code(400, "ThrottlingException", "RequestLimitExceeded"), Act::throttle()];
    let (bench, row) = probe(acts, &["--max-attempts", "2"], 0);
    assert_eq!(row.verdict(), "deleted/answer", "{row:#?}");
    assert_eq!(bench.world.deletes("probe"), 4);
    let kept = support::count(&bench, "SELECT count(*) AS n FROM attempts WHERE key_pair_name = 'probe'");
    assert_eq!(kept, 4, "every request that left is an attempt in the journal");
}

/// The summary counts throttled answers.
#[test]
fn the_summary_counts_throttles() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", "*", [Act::throttle(), Act::throttle()]);
    let done = bench.run(&bench.manifest(&names), &[]).exits(0);
    let summary = summary(&bench, &done);
    assert_eq!(summary["requests"]["throttled"], 2, "{done}");
    assert_eq!(summary["requests"]["delete"], 6, "{done}");
    invariants(&bench);
}

/// Line "definite refusal": keybatch waits while the account or the region is being set up.
#[test]
fn setup_in_progress_is_retried() {
    for kind in ["AccountSetupInProgressException", "RegionSetupInProgressException"] {
        let (bench, row) = probe(vec![Act::type_only(400, kind)], &[], 0);
        assert_eq!(row.verdict(), "deleted/answer", "{kind}: {row:#?}");
        assert_eq!(bench.world.deletes("probe"), 2, "{kind}");
    }
}

/// Line "refused for good": `failed/answer`, one request, exit 3.
// SEMANTICS: P31
#[test]
fn a_refusal_for_good_is_failed() {
    for act in [
        Act::type_only(400, "InvalidInputException"),
        Act::type_and_code(400, "InvalidInputException", "InvalidParameter"),
        Act::denied(),
        Act::type_only(400, "AccessDeniedException"),
        Act::error(400, "AccessDeniedException", Some("AccessDenied"), true),
    ] {
        let label = format!("{act:?}");
        let (bench, row) = probe(vec![act; 9], &[], 3);
        assert_eq!((row.verdict().as_str(), row.attempts()), ("failed/answer", 1), "{label}: {row:#?}");
        assert_eq!(bench.world.deletes("probe"), 1, "{label}");
        assert!(!row.text("error_code").is_empty(), "{label}: {row:#?}");
    }
}

/// Line "absent": not in the inventory, no delete is sent; `absent/inventory`, exit 0. All forms of not-found.
// SEMANTICS: P29
#[test]
fn not_in_the_inventory_is_absent() {
    for dress in [NotFound::TypeOnly, NotFound::TypeAndCode, NotFound::HeaderAndCode] {
        let bench = Bench::new();
        bench.world.state().not_found = dress;
        bench.world.key("there");
        let done = bench.run(&bench.manifest(&["there", "never-was"]), &[]).exits(0);
        let summary = summary(&bench, &done);
        assert_eq!(summary["outcomes"]["absent"], 1, "{done}");
        let row = row(&bench, "never-was");
        assert_eq!((row.verdict().as_str(), row.attempts()), ("absent/inventory", 0), "{row:#?}");
        assert_eq!(bench.world.deletes("never-was"), 0);
        invariants(&bench);
    }
}

/// An inventory of several pages is read whole: nothing on the last page is `absent`.
#[test]
fn every_page_of_the_inventory_is_read() {
    let bench = Bench::new();
    bench.world.state().page_size = 3;
    let names = bench.world.keys("key", 20);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    assert!(bench.world.arrived("GetKeyPairs").len() >= 7, "pages");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 20);
    invariants(&bench);
}

/// An answer without the list is not an empty listing, on whichever page: no row is absent because of it. It is requested again, and
/// if that does not help, nothing is deleted and nothing is settled.
// SEMANTICS: P29
#[test]
fn a_listing_without_its_list_shows_nothing() {
    for pages_before in [0, 1] {
        for recovers in [true, false] {
            let bench = Bench::new();
            bench.world.state().page_size = 3;
            let names = bench.world.keys("key", 7);
            let healthy = std::iter::repeat_n(Act::ok(), pages_before);
            bench.world.script("GetKeyPairs", "*", healthy.chain([Act::empty_object()]));
            if !recovers {
                bench.world.always("GetKeyPairs", "*", Act::empty_object());
            }
            let done = bench.run(&bench.manifest(&names), &[]).exits(if recovers { 0 } else { 9 });
            assert_eq!(bench.world.arrived("DeleteKeyPair").len(), if recovers { 7 } else { 0 }, "{done}");
            invariants(&bench);
        }
    }
}

/// An empty list means that there are no key pairs.
// SEMANTICS: P29
#[test]
fn an_empty_list_is_a_listing() {
    let bench = Bench::new();
    bench.run_unconfirmed(&bench.manifest(&["never-was"]), &["--confirm", "0"]).exits(0);
    assert_eq!(row(&bench, "never-was").verdict(), "absent/inventory");
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 1);
}

/// Between two deletes of the probe there must be a GetKeyPair of it (I4).
#[track_caller]
fn looked_between_deletes(bench: &Bench) {
    let story = bench.world.story("probe");
    let first = story.iter().position(|operation| operation == "DeleteKeyPair").unwrap();
    let last = story.iter().rposition(|operation| operation == "DeleteKeyPair").unwrap();
    assert!(first < last, "{story:?}");
    assert!(story[first..last].iter().any(|operation| operation == "GetKeyPair"), "no look between: {story:?}");
}

//! What a session is told while it works: it does that, and nobody is told anything who does not execute a run.

use super::*;

fn told(what: &str) -> Value {
    let mut fields = json!({ "what": what, "by": "u", "uid": 1000 });
    if what == "rate" {
        fields["per_s"] = "2.000".into();
    }
    entry(Some(ONE), "control_used", fields)
}

/// The run's life with this told before its second attempt, which is its entry 14.
fn life_with(words: &[&str]) -> Vec<Value> {
    let mut entries = life();
    entries.splice(14..14, words.iter().map(|word| told(word)));
    entries
}

#[test]
fn no_attempt_begins_between_a_pause_and_a_continue_or_after_a_stop() {
    for words in [&["pause", "continue"][..], &["rate"], &["pause", "pause", "rate", "continue"], &["continue"]] {
        judged(&life_with(words)).unwrap_or_else(|trouble| panic!("{words:?}: {trouble:?}"));
    }
    for words in [&["pause"][..], &["stop"], &["continue", "pause"], &["pause", "rate"], &["stop", "stop"]] {
        is_refused(&life_with(words), 14 + words.len());
    }
}

#[test]
fn an_answer_may_follow_a_pause_and_another_session_is_not_paused() {
    let mut entries = life();
    entries.insert(15, told("pause"));
    entries.insert(17, told("stop"));
    judged(&entries).unwrap();
}

#[test]
fn after_a_stop_only_another_stop_is_told() {
    for (word, allowed) in [("stop", true), ("pause", false), ("continue", false), ("rate", false)] {
        let mut entries = life();
        entries.splice(16..16, [told("stop"), told(word)]);
        match allowed {
            true => drop(judged(&entries).unwrap()),
            false => is_refused(&entries, 17),
        }
    }
}

#[test]
fn only_a_session_that_executes_a_started_run_is_told_anything() {
    let mut early = life();
    early.insert(10, told("pause"));
    is_refused(&early, 10);
    let mut late = life();
    late.insert(17, told("pause"));
    is_refused(&late, 17);
    let mut abandoning = life();
    abandoning[18]["command"] = "abandon".into();
    abandoning.insert(19, told("pause"));
    is_refused(&abandoning, 19);
    let mut of_a_row = life_with(&["rate"]);
    of_a_row[14]["row"] = 1.into();
    is_refused(&of_a_row, 14);
}

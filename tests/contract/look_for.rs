//! `show RUN ROW` of a row that the journal cannot decide says what to look for, where, and in which time.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ACCOUNT, Act, Bench, Effect, HOME, Live, row};

/// A run that ends with a row in doubt, one that is gone, one that failed and one that is deleted.
fn bench(more: &[&str]) -> (Bench, Vec<String>, String) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let silent = names[0].clone();
    let lost = Act::server_error().with(Effect::Delete).and(move |state| {
        state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
    });
    bench.world.script("DeleteKeyPair", &names[0], [lost]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::throttle(), Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", &names[2], Act::denied());
    names.iter().for_each(|name| bench.world.always("GetOperationsForResource", name, Act::empty_object()));
    let more = [&["--settle-timeout", "1s", "--concurrency", "1"][..], more].concat();
    let done = bench.run(&bench.manifest(&names), &more).exits(6);
    let outcomes: Vec<_> = names.iter().map(|name| row(&bench, name).outcome()).collect();
    assert_eq!(outcomes, ["in_doubt", "gone", "failed", "deleted"]);
    let run = done.json()["run"].as_str().unwrap().to_owned();
    let journal = bench.journal().display().to_string();
    let advice = format!("`keybatch show {run} ROW --journal {journal}` says what to look for");
    assert!(done.stderr.contains(&advice), "{done}");
    (bench, names, run)
}

fn story(bench: &Bench, name: &str) -> Value {
    let mut stories = bench.keybatch(&["show", "latest", name, "--output", "json"]).exits(0).json();
    stories[0].take()
}

fn seconds(from: &Value, to: &Value) -> i64 {
    let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    at(to).duration_since(at(from)).as_secs()
}

fn words(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().filter_map(|finding| finding["outcome"].as_str()).collect()
}

// SEMANTICS: P121
#[test]
fn a_row_in_doubt_or_gone_says_what_to_look_for() {
    let (bench, names, run) = bench(&["--signature-life", "60s"]);
    let told = story(&bench, &names[0]);
    let found = &told["look_for"];
    let arrived = bench.world.arrived("DeleteKeyPair");
    assert_eq!(found["request_ids"], json!([arrived[0].request_id]), "{found}");
    assert_eq!(
        (&found["event_name"], &found["event_source"]),
        (&json!("DeleteKeyPair"), &json!("lightsail.amazonaws.com"))
    );
    assert_eq!(
        (&found["account"], &found["region"], &found["key_pair_name"]),
        (&json!(ACCOUNT), &json!(HOME), &json!(names[0]))
    );
    assert_eq!(found["user_agent"], format!("app/keybatch-{run}"));
    assert!(arrived[0].agent.contains(found["user_agent"].as_str().unwrap()), "{}", arrived[0].agent);
    let attempt = &found["attempts"][0];
    assert_eq!((&attempt["answered"], &attempt["attempt"]), (&json!(true), &json!(1)), "a status is an answer");
    assert!(seconds(&attempt["from"], &attempt["until"]) < 5, "{attempt}");
    assert!(seconds(&found["from"], &attempt["from"]) >= 299 && seconds(&attempt["until"], &found["until"]) >= 299);
    assert_eq!(words(&found["findings"]), ["deleted", "gone", "absent", "failed"]);
    // A request without any answer may arrive as long as its signature lives; a throttled one did nothing.
    let told = story(&bench, &names[1]);
    let found = &told["look_for"];
    assert_eq!((found["attempts"].as_array().unwrap().len(), &found["request_ids"]), (1, &json!([])), "{found}");
    let attempt = &found["attempts"][0];
    assert_eq!((&attempt["answered"], &attempt["attempt"]), (&json!(false), &json!(2)));
    assert!((60..70).contains(&seconds(&attempt["from"], &attempt["until"])), "{attempt}");
    assert_eq!(words(&found["findings"]), ["deleted", "absent"]);
    for shown in &names[2..] {
        assert_eq!(story(&bench, shown)["look_for"], Value::Null, "the journal shows what became of {shown}");
    }
}

/// Every command can be pasted, and those of keybatch do what they say.
// SEMANTICS: P121
#[test]
fn its_commands_can_be_pasted() {
    let (bench, names, run) = bench(&[]);
    let told = story(&bench, &names[0]);
    let found = &told["look_for"];
    let commands: Vec<_> =
        found["commands"].as_array().unwrap().iter().map(|looking| looking["command"].as_str().unwrap()).collect();
    let (from, until) = (found["from"].as_str().unwrap(), found["until"].as_str().unwrap());
    let lookup = format!(
        "aws cloudtrail lookup-events --region {HOME} --lookup-attributes \
         AttributeKey=EventName,AttributeValue=DeleteKeyPair --start-time {from} --end-time {until}"
    );
    assert_eq!(commands, [lookup, format!("aws lightsail get-key-pair --region {HOME} --key-pair-name {}", names[0])]);
    let text = bench.keybatch(&["show", &run, &names[0]]).exits(0).stdout;
    for part in commands.iter().copied().chain(["15 minutes late", "90 days", "what to look for", "no key pair"]) {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // As a shell splits it.
    for finding in found["findings"].as_array().unwrap() {
        let command = finding["command"].as_str().unwrap();
        assert!(text.contains(command), "{command}\n{text}");
        let split = Command::new("/bin/sh").args(["-c", &format!("printf '%s\\n' {command}")]).output().unwrap();
        let split = String::from_utf8(split.stdout).unwrap();
        let words: Vec<_> = split.lines().skip(1).collect();
        // It names the journal, as the command that suggested it did.
        Live::of(bench.command(&words).spawn().unwrap()).wait().exits(0);
        assert_eq!(row(&bench, &names[0]).outcome(), finding["outcome"].as_str().unwrap());
        let asks = ["gone"].contains(&row(&bench, &names[0]).outcome().as_str());
        assert_eq!(story(&bench, &names[0])["look_for"].is_object(), asks, "{command}");
    }
    bench.verify().exits(0);
}

/// Of a run that was killed, the row is not settled yet.
// SEMANTICS: P121
#[test]
fn an_unsettled_row_is_settled_by_its_own_run_first() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.always("DeleteKeyPair", &names[0], Act::hang());
    let live = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "20s"]);
    bench.world.wait_for_deletes(1);
    std::thread::sleep(Duration::from_millis(100));
    live.kill();
    let told = story(&bench, &names[0]);
    let found = &told["look_for"];
    assert_eq!((&told["outcome"], &found["attempts"][0]["request_id"]), (&Value::Null, &Value::Null));
    let finding = &found["findings"][0];
    assert_eq!(finding["outcome"], Value::Null);
    let run = told["run"].as_str().unwrap();
    assert_eq!(finding["command"], format!("keybatch resume {run} --journal {}", bench.journal().display()));
    let text = bench.keybatch(&["show", run, "1"]).exits(0).stdout;
    assert!(text.contains("not answered") && text.contains("keybatch must settle the row itself"), "{text}");
}

/// Nothing can be recorded in an archive, so nothing that would record is suggested.
// SEMANTICS: P121
#[test]
fn in_a_sealed_archive_no_command_is_suggested_that_must_fail() {
    let (bench, names, run) = bench(&[]);
    let archived = bench.keybatch(&["journal", "archive", "--output", "json"]).exits(0).json();
    let archive = archived["archive"].as_str().unwrap();
    let ask = |args: &[&str]| {
        let all = [args, &["--journal", archive]].concat();
        Live::of(bench.command(&all).spawn().unwrap()).wait()
    };
    for name in &names[..2] {
        let told = ask(&["show", &run, name, "--output", "json"]).exits(0).json();
        let found = &told[0]["look_for"];
        assert!(words(&found["findings"]).contains(&"deleted"), "{found}");
        assert!(found["findings"].as_array().unwrap().iter().all(|finding| finding["command"].is_null()), "{found}");
        assert!(found["sealed"].as_str().unwrap().contains("manifest for the present journal"), "{found}");
        let text = ask(&["show", &run, name]).exits(0).stdout;
        assert!(text.contains("the journal is sealed") && !text.contains("keybatch resolve"), "{text}");
    }
    let resolve = ["resolve", &run, "row:1", "--outcome", "gone", "--because", "test", "--output", "json"];
    assert_eq!(ask(&resolve).exits(4).json()["code"], "journal.sealed", "the command would have failed");
}

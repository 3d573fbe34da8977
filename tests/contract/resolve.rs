//! `resolve`: what a person says of a row that ended in doubt or as gone is recorded, counts, and changes nothing else.

use serde_json::{Value, json};

use crate::support::{Act, Bench, Done, Effect, row};

/// A finished run: the first key pair is in doubt, the second gone, the third deleted.
fn in_doubt() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let silent = names[0].clone();
    let lost = Act::cut().with(Effect::Delete).and(move |state| {
        state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
    });
    bench.world.script("DeleteKeyPair", &names[0], [lost]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::cut().with(Effect::Delete)]);
    names.iter().for_each(|name| bench.world.always("GetOperationsForResource", name, Act::empty_object()));
    bench.run(&bench.manifest(&names), &["--settle-timeout", "1s", "--concurrency", "1"]).exits(6);
    let outcomes: Vec<_> = names.iter().map(|name| row(&bench, name).outcome()).collect();
    assert_eq!(outcomes, ["in_doubt", "gone", "deleted"]);
    (bench, names)
}

fn resolve(bench: &Bench, row: &str, outcome: &str, more: &[&str]) -> Done {
    let args = ["resolve", "latest", row, "--outcome", outcome, "--because", "I looked", "--output", "json"];
    bench.keybatch(&[&args[..], more].concat())
}

/// A finished run again: it sends nothing.
fn again(bench: &Bench) -> Done {
    bench.keybatch(&["resume", "latest", "--output", "json"])
}

fn told(bench: &Bench, name: &str) -> Value {
    let columns = "outcome, evidence, detail, settled_outcome, resolved_by IS NULL AS unresolved";
    bench.query(&format!("SELECT {columns} FROM intents WHERE key_pair_name = '{name}'")).remove(0)
}

// SEMANTICS: P84
#[test]
fn the_latest_word_counts_and_the_first_stays() {
    let (bench, names) = in_doubt();
    let requests = bench.world.arrived("DeleteKeyPair").len() + bench.world.arrived("GetKeyPair").len();
    let file = bench.file("trail.json", "{}");
    let first = resolve(&bench, &names[0], "failed", &[]).exits(0);
    let first = first.json();
    assert_eq!((&first["before"], &first["outcome"]), (&json!("in_doubt"), &json!("failed")), "{first}");
    assert_eq!((&first["outcomes"]["in_doubt"], &first["outcomes"]["failed"]), (&json!(0), &json!(1)), "{first}");
    assert_eq!(again(&bench).exits(3).json()["outcomes"], first["outcomes"]);
    let evidence = file.display().to_string();
    let second = resolve(&bench, "1", "deleted", &["--evidence", &evidence]).exits(0).json();
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(second["file"], json!({ "name": evidence, "sha256": hash, "bytes": 2 }));
    assert_eq!((&second["before"], &second["settled_outcome"]), (&json!("failed"), &json!("in_doubt")), "{second}");
    assert!(second["rests_on"].as_array().unwrap().contains(&first["entry"]), "{second}");
    resolve(&bench, &names[1], "absent", &[]).exits(0);
    let expected = json!({ "outcome": "deleted", "evidence": "person", "detail": "I looked", "settled_outcome": "in_doubt",
                           "unresolved": 0 });
    assert_eq!(told(&bench, &names[0]), expected);
    assert_eq!(told(&bench, &names[2])["unresolved"], 1);
    let runs = bench.query("SELECT deleted, gone, absent, failed, in_doubt, sessions FROM runs");
    assert_eq!(runs, [json!({ "deleted": 2, "gone": 0, "absent": 1, "failed": 0, "in_doubt": 0, "sessions": 1 })]);
    // Resuming the finished run reports it as it now stands, with the exit code that follows, and so does its manifest.
    assert_eq!(again(&bench).exits(0).json()["outcomes"]["deleted"], 2);
    bench.run(&bench.manifest(&names), &["--resume"]).exits(0);
    // The run as a whole says that, too: of each row the latest.
    let shown = bench.keybatch(&["show", "latest", "--output", "json"]).exits(0).json();
    let resolved = json!([
        { "outcome": "absent", "by": "resolve", "rows": 1 },
        { "outcome": "deleted", "by": "resolve", "rows": 1 },
    ]);
    assert_eq!(shown["resolved"], resolved, "{shown}");
    let shown = bench.keybatch(&["show", "latest"]).exits(0).stdout;
    assert!(shown.contains("1 row said later to be deleted, by `resolve`"), "{shown}");
    let story = bench.keybatch(&["show", "latest", &names[0], "--output", "json"]).exits(0).json();
    assert_eq!((&story[0]["outcome"], &story[0]["settled_outcome"]), (&json!("deleted"), &json!("in_doubt")));
    assert_eq!(bench.keybatch(&["log", "--kind", "row_resolved"]).exits(0).stdout.lines().count(), 3);
    let csv = bench.keybatch(&["export", "latest"]).exits(0).stdout;
    assert!(csv.contains("person") && !csv.contains("in_doubt,tried"), "{csv}");
    // Nothing was sent, and the journal is sound.
    assert_eq!(bench.world.arrived("DeleteKeyPair").len() + bench.world.arrived("GetKeyPair").len(), requests);
    assert_eq!(bench.verify().exits(0).json()["verdict"], "self_consistent");
    // What was said is withdrawn: the run is in doubt again.
    resolve(&bench, &names[0], "in_doubt", &[]).exits(0);
    assert_eq!(told(&bench, &names[0])["outcome"], "in_doubt");
    again(&bench).exits(6);
    bench.verify().exits(0);
}

// SEMANTICS: P84
#[test]
fn what_cannot_be_said_is_refused_and_nothing_is_recorded() {
    let (bench, names) = in_doubt();
    let entries = || bench.query("SELECT count(*) AS n FROM entries").remove(0);
    let before = entries();
    let missing = bench.home().join("nowhere").display().to_string();
    let folder = bench.home().display().to_string();
    for (wanted, outcome, more, exit, code) in [
        (&*names[0], "in_doubt", &[][..], 4, "resolve.outcome"),
        (&names[0], "skipped", &[], 4, "resolve.outcome"),
        (&names[0], "lost", &[], 4, "resolve.outcome"),
        (&names[1], "failed", &[], 4, "resolve.outcome"),
        (&names[1], "gone", &[], 4, "resolve.outcome"),
        (&names[2], "failed", &[], 4, "resolve.row"),
        (&names[0], "deleted", &["--evidence", &missing], 4, "resolve.evidence"),
        (&names[0], "deleted", &["--evidence", &folder], 4, "resolve.evidence"),
        ("nobody", "deleted", &[], 2, "run.row_unknown"),
        ("row:9", "deleted", &[], 2, "run.row_unknown"),
    ] {
        let done = resolve(&bench, wanted, outcome, more).exits(exit);
        let error = done.json();
        assert_eq!((&error["code"], &error["sent"]), (&json!(code), &json!("nothing")), "{wanted} {outcome}: {done}");
        assert!(!error["hints"].as_array().unwrap().is_empty(), "{error}");
    }
    let blank = ["resolve", "latest", "1", "--outcome", "deleted", "--because", " "];
    bench.keybatch(&blank).exits(2);
    let secret = ["resolve", "latest", "1", "--outcome", "deleted", "--because", "-----BEGIN OPENSSH PRIVATE KEY-----"];
    bench.keybatch(&secret).exits(2);
    let unknown = ["resolve", "beef", "1", "--outcome", "deleted", "--because", "b", "--output", "json"];
    assert_eq!(bench.keybatch(&unknown).exits(2).json()["code"], "run.unknown");
    assert_eq!(entries(), before);
}

/// A row whose run has not determined it yet is that run's, and one that it left in doubt can be resolved before the run goes on.
// SEMANTICS: P84
#[test]
fn a_run_that_goes_on_counts_what_was_said() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let silent = names[0].clone();
    let lost = Act::cut().with(Effect::Delete).and(move |state| {
        state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
    });
    bench.world.script("DeleteKeyPair", &names[0], [lost]);
    bench.world.always("GetOperationsForResource", &names[0], Act::empty_object());
    let flags = ["--settle-timeout", "1s", "--concurrency", "1", "--max-failures", "1"];
    bench.run(&bench.manifest(&names), &flags).exits(5);
    let error = resolve(&bench, &names[2], "deleted", &[]).exits(4).json();
    assert_eq!(error["code"], "resolve.row", "{error}");
    resolve(&bench, &names[0], "deleted", &[]).exits(0);
    bench.resume().exits(0);
    let finished = bench.query("SELECT body FROM entries WHERE kind = 'run_finished'").remove(0);
    let body: Value = serde_json::from_str(finished["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["outcomes"]["deleted"], &body["outcomes"]["in_doubt"]), (&json!(3), &json!(0)));
    bench.verify().exits(0);
}

/// What became of the row does not matter for what the journal knows about its key pair (I4).
// SEMANTICS: P59
#[test]
fn a_key_pair_that_was_re_created_is_still_recognised() {
    let (bench, names) = in_doubt();
    resolve(&bench, &names[0], "failed", &[]).exits(0);
    resolve(&bench, &names[1], "deleted", &[]).exits(0);
    bench.world.state().always.clear();
    for name in &names[..2] {
        bench.world.key(name);
    }
    let done = bench.run_unconfirmed(&bench.manifest(&names), &["--again", "--confirm", "0"]);
    let again = done.exits(3).json();
    assert_eq!(again["outcomes"]["skipped"], 2, "{again}");
    let notes = bench.query("SELECT DISTINCT detail FROM intents WHERE outcome = 'skipped'");
    assert!(notes.iter().all(|note| note["detail"].as_str().unwrap().contains("created")), "{notes:?}");
}

/// The session remembers the head, and appends its checkpoint to the run's file (I12).
#[test]
fn a_journal_without_the_resolution_is_older() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(Effect::Delete)]);
    bench.world.always("GetOperationsForResource", &names[0], Act::empty_object());
    let file = bench.home().join("checkpoints").display().to_string();
    bench.run(&bench.manifest(&names), &["--settle-timeout", "1s", "--checkpoint-to", &file]).exits(0);
    let copy = std::fs::read(bench.journal()).unwrap();
    let records = || std::fs::read_to_string(&file).unwrap().matches("keybatch/").count();
    let before = records();
    let head = resolve(&bench, "1", "deleted", &[]).exits(0).json()["head"]["size"].clone();
    assert!(records() > before);
    let covered = bench.keybatch(&["verify", "--checkpoint", &file, "--output", "json"]).exits(0).json();
    assert_eq!((&covered["verdict"], &covered["entries"]), (&json!("verified"), &head), "{covered}");
    std::fs::write(bench.journal(), copy).unwrap();
    let refused = resolve(&bench, "1", "absent", &[]).exits(4).json();
    assert_eq!(refused["code"], "journal.rolled_back");
    bench.keybatch(&["verify", "--checkpoint", &file]).exits(7);
}

/// One session at a time.
#[test]
fn nothing_is_said_while_another_session_works() {
    let (bench, names) = in_doubt();
    let more = bench.world.keys("more", 2);
    bench.world.always("DeleteKeyPair", &more[0], Act::hang());
    let manifest = bench.file("more.csv", format!("key_pair_name\n{}\n", more.join("\n")));
    let live = bench.spawn_run(&manifest, &["--attempt-timeout", "30s"]);
    bench.world.wait_for_deletes(4);
    assert_eq!(resolve(&bench, &names[0], "deleted", &[]).exits(8).json()["code"], "journal.locked");
    live.kill();
}

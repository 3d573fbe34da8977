//! `run PLAN`: exactly what was reviewed, or less; and every reason not to.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Bench, Done, Effect, HOME, count, invariants, row, summary};

/// A plan of the manifest at a new path.
pub(super) fn planned(bench: &Bench, manifest: &Path, more: &[&str]) -> PathBuf {
    let path = bench.home().join(format!("{}.plan", uuid()));
    let (manifest, to) = (manifest.display().to_string(), path.display().to_string());
    bench
        .keybatch(&[&["plan", &manifest, "-o", &to, "--rate", "unlimited", "--output", "json"], more].concat())
        .exits(0);
    path
}

fn uuid() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("plan-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn key(name: &str) -> (String, String) {
    (HOME.to_owned(), name.to_owned())
}

/// The refusal's code, after which nothing was deleted and no attempt was recorded.
#[track_caller]
fn refused(bench: &Bench, done: Done, exit: i32) -> String {
    let done = done.exits(exit);
    assert!(bench.world.arrived("DeleteKeyPair").is_empty(), "{done}");
    done.json()["code"].as_str().unwrap().to_owned()
}

fn plan_root(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()["root"].as_str().unwrap().to_owned()
}

/// A plan is executed as it was reviewed: the journal's plan is the file's, to the byte, and it is executed once.
// SEMANTICS: P76
// SEMANTICS: P77
#[test]
fn a_plan_is_executed_once_and_to_the_letter() {
    let bench = Bench::new();
    let mut names = bench.world.keys("key", 3);
    names.push("never-was".to_owned());
    let manifest = bench.manifest(&names);
    let plan = planned(&bench, &manifest, &["--ticket", "OPS-17"]);
    // What was added to the manifest since has no part in it.
    std::fs::write(&manifest, "key_pair_name\nanother\n").unwrap();
    let done = bench.run(&plan, &[]).exits(0);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["outcomes"]["deleted"], &summary["outcomes"]["absent"]), (&3.into(), &1.into()), "{done}");
    assert_eq!((summary["plan_root"].as_str().unwrap(), &summary["ticket"]), (&*plan_root(&plan), &"OPS-17".into()));
    let lines: Vec<String> = bench
        .query("SELECT json_extract(body, '$.line') AS line FROM entries WHERE kind = 'intent_recorded' ORDER BY seq")
        .iter()
        .map(|row| row["line"].as_str().unwrap().to_owned())
        .collect();
    let text = std::fs::read_to_string(&plan).unwrap();
    assert_eq!(lines, text.lines().skip(1).take(4).collect::<Vec<_>>());
    invariants(&bench);
    let again = bench.run(&plan, &[]).exits(4).json();
    assert_eq!((&again["code"], &again["run"]), (&"plan.used".into(), &summary["run"]), "{again}");
    // Reported again for a pipeline that repeats itself.
    bench.run(&plan, &["--resume"]).exits(0);
    let names = bench.world.keys("other", 3);
    let other = planned(&bench, &bench.manifest(&names), &[]);
    bench.run(&other, &[]).exits(0);
    invariants(&bench);
}

/// Two plans of one manifest are two plans: each was reviewed by itself. `verify` accepts the journal (I7).
// SEMANTICS: P77
#[test]
fn a_manifest_may_have_several_plans() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let (one, other) = (planned(&bench, &manifest, &[]), planned(&bench, &manifest, &[]));
    bench.run(&one, &[]).exits(0);
    let summary = summary(&bench, &bench.run_unconfirmed(&other, &["--confirm", "0"]).exits(0));
    assert_eq!(summary["outcomes"]["absent"], 2, "{summary}");
    bench.verify().exits(0);
}

/// A row whose key pair is another one now, or is there although the plan said absent, is skipped; one that is gone is absent; nothing
/// is ever added.
// SEMANTICS: P76
#[test]
fn a_row_can_only_lose() {
    let bench = Bench::new();
    let mut names = bench.world.keys("key", 4);
    names.push("appears".to_owned());
    let manifest = bench.manifest(&names);
    let plan = planned(&bench, &manifest, &[]);
    bench.world.state().apply(Effect::VanishAndRecreate, &key(&names[0]));
    bench.world.state().keys.remove(&key(&names[1]));
    bench.world.key("appears");
    let done = bench.run(&plan, &[]).exits(3);
    assert_eq!(summary(&bench, &done)["plan_root"].as_str().unwrap(), plan_root(&plan));
    let outcome = |name: &str| row(&bench, name).outcome();
    assert_eq!((outcome(&names[0]), outcome(&names[1])), ("skipped".into(), "absent".into()), "{done}");
    assert_eq!((outcome(&names[2]), outcome(&names[3])), ("deleted".into(), "deleted".into()), "{done}");
    assert_eq!(outcome("appears"), "skipped");
    assert!(row(&bench, &names[0]).text("detail").contains("another one than the plan saw"), "{done}");
    assert_eq!(row(&bench, "appears").text("verdict"), "skip", "the views have the day's verdict");
    let today = bench.query("SELECT json_extract(body, '$.today.notes[0].note') AS note FROM entries WHERE kind = 'intent_recorded' ORDER BY seq");
    let notes: Vec<_> = today.iter().map(|row| row["note"].as_str().unwrap_or("-")).collect();
    assert_eq!(notes, ["drift_plan", "-", "-", "-", "appeared"]);
    assert!(
        bench.world.state().keys.contains_key(&key("appears"))
            && bench.world.state().keys.contains_key(&key(&names[0]))
    );
    invariants(&bench);
}

/// A key pair that was re-created since its manifest was run is left alone by a plan's file whose planner did not know that; and by each run
/// of the manifest after that. (I4)
// SEMANTICS: P59
#[test]
fn what_was_left_alone_is_not_known_from_then_on() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &[]).exits(0);
    bench.world.key(&names[0]);
    let (journal, away) = (bench.journal(), bench.home().join("away.db"));
    std::fs::rename(&journal, &away).unwrap();
    let plan = planned(&bench, &manifest, &[]);
    std::fs::rename(&away, &journal).unwrap();
    bench.run(&plan, &[]).exits(3);
    assert!(row(&bench, &names[0]).text("detail").contains("dealt with another key pair of this name"));
    bench.run(&manifest, &["--again"]).exits(3);
    assert!(bench.world.state().keys.contains_key(&key(&names[0])));
    bench.verify().exits(0);
}

/// With `--on-drift refuse` the run is refused, before anything is recorded of the plan, and may be tried again.
// SEMANTICS: P76
#[test]
fn drift_may_refuse_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let plan = planned(&bench, &bench.manifest(&names), &[]);
    let pair = bench.world.state().keys.remove(&key(&names[0])).unwrap();
    assert_eq!(refused(&bench, bench.run(&plan, &["--on-drift", "refuse"]), 4), "plan.drifted");
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'plan_sealed'"), 0);
    bench.world.state().keys.insert(key(&names[0]), pair);
    let done = bench.run(&plan, &["--on-drift", "refuse"]).exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 2);
    invariants(&bench);
}

/// Each reason not to execute a plan has its own code, and nothing is deleted.
// SEMANTICS: P73
// SEMANTICS: P77
#[test]
fn what_was_not_reviewed_is_refused() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let plan = planned(&bench, &manifest, &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    let changed = |name: &str, text: String| bench.run(&bench.file(name, text), &[]);
    let swapped = text.replace(&names[0], "key-99");
    assert_eq!(refused(&bench, changed("edited.plan", swapped), 4), "plan.edited");
    assert_eq!(refused(&bench, changed("spaced.plan", text.replacen(':', ": ", 1)), 4), "plan.not_canonical");
    assert_eq!(
        refused(&bench, changed("newer.plan", text.replace("keybatch.plan/1", "keybatch.plan/2")), 4),
        "plan.version"
    );
    assert_eq!(refused(&bench, changed("cut.plan", text[..text.len() - 9].to_owned()), 4), "plan.edited");
    let brief = planned(&bench, &manifest, &["--expires", "1ms"]);
    assert_eq!(refused(&bench, bench.run(&brief, &[]), 4), "plan.expired");
    for flag in
        ["--skip-invalid", "--allow-default-key-pair", "--without-annotations", "--again", "--dry-run", "--sandbox"]
    {
        assert_eq!(refused(&bench, bench.run(&plan, &[flag]), 2), "usage.arguments", "{flag}");
    }
    assert_eq!(refused(&bench, bench.run(&manifest, &["--on-drift", "skip"]), 2), "usage.arguments");
    assert_eq!(refused(&bench, bench.run(&plan, &["--approvals", "."]), 2), "usage.arguments");
    assert_eq!(refused(&bench, bench.run_unconfirmed(&plan, &["--confirm", "1"]), 4), "plan.confirm");
    // Declined and refused, it was not executed.
    bench.run(&plan, &[]).exits(0);
}

/// A plan is for one endpoint and account; another caller of the account may execute it.
// SEMANTICS: P77
#[test]
fn a_plan_is_bound_to_where_it_was_made_for() {
    let bench = Bench::new();
    let plan = planned(&bench, &bench.manifest(&bench.world.keys("key", 1)), &[]);
    let other = Bench::new();
    assert_eq!(refused(&other, other.run(&plan, &[]), 4), "plan.bound");
    assert_eq!(other.world.state().log.iter().filter(|call| call.operation != "GetCallerIdentity").count(), 0);
}

/// An unfinished run of a plan blocks the plan, and is resumed; what it does then is what the plan says.
// SEMANTICS: P77
#[test]
fn an_unfinished_plan_is_resumed() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let plan = planned(&bench, &bench.manifest(&names), &[]);
    let first = bench.run(&plan, &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let again = bench.run(&plan, &[]).exits(11).json();
    assert_eq!((&again["code"], &again["run"]), (&"run.unfinished".into(), &first.json()["run"]));
    bench.run(&plan, &["--resume", "--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let done = bench.resume().exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 3);
    invariants(&bench);
}

/// A key that is not named signs nothing, and silence would be taken for signatures.
#[test]
fn to_sign_every_checkpoint_needs_a_key() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let refusal = bench.run(&manifest, &["--sign-all"]).exits(2).json();
    assert_eq!((&refusal["code"], &refusal["sent"]), (&"usage.arguments".into(), &"nothing".into()), "{refusal}");
    bench.keybatch(&["resume", "--sign-all"]).exits(2);
    assert!(bench.world.state().log.is_empty() && !bench.journal().exists());
}

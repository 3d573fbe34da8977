//! What a reviewer demands with a policy of their own: `verify --policy` convicts each real run that is not under it or breaks its rules,
//! and says what the journal does not show.

use serde_json::{Value, json};

use crate::support::{Bench, Done};

fn policy(bench: &Bench, name: &str, text: &str) -> String {
    bench.file(name, text).display().to_string()
}

fn verify(bench: &Bench, policies: &[&str]) -> Done {
    let named = policies.iter().flat_map(|policy| ["--policy", policy]);
    bench.keybatch(&["verify", "--output", "json"].into_iter().chain(named).collect::<Vec<_>>())
}

/// The only run of the report.
fn only(report: &Value) -> Value {
    let runs = report["demands"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(runs.len(), 1, "{report}");
    runs[0].clone()
}

/// The rules that it breaks.
fn broken(run: &Value) -> Vec<&str> {
    run["violations"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect()
}

// SEMANTICS: P102
#[test]
fn a_run_under_its_policy_has_what_is_demanded() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 2));
    let own = policy(&bench, "own.toml", "maximum_deletes = 2\nprotected_names = [\"prod-*\"]\nif_in_use = \"skip\"\n");
    let other = policy(&bench, "other.toml", "maximum_deletes = 9\n");
    bench.run(&manifest, &["--policy", &own]).exits(0);
    let report = verify(&bench, &[&own]).exits(0).json();
    assert_eq!(
        (only(&report)["violation_count"].clone(), report["accepted"].clone()),
        (json!(0), json!(true)),
        "{report}"
    );
    // Of several, it is under one.
    verify(&bench, &[&other, &own]).exits(0);
    let report = verify(&bench, &[&other]).exits(7).json();
    let run = only(&report);
    assert_eq!((&report["verdict"], broken(&run)), (&json!("illegal_history"), vec!["policy"]), "{report}");
    assert_eq!(run["run"], bench.query("SELECT run_id FROM runs")[0]["run_id"], "{report}");
    // Nothing is demanded of a rehearsal, and of a run that was refused.
    let rehearsals = Bench::new();
    rehearsals.run(&rehearsals.manifest(&["key-01"]), &["--sandbox"]).exits(0);
    let refused = rehearsals.manifest(&["key-02"]);
    rehearsals.world.keys("key", 2);
    rehearsals.run(&refused, &["--policy", &policy(&rehearsals, "none.toml", "regions = []\n")]).exits(4);
    let report = verify(&rehearsals, &[&policy(&rehearsals, "own.toml", "maximum_deletes = 0\n")]).exits(0).json();
    assert_eq!(report["demands"], json!([]), "{report}");
    // Without a demand, there is no such field.
    assert!(bench.keybatch(&["verify", "--output", "json"]).exits(0).json().get("demands").is_none());
}

/// A run without a policy lacks one, whatever it did.
// SEMANTICS: P102
#[test]
fn a_run_without_the_policy_is_convicted() {
    let bench = Bench::new();
    bench.run(&bench.manifest(&bench.world.keys("key", 1)), &[]).exits(0);
    let own = policy(&bench, "own.toml", "maximum_deletes = 9\n");
    let done = bench.keybatch(&["verify", "--policy", &own]).exits(7);
    assert!(done.stdout.contains("under no policy") && done.stdout.contains("lacks what is demanded"), "{done}");
    let faulty = policy(&bench, "faulty.toml", "maximum_delete = 9\n");
    assert_eq!(verify(&bench, &[&faulty]).exits(4).json()["code"], "policy.unknown_key");
}

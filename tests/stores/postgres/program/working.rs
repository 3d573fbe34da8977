//! Runs from their plan to their end, and what is said of them afterwards.

use std::process::Command;

use serde_json::{Value, json};

use super::{bench, is_sound};
use crate::harness::{ignore, tests};
use crate::support::{Act, Bench, Effect, count, row, summary};

tests![; async
    a_plan_is_approved_and_run,
    what_a_canary_left_is_resumed,
    a_row_in_doubt_is_resolved,
    a_run_is_controlled,
    a_run_is_given_up,
    a_rehearsal_is_reconciled,
];

fn path(bench: &Bench, name: &str) -> String {
    bench.home().join(name).display().to_string()
}

/// A key of ssh-keygen's, and a file that allows it to `ana`.
fn key(bench: &Bench) -> (String, String) {
    let key = path(bench, "ana");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "ana", "-f", &key]).status();
    if !made.is_ok_and(|status| status.success()) {
        ignore("ssh-keygen is not installed");
    }
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let allowed = bench.file("allowed", format!("ana {public}"));
    (key, allowed.display().to_string())
}

async fn a_plan_is_approved_and_run() {
    let (bench, _database) = bench().await;
    let (key, allowed) = key(&bench);
    let manifest = bench.manifest(&bench.world.keys("key", 3)).display().to_string();
    let (plan, kept) = (path(&bench, "plan"), path(&bench, "kept"));
    bench.keybatch(&["plan", &manifest, "-o", &plan]).exits(0);
    let demands = ["--require-approvals", "1", "--allowed-signers", &allowed];
    bench.run(plan.as_ref(), &demands).exits(4);
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
    bench.keybatch(&["approve", &plan, "--key", &key, "--as", "ana"]).exits(0);
    let signed = ["--checkpoint-to", &kept, "--sign-key", &key];
    bench.run(plan.as_ref(), &[&demands[..], &signed].concat()).exits(0);
    bench.run(plan.as_ref(), &demands).exits(4);
    is_sound(&bench);
    let trust = ["verify", "--checkpoint", &kept, "--require-checkpoint"];
    let done = bench.keybatch(&[&trust[..], &demands, &["--output", "json"]].concat()).exits(0).json();
    assert_eq!(done["verdict"], "verified", "{done}");
    let approved = bench.query("SELECT signer FROM approvals").remove(0);
    assert_eq!(approved["signer"], "ana", "{approved}");
}

async fn what_a_canary_left_is_resumed() {
    let (bench, _database) = bench().await;
    let done = bench.run(&bench.manifest(&bench.world.keys("key", 12)), &["--canary", "2"]).exits(5);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 2, "{done}");
    let told = summary(&bench, &done);
    assert_eq!((&told["stopped_by"], &told["journal"]), (&"canary".into(), &json!(bench.journal())));
    let command = format!("keybatch resume {} --journal {}", told["run"].as_str().unwrap(), bench.journal().display());
    assert!(done.stderr.contains(&command), "{done}");
    bench.resume().exits(0);
    is_sound(&bench);
}

async fn a_row_in_doubt_is_resolved() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 2);
    let silent = names[0].clone();
    let lost = Act::cut().with(Effect::Delete).and(move |state| {
        state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
    });
    bench.world.script("DeleteKeyPair", &names[0], [lost]);
    names.iter().for_each(|name| bench.world.always("GetOperationsForResource", name, Act::empty_object()));
    bench.run(&bench.manifest(&names), &["--settle-timeout", "1s", "--concurrency", "1"]).exits(6);
    assert_eq!(row(&bench, &names[0]).outcome(), "in_doubt");
    let resolve = ["resolve", "latest", &names[0], "--outcome", "deleted", "--because", "I looked"];
    bench.keybatch(&resolve).exits(0);
    assert_eq!(row(&bench, &names[0]).verdict(), "deleted/person");
    let shown = bench.keybatch(&["show", "latest", "--output", "json"]).json();
    assert_eq!(shown["resolved"], json!([{"outcome": "deleted", "by": "resolve", "rows": 1}]), "{shown}");
    bench.keybatch(&["resume", "latest"]).exits(0);
    bench.verify().exits(0);
}

async fn a_run_is_controlled() {
    let (bench, _database) = bench().await;
    let manifest = bench.manifest(&bench.world.keys("key", 80));
    let live = bench.spawn_run(&manifest, &["--rate", "20"]);
    bench.world.wait_for_deletes(2);
    let control = |what: &str| bench.keybatch(&["control", "latest", what, "--output", "json"]).exits(0).json();
    control("pause");
    let paused = bench.world.arrived("DeleteKeyPair").len();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(bench.world.arrived("DeleteKeyPair").len() <= paused + 4, "requests in flight alone");
    control("continue");
    control("stop");
    live.wait().exits(5);
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'control_used'"), 3);
    bench.resume().exits(0);
    is_sound(&bench);
}

async fn a_run_is_given_up() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 6);
    bench.run(&bench.manifest(&names), &["--canary", "1"]).exits(5);
    let given_up = bench.keybatch(&["abandon", "latest", "--because", "wrong list", "--output", "json"]);
    assert_eq!(summary(&bench, &given_up)["state"], "abandoned");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1);
    bench.verify().exits(0);
}

async fn a_rehearsal_is_reconciled() {
    let (bench, _database) = bench().await;
    let world =
        json!({ "name": "trail", "seed": 7, "key_pairs": { "us-east-1": [{ "name": "one" }, { "name": "two" }] } });
    let world = bench.file("world.json", world.to_string()).display().to_string();
    bench.run(&bench.manifest(&["one", "two"]), &[&format!("--sandbox={world}")]).exits(0);
    let run = bench.query("SELECT run_id FROM runs")[0]["run_id"].as_str().unwrap().to_owned();
    // The rehearsal's world lies where data lies on this machine.
    let data = bench.home().join("data/keybatch");
    let state = std::fs::read_dir(&data).unwrap().flatten().map(|file| file.path());
    let state = state.into_iter().find(|file| file.display().to_string().ends_with(&format!(".sandbox-{run}")));
    let (state, trail) = (state.unwrap().display().to_string(), path(&bench, "trail"));
    bench.keybatch(&["sandbox", "--state", &state, "--cloudtrail", &trail, "--form", "records"]).exits(0);
    let reconcile = ["reconcile", "latest", "--cloudtrail", &trail, "--record", "--output", "json"];
    let found: Value = bench.keybatch(&reconcile).exits(0).json();
    assert_eq!(found["attempts"]["confirmed"], 2, "{found}");
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'reconciled'"), 1);
    bench.verify().exits(0);
}

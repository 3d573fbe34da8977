//! `doctor --manifest FILE`: whether a run of a manifest could succeed here, tried without harm.

use crate::support::{Act, Bench, Done};
use serde_json::Value;

fn examine(bench: &Bench, manifest: &std::path::Path) -> Done {
    bench.keybatch(&["doctor", "--manifest", &manifest.display().to_string(), "--output", "json"])
}

/// The health and the text of each finding of that check.
fn found(done: &Done, check: &str) -> Vec<(String, String)> {
    let all = done.json();
    let of_it = all.as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_it.map(|finding| (text(&finding["health"]), text(&finding["finding"]))).collect()
}

#[track_caller]
fn says(done: &Done, check: &str, health: &str, part: &str) {
    let found = found(done, check);
    assert!(found.iter().any(|(is, text)| is == health && text.contains(part)), "{check} {health} {part}: {found:#?}");
}

/// Each region of the manifest is tried with every request but a deletion, each once, and nothing is written.
// SEMANTICS: P93
#[test]
fn each_target_is_tried_without_harm() {
    let bench = Bench::new();
    bench.world.state().date_ahead_s = Some(0);
    let mut manifest = "name,region\n".to_owned();
    for region in ["us-east-1", "eu-west-1"] {
        for number in 1..=5 {
            bench.world.state().create(region, &format!("key-{number}"));
            manifest += &format!("key-{number},{region}\n");
        }
    }
    let done = examine(&bench, &bench.file("m.csv", manifest)).exits(0);
    says(&done, "manifest", "good", "m.csv: 10 rows, no fault");
    says(&done, "space", "good", "takes about 1 MiB");
    says(&done, "caller", "good", "of account 123456789012");
    for region in ["us-east-1", "eu-west-1"] {
        says(&done, "clock", "good", region);
        says(&done, "key pairs", "good", &format!("{region}: 3 of the first 3 key pairs of its 5 rows exist"));
        for action in ["GetKeyPairs", "GetOperationsForResource", "GetOperation", "GetInstances"] {
            says(&done, "permission", "good", &format!("{region}: lightsail:{action} is permitted"));
        }
    }
    says(&done, "delete", "NOTE", "lightsail:DeleteKeyPair was not tried");
    let sent = bench.world.state().log.iter().filter(|one| one.operation != "GetCallerIdentity").count();
    assert_eq!(sent, 2 * 7 + 1, "as many as are announced");
    says(
        &done,
        "requests",
        "good",
        "15 requests that read were sent to Lightsail, at most 7 in each region and 1 more",
    );
    assert!(bench.world.arrived("DeleteKeyPair").is_empty() && !bench.journal().exists());
}

/// What may not be read is bad; what a run can do without is noted, with what is lost.
// SEMANTICS: P93
#[test]
fn missing_permissions_are_named() {
    for (action, health, code, part) in [
        ("GetKeyPair", "BAD", 9, "lightsail:GetKeyPair of key-01"),
        ("GetKeyPairs", "BAD", 9, "us-east-1: lightsail:GetKeyPairs"),
        (
            "GetInstances",
            "NOTE",
            0,
            "lightsail:GetInstances is not permitted: it stays unknown which key pairs are in use",
        ),
        ("GetOperation", "NOTE", 0, "settled only by reading the key pair"),
        ("GetOperationsForResource", "NOTE", 0, "settled only by reading the key pair"),
    ] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        bench.world.deny(action);
        let done = examine(&bench, &bench.manifest(&names)).exits(code);
        says(&done, "permission", health, part);
    }
}

/// A clock that the service would not accept, or that is merely wrong.
// SEMANTICS: P93
#[test]
fn the_clock_is_compared_with_the_service() {
    for (ahead, health, code, part) in [
        (-400, "BAD", 9, "s ahead of the service's, which refuses such requests"),
        (400, "BAD", 9, "s behind the service's"),
        (30, "NOTE", 0, "s behind the service's"),
        (0, "good", 0, "agrees"),
    ] {
        let bench = Bench::new();
        bench.world.state().date_ahead_s = Some(ahead);
        let names = bench.world.keys("key", 1);
        let done = examine(&bench, &bench.manifest(&names)).exits(code);
        says(&done, "clock", health, part);
    }
}

/// A manifest with faults is refused as `run` refuses it, and nothing is sent; a faulty row is skipped on demand.
// SEMANTICS: P93
#[test]
fn a_faulty_manifest_is_refused_as_by_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.file("m.csv", format!("name\n{}\n-wrong-\n", names[0]));
    let done = examine(&bench, &manifest).exits(4);
    let run = bench.run(&manifest, &[]).exits(4);
    assert_eq!((&done.json()["code"], &done.json()["faults"]), (&run.json()["code"], &run.json()["faults"]), "{done}");
    assert_eq!(done.json()["sent"], "nothing", "{done}");
    assert!(bench.world.state().log.is_empty(), "{done}");
    let path = manifest.display().to_string();
    bench.keybatch(&["doctor", "--manifest", &path, "--skip-invalid"]).exits(0);
    bench.keybatch(&["doctor", "--manifest", "/nowhere.csv"]).exits(4);
}

/// Key pairs that are not there, credentials that have expired, and an address at which nobody answers.
// SEMANTICS: P93
#[test]
fn what_keeps_a_run_from_succeeding_is_found() {
    let bench = Bench::new();
    let manifest = bench.manifest(&["not-there", "nor-there"]);
    let done = examine(&bench, &manifest).exits(0);
    says(
        &done,
        "key pairs",
        "NOTE",
        "0 of the first 2 key pairs of its 2 rows exist: check account, region and profile",
    );
    bench.world.script("GetKeyPairs", "*", [Act::throttle()]);
    let done = examine(&bench, &manifest).exits(0);
    says(&done, "permission", "NOTE", "lightsail:GetKeyPairs was throttled");
    bench.world.state().expired = true;
    let done = examine(&bench, &manifest).exits(9);
    says(&done, "service", "BAD", "expired");
    let mut gone = Bench::new();
    gone.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let done = examine(&gone, &gone.manifest(&["key"])).exits(9);
    says(&done, "service", "BAD", "127.0.0.1:1");
    says(&done, "journal", "NOTE", "does not exist yet");
}

/// What signing and checkpoints need. Nothing of it keeps a run from succeeding, except a file that cannot be written.
// SEMANTICS: P93
#[test]
fn the_set_up_for_signing_is_shown() {
    let mut bench = Bench::new();
    let doctor = |bench: &Bench| bench.keybatch(&["doctor", "--output", "json"]);
    let tools = bench.home().join("tools");
    std::fs::create_dir(&tools).unwrap();
    bench.set("PATH", &tools.display().to_string());
    let done = doctor(&bench).exits(0);
    says(&done, "signing", "NOTE", "ssh-keygen is not in PATH");
    says(&done, "agent", "NOTE", "no SSH agent is set");
    says(&done, "checkpoints", "NOTE", "no file is set");
    let program = bench.file("tools/ssh-keygen", "#!/bin/sh\n");
    says(&doctor(&bench), "signing", "NOTE", "not in PATH");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let socket = bench.home().join("agent");
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    bench.set("SSH_AUTH_SOCK", &socket.display().to_string());
    bench.set("KEYBATCH_CHECKPOINT_TO", &bench.home().join("new.txt").display().to_string());
    let done = doctor(&bench).exits(0);
    says(&done, "signing", "good", "tools/ssh-keygen");
    says(&done, "agent", "good", "answers at");
    says(&done, "checkpoints", "good", "does not exist yet; a run creates it");
    assert!(!bench.home().join("new.txt").exists());
    bench.set("SSH_AUTH_SOCK", "/nowhere/agent");
    bench.set("KEYBATCH_CHECKPOINT_TO", &bench.home().display().to_string());
    let done = doctor(&bench).exits(9);
    says(&done, "agent", "NOTE", "no SSH agent answers");
    says(&done, "checkpoints", "BAD", "cannot be written");
}

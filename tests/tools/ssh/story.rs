//! From Wednesday to Friday: one person plans, two others approve with real keys, and exactly that list is deleted. Whatever else is
//! brought is refused before any delete.

use serde_json::Value;

use super::Keys;
use crate::support::{Bench, invariants, summary};

/// A run that must be refused before anything is deleted; its code.
#[track_caller]
fn refused(bench: &Bench, args: &[&str]) -> Value {
    let error = bench.keybatch(args).exits(4).json();
    assert!(bench.world.arrived("DeleteKeyPair").is_empty(), "{error}");
    error
}

/// A manifest of these key pairs, planned; the plan's file.
fn planned(bench: &Bench, names: &[String], name: &str) -> String {
    let manifest = bench.manifest(names).display().to_string();
    let plan = bench.home().join(name).display().to_string();
    bench.keybatch(&["plan", &manifest, "-o", &plan, "--rate", "unlimited", "--ticket", "OPS-17"]).exits(0);
    plan
}

fn approve(bench: &Bench, plan: &str, key: &std::path::Path, who: &str) {
    bench.keybatch(&["approve", plan, "--key", &key.display().to_string(), "--as", who]).exits(0);
}

// SEMANTICS: P83
fn a_plan_is_approved_by_two_people_and_executed() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (anna, ben) = (keys.make("anna", "rsa", "3072", ""), keys.make("ben", "ecdsa", "256", ""));
    let mallory = keys.ed25519("mallory");
    let names = bench.world.keys("key", 3);
    let plan = planned(&bench, &names, "friday.plan");
    let signers = keys.signers("signers", &[("anna@example.com", "", &anna), ("ben@example.com", "", &ben)]);
    let base = ["run", &plan, "--yes", "--rate", "unlimited", "--output", "json", "--allowed-signers", &signers];
    let two = [&base[..], &["--require-approvals", "2"]].concat();
    // Nobody, then one, then somebody who may not.
    assert_eq!(refused(&bench, &two)["code"], "plan.not_approved");
    approve(&bench, &plan, &anna, "anna@example.com");
    approve(&bench, &plan, &mallory, "mallory@example.com");
    let error = refused(&bench, &two);
    assert!(error["message"].as_str().unwrap().starts_with("1 of the 2"), "{error}");
    // The approvals of another plan are none of this one.
    let other = planned(&bench, &names[..2], "other.plan");
    approve(&bench, &other, &ben, "ben@example.com");
    let stolen = format!("{other}.ben@example.com.sig");
    std::fs::copy(&stolen, format!("{plan}.ben@example.com.sig")).unwrap();
    assert_eq!(refused(&bench, &two)["code"], "plan.not_approved");
    std::fs::remove_file(format!("{plan}.ben@example.com.sig")).unwrap();
    approve(&bench, &plan, &ben, "ben@example.com");
    // The same person twice is one.
    let again = keys.ed25519("anna-2");
    let both = keys.signers("both", &[("anna@example.com", "", &anna), ("anna@example.com", "", &again)]);
    let args = ["run", &plan, "--yes", "--output", "json", "--allowed-signers", &both, "--require-approvals", "2"];
    assert_eq!(refused(&bench, &args)["code"], "plan.not_approved");
    // Stock ssh-keygen accepts what keybatch does.
    for who in ["anna@example.com", "ben@example.com"] {
        let script = format!(
            "ssh-keygen -Y verify -f {signers} -I {who} -n plan@keybatch -s {plan}.{who}.sig < {plan}.approval.txt"
        );
        keys.run("sh", &["-c", &script]);
    }
    let done = bench.keybatch(&two).exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 3);
    let who = bench.query("SELECT signer AS who, plan_root FROM approvals ORDER BY signer");
    assert!(who.iter().all(|row| row["plan_root"] == summary(&bench, &done)["plan_root"]), "{who:?}");
    let who: Vec<_> = who.iter().map(|row| row["who"].as_str().unwrap().to_owned()).collect();
    assert_eq!(who, ["anna@example.com", "ben@example.com"]);
    invariants(&bench);
    // What the reviewer demands, the reviewer's own list decides.
    let verify = |signers: &str, count: &str| {
        bench.keybatch(&["verify", "--allowed-signers", signers, "--require-approvals", count, "--output", "json"])
    };
    verify(&signers, "2").exits(0);
    verify(&signers, "3").exits(7);
    let lacking = verify(&both, "2").exits(7).json();
    assert_eq!(lacking["verdict"], "illegal_history", "{lacking}");
    // A run of a manifest has no approvals at all.
    let plain = Bench::new();
    plain.run(&plain.manifest(&plain.world.keys("key", 1)), &[]).exits(0);
    plain.keybatch(&["verify", "--allowed-signers", &signers, "--require-approvals", "1"]).exits(7);
    plain.keybatch(&["verify", "--allowed-signers", &signers, "--require-approvals", "0"]).exits(0);
}

// SEMANTICS: P83
fn approvals_in_a_journal_cannot_be_forged() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (anna, ben) = (keys.ed25519("anna"), keys.ed25519("ben"));
    let signers = keys.signers("signers", &[("anna@example.com", "", &anna), ("ben@example.com", "", &ben)]);
    let run = |bench: &Bench, plan: &str| {
        let args =
            ["run", plan, "--yes", "--rate", "unlimited", "--allowed-signers", &signers, "--require-approvals", "1"];
        bench.keybatch(&args).exits(0);
    };
    let first = planned(&bench, &bench.world.keys("one", 1), "one.plan");
    approve(&bench, &first, &anna, "anna@example.com");
    run(&bench, &first);
    let second = planned(&bench, &bench.world.keys("two", 1), "two.plan");
    approve(&bench, &second, &ben, "ben@example.com");
    run(&bench, &second);
    bench.keybatch(&["verify", "--allowed-signers", &signers, "--require-approvals", "1"]).exits(0);
    let bodies = bench.query("SELECT seq, body FROM entries WHERE kind = 'plan_approved' ORDER BY seq");
    assert_eq!(bodies.len(), 2);
    // Exchanged, or with another name: convicted as altered by the chain; the rules behind it are tested beside the code.
    let db = bench.journal().display().to_string();
    let script = format!(
        "sqlite3 '{db}' \"DROP TRIGGER entry_not_changed; UPDATE entry SET body = replace(body, 'anna@example.com', 'carl@example.com') \
         WHERE json_extract(body, '$.kind') = 'plan_approved'\""
    );
    crate::shell::needs("sqlite3");
    keys.run("sh", &["-c", &script]);
    let told = bench.keybatch(&["verify", "--output", "json"]).exits(7).json();
    assert_eq!(told["verdict"], "altered", "{told}");
}

crate::harness::tests![a_plan_is_approved_by_two_people_and_executed, approvals_in_a_journal_cannot_be_forged];

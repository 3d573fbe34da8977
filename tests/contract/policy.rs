//! An organisation's policy: what it keeps from being deleted, what it refuses, what may be lifted, and what a run is bound to.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{ACCOUNT, Bench, Done, HOME, invariants, now_us, row, summary};

/// Writes a policy, and returns its path.
fn policy(bench: &Bench, text: &str) -> String {
    bench.file("policy.toml", text).display().to_string()
}

fn run_under(bench: &Bench, manifest: &Path, text: &str, more: &[&str]) -> Done {
    bench.run(manifest, &[&["--policy", &policy(bench, text)], more].concat())
}

/// A manifest was refused as a whole, and nothing but reads was sent.
#[track_caller]
fn refused(bench: &Bench, done: Done, code: &str) -> Value {
    let error = done.exits(4).json();
    assert_eq!(error["code"], code, "{error}");
    assert_ne!(error["sent"], "deletes", "{error}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0, "{error}");
    error
}

// SEMANTICS: P86
#[test]
fn what_a_policy_protects_is_skipped_and_the_rest_is_deleted() {
    let bench = Bench::new();
    for name in ["prod-web", "break-glass", "young", "old"] {
        bench.world.key(name);
    }
    let now_ms = now_us() / 1_000;
    if let Some(young) = bench.world.state().keys.get_mut(&(HOME.to_owned(), "young".to_owned())) {
        young.created_ms = now_ms;
        young.created_number = format!("{}.{:03}", now_ms / 1_000, now_ms % 1_000);
    }
    let text = "protected_names = [\"prod-*\", \"break-glass\"]\nminimum_age = \"30d\"\n";
    let manifest = bench.manifest(&["prod-web", "break-glass", "young", "old", "never-was"]);
    let done = run_under(&bench, &manifest, text, &[]).exits(3);
    assert_eq!(summary(&bench, &done)["outcomes"]["skipped"], 3, "{done}");
    for (name, note) in [("prod-web", "protected_name"), ("break-glass", "protected_name"), ("young", "too_young")] {
        assert_eq!((row(&bench, name).outcome().as_str(), bench.world.deletes(name)), ("skipped", 0), "{done}");
        let noted = format!(
            "SELECT json_extract(body, '$.line.notes') AS notes FROM entry WHERE json_extract(body, '$.kind') = \
             'intent_recorded' AND json_extract(body, '$.line.name') = '{name}'"
        );
        assert!(bench.query(&noted)[0]["notes"].as_str().unwrap().contains(note), "{name}: {note}");
    }
    assert_eq!(row(&bench, "old").verdict(), "deleted/answer");
    // There is nothing to protect of a key pair that is not there.
    assert_eq!(row(&bench, "never-was").outcome(), "absent");
    invariants(&bench);
}

// SEMANTICS: P86
#[test]
fn a_tag_protects_a_key_pair() {
    let bench = Bench::new();
    let world = json!({ "name": "tagged", "key_pairs": { HOME: [
        { "name": "kept", "tags": { "env": "prod-eu" } }, { "name": "flagged", "tags": { "keep": "" } }, { "name": "free", "tags": { "env": "test" } }
    ] } });
    let world = bench.file("world.json", world.to_string()).display().to_string();
    let text = "protected_tags = [\"env=prod*\", \"keep\"]\n";
    let manifest = bench.manifest(&["kept", "flagged", "free"]);
    let done = run_under(&bench, &manifest, text, &[&format!("--sandbox={world}")]).exits(3);
    let outcomes = &done.json()["outcomes"];
    assert_eq!((&outcomes["skipped"], &outcomes["deleted"]), (&json!(2), &json!(1)), "{done}");
    assert_eq!(row(&bench, "free").outcome(), "deleted");
    bench.verify().exits(0);
}

// SEMANTICS: P87
#[test]
fn what_a_policy_does_not_allow_refuses_the_plan() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest =
        bench.file("m.csv", format!("name,ticket,Owner\n{},SEC-1,build\n{},OPS-2,build\n", names[0], names[1]));
    for (text, said) in [
        ("accounts = [\"111122223333\"]", "does not allow the account 123456789012"),
        ("accounts = []", "does not allow the account 123456789012"),
        ("regions = [\"eu-*\"]", "does not allow the region us-east-1"),
        ("regions = []", "does not allow the region us-east-1"),
        ("[required_columns]\nticket = [\"SEC-*\", \"NET-*\"]", "row 2, key-02: the policy requires"),
        ("[required_columns]\nreason = \"*\"", "any text in the column reason, which is empty"),
        ("[required_columns]\nowner = \"platform\"", "platform in the column owner"),
    ] {
        let error = refused(&bench, run_under(&bench, &manifest, text, &[]), "plan.refused");
        assert!(error["causes"].to_string().contains(said), "{text}: {error}");
    }
    let text = format!(
        "accounts = [\"{ACCOUNT}\"]\nregions = [\"us-*\"]\nendpoints = [\"http://127.0.0.1:*\"]\n\
         [required_columns]\nticket = [\"SEC-*\", \"OPS-*\"]\nOWNER = \"*\"\nname = \"key-0?\"\n"
    );
    run_under(&bench, &manifest, &text, &[]).exits(0);
    invariants(&bench);
}

// SEMANTICS: P87
#[test]
fn a_plan_that_does_too_much_is_refused_for_everything_at_once() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let manifest = bench.manifest(&names[..3]);
    for (text, code) in [
        ("maximum_deletes = 2", "policy.maximum_deletes"),
        ("maximum_deletes = 0", "policy.maximum_deletes"),
        ("maximum_percent = 74.99", "policy.maximum_percent"),
        ("endpoints = [\"aws\", \"sandbox\"]", "policy.endpoint"),
        ("endpoints = []", "policy.endpoint"),
    ] {
        refused(&bench, run_under(&bench, &manifest, text, &[]), code);
    }
    let all = "maximum_deletes = 2\nmaximum_percent = 50\nendpoints = [\"aws\"]\n";
    let error = refused(&bench, run_under(&bench, &manifest, all, &[]), "plan.refused");
    let counts = json!({ "policy.maximum_deletes": 1, "policy.maximum_percent": 1, "policy.endpoint": 1 });
    assert_eq!((&error["fault_counts"], error["causes"].as_array().map(Vec::len)), (&counts, Some(3)), "{error}");
    // Rows that refuse the plan are no deletions.
    let rows = format!("{all}regions = [\"eu-*\"]\n");
    let error = refused(&bench, run_under(&bench, &manifest, &rows, &[]), "plan.refused");
    assert_eq!(error["fault_counts"], json!({ "policy.endpoint": 1, "plan.refused": 3 }), "{error}");
    // What a run refuses, a dry run and a plan refuse, too.
    let path = policy(&bench, "maximum_deletes = 2");
    refused(&bench, bench.run_unconfirmed(&manifest, &["--dry-run", "--policy", &path]), "policy.maximum_deletes");
    let (from, to) = (manifest.display().to_string(), bench.home().join("p.plan"));
    let to = to.display().to_string();
    let plan = |more: &[&str]| bench.keybatch(&[&["plan", &from, "-o", &to, "--output", "json"], more].concat());
    refused(&bench, plan(&["--policy", &path]), "policy.maximum_deletes");
    assert!(!Path::new(&to).exists());
    run_under(&bench, &manifest, "maximum_deletes = 3\nmaximum_percent = 75", &[]).exits(0);
    invariants(&bench);
}

// SEMANTICS: P88
#[test]
fn what_may_be_overridden_is_said_in_the_file_and_recorded() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    let text = "maximum_deletes = 1\nregions = [\"us-*\"]\noverridable = [\"maximum_deletes\"]\n";
    let because = ["--because", "the old fleet is gone"];
    let with = |rule: &str| run_under(&bench, &manifest, text, &[&["--override", rule], &because[..]].concat());
    refused(&bench, run_under(&bench, &manifest, text, &[]), "policy.maximum_deletes");
    refused(&bench, with("regions"), "policy.not_overridable");
    assert_eq!(with("minimum_age").exits(2).json()["code"], "usage.arguments");
    with("minimum-age").exits(2);
    run_under(&bench, &manifest, text, &["--override", "maximum_deletes"]).exits(2);
    run_under(&bench, &manifest, text, &because).exits(2);
    with("maximum_deletes").exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 3);
    let used = bench.query("SELECT override, why FROM overrides");
    assert_eq!(used, [json!({ "override": "policy.maximum_deletes", "why": because[1] })]);
    let settings = "SELECT json_extract(body, '$.header.settings.override') AS rule FROM entry WHERE \
                    json_extract(body, '$.kind') = 'plan_sealed'";
    assert_eq!(bench.query(settings)[0]["rule"], "maximum_deletes");
    invariants(&bench);
}

// SEMANTICS: P89
#[test]
fn a_run_is_bound_to_its_policy() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let manifest = bench.manifest(&names);
    let own = policy(&bench, "maximum_deletes = 9\n");
    bench.run(&manifest, &["--policy", &own, "--max-deletes", "1"]).exits(5);
    let sha256 = "SELECT json_extract(body, '$.header.policy_sha256') AS plan, (SELECT json_extract(body, '$.policy_sha256') \
                  FROM entry WHERE json_extract(body, '$.kind') = 'session_opened') AS session FROM entry WHERE \
                  json_extract(body, '$.kind') = 'plan_sealed'";
    let bound = bench.query(sha256);
    let digest = bound[0]["plan"].as_str().unwrap().to_owned();
    assert_eq!((digest.len(), &bound[0]["session"]), (64, &bound[0]["plan"]));
    // Another one, be it by a comment alone, or none.
    let other = bench.file("other.toml", "maximum_deletes = 9 # as before\n").display().to_string();
    for more in [vec!["resume"], vec!["resume", "--policy", &other]] {
        let error = bench.keybatch(&[&more[..], &["--output", "json"]].concat()).exits(4).json();
        assert_eq!((&error["code"], &error["sent"]), (&json!("run.bound"), &json!("nothing")), "{error}");
        assert!(error["message"].as_str().unwrap().contains(&digest), "{error}");
    }
    let path = manifest.display().to_string();
    bench.keybatch(&["run", &path, "--resume", "--yes", "--policy", &other]).exits(4);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1);
    bench.set("KEYBATCH_POLICY", &own);
    bench.resume().exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 4);
    invariants(&bench);
}

/// To give a run up needs no policy: nothing is deleted.
// SEMANTICS: P89
#[test]
fn a_run_whose_policy_is_lost_can_be_given_up() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 3));
    run_under(&bench, &manifest, "maximum_deletes = 9\n", &["--max-deletes", "1"]).exits(5);
    bench.keybatch(&["abandon", "latest", "--because", "its policy is lost"]).exits_one_of(&[0, 5]);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1);
    bench.verify().exits(0);
}

// SEMANTICS: P86
#[test]
fn of_the_policy_and_the_flag_the_stricter_holds() {
    for (rule, flag, code, deletes) in [
        ("skip", "warn", 3, 1),
        ("warn", "skip", 3, 1),
        ("refuse", "skip", 4, 0),
        ("skip", "refuse", 4, 0),
        ("warn", "warn", 0, 2),
    ] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        let instance = (HOME.to_owned(), "web-1".to_owned());
        bench.world.state().instances.push((instance, names[0].clone()));
        let text = format!("if_in_use = \"{rule}\"");
        let done = run_under(&bench, &bench.manifest(&names), &text, &["--if-in-use", flag]).exits(code);
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes, "{rule} {flag}: {done}");
    }
}

// SEMANTICS: P90
#[test]
fn the_rate_of_a_policy_is_a_cap_whatever_the_flag_says() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 6));
    let text = format!("[rates]\n\"*/*\" = \"50/s\"\n\"{ACCOUNT}/{HOME}\" = \"4/s\"\n");
    run_under(&bench, &manifest, &text, &["--rate", "unlimited"]).exits(0);
    let mut at: Vec<i64> = bench
        .world
        .state()
        .log
        .iter()
        .filter(|call| call.operation != "GetCallerIdentity")
        .map(|call| call.at_us)
        .collect();
    at.sort_unstable();
    // A listing of each kind, a trial and six deletes: of any five in a row, the last is a second after the first.
    assert!(at.len() >= 9 && at.windows(5).all(|five| five[4] - five[0] > 900_000), "{at:?}");
    invariants(&bench);
}

// SEMANTICS: P87
#[test]
fn a_manifest_is_not_run_where_a_plan_must_be_approved() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 2));
    for text in ["approvals = 1", "four_eyes = true"] {
        let error = refused(&bench, run_under(&bench, &manifest, text, &[]), "policy.approvals");
        assert!(error["hints"].to_string().contains("keybatch plan"), "{error}");
        let path = policy(&bench, text);
        let dry = bench.run_unconfirmed(&manifest, &["--dry-run", "--confirm", "2", "--policy", &path]).exits(4);
        // One document: the plan, and why a run of it would be refused.
        let (plan, said) = (dry.json(), dry.stderr.clone());
        assert_eq!((&plan["schema"], &plan["plan"]["deletes"]), (&"keybatch.plan.shown/1".into(), &2.into()), "{plan}");
        assert_eq!(
            (&plan["refused"]["code"], &plan["refused"]["exit"]),
            (&"policy.approvals".into(), &4.into()),
            "{plan}"
        );
        assert_eq!(plan["refused"]["sent"], "reads", "{plan}");
        assert!(said.contains("only read requests were sent") && !said.contains("nothing was sent"), "{said}");
    }
    let dry = bench.run_unconfirmed(&manifest, &["--dry-run", "--confirm", "1"]).exits(4).json();
    assert_eq!((&dry["refused"]["code"], &dry["refused"]["sent"]), (&"plan.confirm".into(), &"reads".into()), "{dry}");
    let to = bench.home().join("a.plan").display().to_string();
    bench
        .keybatch(&["plan", &manifest.display().to_string(), "-o", &to, "--policy", &policy(&bench, "approvals = 1")])
        .exits(0);
    let header = std::fs::read_to_string(&to).unwrap();
    assert!(header.lines().next().unwrap().contains("\"policy_sha256\":\""), "{header}");
}

// SEMANTICS: P91
#[test]
fn a_policy_with_faults_is_refused_with_all_of_them() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let text = "account = [\"111122223333\"]\nminimum_age = 30\n[rates]\nmaximum_deletes = 4\n";
    let path = policy(&bench, text);
    let (from, to) = (manifest.display().to_string(), bench.home().join("p.plan").display().to_string());
    for arguments in [
        vec!["policy", "check", &path],
        vec!["run", &from, "--yes", "--policy", &path],
        vec!["plan", &from, "-o", &to, "--policy", &path],
        vec!["resume", "--policy", &path],
    ] {
        let done = bench.keybatch(&[&arguments[..], &["--output", "json"]].concat()).exits(4);
        let error = done.json();
        let places: Vec<_> = error["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| (fault["line"].as_u64(), fault["code"].as_str()))
            .collect();
        let (first, second, third) = ("policy.unknown_key", "policy.type", "policy.misplaced_key");
        assert_eq!(places, [(Some(1), Some(first)), (Some(2), Some(second)), (Some(4), Some(third))], "{error}");
        assert_eq!((&error["code"], &error["sent"]), (&json!("policy.faults"), &json!("nothing")));
        assert!(done.stderr.contains("policy.toml:1:1") && done.stderr.contains("did you mean `accounts`?"), "{done}");
    }
    let error = bench.keybatch(&["policy", "check", "/no/such.toml", "--output", "json"]).exits(4).json();
    assert_eq!(error["code"], "policy.unreadable");
    assert!(bench.world.state().log.is_empty() && !bench.journal().exists());
}

// SEMANTICS: P91
#[test]
fn a_policy_is_explained_rule_by_rule() {
    let bench = Bench::new();
    let path = policy(&bench, "minimum_age = \"12h\"\nregions = []\noverridable = [\"minimum_age\"]\n");
    let said = bench.keybatch(&["policy", "check", &path, "--output", "json"]).exits(0).json();
    let rule = |name: &str| said["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == name).unwrap().clone();
    let age = rule("minimum_age");
    assert_eq!((&age["set"], &age["overridable"]), (&json!(true), &json!(true)));
    assert!(age["says"].as_str().unwrap().contains("younger than 12h"), "{age}");
    assert!(rule("regions")["says"].as_str().unwrap().contains("an empty list allows nothing"));
    assert_eq!((&rule("accounts")["set"], &rule("rates")["set"]), (&json!(false), &json!(false)));
    assert_eq!((said["sha256"].as_str().unwrap().len(), said["file"].as_str()), (64, Some(path.as_str())));
    for form in ["table", "csv", "jsonl"] {
        let done = bench.keybatch(&["policy", "check", &path, "--output", form]).exits(0);
        assert!(done.stdout.contains("minimum_age") && done.stdout.contains("younger than 12h"), "{done}");
    }
}

/// A plan's file is executed under the policy that it was made under, with what was lifted then; and what the day shows counts.
// SEMANTICS: P89
#[test]
fn a_plan_is_executed_under_its_policy() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names).display().to_string();
    let text = "maximum_deletes = 1\nprotected_names = [\"key-03\"]\noverridable = [\"maximum_deletes\"]\n";
    let own = policy(&bench, text);
    let to = bench.home().join("a.plan").display().to_string();
    let lifted = ["--override", "maximum_deletes", "--because", "the old fleet is gone"];
    let made = ["plan", &manifest, "-o", &to, "--policy", &own, "--rate", "unlimited"];
    bench.keybatch(&[&made[..], &lifted].concat()).exits(0);
    let run = |more: &[&str]| bench.keybatch(&[&["run", &to, "--yes", "--output", "json"], more].concat());
    let other = bench.file("other.toml", "").display().to_string();
    for more in [vec![], vec!["--policy", &other]] {
        let error = refused(&bench, run(&more), "plan.bound");
        assert_eq!(error["sent"], "nothing", "{error}");
    }
    run(&[&["--policy", &own], &lifted[..]].concat()).exits(2);
    let done = run(&["--policy", &own]).exits(3).json();
    assert_eq!((&done["outcomes"]["deleted"], &done["outcomes"]["skipped"]), (&json!(2), &json!(1)), "{done}");
    assert_eq!(bench.query("SELECT override FROM overrides"), [json!({ "override": "policy.maximum_deletes" })]);
    invariants(&bench);
}

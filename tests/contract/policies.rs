//! `iam-policy` from outside: the policy of a manifest, what it says cannot be narrowed, and what it refuses.

use serde_json::{Value, json};

use crate::support::Bench;

fn statement<'a>(policy: &'a Value, sid: &str) -> &'a Value {
    policy["Statement"].as_array().unwrap().iter().find(|statement| statement["Sid"] == sid).unwrap()
}

/// The policy names the manifest's key pairs, accounts and regions, and nothing is sent to find that out.
#[test]
fn a_policy_is_for_the_accounts_and_regions_of_the_manifest() {
    let bench = Bench::new();
    let arn = "arn:aws:lightsail:eu-central-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-0123456789ab";
    let text = format!(
        "key_pair_name,region,account_id,arn\nold-a,,,{arn}\nold-b,us-east-1,444455556666,\nold-c,eu-central-1,111122223333,\n"
    );
    let manifest = bench.file("m.csv", text).display().to_string();
    let done = bench.keybatch(&["iam-policy", "--role", "operator", "--manifest", &manifest]).exits(0);
    let policy = done.json();
    let resources = json!([
        "arn:aws:lightsail:eu-central-1:111122223333:KeyPair/*",
        "arn:aws:lightsail:us-east-1:444455556666:KeyPair/*"
    ]);
    assert_eq!(statement(&policy, "Delete")["Resource"], resources);
    assert_eq!(
        statement(&policy, "Read")["Condition"]["StringEquals"]["aws:RequestedRegion"],
        json!(["eu-central-1", "us-east-1"])
    );
    for said in ["rows with an `arn`", "GetKeyPairs", "several accounts"] {
        assert!(done.stderr.contains(said), "{said}\n{done}");
    }
    let one = ["iam-policy", "--role", "operator", "--manifest", &manifest, "--account", "444455556666"];
    assert_eq!(statement(&bench.keybatch(&one).exits(0).json(), "Delete")["Resource"], json!([resources[1]]));
    let exact = bench.file("exact.csv", format!("key_pair_name,arn\nold-a,{arn}\n")).display().to_string();
    let done = bench.keybatch(&["iam-policy", "--role", "operator", "--manifest", &exact]).exits(0);
    assert_eq!(statement(&done.json(), "Delete")["Resource"], json!([arn]));
    assert!(bench.world.state().log.is_empty());
}

/// Accounts that the user configuration reaches as roles need one statement more, for whoever assumes them.
#[test]
fn roles_of_the_manifests_accounts_may_be_assumed() {
    let bench = Bench::new();
    let role = |account: &str| format!("arn:aws:iam::{account}:role/cleanup");
    let table = |account: &str| format!("[accounts.\"{account}\"]\nrole_arn = \"{}\"\n", role(account));
    let settings = bench.home().join("config/keybatch");
    std::fs::create_dir_all(&settings).unwrap();
    let text = [table("444455556666"), table("777788889999"), "[accounts.\"111122223333\"]\nprofile = \"p\"\n".into()];
    std::fs::write(settings.join("keybatch.toml"), text.concat()).unwrap();
    let text = "key_pair_name,region,account_id\nold-a,us-east-1,111122223333\nold-b,us-east-1,444455556666\n";
    let manifest = bench.file("m.csv", text).display().to_string();
    let base = ["iam-policy", "--role", "operator"];
    let done = bench.keybatch(&[&base[..], &["--manifest", &manifest]].concat()).exits(0);
    assert_eq!(statement(&done.json(), "Assume")["Resource"], json!([role("444455556666")]), "{done}");
    assert!(done.stderr.contains("trust policy"), "{done}");
    let done = bench.keybatch(&base).exits(0);
    assert_eq!(statement(&done.json(), "Assume")["Resource"], json!([role("444455556666"), role("777788889999")]));
    let done = bench.keybatch(&[&base[..], &["--account", "111122223333"]].concat()).exits(0);
    assert!(!done.stdout.contains("sts:AssumeRole"), "{done}");
}

/// A manifest with faults gives no policy.
#[test]
fn no_policy_is_made_from_a_faulty_manifest() {
    let bench = Bench::new();
    let manifest = bench.file("m.csv", "key_pair_name,region\nold-a,Frankfurt\n").display().to_string();
    let args = ["iam-policy", "--role", "planner", "--manifest", &manifest, "--output", "json"];
    let refusal = bench.keybatch(&args).exits(4).json();
    assert_eq!(
        (&refusal["code"], &refusal["faults"][0]["line"]),
        (&"manifest.region".into(), &2.into()),
        "{refusal:#}"
    );
    bench.keybatch(&["iam-policy", "--role", "planner", "--account", "12"]).exits(2);
    bench.keybatch(&["iam-policy", "--role", "planner", "--region", "Frankfurt"]).exits(2);
}

/// The commands that take `--policy`, as the reference lists them.
fn that_take_a_policy() -> Vec<String> {
    let reference = include_str!("../../docs/CLI.md");
    let sections = reference.split("\n## keybatch ").skip(1);
    let takes = |section: &&str| section.lines().any(|line| line.trim_start().starts_with("--policy <FILE>"));
    sections.filter(takes).map(|section| section.lines().next().unwrap().to_owned()).collect()
}

/// A policy that is missing, or that is no file, refuses what would be under it (4), whatever the command: a mistake in what is typed is
/// another thing (2).
#[test]
fn a_policy_that_cannot_be_read_refuses_every_command_alike() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1)).display().to_string();
    let (missing, directory) = (bench.home().join("none.toml"), bench.home().join("work"));
    let plan = bench.home().join("new.plan").display().to_string();
    let lines: [(&str, &[&str]); 7] = [
        ("run", &["run", &manifest, "--yes"]),
        ("run", &["run", "--only", "failed", "--of", "latest", "--yes"]),
        ("plan", &["plan", &manifest, "-o", &plan]),
        ("resume", &["resume"]),
        ("work", &["work", "latest"]),
        ("verify", &["verify"]),
        ("policy check", &["policy", "check"]),
    ];
    let mut known = that_take_a_policy();
    known.push("policy check".to_owned());
    let told: std::collections::BTreeSet<_> = lines.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(told, known.into_iter().collect(), "each command that takes a policy is in the list");
    for (command, line) in lines {
        for file in [&missing, &directory] {
            let file = file.display().to_string();
            let named = if command == "policy check" { vec![file.as_str()] } else { vec!["--policy", &file] };
            let done = bench.keybatch(&[line, &named, &["--output", "json"]].concat()).exits(4);
            let told = done.json();
            assert_eq!((&told["code"], &told["sent"]), (&json!("policy.unreadable"), &json!("nothing")), "{done}");
        }
    }
    assert!(bench.world.arrived("DeleteKeyPair").is_empty() && !bench.journal().exists());
}

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

//! A run is bound to its endpoint, account and plan (I11); locks, missing permissions, and an unusable environment (exit codes 8
//! and 9).

mod again;

use std::time::Duration;

use crate::support::{ACCOUNT, Act, Bench, StandIn, invariants, summary};

/// A label and what it spoils.
type Case<F> = (&'static str, F);

/// No DeleteKeyPair arrived at this stand-in.
#[track_caller]
fn untouched(world: &StandIn) {
    assert_eq!(world.arrived("DeleteKeyPair").len(), 0);
    assert!(world.state().gone.is_empty());
}

/// `--expect-account`: with the right account the run proceeds, with another one nothing is sent.
#[test]
fn the_expected_account() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let done = bench.run(&manifest, &["--expect-account", "999999999999"]).exits_one_of(&[4, 9]);
    assert!(done.stderr.contains("999999999999") && done.stderr.contains(ACCOUNT), "both are named\n{done}");
    untouched(&bench.world);
    bench.run(&manifest, &["--expect-account", ACCOUNT]).exits(0);
    invariants(&bench);
}

/// I11: a resume against another endpoint is refused, and nothing is sent there; against the right one it finishes.
// SEMANTICS: P47
#[test]
fn another_endpoint_is_refused() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    let elsewhere = StandIn::start();
    elsewhere.keys("key", 4);
    bench.set("AWS_ENDPOINT_URL", &elsewhere.url());
    let done = bench.resume().exits_one_of(&[4, 9]);
    assert!(done.stderr.contains(&elsewhere.url()), "names the endpoint\n{done}");
    untouched(&elsewhere);
    let right = bench.world.url();
    bench.set("AWS_ENDPOINT_URL", &right);
    // The more specific variable wins and must not retarget silently.
    bench.set("AWS_ENDPOINT_URL_LIGHTSAIL", &elsewhere.url());
    bench.resume().exits_one_of(&[4, 9]);
    untouched(&elsewhere);
    bench.unset("AWS_ENDPOINT_URL_LIGHTSAIL");
    bench.resume().exits_one_of(&[0, 5]);
    assert!(bench.world.arrived("DeleteKeyPair").len() > 1);
}

/// I11: a rehearsal whose world is gone is not resumed against the real service.
// SEMANTICS: P54
#[test]
fn a_rehearsal_without_its_world_is_refused() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let done = bench.run(&bench.manifest(&names), &["--sandbox", "--max-deletes", "1"]).exits(5);
    let run = done.json()["run"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(bench.home().join(format!("journal.db.sandbox-{run}"))).unwrap();
    bench.resume().exits_one_of(&[4, 9]);
    untouched(&bench.world);
    let asked = bench.world.state().log.iter().filter(|arrival| arrival.operation != "GetCallerIdentity").count();
    assert_eq!(asked, 0, "nothing but the identity is asked for");
    // Without an address, the service itself would be meant; its credentials are not what is missing.
    bench.unset("AWS_ENDPOINT_URL");
    for variable in ["AWS_PROFILE", "AWS_ACCESS_KEY_ID"] {
        bench.unset(variable);
        let done = bench.resume().exits(4);
        for part in ["not beside the journal", "--endpoint-url", "nothing was sent\n"] {
            assert!(done.stderr.contains(part), "{part}\n{done}");
        }
    }
}

/// I11: a resume as another account is refused, and nothing is sent.
// SEMANTICS: P47
#[test]
fn another_account_is_refused() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    bench.world.state().account = "999999999999".to_owned();
    bench.resume().exits_one_of(&[4, 9]);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1);
    bench.world.state().account = ACCOUNT.to_owned();
    bench.resume().exits_one_of(&[0, 5]);
}

/// `--endpoint-url` takes precedence over the environment, and the journal names it.
#[test]
fn the_endpoint_flag() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let url = bench.world.url();
    bench.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    bench.run(&bench.manifest(&names), &["--endpoint-url", &url]).exits(0);
    let runs = bench.query("SELECT endpoint, sandbox, account_id, principal_arn FROM runs");
    assert!(runs[0]["endpoint"].as_str().unwrap().contains(url.trim_start_matches("http://")), "{runs:?}");
    assert_eq!(runs[0]["account_id"], ACCOUNT);
    assert_eq!(runs[0]["principal_arn"], format!("arn:aws:iam::{ACCOUNT}:user/tester"));
    assert!(!matches!(runs[0]["sandbox"].as_i64(), Some(1)), "a stand-in is no sandbox: {runs:?}");
}

/// Regions mixed in one manifest: each request is signed for the row's own region.
#[test]
fn mixed_regions() {
    let bench = Bench::new();
    let mut text = "name,region\n".to_owned();
    for region in ["us-east-1", "eu-central-1", "ap-southeast-2"] {
        for name in ["shared", "second"] {
            bench.world.state().create(region, name);
            text.push_str(&format!("{name},{region}\n"));
        }
    }
    bench.world.key("third");
    text.push_str("third,\n");
    let done = bench.run(&bench.file("m.csv", text), &[]).exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 7, "{done}");
    let mut regions: Vec<String> = bench.world.arrived("DeleteKeyPair").iter().map(|a| a.region.clone()).collect();
    regions.sort();
    assert_eq!(regions.iter().filter(|region| *region == "eu-central-1").count(), 2, "{regions:?}");
    assert_eq!(regions.iter().filter(|region| *region == "us-east-1").count(), 3, "{regions:?}");
    invariants(&bench);
}

/// A name that exists only in another region is absent in the row's region, and the other one survives.
#[test]
fn the_right_region_or_none() {
    let bench = Bench::new();
    bench.world.state().create("eu-west-1", "probe");
    bench.run_unconfirmed(&bench.file("m.csv", "name,region\nprobe,us-east-1\n"), &["--confirm", "0"]).exits(0);
    untouched(&bench.world);
}

/// Exit 8: another session has the journal locked and continues undisturbed; reading works in the meantime.
// SEMANTICS: P48
#[test]
fn two_sessions() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.key("other");
    bench.world.script("DeleteKeyPair", "*", [Act::ok().after(Duration::from_secs(8))]);
    let first = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "20s"]);
    bench.world.wait_for_deletes(1);
    bench.run(&bench.file("other.csv", "name\nother\n"), &[]).exits(8);
    bench.resume().exits(8);
    bench.keybatch(&["runs"]).exits(0);
    assert_eq!(bench.query("SELECT state FROM runs").len(), 1);
    assert_eq!(bench.world.deletes("other"), 0);
    first.wait().exits(0);
    invariants(&bench);
    bench.run(&bench.file("other.csv", "name\nother\n"), &[]).exits(0);
}

/// The lock dies with its process: after SIGKILL, the next session can begin.
// SEMANTICS: P48
#[test]
fn a_lock_dies_with_its_process() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", "*", [Act::hang()]);
    let first = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1"]);
    bench.world.wait_for_deletes(1);
    first.kill();
    bench.resume().exits(0);
}

/// If key pairs cannot be listed or read, nothing is deleted, and exit 9 names the missing action.
// SEMANTICS: P9
#[test]
fn missing_read_permissions() {
    for operation in ["GetKeyPairs", "GetKeyPair"] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 3);
        bench.world.deny(operation);
        let done = bench.run(&bench.manifest(&names), &[]).exits(9);
        untouched(&bench.world);
        assert!(done.stderr.contains(&format!("lightsail:{operation}")), "names the action\n{done}");
        bench.world.heal();
        bench.run(&bench.manifest(&names), &[]).exits(0);
    }
}

/// Exit 9: no credentials, expired ones, no region, an endpoint that does not exist.
#[test]
fn an_unusable_environment() {
    let cases: [Case<fn(&mut Bench)>; 4] = [
        ("no credentials", |bench| {
            for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                bench.unset(key);
            }
        }),
        ("expired credentials", |bench| bench.world.state().expired = true),
        ("no region", |bench| bench.unset("AWS_REGION")),
        ("no endpoint", |bench| bench.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9")),
    ];
    for (label, spoil) in cases {
        let mut bench = Bench::new();
        let names = bench.world.keys("key", 2);
        spoil(&mut bench);
        let done = bench.run(&bench.manifest(&names), &[]);
        assert_eq!(done.code, Some(9), "{label}\n{done}");
        untouched(&bench.world);
    }
}

/// Exit 9: a journal that is a directory, not a database, another program's database, or a symbolic link (I9).
// SEMANTICS: P52
#[test]
fn an_unusable_journal() {
    let cases: [Case<fn(&std::path::Path)>; 3] = [
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("no database", |path| std::fs::write(path, "not a database, but long enough to be one\n".repeat(99)).unwrap()),
        ("a dangling symbolic link", |path| std::os::unix::fs::symlink("/nonexistent/journal.db", path).unwrap()),
    ];
    for (label, spoil) in cases {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        spoil(&bench.journal());
        let done = bench.run(&bench.manifest(&names), &[]);
        assert_eq!(done.code, Some(9), "{label}\n{done}");
        untouched(&bench.world);
    }
}

/// A missing file is not an unexpected error: 4 or 9 (or 2), never 1, and nothing is sent.
#[test]
fn a_missing_manifest() {
    let bench = Bench::new();
    let done = bench.run(&bench.home().join("nowhere.csv"), &[]).exits_one_of(&[2, 4, 9]);
    assert!(done.stderr.contains("nowhere.csv"), "{done}");
    untouched(&bench.world);
}

/// DeleteKeyPair carries the run in its user agent as `app/…`, so that CloudTrail can attribute lost answers.
// SEMANTICS: P23
#[test]
fn the_user_agent_names_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let done = bench.run(&bench.manifest(&names), &[]).exits(0);
    let run = done.json()["run"].as_str().unwrap().replace('-', "");
    for arrival in bench.world.arrived("DeleteKeyPair") {
        let app = arrival.agent.split(' ').find(|part| part.starts_with("app/")).unwrap_or_default().replace('-', "");
        assert!(app.contains(&run), "{} does not name {run}", arrival.agent);
    }
}

/// I11: a sandbox run says so everywhere and touches no endpoint of the environment.
// SEMANTICS: P54
#[test]
fn a_sandbox_run_stays_inside() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let done = bench.run(&manifest, &["--sandbox"]).exits_one_of(&[0, 3]);
    assert_eq!(done.json()["sandbox"], true, "{done}");
    assert!(done.stderr.to_lowercase().contains("sandbox"), "{done}");
    assert!(bench.world.state().log.is_empty(), "the real endpoint is left alone");
    let runs = bench.query("SELECT sandbox FROM runs");
    assert!(runs[0]["sandbox"] == 1 || runs[0]["sandbox"] == true, "{runs:?}");
}

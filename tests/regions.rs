//! Targets beside each other: each at its own rate, whatever the others permit.

use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;

/// The fast region is through while the slow one has not done half of it, although the slow one alone could fill every place in
/// flight.
#[test]
fn a_slow_region_does_not_hold_up_a_fast_one() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let rows = [("us-east-1", 20), ("eu-west-1", 150)];
    let mut manifest = "key_pair_name,region\n".to_owned();
    for (region, count) in rows {
        (1..=count).for_each(|number| manifest += &format!("key-{number:06},{region}\n"));
    }
    std::fs::write(path("m.csv"), manifest).unwrap();
    let generate = rows.map(|(region, count)| serde_json::json!({"region": region, "prefix": "key-", "count": count}));
    let throttle =
        serde_json::json!({"rate_per_s": 1, "burst": 1, "regions": {"eu-west-1": {"rate_per_s": 1000, "burst": 1000}}});
    let world = serde_json::json!({"name": "two", "generate": generate, "throttle": throttle});
    std::fs::write(path("w.json"), world.to_string()).unwrap();
    let keybatch = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("keybatch").unwrap();
        command.env_clear().env("HOME", home.path()).env("KEYBATCH_JOURNAL", path("j.db")).current_dir(home.path());
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    keybatch(&["run", "m.csv", "--sandbox=w.json", "--yes", "--concurrency", "4"]);
    let sql = "SELECT count(*) FILTER (WHERE region = 'eu-west-1') AS fast, \
         count(*) FILTER (WHERE region = 'us-east-1') AS slow, \
         count(*) FILTER (WHERE region = 'us-east-1' AND settled_at < \
             (SELECT max(settled_at) FROM intents WHERE region = 'eu-west-1')) AS before FROM intents WHERE outcome = 'deleted'";
    let found: serde_json::Value = serde_json::from_str(&keybatch(&["query", sql, "--output", "json"])).unwrap();
    assert_eq!((&found[0]["fast"], &found[0]["slow"]), (&150.into(), &20.into()), "{found}");
    // With a shared pace, all but one or two of the slow region's rows come before the fast region's last.
    assert!(found[0]["before"].as_u64().unwrap() <= 10, "the fast region is held up: {found}");
}

//! Several targets at once: each is processed at its own rate, whatever the others permit.

use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;

/// The fast region is finished before the slow one has done half of its rows, although the slow one alone could fill every place
/// in flight.
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

/// Runs a batch of these key pairs (region, how many) in a rehearsal with these faults: the exit code, the summary and the journal's
/// verdict.
fn rehearse(rows: &[(&str, usize)], faults: &serde_json::Value) -> (i32, serde_json::Value, String) {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let mut manifest = "key_pair_name,region\n".to_owned();
    for (region, count) in rows {
        (1..=*count).for_each(|number| manifest += &format!("key-{number:06},{region}\n"));
    }
    std::fs::write(path("m.csv"), manifest).unwrap();
    let generate: Vec<_> = rows
        .iter()
        .map(|(region, count)| serde_json::json!({"region": region, "prefix": "key-", "count": count}))
        .collect();
    let world = serde_json::json!({"name": "regions", "generate": generate, "faults": faults});
    std::fs::write(path("w.json"), world.to_string()).unwrap();
    let keybatch = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("keybatch").unwrap();
        command.env_clear().env("HOME", home.path()).env("KEYBATCH_JOURNAL", path("j.db")).current_dir(home.path());
        command.args(arguments).output().unwrap()
    };
    let run = ["run", "m.csv", "--sandbox=w.json", "--yes", "--output", "json", "--concurrency", "2"];
    let output = keybatch(&run);
    let summary = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = serde_json::from_str(&summary).unwrap_or_else(|error| panic!("{error}: {summary}\n{said}"));
    let verified = keybatch(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let log = keybatch(&["log", "--kind", "run_stopped", "--output", "jsonl"]);
    (output.status.code().unwrap(), summary, String::from_utf8(log.stdout).unwrap())
}

fn raw(region: &str, status: u16, body: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({"region": region, "nth": "every", "do": "raw", "status": status, "body": body.to_string()})
}

/// design.md, "refused for everyone": the target stops, its rows stay `not_attempted`, and the others go on.
#[test]
fn a_region_that_refuses_everyone_stops_alone() {
    for body in [
        serde_json::json!({"__type": "ExpiredTokenException"}),
        serde_json::json!({"__type": "AccessDeniedException", "code": "NotAuthorized"}),
    ] {
        let rows = [("us-east-1", 12), ("eu-west-1", 20)];
        let (exit, summary, log) = rehearse(&rows, &serde_json::json!([raw("us-east-1", 400, &body)]));
        assert_eq!((exit, &summary["exit"]), (5, &5.into()), "{summary}");
        assert_eq!((&summary["state"], &summary["stopped_by"]), (&"stopped".into(), &"breaker".into()), "{summary}");
        let outcomes = &summary["outcomes"];
        assert_eq!((&outcomes["deleted"], &outcomes["not_attempted"]), (&20.into(), &12.into()), "{summary}");
        for target in summary["targets"].as_array().unwrap() {
            let expected = if target["region"] == "eu-west-1" { "finished" } else { "stopped" };
            assert_eq!(target["state"], expected, "{summary}");
            assert_eq!(target["stopped_by"].is_null(), expected == "finished", "{summary}");
            assert_eq!(target["detail"].is_null(), expected == "finished", "{summary}");
        }
        assert_eq!(summary["targets"].as_array().unwrap().len(), 2, "{summary}");
        assert!(log.contains("us-east-1") && !log.contains("\"region\":\"eu-west-1\""), "{log}");
    }
}

/// field.md: "One denied row with `code: NotAuthorized` beside `__type` AccessDeniedException stops the whole run".
#[test]
fn one_row_that_is_not_authorized_stops_nothing() {
    let body = serde_json::json!({"__type": "AccessDeniedException", "code": "NotAuthorized", "message": "no"});
    let mut fault = raw("us-east-1", 400, &body);
    fault["name"] = "key-000003".into();
    let (exit, summary, _) = rehearse(&[("us-east-1", 8)], &serde_json::json!([fault]));
    assert_eq!(exit, 3, "{summary}");
    let outcomes = &summary["outcomes"];
    assert_eq!((&outcomes["deleted"], &outcomes["failed"]), (&7.into(), &1.into()), "{summary}");
}

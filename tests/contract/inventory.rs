//! `inventory`: what it lists, that it never lists less than there is without saying so, and that `run` takes its list.

use std::collections::BTreeSet;

use crate::support::{Act, Bench, DEFAULT_KEY_PAIR, Done, Effect, HOME};

/// Two regions of one account; the identities follow from the file, so that each rehearsal in it meets the same key pairs.
const WORLD: &str = r#"{
    "name": "inventory", "page_size": 2,
    "key_pairs": {
        "us-east-1": [
            {"name": "ci-1", "created_at": "2019-01-01T00:00:00Z", "tags": {"team": "build", "old": ""}},
            {"name": "ci-2", "created_at": "2019-06-01T00:00:00.5Z", "tags": {"team": "build"}},
            {"name": "ci-10", "created_at": "2019-07-01T00:00:00Z"},
            {"name": "web", "created_at": "2020-01-01T00:00:00Z", "tags": {"team": "=web; or, \"so\""}},
            {"name": "LightsailDefaultKeyPair"}
        ],
        "eu-central-1": [{"name": "ci-1", "created_at": "2021-01-01T00:00:00Z", "tags": {"team": "build"}}]
    },
    "instances": [
        {"name": "web-1", "region": "us-east-1", "ssh_key_name": "web"},
        {"name": "web-2", "region": "us-east-1", "ssh_key_name": "web"},
        {"name": "runner", "region": "eu-central-1", "ssh_key_name": "ci-1"}
    ]
}"#;

/// The names and regions of an inventory in JSON.
fn listed(done: &Done) -> BTreeSet<(String, String)> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = done.json();
    let rows = rows.as_array().unwrap();
    let set: BTreeSet<_> = rows.iter().map(|row| (text(row, "region"), text(row, "key_pair_name"))).collect();
    assert_eq!(set.len(), rows.len(), "each once: {done}");
    set
}

fn in_world(bench: &Bench, more: &[&str]) -> Done {
    let world = format!("--sandbox={}", bench.file("world.json", WORLD).display());
    let mut args = vec!["inventory", &world];
    args.extend(more);
    bench.keybatch(&args)
}

#[test]
fn filters_choose_and_every_row_says_what_it_is() {
    let bench = Bench::new();
    let (us, eu) = ("us-east-1", "eu-central-1");
    for (filters, expected) in [
        (&[][..], &[(us, "ci-1"), (us, "ci-2"), (us, "ci-10"), (us, "web"), (eu, "ci-1")][..]),
        (&["--name", "ci-?"], &[(us, "ci-1"), (us, "ci-2"), (eu, "ci-1")]),
        (&["--name", "w*", "--name", "ci-10"], &[(us, "web"), (us, "ci-10")]),
        (&["--tag", "team=build", "--tag", "old"], &[(us, "ci-1")]),
        (&["--unused"], &[(us, "ci-1"), (us, "ci-2"), (us, "ci-10")]),
        (&["--newer-than", "1d"], &[]),
        (&["--older-than", "1d", "--name", "web"], &[(us, "web")]),
        (&["--include-default-key-pairs", "--name", "L*"], &[(us, DEFAULT_KEY_PAIR)]),
    ] {
        let mut args = vec!["--all-regions", "--output", "json"];
        args.extend(filters);
        let done = in_world(&bench, &args).exits(0);
        let expected: BTreeSet<_> =
            expected.iter().map(|(region, name)| ((*region).to_owned(), (*name).to_owned())).collect();
        assert_eq!(listed(&done), expected, "{filters:?}");
    }
    let rows = in_world(&bench, &["--region", us, "--name", "web", "--output", "json"]).exits(0).json();
    let row = &rows[0];
    assert_eq!(
        (row["account_id"].as_str(), row["created_at"].as_str()),
        (Some("000000000000"), Some("2020-01-01T00:00:00.000Z"))
    );
    assert!(row["arn"].as_str().unwrap().starts_with("arn:aws-sandbox:lightsail:us-east-1:000000000000:KeyPair/"));
    assert_eq!(row["expected_fingerprint"].as_str().unwrap().split(':').count(), 20);
    assert_eq!(row["used_by"], serde_json::json!(["web-1", "web-2"]));
    assert_eq!(row["tags"]["team"], "=web; or, \"so\"");
    assert!(!bench.journal().exists());
}

#[test]
fn each_form_has_the_same_rows() {
    let bench = Bench::new();
    let of = |format: &str| in_world(&bench, &["--all-regions", "--output", format]).exits(0);
    let lines = of("jsonl");
    let lines: Vec<serde_json::Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(of("json").json().as_array().unwrap(), &lines);
    let csv = of("csv").stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = "key_pair_name,region,account_id,arn,created_at,expected_fingerprint,tags,used_by";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        for (column, name) in header.split(',').enumerate().take(6) {
            assert_eq!(Some(&row[column]), line[name].as_str(), "{name}");
        }
    }
    assert_eq!((&rows[4][0], &rows[4][6], &rows[4][7]), ("web", "team==web; or, \"so\"", "web-1; web-2"));
    let table = of("table");
    assert!(table.stdout.contains("ci-10") && table.stdout.contains("web-1; web-2"), "{table}");
    assert!(table.stderr.contains("5 key pairs of account 000000000000 in 2 regions"), "{table}");
    assert!(in_world(&bench, &["--output", "json", "--name", "nobody"]).exits(0).json().as_array().unwrap().is_empty());
}

// SEMANTICS: P85
#[test]
fn a_manifest_of_an_inventory_deletes_exactly_what_it_lists() {
    let bench = Bench::new();
    let file = bench.home().join("keys.csv");
    let to = file.display().to_string();
    let done = in_world(&bench, &["--all-regions", "--tag", "team=build", "--older-than", "1d", "-o", &to]).exits(0);
    assert!(done.stdout.is_empty() && done.stderr.contains("written to"), "{done}");
    let again = in_world(&bench, &["-o", &to, "--output", "json"]).exits(2);
    assert_eq!(
        (again.json()["code"].as_str(), again.json()["sent"].as_str()),
        (Some("usage.file_exists"), Some("nothing"))
    );
    let world = format!("--sandbox={}", bench.home().join("world.json").display());
    let run = bench.run(&file, &[&world]).exits(0);
    assert_eq!((&run.json()["rows"], &run.json()["outcomes"]["deleted"]), (&3.into(), &3.into()), "{run}");
    let deleted = bench.query(
        "SELECT region, key_pair_name AS name FROM intents WHERE outcome = 'deleted' ORDER BY region, key_pair_name",
    );
    let deleted: Vec<_> =
        deleted.iter().map(|row| (row["region"].as_str().unwrap(), row["name"].as_str().unwrap())).collect();
    assert_eq!(deleted, [("eu-central-1", "ci-1"), ("us-east-1", "ci-1"), ("us-east-1", "ci-2")]);
}

// SEMANTICS: P85
#[test]
fn a_key_pair_that_was_recreated_since_the_inventory_is_not_deleted() {
    let bench = Bench::new();
    bench.world.keys("old", 3);
    let csv = bench.keybatch(&["inventory", "--output", "csv"]).exits(0).stdout;
    bench.world.by_others(Effect::VanishAndRecreate, "old-02");
    let run = bench.run(&bench.file("keys.csv", csv), &[]).exits(3);
    assert_eq!(
        (&run.json()["outcomes"]["deleted"], &run.json()["outcomes"]["skipped"]),
        (&2.into(), &1.into()),
        "{run}"
    );
    assert!(bench.world.has("old-02") && bench.world.deletes("old-02") == 0);
}

#[test]
fn all_regions_are_those_that_the_service_names() {
    let bench = Bench::new();
    bench.world.key("here");
    bench.world.state().create("eu-west-3", "there");
    let here = listed(&bench.keybatch(&["inventory", "--output", "json"]).exits(0));
    assert_eq!(here, BTreeSet::from([(HOME.to_owned(), "here".to_owned())]), "the configured region");
    let done = bench.keybatch(&["inventory", "--all-regions", "--output", "json"]).exits(0);
    assert_eq!(listed(&done).len(), 2, "{done}");
    let done = bench.keybatch(&["inventory", "--region", "eu-west-3", "--region", HOME, "--output", "json"]).exits(0);
    assert_eq!(listed(&done).len(), 2, "{done}");
    assert_eq!(bench.world.arrived("GetRegions").len(), 1);
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
    bench.world.deny("GetRegions");
    let refused = bench.keybatch(&["inventory", "--all-regions", "--output", "json"]).exits(9);
    assert_eq!(refused.json()["code"], "aws.permission");
    assert!(refused.said().contains("lightsail:GetRegions"), "{refused}");
}

#[test]
fn without_a_region_nothing_is_asked() {
    let mut bench = Bench::new();
    bench.unset("AWS_REGION");
    let done = bench.keybatch(&["inventory", "--output", "json"]).exits(9);
    assert_eq!(
        (done.json()["code"].as_str(), done.json()["sent"].as_str()),
        (Some("aws.region"), Some("nothing")),
        "{done}"
    );
    assert!(done.said().contains("--all-regions"), "{done}");
    let done = bench.keybatch(&["inventory", "--region", "us east", "--output", "json"]).exits(2);
    assert_eq!(done.json()["code"], "aws.region");
    bench.world.key("here");
    assert_eq!(listed(&bench.keybatch(&["inventory", "--all-regions", "--output", "json"]).exits(0)).len(), 1);
}

// SEMANTICS: P85
#[test]
fn a_listing_that_is_not_whole_is_an_error_and_nothing_is_written() {
    let bench = Bench::new();
    bench.world.state().page_size = 2;
    bench.world.keys("key", 5);
    let file = bench.home().join("keys.csv").display().to_string();
    for (acts, code) in [
        (vec![Act::ok(), Act::ok(), Act::denied()], "aws.permission"),
        (vec![Act::ok(), Act::empty_object()], "aws.service"),
        (vec![Act::type_only(400, "ExpiredTokenException")], "aws.service"),
    ] {
        bench.world.heal();
        bench.world.script("GetKeyPairs", "*", acts.clone());
        if code == "aws.service" {
            bench.world.always("GetKeyPairs", "*", acts.last().unwrap().clone());
        }
        let done = bench.keybatch(&["inventory", "--output", "json"]).exits(9);
        assert_eq!((done.json()["code"].as_str(), done.json()["sent"].as_str()), (Some(code), Some("reads")), "{done}");
    }
    let done = bench.keybatch(&["inventory", "--output", "csv", "-o", &file]).exits(9);
    assert!(done.stdout.is_empty() && !std::path::Path::new(&file).exists(), "{done}");
    assert_eq!(std::fs::read_dir(bench.home().join("tmp")).unwrap().count(), 0, "no temporary file stays");
}

#[test]
fn throttled_and_lost_requests_are_repeated() {
    let bench = Bench::new();
    bench.world.state().page_size = 2;
    bench.world.keys("key", 5);
    bench.world.script("GetKeyPairs", "*", [Act::throttle(), Act::ok(), Act::server_error(), Act::cut(), Act::ok()]);
    let done = bench.keybatch(&["inventory", "--output", "json"]).exits(0);
    assert_eq!(listed(&done).len(), 5, "{done}");
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 6);
}

#[test]
fn whether_instances_use_a_key_pair_is_never_guessed() {
    let bench = Bench::new();
    bench.world.key("key");
    bench.world.deny("GetInstances");
    let done = bench.keybatch(&["inventory", "--unused", "--output", "json"]).exits(9);
    assert_eq!(done.json()["code"], "aws.permission");
    assert!(done.said().contains("lightsail:GetInstances"), "{done}");
    let done = bench.keybatch(&["inventory", "--without-instances", "--output", "json"]).exits(0);
    assert!(done.json()[0]["used_by"].is_null(), "{done}");
    bench.keybatch(&["inventory", "--without-instances", "--unused"]).exits(2);
}

#[test]
fn another_account_than_the_expected_one_is_not_listed() {
    let bench = Bench::new();
    let done = bench.keybatch(&["inventory", "--expect-account", "999999999999", "--output", "json"]).exits(9);
    assert_eq!(done.json()["code"], "aws.account");
    assert!(bench.world.arrived("GetKeyPairs").is_empty());
}

#[test]
fn several_accounts_are_one_manifest() {
    let bench = Bench::new();
    let world = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/three-accounts.world.json");
    let world = format!("--sandbox={}", world.display());
    let all = ["inventory", &world, "--all-accounts", "--all-regions"];
    let none = bench.keybatch(&[&all[..], &["--output", "json"]].concat()).exits(9);
    assert_eq!((none.json()["code"].as_str(), none.json()["sent"].as_str()), (Some("aws.account"), Some("nothing")));
    let table = |id: &str| format!("[accounts.\"{id}\"]\nprofile = \"nobody\"\n");
    let ids = ["111122223333", "444455556666", "777788889999"];
    std::fs::create_dir(bench.home().join("config/keybatch")).unwrap();
    bench.file("config/keybatch/keybatch.toml", ids.map(table).concat());
    let done = bench.keybatch(&[&all[..], &["--output", "json"]].concat()).exits(0);
    let (rows, of) = (done.json(), |account: &str| {
        done.json().as_array().unwrap().iter().filter(|row| row["account_id"] == account).count()
    });
    assert_eq!((rows.as_array().unwrap().len(), ids.map(of)), (17, [6, 4, 7]), "{done}");
    assert!(done.stderr.contains("17 key pairs of 3 accounts in 2 regions"), "{done}");
    let one = ["inventory", &world, "--account", ids[1], "--region", "us-east-1", "--output", "json"];
    assert_eq!(bench.keybatch(&one).exits(0).json().as_array().unwrap().len(), 4);
    let unknown = ["inventory", &world, "--account", "999999999999", "--output", "json"];
    assert_eq!(bench.keybatch(&unknown).exits(9).json()["code"], "aws.account");
    let file = bench.home().join("keys.csv");
    bench.keybatch(&[&all[..], &["--unused", "--name", "ci-*", "-o", &file.display().to_string()]].concat()).exits(0);
    let run = bench.run(&file, &[&world]).exits(0);
    assert_eq!((&run.json()["rows"], &run.json()["outcomes"]["deleted"]), (&5.into(), &5.into()), "{run}");
}

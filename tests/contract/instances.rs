//! `instances --still-using`: which instances may still let in the holder of a key pair that a run deleted.

use serde_json::{Value, json};

use crate::support::{Act, Bench, Done, Effect, HOME};

/// Three names in use: one by instances of three times, one by nobody, and one in another region.
const WORLD: &str = r#"{
    "name": "used", "page_size": 2,
    "key_pairs": {
        "us-east-1": [
            {"name": "bastion", "created_at": "2020-01-01T00:00:00Z"},
            {"name": "unused", "created_at": "2020-01-01T00:00:00Z"},
            {"name": "stays", "created_at": "2020-01-01T00:00:00Z"}
        ],
        "eu-central-1": [{"name": "bastion", "created_at": "2021-01-01T00:00:00Z"}]
    },
    "instances": [
        {"name": "of-an-older-one", "region": "us-east-1", "ssh_key_name": "bastion", "created_at": "2019-12-31T23:59:59Z"},
        {"name": "jump-1", "region": "us-east-1", "ssh_key_name": "bastion", "created_at": "2020-01-01T00:00:00Z"},
        {"name": "of-a-later-one", "region": "us-east-1", "ssh_key_name": "bastion", "created_at": "2099-01-01T00:00:00Z"},
        {"name": "of-what-stays", "region": "us-east-1", "ssh_key_name": "stays", "created_at": "2022-01-01T00:00:00Z"},
        {"name": "without-any", "region": "us-east-1"},
        {"name": "jump-2", "region": "eu-central-1", "ssh_key_name": "bastion"}
    ]
}"#;

const MANIFEST: &str =
    "name,region\nbastion,us-east-1\nunused,us-east-1\nbastion,eu-central-1\nnever-there,us-east-1\n";

/// After a rehearsal that deleted three key pairs.
fn rehearsed() -> Bench {
    let bench = Bench::new();
    let world = format!("--sandbox={}", bench.file("world.json", WORLD).display());
    bench.run(&bench.file("keys.csv", MANIFEST), &[&world]).exits(0);
    bench
}

fn still_using(bench: &Bench, more: &[&str]) -> Done {
    bench.keybatch(&[&["instances", "--still-using", "latest"], more].concat())
}

fn rows(done: &Done) -> Vec<Value> {
    done.json()["instances"].as_array().unwrap().clone()
}

// SEMANTICS: P125
#[test]
fn online_lists_the_instances_of_the_deleted_key_pair_and_counts_those_of_another() {
    let bench = rehearsed();
    let done = still_using(&bench, &["--online", "--output", "json"]).exits(0);
    assert_eq!((&done.json()["schema"], &done.json()["sandbox"]), (&json!("keybatch.instances/1"), &json!(true)));
    let rows = rows(&done);
    let listed: Vec<_> = rows.iter().map(|row| (&row["region"], &row["instance"], &row["key_pair_name"])).collect();
    let expected = [json!(["us-east-1", "jump-1", "bastion"]), json!(["eu-central-1", "jump-2", "bastion"])];
    assert_eq!(listed, expected.each_ref().map(|row| (&row[0], &row[1], &row[2])), "{done}");
    assert_eq!(rows[0]["same_key_pair"], true, "{done}");
    assert_eq!(rows[0]["instance_created_at"], "2020-01-01T00:00:00.000Z", "{done}");
    assert_eq!(
        (&rows[0]["outcome"], &rows[0]["row_no"], &rows[0]["source"]),
        (&json!("deleted"), &json!(1), &json!("online"))
    );
    assert_eq!(rows[0]["fingerprint"].as_str().unwrap().split(':').count(), 20);
    let targets = done.json()["targets"].clone();
    let of = |region: &str| targets.as_array().unwrap().iter().find(|told| told["region"] == region).unwrap().clone();
    let (us, eu) = (of("us-east-1"), of("eu-central-1"));
    assert_eq!(
        (&us["asked"], &us["instances"], &us["of_another_key_pair"]),
        (&json!(true), &json!(5), &json!(2)),
        "{us}"
    );
    assert_eq!(
        (&eu["asked"], &eu["instances"], &eu["of_another_key_pair"]),
        (&json!(true), &json!(1), &json!(0)),
        "{eu}"
    );
}

// SEMANTICS: P125
#[test]
fn the_journal_alone_lists_what_the_plan_noted_and_nothing_is_asked() {
    let bench = rehearsed();
    let before = std::fs::read(bench.journal()).unwrap();
    let done = still_using(&bench, &["--output", "json"]).exits(0);
    let rows = rows(&done);
    assert_eq!(rows.len(), 2, "{done}");
    for row in &rows {
        assert_eq!(
            (&row["instance"], &row["same_key_pair"], &row["source"]),
            (&Value::Null, &Value::Null, &json!("plan"))
        );
        assert!(row["detail"].as_str().unwrap().contains("created with a key pair of this name"), "{done}");
    }
    assert!(done.json()["targets"].as_array().unwrap().iter().all(|told| told["asked"] == false), "{done}");
    still_using(&bench, &["--online"]).exits(0);
    assert!(bench.world.arrived("GetInstances").is_empty(), "a rehearsal asks its own world");
    assert_eq!(std::fs::read(bench.journal()).unwrap(), before, "nothing is written");
}

#[test]
fn people_are_told_what_to_do_and_what_nobody_knows() {
    let bench = rehearsed();
    let done = still_using(&bench, &["--online"]).exits(0);
    assert!(done.stdout.contains("jump-1") && !done.stdout.contains("of-a"), "{done}");
    for said in
        ["2 instances name another key pair", "ssh-keygen -lf", "authorized_keys", "snapshot", "2 instances still name"]
    {
        assert!(done.stderr.contains(said), "{said}: {done}");
    }
    let csv = still_using(&bench, &["--online", "--output", "csv"]).exits(0).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 12);
    assert_eq!(reader.records().map(|row| row.unwrap()[0].to_owned()).collect::<Vec<_>>(), ["jump-1", "jump-2"]);
    let lines = still_using(&bench, &["--online", "--output", "jsonl"]).exits(0).stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut object = rows(&still_using(&bench, &["--online", "--output", "json"]).exits(0));
    for (row, line) in object.iter_mut().zip(&lines) {
        row["as_of"] = line["as_of"].clone();
    }
    assert_eq!(object, lines);
}

// SEMANTICS: P125
#[test]
fn a_region_that_cannot_be_asked_is_said_and_hides_no_other() {
    let bench = Bench::new();
    bench.world.key("used");
    bench.world.state().create("eu-west-3", "elsewhere");
    bench.world.state().instances.push(((HOME.to_owned(), "web-1".to_owned()), "used".to_owned()));
    bench.world.state().instances.push((("eu-west-3".to_owned(), "web-2".to_owned()), "elsewhere".to_owned()));
    bench.run(&bench.file("keys.csv", format!("name,region\nused,{HOME}\nelsewhere,eu-west-3\n")), &[]).exits(0);
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    // What a reviewer's policy permits is enough; less is, too.
    for action in
        ["GetKeyPair", "GetKeyPairs", "GetOperation", "GetOperationsForResource", "GetRegions", "DeleteKeyPair"]
    {
        bench.world.deny(action);
    }
    // The stand-in's instances are older than its key pairs.
    let done = still_using(&bench, &["--online", "--output", "json"]).exits(0);
    assert!(rows(&done).is_empty(), "{done}");
    assert!(done.json()["targets"].as_array().unwrap().iter().all(|told| told["of_another_key_pair"] == 1), "{done}");
    bench.world.script("GetInstances", "*", [Act::denied()]);
    let done = still_using(&bench, &["--online", "--output", "json"]).exits(9);
    let targets = done.json()["targets"].clone();
    let asked: Vec<_> = targets.as_array().unwrap().iter().map(|told| told["asked"] == true).collect();
    assert_eq!(asked.iter().filter(|asked| **asked).count(), 1, "{done}");
    let silent = targets.as_array().unwrap().iter().find(|told| told["asked"] == false).unwrap();
    assert!(silent["text"].as_str().unwrap().contains("lightsail:GetInstances"), "{done}");
    let rows = rows(&done);
    assert_eq!((rows.len(), &rows[0]["region"], &rows[0]["source"]), (1, &silent["region"], &json!("plan")), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes);
}

#[test]
fn a_run_is_looked_for_only_where_it_was() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    bench.keybatch(&["instances"]).exits(2);
    still_using(&bench, &["--online", "--endpoint-url", "http://127.0.0.1:9"]).exits(4);
    assert_eq!(bench.world.arrived("GetInstances").len(), 1, "the plan's own");
    let done = still_using(&bench, &[]).exits(0);
    assert!(done.stdout.is_empty() && done.stderr.contains("no instance that was listed"), "{done}");
    let missing = bench.keybatch(&["instances", "--still-using", "ffffffff", "--output", "json"]).exits(2);
    assert_eq!(missing.json()["code"], "run.unknown", "{missing}");
}

#[test]
fn a_report_says_of_instances_what_this_command_says() {
    let bench = rehearsed();
    let listed = still_using(&bench, &["--output", "json"]).exits(0).json();
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    assert_eq!(report["to_do"], listed["to_do"]);
    let (told, rows) = (report["in_use"].as_array().unwrap(), listed["instances"].as_array().unwrap());
    assert_eq!((told.len(), rows.len()), (2, 2));
    for (told, row) in told.iter().zip(rows) {
        assert_eq!((&told["row"], &told["fingerprint"]), (&row["row_no"], &row["fingerprint"]));
        assert_eq!((&told["instances"], &report["in_use_as_of"]), (&row["detail"], &row["as_of"]));
        assert_eq!((&told["key_pair_name"], &told["outcome"]), (&row["key_pair_name"], &row["outcome"]));
    }
    let fingerprint = rows[0]["fingerprint"].as_str().unwrap();
    let lines = still_using(&bench, &[]).exits(0).stderr;
    assert!(
        lines.contains("instances used 2 key pairs deleted by this run") && lines.contains("another key of that name")
    );
    for form in ["html", "md", "text"] {
        let text = bench.keybatch(&["report", "latest", "--format", form]).exits(0).stdout.replace('\\', "");
        for said in [
            "authorized",
            "remove the line",
            "instances named 2 key pairs deleted by this run",
            "another key of that name",
        ] {
            assert!(text.contains(said), "{form}: {said}");
        }
        assert!(text.contains(fingerprint), "{form}: {text}");
    }
}

#[test]
fn a_key_pair_that_is_gone_is_not_called_deleted() {
    let bench = Bench::new();
    bench.world.key("used");
    bench.world.state().instances.push(((HOME.to_owned(), "web-1".to_owned()), "used".to_owned()));
    bench.world.script("DeleteKeyPair", "used", [Act::cut().with(Effect::Delete)]);
    bench.world.always("GetOperationsForResource", "used", Act::denied());
    bench.run(&bench.file("keys.csv", format!("name,region\nused,{HOME}\n")), &[]).exits(0);
    let said = still_using(&bench, &[]).exits(0).stderr;
    assert!(
        said.contains("instances used 1 key pair gone since its plan") && !said.contains("deleted by this run"),
        "{said}"
    );
    let text = bench.keybatch(&["report", "latest"]).exits(0).stdout;
    assert!(text.contains("instances named 1 key pair gone since its plan"), "{text}");
}

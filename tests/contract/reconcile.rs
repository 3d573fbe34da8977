//! `reconcile`: CloudTrail's records held against a run, in every form in which they are handed on, with planted findings.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{Bench, Done, row};

const FORMS: [&str; 7] =
    ["log-files", "plain-log-files", "lookup-events", "lookup-events-v1", "records", "list", "lines"];

const NAMES: [&str; 10] =
    ["plain-1", "plain-2", "gone-1", "denied-1", "vanished-1", "lost-1", "late-1", "twice-1", "bare-1", "liar-1"];

/// A rehearsal in which answers are lost and others delete, and of which records are lost, late, repeated, bare and wrong.
fn world() -> Value {
    let pairs = NAMES.map(|name| json!({ "name": name }));
    let trail = |name: &str, what: &str| json!({ "name": name, "do": what });
    json!({
        "name": "trail", "seed": 7, "key_pairs": { "us-east-1": pairs },
        "faults": [
            { "name": "gone-1", "do": "cut_after", "history": "missing" },
            { "name": "denied-1", "do": "deny", "nth": "every" },
            { "name": "vanished-1", "do": "vanish_before" },
        ],
        "cloudtrail": {
            "faults": [trail("lost-1", "lose"), trail("late-1", "delay"), trail("twice-1", "repeat"), trail("bare-1", "bare"),
                       trail("liar-1", "refuse")],
            "foreign": [{ "name": "not-ours", "at_delete": 3 }, { "denied": true, "at_delete": 4 },
                        { "name": "elsewhere", "region": "ap-south-1" }],
        },
    })
}

/// The finished rehearsal.
fn rehearsed() -> Bench {
    let bench = Bench::new();
    let world = bench.file("world.json", world().to_string()).display().to_string();
    bench.run(&bench.manifest(&NAMES), &[&*format!("--sandbox={world}"), "--concurrency", "2"]).exits(3);
    let outcomes: Vec<_> = NAMES.iter().map(|name| row(&bench, name).outcome()).collect();
    assert_eq!(outcomes[2..5], ["gone", "failed", "absent"], "{outcomes:?}");
    bench
}

/// The folder with what the sandbox writes.
fn trail(bench: &Bench, form: &str, more: &[&str]) -> PathBuf {
    let run = bench.query("SELECT run_id FROM runs")[0]["run_id"].as_str().unwrap().to_owned();
    let state = format!("{}.sandbox-{run}", bench.journal().display());
    let out = bench.home().join(format!("trail-{form}{}", more.concat()));
    let folder = out.display().to_string();
    let args = ["sandbox", "--state", &state, "--cloudtrail", &folder, "--form", form, "--output", "json"];
    let written = bench.keybatch(&[&args[..], more].concat()).exits(0).json();
    assert_eq!(written["delayed"], i32::from(more.is_empty()), "{written}");
    out
}

fn reconcile(bench: &Bench, places: &[&Path], more: &[&str]) -> Done {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    let mut args = vec!["reconcile", "latest", "--output", "json", "--cloudtrail"];
    args.extend(places.iter().map(String::as_str));
    bench.keybatch(&[&args[..], more].concat())
}

fn of(list: &Value, field: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap_or("null").to_owned()).collect()
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_owned).into()
}

/// What does not depend on the files.
fn found(mut object: Value) -> Value {
    for field in ["files", "file_count", "files_sha256"] {
        object.as_object_mut().unwrap().remove(field);
    }
    object
}

// SEMANTICS: P108
#[test]
fn planted_findings_are_found_exactly_in_every_form() {
    let bench = rehearsed();
    let before = bench.query("SELECT count(*) AS n FROM entries");
    let mut all = Vec::new();
    for form in FORMS {
        let object = found(reconcile(&bench, &[&trail(&bench, form, &[])], &[]).exits(3).json());
        assert_eq!(of(&object["contradicted"], "key_pair_name"), set(["liar-1"]), "{form}: {object}");
        assert_eq!(object["contradicted"][0]["says"], json!(["failed"]));
        assert_eq!(of(&object["not_seen"], "key_pair_name"), set(["lost-1", "late-1"]), "{form}: {object}");
        assert_eq!(of(&object["not_seen"], "why"), set(["after_the_files"]));
        assert_eq!(
            of(&object["unexplained"], "key_pair_name"),
            set(["not-ours", "null", "vanished-1"]),
            "{form}: {object}"
        );
        assert_eq!(of(&object["unexplained"], "why"), set(["another_caller"]));
        assert_eq!(of(&object["unexplained"], "by"), set(["arn:aws-sandbox:iam::000000000000:user/somebody-else"]));
        assert_eq!(of(&object["unexplained"], "source_ip"), set(["203.0.113.7"]));
        assert_eq!(of(&object["proven"], "key_pair_name"), set(["gone-1"]), "{form}: {object}");
        let counts = &object["attempts"];
        let sum: u64 = ["confirmed", "not_seen", "contradicted", "not_sent"]
            .map(|word| counts[word].as_u64().unwrap())
            .iter()
            .sum();
        assert_eq!(json!(sum), bench.query("SELECT count(*) AS n FROM attempts")[0]["n"], "{counts}");
        assert_eq!((&counts["not_seen"], &counts["contradicted"]), (&json!(2), &json!(1)), "{counts}");
        assert_eq!((&object["matched_by"]["name_and_time"], &object["duplicates"]), (&json!(1), &json!(1)), "{object}");
        assert_eq!((&object["outside"], &object["recorded"]), (&json!(1), &json!(0)), "{object}");
        all.push((form, object));
    }
    all.iter().for_each(|(form, object)| assert_eq!(*object, all[0].1, "{form}"));
    // What was late is there later.
    let late = reconcile(&bench, &[&trail(&bench, "lines", &["--late"])], &[]).exits(3).json();
    assert_eq!(of(&late["not_seen"], "key_pair_name"), set(["lost-1"]), "{late}");
    assert_eq!(bench.query("SELECT count(*) AS n FROM entries"), before, "nothing is written");
    for format in ["table", "csv", "jsonl"] {
        let folder = bench.home().join("trail-list").display().to_string();
        let done = bench.keybatch(&["reconcile", "latest", "--output", format, "--cloudtrail", &folder]).exits(3);
        for name in ["liar-1", "lost-1", "not-ours", "vanished-1"] {
            assert!(done.stdout.contains(name), "{name} in {format}: {done}");
        }
    }
}

// SEMANTICS: P109
#[test]
fn order_and_splitting_of_files_do_not_matter() {
    let bench = rehearsed();
    let lines = std::fs::read_to_string(trail(&bench, "lines", &[]).join("records.jsonl")).unwrap();
    let expected = found(reconcile(&bench, &[&bench.home().join("trail-lines")], &[]).exits(3).json());
    let records: Vec<_> = lines.lines().collect();
    // Two members in one compressed file, the last records first, in folders, and one that is there twice.
    let (first, second) = records.split_at(records.len() / 3);
    let members = [first, second].map(|records| {
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        write!(file, "{{\"Records\":[{}]}}", records.iter().rev().copied().collect::<Vec<_>>().join(",")).unwrap();
        file.finish().unwrap()
    });
    let folder = bench.home().join("split/eu/2026");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("both.json.gz"), members.concat()).unwrap();
    std::fs::write(folder.join("notes.txt"), "not read").unwrap();
    let split = found(reconcile(&bench, &[&bench.home().join("split")], &[]).exits(3).json());
    let without = |mut object: Value| {
        object.as_object_mut().unwrap().remove("missing");
        object
    };
    assert_eq!(without(split), without(expected.clone()));
    let (one, other) =
        (bench.file("one.json", first.join("\n")), bench.file("other", format!("[{}]", second.join(", "))));
    for places in [[&*one, &other], [&other, &one]] {
        assert_eq!(found(reconcile(&bench, &places, &[]).exits(3).json()), expected);
    }
    let args = ["reconcile", "latest", "--output", "json", "--cloudtrail", "-"];
    assert_eq!(found(bench.keybatch_fed(&args, &lines).exits(3).json()), expected);
}

// SEMANTICS: P110
#[test]
fn what_a_record_proves_is_recorded_once_and_changes_no_entry() {
    let bench = rehearsed();
    let folder = trail(&bench, "log-files", &[]);
    let bodies = || bench.query("SELECT body FROM entries ORDER BY seq");
    let before = bodies();
    let first = reconcile(&bench, &[&folder], &["--record"]).exits(3).json();
    assert_eq!((&first["recorded"], &first["outcomes"]["gone"]), (&json!(1), &json!(0)), "{first}");
    let after = bodies();
    assert_eq!(after[..before.len()], before);
    let told = bench
        .query("SELECT outcome, evidence, settled_outcome, detail FROM intents WHERE key_pair_name = 'gone-1'")
        .remove(0);
    assert_eq!(
        (&told["outcome"], &told["evidence"], &told["settled_outcome"]),
        (&json!("deleted"), &json!("cloudtrail"), &json!("gone"))
    );
    let event = first["proven"][0]["event_id"].as_str().unwrap();
    assert!(told["detail"].as_str().unwrap().contains(event), "{told}");
    let entry = bench.query("SELECT body FROM entries WHERE kind = 'reconciled'").remove(0);
    let entry: Value = serde_json::from_str(entry["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&entry["resolves"], &entry["unexplained"], &entry["seq"]),
        (&json!(1), &json!(3), &first["entry"]),
        "{entry}"
    );
    assert_eq!(entry["files_sha256"], first["files_sha256"]);
    assert_eq!(bench.verify().exits(0).json()["verdict"], "self_consistent");
    assert_eq!(bench.keybatch(&["log", "--kind", "reconciled"]).exits(0).stdout.lines().count(), 1);
    let shown = bench.keybatch(&["show", "latest", "gone-1"]).exits(0);
    assert!(shown.stdout.contains(event), "{shown}");
    // The same again writes nothing, nor does it take back what a person says meanwhile.
    let second = reconcile(&bench, &[&folder], &["--record"]).exits(3).json();
    assert_eq!((&second["recorded"], &second["entry"]), (&json!(0), &Value::Null), "{second}");
    assert_eq!(bodies(), after);
    let absent = ["resolve", "latest", "gone-1", "--outcome", "absent", "--because", "the owner says so"];
    bench.keybatch(&absent).exits(0);
    reconcile(&bench, &[&folder], &["--record"]).exits(3);
    assert_eq!(row(&bench, "gone-1").outcome(), "absent");
    // Other files are another finding.
    let late = trail(&bench, "lines", &["--late"]);
    let third = reconcile(&bench, &[&late], &["--record"]).exits(3).json();
    assert!(third["entry"].is_u64() && third["recorded"] == 0, "{third}");
    bench.verify().exits(0);
    // A report shows who said what, and each comparison.
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    let said: Vec<_> =
        report["resolutions"].as_array().unwrap().iter().map(|one| (&one["command"], &one["outcome"])).collect();
    assert_eq!(said, [(&json!("reconcile"), &json!("deleted")), (&json!("resolve"), &json!("absent"))]);
    assert_eq!(report["resolutions"][0]["event_id"], event);
    let compared = report["reconciliations"].as_array().unwrap();
    let files: Vec<_> = compared.iter().map(|one| one["files_sha256"].clone()).collect();
    assert_eq!(files, [first["files_sha256"].clone(), third["files_sha256"].clone()]);
    assert_eq!((&compared[0]["resolves"], &compared[0]["unexplained"]), (&json!(1), &json!(3)), "{compared:?}");
    let text = bench.keybatch(&["report", "latest"]).exits(0).stdout;
    assert!(text.contains("the owner says so") && text.contains(event), "{text}");
}

// SEMANTICS: P112
#[test]
fn what_cannot_be_read_is_named_with_its_place_and_the_rest_is_compared() {
    let bench = rehearsed();
    let folder = trail(&bench, "lines", &[]);
    let lines = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    let whole = reconcile(&bench, &[&folder], &[]).exits(3).json();
    let torn = bench.file("torn.jsonl", format!("{}\n{lines}{{\"eventName\":\"DeleteKeyPair\"}}\n", &lines[..50]));
    let object = reconcile(&bench, &[&torn], &[]).exits(9).json();
    assert_eq!(object["unexplained"], whole["unexplained"], "{object}");
    let places: Vec<_> =
        object["unreadable"].as_array().unwrap().iter().map(|fault| fault["at"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 51 + lines.len() as u64], "{object}");
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(lines.as_bytes()).unwrap();
    let bytes = file.finish().unwrap();
    let cut = bench.file("cut.json.gz", &bytes[..bytes.len() - 30]);
    let bomb = {
        let mut file = GzEncoder::new(Vec::new(), Compression::best());
        (0..40).for_each(|_| file.write_all(&vec![b' '; 1 << 20]).unwrap());
        bench.file("bomb.json.gz", file.finish().unwrap())
    };
    let missing = bench.home().join("nowhere.json");
    for path in [&cut, &bomb, &missing] {
        let object = reconcile(&bench, &[path, &folder], &[]).exits(9).json();
        assert_eq!((&object["unreadable_total"], &object["attempts"]), (&json!(1), &whole["attempts"]), "{object}");
        assert_eq!(object["unreadable"][0]["file"], path.display().to_string());
    }
    let empty = bench.home().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(reconcile(&bench, &[&empty], &[]).exits(9).json()["code"], "reconcile.unreadable");
    if let Some(locked) = unreadable_folder(&bench) {
        let object = reconcile(&bench, &[&locked, &folder], &[]).exits(9).json();
        assert_eq!((&object["unreadable"][0]["file"], &object["attempts"]), (&json!(locked), &whole["attempts"]));
    }
    // Nothing speaks against the journal, and nothing is certain.
    let none = bench.file("none.json", "{\"Events\": []}");
    let object = reconcile(&bench, &[&none], &[]).exits(0).json();
    assert_eq!(of(&object["not_seen"], "why"), set(["no_record_of_region"]), "{object}");
    assert_eq!(of(&object["missing"], "what"), set(["no_record_of_region"]), "{object}");
}

/// A folder that this process may not list; none if it may read everything.
fn unreadable_folder(bench: &Bench) -> Option<PathBuf> {
    let locked = bench.home().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    std::fs::read_dir(&locked).is_err().then_some(locked)
}

// SEMANTICS: P112
#[test]
fn what_lookup_events_left_out_is_said() {
    let bench = rehearsed();
    let folder = trail(&bench, "lookup-events", &[]);
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let page: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let whole = reconcile(&bench, &[&file], &[]).exits(3).json();
    assert!(!of(&whole["missing"], "what").contains("goes_on"), "{whole}");
    // Cut by paging: its findings stand, and whoever reads them knows that there are more pages.
    let mut cut = page.clone();
    cut["NextToken"] = json!("AQICAHj");
    let cut = bench.file("cut-by-paging.json", cut.to_string());
    let object = reconcile(&bench, &[&cut], &[]).exits(3).json();
    assert_eq!(object["unexplained"], whole["unexplained"], "{object}");
    assert!(of(&object["missing"], "what").contains("goes_on"), "{object}");
    let text = bench.keybatch(&["reconcile", "latest", "--cloudtrail", &cut.display().to_string()]).exits(3).stdout;
    assert!(text.contains("has a NextToken") && text.contains("further records exist"), "{text}");
    // An event without its record is named with its place, and the others are compared.
    let mut bare = page;
    let events = bare["Events"].as_array_mut().unwrap();
    let count = events.len();
    let index = events.iter().position(|event| event["EventName"] == "DeleteKeyPair").unwrap();
    events[index].as_object_mut().unwrap().remove("CloudTrailEvent");
    let bare = bench.file("bare.json", bare.to_string());
    let done = reconcile(&bench, &[&bare], &[]).exits(9);
    let object = done.json();
    assert_eq!((&object["unreadable_total"], &object["unreadable"][0]["file"]), (&json!(1), &json!(bare)), "{object}");
    assert!(object["unreadable"][0]["why"].as_str().unwrap().contains("CloudTrailEvent"), "{object}");
    assert_eq!(object["records"], json!(count - 1), "{object}");
}

#[test]
fn reconcile_without_a_run_or_files_is_wrong_usage() {
    let bench = rehearsed();
    let nowhere = bench.home().join("nowhere.json").display().to_string();
    for words in [
        &["reconcile"][..],
        &["reconcile", "latest"],
        &["reconcile", "latest", "--cloudtrail"],
        &["reconcile", "--cloudtrail", &nowhere],
        &["reconcile", "beef", "--cloudtrail", &nowhere],
    ] {
        let done = bench.keybatch(words).exits(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{words:?}: {done}");
    }
    // A file that is not there is no wrong usage: the others are compared.
    let done = bench.keybatch(&["reconcile", "latest", "--cloudtrail", &nowhere]).exits(9);
    assert!(done.said().contains("nowhere.json"), "{done}");
}

// SEMANTICS: P108
#[test]
fn a_real_run_is_matched_by_its_request_ids_and_takes_no_record_of_a_sandbox() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let attempts = bench.query("SELECT key_pair_name, account_id, region, request_id, started_at FROM attempts");
    let record = |attempt: &Value, partition: &str| {
        let account = &attempt["account_id"];
        json!({
            "eventVersion": "1.09", "eventID": format!("event-{}", attempt["key_pair_name"]), "eventName": "DeleteKeyPair",
            "eventSource": "lightsail.amazonaws.com", "eventTime": format!("{}Z", &attempt["started_at"].as_str().unwrap()[..19]),
            "awsRegion": attempt["region"], "recipientAccountId": account, "requestID": attempt["request_id"],
            "requestParameters": { "keyPairName": attempt["key_pair_name"] }, "responseElements": null,
            "userIdentity": { "arn": format!("arn:{partition}:iam::{}:user/tester", account.as_str().unwrap()) },
        })
    };
    let of_ec2 = |mut record: Value| {
        (record["eventSource"], record["eventID"]) = (json!("ec2.amazonaws.com"), json!("ec2"));
        record
    };
    let all: Vec<_> =
        attempts.iter().map(|attempt| record(attempt, "aws")).chain([of_ec2(record(&attempts[0], "aws"))]).collect();
    let object = reconcile(&bench, &[&bench.file("real.json", json!(all).to_string())], &[]).exits(0).json();
    assert_eq!(
        (&object["attempts"]["confirmed"], &object["matched_by"]["request_id"], &object["events"]),
        (&json!(3), &json!(3), &json!(3))
    );
    let of_sandbox = json!([record(&attempts[0], "aws-sandbox")]).to_string();
    let object = reconcile(&bench, &[&bench.file("sandbox.json", of_sandbox)], &[]).exits(0).json();
    assert_eq!((&object["attempts"]["confirmed"], &object["of_other_kind"]), (&json!(0), &json!(1)), "{object}");
    bench.keybatch(&["reconcile", "latest"]).exits(2);
    bench.keybatch(&["reconcile", "beef", "--cloudtrail", "-"]).exits(2);
}

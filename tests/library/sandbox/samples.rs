//! The shipped samples: the worlds are accepted, and a client that decides as `docs/RECOVERY.md` says comes to the
//! outcomes which `bad-day.expected.csv` expects.
//!
//! The client here is a second, small implementation of the decision table, so that the expectations do not rest on the
//! product alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keybatch::sandbox::{RehearsalRow, SandboxOptions, Source, World, start};
use serde_json::Value;

use super::client::{Got, SCOPE, loopback, send};

const ATTEMPTS: usize = 3;
/// The attempt timeout and a grace.
const SURELY_DEAD: Duration = Duration::from_millis(1200);
const SETTLE: Duration = Duration::from_secs(5);
const OPERATION: Duration = Duration::from_secs(5);

type Outcome = (&'static str, &'static str);

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn rows(name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(sample(name)).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_day_ends_as_expected() {
    let world = World::load(&sample("bad-day.world.json")).unwrap();
    let sandbox = start(SandboxOptions { addr: loopback(), source: Source::Memory(world) }).await.unwrap();
    let addr = sandbox.addr();
    let inventory = [inventory(addr, "us-east-1").await, inventory(addr, "eu-central-1").await].concat();
    let (manifest, expected) = (rows("bad-day.csv"), rows("bad-day.expected.csv"));
    assert_eq!(manifest.len(), expected.len());
    let tasks: Vec<_> = manifest
        .iter()
        .zip(&expected)
        .map(|(row, expected)| {
            assert_eq!((&row["key_pair_name"], &row["region"]), (&expected["key_pair_name"], &expected["region"]));
            let (name, region) = (row["key_pair_name"].clone(), row["region"].clone());
            let observed = inventory.iter().find(|(place, pair)| *place == region && pair["name"] == *name).cloned();
            let wanted = row["expected_fingerprint"].clone();
            tokio::spawn(async move {
                match observed {
                    None => ("absent", "inventory"),
                    Some((_, pair)) if !wanted.is_empty() && pair["fingerprint"] != *wanted => ("skipped", ""),
                    Some((_, pair)) => Row { addr, region, name, pair }.work().await,
                }
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for (task, expected) in tasks.into_iter().zip(&expected) {
        let (outcome, evidence) = task.await.unwrap();
        if (outcome, evidence) != (expected["outcome"].as_str(), expected["evidence"].as_str()) {
            wrong.push(format!("{expected:?} came out as {outcome}/{evidence}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let stats = sandbox.stats();
    let twice: Vec<_> = stats.names.iter().filter(|entry| entry.effects.deleted > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(stats.names.iter().all(|entry| !entry.name.starts_with("bystander")));
    for name in ["recreated-after-our-answer", "recreated-answer-lost", "recreated-before-our-retry"] {
        assert!(ask(addr, "us-east-1", "GetKeyPair", &keyed("keyPairName", name)).await.0 == 200, "{name} survives");
    }
}

#[test]
fn a_bad_day_has_every_fault_but_expired_credentials() {
    let world: Value = serde_json::from_str(&std::fs::read_to_string(sample("bad-day.world.json")).unwrap()).unwrap();
    let names: BTreeSet<_> = rows("bad-day.csv").into_iter().map(|row| row["key_pair_name"].clone()).collect();
    let faults = world["faults"].as_array().unwrap();
    assert!(faults.iter().all(|fault| names.contains(fault["name"].as_str().unwrap())));
    let used: BTreeSet<_> = faults.iter().map(|fault| fault["do"].as_str().unwrap().to_owned()).collect();
    // The refusal of an unknown kind lists all kinds.
    let error = World::parse(r#"{"name":"aa","faults":[{"do":"?"}]}"#).unwrap_err();
    let listed = std::error::Error::source(&error).unwrap().to_string();
    let listed = listed.split("expected one of").nth(1).unwrap();
    let mut kinds: BTreeSet<_> = listed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(kinds.remove("expired_credentials"), "it would stop the run");
    assert_eq!(used, kinds);
}

#[tokio::test]
async fn the_sample_manifest_can_be_rehearsed_and_can_run_out_of_credentials() {
    let row = |row: &BTreeMap<String, String>| RehearsalRow {
        account: None,
        region: row["region"].clone(),
        name: row["key_pair_name"].clone(),
        fingerprint: Some(row["expected_fingerprint"].clone()).filter(|text| !text.is_empty()),
        arn: None,
        created_at: None,
    };
    let manifest = rows("deletions.csv");
    let rehearsal = World::rehearsal(manifest.iter().map(row));
    let expired = World::load(&sample("expired.world.json")).unwrap();
    for (world, deleted, present) in [(rehearsal, 12, 4), (expired, 5, 9)] {
        let sandbox = start(SandboxOptions { addr: loopback(), source: Source::Memory(world) }).await.unwrap();
        for row in &manifest {
            let fingerprint = match row["expected_fingerprint"].as_str() {
                "" => String::new(),
                text => format!(r#","expectedFingerprint":"{text}""#),
            };
            let body = format!(r#"{{"keyPairName":"{}"{fingerprint}}}"#, row["key_pair_name"]);
            ask(sandbox.addr(), &row["region"], "DeleteKeyPair", &body).await;
        }
        let stats = sandbox.stats();
        assert_eq!((stats.effects.deleted, stats.present.values().sum::<u64>()), (deleted, present));
    }
}

async fn inventory(addr: SocketAddr, region: &str) -> Vec<(String, Value)> {
    let (mut pairs, mut token) = (Vec::new(), None::<String>);
    loop {
        let body = token.map_or_else(|| "{}".to_owned(), |token| keyed("pageToken", &token));
        let (_, page) = ask(addr, region, "GetKeyPairs", &body).await;
        pairs.extend(page["keyPairs"].as_array().unwrap().iter().map(|pair| (region.to_owned(), pair.clone())));
        match page["nextPageToken"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => return pairs,
        }
    }
}

fn keyed(field: &str, value: &str) -> String {
    format!(r#"{{"{field}":"{value}"}}"#)
}

/// Status and body; 0 and null where none came.
async fn ask(addr: SocketAddr, region: &str, operation: &str, body: &str) -> (u16, Value) {
    let scope = SCOPE.replace("us-east-1", region);
    let headers = format!("X-Amz-Target: Lightsail_20161128.{operation}\r\nAuthorization: {scope}\r\n");
    match send(addr, "POST /", &headers, body).await {
        Got::Answer(answer) => (answer.status, serde_json::from_str(&answer.body).unwrap_or_default()),
        _ => (0, Value::Null),
    }
}

struct Row {
    addr: SocketAddr,
    region: String,
    name: String,
    pair: Value,
}

enum Found {
    Settled(Outcome),
    StillThere,
}

impl Row {
    async fn work(&self) -> Outcome {
        let mut last = ("failed", "readback");
        // Whether a request may have been executed.
        let (mut attempts, mut executed) = (0, false);
        while attempts < ATTEMPTS {
            let started = Instant::now();
            let (status, body) = self.ask("DeleteKeyPair", &keyed("keyPairName", &self.name)).await;
            let (operation, error) = (body["operation"].clone(), body["__type"].as_str().unwrap_or_default());
            let found = match (status, error) {
                (200, _) if operation["isTerminal"] == true && operation["status"] != "Failed" => {
                    return ("deleted", "answer");
                }
                (200, _) if operation.is_object() => {
                    executed = true;
                    last = ("failed", "operation");
                    self.follow(operation).await
                }
                (_, "NotFoundException") => match self.settle().await {
                    // Without any that may have done it, it vanished.
                    Found::Settled(("gone", "readback")) if !executed => return ("absent", "answer"),
                    found => found,
                },
                (_, "ThrottlingException" | "AccountSetupInProgressException" | "RegionSetupInProgressException") => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                (_, "AccessDeniedException" | "InvalidInputException") => return ("failed", "answer"),
                _ => {
                    executed = true;
                    tokio::time::sleep(SURELY_DEAD.saturating_sub(started.elapsed())).await;
                    self.settle().await
                }
            };
            if let Found::Settled(outcome) = found {
                return outcome;
            }
            attempts += 1;
        }
        last
    }

    async fn follow(&self, mut operation: Value) -> Found {
        let until = Instant::now() + OPERATION;
        while operation["isTerminal"] != true && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let id = operation["id"].as_str().unwrap_or_default().to_owned();
            let (status, polled) = self.ask("GetOperation", &keyed("operationId", &id)).await;
            if status == 200 {
                operation = polled["operation"].clone();
            }
        }
        let there = self.ask("GetKeyPair", &keyed("keyPairName", &self.name)).await.0 == 200;
        match (operation["isTerminal"] == true, operation["status"] == "Failed", there) {
            (true, false, _) => Found::Settled(("deleted", "operation")),
            (true, true, _) => Found::StillThere,
            (false, _, true) => Found::Settled(("in_doubt", "")),
            (false, _, false) => Found::Settled(("gone", "readback")),
        }
    }

    async fn settle(&self) -> Found {
        let until = Instant::now() + SETTLE;
        while Instant::now() < until {
            let (status, read) = self.ask("GetKeyPair", &keyed("keyPairName", &self.name)).await;
            match (status, read["__type"].as_str()) {
                (200, _) if read["keyPair"]["arn"] == self.pair["arn"] => return Found::StillThere,
                // The history alone says whose doing it is, whether or not another one has the name.
                (200, _) | (_, Some("NotFoundException")) => return Found::Settled(self.search().await),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        Found::Settled(("in_doubt", ""))
    }

    async fn search(&self) -> Outcome {
        let (_, found) = self.ask("GetOperationsForResource", &keyed("resourceName", &self.name)).await;
        let ours = |operation: &Value| operation["operationType"] == "DeleteKeyPair" && operation["status"] != "Failed";
        match found["operations"].as_array().is_some_and(|list| list.iter().any(ours)) {
            true => ("deleted", "operation"),
            false => ("gone", "readback"),
        }
    }

    async fn ask(&self, operation: &str, body: &str) -> (u16, Value) {
        ask(self.addr, &self.region, operation, body).await
    }
}

#[test]
fn the_reference_is_complete_and_its_example_is_accepted() {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SANDBOX.md")).unwrap();
    let example = docs.split("```json").nth(1).unwrap().split("```").next().unwrap();
    World::parse(example).unwrap();
    // Each refusal of something unknown lists what is known.
    for text in [
        r#"{"?":1}"#,
        r#"{"name":"aa","faults":[{"?":1}]}"#,
        r#"{"name":"aa","faults":[{"do":"?"}]}"#,
        r#"{"name":"aa","key_pairs":{"r":[{"?":1}]}}"#,
        r#"{"name":"aa","instances":[{"?":1}]}"#,
        r#"{"name":"aa","throttle":{"?":1}}"#,
    ] {
        let error = World::parse(text).unwrap_err();
        let listed = std::error::Error::source(&error).unwrap().to_string();
        let listed = listed.split("expected one of").nth(1).unwrap();
        for word in listed.split('`').skip(1).step_by(2) {
            assert!(docs.contains(&format!("`{word}`")), "`{word}` is missing from docs/SANDBOX.md");
        }
    }
}

//! A world on disk: what is on record, and what a killed sandbox comes back with.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keybatch::sandbox::{RehearsalRow, SandboxError, SandboxOptions, Source, StateDir, StateDirError, World, start};
use serde_json::Value;

use super::client::{Got, ask, delete, look, loopback, sandbox_in, there};

const WORLD: &str = r#"{
    "name": "disk",
    "key_pairs": {"us-east-1": [{"name": "alpha"}, {"name": "beta"}, {"name": "gamma"}, {"name": "slow"}, {"name": "late"}]},
    "generate": [{"region": "us-east-1", "prefix": "gen-", "count": 200}],
    "faults": [
        {"name": "beta", "nth": [2, 4], "do": "throttle"},
        {"name": "gamma", "do": "recreate_after"},
        {"name": "slow", "do": "slow_operation", "polls": 3, "effect": "at_end"},
        {"name": "late", "do": "late_effect", "delay_ms": 300}
    ]
}"#;

fn lines(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("record.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn create(dir: &Path) -> StateDir {
    StateDir::create(dir, World::parse(WORLD).unwrap()).unwrap()
}

/// The state in this directory. Another test of this process may just start a program: until that is loaded, it holds every
/// lock of the process, also one that was released meanwhile.
fn opened(dir: &Path) -> StateDir {
    for _ in 0..200 {
        match StateDir::open(dir) {
            Err(StateDirError::InUse { .. }) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    StateDir::open(dir).unwrap()
}

#[tokio::test]
async fn requests_and_effects_are_on_record_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    let answer = delete(sandbox.addr(), "alpha").await.answer();
    let lines = lines(dir.path());
    assert_eq!(lines.len(), 3);
    assert_eq!((lines[0]["kind"].as_str(), lines[0]["world"].as_str()), (Some("opened"), Some(sandbox.world_id())));
    let request = &lines[1];
    assert_eq!(request["kind"], "request");
    assert_eq!(request["seq"], 1);
    assert_eq!((request["operation"].as_str(), request["name"].as_str()), (Some("DeleteKeyPair"), Some("alpha")));
    assert_eq!(request["region"], "us-east-1");
    assert_eq!(request["request_id"].as_str(), answer.header("x-amzn-requestid"));
    assert_eq!(request["user_agent"], "test/1 app/run-1");
    assert_eq!((request["status"].as_u64(), &request["fault"]), (Some(200), &Value::Null));
    let effect = &lines[2];
    assert_eq!((effect["kind"].as_str(), effect["effect"].as_str()), (Some("effect"), Some("deleted")));
    assert_eq!((effect["by"].as_u64(), effect["who"].as_str()), (Some(1), Some("caller")));
    assert_eq!(effect["operation"], answer.json()["operation"]["id"]);
    assert!(effect["arn"].as_str().unwrap().contains(":KeyPair/"));
    let seen = look(sandbox.addr(), "/_sandbox/record").await;
    assert_eq!(seen.body, std::fs::read_to_string(dir.path().join("record.jsonl")).unwrap());
}

#[tokio::test]
async fn the_present_world_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    delete(sandbox.addr(), "alpha").await;
    delete(sandbox.addr(), "gen-000077").await;
    let seen = look(sandbox.addr(), "/_sandbox/world").await.body;
    let pairs: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pairs.len(), 203);
    assert!(pairs.iter().all(|pair| pair["region"] == "us-east-1" && pair["arn"].is_string()));
    assert!(!seen.contains("\"alpha\"") && !seen.contains("gen-000077"));
    let memory = super::client::sandbox(r#"{"name":"mem"}"#).await;
    assert_eq!(look(memory.addr(), "/_sandbox/record").await.status, 404);
}

#[tokio::test]
async fn a_reopened_world_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    let (id, addr) = (sandbox.world_id().to_owned(), sandbox.addr());
    delete(addr, "alpha").await;
    delete(addr, "gamma").await;
    delete(addr, "gen-000005").await;
    ask(addr, "CreateKeyPair", r#"{"keyPairName":"made","tags":[{"key":"a","value":"b"}]}"#).await;
    ask(addr, "ImportKeyPair", r#"{"keyPairName":"brought","publicKeyBase64":"AAAA"}"#).await;
    assert_eq!(delete(addr, "beta").await.answer().status, 200);
    let slow = delete(addr, "slow").await.answer().json()["operation"].clone();
    let poll = format!(r#"{{"operationId":{}}}"#, slow["id"]);
    ask(addr, "GetOperation", &poll).await;
    let (stats, world) = (sandbox.stats(), look(addr, "/_sandbox/world").await.body);
    sandbox.stop().await;

    let sandbox = sandbox_in(opened(dir.path())).await;
    let addr = sandbox.addr();
    assert_eq!(sandbox.world_id(), id);
    assert_eq!(sandbox.stats(), stats);
    assert_eq!(look(addr, "/_sandbox/world").await.body, world);
    let errors = [delete(addr, "beta").await.answer().error(), delete(addr, "beta").await.answer().error()];
    assert_eq!(errors, ["ThrottlingException", "NotFoundException"], "faults go on counting");
    for (polled, there_after) in [("Started", true), ("Succeeded", false)] {
        let operation = ask(addr, "GetOperation", &poll).await.answer().json()["operation"].clone();
        assert_eq!((operation["status"].as_str(), there(addr, "slow").await.is_some()), (Some(polled), there_after));
    }
    sandbox.stop().await;
    let sandbox = sandbox_in(opened(dir.path())).await;
    assert_eq!(delete(sandbox.addr(), "beta").await.answer().error(), "ThrottlingException", "the fourth");
}

#[tokio::test]
async fn an_effect_that_was_still_to_come_comes_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    assert_eq!(delete(sandbox.addr(), "late").await, Got::Cut);
    sandbox.stop().await;
    tokio::time::sleep(Duration::from_millis(320)).await;
    for _ in 0..2 {
        let sandbox = sandbox_in(opened(dir.path())).await;
        assert!(there(sandbox.addr(), "late").await.is_none());
        assert_eq!(sandbox.stats().effects.deleted, 1);
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn expired_credentials_are_renewed_by_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = r#"{"name":"ex","credentials_expire_after_deletes":1,"generate":[{"region":"us-east-1","prefix":"k-","count":9}]}"#;
    let sandbox = sandbox_in(StateDir::create(dir.path(), World::parse(world).unwrap()).unwrap()).await;
    assert_eq!(delete(sandbox.addr(), "k-000001").await.answer().status, 200);
    assert_eq!(delete(sandbox.addr(), "k-000002").await.answer().error(), "ExpiredTokenException");
    sandbox.stop().await;
    let sandbox = sandbox_in(opened(dir.path())).await;
    for number in 2..=9 {
        assert_eq!(delete(sandbox.addr(), &format!("k-00000{number}")).await.answer().status, 200);
    }
    sandbox.stop().await;
    sandbox_in(opened(dir.path())).await.stop().await;
}

#[tokio::test]
async fn a_record_cut_at_any_length_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    delete(sandbox.addr(), "gamma").await;
    delete(sandbox.addr(), "beta").await;
    sandbox.stop().await;
    let whole = std::fs::read(dir.path().join("record.jsonl")).unwrap();
    let world = std::fs::read(dir.path().join("world.json")).unwrap();
    for length in 0..whole.len() {
        let cut = tempfile::tempdir().unwrap();
        std::fs::write(cut.path().join("world.json"), &world).unwrap();
        std::fs::write(cut.path().join("record.jsonl"), &whole[..length]).unwrap();
        let sandbox = sandbox_in(StateDir::open(cut.path()).unwrap()).await;
        let (stats, record) = (sandbox.stats(), lines(cut.path()));
        let of = |kind: &str| record.iter().filter(|line| line["kind"] == kind).count() as u64;
        let arrived = stats.requests.get("DeleteKeyPair").map_or(0, |requests| requests.arrived);
        assert_eq!(of("request"), arrived, "{length}");
        assert_eq!(of("effect"), stats.effects.deleted + stats.effects.created_by_others, "{length}");
        let effects = match arrived {
            0 => 0,
            1 => 2,
            _ => 3,
        };
        assert_eq!(of("effect"), effects, "a request on record has its effects on record: {length}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_record_that_does_not_follow_from_its_world_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(create(dir.path())).await;
    delete(sandbox.addr(), "alpha").await;
    delete(sandbox.addr(), "beta").await;
    sandbox.stop().await;
    let path = dir.path().join("record.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    for (changed, line) in [
        (whole.replace("\"alpha\"", "\"gamma\""), 2),
        (whole.replace("deleted", "created"), 3),
        (whole.replace(&whole.lines().nth(1).unwrap()[..9], "damaged"), 1),
    ] {
        std::fs::write(&path, changed).unwrap();
        let source = Source::Dir(StateDir::open(dir.path()).unwrap());
        let error = start(SandboxOptions { addr: loopback(), source }).await.unwrap_err();
        let SandboxError::Record { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains(&format!("line {line} ")), "{source}");
    }
    std::fs::write(&path, whole).unwrap();
    sandbox_in(opened(dir.path())).await.stop().await;
}

#[tokio::test]
async fn one_directory_holds_one_world_and_serves_one_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = StateDir::open(dir.path()).unwrap_err();
    assert!(matches!(nowhere, StateDirError::World { .. }), "{nowhere}");
    let sandbox = sandbox_in(create(dir.path())).await;
    let second = StateDir::open(dir.path()).unwrap_err();
    assert!(matches!(second, StateDirError::InUse { .. }), "{second}");
    sandbox.stop().await;
    let again = StateDir::create(dir.path(), World::parse(WORLD).unwrap()).unwrap_err();
    assert!(matches!(again, StateDirError::Exists { .. }), "{again}");
    let reopened = sandbox_in(opened(dir.path())).await;
    assert!(there(reopened.addr(), "alpha").await.is_some());
}

#[tokio::test]
async fn a_rehearsal_survives_a_restart_with_the_arns_of_its_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let arn = "arn:aws:lightsail:us-east-1:123456789012:KeyPair/0e2c";
    let row = RehearsalRow {
        account: None,
        region: "us-east-1".to_owned(),
        name: "wanted".to_owned(),
        fingerprint: Some("aa:bb".to_owned()),
        arn: Some(arn.to_owned()),
        created_at: Some("2021-02-03T04:05:06.5Z".parse().unwrap()),
    };
    let world = World::rehearsal(std::iter::once(row));
    let sandbox = sandbox_in(StateDir::create(dir.path(), world).unwrap()).await;
    sandbox.stop().await;
    let sandbox = sandbox_in(opened(dir.path())).await;
    assert_eq!(there(sandbox.addr(), "wanted").await.as_deref(), Some(arn));
    let pairs = look(sandbox.addr(), "/_sandbox/world").await.body;
    assert!(pairs.contains("aa:bb") && pairs.contains("2021-02-03T04:05:06.500000Z"), "{pairs}");
    assert_eq!(pairs.lines().count(), 3, "with two bystanders");
}

/// Not a test: the process that `nothing_answered_is_forgotten_by_a_killed_sandbox` kills.
#[tokio::test]
#[ignore = "is started by another test"]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "how a parent test tells its child where")]
    let dir = std::env::var("KEYBATCH_SANDBOX_CHILD").unwrap();
    let sandbox = sandbox_in(StateDir::open(Path::new(&dir)).unwrap()).await;
    let draft = Path::new(&dir).join("addr.new");
    std::fs::File::create(&draft).unwrap().write_all(sandbox.addr().to_string().as_bytes()).unwrap();
    std::fs::rename(&draft, Path::new(&dir).join("addr")).unwrap();
    std::future::pending::<()>().await;
}

async fn spawn_child(dir: &Path) -> (Child, std::net::SocketAddr) {
    let _ = std::fs::remove_file(dir.join("addr"));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::state::child", "--ignored", "--nocapture"])
        .env("KEYBATCH_SANDBOX_CHILD", dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if let Ok(text) = std::fs::read_to_string(dir.join("addr")) {
            return (child, text.parse().unwrap());
        }
        assert!(child.try_wait().unwrap().is_none(), "the child cannot open the state directory");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answered_is_forgotten_by_a_killed_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let mut deleted = Vec::new();
    let mut number = 0;
    for round in 1..=3 {
        let (mut child, addr) = spawn_child(dir.path()).await;
        let work = tokio::spawn(async move {
            let mut answered = Vec::new();
            loop {
                number += 1;
                let name = format!("gen-{number:06}");
                let body = format!(r#"{{"keyPairName":"{name}"}}"#);
                match tokio::time::timeout(Duration::from_secs(2), try_delete(addr, &body)).await {
                    Ok(true) => answered.push(name),
                    _ => return (answered, number),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(10 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let (answered, last) = work.await.unwrap();
        assert!(!answered.is_empty());
        deleted.extend(answered);
        number = last;
    }
    let sandbox = sandbox_in(opened(dir.path())).await;
    let stats = sandbox.stats();
    for name in &deleted {
        let effects = stats.names.iter().find(|entry| entry.name == *name).map(|entry| entry.effects.deleted);
        assert_eq!(effects, Some(1), "{name}");
        assert!(there(sandbox.addr(), name).await.is_none());
    }
    assert!(stats.effects.deleted - deleted.len() as u64 <= 3, "at most one unanswered request in each round");
}

/// Whether a DeleteKeyPair was answered with 200; a dead server is no.
async fn try_delete(addr: std::net::SocketAddr, body: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(addr).await else { return false };
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Amz-Target: Lightsail_20161128.DeleteKeyPair\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n{body}",
        super::client::SCOPE,
        body.len()
    );
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

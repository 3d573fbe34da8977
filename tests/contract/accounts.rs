//! Many accounts in one run: how each is reached, and what happens where one is not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use crate::support::{Bench, Done};

const ONE: &str = "111122223333";
const TWO: &str = "444455556666";
const THREE: &str = "777788889999";

/// The look-alike with the sample's world, and a home whose profiles are known there.
struct Three {
    bench: Bench,
    served: Child,
    address: String,
}

impl Drop for Three {
    fn drop(&mut self) {
        let _ended = self.served.kill();
        let _reaped = self.served.wait();
    }
}

impl Three {
    fn new() -> Self {
        let mut bench = Bench::new();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            bench.unset(name);
        }
        std::fs::create_dir(bench.home().join(".aws")).unwrap();
        std::fs::create_dir(bench.home().join("config/keybatch")).unwrap();
        let profile =
            |name: &str, key: &str| format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = x\n");
        let keys = [("tools", "SANDBOXTOOLS"), ("old", "SANDBOXOLDKEY"), ("new", "SANDBOXNEWKEY")];
        bench.file(".aws/credentials", keys.map(|(name, key)| profile(name, key)).concat());
        let world = sample("three-accounts.world.json").display().to_string();
        let mut served = bench.command(&["sandbox", &world, "--quiet"]).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(served.stdout.take().unwrap()).read_line(&mut url).unwrap();
        bench.set("AWS_ENDPOINT_URL", url.trim());
        let address = url.trim().trim_start_matches("http://").to_owned();
        let three = Self { bench, served, address };
        three.configure(&[&profile_of(ONE, "tools"), &cleanup("keybatch-rehearsal"), &profile_of(THREE, "old")]);
        three
    }

    /// Writes the user configuration.
    fn configure(&self, tables: &[&str]) {
        self.bench.file("config/keybatch/keybatch.toml", tables.concat());
    }

    fn manifest(&self, rows: &[&str]) -> PathBuf {
        self.bench.file("m.csv", format!("account_id,region,key_pair_name\n{}\n", rows.join("\n")))
    }

    /// Asks as another program would, in an account.
    fn ask(&self, account: &str, operation: &str, name: &str) -> String {
        let body = format!(r#"{{"keyPairName":"{name}"}}"#);
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Amz-Target: Lightsail_20161128.{operation}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=SANDBOX{account}/20260101/us-east-1/lightsail/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn has(&self, account: &str, name: &str) -> bool {
        self.ask(account, "GetKeyPair", name).starts_with("HTTP/1.1 200")
    }

    /// Who the last session says that it was, by account.
    fn accounts(&self) -> BTreeMap<String, String> {
        let bodies =
            self.bench.query("SELECT body FROM entries WHERE kind = 'session_opened' ORDER BY seq DESC LIMIT 1");
        let body = match &bodies[0]["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            body => body.clone(),
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let accounts = body["accounts"].as_array().cloned().unwrap_or_default();
        accounts.iter().map(|account| (text(&account["account"]), text(&account["caller_arn"]))).collect()
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn profile_of(account: &str, profile: &str) -> String {
    format!("[accounts.\"{account}\"]\nprofile = \"{profile}\"\n")
}

/// The second account, as the role that its world has.
fn cleanup(external_id: &str) -> String {
    format!(
        "[accounts.\"{TWO}\"]\nrole_arn = \"arn:aws:iam::{TWO}:role/key-pair-cleanup\"\nexternal_id = \"{external_id}\"\n\
         source_profile = \"tools\"\n"
    )
}

/// How each target ended: its state and why, by account and region.
fn targets(done: &Done) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = |target: &Value| {
        let place = format!("{}/{}", text(&target["account"]), text(&target["region"]));
        (place, (text(&target["state"]), text(&target["detail"])))
    };
    done.json()["targets"].as_array().unwrap().iter().map(target).collect()
}

/// An account whose credentials expire half-way stops its own rows only, and one resume ends the run.
// SEMANTICS: P47
#[test]
fn an_account_that_loses_its_credentials_stops_alone_and_is_resumed_once() {
    let three = Three::new();
    let stopped = three.bench.run(&sample("three-accounts.csv"), &[]).exits(5);
    let counts = &stopped.json()["outcomes"];
    assert_eq!((&counts["deleted"], &counts["not_attempted"]), (&10.into(), &3.into()), "{stopped}");
    for (place, (state, detail)) in targets(&stopped) {
        let is_third = place.starts_with(THREE);
        assert_eq!(state, if is_third { "stopped" } else { "finished" }, "{place}: {stopped}");
        assert_eq!(!detail.is_empty(), is_third, "{place}: {stopped}");
    }
    let role = format!("arn:aws-sandbox:sts::{TWO}:assumed-role/key-pair-cleanup/keybatch-");
    let accounts = three.accounts();
    assert_eq!(accounts.keys().collect::<Vec<_>>(), [ONE, TWO, THREE]);
    assert!(accounts[TWO].starts_with(&role), "{accounts:?}");
    for account in [ONE, TWO, THREE] {
        assert!(stopped.stderr.contains(&accounts[account]), "the prompt shows each caller: {stopped}");
    }
    let callers = |done: &Done| {
        let pair = |one: &Value| (one["account"].as_str().unwrap().to_owned(), one["arn"].as_str().unwrap().to_owned());
        done.json()["callers"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(callers(&stopped), accounts.clone().into_iter().collect::<Vec<_>>(), "one of each account: {stopped}");
    three.configure(&[&profile_of(ONE, "tools"), &cleanup("keybatch-rehearsal"), &profile_of(THREE, "new")]);
    let done = three.bench.resume().exits(0);
    assert_eq!(done.json()["outcomes"]["deleted"], 13, "{done}");
    let of_run = callers(&done);
    assert!(callers(&stopped).iter().all(|one| of_run.contains(one)), "those of its earlier session, too: {done}");
    three.bench.verify().exits(0);
    assert!(three.has(TWO, "bystander-1") && three.has(TWO, "wordpress-blog") && three.has(ONE, "bastion"));
    let answered = three.bench.query(
        "SELECT account_id, count(*) AS n FROM attempts WHERE class = 'succeeded' GROUP BY account_id ORDER BY account_id",
    );
    let answered: Vec<_> = answered.iter().map(|row| (row["account_id"].clone(), row["n"].clone())).collect();
    assert_eq!(answered, [(ONE.into(), 5.into()), (TWO.into(), 2.into()), (THREE.into(), 6.into())]);
    let callers = "SELECT count(*) AS n FROM entries, json_each(body, '$.header.callers') WHERE kind = 'plan_sealed'";
    assert_eq!(three.bench.query(callers)[0]["n"], 3);
    // Nothing is left, and nothing is written.
    assert_eq!(three.bench.resume().exits(0).json()["run"], Value::Null);
}

/// A resume that cannot reach an account leaves its rows, and goes on with the others.
// SEMANTICS: P47
#[test]
fn a_resume_without_one_account_goes_on_with_the_others() {
    let three = Three::new();
    three.configure(&[&profile_of(ONE, "tools"), &cleanup("keybatch-rehearsal"), &profile_of(THREE, "new")]);
    three.bench.run(&sample("three-accounts.csv"), &["--max-deletes", "1"]).exits(5);
    for (tables, why) in [
        (
            vec![profile_of(ONE, "tools"), profile_of(THREE, "new")],
            "the user configuration does not say how account 444455556666",
        ),
        (vec![profile_of(ONE, "tools"), cleanup("another"), profile_of(THREE, "new")], "could not be assumed"),
        (vec![profile_of(ONE, "tools"), profile_of(TWO, "tools"), profile_of(THREE, "new")], "not 444455556666"),
    ] {
        three.configure(&tables.iter().map(String::as_str).collect::<Vec<_>>());
        let partly = three.bench.resume().exits(5);
        for (place, (state, detail)) in targets(&partly) {
            let is_second = place.starts_with(TWO);
            assert_eq!(state, if is_second { "stopped" } else { "finished" }, "{place}: {partly}");
            assert_eq!(detail.contains(why), is_second, "{place}: {partly}");
        }
        assert_eq!(three.accounts().keys().collect::<Vec<_>>(), [ONE, THREE], "{partly}");
        assert!(three.has(TWO, "ci-runner-2019") || three.has(TWO, "wordpress-blog-2"));
    }
    // Where no account is left to go on with, it is the environment that must change.
    three.configure(&[&profile_of(TWO, "nobody")]);
    let nowhere = three.bench.resume().exits(9);
    assert!(nowhere.said().contains("profile nobody"), "{nowhere}");
    three.configure(&[&cleanup("keybatch-rehearsal")]);
    // The other accounts have no rows left, so nobody misses them.
    let done = three.bench.resume().exits(0);
    assert_eq!(done.json()["outcomes"]["deleted"], 13, "{done}");
    three.bench.verify().exits(0);
}

/// Planning needs every account, and names the one that it cannot reach.
// SEMANTICS: P6
#[test]
fn planning_needs_every_account() {
    let three = Three::new();
    let manifest = sample("three-accounts.csv");
    for (tables, code, words) in [
        (
            vec![profile_of(ONE, "tools"), cleanup("another"), profile_of(THREE, "old")],
            "aws.credentials",
            ["could not be assumed", TWO],
        ),
        (
            vec![profile_of(ONE, "tools"), profile_of(TWO, "tools"), profile_of(THREE, "old")],
            "aws.account",
            ["profile tools", TWO],
        ),
        (
            vec![profile_of(ONE, "tools"), cleanup("keybatch-rehearsal"), profile_of(THREE, "none")],
            "aws.credentials",
            ["none", THREE],
        ),
    ] {
        three.configure(&tables.iter().map(String::as_str).collect::<Vec<_>>());
        let done = three.bench.run(&manifest, &[]).exits(9);
        assert_eq!(done.json()["code"], code, "{done}");
        assert!(words.iter().all(|word| done.stdout.contains(word)), "{done}");
        assert_ne!(done.json()["sent"], "deletes", "{done}");
    }
    // An account that has no table is none of the credentials'.
    three.configure(&[&profile_of(ONE, "tools"), &profile_of(THREE, "old")]);
    let done = three.bench.run(&manifest, &["--profile", "tools"]).exits(4);
    assert!(done.said().contains(TWO) && done.said().contains("[accounts."), "{done}");
    let skipped = three.bench.run(&manifest, &["--profile", "tools", "--skip-invalid", "--expect-account", ONE]);
    assert!(skipped.said().contains(&format!("not {ONE}")), "--expect-account is about each account: {skipped}");
    assert_eq!(three.bench.query("SELECT count(*) AS n FROM attempts")[0]["n"], 0);
}

/// A name in two accounts and two regions is four key pairs. Rows that name no account are in that of the default credentials, and
/// contradict rows that name it.
// SEMANTICS: P4
// SEMANTICS: P6
#[test]
fn names_may_repeat_over_accounts_and_regions() {
    let three = Three::new();
    let rows = [
        ",us-east-1,ci-runner-2019".to_owned(),
        ",eu-central-1,ci-runner-2019".to_owned(),
        format!("{TWO},us-east-1,ci-runner-2019"),
        format!("{THREE},eu-central-1,ci-runner-2019"),
        format!("{ONE},us-east-1,ci-runner-2019"),
    ];
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    let done = three.bench.run(&three.manifest(&rows), &["--profile", "tools"]).exits(4);
    assert_eq!(done.json()["code"], "manifest.contradiction", "{done}");
    let manifest = three.manifest(&rows[..4]);
    let done = three.bench.run(&manifest, &["--profile", "tools"]).exits(0);
    assert_eq!((&done.json()["outcomes"]["deleted"], &done.json()["rows"]), (&4.into(), &4.into()), "{done}");
    assert_eq!(three.accounts().keys().collect::<Vec<_>>(), [TWO, THREE], "the default credentials are no table's");
    three.bench.verify().exits(0);
    // Somebody makes the name again in one of the accounts: only that row is left alone.
    assert!(three.ask(TWO, "CreateKeyPair", "ci-runner-2019").starts_with("HTTP/1.1 200"));
    let again = three.bench.run(&manifest, &["--profile", "tools", "--again"]).exits(4);
    assert!(again.said().contains("--confirm 0"), "nothing of the other targets is there: {again}");
    let again = three.bench.run_unconfirmed(&manifest, &["--profile", "tools", "--again", "--confirm", "0"]).exits(3);
    let counts = &again.json()["outcomes"];
    assert_eq!((&counts["absent"], &counts["skipped"]), (&3.into(), &1.into()), "{again}");
    let notes = "SELECT DISTINCT json_extract(e.body, '$.line.account') AS account FROM entries AS e, json_each(e.body, '$.line.notes') AS n \
                 WHERE e.kind = 'intent_recorded' AND json_extract(n.value, '$.note') = 'recreated'";
    let noted: Vec<_> = three.bench.query(notes).iter().map(|row| row["account"].clone()).collect();
    assert_eq!(noted, [TWO]);
    assert!(three.has(TWO, "ci-runner-2019"));
    three.bench.verify().exits(0);
}

/// A rehearsal has the accounts of the manifest, too, and needs none of their credentials.
#[test]
fn many_accounts_are_rehearsed() {
    let three = Three::new();
    let done = three.bench.run(&sample("three-accounts.csv"), &["--sandbox"]).exits(0);
    assert_eq!((&done.json()["outcomes"]["deleted"], &done.json()["sandbox"]), (&13.into(), &true.into()), "{done}");
    assert_eq!(targets(&done).len(), 4, "{done}");
    let world = format!("--sandbox={}", sample("three-accounts.world.json").display());
    let stopped = three.bench.run(&sample("three-accounts.csv"), &[&world, "--max-deletes", "5"]).exits(5);
    let run = stopped.json()["run"].as_str().unwrap().to_owned();
    three.bench.keybatch(&["resume", &run, "--output", "json"]).exits(0);
    three.bench.verify().exits(0);
    assert!(three.has(ONE, "bastion-old"), "nothing real was touched");
}

/// Everything that is wrong with a table is found before anything is sent.
#[test]
fn faults_of_tables_have_places() {
    let three = Three::new();
    three.configure(&["[accounts.prod]\nprofile = \"p\"\n", "[accounts.\"111122223333\"]\nprofle = \"p\"\n"]);
    let done = three.bench.run(&sample("three-accounts.csv"), &[]).exits(2).json();
    let faults = done["faults"].as_array().unwrap();
    let places: Vec<_> = faults.iter().map(|fault| (fault["line"].clone(), fault["code"].clone())).collect();
    assert_eq!(places, [(1.into(), "settings.account".into()), (4.into(), "settings.account".into())], "{done}");
}

/// A plan's file is of its accounts: it is executed where each of them is reached, and refused elsewhere.
// SEMANTICS: P6
#[test]
fn a_plan_of_many_accounts_is_executed_in_these() {
    let three = Three::new();
    let all = [profile_of(ONE, "tools"), cleanup("keybatch-rehearsal"), profile_of(THREE, "new")];
    three.configure(&[&all[0], &all[1], &all[2]]);
    let plan = three.bench.home().join("three.plan");
    let manifest = sample("three-accounts.csv").display().to_string();
    let path = plan.display().to_string();
    three.bench.keybatch(&["plan", &manifest, "-o", &path]).exits(0);
    let shown = three.bench.keybatch(&["show", &path, "--output", "json"]).exits(0).json();
    assert_eq!(shown["callers"].as_array().unwrap().len(), 3, "{shown}");
    three.configure(&[&all[0], &all[2]]);
    let refused = three.bench.run(&plan, &["--profile", "tools"]).exits(4);
    assert!(refused.said().contains(TWO), "{refused}");
    three.configure(&[&all[0], &all[1], &all[2]]);
    let done = three.bench.run(&plan, &[]).exits(0);
    assert_eq!(done.json()["outcomes"]["deleted"], 13, "{done}");
    three.bench.verify().exits(0);
}

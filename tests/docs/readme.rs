//! The README: its commands are run, as two readers would who begin with the rehearsal and with the real run, and its tables
//! are compared with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keybatch::cli::Exit;
use keybatch::manifest::Meaning;
use sqlx::{Connection as _, Row as _};

use super::{quoted, read, repository, table};
use crate::harness::{ignore, wait_for};

/// The account of every rehearsal, in place of the one that the README's examples name.
const ACCOUNT: &str = "000000000000";

/// The commands of a document: lines indented by four spaces that begin with a program, continued over backslashes.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(line) = line.strip_prefix("    ") else { continue };
        let first = line.split(' ').next().unwrap_or_default();
        if !["keybatch", "cargo", "timeout", "sqlite3", "ssh-keygen", "sed"].contains(&first) {
            continue;
        }
        let mut command = line.to_owned();
        while let Some(begun) = command.strip_suffix('\\') {
            command = format!("{}{}", begun, lines.next().expect("a continued line").trim_start());
        }
        commands.push(command);
    }
    commands
}

/// What takes too long here, or needs a tool that cargo installs: `.ci/run` takes these lines from the README and runs them.
const GATE: [&str; 4] = ["cargo test", "cargo install --path", "cargo install --locked", "cargo cyclonedx"];

/// What a command must exit with, after those `before` it.
fn expected(command: &str, before: &[String]) -> i32 {
    let is_approved = || before.iter().any(|line| line.contains("approve reviewed.plan"));
    if command.contains("bad-day") {
        6
    } else if command.contains("reused.csv") && before.iter().any(|line| line == command)
        || command.ends_with("--policy samples/policy.toml") && command.contains(" run ")
        || command.contains("run reviewed.plan") && !is_approved()
    {
        4
    } else if command.contains("--max-deletes 3") || command.contains("--canary 2") {
        5
    } else if command.contains("resume --journal night.db") && before.iter().any(|line| line == command) {
        4
    } else if command.contains("./AWSLogs") {
        // This reader has no such records, and a folder that is not there is no answer.
        9
    } else if command.contains("--again") || command.contains("--resume") {
        3
    } else if command.starts_with("timeout") {
        137
    } else {
        0
    }
}

/// A reader's home: the samples, the program on the path, and nothing else.
struct Reader {
    home: tempfile::TempDir,
    sandboxes: Vec<Child>,
    url: String,
}

impl Reader {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["bin", "samples", "tmp"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_keybatch"), home.path().join("bin/keybatch")).unwrap();
        for item in std::fs::read_dir(repository("samples")).unwrap() {
            let path = item.unwrap().path();
            std::fs::copy(&path, home.path().join("samples").join(path.file_name().unwrap())).unwrap();
        }
        std::fs::copy(repository("samples/deletions.csv"), home.path().join("deletions.csv")).unwrap();
        std::fs::write(home.path().join("world.json"), world()).unwrap();
        let mut reader = Self { home, sandboxes: Vec::new(), url: String::new() };
        reader.serve("keybatch sandbox world.json");
        reader
    }

    /// Serves a sandbox, as a line of the README does in another terminal, for all lines that follow.
    fn serve(&mut self, line: &str) {
        let arguments = line.split(' ').skip(1).chain(["--quiet"]);
        let mut sandbox = Command::new(env!("CARGO_BIN_EXE_keybatch"))
            .args(arguments)
            .current_dir(self.home.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(sandbox.stdout.take().unwrap()).read_line(&mut url).unwrap();
        self.sandboxes.push(sandbox);
        self.url = url.trim().to_owned();
    }

    /// Runs a line of the README in a shell.
    fn run(&self, line: &str) -> (Option<i32>, String) {
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.home.path().join("bin").display()))
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path().join("tmp"))
            .env("AWS_ENDPOINT_URL", &self.url)
            .envs([("AWS_ACCESS_KEY_ID", "READER"), ("AWS_SECRET_ACCESS_KEY", "none"), ("AWS_REGION", "us-east-1")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let code = output
            .status
            .code()
            .or_else(|| std::os::unix::process::ExitStatusExt::signal(&output.status).map(|n| 128 + n));
        (code, String::from_utf8_lossy(&said).into_owned())
    }

    fn journal(&self) -> PathBuf {
        self.home.path().join(".local/share/keybatch/journal.db")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for sandbox in &mut self.sandboxes {
            let _ended = sandbox.kill();
            let _reaped = sandbox.wait();
        }
    }
}

fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

/// A world that holds what the sample manifest names, for the part of the README that is for real.
fn world() -> String {
    let mut key_pairs: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for row in csv_rows(&repository("samples/deletions.csv")) {
        let mut pair = serde_json::json!({"name": row["key_pair_name"]});
        if !row["expected_fingerprint"].is_empty() {
            pair["fingerprint"] = row["expected_fingerprint"].clone().into();
        }
        key_pairs.entry(row["region"].clone()).or_default().push(pair);
    }
    serde_json::json!({"name": "for-real", "key_pairs": key_pairs}).to_string()
}

/// Where the second reader begins.
const SECOND_HALF: &str = "\n## A real run\n";

// SEMANTICS: P55
fn every_command_does_what_is_said() {
    let document = read("README.md");
    let (rehearsal, rest) = document.split_once(SECOND_HALF).expect("the heading of the second half");
    let [first, second] = std::thread::scope(|scope| {
        // Most of it is waiting.
        let readers = [rehearsal, rest].map(|half| scope.spawn(|| Tried::all_of(half)));
        readers.map(|reader| reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (ran, untried) = (first.ran + second.ran, first.untried + second.untried);
    assert!(ran >= 16, "{ran} commands");
    if untried > 0 {
        ignore(format!(
            "sqlite3 or ssh-keygen is not installed: {untried} commands stay untried, {ran} do what is said"
        ));
    }
}

/// How many commands did what is said, and how many could not be tried.
struct Tried {
    ran: u32,
    untried: u32,
}

impl Tried {
    /// Runs the commands of a part of the README one after the other.
    fn all_of(text: &str) -> Self {
        let mut reader = Reader::new();
        let (mut ran, mut untried, mut before) = (0, 0, Vec::new());
        for command in commands(text) {
            if GATE.iter().any(|begins| command.starts_with(begins)) {
                continue;
            }
            let line = command.replace("cargo run --", "keybatch").replace("111122223333", ACCOUNT);
            // What follows on a restore means nothing without it.
            let needs_shell = line.starts_with("sqlite3") || line.contains("night.db");
            let needs_keys =
                line.starts_with("ssh-keygen") || line.contains("signers") || line.contains("reviewed.plan");
            if needs_shell && reader.run("sqlite3 -version").0 != Some(0)
                || needs_keys && reader.run("command -v ssh-keygen").0 != Some(0)
            {
                untried += 1;
                continue;
            }
            ran += 1;
            if line.starts_with("keybatch sandbox") && !line.contains("--cloudtrail") {
                reader.serve(&line);
                continue;
            }
            let (code, said) = reader.run(&line);
            assert_eq!(code, Some(expected(&line, &before)), "{command}\n{said}");
            if line.contains("bad-day") {
                wait_for(bad_day_ended_as_expected(&reader));
            }
            before.push(line);
        }
        Self { ran, untried }
    }
}

fn the_gate_runs_the_commands_that_are_not_run_here() {
    let (document, gate) = (read("README.md"), read(".ci/run"));
    for begins in GATE {
        let named = commands(&document).iter().filter(|command| command.starts_with(begins)).count();
        assert_eq!(named, 1, "{begins}");
        assert!(gate.contains(&format!("$(readme '{begins}')")), "{begins}");
    }
}

/// Each row of the bad day has its outcome, and the sandbox's own record agrees.
async fn bad_day_ended_as_expected(reader: &Reader) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(reader.journal()).read_only(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    // Of a start that took the disk too long, no request left.
    let sql = "SELECT run_id, key_pair_name, region, outcome, evidence, attempts - (SELECT count(*) FROM attempts AS a \
               WHERE a.run_id = intents.run_id AND a.row_no = intents.row_no AND a.class = 'not_sent') FROM intents \
               WHERE run_id = (SELECT max(run_id) FROM runs) ORDER BY row_no";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let found: Vec<[String; 4]> = rows.iter().map(|row| [1, 2, 3, 4].map(|index| row.get(index))).collect();
    let expected = csv_rows(&repository("samples/bad-day.expected.csv"));
    assert_eq!(found.len(), expected.len());
    for (row, expected) in found.iter().zip(&expected) {
        let [name, region, outcome, evidence] = row;
        assert_eq!([name, region, outcome], [&expected["key_pair_name"], &expected["region"], &expected["outcome"]]);
        assert!(expected["evidence"].is_empty() || *evidence == expected["evidence"], "{row:?}");
    }
    // What arrived, and what it did, as the sandbox recorded it.
    let run: String = rows[0].get(0);
    let record = format!("{}.sandbox-{run}/record.jsonl", reader.journal().display());
    let (mut arrived, mut deleted) = (BTreeMap::<String, i64>::new(), BTreeSet::new());
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let place = format!("{}/{}", line["region"].as_str().unwrap_or("-"), line["name"].as_str().unwrap_or("-"));
        if line["kind"] == "request" && line["operation"] == "DeleteKeyPair" {
            *arrived.entry(place).or_default() += 1;
        } else if line["kind"] == "effect" && line["effect"] == "deleted" && line["who"] == "caller" {
            deleted.insert(place);
        }
    }
    for (row, [name, region, outcome, _]) in rows.iter().zip(&found) {
        let place = format!("{region}/{name}");
        let attempts: i64 = row.get(5);
        assert_eq!(arrived.get(&place).copied().unwrap_or(0), attempts, "{place}: requests and attempts");
        match outcome.as_str() {
            "deleted" => assert!(deleted.contains(&place), "{place} is `deleted`, but our requests had no effect"),
            "absent" | "skipped" | "failed" => assert!(!deleted.contains(&place), "{place} is `{outcome}`"),
            _ => {}
        }
    }
}

// SEMANTICS: P56
fn the_exit_codes_are_those_of_the_code() {
    let exits = [
        Exit::Success,
        Exit::Unexpected,
        Exit::Usage,
        Exit::SomeNotDone,
        Exit::Refused,
        Exit::Stopped,
        Exit::InDoubt,
        Exit::NotVerified,
        Exit::Locked,
        Exit::Environment,
        Exit::Declined,
        Exit::Unfinished,
        Exit::StoppedPlanning,
    ];
    let listed = table(&read("README.md"), "## Exit codes");
    let listed: Vec<u8> = listed.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(listed, exits.map(Exit::code));
    // A new way to leave must be added above, else this does not compile.
    match Exit::Success {
        Exit::Success | Exit::Unexpected | Exit::Usage | Exit::SomeNotDone | Exit::Refused | Exit::Stopped => {}
        Exit::InDoubt | Exit::NotVerified | Exit::Locked | Exit::Environment | Exit::Declined => {}
        Exit::Unfinished | Exit::StoppedPlanning => {}
    }
}

fn the_columns_are_those_of_the_code() {
    let listed: BTreeSet<String> = table(&read("README.md"), "## The manifest")
        .iter()
        .flat_map(|row| row[0].split(',').map(|cell| quoted(cell).to_owned()).collect::<Vec<_>>())
        .collect();
    let known: BTreeSet<String> =
        Meaning::ALL.iter().flat_map(|meaning| meaning.spellings()).map(|&spelling| spelling.to_owned()).collect();
    assert_eq!(listed, known);
}

fn the_policy_names_exactly_what_is_asked() {
    let document = read("README.md");
    let (_, json) = document.split_once("```json\n").unwrap();
    let policy: serde_json::Value = serde_json::from_str(json.split_once("```").unwrap().0).unwrap();
    let listed = policy["Statement"][0]["Action"].as_array().unwrap();
    let listed: BTreeSet<&str> = listed.iter().map(|action| action.as_str().unwrap()).collect();
    let asked = super::pages::requests_of_the_port();
    assert_eq!(listed, asked.iter().map(String::as_str).collect());
}

/// Each flag of the settings exists and has its variable, and its default is the one that the help names.
fn the_settings_are_those_of_the_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_keybatch")).args(["run", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for row in table(&read("README.md"), "## Settings") {
        for flag in row[0].split(',').map(quoted) {
            let variable = format!("KEYBATCH_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
            let (_, from) = help.split_once(&format!("{flag} <")).unwrap_or_else(|| panic!("{flag} is no flag of run"));
            let own = from.split(" --").next().unwrap();
            assert!(own.contains(&format!("[env: {variable}=]")), "{flag} has no {variable}: {own}");
            let default = row[1].trim_matches('`');
            if !["none", "as the AWS configuration says"].contains(&default) {
                assert!(own.contains(&format!("default: {default}]")), "{flag}: not {default} in {own}");
            }
        }
    }
}

crate::harness::tests![
    the_gate_runs_the_commands_that_are_not_run_here,
    the_exit_codes_are_those_of_the_code,
    the_columns_are_those_of_the_code,
    the_policy_names_exactly_what_is_asked,
    the_settings_are_those_of_the_program,
    every_command_does_what_is_said
];

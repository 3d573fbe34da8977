//! `--metrics-file` and `--metrics-listen`: what they show is what the summary and the journal say, and nothing that is wrong with them
//! stops a run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{ACCOUNT, Act, Bench, OUTCOMES, SECRET_CANARY, count, summary, wait_until};

/// The values of a text, by name and labels as they stand there, without those that every line has.
fn values(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let value = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = match name.split_once('{') {
            Some((name, labels)) => {
                let own = labels.trim_end_matches('}').split(',').filter(|label| !is_common(label));
                let own: Vec<_> = own.collect();
                if own.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", own.join(",")) }
            }
            None => name.to_owned(),
        };
        let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
        (name, value)
    };
    lines.map(value).collect()
}

fn is_common(label: &str) -> bool {
    label.starts_with("run=") || label.starts_with("sandbox=")
}

fn read(path: &Path) -> BTreeMap<String, f64> {
    values(&std::fs::read_to_string(path).unwrap())
}

/// What the last file says of the run: rows, requests and entries as the summary and the journal have them.
#[track_caller]
fn agree(bench: &Bench, path: &Path, done: &crate::support::Done) {
    let (found, summary) = (read(path), summary(bench, done));
    for outcome in OUTCOMES {
        let shown = found[&format!("keybatch_rows{{outcome=\"{outcome}\"}}")];
        assert_eq!(Some(shown), summary["outcomes"][outcome].as_f64(), "{outcome}: {found:#?}");
    }
    let requests = &summary["session"]["requests"];
    for kind in ["delete", "read"] {
        let shown = found[&format!("keybatch_requests_total{{kind=\"{kind}\"}}")];
        assert_eq!(Some(shown), requests[kind].as_f64(), "{kind}: {found:#?}");
    }
    assert_eq!(Some(found["keybatch_throttled_total"]), requests["throttled"].as_f64());
    assert_eq!(Some(found["keybatch_session_exit_code"]), summary["exit"].as_f64());
    assert_eq!(Some(found["keybatch_journal_entries"]), summary["head"]["size"].as_f64());
    assert_eq!(found["keybatch_journal_entries"], number(count(bench, "SELECT count(*) AS n FROM entries")));
    let behind = "SELECT (SELECT count(*) FROM entries) - (SELECT max(size) FROM checkpoints) AS n";
    assert_eq!(found["keybatch_journal_entries_behind_checkpoint"], number(count(bench, behind)));
    assert_eq!(found["keybatch_session_state{state=\"ended\"}"], 1.0);
    assert_eq!(found["keybatch_in_flight"], 0.0);
    assert!(found["keybatch_commit_seconds_count"] > 0.0);
    assert_eq!(found["keybatch_commit_seconds_count"], found["keybatch_commit_seconds_bucket{le=\"+Inf\"}"]);
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

// SEMANTICS: P137
#[test]
fn the_last_file_of_a_session_says_what_its_summary_and_the_journal_say() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 7);
    bench.world.script("DeleteKeyPair", &names[0], [Act::throttle(), Act::throttle()]);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    let mut rows = names.clone();
    rows.push("not-there".to_owned());
    let manifest = bench.manifest(&rows);
    let file = bench.home().join("keybatch.prom");
    let to = file.to_str().unwrap();
    let flags = ["--metrics-file", to, "--max-deletes", "3", "--concurrency", "1"];
    let stopped = bench.run(&manifest, &flags).exits(5);
    agree(&bench, &file, &stopped);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "another user reads it");
    let text = std::fs::read_to_string(&file).unwrap();
    let run = summary(&bench, &stopped)["run"].as_str().unwrap().to_owned();
    let each = text.lines().filter(|line| !line.starts_with('#'));
    each.for_each(|line| assert!(line.contains(&format!("{{run=\"{run}\",sandbox=\"false\"")), "{line}"));
    assert!(text.contains(&format!("account=\"{ACCOUNT}\",region=\"us-east-1\"")), "{text}");
    for secret in names.iter().map(String::as_str).chain(["not-there", SECRET_CANARY]) {
        assert!(!text.contains(secret), "{secret} is nobody's business: {text}");
    }
    // The same file, by its variable: the numbers are those of the session that resumes.
    bench.set("KEYBATCH_METRICS_FILE", to);
    let done = bench.resume().exits(3);
    agree(&bench, &file, &done);
    let beside = std::fs::read_dir(bench.home()).unwrap().map(|item| item.unwrap().file_name());
    assert_eq!(beside.filter(|name| name.to_string_lossy().contains(".prom")).count(), 1);
}

/// What the address answers: the head and the body.
fn get(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

// SEMANTICS: P138
#[test]
fn a_session_is_shown_on_a_loopback_address_while_it_lasts() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    bench.world.always("DeleteKeyPair", &names[4], Act::ok().after(Duration::from_secs(2)));
    let manifest = bench.manifest(&names).display().to_string();
    let journal = bench.journal().display().to_string();
    let arguments = ["run", &manifest, "--yes", "--quiet", "--attempt-timeout", "10s"];
    let more = ["--metrics-listen", "127.0.0.1:0", "--journal", &journal];
    let mut child = bench.command(&[&arguments[..], &more].concat()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("metrics are served on http://").unwrap().strip_suffix("/metrics").unwrap();
    let scrape = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    bench.world.wait_for_deletes(5);
    wait_until("the session is seen at work", || get(address, &scrape).1.contains("keybatch_session_state{run="));
    let (head, body) = get(address, &scrape);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    let found = values(&body);
    assert_eq!(found["keybatch_session_state{state=\"running\"}"], 1.0, "{body}");
    let rows: f64 = OUTCOMES.iter().map(|outcome| found[&format!("keybatch_rows{{outcome=\"{outcome}\"}}")]).sum();
    assert_eq!(rows, 5.0, "{body}");
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"), "404"),
        (format!("POST /metrics HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"), "405"),
        ("GET /metrics HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n".to_owned(), "403"),
        (format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "x".repeat(20_000)), "431"),
    ] {
        let head = get(address, &request).0;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    // Those who say nothing keep nobody from ending.
    let _silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    TcpStream::connect(address).unwrap_err();
}

// SEMANTICS: P138
#[test]
fn metrics_that_cannot_be_shown_are_refused_before_anything_is_sent() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let before = std::fs::read(&manifest).unwrap();
    let other = bench.file("other.txt", "somebody's text\n").display().to_string();
    let nowhere = bench.home().join("no/such/folder.prom").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (journal, own) = (bench.journal().display().to_string(), manifest.display().to_string());
    let checkpoints = bench.home().join("checkpoints").display().to_string();
    let both = ["--checkpoint-to", &checkpoints, "--metrics-file", &checkpoints];
    for (flags, exit, code) in [
        (&["--metrics-file", &nowhere][..], 9, "metrics.unusable"),
        (&["--metrics-file", &other], 9, "metrics.unusable"),
        (&["--metrics-listen", &address], 9, "metrics.unusable"),
        (&["--metrics-file", &journal], 2, "usage.file_in_use"),
        (&["--metrics-file", &own], 2, "usage.file_in_use"),
        (&both, 2, "usage.file_in_use"),
        (&["--metrics-listen", "0.0.0.0:9464"], 2, "usage.arguments"),
        (&["--metrics-listen", "[::]:0"], 2, "usage.arguments"),
    ] {
        let refused = bench.run(&manifest, flags).exits(exit);
        assert_eq!(refused.json()["code"], code, "{flags:?}: {refused}");
        assert_eq!(refused.json()["sent"], "nothing", "{flags:?}: {refused}");
    }
    assert!(bench.world.state().log.is_empty(), "nothing was sent");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "somebody's text\n");
    assert_eq!(std::fs::read(&manifest).unwrap(), before);
}

// SEMANTICS: P138
#[test]
fn a_file_that_can_no_longer_be_replaced_is_said_once_and_stops_nothing() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 60);
    let folder = bench.home().join("collector");
    std::fs::create_dir(&folder).unwrap();
    let to = folder.join("keybatch.prom").display().to_string();
    let live = bench.spawn_run(&bench.manifest(&names), &["--rate", "8", "--metrics-file", &to]);
    bench.world.wait_for_deletes(1);
    std::fs::remove_dir_all(&folder).unwrap();
    let done = live.wait().exits(0);
    assert_eq!(done.stderr.matches("the metrics could not be written").count(), 1, "{done}");
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 60, "{done}");
}

/// What a monitor sees of a session that was killed: it never ended, and is no longer updated.
// SEMANTICS: P137
#[test]
fn the_file_of_a_session_that_was_killed_does_not_say_that_it_ended() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 30);
    let file = bench.home().join("keybatch.prom");
    bench.set("KEYBATCH_METRICS_FILE", file.to_str().unwrap());
    let live = bench.spawn_run(&bench.manifest(&names), &["--rate", "20"]);
    wait_until("the file shows work", || file.exists() && read(&file).contains_key("keybatch_in_flight"));
    live.kill();
    let found = read(&file);
    assert_eq!(found["keybatch_session_state{state=\"running\"}"], 1.0, "{found:#?}");
    assert!(!found.contains_key("keybatch_session_exit_code"), "{found:#?}");
    let done = bench.resume().exits(0);
    agree(&bench, &file, &done);
}

/// A session that never came to work still says that it ended.
#[test]
fn a_session_that_is_refused_shows_its_exit_code_and_that_it_has_no_rows() {
    let bench = Bench::new();
    let file = bench.home().join("keybatch.prom");
    bench.run(&bench.file("bad.csv", "nothing\n1\n"), &["--metrics-file", file.to_str().unwrap()]).exits(4);
    let found = read(&file);
    assert_eq!((found["keybatch_session_exit_code"], found["keybatch_session_state{state=\"ended\"}"]), (4.0, 1.0));
    let rows = found.iter().filter(|(name, _)| name.starts_with("keybatch_rows"));
    assert!(rows.clone().count() == 8 && rows.clone().all(|(_, rows)| *rows == 0.0), "{found:#?}");
    bench.run(&bench.manifest(&bench.world.keys("key", 1)), &["--metrics-file", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!(read(&file), found, "a dry run is no session");
}

//! Files of settings: their order, what they may not set, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Bench, summary};

/// Writes `./keybatch.toml`.
fn here(bench: &Bench, text: &str) -> PathBuf {
    bench.file("work/keybatch.toml", text)
}

/// Writes the user configuration.
fn user(bench: &Bench, text: &str) -> PathBuf {
    std::fs::create_dir_all(bench.home().join("config/keybatch")).unwrap();
    bench.file("config/keybatch/keybatch.toml", text)
}

/// What `config show` says: value, origin and place of each setting.
#[track_caller]
fn shown(bench: &Bench, args: &[&str]) -> BTreeMap<String, (Value, String, Value)> {
    let output = bench.command(&[&["config", "show", "--output", "json"], args].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let row = |row: Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("setting"), (row["value"].clone(), text("origin"), row["place"].clone()))
    };
    rows.into_iter().map(row).collect()
}

/// The faults of a refusal: file, line, column, code.
#[track_caller]
fn faults(bench: &Bench) -> Vec<(String, u64, u64, String)> {
    let done = bench.keybatch(&["runs", "--output", "json"]).exits(2);
    let refusal = done.json();
    assert_eq!((&refusal["schema"], &refusal["sent"]), (&"keybatch.error/1".into(), &"nothing".into()), "{done}");
    let fault = |fault: &Value| {
        let number = |name: &str| fault[name].as_u64().unwrap();
        let text = |name: &str| fault[name].as_str().unwrap().to_owned();
        (text("file"), number("line"), number("column"), text("code"))
    };
    refusal["faults"].as_array().unwrap().iter().map(fault).collect()
}

/// Flags come before variables, variables before the file in the working directory, and that before the user configuration.
#[test]
fn each_layer_overrides_the_next() {
    let mut bench = Bench::new();
    bench.unset("KEYBATCH_RATE");
    let file = user(&bench, "rate = \"1/s\"\nticket = \"U-1\"\nmax-deletes = 2_499\n\n[run]\nreason = \"user\"\n");
    let place = |line: u64| Value::from(format!("{}:{line}", file.display()));
    let text = |word: &str| Value::from(word);
    let of = |bench: &Bench, args: &[&str], name: &str| shown(bench, args)[name].clone();
    assert_eq!(of(&bench, &["run"], "rate"), (text("1/s"), "file".into(), place(1)));
    assert_eq!(of(&bench, &["run"], "max-deletes"), (text("2499"), "file".into(), place(3)));
    assert_eq!(of(&bench, &["run"], "reason"), (text("user"), "file".into(), place(6)));
    assert_eq!(of(&bench, &["resume"], "reason"), (Value::Null, "default".into(), Value::Null));
    assert_eq!(of(&bench, &["run"], "if-in-use"), (text("warn"), "default".into(), Value::Null));
    here(&bench, "rate = \"2/s\"\nticket = \"\"\n");
    assert_eq!(of(&bench, &["run"], "rate"), (text("2/s"), "file".into(), text("./keybatch.toml:1")));
    // An empty value is unset, so the next layer counts.
    assert_eq!(of(&bench, &["run"], "ticket"), (text("U-1"), "file".into(), place(2)));
    bench.set("KEYBATCH_RATE", "3/s");
    assert_eq!(of(&bench, &["run"], "rate"), (text("3/s"), "variable".into(), text("KEYBATCH_RATE")));
    bench.set("KEYBATCH_RATE", "");
    assert_eq!(of(&bench, &["run"], "rate"), (text("2/s"), "file".into(), text("./keybatch.toml:1")));
    let after = bench.command(&["config", "show", "run", "--rate", "4/s", "--output", "json"]).output().unwrap();
    let after: Vec<Value> = serde_json::from_slice(&after.stdout).unwrap();
    assert!(after.iter().any(|row| row["setting"] == "rate" && row["place"] == "--rate"), "{after:?}");
    assert_eq!(of(&bench, &["run", "--rate", "4/s"], "rate"), (text("4/s"), "flag".into(), text("--rate")));
}

/// What `config show` says is what a run does: the journal has the settings of the files.
#[test]
fn a_run_uses_the_settings_of_the_files() {
    let mut bench = Bench::new();
    bench.unset("KEYBATCH_CONCURRENCY");
    user(&bench, "concurrency = 3\nticket = \"U-1\"\noutput = \"csv\"\nquiet = true\n");
    here(&bench, "[run]\nticket = \"W-1\"\n[resume]\nticket = \"W-2\"\n");
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names).display().to_string();
    let done = bench.keybatch(&["run", &manifest, "--yes", "--output", "json"]).exits(0);
    assert_eq!(summary(&bench, &done)["ticket"], "W-1");
    assert_eq!(done.stderr, "", "the user configuration says quiet\n{done}");
    let opened = bench.query("SELECT body FROM entries WHERE kind = 'session_opened'");
    let opened: Value = serde_json::from_str(opened[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(opened["settings"]["concurrency"], "3", "{opened:#}");
    // A flag wins over the files for a switch and for the format, too.
    let loud = bench.keybatch(&["runs"]).exits(0);
    assert!(loud.stdout.starts_with("run_id,"), "{loud}");
    bench.set("KEYBATCH_QUIET", "no");
    let again = bench.keybatch(&["run", &manifest, "--resume"]).exits(0);
    assert_ne!(again.stderr, "", "{again}");
}

/// Every fault is reported at once, with file, line and column, and nothing is done.
#[test]
fn all_faults_are_reported_with_their_places() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&names);
    here(
        &bench,
        "rat = \"5/s\"\nyes = true\nconcurrency = 0\n  quiet = \"yes\"\nif-in-use = \"wran\"\n\n[runn]\nrate = \"1/s\"\n\
         [runs]\nrate = \"1/s\"\n[run]\nconfirm = 3\nrun = 1\n",
    );
    let file = user(
        &bench,
        "max_deletes = 5\nregion = \"Frankfurt\"\njournal = \"journal.db\"\nticket = [\"a\"]\nexpect-account = 12\n",
    );
    let file = file.display().to_string();
    let there = |line, column, code: &str| ("./keybatch.toml".to_owned(), line, column, format!("settings.{code}"));
    let own = |line, column, code: &str| (file.clone(), line, column, format!("settings.{code}"));
    assert_eq!(
        faults(&bench),
        [
            there(1, 1, "unknown"),
            there(2, 1, "typed"),
            there(3, 15, "value"),
            there(4, 11, "value"),
            there(5, 13, "value"),
            there(7, 2, "unknown"),
            there(10, 1, "unknown"),
            there(12, 1, "typed"),
            there(13, 1, "unknown"),
            own(1, 1, "unknown"),
            own(2, 10, "value"),
            own(3, 11, "value"),
            own(4, 10, "value"),
            own(5, 18, "value"),
        ]
    );
    let done = bench.run(&manifest, &[]).exits(2);
    assert!(bench.world.state().log.is_empty(), "{done}");
    for said in [
        "did you mean `rate`?",
        "did you mean [run]?",
        "did you mean warn?",
        "did you mean `max-deletes`?",
        "14 faults",
    ] {
        assert!(done.stderr.contains(said), "{said}\n{done}");
    }
    // What needs no settings still works, and doctor says what is wrong.
    bench.keybatch(&["completions", "bash"]).exits(0);
    let doctor = bench.keybatch(&["doctor", "--output", "json"]).exits(9);
    assert!(doctor.stdout.contains("./keybatch.toml:1:1: unknown setting"), "{doctor}");
}

/// A file that is no TOML, no text or no file at all is refused, and none of it can hang.
#[test]
fn what_is_no_file_of_settings_is_refused() {
    let bench = Bench::new();
    for (bytes, line) in [
        (&b"rate = \"5/s\"\nticket = x\n"[..], 2),
        (b"rate = \"5/s\"\nrate = \"6/s\"\n", 2),
        (b"[run\n", 1),
        (b"= 1\n", 1),
    ] {
        bench.file("work/keybatch.toml", bytes);
        let found = faults(&bench);
        assert!(found.iter().all(|fault| fault.1 == line && fault.3 == "settings.syntax"), "{found:?}");
    }
    bench.file("work/keybatch.toml", b"rate = \"\xff\"\n");
    assert_eq!(faults(&bench)[0].3, "settings.unreadable");
    bench.file("work/keybatch.toml", vec![b'#'; 1024 * 1024 + 1]);
    assert_eq!(faults(&bench)[0].3, "settings.unreadable");
    let path = bench.home().join("work/keybatch.toml");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(faults(&bench)[0].3, "settings.unreadable");
    std::fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(faults(&bench)[0].3, "settings.unreadable");
    std::fs::remove_file(&path).unwrap();
    // A byte order mark, CRLF and an empty file are fine.
    for fine in ["\u{feff}rate = \"5/s\"\r\n", "", "# nothing\n"] {
        here(&bench, fine);
        shown(&bench, &["run"]);
    }
}

/// The file in the working directory decides neither whom requests go to, nor where the record is kept, nor what is run.
#[test]
fn a_file_in_the_working_directory_may_not_set_everything() {
    let bench = Bench::new();
    let text = "journal = \"/tmp/j.db\"\nprofile = \"p\"\n[run]\nendpoint-url = \"http://127.0.0.1:9\"\n\
                [accounts.\"111122223333\"]\nprofile = \"q\"\n";
    here(&bench, text);
    let found: Vec<_> = faults(&bench).into_iter().map(|(_, line, _, code)| (line, code)).collect();
    assert_eq!(found, [1, 2, 4, 5].map(|line| (line, "settings.user_only".to_owned())));
    std::fs::remove_file(bench.home().join("work/keybatch.toml")).unwrap();
    // The user configuration may have all of it.
    user(&bench, &text.replace("/tmp/j.db", "~/j.db"));
    let found = shown(&bench, &["run"]);
    assert_eq!(found["journal"].0, bench.home().join("j.db").display().to_string());
    assert_eq!(
        (found["profile"].0.clone(), found["endpoint-url"].0.clone()),
        ("p".into(), "http://127.0.0.1:9".into())
    );
    // There the file is the user's own, even if that is the working directory.
    let mut command = bench.command(&["config", "show", "run"]);
    assert!(command.current_dir(bench.home().join("config/keybatch")).status().unwrap().success());
}

/// What may be a secret is shown neither with a fault nor among the settings.
#[test]
fn a_secret_in_a_file_is_not_shown() {
    let bench = Bench::new();
    let secret = crate::support::SECRET_CANARY;
    user(&bench, &format!("aws_secret_access_key = \"{secret}\"\nrate = \"{secret}\"\n"));
    let done = bench.keybatch(&["runs", "--output", "json"]).exits(2);
    assert!(!done.said().contains(secret), "{done}");
    user(&bench, "endpoint-url = \"http://me:hunter2@127.0.0.1:9/\"\n");
    let output = bench.command(&["config", "show"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("http://127.0.0.1:9") && !said.contains("hunter2"), "{said}");
}

/// Doctor names the files that are used.
#[test]
fn doctor_names_the_files_of_settings() {
    let bench = Bench::new();
    let said = |bench: &Bench| bench.keybatch(&["doctor", "--output", "csv"]).stdout;
    assert!(said(&bench).contains("neither ./keybatch.toml nor "), "{}", said(&bench));
    here(&bench, "rate = \"5/s\"\n");
    let file = user(&bench, "rate = \"5/s\"\nticket = \"T\"\n");
    let text = said(&bench);
    assert!(text.contains("./keybatch.toml sets 1 setting"), "{text}");
    assert!(text.contains(&format!("{} sets 2 settings", file.display())), "{text}");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert!(said(&bench).contains("others may write it"));
}

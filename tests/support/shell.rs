//! The plain `sqlite3` shell, as a reviewer has it; tests that need it skip loudly where it is missing.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Whether a program is installed; says so on the real stderr when it is not.
pub(crate) fn installed(program: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
    if !found {
        let line = format!("\n!!! SKIPPED: `{program}` is not installed, so a part of the contract stays unchecked\n");
        let _written = std::io::stderr().write_all(line.as_bytes());
    }
    found
}

/// Whether these tests were started so that a hang-up is ignored (`nohup`), which every program that they start inherits.
pub(crate) fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let ignored = mask.is_some_and(|mask| mask & 1 != 0);
    if ignored {
        let line = "\n!!! SKIPPED: SIGHUP is ignored here, so a part of the contract stays unchecked\n";
        let _written = std::io::stderr().write_all(line.as_bytes());
    }
    ignored
}

/// Runs SQL in the shell on that journal, read-only, and returns what it prints.
#[track_caller]
pub(crate) fn read(journal: &Path, sql: &str) -> String {
    let (ok, text) = run(&["-readonly", "-batch", "-noheader"], journal, sql);
    assert!(ok, "sqlite3 refused `{sql}`: {text}");
    text
}

/// Runs SQL in the shell on that journal, writing; returns whether it went well, and what was said.
pub(crate) fn write(journal: &Path, sql: &str) -> (bool, String) {
    run(&["-batch", "-noheader", "-bail"], journal, sql)
}

fn run(flags: &[&str], journal: &Path, sql: &str) -> (bool, String) {
    let mut child = Command::new("sqlite3")
        .args(["-init", "/dev/null"])
        .args(flags)
        .arg(journal)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sqlite3 starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(sql.as_bytes()).and_then(|()| pipe.write_all(b"\n;\n")).expect("sqlite3 reads");
    drop(pipe);
    let output = child.wait_with_output().expect("sqlite3 ends");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text.trim_end().to_owned())
}

//! The plain `sqlite3` shell, as a reviewer has it, and other programs that may be missing.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::harness::ignore;

/// Ends the test as ignored where a program is not installed.
pub(crate) fn needs(program: &str) {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
    if !found {
        ignore(format!("{program} is not installed"));
    }
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

/// Hands `text` to the program, and waits for its end. One that refuses it may do so before it has read all of it.
pub(crate) fn given(mut child: std::process::Child, text: &[u8]) -> std::process::Output {
    let written = std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), text);
    assert!(written.is_ok() || written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe));
    child.wait_with_output().expect("its end")
}

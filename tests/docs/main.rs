//! Keeps the documents true: compares what they promise, list and show with the code and the binary.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod compliance;
mod events;
mod golden;
#[path = "../support/harness.rs"]
mod harness;
mod help;
mod journal;
mod layers;
mod metrics;
mod pages;
mod pictures;
mod plans;
mod policy;
mod promises;
mod questions;
mod readme;
mod reconciled;
mod reliability;
mod settings;
mod sizes;
mod supervised;
mod version;

use std::path::{Path, PathBuf};

fn main() -> std::process::ExitCode {
    harness::run(&[
        compliance::LIST,
        golden::LIST,
        help::LIST,
        journal::LIST,
        layers::LIST,
        metrics::LIST,
        pages::LIST,
        pictures::LIST,
        policy::LIST,
        promises::LIST,
        questions::LIST,
        readme::LIST,
        reliability::LIST,
        settings::LIST,
        sizes::LIST,
        supervised::LIST,
        version::LIST,
    ])
}

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a generated file with what is in the repository; with `UPDATE_DOCS=1` at run time, writes it.
fn generated(path: &str, text: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(repository(path), text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(repository(path)).unwrap_or_default();
    if found == text {
        return;
    }
    let line = found.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = line.unwrap_or(found.lines().count().min(text.lines().count()));
    let (old, new) = (found.lines().nth(line).unwrap_or("(end)"), text.lines().nth(line).unwrap_or("(end)"));
    panic!(
        "{path}:{} is not what the code says now\n  there: {old}\n  now:   {new}\nUPDATE_DOCS=1 writes it again",
        line + 1
    );
}

/// The rows of a table under the heading `heading`, up to the next heading: the cells of each, without the header.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let mut lines = document.lines().skip_while(|line| *line != heading);
    assert_eq!(lines.next(), Some(heading), "there is no heading {heading:?}");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let rows = section.filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.skip(2).collect()
}

/// What stands between the first two backquotes.
fn quoted(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_default()
}

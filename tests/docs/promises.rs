//! Every numbered promise of `docs/SEMANTICS.md` is named by a test that keeps it, and no test names another one.
//!
//! A test says so by a comment line above it: two slashes, the document's name in capitals, a colon, the number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{read, repository};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The number and the first sentence of each promise, in order.
pub(super) fn promises() -> Vec<(String, String)> {
    let document = read("docs/SEMANTICS.md");
    let paragraphs = document.lines().filter_map(|line| line.strip_prefix("**P")?.split_once(".** "));
    paragraphs.map(|(number, text)| (format!("P{number}"), text.to_owned())).collect()
}

/// Whether the module's list of tests (see `tests/support/harness.rs`) has this function.
fn is_listed(text: &str, function: &str) -> bool {
    let name = function.rsplit(' ').next().unwrap_or_default();
    let list = text.rsplit_once("tests![").map_or("", |(_, list)| list.split(']').next().unwrap_or_default());
    list.split([',', ';', ' ', '\n']).any(|listed| listed == name)
}

/// Where each promise is named. A marker stands right above a test, with nothing but comments and attributes between.
fn markers() -> BTreeMap<String, Vec<String>> {
    let marker = ["// SEMANT", "ICS: "].concat();
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    sources(&repository("tests"), &mut files);
    files.sort();
    let mut markers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(number) = line.strip_prefix(&marker) else { continue };
            let below = lines[index..].iter().take_while(|line| line.starts_with("//") || line.starts_with("#["));
            let has_attribute = below.clone().any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"));
            let place = format!("{}:{}", file.display(), index + 1);
            let name = lines[index + below.count()].split(['(', '<']).next().unwrap_or_default().to_owned();
            assert!(has_attribute || is_listed(&text, &name), "{place}: no test follows");
            markers.entry(number.to_owned()).or_default().push(format!("{place} {name}"));
        }
    }
    markers
}

fn promises_are_numbered_without_gaps() {
    let numbers: Vec<_> = promises().into_iter().map(|(number, _)| number).collect();
    let expected: Vec<_> = (1..=numbers.len()).map(|number| format!("P{number}")).collect();
    assert_eq!(numbers, expected);
}

fn every_promise_has_a_test_and_every_marker_a_promise() {
    let markers = markers();
    let named: BTreeSet<_> = markers.keys().cloned().collect();
    let promised: BTreeSet<_> = promises().into_iter().map(|(number, _)| number).collect();
    let idle: Vec<_> = promises().into_iter().filter(|(number, _)| !named.contains(number)).collect();
    assert!(idle.is_empty(), "no test keeps {idle:#?}");
    let unknown: Vec<_> = markers.iter().filter(|(number, _)| !promised.contains(*number)).collect();
    assert!(unknown.is_empty(), "no promise has this number: {unknown:#?}");
}

/// In a crate with a harness of its own the compiler drops `#[test]` functions without a word.
fn no_test_is_dropped() {
    let manifest = read("Cargo.toml");
    let own = manifest.split("[[test]]").skip(1).filter(|target| target.contains("harness = false"));
    let crates: Vec<&str> = own.filter_map(|target| target.split('"').nth(1)).collect();
    assert_eq!(crates, ["docs", "stores", "tools"]);
    for name in crates {
        let mut files = Vec::new();
        sources(&repository(&format!("tests/{name}")), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let attribute = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let dropped = text.lines().position(|line| attribute(line.trim()));
            assert_eq!(dropped.map(|line| line + 1), None, "{}: list it in `tests![]` instead", file.display());
        }
    }
}

crate::harness::tests![
    no_test_is_dropped,
    promises_are_numbered_without_gaps,
    every_promise_has_a_test_and_every_marker_a_promise
];

//! `docs/METRICS.md` lists the metrics that a session shows, and the alerts that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{quoted, read, repository, table};

/// The labels that every line has.
const COMMON: [&str; 2] = ["run", "sandbox"];

/// A metric as a session shows it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// What a rehearsal shows at its end.
fn shown() -> BTreeMap<String, Shown> {
    let home = tempfile::tempdir().unwrap();
    let (file, journal) = (home.path().join("keybatch.prom"), home.path().join("journal.db"));
    let manifest = repository("samples/deletions.csv");
    let mut command = Command::new(env!("CARGO_BIN_EXE_keybatch"));
    command.arg("run").arg(manifest).args(["--sandbox", "--yes", "--quiet", "--metrics-file"]).arg(&file);
    command.arg("--journal").arg(journal).env_clear().env("HOME", home.path()).current_dir(home.path());
    let output = command.output().unwrap();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            last = name.to_owned();
            shown.entry(last.clone()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert_eq!(name, last, "{line}");
            shown.entry(last.clone()).or_default().kind = kind.to_owned();
        } else {
            assert!(line.starts_with(&last), "{line} stands under {last}");
            let labels = line.split('{').nth(1).unwrap().split('}').next().unwrap().split(',');
            let labels: BTreeSet<_> = labels.map(|label| label.split('=').next().unwrap().to_owned()).collect();
            assert!(COMMON.iter().all(|label| labels.contains(*label)), "{line}");
            shown.entry(last.clone()).or_default().labels.extend(labels);
        }
    }
    shown
}

fn the_list_of_metrics_is_what_a_session_shows() {
    let listed = table(&read("docs/METRICS.md"), "## What is shown");
    let mut documented = BTreeMap::new();
    for row in &listed {
        let [name, kind, _unit, labels, meaning, _source] = &row[..] else { panic!("{row:?}") };
        let own = labels.split('`').skip(1).step_by(2).map(str::to_owned);
        let labels = own.chain(COMMON.map(str::to_owned)).collect();
        let shown = Shown { kind: kind.clone(), help: meaning.clone(), labels };
        assert_eq!(documented.insert(quoted(name).to_owned(), shown), None, "{name} stands there twice");
    }
    assert_eq!(documented, shown());
}

fn names<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(before)).collect()
}

fn each_alert_is_listed_and_tested() {
    let rules = read("contrib/prometheus/keybatch.rules.yml");
    let alerts = names(&rules, "- alert: ");
    let listed = table(&read("docs/METRICS.md"), "## Alerts");
    assert_eq!(listed.iter().map(|row| quoted(&row[0])).collect::<BTreeSet<_>>(), alerts);
    let tests = read("contrib/prometheus/keybatch.test.yml");
    assert_eq!(names(&tests, "alertname: "), alerts);
}

fn the_rules_know_no_other_metrics() {
    let shown = shown();
    let rules = read("contrib/prometheus/keybatch.rules.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let used: BTreeSet<_> = words.filter(|word| word.starts_with("keybatch_")).collect();
    assert!(used.len() >= 9, "{used:?}");
    for name in used {
        assert!(shown.contains_key(name.trim_end_matches("_bucket")), "no session shows {name}");
    }
}

crate::harness::tests![
    the_list_of_metrics_is_what_a_session_shows,
    each_alert_is_listed_and_tested,
    the_rules_know_no_other_metrics
];

//! Checks that hold after every run, whatever happened in it: the invariants, seen from outside.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{bench::Bench, bench::Done, world::Place};

/// The seven outcomes.
pub(crate) const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// One row of the view `intents`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) value: Value,
}

impl Row {
    /// A column as text; empty where it is null.
    pub(crate) fn text(&self, column: &str) -> String {
        match &self.value[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.text("key_pair_name")
    }

    pub(crate) fn outcome(&self) -> String {
        self.text("outcome")
    }

    /// `outcome/evidence`.
    pub(crate) fn verdict(&self) -> String {
        format!("{}/{}", self.outcome(), self.text("evidence"))
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.value["attempts"].as_u64().unwrap_or(0)
    }

    pub(crate) fn place(&self) -> Place {
        (self.text("region"), self.name())
    }
}

/// The number in a query of one column called `n`.
pub(crate) fn count(bench: &Bench, sql: &str) -> u64 {
    let rows = bench.query(sql);
    rows[0]["n"].as_u64().unwrap_or_else(|| panic!("`{sql}` gave {rows:?}"))
}

/// The rows of the latest run that has any, in the manifest's order.
pub(crate) fn intents(bench: &Bench) -> Vec<Row> {
    let rows = bench.query("SELECT * FROM intents WHERE run_id = (SELECT max(run_id) FROM intents) ORDER BY row_no");
    rows.into_iter().map(|value| Row { value }).collect()
}

/// The row of that name in the latest run.
#[track_caller]
pub(crate) fn row(bench: &Bench, name: &str) -> Row {
    let rows = intents(bench);
    rows.iter().find(|row| row.name() == name).cloned().unwrap_or_else(|| panic!("no row `{name}` in {rows:#?}"))
}

/// The summary of a run; checks its fields, conservation (I10) and that it agrees with the views.
#[track_caller]
pub(crate) fn summary(bench: &Bench, done: &Done) -> Value {
    let summary = done.json();
    assert_eq!(summary["schema"], "keybatch.summary/1", "{done}");
    let outcomes = summary["outcomes"].as_object().unwrap_or_else(|| panic!("no outcomes\n{done}"));
    let number = |key: &str| outcomes.get(key).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {key}\n{done}"));
    let sum: u64 = OUTCOMES.iter().map(|key| number(key)).sum();
    assert_eq!(summary["rows"].as_u64(), Some(sum), "I10: rows and outcomes differ\n{done}");
    let run = summary["run"].as_str().unwrap_or_else(|| panic!("no run\n{done}"));
    let per_outcome =
        bench.query(&format!("SELECT outcome, count(*) AS n FROM intents WHERE run_id = '{run}' GROUP BY 1"));
    let seen: BTreeMap<String, u64> = per_outcome
        .iter()
        .map(|row| (row["outcome"].as_str().unwrap_or("not_attempted").to_owned(), row["n"].as_u64().unwrap_or(0)))
        .fold(BTreeMap::new(), |mut all, (key, n)| {
            *all.entry(key).or_default() += n;
            all
        });
    for key in OUTCOMES {
        assert_eq!(seen.get(key).copied().unwrap_or(0), number(key), "view and summary differ in {key}\n{done}");
    }
    summary
}

/// Everything that must hold of a bench whose runs all ended by themselves.
#[track_caller]
pub(crate) fn invariants(bench: &Bench) {
    let arrived = bench.world.arrived("DeleteKeyPair").len() as u64;
    let started = count(bench, "SELECT count(*) AS n FROM entries WHERE kind = 'attempt_started'");
    let finished = count(bench, "SELECT count(*) AS n FROM entries WHERE kind = 'attempt_finished'");
    assert_eq!(started, arrived, "as many attempt_started as requests that arrived");
    assert_eq!(finished, started, "each attempt has ended");
    safety(bench);
}

/// What must hold even after kills: nothing wrong was deleted, nothing went unrecorded, the journal verifies.
#[track_caller]
pub(crate) fn safety(bench: &Bench) {
    assert_eq!(bench.world.overlaps(), Vec::<String>::new(), "I3: at most one delete in flight per key pair");
    assert_eq!(bench.world.wrong_deletions(), Vec::<String>::new(), "I4: another identity was deleted");
    recorded_first(bench);
    consistent(bench);
    let gaps = count(bench, "SELECT max(seq) + 1 - count(*) AS n FROM entries");
    assert_eq!(gaps, 0, "I7: numbered without gaps, from 0");
    let done = bench.verify().exits(0);
    assert_eq!(done.json()["verdict"], "self_consistent", "{done}");
}

/// I1: by the time of the k-th arrival of a name, k attempts on it were in the journal.
#[track_caller]
fn recorded_first(bench: &Bench) {
    let rows = bench.query(
        "SELECT i.region, i.key_pair_name, e.at FROM entries e JOIN intents i USING (run_id, row_no) \
         WHERE e.kind = 'attempt_started'",
    );
    let mut started: BTreeMap<Place, Vec<i64>> = BTreeMap::new();
    for row in &rows {
        let row = Row { value: row.clone() };
        let at: jiff::Timestamp = row.text("at").parse().expect("an entry's time is RFC 3339");
        started.entry(row.place()).or_default().push(at.as_microsecond());
    }
    let mut seen: BTreeMap<Place, usize> = BTreeMap::new();
    for arrival in bench.world.arrived("DeleteKeyPair") {
        let place = (arrival.region.clone(), arrival.name.clone());
        let number = seen.entry(place.clone()).or_default();
        *number += 1;
        let earlier = started.get(&place).map_or(0, |all| all.iter().filter(|&&at| at <= arrival.at_us).count());
        assert!(earlier >= *number, "I1: request {number} for {place:?} arrived after only {earlier} attempt_started");
    }
}

/// I5: no outcome claims more than the world shows.
#[track_caller]
fn consistent(bench: &Bench) {
    let mut earlier: Vec<Place> = Vec::new();
    for row in intents(bench) {
        let place = row.place();
        let ours = bench.world.deleted_by_us(&place);
        let lives = bench.world.original_lives(&place);
        let asked = bench.world.arrived("DeleteKeyPair").iter().any(|a| a.region == place.0 && a.name == place.1);
        let duplicate = earlier.contains(&place);
        match row.outcome().as_str() {
            "deleted" => assert!(ours == 1 && !lives, "deleted without an effect of ours: {row:#?}"),
            "gone" => assert!(!lives, "gone, but still there: {row:#?}"),
            "absent" => assert!(ours == 0 && !lives, "absent, but it was there: {row:#?}"),
            "failed" => assert!(lives, "failed, but gone: {row:#?}"),
            "skipped" => assert!(duplicate || !asked, "skipped, but asked for: {row:#?}"),
            "in_doubt" | "unsettled" | "not_attempted" | "" => {}
            other => panic!("an unknown outcome `{other}`: {row:#?}"),
        }
        earlier.push(place);
    }
}

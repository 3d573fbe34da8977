//! Which run is meant: a full id, any prefix that only one run has, or `latest`. The one place that decides it.

use crate::domain::RunId;
use crate::journal::{JournalError, RunState};
use crate::journal::{Reader, RunRecord};

/// The word for the newest run that was started or, if none was, for the newest one.
pub const LATEST: &str = "latest";

/// The fewest digits that [`short`] shows.
const SHORTEST: usize = 8;

/// The fewest characters of an id that name a run: fewer are a row's number, or a name.
const FEWEST: usize = 4;

/// How many rows are looked up over all runs at most: a name has few, a number one in each run.
const ROWS: u32 = 100;

/// How many candidates an ambiguous prefix names.
const CANDIDATES: usize = 5;

/// A word that names no run, or several.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There are no runs at all.
    #[error("the journal has no runs yet")]
    NoRuns,
    /// No run has this name.
    #[error("the journal has no run {wanted:?}")]
    Unknown {
        /// As given.
        wanted: String,
    },
    /// Neither a run, nor a row, nor a key pair has this name.
    #[error(
        "nothing in the journal is called {wanted:?}: no run's id begins with it, no row has that number, and no row names that key pair"
    )]
    Nothing {
        /// As given.
        wanted: String,
    },
    /// No row of any run has this number.
    #[error("no row in the journal has the number {wanted:?}")]
    NoRow {
        /// As given.
        wanted: String,
    },
    /// No row of any run names this key pair.
    #[error("no row in the journal names a key pair {wanted:?}")]
    NoName {
        /// As given.
        wanted: String,
    },
    /// Several runs begin so.
    #[error("{wanted:?} is ambiguous, {count} runs begin with it: {}{}", candidates.join(" , "), if *count > candidates.len() { " , …" } else { "" })]
    Ambiguous {
        /// As given.
        wanted: String,
        /// How many.
        count: usize,
        /// The first of them.
        candidates: Vec<String>,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a word in place of a run can name.
#[derive(Debug)]
pub enum Named {
    /// A run.
    Run(Box<RunRecord>),
    /// Rows of any runs, the oldest run first.
    Rows(Vec<(RunRecord, u64)>),
}

/// Finds what `wanted` names: a run; else the rows of all runs that have this number, or this key pair's name. `name:` and
/// `row:` before it leave no choice.
///
/// # Errors
/// Where there is nothing of that name, or more than one run.
pub async fn look_up(reader: &Reader, wanted: &str) -> Result<Named, RunError> {
    let runs = reader.runs().await?;
    let (name, row) = match wanted.split_once(':') {
        Some(("name", name)) => (Some(name), None),
        Some(("row", row)) => (None, row.parse().ok()),
        _ => match choose(runs.clone(), wanted) {
            Ok(run) => return Ok(Named::Run(Box::new(run))),
            Err(RunError::Unknown { .. }) => (Some(wanted), wanted.parse().ok()),
            Err(error) => return Err(error),
        },
    };
    // A name that consists of digits is meant where no row has that number.
    let mut found = match row {
        Some(row) => reader.rows_anywhere(None, Some(row), ROWS).await?,
        None => Vec::new(),
    };
    if found.is_empty() && name.is_some() {
        found = reader.rows_anywhere(name, None, ROWS).await?;
    }
    let of = |id: &str| runs.iter().find(|run| run.run.to_string() == id).cloned();
    let rows: Vec<_> = found.into_iter().filter_map(|(id, row)| Some((of(&id)?, row))).collect();
    if !rows.is_empty() {
        return Ok(Named::Rows(rows));
    }
    Err(match wanted.split_once(':') {
        Some(("name", name)) => RunError::NoName { wanted: name.to_owned() },
        Some(("row", row)) => RunError::NoRow { wanted: row.to_owned() },
        _ => RunError::Nothing { wanted: wanted.to_owned() },
    })
}

/// Finds the run that `wanted` names.
///
/// # Errors
/// Where there is none, or more than one.
pub async fn resolve(reader: &Reader, wanted: &str) -> Result<RunRecord, RunError> {
    choose(reader.runs().await?, wanted)
}

fn choose(mut runs: Vec<RunRecord>, wanted: &str) -> Result<RunRecord, RunError> {
    if wanted == LATEST {
        // What was refused, declined or is only being planned is a run, too, but hardly the one that is meant.
        let started = runs.iter().rposition(|run| run.started_seq.is_some());
        let planned = started.or_else(|| runs.iter().rposition(|run| run.state != RunState::Abandoned));
        return planned.map(|place| runs.remove(place)).or_else(|| runs.pop()).ok_or(RunError::NoRuns);
    }
    let prefix = digits(wanted);
    let named = |run: &RunRecord| prefix.len() >= FEWEST && digits(&run.run.to_string()).starts_with(&prefix);
    let mut matching: Vec<_> = runs.into_iter().filter(named).collect();
    match matching.len() {
        0 => Err(RunError::Unknown { wanted: wanted.to_owned() }),
        1 => Ok(matching.remove(0)),
        count => {
            let candidates = matching.iter().take(CANDIDATES).map(|run| run.run.to_string()).collect();
            Err(RunError::Ambiguous { wanted: wanted.to_owned(), count, candidates })
        }
    }
}

/// The shortest beginning of each id that names it alone, at least eight digits. In the order of `runs`.
#[must_use]
pub fn short(runs: &[RunId]) -> Vec<String> {
    let texts: Vec<String> = runs.iter().map(RunId::to_string).collect();
    let mut sorted: Vec<&str> = texts.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let common = |left: &str, right: &str| left.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    let unique = |text: &String| {
        let place = sorted.partition_point(|other| *other < text.as_str());
        let before = place.checked_sub(1).map_or(0, |before| common(sorted[before], text));
        let after = sorted.get(place + 1).map_or(0, |after| common(after, text));
        let length = (before.max(after) + 1).max(SHORTEST).min(text.len());
        text[..length].trim_end_matches('-').to_owned()
    };
    texts.iter().map(unique).collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn record(run_no: i64, id: u128) -> RunRecord {
        RunRecord {
            run_no,
            run: RunId(Uuid::from_u128(id)),
            state: "finished".into(),
            stopped_by: None,
            manifest_sha256: None,
            rows: 0,
            account: None,
            endpoint: None,
            sandbox: false,
            plan_root: None,
            manifest_seq: None,
            sealed_seq: None,
            started_seq: None,
            reads: 0,
            reads_throttled: 0,
        }
    }

    fn runs() -> Vec<RunRecord> {
        vec![
            record(1, 0x0198_0000_0000_7000_8000_0000_0000_0001),
            record(2, 0x0198_0000_0001_7000_8000_0000_0000_0001),
            record(3, 0x0199_0000_0000_7000_8000_0000_0000_0001),
        ]
    }

    #[test]
    fn a_prefix_names_one_run_or_none() {
        let number = |wanted: &str| choose(runs(), wanted).map(|run| run.run_no).ok();
        assert_eq!(number("latest"), Some(3));
        assert_eq!(number("0199"), Some(3));
        assert_eq!(number("01980000-0001"), Some(2));
        assert_eq!(number("019800000001"), Some(2));
        assert_eq!(number("01980000-0000-7000-8000-000000000001"), Some(1));
        assert!(matches!(choose(runs(), "0198"), Err(RunError::Ambiguous { count: 2, .. })));
        assert!(matches!(choose(runs(), "02"), Err(RunError::Unknown { .. })));
        assert!(matches!(choose(runs(), "0199x"), Err(RunError::Unknown { .. })));
        assert!(matches!(choose(runs(), ""), Err(RunError::Unknown { .. })));
        assert!(matches!(choose(runs(), "-"), Err(RunError::Unknown { .. })));
        assert!(matches!(choose(Vec::new(), "latest"), Err(RunError::NoRuns)));
    }

    /// A trial's finding: a prompt that was declined became `latest`.
    #[test]
    fn the_latest_run_is_one_that_was_started() {
        let with = |states: &[(&str, bool)]| {
            let runs = (1..).zip(states).map(|(number, (state, is_started))| RunRecord {
                state: (*state).into(),
                started_seq: is_started.then_some(1),
                ..record(number, u128::try_from(number).unwrap())
            });
            choose(runs.collect(), "latest").map(|run| run.run_no).ok()
        };
        for later in ["abandoned", "planning"] {
            assert_eq!(with(&[("finished", true), ("stopped", true), (later, false)]), Some(2), "{later}");
        }
        assert_eq!(with(&[("finished", true), ("abandoned", true)]), Some(2), "abandoned by a person, after its start");
        assert_eq!(with(&[("planning", false), ("abandoned", false)]), Some(1));
        assert_eq!(with(&[("abandoned", false), ("abandoned", false)]), Some(2));
    }

    #[test]
    fn short_names_are_unique_and_found_again() {
        let all: Vec<_> = runs().iter().map(|run| run.run).collect();
        let short = short(&all);
        assert_eq!(short, ["01980000-0000", "01980000-0001", "01990000"]);
        for (name, run) in short.iter().zip(&all) {
            assert_eq!(choose(runs(), name).map(|found| found.run).ok(), Some(*run));
        }
        // In whatever order they come.
        let ids = [0x34, 0x12, 0x33].map(|part: u128| 0x0198_0000_0000_7000_8000_0000_0000_0001 + (part << 80));
        assert_eq!(
            super::short(&ids.map(|id| RunId(Uuid::from_u128(id)))),
            ["01980000-0034", "01980000-001", "01980000-0033"]
        );
    }
}

//! Which key pairs a run deleted, and what is known of the instances that name them.
//!
//! An instance names its key pair, and a name can mean several key pairs one after the other. What they have in common is time:
//! while one key pair has the name, no other does, so an instance that was created in that time was created with that one.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Outcome, Target, parse_time, time_text};
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;

/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// How far the journal's clock may be from the service's, doubled: requests are refused if it is more than five minutes.
const SLACK: SignedDuration = SignedDuration::from_mins(10);

/// A key pair that a run deleted, or that was gone after its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedPair {
    /// The row.
    pub row: u64,
    /// Account and region.
    pub target: Target,
    /// Its name.
    pub name: String,
    /// `deleted` or `gone`.
    pub outcome: Outcome,
    /// When the service says it was created.
    pub created_at: Option<String>,
    /// The fingerprint that the service gave.
    pub fingerprint: Option<String>,
    /// When the row got its outcome.
    pub settled_at: Option<String>,
    /// When the run began, after which its plan was made.
    pub began_at: String,
    /// What the plan noted of instances that name it.
    pub in_use: Option<String>,
}

/// The rows of `run` that were deleted or are gone, as far as they are `wanted`, in order.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn deleted_pairs(
    reader: &Reader,
    run: &RunRecord,
    wanted: impl Fn(&DeletedPair) -> bool,
) -> Result<Vec<DeletedPair>, JournalError> {
    let names = reader.review_columns().await?;
    let columns: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let began_at = time_text(reader.entry(run.number()).await?.at);
    let mut found = Vec::new();
    for outcome in [Outcome::Deleted, Outcome::Gone] {
        let mut after = 0;
        loop {
            let rows = reader.review(run.run_no, after, PAGE, Some(outcome.as_str())).await?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for row in &rows {
                let text = |column: &str| {
                    let cell = columns.get(column).and_then(|at| row.cells.get(*at));
                    cell.and_then(|cell| cell.as_text()).map(str::to_owned)
                };
                let pair = DeletedPair {
                    row: row.row,
                    target: Target {
                        account: text("account_id").unwrap_or_default(),
                        region: text("region").unwrap_or_default(),
                    },
                    name: text("key_pair_name").unwrap_or_default(),
                    outcome,
                    created_at: text("created_at"),
                    fingerprint: text("fingerprint"),
                    settled_at: text("settled_at"),
                    began_at: began_at.clone(),
                    in_use: noted(&row.intent)?,
                };
                found.extend(Some(pair).filter(&wanted));
            }
        }
    }
    found.sort_unstable_by_key(|pair| pair.row);
    Ok(found)
}

/// What the plan noted of instances.
fn noted(body: &str) -> Result<Option<String>, JournalError> {
    let entry = Entry::parse(body).map_err(|error| JournalError::Entry(error.into()))?;
    let Event::IntentRecorded(intent) = &entry.event else {
        return Err(JournalError::damaged(format!("entry {} is no intent", entry.seq)));
    };
    let note = intent.notes().iter().find(|note| note.kind == "in_use");
    Ok(note.map(|note| note.text.clone()))
}

/// Why it cannot be said whether an instance was created with the key pair that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A creation time is not known.
    NoTime,
    /// It was created after the run began, before or about when the key pair was deleted.
    Between,
}

/// Whether an instance that names this key pair, and was created at `created_at`, was created with it rather than with another key
/// pair that had the name before or has it since.
///
/// # Errors
/// Why that cannot be said.
pub fn same_key_pair(pair: &DeletedPair, created_at: Option<&str>) -> Result<bool, Doubt> {
    let time = |text: Option<&str>| text.and_then(parse_time).ok_or(Doubt::NoTime);
    let (instance, key) = (time(created_at)?, time(pair.created_at.as_deref())?);
    // Both times are the service's own.
    if instance < key {
        return Ok(false);
    }
    let (began, settled) = (time(Some(&pair.began_at))?, time(pair.settled_at.as_deref())?);
    if instance <= began.checked_sub(SLACK).unwrap_or(Timestamp::MIN) {
        return Ok(true);
    }
    if instance >= settled.checked_add(SLACK).unwrap_or(Timestamp::MAX) { Ok(false) } else { Err(Doubt::Between) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(created_at: Option<&str>) -> DeletedPair {
        DeletedPair {
            row: 1,
            target: Target { account: "123456789012".into(), region: "us-east-1".into() },
            name: "old".into(),
            outcome: Outcome::Deleted,
            created_at: created_at.map(str::to_owned),
            fingerprint: None,
            settled_at: Some("2026-06-01T12:30:00.000000Z".into()),
            began_at: "2026-06-01T12:00:00.000000Z".into(),
            in_use: None,
        }
    }

    #[test]
    fn an_instance_is_of_the_key_pair_that_had_the_name_when_it_was_created() {
        for (instance, expected) in [
            ("2019-12-31T23:59:59.999Z", Ok(false)),
            ("2020-01-01T00:00:00.000Z", Ok(true)),
            ("2026-06-01T11:50:00.000Z", Ok(true)),
            ("2026-06-01T11:50:01.000Z", Err(Doubt::Between)),
            ("2026-06-01T12:39:59.000Z", Err(Doubt::Between)),
            ("2026-06-01T12:40:00.000Z", Ok(false)),
        ] {
            assert_eq!(same_key_pair(&pair(Some("2020-01-01T00:00:00.000Z")), Some(instance)), expected, "{instance}");
        }
    }

    #[test]
    fn without_a_time_nothing_is_claimed() {
        assert_eq!(same_key_pair(&pair(None), Some("2020-01-01T00:00:00.000Z")), Err(Doubt::NoTime));
        assert_eq!(same_key_pair(&pair(Some("2020-01-01T00:00:00.000Z")), None), Err(Doubt::NoTime));
    }
}

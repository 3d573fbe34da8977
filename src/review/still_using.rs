//! Which key pairs a run deleted, and what is known of the instances that name them.
//!
//! An instance names its key pair, and a name can mean several key pairs one after the other. What they have in common is time:
//! while one key pair has the name, no other does, so an instance that was created in that time was created with that one.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Outcome, Target, parse_time, time_text};
use crate::journal::{JournalError, Reader, ReviewRow, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;

/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// So many rows are asked for one by one.
const FEW: usize = 50;

/// What the intent of such a row contains.
const NOTED: &[u8] = br#""note":"in_use""#;

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
    /// As of when the plan noted what it did.
    pub noted_at: String,
    /// What the plan noted of instances that name it.
    pub in_use: Option<String>,
}

/// What has to be done on each instance. Nothing is said here about Lightsail's fingerprints that is not known.
pub const TO_DO: [&str; 5] = [
    "deleting a key pair changes no instance: its public key stays in the file ~/.ssh/authorized_keys of the user that the instance was created with, and lets its holder in until somebody removes the line",
    "make sure first that another key lets you in",
    "find the line: ssh-keygen -lf ~/.ssh/authorized_keys prints the fingerprint and the comment of each line, in order; ssh-keygen -yf PRIVATE_KEY | ssh-keygen -lf - prints the fingerprint of a private key that you have. Nobody has to keep to the comment",
    "the fingerprint in the journal is Lightsail's own form, which ssh-keygen -lf does not print; Lightsail hands out a public key only when it creates the key pair, so keybatch has never seen it and cannot name the line",
    "remove the line, and look for it in the files of other users and on instances made from a snapshot of this one: Lightsail does not know what they hold",
];

/// What a plan's note of instances does not say.
pub const BY_NAME: &str = "the plan counted instances by the key pair's name alone: one that was created before this key pair existed \
                           has another key of that name, which only `instances --online` can determine";

/// Key pairs that this run deleted or that are gone, in words.
#[must_use]
pub fn deleted_or_gone<'a>(outcomes: impl IntoIterator<Item = &'a str>) -> &'static str {
    let (mut deleted, mut gone) = (false, false);
    outcomes
        .into_iter()
        .for_each(|outcome| if outcome == Outcome::Gone.as_str() { gone = true } else { deleted = true });
    match (deleted, gone) {
        (true, true) => "deleted by this run or gone since its plan",
        (false, true) => "gone since its plan",
        _ => "deleted by this run",
    }
}

/// As of when instances are known: the plan's inventory. That of a plan's file was made again when the run began.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn noted_at(reader: &Reader, run: &RunRecord) -> Result<Option<String>, JournalError> {
    let Some(sealed) = run.sealed_seq else { return Ok(None) };
    let Event::PlanSealed(sealed) = reader.entry(sealed).await?.event else { return Ok(None) };
    let began_at = time_text(reader.entry(run.number()).await?.at);
    let made_at = sealed.header.made_at;
    let is_later = parse_time(&made_at) > parse_time(&began_at);
    Ok(Some(if is_later { made_at } else { began_at }))
}

/// What is the same for all rows of a run.
struct Rows {
    columns: HashMap<String, usize>,
    began_at: String,
    noted_at: String,
}

impl Rows {
    async fn of(reader: &Reader, run: &RunRecord) -> Result<Self, JournalError> {
        let names = reader.review_columns().await?;
        let began_at = time_text(reader.entry(run.number()).await?.at);
        let noted_at = noted_at(reader, run).await?.unwrap_or_else(|| began_at.clone());
        Ok(Self { columns: names.into_iter().enumerate().map(|(at, name)| (name, at)).collect(), began_at, noted_at })
    }

    /// The key pair of a row; none unless it was deleted or is gone.
    fn pair(&self, row: &ReviewRow) -> Result<Option<DeletedPair>, JournalError> {
        let text = |column: &str| {
            let cell = self.columns.get(column).and_then(|at| row.cells.get(*at));
            cell.and_then(|cell| cell.as_text()).map(str::to_owned)
        };
        let is = |outcome: &Outcome| text("outcome").as_deref() == Some(outcome.as_str());
        let Some(outcome) = [Outcome::Deleted, Outcome::Gone].into_iter().find(is) else { return Ok(None) };
        Ok(Some(DeletedPair {
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
            began_at: self.began_at.clone(),
            noted_at: self.noted_at.clone(),
            in_use: noted(&row.intent)?,
        }))
    }
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
    let of = Rows::of(reader, run).await?;
    let mut found = Vec::new();
    for outcome in [Outcome::Deleted, Outcome::Gone] {
        let mut after = 0;
        loop {
            let rows = reader.review(run.run_no, after, PAGE, Some(outcome.as_str())).await?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for row in &rows {
                found.extend(of.pair(row)?.filter(&wanted));
            }
        }
    }
    found.sort_unstable_by_key(|pair| pair.row);
    Ok(found)
}

/// Those of which the plan noted that instances use them, in order, at most so many; and how many more there are.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn pairs_in_use(
    reader: &Reader,
    run: &RunRecord,
    most: usize,
) -> Result<(Vec<DeletedPair>, u64), JournalError> {
    let of = Rows::of(reader, run).await?;
    let finder = memchr::memmem::Finder::new(NOTED);
    let (mut listed, mut more, mut after) = (Vec::new(), 0, 0);
    // Most rows have no note: the view is asked only for those that may.
    while let Some(page) = reader.intents(run.run_no, after, PAGE).await? {
        let mut rows: Vec<u64> = page.bodies().filter(|body| finder.find(body).is_some()).filter_map(row_of).collect();
        rows.sort_unstable();
        let is_dense = rows.len() > FEW;
        let (mut from, mut at) = (after, 0);
        while let Some(next) = rows.get(at) {
            if !is_dense {
                from = next - 1;
            }
            let read = reader.review(run.run_no, from, if is_dense { PAGE } else { 1 }, None).await?;
            let Some(last) = read.last() else { break };
            from = last.row;
            for row in &read {
                if let Some(pair) = of.pair(row)?.filter(|pair| pair.in_use.is_some() && pair.row <= page.last) {
                    if listed.len() < most { listed.push(pair) } else { more += 1 }
                }
            }
            at = rows.partition_point(|row| *row <= from);
        }
        after = page.last;
    }
    Ok((listed, more))
}

/// The number of an intent's row.
fn row_of(body: &[u8]) -> Option<u64> {
    let Event::IntentRecorded(intent) = Entry::parse(std::str::from_utf8(body).ok()?).ok()?.event else { return None };
    Some(intent.line.row).filter(|row| *row > 0)
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
            noted_at: "2026-06-01T12:00:01.000000Z".into(),
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
    fn what_is_gone_is_not_called_deleted() {
        assert_eq!(deleted_or_gone(["deleted"]), "deleted by this run");
        assert_eq!(deleted_or_gone(["gone"]), "gone since its plan");
        assert_eq!(deleted_or_gone(["gone", "deleted"]), "deleted by this run or gone since its plan");
    }

    #[test]
    fn without_a_time_nothing_is_claimed() {
        assert_eq!(same_key_pair(&pair(None), Some("2020-01-01T00:00:00.000Z")), Err(Doubt::NoTime));
        assert_eq!(same_key_pair(&pair(Some("2020-01-01T00:00:00.000Z")), None), Err(Doubt::NoTime));
    }
}

//! What a journal says about its own past: its head, the root that it had at a given size, the rollbacks that were accepted, and what
//! earlier runs saw.

use serde_json::{Value, json};
use sqlx::postgres::PgRow;

use super::ask::Ask;
use super::link::{get, unsigned};
use super::literal::number;
use super::read::{PostgresReader, parsed};
use super::reading as sql;
use crate::journal::{JournalError, StoryEntry};
use crate::record::checkpoint::base64;
use crate::record::merkle::{Frontier, Hash};
use crate::record::{Entry, Event};

/// Leaves that are read at once: 320 KB.
const PAGE: u64 = 10_000;

impl PostgresReader {
    /// The journal's id.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn journal_id(&self) -> Result<Option<String>, JournalError> {
        Ok(self.all(&Ask::of(sql::JOURNAL_ID), |row| get(row, 0)).await?.pop().flatten())
    }

    /// Size and root (base64) of the head as stored.
    pub async fn head(&self) -> Result<(u64, String), JournalError> {
        let head = |row: &PgRow| {
            let root = Hash::try_from(get::<Vec<u8>>(row, 1)?);
            let root = root.map_err(|_| JournalError::damaged("the head's root is not 32 bytes long"))?;
            Ok((unsigned(row, 0)?, base64(&root)))
        };
        self.one(&Ask::of(sql::HEAD), head).await
    }

    /// The root, in base64, of the first `size` entries; `None` if there are fewer.
    ///
    /// It is in the head, or in the entry of that number if this is a checkpoint or opens a session. Otherwise it is computed from
    /// the leaves. This verifies nothing: it guards against accidents.
    pub async fn root_at(&self, size: u64) -> Result<Option<String>, JournalError> {
        let (entries, root) = self.head().await?;
        if size >= entries {
            return Ok((size == entries).then_some(root));
        }
        match self.entry(size).await?.event {
            Event::CheckpointMade(made) if made.size == size => return Ok(Some(made.root)),
            Event::SessionOpened(opened) if opened.continues_from.is_some() => return Ok(opened.continues_from),
            _ => {}
        }
        let mut tree = Frontier::default();
        while tree.size() < size {
            for leaf in self.leaves(tree.size(), size).await? {
                tree.push(leaf);
            }
        }
        Ok(Some(base64(&tree.root())))
    }

    /// The next leaves from entry `from` on, below `to`.
    ///
    /// # Errors
    /// Also if the entry there is missing or has no hash.
    pub async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, JournalError> {
        let to = to.min(from.saturating_add(PAGE));
        let page = |row: &PgRow| {
            let leaves: Option<Vec<u8>> = get(row, 2)?;
            Ok((unsigned(row, 0)?, get::<Option<i64>>(row, 1)?, leaves.unwrap_or_default()))
        };
        let (count, last, leaves) = self.one(&Ask::of(sql::LEAF_PAGE).with(from).with(to), page).await?;
        let (hashes, rest) = leaves.as_chunks::<32>();
        let wanted = to.saturating_sub(from);
        let is_whole = rest.is_empty()
            && count == wanted
            && u64::try_from(hashes.len()) == Ok(wanted)
            && last.and_then(|last| u64::try_from(last).ok()).is_some_and(|last| last + 1 == to);
        if is_whole {
            return Ok(hashes.to_vec());
        }
        // One of them is missing, or its hash is none: those before it.
        let leaf = |row: &PgRow| {
            let leaf = get::<Option<Vec<u8>>>(row, 1)?.unwrap_or_default();
            Ok((get::<i64>(row, 0)?, Hash::try_from(leaf).ok()))
        };
        let rows = self.all(&Ask::of(sql::LEAVES).with(from).with(to), leaf).await?;
        let expected = (number(from)..).zip(rows);
        let whole: Vec<Hash> = expected.map_while(|(expected, (seq, leaf))| leaf.filter(|_| seq == expected)).collect();
        if whole.is_empty() {
            return Err(JournalError::damaged(format!("entry {from} is missing, or has no hash")));
        }
        Ok(whole)
    }

    /// One entry.
    pub async fn entry(&self, seq: u64) -> Result<Entry, JournalError> {
        let found = self.all(&Ask::of(sql::BODY).with(seq), |row| parsed(row, 0)).await?.pop();
        found.ok_or_else(|| JournalError::damaged(format!("entry {seq} is missing")))
    }

    /// One entry as it is stored.
    pub async fn stored(&self, seq: u64) -> Result<StoryEntry, JournalError> {
        let found = self.all(&Ask::of(sql::BODY).with(seq), |row| get(row, 0)).await?.pop();
        let body = found.ok_or_else(|| JournalError::damaged(format!("entry {seq} is missing")))?;
        Ok(StoryEntry { seq, body })
    }

    /// The entries by which rollbacks were accepted, in order.
    pub async fn accepted_rollbacks(&self) -> Result<Vec<Entry>, JournalError> {
        self.all(&Ask::of(sql::ROLLBACKS), |row| parsed(row, 0)).await
    }

    /// The names of the next rows of a run after row `after`: the last of these rows, and a JSON array of (account, region,
    /// name, number of the intent). None if there are no more.
    pub async fn past_names(&self, run_no: i64, after: i64, limit: u32) -> Result<Option<(i64, String)>, JournalError> {
        let name = |row: &PgRow| {
            let (account, region, name): (&str, &str, &str) = (get(row, 1)?, get(row, 2)?, get(row, 3)?);
            Ok((get::<i64>(row, 0)?, json!([account, region, name, get::<i64>(row, 4)?])))
        };
        let rows = self.all(&Ask::of(sql::PAST_NAMES).with(run_no).with(after).with(limit), name).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        Ok(Some((*last, Value::from_iter(rows.iter().map(|(_, name)| name.clone())).to_string())))
    }

    /// What the intents with these numbers (a JSON array), all of one run, rest on: a JSON array of (account, region, name,
    /// identity or null if there was no key pair, when the run began).
    pub async fn past_seen(&self, run_no: i64, intents: &str) -> Result<String, JournalError> {
        let numbers: Result<Vec<i64>, _> = serde_json::from_str(intents);
        let numbers = numbers.map_err(|error| JournalError::damaged(format!("no list of entries: {error}")))?;
        let seen = |row: &PgRow| {
            let (body, began): (&str, Option<&str>) = (get(row, 0)?, get(row, 1)?);
            let body: Value = serde_json::from_str(body).map_err(|error| JournalError::damaged(error.to_string()))?;
            Ok(seen(&body, began))
        };
        let rows = self.all(&Ask::of(sql::PAST_SEEN).with(numbers).with(run_no), seen).await?;
        Ok(Value::from_iter(rows.into_iter().flatten()).to_string())
    }
}

/// What an intent rests on. One that was skipped because its key pair had been re-created only knows what somebody else made: by its
/// line, or on the day when a plan's file was executed. If another key pair was there on that day, the line still is about its own.
fn seen(body: &Value, began: Option<&str>) -> Option<Value> {
    let line = &body["line"];
    let from = match body.get("today") {
        Some(today) if today.get("observation").is_none() => today,
        _ => line,
    };
    let is_foreign = |note: &Value| {
        note["note"] == "recreated" && note["severity"].as_str().is_some_and(|severity| severity != "warn")
    };
    if from["notes"].as_array().is_some_and(|notes| notes.iter().any(is_foreign)) {
        return None;
    }
    let observation = &line["observation"];
    let identity = observation.is_object().then(|| {
        json!({
            "arn": observation["arn"], "created_at": observation["created_at"], "fingerprint": observation["fingerprint"],
        })
    });
    Some(json!([line["account"], line["region"], line["name"], identity, began]))
}

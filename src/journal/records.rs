//! What the reading side of any store gives: plain records.

use jiff::Timestamp;

use super::run_state::RunState;
use crate::domain::{AttemptTime, RunId, Target};
use crate::record::Entry;

/// A run, as the projections know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its number in this journal: that of the `session_opened` that began it.
    pub run_no: i64,
    /// Its name.
    pub run: RunId,
    /// How far it is.
    pub state: RunState,
    /// Why it stopped.
    pub stopped_by: Option<String>,
    /// The manifest's hash, in hexadecimal.
    pub manifest_sha256: Option<String>,
    /// Rows of the manifest.
    pub rows: u64,
    /// What it is bound to.
    pub account: Option<String>,
    /// What it is bound to.
    pub endpoint: Option<String>,
    /// Whether it is a rehearsal.
    pub sandbox: bool,
    /// The plan's root, in base64, once it is sealed.
    pub plan_root: Option<String>,
    /// `seq` of its manifest_ingested.
    pub manifest_seq: Option<u64>,
    /// `seq` of its plan_sealed.
    pub sealed_seq: Option<u64>,
    /// `seq` of its run_started.
    pub started_seq: Option<u64>,
    /// Lightsail requests other than deletes.
    pub reads: u64,
    /// How many of those were throttled.
    pub reads_throttled: u64,
}

impl RunRecord {
    /// Its number, as entries have it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.run_no.unsigned_abs()
    }
}

/// A row that was asked for, and of which nobody knows what became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnclearRow {
    /// The number of its run.
    pub run_no: i64,
    /// Its own.
    pub row: u64,
    /// The key pair's account and region.
    pub target: Target,
    /// The key pair's name.
    pub key_pair_name: String,
}

/// An attempt whose effect nothing in the journal shows.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAttempt {
    /// Its run's name.
    pub run: String,
    /// The key pair's account and region.
    pub target: Target,
    /// The key pair's name.
    pub key_pair_name: String,
    /// Its `attempt_started`.
    pub started: Entry,
    /// Its `attempt_finished`, if there is one.
    pub finished: Option<Entry>,
    /// How long it may take, by the settings of its session.
    pub time: Option<AttemptTime>,
}

/// An attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its row.
    pub row: u64,
    /// Its number, from 1.
    pub attempt: u32,
    /// Whether the row has no other.
    pub is_only: bool,
    /// The key pair's account and region.
    pub target: Target,
    /// The key pair's name.
    pub name: String,
    /// The body of its `attempt_started`.
    pub started: String,
    /// That of its `attempt_finished`, if there is one.
    pub finished: Option<String>,
    /// What the row counts as, and what that rests on; none as long as it has no outcome.
    pub outcome: Option<(String, String)>,
}

/// An entry of a row's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryEntry {
    /// Its number.
    pub seq: u64,
    /// Its canonical JSON.
    pub body: String,
}

/// Some intents of a run, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentPage {
    /// The number of the last row.
    pub last: u64,
    lengths: Vec<usize>,
    bodies: Vec<u8>,
}

impl IntentPage {
    /// A page that ends with row `last`: the concatenated bodies, and the length of each in bytes.
    #[must_use]
    pub fn new(last: u64, lengths: Vec<usize>, bodies: Vec<u8>) -> Self {
        Self { last, lengths, bodies }
    }

    /// The total length of their bodies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bodies.len()
    }

    /// Their bodies. If the lengths do not fit, the rest stays one piece, which is no intent's body.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bodies[..];
        self.lengths.iter().map(move |length| {
            let (body, after) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = after;
            body
        })
    }
}

/// Whose run it is, of what, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAbout {
    /// The manifest's name as given.
    pub manifest: Option<String>,
    /// Who began it.
    pub operator: String,
    /// The operator's ticket.
    pub ticket: Option<String>,
    /// When its first session was opened (RFC 3339).
    pub started_at: String,
    /// When it was finished or abandoned (RFC 3339).
    pub finished_at: Option<String>,
    /// How long those of its sessions took that ended in order, in milliseconds.
    pub closed_ms: u64,
}

/// A row without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRow {
    /// Its number in the manifest.
    pub row: u64,
    /// Its intent.
    pub intent: Entry,
    /// When the listing that showed its key pair was recorded; none if no listing did.
    pub seen_at: Option<Timestamp>,
    /// Whether it has entries besides its intent.
    pub touched: bool,
}

/// A target of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// Its number in this journal.
    pub target_no: i64,
    /// Account and region.
    pub target: Target,
}

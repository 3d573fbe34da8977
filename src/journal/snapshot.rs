//! What `verify` reads of a journal: one state of it, page by page, and what its projections would be if they were rebuilt. The
//! journal may be damaged, so nothing is taken for granted.

use std::any::Any;
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;

use super::reader::Reading;
use super::sums::Sums;
use crate::record::Entry;
use crate::record::merkle::Hash;

/// The tables that are derived from entries.
pub const PROJECTIONS: [&str; 9] =
    ["run", "target", "intent", "attempt", "row_entry", "milestone", "rate", "checkpoint", "resolution"];

/// The large ones among them, which are compared by sums.
pub const SUMMED: [&str; 3] = ["intent", "attempt", "row_entry"];

/// A row of a table as the journal has it, and as the entries say it should be, each as JSON; none if there is no such row.
pub type Difference = (Option<String>, Option<String>);

/// A journal open for `verify`. Everything between [`begin`](Self::begin) and [`end`](Self::end) sees the same state of it,
/// whatever a running session adds meanwhile.
pub trait Snapshot: Send {
    /// From here on, the snapshot shows one unchanging state of the journal; begun again, a later one.
    fn begin(&mut self) -> Reading<'_, ()>;

    /// Releases the journal.
    fn end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// What the database's own check reports: the first thing that is wrong, and whether the machine failed instead of the data
    /// being damaged.
    fn integrity(&mut self) -> Reading<'_, Option<(String, bool)>>;

    /// How the schema differs from a new journal's.
    fn schema_differences(&mut self) -> Reading<'_, Vec<SchemaDifference>>;

    /// A mark of the journal that differs from the one it was created with.
    fn wrong_mark(&mut self) -> Reading<'_, Option<WrongMark>>;

    /// The head; none if there is no entry yet.
    fn head(&mut self) -> Reading<'_, Option<StoredHead>>;

    /// How many heads there are.
    fn heads(&mut self) -> Reading<'_, i64>;

    /// The next entries from `seq` on; an empty page after the last one.
    fn page(&mut self, seq: i64) -> Reading<'_, EntryPage>;

    /// A single entry, to find where a damaged journal becomes unreadable.
    fn single(&mut self, seq: i64) -> Reading<'_, EntryPage>;

    /// Prepares to project the entries again. What does not fit into memory goes to `directory`, under a `name` that nobody else
    /// uses. Call this before [`begin`](Self::begin).
    fn replay<'a>(&'a mut self, directory: &'a Path, name: &'a str) -> Reading<'a, Box<dyn Replay>>;

    /// Whether the tables of [`SUMMED`] hold exactly what the entries that `replay` was given say. Presumes that nothing else is
    /// wrong. False may also mean that sums cannot answer this.
    fn agrees_with<'a>(&'a mut self, replay: &dyn Replay) -> Reading<'a, bool>;

    /// The first row of a table in which the journal and the replay differ. Call this after the replay is finished.
    fn first_difference(&mut self, table: &'static str) -> Reading<'_, Option<Difference>>;
}

/// The projections, rebuilt from the entries alone.
pub trait Replay: Any + Send {
    /// Takes the next entries: rebuilds the small tables, and adds up the rows of the large ones.
    fn project<'a>(&'a mut self, entries: &'a [Entry]) -> Reading<'a, ()>;

    /// To be called if the sums differ: takes all entries again, from the first on, and rebuilds the large tables, too.
    fn project_rows<'a>(&'a mut self, entries: &'a [Entry]) -> Reading<'a, ()>;

    /// What the rows of the large tables add up to; none if it does not add them up.
    fn sums(&self) -> Option<&Sums> {
        None
    }

    /// Ends the replay, after the last entry.
    fn finish(self: Box<Self>) -> Reading<'static, ()>;
}

/// Entries as stored, one after the other.
#[derive(Debug, Default)]
pub struct EntryPage {
    seqs: Vec<i64>,
    bodies: Vec<u8>,
    ends: Vec<usize>,
    leaves: Vec<u8>,
}

impl EntryPage {
    /// Entries with these numbers: their concatenated bodies, where each body ends, and their leaves.
    #[must_use]
    pub fn new(seqs: Vec<i64>, bodies: Vec<u8>, ends: Vec<usize>, leaves: Vec<u8>) -> Self {
        Self { seqs, bodies, ends, leaves }
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// The total length of its bodies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bodies.len()
    }

    /// (number, body, leaf). A leaf that is not a hash is given as zeros, which no body hashes to.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &[u8], Hash)> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let bodies = begins.zip(&self.ends).map(|(begin, end)| &self.bodies[Range { start: begin, end: *end }]);
        let leaves = self.leaves.as_chunks::<32>().0.iter().copied();
        self.seqs.iter().copied().zip(bodies).zip(leaves).map(|((seq, body), leaf)| (seq, body, leaf))
    }

    /// The number of its last entry.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.seqs.last().copied()
    }

    /// Whether its numbers ascend from `from` on, as requested. A database whose pages were put in another order may answer
    /// otherwise, and a caller who continues after the last number might never come to an end.
    #[must_use]
    pub fn ascends_from(&self, from: i64) -> bool {
        self.seqs.first().is_none_or(|first| *first >= from) && self.seqs.is_sorted_by(|one, next| one < next)
    }

    /// Adds an entry. A leaf that is not a hash becomes zeros.
    pub fn push(&mut self, seq: i64, body: &[u8], leaf: &[u8]) {
        self.seqs.push(seq);
        self.bodies.extend_from_slice(body);
        self.ends.push(self.bodies.len());
        self.leaves.extend(Hash::try_from(leaf).unwrap_or_default());
    }
}

/// The head as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// Entries.
    pub size: i64,
    /// Their root.
    pub root: Vec<u8>,
    /// The roots of the complete subtrees.
    pub frontier: Vec<u8>,
    /// How many entries the last checkpoint covers, and when it was made.
    pub checkpoint: (Option<i64>, Option<String>),
}

/// A mark of the file that differs from the one it was created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongMark {
    /// `application_id` or `user_version`.
    pub name: &'static str,
    /// What a journal has.
    pub expected: i64,
    /// What is there.
    pub found: i64,
    /// Whether all marks are 0, as in a copy that was made from SQL text, which keeps none.
    pub dumped: bool,
}

/// A part of the schema that is not as keybatch makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDifference {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `missing`, `added` or `changed`.
    pub how: &'static str,
}

/// What Litestream keeps in each database that it replicates (seen with 0.5): plain tables that keybatch never reads.
const OF_LITESTREAM: [&str; 2] = ["_litestream_lock", "_litestream_seq"];

impl SchemaDifference {
    /// Whether a replicator keeps this for itself. It changes nothing that is recorded.
    #[must_use]
    pub fn is_of_replication(&self) -> bool {
        self.how == "added" && self.kind == "table" && OF_LITESTREAM.contains(&self.name.as_str())
    }

    /// What happened to it, in words.
    #[must_use]
    pub fn told(&self) -> String {
        let how = if self.how == "missing" { "removed" } else { self.how };
        format!("the {} {} was {how}", self.kind, self.name)
    }
}

//! What `verify` reads of a journal: one state of it, in pages that are cheap to fetch. It only reads. The journal may be damaged, so
//! nothing is taken for granted.

use std::path::Path;

use sqlx::postgres::PgRow;

use super::address::Address;
use super::ask::Ask;
use super::connect::Purpose;
use super::link::{get, only};
use super::migrations::SCHEMA_VERSION;
use super::talk::{Talk, Way};
use super::trouble::of;
use super::{objects, reading as sql};
use crate::journal::projections::{Rebuilt, Scratch};
use crate::journal::{EntryPage, JournalError, Replay, SchemaDifference, ServerTrouble, StoredHead, WrongMark};

/// How many bytes of bodies a page should hold: enough to make the cost of a round trip small.
const PAGE_BYTES: usize = 192 * 1024;

/// How many entries a page holds at most: even if they suddenly are as large as entries can be, a page is some 20 MB.
const PAGE_ENTRIES: usize = 256;

/// How many entries the first page holds, before anything is known about their size.
const FIRST_PAGE: usize = 16;

/// A journal open for `verify`. Everything between [`begin`](Self::begin) and [`end`](Self::end) sees the same state of it, whatever a
/// running session adds meanwhile.
pub struct PostgresSnapshot {
    pub(super) talk: Talk,
    scratch: Scratch,
    /// What a replay has rebuilt.
    pub(super) rebuilt: Option<Box<dyn Rebuilt>>,
    limit: usize,
    is_begun: bool,
}

impl std::fmt::Debug for PostgresSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresSnapshot")
    }
}

impl PostgresSnapshot {
    /// Connects to the journal at `address`. What is rebuilt of it goes to `scratch`.
    ///
    /// # Errors
    /// If the server cannot be reached, or there is no journal, or the user may not read all of it: what a user may not read must
    /// not be taken for damage.
    pub async fn open(address: &Address, scratch: Scratch) -> Result<Self, JournalError> {
        let talk = Way::new(address, Purpose::Read).connect().await?;
        let mut snapshot = Self { talk, scratch, rebuilt: None, limit: FIRST_PAGE, is_begun: false };
        let hidden = snapshot.rows(&Ask::of(sql::HIDDEN)).await?;
        if let Some(row) = hidden.first() {
            let reason = format!("it may not read {}", get::<String>(row, 0)?);
            return Err(of(address, ServerTrouble::NoRight { reason }));
        }
        Ok(snapshot)
    }

    /// From here on, the snapshot shows one unchanging state of the journal; begun again, a later one.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn begin(&mut self) -> Result<(), JournalError> {
        let ended = if std::mem::replace(&mut self.is_begun, false) { self.talk.run("ROLLBACK").await } else { Ok(()) };
        let begun = match ended {
            Ok(()) => self.talk.hold().await,
            Err(failed) => Err(failed),
        };
        begun.map_err(|failed| self.talk.error(failed))?;
        self.is_begun = true;
        Ok(())
    }

    /// Releases the journal.
    pub async fn end(self) {
        self.talk.close().await;
    }

    /// What PostgreSQL knows to be wrong with what it keeps: an index that it does not use because it never became whole. It has no
    /// check of its own that finds more; what it cannot read, it refuses while the entries and the tables are read.
    pub async fn integrity(&mut self) -> Result<Option<(String, bool)>, JournalError> {
        let rows = self.rows(&Ask::of(sql::INVALID_INDEX)).await?;
        let name = rows.first().map(|row| get::<String>(row, 0)).transpose()?;
        Ok(name.map(|name| (format!("the index {name} is not valid"), false)))
    }

    /// How the schema differs from a new journal's.
    pub async fn schema_differences(&mut self) -> Result<Vec<SchemaDifference>, JournalError> {
        let rows = self.rows(&Ask::of(objects::LISTING)).await?;
        let found: Vec<_> = rows.iter().map(objects::read).collect::<Result<_, _>>()?;
        Ok(objects::differences(&found))
    }

    /// The version of the schema, if it is not the one that a journal has.
    pub async fn wrong_mark(&mut self) -> Result<Option<WrongMark>, JournalError> {
        let found: i64 = get(only(&self.rows(&Ask::of(sql::VERSION)).await?)?, 0)?;
        let expected = SCHEMA_VERSION;
        Ok((found != expected).then_some(WrongMark { name: "version", expected, found, dumped: false }))
    }

    /// The head; none if there is no entry yet.
    pub async fn head(&mut self) -> Result<Option<StoredHead>, JournalError> {
        let head = |row: &PgRow| {
            let bytes = |index: usize| get::<Option<Vec<u8>>>(row, index).map(Option::unwrap_or_default);
            let (root, frontier) = (bytes(1)?, bytes(2)?);
            Ok(StoredHead { size: get(row, 0)?, root, frontier, checkpoint: (get(row, 3)?, get(row, 4)?) })
        };
        self.rows(&Ask::of(sql::USED_HEAD)).await?.first().map(head).transpose()
    }

    /// How many heads there are, once there are entries. The table permits one.
    pub async fn heads(&mut self) -> Result<i64, JournalError> {
        get(only(&self.rows(&Ask::of(sql::HEADS)).await?)?, 0)
    }

    /// The next entries from `seq` on; an empty page after the last one.
    pub async fn page(&mut self, seq: i64) -> Result<EntryPage, JournalError> {
        let limit = i64::try_from(self.limit).unwrap_or(1);
        let rows = self.rows(&Ask::of(sql::ENTRY_PAGE).with(seq).with(limit)).await?;
        let page = match page_of(only(&rows)?)? {
            Some(page) => page,
            // Something is wrong: a gap, or a missing value.
            None => self.page_by_rows(seq, limit).await?,
        };
        // The next page is to hold about PAGE_BYTES, and no more than twice as many entries as this one.
        let entries = page.len().max(1);
        let average = (page.bytes() / entries).max(1);
        self.limit = (PAGE_BYTES / average).clamp(1, (entries * 2).min(PAGE_ENTRIES));
        Ok(page)
    }

    /// A single entry, to find where a damaged journal becomes unreadable.
    pub async fn single(&mut self, seq: i64) -> Result<EntryPage, JournalError> {
        self.page_by_rows(seq, 1).await
    }

    async fn page_by_rows(&mut self, seq: i64, limit: i64) -> Result<EntryPage, JournalError> {
        let mut page = EntryPage::default();
        for row in &self.rows(&Ask::of(sql::ENTRIES_FROM).with(seq).with(limit)).await? {
            let (body, leaf): (Option<&str>, Option<Vec<u8>>) = (get(row, 1)?, get(row, 2)?);
            page.push(get(row, 0)?, body.unwrap_or_default().as_bytes(), &leaf.unwrap_or_default());
        }
        Ok(page)
    }

    /// Prepares to project the entries again.
    pub async fn replay(&mut self, directory: &Path, name: &str) -> Result<Box<dyn Replay>, JournalError> {
        let (replay, rebuilt) = (self.scratch)(directory, name).await?;
        self.rebuilt = Some(rebuilt);
        Ok(replay)
    }

    pub(super) async fn rows(&mut self, ask: &Ask) -> Result<Vec<PgRow>, JournalError> {
        let rows = self.talk.rows(ask).await;
        rows.map_err(|failed| self.talk.error(failed))
    }
}

/// The page that is in one row; none if its parts do not fit together.
fn page_of(row: &PgRow) -> Result<Option<EntryPage>, JournalError> {
    let count: i64 = get(row, 0)?;
    if count == 0 {
        return Ok(Some(EntryPage::default()));
    }
    let (first, last): (Option<i64>, Option<i64>) = (get(row, 1)?, get(row, 2)?);
    let lengths: Option<&str> = get(row, 3)?;
    let (bodies, leaves): (Option<String>, Option<Vec<u8>>) = (get(row, 4)?, get(row, 5)?);
    let (bodies, leaves) = (bodies.unwrap_or_default().into_bytes(), leaves.unwrap_or_default());
    let lengths: Option<Vec<usize>> =
        lengths.unwrap_or_default().split(' ').map(|length| length.parse::<usize>().ok()).collect();
    let count = usize::try_from(count).unwrap_or(0);
    let (Some(first), Some(last), Some(lengths)) = (first, last, lengths.filter(|lengths| lengths.len() == count))
    else {
        return Ok(None);
    };
    let ends: Vec<usize> = lengths
        .iter()
        .scan(0_usize, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect();
    let fits = last.checked_sub(first).and_then(|span| usize::try_from(span).ok()) == Some(count - 1)
        && ends.last() == Some(&bodies.len())
        && leaves.len() == 32 * count;
    Ok(fits.then(|| EntryPage::new((first..=last).collect(), bodies, ends, leaves)))
}

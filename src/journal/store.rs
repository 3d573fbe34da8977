//! The contract of a store: a place where entries are kept.

use std::future::Future;
use std::sync::Arc;

use super::JournalError;
use super::head::{Appended, Cadence, Head, TreeHead};
use crate::record::{Draft, Entry, Sealed};

/// Told, where an append failed, which answers it was to record, and those that waited behind it. It is unknown whether the
/// former are there.
pub type OnUnrecorded = Arc<dyn Fn(&[Draft]) + Send + Sync>;

/// A place where entries are kept, as one session uses it. It is implemented for SQLite; nothing here may assume that.
///
/// Each store has a clock, which stamps its entries, and remembers where this session left the head. Its tests are
/// `tests/stores/conformance.rs`, which any store must pass.
pub trait EntryStore: Send + 'static {
    /// Reads the head from which this session continues; a new journal's has an empty tree. Called once, before the first
    /// append.
    fn head(&mut self) -> impl Future<Output = Result<Head, JournalError>> + Send;

    /// The id in the journal's first entry; `None` for a new journal.
    fn journal_id(&mut self) -> impl Future<Output = Result<Option<String>, JournalError>> + Send;

    /// In one transaction, all or nothing: locks the head, learns it, compares it with what this session left, numbers and
    /// seals the drafts ([`Head::seal`]), writes the entries, their projections and the new head, and commits. Returns
    /// once that is durable.
    ///
    /// # Errors
    /// [`JournalError::HeadMoved`] if another process wrote; then nothing was written. After any other error it is *unknown*
    /// whether the batch is there. After either, the store only closes: every other call returns [`JournalError::Closed`].
    fn append(
        &mut self,
        drafts: Vec<Draft>,
        cadence: Option<Cadence>,
    ) -> impl Future<Output = Result<Appended, JournalError>> + Send;

    /// Who is told what cannot be recorded any more; nobody, unless the store knows somebody.
    fn unrecorded(&self) -> Option<OnUnrecorded> {
        None
    }

    /// Moves everything that is durable to where a plain copy of the journal includes it.
    fn consolidate(&mut self) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Closes the store in order, and reports whether that worked.
    fn close(self) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// A store that takes entries as another one sealed them: what a copy of a journal needs.
pub trait Import: EntryStore {
    /// As [`EntryStore::append`], but the entries are sealed already. They are stored as they stand, bytes and all, with the
    /// projections that they have in every store, and may go on where an earlier import ended, in the midst of a session. Returns the
    /// head after them.
    ///
    /// # Errors
    /// Those of [`EntryStore::append`]; [`JournalError::Illegal`] if an entry is not the next one, or does not have its hash. After
    /// any of them, the store only closes.
    fn import(&mut self, entries: Vec<(Entry, Sealed)>) -> impl Future<Output = Result<TreeHead, JournalError>> + Send;
}

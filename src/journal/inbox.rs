//! What people ask of a session at work through the journal's database, which serves several machines.

use futures_util::future::BoxFuture;

use super::JournalError;

/// Where a session finds what it is asked, and leaves its answers. All of it may be done again where an answer of the database was lost.
pub trait Inbox: Send + Sync + 'static {
    /// Begins to listen for the run with this number. The session is asked, too, what those who listen already were told to keep to.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn listen(&self, run_no: i64) -> BoxFuture<'_, Result<(), JournalError>>;

    /// What it was asked and has not answered, in the order of asking.
    ///
    /// # Errors
    /// As [`Inbox::listen`].
    fn hear(&self) -> BoxFuture<'_, Result<Vec<Asked>, JournalError>>;

    /// Answers what it was asked.
    ///
    /// # Errors
    /// As [`Inbox::listen`].
    fn reply(&self, reply: Reply) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its number.
    pub number: i64,
    /// As whom the database knows whoever asked.
    pub role: String,
    /// The question, in the form that both ends agree on.
    pub words: String,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The question's number.
    pub number: i64,
    /// The answer, in the form that both ends agree on.
    pub words: String,
    /// Whether the session does what it was told.
    pub is_done: bool,
}

/// What came back for a question to all sessions that work on a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replies {
    /// How many sessions were asked.
    pub asked_of: u64,
    /// Their answers.
    pub words: Vec<String>,
    /// How many still work and have not answered.
    pub silent: u64,
}

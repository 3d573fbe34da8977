//! A connection to a journal that clones of a reader share. It is opened when it is needed, and once more where it was lost, unless
//! that would show another state of the journal than what was read before.

use sqlx::postgres::PgRow;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::absence::Pauses;
use super::ask::Ask;
use super::talk::{Failed, Talk, Way};
use crate::journal::JournalError;

/// The connection, and the way to another one.
#[derive(Debug)]
pub(super) struct Line {
    way: Way,
    state: Mutex<State>,
}

/// Its state while nothing is asked.
#[derive(Debug)]
enum State {
    Closed,
    Open(Talk),
    /// In a transaction that shows one state of the journal.
    Held(Talk),
    /// Such a transaction was lost: what is read next would show another state.
    Lost,
}

/// A connection while something is asked. It is dropped with whoever asks and does not wait for the answer.
struct Taken {
    talk: Talk,
    is_held: bool,
    /// Whether it was opened for an earlier question.
    is_old: bool,
}

/// What is asked first of a connection that may have been lost meanwhile.
#[derive(Clone, Copy)]
enum First<'a> {
    Ask(&'a Ask),
    Hold,
    Savepoint,
}

impl First<'_> {
    async fn of(self, talk: &mut Talk) -> Result<Vec<PgRow>, Failed> {
        match self {
            Self::Ask(ask) => talk.rows(ask).await,
            Self::Hold => talk.hold().await.map(|()| Vec::new()),
            Self::Savepoint => talk.run("SAVEPOINT aside").await.map(|()| Vec::new()),
        }
    }
}

/// The connection, in a transaction that is taken back at the end. Dropped before that, the connection is dropped with it.
pub(super) struct Aside<'a> {
    state: MutexGuard<'a, State>,
    taken: Taken,
}

/// What came of a question that was asked aside.
pub(super) enum Outcome<T> {
    /// The whole answer.
    Answered(T),
    /// Whoever asked wants no more of it.
    Enough(T),
    /// The database's words against the statement. The connection is sound.
    Refused(JournalError),
}

impl Aside<'_> {
    pub(super) fn talk(&mut self) -> &mut Talk {
        &mut self.taken.talk
    }

    /// Takes the transaction back, and hands on what came of it.
    pub(super) async fn end<T>(mut self, outcome: Outcome<T>) -> Result<T, JournalError> {
        let answer = match outcome {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Refused(error) => Err(error),
            // The rest of the answer would have to be read before anything else. Dropped, the connection ends it.
            Outcome::Enough(answer) if !self.taken.is_held => return Ok(answer),
            Outcome::Enough(answer) => Ok(answer),
        };
        let back = if self.taken.is_held { "ROLLBACK TO SAVEPOINT aside" } else { "ROLLBACK" };
        if let Err(failed) = self.taken.talk.run(back).await {
            return Err(self.taken.talk.error(failed));
        }
        *self.state = self.taken.put_back();
        answer
    }
}

impl Line {
    /// Connects.
    pub(super) async fn open(way: Way) -> Result<Self, JournalError> {
        let talk = way.connect().await?;
        Ok(Self { way, state: Mutex::new(State::Open(talk)) })
    }

    /// Asks. After an error the connection is dropped: it may be in any state.
    pub(super) async fn rows(&self, ask: &Ask) -> Result<Vec<PgRow>, JournalError> {
        let mut state = self.state.lock().await;
        let mut taken = self.take(&mut state).await?;
        let rows = self.again_if_lost(&mut taken, First::Ask(ask)).await?;
        *state = taken.put_back();
        Ok(rows)
    }

    /// Begins a transaction that shows one state of the journal, and is taken back afterwards.
    pub(super) async fn aside(&self) -> Result<Aside<'_>, JournalError> {
        let mut state = self.state.lock().await;
        let mut taken = self.take(&mut state).await?;
        let first = if taken.is_held { First::Savepoint } else { First::Hold };
        self.again_if_lost(&mut taken, first).await?;
        Ok(Aside { state, taken })
    }

    /// From here on, everything shows one state of the journal.
    pub(super) async fn hold_still(&self) -> Result<(), JournalError> {
        let mut state = self.state.lock().await;
        // One that is held already is given up, and one that was lost is replaced.
        *state = match std::mem::replace(&mut *state, State::Closed) {
            State::Held(mut talk) => {
                if talk.run("ROLLBACK").await.is_ok() {
                    State::Open(talk)
                } else {
                    State::Closed
                }
            }
            State::Open(talk) => State::Open(talk),
            State::Closed | State::Lost => State::Closed,
        };
        let mut taken = self.take(&mut state).await?;
        self.again_if_lost(&mut taken, First::Hold).await?;
        *state = State::Held(taken.talk);
        Ok(())
    }

    /// Closes the connection until something is asked.
    pub(super) async fn release(&self) {
        let state = std::mem::replace(&mut *self.state.lock().await, State::Closed);
        if let State::Open(talk) | State::Held(talk) = state {
            talk.close().await;
        }
    }

    /// Asks once more through a new connection if an old one was lost, unless a transaction was lost with it.
    async fn again_if_lost(&self, taken: &mut Taken, first: First<'_>) -> Result<Vec<PgRow>, JournalError> {
        let mut answer = first.of(&mut taken.talk).await;
        if taken.is_old && !taken.is_held && answer.as_ref().is_err_and(Failed::is_lost) {
            taken.talk = self.connect().await?;
            answer = first.of(&mut taken.talk).await;
        }
        answer.map_err(|failed| taken.talk.error(failed))
    }

    /// Another connection. A session waits for a server that was lost.
    async fn connect(&self) -> Result<Talk, JournalError> {
        let (until, mut pauses) = (Instant::now() + self.way.patience(), Pauses::new());
        loop {
            match self.way.connect().await {
                Err(error) if error.may_pass() && Instant::now() < until => {
                    tracing::debug!(%error, "the journal's database is away");
                }
                connected => return connected,
            }
            pauses.pause().await;
        }
    }

    async fn take(&self, state: &mut State) -> Result<Taken, JournalError> {
        match std::mem::replace(state, State::Closed) {
            State::Closed => Ok(Taken { talk: self.connect().await?, is_held: false, is_old: false }),
            State::Open(talk) => Ok(Taken { talk, is_held: false, is_old: true }),
            State::Held(talk) => {
                *state = State::Lost;
                Ok(Taken { talk, is_held: true, is_old: true })
            }
            State::Lost => {
                *state = State::Lost;
                Err(JournalError::Closed)
            }
        }
    }
}

impl Taken {
    fn put_back(self) -> State {
        if self.is_held { State::Held(self.talk) } else { State::Open(self.talk) }
    }
}
